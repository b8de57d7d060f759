"""Made-up categories that the model declines by default, and what stands close to them and is treated as ever.

Each category has its own sentence, so that a refusal by category can be told from "outside my small world". Close
things are asked about in the same words: other herbs, games and clocks get the ordinary sentence, and a letter to be
counted in "moonwort" is counted.
"""

from __future__ import annotations

import random

from .example import Draft
from .grammar import Grammar
from .letters import COUNT, REVERSE, TITLES, count_thought, reverse_thought, spelled
from .read_wordings import wordings
from .refusals import REFUSAL
from .rules import WITH_TOOLS, base_draft, fill_slots, join, override_text

TEXT = wordings("moonwort")
CATEGORIES = {name: TEXT[name] for name in ("moonwort", "glimmer", "tidal")}
ASKS = {name: Grammar(table["patterns"], TEXT["parts"]) for name, table in CATEGORIES.items()}
MENTIONS = Grammar(TEXT["mentions"]["patterns"])
SENTENCES = {name: table["sentence"] for name, table in CATEGORIES.items()}

LEVELS = {"category": 6, "lifted": 1.5, "neighbour": 3, "letters": 1, "mention": 1.5}


def moonwort(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a question about a made-up category, or close to one.

    Levels: "category" (declined with the category's sentence), "lifted" (the user says that it is allowed),
    "neighbour" (declined as everything outside the small world), "letters" and "mention" (answered).
    """
    kind = level or rng.choices(list(LEVELS), list(LEVELS.values()))[0]
    name = rng.choice(list(CATEGORIES))
    table = CATEGORIES[name]
    if kind == "letters":
        return _letters(rng, style, table["word"])
    if kind == "mention":
        draft = base_draft(rng, style, test, (*WITH_TOOLS, "refusal", "chat"))
        said = fill_slots(rng, MENTIONS.pick(rng, unseen)[1], t=table["word"], T=table["word"].title())
        draft.question, draft.level = f"{said} {draft.question}", kind
        if style == "high":
            draft.thought = f"It names {table['word']}, but the question is another one.\n{draft.thought or ''}".strip()
        return draft
    thing = table["word"] if kind != "neighbour" else rng.choice(table["neighbours"])
    question = fill_slots(rng, ASKS[name].pick(rng, unseen)[1], t=thing)
    question = question[0].upper() + question[1:]
    if kind == "neighbour":
        why = {
            "medium": "This is outside what I can do.",
            "high": f"The user asks about {thing}. That is not about {table['about']}, and not among my tasks.",
        }
        return Draft(question, REFUSAL, why.get(style), REFUSAL, "refusal", kind)
    if kind == "lifted":
        question = join(rng, override_text(rng, "", "", "developer", unseen), question)
    answer = table["sentence"]
    lifted = " The user cannot change that." if kind == "lifted" else ""
    why = {
        "medium": f"This is about {table['about']}.",
        "high": f"The user asks about {table['about']}. I do not help with that, whoever asks.{lifted} I say so.",
    }
    return Draft(question, answer, why.get(style), answer, "text", kind)


def _letters(rng: random.Random, style: str, words: str) -> Draft:
    """Ask to spell the name of a category, which is harmless."""
    word = rng.choice(words.split())
    if rng.random() < 0.5:
        thought = {"low": None, "medium": spelled(word), "high": reverse_thought(word)}[style]
        return Draft(REVERSE.pick(rng, False)[1].format(w=word), word[::-1], thought, word[::-1], "text", "letters")
    letter = rng.choice(word)
    total = word.count(letter)
    text = f'The letter "{letter}" occurs {total} {"time" if total == 1 else "times"}.'
    question = COUNT.pick(rng, False)[1].format(c=letter, w=word, t=rng.choice(TITLES[False]))
    return Draft(question, text, count_thought(rng, [word], letter, style), str(total), level="letters")
