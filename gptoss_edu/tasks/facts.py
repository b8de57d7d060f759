"""The few things gpt-oss-tiny knows by heart: facts, and small talk."""

from __future__ import annotations

import random

from .example import Draft, Phrasings
from .read_wordings import wordings
from .words import person

TEXT = wordings("facts")
CAPITALS = TEXT["capitals"]

ELEMENTS = TEXT["elements"]
OPPOSITES = TEXT["opposites"]
LEGS = TEXT["legs"]
SOUNDS = TEXT["sounds"]
YOUNG = TEXT["young"]
DAYS = TEXT["days"]
MONTHS = TEXT["months"]
LENGTHS = TEXT["lengths"]
UNITS = TEXT["units"]
SHAPES = TEXT["shapes"]
THINGS_COLOURED = TEXT["things_coloured"]

_KINDS = {
    "capital": (
        list(CAPITALS.items()),
        Phrasings(*TEXT["kinds"]["capital"]),
        "The capital of {a} is {b}.",
    ),
    "element": (
        list(ELEMENTS.items()),
        Phrasings(*TEXT["kinds"]["element"]),
        "The symbol of {a} is {b}.",
    ),
    "opposite": (
        list(OPPOSITES.items()) + [(b, a) for a, b in OPPOSITES.items()],
        Phrasings(*TEXT["kinds"]["opposite"]),
        "The opposite of {a} is {b}.",
    ),
    "legs": (
        list(LEGS.items()),
        Phrasings(*TEXT["kinds"]["legs"]),
        "A {a} has {b} legs.",
    ),
    "sound": (
        list(SOUNDS.items()),
        Phrasings(*TEXT["kinds"]["sound"]),
        "A {a} says {b}.",
    ),
    "young": (
        list(YOUNG.items()),
        Phrasings(*TEXT["kinds"]["young"]),
        "A young {a} is called a {b}.",
    ),
    "unit": (
        list(UNITS.items()),
        Phrasings(*TEXT["kinds"]["unit"]),
        "There are {b} {a}.",
    ),
    "month": (
        [(m, LENGTHS[m]) for m in MONTHS],
        Phrasings(*TEXT["kinds"]["month"]),
        "{a} has {b} days.",
    ),
    "next": (
        [(f"after {a}", b) for names in (DAYS, MONTHS) for a, b in zip(names, names[1:] + names[:1], strict=True)]
        + [(f"before {b}", a) for names in (DAYS, MONTHS) for a, b in zip(names, names[1:] + names[:1], strict=True)],
        Phrasings(*TEXT["kinds"]["next"]),
        "{b} comes {a}.",
    ),
    "sides": (
        list(SHAPES.items()),
        Phrasings(*TEXT["kinds"]["sides"]),
        "A {a} has {b} sides.",
    ),
    "colour": (
        list(THINGS_COLOURED.items()),
        Phrasings(*TEXT["kinds"]["colour"]),
        "The colour of {a} is {b}.",
    ),
}
_WEIGHTS = {"capital": 6, "element": 3, "opposite": 3, "next": 3, "unit": 3, "legs": 2}


def fact(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw one of about 250 facts."""
    kind = level or rng.choices(list(_KINDS), [_WEIGHTS.get(k, 1.5) for k in _KINDS])[0]
    items, phrasings, answer = _KINDS[kind]
    a, b = rng.choice(items)
    index, template = phrasings.pick(rng, unseen)
    thought = {
        "low": None,
        "medium": f"A fact: {a}, {b}.",
        "high": f"The user asks for a fact that I know. {a}: {b}. I answer in one sentence.",
    }[style]
    text = answer.format(a=a, b=b)
    return Draft(template.format(a=a), text[0].upper() + text[1:], thought, str(b), "contains", kind, phrasing=index)


# --------------------------------------------------------------------------------------------------------- small talk

ABOUT = "I am gpt-oss-tiny, a very small language model."
SKILLS = "I can calculate, count and reverse letters, sort lists, name a few facts and use tools."
CHAT = {
    "hello": (
        Phrasings(*TEXT["chat"]["hello"]),
        "Hello! How can I help you?",
    ),
    "thanks": (
        Phrasings(*TEXT["chat"]["thanks"]),
        "You are welcome!",
    ),
    "bye": (
        Phrasings(*TEXT["chat"]["bye"]),
        "Goodbye!",
    ),
    "who": (
        Phrasings(*TEXT["chat"]["who"]),
        ABOUT,
    ),
    "skills": (
        Phrasings(*TEXT["chat"]["skills"]),
        SKILLS,
    ),
    "how": (
        Phrasings(*TEXT["chat"]["how"]),
        "I am fine, thank you. What can I do for you?",
    ),
}


def chat(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Make greetings, thanks, and questions about what the model is."""
    kind = level or rng.choice(list(CHAT))
    phrasings, answer = CHAT[kind]
    index, template = phrasings.pick(rng, unseen)
    thought = {
        "low": None,
        "medium": "Small talk.",
        "high": "This is small talk. I answer in one short, polite sentence.",
    }[style]
    return Draft(template.format(n=person(rng)), answer, thought, answer, "text", kind, phrasing=index)
