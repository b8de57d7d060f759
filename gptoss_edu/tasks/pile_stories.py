"""What is asked about a pile (piles.py): its end, its start, an amount that is not told, or something after the end."""

from __future__ import annotations

from .english import noun
from .piles import (
    amount,
    ask,
    asked_slots,
    draw_events,
    events_told,
    final_path,
    make_pile,
    narrate,
    numbers_for,
    reckon,
    start_text,
    told_slots,
)
from .storyteller import Plan, Scene, Teller, Unfit, listed


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
    """Tell the end and ask for the start: the events are undone from the last."""
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
    """Leave one event without its number, which follows from start and end."""
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
    """Use the end of the story once more: a goal, equal shares, boxes, a price."""
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
    """Let all events go one way, and ask by how much the number changed."""
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
