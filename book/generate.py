"""Writes the pages that are made by code, into book/generated (not kept in git)."""

from pathlib import Path

import api_pages
import drawings
import front
import numbers_page
import register
import renderings
from front_picture import front_picture
from prepare import write_if_changed

from gptoss_edu.config import ModelConfig
from gptoss_edu.resources import data_path

RAW = "```{{raw}} html\n{}\n```\n"
MAP = """# The chapters and what each needs

An arrow leads from what is needed to what needs it, as the chapters themselves say at their top. Arrows that follow
from others are left out. The colours are the parts of the course; dashed boxes are optional branches. Every box is a
link.

"""
PICTURE = """# gpt-oss in one picture

Two pictures of one architecture: a small model to walk through, with the numbers of a question that you ask, and the
official ones with their sizes.

## A model to walk through

Ask, then open a block, a head, an expert; the guided walk goes through all of them, and each part leads to the chapter
that builds it. By keyboard: ← and → take another token, ↑ and ↓ another block, Enter opens a part, Escape leads out.

```{{raw}} html
<style>[data-playground=picture] {{ --above: 3.6rem; }} /* the bar of the theme stays in sight */
@media (min-width: 1200px) {{
  body:has([data-playground=picture]) .bd-sidebar-secondary {{ display: none; }}
  body:has([data-playground=picture]) .bd-main .bd-content .bd-article-container {{ max-width: 75rem; width: 100%; }}
}}</style>
<div class="playground" data-playground="picture"><p class="wait">Here a small gpt-oss answers and can be walked
through; this needs JavaScript.</p></div>
```

## The official models, with their sizes

Drawn by code from `ModelConfig.gpt_oss_20b()`: {twenty}. gpt-oss-120b has {layers} blocks and {experts} experts in
each, and is otherwise the same: {hundred}. Read it from the bottom, following the arrows. The large part of a box leads
to the chapter that builds it, the small one to its module.

"""


def generate(chapters: Path, target: Path) -> None:
    """The map, the pictures and the numbers."""
    found = [drawings.read_chapter(path) for path in sorted(chapters.glob("[0-9][0-9]_*.ipynb"))]
    stems = {chapter.number: chapter.stem for chapter in found}
    write_if_changed(target / "chapter_map.md", MAP + RAW.format(drawings.chapter_map(found)) + needs_table(found))
    small, large = ModelConfig.gpt_oss_20b(), ModelConfig.gpt_oss_120b()
    text = PICTURE.format(
        twenty=drawings.sizes(small),
        layers=large.num_hidden_layers,
        experts=large.num_experts,
        hundred=drawings.sizes(large),
    )
    write_if_changed(target / "one_picture.md", text + RAW.format(drawings.one_picture(small, stems)))
    write_if_changed(target / "front_picture.html", front_picture(stems))
    write_if_changed(target / "cards.html", front.cards(chapters, target.parent / "_static" / "cards"))
    write_if_changed(target / "contents.md", front.contents(chapters))
    api_pages.write(target / "api", write_if_changed)
    files = [path for folder in ("benchmarks", "measurements") for path in sorted(data_path(folder).glob("*.json"))]
    write_if_changed(target / "measured_numbers.md", numbers_page.page(files))
    write_if_changed(target / "register.md", register.page(target.parent.parent / "tests"))
    write_if_changed(target / "two_renderings.md", renderings.page())


def needs_table(chapters: list[drawings.Chapter]) -> str:
    """The same in words, for readers who do not see the drawing."""
    lines = ["\n| chapter | time | needs |", "|---|---|---|"]
    for chapter in chapters:
        needs = ", ".join(f"{n:02d}" for n in chapter.needs) or "nothing before it"
        title = f"[{chapter.number:02d} · {chapter.title}](../chapters/{chapter.stem}.ipynb)"
        lines.append(f"| {title} | {chapter.time.partition(' (')[0]} | {needs} |")
    return "\n".join(lines) + "\n"
