"""`bench serve --gpu`: 1, 2, 16 and 64 clients over HTTP, as shares of what the card's steps give by themselves.

The server is `gptoss-edu serve` on 20b's exact shape with random weights, in its own process; the clients are in this
one. Each API is measured: Responses, Chat Completions, and completions by token ids. Between these, the server's
process replays the steps that it has just made, with the same tokens at the same positions: the raw rate.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

from gptoss_edu import __version__
from gptoss_edu.errors import GptOssError
from gptoss_edu.options import write_text
from gptoss_edu.resources import data_path
from gptoss_edu.tokenizer import load_tokenizer

from .cpu import processor
from .serve_gpu_clients import PATHS, Stream, steady, stream_all

BARS = {1: 0.95, 2: 0.95, 16: 0.90, 64: 0.90}  # clients → share of the raw rate
PROMPT, NEW, WARM = 1024, 256, 8  # tokens of each prompt; new ones; the first of these, which are not timed
HEAD = 72  # tokens that the server puts around a question


def run(args: argparse.Namespace) -> int:
    """Measure all APIs with all numbers of clients; write the results after each one."""
    if not args.trial and not torch.cuda.is_available():
        raise GptOssError("bench serve --gpu: expected an NVIDIA GPU, found none; try it with --trial.")
    path, new = args.json or default_file(args.trial), args.tokens
    out = {"about": about(args), "raw steps": {}, "shares of the raw rate": {}, "missed": []}
    if args.trial:
        out["about"]["trial"] = "a stand-in slept for the length of a step: these figures are about the server only"
    began = time.perf_counter()
    with serving(args, PROMPT + new) as server:
        out["about"]["seconds until the server listened"] = round(time.perf_counter() - began, 1)
        for clients in BARS:
            try:
                note(out, clients, measure(server, clients, new, args.repeat))
            except Exception as error:  # the other numbers of clients are still worth measuring
                out.setdefault("failed", {})[named(clients)] = f"{type(error).__name__}: {error}"[:500]
                print(f"{named(clients)}: FAILED: {out['failed'][named(clients)]}", flush=True)
            out["about"]["seconds"] = round(time.perf_counter() - began)
            write_text(path, json.dumps(out, indent=1) + "\n")
    print(f"{len(out['missed'])} bars missed; written to {path}")
    return 1 if "failed" in out else 0


def default_file(trial: bool) -> Path:
    if trial:
        return Path("serve-gpu-trial.json")
    return data_path("benchmarks", "serve-gpu-" + torch.cuda.get_device_name().lower().replace(" ", "-") + ".json")


def about(args: argparse.Namespace) -> dict:
    """Return the command, and what its figures depend on."""
    found = {}
    for name in ("torch", "triton", "starlette", "uvicorn", "h11", "httptools", "uvloop"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return {
        "command": f"gptoss-edu bench serve --gpu{' --trial' if args.trial else ''}"
        f" --tokens {args.tokens} --repeat {args.repeat}",
        "device": processor() if args.trial else torch.cuda.get_device_name(),
        "processors": os.cpu_count() or 1, "python": platform.python_version(), "versions": found,
        "gptoss_edu": __version__, "date": date.today().isoformat(),
    }  # fmt: skip


class Serving:
    """The server's process: its address, and what it answers on its standard output."""

    def __init__(self, process: subprocess.Popen, url: str):
        self.process, self.url = process, url

    def raw_seconds(self, said: list[list[int]]) -> float:
        """Return seconds per raw step of rows that decode these tokens, (new, b)."""
        print(json.dumps({"said": said}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline() or '{"error": "the server has ended"}')
        if "error" in answer:
            raise GptOssError(f"bench serve --gpu: the raw steps failed: {answer['error']}.")
        return answer["seconds"]

    def processor_seconds(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system


@contextlib.contextmanager
def serving(args: argparse.Namespace, room: int) -> Iterator[Serving]:
    """Start the server; end it at the end of the block."""
    command = [sys.executable, "-m", "gptoss_edu.benchmarks.serve_gpu_server", "--port", "0", "--name", "bench"]
    command += ["--rows", str(max(BARS)), "--context", str(room + HEAD), *(["--trial"] if args.trial else [])]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = process.stdout.readline()
            if not line.startswith('{"url"'):
                log.seek(0)
                raise GptOssError(f"bench serve --gpu: the server did not start: {log.read()[-1500:].strip()}")
            yield Serving(process, json.loads(line)["url"])
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def prompts(api: str, clients: int, salt: int) -> list:
    """Return different prompts that make about PROMPT tokens with what the server puts around them."""
    chance = random.Random(f"{clients} {salt}")
    if api == "completions":
        return [[chance.randrange(1000, 199_000) for _ in range(PROMPT)] for _ in range(clients)]
    encoding = load_tokenizer()
    words = [encoding.decode([token]) for token in encoding.encode(" apple pear plum seven eight nine and or of with")]
    return ["".join(chance.choices(words, k=PROMPT - HEAD)) for _ in range(clients)]


def measure(server: Serving, clients: int, new: int, repeat: int) -> dict[str, dict]:
    """Return for each API the median rates of so many clients, and the raw rate of as many rows."""
    runs: dict[str, list[dict]] = {api: [] for api in PATHS}
    raw: list[float] = []
    stream_all(server.url, "completions", prompts("completions", clients, -1), 16)  # records the graphs
    for k in range(repeat):
        for api in PATHS:
            before = server.processor_seconds()
            streams = stream_all(server.url, api, prompts(api, clients, k), new)
            runs[api].append(figures(streams, server.processor_seconds() - before))
            if api == "completions":
                said = list(zip(*(stream.ids for stream in streams), strict=True))
                raw.append(server.raw_seconds(said))
    seconds = statistics.median(raw)
    found = {"raw": {"tokens_per_s": clients / seconds, "milliseconds": 1e3 * seconds}}
    return found | {
        api: {name: statistics.median(run[name] for run in own) for name in own[0]} for api, own in runs.items()
    }


def figures(streams: list[Stream], work: float) -> dict[str, float]:
    """Return the rate of simultaneous streams, and how it was reached; work : the server's processor seconds."""
    tokens = sum(stream.tokens for stream in streams)
    rate, seconds = steady(streams, WARM)
    return {
        "tokens_per_s": rate, "steady_seconds": seconds, "processor_ms_per_token": 1e3 * work / tokens,
        "parts_per_token": sum(len(stream.times) for stream in streams) / tokens,
    }  # fmt: skip


def named(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"


def note(out: dict, clients: int, rates: dict[str, dict]) -> None:
    """Print and keep the results of a number of clients."""
    name, bar, shares = named(clients), BARS[clients], out["shares of the raw rate"]
    raw = out["raw steps"][name] = rates.pop("raw")
    print(f"{name}: raw steps {raw['tokens_per_s']:.0f} tokens/s, {raw['milliseconds']:.2f} ms", flush=True)
    shares[name] = rates
    for api, row in rates.items():
        share = row["of_raw"] = row["tokens_per_s"] / raw["tokens_per_s"]
        alone = shares.get(named(1), {}).get(api, row)["tokens_per_s"]
        row["of_one_client"] = row["tokens_per_s"] / alone
        met = share >= bar and row["of_one_client"] >= 1
        out["missed"] += [] if met else [f"{name}, {api}"]
        print(
            f"  {api:12s} {row['tokens_per_s']:7.0f} tokens/s, {100 * share:5.1f} % of raw and"
            f" {row['of_one_client']:.2f} times one client (at least {100 * bar:.0f} % and 1:"
            f" {'met' if met else 'MISSED'}); steady for {row['steady_seconds']:.2f} s,"
            f" {row['processor_ms_per_token']:.3f} ms of the server's processors per token,"
            f" {row['parts_per_token']:.2f} parts per token",
            flush=True,
        )
