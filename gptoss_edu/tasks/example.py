"""What a task makes: a draft (question, thought, answer) and the finished example around it.

A conversation is a plain dict in the JSON that openai-harmony's ``to_dict()`` writes. Text that the model should see
but not learn to produce, an injected error, stands between `WRONG` and `RIGHT`, two private-use characters that
packing.py removes and turns into loss weight 0.
"""

from __future__ import annotations

import itertools
import random
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from gptoss_edu.harmony import EFFORTS

from .read_wordings import wordings

TEXT = wordings("example")

STYLES = EFFORTS  # the style of a thought follows the effort
WRONG, RIGHT = "\ue000", "\ue001"


@dataclass
class Draft:
    """One question with its reference solution, before roles and tokens.

    ``turns`` replaces ``thought`` and ``final`` where the solution is a dialogue with tools.
    """

    question: str
    final: str = ""
    thought: str | None = None
    answer: str = ""
    grade: str = "number"  # a key of evals.graders.GRADERS
    level: str = ""
    turns: list[dict] | None = None
    instructions: str | None = None  # the developer's
    functions: list[dict] | None = None
    identity: str | None = None
    builtin: dict | None = None  # the system message's tools
    phrasing: int = 0
    earlier: list[dict] | None = None  # finished turns before the question
    check: dict | None = None  # what a grader needs beside the answer: a database before and after, say
    language: str = "en"  # of the question


@dataclass
class Example:
    """A conversation, how many of its messages are prompt, and how to grade what comes after."""

    task: str
    level: str
    effort: str
    style: str  # the chain of thought shown; differs from effort where styles leak
    phrasing: int
    answer: str
    grade: str
    prompt: int
    messages: list[dict] = field(default_factory=list)
    check: dict | None = None  # the draft's
    language: str = "en"  # of the question

    @property
    def conversation(self) -> dict:
        return {"messages": self.messages}

    @property
    def prompt_conversation(self) -> dict:
        return {"messages": self.messages[: self.prompt]}

    @property
    def question(self) -> str:
        return next(m["content"][0]["text"] for m in reversed(self.messages[: self.prompt]) if m["role"] == "user")


def message(role: str, text: str, name: str | None = None, **header) -> dict:
    """Return a message of plain text; ``header``: channel, recipient, content_type."""
    return {"role": role, "name": name, "content": [{"type": "text", "text": text}], **header}


def thought(text: str) -> dict:
    return message("assistant", text, channel="analysis")


def final(text: str) -> dict:
    return message("assistant", text, channel="final")


def call(recipient: str, arguments: str) -> dict:
    """Return a function call: JSON on the commentary channel."""
    return message("assistant", arguments, channel="commentary", recipient=recipient, content_type="<|constrain|>json")


def result(name: str, text: str, channel: str = "commentary") -> dict:
    """Return what a tool sends back."""
    return message("tool", text, name=name, channel=channel, recipient="assistant")


def system(
    effort: str, identity: str | None = None, tools: dict | None = None, rng: random.Random | None = None
) -> dict:
    """Draw a system message; with ``rng`` the parts that should not matter (name, dates) vary as users' will."""
    content = {
        "type": "system_content",
        "model_identity": identity or IDENTITIES[0],
        "reasoning_effort": effort.capitalize(),
        "channel_config": {"valid_channels": ["analysis", "commentary", "final"], "channel_required": True},
    }
    if rng is not None:
        kind = rng.random()
        if identity is None and kind < 0.25:
            content["model_identity"] = IDENTITIES[1]
        if rng.random() < 0.25:
            content["knowledge_cutoff"] = "2024-06"
        if rng.random() < 0.2:
            content["conversation_start_date"] = (
                f"20{rng.randint(24, 29)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
            )
    if tools:
        content["tools"] = tools
    return {"role": "system", "name": None, "content": [content]}


IDENTITIES = (
    "You are gpt-oss-tiny, a very small language model.",
    "You are ChatGPT, a large language model trained by OpenAI.",  # what harmony writes unless told otherwise
)


def developer(instructions: str | None, functions: list[dict] | None) -> dict:
    content: dict = {"type": "developer_content"}
    if instructions:
        content["instructions"] = instructions
    if functions:
        content["tools"] = {"functions": {"name": "functions", "tools": functions}}
    return {"role": "developer", "name": None, "content": [content]}


def held_out(*key) -> bool:
    """Return whether an operand key belongs to the tests, as one in twenty does; training never draws it."""
    return zlib.crc32(repr(key).encode()) % 20 == 0


def unseen_text(text: str) -> bool:
    """Return whether a text that was written by itself is held out, as one in ten is; training never draws it."""
    return zlib.crc32(text.encode()) % 10 == 0


def draw(rng: random.Random, test: bool, make) -> tuple:
    """Draw ``make()`` until it lies on the wanted side of the split."""
    while True:
        key = make()
        if held_out(*key) == test:
            return key


class Phrasings:
    """Wordings of one task, written as patterns: "[What is|Compute] {a} [times|*] {b}[?|]" stands for eight of them.

    One wording in eight is held out and never trained on. The wording itself decides which, so the same one is held out
    wherever it occurs.
    """

    def __init__(self, *patterns: str):
        self.patterns = patterns
        self.sides: tuple[list, list] = ([], [])  # trained, held out: (number of the pattern, its wordings)
        for number, pattern in enumerate(patterns):
            wordings: tuple[list[str], list[str]] = ([], [])
            for wording in expand(pattern):
                wordings[zlib.crc32(wording.encode()) % 8 == 0].append(wording)
            for side, chosen in zip(self.sides, wordings, strict=True):
                if chosen:
                    side.append((number, chosen))
        if not self.sides[1] and len(patterns) > 1:
            self._hold_out_one()
        if not all(self.sides):
            raise ValueError(f"Phrasings: too few wordings to hold one out: {patterns!r}. Add patterns or choices.")

    def _hold_out_one(self) -> None:
        """Hold out the wording with the lowest checksum if a few wordings are all on the trained side."""
        trained = self.sides[0]
        number, wordings = min(trained, key=lambda entry: min(zlib.crc32(w.encode()) for w in entry[1]))
        chosen = min(wordings, key=lambda wording: zlib.crc32(wording.encode()))
        wordings.remove(chosen)
        self.sides[1].append((number, [chosen]))
        if not wordings:
            trained.remove((number, wordings))

    def pick(self, rng: random.Random, unseen: bool) -> tuple[int, str]:
        """Return (number of the pattern, wording); every pattern is as likely, however many choices it has."""
        number, wordings = rng.choice(self.sides[unseen])
        return number, rng.choice(wordings)


def expand(pattern: str) -> list[str]:
    """Return every wording that a pattern stands for: '[a|b] c[d|]' gives 'a cd', 'a c', 'b cd', 'b c'."""
    parts = re.split(r"\[([^\]]*)\]", pattern)  # text, choices, text, choices, …, text
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def expand_all(patterns: Iterable[str]) -> list[str]:
    """Return the wordings of several patterns, one after another."""
    return [wording for pattern in patterns for wording in expand(pattern)]


_BEFORE = tuple(TEXT["before"])
_AFTER = tuple(TEXT["after"])


def dress(rng: random.Random, text: str) -> str:
    """Greetings, thanks, lower case, a missing full stop: what people do to a question."""
    if rng.random() < 0.12:
        text = text[0].lower() + text[1:]
    if rng.random() < 0.12 and text[-1] in ".?":
        text = text[:-1]
    if rng.random() < 0.22:
        text = rng.choice(_BEFORE) + (text[0].lower() + text[1:] if rng.random() < 0.25 else text)
    if rng.random() < 0.13:
        text = text + ("" if text[-1] in ".?!" else ".") + rng.choice(_AFTER)
    return text
