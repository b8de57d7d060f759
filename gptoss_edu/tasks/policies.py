"""Written policies over toy categories: what a rule looks for in a text, and which rule a text breaks first."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .facts import DAYS, MONTHS
from .read_wordings import wordings
from .words import ANIMALS, CITIES, COLOURS, NAMES

TEXT = wordings("safeguard")
LISTS: dict[str, tuple[str, ...]] = {
    "colour": COLOURS,
    "animal": ANIMALS,
    "city": CITIES,
    "person": NAMES,
    "day": DAYS,
    "month": MONTHS,
    **{name: tuple(TEXT["lists"][name]) for name in ("fruit", "instrument", "vehicle")},
}
_PROPER = ("city", "person", "day", "month")
_PATTERNS = {
    name: re.compile(
        rf"\b({'|'.join(words)}){'' if name in _PROPER else '(?:s|es)?'}\b", 0 if name in _PROPER else re.I
    )
    for name, words in LISTS.items()
}
_SECRET = re.compile(r"\b(password|code|secret|key)s?\b", re.I)


@dataclass(frozen=True)
class Condition:
    """What a rule looks for.

    kind : a name of `LISTS`, "number", "above", "below", "question", "exclamation", "moonwort", "secret", "word",
        "listed", "both" or "either"
    values : the limit of "above" and "below", the word of "word", the name and the members of "listed"
    parts : the two conditions of "both" and "either"
    """

    kind: str
    values: tuple[str, ...] = ()
    parts: tuple[Condition, ...] = ()

    @property
    def label(self) -> str:
        """How a thought names it."""
        if self.parts:
            return (" and " if self.kind == "both" else " or ").join(part.label for part in self.parts)
        if self.kind == "listed":
            return self.values[0]
        names = {"above": "number above", "below": "number below"}
        return " ".join((names.get(self.kind, self.kind), *self.values))

    def look(self, text: str) -> tuple[bool, str]:
        """Return (whether the text has it, the evidence: the first hit, or the compared numbers)."""
        if self.parts:
            found = [part.look(text) for part in self.parts]
            seen = ", ".join(shown for _, shown in found)
            return (all if self.kind == "both" else any)(hit for hit, _ in found), seen
        if self.kind in ("number", "above", "below"):
            return self._numbers(text)
        if self.kind in ("question", "exclamation"):
            sign = "?" if self.kind == "question" else "!"
            return sign in text, sign if sign in text else f"no {self.kind}"
        if self.kind in _PATTERNS:
            found = _PATTERNS[self.kind].search(text)
        elif self.kind == "secret":
            found = _SECRET.search(text)
        else:
            words = {"moonwort": ("moonwort",), "word": self.values, "listed": self.values[1:]}[self.kind]
            found = re.search(rf"\b({'|'.join(map(re.escape, words))})\b", text, re.I)
        return found is not None, found[1] if found else f"no {self.label}"

    def _numbers(self, text: str) -> tuple[bool, str]:
        numbers = [int(number) for number in re.findall(r"\d+", text)]
        if self.kind == "number":
            return bool(numbers), str(numbers[0]) if numbers else "no number"
        limit = int(self.values[0])
        hit = any(number > limit if self.kind == "above" else number < limit for number in numbers)
        return hit, ", ".join(map(str, numbers)) or "no number"


@dataclass(frozen=True)
class Rule:
    """A condition that a text may not have, or with ``required`` must have, and what excuses a breach."""

    condition: Condition
    required: bool = False
    exception: Condition | None = None

    def broken(self, text: str) -> bool:
        hit = self.condition.look(text)[0]
        excused = self.exception is not None and self.exception.look(text)[0]
        return hit != self.required and not excused

    @property
    def shape(self) -> tuple:
        """What decides the split: kinds, without numbers and words."""
        kinds = (self.condition.kind, *(part.kind for part in self.condition.parts))
        return (*kinds, self.required, self.exception.kind if self.exception else "")


def verdict(policy: list[Rule], text: str) -> str:
    """Return 'violates rule N' for the first broken rule, or 'allowed'."""
    broken = next((number for number, rule in enumerate(policy, 1) if rule.broken(text)), None)
    return f"violates rule {broken}" if broken else "allowed"


def brief_check(policy: list[Rule], text: str) -> str:
    """Return one short line for each rule, up to the first broken one."""
    lines = []
    for number, rule in enumerate(policy, 1):
        line = f"{number} {'must have ' if rule.required else ''}{rule.condition.label}: {rule.condition.look(text)[1]}"
        if rule.exception and rule.condition.look(text)[0] != rule.required:
            line += f"; unless {rule.exception.label}: {rule.exception.look(text)[1]}"
        lines.append(f"{line}: {'broken' if rule.broken(text) else 'kept'}")
        if rule.broken(text):
            break
    return "\n".join(lines)


def long_check(policy: list[Rule], text: str) -> str:
    """Write sentences for each rule up to the first broken one: what it asks, what the text has, what follows."""
    lines = []
    for number, rule in enumerate(policy, 1):
        hit, seen = rule.condition.look(text)
        asked = f"{'needs' if rule.required else 'forbids'} this: {rule.condition.label}"
        line = f"Rule {number} {asked}. I see {seen}, so the text {'has' if hit else 'does not have'} it."
        if rule.exception and hit != rule.required:
            excused, shown = rule.exception.look(text)
            holds = "holds" if excused else "does not hold"
            line += f" The exception is {rule.exception.label}. I see {shown}, so it {holds}."
        lines.append(f"{line} Rule {number} is {'broken' if rule.broken(text) else 'kept'}.")
        if rule.broken(text):
            return "\n".join((*lines, "I stop at the first broken rule."))
    return "\n".join((*lines, "No rule is broken."))
