"""Which exercises of a student folder pass.

    gptoss-edu progress my-course                      for the learner: every check, and one nameless line to paste
    gptoss-edu progress folder-a folder-b              for the teacher: several folders, and how many pass each check
    gptoss-edu progress --lines pasted.txt             the same from pasted lines

The functions stored in my_gptoss.py are run through their checks again, so a folder runs its learner's code; pasted lines
run nothing. A line names nobody.
"""

import argparse
import json
import re
from pathlib import Path

from .. import checks
from ..checks.predictions import FILE_NAME as PREDICTIONS
from ..checks.store import FILE_NAME
from ..errors import GptOssError

LINE = re.compile(r"gptoss-edu-progress 1 ([x.?]+) predictions (\d+)/(\d+)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="*", type=Path, help="student folders")
    parser.add_argument("--lines", type=Path, help="a file of pasted lines, other text in it is ignored")


def run(args: argparse.Namespace) -> int:
    if not args.folders and not args.lines:
        raise GptOssError("progress: expected a student folder, or --lines FILE.")
    marks = [read_folder(folder) for folder in args.folders]
    if args.lines:
        marks += read_lines(args.lines)
    if len(marks) == 1 and not args.lines:
        print(for_learner(*marks[0]))
    else:
        print(for_teacher(marks))
    return 0


def read_folder(folder: Path) -> tuple[str, int, int]:
    """One mark a check (x passes, ? stored but refused now, . not stored), right and locked predictions."""
    if not (folder / FILE_NAME).is_file():
        raise GptOssError(
            f"{folder}: expected a student folder with {FILE_NAME}; `gptoss-edu workshop {folder}` makes one."
        )
    try:
        stored = checks.load_functions(folder)
    except ValueError as error:
        raise GptOssError(f"{error}. Run its check in the notebook again, or delete the section.") from None
    marks = "".join(
        "." if name not in stored else "x" if getattr(checks, name)(stored[name], keep=False) else "?"
        for name in checks.CHECKS
    )
    return marks, *count_predictions(folder / PREDICTIONS)


def count_predictions(path: Path) -> tuple[int, int]:
    """(right, locked) among the predictions that are in the question bank."""
    if not path.is_file():
        return 0, 0
    try:
        locked = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise GptOssError(f"{path} is damaged: expected JSON. Delete it to begin anew.") from None
    asked = {identifier: checks.questions.get(identifier) for identifier in locked}
    known = {identifier: question for identifier, question in asked.items() if question}
    return sum(locked[identifier]["choice"] == question.answer for identifier, question in known.items()), len(known)


def read_lines(path: Path) -> list[tuple[str, int, int]]:
    """Every progress line in a text."""
    found = [(m[1], int(m[2]), int(m[3])) for m in LINE.finditer(path.read_text(encoding="utf-8"))]
    wrong = next((marks for marks, _, _ in found if len(marks) != len(checks.CHECKS)), None)
    if not found or wrong:
        what = f"one with {len(wrong)} marks instead of {len(checks.CHECKS)}" if wrong else "none"
        raise GptOssError(f"{path}: expected lines such as {as_line('x' * len(checks.CHECKS), 3, 4)!r}, found {what}.")
    return found


def as_line(marks: str, right: int, locked: int) -> str:
    """The nameless line."""
    return f"gptoss-edu-progress 1 {marks} predictions {right}/{locked}"


def for_learner(marks: str, right: int, locked: int) -> str:
    words = {"x": "passes", ".": "not yet", "?": "stored, but refused now"}
    lines = [f"{name:26} {words[mark]}" for name, mark in zip(checks.CHECKS, marks, strict=True)]
    lines.append(
        f"\n{marks.count('x')} of {len(marks)} exercises pass; {right} of {locked} predictions from the question bank were right"
    )
    return "\n".join([*lines, "\nto paste:", as_line(marks, right, locked)])


def for_teacher(marks: list[tuple[str, int, int]]) -> str:
    people = len(marks)
    lines = [f"{'':26} pass  of {people}"]
    for index, name in enumerate(checks.CHECKS):
        passing = sum(mark[index] == "x" for mark, _, _ in marks)
        lines.append(f"{name:26} {passing:4}  {'#' * round(30 * passing / people)}")
    right, locked = (sum(entry[i] for entry in marks) for i in (1, 2))
    lines.append(f"\npredictions: {right} of {locked} right" if locked else "\npredictions: none locked")
    return "\n".join(lines)
