"""Functions as the published chat template shows them: simpler types than openai-harmony's, with its own line breaks.

A default is followed by a comma, like everything else. A nested object has a line break before each type and no
descriptions. A list of types is joined unchanged; an array of anything long is `any[]`. The model sees every one of
these characters.

Source: chat_template.jinja of openai/gpt-oss-20b and -120b; tests/test_chat_template.py compares every case with it.
"""

from __future__ import annotations

import json
from typing import Any

from .messages import ToolDescription

LONGEST_ITEM = 50  # characters of an array's item type; a longer one is `any`
SIMPLE = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean"}


def namespace_text(name: str, tools: list[ToolDescription]) -> str:
    """Return the section of a namespace; all functions of an inference request are in `functions`."""
    out = [f"## {name}\n\nnamespace {name} {{\n\n"]
    for tool in tools:
        out.append(f"// {tool.description}\ntype {tool.name} = ")
        properties = _get(tool.parameters, "properties")
        if properties:
            required = _get(tool.parameters, "required") or []
            lines = (_parameter(key, spec, key in required) for key, spec in properties.items())
            out.append(f"(_: {{\n{''.join(lines)}}}) => any;\n\n")
        else:
            out.append("() => any;\n\n")
    return "".join(out) + f"}} // namespace {name}"


def _parameter(name: str, spec: Any, required: bool) -> str:
    description, default = _get(spec, "description"), spec.get("default") if isinstance(spec, dict) else None
    line = f"// {description}\n" if description else ""
    line += f"{name}{'' if required else '?'}: {type_text(spec)}"
    if isinstance(spec, dict) and "default" in spec:
        if spec.get("enum"):
            line += f", // default: {default}"
        elif spec.get("oneOf"):
            line += f"// default: {default}"
        else:
            line += f", // default: {json.dumps(default, ensure_ascii=False)}"
    return line + ",\n"


def type_text(spec: Any) -> str:
    """Return the type of one JSON Schema."""
    kind = _get(spec, "type")
    if kind == "array":
        return _array(spec)
    if isinstance(kind, list) and kind:
        return " | ".join(map(str, kind))
    if _get(spec, "oneOf"):
        return _one_of(spec["oneOf"])
    if kind == "string" and _get(spec, "enum"):
        return '"' + '" | "'.join(map(str, spec["enum"])) + '"'
    if kind == "string":
        return "string" + (" | null" if _get(spec, "nullable") else "")
    if kind == "object":
        return _object(spec)
    return SIMPLE.get(kind, "any") if isinstance(kind, str) else "any"


def _array(spec: dict) -> str:
    items = _get(spec, "items")
    null = " | null" if _get(spec, "nullable") else ""
    if not items:
        return "any[]" + null
    kind = _get(items, "type")
    if isinstance(kind, str) and kind in SIMPLE:
        return f"{SIMPLE[kind]}[]" + null
    inner = type_text(items)
    return ("any[]" if inner == "object | object" or len(inner) > LONGEST_ITEM else f"{inner}[]") + null


def _one_of(variants: list) -> str:
    """Return the variants with what is known of each. (The template is meant to write `any` where one is an object. It
    sets that mark inside a loop, where Jinja forgets it, so it never does.)
    """
    out = []
    for variant in variants:
        text = type_text(variant)
        if description := _get(variant, "description"):
            text += f"// {description}"
        if isinstance(variant, dict) and "default" in variant:
            text += f"{' ' * 20}// default: {json.dumps(variant['default'], ensure_ascii=False)}"
        out.append(text)
    return " | \n".join(out)


def _object(spec: dict) -> str:
    properties = _get(spec, "properties")
    if not properties:
        return "object"
    required = _get(spec, "required") or []
    parts = [
        f"{name}{'' if name in required else '?'}: \n{' ' * 16}{type_text(inner)}" for name, inner in properties.items()
    ]
    return "{\n" + ", ".join(parts) + "}"


def _get(spec: Any, key: str) -> Any:
    return spec.get(key) if isinstance(spec, dict) else None
