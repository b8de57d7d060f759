"""Measure steps of 2 to 8 sequences: with the kernels for a few rows and without them, and with other tiles.

`python -m gptoss_edu.benchmarks.gpu_few_rows --json FILE`. Kernels are compiled by several processes first, since one
alone would take minutes. Each tile is timed in the whole step, by replaying its graph, since kernels overlap.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from gptoss_edu.checkpoint.sizes import step_bytes
from gptoss_edu.config import ModelConfig
from gptoss_edu.fast import launch
from gptoss_edu.fast.decode_step import DecodeStep
from gptoss_edu.fast.few_rows import VECTORS
from gptoss_edu.fast.model import FastTransformer
from gptoss_edu.fast.tuning import Tiles, Tuning

from .gpu_parts import ceilings, kernel_times, record, save, timed, timeline
from .gpu_prompts import experts_hit

ROWS, SEARCHED, CONTEXT, ROOM = (2, 3, 4, 6, 8), (2, 4, 8), 1024, 1152
PROFILED = (2, 8)
DENSE = ("qkv", "out", "unembedding")
SEARCH: dict[str, list] = {
    "up": [(32, 32, 8, 1), (32, 32, 8, 2), (16, 32, 8, 1), (16, 32, 4, 1), (32, 32, 4, 1), (64, 32, 8, 1)],
    "down": [(8, 32, 8, 3), (8, 32, 8, 2), (8, 32, 4, 3), (16, 32, 8, 2), (4, 32, 4, 3), (16, 32, 4, 2)],
    "qkv": [
        (16, 512, 4, 1), (16, 256, 4, 1), (16, 256, 4, 2), (16, 512, 8, 1), (16, 1024, 8, 1), (32, 256, 4, 1),
        (32, 512, 8, 1),
    ],
    "out": [
        (16, 512, 4, 1), (16, 256, 4, 2), (16, 512, 4, 2), (16, 512, 8, 1), (16, 1024, 8, 1), (16, 512, 8, 2),
        (32, 512, 8, 1),
    ],
    "unembedding": [
        (32, 512, 4, 1), (16, 512, 4, 1), (32, 256, 4, 1), (32, 256, 4, 2), (32, 512, 8, 1), (64, 256, 4, 1),
    ],
}  # fmt: skip


def variants(base: Tiles) -> Iterator[tuple[str, Tiles]]:
    """Yield the base, and tiles that differ from it in one way, each with the name of what differs."""
    yield "base", base
    for name, values in SEARCH.items():
        for value in values:
            if value != getattr(base, name):
                yield name, replace(base, **{name: value})


def search(seconds_of: Callable[[Tiles], float], base: Tiles, until: float = float("inf")) -> tuple[Tiles, dict]:
    """Try each part of the tiles on its own, then the fastest of all parts together; return the fastest, and all times.

    seconds_of : seconds of a step; an exception leaves that variant out. until : on the clock, when to stop trying
    """
    times: dict[Tiles, float] = {}

    def tried(name: str, tiles: Tiles) -> float:
        if tiles not in times:
            try:
                times[tiles] = seconds_of(tiles)
            except Exception as error:  # too much shared memory, or what the compiler does not like
                print(f"    {name}: {type(error).__name__}: {str(error)[:90]}", flush=True)
                times[tiles] = float("inf")
            said = "" if name == "base" else f" {name} {getattr(tiles, name, '')}"
            print(f"    {times[tiles] * 1e3:8.3f} ms{said}", flush=True)
        return times[tiles]

    best = {name: (tried("base", base), getattr(base, name)) for name in SEARCH}
    for name, tiles in variants(base):
        if name != "base" and time.monotonic() < until:
            best[name] = min(best[name], (tried(name, tiles), getattr(tiles, name)), key=lambda pair: pair[0])
    together = replace(base, **{name: value for name, (_, value) in best.items()})
    tried("together", together)
    return min(times, key=times.__getitem__), times


def jobs(bases: list[Tiles]) -> list[tuple[str, int, Tiles]]:
    """Return what to compile: (kernel, rows, tiles); "old" is a step without the kernels for a few rows."""
    found = {("old", rows): ("old", rows, bases[0]) for rows in (1, 2, 4)}  # 4 rows: 16 copies, compiled for themselves
    found |= {("attend", rows): ("attend", rows, bases[0]) for rows in SEARCHED}
    for tiles in (tiles for base in bases for _, tiles in variants(base)):
        found |= {("experts", tiles.up, tiles.down): ("experts", 8, tiles)}
        found |= {(name, getattr(tiles, name)): (name, 8, tiles) for name in DENSE}
    return list(found.values())


def with_tiles(tuning: Tuning, tiles: Tiles) -> Tuning:
    return replace(tuning, two=tiles, more=tiles)


PLACE: dict = {}  # of a process that compiles: its model


def compile_one(job: tuple[str, int, Tiles]) -> str:
    """Launch kernels of a model of two layers once: the compiler keeps its result in a file that all processes read."""
    from .random_weights import random_weights

    kernel, rows, tiles = job
    try:
        if not PLACE:
            config = replace(ModelConfig.gpt_oss_20b(), num_hidden_layers=2, vocab_size=4096)
            PLACE["model"] = FastTransformer(config, random_weights(config))
        model = PLACE["model"]
        model.tuning = replace(with_tiles(model.tuning, tiles), few_rows=1 if kernel == "old" else 8)
        cache, layer = model.new_cache(rows, 64), model.layers[0]
        step = DecodeStep(model, cache)
        if kernel == "old":
            step.launch_all(cache)
        elif kernel == "attend":
            for i, any_layer in enumerate(model.layers):
                launch.attend(step.qkv, cache.keys[i], cache.values[i], any_layer, model.config, step, model.tuning)
        elif kernel == "experts":
            launch.experts_few(step.x, layer, model.config, step, model.tuning)
        elif kernel == "qkv":
            step.product(kernel, step.x, layer.qkv_weight, step.qkv, layer.attn_norm, layer.qkv_bias)
        elif kernel == "out":
            step.product(kernel, step.heads, layer.out_weight, step.x, None, layer.out_bias, step.x)
        else:
            step.product(kernel, step.x, model.unembedding, step.logits, model.weights["norm.scale"])
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        return ""
    except Exception as error:
        return f"{kernel} {tiles}: {type(error).__name__}: {str(error)[:90]}"


def compile_all(work: list, processes: int, until: float) -> None:
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        waiting = [pool.apply_async(compile_one, (job,)) for job in work]
        for answer in waiting:
            try:
                said = answer.get(timeout=max(0.1, until - time.monotonic()))
            except multiprocessing.TimeoutError:
                said = "not all were compiled in time"
            if said:
                print(f"  compiling: {said}", flush=True)


class Bench:
    """A model, its caches, and the time of a step with any tiles."""

    def __init__(self, model: FastTransformer, clock: Callable = timed):
        self.model, self.clock = model, clock
        self.usual = replace(model.tuning, few_rows=VECTORS)  # also where another path is faster
        self.caches = {rows: model.new_cache(rows, ROOM) for rows in (1, *ROWS)}
        generator = torch.Generator().manual_seed(1)
        self.tokens = torch.randint(0, model.config.vocab_size, (max(ROWS), 1), generator=generator).to(model.device)

    def start(self, rows: int, tuning: Tuning) -> torch.Tensor:
        """Record a step with this tuning, and return the logits (b, v) of the first.

        Row i begins with the same token, keys and values in every step, whatever its tuning and number of rows. They
        are filled again each time, since a timed step writes to the cache: in sliding layers over the oldest keys.
        """
        model, cache = self.model, self.caches[rows]
        model.tuning = tuning
        model._steps.pop(cache, None)
        for i in range(rows):
            generator = torch.Generator(model.device).manual_seed(i)
            for tensor in (*cache.keys, *cache.values):
                tensor[i].normal_(generator=generator)
        cache.declare([CONTEXT] * rows)
        return model(self.tokens[:rows], cache)[:, 0].clone()

    def replay(self, rows: int) -> Callable:
        step = self.model.step(self.caches[rows])
        return step.graph.replay if step.graph is not None else lambda: step.launch_all(self.caches[rows])

    def seconds(self, rows: int, tuning: Tuning, repeats: int = 40) -> float:
        self.start(rows, tuning)
        return self.clock(self.replay(rows), repeats, 5)

    def floor(self, rows: int, rate: float) -> float:
        config = self.model.config
        hit = experts_hit(config, rows) if rows > 1 else None
        return step_bytes(config, CONTEXT, rows, hit) / rate

    def compare(self, rows: int, out: dict, rate: float, tuning: Tuning, name: str) -> None:
        """Record a step without the kernels for a few rows, and with them; and how much their logits differ.

        The yardstick is `rounding`, the difference between these kernels and themselves with tiles that sum in another
        order: in bfloat16 it is not small, since a close choice between two experts may tip.
        """
        tiles = tuning.tiles(rows)
        other = Tiles() if tiles != Tiles() else Tiles(qkv=(16, 256, 4, 2))
        rounded = self.start(rows, with_tiles(tuning, other)).float()
        right = self.start(rows, replace(tuning, few_rows=1)).float()
        before = self.clock(self.replay(rows), 40, 5)
        found = self.start(rows, tuning).float()
        again = self.clock(self.replay(rows), 40, 5)
        floor = self.floor(rows, rate)
        record(
            out, f"20b step of {rows} x context {CONTEXT:,}, {name}",
            milliseconds=again * 1e3, tokens_per_s=rows / again, of_floor=floor / again, floor_milliseconds=floor * 1e3,
            before_milliseconds=before * 1e3, difference=float((found - right).norm() / right.norm()),
            rounding=float((found - rounded).norm() / rounded.norm()),
        )  # fmt: skip

    def same_bits(self, out: dict, tuning: Tuning) -> None:
        """Record whether a row's logits are the same among the fewest rows and the most, and twice.

        This needs the same tiles, and as many programs that share the keys of a head.
        """
        few, most = min(ROWS), max(ROWS)
        splits = tuning.splits_for(most * self.model.config.num_key_value_heads)
        same = replace(with_tiles(tuning, tuning.more), splits=splits)
        part, whole, again = (self.start(rows, same) for rows in (few, most, most))
        record(
            out, f"the same bits, {few} and {most} rows", company=torch.equal(part, whole[:few]),
            twice=torch.equal(whole, again), finite=bool(whole.isfinite().all()),
        )  # fmt: skip


@torch.inference_mode()  # in which a model makes the tensors of its steps
def measure(bench: Bench, out: dict, path: Path, rate: float, seconds: float) -> None:
    end, usual = time.monotonic() + seconds, bench.usual
    record(out, "20b step of one row", milliseconds=bench.seconds(1, usual) * 1e3)
    for rows in ROWS:
        bench.compare(rows, out, rate, usual, "tiles as they are")
        save(out, path)
    bench.same_bits(out, usual)
    best: dict[int, Tiles] = {}
    for i, rows in enumerate(SEARCHED):
        print(f"  {rows} rows:", flush=True)
        share = (end - time.monotonic()) / (len(SEARCHED) - i)
        best[rows], times = search(
            lambda tiles, rows=rows: bench.seconds(rows, with_tiles(usual, tiles), 20),
            usual.tiles(rows), time.monotonic() + share,
        )  # fmt: skip
        out.setdefault("tiles", {})[str(rows)] = {repr(tiles): round(s * 1e3, 4) for tiles, s in times.items()}
        print(f"    fastest: {best[rows]}", flush=True)
        save(out, path)
    for rows in ROWS:
        near = min(SEARCHED, key=lambda r: (abs(r - rows), -r))
        bench.compare(rows, out, rate, with_tiles(usual, best[near]), f"the fastest for {near}")
        save(out, path)
    for rows in PROFILED:  # last: the profiler stays in the process and slows the start of graphs
        tuning = with_tiles(usual, best[rows])
        bench.start(rows, replace(tuning, overlap=False))
        out[f"kernels of {rows} rows, microseconds and launches a step"] = kernel_times(bench.replay(rows))
        bench.start(rows, tuning)
        out[f"timeline of {rows} rows"] = timeline(bench.replay(rows), "attend_kernel")
        save(out, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("few_rows.json"), help="where to write the numbers")
    parser.add_argument("--seconds", type=float, default=45, help="for trying tiles")
    parser.add_argument("--processes", type=int, default=12, help="that compile")
    args = parser.parse_args()
    from .gpu import made

    start, out = time.monotonic(), {"device": torch.cuda.get_device_name(), "date": time.strftime("%Y-%m-%d")}
    usual = Tuning.on(torch.device("cuda"))
    compile_all(jobs([usual.more, usual.two, Tiles()]), args.processes, time.monotonic() + 60)
    print(f"  compiled in {time.monotonic() - start:.1f} s", flush=True)
    ceilings(out)
    model = made(ModelConfig.gpt_oss_20b(), None)
    measure(Bench(model), out, args.json, out["ceilings"]["read_bytes_per_s"], args.seconds)
    print(f"{time.monotonic() - start:.1f} s in all, written to {args.json}", flush=True)


if __name__ == "__main__":
    main()
