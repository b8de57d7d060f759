"""The developer functions that the tasks offer: what each is called, how people ask for it, and what it answers."""

from __future__ import annotations

from .example import Phrasings
from .read_wordings import wordings
from .refusals import ordinary
from .words import any_word, person, place, pseudo_word

TEXT = wordings("catalogue")


def function_schema(name: str, description: str, /, **parameters) -> dict:
    """Return a function's schema; a parameter is 'string', 'integer' or a list of allowed strings."""
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


ROOMS = tuple(TEXT["rooms"])
LANGUAGES = tuple(TEXT["languages"])
SKIES = tuple(TEXT["skies"])

# name: schema, phrasings, arguments, result, answer (written with the arguments and the result's values)
CATALOGUE: dict[str, tuple] = {
    "get_weather": (
        function_schema("get_weather", "Weather in a city.", city="string"),
        Phrasings(*TEXT["catalogue"]["get_weather"]),
        lambda r: {"city": place(r)},
        lambda r, a: {"temperature": r.randrange(-9, 39), "sky": r.choice(SKIES)},
        "It is {temperature} degrees and {sky} in {city}.",
    ),
    "get_time": (
        function_schema("get_time", "Local time in a city.", city="string"),
        Phrasings(*TEXT["catalogue"]["get_time"]),
        lambda r: {"city": place(r)},
        lambda r, a: {"time": f"{r.randrange(24):02}:{r.randrange(60):02}"},
        "It is {time} in {city}.",
    ),
    "get_population": (
        function_schema("get_population", "Number of people in a place.", place="string"),
        Phrasings(*TEXT["catalogue"]["get_population"]),
        lambda r: {"place": place(r)},
        lambda r, a: {"population": r.randrange(100, 10 ** r.randrange(3, 8))},
        "{population} people live in {place}.",
    ),
    "get_distance": (
        function_schema("get_distance", "Distance between two cities in km.", start="string", end="string"),
        Phrasings(*TEXT["catalogue"]["get_distance"]),
        lambda r: {"start": place(r), "end": place(r)},
        lambda r, a: {"km": r.randrange(20, 9000)},
        "It is {km} km from {start} to {end}.",
    ),
    "get_price": (
        function_schema("get_price", "Price of an item in the shop.", item="string"),
        Phrasings(*TEXT["catalogue"]["get_price"]),
        lambda r: {"item": any_word(r)},
        lambda r, a: {"price": r.randrange(1, 500)},
        "The {item} costs {price}.",
    ),
    "get_stock": (
        function_schema("get_stock", "How many of an item are in stock.", item="string"),
        Phrasings(*TEXT["catalogue"]["get_stock"]),
        lambda r: {"item": any_word(r)},
        lambda r, a: {"stock": r.randrange(0, 300)},
        "There are {stock} of {item} in stock.",
    ),
    "find_phone": (
        function_schema("find_phone", "Phone number of a person.", name="string"),
        Phrasings(*TEXT["catalogue"]["find_phone"]),
        lambda r: {"name": person(r)},
        lambda r, a: {"phone": str(r.randrange(10**5, 10**7))},
        "The phone number of {name} is {phone}.",
    ),
    "set_alarm": (
        function_schema("set_alarm", "Sets an alarm.", time="string"),
        Phrasings(*TEXT["catalogue"]["set_alarm"]),
        lambda r: {"time": f"{r.randrange(24):02}:{r.choice((0, 5, 10, 15, 20, 30, 40, 45, 50)):02}"},
        lambda r, a: {"ok": True},
        "The alarm is set for {time}.",
    ),
    "set_light": (
        function_schema("set_light", "Switches a light.", room="string", state=["on", "off"]),
        Phrasings(*TEXT["catalogue"]["set_light"]),
        lambda r: {"room": r.choice(ROOMS) if r.random() < 0.7 else ordinary(r), "state": r.choice(("on", "off"))},
        lambda r, a: {"ok": True},
        "The light in the {room} is {state}.",
    ),
    "send_message": (
        function_schema("send_message", "Sends a message to a person.", to="string", text="string"),
        Phrasings(*TEXT["catalogue"]["send_message"]),
        lambda r: {"to": person(r), "text": " ".join(ordinary(r) for _ in range(r.randrange(2, 5)))},
        lambda r, a: {"sent": True},
        "I sent the message to {to}.",
    ),
    "add_todo": (
        function_schema("add_todo", "Adds an entry to the list of tasks.", entry="string"),
        Phrasings(*TEXT["catalogue"]["add_todo"]),
        lambda r: {"entry": " ".join(ordinary(r) for _ in range(r.randrange(1, 4)))},
        lambda r, a: {"ok": True},
        "I added {entry} to your list.",
    ),
    "translate": (
        function_schema("translate", "Translates a word.", word="string", language=list(LANGUAGES)),
        Phrasings(*TEXT["catalogue"]["translate"]),
        lambda r: {"word": ordinary(r), "language": r.choice(LANGUAGES)},
        lambda r, a: {"translation": pseudo_word(r)},
        "{word} is {translation} in {language}.",
    ),
    "get_order": (
        function_schema("get_order", "State of an order.", order="integer"),
        Phrasings(*TEXT["catalogue"]["get_order"]),
        lambda r: {"order": r.randrange(100, 100000)},
        lambda r, a: {"state": r.choice(("packed", "sent", "delivered", "cancelled", "waiting"))},
        "Order {order} is {state}.",
    ),
    "convert": (
        function_schema(
            "convert",
            "Converts money.",
            amount="integer",
            source=["euro", "dollar", "pound", "yen"],
            target=["euro", "dollar", "pound", "yen"],
        ),
        Phrasings(*TEXT["catalogue"]["convert"]),
        lambda r: dict(
            zip(
                ("amount", "source", "target"),
                (r.randrange(1, 2000), *r.sample(("euro", "dollar", "pound", "yen"), 2)),
                strict=True,
            )
        ),
        lambda r, a: {"value": r.randrange(1, 300000)},
        "{amount} {source} are {value} {target}.",
    ),
    "roll_dice": (
        function_schema("roll_dice", "Rolls a die.", sides="integer"),
        Phrasings(*TEXT["catalogue"]["roll_dice"]),
        lambda r: {"sides": r.choice((4, 6, 8, 10, 12, 20, 100))},
        lambda r, a: {"rolled": r.randrange(1, a["sides"] + 1)},
        "The die shows {rolled}.",
    ),
    "get_birthday": (
        function_schema("get_birthday", "Birthday of a person.", name="string"),
        Phrasings(*TEXT["catalogue"]["get_birthday"]),
        lambda r: {"name": person(r)},
        lambda r, a: {
            "day": r.randrange(1, 29),
            "month": r.choice(("January", "March", "April", "June", "August", "October")),
        },
        "{name} was born on {day} {month}.",
    ),
}
