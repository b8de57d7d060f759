"""Clients of `bench serve --gpu`: one thread reads all their streams and notes when each part arrived.

Events are read once all streams have ended, so a client costs little while the server is measured.
"""

from __future__ import annotations

import json
import selectors
import time
from dataclasses import dataclass, field

from .serve_clients import MODEL, open_request

TEMPERATURE = 0.25  # low enough that a control token, whose logit is 0, is never drawn
PATIENCE = 240  # seconds without any event
OPENING = 3  # tokens of the header `<|channel|>analysis<|message|>`
PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "completions": "/v1/completions"}


@dataclass
class Stream:
    """One answer: seconds at which parts of its text arrived, with the characters or tokens of each.

    tokens : sampled in all. ids : the tokens, where the API sends them.
    """

    times: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    tokens: int = 0
    ids: list[int] = field(default_factory=list)

    def counts(self) -> list[float]:
        """Return how many tokens each part brought.

        Where the API sends no ids, all parts count alike. A part is a token, except where one is no whole character;
        the first tokens are a header, which is in no part.
        """
        if self.ids:
            return [float(size) for size in self.sizes]
        return [(self.tokens - OPENING) / len(self.sizes)] * len(self.sizes)


def body_for(api: str, prompt: str | list[int], tokens: int, seed: int) -> dict:
    """Return the body of a streamed request for `tokens` tokens."""
    body = {"model": MODEL, "stream": True, "temperature": TEMPERATURE}
    if api == "responses":
        return body | {"input": prompt, "max_output_tokens": tokens}
    if api == "chat":
        messages = [{"role": "user", "content": prompt}]
        usage = {"stream_options": {"include_usage": True}}
        return body | usage | {"messages": messages, "max_completion_tokens": tokens, "seed": seed}
    return body | {"prompt": prompt, "max_tokens": tokens, "seed": seed, "stop_token_ids": []}


def stream_all(url: str, api: str, prompts: list, tokens: int) -> list[Stream]:
    """Send all requests at once and read their streams to the end."""
    selector, parts = selectors.DefaultSelector(), [[] for _ in prompts]
    for i, prompt in enumerate(prompts):
        sock = open_request(url, body_for(api, prompt, tokens, i), PATHS[api])
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, i)
    while selector.get_map():
        ready = selector.select(PATIENCE)
        if not ready:
            raise TimeoutError(f"{api}: nothing came for {PATIENCE} s on {len(selector.get_map())} streams")
        for key, _ in ready:
            data = key.fileobj.recv(1 << 16)
            if data:
                parts[key.data].append((time.perf_counter(), data))
            else:
                selector.unregister(key.fileobj)
                key.fileobj.close()
    return [read(api, own) for own in parts]


def read(api: str, parts: list[tuple[float, bytes]]) -> Stream:
    """Read what one client has received."""
    out, rest = Stream(), b""
    for now, data in parts:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                take(api, out, now, json.loads(line[6:]))
    if not out.times or not out.tokens:
        raise RuntimeError(f"{api}: the stream brought no text: {b''.join(data for _, data in parts)[:300]!r}")
    return out


def take(api: str, out: Stream, now: float, event: dict) -> None:
    """Note one event."""
    size = 0
    if api == "responses":
        size = len(event["delta"]) if event["type"].endswith("_text.delta") else 0
        usage = event.get("response", {}).get("usage") or {}
        out.tokens = usage.get("output_tokens", out.tokens)
    else:
        for choice in event["choices"]:
            ids = choice.get("token_ids", [])
            out.ids += ids
            delta = choice.get("delta", {})
            size += len(ids) + len(delta.get("reasoning_content") or delta.get("content") or "")
        out.tokens = (event.get("usage") or {}).get("completion_tokens", out.tokens)
    if size:
        out.times.append(now)
        out.sizes.append(size)


def steady(streams: list[Stream], warm: int) -> tuple[float, float]:
    """Return tokens per second while all clients receive some, and how many seconds that was.

    It begins when the last client has its first `warm` tokens, and ends when the first one has its last.
    """
    counts = [stream.counts() for stream in streams]
    begin = max(reached(stream.times, own, warm) for stream, own in zip(streams, counts, strict=True))
    end = min(stream.times[-1] for stream in streams)
    seen = sum(
        count
        for stream, own in zip(streams, counts, strict=True)
        for now, count in zip(stream.times, own, strict=True)
        if begin < now <= end
    )
    return (seen / (end - begin) if end > begin else 0.0), max(0.0, end - begin)


def reached(times: list[float], counts: list[float], wanted: int) -> float:
    """Return when so many tokens had arrived."""
    seen = 0.0
    for now, count in zip(times, counts, strict=True):
        seen += count
        if seen >= wanted:
            return now
    return times[-1]
