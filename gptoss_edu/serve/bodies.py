"""Read a request's body. Whatever cannot be done as asked is refused here; nothing is ignored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tiktoken

from gptoss_edu.harmony import HarmonyError, ToolDescription
from gptoss_edu.harmony.constrain import Constraint, Grammar, json_schema

from .ask import BROWSER, Ask, TextFormat, chat_choice, read_choice, take_choice
from .errors import ApiError
from .fields import Fields
from .items import check_name

EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
INCLUDE = ("reasoning.encrypted_content", "web_search_call.action.sources", "web_search_call.results",
           "code_interpreter_call.outputs", "file_search_call.results", "message.input_image.image_url",
           "computer_call_output.output.image_url")  # fmt: skip
HINTS = (
    "return_token_ids",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
)
MAX_TOOLS, MAX_ITEMS, MAX_STOPS = 128, 4096, 4


def read_sampling(ask: Ask, body: Fields) -> None:
    """Read temperature, top_p and seed."""
    ask.temperature = float(body.get("temperature", "number", 1.0, low=0, high=2))
    ask.top_p = float(body.get("top_p", "number", 1.0, low=0, high=1)) or 1e-9
    ask.seed = body.get("seed", "integer")


def ask_of_response(body: Fields, offered: Sequence[str], encoding: tiktoken.Encoding) -> Ask:
    """Read a body of POST /v1/responses, except its input; offered : the built-in tools that are switched on."""
    ask = Ask(encoding, instructions=body.get("instructions", "string"), stream=body.get("stream", "boolean", False))
    read_sampling(ask, body)
    ask.limit = body.get("max_output_tokens", "integer", low=1)
    ask.max_tool_calls = body.get("max_tool_calls", "integer", low=1)
    ask.cut_front = body.get("truncation", "string", "disabled", choices=("auto", "disabled")) == "auto"
    ask.include = tuple(body.get("include", "array", []))
    for value in ask.include:
        if value not in INCLUDE:
            raise ApiError(f"Invalid value for 'include': {value!r:.60}.", "include", "invalid_value")
    _read_reasoning(ask, body)
    verbosity = _read_text(ask, body)
    tools = [
        _tool(ask, Fields(raw, f"tools[{i}]"), offered)
        for i, raw in enumerate(body.get("tools", "array", [], longest=MAX_TOOLS))
    ]
    _check_names(ask)
    choice = read_choice(ask, body)
    metadata = body.get("metadata", "object", {}, longest=16)
    if not all(isinstance(v, str) and len(v) <= 512 and len(k) <= 64 for k, v in metadata.items()):
        raise ApiError("'metadata': expected up to 16 short texts.", "metadata", "invalid_value")
    _refuse_the_rest(body)
    ask.echo = {
        "instructions": ask.instructions,
        "max_output_tokens": ask.limit,
        "max_tool_calls": ask.max_tool_calls,
        "metadata": metadata,
        "parallel_tool_calls": body.get("parallel_tool_calls", "boolean", True),
        "reasoning": {"effort": ask.effort, "summary": None},
        "store": body.get("store", "boolean", True),
        "temperature": ask.temperature,
        "text": {"format": _format_echo(ask), "verbosity": verbosity},
        "tool_choice": choice,
        "tools": [tool for tool in tools if tool is not None],
        "top_p": ask.top_p,
        "truncation": "auto" if ask.cut_front else "disabled",
        "user": body.get("user", "string"),
        "safety_identifier": body.get("safety_identifier", "string"),
        "prompt_cache_key": body.get("prompt_cache_key", "string"),
    }
    return ask


def _refuse_the_rest(body: Fields) -> None:
    body.refuse(("background", "top_logprobs"), (False, 0))
    body.refuse(
        ("conversation", "prompt", "context_management", "moderation", "access_programs", "background_options", "image")
    )
    body.get("service_tier", "string", choices=("auto", "default"))
    if options := body.get("stream_options", "object"):
        Fields(options, "stream_options").get("include_obfuscation", "boolean")
    body.skip(*HINTS)


def _read_reasoning(ask: Ask, body: Fields) -> None:
    reasoning = Fields(body.get("reasoning", "object", {}), "reasoning")
    ask.effort = EFFORTS[reasoning.get("effort", "string", "medium", choices=tuple(EFFORTS))]
    reasoning.get("summary", "string", choices=("auto",))  # thoughts are sent in full, not summarised
    reasoning.get("generate_summary", "string", choices=("auto",))
    reasoning.done()


def _read_text(ask: Ask, body: Fields) -> str:
    text = Fields(body.get("text", "object", {}), "text")
    verbosity = text.get("verbosity", "string", "medium", choices=("medium",))
    if raw := text.get("format", "object"):
        ask.format = read_format(Fields(raw, "text.format"), encoding=ask.encoding)
    text.done()
    return verbosity


def read_format(form: Fields, encoding: tiktoken.Encoding, inner: str | None = None) -> TextFormat | None:
    """Read the format text, json_object or json_schema. inner : the key around the schema in a chat request."""
    kind = form.need("type", "string", choices=("text", "json_object", "json_schema"))
    if kind == "text":
        return None
    if kind == "json_object":
        return TextFormat("json_object", {"type": "object"}, enforced({"type": "object"}, form.where, encoding))
    if inner is not None:
        form = Fields(form.need(inner, "object"), form.at(inner))
    schema = form.need("schema", "object")
    form.get("strict", "boolean")
    name = form.need("name", "string")
    check_name(name, form.at("name"))
    grammar = enforced(schema, form.at("schema"), encoding)
    return TextFormat(name, schema, grammar, form.get("description", "string"))


def enforced(schema: Any, where: str, encoding: tiktoken.Encoding) -> Grammar:
    """Return a schema's grammar, or a refusal that says why it cannot be enforced. No reference leads outside."""
    try:
        grammar = json_schema(schema)
        Constraint(encoding, final=grammar)  # raises for a schema that no grammar can express
        return grammar
    except (HarmonyError, RecursionError) as error:
        why = str(error)[:300].rstrip(".")
        raise ApiError(f"Invalid schema in '{where}': {why}.", where, "invalid_json_schema") from None


def _format_echo(ask: Ask) -> dict:
    form = ask.format
    if form is None or form.name == "json_object":
        return {"type": "text" if form is None else "json_object"}
    return {
        "type": "json_schema",
        "name": form.name,
        "schema": form.schema,
        "description": form.description,
        "strict": True,
    }


def _tool(ask: Ask, tool: Fields, offered: Sequence[str]) -> dict | None:
    """Take one tool; return how the response repeats it, or None for an ignored kind."""
    kind = tool.need("type", "string")
    if kind == "function":
        strict = read_function(ask, tool)
        return {
            **tool.raw,
            "description": tool.get("description", "string"),
            "parameters": tool.get("parameters", "object"),
            "strict": strict,
        }
    name = "browser" if kind in BROWSER else "python" if kind == "code_interpreter" else None
    if name is None:
        return None  # not offered to the model, and not listed in the response
    if name not in offered:
        raise ApiError(
            f"'{tool.where}': {kind} is switched off on this server; start it with --tools {name}.",
            tool.where,
            "tool_not_available",
        )
    if name not in ask.builtin:
        ask.builtin = (*ask.builtin, name)
    return {"type": kind} if name == "browser" else {"type": kind, "container": {"type": "auto"}}


def read_function(ask: Ask, tool: Fields) -> bool:
    """Read a function that the client runs. Return whether its schema is enforced: unless strict is false, it is."""
    name = tool.need("name", "string")
    check_name(name, tool.at("name"))
    schema, strict = tool.get("parameters", "object"), tool.get("strict", "boolean")
    description = tool.get("description", "string", "")
    grammar = None
    if strict is not False:
        try:
            grammar = enforced(
                schema or {"type": "object", "properties": {}, "additionalProperties": False},
                tool.at("parameters"),
                ask.encoding,
            )
        except ApiError:
            if strict:
                raise
    if grammar is not None:
        ask.strict[f"functions.{name}"] = grammar
    ask.functions.append(ToolDescription(name, description, schema))
    return grammar is not None


def _check_names(ask: Ask) -> None:
    names = [function.name for function in ask.functions]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ApiError(f"'tools': two functions are called {min(doubled)!r}.", "tools", "invalid_value")


def ask_of_chat(body: Fields, encoding: tiktoken.Encoding) -> Ask:
    """Read a body of POST /v1/chat/completions, except its messages."""
    ask = Ask(encoding, stream=body.get("stream", "boolean", False))
    read_sampling(ask, body)
    limits = [body.get(key, "integer", low=1) for key in ("max_completion_tokens", "max_tokens")]
    ask.limit = limits[0] or limits[1]
    ask.effort = EFFORTS[body.get("reasoning_effort", "string", "medium", choices=tuple(EFFORTS))]
    stop = body.get("stop", "string or array", [])
    ask.stop = (stop,) if isinstance(stop, str) else tuple(stop)
    if len(ask.stop) > MAX_STOPS or not all(isinstance(s, str) and 0 < len(s) <= 256 for s in ask.stop):
        raise ApiError(f"'stop': expected up to {MAX_STOPS} short texts.", "stop", "invalid_value")
    if raw := body.get("response_format", "object"):
        ask.format = read_format(Fields(raw, "response_format"), encoding=ask.encoding, inner="json_schema")
    for i, raw in enumerate(body.get("tools", "array", [], longest=MAX_TOOLS)):
        tool = Fields(raw, f"tools[{i}]")
        if tool.need("type", "string") == "function":
            read_function(ask, Fields(tool.need("function", "object"), tool.at("function")))
    _check_names(ask)
    raw = body.get("tool_choice", "string or object", "auto")
    if isinstance(raw, str):
        take_choice(ask, body.get("tool_choice", "string", choices=("auto", "none", "required")) or raw)
    else:
        chat_choice(ask, Fields(raw, "tool_choice"))
    ask.include = (
        ("usage",)
        if Fields(body.get("stream_options", "object", {}), "stream_options").get("include_usage", "boolean")
        else ()
    )
    body.refuse(("n",), (1,))
    body.refuse(("frequency_penalty", "presence_penalty"), (0, 0.0))
    body.refuse(("logprobs", "top_logprobs"), (False, 0))
    body.refuse(("store",), (False,))
    body.refuse(("logit_bias",), ({},))
    body.refuse(("modalities",), (["text"],))
    body.refuse(("verbosity",), ("medium",))
    body.refuse(("audio", "prediction", "functions", "function_call", "web_search_options", "moderation"))
    body.get("service_tier", "string", choices=("auto", "default"))
    body.get("parallel_tool_calls", "boolean")
    body.get("metadata", "object", longest=16)
    body.skip(*HINTS)
    return ask


def check_model(body: Fields, served: str) -> None:
    """Refuse a model name other than the served one."""
    name = body.need("model", "string", longest=256)
    if name != served:
        raise ApiError(
            f"The model {name!r:.80} does not exist; this server has {served!r}.", "model", "model_not_found", 404
        )
