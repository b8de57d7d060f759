"""Checks of a learner's own functions, and what a chapter needs around them.

    checks.rms_norm(rms_norm)          # a Result: .passed, .status, .message, .symptom, .stage, .why()

A check never raises. CONTRIBUTING.md says how a chapter uses checks, predictions, questions and hints.
"""

from __future__ import annotations

from importlib import import_module

from . import registry
from .custom import Case, custom
from .display import fold, hints
from .harness import Check, Result
from .picture import attempt, finished, picture, show
from .store import load_functions

CHECKS = registry.STORED
HANDED_ON = {  # chapters use checks.predict; these names live one floor up and are imported on first use
    "which_fails": "gptoss_edu.checks.which_fails",
    "predict": "gptoss_edu.course.predictions",
    "reveal": "gptoss_edu.course.predictions",
    "outcome": "gptoss_edu.course.predictions",
    "opening_questions": "gptoss_edu.course.questions",
    "Quiz": "gptoss_edu.course.quiz",
    "fault": "gptoss_edu.course.planted_faults",
    "assemble": "gptoss_edu.course.assembly",
    "plant": "gptoss_edu.course.specimens",
    "diagnose": "gptoss_edu.course.museum",
    "play": "gptoss_edu.course.frames",
    "watch": "gptoss_edu.course.waiting",
}

__all__ = [
    "CHECKS", "Case", "Check", "Result", "attempt", "custom", "fold", "hints", "load_functions", "picture", "questions",
    "show", "finished", *HANDED_ON, *registry.EXERCISES,
]  # fmt: skip


def __getattr__(name: str):
    """Import checks and the course's functions on first use."""
    if name in registry.EXERCISES:
        found = registry.load_check(name)
    elif name in HANDED_ON:
        found = getattr(import_module(HANDED_ON[name]), name)
    elif name == "questions":
        found = import_module("gptoss_edu.course.questions")
    else:
        raise AttributeError(f"gptoss_edu.checks has no {name}; there are: {', '.join(__all__)}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
