"""The routes: a Starlette application with a pool, a store, and access checks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gptoss_edu.engines.pool import Pool
from gptoss_edu.tools.base import Tool

from .errors import ApiError
from .guard import Guard, drain, refusal
from .seals import Seals
from .store import Desks, Store

log = logging.getLogger("gptoss_edu.serve")
compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


@dataclass
class Server:
    """Everything that the routes share.

    pool : with its thread running. name : the model's name for clients. tools : built-in tools that requests may use.
    make_tool : name → a new tool. date : for the system message, called each time. page : HTML of the page at /.
    log_texts : write requests and answers to the log. explore : tokens → HTML that shows what the model computes for
    them, called in the pool's thread. tracing : `explore` is running
    """

    pool: Pool
    name: str
    guard: Guard = field(default_factory=Guard)
    tools: tuple[str, ...] = ()
    make_tool: Callable[[str], Tool] | None = None
    date: Callable[[], str | None] = lambda: None
    log_texts: bool = False
    store: Store = field(default_factory=Store)
    page: str | None = None
    explore: Callable[[list[int]], str] | None = None
    tracing: bool = False

    def __post_init__(self):
        self.encoding = self.pool.model.tokenizer
        self.seals = Seals(self.encoding)
        self.desks = Desks(self.make_tool or _no_tool)
        self.running: set = set()  # turns, ended when the server shuts down
        self.counts: Counter = Counter()
        self.started = time.time()

    def end_all(self) -> None:
        """End all answers in progress, because the server is shutting down."""
        for turn in list(self.running):
            turn.cancel()


def _no_tool(name: str) -> Tool:
    raise ApiError(f"The tool {name} is switched off on this server.", code="tool_not_available")


def application(server: Server) -> Starlette:
    """Create the ASGI application."""
    from .chat_routes import chat_completions, completions
    from .response_routes import create_response, delete_response, get_response, input_items, trace

    def route(path: str, method: str, endpoint) -> Route:
        return Route(path, _guarded(server, path, endpoint), methods=[method, "OPTIONS"])

    routes = [
        route("/", "GET", page),
        route("/health", "GET", health),
        route("/metrics", "GET", metrics),
        route("/v1/models", "GET", models),
        route("/v1/models/{model:path}", "GET", models),
        route("/v1/responses", "POST", create_response),
        Route(
            "/v1/responses/{id}",
            _guarded(server, "/v1/responses/{id}", _get_or_delete(get_response, delete_response)),
            methods=["GET", "DELETE", "OPTIONS"],
        ),
        route("/v1/responses/{id}/input_items", "GET", input_items),
        route("/trace/{id}", "GET", trace),
        route("/v1/chat/completions", "POST", chat_completions),
        route("/v1/completions", "POST", completions),
    ]
    handlers = {404: _not_found, 405: _not_found, 500: _fault}
    return Starlette(routes=routes, exception_handlers=handlers)


def _get_or_delete(get, delete):
    async def endpoint(server: Server, request: Request) -> Response:
        return await (delete if request.method == "DELETE" else get)(server, request)

    return endpoint


def _guarded(server: Server, path: str, endpoint):
    """Put a route behind the guard, with errors in OpenAI's shape and one log line: no texts, no ids, no keys."""

    async def handle(request: Request) -> Response:
        began, origin = time.monotonic(), request.headers.get("origin")
        try:
            server.guard.check(request)
            response = Response(status_code=204) if request.method == "OPTIONS" else await endpoint(server, request)
        except ApiError as error:
            if error.status == 413:
                with contextlib.suppress(ClientDisconnect, RuntimeError):  # the body may already have ended
                    await drain(request)
            response = refusal(error)
        except ClientDisconnect:
            response = Response(status_code=499)
        except Exception as error:
            log.error("%s %s: %s", request.method, path, type(error).__name__)
            response = refusal(ApiError("The server failed.", code="server_error", status=500))
            if server.log_texts:
                log.exception("fault")
        response.headers.update(server.guard.sharing(origin))
        server.counts[path, response.status_code] += 1
        log.info("%s %s %d %.3f s", request.method, path, response.status_code, time.monotonic() - began)
        return response

    return handle


async def _not_found(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return refusal(
        ApiError(f"Unknown request URL: {request.method} {request.url.path[:200]}.", code="unknown_url", status=status)
    )


async def _fault(request: Request, error: Exception) -> Response:
    return refusal(ApiError("The server failed.", code="server_error", status=500))


# ------------------------------------------------------------------------------------------------------ small routes


async def page(server: Server, request: Request) -> Response:
    html = server.page or files("gptoss_edu.serve").joinpath("page.html").read_text(encoding="utf-8")
    return HTMLResponse(html, headers=PAGE_HEADERS)


async def health(server: Server, request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def models(server: Server, request: Request) -> Response:
    """Return the served model; its name is the last part of a local path."""
    pool = server.pool
    model = {
        "id": server.name, "object": "model", "created": int(server.started), "owned_by": "gptoss_edu",
        "context_window": pool.room, "tools": list(server.tools), "traces": server.explore is not None,
    }  # fmt: skip
    wanted = request.path_params.get("model")
    if wanted is None:
        return JSONResponse({"object": "list", "data": [model]})
    if wanted != server.name:
        raise ApiError(f"The model {wanted!r:.80} does not exist.", "model", "model_not_found", 404)
    return JSONResponse(model)


async def metrics(server: Server, request: Request) -> Response:
    """Return metrics in Prometheus' text format."""
    pool = server.pool
    lines = [
        f'gptoss_requests_total{{path="{path}",status="{status}"}} {n}'
        for (path, status), n in sorted(server.counts.items())
    ]
    values = {
        "gptoss_rows_running": len(pool.active),
        "gptoss_requests_waiting": len(pool.waiting),
        "gptoss_rows": pool.rows,
        "gptoss_tokens_sampled_total": pool.tokens,
        "gptoss_tokens_read_total": pool.read_tokens,
        "gptoss_steps_total": pool.steps,
        "gptoss_prefix_hits_total": pool.prefixes.hits,
        "gptoss_prefix_misses_total": pool.prefixes.misses,
        "gptoss_prefix_bytes": pool.prefixes.nbytes,
        "gptoss_responses_stored": len(server.store),
        "gptoss_kernels": len(server.desks),
    }
    return PlainTextResponse("\n".join([*lines, *(f"{name} {value}" for name, value in values.items())]) + "\n")


# --------------------------------------------------------------------------------------------------------- answering


@contextlib.asynccontextmanager
async def watched(request: Request, cancel: Callable[[], None]):
    """Call `cancel` as soon as the client hangs up within the block."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        cancel()

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Stream(Response):
    """Server-sent events.

    events : JSON objects, sent together where they come together
    named : whether their type stands in front, as in the Responses API; last : text that comes at the end
    cancel : called when the client hangs up or the server shuts down
    """

    def __init__(
        self, events: AsyncGenerator[list[dict]], cancel: Callable[[], None], named: bool, last: str | None = None
    ):
        self.events, self.cancel, self.named, self.last = events, cancel, named, last
        self.status_code, self.background = 200, None
        self.init_headers(
            {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )

    def init_headers(self, headers=None) -> None:
        self.raw_headers = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in (headers or {}).items()]

    def _lines(self, event: dict) -> str:
        name = f"event: {event['type']}\n" if self.named else ""
        return f"{name}data: {compact(event)}\n\n"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with watched(Request(scope, receive), self.cancel):
            try:
                async for events in self.events:
                    if events:
                        body = "".join(map(self._lines, events)).encode()
                        await send({"type": "http.response.body", "body": body, "more_body": True})
                last = f"data: {self.last}\n\n".encode() if self.last else b""
                await send({"type": "http.response.body", "body": last, "more_body": False})
            finally:
                self.cancel()
                await self.events.aclose()
