"""From logits to text: prefill, decoding token by token, sampling, several sequences at once (chapter 11)."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .cache import KVCache
from .errors import GptOssError

HARMONY_STOPS = ("<|return|>", "<|call|>", "<|endoftext|>")  # not <|end|>: the answer follows a finished analysis
LogitsProcessor = Callable[[list[int], Tensor], Tensor]  # (tokens generated so far, logits (v,)) -> logits (v,)


def next_token_probabilities(
    logits: Tensor, temperature: float = 1.0, top_p: float = 1.0, top_k: int | None = None
) -> Tensor:
    """Return the distribution from which the next token is drawn.

    logits : (..., v). temperature divides them (0: all mass on the largest); top_k then keeps the k largest; top_p then
    keeps the smallest set of likeliest tokens whose probability reaches top_p. Returns (..., v) float32, rows sum to
    one.

    Source: Holtzman et al. 2019, arXiv:1904.09751 (nucleus sampling).
    """
    _check_sampling(temperature, top_p, top_k)
    logits = logits.float()
    if temperature == 0:
        return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
    temperature, top_p = min(max(temperature, 1e-30), 1e30), max(top_p, 1e-30)  # or 0 or infinite in float32
    logits = (logits - logits.amax(-1, keepdim=True)) / temperature  # the largest becomes 0: no overflow
    if top_k is not None and top_k < logits.shape[-1]:
        kept = torch.full_like(logits, -torch.inf)
        values, indices = logits.topk(top_k, dim=-1)
        logits = kept.scatter(-1, indices, values)
    probabilities = logits.softmax(dim=-1)
    if top_p == 1:
        return probabilities
    falling, order = probabilities.sort(dim=-1, descending=True, stable=True)
    before = falling.cumsum(dim=-1) - falling  # probability of all likelier tokens
    falling = falling.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(falling).scatter(-1, order, falling / falling.sum(dim=-1, keepdim=True))


def default_stop_tokens(model) -> frozenset[int]:
    """Return the control tokens of the model's tokenizer that end a completion."""
    return stop_tokens_of(model.tokenizer)


def stop_tokens_of(encoding) -> frozenset[int]:
    """Return the vocabulary's control tokens that end a completion; `encoding` None stands for one without any."""
    specials = encoding._special_tokens if encoding is not None else {}
    return frozenset(specials[name] for name in HARMONY_STOPS if name in specials)


@dataclass(frozen=True)
class Step:
    """One new token per sequence; None for sequences that have ended.

    logprobs are those of the model (and of a logits_processor), before temperature and truncation.
    """

    tokens: list[int | None]
    logprobs: list[float | None]
    finished: list[bool]


@torch.inference_mode()
def generate_batch(
    model,
    sequences: Sequence[Sequence[int]],
    max_new_tokens: int = 512,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    stop_tokens: Sequence[int] | None = None,
    cache: KVCache | None = None,
    logits_processor: Callable[[int, list[int], Tensor], Tensor] | None = None,
) -> Iterator[Step]:
    """Continue several sequences at once, yielding one `Step` per token.

    Parameters
    ----------
    sequences : token ids of each; lengths may differ
    temperature, top_p, top_k : as in `next_token_probabilities`; 0 is greedy
    seed : row i draws as a single sequence with seed + i would
    stop_tokens : a sequence ends with (and yields) one of these; None for harmony's stop tokens, [] for none
    cache : what came before the given tokens, with room for these and all new ones except the last; extended in place
        (rows keep their order). None creates one
    logits_processor : (row, tokens generated so far, logits (v,)) -> logits (v,), for constrained decoding
    """
    _check_sampling(temperature, top_p, top_k)
    if hasattr(model, "continued"):  # another engine, which draws by itself (engines/sampler.py)
        terms = {"temperature": temperature, "top_p": top_p, "top_k": top_k, "stop_tokens": stop_tokens, "cache": cache}
        yield from _by_engine(model, sequences, max_new_tokens, seed, logits_processor, terms)
        return
    prompts = [[int(token) for token in sequence] for sequence in sequences]
    room = _check_lengths(model, prompts, max_new_tokens, cache)
    if not -(2**63) <= seed <= 2**64 - len(prompts):
        raise GptOssError(f"generate: expected a seed of at most 64 bits, found {seed}.")
    stops = default_stop_tokens(model) if stop_tokens is None else frozenset(stop_tokens)
    own_cache = cache is None
    cache = model.new_cache(len(prompts), room) if own_cache else cache
    draws = torch.stack(
        [torch.rand(max_new_tokens, generator=torch.Generator().manual_seed(seed + i)) for i in range(len(prompts))]
    ).to(model.device)  # (b, new)
    generated: list[list[int]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))  # the sequence that each row of the cache holds
    finished = [False] * len(prompts)
    steps = steps_of(model, cache)
    logits = prefill(model, prompts, cache)  # (b, v)
    for number in range(max_new_tokens):
        if logits_processor is not None:
            logits = torch.stack(
                [logits_processor(row, generated[row], line) for row, line in zip(rows, logits, strict=True)]
            )
        chosen, logprobs = steps.draw(logits, draws[:, number], temperature, top_p, top_k)
        counts = None if number == max_new_tokens - 1 else [0 if finished[row] else 1 for row in rows]
        step = Step([None] * len(prompts), [None] * len(prompts), finished)
        for row, token, logprob in zip(rows, *steps.read(chosen, logprobs, counts), strict=True):
            if not finished[row]:
                if not math.isfinite(logprob):
                    raise GptOssError(
                        "generate: expected logits from which a token can be drawn, found NaN, +inf or only"
                        f" -inf in row {row} after {len(generated[row])} new tokens; look for the first hook point that"
                        " is not finite."
                    )
                generated[row].append(token)
                step.tokens[row], step.logprobs[row], finished[row] = token, logprob, token in stops
        yield Step(step.tokens, step.logprobs, list(finished))
        if all(finished) or counts is None:
            return
        counts = [0 if finished[row] else 1 for row in rows]
        active = [i for i, count in enumerate(counts) if count]
        keep = active if own_cache and 2 * len(active) <= len(rows) else None
        logits = steps.next(chosen, counts, keep)
        if keep is not None:
            rows, draws = [rows[i] for i in keep], draws[keep]


def generate(
    model,
    tokens: Sequence[int],
    max_new_tokens: int = 512,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    stop_tokens: Sequence[int] | None = None,
    cache: KVCache | None = None,
    logits_processor: LogitsProcessor | None = None,
) -> Iterator[int]:
    """Continue one sequence, yielding token ids as they come, the stop token included.

    Arguments as in `generate_batch`; logits_processor : (tokens generated so far, logits (v,)) -> logits (v,).
    """
    process = None if logits_processor is None else (lambda row, generated, logits: logits_processor(generated, logits))
    for step in generate_batch(
        model, [tokens], max_new_tokens, temperature, top_p, top_k, seed, stop_tokens, cache, process
    ):
        yield step.tokens[0]


class Steps:
    """Decoding steps into one cache, each after the host has seen the tokens of the one before.

    A model's method `ahead(cache)` may return another kind, which begins them earlier: `fast/ahead.py`.
    """

    def __init__(self, model, cache: KVCache):
        self.model, self.cache = model, cache

    def draw(self, logits: Tensor, draws: Tensor, temperature=0.0, top_p=1.0, top_k=None) -> tuple[Tensor, Tensor]:
        """Choose a token per row, as the function `draw` does."""
        return draw(logits, draws, temperature, top_p, top_k)

    def read(self, tokens: Tensor, logprobs: Tensor, counts: list[int] | None) -> tuple[list[int], list[float]]:
        """Return tokens and log-probabilities (b,) as lists.

        counts : 1 for each row whose token the next step may read, 0 for one that has ended; None if no step follows
        """
        return tokens.tolist(), logprobs.tolist()

    def begin(self, tokens: Tensor, counts: list[int]) -> bool:
        """Start the step that `next` will ask for, if that can be done; here it waits for `next`.

        Returns whether it has started.
        """
        return False

    def forget(self) -> None:
        """Drop a step that was begun and that nobody will ask for."""

    def next(self, tokens: Tensor, counts: list[int], keep: list[int] | None = None) -> Tensor:
        """Return the logits (b, v) after tokens (b,). `keep` names the rows that stay in the cache, None for all."""
        if keep is not None:
            self.cache.select(keep)
            tokens, counts = tokens[keep], [counts[i] for i in keep]
        return self.model(tokens[:, None], cache=self.cache, lengths=torch.tensor(counts), last_only=True)[:, -1]


def steps_of(model, cache: KVCache) -> Steps:
    """Return the steps in which a model decodes into a cache."""
    ahead = getattr(model, "ahead", None)
    return (ahead(cache) if ahead is not None else None) or Steps(model, cache)


def _by_engine(engine, sequences, max_new_tokens: int, seed: int, logits_processor, terms: dict) -> Iterator[Step]:
    """Yield the steps of `generate_batch` from another engine: one sequence as it comes, several one by one."""

    def answer(row: int) -> Iterator:
        process = None if logits_processor is None else (lambda generated, line: logits_processor(row, generated, line))
        prompt = [int(token) for token in sequences[row]]
        if not prompt:
            raise GptOssError("generate: expected at least one token a sequence, found an empty one.")
        return engine.continued(prompt, max_new_tokens, seed=seed + row, logits_processor=process, **terms)

    stops = default_stop_tokens(engine) if terms["stop_tokens"] is None else frozenset(terms["stop_tokens"])
    answers = [answer(0)] if len(sequences) == 1 else [iter(list(answer(row))) for row in range(len(sequences))]
    for number in range(max_new_tokens):
        now = [next(each, None) for each in answers]
        if not any(now):
            return
        tokens, logprobs = ([drawn and getattr(drawn, name) for drawn in now] for name in ("token", "logprob"))
        last = number == max_new_tokens - 1
        yield Step(tokens, logprobs, [drawn is None or drawn.token in stops or last for drawn in now])


def prefill(model, prompts: list[list[int]], cache: KVCache) -> Tensor:
    """Run the prompts through the model in chunks; returns the logits after each prompt's last token, (b, v).

    Tokens already in the cache limit the size of a chunk, since their keys have scores too.
    """
    longest = max(map(len, prompts))
    chunk = model.prefill_limit(len(prompts), longest + max(cache.row_lengths))
    logits = None
    for start in range(0, longest, chunk):
        parts = [prompt[start : start + chunk] for prompt in prompts]
        width = max(map(len, parts))
        tokens = torch.tensor([part + [0] * (width - len(part)) for part in parts], device=model.device)  # (b, t)
        counts = torch.tensor([len(part) for part in parts])
        new = model(tokens, cache=cache, lengths=counts, last_only=True)[:, -1]  # (b, v)
        here = (counts > 0).to(new.device)[:, None]
        logits = new if logits is None else torch.where(here, new, logits)
    return logits


def draw(
    logits: Tensor, draws: Tensor, temperature: float = 0.0, top_p: float = 1.0, top_k: int | None = None
) -> tuple[Tensor, Tensor]:
    """Choose a token per row of the logits (b, v) at uniform draws (b,), on the logits' device.

    Returns tokens (b,) and log-probabilities (b,), float32, those before temperature and truncation.
    """
    if temperature == 0:
        chosen = logits.argmax(dim=-1)  # (b,): all of the probability lies there
    else:
        chosen = pick(next_token_probabilities(logits, temperature, top_p, top_k), draws)
    logits = logits.float()
    return chosen, logits.gather(-1, chosen[:, None])[:, 0] - logits.logsumexp(dim=-1)


def pick(probabilities: Tensor, draws: Tensor) -> Tensor:
    """Draw token ids (b,) by inverting the distribution function (b, v) at uniform draws (b,)."""
    cumulative = probabilities.double().cumsum(-1)
    at = draws.to(cumulative)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, at, right=True).clamp(max=probabilities.shape[-1] - 1)[:, 0]


def _check_sampling(temperature: float, top_p: float, top_k: int | None) -> None:
    if not temperature >= 0 or not 0 < top_p <= 1 or (top_k is not None and top_k < 1):
        raise GptOssError(
            f"sampling: expected temperature >= 0, 0 < top_p <= 1 and top_k >= 1, found {temperature}, {top_p} and"
            f" {top_k}."
        )


def _check_lengths(model, prompts: list[list[int]], max_new_tokens: int, cache: KVCache | None) -> int:
    if not prompts or not all(prompts):
        raise GptOssError(
            "generate: expected at least one token per sequence, found an empty one; start with <|start|> or render a"
            " conversation."
        )
    if max_new_tokens < 1:
        raise GptOssError(f"generate: expected max_new_tokens >= 1, found {max_new_tokens}.")
    room = max(map(len, prompts)) + max_new_tokens
    if cache is None and room > model.config.max_context:
        raise GptOssError(
            f"generate: {room - max_new_tokens} prompt tokens and {max_new_tokens} new ones exceed this model's context"
            f" of {model.config.max_context}; shorten the prompt or ask for fewer."
        )
    for row, (held, prompt) in enumerate(zip(cache.lengths.tolist() if cache else [], prompts)):
        read = held + len(prompt) + max_new_tokens - 1  # the last new token is yielded but not read
        if read > cache.max_length:
            raise GptOssError(
                f"generate: the cache has room for {cache.max_length} tokens per row, row {row} may need {read} ({held}"
                f" held, {len(prompt)} of the prompt, {max_new_tokens} new except the last); ask for fewer or make a"
                " larger cache."
            )
    return room
