"""Search tile sizes for decoding one sequence, timed on the whole step.

`python -m gptoss_edu.benchmarks.gpu_tiles FILE` goes through the kernels one after another, keeps the fastest tile of
each and writes every result to FILE. A kernel that is fastest alone need not be so in a step, where it overlaps with
its neighbours (programmatic dependent launch), so nothing is timed alone. Tiles are compiled beforehand, by several
processes.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from gptoss_edu.config import ModelConfig
from gptoss_edu.fast.decode_step import DecodeStep
from gptoss_edu.fast.model import FastTransformer
from gptoss_edu.fast.tuning import Tuning
from gptoss_edu.options import write_text

CONTEXT, ROOM = 1024, 1152
DENSE = [
    (rows, columns, warps, ahead)
    for rows, columns, warps in itertools.product((2, 4, 8, 16, 32), (512, 1024, 2048), (2, 4, 8))
    for ahead in (1, 2, 3)
    if 4096 <= rows * columns <= 32768 and 32 <= rows * columns * ahead // (32 * warps) <= 192 and columns >= 64 * warps
]
PACKED = [
    (rows, blocks, warps, ahead)
    for rows, blocks, warps in itertools.product((4, 8, 16, 32, 64), (16, 32, 64), (2, 4, 8))
    for ahead in (1, 2, 3)
    if 128 <= rows * blocks <= 2048 and 1 <= rows * blocks * ahead // (32 * warps) <= 12
]
TILES = {
    "up": PACKED,
    "down": PACKED,
    "qkv": DENSE,
    "out": DENSE,
    "unembedding": DENSE,
    "split_keys": [(64, 2), (64, 4), (128, 2), (128, 4), (128, 8)],
    "slide_keys": [(32, 1), (32, 2), (64, 2), (64, 4), (128, 4), (128, 8)],
    "splits": [8, 16, 32],
    "split_least": [32, 64, 128],
}  # fmt: skip


def step_milliseconds(model: FastTransformer, tuning: Tuning, cache, repeats: int = 24) -> float:
    """Return the median milliseconds of a graph replay of one step with this tuning."""
    model.tuning = tuning
    step = DecodeStep(model, cache)
    step.positions.fill_(CONTEXT)
    step.capture(cache)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times = []
    for _ in range(repeats):
        step.positions.fill_(CONTEXT)
        begin.record()
        step.graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times[4:])


def compile_tiles(part: list[tuple[str, tuple]], until: float) -> None:
    """Compile kernels by running two layers with each of these tiles; what takes too long is left out."""
    from .gpu import filled_cache, made

    with torch.inference_mode():
        model = made(replace(ModelConfig.gpt_oss_20b(), num_hidden_layers=2), None)
        cache, first = filled_cache(model, 1, CONTEXT, ROOM), model.tuning
        for field, tile in part:
            if time.time() > until:
                return
            model.tuning = replace(first, **{field: tile})
            try:
                DecodeStep(model, cache).launch_all(cache)
            except Exception as error:  # a tile that needs more registers or shared memory than there are
                print(f"{field} {tile}: {type(error).__name__}", flush=True)
        torch.cuda.synchronize()


def search(path: Path, processes: int = 14, compiling: float = 90.0) -> dict:
    """Return and write {"start", "best", "tuning", "tried": {field: {tile: milliseconds}}}."""
    from .gpu import filled_cache, made

    todo = [(field, tile) for field, tiles in TILES.items() for tile in tiles]
    until = time.time() + compiling
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=compile_tiles, args=(todo[i::processes], until)) for i in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(f"compiled in {time.time() - until + compiling:.0f} s", flush=True)
    found: dict = {"device": torch.cuda.get_device_name(), "tried": {}}
    with torch.inference_mode():
        model = made(ModelConfig.gpt_oss_20b(), None)
        cache, tuning = filled_cache(model, 1, CONTEXT, ROOM), model.tuning
        best = found["start"] = step_milliseconds(model, tuning, cache)
        for field, tiles in TILES.items():
            tried = {}
            for tile in tiles:
                try:
                    tried[tile] = step_milliseconds(model, replace(tuning, **{field: tile}), cache, 16)
                except Exception as error:
                    print(f"{field} {tile}: {type(error).__name__}", flush=True)
            fastest = sorted(tried, key=tried.get)[:3]
            again = {tile: step_milliseconds(model, replace(tuning, **{field: tile}), cache) for tile in fastest}
            first = min(again, key=again.get)
            if again[first] < best - 0.001:
                tuning, best = replace(tuning, **{field: first}), again[first]
            print(f"{field:12s} {getattr(tuning, field)!s:22} {best:.4f} ms; fastest {again}", flush=True)
            found["tried"][field] = {str(tile): ms for tile, ms in tried.items()}
            found |= {"best": best, "tuning": {name: getattr(tuning, name) for name in TILES}}
            write_text(path, json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    search(Path(sys.argv[1]))
