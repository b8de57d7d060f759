"""The hand-written bank of `notes.py`: entries for 45 kinds of tool, free sentences, and what their slots hold.

An entry (`wordings/notes/tools_*.toml`) names its tool, the value of the argument, what comes back and what people ask;
its choices and slots make many texts of it. One entry in ten, and one sentence in ten, is held out: training never
sees it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from .example import unseen_text
from .grammar import Grammar
from .read_wordings import FOLDER, wordings
from .rules import SLOTS
from .words import person, place

BODIES: dict[str, list[str]] = wordings("notes/bodies")["bodies"]
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def _time(rng: random.Random) -> str:
    hour, minute = rng.randrange(24), rng.randrange(0, 60, 5)
    kind = rng.random()
    if kind < 0.7:
        return f"{hour}:{minute:02}"
    return "noon" if kind > 0.97 else f"{rng.randrange(1, 12)} {rng.choice(('am', 'pm', 'pm'))}"


def a_date(rng: random.Random) -> str:
    return f"{rng.randrange(1, 29)} {rng.choice(MONTHS)}"


def a_code(rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHKLMNPRSTUVWXZ") for _ in range(rng.choice((1, 2, 2))))
    return f"{letters}{rng.choice(('', '-'))}{rng.randrange(10, 10000)}"


def _phone(rng: random.Random) -> str:
    number = rng.randrange(1000, 10000)
    return rng.choice((f"555-01{number % 90 + 10}", f"0{rng.randrange(20, 99)} {number}", f"555 {number}"))


_SLOTS: dict[str, Callable[[random.Random], str]] = SLOTS | {
    "t": _time,
    "date": a_date,
    "code": a_code,
    "big": lambda r: str(r.randrange(100, 1000)),
    "price": lambda r: f"{r.randrange(1, 60)}{r.choice(('', '.50', '.20', '.90', '.75'))}",
    "phone": _phone,
}


def filled(rng: random.Random, text: str, given: Mapping[str, str], drawn: dict[str, str] | None = None) -> str:
    """Fill slots with what is given, else fresh; note in ``drawn`` what was drawn."""

    def value(found) -> str:
        name = found[1]
        new = given.get(name) or _SLOTS[name](rng)
        if drawn is not None:
            drawn[name] = new
        return new

    return re.sub(r"\{(\w+)\}", value, text)


def _different(rng: random.Random, make: Callable[[random.Random], str], count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        found += [new for new in [make(rng)] if new not in found]
    return found


def cast_of(rng: random.Random) -> dict[str, str]:
    """Draw who, where and when: the same in the value, the content and the question."""
    names, places, days = _different(rng, person, 3), _different(rng, place, 2), rng.sample(DAYS, 2)
    return dict(zip(("n", "n2", "n3", "c", "c2", "day", "day2"), (*names, *places, *days), strict=True))


# -------------------------------------------------------------------------------------------------------------- entries


@dataclass(frozen=True)
class Entry:
    """One hand-written content of one tool."""

    kind: str
    value: str
    body: str
    questions: tuple[str, ...]

    @property
    def unseen(self) -> bool:
        return unseen_text(self.body)


@cache
def tools() -> dict[str, dict]:
    """Return the tools by their kind, as the files describe them."""
    paths = sorted((FOLDER / "notes").glob("tools_*.toml"))
    return {tool["kind"]: tool for path in paths for tool in wordings(f"notes/{path.stem}")["tool"]}


@cache
def entries() -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Return (trained, held out) entries of all tools."""
    found = [
        Entry(kind, value, body, tuple(questions))
        for kind, tool in tools().items()
        for value, body, *questions in tool["entries"]
    ]
    return tuple(e for e in found if not e.unseen), tuple(e for e in found if e.unseen)


@cache
def sentences(unseen: bool) -> dict[str, list[str]]:
    """Return the free sentences of one side by their topics."""
    sides = {topic: [line for line in lines if unseen_text(line) == unseen] for topic, lines in BODIES.items()}
    return {topic: lines for topic, lines in sides.items() if lines}


@cache
def _grammar(text: str) -> Grammar:
    return Grammar([text])


def drawn_text(rng: random.Random, pattern: str) -> str:
    """Draw the choices of a pattern; which side it is on, the entry decides."""
    return _grammar(pattern).draw(rng) if "[" in pattern else pattern
