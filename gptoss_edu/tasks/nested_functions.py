"""Developer functions with nested arguments: objects in objects, and lists. Entries are as in `catalogue`."""

from __future__ import annotations

import random
import re

from .catalogue import ROOMS
from .facts import DAYS, MONTHS
from .grammar import Grammar
from .read_wordings import wordings
from .refusals import ordinary
from .words import COLOURS, THINGS, person, place, plural, pseudo_word

TEXT = wordings("nested_functions")
STRING, INTEGER = {"type": "string"}, {"type": "integer"}
DEVICES = ("heating", "radio", "lamp", "fan", "screen")
OBSTACLES = ("tolls", "ferries", "tunnels", "bridges", "hills", "motorways")


class _Asks(Grammar):
    """Wordings whose slots reach into nested arguments: {at.hour} is written as str.format reads it, {at[hour]}."""

    def pick(self, rng: random.Random, unseen: bool = False) -> tuple[int, str]:
        number, wording = super().pick(rng, unseen)
        return number, re.sub(r"\{[^}]*\}", lambda slot: re.sub(r"\.(\w+)", r"[\1]", slot[0]), wording)


_ASKS = {name: _Asks(patterns, TEXT["parts"]) for name, patterns in TEXT["functions"].items()}


def record(**properties) -> dict:
    """Return the schema of an object whose properties are all required."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict) -> dict:
    return {"type": "array", "items": items}


def _entry(name: str, description: str, parameters: dict, arguments, make_result, sentence: str) -> tuple:
    schema = {"name": name, "description": description, "parameters": record(**parameters)}
    return schema, _ASKS[name], arguments, make_result, sentence


def _two_items(rng) -> list[dict]:
    return [{"item": plural(thing), "count": rng.randrange(2, 60)} for thing in rng.sample(THINGS, 2)]


def _times(rng) -> dict:
    return {"day": rng.choice(DAYS), "hour": rng.randrange(24), "minute": rng.randrange(0, 60, 5)}


NESTED: dict[str, tuple] = {
    entry[0]["name"]: entry
    for entry in (
        _entry(
            "create_event",
            "Adds an event to the calendar.",
            {"title": STRING, "at": record(day=STRING, hour=INTEGER, minute=INTEGER)},
            lambda r: {"title": f"{ordinary(r)} {ordinary(r)}", "at": _times(r)},
            lambda r, a: {"event": {"id": r.randrange(10, 1000)}},
            "The event {title} is in the calendar with the number {event[id]}.",
        ),
        _entry(
            "book_table",
            "Books a table.",
            {"name": STRING, "guests": INTEGER, "date": record(day=INTEGER, month=STRING)},
            lambda r: {
                "name": person(r),
                "guests": r.randrange(2, 13),
                "date": {"day": r.randrange(1, 29), "month": r.choice(MONTHS)},
            },
            lambda r, a: {"table": {"number": r.randrange(1, 40)}},
            "Table {table[number]} is booked for {name}.",
        ),
        _entry(
            "send_parcel",
            "Sends a parcel.",
            {"to": record(name=STRING, city=STRING), "weight": INTEGER},
            lambda r: {"to": {"name": person(r), "city": place(r)}, "weight": r.randrange(1, 31)},
            lambda r, a: {"parcel": {"code": r.randrange(1000, 100000), "price": r.randrange(3, 40)}},
            "The parcel to {to[name]} has the number {parcel[code]} and costs {parcel[price]}.",
        ),
        _entry(
            "add_contact",
            "Saves a contact.",
            {"person": record(first=STRING, last=STRING), "phone": STRING},
            lambda r: {
                "person": {"first": person(r), "last": pseudo_word(r, 2).capitalize()},
                "phone": str(r.randrange(10**4, 10**7)),
            },
            lambda r, a: {"ok": True},
            "I saved {person[first]} {person[last]}.",
        ),
        _entry(
            "draw_box",
            "Draws a box.",
            {"size": record(width=INTEGER, height=INTEGER), "colour": STRING},
            lambda r: {
                "size": {"width": r.randrange(1, 100), "height": r.randrange(1, 100)},
                "colour": r.choice(COLOURS),
            },
            lambda r, a: {"file": f"{pseudo_word(r)}.png"},
            "The {colour} box is in the file {file}.",
        ),
        _entry(
            "order_items",
            "Orders things.",
            {"items": _list(record(item=STRING, count=INTEGER))},
            lambda r: {"items": _two_items(r)},
            lambda r, a: {"order": {"id": r.randrange(100, 10000), "total": r.randrange(5, 500)}},
            "The order {order[id]} costs {order[total]}.",
        ),
        _entry(
            "set_route",
            "Plans a route.",
            {"route": record(start=STRING, end=STRING), "avoid": _list(STRING)},
            lambda r: {"route": {"start": place(r), "end": place(r)}, "avoid": r.sample(OBSTACLES, 2)},
            lambda r, a: {"km": r.randrange(20, 3000), "time": {"hours": r.randrange(1, 30)}},
            "The route is {km} km long and takes {time[hours]} hours.",
        ),
        _entry(
            "set_mode",
            "Sets a device.",
            {"device": record(kind=STRING, room=STRING), "level": INTEGER},
            lambda r: {"device": {"kind": r.choice(DEVICES), "room": r.choice(ROOMS)}, "level": r.randrange(1, 30)},
            lambda r, a: {"ok": True},
            "The {device[kind]} in the {device[room]} is at {level}.",
        ),
    )
}
