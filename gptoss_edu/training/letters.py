"""Words and lists: counting letters, sorting, reversing."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, mark
from .example import Draft, Phrasings, draw
from .words import any_word

COUNT = Phrasings(
    'How many times does the letter "{c}" occur in "{w}"?', "How many {c}'s are in {w}?", 'Count the letter {c} in "{w}".', "How many letters {c} does {w} have?",
    'How often does "{c}" appear in "{w}"?', "Number of {c} in {w}?", 'Count how many "{c}" there are in "{w}".', "In {w}, how many times do you see {c}?",
    "How many {c} are there in {w}?", "Tell me how many times {c} stands in {w}.", "count {c} in {w}", 'Find the number of "{c}" in "{w}".',
    "Look at {w}. How many {c} does it hold?",
    'What is the count of "{c}" in "{w}"?', "How frequently does {c} come up in {w}?", "{w}: how many {c}?",
)  # fmt: skip


def spelled(word: str) -> str:
    return " ".join(word)


def count_letters(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """How often a letter stands in one to four words."""
    count = int(level) if level else rng.choice((1, 1, 2, 3, 4))
    words = list(draw(rng, test, lambda: tuple(any_word(rng) for _ in range(count))))
    letter = rng.choice("".join(words)) if rng.random() < 0.85 else rng.choice("abcdefghijklmnopqrstuvwxyz")
    total = sum(word.count(letter) for word in words)
    index, template = COUNT.pick(rng, unseen)
    question = template.format(c=letter, w=" ".join(words))
    return Draft(
        question, f'The letter "{letter}" occurs {total} {"time" if total == 1 else "times"}.', count_thought(rng, words, letter, style),
        str(total), level=str(count), phrasing=index,
    )  # fmt: skip


def count_thought(rng: random.Random, words: list[str], letter: str, style: str) -> str | None:
    """Medium: spell each word and give its count. High: a running count at every letter, then the marked places."""
    if style == "low":
        return None
    if style == "medium":
        parts = [f"{spelled(word)}: {word.count(letter)}" for word in words]
        return "\n".join(parts) + (
            "\n" + "+".join(str(w.count(letter)) for w in words) + f"={sum(w.count(letter) for w in words)}"
            if len(words) > 1
            else ""
        )
    lines, total, error = [], 0, rng.random() < ERROR_RATE
    error_word = rng.randrange(len(words)) if error else -1
    for i, word in enumerate(words):
        if i == error_word and word.count(letter):
            skipped = rng.choice([j for j, c in enumerate(word) if c == letter])
            lines.append(running(word, letter, total, skipped) + " bad, redo")
        lines.append(running(word, letter, total) + " ok")
        total += word.count(letter)
    return f"count {letter}\n" + "\n".join(lines) + f"\ntotal {total}"


def running(word: str, letter: str, start: int, skipped: int = -1) -> str:
    """'b0 a1 n1 a2 n2 a3; at 2,4,6: 3': the count after each letter, and the places as a check."""
    count, parts = start, []
    for i, c in enumerate(word):
        count += c == letter and i != skipped
        parts.append(f"{c}{mark(count) if i == skipped else count}")
    places = [str(i + 1) for i, c in enumerate(word) if c == letter]
    return (
        f"{' '.join(parts)}; at {','.join(places) if places else 'none'}: {start}+{len(places)}={start + len(places)}"
    )


# ------------------------------------------------------------------------------------------------------------ sorting

SORT = Phrasings(
    "Sort {l}{o}.", "Put these in order{o}: {l}", "Order {l}{o}.", "Arrange {l}{o}.", "Sort these{o}: {l}", "Can you sort {l}{o}?", "Sort the list {l}{o}.",
    "Bring {l} into order{o}.", "Please sort{o}: {l}", "List {l} sorted{o}.", "Write {l} in order{o}.", "I need {l} sorted{o}.",
    "What is the order of {l}{o}?", "Rank {l}{o}.", "Give me {l} in sorted order{o}.", "Order the following{o}: {l}",
)  # fmt: skip


def sort_items(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Numbers up or down, or words by the alphabet; three to eight items."""
    count = int(level) if level else rng.choice((3, 4, 5, 5, 6, 7, 8))
    numbers = rng.random() < 0.65

    def make():
        if numbers:
            return tuple(rng.sample(range(1, rng.choice((20, 100, 1000))), count))
        return tuple(dict.fromkeys(any_word(rng) for _ in range(count)))

    items = list(draw(rng, test, make))
    down = numbers and rng.random() < 0.35
    ordered = sorted(items, reverse=down)
    index, template = SORT.pick(rng, unseen)
    order = rng.choice((" from large to small", " in descending order", " from the largest down")) if down else ""
    order = order or (
        rng.choice(("", " from small to large", " in ascending order"))
        if numbers
        else rng.choice((" alphabetically", " by the alphabet", ""))
    )
    text = ", ".join(map(str, ordered))
    if style == "low":
        thought = None
    elif style == "medium":
        thought = f"{'down' if down else 'up'}: {text}"
    else:
        thought = sort_thought(rng, items, ordered, down)
    question = template.format(l=", ".join(map(str, items)), o=order)
    return Draft(question, text, thought, text, "list", str(count), phrasing=index)


def sort_thought(rng: random.Random, items: list, ordered: list, down: bool) -> str:
    """Pick item after item, naming what is left; then compare neighbours."""
    lines, left, sign = [], list(items), ">" if down else "<"
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


# ---------------------------------------------------------------------------------------------------------- reversing

REVERSE = Phrasings(
    'Reverse "{w}".', "Write {w} backwards.", "Spell {w} backwards.", 'What is "{w}" reversed?', "Reverse the word {w}.", "{w} backwards?", "Turn {w} around.",
    "Give me {w} in reverse.", 'Reverse the letters of "{w}".', "Say {w} backwards.", "Flip the word {w}.", "Can you reverse {w}?",
    "How do you write {w} from back to front?", "Mirror the letters of {w}.", "Read {w} from right to left.", "What does {w} look like backwards?",
)  # fmt: skip
REVERSE_LIST = Phrasings(
    "Reverse the order of {w}.", "Write these in reverse order: {w}", "Reverse the list {w}.", "Turn the order of {w} around.", "List {w} from last to first.",
    "Give {w} in reverse order.", "Put {w} in the opposite order.", "Reverse this list: {w}", "Can you reverse the order of {w}?", "Repeat {w} backwards, word by word.",
    "What is {w} in reverse order?", "Say {w} from the end to the start.",
)  # fmt: skip


def reverse_items(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """A word letter by letter, or a list item by item."""
    if (rng.random() < 0.65) if level is None else level == "word":
        (word,) = draw(rng, test, lambda: (any_word(rng),))
        index, template = REVERSE.pick(rng, unseen)
        thought = {"low": None, "medium": spelled(word), "high": reverse_thought(word)}[style]
        return Draft(template.format(w=word), word[::-1], thought, word[::-1], "text", "word", phrasing=index)
    count = rng.randint(3, 7)
    items = draw(
        rng,
        test,
        lambda: tuple(any_word(rng) if rng.random() < 0.6 else str(rng.randrange(1000)) for _ in range(count)),
    )
    index, template = REVERSE_LIST.pick(rng, unseen)
    text = ", ".join(items[::-1])
    numbered = ", ".join(f"{i + 1} {item}" for i, item in enumerate(items))
    back = ", ".join(f"{i} {items[i - 1]}" for i in range(count, 0, -1))
    thought = {"low": None, "medium": f"{count} items, last first", "high": f"{numbered}\n{back}"}[style]
    return Draft(template.format(w=", ".join(items)), text, thought, text, "list", "list", phrasing=100 + index)


def reverse_thought(word: str) -> str:
    """Number the letters, then read them from the last."""
    letters = " ".join(f"{i + 1}{c}" for i, c in enumerate(word))
    return f"{letters}\n" + " ".join(f"{i}{word[i - 1]}" for i in range(len(word), 0, -1))
