"""Stories about so much per day, and about groups of so many each: totals, rests, durations, shares, boxes, areas."""

from __future__ import annotations

from .english import a, capital, grammar, noun
from .storyteller import Plan, Scene, Teller, Unfit


def rate_scene(t: Teller) -> tuple:
    """Return (who, verb, thing, unit of time, what the total is called)."""
    subject, verb, things, unit, goal, _ = t.rng.choice(grammar()["rates"]["table"]).split("|")
    if subject == "S":
        who = t.person(me=0)
    else:
        from .comparisons import entity

        who = entity(f"the {subject.partition(' ')[2]}")
        object.__setattr__(who, "first", subject)
    return who, verb, things.replace(" ", "_"), unit, goal


def rate_slots(t: Teller, who, verb: str, thing: str, unit: str, rate: int) -> dict:
    return {
        "S": who.first, "S2": who.subject, "S2c": capital(who.subject), "S1": who.object,
        "V": verb, "t": noun(thing)[1], "u": unit, "us": f"{unit}s",
        "R": t.q(rate, thing), "per": t.word("rates", "per") if unit[0] not in "aeh" else t.word("rates", "per_hour"),
    }  # fmt: skip


def span(t: Teller, n: int, unit: str) -> str:
    """Write '5 days'; seven days are often a week, twelve months a year."""
    whole = {("day", 7): "week", ("month", 12): "year", ("hour", 24): "day"}.get((unit, n))
    if whole and t.chance(0.6):
        return t.rng.choice((f"a {whole}", f"one {whole}"))
    return t.q(n, unit)


def rate(t: Teller, steps: int) -> Scene:
    """Draw a rate: a total, a time, a rest, an average; two parts in sequence; or two people at once."""
    who, verb, thing, unit, goal = rate_scene(t)
    t.tense = "present" if t.chance(0.7) else "past"
    small = unit in ("evening", "trip", "month")
    r, n = t.rng.randrange(2, 26 if small else 121), t.rng.randrange(2, 13 if t.chance(0.6) else 31)
    if verb in ("drive", "travel") and r < 20:
        r += 30
    slots, plan = rate_slots(t, who, verb, thing, unit, r), Plan()
    slots["N"] = span(t, n, unit)
    told = {"V": f"<{verb}>"}

    def say(key: str, tense: str | None = None, **extra) -> str:
        template = (t.key_word if key.endswith("_q") else t.word)("rates", key).replace("<V>", told["V"])
        return t.put(template, who, tense, **(slots | extra))

    kind = t.rng.choice(("total", "total", "time", "rest", "rest", "average", "two", "two", "pair", "gap"))
    name = f"rate {kind}"
    things = noun(thing)[1]
    if kind == "total":
        plan.note(f"{n}*{r}")
        plan.do(n, "*", r)
        return Scene([say("fact")], say("total_q", "present", keep="keep"), plan, things, name)
    if kind == "time":
        r = t.rng.randrange(2, 13)
        slots |= {"R": t.q(r, thing), "T": t.q(r * n, thing), "G": goal}
        plan.note(f"{r * n}/{r}")
        plan.exactly(r * n, r)
        t.tense = "present"
        return Scene([say("fact")], say("time_q" if goal else "time_plain_q", "present"), plan, "", name)
    if kind == "rest":
        total = n * r + t.rng.randrange(1, 200)
        if not goal:
            raise Unfit
        plan.note(f"{n}*{r}")
        plan.note(f"from {total}")
        plan.do(total, "-", plan.do(n, "*", r))
        t.tense = "present"
        slots |= {"T": t.q(total, thing), "G": goal}
        facts = [say("fact"), f"It is {goal} {slots['T']}"]
        if t.chance(0.4):
            verb_s = {"3": "has", "1": "have", "p": "have"}[who.number]
            facts = [f"{capital(who.first)} {verb_s} {goal} {slots['T']} to {verb}", say("fact", S=who.subject)]
        return Scene(facts, say("rest_q", "present"), plan, things, name)
    if kind == "average":
        n = t.rng.randrange(2, 13)
        slots |= {"N": span(t, n, unit), "T": t.q(r * n, thing)}
        plan.note(f"{r * n}/{n}")
        plan.exactly(r * n, n)
        return Scene([say("average_fact")], say("average_q", "present"), plan, "", name)
    if kind == "two":
        r2, m = t.rng.randrange(2, 60), t.rng.randrange(2, 13)
        facts = [say("first_part"), say("second", R=t.q(r2, thing), N=span(t, m, unit))]
        plan.note(f"{n}*{r}")
        plan.note(f"{m}*{r2}")
        x = plan.do(n, "*", r)
        plan.do(x, "+", plan.do(m, "*", r2))
        return Scene(facts, say("both_q", "present"), plan, things, name)
    return two_at_once(t, who, verb, thing, unit, r, n, kind, slots, say)


def two_at_once(t: Teller, who, verb, thing, unit, r, n, kind, slots, say) -> Scene:
    """Draw two people at their own rates: together, or how far one is ahead."""
    if who.subject == "it":
        raise Unfit
    other, plan = t.person(named=True), Plan()
    r2 = t.rng.randrange(2, 80)
    facts = [say("fact", "present", S=who.first), say("fact", "present", S=other.name, R=t.q(r2, thing))]
    if kind == "gap":
        if r2 >= r:
            raise Unfit
        plan.note(f"{r}-{r2}")
        plan.note(f"*{n}")
        plan.do(plan.do(r, "-", r2), "*", n)
    else:
        plan.note(f"{r}+{r2}")
        plan.note(f"*{n}")
        plan.do(plan.do(r, "+", r2), "*", n)
    question = say("gap_q" if kind == "gap" else "pair_q", "present", S=who.name, B=other.name)
    return Scene(
        facts,
        question,
        plan,
        "" if kind == "gap" else slots["t"],
        f"rate {kind}",
        loose=2 if who.first == who.name else 0,
    )


# ------------------------------------------------------------------------------------------------------------- groups


def groups(t: Teller, steps: int) -> Scene:
    """Draw equal groups, with some more or some gone; ask for the total, a share, boxes, or the rest."""
    place, group, things = t.rng.choice(grammar()["groups"]["table"]).split("|")
    thing, who, plan = t.noun_of(things), t.person(me=0), Plan()
    k, e = t.rng.randrange(2, 21), t.rng.randrange(2, 31)
    plan.note(f"{k}*{e}")
    total = plan.do(k, "*", e)
    one, many = noun(group.replace(" ", "_"))
    slots = {
        "k": t.n(k),
        "e": t.n(e),
        "g": many,
        "g1": one,
        "t": noun(thing)[1],
        "aplace": a(place),
        "inplace": f"in {a(place)}"
        if place not in ("street", "farm", "league", "tour", "choir", "quiz", "parade", "field")
        else "here",
        "S": who.first,
    }
    facts = [t.put(t.key_word("groups", "fact"), who, **slots)]
    slots["S"] = who.name if facts[0].count(who.first) == 0 else who.subject
    if slots["S"] == who.name and who.first != who.name:
        raise Unfit  # "the baker" was not introduced
    shape = ""
    for _ in range(t.rng.choice((0, 1, 1, 2)) if steps > 1 else 0):
        up, b = t.chance(0.4), t.rng.randrange(2, 60)
        if not up and b >= total:
            continue
        plan.note(f"{'+' if up else '-'}{b}")
        total = plan.do(total, "+" if up else "-", b)
        shape += "+" if up else "-"
        facts.append(t.put(t.word("groups", "extra" if up else "lose"), who, **slots, b=t.n(b)))
    if len(set(shape)) < len(shape):
        raise Unfit  # twice the same sounds wrong
    if t.chance(0.3) and not shape.endswith("-"):
        return share_out(t, who, plan, total, facts, slots, f"groups {shape}")
    path = "lose_q" if shape.endswith("-") else "total_q"
    question = t.put(t.key_word("groups", path), who, **slots)
    if slots["S"] in question and who.first not in " ".join(facts):
        raise Unfit  # nobody has been named
    return Scene(facts, question, plan, noun(thing)[1], f"groups {shape}")


def boxes(t: Teller, taken: str) -> dict:
    """Return what things are packed in, and what people ride in: {bx1} "bag", {bx} "bags", {vn1} "van", {vn} "vans"."""
    box = t.rng.choice([b for b in ("box", "bag", "case", "carton", "basket") if noun(b)[1] != taken])
    van = t.rng.choice(("van", "car", "boat", "taxi", "minibus"))
    return {"bx1": box, "bx": noun(box)[1], "vn1": van, "vn": noun(van)[1]}


def share_out(t: Teller, who, plan: Plan, total: int, facts: list[str], slots: dict, name: str) -> Scene:
    """Divide a number of things: each one's share, full boxes, boxes needed, left over."""
    k = t.rng.randrange(2, 13)
    kind = t.rng.choice(("each", "each", "rest_each", "packs", "need", "over"))
    plan.note(f"{total}/{k}" if not plan.notes else f"/{k}")
    if kind == "each" or (kind == "packs" and t.chance(0.6)):
        plan.exactly(total, k)
    else:
        plan.do(total, "/", k)
        if kind == "need" and total % k:
            plan.above, plan.answer = True, plan.answer + 1
        if kind in ("rest_each", "over"):
            plan.rest, plan.answer = True, total % k
    slots = slots | boxes(t, slots.get("g", "")) | {"k": t.n(k)}
    question = t.put(t.key_word("groups", f"{kind}_q"), who, "present", **slots)
    return Scene(facts, question, plan, "", f"{name} {kind}")


def sharing(t: Teller, steps: int) -> Scene:
    """Draw things, of which some come or go, and divide them; or draw people who need vans."""
    who, plan = t.person(me=0), Plan()
    if t.chance(0.15):
        n, k = t.rng.randrange(10, 150), t.rng.randrange(3, 13)
        plan.note(f"{n}/{k}")
        plan.do(n, "/", k)
        if n % k:
            plan.above, plan.answer = True, plan.answer + 1
        facts = [t.put(t.word("groups", "vans"), None, n=t.n(n))]
        return Scene(
            facts, t.put(t.key_word("groups", "vans_q"), None, "present", k=t.n(k), **boxes(t, "")), plan, "", "vans"
        )
    thing = t.noun_of("@things" if t.chance(0.6) else "@food")
    total = t.rng.randrange(6, 150)
    facts = [t.put(t.word("groups", "have"), who, S=who.first, T=t.q(total, thing))]
    slots = {"S": who.subject if who.first in facts[0] else who.name, "t": noun(thing)[1]}
    if slots["S"] == who.name and who.first != who.name:
        raise Unfit
    shape = ""
    if steps > 1 and t.chance(0.7):
        up, b = t.chance(0.4), t.rng.randrange(2, 50)
        if not up and b >= total - 2:
            raise Unfit
        plan.note(total)
        plan.note(f"{'+' if up else '-'}{b}")
        total = plan.do(total, "+" if up else "-", b)
        shape = "+" if up else "-"
        text = (
            ("{m} <be+> added", "{S} <buy> {m}", "{S} <get> {m}")
            if up
            else (
                "{S} <eat> {l}" if thing in grammar()["language"]["food"] else "{S} <lose> {l}",
                "{S} <give> away {l}",
                "{S} <keep> {b} for later",
            )
        )
        facts.append(t.put(t.rng.choice(text), who, S=slots["S"], m=t.more(b, thing), l=t.some(b, thing), b=t.n(b)))
    scene = share_out(t, who, plan, total, facts, slots, f"share {shape}")
    return scene


def rectangles(t: Teller, steps: int) -> Scene:
    """Return rows and columns, areas and perimeters."""
    x, y, plan = t.rng.randrange(2, 60), t.rng.randrange(2, 31), Plan()
    slots = {"a": t.n(x), "b": t.n(y)}
    kind = t.rng.choice(("tiles", "area", "around"))
    if kind == "tiles":
        plan.note(f"{x}*{y}")
        plan.do(x, "*", y)
        return Scene(
            [t.put(t.word("groups", "tiles"), None, **slots)], t.key_word("groups", "tiles_q"), plan, "", "rows"
        )
    fact = t.put(t.word("groups", "rectangle"), None, **slots)
    if kind == "area":
        plan.note(f"{x}*{y}")
        plan.do(x, "*", y)
    else:
        plan.note(f"{x}+{y}")
        plan.note("*2")
        plan.do(plan.do(x, "+", y), "*", 2)
    return Scene([fact], t.key_word("groups", f"{kind}_q"), plan, "", kind)
