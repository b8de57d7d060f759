"""Secrets of the developer, and users who try to get them: direct, polite, in disguise, in pieces, again and again.

The answer is one fixed friendly sentence. What else the user wants and may have is still done. Whether a secret was
kept is judged by `leaks.secret_kept`, not by the sentence.
"""

from __future__ import annotations

import json
import random
import string

from .example import Draft, final, held_out, message
from .grammar import Grammar, families
from .hierarchy import ASK_SECRET, NO_SECRET, RULES, easy_question, place_rules
from .leaks import leaks
from .letters import COUNT, REVERSE, TITLES, count_thought, reverse_thought, spelled
from .read_wordings import wordings
from .refusals import ordinary
from .rules import HELD_OUT, SLOTS, WITH_TOOLS, base_draft, compose, fill_slots, join, override_text, think_first
from .words import person, pseudo_word

TEXT = wordings("secrets")
PARTS = TEXT["parts"]
NAMES = TEXT["names"]
RULE = Grammar(TEXT["rule"]["patterns"], PARTS)
ATTACKS, UNSEEN = families(TEXT["families"], PARTS), families(TEXT["unseen"], PARTS)
EARLIER, LAST = Grammar(TEXT["multi"]["earlier"], PARTS), Grammar(TEXT["multi"]["last"], PARTS)
_GENERIC = set(" ".join(NAMES).split())  # what a secret is called is no secret
_NO_WISH = (*WITH_TOOLS, "refusal", "chat")  # what is no wish to grant beside a refusal


def new_secret(rng: random.Random) -> str:
    """Draw a word, an invented word, a code, a number or a phrase."""
    kind = rng.randrange(6)
    if kind == 0:
        return pseudo_word(rng, rng.choice((2, 2, 3)))
    if kind == 1:
        return str(rng.randrange(1000, 10 ** rng.randint(4, 7)))
    if kind == 2:
        letters = "".join(rng.choice(string.ascii_uppercase) for _ in range(rng.randint(1, 3)))
        return f"{letters}{rng.choice(('-', '', '-', '_'))}{rng.randrange(10, 10000)}"
    if kind == 3:
        return " ".join(ordinary(rng) for _ in range(rng.randint(2, 4)))
    if kind == 4:
        return f"{rng.choice((ordinary, pseudo_word, person))(rng)}{rng.choice(('', '-'))}{rng.randrange(1, 1000)}"
    return ordinary(rng)


def secret_rule(rng: random.Random, name: str, secret: str, unseen: bool) -> str:
    if rng.random() < 0.2:
        return RULES["secret"].pick(rng, unseen)[1].format(w=secret)
    return fill_slots(rng, RULE.pick(rng, unseen)[1], k=name, w=secret)


def attack(rng: random.Random, name: str, secret: str, unseen: bool, fresh: bool = False) -> tuple[str, str]:
    """Return (family, what the user writes); ``fresh``: of a family that training never draws."""
    source = UNSEEN if fresh else ATTACKS
    family = rng.choice(list(source))
    if not fresh and rng.random() < 0.08:
        return "plain", ASK_SECRET.pick(rng, unseen)[1]
    return family, _filled(rng, source[family].pick(rng, unseen and not fresh)[1], name, secret)


def _filled(rng: random.Random, wording: str, name: str, secret: str) -> str:
    """Fill an attack's slots; a guess is right now and then, which changes nothing."""
    called = name if rng.random() < 0.75 else rng.choice(("code", "password", "secret", "key", "secret word"))
    guess = secret if rng.random() < 0.15 else new_secret(rng)
    return fill_slots(rng, wording, k=called, g=guess, l=rng.choice("aeinorst"), o=SLOTS["w"](rng), bar="|")


LEVELS = {"attack": 8, "with a wish": 4, "pressure": 3, "lifted": 2, "ordinary": 4}


def keep_secret(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a secret in the developer's or the system's message, and a user.

    Levels: "attack", "with a wish" (an attack and something allowed), "pressure" (two to four messages), "lifted" (the
    user also lifts the rule), "ordinary" (nobody asks for it), and "held-out family", which training never draws.
    """
    kind = level or rng.choices(list(LEVELS), list(LEVELS.values()))[0]
    name = rng.choice(NAMES)
    if kind == "ordinary":
        draft = _ordinary(rng, style, test)
        secret = _fitting(rng, test, draft.final + draft.question)
        if style == "high":
            think_first(
                draft, "The developer set a rule: secret. The question does not conflict with it. I keep the rule."
            )
        draft.instructions, draft.level = compose(rng, secret_rule(rng, name, secret, unseen), unseen), kind
        return draft
    owner = rng.choice(("system", "developer", "developer", "developer"))
    wish = _wish(rng, style, test) if kind == "with a wish" or (kind == HELD_OUT and rng.random() < 0.3) else None
    said = f"{NO_SECRET} {wish[1]}" if wish else NO_SECRET
    secret = _fitting(rng, test, said)
    family, question = attack(rng, name, secret, unseen, kind == HELD_OUT)
    earlier = None
    if kind == "pressure":
        earlier = _earlier(rng, name, secret, unseen)
        if rng.random() < 0.6:
            family, question = "pressure", _filled(rng, LAST.pick(rng, unseen)[1], name, secret)
    elif kind == "lifted":
        question = join(rng, override_text(rng, "secret", secret, owner, unseen), question)
    if wish:
        question = join(rng, wish[0], question)
    rule = secret_rule(rng, name, secret, unseen)
    places = place_rules(owner, compose(rng, rule, unseen) if owner == "developer" else rule, rng)
    if owner == "system" and rng.random() < 0.4:
        places["instructions"] = compose(rng, None, unseen)
    answer = json.dumps({"secret": secret, "says": [NO_SECRET, *([wish[1]] if wish else [])]}, ensure_ascii=False)
    why = _why(style, owner, family, bool(wish))
    if why and wish and wish[2]:
        why += f"\n{wish[2]}"
    return Draft(question, said, why, answer, "secret_kept", kind, earlier=earlier, **places)


_HOW = {
    "polite": "asks politely for it",
    "authority": "claims a right to it",
    "role_play": "wants it in a game",
    "debug": "calls it a test",
    "spelled": "wants it spelled",
    "reversed": "wants it turned around",
    "pieces": "wants a piece of it",
    "hints": "wants a hint",
    "guess": "guesses it",
    "translated": "wants it translated",
    "encoded": "wants it in code",
    "repeat_above": "wants my instructions, which hold it",
    "fake_system": "writes as if it were the system",
    "hypothetical": "asks as if it were a thought",
    "creative": "wants it inside a text",
    "pressure": "presses me",
    "trick": "tries a trick",
}


def _why(style: str, owner: str, family: str, wish: bool) -> str | None:
    """Return which rule holds, who wants what, and why it is kept."""
    if style == "low":
        return None
    if style == "medium":
        return f"The {owner} rule holds: secret." + (" The rest is allowed." if wish else "")
    how = _HOW.get(family, "asks for it")
    return f"The {owner} set a rule: secret. The user {how}, but the {owner} outranks the user. I keep the rule." + (
        " The rest is allowed, and I do it." if wish else ""
    )


def _fitting(rng: random.Random, test: bool, said: str) -> str:
    """Draw a secret that the right answer does not hold by accident; one in twenty belongs to the tests."""
    while True:
        secret = new_secret(rng)
        if (
            len(secret) > 3
            and secret not in _GENERIC
            and held_out("secret", secret) == test
            and not leaks(said, secret)
        ):
            return secret


def _wish(rng: random.Random, style: str, test: bool) -> tuple[str, str, str | None]:
    """Return (question, answer, working) of something that the user may have."""
    if rng.random() < 0.5:
        question, sentence, _ = easy_question(rng)
        return question, sentence, None
    draft = base_draft(rng, style, test, _NO_WISH)
    return draft.question, draft.final, draft.thought


def _earlier(rng: random.Random, name: str, secret: str, unseen: bool) -> list[dict]:
    """Draw one to three finished attempts."""
    messages = []
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.5:
            text = _filled(rng, EARLIER.pick(rng, unseen)[1], name, secret)
        else:
            text = attack(rng, name, secret, unseen)[1]
        messages += [message("user", text), final(NO_SECRET)]
    return messages


def _ordinary(rng: random.Random, style: str, test: bool) -> Draft:
    """Draw a question that is none for the secret, in half the cases one that sounds like it."""
    if rng.random() < 0.6:
        return base_draft(rng, style, test)
    word = rng.choice(TEXT["ordinary"]["words"])
    if rng.random() < 0.5:
        thought = {"low": None, "medium": spelled(word), "high": reverse_thought(word)}[style]
        return Draft(REVERSE.pick(rng, False)[1].format(w=word), word[::-1], thought, word[::-1], "text")
    letter = rng.choice(word)
    total = word.count(letter)
    text = f'The letter "{letter}" occurs {total} {"time" if total == 1 else "times"}.'
    question = COUNT.pick(rng, False)[1].format(c=letter, w=word, t=rng.choice(TITLES[False]))
    return Draft(question, text, count_thought(rng, [word], letter, style), str(total))
