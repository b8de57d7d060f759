"""What the model must decline, in many wordings: numbers of other kinds, numbers too long, and everyday topics.

The answers are the two sentences of refusals.py. Near a border both sides are trained: 9 - 5 is computed and 5 - 9
declined, a product of four-digit numbers is computed and one of five-digit numbers declined.
"""

from __future__ import annotations

import random
import re

from . import prose
from .english import capital
from .example import Draft, Phrasings
from .free_frames import FORMS, framed
from .free_lists import listed
from .free_questions import FACTS
from .read_wordings import wordings
from .refusals import REFUSAL, TOO_LONG
from .storyteller import sentence

TEXT = wordings("declines")


def _forms(table: dict) -> dict[str, Phrasings]:
    return {form: Phrasings(*table[form]) for form in FORMS}


NUMBERS = {kind: _forms(table) for kind, table in TEXT["numbers"].items()}
LARGE = {kind: _forms(table) for kind, table in TEXT["large"].items()}
TOPICS = [([w.replace("_", " ") for w in table["words"].split()], _forms(table)) for table in TEXT["topics"]]
NEAR = {kind: text.split("|") if "|" in text else text.split() for kind, text in TEXT["near"].items()}
SORTING = Phrasings(*TEXT["sorting"]["forms"])


def decimal(rng: random.Random) -> str:
    """Draw a decimal: '12.5', '0.75', '130.08'."""
    places = rng.choice((5, 5, 25, 75, rng.randrange(1, 10), rng.randrange(10, 100)))
    return f"{rng.randrange(0, rng.choice((10, 100, 1000)))}.{places}"


def fraction(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return rng.choice(("a third", "a quarter", "three quarters", "two thirds", "a fifth", "one eighth"))
    bottom = rng.randrange(2, 13)
    return f"{rng.randrange(1, bottom)}/{bottom}"


def number_slots(rng: random.Random, kind: str) -> dict:
    """Draw numbers of the kind to decline, and whole ones beside them."""
    a, b = rng.randrange(2, 1000), rng.randrange(2, 100)
    if kind == "below":
        a = rng.randrange(1, rng.choice((10, 50, 300)))
        b = a + rng.randrange(1, rng.choice((10, 100, 400)))
    x, y = decimal(rng), decimal(rng) if rng.random() < 0.5 else str(b)
    if rng.random() < 0.5:
        x, y = y, x
    if "." not in x:  # where only one of them is used, it is the first
        x = decimal(rng)
    k = rng.randrange(2, 20)
    minus = rng.choice(("-{}", "-{}", "−{}", "minus {}", "negative {}")).format(rng.randrange(1, 100))
    u, v = rng.choice(TEXT["numbers"]["units"]["pairs"]).split("|")
    return {
        "a": a, "b": b, "b2": a + k + rng.randrange(1, 60), "k": k, "x": x, "y": y,
        "f": fraction(rng), "g": fraction(rng),
        "m": minus, "p": rng.choice((5, 10, 15, 20, 25, 30, 50, 75, rng.randrange(1, 100))), "s": rng.randrange(2, 100),
        "e": rng.randrange(2, 9), "u": u, "v": v,
    }  # fmt: skip


def other_number(rng: random.Random, unseen: bool) -> tuple[int, str, str, str]:
    """Return (number of the wording, question, answer, kind): a sum with a number of another kind."""
    kind = rng.choice(
        (
            "decimal",
            "decimal",
            "decimal",
            "fraction",
            "fraction",
            "negative",
            "negative",
            "below",
            "below",
            "below",
            "percent",
            "percent",
            "power",
            "root",
            "units",
        )
    )
    index, text = framed(rng, NUMBERS[kind], unseen, **number_slots(rng, kind))
    return index, text, REFUSAL, kind


def too_large(rng: random.Random, unseen: bool) -> tuple[int, str, str, str]:
    kind = rng.choice(("product", "sum"))
    if kind == "product":
        a, b = rng.randrange(10_000, 10 ** rng.randint(5, 9)), rng.randrange(3, 10 ** rng.randint(1, 7))
        a, b = (a, b) if rng.random() < 0.6 else (b, a)
    else:
        a, b = rng.randrange(10**7, 10 ** rng.randint(8, 11)), rng.randrange(100, 10 ** rng.randint(3, 10))
    texts = [f"{n:,}" if rng.random() < 0.15 else str(n) for n in (a, b)]
    index, text = framed(rng, LARGE[kind], unseen, a=texts[0], b=texts[1], c=min(a, b) // 2 + 7)
    return index, text, TOO_LONG, "large"


def unsortable(rng: random.Random, unseen: bool) -> tuple[int, str, str, str]:
    """Draw a list to sort that holds a decimal, a negative number or a fraction."""
    items = [str(rng.randrange(1, 100)) for _ in range(rng.randrange(1, 5))]
    items += [
        rng.choice((decimal(rng), f"-{rng.randrange(1, 60)}", f"{rng.randrange(1, 7)}/{rng.randrange(2, 9)}"))
        for _ in range(rng.randrange(1, 4))
    ]
    rng.shuffle(items)
    if len(items) < 2:
        items.append(decimal(rng))
    index, template = SORTING.pick(rng, unseen)
    text = template.format(l=", ".join(items) if rng.random() < 0.6 else listed(rng, items, True))
    return index, capital(text), REFUSAL, "sorting"


def decimal_story(rng: random.Random, unseen: bool) -> tuple[int, str, str, str]:
    """Draw a word problem with a decimal point in one of the numbers that matter."""
    while True:
        t, scene = prose.draw_scene(rng, unseen, rng.choice((1, 1, 2, 2, 3)))
        if (
            scene.kind.startswith(("clock", "years", "vans", "forward", "backward", "missing"))
            and "money" not in scene.kind
        ):
            continue  # half a passenger is no question
        text = prose.register(t, scene, [*map(sentence, scene.sentences), sentence(scene.question, "?")])
        found = [
            m
            for m in re.finditer(
                r"(?<![\d:.])\d+(?= (?:euro|dollar|pound|crown|franc|kilo|metre|litre|kg|hour|km)|\b €)"
                r"|(?<=[€$£])\d+",
                text,
            )
        ]
        if found:
            spot = rng.choice(found)
            tail = rng.choice((".5", ".50", ".25", ".75", ".99", ".20"))
            return 0, f"{text[: spot.end()]}{tail}{text[spot.end() :]}", REFUSAL, "story"


def topic(rng: random.Random, unseen: bool) -> tuple[int, str, str, str]:
    """Draw an everyday question."""
    words, forms = rng.choice(TOPICS)
    index, text = framed(rng, forms, unseen, t=rng.choice(words))
    return index, text, REFUSAL, "topic"


def near_fact(rng: random.Random, unseen: bool) -> tuple[int, str, str, str]:
    """Draw a known kind of fact about something real that the model does not know."""
    kind = rng.choice(list(NEAR))
    index, text = framed(rng, FACTS[kind], unseen, a=rng.choice(NEAR[kind]))
    return index, text, REFUSAL, "near"


FAMILIES = {other_number: 6, too_large: 2, unsortable: 1, decimal_story: 1, topic: 8, near_fact: 2}
COUNT = sum(len(words) for words, _ in TOPICS)  # topics by themselves


def decline(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a question that must be declined; ``level``: the name of a family."""
    if level:
        family = next(f for f in FAMILIES if f.__name__ == level)
    else:
        family = rng.choices(list(FAMILIES), list(FAMILIES.values()))[0]
    index, text, answer, kind = family(rng, unseen)
    reason = TEXT["reasons"][kind]
    thought = {
        "low": None,
        "medium": f"{reason} This is outside what I can do.".strip(),
        "high": f"{reason} The user asks for something that is not among my tasks: whole numbers, "
        "letters, lists, a few facts, tools. I should say so and not invent an answer.".strip(),
    }[style]
    return Draft(text, answer, thought, answer, "refusal", family.__name__, phrasing=index)
