"""The cases in wrong_gradings.toml: mistakes of graders that read the text too simply."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..benchmark import Grader, Question, Reply
from .attacks import grade_injection, grade_refusal, grade_secret
from .choices import grade_letter
from .numbers import grade_number
from .short_answers import grade_exact, grade_fact, grade_unknown

GRADERS: dict[str, Grader] = {
    "number": grade_number,
    "letter": grade_letter,
    "fact": grade_fact,
    "unknown": grade_unknown,
    "exact": grade_exact,
    "secret": grade_secret,
    "injection": grade_injection,
    "refusal": grade_refusal,
}


@dataclass(frozen=True)
class Case:
    """A reply and its right verdict."""

    grader: str
    kind: str
    target: object
    text: str
    right: bool

    @property
    def question(self) -> Question:
        target = self.target
        if self.grader == "letter":
            target = {"letter": self.target, "options": ["Rome", "Paris", "Oslo", "Bern"]}
        return Question(f"{self.grader}: {self.kind}", [], target)


@cache
def cases() -> tuple[Case, ...]:
    """Return all cases, grader by grader."""
    table = tomllib.loads((files("gptoss_edu.evals.grading") / "wrong_gradings.toml").read_text(encoding="utf-8"))
    return tuple(Case(grader, **line) for grader, lines in table.items() for line in lines)


def mistakes(grader: Grader, of: str) -> list[Case]:
    """Return the cases of the bank's grader ``of`` that another grader gets wrong; an exception is a mistake too."""
    found = []
    for case in cases():
        if case.grader != of:
            continue
        try:
            right = grader(case.question, Reply(case.text)).right
        except Exception:  # a learner's grader may raise anything
            right = None
        if right is not case.right:
            found.append(case)
    return found
