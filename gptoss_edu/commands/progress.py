"""Show which exercises of a student folder pass.

    gptoss-edu progress my-course                      for the learner: the exercises, and a line to paste
    gptoss-edu progress folder-a folder-b              for the teacher: who passes what, who is stuck, on which mistake
    gptoss-edu progress --lines pasted.txt             the same from pasted lines
    gptoss-edu progress --lines pasted.txt --html room.html   also as a page for the classroom wall, without names

The functions stored in my_gptoss.py are checked again, so reading a folder runs its learner's code; pasted lines run
nothing. The cases of the other exercises are in the notebooks; for these, the last result of their checks counts. A
line contains no name; it says which chapters were handed out, and why a check last refused.
"""

import argparse
import re
from pathlib import Path
from typing import NamedTuple

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import read_text

LINE = re.compile(
    r"gptoss-edu-progress (?:1 ([x.?]+)|[23] ([x.?]+) more ([x.?]+)) predictions (\d+)/(\d+)"
    r"(?: here ([\d,]+|all))?(?: why ([\w=?,-]+))?"
)
WORDS = {"x": "passes", ".": "not yet", "?": "stored, but refused now"}


class Progress(NamedTuple):
    """One mark per exercise (x passes, ? passed once but is refused now, . not yet), right and locked predictions.

    `marks` are those of checks.CHECKS, `more` those of exercises.MORE: "" in a line from before they were
    counted. `here` are the chapters handed out, None if unknown; `why` says why an exercise's check last refused.
    """

    marks: str
    more: str
    right: int
    locked: int
    here: list[str] | None = None
    why: dict[str, str] = {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="*", type=Path, help="student folders")
    parser.add_argument("--lines", type=Path, help="a file of pasted lines; other text in it is ignored")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write the class's progress as a page, to show in the room"
    )


def run(args: argparse.Namespace) -> int:
    if not args.folders and not args.lines:
        raise GptOssError("progress: expected a student folder, or --lines FILE.")
    if len(args.folders) == 1 and not args.lines and not args.html:
        print(for_learner(read_folder(args.folders[0]), chapters_of(args.folders[0])))
        return 0
    from gptoss_edu.course.class_progress import read_class

    pasted = read_lines(args.lines) if args.lines else []
    found, left_out = read_class(args.folders)
    everyone = [Progress(*row) for row in found] + pasted
    if not everyone:
        raise GptOssError(f"none of {len(left_out)} folders could be read; the first: {left_out[0]}.")
    print(for_teacher(everyone))
    if args.html:
        from gptoss_edu.course.cockpit_page import page
        from gptoss_edu.options import write_text

        write_text(args.html, page([as_learner(entry) for entry in everyone]))
        print(f"\nwritten: {args.html}")
    if left_out:
        print(f"\nnot counted, {len(left_out)}:\n" + "\n".join(f"  {' '.join(why.split())}" for why in left_out))
    return 0


def read_folder(folder: Path) -> Progress:
    """Read the progress of a student folder."""
    from gptoss_edu import checks
    from gptoss_edu.checks import refusals
    from gptoss_edu.checks.store import FILE_NAME
    from gptoss_edu.course import predictions
    from gptoss_edu.course import progress as exercises

    if not (folder / FILE_NAME).is_file():
        raise GptOssError(
            f"{folder}: expected a student folder with {FILE_NAME}; `gptoss-edu workshop {folder}` makes one."
        )
    try:
        stored = checks.load_functions(folder)
    except (ValueError, OSError) as error:
        raise GptOssError(f"{error}. Run its check in the notebook again, or delete the section.") from None
    marks = "".join(
        "." if name not in stored else "x" if getattr(checks, name)(stored[name], keep=False) else "?"
        for name in checks.CHECKS
    )
    try:
        kept, locked, why = exercises.read(folder), predictions.read(folder), refusals.read(folder)
    except ValueError as error:
        raise GptOssError(str(error)) from None
    more = "".join({exercises.PASSED: "x", exercises.REFUSED: "?"}.get(kept.get(name), ".") for name in exercises.MORE)
    here = chapters_of(folder)
    return Progress(marks, more, *count_predictions(locked), sorted(here) if here else None, why)


def chapters_of(folder: Path) -> set[str] | None:
    """Return the chapters ("03") whose notebooks are in a student folder.

    None, which stands for all, if there is no notebook.
    """
    return {path.name[:2] for path in folder.glob("[0-9][0-9]_*.ipynb")} or None


def count_predictions(locked: dict[str, dict]) -> tuple[int, int]:
    """Count (right, locked) predictions in the question bank."""
    from gptoss_edu import checks

    asked = {identifier: checks.questions.get(identifier) for identifier in locked}
    known = {identifier: question for identifier, question in asked.items() if question}
    return sum(locked[identifier]["choice"] == question.answer for identifier, question in known.items()), len(known)


def read_lines(path: Path) -> list[Progress]:
    """Read every progress line in a text, including those that count only the package's checks."""
    from gptoss_edu import checks
    from gptoss_edu.course import progress as exercises

    text = read_text(path, "--lines")
    found = [from_line(match) for match in LINE.finditer(text)]
    example = as_line(Progress("x" * len(checks.CHECKS), "." * len(exercises.MORE), 3, 4))
    if not found:
        raise GptOssError(f"{path}: expected lines such as {example!r}, found none.")
    for what, wanted, marks in (
        ("marks", len(checks.CHECKS), [entry.marks for entry in found]),
        ("marks after 'more'", len(exercises.MORE), [entry.more for entry in found if entry.more]),
    ):
        wrong = next((part for part in marks if len(part) != wanted), None)
        if wrong:
            raise GptOssError(
                f"{path}: found a line with {len(wrong)} {what} instead of {wanted}: is it of another version?"
            )
    return found


def as_line(progress: Progress) -> str:
    """Return the line that a learner pastes: results without a name."""
    here = ",".join(progress.here) if progress.here else "all"
    why = ",".join(f"{name}={cause}" for name, cause in progress.why.items())
    counted = f"{progress.marks} more {progress.more} predictions {progress.right}/{progress.locked}"
    return f"gptoss-edu-progress 3 {counted} here {here}" + (f" why {why}" if why else "")


def from_line(match: re.Match) -> Progress:
    """Read a pasted line; older ones lack the chapters handed out and the reasons."""
    here = match[6].split(",") if match[6] and match[6] != "all" else None
    pairs = (pair.partition("=") for pair in (match[7] or "").split(","))
    why = {name: cause for name, _, cause in pairs if cause}
    return Progress(match[1] or match[2], match[3] or "", int(match[4]), int(match[5]), here, why)


def as_learner(progress: Progress):
    """Convert to a `cockpit.Learner`, leaving out exercises that this version does not have."""
    from gptoss_edu.course import cockpit

    marks = dict(zip(cockpit.ORDER, progress.marks + progress.more, strict=False))
    here = None if progress.here is None else frozenset(progress.here)
    return cockpit.Learner(marks, here, {name: why for name, why in progress.why.items() if name in marks})


def for_learner(progress: Progress, chapters: set[str] | None = None) -> str:
    """Return every exercise of these chapters (None: of all), and of others only what has been done.

    The line to paste holds all.
    """
    from gptoss_edu import checks
    from gptoss_edu.course import progress as exercises

    marks, more, right, locked, *_ = progress
    mark_of = dict(zip((*checks.CHECKS, *exercises.MORE), marks + more, strict=True))

    def listed(by_chapter: dict) -> dict[str, tuple[str, ...]]:
        return {
            chapter: names
            for chapter, names in by_chapter.items()
            if chapters is None or chapter in chapters or any(mark_of[name] != "." for name in names)
        }

    checked, own = listed(exercises.CHECKED), listed(exercises.BY_CHAPTER)
    lines = [f"{name:26} {WORDS[mark_of[name]]}" for names in checked.values() for name in names]
    lines += ["\nmore, by the last result of their checks:"] if own else []
    for chapter, names in own.items():
        passing = sum(mark_of[name] == "x" for name in names)
        missing = [name + (" (refused now)" if mark_of[name] == "?" else "") for name in names if mark_of[name] != "x"]
        lines.append(
            f"chapter {chapter}  {passing} of {len(names)}" + (f"   to do: {', '.join(missing)}" if missing else "")
        )
    here, beside = ([mark_of[name] for names in part.values() for name in names] for part in (checked, own))
    counts = [f"{here.count('x')} of {len(here)} exercises pass"] if here or not beside else []
    counts += [f"{beside.count('x')} of {len(beside)} {'more' if here else 'exercises pass'}"] if beside else []
    lines.append(f"\n{', and '.join(counts)}; {right} of {locked} predictions from the question bank were right")
    return "\n".join([*lines, "\nto paste:", as_line(progress)])


def for_teacher(everyone: list[Progress]) -> str:
    """Report what was handed out, exercise by exercise, what blocks the room, and the commonest mistakes."""
    from gptoss_edu.course import cockpit

    found = cockpit.rows([as_learner(entry) for entry in everyone])
    who = "1 learner" if len(everyone) == 1 else f"{len(everyone)} learners"
    lines = [f"{who}; only what was handed out is counted", ""]
    lines.append(f"{'':26} pass  of  stuck  not tried")
    for row in found:
        rest = row.handed - row.passing - row.stuck
        bar = "#" * round(30 * row.passing / row.handed)
        lines.append(f"{row.name:26} {row.passing:4} {row.handed:3} {row.stuck:6} {rest:10}  {bar}")
    blocked, common = cockpit.blocking(found), cockpit.commonest(found)
    if blocked:
        lines += ["", f"{blocked.name} blocks the room: {blocked.stuck} of {blocked.handed} tried it and do not pass"]
    if common:
        lines += ["", "the commonest of the last mistakes:"]
        lines += [f"  {row.name}: {count} of {row.handed}: {words}" for row, count, words in common]
    right = sum(entry.right for entry in everyone)
    locked = sum(entry.locked for entry in everyone)
    lines.append(f"\npredictions: {right} of {locked} right" if locked else "\npredictions: none locked")
    return "\n".join(lines)
