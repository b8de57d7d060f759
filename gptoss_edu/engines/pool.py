"""Many prompts through a fixed number of rows: whenever rows have ended, waiting prompts take their place.

`generate_batch` decodes one batch to its end, so a few long answers keep many rows idle. Here the batch stays full, which
on a processor answers several times as many prompts a second. What a row samples depends on its own prompt and seed only.

Source: Yu et al. 2022, "Orca: a distributed serving system for Transformer-based generative models" (continuous batching).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gptoss_edu.generation import default_stop_tokens, next_token_probabilities, pick, prefill

MOST_AT_ONCE = 256  # prompts in one prefill: their scores need memory for prompts × heads × length × length numbers


@dataclass
class Job:
    """One prompt. key: whatever the caller wants to know it by; sampled: grows to the stop token, included."""

    key: object
    prompt: list[int]
    limit: int  # new tokens
    seed: int = 0
    sampled: list[int] = field(default_factory=list)
    draws: Tensor | None = None


class Pool:
    """Rows of one cache, filled from a queue.

    Parameters
    ----------
    rows : sequences decoded together; room : tokens a row can hold, prompt included
    temperature : 0 is greedy
    """

    def __init__(self, model, rows: int, room: int, temperature: float = 0.0):
        self.model, self.rows, self.room, self.temperature = model, rows, room, temperature
        self.waiting: deque[Job] = deque()
        self.stops = default_stop_tokens(model)
        self.tokens = 0  # sampled so far, by all jobs

    def add(self, job: Job, first: bool = False) -> None:
        if self.temperature > 0:
            job.draws = torch.rand(job.limit, generator=torch.Generator().manual_seed(job.seed))
        (self.waiting.appendleft if first else self.waiting.append)(job)

    @torch.inference_mode()
    def run(self) -> Iterator[Job]:
        """Yield each job when it has ended. Jobs may be added meanwhile."""
        running: list[Job] = []
        cache, logits = None, None
        while self.waiting or running:
            # prefill in groups: one short prompt alone costs as much as eight
            free = self.rows - len(running)
            if self.waiting and (free >= max(1, self.rows // 8) or not running):
                new = [self.waiting.popleft() for _ in range(min(free, len(self.waiting), MOST_AT_ONCE))]
                fresh = self.model.new_cache(len(new), self.room)
                fresh_logits = prefill(self.model, [job.prompt for job in new], fresh)  # (n, v)
                cache, logits = (
                    (cache.join(fresh), torch.cat((logits, fresh_logits))) if running else (fresh, fresh_logits)
                )
                running += new
            ended = self._sample(running, logits)
            yield from (running[i] for i in ended)
            if ended:
                kept = [i for i in range(len(running)) if i not in set(ended)]
                running = [running[i] for i in kept]
                if running:
                    cache.select(kept)
            if running:
                last = torch.tensor([[job.sampled[-1]] for job in running], device=self.model.device)  # (n, 1)
                logits = self.model(last, cache=cache, last_only=True)[:, -1]  # (n, v)

    def _sample(self, running: list[Job], logits: Tensor) -> list[int]:
        """Give every row its next token; returns the rows that end with it."""
        if self.temperature == 0:
            chosen = logits.argmax(-1)
        else:
            draws = torch.stack([job.draws[len(job.sampled)] for job in running])
            chosen = pick(next_token_probabilities(logits, self.temperature), draws.to(logits.device))
        ended = []
        for row, (job, token) in enumerate(zip(running, chosen.tolist(), strict=True)):
            job.sampled.append(token)
            if token in self.stops or len(job.sampled) >= job.limit:
                ended.append(row)
        self.tokens += len(running)
        return ended
