"""Sorting numbers up or down, and words by the alphabet."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, mark
from .example import Draft, Phrasings, draw
from .letters import spelled
from .read_wordings import wordings
from .words import any_word

TEXT = wordings("sorting")

# {l}: the items; {o}: the order, "" or with a leading space or comma; {k}: what the items are.
# Where a wording has "order" before {o}, the order drawn has not.
SORT = Phrasings(*TEXT["sort"])
# Wordings that hold their order themselves: <s> smallest, <g> largest, <d> ascending, or all three the other way round.
_DIRECTED = tuple(TEXT["directed"])


def _directed(s: str, g: str, d: str) -> Phrasings:
    return Phrasings(*(p.replace("<s>", s).replace("<g>", g).replace("<d>", d) for p in _DIRECTED))


ASCENDING = _directed("[smallest|lowest]", "[largest|highest|biggest]", "[ascending|increasing|rising]")
DESCENDING = _directed("[largest|highest|biggest]", "[smallest|lowest]", "[descending|decreasing|falling]")
ALPHABETICAL = Phrasings(*TEXT["alphabetical"])
ORDERS = TEXT["orders"]
ITEMS = TEXT["items"]


def sort_question(rng: random.Random, items: list, direction: str, unseen: bool) -> tuple[int, str]:
    """Return (number of the pattern, question); ``direction``: a key of ORDERS. Only descending order must be named."""
    listed = ", ".join(map(str, items))
    if rng.random() < 0.2:
        own = {"up": ASCENDING, "down": DESCENDING, "words": ALPHABETICAL}[direction]
        index, template = own.pick(rng, unseen)
        return 100 + index, template.format(l=listed)
    index, template = SORT.pick(rng, unseen)
    orders = [o for o in ORDERS[direction] if not ("order" in template and "order" in o)]
    order = rng.choice(orders) if direction == "down" or rng.random() < 0.7 else ""
    kind = rng.choice(ITEMS["words" if direction == "words" else "numbers"])
    return index, template.format(l=listed, o=order, k=kind)


def sort_items(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw numbers up or down, or words by the alphabet; two to nine items."""
    count = int(level) if level else rng.choice((2, 3, 4, 4, 5, 5, 6, 7, 8, 9))
    numbers = rng.random() < 0.65

    def make():
        if numbers:
            return tuple(draw_numbers(rng, count))
        words = dict.fromkeys(any_word(rng) for _ in range(count))
        while len(words) < count:
            words[any_word(rng)] = None
        return tuple(words)

    items = list(draw(rng, test, make))
    down = numbers and rng.random() < 0.35
    ordered = sorted(items, reverse=down)
    direction = "down" if down else "up" if numbers else "words"
    index, question = sort_question(rng, items, direction, unseen)
    text = ", ".join(map(str, ordered))
    said = order_thought(rng, items, ordered, down, style)
    return Draft(question, text, said, text, "list", str(count), phrasing=index)


def draw_numbers(rng: random.Random, count: int) -> list[int]:
    """Draw ``count`` different numbers of one to five digits, often of mixed length or alike: 114, 12, 141, 21."""
    kind = rng.random()
    if kind < 0.34:  # the same few digits in every number
        digits = rng.sample("0123456789", rng.choice((2, 2, 3)))
        longest = rng.choice((2, 3, 3, 4))
        alike = dict.fromkeys(int("".join(rng.choices(digits, k=rng.randint(1, longest)))) for _ in range(60))
        found = [number for number in alike if number]
    elif kind < 0.62:  # of mixed length
        longest = rng.choice((2, 3, 3, 4, 5))
        found = [rng.randrange(10 ** (k - 1), 10**k) for k in (rng.randint(1, longest) for _ in range(40))]
    elif kind < 0.72:  # neighbours: only the last digits differ
        start, width = rng.randrange(1, rng.choice((10, 100, 1000))) * 10, rng.choice((10, 20, 50))
        found = rng.sample(range(start, start + width), min(count, width))
    elif kind < 0.8:  # round ones
        step = rng.choice((5, 10, 25, 50, 100))
        found = [step * k for k in rng.sample(range(1, 60), count)]
    else:
        found = rng.sample(range(1, rng.choice((20, 100, 1000))), count)
    found = list(dict.fromkeys(found))
    return found[:count] if len(found) >= count else rng.sample(range(1, 200), count)


def order_thought(rng: random.Random, items: list, ordered: list, down: bool, style: str) -> str | None:
    """Return the thought of a style. Medium: numbers by their length, or words by their letters; then the order."""
    if style == "low":
        return None
    if style == "high":
        return sort_thought(rng, items, ordered, down)
    way = f"{'down' if down else 'up'}: {', '.join(map(str, ordered))}"
    return f"{', '.join(openings(items, 3))}; {way}" if isinstance(items[0], str) else f"{lengths(items, down)}\n{way}"


def lengths(numbers: list[int], down: bool) -> str:
    """Return the numbers by how many digits they have, in the order of the question: '1: 5; 2: 45 41; 3: 144'."""
    groups: dict[int, list[str]] = {}
    for number in numbers:
        groups.setdefault(len(str(number)), []).append(str(number))
    return "; ".join(f"{digits}: {' '.join(groups[digits])}" for digits in sorted(groups, reverse=down))


def openings(words: list[str], letters: int) -> list[str]:
    """Return each word behind its first letters, spelt: 'p e a pear'. By these letters words are compared."""
    return [f"{spelled(word[:letters].lower())} {word}" for word in words]


def sort_thought(rng: random.Random, items: list, ordered: list, down: bool) -> str:
    """Write the first two letters of each word, then pick item after item, naming the rest, then compare neighbours."""
    lines = [] if isinstance(items[0], int) else [",".join(openings(items, 2))]
    left, sign = list(items), ">" if down else "<"
    for item in ordered[:-1]:
        lines.append(f"{','.join(map(str, left))}: {item}")
        left.remove(item)
    lines.append(f"{left[0]}: {left[0]}")
    text = "\n".join(lines)
    check = sign.join(map(str, ordered)) + " ok"
    if rng.random() < ERROR_RATE and len(ordered) > 2:
        i = rng.randrange(len(ordered) - 1)
        swapped = list(ordered)
        swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
        pair = f"{mark(swapped[i])}{sign}{mark(swapped[i + 1])} bad, redo"
        return f"{text}\n{sign.join([*map(str, swapped[:i]), pair])}\n{check}"
    return f"{text}\n{check}"
