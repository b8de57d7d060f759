"""Decode JSON bodies within limits, then read them key by key, so that no key is overlooked."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any

from .errors import ApiError

MAX_DEPTH = 64
_KINDS: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "string or array": (str, list),
    "string or object": (str, dict),
}


def decode(data: bytes) -> dict:
    """Decode the JSON object of a body.

    Raises
    ------
    ApiError : not UTF-8, not JSON, not an object, nested too deeply, or with numbers or texts that cannot be encoded.
    """

    def no_number(name: str):
        raise ValueError(f"{name} is not a JSON number")

    try:
        body = json.loads(data.decode("utf-8"), parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ApiError(f"The body is not valid JSON: {what}.", code="invalid_json") from None
    if not isinstance(body, dict):
        raise ApiError("The body must be a JSON object.", code="invalid_json")
    _check(body, 0)
    return body


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ApiError(f"The body is nested more than {MAX_DEPTH} levels deep.", code="invalid_json")
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ApiError("The body holds a number that is too large.", code="invalid_json")
    elif isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ApiError("The body holds a number of more than 64 bits.", code="invalid_json")
    elif isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ApiError("The body holds half a surrogate pair, which is no text.", code="invalid_json") from None


class Fields:
    """One JSON object, read key by key. null counts as absent, as in OpenAI's API.

    where : the object's own place in the body, for messages
    """

    def __init__(self, raw: Any, where: str = ""):
        if not isinstance(raw, dict):
            raise ApiError(
                f"Invalid type for '{where}': expected an object, found {_name(raw)}.", where, "invalid_type"
            )
        self.raw, self.where, self._read = raw, where, set()

    def at(self, key: str) -> str:
        """Return a key's place in the body."""
        return f"{self.where}.{key}" if self.where else key

    def get(
        self,
        key: str,
        kind: str,
        default: Any = None,
        *,
        choices: Collection | None = None,
        low: float | None = None,
        high: float | None = None,
        longest: int | None = None,
    ) -> Any:
        """Return the checked value of a key; `default` if it is absent or null."""
        self._read.add(key)
        value = self.raw.get(key)
        if value is None:
            return default
        if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
            raise ApiError(
                f"Invalid type for '{self.at(key)}': expected {kind}, found {_name(value)}.",
                self.at(key),
                "invalid_type",
            )
        if choices is not None and value not in choices:
            known = ", ".join(f"'{choice}'" for choice in choices)
            raise ApiError(
                f"Invalid value for '{self.at(key)}': {value!r:.60}; supported: {known}.", self.at(key), "invalid_value"
            )
        if (low is not None and value < low) or (high is not None and value > high):
            bounds = f"at least {low}" if high is None else f"from {low} to {high}"
            raise ApiError(
                f"Invalid value for '{self.at(key)}': expected {bounds}, found {value}.", self.at(key), "invalid_value"
            )
        if longest is not None and len(value) > longest:
            raise ApiError(f"Invalid value for '{self.at(key)}': longer than {longest}.", self.at(key), "invalid_value")
        return value

    def need(self, key: str, kind: str, **checks) -> Any:
        """Return the value of a required key."""
        value = self.get(key, kind, **checks)
        if value is None:
            raise ApiError(f"Missing required parameter: '{self.at(key)}'.", self.at(key), "missing_required_parameter")
        return value

    def skip(self, *keys: str) -> None:
        """Skip keys that do not affect the answer: hints for a cache, names of users."""
        self._read.update(keys)

    def refuse(self, keys: Collection[str], harmless: Collection = ()) -> None:
        """Refuse keys that this server lacks, unless they are absent or have no effect."""
        for key in keys:
            value = self.raw.get(key)
            if value is not None and not any(value == h and type(value) is type(h) for h in harmless):
                raise ApiError(
                    f"'{self.at(key)}' is not supported by this server; leave it out.",
                    self.at(key),
                    "unsupported_parameter",
                )
        self._read.update(keys)

    def done(self) -> None:
        """Refuse every key that has not been read."""
        if unread := [key for key in self.raw if key not in self._read]:
            raise ApiError(f"Unknown parameter: '{self.at(unread[0])}'.", self.at(unread[0]), "unknown_parameter")


def _name(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
