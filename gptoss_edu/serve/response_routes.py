"""POST, GET and DELETE of responses, and their input items."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from .ask import Ask
from .bodies import ask_of_response, check_model
from .completions import failure
from .errors import ApiError
from .fields import Fields, decode
from .guard import read_body
from .items import messages_of
from .responses import ResponseEvents, new_id, response_object
from .store import Memory, Stored
from .turn import Turn
from .web import PAGE_HEADERS, Server, Stream, log, watched

MAX_TRACED = 2048  # tokens: more are too many for an explorer page


async def create_response(server: Server, request: Request) -> Response:
    """POST /v1/responses."""
    raw = decode(await read_body(request))
    if server.log_texts:
        log.info("request %s", raw)
    body = Fields(raw)
    check_model(body, server.name)
    ask = ask_of_response(body, server.tools, server.encoding)
    previous = body.get("previous_response_id", "string", longest=256)
    items, memory = _take_input(server, ask, body, previous)
    body.done()
    if not ask.messages:
        raise ApiError("'input': expected at least one message.", "input", "missing_required_parameter")
    answer = _Answer(server, ask, items, memory, previous)
    await answer.begin()
    if ask.stream:
        return Stream(answer.events(), answer.turn.cancel, named=True)
    async with watched(request, answer.turn.cancel):
        async for _ in answer.events():
            pass
    if answer.turn.status == "failed":
        raise failure(answer.turn)
    return JSONResponse(answer.response)


def _take_input(server: Server, ask: Ask, body: Fields, previous: str | None) -> tuple[list[Any], Memory]:
    """Read the input into the messages of `ask`, after those of the previous response."""
    given, store = body.get("input", "string or array"), server.store
    items = (
        given if isinstance(given, list) else [{"type": "message", "role": "user", "content": given}] if given else []
    )
    if len(items) > 4096:
        raise ApiError("'input': more than 4096 items.", "input", "invalid_value")
    before = store.get(previous, "previous_response_id").memory if previous is not None else None
    if before is None:  # a client that sends all its items back continues the conversation that made them
        ids = [item.get("id") for item in items if isinstance(item, dict)]
        made = [store.memory_of(i) for i in ids if isinstance(i, str)]
        last = next((memory for memory in reversed(made) if memory is not None), None)
        memory = Memory(last.name if last else new_id("conv"), pages=last.pages if last else ())
        ask.messages = messages_of(items, store.known, seals=server.seals, call_id_of=store.call_id_of)
    else:
        memory = Memory(before.name, pages=before.pages, calls=dict(before.calls))
        ask.messages = messages_of(items, store.known, before.messages, before.calls, server.seals, store.call_id_of)
    return [_with_id(item) for item in items], memory


def _with_id(item: dict) -> dict:
    """Return an input item as listed: with an id, and content as parts."""
    shown = {"type": "message", **item}
    shown.setdefault("id", new_id("msg" if shown["type"] == "message" else "item"))
    if shown["type"] == "message":
        shown.setdefault("status", "completed")
        if isinstance(shown.get("content"), str):
            kind = "output_text" if shown.get("role") == "assistant" else "input_text"
            shown["content"] = [{"type": kind, "text": shown["content"]}]
    return shown


class _Answer:
    """One response from its first event to the store."""

    def __init__(self, server: Server, ask: Ask, items: list[Any], memory: Memory, previous: str | None):
        self.server, self.ask, self.items, self.memory = server, ask, items, memory
        memory.messages = list(ask.messages)
        self.response = response_object(ask.echo, server.name, previous)
        self.toolbox = server.desks.toolbox(memory, ask.builtin)
        self.turn = Turn(server.pool, server.encoding, ask, self.toolbox, server.date())
        seals = server.seals if "reasoning.encrypted_content" in ask.include else None
        citations = getattr(self.toolbox.tools.get("browser"), "citations", None)
        outputs = "code_interpreter_call.outputs" in ask.include
        self.writer = ResponseEvents(self.response, seals, outputs, citations)

    async def begin(self) -> None:
        try:
            self.turn.begin()
        except BaseException:
            self.server.desks.give_back(self.memory, self.toolbox, keep=False)
            raise
        self.server.running.add(self.turn)

    async def events(self) -> AsyncGenerator[list[dict]]:
        """Yield the events; afterwards the response is complete, and stored if requested."""
        turn, writer = self.turn, self.writer
        try:
            yield writer.begin()
            async with contextlib.aclosing(turn.happenings()) as happenings:
                async for happened in happenings:
                    yield [event for happening in happened for event in writer.take(happening)]
            last = writer.finish(turn.status, turn.usage, turn.why)
            self._keep()
            yield last
        finally:
            turn.cancel()
            self.server.running.discard(turn)
            await asyncio.to_thread(self.server.desks.give_back, self.memory, self.toolbox, self._is_kept())

    def _is_kept(self) -> bool:
        return bool(self.ask.echo["store"]) and self.turn.status in ("completed", "incomplete")

    def _keep(self) -> None:
        store, memory, turn, writer = self.server.store, self.memory, self.turn, self.writer
        memory.messages = [*self.ask.messages, *turn.written]
        if turn.call is not None and writer.call_id is not None:
            memory.calls[writer.call_id] = turn.call
        for identity, messages in writer.messages.items():
            store.remember(identity, messages, memory)
        if self._is_kept():
            store.keep(Stored(dict(self.response), self.items, memory, turn.tokens()))
        if self.server.log_texts:
            log.info("response %s", self.response)


async def get_response(server: Server, request: Request) -> Response:
    """GET /v1/responses/{id}."""
    if request.query_params.get("stream") in ("true", "1"):
        raise ApiError("A stored response cannot be streamed again.", "stream", "unsupported_parameter")
    return JSONResponse(server.store.get(request.path_params["id"]).response)


async def trace(server: Server, request: Request) -> Response:
    """GET /trace/{id}: the explorer page of what the model computed for a stored response.

    It is recomputed in one pass between two rounds of the pool, one request at a time.
    """
    tokens = server.store.get(request.path_params["id"]).tokens
    if server.explore is None:
        raise ApiError("This server shows no traces.", code="trace_not_available", status=404)
    if len(tokens) > MAX_TRACED:
        raise ApiError(f"A trace has at most {MAX_TRACED} tokens; this response has {len(tokens)}.", code="too_long")
    if server.tracing:
        raise ApiError("A trace is being made; try again.", code="overloaded", status=429, headers={"Retry-After": "2"})
    server.tracing = True
    try:
        explore = server.explore
        html = await asyncio.wrap_future(server.pool.between(lambda: explore(tokens)))
    except asyncio.CancelledError:  # the server is shutting down
        raise ApiError("The server ends.", code="server_error", status=503) from None
    finally:
        server.tracing = False
    return HTMLResponse(html, headers=PAGE_HEADERS)


async def delete_response(server: Server, request: Request) -> Response:
    """DELETE /v1/responses/{id}."""
    identity = request.path_params["id"]
    server.store.delete(identity)
    return JSONResponse({"id": identity, "object": "response", "deleted": True})


async def input_items(server: Server, request: Request) -> Response:
    """GET /v1/responses/{id}/input_items: only those of this response, newest first by default."""
    items = server.store.get(request.path_params["id"]).items
    order, after, limit = (request.query_params.get(k) for k in ("order", "after", "limit"))
    if order not in (None, "asc", "desc"):
        raise ApiError("'order': expected asc or desc.", "order", "invalid_value")
    if limit is not None and not (limit.isdecimal() and 1 <= int(limit) <= 100):
        raise ApiError("'limit': expected 1 to 100.", "limit", "invalid_value")
    shown = list(items) if order == "asc" else items[::-1]
    if after is not None:
        at = next((i for i, item in enumerate(shown) if item["id"] == after), None)
        if at is None:
            raise ApiError("'after': there is no item with this id.", "after", "invalid_value")
        shown = shown[at + 1 :]
    page = shown[: int(limit or 20)]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return JSONResponse({"object": "list", "data": page, "has_more": len(page) < len(shown), **ends})
