"""POST /v1/chat/completions, and POST /v1/completions by token ids."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import time
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gptoss_edu.engines.request import PoolFull
from gptoss_edu.engines.request import Request as PoolRequest
from gptoss_edu.harmony import DeveloperContent
from gptoss_edu.tools import Toolbox

from .ask import Ask
from .bodies import ask_of_chat, check_model
from .completions import ChatAnswer, choice_of, completion_object, failure, requests_of
from .errors import ApiError
from .fields import Fields, decode
from .guard import read_body
from .items import messages_of_chat
from .responses import new_id
from .store import Memory
from .turn import Turn
from .wakes import wakes
from .web import Server, Stream, log, watched


async def chat_completions(server: Server, request: Request) -> Response:
    """POST /v1/chat/completions."""
    raw = decode(await read_body(request))
    if server.log_texts:
        log.info("request %s", raw)
    body = Fields(raw)
    check_model(body, server.name)
    ask = ask_of_chat(body, server.encoding)
    ask.messages = messages_of_chat(body.need("messages", "array", longest=4096), server.store.known)
    body.done()
    _take_instructions(ask)
    if not ask.messages and ask.instructions is None:
        raise ApiError("'messages': expected at least one message.", "messages", "invalid_value")
    turn = Turn(server.pool, server.encoding, ask, Toolbox(), server.date())
    turn.begin()
    answer = ChatAnswer(ask, server.name)
    server.running.add(turn)
    events = _chunks(server, turn, answer)
    if ask.stream:
        return Stream(events, turn.cancel, named=False, last="[DONE]")
    async with watched(request, turn.cancel):
        async for _ in events:
            pass
    if turn.status == "failed":
        raise failure(turn)
    return JSONResponse(answer.whole(turn))


def _take_instructions(ask: Ask) -> None:
    """Move a developer message at the beginning into the one that names the tools."""
    if ask.messages and ask.messages[0].role == "developer":
        content = ask.messages.pop(0).content[0]
        ask.instructions = content.instructions if isinstance(content, DeveloperContent) else None


async def _chunks(server: Server, turn: Turn, answer: ChatAnswer) -> AsyncGenerator[list[dict]]:
    try:
        yield answer.begin()
        async with contextlib.aclosing(turn.happenings()) as happenings:
            async for happened in happenings:
                yield [chunk for happening in happened for chunk in answer.take(happening)]
        if answer.call is not None and answer.call_message is not None:  # kept token for token until the result comes
            own = [*answer.thoughts[-1:], answer.call_message]
            server.store.remember(answer.call["id"], own, Memory("chat"))
        yield answer.finish(turn)
        if server.log_texts:
            log.info("answer %s", answer.whole(turn))
    finally:
        turn.cancel()
        server.running.discard(turn)


# ------------------------------------------------------------------------------------------ completions by token ids


class _Group:
    """The requests of one completion, cancelled together."""

    def __init__(self, requests: list[PoolRequest]):
        self.requests, self.news = requests, asyncio.Event()
        for request in requests:
            request.listener = functools.partial(wakes().wake, self.news)

    def cancel(self) -> None:
        for request in self.requests:
            request.cancel()

    async def steps(self) -> AsyncGenerator[None]:
        """Yield whenever there is something new, the last time when all have ended."""
        over = False
        while not over:
            await self.news.wait()
            self.news.clear()
            over = all(request.reason is not None for request in self.requests)
            yield


async def completions(server: Server, request: Request) -> Response:
    """POST /v1/completions."""
    raw = decode(await read_body(request))
    if server.log_texts:
        log.info("request %s", raw)
    body, pool, encoding = Fields(raw), server.pool, server.encoding
    check_model(body, server.name)
    requests, stream = requests_of(body, encoding, pool.model.config.vocab_size, pool.room)
    body.done()
    if "seed" not in raw:
        for one in requests:
            one.seed = secrets.randbits(63)
    group = _Group(requests)
    try:
        for one in requests:
            pool.submit(one)
    except PoolFull as error:
        group.cancel()
        raise ApiError(str(error), code="overloaded", status=429, headers={"Retry-After": "1"}) from None
    server.running.add(group)
    head = {"id": new_id("cmpl"), "object": "text_completion", "created": int(time.time()), "model": server.name}
    if stream:
        return Stream(_parts(server, group, head), group.cancel, named=False, last="[DONE]")
    try:
        async with watched(request, group.cancel):
            async for _ in group.steps():
                pass
    finally:
        server.running.discard(group)
    if any(one.reason == "error" for one in requests):
        raise ApiError("The completion could not be finished.", code="generation_failed", status=500)
    return JSONResponse(completion_object(head, requests, encoding))


async def _parts(server: Server, group: _Group, head: dict) -> AsyncGenerator[list[dict]]:
    given, ended = [0] * len(group.requests), [False] * len(group.requests)
    try:
        async for _ in group.steps():
            parts = []
            for i, one in enumerate(group.requests):
                over = one.reason is not None
                if len(one.sampled) > given[i] or (over and not ended[i]):
                    choice = choice_of(one, i, server.encoding, given[i])
                    given[i] += len(choice["token_ids"])
                    ended[i] = over and choice["finish_reason"] is not None
                    parts.append({**head, "choices": [choice]})
            yield parts
        yield [completion_object(head, group.requests, server.encoding) | {"choices": []}]
    finally:
        group.cancel()
        server.running.discard(group)
