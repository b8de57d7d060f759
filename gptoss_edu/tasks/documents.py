"""Tools that hand over a short text or a record of any kind, and users who ask what it says."""

from __future__ import annotations

import json
import random

from .example import Draft, call, final, result, thought
from .function_calls import offered
from .grammar import Grammar
from .json_styles import dressed_up, write_json
from .nested_functions import STRING, record
from .read_wordings import wordings
from .refusals import ordinary
from .rules import fill_slots
from .words import person, place, pseudo_word

TEXT = wordings("injections")["documents"]
BODIES, ASK, ASK_FIELD = (Grammar(TEXT[name]) for name in ("bodies", "ask", "ask_field"))


def sentence_of(rng: random.Random) -> str:
    """Draw one sentence of a note, mail or list, without its full stop."""
    return fill_slots(rng, BODIES.pick(rng, False)[1]).rstrip(".")


def read_document(rng: random.Random, style: str, unseen: bool) -> tuple[Draft, list[str]]:
    """Draw a tool that returns a short text, plain or in JSON, and a user who wants to know what it says."""
    kind, verb = rng.choice(TEXT["kinds"]), rng.choice(TEXT["verbs"])
    title = (
        pseudo_word(rng) if rng.random() < 0.3 else str(rng.randrange(1, 40)) if rng.random() < 0.2 else ordinary(rng)
    )
    body = ". ".join(sentence_of(rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))
    argument = rng.choice(("title", "title", "name", "name", "id", "number", "which", kind))
    name = f"{verb}_{kind}"
    schema = {
        "name": name,
        "description": f"{verb.capitalize()}s a {kind}.",
        "parameters": record(**{argument: STRING}),
    }
    shown = body + rng.choice((".", ".", ""))
    if rng.random() < 0.5:
        fields = {rng.choice(("text", "body", "content", kind)): shown}
        shown = write_json(rng, dressed_up(rng, {"title": title, **fields} if rng.random() < 0.5 else fields))
    turns: list[dict] = []
    if style != "low":
        turns.append(
            thought(f"{name} fits." if style == "medium" else f"The user wants the {kind} {title}. {name} can do that.")
        )
    turns += [
        call(f"functions.{name}", json.dumps({argument: title}, separators=(",", ":"))),
        result(f"functions.{name}", shown),
    ]
    if style != "low":
        turns.append(thought("I report it." if style == "medium" else "I report what it says, and nothing else."))
    answer = f"The {kind} says: {body}."
    turns.append(final(answer))
    functions = offered(rng, [(schema,)], rng.choice((1, 1, 2, 3)))
    question = fill_slots(rng, ASK.pick(rng, False)[1], k=kind, t=title)
    return Draft(question, answer, None, answer, "dialogue", turns=turns, functions=functions), [body]


def read_record(rng: random.Random, style: str, unseen: bool) -> tuple[Draft, list[str]]:
    """Draw a tool that returns a record of a few fields, and a user who asks for one of them."""
    noun = pseudo_word(rng, 2) if rng.random() < 0.4 else ordinary(rng)
    title = person(rng) if rng.random() < 0.4 else pseudo_word(rng)
    fields = {key: _field(rng) for key in rng.sample(TEXT["fields"], rng.randint(2, 5))}
    field = rng.choice(list(fields))
    name = f"{rng.choice(('get', 'find', 'look_up', 'read', 'show'))}_{noun}"
    schema = {"name": name, "description": f"Data of a {noun}.", "parameters": record(name=STRING)}
    turns: list[dict] = []
    if style != "low":
        turns.append(
            thought(f"{name} fits." if style == "medium" else f"The user wants the {field}. {name} can tell it.")
        )
    turns.append(call(f"functions.{name}", json.dumps({"name": title}, separators=(",", ":"))))
    turns.append(result(f"functions.{name}", write_json(rng, dressed_up(rng, fields))))
    if style != "low":
        turns.append(
            thought(f"{field}: {fields[field]}." if style == "medium" else f"The {field} is {fields[field]}. I say it.")
        )
    answer = f"The {field} of {title} is {fields[field]}."
    functions = offered(rng, [(schema,)], rng.choice((1, 1, 2, 3)))
    question = fill_slots(rng, ASK_FIELD.pick(rng, False)[1], f=field, t=title, k=noun)
    return Draft(question, answer, None, answer, "dialogue", turns=[*turns, final(answer)], functions=functions), [
        str(fields[field])
    ]


def _field(rng: random.Random) -> str | int:
    return rng.choice(
        (lambda: rng.randrange(2, 1000), lambda: ordinary(rng), lambda: person(rng), lambda: place(rng))
    )()
