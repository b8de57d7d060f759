"""Engines that return logits token by token; sampling is this package's own.

So equal logits give equal tokens in every engine, and differences in text come from arithmetic.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import torch
from torch import Tensor

from gptoss_edu.errors import GptOssError
from gptoss_edu.generation import next_token_probabilities, stop_tokens_of

from .sampler import Drawn, Engine


class StepwiseEngine(Engine):
    """Base of engines that implement `feed`.

    Parameters
    ----------
    temperature, top_p, seed : as in `gptoss_edu.generate`; each answer draws with the next seed
    """

    def __init__(self, encoding, max_context: int, temperature: float = 1.0, top_p: float = 1.0, seed: int = 0):
        self.encoding, self.max_context = encoding, max_context
        self.temperature, self.top_p, self.seed = temperature, top_p, seed
        self.stops = stop_tokens_of(encoding)
        self._busy = threading.Lock()

    def feed(self, tokens: list[int], fresh: bool) -> Tensor:
        """Read tokens and return the logits of each, (t, v) float32; fresh: they begin a new sequence."""
        raise NotImplementedError

    def logits(self, tokens: list[int]) -> Tensor:
        """Return the logits of every position of one sequence, (t, v) float32."""
        with self._busy:
            return self.feed(tokens, fresh=True)

    def draw(self, prompt: list[int], max_new_tokens: int) -> Generator[Drawn]:
        if len(prompt) > self.max_context:
            raise GptOssError(
                f"engine {self.name}: expected a prompt of at most {self.max_context:,} tokens, found {len(prompt):,}."
            )
        if not self._busy.acquire(blocking=False):
            raise GptOssError(
                f"engine {self.name}: expected one answer at a time, found a second one started while the first is "
                "drawn; close the first iterator."
            )
        try:
            yield from self._answer(prompt, min(max_new_tokens, self.max_context - len(prompt)))
        finally:
            self._busy.release()

    def _answer(self, prompt: list[int], limit: int) -> Iterator[Drawn]:
        generator = torch.Generator().manual_seed(self.seed)
        self.seed += 1
        logits, generated = self.feed(prompt, fresh=True)[-1], []
        for number in range(limit):
            if self.logits_processor is not None:
                logits = self.logits_processor(generated, logits)
            probabilities = next_token_probabilities(logits, self.temperature, self.top_p)
            token = int(torch.multinomial(probabilities, 1, generator=generator))
            generated.append(token)
            yield Drawn(token, float(logits.log_softmax(-1)[token]))
            if token in self.stops or number + 1 == limit:
                return
            logits = self.feed([token], fresh=False)[-1]
