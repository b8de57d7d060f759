"""The Responses API: a turn as numbered events, and the response object.

    created, in_progress
        output_item.added, content_part.added, (output_text | reasoning_text).delta …, .done, content_part.done,
        output_item.done                                                      an answer, a preamble, a thought
        output_item.added, function_call_arguments.delta …, .done, output_item.done                     a call
    completed | incomplete | failed

Source: OpenAI's API reference, Streaming events; the Open Responses specification for the response object.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tiktoken

from gptoss_edu.harmony import Begins, Ends, Message, Piece, PieceReader
from gptoss_edu.tools.browser import Citation

from .items import search_action
from .seals import Seals
from .turn import ToolDone, Usage

CUT_OFF = {"reason": "max_output_tokens"}


def new_id(prefix: str) -> str:
    """Return an unguessable id, since anyone who knows a response's id may read it."""
    return f"{prefix}_{secrets.token_hex(24)}"


def response_object(echo: dict, model: str, previous: str | None = None) -> dict:
    """Return a response that has just begun; `echo` holds the request's fields."""
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "completed_at": None,
        "status": "in_progress",
        "incomplete_details": None,
        "model": model,
        "previous_response_id": previous,
        "output": [],
        "error": None,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "top_logprobs": 0,
        "background": False,
        "service_tier": "default",
        "usage": None,
        **echo,
    }


def blank_item(begins: Begins) -> tuple[dict, dict | None]:
    """Return the empty item of a new message, and the part for its text (None for a call)."""
    recipient = begins.recipient if begins.recipient not in ("assistant", "user", "all") else None
    if recipient == "python":
        return {
            "type": "code_interpreter_call",
            "id": new_id("ci"),
            "status": "in_progress",
            "code": "",
            "container_id": "python",
            "outputs": None,
        }, None
    if recipient is not None:
        return {
            "type": "function_call",
            "id": new_id("fc"),
            "call_id": new_id("call"),
            "status": "in_progress",
            "name": recipient.removeprefix("functions."),
            "arguments": "",
        }, None
    if begins.channel == "analysis":
        item = {"type": "reasoning", "id": new_id("rs"), "status": "in_progress", "summary": [], "content": []}
        return item, {"type": "reasoning_text", "text": ""}
    phase = "commentary" if begins.channel == "commentary" else "final_answer"
    item = {
        "type": "message",
        "id": new_id("msg"),
        "status": "in_progress",
        "role": "assistant",
        "phase": phase,
        "content": [],
    }
    return item, {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


class ResponseEvents:
    """Turns the answer into events, and fills the response object.

    response : from `response_object`. seals : signs thoughts if the client asks for `encrypted_content`.
    outputs : send what Python printed. citations : finds the browser's citations in an answer.
    """

    def __init__(
        self,
        response: dict,
        seals: Seals | None = None,
        outputs: bool = False,
        citations: Callable[[str], list[Citation]] | None = None,
    ):
        self.response, self.seals, self.outputs, self.citations = response, seals, outputs, citations
        self.messages: dict[str, list[Message]] = {}  # by the ids of items, and of calls
        self.call_id: str | None = None
        self._number = 0
        self._open: dict[int, dict] = {}  # a message's number → its item

    def _event(self, kind: str, **fields: Any) -> dict:
        event = {"type": f"response.{kind}", "sequence_number": self._number, **fields}
        self._number += 1
        return event

    def begin(self) -> list[dict]:
        return [
            self._event("created", response=dict(self.response)),
            self._event("in_progress", response=dict(self.response)),
        ]

    def take(self, event: Begins | Piece | Ends | ToolDone) -> list[dict]:
        """Return the events for one step of the answer."""
        if isinstance(event, Begins):
            return self._begins(event)
        item = self._open.get(event.number)
        if isinstance(event, Piece):
            return [] if item is None else self._piece(item, event.text)
        if isinstance(event, ToolDone):
            return [] if item is None else self._tool_done(item, event)
        if item is None:  # a search: its item needs the arguments
            return self._search(event)
        return self._ends(item, event)

    def finish(self, status: str, usage: Usage, why: str = "") -> list[dict]:
        """Return the last events. Whatever is still open (client or server stopped) is closed as incomplete."""
        events = []
        for item in list(self._open.values()):
            events += self._close(item, "incomplete")
        response = self.response
        response["status"] = {"cancelled": "incomplete"}.get(status, status)
        response["usage"] = {
            "input_tokens": usage.read,
            "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
            "output_tokens": usage.sampled,
            "output_tokens_details": {"reasoning_tokens": usage.thought},
            "total_tokens": usage.read + usage.sampled,
        }
        if status == "completed":
            response["completed_at"] = int(time.time())
        elif status == "failed":
            response["error"] = {"code": "server_error", "message": f"The answer could not be finished ({why})."}
        else:
            response["incomplete_details"] = dict(CUT_OFF)
        return [*events, self._event(response["status"], response=dict(response))]

    # -------------------------------------------------------------------------------------------------------- items

    def _add(self, number: int, item: dict) -> dict:
        self._open[number] = item
        item["_index"], item["_number"] = len(self.response["output"]), number
        self.response["output"].append(_shown(item))
        return self._event("output_item.added", output_index=item["_index"], item=_shown(item))

    def _begins(self, begins: Begins) -> list[dict]:
        if (begins.recipient or "").startswith("browser."):
            return []  # a search: its item needs the arguments
        item, part = blank_item(begins)
        added = self._add(begins.number, item)
        if item["type"] == "code_interpreter_call":
            return [added, self._of(item, "code_interpreter_call.in_progress")]
        if part is None:
            return [added]
        item["content"] = [part]
        return [added, self._of(item, "content_part.added", content_index=0, part=dict(part))]

    def _of(self, item: dict, kind: str, **fields: Any) -> dict:
        return self._event(kind, item_id=item["id"], output_index=item["_index"], **fields)

    def _piece(self, item: dict, text: str) -> list[dict]:
        if item["type"] == "function_call":
            item["arguments"] += text
            return [self._of(item, "function_call_arguments.delta", delta=text)]
        if item["type"] == "code_interpreter_call":
            item["code"] += text
            return [self._of(item, "code_interpreter_call_code.delta", delta=text)]
        item["content"][0]["text"] += text
        if item["type"] == "reasoning":
            return [self._of(item, "reasoning_text.delta", content_index=0, delta=text)]
        return [self._of(item, "output_text.delta", content_index=0, delta=text, logprobs=[])]

    def _ends(self, item: dict, ends: Ends) -> list[dict]:
        self.messages.setdefault(item["id"], []).append(ends.message)
        if item["type"] == "function_call" and not ends.partial:
            self.call_id = item["call_id"]
            self.messages[item["call_id"]] = [ends.message]
        if item["type"] == "reasoning" and self.seals is not None:
            item["encrypted_content"] = self.seals.seal(ends.message)
        if item["type"] == "code_interpreter_call" and not ends.partial:
            return [
                self._of(item, "code_interpreter_call_code.done", code=item["code"]),
                self._of(item, "code_interpreter_call.interpreting"),
            ]
        cited = self._annotate(item) if item["type"] == "message" and self.citations is not None else []
        return cited + self._close(item, "incomplete" if ends.partial else "completed")

    def _annotate(self, item: dict) -> list[dict]:
        """Annotate the answer's citations that lead to a page as url_citations."""
        part, events, at = item["content"][0], [], 0
        for found in self.citations(part["text"]):
            start = part["text"].index(found.mark, at)
            at = start + len(found.mark)
            if found.url:
                note = {
                    "type": "url_citation",
                    "start_index": start,
                    "end_index": at,
                    "url": found.url,
                    "title": found.title,
                }
                part["annotations"] = [*part["annotations"], note]
                number = len(part["annotations"]) - 1
                events.append(
                    self._of(
                        item, "output_text.annotation.added", content_index=0, annotation_index=number, annotation=note
                    )
                )
        return events

    def _close(self, item: dict, status: str) -> list[dict]:
        """Close an item, sending its content once more as a whole."""
        item["status"] = status
        del self._open[item["_number"]]
        events = []
        if item["type"] == "function_call":
            events = [self._of(item, "function_call_arguments.done", name=item["name"], arguments=item["arguments"])]
        elif item["type"] in ("message", "reasoning"):
            part = item["content"][0]
            if item["type"] == "reasoning":
                events = [self._of(item, "reasoning_text.done", content_index=0, text=part["text"])]
            else:
                events = [self._of(item, "output_text.done", content_index=0, text=part["text"], logprobs=[])]
            events.append(self._of(item, "content_part.done", content_index=0, part=dict(part)))
        self.response["output"][item["_index"]] = _shown(item)
        return [*events, self._event("output_item.done", output_index=item["_index"], item=_shown(item))]

    def _search(self, ends: Ends) -> list[dict]:
        if ends.partial:
            return []
        item = {
            "type": "web_search_call",
            "id": new_id("ws"),
            "status": "in_progress",
            "action": search_action(ends.message),
        }
        self.messages[item["id"]] = [ends.message]
        added = self._add(ends.number, item)
        return [added, self._of(item, "web_search_call.in_progress"), self._of(item, "web_search_call.searching")]

    def _tool_done(self, item: dict, done: ToolDone) -> list[dict]:
        self.messages.setdefault(item["id"], [done.call]).append(done.message)
        if item["type"] == "code_interpreter_call" and self.outputs:
            item["outputs"] = [{"type": "logs", "logs": done.result.text}]
        return [self._of(item, f"{item['type']}.completed"), *self._close(item, "completed")]


def _shown(item: dict) -> dict:
    """Return a copy of an item without private fields; later changes must not reach events that wait to be sent."""
    shown = {key: value for key, value in item.items() if not key.startswith("_")}
    if "content" in shown:
        shown["content"] = [dict(part) for part in shown["content"]]
    return shown


def response_events(
    tokens: Iterable[int], encoding: tiktoken.Encoding | None = None, echo: dict | None = None, model: str = "gpt-oss"
) -> Iterator[dict]:
    """Yield all events for tokens that a model sampled after `<|start|>assistant`.

    The response is incomplete if the tokens end before the message does.
    """
    events, usage, partial = ResponseEvents(response_object(echo or {}, model)), Usage(), False
    yield from events.begin()
    reader = PieceReader(encoding)
    for event in reader.read(tokens):
        if isinstance(event, Begins | Piece | Ends):
            yield from events.take(event)
        partial = partial or (isinstance(event, Ends) and event.partial)
    usage.sampled = len(reader.parser.tokens)
    yield from events.finish("incomplete" if partial else "completed", usage)
