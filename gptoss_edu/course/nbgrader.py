"""Write a course folder for nbgrader: every exercise is a solution cell, every check a graded cell with points.

    gptoss-edu workshop course --nbgrader --chapters 03 06
    cd course; nbgrader generate_assignment chapter_06; nbgrader release_assignment chapter_06; …

nbgrader itself removes the solutions (between the same marks as here), collects, runs and counts. A graded cell calls
the chapter's own check, so the feedback shows the cause. Writing the folder does not need nbgrader.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat

from gptoss_edu.checks import registry
from gptoss_edu.errors import GptOssError
from gptoss_edu.options import write_text

from .workshop import BEGIN, chapters, is_hints

CONFIG = '''"""nbgrader's settings for this course; see nbgrader.readthedocs.io."""

from pathlib import Path

c = get_config()  # noqa: F821  given by nbgrader
here = Path(__file__).parent
c.CourseDirectory.root = str(here)
c.CourseDirectory.course_id = "gpt-oss"
c.Exchange.root = str(here / "exchange")  # on a shared server: a folder that everybody can write to
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("write this function")'}
c.ExecutePreprocessor.timeout = 600  # seconds for a cell; a chapter takes up to a minute
c.ExecutePreprocessor.kernel_name = "python3"
'''


def grader_notebook(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the instructor's version: no hints or outputs, unfolded exercises, cells marked for nbgrader."""
    copied, cells, waiting = copy.deepcopy(notebook), [], []
    for cell in (cell for cell in copied.cells if not is_hints(cell)):
        cells.append(cell)
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
        if BEGIN in cell.source:
            waiting = re.findall(r"^def (\w+)", cell.source.split(BEGIN)[0], re.M)[-1:]
            _mark(cell, f"write-{waiting[0]}", solution=True)
            cell.metadata.get("jupyter", {}).pop("source_hidden", None)
            cell.metadata["tags"] = [tag for tag in cell.metadata.get("tags", []) if tag != "hide-input"]
        elif waiting and cell.source.strip() == f"checks.{waiting[0]}({waiting[0]})":
            cells.append(_graded(waiting.pop()))
    copied.cells = cells
    copied.metadata.pop("widgets", None)
    return copied


def _graded(name: str) -> nbformat.NotebookNode:
    """Return the graded cell, which follows the check that tells the learner why."""
    cell = nbformat.v4.new_code_cell(
        f"graded = checks.{name}({name})\nassert graded.passed, graded.message", id=f"grade-{name}"[:64]
    )
    _mark(cell, f"grade-{name}", points=registry.EXERCISES[name].points)
    return cell


def _mark(cell, identifier: str, solution: bool = False, points: int | None = None) -> None:
    cell.metadata["nbgrader"] = {
        "grade_id": identifier,
        "solution": solution,
        "grade": points is not None,
        "locked": not solution,
        "task": False,
        "schema_version": 3,
        "cell_type": "code",
        **({"points": points} if points is not None else {}),
    }


def write(folder: Path, selection: list[str] | None = None) -> list[tuple[str, int]]:
    """Write the course folder; return (assignment, points) for each chapter with exercises.

    Raises: GptOssError if the folder already has an assignment of that name, so that graders' changes are not lost.
    """
    folder, made = Path(folder), []
    for path in chapters(selection):
        notebook = grader_notebook(nbformat.read(path, as_version=4))
        points = sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in notebook.cells)
        if not points:
            continue
        assignment = f"chapter_{path.stem[:2]}" if path.stem[:2].isdigit() else path.stem
        target = folder / "source" / assignment / path.name
        if target.exists():
            raise GptOssError(f"{target}: expected a new assignment, found one; remove it or choose another folder.")
        write_text(target, nbformat.writes(notebook, version=4) + "\n")
        made.append((assignment, points))
    if not (folder / "nbgrader_config.py").exists():
        write_text(folder / "nbgrader_config.py", CONFIG)
    return made
