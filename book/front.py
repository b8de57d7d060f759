"""The front page's cards, and what the contents call the parts of the course."""

import base64
import io
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

import nbformat
from PIL import Image

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
    """Return the chapter's first figure, small, as an image element; an empty text where it has none."""
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            stored = output.get("data", {}).get("image/png")
            if stored:
                image = Image.open(io.BytesIO(base64.b64decode(stored))).convert("RGB")
                image.thumbnail((WIDE, WIDE))
                folder.mkdir(parents=True, exist_ok=True)
                image.quantize(128).save(folder / f"{path.stem}.png", optimize=True)
                return f'<img src="_static/cards/{path.stem}.png" alt="" loading="lazy">'
    return ""


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
