"""Sums whose written working can be checked: products, additions, chains, word problems.

Low effort answers at once. Medium writes the intermediate results, each in one go. High works digit by digit, lowest
place first, so that no single token needs more than a small table, and then checks. About one high-effort example in
nine holds an injected wrong step: the check fails, the text says ``bad``, and the work is done again.
"""

from __future__ import annotations

import random

from .example import RIGHT, WRONG, Draft, Phrasings, draw
from .words import THINGS, person, plural

ERROR_RATE = 0.11


def wrong_digit(rng: random.Random, number: int) -> int:
    """The number with one digit replaced, the first never by zero."""
    digits = list(str(number))
    place = rng.randrange(len(digits))
    choices = [d for d in "0123456789" if d != digits[place] and not (d == "0" and place == 0)]
    digits[place] = rng.choice(choices)
    return int("".join(digits))


def mark(text) -> str:
    """Shown to the model, but with loss weight 0."""
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
    """'489-95:9-5=4,18-9=9,4-1=3' (1 in front: borrowed). Needs a >= b."""
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
    """'4827*6:7*6=42,2*6+4=16,8*6+1=49,4*6+4=28': the tens of each step are the next carry."""
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
    """The step undone: '394+95=489'; true when it gives ``a`` back. A product is checked by its last digit."""
    if op == "*":
        last = (a % 10) * b % 10
        return f"last {a % 10}*{b}>{last}", value % 10 == last
    back = "-" if op == "+" else "+"
    undone = apply(value, back, b)
    return f"{value}{back}{b}={undone}", undone == a


def careful_step(rng: random.Random, a: int, op: str, b: int, error: bool = False) -> str:
    """One step of high effort with its check; with ``error`` a wrong result first, which the check finds."""
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

PRODUCT = Phrasings(
    "{a}*{b}", "What is {a} times {b}?", "{a} × {b} = ?", "Multiply {a} by {b}.", "Compute {a} * {b}.", "What's {a} × {b}?",
    "Find the product of {a} and {b}.", "Calculate {a} times {b}.", "{a} x {b}", "How much is {a} times {b}?",
    "Work out {a} × {b}.", "Tell me {a} multiplied by {b}.", "what does {a} * {b} give?", "Could you multiply {a} and {b}?",
    "I need the product {a} × {b}.", "Give me {a} times {b}, please.",
    "What do you get if you multiply {a} by {b}?", "The product of {a} and {b} is?", "Evaluate {a} * {b}.", "How many are {a} times {b}?",
)  # fmt: skip
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
    """'4+8+2+7=21>3': casting out nines."""
    total = sum(map(int, str(number)))
    return "+".join(str(number)) + f"={total}>{number % 9}"


def product_work(rng: random.Random, a: int, b: int, error: bool) -> tuple[str, int]:
    """Rows of ``a`` times each digit of ``b``, then the rows added; with ``error`` one row's result is wrong."""
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


def product(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Two numbers of up to four digits each."""
    if level:
        m, n = (int(x) for x in level.split("x"))
    else:
        m, n, _ = rng.choices(SIZES, [w for *_, w in SIZES])[0]
        if rng.random() < 0.2:
            m, n = n, m

    def make():
        return rng.randrange(10 ** (m - 1) if m > 1 else 2, 10**m), rng.randrange(10 ** (n - 1) if n > 1 else 2, 10**n)

    a, b = draw(rng, test and m + n > 3, make) if m + n > 3 else make()
    index, template = PRODUCT.pick(rng, unseen)
    error = rng.random() < ERROR_RATE * (1 if m * n < 9 else 0.4)
    thought = product_thought(rng, a, b, style, error)
    return Draft(
        template.format(a=a, b=b), f"{a} × {b} = {a * b}", thought, str(a * b), level=f"{m}x{n}", phrasing=index
    )


# --------------------------------------------------------------------------------------------------------- additions

ADDITION = Phrasings(
    "{a}+{b}", "What is {a} plus {b}?", "Add {a} and {b}.", "{a} + {b} = ?", "What's the sum of {a} and {b}?", "Compute {a} + {b}.",
    "How much is {a} plus {b}?", "Calculate {a}+{b}.", "Sum {a} and {b}.", "What do {a} and {b} make together?", "Work out {a} plus {b}.",
    "Add {b} to {a}.", "Tell me {a} + {b}.", "Could you add {a} and {b}?",
    "Find the total of {a} and {b}.", "What does {a} + {b} equal?", "The sum of {a} and {b} is?",
)  # fmt: skip
SUBTRACTION = Phrasings(
    "{a}-{b}", "What is {a} minus {b}?", "Subtract {b} from {a}.", "{a} - {b} = ?", "Take {b} away from {a}.", "Compute {a} - {b}.",
    "How much is {a} minus {b}?", "What's the difference between {a} and {b}?", "Calculate {a} - {b}.", "Work out {a} minus {b}.",
    "What remains if you take {b} from {a}?", "{a} less {b} is?", "Find {a} minus {b}.",
)  # fmt: skip


def addition(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """A sum or a difference of two numbers of one to six digits."""
    op = "+" if rng.random() < 0.6 else "-"
    digits = int(level) if level else rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5, 6))

    def make():
        size = digits if rng.random() < 0.7 else rng.randint(1, digits)
        a, b = rng.randrange(10 ** (digits - 1), 10**digits), rng.randrange(10 ** (size - 1), 10**size)
        return (a, b) if op == "+" or a >= b else (b, a)

    a, b = draw(rng, test, make) if digits > 1 else make()
    index, template = (ADDITION if op == "+" else SUBTRACTION).pick(rng, unseen)
    value = apply(a, op, b)
    thought = {
        "low": None,
        "medium": f"{columns(a, op, b)}>{value}",
        "high": careful_step(rng, a, op, b, rng.random() < ERROR_RATE),
    }[style]
    return Draft(
        template.format(a=a, b=b), f"{a} {op} {b} = {value}", thought, str(value), level=str(digits), phrasing=index
    )


# ------------------------------------------------------------------------------------------------------------ chains

CHAIN = Phrasings(
    "{s}", "What is {s}?", "Compute {s}.", "Calculate {s}.", "{s} = ?", "Work out {s}.", "Evaluate {s}.", "How much is {s}?",
    "Find the value of {s}.", "Start with {w}. What do you have?", "Begin with {w}. What is the result?", "Take {w}. What comes out?",
    "What's {s}?", "Tell me {s}.", "Could you work out {s}?", "I start at {w}. Where do I end?",
    "Give the result of {s}.", "First {w}. What is left at the end?", "Solve {s}.", "Please evaluate this: {s}",
)  # fmt: skip


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


# ----------------------------------------------------------------------------------------------------- word problems

OPENINGS = Phrasings(
    "{n} has {x} {t}.", "{n} starts with {x} {t}.", "In a box of {n} there are {x} {t}.", "{n} owns {x} {t}.", "There are {x} {t} on the table of {n}.",
    "{n} collected {x} {t}.", "At first {n} has {x} {t}.", "{n} bought {x} {t}.", "{n} keeps {x} {t} in a drawer.", "This morning {n} had {x} {t}.",
    "{n} brings {x} {t} to school.", "Yesterday {n} found {x} {t}.", "{n} counts {x} {t}.",
)  # fmt: skip
STEPS = {
    "+": (
        "{p} finds {b} more.", "{m} gives {n} {b} more.", "Then {b} more arrive.", "{n} buys another {b}.", "{p} gets {b} from {m}.", "{b} are added.",
        "Later {n} picks up {b} more.", "{m} brings {b} {t}.", "{n} wins {b} in a game.",
    ),
    "-": (
        "{p} gives {b} to {m}.", "{b} get lost.", "{n} sells {b}.", "{p} uses {b}.", "Then {b} break.", "{m} takes {b} away.",
        "{n} hands {b} to {m}.", "{p} throws {b} away.", "{b} are stolen.",
    ),
    "*": (
        "Then the number grows {b} times as large.", "{p} now multiplies them by {b}.", "A friend makes it {b} times as many.",
        "Now there are {b} times as many.", "{n} trades them and has {b} times as many.",
    ),
}  # fmt: skip
PACKS = (
    "{n} buys {k} packs of {b} {t} each.",
    "{m} brings {k} bags with {b} {t} in each.",
    "{p} gets {k} boxes of {b} {t}.",
    "Then {k} crates of {b} {t} each arrive.",
)
QUESTIONS = Phrasings(
    "How many {t} does {n} have now?", "How many {t} are there in the end?", "How many {t} are left?", "What is the number of {t} now?", "How many {t} is that?",
    "Count the {t} at the end.", "How many does {n} have at the end?", "So how many {t} are there?", "What is the final number of {t}?", "How many {t} remain?",
    "Find the number of {t} now.", "Tell me how many {t} there are now.", "How large is the pile of {t} now?", "With how many {t} does {n} end?",
)  # fmt: skip


def word_problem(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """A story of two to five steps about one pile of things."""
    count = int(level) if level else rng.choice((2, 3, 3, 4, 4, 5, 5))
    (total,) = draw(rng, test, lambda: (rng.randrange(5, 200),))
    name, other, things = person(rng), person(rng), plural(rng.choice(THINGS))
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
            text.append(rng.choice(PACKS).format(k=packs, b=each, **words))
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
