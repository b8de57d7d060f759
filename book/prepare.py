"""Copies the chapters below book/, made ready for reading: what a learner should not see by accident is folded."""

import copy
import os
import re
from pathlib import Path

import cells
import explorers
import figures
import nbformat
import playgrounds
import predictions
from figure_words import defined_words, words_for
from glossary_links import link_terms

from gptoss_edu.course.workshop import BEGIN, is_hints, student_source

EXERCISE = "```python\n{}\n```"


def copy_chapters(source: Path, target: Path) -> None:
    """Write what changed, and nothing else, so that Sphinx reads again only what changed."""
    target.mkdir(exist_ok=True)
    for path in sorted([*source.glob("[0-9][0-9]_*.ipynb"), *source.glob("bridge_*.ipynb")]):
        text = nbformat.writes(reading_copy(nbformat.read(path, as_version=4), path.stem))
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


def reading_copy(notebook, stem: str = ""):
    """Return the notebook with its stubs in sight, and solutions, hints and outcomes of predictions folded."""
    copied = copy.deepcopy(notebook)
    widgets = copied.metadata.pop("widgets", {})
    states = widgets.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    kept, titled, seen, defined = [], False, set(), {}
    for cell in copied.cells:
        if cell.cell_type == "markdown":
            titled = _read_text(cell, titled, seen)
        elif BEGIN in cell.source:
            kept.append(_stub(cell))
            cell.source = cells.without_noise(cell.source)
            cells.fold_input(cell, "the solution")
        else:
            cell.source = cells.without_noise(cell.source)
            name = cells.name_of_fold(cell)
            if cells.only_asks(cell):
                cells.leave_input_out(cell)
            elif name:
                cells.fold_input(cell, name)
        if cell.cell_type == "code":
            if cells.without_widgets(cell, states):
                cells.fold_input(cell, "the code of a slider for a running notebook")
            words = _words_of_figures(cell, defined)
            defined |= defined_words(cell.source)
            _renew_outputs(cell, stem, words)
        kept.append(cell)
    copied.cells = kept
    playgrounds.insert(copied, stem)
    return copied


def _read_text(cell, titled: bool, seen: set[str]) -> bool:
    """Markdown: one title, terms linked, labels below exercises."""
    titled = _one_title(cell, titled)
    if is_hints(cell):
        cell.source = cells.linked_hints(cell.source)
    else:
        cell.source = cells.labelled(link_terms(cell.source, seen))
    return titled


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
    """Return what the exercise asks for, as the student's copy shows it."""
    stub = nbformat.v4.new_markdown_cell(EXERCISE.format(cells.without_noise(student_source(cell.source))))
    stub.id = f"stub-{cell.get('id', 'x')}"[:64]
    return stub


def _words_of_figures(cell, defined: dict[str, str]) -> str:
    """Tell a cell's figures to who cannot see them: what the code that draws them says of itself."""
    named = (words for name, words in defined.items() if words and re.search(rf"\b{name}\b", cell.source))
    text = words_for(cell.source, defined) or next(named, "") or _of_slider(cell.source) or "drawn by the cell above"
    return f"Figure: {text}"


def _of_slider(source: str) -> str:
    """Return a slider's function and what it moves, where nothing says more."""
    call = re.search(r"widgets\.interactive\((\w+), *(\w+)=", source)
    return f"what the slider of {call[2]} shows at first, drawn by {call[1]}" if call else ""


def _renew_outputs(cell, stem: str, words: str) -> None:
    """Outputs that the book shows in its own way: figures, explorers, predictions and what came of them."""
    for i, output in enumerate(cell.outputs):
        drawn = figures.shown(output.get("data", {}), words, f"{cell.get('id', 'x')}-{i}")
        if drawn:
            output.data = {"text/html": drawn}
            continue
        page = output.get("data", {}).get("text/html", "")
        came_out = predictions.outcome(page)
        inside = explorers.element(page, stem) or predictions.card(page) or predictions.asked(page, stem)
        if shown := came_out or inside or figures.frames(page):
            output.data["text/html"] = shown
            if came_out:
                cells.fold_output(
                    cell, "how it came out" if len(cell.outputs) == 1 else "the result, and how it came out"
                )
