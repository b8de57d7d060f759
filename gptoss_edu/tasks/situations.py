"""Word problems written one by one: a situation in somebody's words, and the expression that answers it.

Grammars (prose.py) make many problems of a kind; these make few problems of many kinds. A problem holds choices
("[crate|box]", or tied ones "{1:crate|box}"), numbers {a} to {e}, an irrelevant number {x} and names {n}, {m}, {o}.
One situation in ten is held out: training never sees it.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from .arithmetic import ERROR_RATE, apply, careful_step
from .english import number_word
from .example import Draft, held_out, unseen_text
from .prose import careful_division
from .read_wordings import FOLDER, wordings
from .reading import marked, plain, reading
from .words import person

LARGEST = 9_999
EXCHANGED = 0.4  # share of the English situations that are told of other things
MEASURES = set(
    "centimetres metres kilometres miles yards litres grams kilos kilograms tons pounds euros dollars cents francs "
    "coins minutes hours seconds days weeks months years points degrees pages steps times words letters lengths laps "
    "goals votes rounds trips shifts packs boxes bags rows teams groups tables plates".split()
)
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True)
class Situation:
    """One problem: its expression ("a*b-c"), its wording, the unit of its answer, and which numbers are small or
    prices.
    """

    f: str
    text: str
    answer: str = ""
    small: str = ""
    prices: str = ""

    @property
    def unseen(self) -> bool:
        return unseen_text(self.text)


@cache
def situations(code: str) -> tuple[tuple[Situation, ...], tuple[Situation, ...]]:
    """Return (trained, held out) situations of a language; empty where it has none."""
    found = [
        Situation(**entry)
        for path in sorted((FOLDER / "situations").glob(f"{code}*.toml"))
        for entry in wordings(f"situations/{path.stem}")["problem"]
    ]
    return tuple(s for s in found if not s.unseen), tuple(s for s in found if s.unseen)


def steps_of(expression: str, values: dict[str, int]) -> list[tuple[int, str, int]]:
    """Return the operations in order of evaluation; ValueError where a result is not a whole number from 0 to 9,999."""
    steps: list[tuple[int, str, int]] = []

    def value_of(node) -> int:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return values[node.id]
        x, y, op = value_of(node.left), value_of(node.right), _OPERATORS[type(node.op)]
        if op == "/" and (y == 0 or x % y):
            raise ValueError(f"{x}/{y} is not a whole number")
        value = x // y if op == "/" else apply(x, op, y)
        if not 0 <= value <= LARGEST:
            raise ValueError(f"{x}{op}{y} is out of bounds")
        steps.append((x, op, y))
        return value

    value_of(ast.parse(expression, mode="eval").body)
    return steps


def result_of(step: tuple[int, str, int]) -> int:
    x, op, y = step
    return x // y if op == "/" else apply(x, op, y)


@cache
def _divisors(expression: str) -> frozenset[str]:
    """Return the letters that something is divided by; their numbers stay small."""
    divisions = (n for n in ast.walk(ast.parse(expression)) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div))
    return frozenset(n.right.id for n in divisions if isinstance(n.right, ast.Name))


def numbers_for(rng: random.Random, situation: Situation) -> dict[str, int]:
    """Draw numbers that fit the story, drawn until every step is whole, not negative and not too large."""
    letters = sorted(set(re.findall(r"[a-e]", situation.f)))
    small = set(situation.small) | _divisors(situation.f)
    while True:
        top = rng.choice((21, 61, 151, 151))
        values = {
            letter: rng.randrange(2, 13)
            if letter in small
            else rng.randrange(2, 61 if letter in situation.prices else top)
            for letter in letters
        }
        try:
            steps = steps_of(situation.f, values)
        except ValueError:
            continue
        if result_of(steps[-1]) > 0 or rng.random() < 0.1:
            return values


def worded(rng: random.Random, text: str) -> str:
    """Draw every choice; those tied by a digit together."""
    tied: dict[str, float] = {}

    def choose(found) -> str:
        options = found[2].split("|")
        return options[int(tied.setdefault(found[1], rng.random()) * len(options))]

    text = re.sub(r"\{(\d):([^}]*)\}", choose, text)
    return re.sub(r"\[([^\]]*)\]", lambda found: rng.choice(found[1].split("|")), text)


def thought_of(rng: random.Random, expression: str, values: dict, steps: list, style: str, read: str) -> str | None:
    """Return the reading, the expression with its numbers, then one line per step: bare (medium) or careful (high)."""
    if style == "low":
        return None
    lines = [read, re.sub(r"[a-e]", lambda found: str(values[found[0]]), expression.replace(" ", ""))]
    can_fail = [i for i, (_, op, _) in enumerate(steps) if op != "/"]
    error = rng.choice(can_fail) if can_fail and rng.random() < ERROR_RATE * 1.3 else -1
    for i, (x, op, y) in enumerate(steps):
        if style == "medium":
            lines.append(f"{x}{op}{y}={result_of((x, op, y))}")
        else:
            lines.append(careful_division(x, y) if op == "/" else careful_step(rng, x, op, y, i == error))
    return "\n".join(lines)


@cache
def _exchangeable() -> tuple[str, ...]:
    """Return the English units that can stand for each other: things that are counted, in one word."""
    trained, _ = situations("en")
    return tuple(sorted({s.answer for s in trained if re.fullmatch(r"[a-z]{3,}s", s.answer)} - MEASURES))


def exchanged(rng: random.Random, situation: Situation) -> Situation:
    """Return the situation about other things: what is counted says nothing about what to calculate."""
    unit, others = situation.answer, _exchangeable()
    one = rf"(?<!\w){unit[:-3] if unit.endswith(('ies', 'ves')) else unit[:-1]}(?!{unit[-3:]}\b|s\b)"
    if unit not in others or not re.search(rf"\b{unit}\b", situation.text) or re.search(one, situation.text, re.I):
        return situation
    other = rng.choice(others)
    return replace(situation, text=re.sub(rf"\b{unit}\b", other, situation.text), answer=other)


def _held_out(situation: Situation, values: dict[str, int]) -> bool:
    return held_out("situation", *steps_of(situation.f, values))


def situation_draft(
    rng: random.Random,
    style: str,
    test: bool,
    unseen: bool,
    code: str,
    name: Callable[[], str],
    say: Callable[[int, str], str],
    number: Callable[[int], str] = str,
    lower: float = 0.0,
) -> Draft:
    """Tell one situation of a language.

    name : draws a first name. say : the final sentence from the answer and its unit. number : how a number is written.
    lower : how often all is written in small letters.
    """
    trained, held = situations(code)
    while True:
        situation = rng.choice((held if unseen else trained) or trained)
        if code == "en" and rng.random() < EXCHANGED:
            situation = exchanged(rng, situation)
        values = next(
            (v for v in (numbers_for(rng, situation) for _ in range(60)) if _held_out(situation, v) == test), None
        )
        if values is not None:  # a story with few possible numbers may have none of a split
            break
    steps = steps_of(situation.f, values)
    slips = random.Random(rng.getrandbits(48))
    names: list[str] = []
    while len(names) < 3:
        names += [fresh for fresh in [name()] if fresh not in names]
    filled = {letter: marked(letter, number(value)) for letter, value in values.items()}
    filled |= dict(zip("nmo", names, strict=True))
    values = {**values, "x": rng.randrange(2, 100)}
    text = worded(rng, situation.text).format(**filled, x=marked("x", str(values["x"])))
    text = text.lower() if lower and rng.random() < lower else text
    read = reading(text, situation.f, values, code, situation.answer)
    answer = result_of(steps[-1])
    thought = thought_of(slips, situation.f, values, steps, style, read)
    return Draft(plain(text), say(answer, situation.answer), thought, str(answer), level=str(len(steps)))


def english_situation(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw one word problem in English, its numbers now and then in words or with a dozen."""
    share = rng.choice((0, 0, 0, 0.3, 1))

    def number(value: int) -> str:
        return number_word(value) if value < 100 and rng.random() < share else str(value)

    def say(answer: int, unit: str) -> str:
        return f"There are {answer} {unit}." if unit else f"The answer is {answer}."

    return situation_draft(rng, style, test, unseen, "en", lambda: person(rng), say, number, lower=0.12)
