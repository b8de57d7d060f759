"""A question to the model as token ids, and the text of its final answer."""

from __future__ import annotations

from gptoss_edu import harmony
from gptoss_edu.errors import TraceError

EFFORTS = ("low", "medium", "high")


def question_tokens(question: str, effort: str, encoding) -> list[int]:
    """A system message with the reasoning effort, the user's question, and the start of the assistant's message."""
    if effort not in EFFORTS:
        raise TraceError(f"the reasoning effort is one of {', '.join(EFFORTS)}, not {effort!r}")
    system = harmony.Message("system", harmony.SystemContent(reasoning_effort=effort))
    return harmony.render(harmony.Conversation([system, harmony.Message("user", question)]), encoding=encoding)


def final_text(answer: list[int], encoding) -> str:
    """The text of the last message on the final channel; empty where the model wrote none."""
    text = encoding.decode(answer)
    _, found, after = text.rpartition("<|channel|>final<|message|>")
    return after.split("<|", 1)[0].strip() if found else ""
