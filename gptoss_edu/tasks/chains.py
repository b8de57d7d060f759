"""Sums and differences from left to right, up to thirteen terms, in symbols or in words."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, apply, careful_step
from .example import Draft, Phrasings, draw
from .read_wordings import wordings

TEXT = wordings("chains")

CHAIN = Phrasings(*TEXT["chain"])


def chain_terms(rng: random.Random, count: int) -> tuple[int, list[tuple[str, int]]]:
    """Draw a first number and ``count - 1`` steps whose running total stays between 0 and 2,999."""
    total = first = rng.randrange(10, 1000)
    kind, steps = rng.random(), []
    while len(steps) < count - 1:
        op = rng.choice("+-") if kind > 0.2 else rng.choice("+++-")
        b = rng.randrange(10, 100) if rng.random() < 0.65 else rng.randrange(100, 1000)
        if kind < 0.2:
            b = rng.randrange(1, 21)  # small terms, as in 3 + 3 + 3 - 4
        elif kind < 0.35 and steps and rng.random() < 0.5:
            b = rng.choice(steps)[1]  # the same term again: where it stands decides, not what it is
        elif kind > 0.88:
            b = 5 * rng.randrange(2, 60)  # round ones, as in 250 + 80 - 45
        if 0 <= apply(total, op, b) < 3000:
            steps.append((op, b))
            total = apply(total, op, b)
    return first, steps


def chain_sum(rng: random.Random, test: bool, level: str | None = None) -> tuple[int, list[tuple[str, int]]]:
    """Draw a first number and the steps of a chain of 3 to 13 terms; the first number determines the split."""
    count = int(level) if level else rng.choice((3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 13))
    while True:
        _, steps = chain_terms(rng, count)
        (first,) = draw(rng, test, lambda: (rng.randrange(10, 1000) if rng.random() < 0.8 else rng.randrange(1, 30),))
        total, fits = first, True
        for op, b in steps:
            total = apply(total, op, b)
            fits = fits and 0 <= total < 3000
        if fits:
            return first, steps


def steps_thought(
    rng: random.Random, first: int, steps: list[tuple[str, int]], style: str, rate: float = 1.5
) -> tuple[str | None, int]:
    """Write the steps from left to right, one line each, and the result; ``rate``: factor of ERROR_RATE."""
    lines, total = [], first
    error = rng.randrange(len(steps)) if rng.random() < ERROR_RATE * rate else -1
    for i, (op, b) in enumerate(steps):
        value = apply(total, op, b)
        lines.append(f"{total}{op}{b}={value}" if style == "medium" else careful_step(rng, total, op, b, i == error))
        total = value
    return (None if style == "low" else "\n".join(lines)), total


def in_symbols(rng: random.Random, first, steps: list[tuple]) -> str:
    """Write '72 − 18 + 5': with or without blanks, the minus sign now and then a real one or a dash."""
    gap, kind = rng.choice(("", " ", " ")), rng.random()
    minus = "−" if kind < 0.2 else "–" if kind < 0.27 else "-"
    return str(first) + "".join(f"{gap}{'+' if op == '+' else minus}{gap}{b}" for op, b in steps)


def chain(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Make sums and differences from left to right, with 3 to 13 terms."""
    first, steps = chain_sum(rng, test, level)
    index, template = CHAIN.pick(rng, unseen)
    symbols = in_symbols(rng, first, steps)
    words = str(first) + "".join(f", {'add' if op == '+' else 'subtract'} {b}" for op, b in steps)
    thought, total = steps_thought(rng, first, steps, style)
    return Draft(
        template.format(s=symbols, w=words),
        f"The result is {total}.",
        thought,
        str(total),
        level=str(len(steps) + 1),
        phrasing=index,
    )
