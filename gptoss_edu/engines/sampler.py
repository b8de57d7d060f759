"""The protocol for drawing tokens, from this package's own model or another engine, and the local samplers.

A `Sampler` takes prompt ids and yields ids, which is all that the agent loop needs. An `Engine` is a sampler that also
returns log-probabilities if it has them, takes several prompts, and says by name what it cannot do. Closing an iterator
cancels the answer. `engines.open_engine(NAME)` creates an engine.

A sampler belongs to one conversation. Two conversations that shared one would continue each other's tokens, so a second
client is an error. Clients that share a model have a `PoolSampler` each.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import tiktoken

from gptoss_edu.errors import GptOssError
from gptoss_edu.generation import LogitsProcessor, generate, stop_tokens_of

from .pool import Pool
from .request import Request


class Sampler(Protocol):
    """A function (prompt ids, max_new_tokens) → token ids, one by one.

    It may stop by itself at a token that ends a completion, which it yields. `max_context`, if present, limits the
    tokens of prompt and answer together.
    """

    def __call__(self, prompt: list[int], max_new_tokens: int) -> Iterable[int]: ...


@dataclass(frozen=True)
class Drawn:
    """One token of an answer. logprob : of the model, before temperature and truncation; None if unknown."""

    token: int
    logprob: float | None = None


@dataclass(frozen=True)
class Abilities:
    """What an engine supports: "yes", or why not, in a few words.

    ids : exact token ids in and out. logprobs, tools, effort. structured : answers constrained by a JSON Schema.
    many : several prompts at once. traces : attention, sinks and router, as `gptoss-edu trace` shows them.
    """

    ids: str = "yes"
    logprobs: str = "yes"
    tools: str = "yes"
    effort: str = "yes"
    structured: str = "yes"
    many: str = "yes"
    traces: str = "yes"


class Engine:
    """A sampler over some model. Subclasses implement `draw`; the rest follows from it.

    Attributes
    ----------
    name : as in `--engine NAME`
    encoding : the model's vocabulary
    max_context : tokens of prompt and answer together; None if the engine does not say
    abilities : what the engine supports
    """

    name = "engine"
    temperature: float
    top_p: float
    seed: int
    logits_processor: LogitsProcessor | None = None  # of the answer being drawn; for engines with "structured"
    model: Any  # of the local engine: a Transformer; of an endpoint: its name
    encoding: tiktoken.Encoding
    max_context: int | None = None
    abilities = Abilities()

    def draw(self, prompt: list[int], max_new_tokens: int) -> Generator[Drawn]:
        """Yield the answer's tokens, one by one; closing the iterator cancels it."""
        raise NotImplementedError

    def __call__(self, prompt: list[int], max_new_tokens: int | None = None) -> Iterator[int]:
        if max_new_tokens is None:  # model(tokens)
            raise EngineLacks(self._lacks("logits of every position"))
        return self._ids(prompt, max_new_tokens)

    def _ids(self, prompt: list[int], max_new_tokens: int) -> Iterator[int]:
        stream = self.draw(prompt, max_new_tokens)
        try:
            for drawn in stream:
                yield drawn.token
        finally:
            stream.close()

    def draw_many(self, prompts: Sequence[list[int]], max_new_tokens: int) -> Iterator[tuple[int, Drawn]]:
        """Yield (index of the prompt, token) in order of arrival; here one prompt after another."""
        for number, prompt in enumerate(prompts):
            for drawn in self.draw(prompt, max_new_tokens):
                yield number, drawn

    def require(self, ability: str) -> None:
        """Raise an error if the engine lacks an ability.

        Raises
        ------
        GptOssError : names the engine, the ability and why.
        """
        found = getattr(self.abilities, ability)
        if not found.startswith("yes"):
            raise GptOssError(
                f"engine {self.name}: expected one that supports {ability}, but {found}; use --engine local for that."
            )

    def close(self) -> None:
        """Release the engine's resources."""

    # ---- in the place of a model: `generate`, `generate_batch` and whatever samples through them take an engine too

    @property
    def tokenizer(self) -> tiktoken.Encoding:
        """The vocabulary, under the name that it has on a model."""
        return self.encoding

    def __getattr__(self, name: str):
        """Say by name what only this package's own model has: weights, hook points, caches."""
        if name.startswith("_") or "encoding" not in vars(self):  # Python's own questions; an engine that is half made
            raise AttributeError(name)
        raise EngineLacks(self._lacks(repr(name)))

    def _lacks(self, what: str) -> str:
        why = "" if self.abilities.traces == "yes" else f" (traces: {self.abilities.traces})"
        return (
            f"engine {self.name}: expected a model with {what}, found an engine, which only continues prompts{why}; "
            "use load_model for this."
        )

    @contextmanager
    def drawing_by(self, **terms) -> Iterator[None]:
        """Draw by other terms (temperature, top_p, seed, logits_processor) within the block."""
        before = {name: getattr(self, name) for name in terms}
        vars(self).update(terms)
        try:
            yield
        finally:
            vars(self).update(before)

    def continued(self, prompt: list[int], max_new_tokens: int, stop_tokens=None, **terms) -> Iterator[Drawn]:
        """Continue one prompt as `generate` does. Arguments as there; those that the engine lacks are refused.

        Raises
        ------
        GptOssError : the engine lacks what a term asks for, or ends at a token that is none of `stop_tokens`.
        """
        for name in ("top_k", "cache"):
            if terms.pop(name, None) is not None:
                raise GptOssError(f"engine {self.name}: expected no {name}, found one; use load_model for this cell.")
        if terms.get("logits_processor") is not None:
            self.require("structured")
        own = stop_tokens_of(self.encoding)
        stops = own if stop_tokens is None else frozenset(stop_tokens)
        with self.drawing_by(**terms):
            for drawn in self.draw(prompt, max_new_tokens):
                yield drawn
                if drawn.token in stops:
                    return
                if drawn.token in own:
                    raise GptOssError(
                        f"engine {self.name}: expected an answer that goes on past token {drawn.token}, found one that "
                        "ends there, as its answers always do; name it among stop_tokens, or use load_model."
                    )


class EngineLacks(GptOssError, AttributeError):
    """What an engine has not, and a model has."""


class ModelSampler:
    """Samples from a model, keeping its key/value cache as long as each prompt continues the last one.

    Parameters
    ----------
    model : as from gptoss_edu.load_model
    temperature, top_p, seed : as in gptoss_edu.generate; each answer draws with the next seed
    reserve : positions to leave free in a new cache, for results and answers to come

    Raises
    ------
    GptOssError : a second answer begins before the first has ended or been closed.
    """

    def __init__(self, model, temperature: float = 1.0, top_p: float = 1.0, seed: int = 0, reserve: int = 2048):
        self.model, self.temperature, self.top_p, self.seed, self.reserve = model, temperature, top_p, seed, reserve
        self.cache, self.cached, self.capacity = None, [], 0
        self.max_context = model.max_context if isinstance(model, Engine) else model.config.max_context
        self._busy = threading.Lock()

    def __call__(self, prompt: list[int], max_new_tokens: int) -> Iterator[int]:
        if not self._busy.acquire(blocking=False):
            raise GptOssError(
                "ModelSampler: expected one conversation at a time, found a second one while an answer is being drawn; "
                "close the first iterator, or give each client a PoolSampler of a shared Pool."
            )
        try:
            yield from self._answer(prompt, max_new_tokens)
        finally:
            self._busy.release()

    def _answer(self, prompt: list[int], max_new_tokens: int) -> Iterator[int]:
        if isinstance(self.model, Engine):
            terms = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}
            self.seed += 1
            yield from (drawn.token for drawn in self.model.continued(prompt, max_new_tokens, **terms))
            return
        known = len(self.cached)
        needed = min(len(prompt) + max_new_tokens, self.max_context)
        if not (0 < known < len(prompt) and prompt[:known] == self.cached and needed <= self.capacity):
            self.capacity = min(needed + self.reserve, self.max_context)
            self.cache, self.cached, known = self.model.new_cache(1, self.capacity), [], 0
        cache, tokens = self.cache, list(prompt)
        # No cache until the step succeeds: an exception in the middle may leave it half written.
        self.cache, self.cached = None, []
        stream = generate(
            self.model,
            prompt[known:],
            needed - len(prompt),
            self.temperature,
            self.top_p,
            seed=self.seed,
            cache=cache,
        )
        self.seed += 1
        for token in stream:
            # The model has read everything except this newest token.
            self.cache, self.cached = cache, list(tokens)
            tokens.append(token)
            yield token
            self.cache, self.cached = None, []
        self.cache, self.cached = cache, tokens[:-1]


class PoolSampler:
    """One client of a shared pool: each answer gets its own row, and the pool keeps prefixes.

    temperature, top_p, seed : as for ModelSampler
    """

    def __init__(self, pool: Pool, temperature: float = 1.0, top_p: float = 1.0, seed: int = 0):
        self.pool, self.temperature, self.top_p, self.seed = pool, temperature, top_p, seed
        self.max_context = pool.room

    def __call__(self, prompt: list[int], max_new_tokens: int) -> Iterator[int]:
        limit = min(max_new_tokens, self.max_context - len(prompt) + 1)
        request = Request(prompt, limit, self.temperature, self.top_p, seed=self.seed)
        self.seed += 1
        return self.pool.stream(request)


def replay(turns: Iterable[str | Iterable[int]], encoding: tiktoken.Encoding) -> Sampler:
    """Return a sampler that replays written answers, one text or token list per request.

    Texts are what a model would sample after ``<|start|>assistant``, with control tokens spelled out.
    """
    waiting = [encoding.encode(turn, allowed_special="all") if isinstance(turn, str) else list(turn) for turn in turns]

    def sample(prompt: list[int], max_new_tokens: int) -> Iterator[int]:
        if not waiting:
            raise GptOssError("replay: the written turns are used up, but another one was requested.")
        yield from waiting.pop(0)

    return sample
