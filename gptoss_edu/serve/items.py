"""Convert items of the Responses API, and chat messages, to harmony messages.

    item                              message
    message, role user                user
    message, role developer, system   developer
    message, role assistant           assistant on final, or on commentary if its phase says so
    reasoning                         assistant on analysis
    function_call                     assistant on commentary, to functions.NAME
    function_call_output              tool functions.NAME, right after its call

Items made by this server are known by id. If the client has not changed an item, its message keeps exactly the tokens
that the model sampled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from gptoss_edu.harmony import CONSTRAIN, DeveloperContent, Message

from .errors import ApiError
from .fields import Fields
from .seals import Seals

Known = Callable[[str], Sequence[Message]]  # id of an item or call → its messages, or none
MAX_NAME = 128
TEXT_PARTS = ("input_text", "output_text", "text", "refusal", "reasoning_text", "summary_text")


def nothing_known(identity: str) -> Sequence[Message]:
    return ()


def no_call(identity: str) -> str | None:
    return None


def messages_of(
    items: list[Any],
    known: Known = nothing_known,
    before: Sequence[Message] = (),
    calls: dict[str, Message] | None = None,
    seals: Seals | None = None,
    call_id_of: Callable[[str], str | None] = no_call,
) -> list[Message]:
    """Return the messages of Responses items, after those `before`.

    Parameters
    ----------
    items : a request's `input`.
    known : messages of items made by this server.
    before : messages of the earlier responses in this conversation. calls : their calls by call_id.
    seals : opens `encrypted_content`. call_id_of : id of an item → call_id, for references to calls.

    Raises
    ------
    ApiError : names the item, what was expected and what was found.
    """
    reader = _Reader(known, list(before), calls or {}, seals, call_id_of)
    for number, item in enumerate(items):
        reader.take(Fields(item, f"input[{number}]"))
    return reader.finish("input")


class _Reader:
    """The messages so far; a call's result is placed right after the call."""

    def __init__(self, known: Known, messages: list[Message], calls=(), seals: Seals | None = None, call_id_of=no_call):
        self.known, self.messages, self.seals, self.call_id_of = known, messages, seals, call_id_of
        self.calls: dict[str, Message] = {}
        self.answered: set[str] = set()
        for call_id, call in dict(calls).items():  # of earlier responses
            at = next((i for i, message in enumerate(messages) if message is call), None)
            if at is not None:
                self.calls[call_id] = call
                self.answered |= {call_id} if [m.role for m in messages[at + 1 : at + 2]] == ["tool"] else set()

    def take(self, item: Fields) -> None:
        kind = item.get("type", "string", "message")
        readers = {
            "message": self._message,
            "reasoning": self._reasoning,
            "function_call": self._call,
            "function_call_output": self._output,
            "item_reference": self._reference,
            "web_search_call": self._builtin,
            "code_interpreter_call": self._builtin,
        }
        if kind not in readers:
            raise ApiError(
                f"'{item.where}': items of type {kind!r:.60} are not supported by this server.",
                item.where,
                "unsupported_item",
            )
        readers[kind](item)

    def finish(self, where: str) -> list[Message]:
        for call_id in self.calls:
            if call_id not in self.answered:
                raise ApiError(f"No tool output found for function call {call_id}.", where, "missing_tool_output")
        return self.messages

    def _message(self, item: Fields) -> None:
        role = item.need("role", "string", choices=("user", "assistant", "developer", "system"))
        text = text_of(item.raw.get("content"), item.at("content"))
        if role == "user":
            self.messages.append(Message("user", text))
        elif role != "assistant":
            self.messages.append(Message("developer", DeveloperContent(text)))
        else:
            phase = item.get("phase", "string", choices=("commentary", "final_answer"))
            channel = "commentary" if phase == "commentary" else "final"
            same = [m for m in self._own(item) if m.text == text and m.channel == channel]
            self.messages += same or [Message("assistant", text, channel=channel)]

    def _reasoning(self, item: Fields) -> None:
        parts = item.get("content", "array")
        text = None if not parts else text_of(parts, item.at("content"))
        same = [m for m in self._own(item) if text in (None, m.text)]
        sealed = item.get("encrypted_content", "string")
        if same or (sealed is None and text is None):
            self.messages += same  # a summary alone is not a thought
            return
        opened = None if sealed is None or self.seals is None else self.seals.unseal(sealed)
        if opened is not None and opened.channel == "analysis" and text in (None, opened.text):
            self.messages.append(opened)
        elif text is not None:
            self.messages.append(Message("assistant", text, channel="analysis"))
        else:
            raise ApiError(
                f"'{item.at('encrypted_content')}': its signature is not this server's, which may have been restarted;"
                " send the item's content, or leave the item out.",
                item.at("encrypted_content"),
                "invalid_encrypted_content",
            )

    def _call(self, item: Fields) -> None:
        name, arguments = item.need("name", "string"), item.need("arguments", "string")
        self.call(item.need("call_id", "string", longest=128), name, arguments, self._own(item), item.where)

    def call(self, call_id: str, name: str, arguments: str, own: Sequence[Message], where: str) -> None:
        """Add a call of a client's function."""
        if call_id in self.calls:
            raise ApiError(f"'{where}': a second call with the id {call_id}.", where, "duplicate_call_id")
        check_name(name, where)
        recipient = f"functions.{name}"
        same = [m for m in own if m.recipient in (recipient, name) and m.text == arguments]
        fresh = Message("assistant", arguments, "commentary", recipient, f"{CONSTRAIN}json")
        self.calls[call_id] = same[-1] if same else fresh
        self.messages.append(self.calls[call_id])

    def _output(self, item: Fields) -> None:
        call_id = item.need("call_id", "string", longest=128)
        self.output(call_id, text_of(item.raw.get("output"), item.at("output")), item.where)

    def output(self, call_id: str, text: str, where: str) -> None:
        """Add the result of a call, right after it."""
        call = self.calls.get(call_id)
        if call is None or call_id in self.answered:
            what = "No function call found" if call is None else "A second output"
            raise ApiError(f"{what} for the call_id {call_id} of '{where}'.", where, "unknown_call_id")
        self.answered.add(call_id)
        at = next(i for i, message in enumerate(self.messages) if message is call)
        name = call.recipient if call.recipient.startswith("functions.") else f"functions.{call.recipient}"
        result = Message("tool", text, channel=call.channel or "commentary", recipient="assistant", name=name)
        self.messages.insert(at + 1, result)

    def _reference(self, item: Fields) -> None:
        own = self._own(item)
        if not own:
            raise ApiError(f"'{item.where}': there is no item with this id.", item.where, "unknown_item", 404)
        call_id = self.call_id_of(item.raw["id"])
        if call_id is not None:
            self.calls[call_id] = own[-1]
        self.messages += own

    def _builtin(self, item: Fields) -> None:
        """Add a search or a piece of code that this server ran itself.

        One that it no longer knows is ignored.
        """
        own = self._own(item)
        code = item.get("code", "string")
        if not own and code is not None and item.get("outputs", "array"):
            logs = "".join(str(o.get("logs", "")) for o in item.raw["outputs"] if isinstance(o, dict))
            own = [Message("assistant", code, "analysis", "python", "code"),
                   Message("tool", logs, "analysis", "assistant", name="python")]  # fmt: skip
        self.messages += own

    def _own(self, item: Fields) -> list[Message]:
        identity = item.get("id", "string", longest=128)
        return list(self.known(identity)) if identity is not None else []


def text_of(content: Any, where: str) -> str:
    """Return the text of a message's content, a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ApiError(f"Invalid type for '{where}': expected text or a list of parts.", where, "invalid_type")
    texts = []
    for number, raw in enumerate(content):
        part = Fields(raw, f"{where}[{number}]")
        kind = part.need("type", "string")
        if kind not in TEXT_PARTS:
            raise ApiError(
                f"'{part.where}': parts of type {kind!r:.60} are not supported; this model reads text.",
                part.where,
                "unsupported_content",
            )
        texts.append(part.need("refusal" if kind == "refusal" else "text", "string"))
    return "".join(texts)


def check_name(name: str, where: str) -> None:
    """Check a function's name: one word in a header of the prompt, with dots between parts, as in `browser.search`."""
    fits = len(name) <= MAX_NAME and all(name.split("."))
    if not fits or not all(c.isascii() and (c.isalnum() or c in "_-.") for c in name):
        raise ApiError(
            f"'{where}': expected a name of 1 to {MAX_NAME} letters, digits, '_', '-' and single dots between them, "
            f"found {name!r:.80}.",
            where,
            "invalid_value",
        )


def messages_of_chat(raw: list[Any], known: Known = nothing_known) -> list[Message]:
    """Return the messages of a Chat Completions request; thoughts are read under both usual names."""
    reader = _Reader(known, [])
    for number, message in enumerate(raw):
        fields = Fields(message, f"messages[{number}]")
        role = fields.need("role", "string", choices=("user", "assistant", "developer", "system", "tool"))
        content = fields.raw.get("content")
        if role == "tool":
            call_id = fields.need("tool_call_id", "string", longest=128)
            reader.output(call_id, text_of(content, fields.at("content")), fields.where)
        elif role == "assistant":
            _assistant(reader, fields, content)
        else:
            text = text_of(content, fields.at("content"))
            made = Message("user", text) if role == "user" else Message("developer", DeveloperContent(text))
            reader.messages.append(made)
    return reader.finish("messages")


def _assistant(reader: _Reader, fields: Fields, content: Any) -> None:
    """Add an assistant's chat message: thought, then a preamble and calls, or an answer."""
    fields.refuse(("audio", "function_call"))
    calls = fields.get("tool_calls", "array", [])
    thought = fields.get("reasoning_content", "string") or fields.get("reasoning", "string")
    own = [m for raw in calls if isinstance(raw, dict) for m in reader.known(str(raw.get("id")))]
    if thought:
        same = [m for m in own if m.channel == "analysis" and m.recipient is None and m.text == thought]
        reader.messages.append(same[0] if same else Message("assistant", thought, channel="analysis"))
    text = "" if content is None else text_of(content, fields.at("content"))
    text = text or fields.get("refusal", "string", "")
    if text or not (calls or thought):
        reader.messages.append(Message("assistant", text, channel="commentary" if calls else "final"))
    for number, raw in enumerate(calls):
        call = Fields(raw, f"{fields.at('tool_calls')}[{number}]")
        call.get("type", "string", choices=("function",))
        function = Fields(call.need("function", "object"), call.at("function"))
        name, arguments = function.need("name", "string"), function.get("arguments", "string", "")
        reader.call(call.need("id", "string", longest=128), name, arguments, own, call.where)


def search_action(call: Message) -> dict:
    """Return what a browser call does, in the form of a web_search_call."""
    try:
        arguments = json.loads(call.text)
    except (ValueError, RecursionError):
        arguments = {}
    arguments = arguments if isinstance(arguments, dict) else {}
    what = call.recipient.rpartition(".")[2]
    if what == "open":
        return {"type": "open_page", "url": str(arguments.get("id", ""))}
    if what == "find":
        return {"type": "find_in_page", "pattern": str(arguments.get("pattern", "")), "url": ""}
    query = str(arguments.get("query", ""))
    return {"type": "search", "query": query, "queries": [query]}
