"""The rooms of the bug museum (chapter 26): a diagnosis first, then the cause.

diagnose("unnoticed", None)        # lists the choices
diagnose("unnoticed", "mask")      # yes, or no with the next measurement; then the cause, folded
causes()                           # the causes of all rooms, folded
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from gptoss_edu.checks.display import Shown, box, folded, inline


@cache
def rooms() -> dict[str, dict]:
    """Return room -> its parts, the wider words for them, the next measurement, and the cause.

    "parts" -> every part in words.
    """
    return tomllib.loads((Path(__file__).parent / "rooms.toml").read_text(encoding="utf-8"))


def diagnose(room: str, part: str | None) -> Shown:
    """Say whether the fault lies in `part` (None: list the parts). The cause is offered, folded, after an attempt.

    Raises: ValueError if there is no such room.
    """
    known = _known()
    if room not in known:
        raise ValueError(f"no room {room!r} here; there are: {', '.join(known)}.")
    parts, told = rooms()["parts"], known[room]
    if part not in parts:
        found = "" if part is None else f"{part!r} is none of the parts. "
        listed = " · ".join(f"`{name}`: {words}" for name, words in parts.items())
        title = f"{found}Your diagnosis? One word of these, as the second argument"
        return Shown(box(title, f"<div>{inline(listed)}</div>"), f"{title}:\n  {', '.join(parts)}")
    cause = folded("The cause", f"<div>{inline(told['cause'])}</div>")
    if part in (*told["parts"], *told.get("wider", ())):
        title = f"{part}: yes{_rest(part, told)}"
        return Shown(box(title, cause, "passed"), f"{title}\n{told['cause']}")
    look = f"<div>{inline(told['look'])}</div>"
    return Shown(box(f"{part}: no", look + cause, "failed"), f"{part}: no\n{told['look']}")


def causes() -> Shown:
    """Return the causes of all rooms, each folded under the room's number and name."""
    known = _known()
    html = "".join(
        folded(f"Room {number} · {name}", f"<div>{inline(told['cause'])}</div>")
        for number, (name, told) in enumerate(known.items(), 1)
    )
    title = "The causes, room by room"
    return Shown(box(title, html), f"{title}: {len(known)} rooms")


def numbered() -> dict[str, str]:
    """Return room -> its number and name, as in the labels of the chapter's table."""
    return {name: f"{number} · {name}" for number, name in enumerate(_known(), 1)}


def _known() -> dict[str, dict]:
    return {name: told for name, told in rooms().items() if name != "parts"}


def _rest(part: str, told: dict) -> str:
    """Return what a right diagnosis leaves unsaid: the second fault, or the narrower word."""
    if part not in told["parts"]:
        return f"; the narrower word is `{told['parts'][0]}`"
    others = [f"`{name}`" for name in told["parts"] if name != part]
    return f"; the second fault is {' and '.join(others)}" if others else ""
