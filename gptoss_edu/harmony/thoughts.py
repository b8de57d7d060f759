"""Which messages lose their place in the prompt: finished turns drop their chain of thought, a running one keeps it.

A model that called a tool thinks on after the result, so it must find its own thoughts again. Once it has answered,
they only cost context (and were trained to be gone). Two rules draw that line, and they differ in long conversations:

`"library"` (openai-harmony 0.0.8, and so the default here)
    If the last assistant message is a final one, drop everything on `analysis` that stands before the *first* final
    message of the conversation. So thoughts of the second and later turns stay for good; and while a new turn calls
    its tools, the thoughts of the first turn come back, because the last assistant message is then no final one (the
    prompt's earlier tokens change, and a prefix cache is lost). A call on `analysis` is dropped, its result is not.

`"finished_turns"` (what the format's description says, and the chat template of the released models does)
    Drop each thought that a later final message of the assistant has answered. Only thoughts: a call, whichever
    channel it is on, stays with its result. In a training example the last turn is the one to learn, so it keeps its
    thoughts (the library's rule drops even those).

`"keep"`
    Drop nothing.

Source: OpenAI, "OpenAI harmony response format", section Handling reasoning output in subsequent sampling.
"""

from __future__ import annotations

from collections.abc import Sequence

from gptoss_edu.errors import HarmonyError

from .messages import Message


def kept_messages(messages: Sequence[Message], rule: str = "library", training: bool = False) -> list[bool]:
    """Return, for each message, whether it is rendered.

    Parameters
    ----------
    messages : the conversation so far.
    rule : "library", "finished_turns" or "keep"; the module's text explains them.
    training : the last turn is a target, not history.

    Returns
    -------
    list of bool, as long as `messages`.
    """
    try:
        chosen = _RULES[rule]
    except KeyError:
        raise HarmonyError(f"drop_analysis={rule!r}: expected one of {', '.join(map(repr, _RULES))}.") from None
    return chosen(messages, training)


def _library(messages: Sequence[Message], training: bool) -> list[bool]:
    assistants = [message for message in messages if message.role == "assistant"]
    if not assistants or assistants[-1].channel != "final":
        return [True] * len(messages)
    first_final = next(i for i, message in enumerate(messages) if message.channel == "final")
    return [not (i < first_final and message.channel == "analysis") for i, message in enumerate(messages)]


def _finished_turns(messages: Sequence[Message], training: bool) -> list[bool]:
    finals = [i for i, message in enumerate(messages) if message.role == "assistant" and message.channel == "final"]
    if training:
        turn = max((i for i, message in enumerate(messages) if message.role == "user"), default=-1)
        finals = [i for i in finals if i < turn]
    last_final = finals[-1] if finals else -1
    return [not (i < last_final and _is_thought(message)) for i, message in enumerate(messages)]


def _is_thought(message: Message) -> bool:
    return message.role == "assistant" and message.channel == "analysis" and message.recipient is None


_RULES = {
    "library": _library,
    "finished_turns": _finished_turns,
    "keep": lambda messages, training: [True] * len(messages),
}
RULES = tuple(_RULES)
