"""`bench gpu --tensor-parallel N`: decoding and prefill of the exact shapes on N GPUs of one host, compared with one.

Every case runs in its own processes, so that one that fails or hangs affects no other. Rank 0 measures; a step's
collectives are also timed separately.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from gptoss_edu.checkpoint.layouts import layout_entries
from gptoss_edu.checkpoint.sizes import bytes_read, cache_bytes
from gptoss_edu.config import ModelConfig
from gptoss_edu.fast import parallel
from gptoss_edu.fast.ranks import environment, free_port, start, stop
from gptoss_edu.fast.tuning import Tuning
from gptoss_edu.resources import data_path

from .gpu_parts import ceilings, record, save, timed, versions

SHAPES = {"120b": ModelConfig.gpt_oss_120b, "20b": ModelConfig.gpt_oss_20b}
CASES = (  # name, mode, way
    ("alone", "tensor", "nccl"),
    ("tensor", "tensor", "symmetric"),
    ("experts", "experts", "symmetric"),
    ("tensor over NCCL", "tensor", "nccl"),
)
ROWS, PROMPTS, CONTEXT = (1, 16, 64), (128, 4096), 1024
CASE, SECONDS = "GPTOSS_EDU_BENCH_CASE", 280
TRIAL = ModelConfig(**{
    **vars(ModelConfig.gpt_oss_20b()), "num_hidden_layers": 2, "num_experts": 4, "vocab_size": 97, "hidden_size": 64,
    "intermediate_size": 128, "head_dim": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 8,
    "initial_context_length": 64, "rope_scaling_factor": 4.0,
})  # fmt: skip
TRIAL_TUNING = Tuning(  # few, large programs, since Triton's interpreter has a cost per program
    qkv=(512, 64, 4, 1), out=(64, 128, 4, 1), unembedding=(128, 64, 4, 1), up=(256, 2, 4, 1), down=(64, 4, 4, 1),
    splits=4, split_least=8, split_keys=(16, 4), slide_keys=(16, 4), grouped_few=(16, 128, 4, 4, 1),
    grouped_some=(16, 128, 4, 4, 1), grouped_more=(16, 128, 4, 4, 1), grouped_many=(16, 128, 4, 4, 1),
    prefill=(32, 32, 4, 1), pairs=False, overlap=False, unpack_from=10**9,
)  # fmt: skip


def random_slices(config: ModelConfig, mine: parallel.Share, device) -> dict[str, torch.Tensor]:
    """Return a rank's weights: random in the shape of its slices; shared weights are equal on all ranks."""
    weights = {}
    for number, (name, entry) in enumerate(layout_entries(config, "original").items()):
        where, shape = parallel.slice_of(name, config, mine), list(entry.shape)
        whole = isinstance(where, str)
        if not whole:
            shape[where[0]] = mine.part(config) if name == "unembedding.weight" else sum(map(len, where[1]))
        seed = number if whole else 1_000_003 * (mine.rank + 1) + number
        generator = torch.Generator(device).manual_seed(seed)
        if entry.dtypes == ("U8",):
            low, high = (0, 256) if name.endswith("blocks") else (117, 121)
            tensor = torch.empty(shape, dtype=torch.uint8, device=device).random_(low, high, generator=generator)
        else:
            tensor = torch.empty(shape, dtype=torch.bfloat16, device=device).normal_(generator=generator)
            tensor *= 0.1 if len(shape) == 1 or name.endswith("bias") else entry.shape[-1] ** -0.5
            if name.endswith("scale"):
                tensor += 1.0
            if where == parallel.ONCE and not mine.first:
                tensor.zero_()
        weights[name] = tensor
    return weights


def experts_hit(config: ModelConfig, size: int, mode: str, rows: int, draws: int = 400) -> float:
    """Return how many experts per layer the busiest rank reads in a step, on average over random choices.

    With "tensor" every rank reads its part of all experts in use.
    """
    rng, e, total = random.Random(0), config.num_experts, 0
    owners = [r for r in range(size) for _ in parallel.spread(e, size, r)] if mode == "experts" else [0] * e
    for _ in range(draws):
        hit = {i for _ in range(rows) for i in rng.sample(range(e), config.experts_per_token)}
        counts = [0] * size
        for i in hit:
            counts[owners[i]] += 1
        total += max(counts)
    return total / draws


def rank_bytes(config: ModelConfig, size: int, mode: str, rows: int, context: int) -> float:
    """Return the bytes that the busiest rank must read for a step of `rows` sequences."""
    mine = parallel.share(config, 0, size, mode)
    local, hit = mine.local(config), experts_hit(config, size, mode, rows)
    total = rows * cache_bytes(local, context)
    for name, entry in layout_entries(config, "original").items():
        where, shape = parallel.slice_of(name, config, mine), list(entry.shape)
        if not isinstance(where, str):
            shape[where[0]] = sum(map(len, where[1]))
        held = len(mine.experts) if ".mlp.mlp" in name else 1
        total += bytes_read(name, tuple(shape), 1 if entry.dtypes == ("U8",) else 2, hit / held)
    return total


class Case:
    """One way of spreading one shape, measured by all its ranks together; rank 0 keeps the numbers."""

    def __init__(self, name: str, config: ModelConfig, mode: str, way: str, overlap: bool, trial: bool):
        from gptoss_edu.fast.parallel_gpu import sharded_fast

        self.ranks = start("cpu" if trial else "cuda")
        self.name, self.config, self.mode, self.trial = name, config, mode, trial
        self.device = torch.device("cpu") if trial else torch.device("cuda", torch.cuda.current_device())
        self.mine = parallel.share(config, self.ranks.rank, self.ranks.size, mode)
        self.tuning = None
        if trial:
            self.tuning = TRIAL_TUNING
        elif not overlap:
            self.tuning = Tuning.on(self.device, overlap=False)
        self.build = lambda config, mine, weights: sharded_fast(config, mine, self.ranks, weights, self.tuning, way)
        self.out: dict = {}
        if not trial and self.ranks.first:
            ceilings(self.out)
        self.bandwidth = self.out.get("ceilings", {}).get("read_bytes_per_s", 1e10)

    def timed(self, function, repeats: int, warmup: int = 5) -> float:
        if not self.trial:
            return timed(function, repeats, warmup)
        begun = time.perf_counter()
        function()
        return time.perf_counter() - begun

    def tokens(self, *shape: int) -> torch.Tensor:
        """Return token ids that are the same on all ranks."""
        generator = torch.Generator().manual_seed(1)
        return torch.randint(0, self.config.vocab_size, shape, generator=generator).to(self.device)

    def keep(self, name: str, **values) -> None:
        if self.ranks.first:
            record(self.out, name, **values)

    def equal(self) -> None:
        """Compare logits of two layers with one card's, and check that all ranks have the same bits."""
        from gptoss_edu.fast.model import FastTransformer

        from .random_weights import random_weights

        config = replace(self.config, num_hidden_layers=2)
        whole = random_weights(config, self.device)
        if self.trial:
            whole = {k: v.float() if v.is_floating_point() else v for k, v in whole.items()}
        sliced = {n: parallel.take(n, w, config, self.mine).contiguous() for n, w in whole.items()}
        tokens, seen = self.tokens(2, 8 if self.trial else 300), []
        for model in (FastTransformer(config, whole, self.tuning), *[self.build(config, self.mine, sliced)] * 2):
            cache = model.new_cache(2, tokens.shape[1] + 8)
            logits = [model(tokens, cache, last_only=True)]
            for rows in (slice(0, 2), slice(0, 1)):
                part = cache.rows(rows.start, rows.stop)
                logits += [model(tokens[rows, i : i + 1], part) for i in range(1 if self.trial else 3)]
            seen.append(torch.cat([x.flatten().float() for x in logits]))
        one, first, second = seen
        sums = first.double().sum().repeat(2) * torch.tensor([1.0, -1.0], device=self.device, dtype=torch.float64)
        highest = torch.stack([sums[0], sums[1]])
        if self.ranks.size > 1:
            torch.distributed.all_reduce(highest, torch.distributed.ReduceOp.MAX)
        self.keep(
            f"{self.name} two layers against one card",
            relative_difference=float((first - one).norm() / one.norm()),
            largest=float((first - one).abs().max() / one.abs().max()),
            same_bits_twice=bool(torch.equal(first, second)), same_sum_on_all_ranks=bool(highest[0] == -highest[1]),
        )  # fmt: skip

    def decode(self, model, rows: int) -> None:
        context = 16 if self.trial else CONTEXT
        cache = model.new_cache(rows, context + 128)
        for tensor in (*cache.keys, *cache.values):
            tensor.normal_()
        cache.declare([context] * rows)
        self.ranks.forget_counts()
        model(self.tokens(rows, 1), cache)
        step, counts, sent = model.step(cache), dict(self.ranks.counts), sum(self.ranks.sent.values())
        again = (lambda: step.launch_all(cache)) if self.trial or step.graph is None else step.graph.replay
        if not self.trial:  # the rehearsal and the recording counted too
            counts, sent = {k: n // 2 for k, n in counts.items()}, sent // 2
        seconds = self.timed(again, 40)
        floor = rank_bytes(self.config, self.ranks.size, self.mode, rows, context) / self.bandwidth
        self.keep(
            f"{self.name} decode, {rows} x context {context:,}",
            milliseconds=seconds * 1e3, tokens_per_s=rows / seconds,
            collectives_milliseconds=self.joins_alone(model, rows) * 1e3, floor_milliseconds=floor * 1e3,
            of_floor=floor / seconds, collectives=sum(counts.values()), bytes_sent=sent,
        )  # fmt: skip

    def joins_alone(self, model, rows: int) -> float:
        """Return the seconds of a step's collectives with nothing between them."""
        if self.ranks.size == 1:
            return 0.0
        x = torch.zeros(rows, self.config.hidden_size, dtype=model.dtype, device=self.device)
        logits = torch.zeros(rows, self.mine.part(self.config), dtype=model.dtype, device=self.device)

        def collectives() -> None:
            for _ in range(2 * self.config.num_hidden_layers):
                model.ranks.join(x, model.ranks.target(x))
            model.ranks.gather(logits)

        collectives()
        if self.trial:
            return self.timed(collectives, 1)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            collectives()
        return self.timed(graph.replay, 40)

    def prefill(self, model, t: int) -> None:
        tokens, cache = self.tokens(1, t), model.new_cache(1, t + 8)

        def once() -> None:
            cache.declare([0])
            model(tokens, cache, last_only=True)

        seconds, alone = self.timed(once, 8, 3), 0.0
        if self.ranks.size > 1:
            x = torch.zeros(t, self.config.hidden_size, dtype=model.dtype, device=self.device)
            sums = lambda: [model.ranks.total(x) for _ in range(2 * self.config.num_hidden_layers)]  # noqa: E731
            alone = self.timed(sums, 8, 3)
        self.keep(
            f"{self.name} prefill, {t:,} tokens", milliseconds=seconds * 1e3, tokens_per_s=t / seconds,
            collectives_milliseconds=alone * 1e3,
        )  # fmt: skip

    @torch.inference_mode()
    def run(self) -> dict:
        self.equal()
        weights = random_slices(self.config, self.mine, self.device)
        if self.trial:
            weights = {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}
        model = self.build(self.config, self.mine, weights)
        for rows in (1, 2) if self.trial else ROWS:
            self.decode(model, rows)
        for t in (8,) if self.trial else PROMPTS:
            self.prefill(model, t)
        if not self.trial:
            self.keep(f"{self.name} memory of rank 0", allocated_gib=torch.cuda.memory_allocated() / 2**30)
        return self.out


def worker() -> None:
    """Run one rank of one case, given in the environment."""
    what = json.loads(os.environ[CASE])
    config = TRIAL if what["trial"] else SHAPES[what["shape"]]()
    if what["layers"]:
        config = replace(config, num_hidden_layers=what["layers"])
    case = Case(what["name"], config, what["mode"], what["way"], what["overlap"], what["trial"])
    out = case.run()
    if case.ranks.first:
        save(out, Path(what["file"]))
    stop()


def run_case(size: int, seconds: float, **what) -> tuple[dict, str | None]:
    """Run one case; return its numbers, and its error if it failed."""
    command = [sys.executable, "-c", "from gptoss_edu.benchmarks.gpu_parallel import worker; worker()"]
    port = free_port()
    trial = {"TRITON_INTERPRET": "1"} if what["trial"] else {}
    with tempfile.TemporaryDirectory() as folder:
        what["file"] = f"{folder}/out.json"
        ranks = []
        for rank in range(size):
            env = os.environ | environment(rank, size, port) | trial | {CASE: json.dumps(what)}
            errors = open(f"{folder}/errors{rank}", "w+", encoding="utf-8")
            ranks.append((subprocess.Popen(command, env=env, stderr=errors), errors))
        end, failed = time.monotonic() + seconds, None
        while failed is None and any(process.poll() is None for process, _ in ranks):
            for rank, (process, errors) in enumerate(ranks):
                if process.poll():
                    errors.seek(0)
                    failed = f"rank {rank}: {errors.read().strip()[-600:]}"
            if failed is None and time.monotonic() > end:
                failed = f"nothing after {seconds:.0f} s"
            time.sleep(0.1)
        for rank, (process, errors) in enumerate(ranks):
            if failed is None and process.poll():
                errors.seek(0)
                failed = f"rank {rank}: {errors.read().strip()[-600:]}"
            process.kill()
            process.wait()
            errors.close()
        path = Path(what["file"])
        return (json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}), failed


def run(args) -> int:
    """Run all cases of all shapes; write the file after each."""
    size, trial = args.tensor_parallel, args.trial
    device = "cpu" if trial else torch.cuda.get_device_name()
    path = args.json or data_path("benchmarks", f"gpu-{size}x-{device.lower().replace(' ', '-')}.json")
    shapes = [name for name in args.only.split(",") if name] or list(SHAPES)
    out = {"device": f"{size} x {device}", "versions": versions(), "date": time.strftime("%Y-%m-%d"), "results": {}}
    for shape in shapes[:1] if trial else shapes:
        for name, mode, way in CASES:
            if trial and way == "symmetric":
                way = "nccl"  # gloo instead: CPU processes cannot read each other's memory
            ranks = 1 if name == "alone" else size
            what = {
                "name": f"{shape} {name}",
                "shape": shape,
                "mode": mode,
                "way": way,
                "layers": args.layers,
                "trial": trial,
            }
            begun = time.monotonic()
            found, failed = run_case(ranks, SECONDS, **what, overlap=True)
            if failed:
                print(f"{shape} {name}: FAILED ({failed}); again, one kernel after another", flush=True)
                out.setdefault("failed", {})[f"{shape} {name}"] = failed
                found, failed = run_case(ranks, SECONDS, **what, overlap=False)
                if failed:
                    print(f"{shape} {name}: FAILED ({failed})", flush=True)
                    out["failed"][f"{shape} {name}, without overlap"] = failed
            out.setdefault("ceilings", found.get("ceilings", {}))
            out["results"] |= found.get("results", {})
            print(f"  ({shape} {name}: {time.monotonic() - begun:.0f} s)", flush=True)
            save(out, path)
        ratios(out, shape)
    save(out, path)
    print(f"written to {path}")
    return 0


def ratios(out: dict, shape: str) -> None:
    """Compute the speed relative to one card, for every common case."""
    results = out["results"]
    for key in [k for k in results if k.startswith(f"{shape} alone") and "milliseconds" in results[k]]:
        for name, _, _ in CASES[1:]:
            other = results.get(key.replace("alone", name, 1))
            if other:
                record(
                    out,
                    f"{key.replace('alone', name, 1)}: times one card",
                    ratio=results[key]["milliseconds"] / other["milliseconds"],
                )
