"""The voice of prose.py: how numbers, people and things are put into words, and what a story asks to be calculated."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .arithmetic import apply
from .english import (
    ME,
    WE,
    YOU,
    Person,
    a,
    capital,
    grammar,
    inflect,
    noun,
    number_word,
    phrasings,
    pick,
    someone,
    words_of,
)


class Unfit(Exception):
    """The numbers drawn do not fit (negative, too large): the story is drawn again."""


@dataclass
class Plan:
    """What has to be calculated: the facts in the order of their use, and steps on them."""

    notes: list[str] = field(default_factory=list)
    steps: list[tuple[int, str, int]] = field(default_factory=list)
    answer: int = 0
    above: bool = False  # the last division is rounded up
    rest: bool = False  # the answer is the last division's remainder

    def note(self, text) -> None:
        self.notes.append(str(text))

    def do(self, x: int, op: str, y: int) -> int:
        """Append a step and return its result, a whole number from 0 to 9,999."""
        self.steps.append((x, op, y))
        if op == "/":
            value = x // y
        else:
            value = apply(x, op, y)
        if not 0 <= value < 10_000:
            raise Unfit
        self.answer = value
        return value

    def exactly(self, x: int, y: int) -> int:
        """Divide without a remainder."""
        if x % y or not 2 <= y <= 12:
            raise Unfit
        return self.do(x, "/", y)


@dataclass
class Scene:
    """A story before its last polish: sentences without full stops, the question without its mark."""

    sentences: list[str]
    question: str
    plan: Plan
    unit: str = ""  # what is counted, in the plural; "" where the answer is a bare number
    kind: str = ""  # its structure, for counting
    loose: int = 0  # so many sentences at the start may stand in any order
    closed: bool = False  # nothing may be inserted: the question holds the story


class Teller:
    """One telling: tense, style of numbers and who it is about, drawn once for a story."""

    def __init__(self, rng: random.Random, unseen: bool):
        self.rng, self.unseen = rng, unseen
        self.tense = "past" if rng.random() < 0.58 else "present"
        self.style = rng.choices(("digits", "small", "words", "mixed"), (60, 16, 12, 12))[0]
        self.people: list[Person] = []
        self.picked = 0  # wordings with a held-out side
        self.currency = rng.choice(grammar()["language"]["currencies"])
        self.sign = {"euro": "€", "dollar": "$", "pound": "£"}.get(self.currency) if rng.random() < 0.3 else None

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def person(self, named: bool = False, me: float = 0.18) -> Person:
        """Introduce somebody new; the first person of a story may be I, you or we."""
        if not self.people and self.chance(me):
            who = self.rng.choice((ME, ME, ME, YOU, WE))
        else:
            who = someone(self.rng, tuple(p.name for p in self.people), named)
        self.people.append(who)
        return who

    # -------------------------------------------------------------------------------------------------- numbers

    def n(self, x: int) -> str:
        """Return a number as digits or in words, as this story has it."""
        style = self.style
        worded = style == "words" or (style == "small" and x <= 12) or (style == "mixed" and self.chance(0.4))
        if x == 12 and worded and self.chance(0.3):
            return "a dozen"
        return number_word(x) if worded and x < 100 else str(x)

    def q(self, x: int, thing: str) -> str:
        """Write a quantity: '12 apples', 'one apple', 'a dozen eggs'."""
        one, many = noun(thing)
        if x == 1:
            return f"one {one}" if self.chance(0.7) else a(one)
        return f"{self.n(x)} {many}"

    def more(self, x: int, thing: str) -> str:
        one, many = noun(thing)
        kind, text = self.rng.random(), self.n(x)
        if x == 1:
            return "one more" if kind < 0.6 else f"another {one}"
        if kind < 0.2 and not text.startswith("a "):
            return f"another {text}" + (f" {many}" if kind < 0.12 else "")
        return f"{text} more" + (f" {many}" if kind < 0.6 else "")

    def some(self, x: int, thing: str) -> str:
        """Return what is taken from a pile: '5', '5 of them', '5 apples'."""
        one, many = noun(thing)
        text, kind = self.n(x), self.rng.random()
        if x == 1:
            return "one of them" if kind < 0.6 else f"one {one}"
        return text + (
            "" if kind < 0.22 else " of them" if kind < 0.48 else f" {many}" if kind < 0.85 else f" of the {many}"
        )

    def price(self, x: int) -> str:
        """'5 euros', '$5'."""
        if self.sign:
            return f"{x} €" if self.sign == "€" and x % 2 else f"{self.sign}{x}"
        return self.q(x, self.currency) if x > 1 else f"1 {self.currency}"

    def times(self, k: int) -> str:
        """Write 'twice', 'three times' or '5 times'."""
        if k == 2:
            return "twice"
        return f"{number_word(k)} times" if self.style != "digits" or self.chance(0.5) else f"{k} times"

    # ---------------------------------------------------------------------------------------------------- words

    def word(self, *path: str) -> str:
        """Draw a wording that is neither opening nor question, without a held-out side."""
        return pick(self.rng, *path)

    def key_word(self, *path: str) -> str:
        """Return a wording of an opening or a question: from the held-out side where ``unseen``."""
        own = phrasings(*path)
        if own is None:
            return pick(self.rng, *path)
        self.picked += 1
        return own.pick(self.rng, self.unseen)[1]

    def noun_of(self, text: str) -> str:
        return self.rng.choice(words_of(text))

    def put(self, template: str, who: Person | None = None, tense: str | None = None, **slots) -> str:
        """Return the template inflected for ``who`` and filled."""
        return inflect(template, tense or self.tense, who.number if who else "3").format(**slots)

    def other(self, who: Person | None, taken: tuple[str, ...] = ()) -> str:
        """Return a minor character of the story, in the object form: a name or 'her brother'."""
        if who is None or self.chance(0.5):
            return someone(self.rng, taken + ((who.name,) if who else ()), named=True).name
        return self.word("language", "others").format(P=who.possessive)


def listed(parts: list[str]) -> str:
    """Join texts: 'a, b and c'."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def sentence(text: str, mark: str = ".") -> str:
    return capital(text).rstrip() + mark
