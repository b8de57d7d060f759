"""Measure the server and its pool with several clients, as ratios within one run.

gptoss-edu bench serve
gptoss-edu bench serve --soak 10000 --json soak.json        # only the soak test, longer
gptoss-edu bench serve --gpu                                # 1 to 64 clients against a card's own steps
gptoss-edu bench serve --gpu --trial                        # the same where a stand-in sleeps in place of a card

It measures tokens per second of 8 clients against 1, over HTTP and in the pool alone; the time to first text of 8
simultaneous clients against one; the gaps between pieces, also while a long prompt joins; the first text of a second
turn, cold against warm; and whether 8 clients together get the same answers as each alone. A soak test sends requests,
some with hang-ups, bad bodies and cancellations; no answer may be lost or mixed up, and memory may not grow. Absolute
figures hold for this machine in its current state.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import torch

from gptoss_edu import __version__
from gptoss_edu.errors import GptOssError
from gptoss_edu.fast import fused_step
from gptoss_edu.options import check_writable, one_thread_if_small, positive, write_text

from .cpu import processor
from .serve_clients import first_text, gaps, soak, together

CLIENTS, LONG = 8, 1500
BARS = {
    "tokens per second, 8 clients to 1, over HTTP": (2.0, "at least"),
    "tokens per second, 8 clients to 1, in the pool": (2.5, "at least"),
    "first text, 8 arriving at once to 1 alone": (3.0, "at most"),
    "gaps between pieces, 95th percentile to median": (2.0, "at most"),
    "gaps while a long prompt joins, 95th percentile to median": (2.0, "at most"),
    "first text of a second turn after 800 tokens, cold to warm": (5.0, "at least"),
    "greedy answers of 8 together that equal each alone": (1.0, "at least"),
    "memory after the soak to before": (1.1, "at most"),
    "answers lost or mixed up in the soak": (0.0, "at most"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, help="checkpoint folder; default: the bundled gpt-oss-tiny")
    parser.add_argument("--gpu", action="store_true", help="20b's shape on a card, against its own steps")
    parser.add_argument("--trial", action="store_true", help="with --gpu: a stand-in that sleeps for a step's length")
    parser.add_argument("--tokens", type=positive, help="tokens per answer (120; 256 with --gpu)")
    parser.add_argument("--repeat", type=positive, default=3, help="each ratio is the median of this many (3)")
    parser.add_argument("--requests", type=positive, default=1000, help="requests of the soak test at the end (1000)")
    parser.add_argument("--soak", type=positive, metavar="N", help="only the soak test, with N requests")
    parser.add_argument("--device")
    parser.add_argument("--json", type=Path, help="write the results here")


def run(args: argparse.Namespace) -> int:
    check_writable(args.json, "--json")
    args.tokens = args.tokens or (256 if args.gpu else 120)
    if args.gpu:
        from .serve_gpu import run as run_gpu

        return run_gpu(args)
    from gptoss_edu import load_model

    model = load_model(args.model, device=args.device)
    one_thread_if_small(model)
    if getattr(model, "quick_step", None) is not None:
        fused_step.READY.now()  # compiles it, if need be, also for the server
    began, results = time.perf_counter(), {}
    if args.soak is None:
        ratios(model, args, results)
    figures = soaked(args, results)
    missed = report(results)
    if args.json:
        about = {"command": command_of(args), "seconds": round(time.perf_counter() - began), **versions(model.device)}
        found = {"about": about, "ratios": results, "soak": figures, "missed": missed}
        write_text(args.json, json.dumps(found, indent=1) + "\n")
    return 0


def ratios(model, args: argparse.Namespace, results: dict[str, float]) -> None:
    """Measure everything except the soak test into `results`."""
    long = text_of(model.tokenizer, min(LONG, model.config.max_context * 3 // 4))
    note(results, "tokens per second, 8 clients to 1, in the pool", *in_pool(model, args))
    with serving(args) as (url, _):
        rates = [
            (together(url, prompts(1, k), args.tokens), together(url, prompts(CLIENTS, k), args.tokens))
            for k in range(args.repeat)
        ]
        one, eight = (statistics.median(r[i].rate for r in rates) for i in (0, 1))
        note(results, "tokens per second, 8 clients to 1, over HTTP", eight / one, f"{one:.0f} and {eight:.0f}")
        alone, at_once = [], []
        for k in range(3 * args.repeat):  # in turns, so that a busy machine slows down both
            alone.append(first_text(url, prompts(1, 100 + k)))
            at_once += together(url, prompts(CLIENTS, 200 + k), 16).first
        note(
            results,
            "first text, 8 arriving at once to 1 alone",
            statistics.median(at_once) / statistics.median(alone),
            f"{statistics.median(alone):.3f} and {statistics.median(at_once):.3f} s",
        )
        quiet = gaps(url, prompts(CLIENTS - 1, 300), 3 * args.tokens, None)
        note(results, "gaps between pieces, 95th percentile to median", *spread(quiet))
        joined = gaps(url, prompts(CLIENTS - 1, 301), 3 * args.tokens, long)
        note(results, "gaps while a long prompt joins, 95th percentile to median", *spread(joined))
        note(
            results,
            "first text of a second turn after 800 tokens, cold to warm",
            *second_turn(url, text_of(model.tokenizer, 800), args.repeat),
        )
        note(results, "greedy answers of 8 together that equal each alone", *equality(url, args))


def command_of(args: argparse.Namespace) -> str:
    """Return the command that repeats this run."""
    named = ("model", "tokens", "repeat", "requests", "soak", "device")
    given = [(name, getattr(args, name)) for name in named if getattr(args, name) is not None]
    return " ".join(["gptoss-edu bench serve", *(f"--{name} {value}" for name, value in given)])


def versions(device) -> dict[str, str | int | float]:
    """Return what the figures depend on: the machine and its load, the versions, the date."""
    busy = {"processor_load": round(os.getloadavg()[0], 1)} if hasattr(os, "getloadavg") else {}
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "device": name, "processors": os.cpu_count() or 1, **busy, "python": platform.python_version(),
        "torch": torch.__version__, "gptoss_edu": __version__, "date": date.today().isoformat(),
    }  # fmt: skip


def prompts(count: int, salt: int) -> list[str]:
    """Return different questions of about the same length."""
    return [f"What is {20 + (7 * i + 3 * salt) % 79} times {11 + (5 * i + salt) % 83}?" for i in range(count)]


def note(results: dict[str, float], name: str, ratio: float, figures: str = "") -> None:
    results[name] = round(ratio, 3)
    limit, kind = BARS[name]
    met = ratio >= limit if kind == "at least" else ratio <= limit
    print(
        f"{name}: {ratio:.2f} ({kind} {limit:g}: {'met' if met else 'MISSED'}){'; ' + figures if figures else ''}",
        flush=True,
    )


def report(results: dict[str, float]) -> list[str]:
    """Report which targets were missed."""
    bars = {name: BARS[name] for name in results}
    ok = {
        name: results[name] >= limit if kind == "at least" else results[name] <= limit
        for name, (limit, kind) in bars.items()
    }
    print(f"{sum(ok.values())} of {len(ok)} bars met")
    return [name for name, met in ok.items() if not met]


def in_pool(model, args: argparse.Namespace) -> tuple[float, str]:
    """Return tokens per second of the pool with eight requests and with one."""
    from gptoss_edu.engines.pool import Pool
    from gptoss_edu.engines.request import Request
    from gptoss_edu.harmony.question import question_tokens

    def rate(count: int, salt: int) -> float:
        pool = Pool(model, CLIENTS)
        asked = [
            Request(question_tokens(text, "medium", model.tokenizer), args.tokens, stop_tokens=[])
            for text in prompts(count, salt)
        ]
        start = time.perf_counter()
        list(pool.run(asked))
        return sum(len(r.sampled) for r in asked) / (time.perf_counter() - start)

    rate(CLIENTS, 0)  # warm
    pairs = [(rate(1, k), rate(CLIENTS, k)) for k in range(args.repeat)]
    one, eight = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    return eight / one, f"{one:.0f} and {eight:.0f}"


def spread(values: list[float]) -> tuple[float, str]:
    values = sorted(values)
    middle, high = values[len(values) // 2], values[int(0.95 * len(values))]
    return high / middle, f"median {middle * 1e3:.1f} ms, largest {values[-1] * 1e3:.0f} ms, {len(values)} gaps"


@contextlib.contextmanager
def serving(args: argparse.Namespace, *options: str) -> Iterator[tuple[str, int]]:
    """Start a server in its own process, so that its clients' work is not counted; yield (URL, process id)."""
    command = [
        sys.executable,
        "-m",
        "gptoss_edu",
        "serve",
        "--port",
        "0",
        "--name",
        "bench",
        "--rows",
        str(CLIENTS),
        *options,
    ]
    command += ["--model", str(args.model)] if args.model else []
    command += ["--device", args.device] if args.device else []
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=dict(os.environ)
    )
    try:
        line = process.stdout.readline()
        if " at http" not in line:
            raise GptOssError("bench serve: the server did not start; `gptoss-edu serve` says why.")
        url = line.split(" at ")[1].split("/v1")[0]
        together(url, prompts(CLIENTS, 99), 16)  # warm
        yield url, process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def text_of(encoding, tokens: int) -> str:
    """Return a text of about `tokens` tokens."""
    text, i = "", 0
    while len(encoding.encode_ordinary(text)) < tokens:
        text += f" {i} apples and {7 * i % 97} pears."
        i += 1
    return text


def second_turn(url: str, text: str, repeat: int) -> tuple[float, str]:
    """Return the first text of the second turn of a conversation whose first turn had 800 tokens.

    Warm: the server has just answered the first turn. Cold: it gets the whole conversation for the first time.
    """
    times: dict[bool, list[float]] = {True: [], False: []}
    for k in range(repeat):
        first = together(url, [f"Count {k}. {text}"], 8)
        times[True].append(first_text(url, ["And now?"], first.ids[0]))
        turns = [("user", f"Sum {k}. {text}"), ("assistant", "Done."), ("user", "And now?")]
        times[False].append(first_text(url, [[{"role": role, "content": said} for role, said in turns]]))
    cold, warm = (statistics.median(times[kept]) for kept in (False, True))
    return cold / warm, f"{cold:.3f} and {warm:.3f} s"


def equality(url: str, args: argparse.Namespace) -> tuple[float, str]:
    """Return the share of greedy answers that are equal for eight clients at once and each alone."""
    asked = prompts(6 * CLIENTS, 400)
    both = [t for i in range(0, len(asked), CLIENTS) for t in together(url, asked[i : i + CLIENTS], args.tokens).texts]
    alone = [together(url, [text], args.tokens).texts[0] for text in asked]
    same = sum(a == b for a, b in zip(both, alone, strict=True))
    return same / len(asked), f"{same} of {len(asked)}"


def soaked(args: argparse.Namespace, results: dict[str, float]) -> dict:
    """Run the soak test on a new server; put its two ratios into `results` and return its figures."""
    with serving(args, "--prefix-mib", "16") as (url, process):
        began = time.perf_counter()
        lost, before, after, counts = soak(url, process, args.soak or args.requests, prompts)
        seconds = time.perf_counter() - began
    figures = ", ".join(f"{n} {what}" for what, n in sorted(counts.items()))
    note(results, "memory after the soak to before", after / before, f"{before >> 20} and {after >> 20} MiB")
    note(results, "answers lost or mixed up in the soak", lost, f"{figures}, in {seconds:.0f} s")
    return {
        "requests": dict(sorted(counts.items())),
        "memory_mib": [before >> 20, after >> 20],
        "seconds": round(seconds),
    }
