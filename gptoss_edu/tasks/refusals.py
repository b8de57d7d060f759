"""Questions outside the small world, and the one honest sentence that declines them.

What the model must learn is the rule, not the list: decline unless the question belongs to a known kind. So the
templates are many and their slots are filled from thousands of ordinary words, and near misses of every known kind (a
capital that was never taught, a division, a product with too many digits) are declined too.
"""

from __future__ import annotations

import random

from . import facts
from .example import Draft
from .read_wordings import wordings
from .words import ANIMALS, COLOURS, COMMON, THINGS, everyday_words, person, place, plural, pseudo_word

TEXT = wordings("refusals")

REFUSAL = TEXT["refusal"]
TOO_LONG = TEXT["too_long"]


TEMPLATES = TEXT["templates"]
_AFTER = tuple(TEXT["after"])


def ordinary(rng: random.Random) -> str:
    """Draw an open slot: any common or everyday word."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(COMMON)
    if kind < 0.9:
        return rng.choice(everyday_words())
    return rng.choice(rng.choice((THINGS, ANIMALS, COLOURS)))


def phrase(rng: random.Random) -> str:
    """Draw one to three ordinary words, sometimes linked: 'river', 'cold river', 'history of bread'."""
    kind = rng.random()
    if kind < 0.6:
        return ordinary(rng)
    if kind < 0.85:
        return f"{ordinary(rng)} {ordinary(rng)}"
    first, link = ordinary(rng), rng.choice(("of", "in", "with", "for", "and", "from", "without", "to"))
    return f"{first} {link} {rng.choice(('', '', 'the ', 'a ', 'my '))}{ordinary(rng)}"


def fill(rng: random.Random, template: str) -> str:
    text = template.format(
        w=phrase(rng),
        u=phrase(rng),
        k=place(rng) if rng.random() < 0.5 else ordinary(rng),
        s=plural(ordinary(rng)),
        n=person(rng),
        c=place(rng),
        x=pseudo_word(rng).capitalize() if rng.random() < 0.6 else rng.choice(everyday_words()).capitalize(),
        y=rng.randrange(1000, 2030),
        d=rng.randrange(2, 1000),
        e=rng.randrange(2, 100),
    )
    return text[0].upper() + text[1:] if rng.random() < 0.9 else text


def near_miss(rng: random.Random) -> tuple[str, str, str]:
    """Draw a known kind of question about something unknown, and what to answer."""
    kind = rng.choice(
        (
            "capital",
            "capital",
            "element",
            "opposite",
            "legs",
            "sound",
            "young",
            "month",
            "colour",
            "product",
            "product",
            "sum",
        )
    )
    if kind == "product":
        a, b = rng.randrange(10_000, 10 ** rng.randint(5, 9)), rng.randrange(10, 10 ** rng.randint(2, 8))
        a, b = (a, b) if rng.random() < 0.6 else (b, a)
        return (
            rng.choice(
                ("{a}*{b}", "What is {a} times {b}?", "Multiply {a} by {b}.", "{a} × {b}", "Compute {a} * {b}.")
            ).format(a=a, b=b),
            TOO_LONG,
            "too long",
        )
    if kind == "sum":
        a, b = rng.randrange(10**7, 10**11), rng.randrange(10, 10**11)
        return (
            rng.choice(("{a}+{b}", "What is {a} plus {b}?", "Add {a} and {b}.", "Compute {a} + {b}.")).format(a=a, b=b),
            TOO_LONG,
            "too long",
        )
    items, phrasings, _ = facts._KINDS[kind]
    known = {a for a, _ in items}
    unknown = ordinary(rng) if rng.random() < 0.5 else pseudo_word(rng)
    if kind in ("capital", "month"):
        unknown = unknown.capitalize()
    if kind == "colour":
        unknown = rng.choice(("the {}", "a {}", "my {}", "{}")).format(unknown)
    if unknown in known or (kind in ("legs", "sound", "young") and unknown in ANIMALS):
        unknown = pseudo_word(rng, 3)
    return phrasings.pick(rng, False)[1].format(a=unknown), REFUSAL, "near miss"


def refusal(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a question that must be declined. One template in eight is held out."""
    if rng.random() < 0.22 and not unseen:
        text, answer, kind = near_miss(rng)
        index = -1
    else:
        while True:
            index = rng.randrange(len(TEMPLATES))
            if (index % 8 == 5) == unseen:
                break
        text, answer, kind = fill(rng, TEMPLATES[index]), REFUSAL, "foreign"
        if rng.random() < 0.3:
            text += ("" if text[-1] in ".?!" else ".") + fill(rng, rng.choice(_AFTER[5:]).strip()).join((" ", ""))
    thought = {
        "low": None,
        "medium": "This is outside what I can do.",
        "high": "The user asks for something that is not among my tasks: numbers, letters, lists, a few facts, tools. "
        "I should say so and not invent an answer.",
    }[style]
    return Draft(text, answer, thought, answer, "refusal", kind, phrasing=index)
