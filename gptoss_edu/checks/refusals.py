"""Why a check refused last, kept in a learner's folder (refusals.json): what a class's cockpit counts.

A refusal stays when the exercise passes later: which mistake people made on the way is what a teacher wants to know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from gptoss_edu.options import write_text

from .outcomes import is_own
from .registry import EXERCISES
from .store import alone, read_entries, workshop_folder

FILE_NAME = "refusals.json"
UNKNOWN = "?"


def code(cause: str) -> str:
    """Return a cause's identifier as one word: "a strong sink" is a-strong-sink."""
    return re.sub(r"[^a-z0-9_]+", "-", cause.lower()).strip("-")


def record(name: str, function: Callable, result) -> None:
    """Keep the cause of a refusal; "?" where none is certain and none is likely.

    Nothing is kept outside a student folder, for a stub, or for the package's own function. A folder that cannot be
    written says so when a check passes; here it is left alone.
    """
    folder = workshop_folder()
    refused = result.status in ("failed", "error")
    if folder is None or not refused or name not in EXERCISES or not is_own(name, function):
        return
    cause = code(result.cause_id or (result.suspects[0] if result.suspects else "")) or UNKNOWN
    try:
        with alone(folder):
            write_text(Path(folder) / FILE_NAME, json.dumps(read(folder) | {name: cause}, indent=1))
    except (OSError, ValueError):
        pass


def read(folder: Path) -> dict[str, str]:
    """Exercise -> the code of its last refusal. Raises ValueError on a damaged file."""
    what = "exercises and the causes of their last refusals"
    return read_entries(Path(folder) / FILE_NAME, what, lambda entry: isinstance(entry, str))
