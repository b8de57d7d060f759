"""One page to hand out for each part of the course: `make handouts` writes book/_build/handouts/part_1.html, ….

    python book/handouts.py --pdf      and one A4 page each as PDF, printed by Chromium

A handout says of each chapter what it builds, what one can explain afterwards, and which functions are written. All of
it is read from the chapters and the registry.
"""

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path

import nbformat
from front import PARTS, read_card

from gptoss_edu.checks import registry
from gptoss_edu.course.workshop import chapters
from gptoss_edu.errors import GptOssError

TARGET = Path(__file__).parent / "_build" / "handouts"
BULLETS = {True: 4, False: 8}  # of a chapter, where a part has many chapters or few
STYLE = """
:root { color-scheme: light dark; }
body { font: 10pt/1.36 "DejaVu Sans", system-ui, sans-serif; max-width: 190mm; margin: 6mm auto; padding: 0 4mm; }
h1 { font-size: 15pt; margin: 0 0 2mm; } h2 { font-size: 10.4pt; margin: 0 0 .6mm; }
main { columns: 2; column-gap: 8mm; } section { break-inside: avoid; margin: 0 0 3mm; }
p, ul { margin: 0 0 .6mm; } ul { padding-left: 4mm; } code { font-size: .9em; overflow-wrap: anywhere; }
.many { font-size: 7.7pt; line-height: 1.22; } .many section { margin-bottom: 1.6mm; } .many h2 { font-size: 8.8pt; }
.foot { margin-top: 2mm; font-size: 7.5pt; opacity: .75; }
@page { size: A4; margin: 10mm; } @media print { body { margin: 0; padding: 0; max-width: none; } }
"""


def explained(path: Path, most: int) -> list[str]:
    """Return what one can explain after a chapter, in its own words; lines with formulas are left out."""
    cells = nbformat.read(path, as_version=4).cells
    text = next(cell.source for cell in cells if "can now explain" in cell.source)
    lines = re.findall(r"^- (.+)$", text.partition("can now explain")[2].partition("\n## ")[0], re.M)
    return [line.rstrip(";.") for line in lines if "$" not in line][:most]


def inline(text: str) -> str:
    """Markdown of one line as HTML: code, bold, emphasis; links as their words."""
    text = escape(re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text), quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", text)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)


def section(path: Path, many: bool) -> str:
    """Return one chapter."""
    card = read_card(path)
    names = registry.by_chapter().get(path.stem[:2], ())
    bullets = "".join(f"<li>{inline(line)}</li>" for line in explained(path, BULLETS[many]))
    written = f"<p>You write {', '.join(f'<code>{name}</code>' for name in names)}.</p>" if names else ""
    return f"<section><h2>{escape(card.title)}</h2><p>{inline(card.builds)}</p><ul>{bullets}</ul>{written}</section>"


def handouts() -> dict[str, str]:
    """File name -> page, for each part that has chapters."""
    there, pages = {int(path.stem[:2]): path for path in chapters()}, {}
    for number, (name, numbers) in enumerate(PARTS.items(), 1):
        paths = [there[n] for n in numbers if n in there]
        if not paths:
            continue
        title = f"gpt-oss, built · {'part ' + name if ':' in name else name.lower()}"
        many = len(paths) > 6
        body = "".join(section(path, many) for path in paths)
        foot = "After these chapters you can explain what stands here; the exercises are checked in the notebooks."
        pages[f"part_{number}.html"] = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
            f"<body class='{'many' if many else 'few'}'><h1>{escape(title)}</h1><main>{body}</main>"
            f"<p class=foot>{foot}</p></body></html>\n"
        )
    return pages


def main(arguments: list[str]) -> int:
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, page in handouts().items():
        (TARGET / name).write_text(page, encoding="utf-8")
        print(TARGET / name)
    if "--pdf" not in arguments:
        return 0
    from gptoss_edu.benchmarks.explorer import browser

    try:
        with browser() as chromium:
            page = chromium.new_page(color_scheme="light")
            for path in sorted(TARGET.glob("part_*.html")):
                page.goto(path.as_uri())
                page.pdf(path=path.with_suffix(".pdf"), format="A4", prefer_css_page_size=True, print_background=True)
    except GptOssError as error:
        print(f"book/handouts.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
