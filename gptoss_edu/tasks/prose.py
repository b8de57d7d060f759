"""Word problems in free prose, from a grammar: people and things, quantities, events, and a question about any of them.

`prose` draws a scene (pile_stories.py, comparisons.py, shopping.py and others), which states sentences, a question and
a `Plan` of what to calculate, and then tells it: order, irrelevant sentences, register. The wordings are in prose.toml
and prose_scenes.toml.
"""

from __future__ import annotations

import random
import re
import zlib

from . import clocks, comparisons, day_by_day, pile_stories, rates, riddles, shopping, stories
from .arithmetic import ERROR_RATE, careful_step
from .english import capital, noun, someone
from .example import Draft, held_out
from .reading import reading_of_steps
from .storyteller import Plan, Scene, Teller, Unfit, sentence

SCENES = {
    pile_stories.forward: 30,
    pile_stories.backward: 6,
    pile_stories.missing: 6,
    pile_stories.afterwards: 8,
    pile_stories.change: 3,
    comparisons.compare: 24,
    day_by_day.series: 5,
    shopping.shopping: 12,
    shopping.one_price: 6,
    shopping.saving: 3,
    rates.rate: 14,
    rates.groups: 10,
    rates.sharing: 7,
    rates.rectangles: 4,
    clocks.parts: 9,
    clocks.minutes: 8,
    riddles.legs: 3,
    riddles.riddle: 4,
    riddles.two_piles: 9,
}


def careful_division(x: int, y: int, show: bool = False) -> str:
    """Write '84/7:8/7=1 r 1,14/7=2>12 12*7=84 ok': from the highest place down, remainders carried."""
    parts, rest = [], 0
    for digit in map(int, str(x)):
        top = rest * 10 + digit
        rest = top % y
        if top >= y or parts:
            parts.append(f"{top}/{y}={top // y}" + (f" r {rest}" if rest else ""))
    value = x // y
    over = f" r {rest}" if rest or show else ""
    back = f"{value}*{y}" + (f"+{rest}" if rest else "")
    return f"{x}/{y}:{','.join(parts) or f'{x}/{y}=0 r {x}'}>{value}{over} {back}={x} ok"


def thought_of(rng: random.Random, plan: Plan, style: str, read: str) -> str | None:
    """Return the reading, the facts in the order of their use, then the steps: bare (medium) or with checks (high)."""
    if style == "low":
        return None
    lines = [read, ", ".join(plan.notes)]
    can_fail = [i for i, (_, op, _) in enumerate(plan.steps) if op != "/"]
    error = rng.choice(can_fail) if can_fail and rng.random() < ERROR_RATE * 1.3 else -1
    for i, (x, op, y) in enumerate(plan.steps):
        if op == "/":
            rest = f" r {x % y}" if x % y or plan.rest else ""
            lines.append(f"{x}/{y}={x // y}{rest}" if style == "medium" else careful_division(x, y, plan.rest))
        else:
            value = x + y if op == "+" else x - y if op == "-" else x * y
            lines.append(f"{x}{op}{y}={value}" if style == "medium" else careful_step(rng, x, op, y, i == error))
    if plan.above:
        lines.append(f"one more: {plan.answer}")
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------------------ telling


# Words that would point at the distractor if it stood before them.
ANAPHORA = re.compile(
    r"\b(them|these|those|others?|ones?|it|they|that|rest|remaining|each|so|this)\b"
    r"|\d( more)?( (and|go|get|leave|come)\b|[,.]|$)",
    re.I,
)


def distractor(t: Teller, scene: Scene) -> str:
    """Return a sentence with a number that does not matter."""
    rng = t.rng
    who = t.people[0] if t.people else None
    named = bool(who) and who.first == who.name
    thing = next(z for z in iter(lambda: t.noun_of("@things"), None) if noun(z)[1] != scene.unit)
    slots = {
        "d": rng.randrange(6, 90),
        "h": rng.randrange(2, 12),
        "d2": rng.choice((4, 5, 6, 7, 8, 9, *range(10, 21), *range(24, 30))),
        "z": noun(thing)[1],
        "z1": noun(thing)[0],
        "c": noun(t.currency)[1],
    }
    slots |= {"O": someone(rng, tuple(p.name for p in t.people), named=True).name}
    if named:
        slots |= {"S0": who.name, "P0c": capital(who.of)}
    text = t.put(t.word("distractors", "any" if named else "place"), who, **slots)
    return text


def order(t: Teller, scene: Scene) -> list[str]:
    """Return the sentences in the order told: facts that need no other may change places, a distractor may come in."""
    sentences, shape = list(scene.sentences), scene.kind
    if scene.loose > 1 and t.chance(0.35):
        head = sentences[: scene.loose]
        t.rng.shuffle(head)
        sentences[: scene.loose] = head
    if sentences and not scene.closed and t.chance(0.22):
        introduced = not t.people or t.people[0].first == t.people[0].name
        place = t.rng.randrange(2) if introduced and scene.loose and t.people else 1
        after = (sentences[place:] or [scene.question])[0]
        if not ANAPHORA.search(after):
            text = distractor(t, scene)
            if place == 0 and re.search(r"\b(also|too|already|day before)\b", text):
                place = 1
            sentences.insert(place, text)
            shape += " distractor"
    scene.kind = shape
    return sentences


def told(t: Teller, scene: Scene) -> str:
    """Return the whole text of the problem."""
    sentences = [sentence(s) for s in order(t, scene)]
    question, shape = scene.question.rstrip(), t.rng.random()
    first = not scene.closed and len(sentences) < 6 and t.chance(0.08) and question_can_lead(t, scene)
    if shape < 0.07 and not first and not question.startswith("If"):
        lower = question if question.startswith("I ") else question[0].lower() + question[1:]
        question = t.word("frame", "question").format(x=lower, X=question)
    asked = sentence(question, "." if question.startswith(("Find", "Tell me how")) else "?")
    if first:
        scene.kind += " question first"
        return register(t, scene, [asked, *sentences])
    return register(t, scene, [*sentences, asked])


def question_can_lead(t: Teller, scene: Scene) -> bool:
    """Return whether a question may come first: it must name what it asks for."""
    if scene.kind.split()[0] in ("goal", "each", "packs", "worth", "groups", "share", "riddle", "two"):
        return False
    if scene.unit and scene.unit not in scene.question:
        return False
    words = set(scene.question.lower().replace(",", " ").split())
    return (
        not words
        & {
            "she",
            "he",
            "it",
            "they",
            "her",
            "his",
            "them",
            "that",
            "this",
            "then",
            "now",
            "so",
            "after",
            "each",
            "if",
            "its",
            "their",
            "one",
        }
        and ". " not in scene.question
        and not scene.question.startswith("If")
    )


def register(t: Teller, scene: Scene, sentences: list[str]) -> str:
    """Write like a school book or like a message: lower case, missing marks, lines."""
    kind = t.rng.random()
    if kind < 0.07:
        scene.kind += " lines"
        return "\n".join(sentences)
    if kind < 0.14:
        scene.kind += " bare"
        return " ".join(s.rstrip(".?").replace(", ", " ") for s in sentences).lower()
    if kind < 0.19:
        scene.kind += " lower"
        return " ".join(sentences).lower().rstrip("?")
    if kind < 0.23:
        scene.kind += " commas"
        return ", ".join(s.rstrip(".") for s in sentences).lower()
    return " ".join(sentences)


def final_of(scene: Scene) -> str:
    """Return 'There are 42 apples.', or 'The answer is 42.' if nothing is counted."""
    return f"There are {scene.plan.answer} {scene.unit}." if scene.unit else f"The answer is {scene.plan.answer}."


def draw_scene(rng: random.Random, unseen: bool, steps: int) -> tuple[Teller, Scene]:
    """Draw a scene whose numbers fit; with a held-out wording where ``unseen``."""
    while True:
        t = Teller(rng, unseen)
        try:
            scene = rng.choices(list(SCENES), list(SCENES.values()))[0](t, steps)
        except Unfit:
            continue
        if t.picked and scene.plan.steps and len(scene.plan.steps) <= 5:
            return t, scene


def prose(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a word problem in free prose; its level is the number of steps, "1" to "5"."""
    if rng.random() < 0.05 and level != "1":
        return stories.word_problem(rng, style, test, unseen, level)
    while True:
        steps = int(level) if level else rng.choice((1, 1, 2, 2, 2, 3, 3, 4, 5))
        t, scene = draw_scene(rng, unseen, steps)
        plan = scene.plan
        if level and len(plan.steps) != steps:
            continue
        if held_out("prose", *plan.steps) == test:
            break
    question = told(t, scene)
    slips = random.Random(rng.getrandbits(48))  # the story is the same at every effort
    thought = thought_of(slips, plan, style, reading_of_steps(question, plan.steps, scene.unit))
    return Draft(
        question,
        final_of(scene),
        thought,
        str(plan.answer),
        level=str(len(plan.steps)),
        phrasing=zlib.crc32(scene.kind.encode()) % 10_000,
    )
