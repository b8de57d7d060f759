"""Search tiles of the grouped product whose first operand are the weights, and compare it with the one before.

`python -m gptoss_edu.benchmarks.gpu_words FILE` times both products and the whole block of router and experts at 20b's
shape, in CUDA graphs over several layers, so that the L2 cache does not help. Kernels are compiled beforehand, by
several processes; what fails or takes too long is left out. Results are written to FILE as they come. First the weights
are only read, in pieces of 64, 128 and 256 bytes per row. At the end, steps of 16 and 64 sequences run with the fastest
tiles.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import multiprocessing
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
import triton
import triton.language as tl

from gptoss_edu.config import ModelConfig
from gptoss_edu.fast import launch, launch_words
from gptoss_edu.fast.grouped_words import first_of_quad
from gptoss_edu.fast.launch_words import HOPPER, WordTile, padded, width_of
from gptoss_edu.fast.model import FastTransformer
from gptoss_edu.options import write_text

LAYERS, ALL = 6, 10**6
# copies of tokens per program: (rows of the weight, warps, stages, quads of blocks per step) worth trying
FEW = [
    (32, 2, 6, 1), (64, 4, 4, 1), (64, 4, 6, 1), (32, 2, 4, 2), (32, 2, 5, 2), (64, 4, 3, 2), (64, 4, 4, 2),
    (64, 2, 4, 2), (32, 1, 4, 2), (128, 4, 3, 2), (32, 2, 3, 4), (64, 4, 3, 4), (128, 4, 4, 1),
]  # fmt: skip
SOME = [(64, 4, 4, 1), (64, 4, 3, 2), (64, 4, 4, 2), (64, 4, 5, 2), (128, 8, 3, 2), (64, 2, 3, 2), (32, 2, 4, 2)]
MORE = [
    (64, 4, 3, 1), (64, 4, 3, 2), (64, 4, 2, 2), (128, 4, 3, 1), (128, 8, 3, 2), (128, 8, 2, 2), (128, 8, 3, 1),
    (128, 8, 4, 1),
]  # fmt: skip
TILES = {8: FEW, 16: SOME, 32: MORE, 64: MORE}
TRIED = {64: (8, 16, 32), 16: (8, 16), 128: (16, 32), 256: (32, 64), 8: (8,), 32: (8, 16)}  # tokens, 4 copies of each
L2_FETCH = 5  # CU_LIMIT_MAX_L2_FETCH_GRANULARITY


@triton.jit
def read_words_kernel(
    blocks, out, rows, GROUPS: tl.constexpr, R: tl.constexpr, QUADS: tl.constexpr, JOINED: tl.constexpr,
    STAGES: tl.constexpr,
):  # fmt: skip
    """Read R rows of a weight as `words_kernel` does, and nothing else; JOINED: neighbouring quads in one load."""
    n = tl.program_id(0) * R + tl.arange(0, R)
    blocks += tl.program_id(1).to(tl.int64) * rows * GROUPS * 4
    once: tl.constexpr = QUADS if JOINED else 1
    word = n[:, None] * (GROUPS * 4) + tl.arange(0, 16 * once)[None, :]
    acc = tl.zeros((R, 16 * once), tl.int32)
    for step in tl.range(0, GROUPS // 4 // QUADS, num_stages=STAGES):
        for j in tl.static_range(QUADS // once):
            acc ^= tl.load(blocks + first_of_quad(step * QUADS + j * once, GROUPS) * 4 + word)
    at = n[:, None] * (16 * once) + tl.arange(0, 16 * once)[None, :]
    tl.store(out + at, acc, mask=acc == 0x12345678)  # hardly ever, but no load can be left out


def part_reading(bench: Bench) -> None:
    """Time reading alone: pieces per row, and how much the L2 cache fetches at once (a hint to the driver)."""
    cuda, size = ctypes.CDLL("libcuda.so.1"), ctypes.c_size_t()
    cuda.cuCtxGetLimit(ctypes.byref(size), L2_FETCH)
    default = size.value
    blocks = bench.layers[0].blocks1
    e, rows, g, _ = blocks.shape
    out = torch.empty(rows * 64, dtype=torch.int32, device=blocks.device)
    for fetch in sorted({32, 64, 128, default}):
        cuda.cuCtxSetLimit(L2_FETCH, ctypes.c_size_t(fetch))
        for quads, joined in ((1, False), (2, False), (4, False), (2, True), (4, True)):

            def launch_layer(layer, quads=quads, joined=joined):
                read_words_kernel[(rows // 32, e)](
                    layer.blocks1, out, rows, GROUPS=g, R=32, QUADS=quads, JOINED=joined,
                    STAGES={1: 6, 2: 4, 4: 3}[quads], num_warps=2,
                )  # fmt: skip

            spent = microseconds(launch_layer, bench.layers)
            share = g // 4 // quads * quads * 4 / g
            key = f"fetch {fetch}, {64 * quads} bytes{' in one load' if joined else ''}"
            bench.keep("reading, TB/s", key, blocks.nbytes * share / spent / 1e6)
            print(f"reading, {key}: {blocks.nbytes * share / spent / 1e6:.2f} TB/s", flush=True)
        for copies, sizes in ((8, FEW[0]), (8, FEW[3])):
            spent = bench.product(copies, sizes, False)
            bench.keep("reading, TB/s", f"fetch {fetch}, product {copies} {sizes}, µs", spent)
            print(f"fetch {fetch}: product of {copies} copies, {sizes}: {spent:.1f} µs", flush=True)
    cuda.cuCtxSetLimit(L2_FETCH, ctypes.c_size_t(default))
    print(f"the driver's fetch was {default}", flush=True)


def compile_products(part: list[tuple[int, tuple]], until: float) -> None:
    """Compile both products by running one layer with each of these tiles."""
    from .gpu import made

    with torch.inference_mode():
        model = made(replace(ModelConfig.gpt_oss_20b(), num_hidden_layers=1, vocab_size=256), None)
        x = torch.randn(4, model.config.hidden_size, device=model.device).to(model.dtype)
        for copies, sizes in part:
            if time.time() > until:
                return
            try:
                tuning = replace(model.tuning, words=(WordTile(ALL, copies, sizes, sizes),))
                launch.experts_many(x, model.layers[0], model.config, tuning, into=torch.empty_like(x))
                torch.cuda.synchronize()
            except Exception as error:  # a tile that needs more registers or shared memory than there are
                print(f"{copies} {sizes}: {type(error).__name__}: {str(error)[:90]}", flush=True)
                if "CUDA error" in str(error):
                    return


def compile_all(processes: int, seconds: float) -> None:
    """Compile every tile; what is not done in time is compiled when it is needed, or left out there."""
    todo = [(copies, sizes) for copies, tiles in TILES.items() for sizes in tiles]
    context = multiprocessing.get_context("spawn")
    until = time.time() + seconds
    workers = [context.Process(target=compile_products, args=(todo[i::processes], until)) for i in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(1.0, until + 20 - time.time()))
        if worker.is_alive():
            worker.terminate()


def microseconds(launch_layer, layers: list, repeats: int = 15) -> float:
    """Return the median microseconds per layer of a graph that launches each layer's kernels."""
    for layer in layers:
        launch_layer(layer)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for layer in layers:
            launch_layer(layer)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times = []
    for _ in range(repeats):
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times[3:]) * 1e3 / len(layers)


class Bench:
    """Results, and the inputs of one number of tokens: rows that differ from layer to layer."""

    def __init__(self, model: FastTransformer, out: dict, path: Path):
        self.model, self.out, self.path = model, out, path
        self.layers = model.layers[:LAYERS]

    def keep(self, kind: str, key: str, value) -> None:
        self.out.setdefault(kind, {})[key] = value
        write_text(self.path, json.dumps(self.out, indent=1) + "\n")

    def inputs(self, n: int) -> None:
        config, device, dtype = self.model.config, self.model.device, self.model.dtype
        generator = torch.Generator(device).manual_seed(n)
        self.x = {
            id(layer): torch.randn(n, config.hidden_size, device=device, generator=generator).to(dtype)
            for layer in self.layers
        }
        self.into, hit = torch.empty_like(self.x[id(self.layers[0])]), 0
        for layer in self.layers:
            chosen = self.routed(layer, self.tuning(WordTile(ALL, 8, FEW[0], FEW[0])), 2)[1]
            hit += len(chosen.unique())
        self.hit = hit / len(self.layers)

    def tuning(self, tile: WordTile | None, **changes):
        return replace(self.model.tuning, words=() if tile is None else (tile,), **changes)

    def routed(self, layer, tuning, width: int):
        return launch_words.route_words(
            self.x[id(layer)], None, layer, self.model.config, tuning, width, None, len(self.x[id(layer)]) <= 64
        )

    def block(self, tile: WordTile | None, **changes) -> float:
        tuning = self.tuning(tile, **changes)

        def launch_layer(layer):
            launch.experts_many(self.x[id(layer)], layer, self.model.config, tuning, into=self.into)

        return microseconds(launch_layer, self.layers)

    def product(self, copies: int, sizes, second: bool) -> float:
        config, tuning = self.model.config, self.tuning(WordTile(ALL, copies, sizes, sizes))
        width, k, f = width_of(sizes, copies, tuning), config.experts_per_token, config.intermediate_size
        ready = {}
        for layer in self.layers:
            normed, chosen, _, _ = self.routed(layer, tuning, width)
            groups = launch_words.group_copies(chosen, config.num_experts, copies)
            act = torch.randn(chosen.numel(), padded(f), device=normed.device).to(normed.dtype)
            each = torch.empty(chosen.numel(), config.hidden_size, dtype=normed.dtype, device=normed.device)
            ready[id(layer)] = groups, normed, act, each

        def launch_layer(layer):
            groups, normed, act, each = ready[id(layer)]
            if second:
                launch_words.words_product(
                    act, groups, layer.blocks2, layer.scales2, layer.bias2, each, config, 0, sizes, copies,
                    (width, width), tuning,
                )  # fmt: skip
            else:
                launch_words.words_product(
                    normed, groups, layer.blocks1, layer.scales1, layer.bias1, act, config, k, sizes, copies,
                    (width, width), tuning,
                )  # fmt: skip

        return microseconds(launch_layer, self.layers)

    def difference(self, tile: WordTile) -> float:
        """Return the relative difference from the other kernel's sum, the largest of all layers."""
        worst = 0.0
        for layer in self.layers:
            sums = []
            for tuning in (self.tuning(None), self.tuning(tile)):
                into = torch.full_like(self.into, float("nan"))
                launch.experts_many(self.x[id(layer)], layer, self.model.config, tuning, into=into)
                sums.append(into.double())
            rows = (sums[1] - sums[0]).norm(dim=-1) / sums[0].norm(dim=-1)
            worst = max(worst, float(rows.median()) if rows.isfinite().all() else float("inf"))
        return worst


def part_tokens(bench: Bench, n: int, rate: float, until: float) -> WordTile | None:
    """Time all tiles for n tokens; return the fastest of whole blocks."""
    bench.inputs(n)
    config = bench.model.config
    rows = config.hidden_size * 2 * config.intermediate_size * 17 / 32  # bytes of one expert's first weight
    floors = [bench.hit * bytes_ / rate * 1e6 for bytes_ in (rows, rows / 2, rows * 1.5)]
    before = bench.block(None)
    bench.keep("before", str(n), {"block": before, "experts_hit": bench.hit, "floors": floors})
    print(f"\n{n} tokens, {bench.hit:.1f} experts; floors {floors[0]:.1f} + {floors[1]:.1f} µs; before {before:.1f} µs")
    best: dict[int, list] = {}
    for copies in TRIED[n]:
        for sizes, second in itertools.product(TILES[copies], (False, True)):
            if time.time() > until:
                break
            try:
                spent = bench.product(copies, sizes, second)
            except Exception as error:
                print(f"{copies} {sizes}: {type(error).__name__}: {str(error)[:90]}", flush=True)
                continue
            bench.keep("products", f"{n} {copies} {sizes} {'down' if second else 'up'}", spent)
            best.setdefault(copies, [{}, {}])[second][sizes] = spent
    found = {}
    for copies, (up, down) in best.items():
        if not up or not down:
            continue
        tile = WordTile(ALL, copies, min(up, key=up.get), min(down, key=down.get))
        found[tile] = bench.block(tile)
        values = {"block": found[tile], "difference": bench.difference(tile)}
        if n >= 32:
            values["router apart"] = bench.block(tile, router_words=0)
        bench.keep("blocks", f"{n} {copies} {tile.up} {tile.down}", values)
        print(
            f"  {copies:2d} copies: up {tile.up} {up[tile.up]:.1f}, down {tile.down} {down[tile.down]:.1f} µs; block "
            + ", ".join(f"{name} {value:.4g}" for name, value in values.items()),
            flush=True,
        )
    return min(found, key=found.get) if found else None


def part_steps(bench: Bench, words: tuple[WordTile, ...]) -> None:
    """Time steps of 16 and 64 sequences, and prompts' experts, with the tiles of `HOPPER` and with these."""
    from .gpu import decode_time
    from .gpu_prompts import experts_seconds

    model = bench.model
    tunings = {"HOPPER": replace(model.tuning, words=HOPPER), "found now": replace(model.tuning, words=words)}
    for name, tuning in tunings.items():
        model.tuning = tuning
        for rows in (16, 64):
            bench.keep("steps", f"{rows} {name}", decode_time(model, rows, 1024, 1152, 20) * 1e3)
            model._steps.clear()
        for t in (64, 128, 256):
            bench.keep("experts of all layers", f"{t} {name}", experts_seconds(model, t) * 1e3)
    for kind in ("steps", "experts of all layers"):
        print(f"{kind}, ms: " + ", ".join(f"{key} {value:.2f}" for key, value in bench.out[kind].items()), flush=True)


def run(path: Path, processes: int = 14, seconds: float = 90.0) -> dict:
    """Return and write everything that was measured; `seconds` in all, as far as that can be kept."""
    from .gpu import made
    from .gpu_parts import ceilings

    start = time.time()
    compile_all(processes, seconds / 3)
    print(f"compiled in {time.time() - start:.0f} s", flush=True)
    out: dict = {"device": torch.cuda.get_device_name()}
    with torch.inference_mode():
        ceilings(out)
        bench = Bench(made(ModelConfig.gpt_oss_20b(), None), out, path)
        bench.inputs(16)
        try:
            part_reading(bench)
        except Exception as error:
            print(f"reading: {type(error).__name__}: {str(error)[:90]}", flush=True)
        best: dict[int, WordTile] = {}
        for place, n in enumerate(TRIED):
            left = start + seconds - 14 - time.time()
            tile = part_tokens(bench, n, out["ceilings"]["read_bytes_per_s"], time.time() + left / (len(TRIED) - place))
            if tile is not None:
                best[n] = tile
        words = tuple(replace(best[n], below=n * 4 * 1.42 / 32) for n in sorted(best))
        bench.keep("words", "tuning", [str(tile) for tile in words])
        part_steps(bench, words)
    print("\n".join(str(tile) for tile in words), flush=True)
    print(f"{time.time() - start:.0f} s in all", flush=True)
    return out


if __name__ == "__main__":
    run(Path(sys.argv[1]))
