"""Stories about parts of a whole, and about time: clock times, minutes, years."""

from __future__ import annotations

from .english import a, capital, grammar, noun
from .storyteller import Plan, Scene, Teller, Unfit, listed

ADJECTIVES = set(
    "red blue green yellow white black grey brown taken free occupied empty easy hard small medium large old modern "
    "new experienced borrowed".split()
) | {"on the shelf"}


def parts(t: Teller, steps: int) -> Scene:
    """Draw a whole and its parts: the missing part, the sum, or a difference."""
    where, thing, names = t.rng.choice(grammar()["parts"]["table"]).split("|")
    names = t.rng.sample(names.split("/"), names.count("/") + 1)
    count = min(len(names), t.rng.choice((2, 2, 3, 3, 4)), steps + 1)
    if count < 2:
        raise Unfit
    kinds = len(names)
    names, values = names[:count], [t.rng.randrange(2, 60) for _ in range(count)]
    things = noun(thing)[1]
    adjective = names[0] in ADJECTIVES
    slots = {"where": where, "wherec": capital(where), "t": things, "T": t.q(sum(values), thing)}
    plan = Plan()
    if t.chance(0.55):
        facts = [t.put(t.key_word("parts", "whole"), None, **slots)]
        plan.note(sum(values))
        total = sum(values)
        pieces = []
        for name, b in zip(names[:-1], values[:-1], strict=True):
            plan.note(f"-{b}")
            total = plan.do(total, "-", b)
            pieces.append((name, b))
        facts += told_parts(t, pieces)
        rest = names[-1]
        if kinds > 2 or t.chance(0.5):  # two kinds are the whole by themselves
            facts.append(t.put(t.word("parts", "rest"), None, x=rest))
        question = t.put(t.key_word("parts", "rest_adjective_q" if adjective else "rest_q"), None, x=rest, t=things)
        return Scene(facts, question, plan, "", f"parts rest {count}")
    return whole(t, names, values, things, adjective, slots, thing)


def told_parts(t: Teller, pieces: list[tuple[str, int]]) -> list[str]:
    be = "were" if t.tense == "past" else "are"
    if t.chance(0.5) and len(pieces) > 1:
        return [
            listed(
                [
                    f"{t.n(b)} {'of them ' if i == 0 else ''}{be} {x}" if i == 0 else f"{t.n(b)} {be} {x}"
                    for i, (x, b) in enumerate(pieces)
                ]
            )
        ]
    out = []
    for i, (x, b) in enumerate(pieces):
        out.append(
            t.put(t.word("parts", "part") if i == 0 else "{b} <be+> {x}", None, b=t.n(b), x=x)
            .replace("<be>", be)
            .replace(" is ", " are ")
            .replace(" was ", " were ")
        )
    return out


def whole(t: Teller, names, values, things, adjective, slots, thing) -> Scene:
    plan = Plan()
    pieces, shape = [], ""
    for i, (name, b) in enumerate(zip(names, values, strict=False)):
        text = f"{name} {things}" if adjective and name != "on the shelf" else name
        if adjective and " " in name:
            raise Unfit
        if i and t.chance(0.25) and values[i - 1] < 200:
            previous = f"{names[i - 1]} ones" if adjective else names[i - 1]
            pieces.append(f"twice as many {name + ' ones' if adjective else name} as {previous}")
            plan.note(f"{name} {names[i - 1]}*2")
            values[i] = -1
            shape += "2"
        else:
            pieces.append(f"{t.n(b)} {text}")
            plan.note(f"{name} {b}")
            shape += "="
    known = []
    for b in values:
        known.append(plan.do(known[-1], "*", 2) if b < 0 else b)
    diff = len(known) == 2 and known[0] != known[1] and t.chance(0.3) and "2" not in shape
    if diff:
        plan.note("difference")
        plan.do(max(known), "-", min(known))
        more, less = (names[0], names[1]) if known[0] > known[1] else (names[1], names[0])
        x, y = (f"{more} {things}", f"{less} ones") if adjective else (more, less)
        question = (
            t.put(t.key_word("parts", "diff_q"), None, x=x, y=y)
            .replace(" is there", " are there")
            .replace(" was there", " were there")
        )
        question = question if "difference" not in question else question.replace("difference", "difference")
    else:
        plan.note("sum")
        total = known[0]
        for b in known[1:]:
            total = plan.do(total, "+", b)
        question = t.key_word("parts", "sum_q").format(t=things)
    facts = [
        t.put(t.word("parts", "sum_fact"), None, **slots, L=listed(pieces))
        .replace(" is ", " are ")
        .replace(" was ", " were ")
    ]
    return Scene(facts, question, plan, "" if diff else things, f"parts {'difference' if diff else 'sum'} {shape}")


# --------------------------------------------------------------------------------------------------------------- time


def clock(t: Teller, minutes: int, half: bool) -> str:
    hour, minute = divmod(minutes, 60)
    if half:
        return f"{hour}:{minute:02}" if minute or t.chance(0.5) else f"{hour} o'clock"
    return f"{hour}:{minute:02}"


def minutes(t: Teller, steps: int) -> Scene:
    """Ask for minutes between two times of day, minutes together, minutes left, hours and minutes, or years."""
    kind = t.rng.choice(("clock", "clock", "sum", "rest", "hours", "years", "span", "span", "dozen"))
    act = t.noun_of(grammar()["time"]["acts"]).replace("_", " ")
    who, plan = t.person(me=0), Plan()
    slots = {"act": act, "S": who.name, "day": t.rng.choice("Monday Tuesday Friday Saturday Sunday".split())}
    if who.first != who.name:
        raise Unfit

    def fact(key: str, **extra) -> str:
        text = t.put(t.word("time", key), who, **slots, **extra)
        return text.replace(f"A {act}", capital(a(act)), 1)

    def ask(key: str, **extra) -> str:
        return t.put(t.key_word("time", key), who, "present", **slots, **extra)

    if kind == "clock":
        return clock_scene(t, plan, fact, ask)
    if kind == "sum":
        values = [t.rng.randrange(5, 90) for _ in range(min(steps + 1, t.rng.choice((2, 3, 4))))]
        jobs = [t.word("time", "jobs").format(b=t.n(b)) for b in values]
        plan.note(" ".join(map(str, values)))
        total = values[0]
        for b in values[1:]:
            total = plan.do(total, "+", b)
        if len({j.split(" ", 1)[1] for j in jobs}) < len(jobs):
            raise Unfit
        return Scene([fact("sum_fact", L=listed(jobs))], ask("sum_q"), plan, "", f"minutes sum {len(values)}")
    if kind == "rest":
        b = t.rng.randrange(20, 180)
        c = t.rng.randrange(5, b)
        plan.note(f"{b}-{c}")
        plan.do(b, "-", c)
        return Scene(
            [fact("rest_fact", b=t.n(b)), fact("rest_part", c=t.n(c))], ask("rest_q"), plan, "", "minutes rest"
        )
    if kind == "hours":
        h, b = t.rng.randrange(2, 10), t.rng.randrange(2, 60)
        plan.note(f"{h}*60")
        plan.note(f"+{b}")
        plan.do(plan.do(h, "*", 60), "+", b)
        return Scene(
            [fact("hours_fact", h=t.n(h), b=t.q(b, "minute").partition(" ")[0])],
            ask("hours_q"),
            plan,
            "",
            "minutes hours",
        )
    if kind in ("span", "dozen"):
        return spans(t, plan, kind, fact, ask)
    return years(t, who, plan, fact, ask)


def clock_scene(t: Teller, plan: Plan, fact, ask) -> Scene:
    """Draw times such as 4:15 to 5:40: whole hours first if the minutes agree, else both as minutes since midnight."""
    start = 60 * t.rng.randrange(6, 21) + t.rng.choice((0, 5, 10, 15, 20, 25, 30, 40, 45, 50, 55, t.rng.randrange(60)))
    length = t.rng.randrange(5, 200)
    end = start + length
    if end >= 24 * 60:
        raise Unfit
    (h1, m1), (h2, m2) = divmod(start, 60), divmod(end, 60)
    if h1 == h2:
        plan.note(f"{m2}-{m1}")
        plan.do(m2, "-", m1)
    else:
        plan.note(f"{h2}-{h1} hours")
        total = plan.do(plan.do(h2, "-", h1), "*", 60)
        for op, m in (("+", m2), ("-", m1)):
            if m:
                plan.note(f"{op}{m}")
                total = plan.do(total, op, m)
    half = t.chance(0.3)
    return Scene(
        [fact("clock_fact", s=clock(t, start, half), e=clock(t, end, half))],
        ask("clock_q"),
        plan,
        "",
        f"clock {h1 == h2}",
    )


def years(t: Teller, who, plan: Plan, fact, ask) -> Scene:
    y = t.rng.randrange(1900, 2020)
    z = y + t.rng.randrange(2, 120)
    plan.note(f"{z}-{y}")
    plan.do(z, "-", y)
    text = fact("year_fact", y=y)
    return Scene(
        [text],
        ask("since_q" if "born" in text and t.chance(0.6) else "year_q", z=z),
        plan,
        "",
        f"years {'born' in text}",
    )


SPANS = (
    ("week", "day", 7),
    ("day", "hour", 24),
    ("minute", "second", 60),
    ("year", "month", 12),
    ("hour", "minute", 60),
)


def spans(t: Teller, plan: Plan, kind: str, fact, ask) -> Scene:
    """Convert weeks and days to days, or dozens to pieces: so many times the unit, and some more."""
    k, more = t.rng.randrange(2, 12), t.chance(0.6)
    big, small, size = t.rng.choice(SPANS) if kind == "span" else ("", "", 12)
    b = t.rng.randrange(2, size)
    plan.note(f"{k}*{size}")
    total = plan.do(k, "*", size)
    if more:
        plan.note(f"+{b}")
        plan.do(total, "+", b)
    if kind == "span":
        text = t.q(k, big) + (f" and {t.q(b, small)}" if more else "")
        return Scene([fact("span_fact", L=text)], ask("span_q", us=noun(small)[1]), plan, "", f"span {big} {more}")
    things = noun(t.noun_of("egg roll muffin bottle rose orange pencil cookie doughnut lemon bun"))[1]
    text = fact("dozen_fact", k=t.n(k), t=things)
    if more:
        text += " " + t.word("time", "dozen_more").format(b=t.n(b))
    return Scene([text], ask("dozen_q", t=things), plan, things, f"dozen {more}")
