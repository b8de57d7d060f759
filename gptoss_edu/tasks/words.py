"""The words that the training tasks are made of: names, things, real English words, and invented ones.

Lists written here are the small world that gpt-oss-tiny knows. `everyday_words` adds some thousands of ordinary lower-case
words, taken from the token list of the bundled o200k vocabulary, so that no short list can be learnt by heart.
"""

from __future__ import annotations

import base64
import random
import re
from functools import cache

from gptoss_edu.resources import data_path

NAMES = (
    "Mia Tom Anna Ben Lena Omar Sara Noah Ines Paul Ruth Ivan Nora Luis Emma Finn Aisha Jonas Clara Hugo Maya Leo Eva Karim "
    "Zoe Adam Lucy Ravi Elena Sam Yuki Oscar Greta Malik Rosa Felix Ada Niko Vera Theo Amira Hans Olga Diego Kim Petra"
).split()
THINGS = (
    "apple pear plum lemon cherry book pencil card coin stamp marble button shell stone egg cookie candle ticket ball toy "
    "flower seed nail brick bottle cup plate spoon chair box key sticker ribbon bead peach melon onion carrot potato"
).split()
CITIES = (
    "Oslo Rome Paris Lima Cairo Berlin Madrid Tokyo Delhi Dublin Vienna Prague Lisbon Athens Boston Quito Havana Nairobi "
    "Seoul Milan Geneva Riga Bergen Porto Osaka Accra Tunis Hanoi Dakar Bern Turin Lyon Leeds Austin Denver Perth"
).split()
COLOURS = "red blue green yellow black white orange purple brown pink grey".split()
ANIMALS = "cat dog horse cow sheep goat pig hen duck goose mouse rabbit fox wolf bear lion tiger owl frog snake spider ant bee".split()
COMMON = (
    "time year people way day man thing woman life child world school state family student group country problem hand part "
    "place case week company system program question work night point home water room mother area money story fact month lot "
    "right study book eye job word business issue side kind head house service friend father power hour game line end member "
    "law car city name team minute idea body back parent face level office door health person art war history party result "
    "change morning reason research girl guy moment air teacher force education foot boy age policy music market sense nation "
    "plan college interest death experience effect use class control field development role effort rate heart drug show leader "
    "light voice wife police mind price report decision son view relationship town road arm difference value building action "
    "season society tax director position player record paper space ground form event official matter centre couple site "
    "project activity star table need court oil situation cost industry figure street image phone data picture practice piece "
    "land product doctor wall patient worker news test movie north love support technology step baby computer type attention "
    "film tree source organisation hair look window evidence culture chance brother energy period course summer plant cup "
    "opportunity term letter condition choice rule daughter south husband floor campaign material population call economy "
    "hospital church risk fire future bank west sport board subject officer rest behaviour performance top goal second bed "
    "order author blood agency nature colour store sound movement page race concern series language response animal factor "
    "decade article east artist scene stock career treatment approach size dog fund media sign thought list individual quality "
    "pressure answer resource meeting disease success amount ability staff character growth loss degree attack region "
    "television box training trade deal election feeling standard bill message banana strawberry kitchen garden bicycle guitar "
    "mountain river ocean island village castle bridge forest desert winter spring autumn breakfast dinner lunch butter cheese "
    "bread sugar pepper tomato spinach chocolate coffee pizza pasta soup salad rice sandwich planet rocket satellite telescope "
    "dinosaur elephant penguin giraffe dolphin butterfly mosquito football tennis hockey piano violin drum novel poem theatre "
    "museum passport ticket airport train engine battery vaccine medicine dentist surgeon lawyer judge soldier pirate wizard "
    "dragon ghost monster princess emperor president minister parliament constitution revolution philosophy religion psychology "
    "chemistry physics biology algebra geometry grammar vocabulary alphabet sentence paragraph keyboard website password server "
    "wedding birthday holiday camping swimming cooking knitting painting dancing sleeping dreaming marriage divorce friendship "
    "happiness sadness anger fear hope courage wisdom beauty justice freedom democracy inflation interest mortgage insurance"
).split()

_ONSETS = "b c d f g h j k l m n p r s t v w z br cr dr fl gr kl pl pr sk sl st tr th sh ch".split()
_NUCLEI = "a e i o u a e i o u ai ea oo ou".split()
_CODAS = ["", "", "", "n", "r", "l", "s", "t", "m", "k", "nd", "rt", "x", "p"]


def pseudo_word(rng: random.Random, syllables: int | None = None) -> str:
    """An invented word that sounds possible: 'brovant', 'skeali'."""
    count = syllables or rng.choice((1, 2, 2, 3))
    word = "".join(rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS) for _ in range(count))
    return word if len(word) > 2 else word + rng.choice(("na", "to", "ril"))


@cache
def everyday_words() -> tuple[str, ...]:
    """Ordinary lower-case words of 3 to 12 letters, about 12,000: frequent tokens of o200k that begin with a space."""
    words = []
    for number, line in enumerate(data_path("o200k_base.tiktoken").read_bytes().splitlines()):
        if number > 60_000:
            break
        text = base64.b64decode(line.split()[0]).decode("utf-8", "ignore")
        if re.fullmatch(r" [a-z]{3,12}", text) and re.search("[aeiouy]", text):
            words.append(text[1:])
    return tuple(words)


def any_word(rng: random.Random) -> str:
    """A word for spelling and sorting: common, everyday or invented, a third each."""
    kind = rng.random()
    if kind < 0.33:
        return rng.choice(COMMON)
    return rng.choice(everyday_words()) if kind < 0.67 else pseudo_word(rng)


def place(rng: random.Random) -> str:
    """A city, real or (one in three) invented: an open slot, so that copying is learnt rather than a list."""
    return pseudo_word(rng, rng.choice((2, 2, 3))).capitalize() if rng.random() < 0.35 else rng.choice(CITIES)


def person(rng: random.Random) -> str:
    """A first name, real or (one in six) invented."""
    return pseudo_word(rng, 2).capitalize() if rng.random() < 0.17 else rng.choice(NAMES)


def plural(thing: str) -> str:
    """English plural of a regular noun."""
    if thing.endswith(("sh", "ch", "x", "s")) or thing in ("potato", "tomato"):
        return thing + "es"
    return thing[:-1] + "ies" if thing.endswith("y") and thing[-2] not in "aeiou" else thing + "s"
