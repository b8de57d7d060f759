"""Lists to sort in free wordings: numbers, words or names, before, after or inside the request, and extremes."""

from __future__ import annotations

import random

from .english import capital, grammar
from .example import Draft, Phrasings, draw
from .free_frames import CONTEXTS, TEXT, expand_many, into_frame
from .sorting import draw_numbers, order_thought, sort_thought
from .words import ANIMALS, COLOURS, any_word

SORT = {key: Phrasings(*TEXT["sort"][key]) for key in ("after", "before", "inside")}
ORDERS = {key: TEXT["sort"][key] for key in ("up", "down", "words", "wordsdown")}
TOLD = {key: Phrasings(*patterns) for key, patterns in TEXT["told"].items()}
LEADS = expand_many(TEXT["sort"]["leads"])
BANKS = {name: text.split() for name, text in TEXT["banks"].items()} | {"colours": COLOURS, "animals": ANIMALS}
EXTREME = {key: Phrasings(*patterns) for key, patterns in TEXT["extreme"].items()}


def listed(rng: random.Random, items: list, inside: bool = False) -> str:
    """Return the items with one of many separators; ``inside`` a sentence they stand in one line."""
    texts = list(map(str, items))
    kind = rng.random()
    if kind < 0.28:
        return ", ".join(texts)
    if kind < 0.48:
        return (
            ", ".join(texts[:-1])
            + rng.choice((" and ", " and ", ", and " if len(texts) > 2 else " and ", " & "))
            + texts[-1]
        )
    if kind < 0.56:
        return rng.choice(("; ", ";", " ; ")).join(texts)
    if kind < 0.70:
        return " ".join(texts)
    if kind < 0.78 or inside:
        dash = " / " if texts[0].isdigit() else " - "  # between numbers a dash would be a minus
        return rng.choice((",", dash, " / ", ", ", ", ", " | ")).join(texts)
    bullet = rng.choice(("", "", "- ", "* "))
    return "\n" + "\n".join(bullet + text for text in texts)


def draw_items(
    rng: random.Random, test: bool, low: int = 1, high: int = 0, words: bool | None = None, bank: str | None = None
) -> tuple[list, str]:
    """Return (numbers, words or names, what they are called); with ``bank`` words of one kind, in capitals or not."""
    count = rng.choice((2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9))
    if words is None:
        words = rng.random() < 0.45
    what = rng.choice(("words", "words", "names")) if words else "numbers"

    def make():
        if not words and not high and rng.random() < 0.7:
            return tuple(draw_numbers(rng, count))
        if not words:
            top = high or rng.choice((20, 100, 100, 1000, 10_000))
            items = (
                [rng.randrange(low, top) for _ in range(count)]
                if rng.random() < 0.06
                else rng.sample(range(low, top), count)
            )
            return tuple(items)
        if bank:
            return tuple(rng.sample(BANKS[bank], min(count, len(BANKS[bank]))))
        language = grammar()["language"]
        source = (language["women"] + " " + language["men"]).split() if what == "names" else None
        found: dict[str, None] = {}
        while len(found) < count:
            found[rng.choice(source) if source else any_word(rng)] = None
        return tuple(found)

    items = list(draw(rng, test, make))
    if words and what == "words" and rng.random() < 0.2:
        items = [item.capitalize() for item in items]
    return items, bank.replace("_", " ") if bank else what


def sorting(rng: random.Random, style: str, test: bool, unseen: bool) -> Draft:
    """Draw a list to sort, before, after or inside the request, with its separators and its order in many words."""
    kind = rng.random()
    scene = rng.choice(TEXT["sort"]["scenes"]) if kind < 0.13 else None
    told = 0.13 <= kind < 0.5
    if scene:
        items, kind = draw_items(rng, test, scene.get("low", 2), scene["high"], words=False)[0], scene["kind"]
    else:
        bank = rng.choice(list(BANKS)) if rng.random() < 0.5 else None
        items, kind = draw_items(rng, test, bank=bank)
    words = isinstance(items[0], str)
    kind = kind if words or scene else "numbers"
    down = rng.random() < ((0 if told else 0.12) if words else 0.45)
    direction = ("wordsdown" if down else "words") if words else ("down" if down else "up")
    if told:
        index, template = TOLD[direction].pick(rng, unseen)
        index, question = 300 + index, template.format(l=listed(rng, items, True), k=kind)
        if not template.startswith("{l}") and rng.random() < 0.8:  # the items keep their letters
            question = capital(question)
    else:
        order = rng.choice(scene[direction]) if scene else rng.choice(ORDERS[direction])
        index, question = sort_text(rng, items, kind, order, scene, unseen)
    ordered = sorted(items, key=str.casefold if words else None, reverse=down)
    text = ", ".join(map(str, ordered))
    thought = order_thought(rng, items, ordered, down, style)
    return Draft(question, text, thought, text, "list", f"sort {direction}", phrasing=index)


def sort_text(
    rng: random.Random, items: list, kind: str, order: str, scene: dict | None, unseen: bool
) -> tuple[int, str]:
    called = kind if rng.random() < 0.8 else rng.choice(("items", "things", "entries"))
    shape = rng.random()
    if scene:
        index, request = SORT["before"].pick(rng, unseen)
        lead = rng.choice(scene["lead"]).format(l=listed(rng, items, True))
        return index, f"{lead}. {ended(rng, capital(request.format(o=order, k=called)))}"
    if shape < 0.45:
        index, request = SORT["after"].pick(rng, unseen)
        request = request.format(o=order, k=called)
        request = capital(request) if rng.random() < 0.7 else request
        if rng.random() < 0.12:
            request = f"{rng.choice(rng.choice(CONTEXTS))} {capital(request)}"
        text = listed(rng, items)
        gap = ":" if text.startswith("\n") else rng.choice((": ", ": ", ": ", " ", ". ", ":\n", "\n"))
        return index, f"{request}{gap}{text}"
    if shape < 0.75:
        index, request = SORT["before"].pick(rng, unseen)
        request = ended(rng, request.format(o=order, k=called))
        text = listed(rng, items, True)
        lead = rng.choice(LEADS).format(k=called) + rng.choice((": ", " ")) if rng.random() < 0.55 else ""
        if lead.rstrip(": ") in (f"The {called}", "List"):
            lead = lead.rstrip(": ") + ": "
        gap = rng.choice((". ", ". ", "\n", " - ", ", ")) if not lead else ". "
        return 100 + index, f"{lead}{text}{gap}{capital(request) if gap in ('. ', chr(10)) else request}"
    index, request = SORT["inside"].pick(rng, unseen)
    request = request.format(l=listed(rng, items, True), o=order, k=called)
    if request.startswith(("what", "how", "can")):
        return 200 + index, capital(request) + "?"
    return 200 + index, into_frame(rng, "vp", request)


def ended(rng: random.Random, text: str) -> str:
    asks = text.lower().startswith(("can", "could", "how", "what", "which", "would"))
    return text + ("?" if asks else rng.choice((".", ".", "", "!")))


def extreme(rng: random.Random, style: str, test: bool, unseen: bool) -> Draft:
    """Return the largest or the smallest of some numbers."""
    items, _ = draw_items(rng, test, words=False)
    which = rng.choice(("largest", "smallest"))
    direct = rng.random() < 0.5
    index, template = EXTREME[f"{which}_q" if direct else which].pick(rng, unseen)
    text = template.format(l=listed(rng, items, True))
    value = max(items) if which == "largest" else min(items)
    ordered = sorted(items, reverse=which == "largest")
    thought = {
        "low": None,
        "medium": f"{which}: {value}",
        "high": sort_thought(rng, items, ordered, which == "largest") if len(items) > 1 else None,
    }[style]
    question = capital(text) + "?" if direct else into_frame(rng, "np", text)
    return Draft(question, f"The answer is {value}.", thought, str(value), level="extreme", phrasing=index)
