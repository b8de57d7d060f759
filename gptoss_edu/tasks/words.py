"""The words that the training tasks are made of: names, things, real English words, and invented ones.

Lists written here are the small world that gpt-oss-tiny knows. `everyday_words` adds some thousands of ordinary
lower-case words, taken from the token list of the bundled o200k vocabulary: no short list can be learned by heart.
"""

from __future__ import annotations

import base64
import random
import re
from functools import cache

from gptoss_edu.resources import data_path

from .read_wordings import wordings

TEXT = wordings("words")

NAMES = TEXT["names"]
THINGS = TEXT["things"]
CITIES = TEXT["cities"]
COLOURS = TEXT["colours"]
ANIMALS = TEXT["animals"]
COMMON = TEXT["common"]

_ONSETS = TEXT["onsets"]
_NUCLEI = TEXT["nuclei"]
_CODAS = TEXT["codas"]


def pseudo_word(rng: random.Random, syllables: int | None = None) -> str:
    """Draw an invented word that sounds possible: 'brovant', 'skeali'."""
    count = syllables or rng.choice((1, 2, 2, 3))
    word = "".join(rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS) for _ in range(count))
    return word if len(word) > 2 else word + rng.choice(("na", "to", "ril"))


UNFIT = re.compile(  # words that a classroom's examples do without
    "abort|kill(?!s$)|rape|sex|nude|drug|bomb|weapon|terror|suicid|murder|nazi|porn|penis|slave|racis|naked|cigar|smok|"
    "fuck|shit|slut|bitch|damn|victim|violen|assault|poison|cancer|drunk|crim|shoot|guns?$|die[sd]?$|dead(?!l)|death|"
    "blood|war$|ass$|hell$|hiv$|gay|lesb|jew|islam|muslim|christ|breast|alcohol|beer|wines?$|prison|arrest|attack|fat$|"
    "stupid|ugly|disease"
)


@cache
def everyday_words() -> tuple[str, ...]:
    """Return about 12,000 lower-case words of 3 to 12 letters: frequent tokens of o200k that begin with a space."""
    words = []
    for number, line in enumerate(data_path("o200k_base.tiktoken").read_bytes().splitlines()):
        if number > 60_000:
            break
        text = base64.b64decode(line.split()[0]).decode("utf-8", "ignore")
        if re.fullmatch(r" [a-z]{3,12}", text) and re.search("[aeiouy]", text) and not UNFIT.search(text):
            words.append(text[1:])
    return tuple(words)


def any_word(rng: random.Random) -> str:
    """Draw a word for spelling and sorting: common, everyday or invented, a third each."""
    kind = rng.random()
    if kind < 0.33:
        return rng.choice(COMMON)
    return rng.choice(everyday_words()) if kind < 0.67 else pseudo_word(rng)


def place(rng: random.Random) -> str:
    """Draw a city, real or (one in three) invented: an open slot, so that copying is learned rather than a list."""
    return pseudo_word(rng, rng.choice((2, 2, 3))).capitalize() if rng.random() < 0.35 else rng.choice(CITIES)


def person(rng: random.Random) -> str:
    """Draw a first name, real or (one in six) invented."""
    return pseudo_word(rng, 2).capitalize() if rng.random() < 0.17 else rng.choice(NAMES)


def plural(thing: str) -> str:
    """Return the English plural of a regular noun."""
    if thing.endswith(("sh", "ch", "x", "s")) or thing in ("potato", "tomato"):
        return thing + "es"
    return thing[:-1] + "ies" if thing.endswith("y") and thing[-2] not in "aeiou" else thing + "s"
