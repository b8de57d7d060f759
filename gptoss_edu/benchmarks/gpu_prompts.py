"""Measure how soon a short prompt gives its first logits, with its launches one by one and as a recorded graph.

`bench gpu --only prompts` runs it. `python -m gptoss_edu.benchmarks.gpu_prompts` tries tiles of the experts' products,
which take most of the time that is left.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import torch

from gptoss_edu.checkpoint.sizes import step_bytes
from gptoss_edu.config import ModelConfig
from gptoss_edu.fast import launch
from gptoss_edu.fast.model import FastTransformer

from .gpu_parts import event_time, record, timed

LENGTHS = (16, 32, 64, 100, 128, 256)
LONGER = (512, 1024)  # not recorded by default
TURN, CONTEXT = 100, 4096  # new tokens of a chat's turn, and what its cache holds
WARM = 4  # the first prompt compiles, the second records
TILES = [
    (16, 64, 8, 4, 3), (16, 128, 4, 4, 4), (16, 128, 4, 8, 4), (32, 64, 4, 4, 4), (32, 128, 4, 4, 3),
    (32, 128, 4, 4, 4), (32, 128, 4, 8, 4), (32, 128, 2, 4, 4), (32, 256, 2, 8, 3), (64, 64, 4, 4, 3),
    (64, 128, 2, 4, 4), (64, 128, 4, 4, 3), (64, 128, 4, 8, 3), (64, 256, 2, 8, 3),
]  # fmt: skip


def experts_hit(config: ModelConfig, t: int) -> float:
    """Return how many experts of a layer t tokens hit, if they draw them independently, as with random weights."""
    e, k = config.num_experts, config.experts_per_token
    return e * (1 - (1 - k / e) ** t)


def prompt_bytes(config: ModelConfig, t: int, past: int = 0) -> float:
    """Return the bytes that t new tokens after `past` must read: each weight in use once, each key and value once."""
    return step_bytes(config, past + t, 1, experts_hit(config, t))


def with_prompts(model: FastTransformer, lengths: tuple[int, ...]) -> FastTransformer:
    """Return a model on the same weights that records prompts of these lengths."""
    return FastTransformer(model.config, model.weights, replace(model.tuning, prompt_graphs=lengths))


def a_prompt(model: FastTransformer, t: int, past: int = 0) -> Callable[[], torch.Tensor]:
    """Return a function that reads t tokens: into a new cache each time, or after `past` random ones of a kept one."""
    generator = torch.Generator().manual_seed(t)
    tokens = torch.randint(0, model.config.vocab_size, (1, t), generator=generator).to(model.device)
    if not past:
        return lambda: model(tokens, model.new_cache(1, t + 64), last_only=True)
    cache, noise = model.new_cache(1, past + t + 64), torch.Generator(model.device).manual_seed(t)
    for tensor in (*cache.keys, *cache.values):
        tensor.normal_(generator=noise)

    def once() -> torch.Tensor:
        cache.declare([past])
        return model(tokens, cache, last_only=True)

    return once


def layers_graph(launch_layer: Callable) -> Callable[[], None]:
    """Return the replay of a graph of these launches, which first run once to compile."""
    launch_layer()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch_layer()
    return graph.replay


@torch.inference_mode()
def experts_seconds(model: FastTransformer, t: int, tile=None) -> float:
    """Return the seconds that router and experts of all layers take for t tokens, in a graph."""
    tuning = model.tuning
    if tile is not None:
        tuning = replace(tuning, grouped_few=tile, grouped_some=tile, grouped_more=tile, grouped_many=tile)
    x = torch.randn(t, model.config.hidden_size, device=model.device).to(model.dtype)
    into = torch.empty_like(x)

    def all_layers() -> None:
        for layer in model.layers:
            launch.experts_many(x, layer, model.config, tuning, into=into)

    return event_time(layers_graph(all_layers), 10)


def part_prompts(model: FastTransformer, out: dict) -> None:
    """Record milliseconds to the first logits of one prompt, its floor, and the graph's own time."""
    rate = out["ceilings"]["read_bytes_per_s"]
    plain, recording = with_prompts(model, ()), with_prompts(model, (*model.tuning.prompt_graphs, *LONGER))
    cases = [(t, 0) for t in (*LENGTHS, *LONGER)] + [(TURN, CONTEXT)]
    for t, past in cases:
        one_by_one, recorded = (a_prompt(m, t, past) for m in (plain, recording))
        seconds = {name: timed(once, 15, WARM) for name, once in (("plain", one_by_one), ("graph", recorded))}
        floor = prompt_bytes(model.config, t, past) / rate
        key = recording._prompts.shape(recording, 1, t)  # None: long enough to be read without a graph
        replayed = recording._prompts.shapes[key].replay if key else None
        replay = timed(replayed, 15, WARM) * 1e3 if replayed else None
        found, right = recorded().float(), one_by_one().float()
        where = f"{t:,} new tokens at context {past:,}" if past else f"a prompt of {t:,} tokens"
        record(
            out, f"20b first logits, {where}",
            milliseconds=seconds["graph"] * 1e3, one_by_one_milliseconds=seconds["plain"] * 1e3,
            replay_milliseconds=replay, floor_milliseconds=floor * 1e3, of_floor=floor / seconds["graph"],
            times_floor=seconds["graph"] / floor,
            difference=float((found - right).norm() / right.norm()),
        )  # fmt: skip
    for t in LENGTHS:
        seconds_all = experts_seconds(model, t)
        least = step_bytes(model.config, 0, 1, experts_hit(model.config, t)) - step_bytes(model.config, 0, 1, 0.0)
        record(
            out, f"20b experts of all layers, {t:,} tokens",
            milliseconds=seconds_all * 1e3, floor_milliseconds=least / rate * 1e3, of_floor=least / rate / seconds_all,
        )  # fmt: skip


def try_tiles(model: FastTransformer, lengths: tuple[int, ...] = (16, 32, 64, 128, 256, 512)) -> None:
    """Print milliseconds of all layers' experts for each tile and number of tokens; the fastest are marked."""
    seconds = {}
    for tile, t in itertools.product(TILES, lengths):
        try:
            seconds[tile, t] = experts_seconds(model, t, tile)
        except Exception as error:  # a tile that needs more shared memory than there is
            print(f"{tile}: {type(error).__name__}: {str(error)[:80]}", flush=True)
            seconds[tile, t] = float("inf")
    print("tokens, rows, blocks, warps, stages " + "".join(f"{t:>10}" for t in lengths))
    best = {t: min(seconds[tile, t] for tile in TILES) for t in lengths}
    for tile in TILES:
        cells = (f"{seconds[tile, t] * 1e3:9.2f}{'*' if seconds[tile, t] == best[t] else ' '}" for t in lengths)
        print(f"{tile!s:36}" + "".join(cells), flush=True)


if __name__ == "__main__":
    from .gpu import made

    try_tiles(made(ModelConfig.gpt_oss_20b(), None))
