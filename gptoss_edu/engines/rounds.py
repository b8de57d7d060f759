"""One round of continuous batching: leave, join, read a piece of the new prompts, decode a token per row."""

from __future__ import annotations

import threading
from collections import deque

import torch
from torch import Tensor

from gptoss_edu.fast.ahead import on_device
from gptoss_edu.generation import Steps, default_stop_tokens, steps_of

from .prefixes import Prefixes
from .request import Draws, Request
from .rows import Rows

TOGETHER = 64  # prompts read in one pass: enough rows for a GPU's kernels, little memory for scores
# While rows decode, prompts are read in pieces of so many tokens, one in so many rounds. A small piece costs nearly as
# much as a large one (each layer's operators start, each expert is read), so few large ones disturb the least.
PIECES = {"cpu": (256, 24), "cuda": (1024, 16)}


class Rounds:
    """The rows of a pool and the step that they take together. Arguments are those of `Pool`."""

    def __init__(self, model, rows: int, room: int | None, prefix_bytes: int, streaming: bool):
        self.kind = "cuda" if model.device.type == "cuda" else "cpu"
        self.model, self.rows, self.streaming = model, rows, streaming
        self._rows = Rows(model, rows, room)
        self.room, self.pieces = self._rows.room, PIECES[self.kind]
        self._steps: dict[tuple[int, int], Steps] = {}  # by view
        self._owed = 0  # rounds before the next piece of a prompt may be read
        self.stops = default_stop_tokens(model)
        self.prefixes = Prefixes(prefix_bytes)
        self.active: list[Request] = []  # row i of the cache belongs to active[i]
        self.waiting: deque[Request] = deque()
        self._news: list[Request] = []  # have a new token that their listeners do not know of yet
        self.tokens, self.read_tokens, self.steps = 0, 0, 0  # sampled, read of prompts, rounds; since the start
        self._changed = threading.Condition()

    @torch.inference_mode()
    def step(self) -> list[Request]:
        """Run one round: leave, join, read, decode. Return the requests that ended in it."""
        ended = self._cancelled()
        self._join()
        for work, rows in ((self._read, self._reading()), (self._decode, None)):
            rows = [i for i, request in enumerate(self.active) if request.is_read] if rows is None else rows
            if rows:
                try:
                    work(rows)
                except Exception as error:  # these requests fail; the pool goes on with the others
                    for i in rows:
                        self.active[i].end("error", error)
            ended += self._leave()
        self.steps += 1
        return ended

    def _cancelled(self) -> list[Request]:
        """Free the rows of cancelled requests, and drop those that still wait."""
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
        """Give free rows to waiting requests, filled with their longest kept prefix."""
        free = self.rows - len(self.active)
        if not self.streaming and self.active and free < max(1, self.rows // 8):
            return  # one short prompt costs as much as several
        while self.waiting and len(self.active) < self.rows:
            with self._changed:
                request = self.waiting.popleft()
            self.active.append(request)
            row, kept = len(self.active) - 1, self.prefixes.find(request.prompt)
            request.marks = self.prefixes.missing(request.prompt, request.marks)
            self._rows.cache.clear_row(row)
            if kept is not None:
                self._rows.cache.restore(row, kept)
                request.read = request.reused = kept.length

    def _reading(self) -> list[int]:
        """Return the rows that read in this round: the oldest with an unread prompt, and its neighbours with one."""
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
        """Read a piece of each of these prompts; where one ends, its logits give the first token."""
        self._tell()
        requests, decoding = [self.active[i] for i in rows], sum(request.is_read for request in self.active)
        piece = self.model.prefill_limit(len(rows), max(len(request.prompt) for request in requests))
        if decoding and self.streaming:
            budget, rounds = self.pieces
            share = (
                budget * (1 + len(rows)) // (2 * len(rows))
            )  # the more prompts are read together, the longer the others may wait
            piece = min(piece, max(1, share))
            self._owed = rounds * decoding // len(self.active)
        parts = [request.piece(piece) for request in requests]
        width = max(2, *map(len, parts))  # at least two: the fast path takes a single column for a decoding step
        tokens = torch.tensor([part + [0] * (width - len(part)) for part in parts], device=self.model.device)  # (b, t)
        cache = self._rows.cache.rows(rows[0], rows[-1] + 1)
        logits = self.model(tokens, cache=cache, lengths=torch.tensor([len(p) for p in parts]), last_only=True)[:, -1]
        for i, (request, part) in enumerate(zip(requests, parts, strict=True)):
            request.read += len(part)
            self.read_tokens += len(part)
            if request.is_read or request.read in request.marks:
                self._keep(rows[0] + i, request.prompt[: request.read])
            if request.is_read:
                request.logits = logits, i

    def _decode(self, rows: list[int]) -> None:
        """Give each of these rows its next token, and let the model read it.

        On a GPU the model's step starts before the host knows the tokens (`fast/ahead.py`). Listeners hear of them once
        the step after that has started: their own work then takes place while the device computes.
        """
        requests = [self.active[i] for i in rows]
        behind = [i for i in rows if self.active[i].is_behind]
        if behind:
            self._advance(self._placed(behind, torch.tensor([self.active[i].sampled[-1] for i in behind])), behind)
        draws = Draws(requests, _lines(requests))
        tokens = self._placed(rows, draws.tokens)
        going = [i for i in rows if self.active[i].may_go_on]
        view = self._view(going or rows)
        steps = self._steps_of(view) if going else None
        try:
            ahead = steps is None or steps.begin(tokens[slice(*view)], _counts(view, going))
            self._tell()
            draws.settle()
            self.tokens += len(requests)
            for request in requests:
                request.settle(self.stops)
            self._news = [request for request in requests if request.reason is None]
            if not ahead:  # the next step waits for the host, and its readers should not wait for that step
                self._tell()
            # a row that has just ended does not count the step
            self._advance(tokens, [i for i in going if self.active[i].reason is None])
        finally:
            if steps is not None:  # where rows have ended, the others may go on in another view: this step is nobody's
                steps.forget()

    def _tell(self) -> None:
        """Tell the listeners of requests that have a new token."""
        news, self._news = self._news, []
        for request in news:
            if request.reason is None:  # else `_leave` tells, or has told
                request.tell()

    def _placed(self, rows: list[int], tokens: Tensor) -> Tensor:
        """Return tokens (n,) at the places of these rows among all of the cache's, (rows,).

        The places after the rows may be missing where the view ends before them.
        """
        device, n = self.model.device, len(rows)
        if rows == list(range(n)) and self._rows.span(0, n)[1] == n:
            return tokens.to(device)
        return torch.zeros(self.rows, dtype=torch.int64, device=device).index_copy(
            0, on_device(rows, device), tokens.to(device)
        )

    def _advance(self, tokens: Tensor, rows: list[int]) -> None:
        """Let the model read the tokens of these rows; they draw their next ones from its logits."""
        if not rows:
            return
        view = self._view(rows)
        logits = self._steps_of(view).next(tokens[slice(*view)], _counts(view, rows))  # (b, v)
        for i in rows:
            self.active[i].logits = logits, i - view[0]
            self.active[i].read += 1

    def _view(self, rows: list[int]) -> tuple[int, int]:
        """Return the part of the cache in which these rows decode: its first row, and the one after its last."""
        return self._rows.span(rows[0], rows[-1] + 1)

    def _steps_of(self, view: tuple[int, int]) -> Steps:
        if view not in self._steps:
            self._steps[view] = steps_of(self.model, self._rows.decoding(*view))
        return self._steps[view]

    def _leave(self) -> list[Request]:
        """Free the rows of requests that have ended; the last row moves into each one's place."""
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
        """Keep what a row holds, for prompts that continue these tokens."""
        if self.prefixes.max_bytes:
            self.prefixes.keep(tokens, self._rows.cache.snapshot(row))


def _lines(requests: list[Request]) -> Tensor:
    """Return the logits from which the requests draw, (n, v); no copy while their rows lie together."""
    whole, places = requests[0].logits[0], [request.logits[1] for request in requests]
    if places == list(range(len(places))) and all(request.logits[0] is whole for request in requests):
        return whole[: len(places)]
    return torch.stack([logits[i] for logits, i in (request.logits for request in requests)])


def _counts(view: tuple[int, int], rows: list[int]) -> list[int]:
    """Return 1 for each row of the view that is among `rows`, else 0."""
    among = set(rows)
    return [int(i in among) for i in range(*view)]
