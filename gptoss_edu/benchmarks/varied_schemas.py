"""Random JSON Schemas for the benchmark of structured outputs: strings, numbers, formats, arrays, objects, unions."""

from __future__ import annotations

import json
import random


def varied_schemas(number: int, seed: int) -> list[dict]:
    """Return different JSON Schemas, each for documents of bounded length."""
    rng, found = random.Random(seed), {}
    while len(found) < number:
        schema = rng.choice([_array, _object, _object, _union])(rng, 0)
        found[json.dumps(schema)] = schema
    return list(found.values())


def _schema(rng: random.Random, depth: int) -> dict:
    kinds = [_string, _enum, _integer, _number, _boolean, _date, _constant]
    return rng.choice(kinds if depth >= 3 else [*kinds, _array, _object, _object, _union])(rng, depth)


def _string(rng, depth):
    return {"type": "string", "maxLength": rng.randint(1, 12)}


def _enum(rng, depth):
    return {"enum": rng.sample(["red", "green", "größe", "東京", 'quo"te', 7, None, True], k=rng.randint(1, 5))}


def _integer(rng, depth):
    low = rng.randint(-1000, 1000)
    return {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 5000)}


def _number(rng, depth):
    return {"type": "string", "pattern": r"^-?[0-9]{1,4}\.[0-9]{1,3}$"}


def _boolean(rng, depth):
    return {"type": rng.choice(["boolean", "null"])}


def _date(rng, depth):
    return {"type": "string", "format": rng.choice(["date", "uuid", "ipv4"])}


def _constant(rng, depth):
    return {"const": rng.choice(["fixed", 3, {"a": [1, "zwei"]}])}


def _array(rng, depth):
    low = rng.randint(0, 2)
    return {
        "type": "array",
        "items": _schema(rng, depth + 1),
        "minItems": low,
        "maxItems": low + rng.randint(0, 3),
    }


def _object(rng, depth):
    names = rng.sample(["name", "größe", "with space", "id", 'quo"te', "tags"], k=rng.randint(1, 5))
    properties = {name: _schema(rng, depth + 1) for name in names}
    required = [name for name in names if rng.random() < 0.6]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _union(rng, depth):
    return {"anyOf": [_schema(rng, depth + 1) for _ in range(2)]}
