"""Parse a stream of tokens one at a time, strictly or with repairs.

There are three states: between messages, in a header, in a content. In strict mode, each token must be one that the
format expects, and errors name its position. In lenient mode, no stream raises: whatever a model leaves out, doubles or
invents is repaired. Every repair is recorded with the text that it dropped, and all other text ends up in a message.

Source: OpenAI, "OpenAI harmony response format"; the repairs answer malformations seen in public reports.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import NamedTuple

import tiktoken

from gptoss_edu.errors import HarmonyError

from .control import control_tokens, resolve_encoding, token_texts
from .headers import Header, parse_header_lenient, parse_header_strict, parse_header_unfinished
from .messages import ROLES, Message

BETWEEN, HEADER, CONTENT = "between", "header", "content"


class Repair(NamedTuple):
    """One repair of a lenient parse: the position of the token that required it, what was wrong, the text left out."""

    position: int
    problem: str
    text: str = ""


class StreamParser:
    """An incremental parser.

        parser = StreamParser(role="assistant", encoding=encoding)
        for token in sampled:
            print(parser.process(token), end="")        # text of the content, as it becomes complete UTF-8
        parser.flush()                                  # the stream has ended, perhaps in the middle of a message

    Parameters
    ----------
    strict : raise HarmonyError at the first token that the format does not allow; otherwise repair and go on.
    encoding : any encoding with harmony's control tokens; None means o200k_harmony.
    role : whose turn the prompt opened ("assistant" for what a model samples after `<|start|>assistant`);
        None if the stream starts with `<|start|>`.

    Attributes
    ----------
    messages : finished messages. repairs : what a lenient parse repaired. tokens : every id so far.
    state : "between", "header" or "content". partial : after flush(), whether the last message was cut off.
    current_role, current_channel, current_recipient, current_content_type, current_content : of the message whose
        content is being read; otherwise None (or "").
    """

    def __init__(self, strict: bool = True, encoding: tiktoken.Encoding | None = None, role: str | None = None):
        if role is not None and role not in ROLES:
            raise HarmonyError(f"role {role!r}: expected one of {', '.join(ROLES)}, or None.")
        self.strict, self.role = strict, role
        self.encoding = resolve_encoding(encoding)
        self.control = control_tokens(self.encoding)
        self._texts = token_texts(self.encoding)
        self.reset()

    def reset(self) -> None:
        """Reset the parser to its initial state."""
        self.messages: list[Message] = []
        self.repairs: list[Repair] = []
        self.tokens: list[int] = []
        self.rest: list[int] = []
        self.partial = False
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = False  # in the middle of a code point
        self._clean = True  # the current message needed no repair
        self._stray: list[int] = []
        self._header: Header | None = None
        self._parts: list[str] = []
        self._open_header(self.role)
        self.state = BETWEEN if self.role is None else HEADER
        if self.role is not None:
            self._ids = [self.control.start, *self.encoding.encode_ordinary(self.role)]

    def _open_header(self, role: str | None) -> None:
        self.state = HEADER
        self._given_role, self._collected, self._ids = role, [], []
        self._header_at = len(self.tokens)
        self._clean = True

    # --------------------------------------------------------------------------------------------------- the stream

    def process(self, token: int) -> str:
        """Take one token; return the content text that it completes (usually its own text, sometimes none).

        Raises
        ------
        HarmonyError : strict only; position, what was expected and what was found.
        """
        if self.state is CONTENT and not self._pending:
            text = self._texts.get(token)
            if text is not None:
                self.tokens.append(token)
                self._ids.append(token)
                self._parts.append(text)
                return text
        token = int(token)
        self.tokens.append(token)
        if not 0 <= token < self.control.n_vocab or not self._known(token):
            return self._refuse(f"id {token} is not in the vocabulary of {self.encoding.name}", "a token")
        if self.state is CONTENT:
            return self._in_content(token)
        return self._in_header(token) if self.state is HEADER else self._between(token)

    def feed(self, tokens: Iterable[int]) -> str:
        """Process several tokens; return the joined texts."""
        return "".join(map(self.process, tokens))

    def flush(self) -> str:
        """End the stream: keep what is there, even a message that was cut off; return the text still held.

        Raises
        ------
        HarmonyError : strict only, if the stream ends inside a header.
        """
        if self.state is HEADER:
            if self.strict:
                hint = "; this is a prompt's end: parse a completion with role=…" if not self._has_channel() else ""
                raise HarmonyError(
                    f"the stream ends at token {len(self.tokens)} inside a header: expected <|message|>{hint}."
                )
            return self._end_of_stream_in_header()
        if self.state is CONTENT:
            self.partial = True
            return self._finish(None)
        return self._drop_or_keep_stray()

    def _known(self, token: int) -> bool:
        try:
            self._texts[token]
        except KeyError:
            return False
        return True

    def _refuse(self, problem: str, expected: str, text: str = "") -> str:
        """Raise in strict mode; record a repair in lenient mode."""
        position = len(self.tokens) - 1
        if self.strict:
            raise HarmonyError(f"token {position}: expected {expected}, found {problem}.")
        self.repairs.append(Repair(position, problem, text))
        self._clean = False
        return ""

    def _name(self, token: int) -> str:
        return self.control.specials.get(token) or repr(self.encoding.decode([token]))

    # ------------------------------------------------------------------------------------------------------ content

    def _in_content(self, token: int) -> str:
        control = self.control
        if token in control.ends:
            return self._finish(token)
        if token not in control.specials:
            self._ids.append(token)
            return self._decode(token)
        expected = "text or the message's end"
        if token == control.endoftext:
            self._refuse("<|endoftext|> in place of a message's end", expected)
            return self._finish(None)
        if token == control.start:
            self._refuse("<|start|> before the message's end", expected)
            text = self._finish(None)
            self._open_header(None)
            self._ids = [token]
            return text
        if token == control.channel:
            self._refuse("<|channel|> before the message's end", expected)
            role, text = self._header.role, self._finish(None)
            self._open_header(role)
            self._collected.append(token)
            return text
        return self._refuse(f"{self._name(token)} inside a content", expected)

    def _decode(self, token: int) -> str:
        text = self._utf8.decode(self.encoding.decode_single_token_bytes(token))
        self._pending = bool(self._utf8.getstate()[0])
        if text:
            self._parts.append(text)
        return text

    def _finish(self, end: int | None) -> str:
        """Close the current message; return the text of its last, incomplete code point."""
        text = self._utf8.decode(b"", final=True) if self._pending else ""
        self._pending = False
        self._utf8.reset()
        self._parts.append(text)
        self._keep_message(self._header, "".join(self._parts), end)
        self.state = BETWEEN
        return text

    def _keep_message(self, header: Header, text: str, end: int | None) -> None:
        fields = (header.channel, header.recipient, header.content_type, header.name)
        message = Message(header.role, text, *fields)
        if end is not None and self._clean:
            object.__setattr__(message, "source", (self.encoding.name, (*self._ids, end)))
        self.messages.append(message)
        self._header, self._parts, self._ids = None, [], []

    # ------------------------------------------------------------------------------------------------------- header

    def _in_header(self, token: int) -> str:
        control = self.control
        if token == control.message:
            self._begin_content()
            self._ids += [*self._collected, token]
            return ""
        if token not in control.specials or token in (control.channel, control.constrain):
            self._collected.append(token)
            return ""
        problem = f"{self._name(token)} inside a header"
        self._refuse(problem, "a header's words, <|channel|>, <|constrain|> or <|message|>")
        text = ""
        if token == control.start:
            if self._only_author():
                self.repairs[-1] = Repair(len(self.tokens) - 1, "doubled header", self._header_text(self._collected))
            else:
                text = self._keep_unfinished()
            self._open_header(None)
            self._clean, self._ids = False, [token]
        elif token in control.ends or token == control.endoftext:
            text = self._keep_unfinished()
            self.state = BETWEEN
        return text

    def _begin_content(self) -> None:
        if self.strict:
            self._header = parse_header_strict(
                self._collected, self.control, self._strict_text, self._given_role, self._header_at
            )
        else:
            self._header = parse_header_lenient(self._collected, self.control, self._header_text, self._given_role)
            self._write_down(self._header)
        self.state = CONTENT

    def _write_down(self, header: Header) -> None:
        position = len(self.tokens) - 1
        words = " ".join(header.words)
        for i, problem in enumerate(header.problems or ([] if not words else ["left-over words"])):
            self.repairs.append(Repair(position, problem, words if i == 0 else ""))
            self._clean = False

    def _header_text(self, tokens) -> str:
        return self.encoding.decode_bytes(list(tokens)).decode("utf-8", "replace")

    def _strict_text(self, tokens) -> str:
        try:
            return self.encoding.decode_bytes(list(tokens)).decode("utf-8")
        except UnicodeDecodeError:
            raise HarmonyError(f"header at token {self._header_at}: expected UTF-8 text, found broken bytes.") from None

    def _has_channel(self) -> bool:
        return any(token in self.control.specials for token in self._collected)

    def _only_author(self) -> bool:
        words = self._header_text(self._collected).split()
        return not self._has_channel() and (len(words) <= (0 if self._given_role else 1) or words == [self._given_role])

    def _keep_unfinished(self) -> str:
        """End a header that has no `<|message|>`; what cannot be part of a header becomes the message's content."""
        header, text = parse_header_unfinished(self._collected, self.control, self._header_text, self._given_role)
        self._write_down(header)
        self._keep_message(header, text, None)
        return text

    def _end_of_stream_in_header(self) -> str:
        self.state = BETWEEN
        if self._only_author():
            self.rest = [*(() if self._given_role else self._ids), *self._collected]
            return ""
        self.partial = True
        self.repairs.append(Repair(len(self.tokens), "the stream ends inside a header"))
        return self._keep_unfinished()

    # ------------------------------------------------------------------------------------------------------ between

    def _between(self, token: int) -> str:
        control = self.control
        if token == control.start:
            text = self._drop_or_keep_stray()
            self._open_header(None)
            self._ids = [token]
            return text
        expected = "<|start|>" if self.messages else "<|start|> (parse a completion with role='assistant')"
        if token in control.specials:
            self._refuse(f"{self._name(token)} between messages", expected)
            if token not in (control.channel, control.message, control.constrain):
                return ""
            stray, self._stray = self._stray, []
            self._open_header(None if stray else "assistant")
            self._clean, self._collected = False, stray
            return self._in_header(token)
        if not self._stray:
            self._refuse(f"{self._name(token)} between messages", expected)
        self._stray.append(token)
        if self._may_become_header(self._header_text(self._stray)):
            return ""
        return self._open_headless()

    @staticmethod
    def _may_become_header(text: str) -> bool:
        """Return whether stray text may still become a header that lost its `<|start|>`: a role, then perhaps to=…"""
        if len(text) > 100:
            return False
        author, space, rest = text.lstrip().partition(" ")
        if not space:
            return any(role.startswith(author) for role in ROLES)
        return author in ROLES and (rest.startswith("to=") or "to=".startswith(rest))

    def _open_headless(self) -> str:
        """Open a message of the assistant without a channel, for text that has no header."""
        stray, self._stray = self._stray, []
        self._header, self._ids, self._clean, self.state = Header("assistant"), [], False, CONTENT
        return "".join(map(self._decode, stray))

    def _drop_or_keep_stray(self) -> str:
        if not self._stray:
            return ""
        text = self._header_text(self._stray)
        if not text.strip():
            self.repairs[-1] = self.repairs[-1]._replace(text=text)
            self._stray = []
            return ""
        text = self._open_headless()
        return text + self._finish(None)

    # ------------------------------------------------------------------------------------------- the current message

    current_role = property(lambda self: self._header.role if self._header else None)
    current_channel = property(lambda self: self._header.channel if self._header else None)
    current_recipient = property(lambda self: self._header.recipient if self._header else None)
    current_content_type = property(lambda self: self._header.content_type if self._header else None)
    current_content = property(lambda self: "".join(self._parts))
