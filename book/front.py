"""The front page's cards, and what the contents call the parts of the course."""

import base64
import io
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

import figures
import nbformat
from PIL import Image

from gptoss_edu.viz import recolour

PARTS = {
    "I: the model": range(0, 12),
    "II: the agent": (12, 13, 14, 24),
    "III: looking inside": (15, 16, 17),
    "IV: making one": (19, 20, 21),
    "V: judging one": (22, 23, 27, 26),
    "Branches": (18, 25),
}
WIDE = 560  # pixels of a card's picture
CARD = (
    '<li><div class="picture">{picture}</div><div class="words"><a href="chapters/{stem}.html">{title}</a>'
    '<p class="builds">{builds}</p><p class="time">{time}</p></div></li>'
)


@dataclass(frozen=True)
class Card:
    """A chapter on the front page; `builds` is Markdown without links."""

    number: int
    stem: str
    title: str
    builds: str
    time: str


def read_card(path: Path) -> Card:
    """Return what the header of a chapter says."""
    head = nbformat.read(path, as_version=4).cells[0].source
    title = re.search(r"^# (\d\d · .+)$", head, re.M)[1]
    builds = re.search(r"^\*\*You (?:build|find out)\*\* (.+)$", head, re.M)
    time = re.search(r"\*\*Time\*\*(.+?) · ", head)[1].strip()
    plain = re.sub(
        r"\[([^\]]+)\]\([^)]*\)|\{term\}`([^<`]*?) ?<[^`]*`|[*`]",
        lambda m: m[1] or m[2] or "",
        builds[1] if builds else "",
    )
    return Card(int(path.stem[:2]), path.stem, title, plain[:1].upper() + plain[1:], time)


def picture(path: Path, folder: Path) -> str:
    """Return the chapter's first figure as image elements, light and dark; an empty text where it has none."""
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/svg+xml" in data or "image/png" in data:
                folder.mkdir(parents=True, exist_ok=True)
                return "".join(_image(data, folder, path.stem, kind) for kind in ("on-light", "on-dark"))
    return ""


def _image(data: dict, folder: Path, stem: str, kind: str) -> str:
    """Write a card's picture, light or dark, and return its element."""
    dark = kind == "on-dark"
    name = stem + ("-dark" if dark else "")
    if "image/svg+xml" in data:
        name += ".svg"
        (folder / name).write_text(figures.standalone("".join(data["image/svg+xml"]), dark), encoding="utf-8")
    else:
        name += ".png"
        stored = base64.b64decode("".join(data["image/png"]))
        image = Image.open(io.BytesIO((dark and recolour.dark_picture(stored)) or stored)).convert("RGB")
        image.thumbnail((WIDE, WIDE))
        image.quantize(128).save(folder / name, optimize=True)
    return f'<img class="{kind}" src="_static/cards/{name}" alt="" loading="lazy">'


def cards(chapters: Path, pictures: Path) -> str:
    """HTML: a heading and a list of cards for each part that has chapters."""
    found = {int(path.stem[:2]): path for path in sorted(chapters.glob("[0-9][0-9]_*.ipynb"))}
    parts = []
    for name, numbers in PARTS.items():
        paths = [found[number] for number in numbers if number in found]
        if paths:
            lines = "".join(_card(path, pictures) for path in paths)
            parts.append(f'<p class="part">{_part(name)}</p><ul class="cards">{lines}</ul>')
    return "\n".join(parts)


def _card(path: Path, pictures: Path) -> str:
    card = read_card(path)
    return CARD.format(
        picture=picture(path, pictures),
        stem=card.stem,
        title=escape(card.title),
        builds=escape(card.builds),
        time=escape(card.time.split(",")[0]),
    )


def _part(name: str) -> str:
    return f"Part {name}" if ":" in name else name


def contents(chapters: Path) -> str:
    """Markdown: a table of contents for each part."""
    found = {int(path.stem[:2]): path.stem for path in sorted(chapters.glob("[0-9][0-9]_*.ipynb"))}
    parts = []
    for name, numbers in PARTS.items():
        lines = "\n".join(f"/chapters/{found[number]}" for number in numbers if number in found)
        if lines:
            parts.append(f"```{{toctree}}\n:caption: '{_part(name)}'\n:maxdepth: 1\n{lines}\n```\n")
    return "\n".join(parts)
