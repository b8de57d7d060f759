"""Desks with a state: a small database, functions that read and change it, and rules about what may be done.

A desk is plain data, so that an example can carry it:

    {"key": "booking", "get": "get_booking", "actions": {"change_seat": {"sets": "seat", "to": "argument"}, …}}

``to`` is "argument" (the call gives the value), "+1", or the value itself.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from gptoss_edu.options import read_json

from .facts import DAYS
from .graders import same_json

NOT_FOUND = {"error": "not found"}


def play(desk: dict, database: dict, name: str, arguments: dict) -> tuple[dict, dict]:
    """Call one function of the desk.

    Returns
    -------
    (result, database afterwards) : the database given is left as it is. Whatever is wrong with the call, an unknown
        function or record or a missing argument, gives a result with an "error" and changes nothing.
    """
    record = database.get(str(arguments.get(desk["key"])))
    action = desk["actions"].get(name)
    if record is None or (action is None and name != desk["get"]):
        return dict(NOT_FOUND), database
    if action is None:
        return dict(record), database
    field, to = action["sets"], action["to"]
    if to == "argument" and field not in arguments:
        return {"error": "invalid value"}, database
    after = copy.deepcopy(database)
    value = arguments[field] if to == "argument" else record[field] + 1 if to == "+1" else to
    after[str(arguments[desk["key"]])][field] = value
    return {"ok": True}, after


def replay(desk: dict, database: dict, calls: list[tuple[str, dict]]) -> dict:
    """Return the database after a list of calls (name, arguments)."""
    for name, arguments in calls:
        database = play(desk, database, name, arguments)[1]
    return database


def calls_of(messages: list[dict]) -> list[tuple[str, dict]]:
    """Return (function, arguments) of every call in a list of messages; skip arguments that are not a JSON object."""
    calls = []
    for message in messages:
        recipient = message.get("recipient") or ""
        if message["role"] == "assistant" and recipient.startswith("functions."):
            try:
                arguments = read_json(message["content"][0]["text"])
            except ValueError:
                continue
            if isinstance(arguments, dict):
                calls.append((recipient.removeprefix("functions."), arguments))
    return calls


def same_state(check: dict, messages: list[dict]) -> bool:
    """Return whether the calls of the new messages lead from ``check["before"]`` to ``check["after"]``."""
    return same_json(replay(check["desk"], check["before"], calls_of(messages)), check["after"])


# --------------------------------------------------------------------------------------------------------------- rules


@dataclass(frozen=True)
class Requirement:
    """An action may be done only where this holds: field, "before", "after", "below", "above", "is" or "not", value."""

    action: str
    field: str
    op: str
    value: str | int

    def holds(self, record: dict) -> bool:
        have = record[self.field]
        if self.op in ("before", "after"):
            have, limit = DAYS.index(have), DAYS.index(self.value)
            return have < limit if self.op == "before" else have > limit
        if self.op in ("below", "above"):
            return have < self.value if self.op == "below" else have > self.value
        return (have == self.value) == (self.op == "is")

    def condition(self) -> str:
        """Say when the action is allowed: 'the day is before Friday'."""
        return f"the {self.field} is {'' if self.op == 'is' else self.op + ' '}{self.value}"

    def contrary(self) -> str:
        """Say when the action is not allowed: 'the day is Friday or later'."""
        return (
            f"the {self.field} is "
            + {
                "before": f"{self.value} or later",
                "after": f"{self.value} or earlier",
                "below": f"{self.value} or more",
                "above": f"{self.value} or less",
                "is": f"not {self.value}",
                "not": f"{self.value}",
            }[self.op]
        )
