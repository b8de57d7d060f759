"""Keep why a check last refused, in a learner's folder (refusals.json), for the class's table.

A refusal stays when the exercise passes later, because a teacher wants to know which mistakes people made on the way.
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
    """Keep the cause of a refusal; "?" if none is certain or likely.

    Nothing is kept outside a student folder, for a stub, or for the package's own function. If the folder cannot be
    written, a passing check says so; here it is ignored.
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
    """Return exercise -> the code of its last refusal. Raises ValueError on a damaged file."""
    what = "exercises and the causes of their last refusals"
    return read_entries(Path(folder) / FILE_NAME, what, lambda entry: isinstance(entry, str))
