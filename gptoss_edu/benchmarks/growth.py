"""Measure what a token costs as context, batch, layers and experts grow; a pool's queue; a trace's file.

gptoss-edu bench growth
gptoss-edu bench growth --device cuda --contexts 131072 --json data/benchmarks/growth-gpu.json

Small models with random weights stand in, so that minutes are enough. Each curve has an exponent, fitted to its upper
half: 1 grows as the thing grows, 0 not at all. The sizes of one curve are measured in turns, and the fastest of each
counts, in seconds that the process had on a processor: a shared machine then disturbs the shape little.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import torch

from gptoss_edu import ModelConfig, __version__, random_model
from gptoss_edu.engines.pool import Pool
from gptoss_edu.engines.request import Request
from gptoss_edu.fast import fused_step
from gptoss_edu.options import check_writable, named_in_errors, positive, write_text

from .cpu import processor

FAR = 100_000  # tokens that a trace's file is extrapolated to
SHAPE = {
    "num_hidden_layers": 6, "num_experts": 16, "experts_per_token": 4, "vocab_size": 2048, "hidden_size": 256,
    "intermediate_size": 256, "head_dim": 32, "num_attention_heads": 8, "num_key_value_heads": 2, "sliding_window": 32,
    "initial_context_length": 4096, "rope_theta": 150_000.0, "rope_scaling_factor": 32.0,
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--contexts", type=positive, default=131_072, help="longest context (131072)")
    parser.add_argument("--batch", type=positive, default=256, help="most rows at once (256)")
    parser.add_argument("--waiting", type=positive, default=1000, help="requests that wait for the pool (1000)")
    parser.add_argument("--repeat", type=positive, default=5, help="rounds, of which the fastest counts (5)")
    parser.add_argument("--plain", action="store_true", help="the plain path, not the compiled step")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--figure", type=Path, help="draw the curves into this file")


def run(args: argparse.Namespace) -> None:
    check_writable(args.json, "--json")
    check_writable(args.figure, "--figure")
    torch.set_num_threads(1)
    began = time.perf_counter()
    fused = not args.plain and args.device == "cpu" and fused_step.READY.now() is not None
    results = {
        "context": context(args, fused),
        "batch": batch(args, fused),
        "layers": shapes(args, fused, "num_hidden_layers", (1, 2, 4, 8, 12)),
        "experts": shapes(args, fused, "num_experts", (4, 8, 16, 32, 64)),
        "waiting": waiting(args),
        "trace": trace_file(),
    }
    about = {
        "device": processor() if args.device == "cpu" else torch.cuda.get_device_name(args.device),
        "path": "the compiled step" if fused else "the plain path", "threads": 1, "repeat": args.repeat,
        "seconds": round(time.perf_counter() - began), "python": platform.python_version(),
        "torch": torch.__version__, "gptoss_edu": __version__, "date": date.today().isoformat(),
    }  # fmt: skip
    if hasattr(os, "getloadavg"):
        about["processor_load"] = round(os.getloadavg()[0], 1)
    for name, curve in results.items():
        print(f"{name}: " + ", ".join(f"{what} grows with exponent {e}" for what, e in curve["exponents"].items()))
        for size, row in curve["sizes"].items():
            print(
                f"  {int(size):>9,}  " + ", ".join(f"{what.replace('_', ' ')} {value}" for what, value in row.items())
            )
    far = results["trace"]["extrapolated"]
    print(f"  {far['tokens']:>9,}  file MB {far['file_MB']}, extrapolated and not measured")
    if args.json:
        write_text(args.json, json.dumps({"about": about, "results": results}, indent=1) + "\n")
    if args.figure:
        from gptoss_edu.viz import style
        from gptoss_edu.viz.growth_figures import figure_growth

        style.use("light")
        with named_in_errors(args.figure):
            figure_growth(results).savefig(args.figure)


# ----------------------------------------------------------------------------------------------------- measure and fit


def exponent(sizes: list[float], values: list[float]) -> float:
    """Return the slope of log value over log size, by least squares over the upper half of the sizes."""
    half = min(len(sizes) // 2, len(sizes) - 2)
    x, y = np.log(np.array(sizes[half:], float)), np.log(np.maximum(np.array(values[half:], float), 1e-12))
    return round(float(np.polyfit(x, y, 1)[0]), 2)


def curve(rows: dict[int, dict[str, float]]) -> dict:
    """Return rows by size, and the exponent of every column."""
    columns = next(iter(rows.values()))
    found = {name: exponent(list(rows), [row[name] for row in rows.values()]) for name in columns}
    return {"sizes": {str(size): row for size, row in rows.items()}, "exponents": found}


def fastest(actions: dict[int, Callable[[], object]], repeat: int, device: str) -> dict[int, float]:
    """Return each action's milliseconds: all take turns, once to warm up, then `repeat` times; the fastest counts.

    On a processor these are milliseconds that this process, with its one thread, had there.
    """
    best = dict.fromkeys(actions, float("inf"))
    clock = time.process_time if device == "cpu" else time.perf_counter
    for number in range(repeat + 1):
        for size, action in actions.items():
            start = clock()
            action()
            if device != "cpu":
                torch.cuda.synchronize(device)
            if number:
                best[size] = min(best[size], 1e3 * (clock() - start))
    return best


def made(fused: bool, device: str, **changes):
    """Return a model of random weights in gpt-oss-tiny's shape, with some of its numbers changed."""
    model = random_model(ModelConfig(**{**SHAPE, **changes})).to(device).requires_grad_(False)
    if fused and fused_step.suits(model):
        model.quick_step = fused_step.step
    return model


def decoding(model, rows: int, context: int):
    """Return a function that decodes one token per row after `context` random keys, and the cache's bytes."""
    cache = model.new_cache(rows, context + 1)
    generator = torch.Generator(model.device).manual_seed(0)
    for tensor in (*cache.keys, *cache.values):
        tensor.normal_(generator=generator)
    tokens = torch.arange(rows, device=model.device)[:, None] % model.config.vocab_size

    @torch.inference_mode()
    def decode():
        cache.declare([context] * rows)
        model(tokens, cache=cache, last_only=True)

    return decode, cache.nbytes


def doubled(first: int, last: int) -> list[int]:
    """Return first, twice that, and so on up to last."""
    return [first << i for i in range((last // first).bit_length())]


# ---------------------------------------------------------------------------------------------------------- what grows


def context(args, fused: bool) -> dict:
    model = made(fused, args.device)
    steps = {size: decoding(model, 1, size - 1) for size in doubled(1024, args.contexts)}
    times = fastest({size: step for size, (step, _) in steps.items()}, args.repeat, args.device)
    return curve(
        {n: {"ms_per_token": round(times[n], 3), "cache_MB": round(steps[n][1] / 1e6, 2)} for n in steps}
    )  # fmt: skip


def batch(args, fused: bool) -> dict:
    model = made(fused, args.device)
    steps = {rows: decoding(model, rows, 255) for rows in doubled(1, args.batch)}
    times = fastest({rows: step for rows, (step, _) in steps.items()}, args.repeat, args.device)
    return curve(
        {
            n: {
                "ms_per_step": round(times[n], 3), "ms_per_token": round(times[n] / n, 4),
                "cache_MB": round(steps[n][1] / 1e6, 2),
            }
            for n in steps
        }
    )  # fmt: skip


def shapes(args, fused: bool, name: str, sizes: tuple[int, ...]) -> dict:
    models = {size: made(fused, args.device, **{name: size}) for size in sizes}
    steps = {size: decoding(model, 1, 255)[0] for size, model in models.items()}
    times = fastest(steps, args.repeat, args.device)
    weights = {size: sum(p.nbytes for p in model.parameters()) / 1e6 for size, model in models.items()}
    return curve({n: {"ms_per_token": round(times[n], 3), "weights_MB": round(weights[n], 1)} for n in sizes})


def waiting(args) -> dict:
    """Time a pool's round, and letting one more request wait, while so many wait for its one row.

    The model has one small layer, so that scheduling is what is measured.
    """
    small = {"num_hidden_layers": 1, "num_experts": 4, "hidden_size": 32, "intermediate_size": 32, "vocab_size": 64}
    model, rows = made(False, "cpu", **small), {}
    for count in [size for size in (1, 10, 100, 1000, 10_000) if size <= args.waiting]:
        pool = Pool(model, 1, room=4096)
        pool.submit(Request([1], 2000, stop_tokens=[]))
        pool.step()
        start = time.perf_counter()
        for _ in range(count):
            pool.submit(Request([1], 4, stop_tokens=[]))
        submitted = 1e3 * (time.perf_counter() - start) / count
        round_ = fastest({count: pool.step}, 40 * args.repeat, "cpu")[count]
        rows[count] = {"ms_per_round": round(round_, 4), "ms_per_submission": round(submitted, 4)}
    return curve(rows)


def trace_file() -> dict:
    """Return bytes of stored traces, and an extrapolation to `FAR` tokens by the line through the last two."""
    from gptoss_edu.trace.capture import record
    from gptoss_edu.trace.file import save

    model, rows = made(False, "cpu"), {}
    tokens = torch.randint(0, SHAPE["vocab_size"], (1024,), generator=torch.Generator().manual_seed(0)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        for count in (64, 128, 256, 512, 1024):
            path = save(record(model, tokens[:count]), Path(folder) / f"{count}.trace")
            rows[count] = {"file_kB": round(path.stat().st_size / 1e3, 1)}
    found = curve(rows)
    (half, before), (last, now) = list(rows.items())[-2:]
    slope = (now["file_kB"] - before["file_kB"]) / (last - half)  # a power fitted to short texts would bend too early
    found["extrapolated"] = {"tokens": FAR, "file_MB": round((now["file_kB"] + slope * (FAR - last)) / 1e3)}
    return found
