"""Frames for free wordings: a form (noun phrase, indirect question, order, direct question) as people ask it."""

from __future__ import annotations

import random

from .english import capital
from .example import Phrasings, expand
from .read_wordings import wordings

TEXT = wordings("free_questions")
FORMS = ("np", "w", "vp", "q")
FRAMES = {form: [expand(pattern) for pattern in TEXT["frames"][form]] for form in FORMS}
CONTEXTS = [expand(pattern) for pattern in TEXT["contexts"]["any"]]


def forms(table: dict) -> dict[str, Phrasings]:
    return {key: Phrasings(*table[key]) for key in (*FORMS, "scene") if len(expand_many(table.get(key, ()))) > 1}


def expand_many(patterns) -> list[str]:
    return [wording for pattern in patterns for wording in expand(pattern)]


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
