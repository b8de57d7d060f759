"""The requests of a pool, answered by another engine, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from gptoss_edu.errors import GptOssError

from .pool import Pool
from .request import Request
from .sampler import Engine

TERMS = ("temperature", "top_p", "top_k", "seed", "stop_tokens", "logits_processor")


class InTurn:
    """What `Pool` is to this package's own model, for another engine.

    Attributes
    ----------
    waiting : requests that nobody works at yet. tokens : drawn since the start
    """

    def __init__(self, engine: Engine):
        self.engine, self.tokens = engine, 0
        self.waiting: deque[Request] = deque()

    def submit(self, request: Request, first: bool = False) -> Request:
        """Queue a request; `first` puts it at the head of the queue."""
        (self.waiting.appendleft if first else self.waiting.append)(request)
        return request

    def run(self) -> Iterator[Request]:
        """Yield each request when it has ended; `error` says why one could not be answered."""
        while self.waiting:
            request = self.waiting.popleft()
            terms = {name: getattr(request, name) for name in TERMS}
            try:
                for drawn in self.engine.continued(request.prompt, request.max_new_tokens, **terms):
                    request.sampled.append(drawn.token)
                    self.tokens += 1
            except GptOssError as error:
                request.error = error
            yield request


def pool_of(model, rows: int, room: int) -> Pool | InTurn:
    """Return the place that answers requests: a pool for this package's model, one at a time for other engines."""
    return InTurn(model) if isinstance(model, Engine) else Pool(model, rows, room, streaming=False)
