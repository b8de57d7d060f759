"""Apply a unified diff strictly: every line that it names must be where it says, or the whole diff is refused.

Line numbers may be off (models count badly) as long as the lines themselves are found once at or after the last change.

Source: POSIX.1-2017, diff utility, "Diff -u Output Format".
"""

from __future__ import annotations

import re
from pathlib import Path

from gptoss_edu.errors import GptOssError

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class DiffError(GptOssError):
    """A diff that is damaged or does not fit the files."""


def apply_diff(folder: Path, diff: str) -> list[str]:
    """Change the files in ``folder``; return their paths. If any part does not fit, nothing is changed.

    Raises
    ------
    DiffError : a path outside the folder, a missing line, or no change at all.
    """
    changed: dict[str, str | None] = {}
    for old, new, hunks in read_diff(diff):
        path = new if new != "/dev/null" else old
        target = (folder / path).resolve()
        if not target.is_relative_to(folder.resolve()):
            raise DiffError(f"{path}: expected a path inside the repository, found one outside; name a relative one.")
        if old == "/dev/null":
            before: list[str] = []
        elif path in changed and changed[path] is not None:
            before = changed[path].split("\n")
        elif target.is_file():
            before = target.read_text(encoding="utf-8").split("\n")
        else:
            raise DiffError(f"{path}: expected a file to change, found none; check the path.")
        after = _patched(before, hunks, path)
        changed[path] = None if new == "/dev/null" else "\n".join(after)
    if not changed:
        raise DiffError("The diff should change a file, found none; begin each with --- and +++ lines.")
    for path, text in changed.items():
        target = folder / path
        if text is None:
            target.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return list(changed)


def read_diff(diff: str) -> list[tuple[str, str, list[tuple[int, list[str]]]]]:
    """Return (old path, new path, hunks) of each file; a hunk is (first old line, its lines with their signs)."""
    files: list = []
    lines = diff.rstrip("\n").split("\n")
    i = 0
    while i < len(lines):
        line = lines[i]
        if line.startswith("--- ") and i + 1 < len(lines) and lines[i + 1].startswith("+++ "):
            files.append((_path(line), _path(lines[i + 1]), []))
            i += 2
            continue
        hunk = _HUNK.match(line)
        if hunk and files:
            body, i = _hunk_lines(lines, i + 1)
            files[-1][2].append((int(hunk[1]), body))
            continue
        i += 1
    return files


def _path(line: str) -> str:
    path = line[4:].split("\t")[0].strip()
    return path if path == "/dev/null" else re.sub(r"^[ab]/", "", path)


def _hunk_lines(lines: list[str], i: int) -> tuple[list[str], int]:
    body = []
    while i < len(lines) and (lines[i] == "" or lines[i][0] in " +-\\") and not lines[i].startswith("--- "):
        if not lines[i].startswith("\\"):  # "\ No newline at end of file"
            body.append(lines[i] or " ")
        i += 1
    return body, i


def _patched(before: list[str], hunks: list[tuple[int, list[str]]], path: str) -> list[str]:
    after, at = [], 0
    for first, body in hunks:
        old = [line[1:] for line in body if line[0] in " -"]
        start = _find(before, old, max(0, first - 1), at)
        if start is None:
            raise DiffError(f"{path}: expected the lines around line {first}, found others; make the diff anew.")
        after += before[at:start] + [line[1:] for line in body if line[0] in " +"]
        at = start + len(old)
    return after + before[at:]


def _find(lines: list[str], wanted: list[str], guess: int, least: int) -> int | None:
    """Return where the wanted lines are: at the guess, or at the only place from ``least`` on."""
    fits = lambda i: lines[i : i + len(wanted)] == wanted  # noqa: E731
    if not wanted:
        return min(max(guess, least), len(lines))
    if guess >= least and fits(guess):
        return guess
    places = [i for i in range(least, len(lines) - len(wanted) + 1) if fits(i)]
    return places[0] if len(places) == 1 else None
