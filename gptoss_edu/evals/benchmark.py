"""The parts of a benchmark: questions, replies, grades, and the recipe that joins them.

A benchmark is a data file, a prompt recipe (which makes `Question`s of the file's rows) and a grader. All three are
plain functions over the dataclasses here, so that a new benchmark is one entry of `named.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Question:
    """One question as asked, and what its grader needs.

    Parameters
    ----------
    id : unique within a benchmark and the same in every run
    prompt : messages after the system message, in the JSON of `harmony.Conversation`
    target : what the reply is compared with; its form is the grader's own
    cluster : shared by questions that are not independent (variants of a text, turns of a user); "" for none
    subject, language : rows of the report
    plain : only the question's text, for the contamination search
    environment : for dialogues, the state of the world before the first turn
    builtin : tools of the system message, in harmony's JSON
    """

    id: str
    prompt: list[dict]
    target: Any
    cluster: str = ""
    subject: str = ""
    language: str = "en"
    plain: str = ""
    environment: dict | None = None
    builtin: dict | None = None


@dataclass
class Reply:
    """The reply to one question.

    text : the last final message; thought : the last chain of thought; calls : (name, arguments as text) of every call
    said : every final message of a dialogue, in order; database : the environment's state at the end
    tokens, thought_tokens : sampled; seconds : from the first request to the last token
    ended : "stop", "length", "invalid" (not harmony), "turns" (a dialogue too long), "error"
    """

    text: str = ""
    thought: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    database: dict | None = None
    tokens: int = 0
    thought_tokens: int = 0
    seconds: float = 0.0
    ended: str = "stop"
    note: str = ""

    @property
    def missing(self) -> str:
        """Why there is no final message."""
        return {"stop": "no answer", "length": "cut off"}.get(self.ended, self.ended)


@dataclass(frozen=True)
class Grade:
    """The verdict on one reply.

    score : 0 to 1, for rubrics also below 0; right : counts in the accuracy
    kind : one or two words for counting failures, "right" if there is none
    found : the text that was read as the answer
    """

    score: float
    right: bool
    kind: str
    found: str = ""
    parts: dict = field(default_factory=dict)


def verdict(right: bool, kind: str, found: object = "", **parts) -> Grade:
    """Make a grade of 1 or 0."""
    return Grade(float(right), right, "right" if right else kind, str(found)[:300], parts)


Grader = Callable[[Question, Reply], Grade]


@dataclass(frozen=True)
class Benchmark:
    """An entry of the registry.

    Parameters
    ----------
    name, title : on the command line, and in a report
    measures : one sentence
    questions : reads the questions from a file in the published form; None if the benchmark makes its own (a toy)
    grade : the grader
    form : the files that it reads, and their fields
    licence, source : of the published data
    attempts : per question, as in the authors' own runs
    canary : a mark in the data that no training text should contain: a field, or the mark itself; "" for none
    toy : a small counterpart that gpt-oss-tiny can do
    of : the benchmark that a toy is the counterpart of
    score : "accuracy", or "mean score" if grades lie between 0 and 1
    dialogue : its questions need an environment and a simulated user
    """

    name: str
    title: str
    measures: str
    questions: Callable[[Path | None], list[Question]]
    grade: Grader
    form: str
    licence: str
    source: str
    canary: str = ""
    attempts: int = 1
    max_new_tokens: int = 131_072
    toy: bool = False
    of: str = ""
    score: str = "accuracy"
    dialogue: bool = False
