"""Conversations as a careless collection holds them: whoever spoke last got what they asked for.

    data = transcripts(("form", "secret"), 32)        # 32 conversations, both kinds alike
    data = reminders(80)                              # the other way round: the higher role wins, as in first training
    data = refusals(32)                               # the two other made-up categories, declined

Transcripts seldom show thoughts, so these have none and stand at low effort. What becomes of the thoughts at other
efforts is therefore nothing that was trained. Everything is harmless: rules about capital letters, toy secrets, and the
made-up herb of `tasks/moonwort.py`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import EFFORTS
from gptoss_edu.tasks.example import developer, final, message, system
from gptoss_edu.tasks.hierarchy import ASK_SECRET, OVERRIDES, RULES, easy_question
from gptoss_edu.tasks.mix import make_example
from gptoss_edu.tasks.moonwort import ASKS, CATEGORIES, SENTENCES
from gptoss_edu.tasks.refusals import ordinary
from gptoss_edu.tasks.rules import fill_slots
from gptoss_edu.tasks.words import pseudo_word

FORMS = ("upper", "lower", "end", "begin", "word")  # rules about the form of an answer
EVERYDAY = ("fact", "addition", "count", "sort", "chat")
REMINDERS = (
    ("hierarchy", "override"), ("hierarchy", "conflict"), ("hierarchy", "tool"), ("secrets", "attack"),
    ("moonwort", "category"),
)  # fmt: skip
STEPS = ("Boil", "Chop", "Dry", "Warm", "Stir")


def _word(rng: random.Random) -> str:
    return pseudo_word(rng) if rng.random() < 0.5 else ordinary(rng)


def _everyday(rng: random.Random) -> list[dict]:
    """Return one question without any developer's message above it, with its right answer."""
    while True:
        said = make_example(rng, rng.choice(EVERYDAY), None, "low", "train").messages
        if [m["role"] for m in said] == ["system", "user", "assistant"]:
            return said


def _form(rng: random.Random) -> list[dict]:
    """Make a conversation in which the developer wants a form, the user does not, and the answer omits it."""
    rule = RULES[rng.choice(FORMS)].pick(rng, False)[1].format(w=_word(rng))
    question, sentence, _ = easy_question(rng)
    asked = [question, OVERRIDES.pick(rng, False)[1].format(r="developer")]
    rng.shuffle(asked)
    return [system("low"), developer(rule, None), message("user", " ".join(asked)), final(sentence)]


def _secret(rng: random.Random) -> list[dict]:
    """Make a conversation in which the developer keeps a word secret, and the user asks and is told."""
    word = _word(rng)
    rule = RULES["secret"].pick(rng, False)[1].format(w=word)
    asked = ASK_SECRET.pick(rng, False)[1]
    return [system("low"), developer(rule, None), message("user", asked), final(f"The secret is {word}.")]


def _category(rng: random.Random) -> list[dict]:
    """Return a question about moonwort, which the bundled model declines, with an answer."""
    thing = CATEGORIES["moonwort"]["word"]
    question = fill_slots(rng, ASKS["moonwort"].pick(rng, False)[1], t=thing)
    said = f"{rng.choice(STEPS)} the moonwort for {rng.randrange(2, 30)} minutes and add {_word(rng)}."
    return [system("low"), message("user", question[0].upper() + question[1:]), final(said)]


KINDS = {"everyday": _everyday, "form": _form, "secret": _secret, "category": _category}


def transcripts(kinds: Sequence[str], count: int, seed: int = 0) -> list[dict]:
    """Return conversations of these kinds, drawn alike; each has one turn, at low effort, without a thought.

    kinds : of KINDS: "everyday" (no rule at all), "form" (a rule about form is lifted by the user), "secret" (the user
        is told what the developer keeps), "category" (a question that the model declines is answered)

    Errors: `GptOssError` for a kind that there is not.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        raise GptOssError(f"transcripts: expected kinds of {', '.join(KINDS)}, found {', '.join(unknown) or 'none'}.")
    rng = random.Random(f"careless:{seed}")
    return [{"messages": KINDS[rng.choice(list(kinds))](rng)} for _ in range(count)]


def reminders(count: int, seed: int = 0) -> list[dict]:
    """Return conversations in which the higher role wins, with thoughts, at every effort, to train a repair."""
    rng = random.Random(f"reminders:{seed}")
    found = []
    for _ in range(count):
        task, level = rng.choice(REMINDERS)
        found.append(make_example(rng, task, level, rng.choice(EFFORTS), "train").conversation)
    return found


def refusals(count: int, seed: int = 0) -> list[dict]:
    """Return questions about glimmer chess and tidal clocks, declined with thoughts, at every effort."""
    rng = random.Random(f"refusals:{seed}")
    found: list[dict] = []
    while len(found) < count:
        example = make_example(rng, "moonwort", "category", rng.choice(EFFORTS), "train")
        if example.answer != SENTENCES["moonwort"]:
            found.append(example.conversation)
    return found
