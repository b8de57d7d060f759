"""The other measurements of `bench gpu`: the machine's ceilings, single kernels, other implementations."""

import importlib.util
import json
import platform
import statistics
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
import triton
import triton.language as tl

from gptoss_edu.options import write_text
from gptoss_edu.resources import data_path


def record(out: dict, name: str, **values) -> None:
    """Keep a row of numbers and print it."""
    out.setdefault("results", {})[name] = values
    print(
        f"{name:52s} " + "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items()),
        flush=True,
    )


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "cuda": str(torch.version.cuda)}
    for name in ("torch", "triton", "transformers", "gpt_oss"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # missing, or a folder on the path that was not installed
            found[name] = "of unknown version" if importlib.util.find_spec(name) else "missing"
    return found


def default_file(device: str) -> Path:
    """Return the file for the numbers of this card."""
    return data_path("benchmarks", "gpu-" + device.lower().replace(" ", "-") + ".json")


def save(out: dict, path: Path) -> None:
    write_text(path, json.dumps(out, indent=1) + "\n")


@triton.jit
def read_kernel(x, out, BLOCK: tl.constexpr, STEPS: tl.constexpr):
    """Read STEPS blocks and write one number, to measure reading alone."""
    i = tl.program_id(0).to(tl.int64) * (BLOCK * STEPS) + tl.arange(0, BLOCK)
    acc = tl.zeros((BLOCK,), tl.int32)
    for step in tl.static_range(STEPS):
        acc ^= tl.load(x + i + step * BLOCK)
    tl.store(out + tl.program_id(0), tl.sum(acc, axis=0))


@triton.jit
def empty_kernel(x):
    tl.store(x, tl.load(x) + 1)


def timed(function, repeats: int = 40, warmup: int = 5) -> float:
    """Return the median seconds per call, with a synchronisation after each."""
    times = []
    for i in range(warmup + repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        function()
        torch.cuda.synchronize()
        if i >= warmup:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def event_time(function, repeats: int = 20) -> float:
    """Return the median seconds between two device events around a call."""
    return triton.testing.do_bench(function, warmup=50, rep=20 * repeats, return_mode="median") / 1e3


def ceilings(out: dict) -> None:
    """Measure reading, copying, the matrix units, and the cost of an empty kernel inside a CUDA graph."""
    words = 2**31 // 4 * 4  # 8 GiB
    x = torch.empty(words, dtype=torch.int32, device="cuda").random_()
    block, steps = 4096, 8
    part = torch.empty(words // (block * steps), dtype=torch.int32, device="cuda")
    read = event_time(lambda: read_kernel[(part.numel(),)](x, part, BLOCK=block, STEPS=steps, num_warps=8))
    half = words // 2
    copy = event_time(lambda: x[:half].copy_(x[half:]))
    a, b = (torch.randn(8192, 8192, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    product = event_time(lambda: a @ b)
    counter = torch.zeros(1, dtype=torch.int32, device="cuda")
    graph = torch.cuda.CUDAGraph()
    empty_kernel[(1,)](counter)
    with torch.cuda.graph(graph):
        for _ in range(200):
            empty_kernel[(1,)](counter)
    launch = event_time(graph.replay)
    out["ceilings"] = {
        "read_bytes_per_s": x.nbytes / read,
        "copy_bytes_per_s": x.nbytes / copy,
        "bf16_flop_per_s": 2 * 8192**3 / product,
        "graph_kernel_s": launch / 200,
    }
    print("ceilings: " + "  ".join(f"{k} {v:.4g}" for k, v in out["ceilings"].items()), flush=True)


def kernel_times(function) -> dict[str, list[float]]:
    """Return microseconds and launches of each kernel in one call, from the profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(3):
            function()
        torch.cuda.synchronize()
    rows = {}
    for event in sorted(profile.key_averages(), key=lambda e: -e.self_device_time_total):
        if event.self_device_time_total:
            rows[event.key[:60]] = [event.self_device_time_total / 3, event.count / 3]
            total, count = rows[event.key[:60]]
            print(
                f"  {event.key[:60]:60s} {total:9.1f} us  {count:6.0f} launches  {total / count:7.2f} us each",
                flush=True,
            )
    return rows


def timeline(function, first: str, layers: tuple[int, int] = (10, 12)) -> list[list]:
    """Return [name, start, length] in microseconds of each kernel of some layers of one call, from the profiler.

    first : part of the name of a kernel that runs once per layer; the span begins with it
    layers : first layer, and the one before which the span ends
    """
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(3):
            function()
        torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    kernels = sorted((e["ts"], e["dur"], e["name"]) for e in events if e.get("cat") == "kernel")
    kernels = kernels[len(kernels) // 3 * 2 :]  # the last call
    begins = [i for i, (_, _, name) in enumerate(kernels) if first in name]
    part = kernels[begins[layers[0]] : begins[layers[1]]]
    return [[name[:40], round(start - part[0][0], 3), round(length, 3)] for start, length, name in part]
