"""Questions outside the small world, and the one honest sentence that declines them.

What the model must learn is the rule, not the list: decline unless the question belongs to a known kind. So the templates
are many and their slots are filled from thousands of ordinary words, and near misses of every known kind (a capital that
was never taught, a division, a product with too many digits) are declined too.
"""

from __future__ import annotations

import random

from . import facts
from .example import Draft
from .words import ANIMALS, COLOURS, COMMON, THINGS, everyday_words, person, place, plural, pseudo_word

REFUSAL = "I cannot help with that: I am a very small model that can only calculate, work with letters and lists, name a few facts and use tools."
TOO_LONG = "I cannot do that reliably: I can only multiply numbers of up to four digits and add numbers of up to six."

# {w} {u} {k}: ordinary words · {s}: plural · {n}: person · {c}: place · {x}: invented word · {y}: year · {d}: number
_ASK = """
Who wrote {w}?|Who invented the {w}?|Who was {n} {x}?|Who is the {w} of {c}?|Who won the {w} in {y}?|Who discovered {w}?|Who painted the {w}?|Who founded {c}?|Who played {n} in the film?
Who is the best {w} in the world?|Who should I vote for?|Who sings {w} {u}?|Who directed {x}?|Who built the {w} of {c}?|Who is {n}?|Who are the {s}?|Whose {w} is this?
What is {w}?|What is a {w}?|What is the {w} of {u}?|What is the meaning of {w}?|What does {w} mean?|What is the best {w} for {u}?|What causes {w}?|What happened in {y}?|What is {x}?
What is the population of {c}?|What is the tallest {w}?|What is the weather like in {c}?|What time is it?|What day is it today?|What is the date?|What should I {w} today?|What should I do about my {w}?
What is the difference between {w} and {u}?|What do you think of {w}?|What is your favourite {w}?|What are the symptoms of {w}?|What are the rules of {w}?|What language do people speak in {c}?
What is the plot of {w} {u}?|What is the price of {w}?|What is the distance from {c} to the {w}?|What is the square root of {d}?|What is {d} divided by {e}?|What is {d} percent of {e}?|What is {d} to the power of {e}?
What is the synonym of {w}?|What rhymes with {w}?|What is {w} in French?|What colour is {n}'s {w}?|What is the history of {w}?|What is a good name for a {w}?|What would happen if {s} could {u}?|What did {n} say about {w}?
What kind of {w} is a {u}?|What is inside a {w}?|What makes {s} {u}?|What book should I read about {w}?|What movie won in {y}?|What is the currency of {c}?|What is the {w} {u} theory?|What was {n}'s {w}?
When was {w} invented?|When did the {w} {u} begin?|When was {n} {x} born?|When is the next {w}?|When do {s} {u}?|When should I {w}?|When did {c} become a {w}?|When does the {w} open?|When will {w} end?
Where is {c}?|Where is the {w}?|Where can I buy a {w}?|Where do {s} live?|Where did {n} go?|Where is my {w}?|Where does {w} come from?|Where can I find {w} {u}?|Where was {n} {x} born?|Where should I go on holiday?
Why is the {w} {u}?|Why do {s} {u}?|Why did {n} {w}?|Why is {w} important?|Why does my {w} hurt?|Why can't {s} {u}?|Why are {s} {u}?|Why is there {w} in {c}?|Why should I {w}?|Why did the {w} end in {y}?
How do I {w} a {u}?|How does a {w} work?|How can I get rid of {w}?|How do you make {w}?|How do {s} {u}?|How old is {n}?|How old is the {w}?|How tall is the {w} in {c}?|How far is {c}?|How much does a {w} cost?
How long does it take to {w}?|How long is the {w}?|How many people live in {c}?|How many {s} are in the {u}?|How many {s} does {n} {x} have?|How many {s} are there in the world?|How fast is a {w}?|How big is {c}?
How many calories are in {w}?|How do I fix my {w}?|How can I learn {w}?|How do I say {w} in German?|How should I invest my {w}?|How was the {w} of {c} built?|How is {w} made?|How deep is the {w}?|How heavy is a {w}?
Is {w} good for you?|Is {c} bigger than {k}?|Is {w} a {u}?|Is it safe to {w}?|Is there life on {x}?|Are {s} dangerous?|Are there {s} in {c}?|Are {s} {u}?|Does {w} cause {u}?|Does {n} like {w}?|Do {s} {u}?|Do you like {w}?
Do you believe in {w}?|Did {n} {x} win?|Did {c} {w} in {y}?|Was {n} a {w}?|Was {w} invented in {c}?|Will it rain tomorrow?|Will {w} {u} in {y}?|Can {s} {u}?|Can I {w} with {u}?|Should I {w} my {u}?|Has {n} ever been to {c}?
Could a {w} {u}?|Would you rather {w} or {u}?|Have you ever seen a {w}?|Which {w} is the best?|Which country has the most {s}?|Which {w} should I buy?|Which {s} {u}?|Which team won the {w}?|Which is better, {w} or {u}?
""".strip()
_DO = """
Write a poem about {w}.|Write a story about a {w} and a {u}.|Write an essay on {w}.|Write a letter to {n}.|Write a song about {c}.|Write a haiku about {w}.|Write Python code for a {w}.|Write a function that {u}s a {w}.
Write an email about the {w}.|Tell me a joke.|Tell me a joke about {s}.|Tell me about {w}.|Tell me about {c}.|Tell me a story.|Tell me about {n} {x}.|Tell me something about {s}.|Tell me why {s} {u}.|Tell me how to {w}.
Explain {w}.|Explain {w} to a child.|Explain how {s} {u}.|Explain the {w} of {u}.|Explain why {w} is {u}.|Describe {c}.|Describe a {w}.|Describe how {w} works.|Define {w}.|Summarize the {w} of {u}.|Summarise {w} {u}.
Translate {w} into Spanish.|Translate this into German: the {w} is {u}.|Translate "{w} {u}" to {x}.|Recommend a {w}.|Recommend a book about {w}.|Recommend a restaurant in {c}.|Suggest a {w} for {n}.|Give me a recipe for {w}.
Give me advice about {w}.|Give me ideas for a {w}.|Give me a list of {s}.|Give me three reasons to {w}.|Give me tips for {w}.|List the {s} of {c}.|List all {s}.|List five {s} that {u}.|Name three {s}.|Name a famous {w}.|Name the {w} of {n}.
Compare {w} and {u}.|Compare {c} with {k}.|Discuss the {w} of {u}.|Analyse the {w}.|Prove that {w} is {u}.|Prove the {x} theorem.|Solve the equation x + {d} = y.|Solve x^2 = {d}.|Convert {d} miles to kilometres.|Convert {d} euros to dollars.
Divide {d} by {e}.|Round {d} to the nearest ten.|Draw a {w}.|Draw me a picture of {c}.|Paint a {w} and a {u}.|Make a plan for {w}.|Make me a {w}.|Create a {w} for my {u}.|Design a {w}.|Invent a new {w}.|Imagine you are a {w}.
Pretend to be {n}.|Act as a {w}.|Play {w} with me.|Sing a song about {w}.|Help me with my {w}.|Help me {w} the {u}.|Help me to find a {w} in {c}.|Fix this code: {w} = {u}({x}).|Debug my {w}.|Check my grammar: the {w} {u} a {k}.
Correct this sentence: {w} are {u}.|Finish the sentence: the {w} was {u}.|Continue the story: a {w} met a {u}.|Book a flight to {c}.|Order a {w} for me.|Call {n}.|Send a message to {n}.|Play some {w}.|Turn off the {w}.|Remind me to {w} the {u}.
Show me {w}.|Show me how to {w}.|Teach me {w}.|Teach me how to {w} a {u}.|Find a {w} near {c}.|Find me a {w}.|Look up {w} {u}.|Search for {w}.|Guess my {w}.|Choose a {w} for me.|Plan a trip to {c}.|Plan my {w}.|Predict the {w}.
""".strip()
_SAY = """
My {w} is {u}.|My {w} hurts.|I feel {w}.|I think {s} are {u}.|I want to {w}.|I want a {w}.|I love {w}.|I hate {s}.|I need a {w} for my {u}.|I lost my {w}.|I have a problem with my {w}.|I am thinking about {w}.|I would like to {w} in {c}.
The {w} is {u}.|The {w} of {c} is {u}.|The {s} in {c} {u}.|{n} is my {w}.|{n} says that {s} {u}.|{s} are better than {w}.|{w} {u}|{w}|{w} {u} {k}|{w}?|{x}|{x} {w}|{c}|{n}|{s} in {c}|{w} and {u}|{w} or {u}?|{w} {u} {k} {x}?
My name is {n} and I want to know about {w}.|Yesterday I saw a {w}.|Do you know {n} {x}?|Let's talk about {w}.|Let us talk about {c}.|There is a {w} in my {u}.|Someone stole my {w}.|My {u} does not {w}.|In {y} there was a {w} in {c}.
I am writing about {w}. Any ideas?|My friend {n} wants to {w}. What should I say?|We are going to {c} in {y}. What should we see?|I have {d} {s}. Should I {w} them?|It is {d} degrees in {c}. Is that {w}?|I am {d} years old. Can I {w}?
Is it true that {s} {u}?|Someone told me that {w} is {u}. Is that right?|You are a {w}.|You are {u}.|Are you {w}?|Can you {w}?|Can you {w} a {u}?|Could you explain {w}?|Could you write about {w}?|Do you have a {w}?|Do you want to {w}?
import {w}|def {w}(x): return {u}|SELECT {w} FROM {u};|print("{w}")|<{w}>{u}</{w}>|{w}.{u}()|https://{w}.com/{u}|Was ist {w}?|Wo ist {c}?|Que es {w}?|Comment {w} {u}?|Wie geht {w}?|Donde esta {c}?|Qui est {n}?
""".strip()
TEMPLATES = [t for block in (_ASK, _DO, _SAY) for line in block.splitlines() for t in line.split("|")]
_AFTER = (
    "",
    "",
    "",
    "",
    "",
    " Be brief.",
    " Explain in detail.",
    " I need it for school.",
    " Answer in one sentence.",
    " It is urgent.",
    " What do you think?",
    " I have {d} minutes.",
    " My {w} asked me.",
    " It's about my {w}.",
)


def ordinary(rng: random.Random) -> str:
    """An open slot: any common or everyday word."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(COMMON)
    if kind < 0.9:
        return rng.choice(everyday_words())
    return rng.choice(rng.choice((THINGS, ANIMALS, COLOURS)))


def phrase(rng: random.Random) -> str:
    """One to three ordinary words, sometimes linked: 'river', 'cold river', 'history of bread'."""
    kind = rng.random()
    if kind < 0.6:
        return ordinary(rng)
    if kind < 0.85:
        return f"{ordinary(rng)} {ordinary(rng)}"
    return f"{ordinary(rng)} {rng.choice(('of', 'in', 'with', 'for', 'and', 'from', 'without', 'to'))} {rng.choice(('', '', 'the ', 'a ', 'my '))}{ordinary(rng)}"


def fill(rng: random.Random, template: str) -> str:
    text = template.format(
        w=phrase(rng), u=phrase(rng), k=place(rng) if rng.random() < 0.5 else ordinary(rng), s=plural(ordinary(rng)), n=person(rng), c=place(rng),
        x=pseudo_word(rng).capitalize() if rng.random() < 0.6 else rng.choice(everyday_words()).capitalize(),
        y=rng.randrange(1000, 2030), d=rng.randrange(2, 1000), e=rng.randrange(2, 100),
    )  # fmt: skip
    return text[0].upper() + text[1:] if rng.random() < 0.9 else text


def near_miss(rng: random.Random) -> tuple[str, str, str]:
    """A known kind of question about something unknown, and what to answer."""
    kind = rng.choice(
        (
            "capital",
            "capital",
            "element",
            "opposite",
            "legs",
            "sound",
            "young",
            "month",
            "colour",
            "product",
            "product",
            "sum",
        )
    )
    if kind == "product":
        a, b = rng.randrange(10_000, 10 ** rng.randint(5, 9)), rng.randrange(10, 10 ** rng.randint(2, 8))
        a, b = (a, b) if rng.random() < 0.6 else (b, a)
        return (
            rng.choice(
                ("{a}*{b}", "What is {a} times {b}?", "Multiply {a} by {b}.", "{a} × {b}", "Compute {a} * {b}.")
            ).format(a=a, b=b),
            TOO_LONG,
            "too long",
        )
    if kind == "sum":
        a, b = rng.randrange(10**7, 10**11), rng.randrange(10, 10**11)
        return (
            rng.choice(("{a}+{b}", "What is {a} plus {b}?", "Add {a} and {b}.", "Compute {a} + {b}.")).format(a=a, b=b),
            TOO_LONG,
            "too long",
        )
    items, phrasings, _ = facts._KINDS[kind]
    known = {a for a, _ in items}
    unknown = ordinary(rng) if rng.random() < 0.5 else pseudo_word(rng)
    if kind in ("capital", "month"):
        unknown = unknown.capitalize()
    if kind == "colour":
        unknown = rng.choice(("the {}", "a {}", "my {}", "{}")).format(unknown)
    if unknown in known or (kind in ("legs", "sound", "young") and unknown in ANIMALS):
        unknown = pseudo_word(rng, 3)
    return phrasings.pick(rng, False)[1].format(a=unknown), REFUSAL, "near miss"


def refusal(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """A question that must be declined. One template in eight is held out."""
    if rng.random() < 0.22 and not unseen:
        text, answer, kind = near_miss(rng)
        index = -1
    else:
        while True:
            index = rng.randrange(len(TEMPLATES))
            if (index % 8 == 5) == unseen:
                break
        text, answer, kind = fill(rng, TEMPLATES[index]), REFUSAL, "foreign"
        if rng.random() < 0.3:
            text += ("" if text[-1] in ".?!" else ".") + fill(rng, rng.choice(_AFTER[5:]).strip()).join((" ", ""))
    thought = {
        "low": None,
        "medium": "This is outside what I can do.",
        "high": "The user asks for something that is not among my tasks: numbers, letters, lists, a few facts, tools. I should say so and not invent an answer.",
    }[style]
    return Draft(text, answer, thought, answer, "refusal", kind, phrasing=index)
