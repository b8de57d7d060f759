"""Sums and differences from left to right, up to thirteen terms, in symbols or in words."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, apply, careful_step
from .example import Draft, Phrasings, draw
from .read_wordings import wordings

TEXT = wordings("chains")

CHAIN = Phrasings(*TEXT["chain"])


def chain_terms(rng: random.Random, count: int) -> tuple[int, list[tuple[str, int]]]:
    """A first number and ``count - 1`` steps whose running total stays between 0 and 2,999."""
    total = first = rng.randrange(10, 1000)
    steps = []
    while len(steps) < count - 1:
        op = rng.choice("+-")
        b = rng.randrange(10, 100) if rng.random() < 0.65 else rng.randrange(100, 1000)
        if 0 <= apply(total, op, b) < 3000:
            steps.append((op, b))
            total = apply(total, op, b)
    return first, steps


def chain(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Sums and differences from left to right, 3 to 13 terms."""
    count = int(level) if level else rng.choice((3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 13))
    while True:
        first, steps = chain_terms(rng, count)
        key = draw(rng, test, lambda: (rng.randrange(10, 1000),))  # the first number says which side of the split
        first = key[0]
        total, fits = first, True
        for op, b in steps:
            total = apply(total, op, b)
            fits = fits and 0 <= total < 3000
        if fits:
            break
    index, template = CHAIN.pick(rng, unseen)
    gap = rng.choice(("", " "))
    symbols = str(first) + "".join(f"{gap}{op}{gap}{b}" for op, b in steps)
    words = str(first) + "".join(f", {'add' if op == '+' else 'subtract'} {b}" for op, b in steps)
    lines, total, error = [], first, rng.randrange(count - 1) if rng.random() < ERROR_RATE * 1.5 else -1
    for i, (op, b) in enumerate(steps):
        value = apply(total, op, b)
        lines.append(f"{total}{op}{b}={value}" if style == "medium" else careful_step(rng, total, op, b, i == error))
        total = value
    thought = None if style == "low" else "\n".join(lines)
    return Draft(
        template.format(s=symbols, w=words),
        f"The result is {total}.",
        thought,
        str(total),
        level=str(count),
        phrasing=index,
    )
