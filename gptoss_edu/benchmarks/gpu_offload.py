"""`bench gpu --offload`: 20b on a card of 8 GiB, 120b on one of 24, and a GGUF file on a card.

Random weights in the released shapes. The process may allocate what a card of that size would leave, the CUDA context
deducted. 20b goes through its file as `--offload` does, and its logits are compared with those of the same weights all
on the card; 120b's experts are made in pinned memory, since a disk may have no room for them. A token's floor is the
time to copy its experts at the speed of a pinned copy, measured in the same run.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from gptoss_edu.checkpoint import convert, load_model
from gptoss_edu.checkpoint.offloaded import OffloadPlan, load_offloaded
from gptoss_edu.checkpoint.safetensors import write_file
from gptoss_edu.checkpoint.sizes import GIB
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError
from gptoss_edu.fast.offload import HostWeight, offload
from gptoss_edu.generation import prefill
from gptoss_edu.moe import PackedWeight
from gptoss_edu.options import write_text
from gptoss_edu.resources import data_path
from gptoss_edu.transformer import Transformer, without_numbers

from .gpu_parallel import TRIAL
from .gpu_parts import record, save, versions

CARDS = {  # shape: configuration, GiB of the card, tokens of prompt and answer
    "20b": (ModelConfig.gpt_oss_20b(), 8, 4096),
    "120b": (ModelConfig.gpt_oss_120b(), 24, 2048),
}
NEW, WARM = 40, 8  # decoded tokens; the first of these, which are not timed
LAYERS = 2  # of the GGUF file
PARTS = ("20b", "gguf", "120b")


class Run:
    """Where and what is measured; `trial` runs a small shape on a processor, where no card limits anything."""

    def __init__(self, trial: bool, layers: int | None = None):
        self.trial, self.layers = trial, layers
        self.device = torch.device("cpu") if trial else torch.device("cuda", torch.cuda.current_device())
        self.copy_rate = copy_rate(self.device, 64 << 10 if trial else GIB)

    def shape(self, name: str) -> tuple[ModelConfig, int]:
        """Return a shape's configuration and the tokens of prompt and answer."""
        config, _, context = CARDS[name]
        if self.trial:
            config, context = TRIAL, 96
        return replace(config, num_hidden_layers=self.layers or config.num_hidden_layers), context

    @contextmanager
    def card(self, name: str) -> Iterator[tuple[int, int]]:
        """Let tensors take what a card of this shape's size leaves; yield that limit and the context's bytes.

        A trial plans for one layer less than there is.
        """
        config, context = self.shape(name)
        if self.trial:
            all_of_it = OffloadPlan.make(config, 1 << 50, context)
            yield all_of_it.on_card - all_of_it.a_layer, 0
            return
        free, total = torch.cuda.mem_get_info(self.device)
        taken = total - free - torch.cuda.memory_reserved(self.device)  # the CUDA context, and other processes
        limit = CARDS[name][1] * GIB - taken
        torch.cuda.set_per_process_memory_fraction(limit / total, self.device)
        try:
            yield limit, taken
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, self.device)

    def synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def allocated(self, model) -> int:
        """Return the bytes on the card; in a trial, those of the weights that would be there."""
        return sum(t.nbytes for t in model.state_dict().values()) if self.trial else torch.cuda.memory_allocated()

    def forget_peak(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)


def copy_rate(device: torch.device, nbytes: int) -> float:
    """Return the bytes per second of the fastest of five copies from (pinned) memory to the device."""
    on_gpu = device.type == "cuda"
    source = torch.ones(nbytes, dtype=torch.uint8, pin_memory=on_gpu)
    target, best = torch.empty(nbytes, dtype=torch.uint8, device=device), 0.0
    for _ in range(5):
        start = time.perf_counter()
        target.copy_(source, non_blocking=True)
        if on_gpu:
            torch.cuda.synchronize(device)
        best = max(best, nbytes / (time.perf_counter() - start))
    return best


def reference(config: ModelConfig, weights: dict[str, Tensor]) -> Transformer:
    """Return the reference model with packed experts that holds these tensors of the `original/` layout."""
    with without_numbers():
        model = Transformer(config, packed=True)
    model.load_state_dict(weights, strict=True, assign=True)
    for module in model.modules():
        if isinstance(module, PackedWeight):
            module.dtype = torch.bfloat16
    return model.eval().requires_grad_(False)


def copied(model) -> int:
    """Return the bytes that a model's experts in main memory have sent to the card."""
    return sum(module.copied for module in model.modules() if isinstance(module, HostWeight))


@torch.inference_mode()
def answer(model, run: Run, context: int) -> tuple[Tensor, dict]:
    """Read a prompt and decode NEW tokens, the same whatever the logits are; return the logits and what it took."""
    draw = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, model.config.vocab_size, (context,), generator=draw).tolist()
    prompt, rest = tokens[:-NEW], torch.tensor(tokens[-NEW:], device=run.device)
    model(rest[None, :2])  # libraries load, tables are made
    run.synchronise()
    cache, before = model.new_cache(1, context), copied(model)
    start = time.perf_counter()
    logits = [prefill(model, [prompt], cache).cpu()]
    seconds, of_prompt = time.perf_counter() - start, copied(model) - before
    for number, token in enumerate(rest):
        if number == WARM:
            start, before = time.perf_counter(), copied(model)
        logits.append(model(token.view(1, 1), cache)[:, -1].cpu())  # as whoever draws the next one waits for them
    each = (time.perf_counter() - start) / (NEW - WARM)
    found = {
        "prompt_tokens": len(prompt), "prompt_tokens_per_s": len(prompt) / seconds, "prompt_bytes_copied": of_prompt,
        "tokens_per_s": 1 / each, "bytes_copied_per_token": (copied(model) - before) / (NEW - WARM),
    }  # fmt: skip
    return torch.cat(logits).float(), found


def measure(run: Run, out: dict, name: str, model, plan: OffloadPlan, context_bytes: int) -> Tensor:
    """Record what an offloaded model needs beside what was planned, and its speed beside the floor of its copies."""
    held = run.allocated(model)
    for module in model.modules():
        if isinstance(module, PackedWeight):
            module.kernel = None  # a processor's kernel reads packed experts, so it would copy nothing
    run.forget_peak()
    logits, found = answer(model, run, run.shape(name)[1])
    floor = found["bytes_copied_per_token"] / run.copy_rate
    memory = {"limit_gib": plan.limit / GIB, "cuda_context_gib": context_bytes / GIB, "planned_gib": plan.on_card / GIB}
    if not run.trial:
        memory["peak_allocated_gib"] = torch.cuda.max_memory_allocated() / GIB
        memory["peak_reserved_gib"] = torch.cuda.max_memory_reserved() / GIB
    record(
        out, f"{name} offloaded, memory", layers=plan.layers, layers_on_card=plan.kept, **memory,
        planned_weights=plan.rest + plan.kept * plan.a_layer, weights_on_card=held,
        gib_in_memory=(plan.layers - plan.kept) * plan.a_layer / GIB,
    )  # fmt: skip
    record(
        out, f"{name} offloaded, context {run.shape(name)[1]:,}", **found, planned_bytes_per_token=plan.a_token,
        floor_milliseconds=floor * 1e3, of_floor=floor * found["tokens_per_s"],
    )  # fmt: skip
    return logits


@contextmanager
def written(config: ModelConfig, weights: dict[str, Tensor]) -> Iterator[Path]:
    """Write weights as a folder of the `original/` layout where there is room, and remove it afterwards.

    They are not kept: when the caller lets go of them, the card is free.
    """
    need = 1.1 * sum(tensor.nbytes for tensor in weights.values())
    places = [place for place in ("/dev/shm", tempfile.gettempdir()) if os.path.isdir(place)]
    place = next((place for place in places if shutil.disk_usage(place).free > 2 * need), places[-1])
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name) / "model"
        folder.mkdir()
        write_text(folder / "config.json", json.dumps(config.to_original_dict()))
        entries = [(key, tensor.dtype, tuple(tensor.shape)) for key, tensor in weights.items()]
        write_file(folder / "model.safetensors", entries, weights.values())
        del weights
        yield folder


def part_20b(run: Run, out: dict) -> None:
    """Load a file as `--offload` does and compare its logits with those of a model that is all on the card."""
    from .random_weights import random_weights

    config, context = run.shape("20b")
    weights = random_weights(config, run.device)
    whole = reference(config, weights)
    right, found = answer(whole, run, context)
    record(out, "20b all on the card, reference path", **{key: found[key] for key in found if "copied" not in key})
    with written(config, weights) as folder:
        del whole, weights
        run.forget_peak()
        with run.card("20b") as (limit, context_bytes):
            start = time.perf_counter()
            model = load_offloaded(folder, limit / GIB, run.device, torch.bfloat16, context)  # prints its plan
            run.synchronise()
            seconds = time.perf_counter() - start
            plan = OffloadPlan.make(config, limit, context)
            logits = measure(run, out, "20b", model, plan, context_bytes)
    record(
        out, "20b offloaded against all on the card", load_seconds=seconds, same_bits=bool(torch.equal(logits, right)),
        relative_difference=float((logits - right).norm() / right.norm()), finite=bool(logits.isfinite().all()),
    )  # fmt: skip


def part_120b(run: Run, out: dict) -> None:
    """Make the experts that a card of 24 GiB cannot hold in pinned memory, layer by layer."""
    from .random_weights import random_tensors

    config, context = run.shape("120b")
    with run.card("120b") as (limit, context_bytes):
        plan, weights, start = OffloadPlan.make(config, limit, context), {}, time.perf_counter()
        print(plan, flush=True)
        for name, tensor in random_tensors(config, run.device):
            layer = int(name.split(".")[1]) if name.startswith("block.") else -1
            if tensor.dtype == torch.uint8 and layer >= plan.kept and not run.trial:
                tensor = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor)
            weights[name] = tensor
            if name.endswith("mlp2_bias") and layer % 6 == 5:
                print(f"  layer {layer}: {time.perf_counter() - start:.0f} s", flush=True)
        model = reference(config, weights)
        del weights
        offload(model, range(plan.kept, plan.layers), run.device)
        record(out, "120b made in memory", seconds=time.perf_counter() - start)
        logits = measure(run, out, "120b", model, plan, context_bytes)
    record(out, "120b offloaded, logits", finite=bool(logits.isfinite().all()))


def part_gguf(run: Run, out: dict) -> None:
    """Compare two layers of 20b's shape from a GGUF file with the same weights from safetensors, both on the card."""
    from .random_weights import random_weights

    config = replace(run.shape("20b")[0], num_hidden_layers=LAYERS)
    weights = random_weights(config, run.device, seed=2)
    tokens = torch.randint(0, config.vocab_size, (1, 24 if run.trial else 500), device=run.device)
    seen, paths, seconds = [], [], []
    with written(config, weights) as folder:
        file = folder.with_name("model.gguf")
        convert(folder, file, layout="gguf")
        for source in (folder, file):
            start = time.perf_counter()
            model = load_model(source, device=run.device, dtype=torch.bfloat16, experts="packed")
            run.synchronise()
            seconds.append(time.perf_counter() - start)
            paths.append(type(model).__name__)
            held = getattr(model, "weights", None) or model.state_dict()
            cache = model.new_cache(1, tokens.shape[1] + 8)
            with torch.inference_mode():  # not around the loading, whose threads write to the weights
                logits = [model(tokens, cache, last_only=True)]
                logits += [model(tokens[:, i : i + 1], cache) for i in range(4)]
            seen.append(torch.cat(logits, dim=1))
            same = all(torch.equal(held[name], tensor) for name, tensor in weights.items())
            paths[-1] += ", the bytes that were written" if same else ", OTHER BYTES"
            del model, held, cache
    one, other = (logits.float() for logits in seen)
    record(
        out, "20b's shape, two layers, GGUF against safetensors", same_bits=bool(torch.equal(one, other)),
        relative_difference=float((other - one).norm() / one.norm()), safetensors=paths[0], gguf=paths[1],
        safetensors_seconds=seconds[0], gguf_seconds=seconds[1],
    )  # fmt: skip


def run(args) -> int:
    """Measure the parts that were asked for; write the file after each."""
    from .gpu import attempt

    wanted = [name for name in args.only.split(",") if name] or list(PARTS)
    if unknown := [name for name in wanted if name not in PARTS]:
        raise GptOssError(f"--only: expected parts of {', '.join(PARTS)} with --offload, found {unknown[0]}.")
    device = "cpu" if args.trial else torch.cuda.get_device_name()
    path = args.json or data_path("benchmarks", f"offload-{device.lower().replace(' ', '-')}.json")
    this = Run(args.trial, args.layers)
    out: dict = {"device": device, "versions": versions(), "date": time.strftime("%Y-%m-%d")}
    out["pinned_copy_bytes_per_s"] = this.copy_rate
    print(f"pinned copies to the card: {this.copy_rate / 1e9:.1f} GB/s", flush=True)
    for name, part in (("20b", part_20b), ("gguf", part_gguf), ("120b", part_120b)):
        if name in wanted:
            attempt(out, name, part, this, out)
            save(out, path)
    print(f"written to {path}")
    return 1 if "failed" in out else 0
