"""Keep the check results of exercises that are not stored, in a learner's folder (exercises.json).

Stored exercises can be checked again at any time, because their source is kept. For the others only the last result is
kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from gptoss_edu.options import write_text

from .registry import EXERCISES
from .store import alone, read_entries, workshop_folder

FILE_NAME = "exercises.json"
PASSED, REFUSED = "passed", "refused"


def record(name: str, function: Callable, status: str) -> str:
    """Keep the result of a chapter's own exercise; return why it could not be kept, or "".

    Nothing is kept outside a student folder, for a stub, or for the finished function that the notebook imports after
    the check.
    """
    folder = workshop_folder()
    if (
        folder is None
        or name not in EXERCISES
        or EXERCISES[name].stored
        or status == "not written yet"
        or not is_own(name, function)
    ):
        return ""
    try:
        with alone(folder):
            kept = read(folder)
            if status == PASSED or name in kept:
                kept[name] = PASSED if status == PASSED else REFUSED
                write_text(Path(folder) / FILE_NAME, json.dumps(kept, indent=1))
    except (OSError, ValueError) as error:
        return f"not recorded in {FILE_NAME}: {error}"
    return ""


def read(folder: Path) -> dict[str, str]:
    """Return exercise -> "passed", or "refused" if it had passed but its last check did not.

    Raises ValueError on a damaged file.
    """
    what = "exercises and how they came out"
    return read_entries(Path(folder) / FILE_NAME, what, lambda entry: entry in (PASSED, REFUSED))


def is_own(name: str, function: Callable) -> bool:
    """Return whether `function` is the learner's.

    A function that calls the package's `name` does not count.
    """
    called = getattr(function, "__globals__", {}).get(name, function)
    return not any((getattr(f, "__module__", "") or "").startswith("gptoss_edu") for f in (function, called))
