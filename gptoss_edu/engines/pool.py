"""Continuous batching: requests join a running batch, stream, and leave it between steps, independently.

    for request in Pool(model).run([Request(prompt, 100) for prompt in prompts]):     # in the order in which they end
        print(request.sampled)
    with Pool(model).started() as pool:                            # in its own thread, for many clients
        for token in pool.stream(Request(prompt, 100, temperature=1.0, seed=7)):
            ...

Rows 0 to n - 1 of one cache are in use. A round reads a piece of the new prompts (`_read`), then decodes one token for
every row that has read its prompt (`_decode`). When a request leaves, the last row moves into its place, with its keys
and values. What a row samples depends only on its own prompt, seed and settings; on a GPU the number of rows in its
steps may change the last bits of its logits (`fast/few_rows.py`).

Source: Yu et al. 2022, "Orca: a distributed serving system for Transformer-based generative models" (continuous
batching); Agrawal et al. 2023, arXiv:2308.16369 (prompts in pieces alongside running rows).
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import torch

from gptoss_edu.errors import GptOssError

from .request import PoolFull, Request
from .rounds import Rounds

GATHER = {
    "cpu": 0.004,
    "cuda": 0.001,
}  # seconds that an idle pool waits for more requests: batches cost less


class Pool(Rounds):
    """Rows of one cache, filled from a queue.

    Parameters
    ----------
    model : Transformer or FastTransformer
    rows : requests decoded together
    room : tokens per row, prompt and answer; None: the model's context, or what fits in 2 GiB
    waiting : how many requests may wait for a row; None for any number
    prefix_bytes : bytes of kept prefixes; 0 keeps none
    streaming : clients read along, so decoding rows are not kept waiting. False: prompts are read whole, in groups,
        once an eighth of the rows is free, which answers the most prompts per second
    """

    def __init__(
        self,
        model,
        rows: int = 8,
        room: int | None = None,
        waiting: int | None = None,
        prefix_bytes: int = 0,
        streaming: bool = True,
    ):
        super().__init__(model, rows, room, prefix_bytes, streaming)
        self.max_waiting, self.gather = waiting, GATHER[self.kind]
        self._thread: threading.Thread | None = None
        self._closed = False
        self._work_between: deque[tuple[Callable, Future]] = deque()

    # ------------------------------------------------------------------------------------------- what clients call

    def submit(self, request: Request, first: bool = False) -> Request:
        """Queue a request for a row. `first` puts it at the head of the queue.

        Raises
        ------
        PoolFull : the queue is full. GptOssError : the request does not fit in a row, or the pool is closed.
        """
        request.check(self.model, self.room)
        with self._changed:
            if self._closed:
                raise GptOssError("Pool: is closed; create a new one.")
            if self.max_waiting is not None and len(self.waiting) >= self.max_waiting:
                raise PoolFull(f"Pool: {len(self.waiting)} requests are already waiting, the maximum; try again later.")
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
                reason = request.reason  # read before the tokens: once a request has ended, all its tokens are there
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
        """Work in the caller's thread until nothing is left; yield each request when it has ended."""
        for request in requests:
            self.submit(request)
        while self.waiting or self.active:
            yield from self.step()

    @contextmanager
    def started(self):
        """Work in the pool's own thread within the block; then end what is still running."""
        self._thread = threading.Thread(target=self._work, name="pool", daemon=True)
        self._thread.start()
        try:
            yield self
        finally:
            self.close()

    def between(self, work: Callable[[], object]) -> Future:
        """Call `work` in the pool's thread between two rounds, when nothing else uses the model; all rows wait for it.

        Raises
        ------
        GptOssError : the pool does not run in its own thread.
        """
        future: Future = Future()
        with self._changed:
            if self._thread is None or self._closed:
                raise GptOssError("Pool.between: expected a pool that runs in its thread; use it within `started()`.")
            self._work_between.append((work, future))
            self._changed.notify_all()
        return future

    def close(self) -> None:
        """End all requests, including waiting ones, with the reason "closed"."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        for request in [*self.active, *self.waiting]:
            request.end("closed")
            request.tell()
        self.active, self.waiting = [], deque()
        for _, future in self._work_between:
            future.cancel()
        self._work_between.clear()

    def _work(self) -> None:
        torch.set_num_threads(torch.get_num_threads())  # OpenMP keeps this number per thread
        while not self._closed:
            with self._changed:
                while not (self._closed or self.waiting or self.active or self._work_between):
                    self._changed.wait()
                extra = [self._work_between.popleft()] if self._work_between and not self._closed else []
                if not self.active and not extra:
                    while len(self.waiting) < self.rows and self._changed.wait(self.gather):
                        pass
            if extra:
                self._tell()
            for work, future in extra:
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(work())
                    except Exception as error:  # that work's own error
                        future.set_exception(error)
            if not self._closed and (self.active or self.waiting):
                try:
                    self.step()
                except Exception as error:  # not one request's error: end all that run, and go on
                    failed, self.active = self.active, []
                    for request in failed:
                        request.end("error", error)
                        request.tell()
