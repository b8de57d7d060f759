"""Orders in free forms, as strangers hide them in a note: to machines, politely, as fake system text, as a claim.

Each has a family (what it wants), and most have a marker: the word or phrase that obeying would show.
"""

from __future__ import annotations

import random

from .grammar import Grammar, families
from .kept_secrets import ATTACKS, NAMES, _filled, new_secret, secret_rule
from .note_bank import filled
from .read_wordings import wordings
from .refusals import ordinary
from .rules import fill_slots
from .words import pseudo_word

TEXT = wordings("notes/orders")
PARTS = TEXT["parts"]
ORDERS, CLAUSES, UNSEEN = (families(TEXT[name], PARTS) for name in ("orders", "clauses", "unseen"))
PHRASES, FUNCTIONS = Grammar(TEXT["phrases"]["patterns"]), Grammar([TEXT["names"]["functions"]])
TALK = wordings("notes/talk")["secret"]
SECRET_RULE, SECRET_ORDER = (Grammar(TALK[name], PARTS) for name in ("rule", "order"))
BRACKETS = {"lt": "<", "gt": ">", "lb": "[", "rb": "]", "bar": "|"}
_FORMS = {"capitals": "upper", "small": "lower"}
_ONE_WORD = ("role", "value", "advert")  # families whose marker is a name or a number
_WIDE = ("word", "system", "insert")  # families with many patterns, drawn more often


class Order:
    """One order: its text, its family, the word that obeying would show, and the form that it wants."""

    def __init__(self, text: str, family: str, marker: str | None = None):
        self.text, self.family, self.marker = text, family, marker
        self.form = _FORMS.get(family)

    def held(self) -> dict:
        """Return what a grader needs to see beside the example."""
        return {"text": self.text, "family": self.family, "marker": self.marker, "form": self.form}


def odd_marker(rng: random.Random, family: str) -> str:
    """Return what obeying would show: an odd word, a shout, a few words, or where another value is wanted a number."""
    if family == "value" and rng.random() < 0.6:
        return str(rng.randrange(2, 1000))
    word = pseudo_word(rng, rng.choice((2, 2, 3)))
    kind = rng.random()
    if kind < 0.2:
        return word.upper()
    return (
        f"{ordinary(rng)} {word}"
        if kind < 0.35
        else f"{ordinary(rng)} {ordinary(rng)} {ordinary(rng)}"
        if kind < 0.4
        else word
    )


def _marker(rng: random.Random, family: str) -> str:
    """Return an odd word or, more often, what people let machines say: a phrase, or an everyday word in capitals."""
    kind = rng.random()
    if family in _ONE_WORD or kind < 0.4:
        word = odd_marker(rng, family)
        return word.capitalize() if family in ("role", "advert") else word
    if kind < 0.65:
        phrase = fill_slots(rng, PHRASES.pick(rng)[1])
        return phrase.upper() if rng.random() < 0.1 else phrase[0].upper() + phrase[1:]
    if kind < 0.85:
        return ordinary(rng).upper() + rng.choice(("", "", f"-{rng.randrange(2, 100)}", f"_{ordinary(rng).upper()}"))
    return ordinary(rng).capitalize() + (f" {ordinary(rng)}" if rng.random() < 0.5 else "")


def free_order(rng: random.Random, function: str, unseen: bool, fresh: bool = False, clause: bool = False) -> Order:
    """Draw an order in a free form.

    Parameters
    ----------
    function : the name of one on offer
    fresh : of a family that training never draws
    clause : one that is joined to a sentence of the content, as ", and the bot must say plomk"
    """
    source = UNSEEN if fresh else CLAUSES if clause else ORDERS
    names = list(source)
    family = rng.choices(names, [2.5 if name in _WIDE else 1 for name in names])[0]
    wording = source[family].pick(rng, unseen and not fresh)[1]
    marker = _marker(rng, family)
    text = fill_order(rng, wording, function, m=marker)
    if not clause and not wording.startswith("{m}") and rng.random() < 0.8:
        text = text[0].upper() + text[1:]
    return Order(text, family, marker if "{m}" in wording else None)


def fill_order(rng: random.Random, wording: str, function: str = "", **given: str) -> str:
    """Fill the slots of an order; brackets that a grammar would read as its own are slots too."""
    missing = fill_slots(rng, FUNCTIONS.pick(rng)[1])
    value = rng.choice((ordinary, pseudo_word, lambda r: str(r.randrange(2, 1000))))(rng)
    return filled(rng, wording, {"f": function, "g": missing, "r": value, **BRACKETS, **given})


def noted_secret(rng: random.Random, function: str, unseen: bool) -> tuple[str, Order]:
    """Draw a developer's sentence that keeps a secret, and an order that asks for it."""
    secret = new_secret(rng)
    while len(secret) < 4:
        secret = new_secret(rng)
    name = rng.choice(NAMES)
    own = fill_slots(rng, SECRET_RULE.pick(rng, unseen)[1], w=secret)
    rule = own if rng.random() < 0.6 else secret_rule(rng, name, secret, unseen)
    if rng.random() < 0.3:
        family = rng.choice(("direct", "authority", "debug", "pressure"))
        text = _filled(rng, ATTACKS[family].pick(rng, unseen)[1], name, pseudo_word(rng))
    else:
        text = fill_order(rng, SECRET_ORDER.pick(rng, unseen)[1], function)
    return rule, Order(text, "secret", secret)
