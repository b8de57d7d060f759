"""Sums whose written working can be checked: products and additions. chains.py and stories.py put several in a row.

Low effort answers at once. Medium writes the intermediate results, each in one go. High works digit by digit, lowest
place first, so that no single token needs more than a small table, and then checks. About one high-effort example in
twenty holds an injected wrong step: the check fails, the text says ``bad``, and the work is done again.
"""

from __future__ import annotations

import random

from .example import RIGHT, WRONG, Draft, Phrasings, draw
from .read_wordings import wordings

TEXT = wordings("arithmetic")

ERROR_RATE = 0.11


def wrong_digit(rng: random.Random, number: int) -> int:
    """Return the number with one digit replaced, the first never by zero."""
    digits = list(str(number))
    place = rng.randrange(len(digits))
    choices = [d for d in "0123456789" if d != digits[place] and not (d == "0" and place == 0)]
    digits[place] = rng.choice(choices)
    return int("".join(digits))


def mark(text) -> str:
    """Mark a text that is shown to the model, but has loss weight 0."""
    return f"{WRONG}{text}{RIGHT}"


def add_columns(a: int, b: int) -> str:
    """'412+77:2+7=9,1+7=8,4=4': from the lowest place up; a two-digit result carries."""
    steps, carry = [], 0
    x, y = str(a)[::-1], str(b)[::-1]
    for i in range(max(len(x), len(y))):
        parts = [s[i] for s in (x, y) if i < len(s)] + (["1"] if carry else [])
        total = sum(map(int, parts))
        steps.append(f"{'+'.join(parts)}={total}")
        carry = total >= 10
    return f"{a}+{b}:{','.join(steps)}"


def subtract_columns(a: int, b: int) -> str:
    """Write '489-95:9-5=4,18-9=9,4-1=3' (1 in front: borrowed). Needs a >= b."""
    steps, borrow = [], 0
    x, y = str(a)[::-1], str(b)[::-1]
    for i in range(len(x)):
        top, bottom = int(x[i]), (int(y[i]) if i < len(y) else 0)
        lack = top < bottom + borrow
        minus = ([str(bottom)] if i < len(y) else []) + (["1"] if borrow else [])
        steps.append("-".join([f"1{top}" if lack else str(top), *minus]) + f"={top + 10 * lack - bottom - borrow}")
        borrow = int(lack)
    return f"{a}-{b}:{','.join(steps)}"


def times_digit(a: int, digit: int) -> str:
    """Write '4827*6:7*6=42,2*6+4=16,8*6+1=49,4*6+4=28': the tens of each step are the next carry."""
    steps, carry = [], 0
    for d in map(int, str(a)[::-1]):
        total = d * digit + carry
        steps.append(f"{d}*{digit}" + (f"+{carry}" if carry else "") + f"={total}")
        carry = total // 10
    return ",".join(steps)


def columns(a: int, op: str, b: int) -> str:
    return add_columns(a, b) if op == "+" else subtract_columns(a, b) if op == "-" else f"{a}*{b}:{times_digit(a, b)}"


def apply(a: int, op: str, b: int) -> int:
    return a + b if op == "+" else a - b if op == "-" else a * b


def inverse(a: int, op: str, b: int, value: int) -> tuple[str, bool]:
    """Return the step undone: '394+95=489'; true when it gives ``a`` back. A product is checked by its last digit."""
    if op == "*":
        last = (a % 10) * b % 10
        return f"last {a % 10}*{b}>{last}", value % 10 == last
    back = "-" if op == "+" else "+"
    undone = apply(value, back, b)
    return f"{value}{back}{b}={undone}", undone == a


def careful_step(rng: random.Random, a: int, op: str, b: int, error: bool = False) -> str:
    """Write one step of high effort with its check; with ``error``, a wrong result first, which the check finds."""
    value = apply(a, op, b)
    work = columns(a, op, b)
    text = ""
    if error:
        wrong = wrong_digit(rng, value)
        check, passes = inverse(a, op, b, wrong)
        if not passes and wrong >= b:
            text = f"{work}>{mark(wrong)} {check} bad, redo\n"
    check, _ = inverse(a, op, b, value)
    return f"{text}{work}>{value} {check} ok"


# --------------------------------------------------------------------------------------------------------- products

PRODUCT = Phrasings(*TEXT["product"])
SIZES = (
    (1, 1, 1),
    (2, 1, 3),
    (2, 2, 12),
    (3, 1, 4),
    (3, 2, 14),
    (3, 3, 22),
    (4, 1, 3),
    (4, 2, 12),
    (4, 3, 20),
    (4, 4, 34),
)


def digit_sum(number: int) -> str:
    """Write '4+8+2+7=21>3': casting out nines."""
    total = sum(map(int, str(number)))
    return "+".join(str(number)) + f"={total}>{number % 9}"


def product_work(rng: random.Random, a: int, b: int, error: bool) -> tuple[str, int]:
    """Write rows of ``a`` times each digit of ``b``, then add the rows; with ``error``, one row's result is wrong."""
    digits = str(b)[::-1]
    bad_row = rng.choice([i for i, d in enumerate(digits) if d != "0"]) if error else -1
    lines, rows = [], []
    for place, digit in enumerate(map(int, digits)):
        row = a * digit
        if digit == 0:
            lines.append("0:0")
            continue
        shown = wrong_digit(rng, row) if place == bad_row else row
        text = f"{shown}{'0' * place}"
        lines.append(f"{digit}:{times_digit(a, digit)}>{mark(text) if shown != row else text}")
        rows.append(shown * 10**place)
    total = rows[0]
    for row in rows[1:]:
        lines.append(f"{add_columns(total, row)}>{total + row}")
        total += row
    return "\n".join(lines), total


def product_thought(rng: random.Random, a: int, b: int, style: str, error: bool) -> str | None:
    if style == "low":
        return None
    if style == "medium":
        rows = [a * int(d) * 10**i for i, d in enumerate(str(b)[::-1])]
        return f"{a}*{b}:{'+'.join(map(str, rows))}={a * b}"
    text, total = product_work(rng, a, b, error)
    claim = f"\n9:{digit_sum(a)},{digit_sum(b)},{a % 9}*{b % 9}>{a * b % 9};"
    if total % 9 == a * b % 9:
        text, total = (text, total) if total == a * b else product_work(rng, a, b, False)
        return f"{a}*{b}\n{text}{claim}{digit_sum(a * b)} ok"
    redone, _ = product_work(rng, a, b, False)
    return f"{a}*{b}\n{text}{claim}{digit_sum(total)} bad, redo\n{redone}{claim}{digit_sum(a * b)} ok"


def factors(rng: random.Random, test: bool, level: str | None = None) -> tuple[int, int, str]:
    """Draw two numbers of up to four digits each, and their sizes: (4827, 63, "4x2")."""
    if level:
        m, n = (int(x) for x in level.split("x"))
    else:
        m, n, _ = rng.choices(SIZES, [w for *_, w in SIZES])[0]
        if rng.random() < 0.2:
            m, n = n, m

    def make():
        return rng.randrange(10 ** (m - 1) if m > 1 else 2, 10**m), rng.randrange(10 ** (n - 1) if n > 1 else 2, 10**n)

    a, b = draw(rng, test and m + n > 3, make) if m + n > 3 else make()
    return a, b, f"{m}x{n}"


def slips(rng: random.Random, a: int, b: int) -> bool:
    """Return whether a product's high-effort work shows an injected error; longer work does so more rarely."""
    return rng.random() < ERROR_RATE * (1 if len(str(a)) * len(str(b)) < 9 else 0.4)


def product(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw two numbers of up to four digits each."""
    a, b, level = factors(rng, test, level)
    index, template = PRODUCT.pick(rng, unseen)
    thought = product_thought(rng, a, b, style, slips(rng, a, b))
    return Draft(template.format(a=a, b=b), f"{a} × {b} = {a * b}", thought, str(a * b), level=level, phrasing=index)


# --------------------------------------------------------------------------------------------------------- additions

ADDITION = Phrasings(*TEXT["addition"])
SUBTRACTION = Phrasings(*TEXT["subtraction"])


def summands(rng: random.Random, op: str, test: bool, level: str | None = None) -> tuple[int, int, str]:
    """Draw two numbers of one to six digits and the size of the larger; for "-" the larger comes first."""
    digits = int(level) if level else rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5, 6))

    def make():
        size = digits if rng.random() < 0.7 else rng.randint(1, digits)
        a, b = rng.randrange(10 ** (digits - 1), 10**digits), rng.randrange(10 ** (size - 1), 10**size)
        return (a, b) if op == "+" or a >= b else (b, a)

    a, b = draw(rng, test, make) if digits > 1 else make()
    return a, b, str(digits)


def sum_thought(rng: random.Random, a: int, op: str, b: int, style: str) -> str | None:
    if style == "low":
        return None
    if style == "medium":
        return f"{columns(a, op, b)}>{apply(a, op, b)}"
    return careful_step(rng, a, op, b, rng.random() < ERROR_RATE)


def addition(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a sum or a difference of two numbers of one to six digits."""
    op = "+" if rng.random() < 0.6 else "-"
    a, b, level = summands(rng, op, test, level)
    index, template = (ADDITION if op == "+" else SUBTRACTION).pick(rng, unseen)
    value, thought = apply(a, op, b), sum_thought(rng, a, op, b, style)
    return Draft(template.format(a=a, b=b), f"{a} {op} {b} = {value}", thought, str(value), level=level, phrasing=index)
