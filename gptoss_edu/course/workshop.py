"""Student copies of the notebooks: solutions and outputs cleared, and later updates that keep what a learner wrote.

The markers are nbgrader's (`### BEGIN SOLUTION`, `### END SOLUTION`), so a course that uses nbgrader can take the
originals.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import write_text
from gptoss_edu.resources import notebooks_path

from .wheelhouse import WHEELS

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SOLUTION = re.compile(r"^(?P<indent>[ \t]*)### BEGIN SOLUTION.*?### END SOLUTION[ \t]*$", re.M | re.S)
MANIFEST = ".workshop.json"
OWN_CELLS = "## Your own cells, from before the update"


class WorkshopError(GptOssError):
    """A student folder that cannot be written as asked."""


@dataclass
class Report:
    """What was written: names of new, replaced and merged notebooks, and of backups."""

    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    backups: list[str] = field(default_factory=list)


def student_source(source: str) -> str:
    """A cell's source with every solution replaced by `raise NotImplementedError("write NAME")`."""

    def stub(match: re.Match) -> str:
        functions = re.findall(r"^[ \t]*def (\w+)", source[: match.start()], re.M)
        name = functions[-1] if functions else "this cell"
        return f'{match["indent"]}raise NotImplementedError("write {name}")'

    cleared = SOLUTION.sub(stub, source)
    for marker in (BEGIN, END):
        if marker in cleared:
            raise WorkshopError(
                f"a cell has {marker!r} without its counterpart: {source.strip().splitlines()[0][:60]!r}"
            )
    return cleared


def student_notebook(notebook: nbformat.NotebookNode, with_hints: bool = False) -> nbformat.NotebookNode:
    """A copy without solutions, outputs and counts; without hints unless asked for; exercises unfolded."""
    copied = copy.deepcopy(notebook)
    copied.cells = [cell for cell in copied.cells if with_hints or not is_hints(cell)]
    for cell in copied.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
        if BEGIN in cell.source:
            cell.source = student_source(cell.source)
            cell.metadata.get("jupyter", {}).pop("source_hidden", None)
            if "tags" in cell.metadata:
                cell.metadata["tags"] = [tag for tag in cell.metadata["tags"] if tag != "hide-input"]
    copied.metadata.pop("widgets", None)
    return copied


def is_hints(cell: nbformat.NotebookNode) -> bool:
    """A cell of hints: tagged so, or a code cell that is a call of `checks.hints`."""
    if "hints" in cell.metadata.get("tags", []):
        return True
    return cell.cell_type == "code" and cell.source.lstrip().startswith(("checks.hints(", "hints("))


def exercise_names(source: str) -> list[str]:
    """Functions and classes that a cell defines at its top level."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return []
    return [node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]


def chapters(selection: list[str] | None = None) -> list[Path]:
    """The course's notebooks; `selection` holds numbers and ranges: ["03", "05-08"]."""
    found = sorted(notebooks_path().glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise WorkshopError(
            f"no notebooks in {notebooks_path()}: the installation is incomplete; install the package again."
        )
    if not selection:
        return found
    wanted: set[int] = set()
    for item in re.split(r"[,\s]+", ",".join(selection).strip(", ")):
        match = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", item)
        if not match:
            raise WorkshopError(f"--chapters: expected numbers or ranges such as 03 or 05-08, found {item!r}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise WorkshopError(
                f"--chapters: expected a range from low to high, found {item!r}; write {last:02d}-{first:02d}."
            )
        wanted |= set(range(first, last + 1))
    known = {int(path.name[:2]): path for path in found}
    if wanted - set(known) == wanted:
        raise WorkshopError(
            f"--chapters: none of {', '.join(selection)} exists; there are {', '.join(f'{n:02d}' for n in known)}."
        )
    return [path for number, path in known.items() if number in wanted]


def is_student_folder(folder: Path) -> bool:
    """Whether `write` has made this folder."""
    return (Path(folder) / MANIFEST).is_file()


def write(folder: Path, selection: list[str] | None = None, with_hints: bool = False, update: bool = False) -> Report:
    """Write student copies into `folder`; with `update`, bring newer ones without touching what the learner wrote.

    A copy that the learner has changed keeps their exercises, wherever the new one still has them, and their other
    cells at its end; the file as it was stays beside it as NAME.before-update-N.ipynb.
    """
    folder, report = Path(folder), Report()
    sources = chapters(selection)
    present = [path for path in sources if (folder / path.name).exists()]
    if present and not update:
        raise WorkshopError(
            f"{folder} already holds {present[0].name}; with --update a newer course is brought in and what was written there is kept."
        )
    folder.mkdir(parents=True, exist_ok=True)
    with_hints = with_hints or any(
        is_hints(cell) for path in present for cell in nbformat.read(folder / path.name, as_version=4).cells
    )  # an update leaves the hints where they were
    written = _read_manifest(folder)
    for source in sources:
        new = student_notebook(nbformat.read(source, as_version=4), with_hints)
        target = folder / source.name
        if not target.exists():
            report.new.append(target.name)
        else:
            new = _brought_up(target, new, set(written.get(target.name, [])), report)
        if new is not None:
            write_text(target, nbformat.writes(new, version=4) + "\n")
        fresh = student_notebook(nbformat.read(source, as_version=4), with_hints)
        written[target.name] = sorted({*written.get(target.name, []), *(_digest(cell.source) for cell in fresh.cells)})
    write_text(folder / MANIFEST, json.dumps(written, indent=1))
    _write_companions(folder, sources)
    return report


def _brought_up(target: Path, new, ours: set[str], report: Report):
    """The new copy with the learner's cells carried over, or None when nothing changes."""
    old = nbformat.read(target, as_version=4)
    theirs = [cell for cell in old.cells if _digest(cell.source) not in ours and cell.source.strip()]
    theirs = [cell for cell in theirs if cell.source != OWN_CELLS]
    if not theirs:
        if [cell.source for cell in old.cells] != [cell.source for cell in new.cells]:
            report.replaced.append(target.name)
            return new
        return None
    merged = carried_over(new, theirs)
    if [cell.source for cell in merged.cells] == [cell.source for cell in old.cells]:
        return None
    backup = next(
        path for n in range(1, 1000) if not (path := target.with_suffix(f".before-update-{n}.ipynb")).exists()
    )
    shutil.copyfile(target, backup)
    report.merged.append(target.name)
    report.backups.append(backup.name)
    return merged


def carried_over(new: nbformat.NotebookNode, theirs: list) -> nbformat.NotebookNode:
    """`new` with the learner's cells: an exercise in its place, everything else at the end."""
    merged = copy.deepcopy(new)
    places = {name: cell for cell in merged.cells if cell.cell_type == "code" for name in exercise_names(cell.source)}
    rest = []
    for cell in theirs:
        names = exercise_names(cell.source) if cell.cell_type == "code" else []
        place = next((places[name] for name in names if name in places), None)
        if place is None:
            rest.append(cell)
        else:
            place.source = cell.source
    if rest:
        merged.cells.append(nbformat.v4.new_markdown_cell(OWN_CELLS))
        for cell in rest:
            kind = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
            merged.cells.append(kind(cell.source))
    return merged


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def _read_manifest(folder: Path) -> dict[str, list[str]]:
    path = folder / MANIFEST
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        raise WorkshopError(
            f"{path} is damaged: expected JSON. Delete it; then every cell counts as the learner's own."
        ) from None


NOTES = """# Your copy of the course

Start with `gptoss-edu lab` or `jupyter lab` in this folder, and open the first notebook. What is here is opened as \
it is.

- Exercises are functions that raise NotImplementedError until you write them. Run the check below each one as often \
as you like:
  it says what it saw and where, and `.why()` says why.
- A passed check stores your function in `my_gptoss.py`. Chapter 10 runs gpt-oss-tiny on every part that stands there.
  Of the other exercises `exercises.json` keeps which have passed.
- `predict(...)` locks your prediction before the answer shows; the locks are kept in `predictions.json`.
- `gptoss-edu progress .` shows how far you are, and one line without names that you can paste to a teacher.
- `gptoss-edu workshop . --update` brings a newer course into this folder and keeps what you wrote.

The vocabulary, gpt-oss-tiny and the other data are read from the installed package; nothing is loaded from a network.

Notebooks here:
"""


def _write_companions(folder: Path, sources: list[Path]) -> None:
    """README.md, an empty my_gptoss.py (never over the learner's), and files that lie beside the notebooks."""
    from gptoss_edu.checks.store import FILE_NAME, HEADER

    titles = [
        f"- [{path.name}]({path.name})"
        for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))
        if ".before-update" not in path.name
    ]
    wheels = WHEELS if (folder / "wheelhouse").is_dir() else ""
    write_text(folder / "README.md", NOTES + "\n" + "\n".join(titles) + "\n" + wheels)
    if not (folder / FILE_NAME).exists():
        write_text(folder / FILE_NAME, HEADER)
    for extra in sources[0].parent.iterdir():
        if extra.is_file() and extra.suffix != ".ipynb" and not extra.name.startswith("."):
            shutil.copyfile(extra, folder / extra.name)
