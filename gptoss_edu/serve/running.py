"""Start the server, taking the port before loading the model, and shut it down without waiting for clients."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
import threading
from collections.abc import Iterator

import uvicorn

from gptoss_edu.errors import GptOssError

from .web import Server, application


def bind(host: str, port: int) -> socket.socket:
    """Bind the port before doing anything slow.

    Raises
    ------
    GptOssError : the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    if os.name != "nt":  # on Windows it would let two servers share a port
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except (OSError, OverflowError) as error:
        sock.close()
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        why = "another program uses it; choose another with --port" if taken else f"it cannot be used ({error})"
        raise GptOssError(f"serve: expected to listen on {host}:{port}, but {why}.") from None
    return sock


class _Uvicorn(uvicorn.Server):
    """uvicorn would wait forever for open streams, so this class ends all answers first."""

    def __init__(self, server: Server):
        config = uvicorn.Config(
            application(server), log_config=None, access_log=False, lifespan="off", timeout_keep_alive=75,
            server_header=False, date_header=False, timeout_graceful_shutdown=10,
        )  # fmt: skip
        super().__init__(config)
        self.answers = server

    async def shutdown(self, sockets=None) -> None:
        self.answers.end_all()
        await super().shutdown(sockets)


SWITCH = 0.0005  # seconds between switches of Python's threads: requests must not wait long for the pool's thread


def run(server: Server, sock: socket.socket) -> None:
    """Serve until Ctrl-C."""
    sys.setswitchinterval(SWITCH)
    uvicorn_server = _Uvicorn(server)
    with server.pool.started():
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again at the end
            uvicorn_server.run(sockets=[sock])
    server.desks.tidy(everything=True)


@contextlib.contextmanager
def in_background(server: Server) -> Iterator[str]:
    """Serve in a thread within the block, on a free loopback port; yield the base URL."""
    sock = bind("127.0.0.1", 0)
    uvicorn_server = _Uvicorn(server)

    def work() -> None:
        asyncio.run(uvicorn_server.serve(sockets=[sock]))

    with server.pool.started():
        thread = threading.Thread(target=work, name="serve", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            uvicorn_server.should_exit = True
            thread.join()
    server.desks.tidy(everything=True)
