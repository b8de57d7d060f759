"""Make student copies of the notebooks, without solutions and outputs, and update them without losing learners' work.

The markers are nbgrader's (`### BEGIN SOLUTION`, `### END SOLUTION`), so a course that uses nbgrader can use the
originals.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from gptoss_edu.options import read_json, write_bytes, write_text
from gptoss_edu.resources import notebooks_path

from .merge_copies import WorkshopError, carried_over, digests, learners_cells, read_copy
from .wheelhouse import WHEELS

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SOLUTION = re.compile(r"^(?P<indent>[ \t]*)### BEGIN SOLUTION.*?### END SOLUTION[ \t]*$", re.M | re.S)
BRIDGE = "bridge_attention.ipynb"
MANIFEST = ".workshop.json"


@dataclass
class Report:
    """The result: names of new, replaced and merged notebooks, and of backups."""

    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    backups: list[str] = field(default_factory=list)


def student_source(source: str) -> str:
    """Return a cell's source with every solution replaced by `raise NotImplementedError("write NAME")`."""

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
    """Return a copy without solutions, outputs and counts; without hints unless requested; exercises unfolded."""
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
    """Return whether a cell holds hints: by its tag, or because it only calls `checks.hints`."""
    if "hints" in cell.metadata.get("tags", []):
        return True
    return cell.cell_type == "code" and cell.source.lstrip().startswith(("checks.hints(", "hints("))


def chapters(selection: list[str] | None = None) -> list[Path]:
    """Return the course's notebooks; `selection` holds numbers and ranges, ["03", "05-08"], or "bridge" for the
    bridging notebook, which comes first.
    """
    found = sorted(notebooks_path().glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise WorkshopError(
            f"no notebooks in {notebooks_path()}: the installation is incomplete; install the package again."
        )
    if not selection:
        return found
    wanted: set[int] = set()
    items = re.split(r"[,\s]+", ",".join(selection).strip(", "))
    bridge = [notebooks_path() / BRIDGE] if "bridge" in items else []
    for item in items:
        if item == "bridge":
            continue
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
    if wanted - set(known) == wanted and not bridge:
        raise WorkshopError(
            f"--chapters: none of {', '.join(selection)} exists; there are {', '.join(f'{n:02d}' for n in known)}."
        )
    return bridge + [path for number, path in known.items() if number in wanted]


def is_student_folder(folder: Path) -> bool:
    """Return whether `write` created this folder."""
    return (Path(folder) / MANIFEST).is_file()


def write(folder: Path, selection: list[str] | None = None, with_hints: bool = False, update: bool = False) -> Report:
    """Write student copies into `folder`; with `update`, install newer ones and keep what the learner wrote.

    A changed copy keeps the learner's exercises if the new version still has them, and their other cells at its end.
    The old file stays beside it as NAME.before-update-N.ipynb.
    """
    folder, report = Path(folder), Report()
    sources = chapters(selection)
    present = [path for path in sources if (folder / path.name).exists()]
    if present and not update:
        raise WorkshopError(
            f"{folder} already holds {present[0].name}; use --update to install a newer course and keep what was "
            "written there."
        )
    copies = {path.name: read_copy(folder / path.name) for path in present}  # check all before writing anything
    written = _read_manifest(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with_hints = with_hints or any(is_hints(cell) for copied in copies.values() for cell in copied.cells)
    for source in sources:
        new = student_notebook(nbformat.read(source, as_version=4), with_hints)
        target, known = folder / source.name, set(written.get(source.name, []))
        fresh = set().union(*(digests(cell.source) for cell in new.cells))
        if source.name not in copies:
            report.new.append(target.name)
        else:
            new = _brought_up(target, copies[source.name], new, known, fresh, report)
        if new is not None:
            write_text(target, nbformat.writes(new, version=4) + "\n")
        written[target.name] = sorted(known | fresh)
        write_text(
            folder / MANIFEST, json.dumps(written, indent=1)
        )  # after each copy, so that an interrupted run can resume
    _write_companions(folder, sources, written)
    write_text(folder / MANIFEST, json.dumps(written, indent=1))
    return report


def _brought_up(target: Path, old, new, known: set[str], fresh: set[str], report: Report):
    """Return the new copy with the learner's cells carried over, or None when nothing changes.

    known : digests of what was written into this copy before; fresh : those of the new copy, which an interrupted
        run may already have written
    """
    theirs = learners_cells(old, known | fresh)
    if not theirs:
        if [cell.source for cell in old.cells] != [cell.source for cell in new.cells]:
            report.replaced.append(target.name)
            return new
        return None
    merged = carried_over(new, theirs, known)
    if [cell.source for cell in merged.cells] == [cell.source for cell in old.cells]:
        return None
    report.merged.append(target.name)
    _back_up(target, report)
    return merged


def _back_up(target: Path, report: Report) -> None:
    """Back up a file beside itself."""
    names = (f"{target.stem}.before-update-{n}{target.suffix}" for n in range(1, 1000))
    backup = next(path for name in names if not (path := target.with_name(name)).exists())
    write_bytes(backup, target.read_bytes())
    report.backups.append(backup.name)


def _read_manifest(folder: Path) -> dict[str, list[str]]:
    """Return file → digests of what was written: of a notebook's cells, or of another file's whole text."""
    path = folder / MANIFEST
    try:
        found = read_json(path.read_text(encoding="utf-8")) if path.exists() else {}
        sound = isinstance(found, dict) and all(isinstance(entry, list) for entry in found.values())
        if sound and all(isinstance(digest, str) for entry in found.values() for digest in entry):
            return found
    except ValueError:
        pass
    raise WorkshopError(
        f"{path} is damaged: expected a JSON object of lists. Delete it; then every cell that this version does not"
        " have counts as the learner's own."
    )


NOTES = """# Your copy of the course

Start with `gptoss-edu lab` or `jupyter lab` in this folder, and open the first notebook. Files in this folder \
open as they are.

- Exercises are functions that raise NotImplementedError until you write them. Run the check below each one as often \
as you like:
  it says what is wrong and where, and `.why()` says why.
- Hints are left out of a copy; `gptoss-edu workshop . --update --with-hints` adds three to each exercise.
- A passed check stores your function in `my_gptoss.py`. Chapter 10 runs gpt-oss-tiny with every part stored there.
  `exercises.json` records which of the other exercises have passed.
- `predict(...)` locks your prediction before the answer shows; the locks are kept in `predictions.json`.
- `gptoss-edu progress .` shows how far you are, and one line without names that you can paste to a teacher.
- `gptoss-edu workshop . --update` installs a newer course in this folder and keeps what you wrote.

The vocabulary, gpt-oss-tiny and the other data are read from the installed package; nothing is loaded from a network.

Notebooks here:
"""


def _write_companions(folder: Path, sources: list[Path], written: dict[str, list[str]]) -> None:
    """Write README.md, an empty my_gptoss.py, and the files beside the notebooks, but never over the learner's."""
    from gptoss_edu.checks.store import FILE_NAME, HEADER

    titles = [
        f"- [{path.name}]({path.name})"
        for path in [*folder.glob(BRIDGE), *sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
        if ".before-update" not in path.name
    ]
    wheels = WHEELS if (folder / "wheelhouse").is_dir() else ""
    readme = NOTES + "\n" + "\n".join(titles) + "\n" + wheels
    _write_ours(folder / "README.md", readme.encode(), written)
    if not (folder / FILE_NAME).exists():
        write_text(folder / FILE_NAME, HEADER)
    for extra in sources[0].parent.iterdir():
        if extra.is_file() and extra.suffix != ".ipynb" and not extra.name.startswith("."):
            _write_ours(folder / extra.name, extra.read_bytes(), written)


def _write_ours(path: Path, content: bytes, written: dict[str, list[str]]) -> None:
    """Write one of the course's files, unless the learner has changed it."""
    known, digest = written.get(path.name, []), hashlib.sha256(content).hexdigest()[:16]
    if path.exists():
        found = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        if found != digest and found not in known:
            return
    write_bytes(path, content)
    written[path.name] = sorted({*known, digest})
