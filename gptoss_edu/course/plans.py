"""Plans for teachers: chapters, in full or on the core path, with breaks, that fit the hours they name.

A chapter's minutes are only in its own header, "**Time** 85 minutes, 50 on the core path". A class needs half as much
again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import nbformat

from gptoss_edu.errors import GptOssError
from gptoss_edu.resources import notebooks_path

A_ROOM = 1.5  # minutes in class per minute that a chapter names
BRIDGE = "bridge_attention"
TIME = re.compile(r"\*\*Time\*\* (\d+) minutes(?:, (\d+) on the core path)?")


@dataclass(frozen=True)
class Plan:
    """One plan.

    Attributes: `hours`, in all, including breaks; `breaks`, minutes of each; `path`, chapters in order, "06" in full,
    "06 core" on the core path, "bridge" the bridging notebook; `cut`, what to drop first when time runs out; `leave`,
    what learners take away.
    """

    name: str
    hours: float
    breaks: tuple[int, ...]
    path: tuple[str, ...]
    cut: str
    leave: str

    @property
    def named(self) -> int:
        """The sum of the minutes that its chapters name."""
        return sum(minutes(entry) for entry in self.path)

    @property
    def needed(self) -> float:
        """Minutes in class, including breaks."""
        return A_ROOM * self.named + sum(self.breaks)


def core(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{number:02d} core" for number in numbers)


PLANS = (
    Plan(
        "half a day", 3.5, (15,), ("bridge", *core(6, 8)),
        "in 06 'In a trained model', then in 08 'Expert by expert' from its exercise on",
        "a head that attends to nothing; a router they wrote",
    ),
    Plan(
        "a day", 7, (15, 45, 15), ("00 core", "bridge", *core(6, 8, 10)),
        "in 00 'Where 20.9 billion parameters sit', in 10 'The ladder'",
        "gpt-oss-tiny answering through their own functions",
    ),
    Plan(
        "two days", 14, (15, 45, 15, 15, 45, 15), core(*range(3, 12)),
        "in 09 'Where 4.25 comes from', in 11 'A ring'",
        "every part of the model, and the loop that makes it speak",
    ),
    Plan(
        "a month, 24 days of two hours", 48, (10,) * 24, tuple(f"{n:02d}" for n in (*range(18), 19)),
        "the sections marked ◇, chapter by chapter",
        "the model, its format, its tools, its training",
    ),
)  # fmt: skip


@cache
def times() -> dict[str, tuple[int, int | None]]:
    """Return chapter ("06", or "bridge") -> its minutes, and those of its core path if it has one.

    Raises: GptOssError for a chapter whose header names no minutes.
    """
    found = {}
    for path in sorted(notebooks_path().glob("*.ipynb")):
        match = TIME.search(nbformat.read(path, as_version=4).cells[0].source)
        if match is None:
            raise GptOssError(f"{path.name}: expected '**Time** N minutes' in the header, found none; add it.")
        name = "bridge" if path.stem == BRIDGE else path.stem[:2]
        found[name] = int(match[1]), int(match[2]) if match[2] else None
    return found


def minutes(entry: str) -> int:
    """Return the minutes of "06" or "06 core".

    Raises: GptOssError for a missing chapter, or one without a core path.
    """
    name, _, kind = entry.partition(" ")
    named, short = times().get(name, (None, None))
    found = short if kind == "core" else named
    if found is None:
        raise GptOssError(f"plan: expected a chapter such as 06, or '06 core', found {entry!r}, which is not there.")
    return found


def table() -> str:
    """Return the plans as Markdown, for the teacher's page."""
    lines = [
        "| you have | of it breaks | chapters | minutes named | times 1.5, with breaks | cut first | they leave with |",
        "|---|---|---|---|---|---|---|",
    ]
    for plan in PLANS:
        whole = f"{plan.hours:g} hours"
        have = plan.name if "hours" in plan.name else f"{plan.name} ({whole})"
        lines.append(
            f"| {have} | {sum(plan.breaks)} minutes | {shown(plan.path)} | {plan.named:,} | "
            f"{plan.needed:,.0f} of {60 * plan.hours:,.0f} minutes | {plan.cut} | {plan.leave} |"
        )
    return "\n".join(lines)


def shown(path: tuple[str, ...]) -> str:
    """Return chapters in words, with runs of one kind as a range: "core path of 03 to 11"."""
    words, at = [], 0
    while at < len(path):
        end, short = at + 1, path[at].endswith(" core")
        while end < len(path) and path[end].endswith(" core") == short and "bridge" not in (path[end], path[at]):
            end += 1
        names = [entry.split()[0] for entry in path[at:end]]
        in_row = len(names) > 3 and [int(n) for n in names[:-1]] == list(range(int(names[0]), int(names[-2]) + 1))
        text = f"{names[0]} to {names[-2]}, {names[-1]}" if in_row else ", ".join(names)
        if in_row and int(names[-1]) == int(names[-2]) + 1:
            text = f"{names[0]} to {names[-1]}"
        words.append("the bridge" if names == ["bridge"] else f"core path of {text}" if short else text)
        at = end
    return "; ".join(words)
