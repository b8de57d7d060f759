"""Language packs: the wordings of one language, and how its people write numbers and questions.

A pack is a TOML file in `wordings/languages/`, written in that language from the start, not translated. Each states in
``checked`` how its wordings were written and checked.
"""

from __future__ import annotations

import random
import unicodedata
from functools import cache, cached_property

import regex

from .example import Phrasings, expand_all
from .read_wordings import FOLDER, wordings

TEXT = wordings("languages")
ASCII_DIGITS = "0123456789"
NATIVE = 0.4  # share of the questions with the language's own digits, where it has some
CODES = tuple(code for code in TEXT["order"] if (FOLDER / "languages" / f"{code}.toml").exists())
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
            source = self.facts[key]["questions"] if table == "fact" else self.text[table][key]
            self._phrasings[at] = Phrasings(*source)
        return self._phrasings[at].pick(rng, unseen)

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
        return [unicodedata.normalize("NFC", word) for word in self.text["count"]["words"]]

    def word(self, rng: random.Random) -> str:
        """Draw a word of the list or, one in three, an invented one: the front of one and the back of another."""
        word = rng.choice(self.words)
        if rng.random() < 0.33:
            front, back = self.letters(word), self.letters(rng.choice(self.words))
            if rng.random() < 0.4:  # a part twice, so that letters occur more than once
                return unicodedata.normalize("NFC", "".join(front[:3] * 2 + back[-2:]))[:14]
            made = "".join(front[: (len(front) + 1) // 2] + back[len(back) // 2 :])
            return unicodedata.normalize("NFC", made)[:14]
        return word

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

    def absent(self, rng: random.Random, letters: list[str]) -> str | None:
        """Draw a letter of the alphabet that the word does not hold in any form."""
        held = {unicodedata.normalize("NFD", letter.lower())[0] for letter in letters}
        others = [
            letter
            for letter in self.letters(self.text["count"]["alphabet"].replace(" ", ""))
            if unicodedata.normalize("NFD", letter.lower())[0] not in held
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
