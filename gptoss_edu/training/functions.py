"""Developer functions: choosing one, calling twice, using results and errors, and saying when none fits."""

from __future__ import annotations

import json
import random

from .example import Draft, Phrasings, call, final, result, thought
from .refusals import TEMPLATES, fill, ordinary
from .words import any_word, person, place, pseudo_word

NO_TOOL = "None of my tools can do that."


def _function(name: str, description: str, /, **parameters) -> dict:
    """A function's schema; a parameter is 'string', 'integer' or a list of allowed strings."""
    if not parameters:
        return {"name": name, "description": description}
    kinds = {
        k: {"type": "string", "enum": list(v)} if isinstance(v, (list, tuple)) else {"type": v}
        for k, v in parameters.items()
    }
    return {
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": kinds, "required": list(kinds)},
    }


ROOMS = ("kitchen", "bedroom", "bathroom", "garage", "office", "hall")
LANGUAGES = ("French", "German", "Spanish", "Italian", "Dutch")
SKIES = ("sunny", "cloudy", "rainy", "windy", "snowy", "foggy")

# name: schema, phrasings, arguments, result, answer (written with the arguments and the result's values)
CATALOGUE: dict[str, tuple] = {
    "get_weather": (
        _function("get_weather", "Weather in a city.", city="string"),
        Phrasings("What is the weather in {city}?", "How is the weather in {city}?", "Weather in {city}?", "Tell me the weather for {city}.", "Is it sunny in {city}?", "Do I need a coat in {city}?", "What's it like outside in {city}?", "Check the weather in {city}.",
                  "Give me the weather of {city}.", "I travel to {city}. What is the weather?", "How warm is it in {city}?", "Does it rain in {city}?", "Look up the weather in {city}.", "What weather do they have in {city}?"),
        lambda r: {"city": place(r)}, lambda r, a: {"temperature": r.randrange(-9, 39), "sky": r.choice(SKIES)}, "It is {temperature} degrees and {sky} in {city}.",
    ),
    "get_time": (
        _function("get_time", "Local time in a city.", city="string"),
        Phrasings("What time is it in {city}?", "Time in {city}?", "Tell me the time in {city}.", "What is the local time in {city}?", "How late is it in {city}?", "Which time do they have in {city}?", "Give me the time in {city}.", "Check the clock in {city}.",
                  "What does the clock say in {city}?", "Do you know the time in {city}?", "The hour in {city}, please?", "What's the time of day in {city}?"),
        lambda r: {"city": place(r)}, lambda r, a: {"time": f"{r.randrange(24):02}:{r.randrange(60):02}"}, "It is {time} in {city}.",
    ),
    "get_population": (
        _function("get_population", "Number of people in a place.", place="string"),
        Phrasings("How many people live in {place}?", "Population of {place}?", "What is the population of {place}?", "Tell me the population of {place}.", "How large is the population of {place}?", "Number of people in {place}?", "How many inhabitants has {place}?", "Count the people of {place}.",
                  "Give me the population of {place}.", "How populous is {place}?", "How many are living in {place}?", "What number of people live in {place}?"),
        lambda r: {"place": place(r)}, lambda r, a: {"population": r.randrange(100, 10 ** r.randrange(3, 8))}, "{population} people live in {place}.",
    ),
    "get_distance": (
        _function("get_distance", "Distance between two cities in km.", start="string", end="string"),
        Phrasings("How far is it from {start} to {end}?", "Distance from {start} to {end}?", "What is the distance from {start} to {end}?", "How many km from {start} to {end}?", "Tell me how far {start} is from {end}.", "I go from {start} to {end}. How far is that?", "How long is the way from {start} to {end}?", "Give me the distance between {start} and {end}.",
                  "How far apart are {start} and {end}?", "Measure the way from {start} to {end}.", "From {start}, how far to {end}?", "What distance lies between {start} and {end}?"),
        lambda r: {"start": place(r), "end": place(r)}, lambda r, a: {"km": r.randrange(20, 9000)}, "It is {km} km from {start} to {end}.",
    ),
    "get_price": (
        _function("get_price", "Price of an item in the shop.", item="string"),
        Phrasings("How much does the {item} cost?", "What is the price of the {item}?", "Price of the {item}?", "Tell me the price of the {item}.", "What does the {item} cost?", "How expensive is the {item}?", "Check the price of the {item}.", "I want to buy the {item}. How much is it?",
                  "For how much do you sell the {item}?", "What do I pay for the {item}?", "Look up the price of the {item}.", "What must I spend for the {item}?"),
        lambda r: {"item": any_word(r)}, lambda r, a: {"price": r.randrange(1, 500)}, "The {item} costs {price}.",
    ),
    "get_stock": (
        _function("get_stock", "How many of an item are in stock.", item="string"),
        Phrasings("How many {item} are in stock?", "Is the {item} in stock?", "Stock of {item}?", "How many {item} do we have?", "Do we still have {item}?", "Check the stock of {item}.", "Tell me how many {item} are left.", "Are there any {item} left in the shop?",
                  "Look up the stock of {item}.", "What is our stock of {item}?", "How much {item} is in the warehouse?", "Do you have {item} in store?"),
        lambda r: {"item": any_word(r)}, lambda r, a: {"stock": r.randrange(0, 300)}, "There are {stock} of {item} in stock.",
    ),
    "find_phone": (
        _function("find_phone", "Phone number of a person.", name="string"),
        Phrasings("What is the phone number of {name}?", "Phone number of {name}?", "How can I call {name}?", "Find the number of {name}.", "Give me the phone number of {name}.", "I want to phone {name}. Which number?", "Look up {name}'s number.", "Tell me {name}'s phone number.",
                  "Under which number do I reach {name}?", "What's {name}'s telephone number?", "Which number does {name} have?", "Search the phone book for {name}."),
        lambda r: {"name": person(r)}, lambda r, a: {"phone": str(r.randrange(10**5, 10**7))}, "The phone number of {name} is {phone}.",
    ),
    "set_alarm": (
        _function("set_alarm", "Sets an alarm.", time="string"),
        Phrasings("Set an alarm for {time}.", "Wake me at {time}.", "Alarm at {time}, please.", "I must get up at {time}.", "Please set the alarm to {time}.", "Ring at {time}.", "Make an alarm for {time}.", "Put the alarm on {time}.",
                  "Let the alarm ring at {time}.", "Can you wake me up at {time}?", "I need an alarm at {time}.", "Get me out of bed at {time}."),
        lambda r: {"time": f"{r.randrange(24):02}:{r.choice((0, 5, 10, 15, 20, 30, 40, 45, 50)):02}"}, lambda r, a: {"ok": True}, "The alarm is set for {time}.",
    ),
    "set_light": (
        _function("set_light", "Switches a light.", room="string", state=["on", "off"]),
        Phrasings("Turn {state} the light in the {room}.", "Switch the {room} light {state}.", "Light {state} in the {room}.", "Please turn the light in the {room} {state}.", "The {room} light should be {state}.", "Make the {room} light go {state}.", "I want the light in the {room} {state}.", "Switch {state} the lamp in the {room}.",
                  "Turn the {room} light {state}.", "Set the light of the {room} to {state}.", "Can you switch the light in the {room} {state}?", "{room} light {state}, please."),
        lambda r: {"room": r.choice(ROOMS) if r.random() < 0.7 else ordinary(r), "state": r.choice(("on", "off"))}, lambda r, a: {"ok": True}, "The light in the {room} is {state}.",
    ),
    "send_message": (
        _function("send_message", "Sends a message to a person.", to="string", text="string"),
        Phrasings("Send {to} the message: {text}", "Write to {to}: {text}", "Tell {to}: {text}", "Message {to}: {text}", "Text {to}: {text}", "Send a message to {to}: {text}", "Let {to} know: {text}", "Please send {to} this: {text}",
                  "Send this to {to}: {text}", "Drop {to} a line: {text}", "Pass this on to {to}: {text}", "Inform {to}: {text}"),
        lambda r: {"to": person(r), "text": " ".join(ordinary(r) for _ in range(r.randrange(2, 5)))}, lambda r, a: {"sent": True}, "I sent the message to {to}.",
    ),
    "add_todo": (
        _function("add_todo", "Adds an entry to the list of tasks.", entry="string"),
        Phrasings("Add {entry} to my list.", "Put {entry} on the list.", "New task: {entry}", "Note the task {entry}.", "I must not forget {entry}. Add it.", "My list needs {entry}.", "Write {entry} on my task list.", "Please add the task {entry}.",
                  "Remember the task {entry}.", "Make a new entry: {entry}", "Include {entry} in my tasks.", "Store {entry} as a task."),
        lambda r: {"entry": " ".join(ordinary(r) for _ in range(r.randrange(1, 4)))}, lambda r, a: {"ok": True}, "I added {entry} to your list.",
    ),
    "translate": (
        _function("translate", "Translates a word.", word="string", language=list(LANGUAGES)),
        Phrasings("What is {word} in {language}?", "Translate {word} into {language}.", "How do you say {word} in {language}?", "{word} in {language}?", "Give me the {language} word for {word}.", "Which {language} word means {word}?", "Translate to {language}: {word}", "I need {word} in {language}.",
                  "What does {word} become in {language}?", "Say {word} in {language}.", "Put {word} into {language}.", "The {language} for {word}, please?"),
        lambda r: {"word": ordinary(r), "language": r.choice(LANGUAGES)}, lambda r, a: {"translation": pseudo_word(r)}, "{word} is {translation} in {language}.",
    ),
    "get_order": (
        _function("get_order", "State of an order.", order="integer"),
        Phrasings("Where is my order {order}?", "What about order {order}?", "State of order {order}?", "Check order {order}.", "Has order {order} been sent?", "Is my order {order} on its way?", "Look up order {order}.", "Tell me about order {order}.",
                  "I wait for order {order}. Where is it?", "What happened to order {order}?", "How far is order {order}?", "Track the order {order}."),
        lambda r: {"order": r.randrange(100, 100000)}, lambda r, a: {"state": r.choice(("packed", "sent", "delivered", "cancelled", "waiting"))}, "Order {order} is {state}.",
    ),
    "convert": (
        _function("convert", "Converts money.", amount="integer", source=["euro", "dollar", "pound", "yen"], target=["euro", "dollar", "pound", "yen"]),
        Phrasings("How much is {amount} {source} in {target}?", "Convert {amount} {source} to {target}.", "{amount} {source} in {target}?", "Change {amount} {source} into {target}.", "What are {amount} {source} worth in {target}?", "Exchange {amount} {source} for {target}.", "I have {amount} {source}. How many {target} is that?", "Turn {amount} {source} into {target}.",
                  "How many {target} do I get for {amount} {source}?", "Calculate {amount} {source} as {target}.", "Give me {amount} {source} in {target}.", "What is the value of {amount} {source} in {target}?"),
        lambda r: dict(zip(("amount", "source", "target"), (r.randrange(1, 2000), *r.sample(("euro", "dollar", "pound", "yen"), 2)), strict=True)), lambda r, a: {"value": r.randrange(1, 300000)}, "{amount} {source} are {value} {target}.",
    ),
    "roll_dice": (
        _function("roll_dice", "Rolls a die.", sides="integer"),
        Phrasings("Roll a die with {sides} sides.", "Throw a {sides} sided die.", "Roll a d{sides}.", "Roll the dice with {sides} sides.", "Give me a random roll of {sides} sides.", "Please roll a die of {sides} sides.", "Throw a die, {sides} sides.", "I need a roll with {sides} sides.",
                  "Use a die of {sides} sides.", "Cast a die with {sides} faces.", "Let a {sides} sided die roll.", "What does a die of {sides} sides show?"),
        lambda r: {"sides": r.choice((4, 6, 8, 10, 12, 20, 100))}, lambda r, a: {"rolled": r.randrange(1, a["sides"] + 1)}, "The die shows {rolled}.",
    ),
    "get_birthday": (
        _function("get_birthday", "Birthday of a person.", name="string"),
        Phrasings("When is the birthday of {name}?", "Birthday of {name}?", "When was {name} born?", "When does {name} have birthday?", "Tell me {name}'s birthday.", "On which day was {name} born?", "Look up the birthday of {name}.", "Do you know when {name} has birthday?",
                  "When should I congratulate {name}?", "What is {name}'s date of birth?", "Which day is {name}'s birthday?", "I need the birthday of {name}."),
        lambda r: {"name": person(r)}, lambda r, a: {"day": r.randrange(1, 29), "month": r.choice(("January", "March", "April", "June", "August", "October"))}, "{name} was born on {day} {month}.",
    ),
}  # fmt: skip
ERRORS = ("not found", "no connection", "timeout", "service is down", "access denied", "invalid value")
_VERBS = "scan lock find measure print open clean start stop rank check load count mix paint book cancel report sort fetch watch weigh".split()


def compact(arguments: dict) -> str:
    return json.dumps(arguments, separators=(",", ":"), ensure_ascii=False)


def invented(rng: random.Random) -> tuple:
    """A function nobody has seen, asked for in the words of its description: the list is to be read, not known."""
    verb, noun, slot = rng.choice(_VERBS), ordinary(rng), rng.choice(("name", "item", "value", "key", "target"))
    number = rng.random() < 0.3
    schema = _function(
        f"{verb}_{noun}", f"{verb.capitalize()}s the {noun} of something.", **{slot: "integer" if number else "string"}
    )
    asks = Phrasings(f"{verb.capitalize()} the {noun} of {{{slot}}}.", f"Please {verb} the {noun} of {{{slot}}}.", f"Can you {verb} the {noun} for {{{slot}}}?", f"I want you to {verb} the {noun} of {{{slot}}}.",
                     f"{verb} {noun}: {{{slot}}}", f"Would you {verb} the {noun} of {{{slot}}}?", f"Let us {verb} the {noun} of {{{slot}}}.", f"The {noun} of {{{slot}}}: {verb} it.")  # fmt: skip
    return (
        schema, asks, lambda r: {slot: r.randrange(1, 1000) if number else any_word(r)}, lambda r, a: {"result": r.choice((any_word(r), r.randrange(1000)))}, f"The result for {{{slot}}} is {{result}}.",
    )  # fmt: skip


def offered(rng: random.Random, needed: list[tuple], size: int) -> list[dict]:
    """The functions on offer: those needed and some others, in any order."""
    chosen = {entry[0]["name"]: entry[0] for entry in needed}
    while len(chosen) < size:
        entry = invented(rng) if rng.random() < 0.3 else rng.choice(list(CATALOGUE.values()))
        chosen.setdefault(entry[0]["name"], entry[0])
    functions = list(chosen.values())
    rng.shuffle(functions)
    return functions


def use_functions(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """One call, two calls, an error, or none."""
    kind = level or rng.choices(("one", "two", "error", "none", "direct"), (9, 4, 3, 6, 3))[0]
    if kind in ("none", "direct"):
        return _no_call(rng, style, unseen, kind)
    count = 2 if kind == "two" else 1
    if kind == "two" and rng.random() < 0.6:
        needed = [rng.choice(list(CATALOGUE.values()))] * 2
    else:
        needed = [invented(rng) if rng.random() < 0.3 else rng.choice(list(CATALOGUE.values())) for _ in range(count)]
    functions = offered(rng, needed, rng.choice((1, 2, 3, 3, 4, 5)))
    asks, answers, turns, index = [], [], [], 0
    for number, (schema, phrasings, arguments, make_result, sentence) in enumerate(needed):
        index, template = phrasings.pick(rng, unseen)
        values = arguments(rng)
        asks.append(template.format(**values))
        failed = kind == "error" or (count == 2 and rng.random() < 0.06)
        out = {"error": rng.choice(ERRORS)} if failed else make_result(rng, values)
        turns += _call_turn(schema["name"], values, out, style, number, count)
        answers.append(
            f"The tool {schema['name']} failed: {out['error']}." if failed else sentence.format(**{**values, **out})
        )
        if style != "low" and number == count - 1:
            turns.append(thought(_after(out, style, failed)))
    answer = " ".join(answers)
    question = (
        asks[0]
        if count == 1
        else rng.choice(("{0} And: {1}", "{0} {1}", "{0} Then: {1}", "{0} Also: {1}")).format(*asks)
    )
    return Draft(
        question,
        answer,
        None,
        answer,
        "dialogue",
        kind,
        turns=[*turns, final(answer)],
        functions=functions,
        phrasing=index,
    )


def _call_turn(name: str, values: dict, out: dict, style: str, number: int, count: int) -> list[dict]:
    turns = []
    if style == "medium":
        turns.append(thought(f"{name} fits." if number == 0 else f"Now {name} for the second part."))
    elif style == "high":
        known = ", ".join(f"{k} {v}" for k, v in values.items())
        turns.append(thought(f"Part {number + 1} of {count}. The function {name} fits. Its arguments: {known}."))
    return [*turns, call(f"functions.{name}", compact(values)), result(f"functions.{name}", compact(out))]


def _after(out: dict, style: str, failed: bool) -> str:
    if style == "medium":
        return "The tool failed; I say so." if failed else "I have all I need."
    return (
        f"The tool reports an error: {out['error']}. I do not guess; I tell the user."
        if failed
        else f"The result says {', '.join(f'{k} {v}' for k, v in out.items())}. I put it into one sentence."
    )


def _no_call(rng: random.Random, style: str, unseen: bool, kind: str) -> Draft:
    """Functions are there, but the question needs none (direct) or one that is missing (none)."""
    from .facts import fact

    functions = offered(rng, [], rng.choice((1, 2, 3, 4)))
    if kind == "direct":
        draft = fact(rng, style, False, unseen)
        draft.functions, draft.level = functions, kind
        return draft
    names = {f["name"] for f in functions}
    if rng.random() < 0.75:
        entry = (
            invented(rng)
            if rng.random() < 0.25
            else rng.choice([e for name, e in CATALOGUE.items() if name not in names])
        )
        index, template = entry[1].pick(rng, unseen)
        question = template.format(**entry[2](rng))
    else:
        index = rng.choice([i for i in range(len(TEMPLATES)) if (i % 8 == 5) == unseen])
        question = fill(rng, TEMPLATES[index])
    why = {
        "low": None,
        "medium": f"I have {', '.join(sorted(names))}. None fits.",
        "high": f"The functions are {', '.join(sorted(names))}. The user wants something that none of them does. I say so and call nothing.",
    }[style]
    return Draft(question, NO_TOOL, why, NO_TOOL, "text", kind, functions=functions, phrasing=index)
