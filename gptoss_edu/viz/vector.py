"""A figure as a small SVG: what a notebook stores of it, beside a small picture for readers that show no SVG.

Matplotlib's SVG of a line chart has 60 to 200 kB, most of it repeated font names and digits that no screen can show.
What is left here has a tenth. Text stays text, so that a page can be searched and an enlarged figure stays sharp.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import sys
from contextlib import contextmanager
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.collections import Collection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

LARGEST = 120_000  # characters of an SVG that a notebook stores; a larger figure keeps its picture alone
MANY = 600  # points of a cloud that is drawn as a picture inside the SVG
CORNERS = 1_500  # of the shapes of one collection, likewise
CELLS = 100  # of a mesh, likewise
SHARP = 200  # pixels an inch of such a picture: two for every pixel of a page
SHADES = 256  # of the small picture; with 64, a colour bar beside another showed the wrong colours
FONTS = {"sans": "'DejaVu Sans',Verdana,sans-serif", "mono": "'DejaVu Sans Mono',Menlo,Consolas,monospace"}
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
NOTHING_TO_SAY = {"Date": None, "Creator": None, "Format": None, "Type": None}
SHORTENED = {"d": 2, "x": 2, "y": 2, "points": 2, "width": 2, "height": 2, "viewBox": 2, "transform": 4}
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
NAMED = re.compile(r'( id="|href="#|url\(#)a(\d+)')
USED = re.compile(r"url\(#([^)]+)\)")


def use_in_notebook() -> None:
    """Let a running notebook store every figure as a small SVG and as a small picture; elsewhere nothing happens."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or "inline" not in mpl.get_backend().lower():
        return
    import matplotlib_inline.backend_inline  # noqa: F401 - it registers formats of its own when it is first loaded

    formatters = shell.display_formatter.formatters
    formatters["image/svg+xml"].for_type(Figure, stored_svg)
    formatters["image/png"].for_type(Figure, stored_png)


def stored_svg(figure: Figure) -> str | None:
    """Return the SVG that a notebook stores; None for an empty figure and for one that would be too large."""
    if not figure.axes and not figure.lines:
        return None
    text = to_svg(figure)
    return text if len(text) <= LARGEST else None


def stored_png(figure: Figure) -> str | None:
    """Return the picture that a notebook stores, in base64: one pixel per pixel of a page, in few shades."""
    from PIL import Image

    if not figure.axes and not figure.lines:
        return None
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=figure.dpi, bbox_inches="tight", facecolor=figure.get_facecolor())
    image = Image.open(drawn).convert("RGB").quantize(SHADES, kmeans=1, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    return base64.b64encode(small.getvalue()).decode("ascii")


def to_svg(figure: Figure) -> str:
    """Write a figure as SVG in few bytes, the same for the same figure.

    Heat maps keep one pixel for each cell. Clouds of more than `MANY` points become a picture inside the drawing.
    """
    written = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "gptoss_edu"}
    with mpl.rc_context(settings), _light_artists(figure):
        figure.savefig(
            written,
            format="svg",
            dpi=SHARP,
            bbox_inches="tight",
            facecolor=figure.get_facecolor(),
            metadata=NOTHING_TO_SAY,
        )
    return compact(written.getvalue())


@contextmanager
def _light_artists(figure: Figure):
    """Draw, inside a with block, heat maps by their cells and large clouds and lines as pictures."""
    cells = [image for image in figure.findobj(AxesImage) if image.get_interpolation() in ("nearest", "auto")]
    heavy = [artist for artist in figure.findobj(_has_many_points) if not artist.get_rasterized()]
    before = [image.get_interpolation() for image in cells]
    for image in cells:
        image.set_interpolation("none")
    for artist in heavy:
        artist.set_rasterized(True)
    try:
        yield
    finally:
        for image, name in zip(cells, before, strict=True):
            image.set_interpolation(name)
        for artist in heavy:
            artist.set_rasterized(False)


def _has_many_points(artist) -> bool:
    if isinstance(artist, QuadMesh):  # a colour bar has 256 cells
        return artist.get_array().size > CELLS
    if isinstance(artist, Collection):
        corners = sum(len(path.vertices) for path in artist.get_paths())
        return len(artist.get_offsets()) > MANY or corners > CORNERS
    return isinstance(artist, mpl.lines.Line2D) and len(artist.get_xdata()) > MANY and artist.get_marker() != "None"


# ---------------------------------------------------------------------------------------------- what an SVG can spare


def compact(text: str) -> str:
    """Shorten Matplotlib's SVG: unused names, long lists of fonts and needless digits go."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(text)
    for parent in list(root.iter()):
        for child in [c for c in parent if c.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style")]:
            parent.remove(child)
    names = _names(root)
    for element in root.iter():
        _spare(element, names)
    _unwrap(root)
    root.set("style", f"font-family:{FONTS['sans']};stroke-linejoin:round;stroke-linecap:butt")
    root.attrib.pop("version", None)
    return _signed(ElementTree.tostring(root, encoding="unicode"))


def _signed(text: str) -> str:
    """Give names that no other figure of a page has: they begin with a digest of the drawing."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return NAMED.sub(rf"\g<1>f{digest}-\2", text)


def _names(root) -> dict[str, str]:
    """Give short names to the ids that are referred to."""
    used = {}
    for element in root.iter():
        for key, value in element.attrib.items():
            found = [value[1:]] if key == f"{{{XLINK}}}href" and value.startswith("#") else USED.findall(value)
            for name in found:
                used.setdefault(name, f"a{len(used)}")
    return used


def _spare(element, names: dict[str, str]) -> None:
    """Shorten one element in place."""
    given = element.attrib
    name = given.pop("id", None)
    if name in names:
        given["id"] = names[name]
    for key, value in list(given.items()):
        if key == f"{{{XLINK}}}href":
            given[key] = "#" + names[value[1:]] if value.startswith("#") else _small(re.sub(r"\s", "", value))
        elif key in SHORTENED:
            given[key] = _short(value, SHORTENED[key])
        else:
            given[key] = USED.sub(lambda match: f"url(#{names[match[1]]})", value)
    if given.get("transform", "").startswith("rotate(-0 "):
        del given["transform"]
    if "  " in (element.text or "").strip():
        given["style"] = f"{given.get('style', '')};white-space:pre"
    if "style" in given:
        given["style"] = ";".join(_said(given["style"]))
        if not given["style"]:
            del given["style"]
    if len(element) or not element.tag.endswith(("text", "tspan")):
        element.text = None
    element.tail = None


def _small(link: str) -> str:
    """Store a picture inside the drawing with a table of its shades, where 256 are enough; edges fade in 16 steps."""
    import numpy as np
    from PIL import Image

    head, _, data = link.partition(",")
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))  # (height, width, 4)
    pixels[..., 3] = np.round(pixels[..., 3] / 17) * 17
    pixels[pixels[..., 3] == 0] = 0
    shades, where = np.unique(pixels.reshape(-1, 4).copy().view(np.uint32), return_inverse=True)
    if len(shades) > 256:
        return link
    table = shades.view(np.uint8).reshape(-1, 4)
    image = Image.fromarray(where.reshape(pixels.shape[:2]).astype(np.uint8), "P")
    image.putpalette(table[:, :3].tobytes())
    out = io.BytesIO()
    image.save(out, format="png", optimize=True, transparency=table[:, 3].tobytes())
    return f"{head},{base64.b64encode(out.getvalue()).decode('ascii')}"


def _short(value: str, digits: int) -> str:
    """Write numbers with few digits, and a path without needless spaces."""
    value = NUMBER.sub(lambda match: f"{float(match[0]):.{digits}f}".rstrip("0").rstrip("."), value)
    return re.sub(r"\s*([A-Za-z])\s+", r"\1", re.sub(r"\s+", " ", value)).strip()


def _said(style: str) -> list[str]:
    """Return the declarations of a style that differ from those of the whole drawing."""
    kept = []
    for part in style.split(";"):
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key == "font-family":
            value = FONTS["mono"] if "Mono" in value else ""
        elif (key == "stroke-linejoin" and value == "round") or (key == "stroke-linecap" and value == "butt"):
            value = ""
        if value:
            kept.append(f"{key}:{value}")
    return kept


def _unwrap(parent) -> None:
    """Replace groups without attributes by their contents."""
    for child in list(parent):
        _unwrap(child)
        if child.tag == f"{{{SVG}}}g" and not child.attrib:
            at = list(parent).index(child)
            parent.remove(child)
            for i, inner in enumerate(child):
                parent.insert(at + i, inner)
