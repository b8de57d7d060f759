"""Clients of `bench serve`: plain sockets and threads, which hardly slow the measured server."""

from __future__ import annotations

import itertools
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil

MODEL = "bench"


@dataclass
class Measured:
    """The results of simultaneous clients: texts, ids, seconds to the first text, times of all pieces."""

    texts: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    pieces: list[list[float]] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


def open_request(url: str, body: dict | bytes, path: str = "/v1/responses") -> socket.socket:
    """Send one request; the answer is to be read from the socket."""
    host, port = url.removeprefix("http://").split(":")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sock = socket.create_connection((host, int(port)), timeout=600)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nConnection:"
        f" close\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    sock.sendall(head.encode() + content)
    return sock


def events_of(sock: socket.socket) -> Iterator[tuple[float, dict]]:
    """Yield (time, event) of a streamed answer."""
    rest = b""
    while data := sock.recv(1 << 16):
        now = time.perf_counter()
        rest += data
        *lines, rest = rest.split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                yield now, json.loads(line[6:])


def body_of(text: str | list, tokens: int, previous: str | None = None) -> dict:
    return {
        "model": MODEL,
        "input": text,
        "stream": True,
        "temperature": 0,
        "max_output_tokens": tokens,
        "previous_response_id": previous,
    }


def together(url: str, texts: list, tokens: int, previous: str | None = None) -> Measured:
    """Ask all at once, each in its own thread; wait for the last."""
    found: dict[int, tuple] = {}

    def ask(i: int) -> None:
        began, pieces, last = time.perf_counter(), [], None
        with open_request(url, body_of(texts[i], tokens, previous)) as sock:
            for now, event in events_of(sock):
                pieces += [now] if event["type"].endswith(".delta") else []
                last = event.get("response", last)
        found[i] = (last, [p - began for p in pieces])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(texts))]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out = Measured(seconds=time.perf_counter() - start)
    for i in range(len(texts)):
        response, pieces = found[i]
        out.texts.append(json.dumps([item.get("content") for item in response["output"]]))
        out.ids.append(response["id"])
        out.first.append(pieces[0])
        out.pieces.append(pieces)
        out.tokens += response["usage"]["output_tokens"]
    return out


def first_text(url: str, texts: list, previous: str | None = None) -> float:
    """Return the seconds to the first piece of text of a single request."""
    return together(url, texts, 8, previous).first[0]


def gaps(url: str, texts: list[str], tokens: int, joins: str | None) -> list[float]:
    """Measure the seconds between tokens of several streams of `tokens` each, while `joins` is sent to the server."""
    times: dict[int, list[float]] = {}

    def write(i: int) -> None:
        body = {
            "model": MODEL,
            "prompt": texts[i],
            "stream": True,
            "max_tokens": tokens,
            "stop_token_ids": [],
            "temperature": 1.0,
            "seed": i,
        }
        with open_request(url, body, "/v1/completions") as sock:
            mine = [now for now, event in events_of(sock) if event["choices"]]
        times[i] = [b - a for a, b in itertools.pairwise(mine)]

    threads = [threading.Thread(target=write, args=(i,)) for i in range(len(texts))]
    for thread in threads:
        thread.start()
    if joins is not None:
        time.sleep(0.5)
        together(url, [joins], 8)
    for thread in threads:
        thread.join()
    return [gap for own in times.values() for gap in own]


# ------------------------------------------------------------------------------------------------------------- the soak

SOAK_TOKENS = 16  # per answer: enough to tell the questions apart
WRONG = (
    b"",
    b"{",
    b"[1]",
    b'{"model": "bench"}',
    b'{"model": "bench", "input": "x", "unheard_of": 1}',
    b'{"model": "bench", "input": NaN}',
)


def soak(
    url: str, server: int, requests: int, prompts: Callable[[int, int], list[str]]
) -> tuple[int, int, int, Counter]:
    """Send requests of eight clients, some of them faulty, to the server with this process id.

    Returns (answers lost or mixed up, bytes of memory after a tenth of the requests, bytes at the end, what was sent).
    """
    texts = prompts(40, 500)
    right = {text: together(url, [text], SOAK_TOKENS).texts[0] for text in texts}
    process, counts, wrong = psutil.Process(server), Counter(), []
    numbers, lock, memory = iter(range(requests)), threading.Lock(), {}

    def work(client: int) -> None:
        chance = random.Random(client)
        while True:
            with lock:
                number = next(numbers, None)
                if number == requests // 10:
                    memory["before"] = process.memory_info().rss
                if number and number % 1000 == 0:
                    print(f"soak: {number:,} requests, {process.memory_info().rss >> 20} MiB", flush=True)
            if number is None:
                return
            kind = chance.choices(("whole", "hang-ups", "cut off unread", "bad bodies"), (6, 2, 1, 1))[0]
            text = chance.choice(texts)
            fault = one_of_the_soak(url, kind, text, right[text], chance)
            with lock:
                counts[kind] += 1
                wrong.extend([fault] if fault else [])

    threads = [threading.Thread(target=work, args=(client,)) for client in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.5)
    for fault in wrong[:5]:
        print("soak:", fault)
    return len(wrong), memory["before"], process.memory_info().rss, counts


def one_of_the_soak(url: str, kind: str, text: str, right: str, chance: random.Random) -> str | None:
    """Send one request of a kind; return what was wrong with its answer, or None."""
    if kind == "bad bodies":
        with open_request(url, chance.choice(WRONG)) as sock:
            head = sock.recv(1 << 16)
        return None if head.startswith(b"HTTP/1.1 4") else f"a bad body got {head[:40]!r}"
    sock = open_request(url, body_of(text, SOAK_TOKENS) | {"stream": chance.random() < 0.5 or kind == "whole"})
    with sock:
        if kind == "cut off unread":
            return None
        last, seen, leave = None, 0, chance.randrange(1, 30)
        for _, event in events_of(sock):
            last, seen = event.get("response", last), seen + 1
            if kind == "hang-ups" and seen >= leave:
                return None
    if kind != "whole":
        return None
    found = json.dumps([item.get("content") for item in last["output"]]) if last else "nothing"
    return None if found == right else f"{text!r} got {found[:200]}"
