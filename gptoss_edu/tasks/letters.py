"""Letters and lists: counting, and reversing."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, mark
from .example import Draft, Phrasings, draw
from .read_wordings import wordings
from .words import any_word

TEXT = wordings("letters")

# {c}: the letter · {w}: the words · {t}: "", "the word ", "the text " …
COUNT = Phrasings(*TEXT["count"])
TITLES = tuple(TEXT["titles"])  # one word, several


def spelled(word: str) -> str:
    return " ".join(word)


def count_letters(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Ask how often a letter occurs in one to four words."""
    count = int(level) if level else rng.choice((1, 1, 2, 3, 4))
    words = list(draw(rng, test, lambda: tuple(counted_word(rng) for _ in range(count))))
    letter = often(rng, "".join(words)) if rng.random() < 0.85 else rng.choice("abcdefghijklmnopqrstuvwxyz")
    total = sum(word.count(letter) for word in words)
    index, template = COUNT.pick(rng, unseen)
    question = template.format(c=letter, w=" ".join(words), t=rng.choice(TITLES[count > 1]))
    return Draft(
        question,
        f'The letter "{letter}" occurs {total} {"time" if total == 1 else "times"}.',
        count_thought(rng, words, letter, style),
        str(total),
        level=str(count),
        phrasing=index,
    )


def counted_word(rng: random.Random) -> str:
    """Draw a word for counting: two in five have letters or parts doubled, as strawberry and mississippi do."""
    word = any_word(rng)
    kind = rng.random()
    at = rng.randrange(len(word))
    if kind < 0.2:
        return (word[:at] + word[at] + word[at:])[:14]
    if kind < 0.3:
        return (word[:4] + word[1:4] + word[1:])[:14]
    if kind < 0.4:
        return "".join(rng.choice((c, word[at])) for c in word)
    return word


def often(rng: random.Random, letters) -> str:
    """Draw one of the letters; one that occurs often is asked for more often, since counting one to two is easy."""
    letters = list(letters)
    return rng.choices(letters, [letters.count(letter) for letter in letters])[0]


def count_thought(rng: random.Random, words: list[str], letter: str, style: str) -> str | None:
    """Write the thought. Medium: spell each word and give its count. High: also a running count, then the places."""
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
    """Write 'b0 a1 n1 a2 n2 a3; at 2,4,6: 3': the count after each letter, and the places as a check."""
    count, parts = start, []
    for i, c in enumerate(word):
        count += c == letter and i != skipped
        parts.append(f"{c}{mark(count) if i == skipped else count}")
    places = [str(i + 1) for i, c in enumerate(word) if c == letter]
    return (
        f"{' '.join(parts)}; at {','.join(places) if places else 'none'}: {start}+{len(places)}={start + len(places)}"
    )


# ---------------------------------------------------------------------------------------------------------- reversing

REVERSE = Phrasings(*TEXT["reverse"])
REVERSE_LIST = Phrasings(*TEXT["reverse_list"])


def reverse_items(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a word letter by letter, or a list item by item."""
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
    """Return number the letters, then read them from the last."""
    letters = " ".join(f"{i + 1}{c}" for i, c in enumerate(word))
    return f"{letters}\n" + " ".join(f"{i}{word[i - 1]}" for i in range(len(word), 0, -1))
