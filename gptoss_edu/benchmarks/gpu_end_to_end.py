"""Measure what a caller gets: tokens/s of `generate`, `generate_batch` and the pool, beside the kernels' own replay.

The replay runs the same steps again, with the same tokens at the same positions, so that the same experts are read.
What is missing to 100 % is spent outside the kernels: choosing tokens, copies, Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch

from gptoss_edu.engines.pool import Pool
from gptoss_edu.engines.request import Request
from gptoss_edu.generation import generate, generate_batch

from .gpu_parts import record, timed

PROMPT, NEW, WARM = 1024, 192, 8  # tokens of each prompt; new ones; the first of these, which are not timed
ROWS = (2, 16, 64)
POOLS = (1, *ROWS)


def row_name(what: str, rows: int, temperature: float = 0.0, shape: str = "20b") -> str:
    """Return the name under which a result is recorded, as in "20b end to end, pool, 16 x context 1,024, greedy"."""
    draws = "greedy" if temperature == 0 else f"temperature {temperature:g}"
    return f"{shape} end to end, {what}, {rows} x context {PROMPT:,}, {draws}"


def rate(counts: Iterator[int], warm: int = WARM, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return tokens per second, from the numbers of tokens that arrive at a time; the first `warm` are not timed.

    Numbers of 0, when a pool only reads prompts, are passed over before the clock starts.
    """
    seen = 0
    while seen < warm:
        seen += next(counts) > 0
    start = clock()
    return sum(counts) / (clock() - start)


def of_pool(pool: Pool, requests: list[Request]) -> Iterator[int]:
    """Yield how many tokens each round of a pool gives."""
    for request in requests:
        pool.submit(request)
    while pool.waiting or pool.active:
        before = pool.tokens
        pool.step()
        yield pool.tokens - before


def batch(model, prompts: list[list[int]], temperature: float) -> tuple[float, float]:
    """Return tokens per second of `generate_batch` and of the replay of its steps."""
    rows = len(prompts)
    cache = model.new_cache(rows, PROMPT + NEW)
    said: list[list[int]] = []

    def counts() -> Iterator[int]:
        for step in generate_batch(model, prompts, NEW, temperature, stop_tokens=[], cache=cache):
            said.append(step.tokens)
            yield rows

    return rate(counts()), rows / replay_time(model, cache, said)


def single(model, prompt: list[int], temperature: float) -> tuple[float, float]:
    """Return tokens per second of `generate` and of the replay of its steps."""
    cache = model.new_cache(1, PROMPT + NEW)
    said: list[list[int]] = []

    def counts() -> Iterator[int]:
        for token in generate(model, prompt, NEW, temperature, stop_tokens=[], cache=cache):
            said.append([token])
            yield 1

    return rate(counts()), 1 / replay_time(model, cache, said)


@torch.inference_mode()  # the step's tensors were made in it
def replay_time(model, cache, said: list[list[int]]) -> float:
    """Return seconds per replayed step, with one synchronisation per step, as in the part "decode"."""
    step, tokens = model.step(cache), torch.tensor(said, device=model.device)  # (new, b)
    step.positions.fill_(PROMPT)
    step.held = None  # what the positions hold is no longer what the cache says
    waiting = iter(tokens[:-1])

    def once() -> None:
        step.tokens.copy_(next(waiting))
        step.graph.replay()

    return timed(once, len(said) - 1 - WARM, WARM)


def part_end_to_end(model, out) -> None:
    generator = torch.Generator().manual_seed(0)
    prompts = torch.randint(0, model.config.vocab_size, (max(ROWS), PROMPT), generator=generator).tolist()
    replays: dict[int, float] = {}

    def keep(what: str, rows: int, temperature: float, found: float, replay: float) -> None:
        record(
            out, row_name(what, rows, temperature),
            tokens_per_s=found, replay_tokens_per_s=replay, of_replay=found / replay,
        )  # fmt: skip

    for temperature in (0.0, 1.0):
        found, replay = single(model, prompts[0], temperature)
        replays.setdefault(1, replay)
        keep("generate", 1, temperature, found, replay)
    for rows in ROWS:
        found, replays[rows] = batch(model, prompts[:rows], 0.0)
        keep("generate_batch", rows, 0.0, found, replays[rows])
    for rows in POOLS:
        pool = Pool(model, rows=rows, room=PROMPT + NEW, streaming=False)
        found = rate(of_pool(pool, [Request(prompt, NEW, stop_tokens=[]) for prompt in prompts[:rows]]))
        keep("pool", rows, 0.0, found, replays[rows])
        del pool
        torch.cuda.empty_cache()
