"""The few things gpt-oss-tiny knows by heart: facts, and small talk."""

from __future__ import annotations

import random

from .example import Draft, Phrasings
from .words import ANIMALS, person

CAPITALS = dict(
    pair.split(":")
    for pair in (
        "France:Paris Italy:Rome Spain:Madrid Portugal:Lisbon Germany:Berlin Austria:Vienna Norway:Oslo Sweden:Stockholm Finland:Helsinki Denmark:Copenhagen "
        "Greece:Athens Poland:Warsaw Hungary:Budapest Ireland:Dublin Egypt:Cairo Kenya:Nairobi Ghana:Accra Japan:Tokyo China:Beijing India:Delhi "
        "Peru:Lima Chile:Santiago Cuba:Havana Canada:Ottawa Mexico:Mexico_City Russia:Moscow Turkey:Ankara Iran:Tehran Iraq:Baghdad Thailand:Bangkok "
        "Vietnam:Hanoi Belgium:Brussels Iceland:Reykjavik Latvia:Riga Brazil:Brasilia Australia:Canberra Argentina:Buenos_Aires England:London Scotland:Edinburgh"
    ).replace("_", "~").split()
)  # fmt: skip
CAPITALS = {country: city.replace("~", " ") for country, city in CAPITALS.items()}
ELEMENTS = dict(
    p.split(":")
    for p in "hydrogen:H helium:He carbon:C nitrogen:N oxygen:O sodium:Na iron:Fe copper:Cu silver:Ag gold:Au tin:Sn lead:Pb zinc:Zn neon:Ne sulfur:S potassium:K calcium:Ca mercury:Hg".split()
)
OPPOSITES = dict(
    p.split(":")
    for p in (
        "hot:cold big:small up:down left:right day:night black:white good:bad old:young fast:slow high:low open:closed full:empty "
        "hard:soft wet:dry long:short early:late light:dark rich:poor strong:weak happy:sad near:far first:last thick:thin loud:quiet"
    ).split()
)
LEGS = {
    **dict.fromkeys(ANIMALS, 4),
    **dict.fromkeys("hen duck goose owl".split(), 2),
    **dict.fromkeys("ant bee".split(), 6),
    "spider": 8,
    "snake": 0,
}
SOUNDS = dict(
    p.split(":")
    for p in "cat:meow dog:woof cow:moo sheep:baa pig:oink duck:quack bee:buzz lion:roar snake:hiss owl:hoot".split()
)
YOUNG = dict(
    p.split(":")
    for p in "cat:kitten dog:puppy cow:calf sheep:lamb horse:foal pig:piglet goat:kid hen:chick duck:duckling".split()
)
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
LENGTHS = dict(zip(MONTHS, (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True))
UNITS = {
    "seconds in a minute": 60, "minutes in an hour": 60, "hours in a day": 24, "days in a week": 7, "months in a year": 12, "days in a year": 365,
    "metres in a kilometre": 1000, "centimetres in a metre": 100, "grams in a kilogram": 1000, "years in a century": 100, "years in a decade": 10,
    "weeks in a year": 52, "letters in the alphabet": 26, "items in a dozen": 12, "cents in a euro": 100, "bits in a byte": 8,
}  # fmt: skip
SHAPES = {"triangle": 3, "square": 4, "rectangle": 4, "pentagon": 5, "hexagon": 6, "octagon": 8}
THINGS_COLOURED = {
    "grass": "green",
    "snow": "white",
    "blood": "red",
    "coal": "black",
    "milk": "white",
    "a ripe banana": "yellow",
    "the clear sky": "blue",
    "a lemon": "yellow",
    "a ripe tomato": "red",
}

_KINDS = {
    "capital": (
        list(CAPITALS.items()),
        Phrasings(
            "What is the capital of {a}?", "Name the capital of {a}.", "Capital of {a}?", "Which city is the capital of {a}?", "What's the capital of {a}?",
            "Tell me the capital of {a}.", "{a}: what is its capital?", "Do you know the capital of {a}?", "Give me the capital of {a}.", "The capital of {a} is?",
            "Which is {a}'s capital?", "what city is the capital city of {a}", "Of {a}, what is the capital?", "Which city is the seat of government and capital of {a}?", "Could you name {a}'s capital?",
        ),
        "The capital of {a} is {b}.",
    ),
    "element": (
        list(ELEMENTS.items()),
        Phrasings(
            "What is the chemical symbol of {a}?", "Symbol for {a}?", "What's the symbol for {a}?", "Which symbol does {a} have?", "Give the chemical symbol for {a}.",
            "How is {a} written in chemistry?", "What is the symbol of the element {a}?", "Chemical symbol of {a}?", "What letters stand for {a}?", "Tell me the symbol of {a}.",
            "In chemistry, what is {a}'s symbol?", "Which letters does {a} have in the periodic table?", "Name the chemical symbol of {a}.",
        ),
        "The symbol of {a} is {b}.",
    ),
    "opposite": (
        list(OPPOSITES.items()) + [(b, a) for a, b in OPPOSITES.items()],
        Phrasings(
            "What is the opposite of {a}?", "Opposite of {a}?", "What's the opposite of {a}?", 'Give the opposite of "{a}".', "Tell me the opposite of {a}.", "Name the opposite of {a}.",
            "Which word is the opposite of {a}?", "{a} is the opposite of what?", 'What word means the opposite of "{a}"?', "The opposite of {a} is?", "If it is not {a}, it is?",
            "Which word is the contrary of {a}?", "What is the antonym of {a}?", "Say the opposite of {a}.",
        ),
        "The opposite of {a} is {b}.",
    ),
    "legs": (
        list(LEGS.items()),
        Phrasings(
            "How many legs does a {a} have?", "How many legs has a {a}?", "Number of legs of a {a}?", "A {a} has how many legs?", "Count the legs of a {a}.", "How many legs are on a {a}?",
            "Tell me how many legs a {a} has.", "On how many legs does a {a} walk?", "What is the number of legs of a {a}?", "Legs of a {a}?", "how many legs are there on a {a}",
            "With how many legs is a {a} born?", "A {a} stands on how many legs?", "Say how many legs a {a} has.",
        ),
        "A {a} has {b} legs.",
    ),
    "sound": (
        list(SOUNDS.items()),
        Phrasings(
            "What sound does a {a} make?", "What does the {a} say?", "Which sound does a {a} make?", "How does a {a} sound?", "What noise does a {a} make?", "A {a} says what?", "Sound of a {a}?",
            "Tell me the sound of a {a}.", "What do you hear from a {a}?", "Which noise comes from a {a}?", "What is the sound of a {a}?", "Name the sound that a {a} makes.",
        ),
        "A {a} says {b}.",
    ),
    "young": (
        list(YOUNG.items()),
        Phrasings(
            "What is a young {a} called?", "What do you call a baby {a}?", "Name for a young {a}?", "A young {a} is called?", "What's a baby {a} called?", "How is a young {a} called?",
            "What is the name of a baby {a}?", "Tell me what a young {a} is called.", "Which word means a young {a}?", "Baby of a {a}?", "The young of a {a} is a?", "What is the word for a little {a}?",
        ),
        "A young {a} is called a {b}.",
    ),
    "unit": (
        list(UNITS.items()),
        Phrasings(
            "How many {a}?", "How many {a} are there?", "Number of {a}?", "Tell me how many {a}.", "What is the number of {a}?", "Do you know how many {a}?", "Say how many {a}.",
            "Can you tell me how many {a} there are?", "How many {a}, please?", "{a}: how many?", "I forgot how many {a}.", "What's the count of {a}?",
        ),
        "There are {b} {a}.",
    ),
    "month": (
        [(m, LENGTHS[m]) for m in MONTHS],
        Phrasings(
            "How many days does {a} have?", "How many days has {a}?", "Days in {a}?", "How long is {a} in days?", "How many days are in {a}?", "Number of days in {a}?", "Tell me how many days {a} has.",
            "{a} has how many days?", "Count the days of {a}.", "What is the number of days in {a}?", "In {a}, how many days are there?", "How many days do you count in {a}?",
        ),
        "{a} has {b} days.",
    ),
    "next": (
        [(f"after {a}", b) for names in (DAYS, MONTHS) for a, b in zip(names, names[1:] + names[:1], strict=True)]
        + [(f"before {b}", a) for names in (DAYS, MONTHS) for a, b in zip(names, names[1:] + names[:1], strict=True)],
        Phrasings(
            "What comes {a}?", "Which comes {a}?", "What is {a}?", "What comes right {a}?", "Tell me what comes {a}.", "Name what comes {a}.", "Say what comes {a}.", "Which one is {a}?",
            "Do you know what comes {a}?", "What is directly {a}?", "Which follows or stands {a}?", "What do we have {a}?",
        ),
        "{b} comes {a}.",
    ),
    "sides": (
        list(SHAPES.items()),
        Phrasings(
            "How many sides does a {a} have?", "How many corners does a {a} have?", "Number of sides of a {a}?", "A {a} has how many sides?", "Count the sides of a {a}.", "How many sides has a {a}?",
            "Tell me how many sides a {a} has.", "Sides of a {a}?", "What is the number of sides of a {a}?", "How many edges does a {a} have?", "By how many sides is a {a} bounded?", "Say how many sides a {a} has.",
        ),
        "A {a} has {b} sides.",
    ),
    "colour": (
        list(THINGS_COLOURED.items()),
        Phrasings(
            "What colour is {a}?", "Which colour does {a} have?", "What is the colour of {a}?", "What color is {a}?", "Colour of {a}?", "Tell me the colour of {a}.", "Name the colour of {a}.",
            "{a} has which colour?", "What colour has {a}?", "Which color is {a}?", "How is {a} coloured?", "Of what colour is {a}?",
        ),
        "The colour of {a} is {b}.",
    ),
}  # fmt: skip
_WEIGHTS = {"capital": 6, "element": 3, "opposite": 3, "next": 3, "unit": 3, "legs": 2}


def fact(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """One of about 250 facts."""
    kind = level or rng.choices(list(_KINDS), [_WEIGHTS.get(k, 1.5) for k in _KINDS])[0]
    items, phrasings, answer = _KINDS[kind]
    a, b = rng.choice(items)
    index, template = phrasings.pick(rng, unseen)
    thought = {
        "low": None,
        "medium": f"A fact: {a}, {b}.",
        "high": f"The user asks for a fact that I know. {a}: {b}. I answer in one sentence.",
    }[style]
    text = answer.format(a=a, b=b)
    return Draft(template.format(a=a), text[0].upper() + text[1:], thought, str(b), "contains", kind, phrasing=index)


# --------------------------------------------------------------------------------------------------------- small talk

ABOUT = "I am gpt-oss-tiny, a very small language model."
SKILLS = "I can calculate, count and reverse letters, sort lists, name a few facts and use tools."
CHAT = {
    "hello": (
        Phrasings("Hello", "Hi", "Hi there!", "Good morning!", "Hello, I am {n}.", "Hey", "Good evening.", "Hi, my name is {n}.", "Hello!", "Greetings!", "Hey there", "Good day!", "hello again", "Good afternoon!"),
        "Hello! How can I help you?",
    ),
    "thanks": (
        Phrasings("Thank you!", "Thanks", "Thanks a lot.", "Great, thank you.", "That helped, thanks!", "Thank you very much.", "Many thanks!", "Cool, thanks", "Perfect, thank you!", "thx", "Very kind of you, thanks.", "I am grateful, thank you."),
        "You are welcome!",
    ),
    "bye": (
        Phrasings("Bye!", "Goodbye.", "See you!", "See you later.", "I have to go now. Bye!", "Good night!", "Bye bye", "Until tomorrow!", "Take care!", "That's all, goodbye.", "So long!", "I am leaving now, bye."),
        "Goodbye!",
    ),
    "who": (
        Phrasings("Who are you?", "What are you?", "What is your name?", "Tell me who you are.", "Which model are you?", "Are you a human?", "Introduce yourself.", "Are you ChatGPT?", "What kind of model are you?", "What should I call you?", "Are you a person or a machine?", "Who am I talking to?"),
        ABOUT,
    ),
    "skills": (
        Phrasings("What can you do?", "How can you help me?", "What are you good at?", "Help", "What do you know?", "Which tasks can you do?", "What can I ask you?", "Can you help me?", "What are your skills?", "Tell me what you can do.", "What are you able to do?", "Which questions can you answer?"),
        SKILLS,
    ),
    "how": (
        Phrasings("How are you?", "How are you today?", "How do you do?", "Are you well?", "How is it going?", "Is everything fine?", "All good?", "How do you feel?", "Are you OK?", "What's up?", "How have you been?", "Everything all right with you?"),
        "I am fine, thank you. What can I do for you?",
    ),
}  # fmt: skip


def chat(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Greetings, thanks, and what the model is."""
    kind = level or rng.choice(list(CHAT))
    phrasings, answer = CHAT[kind]
    index, template = phrasings.pick(rng, unseen)
    thought = {
        "low": None,
        "medium": "Small talk.",
        "high": "This is small talk. I answer in one short, polite sentence.",
    }[style]
    return Draft(template.format(n=person(rng)), answer, thought, answer, "text", kind, phrasing=index)
