"""Count a class's progress, exercise by exercise: who passes, who is stuck, and on which mistake.

Only chapters that were handed out count: a learner without chapter 13 is not behind in it.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import NamedTuple

from gptoss_edu.checks import registry
from gptoss_edu.checks.refusals import UNKNOWN, code

ORDER = (*registry.STORED, *registry.names(stored=False))  # the order of the marks


class Learner(NamedTuple):
    """One learner, without a name.

    Attributes: `marks`, exercise -> "x" passes, "?" passed once and is refused now, "." not yet; `here`, the chapters
    handed out, None if the line does not say; `why`, exercise -> code of the last refusal.
    """

    marks: dict[str, str]
    here: frozenset[str] | None
    why: dict[str, str]

    def has(self, name: str) -> bool:
        """Return whether the exercise was handed out, or done anyway."""
        handed = self.here is None or registry.EXERCISES[name].chapter in self.here
        return name in self.marks and (handed or self.marks[name] != "." or name in self.why)


class Row(NamedTuple):
    """One exercise: of `handed` learners, `passing` pass it, `stuck` were refused, and the rest have not tried.

    `mistakes` are (number of learners whose last mistake it was, its cause in one sentence), the commonest first.
    """

    name: str
    chapter: str
    handed: int
    passing: int
    stuck: int
    mistakes: tuple[tuple[int, str], ...]


def rows(learners: list[Learner]) -> list[Row]:
    """Return a row for each exercise that anybody received, in the order of the course."""
    found = []
    for name, exercise in registry.EXERCISES.items():
        having = [learner for learner in learners if learner.has(name)]
        if not having:
            continue
        passing = sum(learner.marks[name] == "x" for learner in having)
        stuck = sum(
            learner.marks[name] == "?" or (name in learner.why and learner.marks[name] != "x") for learner in having
        )
        made = Counter(learner.why[name] for learner in having if name in learner.why)
        mistakes = [(count, in_words(name, cause)) for cause, count in made.most_common() if cause != UNKNOWN]
        found.append(Row(name, exercise.chapter, len(having), passing, stuck, tuple(mistakes)))
    return found


def blocking(found: list[Row]) -> Row | None:
    """Return the exercise at which most learners are stuck; ties go to the earlier one."""
    most = max(found, key=lambda row: row.stuck, default=None)
    return most if most and most.stuck else None


def commonest(found: list[Row], most: int = 5) -> list[tuple[Row, int, str]]:
    """Return (exercise, learners, cause) of the commonest mistakes, without those that only one learner made."""
    made = [(row, count, words) for row in found for count, words in row.mistakes if count > 1]
    return sorted(made, key=lambda entry: -entry[1])[:most]


@cache
def in_words(name: str, cause: str) -> str:
    """Return the first sentence of a cause; a rule says that it is one. A code that this version lacks stays a code."""
    check = registry.load_check(name)
    identifier = next((known for known in check.causes if code(known) == cause), None)
    if identifier is None:
        return cause
    return check.in_words(identifier, "").split(". ")[0].rstrip(".")
