"""HTTP by hand, for chapter 24: a listener with a thread per client, and requests as bytes.

It supports only POST and JSON: no keep-alive, no chunks, no limits. The real server is web.py.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator

Address = tuple[str, int]


@contextlib.contextmanager
def listening(handle: Callable[[socket.socket], None]) -> Iterator[Address]:
    """Listen on a free loopback port and pass each connection to `handle`, in its own thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        with contextlib.suppress(OSError):  # the listener has been closed
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=handle, args=(connection,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()
    finally:
        with contextlib.suppress(OSError):  # some systems refuse this if nobody is connected
            listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`; closing does not do so everywhere
        listener.close()
        for thread in [accepting, *threads]:
            thread.join(timeout=10)


def read_request(connection: socket.socket) -> dict:
    """Read the JSON body of a request; its head ends at an empty line and gives the body's length."""
    with connection.makefile("rb") as lines:
        lines.readline()  # POST /v1/responses HTTP/1.1
        head = [line.decode("latin-1").partition(":") for line in iter(lines.readline, b"\r\n") if line]
        length = next((int(value) for name, _, value in head if name.lower() == "content-length"), 0)
        return json.loads(lines.read(length))


def ask(address: Address, body: dict, kind: str = "application/json", **head: str) -> str:
    """Send one request as raw bytes and return everything that comes back.

    head : more header lines, or replacements of Host, Content_Length, …; an underscore stands for a hyphen
    """
    data = json.dumps(body).encode()
    lines = {"Host": f"127.0.0.1:{address[1]}", "Content-Type": kind, "Content-Length": str(len(data))}
    lines |= {"Connection": "close"} | {name.replace("_", "-"): value for name, value in head.items()}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with socket.create_connection(address, timeout=120) as connection:
        connection.sendall(f"POST /v1/responses HTTP/1.1\r\n{text}\r\n".encode() + data)
        return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()
