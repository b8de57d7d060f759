"""Measure the bundled gpt-oss-tiny with `generate`, one sequence, and `generate_batch`, several at once.

gptoss-edu bench tiny
gptoss-edu bench tiny --batch 64 --threads 2
"""

import argparse
import json
import platform
import statistics
import time
from datetime import date
from pathlib import Path

import torch

from gptoss_edu import __version__, generate, generate_batch, load_model
from gptoss_edu.options import check_writable, one_thread_if_small, positive, write_text

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
    many_threads = args.threads or torch.get_num_threads()  # a batch's wider products gain from a second thread
    if args.threads:
        torch.set_num_threads(args.threads)
    else:
        one_thread_if_small(model)
    results = {"load_s": round(time.perf_counter() - start, 3)}
    generator = torch.Generator().manual_seed(0)
    prompts = torch.randint(256, model.config.vocab_size - 16, (args.batch, PROMPT), generator=generator).tolist()
    list(generate(model, prompts[0], max_new_tokens=8, stop_tokens=[]))  # warm
    one = [
        _seconds(lambda: list(generate(model, prompts[0], max_new_tokens=args.tokens, stop_tokens=[])))
        for _ in range(args.repeat)
    ]
    results["threads"] = torch.get_num_threads()
    torch.set_num_threads(many_threads)
    many = [
        _seconds(lambda: list(generate_batch(model, prompts, max_new_tokens=args.tokens, stop_tokens=[])))
        for _ in range(args.repeat)
    ]
    results["tokens_per_s"] = round(args.tokens / statistics.median(one), 1)
    results[f"tokens_per_s_batch_{args.batch}"] = round(args.batch * args.tokens / statistics.median(many), 1)
    results |= {
        "prompt": PROMPT,
        "tokens": args.tokens,
        "repeat": args.repeat,
        "device": str(model.device),
        "processor": platform.machine(),
        "threads_batch": many_threads,
        "torch": torch.__version__,
        "version": __version__,
        "date": date.today().isoformat(),
    }
    print("\n".join(f"{name}: {value}" for name, value in results.items()))
    if args.json:
        write_text(args.json, json.dumps(results, indent=1))


def _seconds(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
