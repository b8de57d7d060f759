"""How tools write their results: JSON with and without blanks, in lines, wrapped, with fields that nobody asked for."""

from __future__ import annotations

import json
import random

from .words import pseudo_word

_STYLES = ({"separators": (",", ":")}, {}, {"indent": 1})
_NOISE = (
    ("id", lambda r: r.randrange(1, 10000)),
    ("source", lambda r: pseudo_word(r)),
    ("cached", lambda r: r.random() < 0.5),
    ("ms", lambda r: r.randrange(1, 900)),
    ("version", lambda r: f"{r.randrange(1, 9)}.{r.randrange(20)}"),
    ("tags", lambda r: [pseudo_word(r, 1) for _ in range(r.randrange(3))]),
    ("meta", lambda r: {"page": r.randrange(1, 9), "unit": pseudo_word(r, 1)}),
)


def write_json(rng: random.Random, value) -> str:
    """Draw one of the styles in which tools write JSON: compact, with blanks, or over several lines."""
    style = rng.choices(_STYLES, (45, 47, 8))[0]
    return json.dumps(value, ensure_ascii=False, **style)


def dressed_up(rng: random.Random, out: dict) -> dict | list:
    """Draw a result among other fields, inside a wrapper, or in a list: often it is left as it is."""
    kind = rng.random()
    if kind < 0.6 or "error" in out:
        return out
    if kind < 0.78:
        fields = [*out.items(), *((k, make(rng)) for k, make in rng.sample(_NOISE, rng.randint(1, 2)) if k not in out)]
        rng.shuffle(fields)
        return dict(fields)
    if kind < 0.95:
        wrapper = rng.choice(("data", "result", "response", "output", "body"))
        return {wrapper: out} if rng.random() < 0.6 else {"status": "ok", wrapper: out}
    return [out]


def flat(arguments: dict, before: str = "") -> str:
    """Return arguments as a thought names them: 'title lunch, at day Monday, at hour 12'."""
    parts = []
    for key, value in arguments.items():
        for item in value if isinstance(value, list) else [value]:
            named = flat(item, f"{before}{key} ") if isinstance(item, dict) else f"{before}{key} {item}"
            parts.append(named)
    return ", ".join(parts)
