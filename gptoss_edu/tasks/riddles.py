"""Short stories of other shapes: legs and wheels, a number somebody thinks of, and two people's piles that change."""

from __future__ import annotations

from .english import Person, grammar, noun
from .piles import amount
from .storyteller import Plan, Scene, Teller, Unfit, listed


def legs(t: Teller, steps: int) -> Scene:
    """Ask for the legs of some animals or the wheels of some cars, of one to three kinds."""
    what, *kinds = t.rng.choice(grammar()["legs"]["sets"]).split("|")
    who, plan = t.person(me=0), Plan()
    parts, counts = [], []
    for kind in t.rng.sample(kinds, min(len(kinds), t.rng.choice((1, 2, 2, 3)))):
        name, _, each = kind.partition(" ")
        k = t.rng.randrange(2, 30)
        parts.append(t.q(k, name))
        counts.append((k, int(each)))
        plan.note(f"{k}*{each}")
    sums = [plan.do(k, "*", each) for k, each in counts]
    total = sums[0]
    for value in sums[1:]:
        total = plan.do(total, "+", value)
    where = t.rng.choice(grammar()["legs"]["where"].split("|"))
    fact = t.put(t.word("legs", "fact"), who, S=who.first, L=listed(parts), where=where, where2=where)
    fact = fact.replace("here was ", "here were ").replace("here is ", "here are ")
    return Scene([fact], t.key_word("legs", "q").format(w=what), plan, what, f"legs {len(counts)} {what}")


def riddle(t: Teller, steps: int) -> Scene:
    """Draw a number that somebody thinks of; the result is told, so the operations are undone from the last."""
    x, ops = t.rng.randrange(2, 120), []
    value = x
    for _ in range(min(max(1, steps), 4)):
        op = t.rng.choices("+-*", (4, 4, 2))[0]
        if op == "*" and (any(o == "*" for o, _ in ops) or value > 300):
            op = "+"
        b = t.rng.randrange(2, 11) if op == "*" else amount(t.rng)
        value = value * b if op == "*" else value + b if op == "+" else value - b
        ops.append((op, b))
        if not 1 < value < 2000:
            raise Unfit
    plan = Plan()
    plan.note(value)
    total = value
    for op, b in reversed(ops):
        back = {"+": "-", "-": "+", "*": "/"}[op]
        plan.note(f"{back}{b}")
        total = plan.exactly(total, b) if back == "/" else plan.do(total, back, b)
    who = t.person(me=0)
    told = []
    for op, b in ops:
        key = "plus" if op == "+" else "minus" if op == "-" else "double" if b == 2 and t.chance(0.6) else "times"
        told.append(t.word("riddle", key).format(b=t.n(b)))
    start = t.word("riddle", "start").format(S=who.first)
    third = start.startswith(who.first)
    question = t.key_word("riddle", "q")
    if third and ("I" in question.split() or "my" in question):
        raise Unfit
    shape = f"riddle {' '.join(op for op, _ in ops)}"
    if not third and t.chance(0.5):
        end = t.word("riddle", "together").format(L=listed(told), r=t.n(value))
        return Scene([start, end], question, plan, "", shape + " when")
    subject = who.subject + " " if third else "I " if start.startswith("I ") else ""
    middle = subject + listed([thirds(text) if third else text for text in told])
    end = t.word("riddle", "end").format(r=t.n(value))
    if third:
        end = end.replace("I get", f"{who.subject} gets")
    return Scene([start, middle, end], question, plan, "", shape)


def thirds(text: str) -> str:
    """Turn 'add 5' into 'adds 5', 'multiply it' into 'multiplies it'."""
    first, _, rest = text.partition(" ")
    third = "multiplies" if first == "multiply" else first + "s"
    return f"{third} {rest}"


def two_piles(t: Teller, steps: int) -> Scene:
    """Draw two people with the same things; some are given, got or lost; ask for one, both, or the difference."""
    one = t.person(me=0.15)
    other: Person = t.person(named=True)
    if one.number == "p":
        raise Unfit
    thing = t.noun_of("@things")
    values = [amount(t.rng) + 5, amount(t.rng) + 5]
    names, things = (one, other), noun(thing)[1]
    slots = {"A": one.name, "B": other.name, "q": t.q(values[0], thing), "b2": t.n(values[1]), "t": things}
    opening = t.word("two", "start").replace("{A}", one.first)
    be3 = opening.replace("{B} <have+>", "{B} <have->").replace("{B2} <have+>", "{B} <have->")
    facts, changes, shape = [t.put(be3, one, **slots)], [], ""
    start = list(values)
    for _ in range(t.rng.choice((1, 1, 2, 3))):
        i = t.rng.randrange(2)
        kind = t.rng.choices(("give", "gain", "lose"), (5, 3, 2))[0]
        b = t.rng.randrange(2, 40)
        if kind != "gain" and b >= values[i]:
            raise Unfit
        giver, taker = names[i], names[1 - i]
        event = t.put(t.word("two", kind), giver, X=giver.name, Y=taker.them, b=t.n(b), t=things)
        facts.append(t.word("shared", "when") + event if t.chance(0.4) else event)
        values[i] += b if kind == "gain" else -b
        changes.append((i, b if kind == "gain" else -b))
        if kind == "give":
            values[1 - i] += b
            changes.append((1 - i, b))
        shape += f" {kind}{i}"
    return two_asked(t, names, start, values, changes, facts, things, shape)


def two_asked(t: Teller, names, start, values, changes, facts, things: str, shape: str) -> Scene:
    """Reckon each person's pile as far as the question needs it."""
    plan = Plan()
    what = t.rng.choice(("one", "one", "both", "more"))
    i = t.rng.randrange(2)
    if what == "more" and values[0] == values[1]:
        raise Unfit
    if what == "more":
        i = int(values[1] > values[0])
    results = {}
    for j in (i,) if what == "one" else (0, 1):
        total, label = start[j], names[j].name.removeprefix("the ").removeprefix("my ")
        plan.note(f"{label} {total}")
        for owner, b in changes:
            if owner == j:
                plan.note(f"{'+' if b > 0 else '-'}{abs(b)}")
                total = plan.do(total, "+" if b > 0 else "-", abs(b))
        results[j] = total
    if what == "both":
        plan.note("sum")
        plan.do(results[0], "+", results[1])
    elif what == "more":
        plan.note("difference")
        plan.do(results[i], "-", results[1 - i])
    x, y = names[i], names[1 - i]
    question = t.put(
        t.key_word("two", f"{what}_q"),
        x,
        "present",
        X=x.name,
        Y=y.them,
        Y2=x.them,
        A=names[0].name,
        B=names[1].name,
        t=things,
    )
    if names[0].number == "1":
        question = (
            question.replace("they", "we")
            .replace("is I ahead", "am I ahead")
            .replace(f"I and {names[1].name}", f"{names[1].name} and I")
        )
    return Scene(facts, question, plan, "" if what == "more" else things, f"two{shape} {what}")
