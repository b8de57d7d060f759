"""One request to a pool: what it asks for, its tokens so far, and how its next token is drawn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gptoss_edu.errors import GptOssError
from gptoss_edu.fast.ahead import Copy, fused_draw, on_device
from gptoss_edu.generation import LogitsProcessor, next_token_probabilities, pick

_numbers = itertools.count()


class PoolFull(GptOssError):
    """The pool's queue is full; try again later."""


@dataclass(eq=False)
class Request:
    """One prompt and its settings.

    Parameters
    ----------
    prompt, max_new_tokens, temperature, top_p, top_k, seed, stop_tokens, logits_processor : as in `generate`
    logprobs : how many of the likeliest tokens to record per step, besides the drawn one; None records nothing
    marks : lengths of prefixes that other prompts share (instructions, tools); the pool keeps these too
    key : any identifier of the caller's
    listener : called in the pool's thread for every new token and at the end of the request; must be quick

    Attributes
    ----------
    sampled : token ids so far, including the stop token. reason : None while it runs; then stop, length, cancelled,
        closed (with the pool) or error. error : the exception that was raised.
    reused : prompt tokens that a kept prefix saved. read : tokens that the model has read.
    noted : per step, (log-probability of the drawn token, {token: log-probability} of the likeliest).
    """

    prompt: list[int]
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    seed: int = 0
    stop_tokens: Sequence[int] | None = None
    logits_processor: LogitsProcessor | None = None
    logprobs: int | None = None
    marks: Sequence[int] = ()
    key: Any = None
    listener: Callable[[], None] | None = None
    sampled: list[int] = field(default_factory=list)
    noted: list[tuple[float, dict[int, float]]] = field(default_factory=list)
    reason: str | None = None
    error: Exception | None = None
    read: int = 0
    reused: int = 0
    is_cancelled: bool = False

    def __post_init__(self):
        self.prompt = [int(token) for token in self.prompt]
        self.number = next(_numbers)  # the order in which requests were made
        self._draws: np.ndarray | None = None
        self.logits: tuple[Tensor, int] | None = None  # what its next token is drawn from: a row of (n, v)

    @property
    def is_read(self) -> bool:
        """Whether the model has read the whole prompt."""
        return self.read >= len(self.prompt)

    @property
    def is_behind(self) -> bool:
        """Whether the model has not read the last token yet, because the pass that would read it was interrupted."""
        return self.read < len(self.prompt) + len(self.sampled)

    @property
    def may_go_on(self) -> bool:
        """Whether another token can follow the one that is drawn now."""
        return self.reason is None and len(self.sampled) + 1 < self.max_new_tokens

    def piece(self, most: int) -> list[int]:
        """Return the next prompt tokens to read, at most `most`, and not beyond a mark."""
        end = min([self.read + most, *(mark for mark in self.marks if mark > self.read)])
        return self.prompt[self.read : end]

    def cancel(self) -> None:
        """Leave at the next round. Any thread may call this; it does nothing if the request has ended."""
        self.is_cancelled = True

    def check(self, model, room: int) -> None:
        """Refuse a request that cannot be computed."""
        vocabulary = model.config.vocab_size
        if not self.prompt or not (0 <= min(self.prompt) and max(self.prompt) < vocabulary):
            raise GptOssError(
                f"Request: expected a prompt of token ids from 0 to {vocabulary - 1}, found {self.prompt!r:.80}."
            )
        if self.max_new_tokens < 1 or len(self.prompt) + self.max_new_tokens - 1 > room:
            raise GptOssError(
                f"Request: expected 1 to {room - len(self.prompt) + 1} new tokens after a prompt of {len(self.prompt)}"
                f" in a row of {room}, found {self.max_new_tokens}; shorten the prompt, ask for fewer, or create a pool"
                " with more room."
            )
        next_token_probabilities(
            torch.zeros(1), self.temperature, self.top_p, self.top_k
        )  # refuses values out of range
        if self.reason is not None or self.sampled:
            raise GptOssError("Request: has already been answered; create a new one.")

    def draw(self) -> float:
        """Draw the uniform number that decides the next token, the same one that `generate` would use."""
        if self._draws is None:
            numbers = torch.rand(self.max_new_tokens, generator=torch.Generator().manual_seed(self.seed))
            self._draws = numbers.numpy()  # which gives single numbers ten times as fast
        return self._draws.item(len(self.sampled))

    def settle(self, default_stops: frozenset[int]) -> None:
        """End the request if the new token ends it."""
        if self.reason is None:
            stops = default_stops if self.stop_tokens is None else self.stop_tokens
            if self.sampled[-1] in stops:
                self.end("stop")
            elif len(self.sampled) >= self.max_new_tokens:
                self.end("length")

    def end(self, reason: str, error: Exception | None = None) -> None:
        if self.reason is None:
            self.error, self.reason, self.logits = error, reason, None

    def tell(self) -> None:
        if self.listener is not None:
            self.listener()


class Draws:
    """The next token of several requests, drawn from their rows of the logits (n, v) where these are.

    tokens : (n,), at once what a model's next step can read; `settle` waits for it and gives each request its token.
    A processor that raises, or logits from which nothing can be drawn, ends only that request.
    """

    def __init__(self, requests: list[Request], logits: Tensor):
        self.requests, device = requests, logits.device
        logits = _processed(requests, logits)
        fused = fused_draw(device)
        if fused is None:
            self.tokens, checked = logits.argmax(dim=-1), logits.amax(dim=-1)  # (n,): the greedy choice
        else:
            temperatures = [r.temperature for r in requests]
            draws = [r.draw() if r.temperature > 0 else 0.0 for r in requests]
            self.tokens, checked = fused(logits, *on_device([draws, temperatures], device, torch.float32))
        drawn = [r for r in requests if r.temperature > 0 and (fused is None or r.top_p < 1 or r.top_k is not None)]
        for terms in {(r.temperature, r.top_p, r.top_k) for r in drawn}:
            at = [i for i, r in enumerate(requests) if (r.temperature, r.top_p, r.top_k) == terms]
            rows, numbers = on_device(at, device), on_device([requests[i].draw() for i in at], device)
            lines = logits if len(at) == len(requests) else logits[rows]
            self.tokens = self.tokens.index_copy(0, rows, pick(next_token_probabilities(lines, *terms), numbers))
        self._noted = [i for i, request in enumerate(requests) if request.logprobs is not None]
        likeliest = self._likeliest(logits, on_device(self._noted, device)) if self._noted else ()
        self._copy = Copy(self.tokens, checked, *likeliest)

    def _likeliest(self, logits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-probabilities, before temperature and truncation: of the tokens, of the likeliest, and which."""
        most = max(self.requests[i].logprobs or 0 for i in self._noted)
        logprobs = logits[rows].float().log_softmax(-1)
        return logprobs.gather(-1, self.tokens[rows][:, None])[:, 0], *logprobs.topk(min(most, logits.shape[-1]))

    def settle(self) -> None:
        """Wait for the tokens and append them."""
        tokens, checked, *likeliest = self._copy.lists()
        for request, token, value in zip(self.requests, tokens, checked, strict=True):
            if request.reason is None and not math.isfinite(value):
                request.end(
                    "error",
                    GptOssError(
                        f"expected logits with a finite largest one, found {value}; check that the weights are finite"
                        " with `gptoss-edu inspect FOLDER --verify`."
                    ),
                )
            if request.reason is None:
                request.sampled.append(token)
        for i, logprob, values, ids in zip(self._noted, *likeliest) if likeliest else ():
            request = self.requests[i]
            if request.reason is None:
                count = request.logprobs
                request.noted.append((logprob, dict(zip(ids[:count], values[:count], strict=True))))


def _processed(requests: list[Request], logits: Tensor) -> Tensor:
    """Return the logits (n, v) after the requests' processors."""
    if all(request.logits_processor is None for request in requests):
        return logits
    lines = []
    for request, line in zip(requests, logits, strict=True):
        try:
            lines.append(line if request.logits_processor is None else request.logits_processor(request.sampled, line))
        except Exception as error:
            request.end("error", error)
            lines.append(line)
    return torch.stack(lines)
