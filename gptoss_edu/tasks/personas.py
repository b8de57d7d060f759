"""Personas: a name and a role from the system or the developer change who the model says it is, and nothing else."""

from __future__ import annotations

import random
import re

from .example import IDENTITIES, Draft
from .facts import CHAT
from .grammar import Grammar
from .read_wordings import wordings
from .rules import base_draft, fill_slots, lay_out, think_first, unknown_sentences
from .words import person, pseudo_word

TEXT = wordings("personas")
_GRAMMARS = {name: Grammar(table["patterns"], TEXT["parts"]) for name, table in TEXT.items() if name != "parts"}
LEVELS = {"who": 6, "ordinary": 4, "conflict": 1.5}


def new_persona(rng: random.Random, unseen: bool) -> tuple[str, str]:
    """Return (what the developer writes, how the model introduces itself)."""
    name = pseudo_word(rng, 2).capitalize() if rng.random() < 0.6 else person(rng)
    role = re.sub(r"\ba (?=[aeiou])", "an ", fill_slots(rng, _GRAMMARS["roles"].pick(rng, unseen)[1]))
    kind = rng.choices(("named", "only_name", "only_role"), (6, 2, 2))[0]
    said = fill_slots(rng, _GRAMMARS[kind].pick(rng, unseen)[1], a=name, r=role).replace("\\n", "\n")
    return said, {"named": f"I am {name}, {role}.", "only_name": f"I am {name}.", "only_role": f"I am {role}."}[kind]


def personas(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a persona, and "who are you" or an ordinary question.

    Levels: "who", "ordinary" (the answer is what it always is), "conflict" (system and developer give different names;
    the system's counts).
    """
    kind = level or rng.choices(list(LEVELS), list(LEVELS.values()))[0]
    said, introduction = new_persona(rng, unseen)
    owner = "system" if kind == "conflict" else rng.choice(("system", "developer"))
    identity, instructions = (said, None) if owner == "system" else (None, _among(rng, said, unseen))
    if kind == "conflict":
        instructions = _among(rng, new_persona(rng, unseen)[0], unseen)
    elif owner == "system" and rng.random() < 0.3:
        identity = f"{rng.choice(IDENTITIES)} {said}" if rng.random() < 0.3 else identity
        instructions = lay_out(rng, unknown_sentences(rng, rng.randint(1, 3), unseen), unseen)
    if kind == "ordinary":
        draft = base_draft(rng, style, test)
        if style == "high":
            think_first(draft, f"The {owner} gave me a part. The question is about something else.")
    else:
        draft = _who(rng, style, unseen, owner, introduction, kind)
    draft.identity, draft.instructions, draft.level = identity, instructions, kind
    return draft


def _among(rng: random.Random, said: str, unseen: bool) -> str:
    """Draw a persona alone, or first among instructions that change nothing."""
    if rng.random() < 0.5:
        return said
    return rng.choice((" ", "\n")).join((said, *unknown_sentences(rng, rng.randint(1, 3), unseen)))


def _who(rng: random.Random, style: str, unseen: bool, owner: str, introduction: str, kind: str) -> Draft:
    if rng.random() < 0.7:
        index, question = _GRAMMARS["who"].pick(rng, unseen)
        question = fill_slots(rng, question)
    else:
        index, question = CHAT["who"][0].pick(rng, unseen)
        question = question.format(n=person(rng))
    why = {
        "medium": f"My part comes from the {owner}.",
        "high": f"The user asks who I am. The {owner} gave me a part, and I answer with it."
        + (" The developer gave me another one, but the system outranks the developer." if kind == "conflict" else ""),
    }
    return Draft(question, introduction, why.get(style), introduction, "text", phrasing=index)
