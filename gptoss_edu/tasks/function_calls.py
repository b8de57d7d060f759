"""Developer functions: choosing one, calling twice, using results and errors, and saying when none fits."""

from __future__ import annotations

import json
import random

from .catalogue import CATALOGUE, function_schema
from .example import Draft, Phrasings, call, final, result, thought
from .json_styles import dressed_up, flat, write_json
from .nested_functions import NESTED
from .read_wordings import wordings
from .refusals import TEMPLATES, fill, ordinary
from .words import any_word

TEXT = wordings("function_calls")

NO_TOOL = "None of my tools can do that."


ERRORS = tuple(TEXT["errors"])
_VERBS = TEXT["verbs"]


EVERY = {**CATALOGUE, **NESTED}


def compact(arguments: dict) -> str:
    return json.dumps(arguments, separators=(",", ":"), ensure_ascii=False)


INVENTED = Phrasings(*TEXT["invented"])


class _Asks:
    """The wordings of one invented function: `INVENTED` with its verb and noun filled in and its slot left open."""

    def __init__(self, **words: str):
        self.words = words

    def pick(self, rng: random.Random, unseen: bool) -> tuple[int, str]:
        """Return (number of the pattern, wording with the slot of the argument)."""
        index, wording = INVENTED.pick(rng, unseen)
        return index, wording.format(**self.words)


def invented(rng: random.Random) -> tuple:
    """Draw a function nobody has seen, asked for in the words of its description: the list is to be read, not known."""
    verb, noun, slot = rng.choice(_VERBS), ordinary(rng), rng.choice(("name", "item", "value", "key", "target"))
    number = rng.random() < 0.3
    schema = function_schema(
        f"{verb}_{noun}", f"{verb.capitalize()}s the {noun} of something.", **{slot: "integer" if number else "string"}
    )
    asks = _Asks(verb=verb, Verb=verb.capitalize(), noun=noun, value=f"{{{slot}}}")
    return (
        schema,
        asks,
        lambda r: {slot: r.randrange(1, 1000) if number else any_word(r)},
        lambda r, a: {"result": r.choice((any_word(r), r.randrange(1000)))},
        f"The result for {{{slot}}} is {{result}}.",
    )


def offered(rng: random.Random, needed: list[tuple], size: int) -> list[dict]:
    """Return the functions on offer: those needed and some others, in any order."""
    chosen = {entry[0]["name"]: entry[0] for entry in needed}
    while len(chosen) < size:
        entry = invented(rng) if rng.random() < 0.3 else rng.choice(list(EVERY.values()))
        chosen.setdefault(entry[0]["name"], entry[0])
    functions = list(chosen.values())
    rng.shuffle(functions)
    return functions


def use_functions(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw one call, two calls, an error, or none."""
    kind = level or rng.choices(("one", "two", "error", "none", "direct"), (9, 4, 3, 6, 3))[0]
    if kind in ("none", "direct"):
        return _no_call(rng, style, unseen, kind)
    count = 2 if kind == "two" else 1
    if kind == "two" and rng.random() < 0.6:
        needed = [rng.choice(list(EVERY.values()))] * 2
    else:
        needed = [invented(rng) if rng.random() < 0.3 else rng.choice(list(EVERY.values())) for _ in range(count)]
    functions = offered(rng, needed, rng.choice((1, 2, 3, 3, 4, 5)))
    asks, answers, turns, index = [], [], [], 0
    for number, (schema, phrasings, arguments, make_result, sentence) in enumerate(needed):
        index, template = phrasings.pick(rng, unseen)
        values = arguments(rng)
        asks.append(template.format(**values))
        failed = kind == "error" or (count == 2 and rng.random() < 0.06)
        out = {"error": rng.choice(ERRORS)} if failed else make_result(rng, values)
        turns += _call_turn(schema["name"], values, write_json(rng, dressed_up(rng, out)), style, number, count)
        answers.append(
            f"The tool {schema['name']} failed: {out['error']}." if failed else sentence.format(**{**values, **out})
        )
        if style != "low" and number == count - 1:
            turns.append(thought(_after(out, style, failed)))
    answer = " ".join(answers)
    question = (
        asks[0]
        if count == 1
        else rng.choice(("{0} And: {1}", "{0} {1}", "{0} Then: {1}", "{0} Also: {1}")).format(*asks)
    )
    return Draft(
        question,
        answer,
        None,
        answer,
        "dialogue",
        kind,
        turns=[*turns, final(answer)],
        functions=functions,
        phrasing=index,
    )


def _call_turn(name: str, values: dict, out: str, style: str, number: int, count: int) -> list[dict]:
    turns = []
    if style == "medium":
        turns.append(thought(f"{name} fits." if number == 0 else f"Now {name} for the second part."))
    elif style == "high":
        turns.append(thought(f"Part {number + 1} of {count}. The function {name} fits. Its arguments: {flat(values)}."))
    return [*turns, call(f"functions.{name}", compact(values)), result(f"functions.{name}", out)]


def _after(out: dict, style: str, failed: bool) -> str:
    if style == "medium":
        return "The tool failed; I say so." if failed else "I have all I need."
    return (
        f"The tool reports an error: {out['error']}. I do not guess; I tell the user."
        if failed
        else f"The result says {flat(out)}. I put it into one sentence."
    )


def _no_call(rng: random.Random, style: str, unseen: bool, kind: str) -> Draft:
    """Offer functions, but ask what needs none (direct) or one that is missing (none)."""
    from .facts import fact

    functions = offered(rng, [], rng.choice((1, 2, 3, 4)))
    if kind == "direct":
        draft = fact(rng, style, False, unseen)
        draft.functions, draft.level = functions, kind
        return draft
    names = {f["name"] for f in functions}
    if rng.random() < 0.75:
        entry = (
            invented(rng) if rng.random() < 0.25 else rng.choice([e for name, e in EVERY.items() if name not in names])
        )
        index, template = entry[1].pick(rng, unseen)
        question = template.format(**entry[2](rng))
    else:
        index = rng.choice([i for i in range(len(TEMPLATES)) if (i % 8 == 5) == unseen])
        question = fill(rng, TEMPLATES[index])
    why = {
        "low": None,
        "medium": f"I have {', '.join(sorted(names))}. None fits.",
        "high": f"The functions are {', '.join(sorted(names))}. "
        "The user wants something that none of them does. I say so and call nothing.",
    }[style]
    return Draft(question, NO_TOOL, why, NO_TOOL, "text", kind, functions=functions, phrasing=index)
