"""Compare gpt-oss-tiny's plain path and compiled step, in turns, for one sequence and for a batch.

gptoss-edu bench tiny
gptoss-edu bench tiny --batch 64 --threads 2

Both paths generate the same text in turns, so that a busy machine slows both: their ratio counts. A second rate counts
seconds that this process really had on a processor, which a busy machine disturbs less. What the arithmetic and the
memory would allow, measured in the same run, stands beside them.
"""

import argparse
import json
import os
import platform
import statistics
import time
from datetime import date
from pathlib import Path

import torch

from gptoss_edu import __version__, generate, generate_batch, load_model
from gptoss_edu.config import ModelConfig
from gptoss_edu.fast import fused_step
from gptoss_edu.options import check_writable, one_thread_if_small, positive, write_text

from .cpu import processor, read_bandwidth

PROMPT = 96  # tokens before the first generated one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, help="checkpoint folder; default: the bundled gpt-oss-tiny")
    parser.add_argument("--tokens", type=positive, default=200, help="tokens to generate")
    parser.add_argument("--batch", type=positive, default=32)
    parser.add_argument("--repeat", type=positive, default=3)
    parser.add_argument(
        "--threads", type=positive, help="default: one for a single sequence of a small model, as in chat"
    )
    parser.add_argument("--device")
    parser.add_argument("--json", type=Path, help="write the results here")


def run(args: argparse.Namespace) -> None:
    check_writable(args.json, "--json")
    start = time.perf_counter()
    model = load_model(args.model, device=args.device)
    loaded = round(time.perf_counter() - start, 3)
    many_threads = args.threads or torch.get_num_threads()  # a batch's wider products gain from a second thread
    if args.threads:
        torch.set_num_threads(args.threads)
    else:
        one_thread_if_small(model)
    results = {"load_s": loaded, **floors(model.config)}
    paths = {"plain": None}
    if getattr(model, "quick_step", None) is not None:
        start = time.perf_counter()
        if fused_step.READY.now() is not None:
            paths["fused"] = model.quick_step
            results["compiled_step_ready_s"] = round(time.perf_counter() - start, 3)
        else:
            print(f"the compiled step is left out: {fused_step.READY.why_not}")
    generator = torch.Generator().manual_seed(0)
    prompts = torch.randint(256, model.config.vocab_size - 16, (args.batch, PROMPT), generator=generator).tolist()
    results["one"] = compared(model, paths, prompts[:1], args, torch.get_num_threads())
    results[f"batch_{args.batch}"] = compared(model, paths, prompts, args, many_threads)
    about = {
        "prompt": PROMPT, "tokens": args.tokens, "repeat": args.repeat,
        "device": processor() if model.device.type == "cpu" else torch.cuda.get_device_name(model.device),
        "processors": os.cpu_count() or 1, "python": platform.python_version(), "torch": torch.__version__,
        "gptoss_edu": __version__, "date": date.today().isoformat(),
    }  # fmt: skip
    if hasattr(os, "getloadavg"):
        about["processor_load"] = round(os.getloadavg()[0], 1)
    for name, value in {**results, **about}.items():
        print(
            f"{name}: " + (", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value))
        )
    if args.json:
        write_text(args.json, json.dumps({"about": about, "results": results}, indent=1) + "\n")


def floors(config: ModelConfig) -> dict[str, float]:
    """Return the multiply-adds and float32 bytes that a token needs, and how fast memory is read here."""
    c = config
    attention = c.hidden_size * (c.qkv_rows + c.num_attention_heads * c.head_dim + c.num_experts)
    experts = c.experts_per_token * 3 * c.intermediate_size * c.hidden_size
    products = c.num_hidden_layers * (attention + experts) + c.vocab_size * c.hidden_size
    return {
        "multiply_adds_per_token": products,
        "weight_bytes_per_token": 4 * products,
        "read_GB_per_s": round(read_bandwidth(1 << 28) / 1e9, 1),
    }


def compared(model, paths: dict, prompts: list[list[int]], args: argparse.Namespace, threads: int) -> dict:
    """Return each path's tokens per second, their ratio, and whether their greedy tokens are the same."""
    torch.set_num_threads(threads)
    wall: dict[str, list[float]] = {name: [] for name in paths}
    busy: dict[str, list[float]] = {name: [] for name in paths}
    said: dict[str, list] = {}
    for number in range(args.repeat + 1):  # the first round warms up
        for name, path in paths.items():
            if len(paths) > 1:
                model.quick_step = path
            start, used = time.perf_counter(), time.process_time()
            said[name] = generated(model, prompts, args.tokens if number else 4)
            if number:
                wall[name].append(time.perf_counter() - start)
                busy[name].append(time.process_time() - used)
    count, found = len(prompts) * args.tokens, {"threads": threads}
    for name in paths:
        found[f"{name}_tokens_per_s"] = round(count / statistics.median(wall[name]), 1)
        found[f"{name}_tokens_per_processor_s"] = round(count / statistics.median(busy[name]), 1)
    if len(paths) > 1:
        for kind, times in (("ratio", wall), ("ratio_processor", busy)):
            pairs = zip(times["plain"], times["fused"], strict=True)
            found[kind] = round(statistics.median(plain / fused for plain, fused in pairs), 2)
        found["tokens_equal"] = said["plain"] == said["fused"]
    return found


def generated(model, prompts: list[list[int]], tokens: int) -> list:
    if len(prompts) == 1:
        return list(generate(model, prompts[0], max_new_tokens=tokens, stop_tokens=[]))
    return [step.tokens for step in generate_batch(model, prompts, max_new_tokens=tokens, stop_tokens=[])]
