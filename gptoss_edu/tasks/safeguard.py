"""A written policy and a text: the model checks rule after rule and answers with a label.

Policies are composed of two to four rules. One combination of kinds in twenty is held out for the tests, so that what
is measured there is the reading of a new policy.
"""

from __future__ import annotations

import random
import re

from .example import Draft, held_out
from .grammar import Grammar, families
from .policies import LISTS, TEXT, Condition, Rule, brief_check, long_check, verdict
from .refusals import ordinary
from .words import pseudo_word

PARTS = TEXT["parts"]
HEADERS, FORBID, REQUIRE, EXCEPTION = (
    Grammar(TEXT[name]["patterns"], PARTS) for name in ("headers", "forbid", "require", "exception")
)
NOUNS = TEXT["conditions"]
SENTENCES = families(TEXT["texts"])
THINGS = tuple(TEXT["lists"]["things"])
_SIMPLE = (*LISTS, "number", "above", "below", "question", "exclamation", "moonwort", "secret", "word", "listed")
_PAIRED = (*LISTS, "number")
_SLOTS = {
    "A": "animal",
    "C": "colour",
    "T": "city",
    "P": "person",
    "D": "day",
    "M": "month",
    "F": "fruit",
    "I": "instrument",
    "V": "vehicle",
}
_RESERVED = {word.lower() for words in LISTS.values() for word in words} | {
    "moonwort",
    "password",
    "code",
    "secret",
    "key",
}


# ------------------------------------------------------------------------------------------------------------ policies


def new_condition(rng: random.Random, simple: bool = False) -> Condition:
    if not simple and rng.random() < 0.2:
        parts = tuple(Condition(kind) for kind in rng.sample(_PAIRED, 2))
        return Condition(rng.choice(("both", "both", "either")), parts=parts)
    kind = rng.choice(_SIMPLE)
    if kind in ("above", "below"):
        return Condition(kind, (str(rng.choice((5, 10, 20, 50, 100, 200, 500, 1000))),))
    if kind == "word":
        return Condition(kind, (_free_word(rng),))
    if kind == "listed":
        return Condition(kind, (pseudo_word(rng), *(_free_word(rng) for _ in range(rng.randint(2, 4)))))
    return Condition(kind)


def _free_word(rng: random.Random) -> str:
    """Draw a word that no other rule looks for."""
    while True:
        word = pseudo_word(rng, 2) if rng.random() < 0.4 else ordinary(rng)
        if word not in _RESERVED and word not in THINGS and word.removesuffix("s") not in _RESERVED and len(word) > 3:
            return word


def new_policy(rng: random.Random, test: bool) -> list[Rule]:
    """Draw two to four rules about different things, on the wanted side of the split."""
    while True:
        policy = []
        for _ in range(rng.choice((2, 2, 3, 3, 4))):
            exception = new_condition(rng, simple=True) if rng.random() < 0.25 else None
            policy.append(Rule(new_condition(rng), rng.random() < 0.13, exception))
        kinds = [(rule.condition.kind, rule.condition.parts) for rule in policy]
        own = all(rule.exception is None or rule.exception.kind != rule.condition.kind for rule in policy)
        if len(set(kinds)) == len(kinds) and own and held_out("policy", *(rule.shape for rule in policy)) == test:
            return policy


def describe(rng: random.Random, condition: Condition) -> str:
    """Draw a condition in words: 'a colour', 'a number above 100', 'an animal and a number'."""
    wording = rng.choice(NOUNS[condition.kind])
    if condition.parts:
        return wording.replace("{1}", describe(rng, condition.parts[0])).replace(
            "{2}", describe(rng, condition.parts[1])
        )
    if condition.kind == "listed":
        name, *members = condition.values
        return wording.replace("{x}", name).replace("{list}", f"{', '.join(members[:-1])} or {members[-1]}")
    return wording.replace("{n}", (condition.values or ("",))[0]).replace("{w}", (condition.values or ("",))[0])


def write_rule(rng: random.Random, rule: Rule, unseen: bool) -> str:
    text = (REQUIRE if rule.required else FORBID).pick(rng, unseen)[1].replace("{c}", describe(rng, rule.condition))
    if rule.exception is None:
        return text
    tail = EXCEPTION.pick(rng, unseen)[1].replace("{e}", describe(rng, rule.exception))
    return text.removesuffix(".") + tail


def write_policy(rng: random.Random, policy: list[Rule], unseen: bool) -> str:
    form = rng.choice(("{}. ", "{}. ", "Rule {}: ", "{}) ", "({}) ", "Rule {}. "))
    lines = [form.format(number) + write_rule(rng, rule, unseen) for number, rule in enumerate(policy, 1)]
    return "\n".join((HEADERS.pick(rng, unseen)[1], *lines))


# --------------------------------------------------------------------------------------------------------------- texts


def new_text(rng: random.Random, policy: list[Rule], unseen: bool) -> str:
    """Draw one to four sentences, many about what the policy looks for; now and then one claims that all is well."""
    wanted = [c for rule in policy for c in (rule.condition, rule.exception) if c]
    wanted = [part for condition in wanted for part in (condition.parts or (condition,))]
    sentences = []
    for _ in range(rng.randint(1, 4)):
        condition = rng.choice(wanted) if rng.random() < 0.5 else None
        sentences.append(_sentence(rng, condition, unseen))
    if rng.random() < 0.08:
        sentences.insert(rng.randrange(len(sentences) + 1), SENTENCES["claims"].pick(rng, unseen)[1])
    return " ".join(sentences)


def _sentence(rng: random.Random, condition: Condition | None, unseen: bool) -> str:
    kind = condition.kind if condition else rng.choice(("plain", "plain", *_PAIRED, "question"))
    given = ""
    if kind in ("word", "listed"):
        kind, given = "given", rng.choice(condition.values[1:] if kind == "listed" else condition.values)
    wording = SENTENCES["number" if kind in ("above", "below") else kind].pick(rng, unseen)[1]

    def filled(slot: re.Match) -> str:
        name = slot[1]
        if name == "N":
            return str(rng.randrange(1, 10 ** rng.randint(1, 4)))
        return given if name == "X" else rng.choice(THINGS if name == "W" else LISTS[_SLOTS[name]])

    text = re.sub(r"\{(\w)\}", filled, wording)
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    return text[0].upper() + text[1:]


def safeguard(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a policy in the developer message and a text of the user; level: the number of rules, "2", "3" or "4"."""
    while True:
        policy = new_policy(rng, test)
        if level is None or len(policy) == int(level):
            break
    wanted = "allowed" if rng.random() < 0.35 else f"violates rule {rng.randint(1, len(policy))}"
    for _ in range(5):
        text = new_text(rng, policy, unseen)
        if verdict(policy, text) == wanted:
            break
    answer = verdict(policy, text)
    why = {"medium": brief_check, "high": long_check}.get(style)
    shown = rng.choice(("Text: {}", '"{}"', "Message: {}")).format(text) if rng.random() < 0.15 else text
    return Draft(
        shown,
        answer,
        why(policy, text) if why else None,
        answer,
        "text",
        str(len(policy)),
        instructions=write_policy(rng, policy, unseen),
        check={"text": text},
    )
