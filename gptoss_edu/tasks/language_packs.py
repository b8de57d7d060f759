"""Language packs: the wordings of one language, and how its people write numbers and questions.

A pack is a TOML file in `wordings/languages/`, written in that language from the start, not translated. Each states in
``checked`` how its wordings were written and checked.
"""

from __future__ import annotations

import random
import string
import unicodedata
from functools import cache, cached_property

import regex

from .example import Phrasings, expand_all
from .letters import capitalised, counted_words, often
from .read_wordings import FOLDER, wordings

TEXT = wordings("languages")
ASCII_DIGITS = "0123456789"
NATIVE = 0.4  # share of the questions with the language's own digits, where it has some
CODES = tuple(code for code in TEXT["order"] if (FOLDER / "languages" / f"{code}.toml").exists())
COUNTED = {"word": 5, "phrase": 3, "words": 2, "english": 1.6}  # texts to count letters in, with their weights
ENDS = ".?!؟。？！।"


class Pack:
    """One language: its wordings with their held-out eighth, its digits, its marks."""

    def __init__(self, code: str):
        self.code, self.text = code, wordings(f"languages/{code}")
        self.name, self.digits = self.text["name"], self.text["digits"]
        self.facts = {table["kind"]: table for table in self.text["fact"]}
        self.full_stop = TEXT["full_stops"].get(code, ".")
        self.list_mark = TEXT["list_marks"].get(code, ", ")
        self.gap = "" if code in ("zh", "ja") else " "  # between the sentences of a story
        self._phrasings: dict[tuple[str, str], Phrasings] = {}
        self._wordings: dict[tuple[str, str], list[str]] = {}

    def pick(self, rng: random.Random, table: str, key: str, unseen: bool) -> tuple[int, str]:
        """Return (number of the pattern, wording) of one list of patterns; ``unseen``: a held-out one."""
        at = (table, key)
        if at not in self._phrasings:
            self._phrasings[at] = Phrasings(*self._source(table, key))
        return self._phrasings[at].pick(rng, unseen)

    def _source(self, table: str, key: str) -> list[str]:
        """Return a list of patterns; ``table`` "chain.told.1" is the second of the pack's [[chain.told]]."""
        if table == "fact":
            return self.facts[key]["questions"]
        path, found = table.split("."), self.text
        for part in path:
            found = found[int(part) if part.isdigit() else part]
        return found[key]

    def any(self, rng: random.Random, table: str, key: str) -> str:
        """Draw one of the wordings of a list that has no held-out part: what stands around or inside a question."""
        at = (table, key)
        if at not in self._wordings:
            self._wordings[at] = expand_all(self.text[table][key])
        return rng.choice(self._wordings[at])

    @cached_property
    def own_digits(self) -> dict[int, str]:
        """For str.translate: ASCII digits to the language's own."""
        return str.maketrans(ASCII_DIGITS, self.digits)

    @cached_property
    def words(self) -> list[str]:
        count = self.text["count"]
        return [unicodedata.normalize("NFC", word) for word in (*count["words"], *count["more_words"].split())]

    def word(self, rng: random.Random) -> str:
        """Draw a word of the list or, one in four, an invented one: the front of one and the back of another."""
        word = rng.choice(self.words)
        if rng.random() < 0.25:
            front, back = self.letters(word), self.letters(rng.choice(self.words))
            if rng.random() < 0.5:  # a part twice, so that letters occur more than once
                return unicodedata.normalize("NFC", "".join(front[:3] * 2 + back[-2:]))[:14]
            made = "".join(front[: (len(front) + 1) // 2] + back[len(back) // 2 :])
            return unicodedata.normalize("NFC", made)[:14]
        return word

    def counted(self, rng: random.Random, kind: str) -> list[str]:
        """Draw a text to count in, word by word; ``kind``: one of COUNTED, phrases have two to four words."""
        if kind == "word":
            return [self.word(rng)]
        if kind == "english":
            return counted_words(rng, rng.choice((1, 2, 2, 3)))
        if kind == "phrase" and rng.random() < 0.8:  # the list alone may hold none of the test split
            return unicodedata.normalize("NFC", rng.choice(self.text["count"]["phrases"])).split(" ")
        return [self.word(rng) for _ in range(rng.choice((2, 2, 3)))]

    def joined(self, rng: random.Random, words: list[str], kind: str) -> str:
        """Write the words as one text, sometimes as a list, with the capital letters that people use."""
        if kind == "english":
            return capitalised(rng, " ".join(words))
        if not self.gap or (kind == "words" and rng.random() < 0.4):
            return self.list_mark.join(words)
        text = " ".join(words)
        if rng.random() < 0.12 and len(text.upper()) == len(text):
            text = text[0].upper() + text[1:] if rng.random() < 0.8 else text.upper()
        return text

    def asked(self, rng: random.Random, letters: list[str]) -> str:
        """Draw the letter to count, a frequent one more often."""
        return max(sorted(set(letters)), key=letters.count) if rng.random() < 0.2 else often(rng, letters)

    def letter_name(self, rng: random.Random, letter: str) -> str:
        """Return the letter, or where people do so its name with the letter behind it."""
        name = self.text["count"].get("letter_names", {}).get(letter)
        return f"{name} ({letter})" if name and rng.random() < 0.15 else letter

    def listed(self, rng: random.Random, items: list[str], mark: str) -> str:
        """Write a list with one of the marks that people use, the last item now and then behind an "and"."""
        kind, last = rng.random(), TEXT["ands"].get(self.code)
        if kind < 0.22 and last:
            return mark.join(items[:-1]) + last + items[-1]
        if kind < 0.34:
            return rng.choice((" ", "; ", ",", " / ")).join(items)
        return mark.join(items)

    def letters(self, word: str) -> list[str]:
        """Return what is counted: letters with their accents; in Hindi and Bengali letters and vowel signs apart."""
        return list(word) if self.code in ("hi", "bn") else regex.findall(r"\X", word)

    def askable(self, letters: list[str]) -> list[str]:
        """Return the letters that can be asked for without doubt: none that also stands there in another form."""
        plain = [unicodedata.normalize("NFD", letter.lower())[0] for letter in letters]
        forms: dict[str, set[str]] = {}
        for letter, base in zip(letters, plain, strict=True):
            forms.setdefault(base, set()).add(letter)
        return [x for x, base in zip(letters, plain, strict=True) if base.isalpha() and len(forms[base]) == 1]

    def absent(self, rng: random.Random, letters: list[str], kind: str = "word") -> str | None:
        """Draw a letter of the alphabet that the word does not hold in any form; of a to z for English words."""
        alphabet = string.ascii_lowercase if kind == "english" else self.text["count"]["alphabet"].replace(" ", "")
        held = {unicodedata.normalize("NFD", letter.lower())[0] for letter in letters}
        others = [
            letter for letter in self.letters(alphabet) if unicodedata.normalize("NFD", letter.lower())[0] not in held
        ]
        return rng.choice(others) if others else None

    def typed(self, rng: random.Random, text: str) -> str:
        """Leave out accents, or use another keyboard's marks; never where letters are counted."""
        if rng.random() < TEXT["unaccented"].get(self.code, 0):
            kept = (c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
            text = unicodedata.normalize("NFC", "".join(kept))
        if self.code in TEXT["typed"] and rng.random() < 0.1:
            text = text.translate(str.maketrans(TEXT["typed"][self.code]))
        return text

    def dress(self, rng: random.Random, text: str) -> str:
        """Draw a greeting before, a word of thanks after, a missing full stop: what people do to a question."""
        if rng.random() < 0.1:
            text = text[0].lower() + text[1:]
        if rng.random() < 0.1 and text[-1] in ENDS and len(text) > 1:
            text = text[:-1].rstrip()
        if rng.random() < 0.2:
            text = self.any(rng, "frame", "before") + text
        if rng.random() < 0.12:
            text += ("" if text[-1] in ENDS else self.full_stop) + self.any(rng, "frame", "after")
        return text


@cache
def pack(code: str) -> Pack:
    return Pack(code)


@cache
def refusals() -> dict[str, str]:
    """Return the sentence with which each language declines, by code."""
    return {code: pack(code).text["refusal"]["answer"] for code in CODES}
