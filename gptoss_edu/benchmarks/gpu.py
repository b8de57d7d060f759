"""Measure decoding, prefill, memory and loading of 20b's and 120b's exact shapes on one GPU, with its ceilings.

It uses random weights in the released shapes: bytes and operations are those of the real models, but the chosen experts
are not. Each part prints its results at its end; a part that fails is reported and skipped.

The book compares the prediction before each change with its result: book/pages/gpu_notes.md.
"""

import argparse
import gc
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from gptoss_edu.checkpoint.sizes import prefill_operations, step_bytes
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError
from gptoss_edu.fast.model import FastTransformer
from gptoss_edu.fast.tuning import Tuning
from gptoss_edu.options import check_writable, positive
from gptoss_edu.resources import data_path

from .gpu_compare import recorded, report
from .gpu_end_to_end import part_end_to_end
from .gpu_parts import ceilings, default_file, kernel_times, record, save, timed, timeline, versions
from .gpu_peers import loading, peers
from .gpu_prompts import part_prompts
from .random_weights import random_weights

GIB = 2**30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", type=Path, default=None, help="where to write the numbers (default: data/benchmarks/)"
    )
    parser.add_argument("--only", default="", help="comma-separated parts: " + ", ".join([*PARTS, *LATER]))
    parser.add_argument(
        "--gguf", type=Path, default=None, help="a gpt-oss-20b file for llama-bench, if that is on the PATH"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="FILE",
        help="an earlier run's numbers: print ratios, and exit 1 if a share of the floor fell by more than 5 points",
    )
    parser.add_argument("--layers", type=int, default=None, help="fewer layers, for a trial")
    parser.add_argument(
        "--tensor-parallel",
        type=positive,
        metavar="N",
        help="N GPUs against one; --only then names shapes: 120b, 20b",
    )
    parser.add_argument(
        "--offload", action="store_true", help="20b on 8 GiB and 120b on 24 with experts in main memory, GGUF on a GPU"
    )
    parser.add_argument(
        "--trial", action="store_true", help="with either of these: a small shape on processors, for a trial"
    )
    parser.add_argument("--predict", action="store_true", help="write a prediction for 2, 4 and 8 GPUs, and stop")


def filled_cache(model: FastTransformer, rows: int, context: int, room: int):
    """Return a cache as after `context` tokens, with random keys and values."""
    cache = model.new_cache(rows, room)
    for tensor in (*cache.keys, *cache.values):
        tensor.normal_()
    cache.declare([context] * rows)
    return cache


def decode_time(model: FastTransformer, rows: int, context: int, room: int, repeats: int = 40) -> float:
    """Return seconds per decoded step of `rows` sequences at this context, with one synchronisation per step."""
    cache = filled_cache(model, rows, context, room)
    tokens = torch.randint(0, model.config.vocab_size, (rows, 1), device=model.device)
    model(tokens, cache)
    step = model.step(cache)
    return timed(step.graph.replay, repeats)


def decode(model, out, name: str, cases) -> None:
    """Record tokens/s and the share of the floor in `out[name]`."""
    for rows, context, room in cases:
        seconds = decode_time(model, rows, context, room)
        hit = None
        if rows > 1:  # with random weights, every token draws its experts nearly independently
            e, k = model.config.num_experts, model.config.experts_per_token
            hit = e * (1 - (1 - k / e) ** rows)
        floor = step_bytes(model.config, context, rows, hit) / out["ceilings"]["read_bytes_per_s"]
        record(
            out,
            f"{name} decode, {rows} x context {context:,}, room {room:,}",
            milliseconds=seconds * 1e3,
            tokens_per_s=rows / seconds,
            floor_milliseconds=floor * 1e3,
            of_floor=floor / seconds,
        )


def part_decode(model, out) -> None:
    decode(model, out, "20b", [(1, 1024, 1152), (1, 1024, 32768), (1, 32768, 33000), (1, 131000, 131072)])


def part_batches(model, out) -> None:
    decode(model, out, "20b", [(rows, 1024, 1152) for rows in (2, 4, 8, 16, 64, 256)])


def part_prefill(model, out) -> None:
    for t in (128, 1024, 2048, 4096):
        tokens = torch.randint(0, model.config.vocab_size, (1, t), device=model.device)
        cache = model.new_cache(1, t + 8)

        def once(cache=cache, tokens=tokens):
            cache.declare([0])
            model(tokens, cache, last_only=True)

        seconds = timed(once, 8, 3)
        least = prefill_operations(model.config, t) / out["ceilings"]["bf16_flop_per_s"]
        record(
            out, f"20b prefill, {t:,} tokens",
            milliseconds=seconds * 1e3, tokens_per_s=t / seconds, of_matrix_ceiling=least / seconds,
        )  # fmt: skip


def part_memory(model, out) -> None:
    cache = model.new_cache(1, 8192)
    model(torch.zeros((1, 4096), dtype=torch.int64, device=model.device), cache, last_only=True)
    model(torch.zeros((1, 1), dtype=torch.int64, device=model.device), cache)
    free, total = torch.cuda.mem_get_info()
    record(
        out, "20b memory with room for 8,192 tokens",
        on_device_gib=(total - free) / GIB, allocated_gib=torch.cuda.memory_allocated() / GIB,
        reserved_gib=torch.cuda.memory_reserved() / GIB,
    )  # fmt: skip


def part_loading(model, out) -> None:
    loading(out, model.config, model.weights, "20b")


def part_kernels(model, out, name: str = "20b") -> None:
    plain = FastTransformer(model.config, model.weights, Tuning(**{**vars(model.tuning), "overlap": False}))
    cache = filled_cache(plain, 1, 1024, 1152)
    token = torch.zeros((1, 1), dtype=torch.int64, device=model.device)
    plain(token, cache)
    replay = plain.step(cache).graph.replay
    out[f"{name} kernels, microseconds and launches a step"] = kernel_times(replay)
    two_layers = out[f"{name} timeline of two layers, microseconds"] = {
        "one after the other": timeline(replay, "attend_kernel")
    }
    if model.tuning.overlap:
        model(token, cache)
        two_layers["overlapping"] = timeline(model.step(cache).graph.replay, "attend_kernel")


def part_same_twice(model, out) -> None:
    """Check that prefill and decoding are bit-identical from run to run."""
    tokens = torch.randint(0, model.config.vocab_size, (2, 700), device=model.device)
    seen = []
    for _ in range(2):
        cache = model.new_cache(2, 800)
        logits = [model(tokens, cache, last_only=True)] + [model(tokens[:, i : i + 1], cache) for i in range(5)]
        seen.append(torch.cat(logits, dim=1))
    record(out, "the same bits twice", identical=bool(torch.equal(*seen)), finite=bool(seen[0].isfinite().all()))


PARTS = {
    "memory": part_memory, "same": part_same_twice, "decode": part_decode, "batches": part_batches,
    "end-to-end": part_end_to_end, "prefill": part_prefill, "prompts": part_prompts, "loading": part_loading,
}  # fmt: skip
LATER = ("120b", "peers", "kernels")


def made(config: ModelConfig, layers: int | None) -> FastTransformer:
    """Return a model with random weights on the card, with fewer layers for a trial."""
    return FastTransformer(
        config, random_weights(replace(config, num_hidden_layers=layers or config.num_hidden_layers))
    )


def part_120b(out, layers: int | None) -> None:
    start = time.perf_counter()
    model = made(ModelConfig.gpt_oss_120b(), layers)
    torch.cuda.synchronize()
    record(
        out,
        "120b made on the card",
        seconds=time.perf_counter() - start,
        allocated_gib=torch.cuda.memory_allocated() / GIB,
    )
    decode(model, out, "120b", [(1, 1024, 32768), (1, 32000, 32768)])


def part_profiles(out, layers: int | None) -> None:
    """Run last: after the profiler has been used, starting a graph of 237 kernels takes 0.13 ms, not 0.01."""
    for name, config in (("20b", ModelConfig.gpt_oss_20b()), ("120b", ModelConfig.gpt_oss_120b())):
        part_kernels(made(config, layers), out, name)
        gc.collect()
        torch.cuda.empty_cache()


def attempt(out, name: str, function, *args) -> None:
    """Run one part; record a failure and go on with the next."""
    start = time.perf_counter()
    try:
        function(*args)
    except Exception as error:
        out.setdefault("failed", {})[name] = f"{type(error).__name__}: {error}"[:500]
        print(f"{name}: FAILED: {type(error).__name__}: {str(error)[:500]}", flush=True)
    gc.collect()
    torch.cuda.empty_cache()  # or the next part's tensors would keep large freed blocks reserved
    print(f"  ({name}: {time.perf_counter() - start:.1f} s)", flush=True)


def run(args: argparse.Namespace) -> int | None:
    before = recorded(args.compare) if args.compare else None  # read first: it may be the file that is written later
    if args.predict:
        from .predicted_scaling import write

        path = args.json or data_path("measurements", "parallel_prediction.json")
        check_writable(path, "--json")
        for name, row in write(path)["decode"].items():
            print(f"{name:36s} {row['milliseconds']:.2f} ms, {row['times_one_card']:.2f} times one card")
        return 0
    if args.trial and args.offload:
        from .gpu_offload import run as run_offload

        return run_offload(args)
    if args.trial and args.tensor_parallel:
        from .gpu_parallel import run as run_parallel

        return run_parallel(args)
    if not torch.cuda.is_available():
        print("bench gpu: needs an NVIDIA GPU, found none (torch.cuda.is_available() is False).", file=sys.stderr)
        return 2
    if args.offload:
        from .gpu_offload import run as run_offload

        return run_offload(args)
    if args.tensor_parallel:
        from .gpu_parallel import run as run_parallel

        if torch.cuda.device_count() < args.tensor_parallel:
            raise GptOssError(
                f"--tensor-parallel: expected {args.tensor_parallel} GPUs, found {torch.cuda.device_count()}."
            )
        return run_parallel(args)
    device = torch.cuda.get_device_name()
    path = args.json or default_file(device)
    check_writable(path, "--json")
    wanted = [name for name in args.only.split(",") if name] or [*PARTS, *LATER]
    out = {"device": device, "versions": versions(), "date": time.strftime("%Y-%m-%d")}
    attempt(out, "ceilings", ceilings, out)
    if any(name in PARTS for name in wanted):
        start = time.perf_counter()
        model = made(ModelConfig.gpt_oss_20b(), args.layers)
        torch.cuda.synchronize()
        record(out, "20b made on the card", seconds=time.perf_counter() - start)
        for name, part in PARTS.items():
            if name in wanted:
                attempt(out, name, part, model, out)
                save(out, path)
        del model
        gc.collect()
    if "120b" in wanted:
        attempt(out, "120b", part_120b, out, args.layers)
        save(out, path)
    if "peers" in wanted:
        found = peers(args.layers, args.gguf)
        out["peers missing in this run"] = {name: why for name, (_, why) in found.items() if why}
        print("peers missing in this run: " + (", ".join(out["peers missing in this run"]) or "none"), flush=True)
        for name, (measure, _) in found.items():
            if measure:
                attempt(out, name, measure, out)
                save(out, path)
    if "kernels" in wanted:
        attempt(out, "kernels", part_profiles, out, args.layers)
    save(out, path)
    print(f"written to {path}")
    return report(out, before) if before else 0
