"""Drawings whose boxes are links: the chapters and what each needs, and gpt-oss in one picture.

Both are SVG made by code.
"""

import re
import textwrap
from dataclasses import dataclass
from html import escape
from pathlib import Path

import front
import nbformat
from api_pages import address

from gptoss_edu.checkpoint.layouts import original_shapes
from gptoss_edu.checkpoint.sizes import parameter_counts
from gptoss_edu.config import ModelConfig

ARROWHEAD = (
    '<defs><marker id="{id}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
)


@dataclass(frozen=True)
class Chapter:
    """What the first cell of a notebook says about it."""

    number: int
    stem: str
    title: str
    needs: tuple[int, ...]
    time: str
    stretch: bool


def read_chapter(path: Path) -> Chapter:
    """Title, time and needs, from the header that every chapter has."""
    head = nbformat.read(path, as_version=4).cells[0].source
    title = re.search(r"^# \d\d · (.+)$", head, re.M)
    needs = re.search(r"\*\*Needs\*\*(.+?)(?: · |$)", head, re.M)
    time = re.search(r"\*\*Time\*\*(.+?) · ", head)
    if not (title and needs and time):
        raise ValueError(f"{path.name}: the first cell needs '# NN · title', **Time** and **Needs**; fix its header.")
    return Chapter(
        int(path.stem[:2]), path.stem, title[1], numbers(needs[1], int(path.stem[:2])), time[1].strip(),
        "**Core**" not in head,
    )  # fmt: skip


def numbers(text: str, before: int) -> tuple[int, ...]:
    """Chapter numbers in a sentence; "03 to 09" is all of them, "core" and other words are none."""
    text = re.sub(r"\]\([^)]*\)", "]", text)
    found: set[int] = set()
    for first, last in re.findall(r"\b(\d\d)(?:\s*(?:to|–|-)\s*(\d\d))?\b", text):
        found |= set(range(int(first), int(last or first) + 1))
    return tuple(sorted(n for n in found if n < before))


def direct(chapters: list[Chapter]) -> dict[int, set[int]]:
    """Needs without those that another need already implies; what names nothing needs the first chapter."""
    known = {c.number for c in chapters}
    needs = {c.number: {n for n in c.needs if n in known} or ({0} if c.number else set()) for c in chapters}
    every: dict[int, set[int]] = {}
    for number in sorted(needs):
        every[number] = needs[number].union(*(every.get(n, set()) for n in needs[number]))
    return {n: {m for m in needs[n] if not any(m in every[o] for o in needs[n])} for n in needs}


def chapter_map(chapters: list[Chapter]) -> str:
    """Return one row per step of the longest way from the start; arrows point from a chapter to those that need it."""
    needs, level = direct(chapters), {}
    for chapter in chapters:
        level[chapter.number] = max((level[n] + 1 for n in needs[chapter.number] if n in level), default=0)
    rows = [[c for c in chapters if level[c.number] == row] for row in range(max(level.values()) + 1)]
    width, height, across, down = 186, 62, 200, 98
    total = across * max(map(len, rows))
    place = {
        c.number: (total * (i + 0.5) / len(row) - width / 2, 10 + down * y)
        for y, row in enumerate(rows)
        for i, c in enumerate(row)
    }
    parts = [ARROWHEAD.format(id="needs")]
    for number, wanted in needs.items():
        for other in sorted(wanted):
            (x1, y1), (x2, y2) = place[other], place[number]
            start, end = (x1 + width / 2, y1 + height), (x2 + width / 2, y2)
            middle = (start[1] + end[1]) / 2
            parts.append(
                f'<path class="line" marker-end="url(#needs)" d="M{start[0]:.0f} {start[1]:.0f} '
                f'C{start[0]:.0f} {middle:.0f} {end[0]:.0f} {middle:.0f} {end[0]:.0f} {end[1] - 2:.0f}"/>'
            )
    for chapter in chapters:
        lines = (*name_in_lines(chapter), chapter.time.split(",")[0])
        where = f"../chapters/{chapter.stem}.html"
        kind = f"part-{part_of(chapter.number)}" + (" stretch" if chapter.stretch else "")
        parts.append(box(*place[chapter.number], width, height, lines, where, kind))
    return svg(total, 20 + down * len(rows), parts, "The chapters and what each of them needs")


def name_in_lines(chapter: Chapter, limit: int = 24) -> list[str]:
    """Return number and title up to its colon, whole, in lines of about `limit` characters."""
    return textwrap.wrap(f"{chapter.number:02d} {chapter.title.split(':')[0]}", limit)


def part_of(number: int) -> int:
    """Return the part of the course, from 1; 6 for the branches."""
    return next((i for i, numbers in enumerate(front.PARTS.values(), 1) if number in numbers), 6)


def box(x: float, y: float, width: float, height: float, lines, href: str, kind: str = "") -> str:
    """Return a rounded box that is one link; the last of several lines is smaller."""
    top = y + height / 2 - 8.5 * (len(lines) - 1)
    last = len(lines) - 1
    words = "".join(
        f'<text x="{x + width / 2:.0f}" y="{top + 17 * i + 4.5:.0f}" text-anchor="middle" '
        f"{'font-size=' + chr(34) + '13' + chr(34) if i < max(1, last) else 'class=' + chr(34) + 'small' + chr(34)}>"
        f"{escape(line)}</text>"
        for i, line in enumerate(lines)
    )
    return (
        f'<a href="{href}"><rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'rx="7"/>{words}</a>'
    )


def svg(width: float, height: float, parts: list[str], title: str) -> str:
    return (
        f'<div class="drawing" tabindex="0" role="group" aria-label="{escape(title)}">'
        f'<svg class="linked" viewBox="0 0 {width:.0f} {height:.0f}" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg></div>"
    )


# ----------------------------------------------------------------------------------------------- gpt-oss in one picture

FILES = {"harmony": "harmony/", "agent": "agent/"}  # folders; every other module is one file


def one_picture(config: ModelConfig, stems: dict[int, str]) -> str:
    """Return the whole architecture, bottom to top.

    A part's first line leads to its chapter, the file's name to its module.
    """
    c, window = config, config.sliding_window
    parts = [ARROWHEAD.format(id="flow")]

    def part(x, y, width, name, detail, chapter, module):
        parts.append(box(x, y, width, 44, (f"{chapter:02d} {name}", detail), f"../chapters/{stems[chapter]}.html"))
        parts.append(box(x, y + 46, width, 20, (FILES.get(module, f"{module}.py"),), address(module)))

    def flow(x1, y1, x2, y2):
        parts.append(f'<path class="line" marker-end="url(#flow)" d="M{x1} {y1} L{x2} {y2}"/>')

    part(20, 660, 200, "harmony", "a conversation becomes one text", 12, "harmony")
    part(250, 660, 200, "tokenizer", f"{c.vocab_size:,} ids", 2, "tokenizer")
    part(480, 660, 220, "embedding", f"{c.vocab_size:,} × {c.hidden_size:,}", 10, "transformer")
    flow(220, 682, 248, 682), flow(450, 682, 478, 682)
    parts.append('<rect class="stretch" x="20" y="120" width="680" height="500" rx="10" style="fill:none"/>')
    parts.append(f'<text x="34" y="144" font-size="14">one of {c.num_hidden_layers} blocks</text>')
    flow(600, 658, 600, 100)
    parts.append(
        '<text class="small" x="610" y="146">residual stream</text>'
        f'<text class="small" x="610" y="161">{c.hidden_size:,} numbers</text>'
    )
    part(40, 540, 220, "RMSNorm", f"mean square to 1, times {c.hidden_size:,} scales", 3, "norm")
    part(
        300,
        540,
        220,
        "queries, keys, values",
        f"{c.num_attention_heads} / {c.num_key_value_heads} / {c.num_key_value_heads} heads of {c.head_dim}",
        4,
        "attention",
    )
    part(300, 455, 220, "RoPE and YaRN", f"{c.initial_context_length:,} stretched to {c.max_context:,}", 5, "rope")
    part(40, 455, 220, "keys and values kept", f"a ring of {window} in every other layer", 11, "cache")
    part(
        40,
        370,
        480,
        "attention with sinks",
        f"even layers see {window} keys, odd layers all; one sink for each of {c.num_attention_heads} heads",
        6,
        "attention",
    )
    part(40, 275, 145, "RMSNorm", f"{c.hidden_size:,} scales", 3, "norm")
    part(205, 275, 145, "router", f"{c.experts_per_token} of {c.num_experts}", 8, "moe")
    part(370, 275, 150, "MXFP4 weights", "4.25 bits each", 9, "mxfp4")
    part(
        40,
        185,
        480,
        "experts",
        f"clamped SwiGLU of width {c.intermediate_size:,}, added up by the router's weights",
        7,
        "moe",
    )
    flow(260, 562, 298, 562), flow(410, 538, 410, 523), flow(410, 453, 410, 438), flow(150, 453, 150, 438)
    flow(298, 475, 262, 475), flow(185, 297, 203, 297), flow(278, 273, 278, 253), flow(445, 273, 445, 253)
    for x, y in ((150, 614), (112, 350)):  # each half of the block reads the stream before it adds to it
        parts.append(f'<path class="line" marker-end="url(#flow)" d="M600 {y} L{x} {y} L{x} {y - 8}"/>')
    for y in (392, 207):
        parts.append(
            f'<path class="line" marker-end="url(#flow)" d="M520 {y} L592 {y}"/>'
            f'<text x="568" y="{y - 6}" font-size="13">+</text>'
        )
    part(480, 20, 220, "norm, unembedding", f"{c.vocab_size:,} logits", 10, "transformer")
    part(250, 20, 200, "sampling", "temperature, top p, stop tokens", 11, "generation")
    part(20, 20, 200, "tools", "calls, results, the agent's loop", 13, "agent")
    flow(478, 42, 452, 42), flow(248, 42, 222, 42)
    return svg(720, 750, parts, "gpt-oss in one picture")


def sizes(config: ModelConfig) -> str:
    counts = parameter_counts(original_shapes(config), config)
    return (
        f"{counts['total'] / 1e9:.2f} billion parameters, {counts['active'] / 1e9:.2f} billion of them used by one"
        " token"
    )
