"""The other rendering in use: what the chat template of the released Hugging Face repositories writes.

It differs from openai-harmony in small ways that a model can see: a call's content type is `json` without
`<|constrain|>`, a function's result is a JSON string (quoted, escaped), and thoughts are dropped turn by turn. (It also
puts today's date into the system message; here the date is an argument, whichever rendering is used.)

    render(as_chat_template(conversation), encoding=encoding, drop_analysis="finished_turns")

Source: chat_template.jinja of openai/gpt-oss-20b; openai/harmony issue 91 discusses the differences.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from .control import CONSTRAIN
from .messages import Conversation, Message, as_messages
from .sections import FUNCTIONS


def as_chat_template(conversation: Conversation | Iterable[Message]) -> Conversation:
    """The conversation with its calls and results in the chat template's form; other messages are as they were."""
    return Conversation(tuple(map(_rewritten, as_messages(conversation))))


def _rewritten(message: Message) -> Message:
    if message.role == "assistant" and message.content_type == f"{CONSTRAIN}json":
        return replace(message, content_type="json")
    if message.role == "tool" and (message.name or "").startswith(f"{FUNCTIONS}."):
        return replace(message, content=json.dumps(message.text, ensure_ascii=False))
    return message
