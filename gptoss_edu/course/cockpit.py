"""What a class has done, counted: exercise by exercise, who passes, who is stuck, and on which mistake.

Only what was handed out counts: a learner whose folder holds no chapter 13 is not behind in it.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import NamedTuple

from gptoss_edu.checks import registry
from gptoss_edu.checks.refusals import UNKNOWN, code

ORDER = (*registry.STORED, *registry.names(stored=False))  # in which marks stand


class Learner(NamedTuple):
    """One learner, without a name.

    Attributes: `marks`, exercise -> "x" passes, "?" passed once and is refused now, "." not yet; `here`, the chapters
    handed out, None where the line does not say; `why`, exercise -> code of the last refusal.
    """

    marks: dict[str, str]
    here: frozenset[str] | None
    why: dict[str, str]

    def has(self, name: str) -> bool:
        """Return whether the exercise was handed out; what was done elsewhere counts too."""
        handed = self.here is None or registry.EXERCISES[name].chapter in self.here
        return name in self.marks and (handed or self.marks[name] != "." or name in self.why)


class Row(NamedTuple):
    """One exercise: of `handed` learners, `passing` pass it, `stuck` were refused and do not, the rest have not tried.

    `mistakes` are (how many made it last, its cause in one sentence), the commonest first.
    """

    name: str
    chapter: str
    handed: int
    passing: int
    stuck: int
    mistakes: tuple[tuple[int, str], ...]


def rows(learners: list[Learner]) -> list[Row]:
    """Return a row for each exercise that was handed out to anybody, in the order of the course."""
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
    """Return the exercise at which most are stuck; the earlier one of two."""
    most = max(found, key=lambda row: row.stuck, default=None)
    return most if most and most.stuck else None


def commonest(found: list[Row], most: int = 5) -> list[tuple[Row, int, str]]:
    """(exercise, learners, cause) of the mistakes that most made; what only one made is not listed."""
    made = [(row, count, words) for row in found for count, words in row.mistakes if count > 1]
    return sorted(made, key=lambda entry: -entry[1])[:most]


@cache
def in_words(name: str, cause: str) -> str:
    """Return the first sentence of a cause; its code where this version does not know it."""
    known = {code(identifier): text for identifier, text in registry.load_check(name).causes.items()}
    text = known.get(cause, cause)
    return text.split(". ")[0].rstrip(".") if cause in known else cause
