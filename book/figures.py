"""Figures in the book: the stored drawing stands in the page itself and wears the page's theme.

A notebook stores each figure once, drawn on a light ground. Here every colour of the palette becomes a variable with
that colour as its default; `_static/figures.css` gives the variables their dark values. Heat maps and other pictures
inside a drawing come twice. A figure that is stored as a picture alone comes twice too.
"""

import base64
import hashlib
import io
import re
from html import escape
from pathlib import Path

from PIL import Image

from gptoss_edu.viz import recolour

PIXELS = 100 / 72  # of a page for each point: figures are made at 100 pixels an inch
HEAD = re.compile(r'<svg [^>]*?width="([\d.]+)pt" height="([\d.]+)pt"[^>]*?viewBox="([^"]*)"[^>]*?style="([^"]*)">')
NAMED = re.compile(r'( id="|href="#|url\(#)(f\w{6}-\d+)')
FRAME = re.compile(r'<img class="([^"]*)"( data-frame="\d+" alt="[^"]*") src="data:image/png;base64,([^"]+)">')
EMBEDDED = re.compile(r"<image [^>]*/>")
STATIC = Path(__file__).parent / "_static"
PICTURE = '<img class="figure{kind}" src="../_static/figures/{name}.png" alt="{words}" width="{wide}" loading="lazy">'
used: set[str] = set()


def clear() -> None:
    """Forget the pictures of an earlier build and the colours that were used."""
    used.clear()
    for path in (STATIC / "figures").glob("*.png"):
        path.unlink()


def shown(data: dict, words: str, name: str) -> str | None:
    """Return the HTML of a stored output that holds a figure; None where it holds none.

    words : what the figure shows, for who cannot see it; name : no other figure's on the page.
    """
    if "image/svg+xml" in data:
        return inline("".join(data["image/svg+xml"]), words, name)
    if "image/png" in data:
        return pictures(base64.b64decode("".join(data["image/png"])), words)
    return None


def inline(svg: str, words: str, name: str) -> str:
    """Turn a stored SVG into an element of a page, as wide as its picture would be."""
    width, height, box, look = HEAD.match(svg).groups()
    wide = float(width) * PIXELS
    head = (
        f'<svg class="figure" role="img" aria-label="{escape(words)}" viewBox="{box}" width="{wide:.0f}"'
        f' height="{float(height) * PIXELS:.0f}" style="{look};--wide:{wide:.0f}px">'
    )
    body = EMBEDDED.sub(_both, HEAD.sub("", svg, count=1))
    body = NAMED.sub(lambda match: f"{match[1]}{name}-{match[2]}", body)
    return f'<div class="drawn">{head}{recolour.HEX.sub(_variable, body)}</div>'


def standalone(svg: str, dark: bool) -> str:
    """Return a stored SVG as a file of its own, light or dark."""
    return recolour.dark_svg(svg) if dark else svg


def _variable(match: re.Match) -> str:
    """Return a colour, or the variable that holds it where the dark has another."""
    color = match[0].lower()
    if recolour.counterpart(color) is None:
        return color
    used.add(color)
    return f"var(--x{color[1:]},{color})"


def _both(match: re.Match) -> str:
    """Show a picture inside a drawing once per theme; once for both where its colours have no ground."""
    element = match[0]
    data = recolour.PICTURE.search(element)
    dark = data and recolour.dark_data(data[1])
    if not dark:
        return element
    light = element.replace("<image ", '<image class="on-light" ', 1)
    return light + element.replace("<image ", '<image class="on-dark" ', 1).replace(data[1], dark)


def pictures(png: bytes, words: str) -> str:
    """Show a stored picture, and its dark version where its colours are the palette's; else it keeps its paper."""
    dark = recolour.dark_picture(png)
    light = _image(png, words, " on-light" if dark else " on-paper")
    return f'<div class="drawn">{light}{_image(dark, words, " on-dark") if dark else ""}</div>'


def frames(page: str) -> str | None:
    """Show each frame of a process once per theme, its pictures in files of their own; None where there are none."""
    return FRAME.sub(_frame, page) if '<div class="frames' in page else None


def _frame(match: re.Match) -> str:
    kind, rest, data = match.groups()
    light = base64.b64decode(data)
    dark = recolour.dark_picture(light)
    shown = [(light, "on-light" if dark else "on-paper"), *([(dark, "on-dark")] if dark else [])]
    return "".join(
        f'<img class="{kind} {theme}"{rest} src="../_static/figures/{_stored(png)}.png">' for png, theme in shown
    )


def _image(png: bytes, words: str, kind: str) -> str:
    wide, _ = Image.open(io.BytesIO(png)).size
    return PICTURE.format(kind=kind, name=_stored(png), words=escape(words), wide=wide)


def _stored(png: bytes) -> str:
    """Write a picture beside the pages, and return its name."""
    name = hashlib.sha256(png).hexdigest()[:16]
    path = STATIC / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png)
    return name


def write_colors() -> None:
    """Write the dark values of the colours that the pages use, as a style sheet; on paper all is light."""
    values = "".join(f"--x{color[1:]}:{recolour.counterpart(color)};" for color in sorted(used - {"#ffffff"}))
    values += "--xffffff:var(--pst-color-background);"  # the ground is the page's
    text = f'@media screen {{ html[data-theme="dark"] {{ {values} }} }}\n'
    (STATIC / "figures.css").write_text(text, encoding="utf-8")
