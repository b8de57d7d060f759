"""Render messages to token ids.

    <|start|>{author}[ to={recipient}][<|channel|>{channel}][ {content type}]<|message|>{content}<|end|>

Control tokens are written only here. Everything in a message is encoded as ordinary text, so no text, name or JSON can
turn into a control token. The only exception is a content type's leading `<|constrain|>`.

Source: OpenAI, "OpenAI harmony response format"; token for token equal to openai-harmony 0.0.8.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import tiktoken

from gptoss_edu.errors import HarmonyError
from gptoss_edu.tokenizer import encode_text

from .control import CONSTRAIN, control_tokens, resolve_encoding
from .messages import ROLES, Conversation, DeveloperContent, Message, SystemContent, Text, as_messages
from .sections import developer_text, has_functions, system_text
from .thoughts import kept_messages

SECTIONS = ("start", "author", "recipient", "channel", "content_type", "message", "content", "end")
_OTHER_ROLES = tuple(role for role in ROLES if role != "tool")  # not a tool's name: headers read these as roles
_SHORT_TEXTS = 4096  # header texts whose ids are cached, per encoding


class LabelledToken(NamedTuple):
    """One token of a rendered conversation.

    token : its id. message : index into the conversation, or None for the `<|start|>assistant` that opens the next
    turn. role, channel : of that message. section : one of SECTIONS. trained : the assistant samples this token itself,
    so training counts it in the loss.
    """

    token: int
    message: int | None
    role: str
    channel: str | None
    section: str
    trained: bool


class _Plan(NamedTuple):
    """What to render: (index, message) in order, and whether functions are on offer."""

    messages: list[tuple[int, Message]]
    dropped: list[bool]
    functions: bool


def render(
    conversation: Conversation | Iterable[Message],
    next_role: str | None = "assistant",
    encoding: tiktoken.Encoding | None = None,
    *,
    drop_analysis: str = "library",
    training: bool = False,
    keep_tokens: bool = True,
) -> list[int]:
    """Return the token ids of a conversation.

    Parameters
    ----------
    conversation : a Conversation or messages.
    next_role : whose turn it is; `<|start|>{next_role}` comes last. None: only the conversation.
    encoding : any encoding with harmony's control tokens; None means o200k_harmony.
    drop_analysis : which thoughts of finished turns are left out: "library", "finished_turns" or "keep"
        (`gptoss_edu.harmony.thoughts`).
    training : with next_role=None, a last message on `final` ends in `<|return|>`, as the model samples it. Use it
        with drop_analysis="finished_turns": the library's rule drops the thoughts of the turn to learn.
    keep_tokens : a message that came from parse() keeps the ids that it was parsed from, so that a conversation
        continues with exactly the tokens that the model sampled. False: encode all text again.

    Raises
    ------
    HarmonyError : names the message and what is wrong with it.
    """
    renderer, plan, out = _prepare(conversation, next_role, encoding, drop_analysis, training)
    for position, (index, message) in enumerate(plan.messages):
        last = position == len(plan.messages) - 1
        if keep_tokens and message.source is not None and message.source[0] == renderer.encoding.name:
            out += renderer.own_tokens(message, as_sampled=last and next_role is None)
        else:
            for _, tokens in renderer.spans(message, index, plan.functions):
                out += tokens
        if training and last and _is_final(message):
            out[-1] = renderer.control.return_
    if next_role is not None:
        out += renderer.opening(next_role)
    return out


def render_labelled(
    conversation: Conversation | Iterable[Message],
    next_role: str | None = "assistant",
    encoding: tiktoken.Encoding | None = None,
    *,
    drop_analysis: str = "library",
    training: bool = False,
    keep_tokens: bool = True,
) -> list[LabelledToken]:
    """Return the ids of `render`, each with its labels. Parameters as there.

    `trained` marks what the assistant samples itself. This leaves out the `<|start|>assistant` that the prompt provides
    at the start of a turn and after a tool's result, and the `<|end|>` after an earlier answer (there the model sampled
    `<|return|>`). It also leaves out turns whose thoughts were dropped, since a model trained on those would learn to
    answer without thinking.
    """
    renderer, plan, _ = _prepare(conversation, next_role, encoding, drop_analysis, training)
    out: list[LabelledToken] = []
    thoughtless = _turns_without_thoughts(plan)
    after_own_message = False
    for position, (index, message) in enumerate(plan.messages):
        last = position == len(plan.messages) - 1
        if keep_tokens and message.source is not None and message.source[0] == renderer.encoding.name:
            spans = renderer.own_spans(message, as_sampled=last and next_role is None)
        else:
            spans = renderer.spans(message, index, plan.functions)
        if training and last and _is_final(message):
            spans[-1] = ("end", [renderer.control.return_])
        own = message.role == "assistant" and index not in thoughtless
        answered = _is_final(message) and spans[-1][1] == [renderer.control.end]
        opening = 2  # `<|start|>` and the author
        for number, (section, tokens) in enumerate(spans):
            trained = own and (number >= opening or after_own_message) and not (section == "end" and answered)
            out += [LabelledToken(t, index, message.role, message.channel, section, trained) for t in tokens]
        after_own_message = message.role == "assistant" and spans[-1][1] == [renderer.control.end] and not answered
    if next_role is not None:
        start, *author = renderer.opening(next_role)
        out.append(LabelledToken(start, None, next_role, None, "start", False))
        out += [LabelledToken(token, None, next_role, None, "author", False) for token in author]
    return out


def _prepare(conversation, next_role, encoding, drop_analysis, training):
    encoding = resolve_encoding(encoding)
    messages = as_messages(conversation)
    if training and next_role is not None:
        raise HarmonyError("training=True renders whole conversations: it needs next_role=None.")
    kept = kept_messages(messages, drop_analysis, training)
    plan = _Plan(
        [(index, message) for index, message in enumerate(messages) if kept[index]],
        [not keep for keep in kept],
        has_functions(messages),
    )
    return _renderer(encoding), plan, []


def _is_final(message: Message) -> bool:
    return message.role == "assistant" and message.channel == "final"


def _turns_without_thoughts(plan: _Plan) -> set[int]:
    """Return the indices of messages whose turn (from one user message to the next) lost a message."""
    kept, turns, turn = dict(plan.messages), [[]], 0
    for index, dropped in enumerate(plan.dropped):
        if not dropped and kept[index].role == "user":
            turns.append([])
            turn += 1
        turns[turn].append(index)
    return {index for turn in turns if any(plan.dropped[i] for i in turn) for index in turn}


class _Renderer:
    """Renders single messages in one encoding; header texts are encoded once."""

    def __init__(self, encoding: tiktoken.Encoding):
        self.encoding = encoding
        self.control = control_tokens(encoding)
        self._short: dict[str, list[int]] = {}

    def short(self, text: str) -> list[int]:
        tokens = self._short.get(text)
        if tokens is None:
            tokens = encode_text(self.encoding, text)
            if len(self._short) < _SHORT_TEXTS and len(text) < 100:
                self._short[text] = tokens
        return tokens

    def opening(self, role: str) -> list[int]:
        return [self.control.start, *self.short(role)]

    def spans(self, message: Message, index: int, functions: bool) -> list[tuple[str, list[int]]]:
        """Return (section, ids) of one message: start and author first, end last."""
        control = self.control
        out = [("start", [control.start]), ("author", self.short(_author(message, index)))]
        if message.recipient is not None and message.recipient != "all":
            out.append(("recipient", self.short(f" to={message.recipient}")))
        if message.channel is not None:
            out.append(("channel", [control.channel, *self.short(message.channel)]))
        if message.content_type is not None:
            out.append(("content_type", self._content_type(message.content_type)))
        out.append(("message", [control.message]))
        for content in message.content:
            out.append(("content", encode_text(self.encoding, _content_text(content, message, index, functions))))
        calls = message.role == "assistant" and message.recipient is not None
        out.append(("end", [control.call if calls else control.end]))
        return out

    def _content_type(self, content_type: str) -> list[int]:
        if not content_type.startswith(CONSTRAIN):
            return self.short(f" {content_type}")
        rest = content_type[len(CONSTRAIN) :]
        return [*self.short(" "), self.control.constrain, *(self.short(rest) if rest else ())]

    def own_tokens(self, message: Message, as_sampled: bool) -> list[int]:
        """Return the ids that a message was parsed from; in a history, an answer's `<|return|>` becomes `<|end|>`."""
        tokens = list(message.source[1])
        if tokens[-1] == self.control.return_ and not as_sampled:
            tokens[-1] = self.control.end
        return tokens

    def own_spans(self, message: Message, as_sampled: bool) -> list[tuple[str, list[int]]]:
        """Return the same, split into sections; a word that begins with a space starts a new part of the header."""
        control, section, out = self.control, "author", []
        tokens = self.own_tokens(message, as_sampled)
        for token in tokens[1:-1]:
            if section in ("message", "content"):
                section = "content"
            elif token in (control.channel, control.constrain, control.message):
                section = {control.channel: "channel", control.message: "message"}.get(token, "content_type")
            elif section != "content_type":
                word = self.encoding.decode_single_token_bytes(token)
                if word.startswith(b" "):
                    section = "recipient" if word.startswith(b" to") else "content_type"
            if out and out[-1][0] == section and section != "message":
                out[-1][1].append(token)
            else:
                out.append((section, [token]))
        return [("start", tokens[:1]), *out, ("end", tokens[-1:])]


def _author(message: Message, index: int) -> str:
    if message.role != "tool":
        return message.role if message.name is None else f"{message.role}:{message.name}"
    if message.name is None:
        raise HarmonyError(
            f"message {index} has role 'tool' and no name; give the tool's name, as in 'functions.search'."
        )
    if message.name.partition(":")[0] in _OTHER_ROLES:
        raise HarmonyError(
            f"message {index} has role 'tool' and the name {message.name!r}, which reads as another role in a header: "
            "give the tool's name, as in 'functions.search'."
        )
    return message.name


def _content_text(content, message: Message, index: int, functions: bool) -> str:
    if isinstance(content, Text):
        return content.text
    for kind, role, text in (
        (SystemContent, "system", lambda: system_text(content, functions)),
        (DeveloperContent, "developer", lambda: developer_text(content)),
    ):
        if isinstance(content, kind):
            if message.role != role:
                raise HarmonyError(
                    f"message {index}: {kind.__name__} may stand in a {role} message only, found in {message.role!r}."
                )
            return text()
    raise HarmonyError(
        f"message {index}: a content is {type(content).__name__}: expected text or a system or developer one."
    )


@lru_cache(maxsize=8)
def _renderer(encoding: tiktoken.Encoding) -> _Renderer:
    return _Renderer(encoding)
