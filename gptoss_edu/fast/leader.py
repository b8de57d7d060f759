"""Let one process use a model that is spread over several, while the others follow its calls.

`generate`, the chat and the server call a model from one process. With several ranks, all of them must make each call.
So rank 0 holds a `Leader`, which looks like any model and announces every call to the others before making its own;
each of them runs `follow`. A message is JSON in a broadcast over gloo, about ten microseconds per decoded token.
"""

from __future__ import annotations

import itertools
import json
import signal
import threading
import weakref
from contextlib import contextmanager, suppress

import torch
import torch.distributed as dist
from torch import Tensor

from gptoss_edu.cache import KVCache, Snapshot
from gptoss_edu.errors import GptOssError
from gptoss_edu.transformer import check_call

INLINE = 4096  # bytes of a message that travel with its length


def tell(message: dict) -> None:
    """Send a message from rank 0 to all others."""
    text = json.dumps(message, separators=(",", ":")).encode()
    first = torch.zeros(8 + INLINE, dtype=torch.uint8)
    first[:8] = torch.tensor([len(text)], dtype=torch.int64).view(torch.uint8)
    body = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    first[8 : 8 + min(INLINE, len(text))] = body[:INLINE]
    dist.broadcast(first, 0)
    if len(text) > INLINE:
        dist.broadcast(body[INLINE:].clone(), 0)


def hear() -> dict:
    """Receive the next message of rank 0."""
    first = torch.zeros(8 + INLINE, dtype=torch.uint8)
    dist.broadcast(first, 0)
    length = int(first[:8].view(torch.int64))
    body = first[8 : 8 + min(INLINE, length)]
    if length > INLINE:
        rest = torch.zeros(length - INLINE, dtype=torch.uint8)
        dist.broadcast(rest, 0)
        body = torch.cat((body, rest))
    return json.loads(bytes(body.tolist()))


@contextmanager
def uninterrupted():
    """Delay Ctrl-C to the end of the block: ranks left alone in the middle of a sum would wait forever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list = []
    before = signal.signal(signal.SIGINT, lambda *what: came.append(what))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(*came[0])


class LeaderCache(KVCache):
    """Rank 0's part of a cache; every change is repeated on the other ranks' parts."""

    def _did(self, what: str, *arguments) -> None:
        self.leader.tell({"do": what, "cache": self.number, "with": list(arguments)})

    def rows(self, first: int, last: int) -> LeaderCache:
        return self.leader.adopt(super().rows(first, last), "rows", self.number, [first, last])

    def join(self, other: LeaderCache) -> LeaderCache:
        return self.leader.adopt(super().join(other), "join", self.number, [other.number])

    def snapshot(self, row: int) -> Snapshot:
        return self.leader.adopt(super().snapshot(row), "snapshot", self.number, [row])

    def restore(self, row: int, snapshot: Snapshot) -> None:
        super().restore(row, snapshot)
        self._did("restore", row, snapshot.number)

    def copy_row(self, source: int, target: int) -> None:
        super().restore(target, self._held(source))
        self._did("copy_row", source, target)

    def clear_row(self, row: int) -> None:
        super().clear_row(row)
        self._did("clear_row", row)

    def select(self, rows: list[int]) -> None:
        super().select(rows)
        self._did("select", list(rows))

    def declare(self, lengths: list[int]) -> None:
        super().declare(lengths)
        self._did("declare", list(lengths))


class Leader:
    """Rank 0's model, for code that is not aware of ranks. The followers end when it is closed or its process ends.

    model : rank 0's part; config : of the whole model
    """

    def __init__(self, model, config):
        self.model, self.config, self.tokenizer = model, config, model.tokenizer
        self._numbers, self._gone, self._lock = itertools.count(), [], threading.RLock()
        self.open = True

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    def state_dict(self) -> dict[str, Tensor]:
        """Return rank 0's part of the weights."""
        return self.model.state_dict()

    def eval(self) -> Leader:
        return self

    def tell(self, message: dict) -> None:
        if not self.open:
            raise GptOssError("Leader: expected running ranks, found them closed; load the model again.")
        gone = []
        while self._gone:
            gone.append(self._gone.pop())
        tell(message | {"gone": gone} if gone else message)

    def adopt(self, made, what: str, cache: int | None, arguments: list):
        """Give an object of this rank the number that identifies it on the other ranks."""
        with self._lock:
            number = next(self._numbers)
            object.__setattr__(made, "number", number)
            self.tell({"do": what, "cache": cache, "with": arguments, "new": number})
        weakref.finalize(made, self._gone.append, number)
        return made

    def new_cache(self, batch_size: int = 1, max_length: int | None = None) -> LeaderCache:
        cache = self.model.new_cache(batch_size, max_length)
        cache.__class__, cache.leader = LeaderCache, self
        return self.adopt(cache, "new_cache", None, [batch_size, max_length])

    def prefill_limit(self, rows: int, context: int) -> int:
        return self.model.prefill_limit(rows, context)

    def hooks(self, functions):
        raise GptOssError(
            "hooks: expected a model on one rank, found one on several, each with a part; load it with one rank."
        )

    hook_points = hooks

    def __call__(self, tokens: Tensor, cache: KVCache | None = None, lengths=None, last_only: bool = False) -> Tensor:
        """Return logits, as from `Transformer.forward`."""
        check_call(self.model, tokens, lengths, cache)
        counts = None if lengths is None else torch.as_tensor(lengths).tolist()
        message = {"do": "forward", "tokens": tokens.tolist(), "lengths": counts, "last_only": last_only}
        with self._lock, uninterrupted():
            self.tell(message | {"cache": None if cache is None else cache.number})
            return self.model(tokens, cache=cache, lengths=lengths, last_only=last_only)

    def close(self) -> None:
        """Let the followers end."""
        if self.open:
            with suppress(RuntimeError):  # they may already be gone
                self.tell({"do": "end"})
            self.open = False


def follow(model) -> None:
    """Repeat rank 0's calls until it ends or is gone."""
    held: dict[int, KVCache | Snapshot] = {}
    while True:
        try:
            message = hear()
        except (RuntimeError, ValueError):  # rank 0 ended without a message
            return
        if message["do"] == "end":
            return
        for number in message.pop("gone", ()):
            held.pop(number, None)
        with suppress(GptOssError):  # rank 0 raises the same error and reports it
            made = _do(model, held, message)
            if "new" in message:
                held[message["new"]] = made


def _do(model, held: dict, message: dict):
    """Run one of rank 0's calls on this rank's part."""
    what, cache = message["do"], held.get(message["cache"])
    if what == "forward":
        tokens = torch.tensor(message["tokens"], device=model.device)
        with torch.inference_mode():
            return model(tokens, cache=cache, lengths=message["lengths"], last_only=message["last_only"])
    arguments = message["with"]
    if what == "new_cache":
        return model.new_cache(*arguments)
    if what in ("join", "restore"):  # the last argument is a numbered object
        arguments[-1] = held[arguments[-1]]
    return getattr(cache, what)(*arguments)
