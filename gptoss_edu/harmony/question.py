"""A question to the model as token ids, and the text of its final answer."""

from __future__ import annotations

from collections.abc import Iterable

import tiktoken

from gptoss_edu.errors import HarmonyError

from .control import control_tokens
from .messages import EFFORTS, Conversation, Message, SystemContent
from .parse import parse
from .render import render


def question_tokens(question: str, effort: str, encoding) -> list[int]:
    """Render a system message with the reasoning effort, the user's question, and the start of the answer."""
    if effort not in EFFORTS:
        raise HarmonyError(f"question: expected a reasoning effort of {', '.join(EFFORTS)}, found {effort!r}.")
    system = Message("system", SystemContent(reasoning_effort=effort))
    return render(Conversation([system, Message("user", question)]), encoding=encoding)


def final_text(answer: Iterable[int], encoding: tiktoken.Encoding) -> str:
    """Return the text of the last message on the final channel, stripped; "" if there is none.

    answer : what the model sampled after a prompt that ends in `<|start|>assistant`, or a whole conversation. It is  by
        id, leniently: words that spell a control token are text, and a content type in the header is not part of it.
    """
    tokens = [int(token) for token in answer]
    role = None if tokens[:1] == [control_tokens(encoding).start] else "assistant"
    finals = [m.text for m in parse(tokens, strict=False, encoding=encoding, role=role) if m.channel == "final"]
    return finals[-1].strip() if finals else ""
