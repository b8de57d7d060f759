"""English by rule for prose.py: number words, verbs that agree, nouns with their plurals, people with their pronouns.

A template holds verbs in angle brackets: "<buy> {m}". `inflect` puts them into a tense and lets them agree with the
subject; "<be+>" agrees with a plural and "<be->" with a singular, whoever the subject is.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache

from .example import Phrasings, expand
from .read_wordings import wordings
from .words import plural, pseudo_word

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
_VERB = re.compile(r"<([a-z]+)([+-]?)>")


def number_word(number: int) -> str:
    """Write a whole number below 10,000 in words: 'forty-two', 'two hundred and five'."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    rest = number % size
    link = " and " if size == 100 or rest < 100 else " "
    return f"{_ONES[number // size]} {name}" + (link + number_word(rest) if rest else "")


@cache
def grammar() -> dict:
    """Return the tables of prose.toml and of prose_scenes.toml together."""
    return wordings("prose") | wordings("prose_scenes")


@cache
def _irregular() -> dict[str, tuple[str, str, str]]:
    rows = (line.split() for line in grammar()["language"]["verbs"])
    return {base: (third, past, ing) for base, third, past, ing in rows}


@cache
def forms(base: str) -> tuple[str, str, str]:
    """Return (third person, past, -ing) of a verb: 'carry' gives 'carries', 'carried', 'carrying'."""
    if base in _irregular():
        return _irregular()[base]
    third = base + ("es" if base.endswith(("s", "sh", "ch", "x", "z", "o")) else "s")
    past, ing = base + "ed", base + "ing"
    if base.endswith("e"):
        past, ing = base + "d", base[:-1] + "ing"
    elif base.endswith("y") and base[-2] not in "aeiou":
        third, past = base[:-1] + "ies", base[:-1] + "ied"
    return third, past, ing


def verb(base: str, tense: str, person: str) -> str:
    """Return one form: tense "past", "present" or "ing"; person "1" (I), "3" (she, the baker) or "p" (we, they)."""
    if base == "be":
        table = {"past": {"p": "were"}, "present": {"1": "am", "p": "are"}, "ing": {}}[tense]
        return table.get(person, {"past": "was", "present": "is", "ing": "being"}[tense])
    third, past, ing = forms(base)
    return {"past": past, "ing": ing}.get(tense) or (third if person == "3" else base)


@cache
def inflect(template: str, tense: str, person: str) -> str:
    """Return the template with its verbs inflected: '<buy> {m}' in the past is 'bought {m}'."""
    agree = {"": person, "+": "p", "-": "3"}
    return _VERB.sub(lambda found: verb(found[1], tense, agree[found[2]]), template)


@cache
def noun(name: str) -> tuple[str, str]:
    """Return (singular, plural): 'child/children' gives both, 'ball' is regular; '_' stands for a blank."""
    one, _, many = name.replace("_", " ").partition("/")
    return one, many or plural(one)


def a(word: str) -> str:
    """Return the word behind 'a' or 'an'."""
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def _patterns(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the patterns below a path of the grammar; '@get' in a list stands for the list shared.get."""
    node = grammar()
    for key in path:
        node = node[key]
    return tuple(p for item in node for p in (grammar()["shared"][item[1:]] if item[0] == "@" else (item,)))


@cache
def _groups(path: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(expand(pattern)) for pattern in _patterns(path))


def pick(rng: random.Random, *path: str) -> str:
    """Draw a wording from a list of the grammar; every pattern is as likely, however many choices it has."""
    return rng.choice(rng.choice(_groups(path)))


@cache
def phrasings(*path: str) -> Phrasings | None:
    """Return the list as wordings of which one in eight is held out; None where it is too short for that."""
    try:
        return Phrasings(*_patterns(path))
    except ValueError:
        return None


@cache
def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a list kept as one string; '@food' stands for language.food."""
    return tuple((grammar()["language"][text[1:]] if text[0] == "@" else text).split())


# ------------------------------------------------------------------------------------------------------------- people


@dataclass(frozen=True)
class Person:
    """Somebody in a story: how the text first names them, then calls them, and their pronouns."""

    first: str
    name: str
    subject: str
    object: str
    possessive: str
    number: str = "3"  # agreement: "1", "3" or "p"

    @property
    def of(self) -> str:
        """'Tom's', 'my', 'the baker's'."""
        if self.number in "1p":
            return self.possessive
        return f"{self.name}'s"

    @property
    def them(self) -> str:
        """The name as an object: 'me' for I, 'us' for we."""
        return self.object if self.number in "1p" else self.name


SHE, HE = ("she", "her", "her"), ("he", "him", "his")
ME = Person("I", "I", "I", "me", "my", "1")
YOU, WE = Person("you", "you", "you", "you", "your", "p"), Person("we", "we", "we", "us", "our", "p")


@cache
def _names() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    table = grammar()["language"]
    return tuple(tuple(table[key].split()) for key in ("women", "men", "roles"))


def someone(rng: random.Random, taken: tuple[str, ...] = (), named: bool = False) -> Person:
    """Draw a person who is not among the names taken: by name, or (unless ``named``) by what they are, or I."""
    women, men, roles = _names()
    while True:
        kind = rng.random()
        pronouns = rng.choice((SHE, HE))
        if kind < 0.12:
            name = first = pseudo_word(rng, 2).capitalize()
        elif kind < 0.80 or named:
            name = first = rng.choice(women if pronouns is SHE else men)
        elif kind < 0.90:
            role = rng.choice(roles).replace("_", " ")
            first, name = a(role), f"the {role}"
        elif kind < 0.95:
            name = first = (
                f"{'Mrs' if pronouns is SHE else 'Mr'} {rng.choice(wordings('prose')['language']['surnames'].split())}"
            )
        else:
            kin = grammar()["language"]["kin_women" if pronouns is SHE else "kin_men"].split()
            name = first = f"my {rng.choice(kin)}"
        if name not in taken:
            return Person(first, name, *pronouns)
