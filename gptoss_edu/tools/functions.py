"""Developer functions: make a prompt description and checked calls from a Python callable or a JSON Schema.

A call that does not fit is answered with what was expected. The tool message is the model's only way to learn of a
mistake.
"""

from __future__ import annotations

import inspect
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pydantic
from pydantic.fields import FieldInfo

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import read_json

from .base import ToolError, ToolResult, shorten

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
RESULT_CHARACTERS = 20_000


@dataclass(frozen=True)
class Function:
    """One function that the model can call.

    Attributes
    ----------
    parameters : JSON Schema of the arguments (an object), or None for a function without any
    run : called with the checked arguments as keywords
    validate : decoded JSON object → keyword arguments; raises ToolError with one line per problem
    """

    name: str
    description: str
    parameters: dict | None
    run: Callable[..., Any]
    validate: Callable[[dict], dict]

    def config(self) -> dict:
        entry = {"name": self.name, "description": self.description}
        return entry if self.parameters is None else {**entry, "parameters": self.parameters}

    def call(self, arguments: str) -> str:
        """Decode, check and run a call; return the result as text. Raises ToolError for a mistake in the call."""
        keywords = self.validate(decode_arguments(arguments))
        return as_text(self.run(**keywords))


def decode_arguments(arguments: str) -> dict:
    """Return the JSON object in a call; one encoded twice is accepted, and an empty text means no arguments."""
    if not arguments.strip():
        return {}
    try:
        decoded = read_json(arguments)
        if isinstance(decoded, str):
            decoded = read_json(decoded)
    except json.JSONDecodeError as error:
        raise ToolError(f"The arguments are not JSON: {error.msg} at character {error.pos}.") from None
    except ValueError as error:  # nested too deeply, or a number with thousands of digits
        raise ToolError(f"The arguments cannot be read: {error}.") from None
    if not isinstance(decoded, dict):
        raise ToolError(f'The arguments must be a JSON object such as {{"name": "value"}}, found {kind_of(decoded)}.')
    return decoded


def kind_of(value: Any) -> str:
    """Return a JSON value's kind, in JSON's own terms."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    kinds = {int: "a number", float: "a number", str: "a string", list: "an array", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)


def as_text(value: Any) -> str:
    """Return a function's result for a tool message.

    Text stays as it is; everything else becomes JSON without spaces, which would cost tokens.
    """
    if isinstance(value, str):
        text = value
    else:
        plain = pydantic.TypeAdapter(Any).dump_python(value, mode="json", fallback=str)
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return shorten(text, RESULT_CHARACTERS)


# ---------------------------------------------------------------------------------------------------------------------
# From a Python callable


def from_callable(function: Callable[..., Any], name: str | None = None) -> Function:
    """Describe a Python function: types from its signature, texts from its docstring.

    Every parameter needs an annotation; a default makes it optional. Parameter texts come from a NumPy, Google or
    reStructuredText docstring, or from ``Annotated[int, Field(description=…, ge=1)]``, whose bounds are checked too.
    """
    name = name or getattr(function, "__name__", "")
    if not NAME.fullmatch(name):
        raise GptOssError(f"function name: expected letters, digits, _ and -, found {name!r}; pass another as `name`.")
    if inspect.iscoroutinefunction(function):
        raise GptOssError(f"{name}: expected an ordinary function, found a coroutine; wrap it in one that runs it.")
    summary, fields = fields_of(function, name)
    try:
        model = pydantic.create_model(name, __config__=pydantic.ConfigDict(extra="forbid"), **fields)
        schema = tidy_schema(model.model_json_schema())
    except pydantic.PydanticUserError as error:
        reason = re.split(r"\. |\n", str(error))[0]
        raise GptOssError(f"{name}: expected parameters that JSON can hold, found another type: {reason}.") from None

    def validate(arguments: dict) -> dict:
        try:
            checked = model.model_validate(arguments)
        except pydantic.ValidationError as error:
            raise ToolError(explain([pydantic_problem(e, model) for e in error.errors()])) from None
        return {model.model_fields[field].alias: getattr(checked, field) for field in checked.model_fields_set}

    return Function(name, summary, schema if schema.get("properties") else None, function, validate)


def fields_of(function: Callable[..., Any], name: str) -> tuple[str, dict[str, Any]]:
    """Return the description, and for each parameter (type, field) as pydantic.create_model expects them.

    The fields have neutral names, with the parameters' names as aliases, since pydantic reserves words such as
    `schema`.
    """
    try:
        signature = inspect.signature(function, eval_str=True)
    except Exception as error:  # an annotation may raise anything; some built-in functions have no signature
        raise GptOssError(f"{name}: its parameters or their annotations cannot be read: {error}.") from None
    summary, texts = read_docstring(inspect.getdoc(function) or "", signature.parameters)
    fields = {}
    for parameter in signature.parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise GptOssError(
                f"{name}: expected named parameters only, found {parameter}; the model sends a JSON object."
            )
        if parameter.annotation is parameter.empty:
            raise GptOssError(f"{name}: parameter {parameter.name!r} has no type; annotate it, for example `: str`.")
        default = ... if parameter.default is parameter.empty else parameter.default
        field = FieldInfo.from_annotated_attribute(parameter.annotation, default)
        if field.description is None and parameter.name in texts:
            field.description = texts[parameter.name]
        field.alias = field.validation_alias = field.serialization_alias = parameter.name
        fields[f"argument_{len(fields)}"] = (parameter.annotation, field)
    return summary, fields


def pydantic_problem(error: Mapping[str, Any], model: type[pydantic.BaseModel]) -> str:
    """Describe one of pydantic's errors in one line, with what was found."""
    place = ".".join(str(part) for part in error["loc"]) or "arguments"
    if error["type"] == "missing":
        return f"`{place}`: required, but missing."
    if error["type"] == "extra_forbidden":
        known = ", ".join(field.alias for field in model.model_fields.values())
        return f"`{place}`: there is no such parameter; there are {known or 'none'}."
    return f"`{place}`: {error['msg']}; found {shorten(json.dumps(error['input'], default=str), 80)}."


def explain(problems: list[str]) -> str:
    """Combine all problems of a call into one message."""
    lines = "\n".join(f"- {problem}" for problem in problems[:10])
    return f"The arguments do not fit:\n{lines}\nCall again with corrected arguments."


def tidy_schema(schema: dict) -> dict:
    """Remove the titles that pydantic invents, and resolve references that are not recursive."""
    definitions = schema.get("$defs", {})
    recursive = False

    def walk(node: Any, inside: tuple[str, ...]) -> Any:
        nonlocal recursive
        if isinstance(node, list):
            return [walk(item, inside) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref", "").removeprefix("#/$defs/") if isinstance(node.get("$ref"), str) else ""
        if reference in definitions:
            if reference in inside:
                recursive = True
                return node
            rest = {key: value for key, value in node.items() if key != "$ref"}
            return {**walk(definitions[reference], (*inside, reference)), **walk(rest, inside)}
        # A title is a string; a property named "title" is an object.
        kept = {k: v for k, v in node.items() if k != "$defs" and not (k == "title" and isinstance(v, str))}
        return {key: walk(value, inside) for key, value in kept.items()}

    tidy = walk(schema, ())
    tidy.pop("additionalProperties", None)
    return {**tidy, "$defs": {k: walk(v, (k,)) for k, v in definitions.items()}} if recursive else tidy


SECTION = re.compile(r"(parameters|args|arguments)\s*:?", re.I)
OTHER_SECTION = re.compile(r"(returns|raises|notes?|examples?|yields|source|attributes)\s*:?", re.I)


def read_docstring(text: str, names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return the description (all before the first section) and the text of each parameter in `names`.

    Understands NumPy's ``name : type`` with the text below, Google's ``name (type): text`` and ``:param name: text``.
    """
    words = "|".join(map(re.escape, names)) or "(?!)"
    entry = re.compile(rf"(?P<name>{words})(?:\s+:.*|\s*(?:\([^)]*\))?:\s*(?P<text>.*)|)")
    field = re.compile(rf":param\s+(?:[^:]*\s)?(?P<name>{words})\s*:\s*(?P<text>.*)")
    summary: list[str] = []
    texts: dict[str, list[str]] = {}
    section, current, depth = "summary", None, 0
    for line in text.splitlines():
        stripped, indent = line.strip(), len(line) - len(line.lstrip())
        match = field.fullmatch(stripped)
        if match is None and section == "parameters" and (current is None or indent <= depth):
            match = entry.fullmatch(stripped)
        if match:
            section, current, depth = "parameters", match["name"], indent
            texts[current] = [match["text"] or ""]
        elif SECTION.fullmatch(stripped):
            section, current = "parameters", None
        elif OTHER_SECTION.fullmatch(stripped) or stripped.startswith(":"):
            section, current = "other", None
        elif section == "summary":
            summary.append(stripped)
        elif current and stripped:
            texts[current].append(stripped)
    return "\n".join(summary).strip(), {name: " ".join(parts).strip() for name, parts in texts.items() if any(parts)}


# ---------------------------------------------------------------------------------------------------------------------
# From a JSON Schema, and the tool itself


def from_schema(name: str, description: str, parameters: dict | None, run: Callable[..., Any]) -> Function:
    """Return a function described by a JSON Schema (draft 2020-12); `run` gets the checked arguments as keywords."""
    if not NAME.fullmatch(name):
        raise GptOssError(f"function name: expected letters, digits, _ and -, found {name!r}.")
    import jsonschema  # on first use: beside Jupyter, its import builds a grammar of addresses for seconds

    try:
        jsonschema.Draft202012Validator.check_schema(parameters or {})
    except jsonschema.SchemaError as error:
        raise GptOssError(f"{name}: the parameters are not a JSON Schema: {error.message}.") from None
    validator = jsonschema.Draft202012Validator(parameters or {"type": "object", "additionalProperties": False})

    def validate(arguments: dict) -> dict:
        problems = [
            f"`{'.'.join(map(str, error.absolute_path)) or 'arguments'}`: {shorten(error.message, 200)}."
            for error in validator.iter_errors(arguments)
        ]
        if problems:
            raise ToolError(explain(problems))
        return arguments

    return Function(name, description, parameters, run, validate)


class FunctionTool:
    """The namespace ``functions``: every function that the developer offers to the model."""

    def __init__(self, functions: Iterable[Function | Callable[..., Any]], name: str = "functions"):
        self.name = name
        self.functions: dict[str, Function] = {}
        for item in functions:
            function = item if isinstance(item, Function) else from_callable(item)
            if function.name in self.functions:
                raise GptOssError(f"expected one function for each name, found two called {function.name!r}.")
            self.functions[function.name] = function

    def config(self) -> dict:
        return {"name": self.name, "tools": [function.config() for function in self.functions.values()]}

    def call(self, recipient: str, arguments: str) -> ToolResult:
        """Run one function; return its exceptions as text, without a traceback."""
        started = time.monotonic()
        name = recipient.removeprefix(f"{self.name}.")
        function = self.functions.get(name)
        if function is None:
            text = f"There is no function {name!r} in {self.name}. Available: {', '.join(self.functions)}."
            return ToolResult(text, error=True, author=recipient)
        result = ToolResult("", author=recipient)
        try:
            result.text = function.call(arguments)
        except ToolError as error:
            result.text, result.error = str(error), True
        except (Exception, SystemExit) as error:  # sys.exit() in a function must not end the conversation
            result.text, result.error = f"{name} failed: {type(error).__name__}: {shorten(str(error), 1000)}", True
        result.seconds = time.monotonic() - started
        return result

    def close(self) -> None:
        """Do nothing: this tool holds no resources."""
