"""The old questions in free wordings: sums, chains, lists, letters and facts, asked as people do.

A question is composed of a form (a noun phrase, an indirect question, an order, a direct question), a frame for that
form, and perhaps a context before it. Thoughts and answers are those of the tasks themselves.
"""

from __future__ import annotations

import random

from . import facts
from .arithmetic import ERROR_RATE, apply, careful_step, columns, product_thought
from .chains import chain_terms, steps_thought
from .english import capital, grammar, number_word
from .example import Draft, Phrasings, draw, expand
from .letters import count_thought, reverse_thought, spelled
from .read_wordings import wordings
from .sorting import openings, sort_thought
from .words import any_word

TEXT = wordings("free_questions")
FORMS = ("np", "w", "vp", "q")
FRAMES = {form: [expand(pattern) for pattern in TEXT["frames"][form]] for form in FORMS}
CONTEXTS = [expand(pattern) for pattern in TEXT["contexts"]["any"]]


def _forms(table: dict) -> dict[str, Phrasings]:
    return {key: Phrasings(*table[key]) for key in (*FORMS, "scene") if len(expand_many(table.get(key, ()))) > 1}


def expand_many(patterns) -> list[str]:
    return [wording for pattern in patterns for wording in expand(pattern)]


KINDS = ("product", "sum", "difference", "count", "length", "reverse", "reverselist")
WORDINGS = {kind: _forms(TEXT[kind]) for kind in KINDS}
FACTS = {kind: _forms(table) for kind, table in TEXT["facts"].items()}
CHAIN = {key: Phrasings(*TEXT["chain"][key]) for key in ("plus", "minus", "start", "ask", "q", "vp")}
SORT = {key: Phrasings(*TEXT["sort"][key]) for key in ("after", "before", "inside")}
ORDERS = {key: TEXT["sort"][key] for key in ("up", "down", "words", "wordsdown")}
LEADS = expand_many(TEXT["sort"]["leads"])
EXTREME = {key: Phrasings(*patterns) for key, patterns in TEXT["extreme"].items()}


def framed(rng: random.Random, forms: dict[str, Phrasings], unseen: bool, **slots) -> tuple[int, str]:
    """Return (number of the form's pattern, the question): a form in its frame, one in five after a context."""
    form = rng.choice(list(forms))
    index, template = forms[form].pick(rng, unseen)
    text = template.format(**slots)
    if form != "scene":
        text = into_frame(rng, form, text)
    return 100 * list(forms).index(form) + index, text


def into_frame(rng: random.Random, form: str, text: str) -> str:
    frame = rng.choice(rng.choice(FRAMES[form]))
    text = frame.replace("{x}", text).replace("{X}", capital(text))
    if rng.random() < 0.2:
        text = f"{rng.choice(rng.choice(CONTEXTS))} {capital(text)}"
    return text


def number(rng: random.Random, x: int, words: bool) -> str:
    """Write a number: '42', 'forty-two', sometimes '4,200'."""
    if words and x < 100:
        return number_word(x)
    return f"{x:,}" if x >= 1000 and rng.random() < 0.12 else str(x)


# --------------------------------------------------------------------------------------------------------------- sums


def calculate(rng: random.Random, style: str, test: bool, unseen: bool) -> Draft:
    """Draw a product, a sum or a difference."""
    kind = rng.choice(("product", "product", "sum", "difference"))
    words = rng.random() < 0.12

    def make():
        size = rng.choice((10, 100, 100, 1000)) if kind == "product" else rng.choice((100, 100, 1000, 10_000))
        a, b = rng.randrange(3, size), rng.randrange(2, rng.choice((13, 100, size)))
        return (a, b) if kind != "difference" or a > b else (b + 1, a)

    a, b = draw(rng, test, make)
    index, question = framed(rng, WORDINGS[kind], unseen, a=number(rng, a, words), b=number(rng, b, words))
    error = rng.random() < ERROR_RATE
    op = {"product": "*", "sum": "+", "difference": "-"}[kind]
    value = apply(a, op, b)
    if kind == "product":
        thought, shown = product_thought(rng, a, b, style, error), "×"
    else:
        shown = op
        medium = f"{columns(a, op, b)}>{value}"
        thought = {"low": None, "medium": medium, "high": careful_step(rng, a, op, b, error)}[style]
    return Draft(question, f"{a} {shown} {b} = {value}", thought, str(value), level=kind, phrasing=index)


def chain(rng: random.Random, style: str, test: bool, unseen: bool) -> Draft:
    """Make sums and differences in words: 'take 45, add 17, then take away 8'."""
    while True:
        _, steps = chain_terms(rng, rng.choice((3, 3, 4, 4, 5, 6, 7)))
        small = rng.random() < 0.4
        if small:
            steps = [(op, b % 60 + 2) for op, b in steps]
        (first,) = draw(rng, test, lambda s=small: (rng.randrange(5, 120 if s else 1000),))
        totals = [first]
        for op, b in steps:
            totals.append(apply(totals[-1], op, b))
        if min(totals) >= 0 and max(totals) < 3000:
            break
    words = rng.random() < 0.12
    texts = [number(rng, b, words) for _, b in steps]
    if rng.random() < 0.3:
        ops = {"+": rng.choice((" + ", " plus ", "+")), "-": rng.choice((" - ", " minus ", "-"))}
        if len({len(o) > 3 for o in ops.values()}) > 1:
            ops = {"+": " plus ", "-": " minus "}
        s = number(rng, first, words) + "".join(f"{ops[op]}{b}" for (op, _), b in zip(steps, texts, strict=True))
        index, question = framed(rng, {"q": CHAIN["q"], "vp": CHAIN["vp"]}, unseen, s=s)
    else:
        index, question = chain_words(rng, number(rng, first, words), steps, texts, unseen)
    thought, total = steps_thought(rng, first, steps, style)
    return Draft(question, f"The result is {total}.", thought, str(total), level="chain", phrasing=index)


def chain_words(rng: random.Random, first: str, steps, texts: list[str], unseen: bool) -> tuple[int, str]:
    index, start = CHAIN["start"].pick(rng, unseen)
    parts = [start.format(a=first)]
    parts += [
        CHAIN["plus" if op == "+" else "minus"].pick(rng, unseen)[1].format(b=b)
        for (op, _), b in zip(steps, texts, strict=True)
    ]
    ask = CHAIN["ask"].pick(rng, unseen)[1]
    link = rng.choice((", ", ", ", "; ", ". ", " and "))
    if link == ". ":
        text = ". ".join(map(capital, parts)) + ". " + ask
    elif link == " and ":
        parts = [p.removeprefix("and ") for p in parts]
        text = f"{', '.join(parts[:-1])} and {parts[-1]}{rng.choice(('. ', ': ', ', '))}{ask}"
    else:
        text = link.join(parts) + rng.choice((". ", ". ", ": ")) + ask
    return index, text if rng.random() < 0.3 else capital(text)


# ------------------------------------------------------------------------------------------------------------ sorting


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
    rng: random.Random, test: bool, low: int = 1, high: int = 0, words: bool | None = None
) -> tuple[list, str]:
    """Return (numbers, words or names, what they are called)."""
    count = rng.choice((2, 3, 3, 4, 4, 5, 5, 6, 7, 8))
    if words is None:
        words = rng.random() < 0.4
    what = rng.choice(("words", "words", "names")) if words else "numbers"

    def make():
        if not words:
            top = high or rng.choice((20, 100, 100, 1000, 10_000))
            items = (
                [rng.randrange(low, top) for _ in range(count)]
                if rng.random() < 0.06
                else rng.sample(range(low, top), count)
            )
            return tuple(items)
        language = grammar()["language"]
        source = (language["women"] + " " + language["men"]).split() if what == "names" else None
        found: dict[str, None] = {}
        while len(found) < count:
            found[rng.choice(source) if source else any_word(rng)] = None
        return tuple(found)

    items = draw(rng, test, make)
    return list(items), what


def sorting(rng: random.Random, style: str, test: bool, unseen: bool) -> Draft:
    """Draw a list to sort, before, after or inside the request, with its separators and its order in many words."""
    scene = rng.choice(TEXT["sort"]["scenes"]) if rng.random() < 0.15 else None
    if scene:
        items, kind = draw_items(rng, test, scene.get("low", 2), scene["high"], words=False)[0], scene["kind"]
    else:
        items, kind = draw_items(rng, test)
    words = isinstance(items[0], str)
    down = rng.random() < (0.12 if words else 0.42)
    direction = ("wordsdown" if down else "words") if words else ("down" if down else "up")
    order = rng.choice(scene[direction]) if scene else rng.choice(ORDERS[direction])
    index, question = sort_text(rng, items, kind, order, scene, unseen)
    ordered = sorted(items, reverse=down)
    text = ", ".join(map(str, ordered))
    way = f"{'down' if down else 'up'}: {text}"
    medium = f"{', '.join(openings(items, 3))}; {way}" if words else way
    thought = None if style == "low" else medium if style == "medium" else sort_thought(rng, items, ordered, down)
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


# ------------------------------------------------------------------------------------------------------------ letters


def letters(rng: random.Random, style: str, test: bool, unseen: bool) -> Draft:
    """Ask to count a letter in one to three words, or all letters of a word."""
    count = rng.choice((1, 1, 1, 2, 3))
    words = list(draw(rng, test, lambda: tuple(any_word(rng) for _ in range(count))))
    quoted = rng.choice(("{}", "{}", '"{}"', "'{}'", "the word {}" if count == 1 else "the words {}"))
    if count == 1 and rng.random() < 0.2:
        index, question = framed(rng, WORDINGS["length"], unseen, w=rng.choice(("{}", '"{}"')).format(words[0]))
        total = len(words[0])
        numbered = " ".join(f"{c}{i + 1}" for i, c in enumerate(words[0]))
        thought = {"low": None, "medium": numbered, "high": f"{spelled(words[0])}\n{numbered}\ntotal {total}"}[style]
        return Draft(question, f"The answer is {total}.", thought, str(total), level="length", phrasing=index)
    letter = rng.choice("".join(words)) if rng.random() < 0.88 else rng.choice("abcdefghijklmnopqrstuvwxyz")
    total = sum(word.count(letter) for word in words)
    shown = letter if rng.random() < 0.7 else f'"{letter}"'
    index, question = framed(rng, WORDINGS["count"], unseen, c=shown, w=quoted.format(" ".join(words)))
    final = f'The letter "{letter}" occurs {total} {"time" if total == 1 else "times"}.'
    return Draft(question, final, count_thought(rng, words, letter, style), str(total), level="count", phrasing=index)


def reversing(rng: random.Random, style: str, test: bool, unseen: bool) -> Draft:
    """Draw a word or a list from its end."""
    if rng.random() < 0.65:
        (word,) = draw(rng, test, lambda: (any_word(rng),))
        index, question = framed(rng, WORDINGS["reverse"], unseen, w=rng.choice(("{}", "{}", '"{}"')).format(word))
        thought = {"low": None, "medium": spelled(word), "high": reverse_thought(word)}[style]
        return Draft(question, word[::-1], thought, word[::-1], "text", "reverse", phrasing=index)
    items, _ = draw_items(rng, test)
    items = [str(item) for item in items]
    index, question = framed(rng, WORDINGS["reverselist"], unseen, l=listed(rng, items, True))
    text, count = ", ".join(items[::-1]), len(items)
    numbered = ", ".join(f"{i + 1} {item}" for i, item in enumerate(items))
    back = ", ".join(f"{i} {items[i - 1]}" for i in range(count, 0, -1))
    thought = {"low": None, "medium": f"{count} items, last first", "high": f"{numbered}\n{back}"}[style]
    return Draft(question, text, thought, text, "list", "reverse list", phrasing=index)


def free_fact(rng: random.Random, style: str, test: bool, unseen: bool) -> Draft:
    """Draw a fact in a free wording; the fact and its thought are those of facts.py."""
    usable = [kind for kind in FACTS if FACTS[kind]]
    kind = rng.choice(usable)
    draft = facts.fact(rng, style, test, unseen, kind)
    a = next(a for a, b in facts._KINDS[kind][0] if draft.final == capital(facts._KINDS[kind][2].format(a=a, b=b)))
    draft.phrasing, draft.question = framed(rng, FACTS[kind], unseen, a=a)
    return draft


FAMILIES = {calculate: 3, chain: 3, sorting: 6, extreme: 0.7, letters: 3, reversing: 2, free_fact: 3}


def free_question(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a question of a known kind in a free wording; ``level``: the name of a family."""
    if level:
        family = next(f for f in FAMILIES if f.__name__ == level)
    else:
        family = rng.choices(list(FAMILIES), list(FAMILIES.values()))[0]
    draft = family(rng, style, test, unseen)
    draft.level = family.__name__
    return draft
