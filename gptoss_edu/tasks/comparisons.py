"""Stories that compare: people, boxes, prices or days, each known by itself or by its relation to another."""

from __future__ import annotations

from dataclasses import dataclass

from .english import ME, WE, Person, grammar, noun
from .storyteller import Plan, Scene, Teller, Unfit, listed

KINDS = {"deeds": 12, "age": 3, "height": 1, "weight": 1.5, "price": 3, "groups": 4}
RELATIONS = {"more": 5, "fewer": 5, "times": 2.5, "double": 1.2, "half": 1.2, "together": 1.5, "fact": 3}


@dataclass
class Row:
    """One of those compared: its value, and how the text gives it."""

    who: Person
    value: int
    relation: str
    base: int = 0  # the row it refers to
    number: int = 0
    inverse: bool = False  # the text speaks of the other one: "Ana has 3 fewer than Tom" tells Tom's


def entity(name: str) -> Person:
    return Person(name, name, "it", "it", "its")


def entities(t: Teller, kind: str, count: int) -> tuple[list[Person], str]:
    """Return (who is compared, the things they have)."""
    table = grammar()["compare"][kind]
    if kind == "price":
        names = t.rng.sample(table["things"].split(), count)
        return [entity(f"the {noun(n)[0]}") for n in names], ""
    if kind == "groups":
        row = t.rng.randrange(len(table["entities"]))
        names = table["entities"][row].split("|")
        return [entity(n) for n in names[:count]], t.noun_of(table["things"][row])
    people = [t.person(named=i > 0) for i in range(count)]
    if WE in people:
        raise Unfit  # "we and Tom" is no English
    return people, ""


def draw_rows(t: Teller, people: list[Person], kind: str) -> list[Row]:
    """Return values by a chain of relations, all whole numbers in the range of their kind."""
    table = grammar()["compare"][kind]
    low, high = table.get("range", (2, 120))
    first = t.rng.randrange(low, high if t.chance(0.4) else min(high, max(low + 10, 50)))
    rows = [Row(people[0], first, "fact", number=first)]
    usable = {r: w for r, w in RELATIONS.items() if r == "fact" or r in table}
    for i, who in enumerate(people[1:], 1):
        relation = t.rng.choices(list(usable), list(usable.values()))[0]
        base = i - 1 if t.chance(0.7) else t.rng.randrange(i)
        known = rows[base].value
        number = t.rng.randrange(2, max(4, min(high // 2, 60)))
        inverse = relation in ("more", "fewer", "times", "half") and t.chance(0.15)
        if relation == "together":
            if any(r.relation == "together" for r in rows):
                raise Unfit
            value, number = number, known + number
        elif relation == "fact":
            value = number = t.rng.randrange(low, high)
        elif relation in ("more", "fewer"):
            value = known + number if (relation == "more") != inverse else known - number
        else:
            number = 2 if relation in ("double", "half") else t.rng.randrange(2, 6)
            divide = (relation == "half") != inverse
            if divide and known % number:
                raise Unfit
            value = known // number if divide else known * number
        if not 1 < value <= 10 * high or (kind in ("age", "height", "weight") and not low <= value <= high * 1.3):
            raise Unfit
        rows.append(Row(who, value, relation, base, number, inverse))
    return rows


def label(row: Row) -> str:
    return row.who.name.removeprefix("the ").removeprefix("my ")


def solve(plan: Plan, rows: list[Row], wanted: list[int]) -> dict[int, int]:
    """Note and compute the values of the wanted rows and of those that they rest on."""
    values: dict[int, int] = {}

    def value(i: int) -> int:
        if i in values:
            return values[i]
        row = rows[i]
        if row.relation == "fact":
            plan.note(f"{label(row)} {row.number}")
            values[i] = row.number
            return row.number
        known = value(row.base)
        if row.relation == "together":
            plan.note(f"{label(row)} {row.number}-{label(rows[row.base])}")
            values[i] = plan.do(row.number, "-", known)
            return values[i]
        up = (row.relation == "more") != row.inverse
        op = (
            ("+" if up else "-")
            if row.relation in ("more", "fewer")
            else "/"
            if (row.relation == "half") != row.inverse
            else "*"
        )
        plan.note(f"{label(row)} {label(rows[row.base])}{op}{row.number}")
        values[i] = plan.do(known, op, row.number)
        return values[i]

    for i in wanted:
        value(i)
    return values


def state(t: Teller, rows: list[Row], i: int, kind: str, thing: str, verb: str) -> str:
    """Return the sentence that gives one row."""
    row = rows[i]
    one, other = row.who, rows[row.base].who
    if row.inverse:
        one, other = other, one
    template = (t.key_word if i == 0 else t.word)("compare", kind, row.relation)
    template = template.replace("<V>", f"<{verb}>").replace("<V+>", f"<{verb}+>")
    slots = slots_of(t, one, other, thing, row.number)
    if row.relation == "together":
        slots["AB"] = pair(one, other)
    return t.put(template, one, **slots)


def pair(one: Person, other: Person) -> str:
    """Join two people: 'Tom and Ana', 'Tom and I'."""
    return listed([p.name for p in sorted((one, other), key=lambda p: p.number == "1")])


def slots_of(t: Teller, one: Person, other: Person, thing: str, number: int) -> dict:
    slots = {
        "A": one.name,
        "B": other.them,
        "A1": one.of,
        "B1": other.of,
        "d": t.n(number),
        "x": t.times(number),
        "p": t.price(number),
    }
    if thing:
        slots |= {"t": noun(thing)[1], "q": t.q(number, thing)}
    return slots


def compare(t: Teller, steps: int) -> Scene:
    """Draw two to four related values, and ask for one of them, a sum or a difference."""
    kind = t.rng.choices(list(KINDS), list(KINDS.values()))[0]
    count = t.rng.choices((2, 3, 4), (8, 7, 2))[0] if steps > 1 else 2
    people, thing = entities(t, kind, count)
    verb = "be"
    if kind == "deeds":
        verb, *things = t.word("compare", "deeds", "verbs").split()
        thing = t.noun_of(t.rng.choice(things))
    if kind in ("age", "height", "weight"):
        t.tense = "present"
    rows = draw_rows(t, people, kind)
    plan = Plan()
    asked = ask_rows(t, rows, kind)
    if count == 2 and asked[0] in ("total", "pair") and rows[1].relation == "together":
        raise Unfit  # the text says it already
    values = question_plan(plan, rows, asked)
    if not plan.steps or (kind == "height" and asked[0] in ("total", "pair")):
        raise Unfit
    question = question_text(t, rows, asked, kind, thing, verb)
    facts = [state(t, rows, i, kind, thing, verb) for i in range(count)]
    relations = " ".join(r.relation + ("~" if r.inverse else "") + str(r.base) for r in rows)
    name = f"compare {relations} {asked[0]} {asked[1:]}"
    if (
        kind in ("deeds", "groups")
        and asked[0] in ("value", "diff")
        and verb in ("have", "save", "collect", "be")
        and t.chance(0.2)
    ):
        return moved(t, rows, plan, facts, kind, thing, verb, values, name)
    if kind == "age" and asked[0] == "value" and t.chance(0.4):
        return later(t, rows, plan, facts, asked[1], values, name)
    return Scene(
        facts,
        question,
        plan,
        noun(thing)[1] if thing and asked[0] != "diff" and asked[0] != "less" else "",
        name,
        loose=count,
    )


def ask_rows(t: Teller, rows: list[Row], kind: str) -> tuple:
    """Return ("value", i), ("total",), ("pair", i, j), ("diff", i, j) with i above j, or ("less", j, i)."""
    count, table = len(rows), grammar()["compare"][kind]
    what = t.rng.choices(
        ("value", "total", "pair", "diff", "less"),
        (5, 4 if "total_q" in table else 0, 2 if count > 2 and "pair_q" in table else 0, 3, 1.5),
    )[0]
    if what == "value":
        return what, t.rng.choice([i for i in range(count) if rows[i].relation != "fact"] or [0])
    if what == "total":
        return (what,)
    i, j = sorted(t.rng.sample(range(count), 2))
    if what == "pair":
        return what, i, j
    if rows[i].value == rows[j].value:
        raise Unfit
    i, j = (i, j) if rows[i].value > rows[j].value else (j, i)
    return (what, i, j) if what == "diff" else (what, j, i)


def question_plan(plan: Plan, rows: list[Row], asked: tuple) -> dict[int, int]:
    what, *chosen = asked
    chosen = chosen or list(range(len(rows)))
    values = solve(plan, rows, chosen)
    if what in ("total", "pair"):
        plan.note("sum")
        total = values[chosen[0]]
        for i in chosen[1:]:
            total = plan.do(total, "+", values[i])
    elif what in ("diff", "less"):
        plan.note("difference")
        one, other = sorted((values[i] for i in chosen), reverse=True)
        plan.do(one, "-", other)
    return values


def question_text(t: Teller, rows: list[Row], asked: tuple, kind: str, thing: str, verb: str) -> str:
    what, *chosen = asked
    template = t.key_word("compare", kind, f"{what}_q").replace("<V>", f"<{verb}>").replace("<V+>", f"<{verb}+>")
    people = [rows[i].who for i in chosen or range(len(rows))]
    one, other = (people + people)[:2]
    slots = slots_of(t, one, other, thing, 2) | {"V": verb}
    slots["AB"] = listed([p.name for p in sorted(people, key=lambda p: p.number == "1")])
    if what in ("total", "pair") and any(p.number in "1p" for p in people):
        ours = ("we", "our") if ME in people else ("you", "your")
        template = template.replace("they", ours[0]).replace("their", ours[1])
    return t.put(template, one, **slots)


def moved(t: Teller, rows, plan: Plan, facts, kind, thing, verb, values, name) -> Scene:
    """Let one of them give some to another; then ask for one of the two."""
    plan.notes.clear()
    plan.steps.clear()
    i, j = t.rng.sample(range(len(rows)), 2)
    b = t.rng.randrange(2, 40)
    if b >= rows[i].value or "3" != rows[i].who.number or "3" != rows[j].who.number:
        raise Unfit
    giver, taker = rows[i].who, rows[j].who
    asked = t.rng.choice((i, j))
    values = solve(plan, rows, [asked])
    op = "-" if asked == i else "+"
    plan.note(f"{op}{b}")
    plan.do(values[asked], op, b)
    things = noun(thing)[1]
    if kind == "groups":
        event = t.rng.choice(("Then {b} {t} {go} from {A} to {B}", "{b} of the {t} {go} from {A} to {B}"))
        go = "go" if t.tense == "present" else "went"
        be, now = ("are", "now") if t.tense == "present" else ("were", "then")
        question = f"How many {things} {be} in {rows[asked].who.name} {now}"
    else:
        event = t.rng.choice(
            (
                "Then {A} {give} {B} {b} {t}",
                "{A} {give} {b} {t} to {B}",
                "Later {A} {give} {b} to {B}",
                "{B} {get} {b} {t} from {A}",
            )
        )
        go = ""
        when = t.rng.choice(("now", "then", "after that", "in the end"))
        question = f"How many {things} does {rows[asked].who.name} have {when}"
    give, get = ("gives", "gets") if t.tense == "present" else ("gave", "got")
    facts = [*facts, event.format(A=giver.name, B=taker.name, b=t.n(b), t=things, give=give, get=get, go=go)]
    return Scene(facts, question, plan, things, f"{name} moved {op}", loose=len(rows))


def later(t: Teller, rows, plan: Plan, facts, i: int, values, name) -> Scene:
    """Return an age some years from now, or some years ago."""
    ago = t.chance(0.4)
    b = t.rng.randrange(2, 25)
    if ago and b >= values[i]:
        raise Unfit
    plan.note(f"{'-' if ago else '+'}{b}")
    plan.do(values[i], "-" if ago else "+", b)
    who = rows[i].who
    if who.number != "3":
        raise Unfit
    question = t.put(t.key_word("compare", "age", "ago_q" if ago else "later_q"), who, A=who.name, A1=who.of, d=t.n(b))
    return Scene(facts, question, plan, "", f"{name} {'ago' if ago else 'later'}", loose=len(rows))
