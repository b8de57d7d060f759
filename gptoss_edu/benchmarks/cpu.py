"""gpt-oss-20b's exact shape on this processor: loading by memory map, memory, decoding, a prompt.

    gptoss-edu bench cpu --folder /scratch/random-20b         first writes 13.8 GB of random weights there, once
    gptoss-edu bench cpu --folder gpt-oss-20b/original        or official weights
    gptoss-edu bench cpu --folder … --plain                   also without the Numba kernel
    gptoss-edu bench cpu --folder … --llama                   then llama.cpp, from the same weights as GGUF beside it

Every time is compared with the floor set by the memory bandwidth measured in the same run: the bytes that a token must
read (four experts per layer, everything else once) over that bandwidth.
"""

import argparse
import json
import platform
import time
from datetime import date
from pathlib import Path

import psutil
import torch

from gptoss_edu import ModelConfig, __version__, checkpoint
from gptoss_edu.checkpoint.sizes import GIB, step_bytes
from gptoss_edu.engines.needs import need
from gptoss_edu.moe import PackedWeight
from gptoss_edu.options import check_writable, positive, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, required=True, help="a checkpoint of 20b's shape; created with random weights if absent"
    )
    parser.add_argument("--tokens", type=positive, default=8, help="decoded tokens to time")
    parser.add_argument("--prompt", type=positive, default=64, help="tokens of the prompt")
    parser.add_argument("--threads", type=positive, help="default: torch's own choice")
    parser.add_argument("--plain", action="store_true", help="time the plain path too (slow)")
    parser.add_argument(
        "--llama",
        action="store_true",
        help="then time llama.cpp on the same weights, written as GGUF beside them",
    )
    parser.add_argument("--json", type=Path, help="write the results here")


def run(args: argparse.Namespace) -> None:
    check_writable(args.json, "--json")
    if args.threads:
        torch.set_num_threads(args.threads)
    if not args.folder.exists():
        checkpoint.save_random(ModelConfig.gpt_oss_20b(), args.folder)
    bandwidth = read_bandwidth()
    touch(args.folder)
    start = time.perf_counter()
    model = checkpoint.load_model(args.folder, device="cpu", dtype=torch.bfloat16, experts="packed")
    results = {"load_s": time.perf_counter() - start, "bandwidth_GB_per_s": bandwidth / 1e9}
    token = step_bytes(model.config, context=0)
    floor = token / bandwidth
    results |= {"token_MB": token / 1e6, "floor_s_per_token": floor}
    print(
        f"loaded in {results['load_s']:.2f} s; memory read at {bandwidth / 1e9:.1f} GB/s; a token reads"
        f" {results['token_MB']:,.0f} MB: floor {floor:.3f} s",
        flush=True,
    )
    kernel = next(m.kernel for m in model.modules() if isinstance(m, PackedWeight))
    paths = {"kernel": kernel, "plain": None} if args.plain else {"kernel": kernel}
    if kernel is None:
        paths = {"plain": None}
    for name, chosen in paths.items():
        for module in model.modules():
            if isinstance(module, PackedWeight):
                module.kernel = chosen
        results[name] = time_path(model, args.prompt if name == "kernel" else 2, args.tokens if name == "kernel" else 2)
        report_path(name, results[name], floor)
    results["peak_GiB"] = peak_memory() / GIB
    print(f"peak resident {results['peak_GiB']:.1f} GiB", flush=True)
    if args.llama:
        vocabulary = model.config.vocab_size
        del model, kernel, paths
        results["llama_cpp"] = time_llama(args.folder, vocabulary, args.prompt, args.tokens)
        report_path("llama.cpp", results["llama_cpp"], floor)
        results["token_ratio_to_llama_cpp"] = results["kernel"]["s_per_token"] / results["llama_cpp"]["s_per_token"]
        print(f"a token takes {results['token_ratio_to_llama_cpp']:.2f} times llama.cpp's time")
    if args.json:
        about = {
            "device": processor(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "gptoss_edu": __version__,
            "date": str(date.today()),
        }
        write_text(args.json, json.dumps({"about": about, "results": results}, indent=1) + "\n")


def read_bandwidth(nbytes: int = 1 << 30) -> float:
    """Return the bytes per second of the fastest of five sums over a buffer far larger than the caches."""
    buffer = torch.ones(nbytes // 4, dtype=torch.float32)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        buffer.sum()
        best = max(best, nbytes / (time.perf_counter() - start))
    return best


def touch(folder: Path) -> None:
    """Read the files once, so that the measurements see the page cache and not the disk."""
    for file in folder.glob("*.safetensors"):
        with file.open("rb", buffering=0) as data:
            while data.read(1 << 24):
                pass


@torch.inference_mode()
def time_path(model, prompt: int, tokens: int) -> dict[str, float]:
    """Return seconds per decoded token (median) after a prompt, and prompt tokens per second; random token ids."""
    ids = torch.randint(0, model.config.vocab_size, (1, prompt), generator=torch.Generator().manual_seed(0))
    model(ids)  # compile, and touch everything once
    model(ids[:, :1])
    cache = model.new_cache(1, prompt + tokens + 1)
    start = time.perf_counter()
    logits = model(ids, cache=cache, last_only=True)
    prompt_time = time.perf_counter() - start
    times = []
    for _ in range(tokens):
        start = time.perf_counter()
        logits = model(logits[:, -1:].argmax(-1), cache=cache)
        times.append(time.perf_counter() - start)
    return {
        "s_per_token": sorted(times)[len(times) // 2],
        "prompt": prompt,
        "prompt_tokens_per_s": prompt / prompt_time,
    }


def time_llama(folder: Path, vocabulary: int, prompt: int, tokens: int) -> dict[str, float]:
    """Return the same figures for llama.cpp, with as many threads."""
    llama_cpp = need("llama_cpp", "--llama", "pip install llama-cpp-python, or make test-engines")
    file = folder.with_suffix(".gguf")
    if not file.exists():
        checkpoint.convert(folder, file, layout="gguf")
    threads = torch.get_num_threads()
    sizes = {"n_ctx": max(512, prompt + tokens), "n_batch": max(512, prompt)}
    llama = llama_cpp.Llama(str(file), n_threads=threads, n_threads_batch=threads, verbose=False, **sizes)
    ids = torch.randint(0, vocabulary, (prompt,), generator=torch.Generator().manual_seed(0)).tolist()
    llama.eval(ids)  # touch everything once
    llama.reset()
    start = time.perf_counter()
    llama.eval(ids)
    prompt_time, times = time.perf_counter() - start, []
    for token in ids[:tokens]:
        start = time.perf_counter()
        llama.eval([token])
        times.append(time.perf_counter() - start)
    return {
        "s_per_token": sorted(times)[len(times) // 2],
        "prompt": prompt,
        "prompt_tokens_per_s": prompt / prompt_time,
    }


def peak_memory() -> int:
    """Return the largest resident size of this process so far, including mapped file pages."""
    try:
        import resource

        unit = 1 if platform.system() == "Darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    except ImportError:  # Windows
        return psutil.Process().memory_info().peak_wset


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def report_path(name: str, path: dict, floor: float) -> None:
    rate = f"{path['s_per_token']:.3f} s per decoded token ({floor / path['s_per_token']:.0%} of the floor's rate)"
    print(f"{name:>6}: {rate}, prompt of {path['prompt']} at {path['prompt_tokens_per_s']:.1f} tokens/s", flush=True)
