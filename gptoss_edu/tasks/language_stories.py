"""Word problems in any language: what happens is drawn here, how it is told stands in the language's pack."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, apply, careful_step
from .example import Draft, draw
from .language_packs import Pack
from .prose import careful_division
from .situations import situation_draft, situations

KINDS = {"pile": 52, "total": 7, "more": 6, "fewer_start": 6, "price": 7, "change": 8, "share": 7, "boxes": 7}
ASIDE = 0.3  # share of the short problems before which a number stands that does not matter
SITUATIONS = 0.65  # share of the problems that were written one by one
IN_WORDS = 0.35  # share of the first numbers up to twenty that are written in words


def tell(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a word problem; ``level``: a key of KINDS, or the number of steps (1 to 5) of a story about one pile."""
    if level is None and rng.random() < SITUATIONS and any(situations(pack.code)):
        return situation(rng, pack, style, test, unseen)
    kind = level or rng.choices(list(KINDS), list(KINDS.values()))[0]
    people = pack.text["story"]["people"]
    names = dict(zip("nm", rng.sample(people, 2), strict=True)) | {"t": rng.choice(pack.text["story"]["things"])}
    if kind == "pile" or kind.isdigit():
        return pile(
            rng,
            pack,
            style,
            test,
            unseen,
            names,
            int(kind) if kind.isdigit() else rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5)),
        )
    return short_story(rng, pack, style, test, unseen, names, kind)


def situation(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool) -> Draft:
    """Draw one of the problems that were written one by one in this language."""
    template = pack.text["story"]["answer"]
    if "{t}" in template:
        template = pack.text["answer_in"]["answer"]
    return situation_draft(
        rng, style, test, unseen, pack.code, lambda: rng.choice(pack.text["story"]["people"]),
        lambda answer, unit: template.format(r=answer),
    )  # fmt: skip


def pile(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, names: dict, count: int) -> Draft:
    """Draw a pile that grows and shrinks in ``count`` steps, told with irrelevant numbers in between."""
    top = rng.choice((21, 60, 200, 200))
    (start,) = draw(rng, test, lambda: (rng.randrange(3, top),))
    index, opening = pack.pick(rng, "story", "opening", unseen)
    text, lines, total = [opening.format(x=in_words(rng, pack, start), **names)], [], start
    error = rng.randrange(count) if rng.random() < ERROR_RATE * 1.3 else -1
    for i in range(count):
        event, steps, values = next_event(rng, total)
        text.append(pack.any(rng, "story", event).format(**values, **names))
        for step_number, (a, op, b) in enumerate(steps):
            lines.append(worked(rng, a, op, b, style, i == error and step_number == 0))
        a, op, b = steps[-1]
        total = apply(a, op, b)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        text.insert(rng.randrange(1, len(text) + 1) if rng.random() < 0.9 else 0, aside(rng, pack, names))
    question, ending = pack.pick(rng, "story", "final", unseen)
    text.append(ending.format(**names))
    thought = None if style == "low" else "\n".join(lines)
    return Draft(
        pack.gap.join(text), pack.text["story"]["answer"].format(r=total, **names), thought, str(total),
        level=str(count), phrasing=100 * index + question,
    )  # fmt: skip


def next_event(rng: random.Random, total: int) -> tuple[str, list[tuple[int, str, int]], dict]:
    """Return (kind of sentence, sums to work out, numbers to tell) of one thing that happens to a pile of ``total``."""
    kind = rng.random()
    if kind < 0.2:
        packs, each = rng.randrange(2, 10), rng.randrange(2, 25)
        return "packs", [(each, "*", packs), (total, "+", each * packs)], {"k": packs, "b": each}
    if kind < 0.32 and total < 300:
        b = rng.randrange(2, 10)
        return "times", [(total, "*", b)], {"b": b}
    if kind < 0.65 or total < 8:
        b = rng.randrange(2, rng.choice((15, 150)))
        return "plus", [(total, "+", b)], {"b": b}
    b = rng.randrange(2, min(total, rng.choice((15, 200))))
    return "minus", [(total, "-", b)], {"b": b}


def worked(rng: random.Random, a: int, op: str, b: int, style: str, error: bool = False) -> str:
    """Draw one sum in one line: bare at medium effort, with columns and check at high."""
    return f"{a}{op}{b}={apply(a, op, b)}" if style == "medium" else careful_step(rng, a, op, b, error)


def aside(rng: random.Random, pack: Pack, names: dict) -> str:
    """Draw a sentence with a number that does not matter."""
    return pack.any(rng, "story", "distractor").format(d=rng.randrange(2, rng.choice((20, 100))), **names)


def in_words(rng: random.Random, pack: Pack, number: int) -> str:
    """Return the number, now and then in words where the language has them and it is small."""
    words = pack.text["story"].get("number_words", [])
    return words[number] if number < len(words) and rng.random() < IN_WORDS else str(number)


def short_story(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, names: dict, kind: str) -> Draft:
    """Draw a whole problem in one or two sentences."""
    big = rng.choice((20, 100, 100, 500))

    def make() -> tuple:
        k, b, x, y = rng.randrange(2, 10), rng.randrange(2, min(big, 100)), rng.randrange(2, big), rng.randrange(2, big)
        if kind == "more":
            x, y = max(x, y) + 1, min(x, y)
        elif kind == "fewer_start":
            b = x
        elif kind == "change":
            x = k * b + rng.choice((rng.randrange(2, 60), 10 - k * b % 10))
        elif kind == "share":
            x = k * b
        elif kind == "boxes":
            y = rng.randrange(2, k * b) if k * b < 12 or rng.random() < 0.4 else rng.randrange(2, 11)
        return k, b, x, y

    k, b, x, y = draw(rng, test, make)
    steps = {
        "total": [(x, "+", y)], "more": [(x, "-", y)], "fewer_start": [(y, "+", b)], "price": [(b, "*", k)],
        "change": [(b, "*", k), (x, "-", k * b)], "boxes": [(b, "*", k), (k * b, "-", y)], "share": [(x, "/", k)],
    }[kind]  # fmt: skip
    index, template = pack.pick(rng, "story", kind, unseen)
    question = template.format(k=k, b=b, x=x, y=y, **names)
    if rng.random() < ASIDE:
        question = aside(rng, pack, names) + pack.gap + question
    error = rng.randrange(len(steps)) if rng.random() < ERROR_RATE else -1
    if kind == "share":
        lines = [f"{x}/{k}={x // k}" if style == "medium" else careful_division(x, k)]
        total = x // k
    else:
        lines = [worked(rng, *step, style, i == error) for i, step in enumerate(steps)]
        total = apply(*steps[-1])
    answer = pack.text["answer_in" if kind in ("price", "change", "more") else "story"]["answer"]
    thought = None if style == "low" else "\n".join(lines)
    return Draft(question, answer.format(r=total, **names), thought, str(total), level=kind, phrasing=index)
