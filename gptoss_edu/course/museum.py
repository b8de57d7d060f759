"""The rooms of the bug museum (chapter 26): a diagnosis first, then the cause.

diagnose("unnoticed", None)        # lists the choices; the cause is folded
diagnose("unnoticed", "mask")      # yes, or no with the next measurement
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from gptoss_edu.checks.display import Shown, box, folded, inline


@cache
def rooms() -> dict[str, dict]:
    """Return room -> its parts, the next measurement, and the cause; "parts" -> every part in words."""
    return tomllib.loads((Path(__file__).parent / "rooms.toml").read_text(encoding="utf-8"))


def diagnose(room: str, part: str | None) -> Shown:
    """Say whether the fault lies in `part` (None: list the parts). The cause is folded; a right answer unfolds it.

    Raises: ValueError if there is no such room.
    """
    known = {name: value for name, value in rooms().items() if name != "parts"}
    if room not in known:
        raise ValueError(f"no room {room!r} here; there are: {', '.join(known)}.")
    parts, told = rooms()["parts"], known[room]
    if part not in parts:
        found = "" if part is None else f"{part!r} is none of the parts. "
        listed = " · ".join(f"`{name}`: {words}" for name, words in parts.items())
        title = f"{found}Your diagnosis? One word of these, as the second argument"
        return Shown(box(title, f"<div>{inline(listed)}</div>{_cause(told)}"), f"{title}:\n  {', '.join(parts)}")
    if part in told["parts"]:
        both = (
            f" (with {' and '.join(f'`{name}`' for name in told['parts'] if name != part)})"
            if told["parts"][1:]
            else ""
        )
        return Shown(box(f"{part}: yes{both}", _cause(told), "passed"), f"{part}: yes{both}\n{told['cause']}")
    return Shown(box(f"{part}: no", f"<div>{inline(told['look'])}</div>", "failed"), f"{part}: no\n{told['look']}")


def _cause(told: dict) -> str:
    return folded("The cause (open it after your diagnosis)", f"<div>{inline(told['cause'])}</div>")
