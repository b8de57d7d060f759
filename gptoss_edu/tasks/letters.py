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
PHRASES = TEXT["phrases"]
BANKS = {slot: PHRASES[name].split() for slot, name in (("a", "adjectives"), ("n", "nouns"), ("v", "verbs"))}


def spelled(word: str) -> str:
    return " ".join(word)


def count_letters(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Ask how often a letter occurs in one to four words."""
    count = int(level) if level else rng.choice((1, 1, 2, 2, 3, 4))
    words = list(draw(rng, test, lambda: tuple(counted_words(rng, count))))
    letter = asked_letter(rng, "".join(words))
    total = sum(word.count(letter) for word in words)
    index, template = COUNT.pick(rng, unseen)
    question = template.format(c=letter, w=capitalised(rng, " ".join(words)), t=rng.choice(TITLES[count > 1]))
    return Draft(
        question,
        f'The letter "{letter}" occurs {total} {"time" if total == 1 else "times"}.',
        count_thought(rng, words, letter, style),
        str(total),
        level=str(count),
        phrasing=index,
    )


def counted_words(rng: random.Random, count: int) -> list[str]:
    """Draw ``count`` lower-case words: half of the texts of several words are everyday phrases."""
    patterns = [pattern for pattern in PHRASES["patterns"] if len(pattern.split()) == count]
    if not patterns or rng.random() < 0.45:
        return [counted_word(rng) for _ in range(count)]
    return [rng.choice(BANKS[part[1]]) if part[0] == "{" else part for part in rng.choice(patterns).split()]


def capitalised(rng: random.Random, text: str) -> str:
    """Draw capital letters at the beginning, of every word or throughout for one text in six; counting ignores them."""
    kind = rng.random()
    if kind < 0.08:
        return text[0].upper() + text[1:]
    if kind < 0.15:
        return " ".join(word[0].upper() + word[1:] for word in text.split(" "))
    return text.upper() if kind < 0.17 else text


def asked_letter(rng: random.Random, letters: str) -> str:
    """Draw the letter to count: mostly one of the text, often a frequent one, one time in eight any letter."""
    kind = rng.random()
    if kind < 0.12:
        return rng.choice("abcdefghijklmnopqrstuvwxyz")
    if kind < 0.3:  # four to seven times in a phrase
        return max(sorted(set(letters)), key=letters.count)
    return often(rng, letters)


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


def count_thought(rng: random.Random, words: list, letter: str, style: str) -> str | None:
    """Write the thought. Medium: spell each word and number the places. High: a count at every letter, then the places.

    Each word is a string or a list of letters. Words of several lines are summed in a last one.
    """
    if style == "low":
        return None
    if style == "medium":
        counts = [word.count(letter) for word in words]
        lines = [f"{numbered(word, letter)}: {count}" for word, count in zip(words, counts, strict=True)]
        return "\n".join([*lines, f"{'+'.join(map(str, counts))}={sum(counts)}"] if len(words) > 1 else lines)
    lines, total, error = [], 0, rng.random() < ERROR_RATE
    error_word = rng.randrange(len(words)) if error else -1
    for i, word in enumerate(words):
        if i == error_word and word.count(letter):
            skipped = rng.choice([j for j, c in enumerate(word) if c == letter])
            lines.append(running(word, letter, total, skipped) + " bad, redo")
        lines.append(running(word, letter, total) + " ok")
        total += word.count(letter)
    return f"count {letter}\n" + "\n".join(lines) + f"\ntotal {total}"


def numbered(word, letter: str) -> str:
    """Return the word spelled, the asked letter numbered: 'b a1 n a2 n a3'."""
    parts, count = [], 0
    for c in word:
        count += c == letter
        parts.append(f"{c}{count}" if c == letter else c)
    return " ".join(parts)


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
