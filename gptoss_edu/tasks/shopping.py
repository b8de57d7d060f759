"""Stories about prices: what it costs, the change, what is left, what one can afford."""

from __future__ import annotations

from .english import a, capital, grammar, noun
from .storyteller import Plan, Scene, Teller, Unfit, listed


def goods(t: Teller, count: int) -> list[str]:
    return t.rng.sample(grammar()["shop"]["things"].split(), count)


def item_slots(t: Teller, name: str, price: int, k: int = 2) -> dict:
    one, many = noun(name)
    return {
        "i": a(one),
        "I": f"the {one}",
        "one": one,
        "ti": many,
        "p": t.price(price),
        "k": t.n(k),
        "c": noun(t.currency)[1],
    }


def who_slots(who, name: bool) -> dict:
    return {"S": who.name if name else who.subject, "S2": who.subject, "P": who.possessive, "O": who.object}


def basket(t: Teller, plan: Plan, steps: int) -> tuple[list[str], list[str], int, str]:
    """Return (items as told in a list, sentences that give prices, the total, the structure)."""
    texts, prices, parts, shape = [], [], [], ""
    left = steps
    for name in goods(t, t.rng.choices((1, 2, 3), (5, 5, 2))[0]):
        price, k = t.rng.randrange(2, 41), t.rng.choice((1, 1, 2, 3, 4, 5, 6, 8, 10, 12))
        needs = (k > 1) + bool(parts)
        if needs > left:
            continue
        left -= needs
        slots = item_slots(t, name, price, k)
        if t.chance(0.3):
            prices.append(t.put(t.word("shop", "price"), None, "present", **slots))
            texts.append(f"{slots['k']} {slots['ti']}" if k > 1 else slots["i"])
            shape += "s"
        else:
            texts.append(t.put(t.word("shop", "each" if k > 1 else "single"), None, **slots))
        shape += "k" if k > 1 else "1"
        plan.note(f"{k}*{price}" if k > 1 else price)
        parts.append((k, price))
    if not parts:
        raise Unfit
    costs = [plan.do(k, "*", price) if k > 1 else price for k, price in parts]
    total = costs[0]
    for cost in costs[1:]:
        total = plan.do(total, "+", cost)
    return texts, prices, total, shape


def shopping(t: Teller, steps: int) -> Scene:
    """Sum several items, perhaps with a discount or delivery; ask for the total, the change, the rest or a share."""
    who, plan = t.person(), Plan()
    end = t.rng.choice(("total", "change", "left", "share", "missing"))
    texts, prices, total, shape = basket(t, plan, steps if end == "total" else max(1, steps - 1))
    sentences, slots = [], who_slots(who, False)
    if t.chance(0.15) and total > 6:
        b, up = t.rng.randrange(2, min(total, 20)), t.chance(0.5)
        plan.note(f"{'+' if up else '-'}{b}")
        total = plan.do(total, "+" if up else "-", b)
        shape += "+" if up else "-"
        sentences.append(t.put(t.word("shop", "extra" if up else "off"), who, **slots, p=t.price(b)))
    money: list[str] = []
    if end in ("change", "left"):
        notes = [n for n in (10, 20, 50, 100, 200, 500, 1000) if n > total]
        has = notes[0] if end == "change" or t.chance(0.4) else total + t.rng.randrange(1, 90)
        plan.note(f"from {has}")
        plan.do(has, "-", total)
        text = t.word("shop", "pays" if end == "change" else "has")
        line = t.put(
            text,
            who,
            **(slots | {"S": who.subject if end == "change" else who.first}),
            p=t.price(has),
            note=note(t, has),
        )
        money.append(line)
    elif end == "missing":
        has = t.rng.randrange(1, max(2, total))
        if has >= total:
            raise Unfit
        plan.note(f"has {has}")
        plan.do(total, "-", has)
        money.append(t.put("{S} only <have> {p}", who, **slots, p=t.price(has)))
    elif end == "share":
        k = t.rng.randrange(2, 11)
        plan.note(f"/{k}")
        plan.exactly(total, k)
        sentences.append(t.put(t.word("shop", "share"), None, "present", k=t.n(k)))
    elif not plan.steps:
        raise Unfit
    buy = "{S} <want> to buy {L}" if end == "missing" else t.word("shop", "buy")
    first = end == "left"
    bought = t.put(buy, who, **(slots | {"S": who.subject if first else who.first}), L=listed(texts))
    sentences = [*money, bought, *prices, *sentences] if first else [bought, *prices, *sentences, *money]
    path = {"missing": "missing_q", "share": "share_q"}.get(end, f"{end}_q")
    question = t.put(
        t.key_word("shop", path),
        who,
        "present" if end in ("missing", "share") else None,
        **who_slots(who, t.chance(0.4)),
        c=noun(t.currency)[1],
    )
    return Scene(sentences, question, plan, "", f"shop {shape} {end}")


def note(t: Teller, value: int) -> str:
    return f"{value}-{t.currency}" if value >= 5 else f"{value} {t.currency}"


def one_price(t: Teller, steps: int) -> Scene:
    """Return one kind of thing: the price of several, the price of one, how many one can buy and what is then left."""
    who, plan = t.person(), Plan()
    (name,) = goods(t, 1)
    price, k = t.rng.randrange(2, 60), t.rng.randrange(2, 13)
    kind = t.rng.choice(("many", "unit", "afford", "unit many"))
    slots = item_slots(t, name, price, k) | who_slots(who, False) | {"S": who.name}
    if kind == "many":
        plan.note(f"{k}*{price}")
        plan.do(k, "*", price)
        sentences = [capital(t.put(t.word("shop", "price"), None, "present", **slots))]
        return Scene(sentences, t.put(t.key_word("shop", "total_k_q"), who, "present", **slots), plan, "", "price many")
    if kind == "afford":
        price = t.rng.randrange(2, 13)
        has = price * t.rng.randrange(2, 25) + (t.rng.randrange(price) if t.chance(0.3) else 0)
        plan.note(f"{has}/{price}")
        plan.do(has, "/", price)
        slots |= {"p": t.price(price)}
        sentences = [t.put(t.word("shop", "price"), None, "present", **slots)]
        money = t.put(t.word("shop", "has"), who, "present", **(slots | {"p": t.price(has), "S": who.first}))
        sentences = [money, *sentences] if t.chance(0.5) else [*sentences, money]
        return Scene(
            sentences,
            t.put(t.key_word("shop", "afford_q"), who, "present", **slots),
            plan,
            "",
            f"afford {has % price > 0}",
        )
    total = price * k
    plan.note(f"{total}/{k}")
    plan.exactly(total, k)
    slots |= {"p": t.price(total)}
    sentences = [t.put(t.word("shop", "unit_fact"), who, **(slots | {"S": who.first}))]
    if kind == "unit":
        return Scene(sentences, t.put(t.key_word("shop", "unit_q"), None, "present", **slots), plan, "", "price unit")
    more = t.rng.randrange(2, 13)
    plan.note(f"*{more}")
    plan.do(price, "*", more)
    slots |= {"k": t.n(more)}
    return Scene(
        sentences, t.put(t.key_word("shop", "total_k_q"), who, "present", **slots), plan, "", "price unit many"
    )


def saving(t: Teller, steps: int) -> Scene:
    """Ask about saving for something costly: what is still missing, or how many weeks it takes."""
    who, plan = t.person(), Plan()
    thing = t.noun_of(grammar()["shop"]["costly"])
    rate, weeks, has = t.rng.randrange(3, 13), t.rng.randrange(2, 25), t.rng.choice((0, t.rng.randrange(5, 90)))
    price = rate * weeks + has
    slots = item_slots(t, thing, price) | who_slots(who, False) | {"S": who.first}
    sentences = [t.put("{S} <want> to buy {i} that <cost-> {p}", who, **slots)]
    slots |= {"S": who.subject}
    if has:
        plan.note(f"{price}-{has}")
        plan.do(price, "-", has)
        sentences.append(
            t.put(
                t.rng.choice(("{S} already <have> {p}", "{S} <have> {p} so far", "So far {S} <have> saved {p}")),
                who,
                **(slots | {"p": t.price(has)}),
            )
        )
        if t.chance(0.4):
            return Scene(sentences, t.put(t.key_word("shop", "missing_q"), who, **slots), plan, "", "saving missing")
    text = t.rng.choice(
        (
            "{S} <save> {p} a week",
            "{S} <put> aside {p} every week",
            "Every week {S} <save> {p}",
            "{S} can save {p} per week",
        )
    )
    sentences.append(t.put(text, who, "present", **(slots | {"p": t.price(rate)})))
    plan.note(f"/{rate}")
    plan.exactly(price - has, rate)
    question = t.rng.choice(
        (
            "How many weeks does it take until {S} can buy it",
            "How many weeks must {S} save",
            "In how many weeks can {S} buy it",
            "For how many weeks does {S} have to save",
        )
    )
    t.key_word("shop", "missing_q")  # this question has no held-out side of its own
    return Scene(sentences, inflected(question, who), plan, "", f"saving weeks {bool(has)}")


def inflected(question: str, who) -> str:
    """Make 'does' agree with I, you and we."""
    text = question.format(S=who.subject)
    return text if who.number == "3" else text.replace("does ", "do ", 1) if f"does {who.subject}" in text else text
