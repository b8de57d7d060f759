"""A stand-in for a model on a card: its steps take a card's time without a processor's work, and draw fixed tokens.

With it `bench serve --gpu --trial` shows what the server adds to a step on any machine. Host and card take turns as in
`fast/ahead.py`: a step that was begun ends a step's length after the one before it, and the thread that waits for it
sleeps, so the others have Python to themselves.
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from torch import Tensor

from gptoss_edu.cache import KVCache
from gptoss_edu.config import ModelConfig
from gptoss_edu.engines import request
from gptoss_edu.fast.ahead import Copy
from gptoss_edu.generation import Steps
from gptoss_edu.tokenizer import load_tokenizer

# Milliseconds per step of 20b's shape at a context of 1,024 on an H200, by rows: book/pages/gpu_notes.md
MILLISECONDS = ((1, 1.23), (2, 1.89), (3, 2.39), (4, 2.70), (8, 3.75), (16, 4.54), (64, 6.20))
PROMPT_TOKENS = 36_000  # read per second
LAUNCHES = 12  # small operators that a decoding step starts besides its graph; each gives up Python's lock


def step_seconds(rows: int) -> float:
    """Return the length of a step of so many rows."""
    return next(ms for n, ms in MILLISECONDS if rows <= n) / 1e3


class Clock:
    """When the card will have done what it was given so far."""

    def __init__(self) -> None:
        self.free_at = 0.0

    def give(self, seconds: float) -> float:
        """Queue work of this length; return when it will be done."""
        self.free_at = max(self.free_at, time.perf_counter()) + seconds
        return self.free_at

    @staticmethod
    def wait(until: float) -> None:
        time.sleep(max(0.0, until - time.perf_counter()))


class SleepingModel:
    """Has what a pool uses of a model. Its logits are (b, 1): the last token, from which `draw` finds the next."""

    def __init__(self) -> None:
        self.tokenizer = load_tokenizer()
        self.config = replace(ModelConfig.gpt_oss_20b(), num_hidden_layers=2, head_dim=32)  # a small cache
        self.device, self.dtype, self.clock = torch.device("cpu"), torch.bfloat16, Clock()
        names = self.tokenizer._special_tokens
        ordinary = torch.Generator().manual_seed(0)
        self.following = torch.randint(1000, 199_000, (self.config.vocab_size,), generator=ordinary)  # (v,)
        assistant, analysis = (self.tokenizer.encode_single_token(word) for word in ("assistant", "analysis"))
        opening = torch.tensor([assistant, names["<|channel|>"], analysis, names["<|message|>"]])
        self.following[torch.isin(self.following, opening)] = 1000  # these come once, at the beginning
        self.following[opening[:-1]] = opening[1:]
        request.fused_draw = lambda device: self.draw  # as on a card: all rows at once, at their temperatures
        request.Copy = lambda *tensors: SleepingCopy(self.clock, *tensors)

    def new_cache(self, rows: int, room: int) -> KVCache:
        return KVCache(self.config, rows, room, self.device, self.dtype)

    def prefill_limit(self, rows: int, context: int) -> int:
        return max(1, 4096 // rows)

    def __call__(self, tokens: Tensor, cache: KVCache, lengths: Tensor, last_only: bool) -> Tensor:
        """Return the last token of each row, (b, 1, 1), after the time that reading takes."""
        counts = lengths.tolist()
        cache.recount([held + count for held, count in zip(cache.row_lengths, counts, strict=True)])
        self.clock.wait(self.clock.give(tokens.numel() / PROMPT_TOKENS))
        return tokens[torch.arange(len(counts)), lengths - 1].float()[:, None, None]

    def draw(self, logits: Tensor, draws: Tensor, temperatures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens (n,) that follow the last ones, and log-probabilities of 0."""
        return self.following[logits[:, 0].long()], torch.zeros(len(logits))

    def ahead(self, cache: KVCache) -> SleepingSteps:
        return SleepingSteps(self, cache)


class SleepingCopy(Copy):
    """Tensors that are there once the card has done what it had been given before."""

    def __init__(self, clock: Clock, *tensors: Tensor):
        super().__init__(*tensors)
        self._clock, self._until = clock, clock.free_at

    def lists(self) -> list[list]:
        self._clock.wait(self._until)
        return super().lists()


class SleepingSteps(Steps):
    """Steps that run ahead of the host."""

    def __init__(self, model: SleepingModel, cache: KVCache):
        super().__init__(model, cache)
        self._begun = False
        self._buffer = torch.zeros(cache.batch_size)

    def begin(self, tokens: Tensor, counts: list[int]) -> bool:
        self._begun = True
        self._start()
        return True

    def forget(self) -> None:
        self._begun = False

    def next(self, tokens: Tensor, counts: list[int], keep: list[int] | None = None) -> Tensor:
        if not self._begun:
            self._start()
        self._begun = False
        self.cache.recount([held + count for held, count in zip(self.cache.row_lengths, counts, strict=True)])
        return tokens.float()[:, None]

    def _start(self) -> None:
        for _ in range(LAUNCHES):
            self._buffer.add_(1.0)
        self.model.clock.give(step_seconds(self.cache.batch_size))
