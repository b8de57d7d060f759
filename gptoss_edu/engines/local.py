"""This package's own model as an engine: the reference or the fast path, through the pool."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from .pool import Pool
from .request import Request
from .sampler import Abilities, Drawn, Engine

KEPT = 256 << 20  # bytes of prefixes: each turn of a conversation continues the last one


class LocalEngine(Engine):
    """Draws from a model on this machine; several prompts are decoded together.

    Parameters
    ----------
    model : as from gptoss_edu.load_model
    rows : number of prompts decoded together
    temperature, top_p, seed : as in gptoss_edu.generate; each answer draws with the next seed
    """

    name = "local"
    abilities = Abilities(structured="yes, through harmony.constrain and `gptoss-edu serve`")

    def __init__(self, model, temperature: float = 1.0, top_p: float = 1.0, seed: int = 0, rows: int = 8):
        self.model, self.encoding = model, model.tokenizer
        self.pool = Pool(model, rows, prefix_bytes=KEPT)
        self.max_context = self.pool.room
        self.temperature, self.top_p, self.seed = temperature, top_p, seed

    def _request(self, prompt: list[int], max_new_tokens: int, key: int = 0) -> Request:
        limit = min(max_new_tokens, self.max_context - len(prompt) + 1)
        request = Request(
            prompt, limit, self.temperature, self.top_p, seed=self.seed, logits_processor=self.logits_processor,
            logprobs=0, key=key,
        )  # fmt: skip
        self.seed += 1
        return request

    def draw(self, prompt: list[int], max_new_tokens: int) -> Generator[Drawn]:
        request = self._request(prompt, max_new_tokens)
        for number, token in enumerate(self.pool.stream(request)):
            yield Drawn(token, request.noted[number][0])

    def draw_many(self, prompts: Sequence[list[int]], max_new_tokens: int) -> Iterator[tuple[int, Drawn]]:
        """Yield each prompt's tokens when it is answered; all prompts are decoded together."""
        for number, prompt in enumerate(prompts):
            self.pool.submit(self._request(prompt, max_new_tokens, key=number))
        for request in self.pool.run():
            if request.error is not None:
                raise request.error
            for token, (logprob, _) in zip(request.sampled, request.noted, strict=True):
                yield request.key, Drawn(token, logprob)
