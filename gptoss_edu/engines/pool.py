"""Continuous batching: requests join a running batch, stream, and leave it between steps, each on its own terms.

    for request in Pool(model).run([Request(prompt, 100) for prompt in prompts]):     # as they end
        print(request.sampled)
    with Pool(model).started() as pool:                            # a thread of its own, for many clients
        for token in pool.stream(Request(prompt, 100, temperature=1.0, seed=7)):
            ...

The rows 0 to n - 1 of one cache are in use. A round reads a piece of the prompts that are new (`_read`), then gives
every row that has read its prompt one more token (`_decode`). When a request leaves, the last row moves into its place,
keys and values with it. What a row samples depends on its own prompt, seed and settings only.

Source: Yu et al. 2022, "Orca: a distributed serving system for Transformer-based generative models" (continuous
batching); Agrawal et al. 2023, arXiv:2308.16369 (prompts in pieces beside running rows).
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from gptoss_edu.errors import GptOssError
from gptoss_edu.generation import default_stop_tokens

from .prefixes import Prefixes
from .request import PoolFull, Request, sample
from .rows import Rows

TOGETHER = 64  # prompts read in one pass, so that a GPU's kernels get long pieces and scores little memory
# Beside rows that decode, prompts are read in pieces of so many tokens, one in so many rounds. A small piece costs
# nearly
# as much as a large one (each layer's operators start, each expert is read), so few large ones disturb the least.
PIECES = {"cpu": (256, 24), "cuda": (1024, 16)}
GATHER = {"cpu": 0.004, "cuda": 0.001}  # seconds that an idle pool waits for another request: together they cost less


class Pool:
    """Rows of one cache, filled from a queue.

    Parameters
    ----------
    model : Transformer or FastTransformer
    rows : requests decoded together
    room : tokens that a row holds, prompt and answer; None: the model's context, or what fits into 2 GiB
    waiting : requests that may wait for a row; None for any number
    prefix_bytes : of kept prefixes; 0 keeps none
    streaming : somebody reads along, so rows that decode are not kept waiting. False: prompts are read whole, in
        groups, once an eighth of the rows is free, which answers the most prompts per second
    turns_below : fewer rows than this decode one at a time: on a GPU the kernels for one row outrun those for two or
        three
    """

    def __init__(
        self,
        model,
        rows: int = 8,
        room: int | None = None,
        waiting: int | None = None,
        prefix_bytes: int = 0,
        streaming: bool = True,
        turns_below: int | None = None,
    ):
        self.model, self.rows, self.max_waiting = model, rows, waiting
        self._rows = Rows(model, rows, room)
        self.room = self._rows.room
        kind = "cuda" if model.device.type == "cuda" else "cpu"
        self.streaming, self.pieces, self.gather = streaming, PIECES[kind], GATHER[kind]
        self._owed = 0  # rounds before the next piece of a prompt may be read
        self.turns_below = {"cpu": 0, "cuda": 4}[kind] if turns_below is None else turns_below
        self.stops = default_stop_tokens(model)
        self.prefixes = Prefixes(prefix_bytes)
        self.active: list[Request] = []  # row i of the cache belongs to active[i]
        self.waiting: deque[Request] = deque()
        self.tokens, self.read_tokens, self.steps = 0, 0, 0  # sampled, read of prompts, rounds; since the start
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    # ------------------------------------------------------------------------------------------- what clients call

    def submit(self, request: Request, first: bool = False) -> Request:
        """Let a request wait for a row. `first` puts it before those that wait already.

        Raises
        ------
        PoolFull : as many wait as may. GptOssError : it cannot fit into a row; or the pool is closed.
        """
        request.check(self.model, self.room)
        with self._changed:
            if self._closed:
                raise GptOssError("Pool: is closed; make a new one.")
            if self.max_waiting is not None and len(self.waiting) >= self.max_waiting:
                raise PoolFull(f"Pool: {len(self.waiting)} requests wait already, which is the most; come back later.")
            (self.waiting.appendleft if first else self.waiting.append)(request)
            self._changed.notify_all()
        return request

    def stream(self, request: Request) -> Iterator[int]:
        """Submit a request and yield its tokens as they come. Closing the iterator cancels it."""
        arrived = queue.SimpleQueue()
        request.listener = lambda: arrived.put(None)
        self.submit(request)
        given = 0
        try:
            while True:
                if self._thread is None:
                    self.step()
                else:
                    arrived.get()
                reason = request.reason  # read before the tokens: those of a request that has ended are all there
                for token in request.sampled[given:]:
                    given += 1
                    yield token
                if reason is not None:
                    break
        finally:
            request.cancel()
        if request.error is not None:
            raise request.error

    def run(self, requests: Iterable[Request] = ()) -> Iterator[Request]:
        """Work, in the caller's thread, until nothing is left; yield each request when it has ended."""
        for request in requests:
            self.submit(request)
        while self.waiting or self.active:
            yield from self.step()

    @contextmanager
    def started(self):
        """Work in a thread of the pool's own for as long as the block runs; then end what is still there."""
        self._thread = threading.Thread(target=self._work, name="pool", daemon=True)
        self._thread.start()
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        """End all requests, those that wait too, with the reason "closed"."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        for request in [*self.active, *self.waiting]:
            request.end("closed")
            request.tell()
        self.active, self.waiting = [], deque()

    def _work(self) -> None:
        torch.set_num_threads(torch.get_num_threads())  # OpenMP keeps the number for each thread by itself
        while not self._closed:
            with self._changed:
                while not (self._closed or self.waiting or self.active):
                    self._changed.wait()
                if not self.active:
                    while len(self.waiting) < self.rows and self._changed.wait(self.gather):
                        pass
            if not self._closed:
                self.step()

    # ---------------------------------------------------------------------------------------------------- one round

    @torch.inference_mode()
    def step(self) -> list[Request]:
        """One round: let leave, let join, read, decode. Return the requests that ended in it."""
        ended = self._cancelled()
        self._join()
        for work, rows in ((self._read, self._reading()), (self._decode, None)):
            rows = [i for i, request in enumerate(self.active) if request.is_read] if rows is None else rows
            if rows:
                try:
                    work(rows)
                except Exception as error:  # of these requests; the pool goes on with the others
                    for i in rows:
                        self.active[i].end("error", error)
            ended += self._leave()
        self.steps += 1
        return ended

    def _cancelled(self) -> list[Request]:
        """Free the rows of requests that were cancelled, and forget those that still wait."""
        with self._changed:
            gone = [request for request in self.waiting if request.is_cancelled]
            for request in gone:
                self.waiting.remove(request)
        for request in [*gone, *(r for r in self.active if r.is_cancelled)]:
            request.end("cancelled")
        for request in gone:
            request.tell()
        return gone + self._leave()

    def _join(self) -> None:
        """Give free rows to those that wait, with what a kept prefix of their prompt has left."""
        free = self.rows - len(self.active)
        if not self.streaming and self.active and free < max(1, self.rows // 8):
            return  # one short prompt alone costs as much as several
        while self.waiting and len(self.active) < self.rows:
            with self._changed:
                request = self.waiting.popleft()
            row = len(self.active)
            self._rows.cache.clear_row(row)
            if (kept := self.prefixes.find(request.prompt)) is not None:
                self._rows.cache.restore(row, kept)
                request.read = request.reused = kept.length
            request.marks = [
                n for n in request.marks if self.prefixes.max_bytes and request.prompt[:n] not in self.prefixes
            ]
            self.active.append(request)

    def _reading(self) -> list[int]:
        """Rows that read in this round: the oldest that has not read its prompt, and its neighbours that have not."""
        unread = {i for i, request in enumerate(self.active) if not request.is_read}
        self._owed = max(0, self._owed - 1)
        if not unread or (self._owed and len(unread) < len(self.active)):
            return []
        rows = deque([min(unread, key=lambda i: self.active[i].number)])
        while rows[-1] + 1 in unread and len(rows) < TOGETHER:
            rows.append(rows[-1] + 1)
        while rows[0] - 1 in unread and len(rows) < TOGETHER:
            rows.appendleft(rows[0] - 1)
        return list(rows)

    def _read(self, rows: list[int]) -> None:
        """Read a piece of each of these prompts; a row whose prompt ends in it gets its first token."""
        requests, decoding = [self.active[i] for i in rows], sum(request.is_read for request in self.active)
        piece = self.model.prefill_limit(len(rows), max(len(request.prompt) for request in requests))
        if decoding and self.streaming:
            budget, rounds = self.pieces
            piece = min(
                piece, max(1, budget * (1 + len(rows)) // (2 * len(rows)))
            )  # the more read, the longer the wait
            self._owed = rounds * decoding // len(self.active)
        parts = [request.piece(piece) for request in requests]
        width = max(2, *map(len, parts))  # at least two: a single column is a decoding step to the fast path
        tokens = torch.tensor([part + [0] * (width - len(part)) for part in parts], device=self.model.device)  # (b, t)
        cache = self._rows.cache.rows(rows[0], rows[-1] + 1)
        logits = self.model(tokens, cache=cache, lengths=torch.tensor([len(p) for p in parts]), last_only=True)[:, -1]
        done = []
        for i, (request, part) in enumerate(zip(requests, parts, strict=True)):
            request.read += len(part)
            self.read_tokens += len(part)
            if request.is_read or request.read in request.marks:
                self._keep(rows[0] + i, request.prompt[: request.read])
            if request.is_read:
                done.append(i)
        self._sample([requests[i] for i in done], logits[done])

    def _decode(self, rows: list[int]) -> None:
        """Give each of these rows its next token."""
        if len(rows) < self.turns_below:
            for i in rows:
                self._decode_view(i, i + 1, [i])
        else:
            self._decode_view(rows[0], self._rows.padded(rows[-1] + 1), rows)

    def _decode_view(self, first: int, last: int, rows: list[int]) -> None:
        cache = self._rows.decoding(first, last)
        tokens, counts = torch.zeros(last - first, 1, dtype=torch.int64), torch.zeros(last - first, dtype=torch.int64)
        for i in rows:
            tokens[i - first], counts[i - first] = self.active[i].sampled[-1], 1
        logits = self.model(tokens.to(self.model.device), cache=cache, lengths=counts, last_only=True)[:, -1]  # (b, v)
        for i in rows:
            self.active[i].read += 1
        wanted = [i - first for i in rows]
        self._sample([self.active[i] for i in rows], logits if len(rows) == len(logits) else logits[wanted])

    def _sample(self, requests: list[Request], logits: Tensor) -> None:
        """Give each request the token that it draws from its line of the logits (n, v)."""
        sample(requests, logits)
        self.tokens += len(requests)
        for request in requests:
            request.settle(self.stops)

    def _leave(self) -> list[Request]:
        """Free the rows of requests that have ended; the last row moves into the place of each."""
        ended = []
        for row in reversed(range(len(self.active))):
            request = self.active[row]
            if request.reason is None:
                continue
            ended.append(request)
            if request.reason == "stop":
                self._keep(row, [*request.prompt, *request.sampled][: request.read])
            last, moved = len(self.active) - 1, self.active.pop()
            self._rows.move(last, row)
            if row < last:
                self.active[row] = moved
        for request in ended:
            request.tell()
        return ended[::-1]

    def _keep(self, row: int, tokens: list[int]) -> None:
        """Keep what a row holds, for prompts that go on from these tokens."""
        if self.prefixes.max_bytes:
            self.prefixes.keep(tokens, self._rows.cache.snapshot(row))
