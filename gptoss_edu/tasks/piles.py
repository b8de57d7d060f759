"""Stories about one number of things that changes: what a person has, or what is in a place."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .english import a, capital, grammar, noun
from .storyteller import Plan, Teller, Unfit, listed

# What may happen: its lists for a person (a verb phrase) and for a place (a clause of its own), and its steps.
EVENTS = {
    "+": ("gain", "gain_clause", 1),
    "-": ("lose", "lose_clause", 1),
    "p": ("pack", "pack_clause", 2),
    "u": ("unpack", "unpack_clause", 2),
    "h": ("half", "half_clause", 1),
    "d": ("double", "double_clause", 1),
}


@dataclass
class Pile:
    """Whose or where, and what; ``slots`` fill the templates."""

    name: str
    thing: str
    who: object
    slots: dict
    has: dict

    def path(self, key: str) -> tuple[str, ...] | None:
        """Return the domain's own list, or the shared one of that name."""
        if key in self.has:
            return ("pile", self.name, key) if self.has[key] else None
        prefix = "" if self.who else "place_"
        return ("shared", prefix + key) if prefix + key in grammar()["shared"] else None


def make_pile(t: Teller) -> Pile:
    domains = grammar()["pile"]
    name = t.rng.choices(list(domains), [d["weight"] for d in domains.values()])[0]
    has = domains[name]
    thing = t.noun_of(has["nouns"])
    slots = {"t": noun(thing)[1], "c": noun(t.currency)[1]}
    who = None
    if "place" in has:
        preposition, _, place = t.rng.choice(has["place"]).partition(" ")
        slots |= {
            "w": f"{preposition} the {place}",
            "aw": f"{preposition} {a(place)}",
            "W": f"the {place}",
            "aW": a(place),
        }
        slots |= {"aw2": f"{preposition} {a(place)}"}
    else:
        who = t.person()
        slots |= {"P": who.possessive}
    return Pile(name, thing, who, slots, has)


def amount(rng: random.Random) -> int:
    kind = rng.random()
    return rng.randrange(2, 13) if kind < 0.4 else rng.randrange(10, 61) if kind < 0.75 else rng.randrange(30, 200)


def draw_events(t: Teller, pile: Pile, steps: int, allowed: str = "") -> list[str]:
    """Draw kinds of events that need so many steps together."""
    usable = [k for k, (vp, clause, _) in EVENTS.items() if (pile.path(vp) if pile.who else pile.path(clause))]
    usable = [k for k in usable if not allowed or k in allowed]
    weights = {"+": 10, "-": 12, "p": 3, "u": 2, "h": 1.2, "d": 0.6}
    kinds = []
    while steps > 0:
        fit = [k for k in usable if EVENTS[k][2] <= steps and not (k in "hd" and k in kinds)]
        if not fit:
            raise Unfit
        kinds.append(t.rng.choices(fit, [weights[k] for k in fit])[0])
        steps -= EVENTS[kinds[-1]][2]
    return kinds


def numbers_for(t: Teller, kinds: list[str], start: int) -> tuple[list[tuple[int, ...]], int]:
    """Return (the numbers of each event, what is there in the end)."""
    numbers, total = [], start
    for kind in kinds:
        if kind == "+":
            numbers.append((amount(t.rng),))
            total += numbers[-1][0]
        elif kind == "-":
            b = amount(t.rng)
            if b > total and total > 3:
                b = t.rng.randrange(2, total)
            numbers.append((b,))
            total -= b
        elif kind in "pu":
            k, e = t.rng.randrange(2, 10), t.rng.randrange(2, 16)
            numbers.append((k, e))
            total += k * e if kind == "p" else -k * e
        else:
            numbers.append(())
            if kind == "h" and total % 2:
                raise Unfit
            total = total // 2 if kind == "h" else total * 2
        if total < 0 or (total == 0 and t.chance(0.8)) or total > 2500:
            raise Unfit
    return numbers, total


def reckon(plan: Plan, total: int, kind: str, numbers: tuple[int, ...]) -> int:
    """Note an event and do its steps."""
    if kind in "+-":
        plan.note(f"{kind}{numbers[0]}")
        return plan.do(total, kind, numbers[0])
    if kind in "pu":
        sign = "+" if kind == "p" else "-"
        plan.note(f"{sign}{numbers[0]}*{numbers[1]}")
        return plan.do(total, sign, plan.do(numbers[0], "*", numbers[1]))
    plan.note("/2" if kind == "h" else "*2")
    return plan.do(total, *("/", 2) if kind == "h" else ("*", 2))


# ------------------------------------------------------------------------------------------------------------ telling


def told_slots(t: Teller, pile: Pile, numbers: tuple[int, ...], subject: bool) -> dict:
    who, slots = pile.who, dict(pile.slots)
    slots["o"] = t.other(who)
    if who:
        slots |= {"S1": who.object if subject else who.them, "S2": who.subject, "thing": ""}
    if len(numbers) == 1:
        b = numbers[0]
        slots |= {"b": t.n(b), "q": t.q(b, pile.thing), "m": t.more(b, pile.thing), "l": t.some(b, pile.thing)}
    elif numbers:
        slots |= {"k": t.n(numbers[0]), "e": t.n(numbers[1])}
    return slots


def tell_event(t: Teller, pile: Pile, kind: str, numbers: tuple[int, ...]) -> tuple[bool, str, dict]:
    """Return (whether it is a verb phrase of the pile's owner, its template, its slots)."""
    phrase, clause, _ = EVENTS[kind]
    own = pile.who and pile.path(phrase) and not (pile.path(clause) and t.chance(0.15))
    if not own and numbers and numbers[0] == 1:
        raise Unfit  # clauses speak of several things
    path = pile.path(phrase if own else clause)
    return bool(own), t.word(*path), told_slots(t, pile, numbers, False)


def when(t: Teller, pile: Pile) -> str:
    return t.word("pile", pile.name, "when") if "when" in pile.has else t.word("shared", "when")


def narrate(t: Teller, pile: Pile, told: list[tuple[bool, str, dict]], opening: str) -> list[str]:
    """Form sentences: join verb phrases of one person by commas and "and"; clauses stand alone or in pairs."""
    who, tense = pile.who, t.tense
    sentences, run, clauses = [], [opening] if opening and who else [], []
    first = True
    if opening and not who:
        sentences.append(opening)

    def flush():
        nonlocal first, run, clauses
        if run:
            subject = who.first if first else who.name if sentences and t.chance(0.3) else who.subject
            lead = "" if first or t.chance(0.6) else when(t, pile)
            sentences.append(f"{lead}{subject} {listed(run)}")
            first = False
        if clauses:
            lead = "" if t.chance(0.45) else when(t, pile)
            sentences.append(lead + (listed(clauses) if len(clauses) < 3 else "; ".join(clauses)))
        run, clauses = [], []

    for own, template, slots in told:
        if own and run and len(run) < 3 and t.chance(0.38):
            run.append(t.put(template, who, **slots))
            continue
        if not own and clauses and len(clauses) < 2 and t.chance(0.35):
            clauses.append(t.put(template, who, **slots))
            continue
        flush()
        if own and sentences and template.count("<") == 1 and t.chance(0.05):
            sentences.append(
                f"After {t.put(template, who, 'ing', **slots)}, {t.put(who.subject + ' <count>', who, tense)} again"
            )
            continue
        if own:
            run.append(t.put(template, who, **slots))
        else:
            clauses.append(t.put(template, who, **slots))
    flush()
    return sentences


def asked_slots(pile: Pile, name: bool) -> dict:
    who, slots = pile.who, dict(pile.slots)
    if who:
        slots |= {
            "S": who.name if name else who.subject,
            "P1": who.of if name else who.possessive,
            "S2": who.subject,
            "S1": who.object,
        }
        slots["P1c"] = capital(slots["P1"])
    return slots


def ask(
    t: Teller, pile: Pile, path: tuple[str, ...], name: bool | None = None, tense: str | None = None, **slots
) -> str:
    """Draw a question about the pile; "now" and "still" are in the present tense."""
    template = t.key_word(*path)
    if tense is None:
        tense = "present" if " now" in template or "still" in template or t.chance(0.45) else t.tense
    who = asked_slots(pile, t.chance(0.6) if name is None else name)
    return t.put(template, pile.who, tense, **who, **slots)


def start_text(t: Teller, pile: Pile, x: int) -> str:
    """Return the opening: a verb phrase for a person, a sentence for a place."""
    template = t.key_word("pile", pile.name, "start")
    return t.put(template, pile.who, **told_slots(t, pile, (x,), True))


def events_told(t: Teller, pile: Pile, kinds: list[str], numbers: list[tuple]) -> list[tuple[bool, str, dict]]:
    told = [tell_event(t, pile, kind, n) for kind, n in zip(kinds, numbers, strict=True)]
    return told


def final_path(t: Teller, pile: Pile, last: str) -> tuple[str, ...]:
    """Choose the wording; "left" is asked only after something went away."""
    return pile.path("left" if last in "-uh" else "final")
