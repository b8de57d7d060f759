"""Render as the chat template of the released Hugging Face repositories does, the other rendering in use.

It differs from openai-harmony in ways that a model can see. A call's content type is `json` without `<|constrain|>`,
and its arguments are re-serialised with spaces. A function's result is a JSON string (quoted, escaped). Two line breaks
follow instructions, functions have simpler types (`template_types`), and thoughts are dropped turn by turn.

    render(as_chat_template(conversation), encoding=encoding, drop_analysis="finished_turns")

The template puts today's date into the system message; here the date is always an argument. `template_inputs` returns
the arguments of `tokenizer.apply_chat_template`, for programs that render by themselves.

Source: chat_template.jinja of openai/gpt-oss-20b and -120b; openai/harmony issue 91 discusses the differences.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gptoss_edu.errors import HarmonyError

from .control import CONSTRAIN
from .messages import (
    DEFAULT_CUTOFF,
    DEFAULT_IDENTITY,
    Conversation,
    DeveloperContent,
    Message,
    SystemContent,
    Text,
    ToolDescription,
    as_messages,
)
from .sections import FUNCTIONS, browser_tools, python_tool, system_text
from .template_types import namespace_text

BUILT_IN = {"browser": browser_tools, "python": python_tool}


def as_chat_template(
    conversation: Conversation | Iterable[Message], date: str | None = None, training: bool = False
) -> Conversation:
    """Return the conversation as messages that render to the template's text, with thoughts dropped by its rule.

    Parameters
    ----------
    date : of the system message, if the conversation has none; the template always writes one
    training : the last turn is a target: its last message keeps its thought. Render it with next_role=None,
        training=True and drop_analysis="finished_turns".

    Raises
    ------
    HarmonyError : the template cannot express a message of this conversation; names it.
    """
    inputs = template_inputs(conversation)
    system, functions = inputs["system"], inputs["tools"]
    offered = {name: BUILT_IN[name]() for name in inputs["builtin_tools"]} or None
    content = SystemContent(
        inputs["model_identity"], inputs["reasoning_effort"], system.conversation_start_date or date, tools=offered
    )
    out = [Message("system", Text(system_text(content, has_functions=bool(functions))))]
    messages = list(inputs["messages"])
    instructions = messages.pop(0)["content"] if messages and messages[0]["role"] == "developer" else ""
    if instructions or functions:
        text = f"# Instructions\n\n{instructions}\n\n" if instructions else ""
        tools = [ToolDescription.from_dict(function["function"]) for function in functions]
        text += f"# Tools\n\n{namespace_text(FUNCTIONS, tools)}" if tools else ""
        out.append(Message("developer", Text(text)))
    called = None
    for i, message in enumerate(messages):
        if message["role"] == "user":
            out.append(Message("user", message["content"]))
        elif message["role"] == "tool":
            quoted = json.dumps(message["content"], ensure_ascii=False)
            out.append(Message("tool", quoted, "commentary", "assistant", name=f"{FUNCTIONS}.{called}"))
        else:
            target = training and i == len(messages) - 1
            out += _of_assistant(message, _answered(messages[i + 1 :]), target)
            called = message["tool_calls"][0]["function"]["name"] if "tool_calls" in message else None
    return Conversation(tuple(out))


def _answered(later: list[dict]) -> bool:
    return any(message["role"] == "assistant" and "tool_calls" not in message for message in later)


def _of_assistant(message: dict, answered: bool, target: bool) -> list[Message]:
    """Return a call or an answer, preceded by its thought if the template keeps that."""
    thought = message.get("thinking")
    if "tool_calls" not in message:
        kept = [Message("assistant", thought, "analysis")] if target and thought is not None else []
        return [*kept, Message("assistant", message["content"], "final")]
    call = message["tool_calls"][0]["function"]
    kept = [Message("assistant", thought, "analysis")] if thought and not answered else []
    arguments = json.dumps(call["arguments"], ensure_ascii=False)
    kind = call.get("content_type", "json")
    return [*kept, Message("assistant", arguments, "commentary", f"{FUNCTIONS}.{call['name']}", kind)]


# ----------------------------------------------------------------------------------------------- what a program passes


def template_inputs(conversation: Conversation | Iterable[Message]) -> dict[str, Any]:
    """Return the arguments of `tokenizer.apply_chat_template` for this conversation.

    Returns
    -------
    messages, tools, builtin_tools, model_identity and reasoning_effort, as the template expects them; `system` is
    the conversation's own system content, for the date.

    Raises
    ------
    HarmonyError : the template cannot express a message of this conversation; names it.
    """
    messages = as_messages(conversation)
    reader = _Reader()
    for index, message in enumerate(messages):
        reader.read(message, index)
    reader.end(len(messages))
    system = reader.system or SystemContent()
    return {
        "messages": reader.out, "tools": reader.tools, "builtin_tools": sorted(system.tools or {}), "system": system,
        "model_identity": DEFAULT_IDENTITY if system.model_identity is None else system.model_identity,
        "reasoning_effort": system.reasoning_effort or "medium",
    }  # fmt: skip


class _Reader:
    """Converts messages into the template's own, which hold thought, call and answer together."""

    def __init__(self):
        self.out: list[dict] = []
        self.tools: list[dict] = []
        self.system: SystemContent | None = None
        self.thought: str | None = None
        self.called: str | None = None

    def read(self, message: Message, index: int) -> None:
        if self.thought is not None and message.role != "assistant":
            _refuse(index, "a thought that neither a call nor an answer follows")
        getattr(self, f"_{message.role}")(message, index)

    def end(self, index: int) -> None:
        if self.thought is not None:
            _refuse(index - 1, "a thought that neither a call nor an answer follows")

    def _system(self, message: Message, index: int) -> None:
        content = message.content[0] if len(message.content) == 1 else None
        if index or not isinstance(content, SystemContent):
            _refuse(index, "a system message that is not the first, or has its own text")
        assert isinstance(content, SystemContent)
        if content.knowledge_cutoff not in (None, DEFAULT_CUTOFF) or set(content.tools or {}) - set(BUILT_IN):
            _refuse(index, "another knowledge cutoff, or other built-in tools than browser and python")
        self.system = content

    def _developer(self, message: Message, index: int) -> None:
        if self.out or self.tools:
            _refuse(index, "a developer message that is not the first")
        texts = []
        for content in message.content:
            if isinstance(content, Text):
                texts.append(content.text)
            elif isinstance(content, DeveloperContent):
                texts += [content.instructions] if content.instructions else []
                if set(content.tools or {}) - {FUNCTIONS}:
                    _refuse(index, "tools outside the namespace functions")
                for tool in content.tools[FUNCTIONS].tools if content.tools else ():
                    self.tools.append({"type": "function", "function": tool.to_dict()})
        if texts:
            self.out.append({"role": "developer", "content": "".join(texts)})

    def _user(self, message: Message, index: int) -> None:
        self.out.append({"role": "user", "content": message.text})

    def _tool(self, message: Message, index: int) -> None:
        if self.called is None or message.name != f"{FUNCTIONS}.{self.called}":
            _refuse(index, "a result of another function than the one just called")
        self.out.append({"role": "tool", "content": message.text})

    def _assistant(self, message: Message, index: int) -> None:
        if message.recipient is not None:
            self._call(message, index)
        elif message.channel == "analysis":
            if self.thought is not None:
                _refuse(index, "two thoughts in a row")
            self.thought = message.text
        elif message.channel == "commentary":
            _refuse(index, "a commentary to the user")
        else:
            self._append({"content": message.text})
            self.called = None

    def _call(self, message: Message, index: int) -> None:
        namespace, _, name = message.recipient.partition(".")
        if namespace != FUNCTIONS or not name:
            _refuse(index, f"a call to {message.recipient}, which is not a function")
        try:
            arguments = json.loads(message.text)
        except (ValueError, RecursionError):
            arguments = message.text
        call = {"name": name, "arguments": arguments}
        if message.content_type not in (None, "json", f"{CONSTRAIN}json"):
            call["content_type"] = message.content_type
        self._append({"tool_calls": [{"type": "function", "function": call}]})
        self.called = name

    def _append(self, parts: dict) -> None:
        thinking = {} if self.thought is None else {"thinking": self.thought}
        self.out.append({"role": "assistant", **thinking, **parts})
        self.thought = None


def _refuse(index: int, what: str) -> None:
    raise HarmonyError(
        f"message {index}: the chat template cannot express {what}; render the conversation itself, "
        "without as_chat_template."
    )


# ------------------------------------------------------------------------------------------------- a template of ours


def jinja_template(released: bool = True) -> str:
    """Return a chat template in Jinja, as GGUF files carry one.

    released : use the form of the published template; else openai-harmony's form without a date, as gpt-oss-tiny
        learned it
    """
    text = (Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")
    flags = ("false", "true") if released else ("true", "false")
    return text.replace("= LIBRARY", f"= {flags[0]}").replace("= DATED", f"= {flags[1]}")
