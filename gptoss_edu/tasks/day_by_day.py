"""Stories of what somebody does on several days, in several months or parts of a day."""

from __future__ import annotations

from .comparisons import Row, entity, question_plan
from .english import capital, grammar, noun
from .storyteller import Plan, Scene, Teller, Unfit


def series(t: Teller, steps: int) -> Scene:
    """Return what somebody does on two to four days, each by itself or in relation to the day before."""
    act = t.rng.choice(grammar()["days"]["acts"])
    head, _, tail = act.partition("<")
    verb, _, things = tail.partition("> ")
    thing = t.noun_of(t.rng.choice(things.split()))
    t.tense = "past"
    names = t.rng.choice(grammar()["days"]["series"]).split("|")
    count = min(len(names), t.rng.choices((2, 3, 4), (6, 6, 2))[0], steps + 1)
    who = t.person() if "{S}" in head else entity(head.strip())
    first = t.rng.randrange(5, 120)
    rows = [Row(entity(names[0].lower().replace("march", "March")), first, "fact", number=first)]
    clauses = [f"{names[0]} {who.first} {t.put(f'<{verb}>', who)} {t.q(first, thing)}"]
    for i in range(1, min(count, len(names))):
        relation = t.rng.choices(("more", "fewer", "double", "half", "fact"), (3, 3, 1, 1, 5))[0]
        known, number = rows[-1].value, t.rng.randrange(2, 50)
        if relation == "half" and known % 2:
            raise Unfit
        x = 2 if relation in ("half", "double") else number
        value = {"more": known + x, "fewer": known - x, "double": known * 2, "half": known // 2, "fact": x}[relation]
        if not 1 < value < 1000:
            raise Unfit
        rows.append(Row(entity(names[i]), value, relation, i - 1, x))
        day = {"D": names[i], "D0": rows[i - 1].who.name if i > 1 else names[0][0].lower() + names[0][1:]}
        if relation == "fact":
            again = t.q(x, thing) if t.chance(0.5) else t.n(x)
            clauses.append(
                f"{names[i]} {again}"
                if t.chance(0.5)
                else f"{names[i]} {who.subject} {t.put(f'<{verb}>', who)} {again}"
            )
        else:
            text = t.word("days", relation).format(
                **day, m=t.more(x, thing).replace("another", "a further"), b=t.n(x), x=t.times(2)
            )
            clauses.append(
                text
                if t.chance(0.4)
                else text.replace(names[i], f"{names[i]} {who.subject} {t.put(f'<{verb}>', who)}", 1)
            )
    rows[0].who = entity(names[0][0].lower() + names[0][1:])
    return series_asked(t, rows, clauses, noun(thing)[1])


def series_asked(t: Teller, rows: list[Row], clauses: list[str], things: str) -> Scene:
    plan = Plan()
    what = t.rng.choice(("total", "total", "value", "diff"))
    if what == "value":
        asked = ("value", len(rows) - 1)
        if rows[-1].relation == "fact":
            raise Unfit
    elif what == "diff":
        i, j = t.rng.sample(range(len(rows)), 2)
        if rows[i].value <= rows[j].value:
            raise Unfit
        asked = ("diff", i, j)
    else:
        asked = ("total",)
    question_plan(plan, rows, asked)
    if not plan.steps:
        raise Unfit
    slots = {"t": things}
    if what != "total":
        slots["D"] = rows[asked[1]].who.name
        slots["D0"] = rows[asked[2]].who.name if what == "diff" else ""
    question = t.key_word("days", f"{what}_q").format(**slots)
    sentences = [", ".join(clauses[:-1]) + " and " + clauses[-1]] if t.chance(0.5) else [capital(c) for c in clauses]
    return Scene(
        sentences, question, plan, things if what != "diff" else "", f"days {' '.join(r.relation for r in rows)} {what}"
    )
