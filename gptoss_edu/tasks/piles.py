"""Stories about one number of things that changes: what a person has, or what is in a place."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .english import a, capital, grammar, inflect, noun
from .storyteller import Plan, Scene, Teller, Unfit, listed

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
        """The domain's own list, or the shared one of that name."""
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
    """Kinds of events that need so many steps together."""
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
    """(the numbers of each event, what is there in the end)."""
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
    """(whether it is a verb phrase of the pile's owner, its template, its slots)."""
    phrase, clause, _ = EVENTS[kind]
    own = pile.who and pile.path(phrase) and not (pile.path(clause) and t.chance(0.15))
    if not own and numbers and numbers[0] == 1:
        raise Unfit  # clauses speak of several things
    path = pile.path(phrase if own else clause)
    return bool(own), t.word(*path), told_slots(t, pile, numbers, False)


def when(t: Teller, pile: Pile) -> str:
    return t.word("pile", pile.name, "when") if "when" in pile.has else t.word("shared", "when")


def narrate(t: Teller, pile: Pile, told: list[tuple[bool, str, dict]], opening: str) -> list[str]:
    """Sentences: verb phrases of one person are joined by commas and "and", clauses stand alone or in pairs."""
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
                f"After {t.put(template, who, 'ing', **slots)}, {who.subject} {inflect('<count>', tense, who.number)} again"
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
    """A question about the pile; "now" and "still" are asked in the present."""
    template = t.key_word(*path)
    if tense is None:
        tense = "present" if " now" in template or "still" in template or t.chance(0.45) else t.tense
    who = asked_slots(pile, t.chance(0.6) if name is None else name)
    return t.put(template, pile.who, tense, **who, **slots)


def start_text(t: Teller, pile: Pile, x: int) -> str:
    """The opening: a verb phrase for a person, a sentence for a place."""
    template = t.key_word("pile", pile.name, "start")
    return t.put(template, pile.who, **told_slots(t, pile, (x,), True))


def events_told(t: Teller, pile: Pile, kinds: list[str], numbers: list[tuple]) -> list[tuple[bool, str, dict]]:
    told = [tell_event(t, pile, kind, n) for kind, n in zip(kinds, numbers, strict=True)]
    return told


def final_path(t: Teller, pile: Pile, last: str) -> tuple[str, ...]:
    """What is "left" is asked after something went away."""
    return pile.path("left" if last in "-uh" else "final")


# ------------------------------------------------------------------------------------------------------------ stories


def forward(t: Teller, steps: int) -> Scene:
    """Start and events are told, the end is asked; sometimes in one conditional sentence."""
    pile, plan = make_pile(t), Plan()
    kinds = draw_events(t, pile, steps)
    start = amount(t.rng) + (t.rng.randrange(150) if kinds[0] in "-u" else 0)
    numbers, _ = numbers_for(t, kinds, start)
    plan.note(start)
    total = start
    for kind, n in zip(kinds, numbers, strict=True):
        total = reckon(plan, total, kind, n)
    shape = t.rng.random()
    if pile.who and shape < 0.2:
        t.tense = "present"
    told = events_told(t, pile, kinds, numbers)
    unit, name = pile.slots["t"], f"forward {''.join(kinds)}"
    path = final_path(t, pile, kinds[-1])
    if pile.who and shape < 0.1 and all(own for own, *_ in told):  # all of it in one condition
        parts = [start_text(t, pile, start)] + [t.put(v, pile.who, **s) for _, v, s in told]
        question = ask(t, pile, path, name=shape < 0.05, tense="present")
        if shape < 0.05:
            return Scene(
                [], f"{question} if {pile.who.subject} {listed(parts)}", plan, unit, name + " if-last", closed=True
            )
        return Scene(
            [],
            f"If {pile.who.first} {listed(parts)}, {question[0].lower()}{question[1:]}",
            plan,
            unit,
            name + " if-first",
            closed=True,
        )
    if pile.who and shape < 0.2 and told[-1][0] and pile.who.number != "p":  # the last event is a condition
        sentences = narrate(t, pile, told[:-1], start_text(t, pile, start))
        question = ask(t, pile, path, name=False, tense="present")
        last = t.put(told[-1][1], pile.who, **told[-1][2])
        return Scene(
            sentences, f"If {pile.who.subject} {last}, {question[0].lower()}{question[1:]}", plan, unit, name + " if"
        )
    sentences = narrate(t, pile, told, start_text(t, pile, start))
    return Scene(sentences, ask(t, pile, path), plan, unit, name)


def backward(t: Teller, steps: int) -> Scene:
    """The end is told, the start asked: the events are undone from the last."""
    pile, plan = make_pile(t), Plan()
    t.tense = "past"
    kinds = draw_events(t, pile, steps, "+-")
    start = amount(t.rng) + t.rng.randrange(60)
    numbers, end = numbers_for(t, kinds, start)
    plan.note(f"now {end}")
    total = end
    for kind, (b,) in zip(kinds[::-1], numbers[::-1], strict=True):
        back = "-" if kind == "+" else "+"
        plan.note(f"{back}{b}")
        total = plan.do(total, back, b)
    told = events_told(t, pile, kinds, numbers)
    some = "<have> some {t}" if pile.who else "There <be+> some {t} {aw}"
    opening = t.put(some, pile.who, **pile.slots)
    if pile.name == "pages":
        raise Unfit
    sentences = narrate(t, pile, told, opening)
    path = pile.path("now")
    slots = asked_slots(pile, False) | {"q": t.q(end, pile.thing), "b": t.n(end)}
    tense = "present" if end != 1 and "Now" in (template := t.word(*path)) else "past"
    if end == 1:
        raise Unfit
    sentences.append(t.put(template, pile.who, tense, **slots))
    return Scene(
        sentences,
        ask(t, pile, pile.path("start_q"), tense="past"),
        plan,
        pile.slots["t"],
        f"backward {''.join(kinds)}",
    )


def missing(t: Teller, steps: int) -> Scene:
    """One event has no number: start and end say how many it was."""
    pile, plan = make_pile(t), Plan()
    t.tense = "past"
    if pile.name in ("pages", "points", "litres", "garden"):
        raise Unfit
    kinds = draw_events(t, pile, steps - 1, "+-") if steps > 1 else []
    start = amount(t.rng) + t.rng.randrange(60)
    numbers, total = numbers_for(t, kinds, start)
    change, up = amount(t.rng), t.chance(0.4)
    end = total + change if up else total - change
    if end < 2:
        raise Unfit
    plan.note(start)
    for kind, n in zip(kinds, numbers, strict=True):
        reckon(plan, plan.answer or start, kind, n)
    plan.note(f"now {end}")
    plan.do(max(end, total), "-", min(end, total))
    word = ("gain" if up else "lose") + (
        "_money" if pile.name == "money" else "" if pile.who else "_still" if "still" in pile.has else "_place"
    )
    event, _, question = t.key_word("unknown", word).partition(" || ")
    other = t.other(pile.who)
    thing = next((w for w in ("coat", "book", "bag", "ball", "game") if w in event), "")
    told = events_told(t, pile, kinds, numbers)
    told.append((bool(pile.who), event, told_slots(t, pile, (), False) | {"o": other}))
    sentences = narrate(t, pile, told, start_text(t, pile, start))
    template = t.word(*pile.path("now"))
    slots = asked_slots(pile, False) | {"q": t.q(end, pile.thing), "b": t.n(end)}
    sentences.append(t.put(template, pile.who, "present" if "Now" in template else "past", **slots))
    question = t.put(question, pile.who, "past", **asked_slots(pile, True), o=other, thing=thing)
    return Scene(sentences, question, plan, "", f"missing {''.join(kinds)} {'+' if up else '-'}")


def afterwards(t: Teller, steps: int) -> Scene:
    """The end of the story is used once more: a goal, equal shares, boxes, a price."""
    pile, plan = make_pile(t), Plan()
    kinds = draw_events(t, pile, steps - 1, "+-pu") if steps > 1 else []
    start = amount(t.rng) + (t.rng.randrange(150) if kinds and kinds[0] in "-u" else 0)
    numbers, total = numbers_for(t, kinds, start)
    last = t.rng.choice(
        ("goal", "each", "packs", "worth") if pile.who and pile.name in ("things", "food") else ("goal",)
    )
    if pile.name in ("pages", "litres", "members") or total < 2:
        raise Unfit
    if last in ("each", "packs"):
        if kinds and kinds[0] in "pu":
            raise Unfit
        divisor = t.rng.randrange(2, 11)
        shift = -total % divisor
        start, total = start + shift, total + shift
    plan.note(start)
    for kind, n in zip(kinds, numbers, strict=True):
        reckon(plan, plan.answer if plan.steps else start, kind, n)
    told = events_told(t, pile, kinds, numbers)
    t_slots: dict = {}
    if last == "goal":
        goal = total + amount(t.rng)
        plan.note(f"goal {goal}")
        plan.do(goal, "-", total)
        path, t_slots = ("goal", "person" if pile.who else "place"), {"g": t.n(goal)}
    elif last == "worth":
        price = t.rng.randrange(2, 13)
        plan.note(f"*{price}")
        plan.do(total, "*", price)
        path, t_slots = ("share", "worth"), {"k": t.n(price)}
    else:
        plan.note(f"/{divisor}")
        plan.exactly(total, divisor)
        box = t.rng.choice(("box", "bag", "bowl", "basket"))
        path, t_slots = ("share", last), {"k": t.n(divisor), "bx1": box, "bx": noun(box)[1]}
    sentences = narrate(t, pile, told, start_text(t, pile, start))
    question = ask(t, pile, path, tense="present" if t.tense == "present" else None, **t_slots)
    return Scene(sentences, question, plan, "", f"{last} {''.join(kinds)}")


def change(t: Teller, steps: int) -> Scene:
    """All events go one way: by how many did the number change?"""
    pile, plan = make_pile(t), Plan()
    if not pile.who or pile.name in ("money", "points", "pages") or steps < 1:
        raise Unfit
    up = t.chance(0.5)
    kinds = draw_events(t, pile, steps + 1, "+" if up else "-")
    start = amount(t.rng) + (0 if up else 120)
    numbers, _ = numbers_for(t, kinds, start)
    total = numbers[0][0]
    plan.note(total)
    for (b,) in numbers[1:]:
        plan.note(f"+{b}")
        total = plan.do(total, "+", b)
    told = events_told(t, pile, kinds, numbers)
    sentences = narrate(t, pile, told, start_text(t, pile, start))
    return Scene(
        sentences,
        ask(t, pile, ("changes", "gained" if up else "lost"), tense=t.tense),
        plan,
        "",
        f"change {''.join(kinds)}",
    )
