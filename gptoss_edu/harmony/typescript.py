"""Tool schemas as the models were trained to read them: TypeScript-like types, written from JSON Schema.

Every line break counts, because the models saw exactly this text. What the format cannot express is dropped, as in
openai-harmony 0.0.8: `$ref`, `allOf` and `anyOf` become `any` (a recursive schema therefore ends at its first `$ref`),
and `minimum`, `pattern`, `additionalProperties` and the like are not shown. `gptoss_edu.harmony.constrain` enforces
the whole schema.

Source: OpenAI, "OpenAI harmony response format", section Function calling; openai-harmony 0.0.8 for the details.
"""

from __future__ import annotations

import json
import math
from typing import Any

from gptoss_edu.errors import HarmonyError

_MISSING = object()


def typescript(schema: Any, indent: str = "") -> str:
    """Return the TypeScript-like type of one JSON Schema.

    Parameters
    ----------
    schema : a JSON Schema as Python objects; anything that is not an object means `any`.
    indent : put before every line of an object's body.
    """
    variants = _get(schema, "oneOf")
    if isinstance(variants, list):
        return "".join(_top_level_variant(variant, indent) for variant in variants)
    kind = _get(schema, "type")
    if isinstance(kind, list):
        names = ["number" if name == "integer" else name for name in kind if isinstance(name, str)]
        return " | ".join(names) or "any"
    if kind == "object":
        return _object(schema, indent)
    if kind == "string":
        return _string(schema)
    if kind == "array":
        items = _get(schema, "items")
        return "Array<any>" if items is _MISSING else f"{typescript(items, indent)}[]"
    return {"number": "number", "integer": "number", "boolean": "boolean"}.get(
        kind if isinstance(kind, str) else "", "any"
    )


def _get(schema: Any, key: str) -> Any:
    return schema.get(key, _MISSING) if isinstance(schema, dict) else _MISSING


def _text(schema: Any, key: str) -> str | None:
    value = _get(schema, key)
    return value if isinstance(value, str) else None


def _string(schema: dict) -> str:
    values = _get(schema, "enum")
    quoted = [f'"{value}"' for value in values if isinstance(value, str)] if isinstance(values, list) else []
    return " | ".join(quoted) or "string"


def _or_null(schema: Any, written: str) -> str:
    return f"{written} | null" if _get(schema, "nullable") is True and "null" not in written else written


def _default(schema: Any, bare_enum: bool = True) -> str | None:
    """Return "default: …"; a string is quoted, unless it belongs to an enum and bare_enum is set."""
    value = _get(schema, "default")
    if value is _MISSING:
        return None
    values = _get(schema, "enum")
    if isinstance(value, str):
        if not (isinstance(values, list) and values):
            return f'default: "{value}"'  # not escaped: this is a comment, not JSON
        if bare_enum:
            return f"default: {value}"
    return f"default: {compact_json(value)}"


def _top_level_variant(variant: Any, indent: str) -> str:
    written = _or_null(variant, typescript(variant, indent + "   "))
    comments = [
        text for text in (_text(variant, "description"), _default(variant, bare_enum=False)) if text is not None
    ]
    return f"\n{indent} | {written}" + (f" // {' '.join(comments)}" if comments else "")


def _object(schema: dict, indent: str) -> str:
    description = _text(schema, "description")
    out = [] if description is None else [f"{indent}// {description}\n"]
    out.append("{\n")
    properties, required = _get(schema, "properties"), _get(schema, "required")
    required = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    if isinstance(properties, dict):
        for name, value in properties.items():
            out.append(_property_comments(value, indent))
            key = f"{indent}{name}{'' if name in required else '?'}:"
            if isinstance(_get(value, "oneOf"), list):
                out.append(_union_property(key, value, indent))
            else:
                out.append(_plain_property(key, value, indent))
    out.append(f"{indent}}}")
    return "".join(out)


def _property_comments(value: Any, indent: str) -> str:
    lines = []
    if (title := _text(value, "title")) is not None:
        lines += [title, None]
    if _get(value, "oneOf") is _MISSING and (description := _text(value, "description")) is not None:
        lines.append(description)
    examples = _get(value, "examples")
    if isinstance(examples, list) and examples:
        lines.append("Examples:")
        lines += [f'- "{example}"' for example in examples if isinstance(example, str)]
    return "".join(f"{indent}//\n" if line is None else f"{indent}// {line}\n" for line in lines)


def _plain_property(key: str, value: Any, indent: str) -> str:
    written = f"{key} {_or_null(value, typescript(value, indent + '    '))},"
    default = _default(value) if _get(value, "oneOf") is _MISSING else None
    return written + (f" // {default}\n" if default else "\n")


def _union_property(key: str, value: dict, indent: str) -> str:
    """Write a property with `oneOf`, one variant per line; its description stands above, or at the first variant."""
    variants, description = value["oneOf"], _text(value, "description")
    above = description is not None and not (variants and _text(variants[0], "description") == description)
    out = [f"{indent}// {description}\n"] if above else []
    if (default := _default(value)) is not None:
        out.append(f"{indent}// {default}\n")
    out.append(f"{key}\n")
    for i, variant in enumerate(variants):
        own = _text(variant, "description")
        own = None if (i == 0 and above) or own == description else own
        comments = [text for text in (own, _default(variant)) if text is not None]
        out.append(f"{indent} | {_or_null(variant, typescript(variant, indent + '   '))}")
        out.append(f" // {' '.join(comments)}\n" if comments else "\n")
    out.append(f"{indent},\n")
    return "".join(out)


def compact_json(value: Any) -> str:
    """Write JSON without spaces, and numbers as serde_json does: 1e-05 is 0.00001, 1e+16 is 1e16."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact_json(str(key))}:{compact_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(compact_json, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        value = float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise HarmonyError(f"a schema holds the number {value}: JSON has no such number; leave it out.")
        return _float(value)
    return json.dumps(value, ensure_ascii=False)


def _float(value: float) -> str:
    """Return the shortest digits that read back as `value`: plain for 1e-5 ≤ |value| < 1e16, else with an exponent."""
    sign, digits, exponent = _decimal(value)
    point = len(digits) + exponent  # digits before the decimal point
    if -5 < point <= 0:
        body = "0." + "0" * -point + digits
    elif 0 < point <= 16:
        body = digits[:point].ljust(point, "0") + "." + (digits[point:] or "0")
    else:
        body = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "") + f"e{point - 1}"
    return sign + body


def _decimal(value: float) -> tuple[str, str, int]:
    """Return (sign, significant digits, exponent): value = ± digits · 10^exponent."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    shift = int(exponent or 0) - len(fraction)
    stripped = digits.rstrip("0")
    sign = "-" if str(value).startswith("-") else ""
    return (sign, stripped, shift + len(digits) - len(stripped)) if stripped else (sign, "0", 0)
