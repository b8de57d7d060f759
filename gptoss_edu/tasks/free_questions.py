"""The old questions in free wordings: sums, chains, lists, letters and facts, asked as people do.

A question is composed of a form (a noun phrase, an indirect question, an order, a direct question), a frame for that
form, and perhaps a context before it. Thoughts and answers are those of the tasks themselves.
"""

from __future__ import annotations

import random

from . import facts
from .arithmetic import ERROR_RATE, apply, careful_step, columns, product_thought
from .chains import chain_terms, in_symbols, steps_thought
from .english import capital, number_word
from .example import Draft, Phrasings, draw
from .free_frames import TEXT, forms, framed
from .free_lists import draw_items, extreme, listed, sorting
from .letters import asked_letter, capitalised, count_thought, counted_words, reverse_thought, spelled
from .words import any_word

KINDS = ("product", "sum", "difference", "count", "length", "reverse", "reverselist")
WORDINGS = {kind: forms(TEXT[kind]) for kind in KINDS}
FACTS = {kind: forms(table) for kind, table in TEXT["facts"].items()}
CHAIN = {key: Phrasings(*TEXT["chain"][key]) for key in ("plus", "minus", "start", "ask", "q", "vp", "again")}
RUNS = {key: Phrasings(*TEXT["runs"][key]) for key in ("plus", "minus", "both", "signed")}


def number(rng: random.Random, x: int, words: bool) -> str:
    """Write a number: '42', 'forty-two', sometimes '4,200'."""
    if words and (x <= 100 or (x % 100 == 0 and x < 1000)):
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
    kind, words = rng.random(), rng.random() < 0.22
    runs = kind > 0.78
    first, steps = free_terms(rng, test, words or rng.random() < 0.35, runs)
    texts = [number(rng, b, words) for _, b in steps]
    start = number(rng, first, words)
    if runs:
        index, question = chain_runs(rng, first, start, steps, texts, unseen)
    elif kind < 0.3:
        s = chain_inline(rng, start, steps, texts, words)
        index, question = framed(rng, {"q": CHAIN["q"], "vp": CHAIN["vp"]}, unseen, s=s)
    else:
        index, question = chain_words(rng, start, steps, texts, unseen)
    thought, total = steps_thought(rng, first, steps, style)
    return Draft(question, f"The result is {total}.", thought, str(total), level="chain", phrasing=index)


def free_terms(rng: random.Random, test: bool, small: bool, runs: bool) -> tuple[int, list[tuple[str, int]]]:
    """Draw the terms of a chain, small or round ones on wish; with ``runs`` all sums stand before the differences."""
    while True:
        _, steps = chain_terms(rng, rng.choice((3, 3, 4, 4, 5, 5, 6, 7, 8, 9)))
        if small:
            steps = [(op, b % 60 + 2 if rng.random() < 0.7 else (b % 12 + 1) * 10) for op, b in steps]
        if runs:
            steps = sorted(steps[:5], key=lambda step: step[0])  # plus before minus
        (first,) = draw(rng, test, lambda: (first_term(rng, small),))
        totals = [first]
        for op, b in steps:
            totals.append(apply(totals[-1], op, b))
        if min(totals) >= 0 and max(totals) < 3000:
            return first, steps


def first_term(rng: random.Random, small: bool) -> int:
    kind = rng.random()
    if kind < 0.25:
        return 100 * rng.randrange(1, 10)
    if kind < 0.45:
        return 10 * rng.randrange(1, 20 if small else 100)
    return rng.randrange(5, 101 if small else 1000)


def chain_inline(rng: random.Random, start: str, steps, texts: list[str], words: bool) -> str:
    """Write the chain as one expression, in symbols or with 'plus' and 'minus'."""
    if not words and rng.random() < 0.55:
        return in_symbols(rng, start, [(op, text) for (op, _), text in zip(steps, texts, strict=True)])
    names = {"+": " plus ", "-": rng.choice((" minus ", " minus ", " take away ", " less "))}
    return start + "".join(f"{names[op]}{text}" for (op, _), text in zip(steps, texts, strict=True))


def chain_words(rng: random.Random, first: str, steps, texts: list[str], unseen: bool) -> tuple[int, str]:
    index, start = CHAIN["start"].pick(rng, unseen)
    parts = [start.format(a=first)]
    for i, ((op, b), text) in enumerate(zip(steps, texts, strict=True)):
        if (op, b) in steps[:i][-1:] and rng.random() < 0.7:  # the same once more
            wording = CHAIN["again"].pick(rng, unseen)[1].replace("<v>", "add" if op == "+" else "take away")
        else:
            wording = CHAIN["plus" if op == "+" else "minus"].pick(rng, unseen)[1]
        parts.append(wording.format(b=text))
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


def chain_runs(rng: random.Random, first: int, start: str, steps, texts: list[str], unseen: bool) -> tuple[int, str]:
    """Name the terms in runs, 'add 12, 34 and 56, then take off 100', or each with its sign, '+80, -45'."""
    if rng.random() < 0.35:
        index, template = RUNS["signed"].pick(rng, unseen)
        signed = rng.choice((", ", ", ", " and then ")).join(f"{op}{b}" for op, b in steps)
        return 300 + index, template.format(a=first, g=signed)
    plus = series([start, *(text for (op, _), text in zip(steps, texts, strict=True) if op == "+")])
    minus = series([text for (op, _), text in zip(steps, texts, strict=True) if op == "-"])
    kind = "plus" if not minus else "minus" if plus == start else "both"
    index, template = RUNS[kind].pick(rng, unseen)
    return 400 + 50 * list(RUNS).index(kind) + index, template.format(p=plus, m=minus)


def series(texts: list[str]) -> str:
    """Return '12, 34 and 56'."""
    return " and ".join(part for part in (", ".join(texts[:-1]), *texts[-1:]) if part)


# ------------------------------------------------------------------------------------------------------------ letters


def letters(rng: random.Random, style: str, test: bool, unseen: bool) -> Draft:
    """Ask to count a letter in one to four words, or all letters of a word."""
    count = rng.choice((1, 1, 1, 2, 2, 3, 4))
    words = list(draw(rng, test, lambda: tuple(counted_words(rng, count))))
    if count == 1 and rng.random() < 0.2:
        index, question = framed(rng, WORDINGS["length"], unseen, w=rng.choice(("{}", '"{}"')).format(words[0]))
        total = len(words[0])
        numbered = " ".join(f"{c}{i + 1}" for i, c in enumerate(words[0]))
        thought = {"low": None, "medium": numbered, "high": f"{spelled(words[0])}\n{numbered}\ntotal {total}"}[style]
        return Draft(question, f"The answer is {total}.", thought, str(total), level="length", phrasing=index)
    letter = asked_letter(rng, "".join(words))
    total = sum(word.count(letter) for word in words)
    shown = letter if rng.random() < 0.85 else f'"{letter}"'
    marks = ("{}", "{}", '"{}"', '"{}"', "'{}'", "“{}”", "the word {}" if count == 1 else "the words {}")
    text = rng.choice(marks).format(capitalised(rng, " ".join(words)))
    index, question = framed(rng, WORDINGS["count"], unseen, c=shown, w=text)
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


FAMILIES = {calculate: 3, chain: 4, sorting: 7, extreme: 0.7, letters: 4.5, reversing: 2, free_fact: 3}


def free_question(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a question of a known kind in a free wording; ``level``: the name of a family."""
    if level:
        family = next(f for f in FAMILIES if f.__name__ == level)
    else:
        family = rng.choices(list(FAMILIES), list(FAMILIES.values()))[0]
    draft = family(rng, style, test, unseen)
    draft.level = family.__name__
    return draft
