"""A request, independent of the API that received it, and the tools that it lets the model call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import tiktoken

from gptoss_edu.harmony import Message, ToolDescription
from gptoss_edu.harmony.constrain import Grammar

from .errors import ApiError
from .fields import Fields

BROWSER = ("web_search", "web_search_preview", "web_search_2025_08_26", "web_search_preview_2025_03_11")


@dataclass(frozen=True)
class TextFormat:
    """A required form of the final message, and the grammar that enforces it."""

    name: str
    schema: Any
    grammar: Grammar
    description: str | None = None


@dataclass
class Ask:
    """A request, independent of the API that received it.

    encoding : the model's encoding; schemas are enforced in its tokens.
    functions : run by the client; strict : grammars of their arguments, by recipient.
    builtin : tools that run on the server, "browser" and "python". choice : auto, none or required; callable : the
    recipients that may be called, if not all may. limit : tokens to sample at most. stop : texts that end the final
    message. echo : fields that the response object repeats.
    """

    encoding: tiktoken.Encoding
    messages: list[Message] = field(default_factory=list)
    instructions: str | None = None
    functions: list[ToolDescription] = field(default_factory=list)
    strict: dict[str, Grammar] = field(default_factory=dict)
    builtin: tuple[str, ...] = ()
    choice: str = "auto"
    callable: tuple[str, ...] | None = None
    effort: str = "medium"
    format: TextFormat | None = None
    limit: int | None = None
    max_tool_calls: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    cut_front: bool = False
    stream: bool = False
    include: tuple[str, ...] = ()
    echo: dict = field(default_factory=dict)

    def recipients(self) -> list[str]:
        """Return every recipient that may be called, as written in a header."""
        names = [f"functions.{function.name}" for function in self.functions]
        names += [f"browser.{name}" for name in ("search", "open", "find")] if "browser" in self.builtin else []
        names += ["python"] if "python" in self.builtin else []
        return names if self.callable is None else [name for name in names if name in self.callable]


def read_choice(ask: Ask, body: Fields) -> Any:
    """Read tool_choice: auto, none, required, a tool by name, or a list of allowed tools."""
    raw = body.get("tool_choice", "string or object", "auto")
    if isinstance(raw, str):
        take_choice(ask, body.get("tool_choice", "string", choices=("auto", "none", "required")) or raw)
        return raw
    choice = Fields(raw, "tool_choice")
    kind = choice.need("type", "string")
    if kind == "allowed_tools":
        mode = choice.need("mode", "string", choices=("auto", "required"))
        named = [
            name
            for i, tool in enumerate(choice.need("tools", "array"))
            for name in _named(ask, Fields(tool, f"tool_choice.tools[{i}]"))
        ]
        take_choice(ask, mode, named)
    else:
        take_choice(ask, "required", _named(ask, choice))
    return raw


def _named(ask: Ask, choice: Fields) -> list[str]:
    """Return the recipients that one choice names."""
    kind = choice.need("type", "string")
    if kind == "function":
        return [f"functions.{choice.need('name', 'string')}"]
    prefix = "browser." if kind in BROWSER else "python" if kind == "code_interpreter" else None
    found = [name for name in ask.recipients() if prefix and name.startswith(prefix)]
    return found or [kind]


def take_choice(ask: Ask, mode: str, named: Sequence[str] | None = None) -> None:
    """Set what may and must be called; refuse tools that are not on offer."""
    offered = ask.recipients()
    for name in named or ():
        if name not in offered:
            raise ApiError(
                f"'tool_choice': {name.removeprefix('functions.')!r:.80} is not among the tools.",
                "tool_choice",
                "invalid_value",
            )
    if mode == "required" and not offered:
        raise ApiError(
            "'tool_choice': a call is required, and there is no tool to call.", "tool_choice", "invalid_value"
        )
    ask.choice, ask.callable = mode, None if named is None else tuple(named)


def chat_choice(ask: Ask, choice: Fields) -> None:
    kind = choice.need("type", "string", choices=("function", "allowed_tools"))
    inner = Fields(choice.need(kind, "object"), choice.at(kind))
    if kind == "function":
        take_choice(ask, "required", [f"functions.{inner.need('name', 'string')}"])
        return
    named = [
        Fields(Fields(tool).need("function", "object")).need("name", "string") for tool in inner.need("tools", "array")
    ]
    take_choice(
        ask, inner.need("mode", "string", choices=("auto", "required")), [f"functions.{name}" for name in named]
    )
