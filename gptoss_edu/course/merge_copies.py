"""Merge a newer course into a learner's copy: find the learner's cells, and where each goes.

No cell needs to be valid Python: cells with magics, `!` lines or half-written code are told apart by their text. The
learner's cells go to their exercise's place in the new copy, or else to the end.
"""

from __future__ import annotations

import copy
import hashlib
import re
import warnings
from pathlib import Path

import nbformat

from gptoss_edu.errors import GptOssError

OWN_CELLS = "## Your own cells, from before the update"
DEFINED = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.M)
POINTER = "# {names}: written in a cell of yours, with another exercise."
IS_POINTER = re.compile(r"# [\w, ]+: written in a cell of yours, with another exercise\.")


class WorkshopError(GptOssError):
    """A student folder that cannot be written as requested."""


def read_copy(path: Path) -> nbformat.NotebookNode:
    """Return a learner's notebook.

    Raises
    ------
    WorkshopError : it cannot be read; names the file, what it contains, and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about older formats, whose cells have no ids
            notebook = nbformat.reads(text, as_version=4)
        cells = notebook.cells
        if not isinstance(cells, list) or not all(isinstance(cell.source, str) for cell in cells):
            raise TypeError
        if not all(isinstance(cell.metadata, dict) and isinstance(cell.cell_type, str) for cell in cells):
            raise TypeError
        return notebook
    except OSError as error:
        found = f"one that cannot be read ({error.strerror})"
    except Exception:  # nbformat does not document its exceptions
        text = path.read_bytes().decode("utf-8", "replace")
        marks = any(line.startswith("<<<<<<<") for line in text.splitlines())
        found = (
            "an empty file, as a full disk leaves it" if not text.strip()
            else "git's merge marks; resolve them first" if marks
            else "an incomplete notebook"
        )  # fmt: skip
    raise WorkshopError(
        f"{path}: expected a notebook, found {found}. Move the file away and run this again: a fresh copy takes its"
        " place."
    )


def names_in(source: str) -> list[str]:
    """Return functions and classes that a cell defines at its left edge, even if it is not valid Python."""
    return list(dict.fromkeys(DEFINED.findall(source)))


def digests(source: str) -> set[str]:
    """Return the digests by which a cell's text is recognised.

    One is of the exact text, one without trailing blanks, which editors change.
    """
    plain = "\n".join(line.rstrip() for line in source.replace("\r\n", "\n").strip().split("\n"))
    return {hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16] for text in (source, plain)}


def learners_cells(old: nbformat.NotebookNode, ours: set[str]) -> list:
    """Return the cells whose text is from no version of the course."""
    theirs = [cell for cell in old.cells if cell.source.strip() and not digests(cell.source) & ours]
    return [cell for cell in theirs if cell.source != OWN_CELLS and not IS_POINTER.fullmatch(cell.source)]


def carried_over(new: nbformat.NotebookNode, theirs: list, known: set[str]) -> nbformat.NotebookNode:
    """Return `new` with the learner's cells.

    Parameters
    ----------
    new : the course's copy. theirs : the learner's cells, in order.
    known : digests of what was written into this copy before. A cell of the course that has not changed since keeps
        what the learner made of it, in its place.
    """
    merged, left = copy.deepcopy(new), list(theirs)
    names = [names_in(cell.source) if cell.cell_type == "code" else [] for cell in merged.cells]
    placed: list[tuple[int, nbformat.NotebookNode]] = []
    for at, cell in enumerate(merged.cells):
        chosen = _chosen(cell, names[at], left, bool(digests(cell.source) & known))
        if chosen is not None:
            left = [other for other in left if other is not chosen]
            placed.append((at, chosen))
    filled = {at for at, _ in placed}
    defined = {name for _, cell in placed for name in names_in(cell.source)}
    for at, cell in enumerate(merged.cells):
        if names[at] and at not in filled and set(names[at]) <= defined and "NotImplementedError" in cell.source:
            cell.source = POINTER.format(names=", ".join(names[at]))  # its stub would hide the learner's function
    for at, chosen in placed:
        merged.cells[at].source = chosen.source
        if "attachments" in chosen:
            merged.cells[at].attachments = copy.deepcopy(chosen.attachments)
    if left:
        merged.cells.append(nbformat.v4.new_markdown_cell(OWN_CELLS))
        taken = {cell.get("id") for cell in merged.cells}
        for cell in left:
            added = copy.deepcopy(cell)
            if added.get("id") in taken or "id" not in added:
                added["id"] = nbformat.v4.new_raw_cell().id
            taken.add(added["id"])
            merged.cells.append(added)
    return merged


def _chosen(cell, names: list[str], left: list, unchanged: bool):
    """Return the learner's cell that replaces `cell`, or None.

    An exercise's own cell comes before copies of it, and these before a cell that defines it under another name.
    """
    same = next((c for c in left if c.get("id") == cell.get("id") is not None and c.cell_type == cell.cell_type), None)
    if not names:
        return same if unchanged else None
    defining = [c for c in left if c.cell_type == "code" and set(names_in(c.source)) & set(names)]
    if any(c is same for c in defining):
        return same
    return defining[0] if defining else same
