"""nbgrader itself takes a course folder of `gptoss-edu workshop --nbgrader`: generates, releases, grades, exports.

    make test-nbgrader

Three learners hand in: one right, one wrong, one unwritten. nbgrader is installed into build/grading (the extra
`grading`); `--python FILE` takes an environment that has it. Exit 77 where it cannot be fetched: then that is said.
"""

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = 77
ASSIGNMENT, NOTEBOOK = "bridge_attention", "bridge_attention.ipynb"
STUB = "raise NotImplementedError"
RIGHT = "return (q @ k.T / q.shape[-1] ** 0.5).masked_fill(~allowed, -torch.inf).softmax(-1) @ v"
WRONG = "return (q @ k.T).masked_fill(~allowed, -torch.inf).softmax(-1) @ v  # not scaled"
LEARNERS = {"ann": RIGHT, "bob": WRONG, "cid": None}
POINTS = {"ann": 2.0, "bob": 0.0, "cid": 0.0}


def environment() -> Path:
    """Return the Python of an environment with nbgrader and this package; without a network the run is skipped."""
    folder = ROOT / "build" / "grading"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", "-e", f"{ROOT}[grading]"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        print(f"test-nbgrader: skipped: nbgrader cannot be fetched: {lines[-1][:200]}")
        sys.exit(SKIPPED)
    return python


def nbgrader(python: Path, course: Path, *words: str) -> None:
    """Run one of its commands in the course folder; its own words are shown where it fails."""
    done = subprocess.run(
        [str(python), "-m", "nbgrader", *words], cwd=course, capture_output=True, text=True, env=home_of(course, python)
    )
    if done.returncode:
        sys.exit(f"nbgrader {' '.join(words)}\n{(done.stdout + done.stderr)[-3000:]}")


def home_of(course: Path, python: Path) -> dict[str, str]:
    """Return an environment that leaves this machine's Jupyter settings alone; nbgrader calls alembic by name."""
    places = {name: str(course / ".jupyter") for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    kept = {name: value for name, value in os.environ.items() if name not in ("MPLBACKEND", "GPTOSS_EDU_FOLDER")}
    path = os.pathsep.join((str(python.parent), kept.get("PATH", "")))
    return {**kept, **places, "PATH": path, "USER": "teacher"}


def hand_in(released: Path, target: Path, body: str | None) -> None:
    """A learner's copy with its exercise written."""
    notebook = nbformat.read(released, as_version=4)
    stubs = [cell for cell in notebook.cells if STUB in cell.source]
    assert len(stubs) == 1 and "BEGIN SOLUTION" not in released.read_text(encoding="utf-8"), "solutions are cut"
    if body:
        stubs[0].source = re.sub(rf"{STUB}.*", lambda _: body, stubs[0].source)
    target.parent.mkdir(parents=True)
    nbformat.write(notebook, target)


def grade(python: Path, course: Path) -> dict[str, float]:
    """Everything that a teacher does; learner -> points."""
    made = [str(python), "-m", "gptoss_edu", "workshop", str(course), "--nbgrader", "--chapters", "bridge"]
    subprocess.run(made, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    nbgrader(python, course, "generate_assignment", ASSIGNMENT, "--create")
    nbgrader(python, course, "release_assignment", ASSIGNMENT)
    released = course / "release" / ASSIGNMENT / NOTEBOOK
    assert (course / "exchange" / "gpt-oss" / "outbound" / ASSIGNMENT / NOTEBOOK).exists(), "it is in the exchange"
    for learner, body in LEARNERS.items():
        hand_in(released, course / "submitted" / learner / ASSIGNMENT / NOTEBOOK, body)
    nbgrader(python, course, "autograde", ASSIGNMENT, "--create")
    nbgrader(python, course, "generate_feedback", ASSIGNMENT)
    told = (course / "feedback" / "bob" / ASSIGNMENT / NOTEBOOK.replace(".ipynb", ".html")).read_text(encoding="utf-8")
    assert "Scores are divided by the root of head_dim" in told, "the feedback says why"
    nbgrader(python, course, "export", "--to", "grades.csv")
    with (course / "grades.csv").open(encoding="utf-8") as file:
        return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--python", type=Path, help="an environment that has nbgrader")
    python = parser.parse_args().python or environment()
    folder = Path(tempfile.mkdtemp(prefix="nbgrader-"))
    try:
        found = grade(python, folder / "course")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if found != POINTS:
        sys.exit(f"test-nbgrader: expected {POINTS}, nbgrader counted {found}")
    print(f"test-nbgrader: generated, released, graded: {found}")


if __name__ == "__main__":
    main()
