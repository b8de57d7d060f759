"""Copies the chapters below book/, made ready for reading: what a learner should not see by accident is folded."""

import base64
import copy
import html
import os
import re
from pathlib import Path

import nbformat
from figure_words import defined_words, words_for
from glossary_links import link_terms

from gptoss_edu.course.workshop import BEGIN, is_hints, student_source
from gptoss_edu.web.page import Page

EXERCISE = "```python\n{}\n```"
EXPLORER = re.compile(r'<iframe title="([^"]*)"[^>]*?height:(\d+)px[^>]*srcdoc=("[^"]*"|\'[^\']*\')></iframe>')
EXPLORED = re.compile(r'<script id="data" type="text/plain">([\w+/=]+)</script>')
FOLDED = '<details class="outcome"><summary>{}</summary>{}</details>'


def copy_chapters(source: Path, target: Path) -> None:
    """Write what changed, and nothing else, so that Sphinx reads again only what changed."""
    target.mkdir(exist_ok=True)
    for path in sorted(source.glob("[0-9][0-9]_*.ipynb")):
        text = nbformat.writes(reading_copy(nbformat.read(path, as_version=4)))
        write_if_changed(target / path.name, text)
    for stale in target.glob("*.ipynb"):
        if not (source / stale.name).exists():
            stale.unlink()


def write_if_changed(path: Path, text: str) -> None:
    """Leave an equal file as it is; else replace it at once."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def reading_copy(notebook):
    """The notebook with its stubs in sight, and solutions, hints and outcomes of predictions folded."""
    copied = copy.deepcopy(notebook)
    cells, titled, seen, defined = [], False, set(), {}
    for cell in copied.cells:
        if cell.cell_type == "markdown":
            titled = _one_title(cell, titled)
            if not is_hints(cell):
                cell.source = link_terms(cell.source, seen)
        elif BEGIN in cell.source:
            cells.append(_stub(cell))
            _fold_input(cell, "the solution")
        elif is_hints(cell):
            _fold_input(cell, "the code of the hints")
        elif "hide-input" in cell.metadata.get("tags", []):
            _fold_input(cell, "the code")
        if cell.cell_type == "code":
            _describe_figures(cell, defined)
            defined |= defined_words(cell.source)
            _renew_explorer(cell)
            _fold_outcome(cell)
        cells.append(cell)
    copied.cells = cells
    return copied


def _one_title(cell, titled: bool) -> bool:
    """Only a page's first title is of the first level: a second one would be a second chapter in the contents."""
    lines, inside = [], False
    for line in cell.source.split("\n"):
        inside ^= line.startswith("```")
        if not inside and re.match(r"# ", line):
            line = "#" + line if titled else line
            titled = True
        lines.append(line)
    cell.source = "\n".join(lines)
    return titled


def _stub(cell):
    """What the exercise asks for, as the student's copy shows it."""
    stub = nbformat.v4.new_markdown_cell(EXERCISE.format(student_source(cell.source)))
    stub.id = f"stub-{cell.get('id', 'x')}"[:64]
    return stub


def _fold_input(cell, name: str) -> None:
    tags = cell.metadata.setdefault("tags", [])
    if "hide-input" not in tags:
        tags.append("hide-input")
    cell.metadata.setdefault("mystnb", {}).update(code_prompt_show=f"Show {name}", code_prompt_hide=f"Hide {name}")


def _describe_figures(cell, defined: dict[str, str]) -> None:
    """For who cannot see a figure: what the code that draws it says of itself."""
    if any("image/png" in output.get("data", {}) for output in cell.outputs):
        text = words_for(cell.source, defined) or "drawn by the cell above"
        cell.metadata.setdefault("mystnb", {})["image"] = {"alt": f"Figure: {text}"}


def _renew_explorer(cell) -> None:
    """A stored trace is shown by the explorer as it is now, not as it was when the notebook ran."""
    for output in cell.outputs:
        found = EXPLORER.fullmatch(output.get("data", {}).get("text/html", ""))
        data = found and EXPLORED.search(html.unescape(found[3]))
        if data:
            page = Page(base64.b64decode(data[1]), html.unescape(found[1]), int(found[2]))
            output.data["text/html"] = page._repr_html_()


def _fold_outcome(cell) -> None:
    """The answers to predictions, in a cell that reveals them."""
    for output in cell.outputs:
        page = output.get("data", {}).get("text/html", "")
        if "the answer is" in page:
            output.data["text/html"] = FOLDED.format("How it came out", page)
