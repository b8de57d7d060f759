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
            "[What is|What's|What would be] the [capital|capital city] of {a}[?|, please?]", "[Name|Tell me|Give me|State|Say|Write down|Name me|I need] the [capital|capital city] of {a}[.|, please.]",
            "[Capital|Capital city|The capital|The capital city] of {a}[?|, please|, please?|]", "[Which|What] [city|town] is the [capital|capital city] of {a}?", "The [capital|capital city] of {a} is[?| which city?| called what?| what?]",
            "For {a}: [what is its capital|what is the capital|which city is the capital|name its capital city]?", "[Do you know|Can you tell me|Could you tell me|Can you name|Could you name|Can you say] the [capital|capital city] of {a}?",
            "[Which|What] is {a}'s [capital|capital city]?", "what city is the [capital|capital city] of {a}", "Of {a}, [what|which] is the [capital|capital city]?", "Which city is the seat of government and capital of {a}?",
            "[Could|Can|Would] you [name|tell me|say|give me] {a}'s [capital|capital city]?", "[I want|I'd like|I would like|I need|I have] to know the [capital|capital city] of {a}.", "Which city does {a} have as its [capital|capital city]?",
            "[I'd like to know|I want to know|I wonder|Tell me|I forgot|Please say] [which|what] city is the capital of {a}.", "[Can|Could] you tell me [which|what] city is the [capital|capital city] of {a}?", "As capital city, {a} has [which|what] city?",
            "What is the [capital|capital city] of the country {a}?", "[What is|What's] the name of {a}'s [capital|capital city]?", "[What is|What's] the name of the [capital|capital city] of {a}?",
            "What is the capital of {a} called?", "How is the capital of {a} called?", "[Geography|Quiz|Geography quiz|Map question]: [capital|the capital|capital city] of {a}[?|]", "In {a}, [which|what] city is the [capital|capital city]?",
            "Which [city|town] do we call the capital of {a}?", "Which capital [belongs to|goes with|does one find in|has] {a}?", "Name {a}'s [capital|capital city].", "[I am looking for|I'm looking for|Find|Look for] the [capital|capital city] of {a}.",
            "Where is the [government|seat of government|parliament] of {a}? [Name the capital|Which city is the capital|I mean the capital].", "[The country is|My country is|Country:] {a}. [What is its capital?|Name its capital.|Which city is its capital?|And the capital?]",
        ),
        "The capital of {a} is {b}.",
    ),
    "element": (
        list(ELEMENTS.items()),
        Phrasings(
            "[What is|What's|Which is] the [chemical symbol|symbol|element symbol] [of|for] {a}[?|, please?]", "[Symbol|Chemical symbol|The symbol|Element symbol|Letters|Abbreviation] [for|of] {a}[?|]", "Which [symbol|chemical symbol|letters] does {a} have?",
            "[Give|Tell me|Name|Give me|Write|State|Say|Write down|I need|Show me] the [symbol|chemical symbol|element symbol] [of|for] {a}.", "How is {a} [written|abbreviated|shown|noted] in [chemistry|the periodic table|a formula|chemical formulas]?",
            "[What is|What's] the [symbol|chemical symbol] [of|for] the element {a}?", "[What|Which] letters [stand for|mean|denote|represent|are used for] {a}[ in chemistry| in the periodic table|]?", "In [chemistry|a formula|the periodic table], what is {a}'s symbol?",
            "[Which|What] letters does {a} have in the periodic table?", "[Could|Can] you [tell me|give me|name] the [symbol|chemical symbol] [of|for] {a}?", "[Do you know|Do you remember] the [symbol|chemical symbol|element symbol] [of|for] {a}?",
            "How [do chemists|would chemists|does a chemist] [write|abbreviate] {a}?", "[Which|What] symbol [stands for|means|denotes|represents|is used for] {a}[ in chemistry|]?", "How [do you|do we|should I] [write|abbreviate] {a} in [chemistry|a formula]?",
            "[I need|I want|I'd like|I would like] [to know |]the [symbol|chemical symbol] [of|for] {a}.", "[By|With] which [letters|symbol|chemical symbol] is {a} [shown|written|denoted]?", "[What is|What's] {a} in the periodic table? [The symbol, please.|Give its symbol.]",
            "[What is|What's] the abbreviation [of|for] {a} in chemistry?", "The [symbol|chemical symbol] [of|for] {a} is[?| which?| what?]", "[Chemistry|Chemistry quiz|Periodic table|Quiz]: [symbol|the symbol|chemical symbol] [of|for] {a}[?|]",
            "The element {a}: [what is its symbol|which symbol does it have|which letters stand for it|how is it written]?", "[I forgot|Tell me|I wonder|I'd like to know] [which letters stand for|which symbol belongs to|what symbol stands for] {a}.",
        ),
        "The symbol of {a} is {b}.",
    ),
    "opposite": (
        list(OPPOSITES.items()) + [(b, a) for a, b in OPPOSITES.items()],
        Phrasings(
            "[What is|What's|What would be] the [opposite|exact opposite|contrary|antonym] of [{a}|'{a}'|the word {a}]?", "[Opposite|The opposite|Antonym|Contrary|Opposite word] of {a}[?|, please|]", '[Give|Tell me|Name|Say|Write|Find|State] the [opposite|antonym|contrary] of ["{a}"|{a}].',
            "[Which|What] word is the [opposite|contrary|antonym|reverse] of {a}?", "{a} is the [opposite|contrary|antonym] of [what|which word]?", '[What|Which] word [means|expresses|says] the [opposite|contrary] of ["{a}"|{a}]?',
            "The [opposite|antonym|contrary] of {a} is[?| what?| which word?]", "If it is not {a}, [it is?|what is it?|it must be?|then it is?]", '[Name|Find|Give me|I need] [an antonym|the opposite word] [of|to] ["{a}"|{a}].', '[What is|What\'s] [an antonym|the opposite word] [of|to] ["{a}"|{a}]?', "[Give me|I need|I want|I'd like] the [opposite|antonym|contrary] of {a}[.|, please.]",
            "[Can|Could|Would] you [name|tell me|give me|say] the [opposite|antonym|contrary] of {a}?", "[I'd like to know|I want to know|I need to know|I would like to know|Please tell me] the [opposite|antonym|contrary] of {a}.", "[Do you know|Can you find|Could you find] the [opposite|antonym|contrary] of {a}?",
            '[Which|What] is the opposite [word |]to ["{a}"|{a}]?', "Not {a}, but [the opposite|the contrary]: [what|which word] is it?", "{a} and its [opposite|antonym|contrary]: what is the [second|other] word?", "[What|Which word] is opposite [to|in meaning to] {a}?",
            "[What|Which word] is the [opposite|contrary|antonym] to {a}?", "{a}: [opposite|the opposite|antonym|what is the opposite|name the opposite|which word is the opposite|contrary][?|]", 'Which word says the exact [opposite|contrary] of ["{a}"|{a}]?', "[Which|What] word is most [unlike|different from] {a}, its opposite?",
            "[What do|How do] you call the [opposite|contrary] of {a}?", '[English|Vocabulary|Word quiz|Language]: [opposite|the opposite|antonym] of ["{a}"|{a}][?|]', "What [is|would be] the other extreme, the [opposite|contrary] of {a}?", "[Turn|Change] {a} into its [opposite|contrary|antonym].",
        ),
        "The opposite of {a} is {b}.",
    ),
    "legs": (
        list(LEGS.items()),
        Phrasings(
            "How many legs [does|would] a {a} have?", "How many legs has a {a}[| got]?", "[Number|Count|The number] of legs [of|on] a {a}[?|]", "A {a} [has|walks on|stands on|runs on|goes on|moves on] how many legs?", "[Count|Give me|Tell me|Name|State|I need] the [number of legs|leg count] of a {a}.",
            "[Count|Count up|Please count] the legs of a {a}.", "Say how many legs a {a} has.", "Legs of a {a}?", "How many legs [are|are there] on a {a}?", "[Tell me|Say|Do tell me|Please tell me|I'd like to know|I want to know|I wonder|I forgot] how many legs a {a} [has|walks on|stands on].", "On how many legs does a {a} [walk|stand|go|run|move]?",
            "[What is|What's] the [number of legs|leg count] of a {a}?", "[Legs|Leg count|Number of legs] of a {a}[?|]", "With how many legs [is a {a} born|does a {a} come|does a {a} walk]?", "[Do you know|Can you tell me|Could you tell me|Can you say] how many legs a {a} [has|walks on|stands on]?",
            "How many legs [do you count|can you count|do you see|would you count] on a {a}?", "What number of legs does a {a} have?", "[Legs|Animal quiz|Biology|Zoology]: how many legs does a {a} have?", "[Think of|Imagine|Picture|Look at|Draw] a {a}. How many legs does it [have|stand on|walk on]?",
            "If you [see|meet|draw|count] one {a}, how many legs does it have?", "how many legs are there on a {a}", "how many legs [a|on a|for a] {a}", "How many legs does [one|a single|the|each|every] {a} have?", "a {a}: [how many legs|number of legs|how many legs does it have|count its legs][?|]",
        ),
        "A {a} has {b} legs.",
    ),
    "sound": (
        list(SOUNDS.items()),
        Phrasings(
            "[What|Which] [sound|noise] does [a|the] {a} [make|produce]?", "What does [the|a] {a} say?", "How does a {a} [sound|call|cry]?", "A {a} [says|goes|makes] what[?| sound?| noise?]", "[Sound|Noise|Call|Cry|The sound|Voice] of a {a}[?|]", "What [call|cry] does a {a} have?",
            "[Tell me|Name|Give me|Write|Say|Imitate|Make|Spell] the [sound|noise|call] of a {a}.", "[What|Which sound|Which noise] [do you|do we|can you|would you] hear from a {a}?", "[Which|What] [noise|sound] comes from a {a}?", "[What is|What's] the [sound|noise|call|voice] of a {a}?", "[Name|Tell me|Give me|Write] the [sound|noise] that a {a} makes.",
            "[Can|Could] you [make|imitate|tell me|name|say] the [sound|noise] of a {a}?", "[I'd like to know|I want to know|I wonder|Tell me] [what sound a {a} makes|what a {a} says|how a {a} sounds|which noise a {a} makes].", "[Do you know|Can you tell me|Could you tell me] [what sound a {a} makes|what a {a} says|how a {a} sounds]?",
            "[In a children's book|In a picture book|On the farm or in the wild|For children]: what does a {a} say?", "What do [children|we] say a {a} says?", "[What|Which] [sound|noise] is [typical of|made by] a {a}?", "[When|If] a {a} [makes a sound|opens its mouth|calls], what do you hear?",
        ),
        "A {a} says {b}.",
    ),
    "young": (
        list(YOUNG.items()),
        Phrasings(
            "[What is|What's] a [young|baby|little|newborn] {a} called?", "What do [you|we|people] call a [baby|young|little|newborn] {a}?", "[Name|Word|The word|The name] for a [young|baby|little] {a}[?|]", "A [young|baby|little|newborn] {a} is [called|called what|known as what]?",
            "How is a [young|baby] {a} called?", "[What is|What's] the [name|word|right word|term] [of|for] a [baby|young|little] {a}?", "[Tell me|I wonder|I'd like to know|I want to know] what a [young|baby|little] {a} is called.", "[Which|What] [word|name] [means|stands for|is used for|do we use for] a [young|baby|little] {a}?",
            "[Baby|Child|Young] of a {a}[?|]", "The [young|baby|child|offspring] of a {a} is [a|called a|called|called what]?", "[Give me|Name|Say|Tell me|I need|Write] the [word|name|term] for a [young|baby|little] {a}.", "[Can|Could] you tell me [what a young {a} is called|the word for a baby {a}|the name of a young {a}]?",
            "[Do you know|Can you say|Could you say] [the word for a young {a}|what a baby {a} is called|what we call a young {a}]?", "[A|The] mother {a} has a baby. What is [it|the baby] called?", "[What is|What's] the [baby|child|young|offspring] of a {a} called?", "[Baby animals|Animal quiz|Young animals|Quiz]: a [young|baby] {a} is called[ what|]?",
            "[When|While] a {a} is [young|a baby|little|small], what is it called?", "Before it is grown up, a {a} is called[ a|| what]?",
        ),
        "A young {a} is called a {b}.",
    ),
    "unit": (
        list(UNITS.items()),
        Phrasings(
            "How many {a}[?|, please?|]", "How many {a} are there[?|, please?| in all?]", "[Number|Count|The number|Total number] of {a}[?|]", "[Tell me|Say|Please say|Please tell me|Write down|State|Find out|Remind me] how many {a}[| there are].", "[What is|What's|What would be] the [number|count|total number] of {a}?",
            "[Do you know|Can you say|Can you tell me|Could you tell me|Could you say|Do you remember] how many {a}[| there are]?", "{a}: how many[?| are there?| is that?]", "I forgot how many {a}[| there are].", "[I want|I'd like|I need|I would like] to know how many {a} there are.", "[I wonder|I am not sure|I don't remember|I never know] how many {a} there are.",
            "[Give me|Tell me|Name|State|I need] the number of {a}.", "What number of {a} [is there|are there|do we count|is right]?", "how many {a} [do we have|do we count|can you count|do you get|make up the whole|does one count]", "[Units|Quiz|Measures|School question]: how many {a}[?| are there?]", "[Count|Please count] the {a}.",
            "There are how many {a}?", "Exactly how many {a} are there?", "how many {a} exactly[?|]", "[Just |]how many {a} [would that be|is that]?", "What is the [right number|figure|correct number] for {a}?",
        ),
        "There are {b} {a}.",
    ),
    "month": (
        [(m, LENGTHS[m]) for m in MONTHS],
        Phrasings(
            "How many days [does {a} have|has {a}|are in {a}|are there in {a}|has {a} got|make up {a}|belong to {a}]?", "[Days|Number of days|Length|Day count] [in|of] {a}[?|]", "How long is {a}[ in days|, in days|, counted in days]?", "How many days [do you|do we|can you] count in {a}?", "How many days does the month [of |]{a} [have|last]?",
            "[Tell me|Say|Please tell me|I wonder|I'd like to know|I want to know|I forgot] how many days {a} has.", "The month [of |]{a} [has|lasts|takes] how many days?", "[Count|Count up|Please count] the days [of|in] {a}.", "[What is|What's] the [number of days in|length in days of] {a}?", "In {a}, how many days [are there|do we have|do you count]?",
            "[Do you know|Can you tell me|Could you tell me|Can you say] how many days {a} has?", "[Do you know|Can you tell me|Could you tell me] how many days there are in {a}?", "[Calendar|Quiz|Months]: how many days [in|has|are in] {a}?", "How many days [long is|does one find in] {a}?", "For how many days does {a} last?",
            "[Give me|I need|Name|State|Tell me] the number of days in {a}.", "how many days in {a}[?|]", "On a calendar, how many days [are|are shown] in {a}?", "From its first day to its last, how many days does {a} have?",
        ),
        "{a} has {b} days.",
    ),
    "next": (
        [(f"after {a}", b) for names in (DAYS, MONTHS) for a, b in zip(names, names[1:] + names[:1], strict=True)]
        + [(f"before {b}", a) for names in (DAYS, MONTHS) for a, b in zip(names, names[1:] + names[:1], strict=True)],
        Phrasings(
            "[What|Which|Which one] comes {a}?", "[What|Which|Which one] is {a}?", "[What|Which] comes [right|directly|immediately|just|straight] {a}?", "[Tell me|Name|Say|Write|Find out|State] what comes {a}.", "[Tell me|Name|Say] what [is|stands] [right|directly|just] {a}.", "[Do you know|Can you tell me|Could you tell me|Can you say|Can you name] what comes {a}?",
            "What is [directly|right|just|immediately] {a}?", "Which follows or stands {a}?", "What do we have [right |]{a}?", "[I want|I'd like|I need|I would like] to know what [comes|is] {a}.", "[Which|What] [name|one] [comes|stands|is] [directly |right |]{a} [on the calendar|in the calendar]?", "[I wonder|I forgot|Remind me] what comes {a}.",
            "On the calendar, what [comes|is|stands|do you find] {a}?", "what comes {a}[, please|, do you know| on a calendar|]?", "[What would|What will] [come|be] {a}?", "[Give me|I need] the one that comes {a}[.|, please.]", "[Calendar|Quiz|Calendar question]: what comes {a}?", "[Name|Tell me|Give me] the one [directly |right |just |]{a}.",
            "The one [right |directly |]{a} is[?| what?| called?]", "[What|Which one] [do we|do you] [find|see] {a} [on|in] a calendar?", "In the usual order, what [comes|stands|is] {a}?",
        ),
        "{b} comes {a}.",
    ),
    "sides": (
        list(SHAPES.items()),
        Phrasings(
            "How many [sides|corners|edges] does a {a} have?", "[Number|Count|The number] of [sides|corners|edges] of a {a}[?|]", "A {a} has how many [sides|corners|edges]?", "[Count|Count up|Please count] the [sides|corners|edges] of a {a}.", "How many [sides|corners|edges] has a {a}[| got]?", "How many [sides|corners|edges] are there [in|on] a {a}?",
            "[Tell me|Say|Please tell me|I wonder|I'd like to know|I want to know|I forgot] how many [sides|corners|edges] a {a} has.", "[Sides|Corners|Edges] of a {a}[?|]", "[What is|What's] the number of [sides|corners|edges] of a {a}?", "By how many [sides|edges|lines] is a {a} [bounded|enclosed|limited]?", "[Do you know|Can you tell me|Could you tell me|Can you say] how many [sides|corners|edges] a {a} has?",
            "How many [sides|corners|edges] [do you|do we|can you] [count|see|find] on a {a}?", "[Draw|Think of|Imagine|Look at] a {a}. How many [sides|corners|edges] does it have?", "With how many [sides|edges|lines] do you draw a {a}?", "[Geometry|Quiz|Shapes|Maths]: how many [sides|corners|edges] has a {a}?", "how many [sides|corners|edges] [for|on|in] a {a}[?|]",
            "[Give me|I need|Name|State] the number of [sides|corners|edges] of a {a}.", "A {a} is a shape with how many [sides|corners|edges]?", "What number of [sides|corners|edges] does a {a} have?",
        ),
        "A {a} has {b} sides.",
    ),
    "colour": (
        list(THINGS_COLOURED.items()),
        Phrasings(
            "[What|Which] [colour|color] is {a}?", "[Which|What] [colour|color] does {a} have?", "[What is|What's|Which is] the [colour|color] of {a}?", "[Colour|Color|The colour|The color] of {a}[?|]", "[Tell me|Name|Give me|Say|State|I need] the [colour|color] of {a}[.|, please.]", "{a} [has|is of|is] [which|what] [colour|color]?", "What [colour|color] has {a}?",
            "How is {a} [coloured|colored]?", "Of [what|which] [colour|color] is {a}?", "[Tell me|I wonder|I'd like to know|I want to know|Say] [what|which] [colour|color] {a} [is|has].", "[Do you know|Can you tell me|Could you tell me|Can you say] [what|which] [colour|color] {a} [is|has]?", "In [which|what] [colour|color] would you [paint|draw] {a}?",
            "Which [crayon|paint|pencil] do I need for {a}? [Name the colour|Name the color|I mean the colour].", "[Do you know|Can you name|Could you name] the [colour|color] of {a}?", "[Quiz|Colours|Colors|Nature]: what [colour|color] is {a}?", "what [colour|color] [do you see|do we see] when looking at {a}?", "{a}: [what colour|what color|which colour|which color|colour|color]?",
            "What [colour|color] [should|would|do] [I|you|we] give {a} in a picture?",
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
        Phrasings(
            "[Hello|Hi|Hey|Hello there|Hi there|Hey there|Greetings|Howdy|Good day|hello again|Hi again][!|.|]", "Good [morning|evening|afternoon|day][!|.|]", "A [very good|good|nice] [morning|evening|afternoon|day] to you[!|.]", "[Hello|Hi|Hey|Good morning|Good evening|Good day], [I am|I'm|my name is|this is] {n}[.|!]", "[Hello|Hi|Hey|Good morning|Good day][!|.] [I am|I'm|My name is|This is] {n}[.|!]",
            "[Hello|Hi|Hey|Good morning] [everybody|you|friend|my friend|computer|little model|gpt-oss-tiny|robot][!|.|]", "[Hello|Hi|Hey|Good day], [nice to meet you|good to see you|pleased to meet you|glad to meet you|here I am|it is me again][!|.]", "[Nice|Good|Glad|Pleased] to [meet|see] you[!|.|]", "[I am|I'm|My name is|This is] {n}[, hello|, hi|, nice to meet you][!|.]",
            "[I say hello|I wanted to say hello|Just saying hello|Just saying hi|I just want to say hi][!|.|]", "[Anybody|Anyone|Somebody] there?", "[Are you there|Are you awake|Is anybody here]?", "[Here I am|I am back|I'm back|Back again|It's me again][!|.]", "[Welcome|Hello, hello|Hi, hi|Well, hello|Oh, hello|hiya|Morning|Evening][!|.|]",
            "[Hello|Hi|Hey], [can we talk|shall we start|may we start|are you there]?",
        ),
        "Hello! How can I help you?",
    ),
    "thanks": (
        Phrasings(
            "[Thank you|Thanks|Many thanks|Thank you very much|Thank you so much|Thanks a lot|Thanks so much|Thanks a million|Big thanks|Thanks again|Thank you again][!|.|]", "[thx|ty|Cheers|Much appreciated|Much obliged|thank u|tysm][!|.|]", "[Great|Perfect|Cool|Wonderful|Nice|Super|Excellent|Fine|OK|Good], [thank you|thanks|thank you very much|many thanks][!|.|]",
            "That [helped|helped me|was helpful|was great|was kind|is great|was very useful|is very kind][, thanks|, thank you|, many thanks][!|.]", "[Very kind|How kind|So kind|Very nice|That is nice] of you[, thanks|, thank you][.|!]", "I [am grateful|am very grateful|appreciate it|appreciate that|am thankful|thank you][, thank you|, many thanks|][.|!]",
            "[Thank you|Thanks] for [your help|the help|helping me|your answer|the answer|your time|everything|all that|your patience][!|.|]", "[You helped me|You have helped me|You were a great help|You are a great help|You are very kind][. Thanks|. Thank you|, thanks|, thank you][!|.]", "[I want|I wanted|I'd like|I would like] to [thank you|say thank you|say thanks][.|!]", "[Thank you|Thanks], [that is right|that was it|that is all I needed|well done|good answer|you are great|dear model|gpt-oss-tiny][!|.]",
        ),
        "You are welcome!",
    ),
    "bye": (
        Phrasings(
            "[Bye|Goodbye|Bye bye|Good night|So long|Farewell|Take care|Cheerio|Bye for now|Goodbye then|Ciao|bye then][!|.|]", "See you[| later| soon| tomorrow| again| next time| around| next week][!|.]", "[I have to go now|I must go|I have to leave|I am leaving now|I am off|I'm off|I need to go|I am going now|I'm going home|I have to stop here][. Bye|, bye|. Goodbye|. See you][!|.]",
            "[That's all|That is all|That was all|I am done|We are done|I'm finished|That's it|Enough for today], [goodbye|bye|see you|good night|bye bye][!|.]", "[Until|Till] [tomorrow|next time|later|then|we meet again|Monday][!|.]", "[Talk to you|Speak to you|See you] [later|soon|tomorrow|next time][!|.|]", "[Goodbye|Bye|Good night|See you], [gpt-oss-tiny|little model|my friend|computer|it was nice|sleep well|take care][!|.]",
            "Have a [nice|good|great|lovely] [day|evening|night|weekend|time][!|, bye!|. Bye.|, goodbye.]", "[It is late|It is time for bed|My class is over|The lesson is over|I am tired][. Good night|. Goodbye|, bye][!|.]", "[I say goodbye|I want to say goodbye|Let me say goodbye|Time to say goodbye|We say goodbye now][!|.]",
        ),
        "Goodbye!",
    ),
    "who": (
        Phrasings(
            "[Who|What] are you[?| really?| exactly?|, please?]", "[What is|What's|May I know|Can you tell me] your name[?|, please?]", "[Tell me|Say|Give me] your name[.|, please.]", "[Tell me|I want to know|I'd like to know|I wonder|Please tell me|Explain|Say] [who you are|what you are|who I am talking to|what kind of model you are|which model you are|with whom I talk].",
            "[Which|What|What kind of|What sort of] [model|language model|AI|program|machine|chatbot|assistant] are you?", "Are you [a human|a person|human|a real person|a robot|a machine|a computer|a program|an AI|a chatbot]?", "[Introduce|Please introduce|Present|Describe] yourself.",
            "Are you [ChatGPT|GPT-4|a big model|a large model|a small model|a language model|gpt-oss|gpt-oss-tiny|a large language model|gpt-oss-20b]?", "What [should|can|may|do] I call you?", "Are you [a person or a machine|a human or a computer|human or not|a man or a machine|a model or a person]?", "[Who|What] am I [talking to|speaking to|speaking with|chatting with|writing to]?",
            "[With whom|To whom] am I [talking|speaking|writing]?", "[Tell me|Tell me something|Say something|Tell me more|Talk a bit] about yourself.", "Do you have a name?", "[How big|How large|How small] a model are you?", "[Can|Could|Would] you [tell me who you are|say who you are|tell me what you are|tell me your name|introduce yourself]?", "Is this [a human|a person|a machine|an AI|ChatGPT|a chatbot|a language model]?",
            "[Your name|Name|Who is this|Who is there|Who is speaking|Who is answering me][?|, please?]", "who r u[?|]", "[I am|I'm] {n}. [Who are you|And you|And who are you|What is your name|What are you]?",
        ),
        ABOUT,
    ),
    "skills": (
        Phrasings(
            "What [can|could] you do[?| for me?| exactly?|, please?]", "[How|In what way] can you help[?| me?| us?]", "What can you help [me |]with?", "What are you [good at|able to do|capable of|made for|useful for|trained for|here for|best at]?", "[Help|help|Help!|Help, please|Help me|I need help|I need your help|Please help me]", "What do you [know|know about|understand|offer]?",
            "[Which|What|What kind of|What sort of] [tasks|jobs|things|questions|problems|exercises] can you [do|solve|handle|answer|work on]?", "What can I [ask|ask you|do with you|use you for|try|give you]?", "Can you help[| me| us]?", "What are your [skills|abilities|talents|strengths|capabilities]?", "[Tell me|List|Name|Show me|Describe] your [skills|abilities|talents|strengths|capabilities].",
            "[Tell me|Show me|I'd like to know|I want to know|I wonder|Explain|Please say|Please tell me] what you can [do|do for me|help with|answer].", "[Which|What] [skills|abilities|talents|strengths|functions] do you have?", "[Can|Could|Would] you tell me what you [can do|are able to do|know|are good at]?", "[What is|What's] your [job|purpose|task|use|speciality]?", "For what can [I|we] use you?", "What can [I|we] use you for?",
            "[What|Which] [subjects|topics] do you [know|understand]?", "[How|For what] are you useful?", "[Where|How] can you be of help?", "[I don't know what to ask|I do not know what to ask you|What should I ask|Give me an idea what to ask you]. What can you do?", "[Name|List|Tell me] the things [that |]you can do.",
        ),
        SKILLS,
    ),
    "how": (
        Phrasings(
            "How are you[?| today?| doing?| feeling?| now?| this morning?| this evening?]", "How do you [do|feel|feel today]?", "[How is it|How's it|How are things|How is everything|How's everything] going?", "[Are you|Are you feeling] [well|fine|OK|okay|all right|good][?| today?]", "[Is everything|Everything|Is all|All] [fine|good|OK|okay|all right|well][?| with you?| today?]", "What's up[?|, little model?|, friend?]",
            "How have you been[?| lately?| so far?]", "[How is|How's|How was] your [day|morning|week|evening]?", "[I hope|I trust] you are [well|fine|OK|good][.|?|. Are you?]", "How [goes it|goes the day|do things stand|are things|is life|are things with you]?", "Did you sleep well?", "[And how|So how|Well, how|Tell me, how] are you[?| today?| doing?]", "[How do you do|How are you], [gpt-oss-tiny|little model|my friend|computer]?",
            "[Tell me|I'd like to know|I want to know|Please tell me] how you [are|feel|are doing|are feeling][.| today.]",
        ),
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
