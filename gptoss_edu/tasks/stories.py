"""Word problems: short stories about one pile of things, worked out step by step as in arithmetic.py."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, apply, careful_step
from .example import Draft, Phrasings, draw, expand_all
from .read_wordings import wordings
from .words import THINGS, person, plural

TEXT = wordings("stories")

OPENINGS = Phrasings(*TEXT["openings"])
STEPS = {kind: expand_all(patterns) for kind, patterns in TEXT["steps"].items()}
PACKS = expand_all(TEXT["packs"])
QUESTIONS = Phrasings(*TEXT["questions"])


def word_problem(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a story of two to five steps about one pile of things."""
    count = int(level) if level else rng.choice((2, 3, 3, 4, 4, 5, 5))
    (total,) = draw(rng, test, lambda: (rng.randrange(5, 200),))
    name, things = person(rng), plural(rng.choice(THINGS))
    other = next(n for n in iter(lambda: person(rng), None) if n != name)
    slips = random.Random(rng.getrandbits(48))  # the story is the same at every effort
    index, template = OPENINGS.pick(rng, unseen)
    text = [template.format(n=name, x=total, t=things)]
    lines, error = [], slips.randrange(count) if slips.random() < ERROR_RATE * 1.3 else -1

    def step(a: int, op: str, b: int, wrong: bool = False) -> int:
        value = apply(a, op, b)
        lines.append(f"{a}{op}{b}={value}" if style == "medium" else careful_step(slips, a, op, b, wrong))
        return value

    for i in range(count):
        kind = rng.random()
        pronoun = rng.choice(("She", "He", name)) if i else name
        words = {"n": name, "m": other, "p": pronoun, "t": things}
        if kind < 0.2:
            packs, each = rng.randrange(2, 10), rng.randrange(3, 25)
            packed = rng.choice([p for p in PACKS if things not in p])  # no boxes of boxes
            text.append(packed.format(k=packs, b=each, **words))
            total = step(total, "+", step(each, "*", packs, i == error))
        else:
            op = "*" if kind < 0.35 and total < 300 else "+" if kind < 0.65 or total < 8 else "-"
            b = (
                rng.randrange(2, 10)
                if op == "*"
                else rng.randrange(2, 150)
                if op == "+"
                else rng.randrange(2, min(total, 200))
            )
            text.append(rng.choice(STEPS[op]).format(b=b, **words))
            total = step(total, op, b, i == error)
    question, ending = QUESTIONS.pick(rng, unseen)
    text.append(ending.format(n=name, t=things))
    thought = None if style == "low" else "\n".join(lines)
    return Draft(
        " ".join(text),
        f"There are {total} {things}.",
        thought,
        str(total),
        level=str(count),
        phrasing=100 * index + question,
    )
