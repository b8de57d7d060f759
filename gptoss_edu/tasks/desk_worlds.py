"""The desks of `desk.py`: a railway, a library, a shop, and one about anything, with databases and functions."""

from __future__ import annotations

import random

from .desk_state import Requirement
from .example import held_out
from .facts import DAYS
from .nested_functions import INTEGER, STRING, record
from .refusals import ordinary
from .words import THINGS, person, place, pseudo_word


def _seat(rng: random.Random) -> str:
    return f"{rng.randrange(1, 40)}{rng.choice('ABCDEF')}"


def _day(rng: random.Random) -> str:
    return rng.choice(DAYS)


def _one_of(*values: str):
    return lambda rng: rng.choice(values)


# what a desk is about: fields with their makers, and actions: (field, new value, what it is called, what is said after)
_SEATS = (
    "booking",
    {
        "name": person,
        "seat": _seat,
        "day": _day,
        "price": lambda r: r.randrange(5, 200),
        "kind": _one_of("basic", "flex"),
        "state": _one_of("open", "paid"),
    },
    {
        "change_seat": ("seat", "argument", "a change of the seat", "{k} {id} has the seat {v} now."),
        "change_day": ("day", "argument", "a change of the day", "{k} {id} is on {v} now."),
        "cancel_booking": ("state", "cancelled", "a cancellation", "{k} {id} is cancelled."),
    },
)
_LIBRARY = (
    "loan",
    {
        "book": lambda r: f"{ordinary(r)} and {ordinary(r)}",
        "day": _day,
        "renewals": lambda r: r.randrange(4),
        "card": _one_of("blue", "red"),
        "state": _one_of("out", "late"),
    },
    {
        "extend_loan": ("renewals", "+1", "an extension", "{k} {id} is extended."),
        "return_book": ("state", "returned", "a return", "{k} {id} is returned."),
        "move_day": ("day", "argument", "another day", "{k} {id} is due on {v} now."),
    },
)
_SHOP = (
    "order",
    {
        "item": _one_of(*THINGS),
        "price": lambda r: r.randrange(5, 200),
        "state": _one_of("waiting", "packed", "sent", "delivered"),
        "city": place,
        "day": _day,
    },
    {
        "refund_order": ("state", "refunded", "a refund", "{k} {id} is refunded."),
        "change_city": ("city", "argument", "another city", "{k} {id} goes to {v} now."),
        "cancel_order": ("state", "cancelled", "a cancellation", "{k} {id} is cancelled."),
    },
)


def _invented(rng: random.Random) -> tuple:
    """Draw a desk about anything: its record has an ordinary or an invented name."""
    fields = {
        "name": pseudo_word,
        "place": place,
        "size": lambda r: r.randrange(1, 100),
        "day": _day,
        "state": _one_of("open", "new", "late"),
    }
    noun = pseudo_word(rng, 2) if rng.random() < 0.5 else ordinary(rng)
    while noun in fields:  # a function's arguments need different names
        noun = pseudo_word(rng, 2)
    return noun, fields, {
        f"move_{noun}": ("place", "argument", "a move", "{k} {id} is in {v} now."),
        f"close_{noun}": ("state", "closed", "a closure", "{k} {id} is closed."),
        f"rename_{noun}": ("name", "argument", "a new name", "{k} {id} is called {v} now."),
    }  # fmt: skip


_OPEN = ("name", "book", "item", "seat", "city", "place")  # fields of any value: no rule is about them
_LIMITS = {"renewals": (1, 4), "price": (5, 150), "size": (5, 95)}


class World:
    """One desk with its database, its policy and the wordings of one conversation."""

    def __init__(self, rng: random.Random, test: bool):
        kind = rng.choices((_SEATS, _LIBRARY, _SHOP, None), (3, 3, 3, 3))[0]
        self.key, self.fields, self.actions = kind or _invented(rng)
        self.get = f"get_{self.key}"
        self.database = {}
        while len(self.database) < rng.choice((1, 2, 3)):
            self.database[self.new_id(rng, test)] = {name: make(rng) for name, make in self.fields.items()}
        self.id = rng.choice(list(self.database))

    def new_id(self, rng: random.Random, test: bool) -> str:
        while True:
            number = f"{rng.choice('ABKLMRTX')}{rng.randrange(10, 10000)}"
            if held_out("desk", number) == test and number not in self.database:
                return number

    @property
    def desk(self) -> dict:
        """The desk as data, for `desk_state.play`."""
        actions = {name: {"sets": field, "to": to} for name, (field, to, *_) in self.actions.items()}
        return {"key": self.key, "get": self.get, "actions": actions}

    def functions(self, rng: random.Random) -> list[dict]:
        """Return schemas of all functions, in any order."""
        key = {self.key: STRING}
        listed = [{"name": self.get, "description": f"Looks up a {self.key}.", "parameters": record(**key)}]
        for name, (field, to, called, _) in self.actions.items():
            kind = INTEGER if isinstance(self.fields[field](rng), int) else STRING
            more = {field: kind} if to == "argument" else {}
            described = called[0].upper() + called[1:]
            listed.append({"name": name, "description": f"{described}.", "parameters": record(**key, **more)})
        rng.shuffle(listed)
        return listed

    def requirement(self, rng: random.Random, action: str) -> Requirement:
        """Draw a rule about the action that looks at a field of the record."""
        field = rng.choice([name for name in self.fields if name not in _OPEN])
        value = self.fields[field](rng)
        if value in DAYS:
            op, value = rng.choice(("before", "after", "before")), rng.choice(DAYS[1:-1])
        elif isinstance(value, int):
            op = "below" if field == "renewals" else rng.choice(("below", "below", "above"))
            value = rng.randrange(*_LIMITS[field])
        else:
            op = rng.choice(("is", "not"))
        return Requirement(action, field, op, value)

    def value(self, rng: random.Random, action: str):
        """Draw a new value for an action that takes one."""
        field, to, *_ = self.actions[action]
        while to == "argument":
            value = self.fields[field](rng)
            if value != self.database[self.id][field]:
                return value
        return None
