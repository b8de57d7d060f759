"""Measure what fine-tuning takes for 20b's exact shape on one GPU, beside the plan that was computed first.

gptoss-edu bench finetune              every recipe, then again with no more than cards of 24 and 16 GiB leave
gptoss-edu bench finetune --trial      a small shape, on a processor

It uses random weights in the released shape and takes the steps of `gptoss-edu finetune`, on one fixed batch of random
words. A recipe whose plan does not fit is refused before anything is loaded. Every result is written as it is made.
"""

import argparse
import gc
import json
import random
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import tiktoken
import torch
from torch import Tensor

from gptoss_edu.checkpoint.load import usable_device, with_weights
from gptoss_edu.checkpoint.sizes import GIB
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError
from gptoss_edu.options import check_writable, positive, write_text
from gptoss_edu.resources import data_path
from gptoss_edu.tasks.example import final, message, system
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.training.conversations import as_row
from gptoss_edu.training.finetune import Finetuner, Recipe
from gptoss_edu.training.memory_plan import TrainingPlan
from gptoss_edu.training.peak_memory import PeakMemory
from gptoss_edu.training.rl_record import about
from gptoss_edu.training.start import how_loaded

from .random_weights import random_weights

ATTENTION, ROUTER, PARTS = ("attention",), ("attention", "router"), ("attention", "router", "experts")
BASE = Recipe(rate=5e-4, warmup=1, decay=0.0, rows=1, lora=16, train=ATTENTION)
CASES = (  # rows, tokens in each, whether layers are recomputed, and other changes
    (1, 1024, True, {"lora": None, "train": ("all",)}), (1, 512, False, {}), (1, 512, True, {}), (1, 2048, False, {}),
    (1, 2048, True, {}), (1, 4096, False, {}), (1, 4096, True, {}), (4, 2048, True, {}),
    (1, 2048, True, {"train": ROUTER}), (1, 512, True, {"train": PARTS}), (1, 2048, True, {"train": PARTS}),
    (1, 1024, True, {"lora": None, "rate": 5e-5}),
)  # fmt: skip
SMALL = {
    "num_hidden_layers": 4, "num_experts": 16, "vocab_size": 2048, "hidden_size": 128, "intermediate_size": 128,
    "head_dim": 32, "num_attention_heads": 8, "num_key_value_heads": 2,
}  # fmt: skip
SHORTER = 8  # times, in a trial
TRIAL_ROOM = 48 << 20  # bytes, in which a trial's whole model cannot be trained


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trial", action="store_true", help="a small shape, on a processor unless --device says more")
    parser.add_argument("--device", help="cuda, or with --trial cpu")
    parser.add_argument("--steps", type=positive, default=4, help="updates per recipe (4); the first warms up")
    parser.add_argument("--cards", type=positive, nargs="*", default=[24, 16], metavar="GIB", help="as if (24 16)")
    parser.add_argument("--only", default="", metavar="TEXT", help="the recipes with TEXT in their names")
    parser.add_argument("--json", type=Path, help="where to write (data/benchmarks/finetune-CARD.json; trial: nowhere)")


def run(args: argparse.Namespace) -> int:
    if not args.trial and not torch.cuda.is_available():
        raise GptOssError("bench finetune: needs an NVIDIA GPU, found none; --trial runs a small shape on a processor.")
    device = usable_device(args.device or ("cpu" if args.trial else "cuda"))
    config = ModelConfig.gpt_oss_20b()
    out = {"about": about(SimpleNamespace(device=device)), "shape": "gpt-oss-20b, random weights", "results": {}}
    path = args.json
    if args.trial:
        config, out["shape"] = replace(config, **SMALL), "a small shape, random weights"
    elif path is None:
        slug = torch.cuda.get_device_name(device).lower().replace(" ", "-")
        path = data_path("benchmarks", f"finetune-{slug}.json")
    check_writable(path, "--json")
    encoding = load_tokenizer(data_path("gpt-oss-tiny") if args.trial else "o200k_harmony")
    recipes = {name: recipe for name, recipe in named(args.steps, args.trial) if args.only in name}
    weights: dict[str, Tensor] = {}  # made once, by the first recipe that fits
    for card, room in rooms(device, args.cards, args.trial):
        print(f"{card}: {room / GIB:.2f} GiB for tensors")
        rows: dict[str, dict] = {}
        out["results"][card] = {"room_gib": digits(room / GIB), "recipes": rows}
        for name, recipe in recipes.items():
            if card == "whole card" or recipe.lora:  # weights of their own need another dtype, and are left out here
                rows[name] = attempt(config, recipe, weights, room, device, encoding)
                tell(name, rows[name])
                if path is not None:
                    write_text(path, json.dumps(out, indent=1) + "\n")
    if path is not None:
        print(f"written to {path}")
    found = [row for part in out["results"].values() for row in part["recipes"].values()]
    return int(any("failed" in row or not row.get("as_it_should", True) for row in found))


def named(steps: int, trial: bool) -> Iterator[tuple[str, Recipe]]:
    """Return every recipe with its name."""
    for rows, tokens, recompute, changes in CASES:
        tokens //= SHORTER if trial else 1
        recipe = replace(BASE, rows=rows, longest=tokens, recompute=recompute, steps=steps, **changes)
        kind = f"LoRA {recipe.lora}" if recipe.lora else "own weights"
        how = ", recomputed" if recompute else ""
        yield f"{kind}: {' '.join(recipe.train)}, {rows} x {tokens} tokens{how}", recipe


def rooms(device: torch.device, cards: list[int], trial: bool) -> Iterator[tuple[str, int]]:
    """Return name and bytes of this card, then of smaller ones, setting the limit of the allocator to each in turn.

    A smaller card leaves less than its size, since the driver's own memory is taken away, as measured on this one.
    """
    if trial:
        yield "whole card", TRIAL_ROOM
        return
    yield "whole card", torch.cuda.mem_get_info(device)[0]
    for gib in cards:
        clear()
        free, total = torch.cuda.mem_get_info(device)
        room = gib * GIB - (total - free - torch.cuda.memory_reserved(device))
        torch.cuda.set_per_process_memory_fraction(room / total)
        yield f"a card of {gib} GiB", room


def clear() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def attempt(config, recipe: Recipe, weights: dict, room: int, device: torch.device, encoding) -> dict:
    """Plan a recipe; refuse it, or measure it; a failure is reported and loses nothing else."""
    packed, dtype = how_loaded(ModelConfig.gpt_oss_20b(), True, recipe)  # a trial takes the same form
    plan = TrainingPlan.of(config, recipe, packed, dtype, available=room, device=device)
    row = {"recipe": asdict(recipe), "trained": plan.trained, "planned_gib": in_gib(plan.parts)}
    row["planned_gib"]["all"] = digits(plan.needed / GIB)
    try:
        plan.refuse_if_too_big("gpt-oss-20b")
    except GptOssError as error:
        return row | {"refused": str(error), "loaded": bool(weights)}
    try:
        if not weights:
            weights |= random_weights(config, device)
        cast(weights, dtype)
        return row | measured(config, recipe, weights, packed, dtype, plan, encoding)
    except (RuntimeError, GptOssError) as error:  # out of memory is a RuntimeError
        return row | {"failed": f"{type(error).__name__}: {error}"[:500]}
    finally:
        if recipe.lora is None:  # they were trained in place, so the next recipe makes them anew
            weights.clear()
        clear()
        cast(weights, torch.bfloat16)
        clear()


def cast(weights: dict[str, Tensor], dtype: torch.dtype) -> None:
    """Change the dtype of what is not packed, one tensor after another, so that there is no second copy of all."""
    for name, tensor in weights.items():
        if tensor.is_floating_point() and tensor.dtype != dtype:
            weights[name] = tensor.to(dtype)


def measured(config, recipe: Recipe, weights: dict, packed: bool, dtype, plan: TrainingPlan, encoding) -> dict:
    """Take the steps, and return memory by parts, time, losses, and whether frozen tensors kept every bit."""
    model = with_weights(config, dict(weights), packed, dtype)
    model.tokenizer = encoding
    before = {name: checksum(tensor) for name, tensor in weights.items()}
    finetuner = Finetuner(model, list(talks(encoding, recipe.longest, recipe.rows)), recipe)
    averages = [*finetuner.optimizer.means, *finetuner.optimizer.squares]
    parts = {
        "weights": size(weights.values()),
        "adapters": size(finetuner.trained.values()) if recipe.lora else 0,
        "Adam's averages": size(averages),
    }
    there = [*weights.values(), *finetuner.trained.values(), *averages, *model.buffers()]
    times = [time.perf_counter()]
    with PeakMemory(model.device, there) as memory:
        finetuner.run(watch=lambda _: times.append(now(model.device)))
    parts["one step"] = memory.peak
    frozen = set(weights) - (set() if recipe.lora else set(finetuner.trained))
    steps = [later - earlier for earlier, later in pairwise(times)]
    seconds = statistics.median(steps[1:] or steps)
    losses = [digits(line["loss"]) for line in finetuner.log]
    same = all(checksum(weights[name]) == before[name] for name in frozen)
    fits = memory.reserved is None or memory.reserved <= plan.available
    row = {
        "measured_gib": in_gib(parts) | {"all": digits(sum(parts.values()) / GIB)},
        "plan_over_measured": digits(plan.needed / sum(parts.values())),
        "seconds_per_step": digits(seconds), "tokens_per_s": digits(recipe.rows * recipe.longest / seconds),
        "losses": losses, "loss_fell": losses[-1] < losses[0], "frozen_same": same,
        "as_it_should": same and fits and (losses[-1] < losses[0] or len(losses) < 2),
    }  # fmt: skip
    if memory.reserved is not None:
        row["reserved_gib"] = digits(memory.reserved / GIB)
    return row


def talks(encoding: tiktoken.Encoding, tokens: int, rows: int) -> Iterator[dict]:
    """Return conversations of random words, each of exactly so many tokens once it is rendered."""
    rng = random.Random(tokens)
    every = (encoding.decode_single_token_bytes(i) for i in range(min(20_000, encoding.n_vocab)) if known(encoding, i))
    words = [text.decode() for text in every if text[:1] == b" " and text[1:].isalpha() and text.islower()]
    empty = len(as_row(talk(["."]), encoding, tokens).tokens) - 1
    for _ in range(rows):
        yield talk([".", *rng.choices(words, k=tokens - empty - 1)])


def known(encoding: tiktoken.Encoding, i: int) -> bool:
    """Return whether the number is a token."""
    try:
        encoding.decode_single_token_bytes(i)
    except KeyError:
        return False
    return True


def talk(words: list[str]) -> dict:
    return {"messages": [system("low"), message("user", "?"), final("".join(words))]}


def checksum(tensor: Tensor, numbers: int = 1 << 24) -> int:
    """Return a sum, modulo 2^64, that changes with any bit: each number of 1 or 8 bytes times its odd place."""
    flat, total = tensor.detach().reshape(-1).view(torch.uint8), 0
    flat = flat.view(torch.int64 if flat.numel() % 8 == 0 else torch.uint8)
    for i in range(0, flat.numel(), numbers):
        part = flat[i : i + numbers].long()
        places = torch.arange(2 * i + 1, 2 * (i + part.numel()) + 1, 2, device=part.device)
        total += int((part * places).sum())
    return total % (1 << 64)


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def size(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def digits(value: float) -> float:
    return float(f"{value:.4g}")


def in_gib(parts: dict[str, int]) -> dict[str, float]:
    return {name: digits(part / GIB) for name, part in parts.items()}


def tell(name: str, row: dict) -> None:
    """Print one line."""
    plan = f"planned {row['planned_gib']['all']:.4g} GiB"
    if "measured_gib" not in row:
        what = "refused" if "refused" in row else "FAILED"
        print(f"{name}: {what}, {plan}. {row.get('refused') or row['failed']}", flush=True)
        return
    print(
        f"{name}: {plan}, measured {row['measured_gib']['all']:.4g} ({row['plan_over_measured']:.2f}), reserved "
        f"{row.get('reserved_gib', 'unknown')}; {row['seconds_per_step']:.3g} s per step, {row['tokens_per_s']:,.0f} "
        f"tokens/s; loss {row['losses'][0]:.3f} to {row['losses'][-1]:.3f}, frozen "
        f"{'unchanged' if row['frozen_same'] else 'CHANGED'}",
        flush=True,
    )
