"""Probe the model: loss by task, mass on the sinks, and the router's information, with shuffled nulls."""

from __future__ import annotations

import math
import random
from collections import defaultdict

import torch
import torch.nn.functional as F
from torch import Tensor

from gptoss_edu.harmony import Conversation, render_labelled
from gptoss_edu.tasks.mix import TASKS, make_example
from gptoss_edu.training.packing import TRAINED, encode

READ = 512  # tokens that one pass reads on a processor: with more, scores no longer fit its caches


def probe_examples(per_task: int, seed: int = 99, limit: int = 700) -> list:
    """Return held-out examples, equally many of every task."""
    examples = []
    for task in TASKS:
        rng, found = random.Random(f"probe:{seed}:{task}"), []
        while len(found) < per_task:
            example = make_example(rng, task=task, split="test")
            if len(str(example.conversation)) < 5 * limit:
                found.append(example)
        examples += found
    return examples


def token_type(text: str) -> str:
    """Return the class of a token: control, digit, space, sign, letter (one), word."""
    if text.startswith("<|") and text.endswith("|>"):
        return "control"
    bare = text.strip()
    if not bare:
        return "space"
    return (
        "digit"
        if bare.isdigit()
        else "sign"
        if not any(c.isalnum() for c in bare)
        else "letter"
        if len(bare) == 1
        else "word"
    )


@torch.no_grad()
def batch_losses(model, examples: list, batch: int = 32) -> dict[str, float]:
    """Compute the mean cross-entropy of the assistant's tokens by task, and over all ("all").

    Examples of similar length are read together: at most `batch` of them and, on a processor, `READ` tokens with
    padding.
    """
    sums, counts = dict.fromkeys([*(e.task for e in examples), "all"], 0.0), defaultdict(int)
    encoded = sorted(((e.task, *encode(e, model.tokenizer)) for e in examples), key=lambda one: len(one[1]))
    room = READ if model.device.type == "cpu" else math.inf
    while encoded:
        size = sum(i == 0 or (i + 1) * len(ids) <= room for i, (_, ids, _) in enumerate(encoded[:batch]))
        part, encoded = encoded[:size], encoded[size:]
        tokens, lengths = pad([ids for _, ids, _ in part], model.device)
        logits = model(tokens, lengths=lengths)[:, :-1].float()  # (b, t-1, v)
        each = F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")  # (b, t-1)
        for row, (task, _, codes) in enumerate(part):
            learnt = torch.tensor(codes[1:], device=each.device) == TRAINED
            total, number = float(each[row, : len(codes) - 1][learnt].sum()), int(learnt.sum())
            for key in (task, "all"):
                sums[key] += total
                counts[key] += number
    return {key: round(sums[key] / max(1, counts[key]), 5) for key in sums}


def pad(sequences: list[list[int]], device) -> tuple[Tensor, Tensor]:
    """Pad rows on the right: tokens (b, t) and lengths (b,)."""
    longest = max(map(len, sequences))
    tokens = torch.tensor([ids + [0] * (longest - len(ids)) for ids in sequences], device=device)
    return tokens, torch.tensor([len(ids) for ids in sequences])


def forwards(model, examples: list, batch: int):
    """Read the examples in batches; yield each batch's examples, their labelled tokens, and what was caught."""
    for start in range(0, len(examples), batch):
        part = examples[start : start + batch]
        rows = [
            render_labelled(Conversation.from_dict(e.conversation), None, model.tokenizer, drop_analysis="keep")
            for e in part
        ]
        tokens, lengths = pad([[t.token for t in row] for row in rows], model.device)
        real = torch.arange(tokens.shape[1])[None] < lengths[:, None]  # (b, t)
        caught: dict = {}
        forward_caught(model, tokens, lengths, real, caught)
        yield part, rows, caught


@torch.no_grad()
def inside(model, examples: list, batch: int = 16, seed: int = 0) -> dict:
    """Measure sink mass and attended distance by layer, router load and mutual information, with shuffled nulls."""
    layers = len(model.block)
    sink, distance, count = torch.zeros(layers), torch.zeros(layers), 0
    experts: list[list[Tensor]] = [[] for _ in range(layers)]
    labels: dict[str, list] = {"token": [], "type": [], "role": [], "channel": [], "task": []}
    for part, labelled, caught in forwards(model, examples, batch):
        count += sum(map(len, labelled))
        for layer in range(layers):
            sink[layer] += caught["sink", layer]
            distance[layer] += caught["distance", layer]
            experts[layer].append(caught["expert", layer])
        for example, row in zip(part, labelled, strict=True):
            for token in row:
                labels["token"].append(token.token)
                labels["type"].append(token_type(model.tokenizer.decode([token.token])))
                labels["role"].append(token.role)
                labels["channel"].append(str(token.channel))
                labels["task"].append(example.task)
    result = {"tokens": count, "sink_mass": (sink / count).tolist(), "distance": (distance / count).tolist()}
    return result | router_statistics([torch.cat(chosen) for chosen in experts], labels, model.config.num_experts, seed)


def forward_caught(model, tokens: Tensor, lengths: Tensor, real: Tensor, caught: dict) -> None:
    """Run one pass; keep sums of sink mass and distance, and the first expert, over real tokens."""
    t, real_here = tokens.shape[1], real.to(tokens.device)
    away = (torch.arange(t, device=tokens.device)[:, None] - torch.arange(t, device=tokens.device)).clamp(min=0).float()

    def weights_hook(layer: int):
        def hook(weights: Tensor, name: str) -> None:  # (b, h, t, s+1)
            mass = weights[..., -1].mean(1)  # (b, t)
            keys = weights[..., :-1]
            far = ((keys * away).sum(-1) / keys.sum(-1).clamp(min=1e-6)).mean(1)
            caught["sink", layer] = (mass * real_here).sum().cpu()
            caught["distance", layer] = (far * real_here).sum().cpu()

        return hook

    def expert_hook(layer: int):
        def hook(indices: Tensor, name: str) -> None:  # (n, k)
            caught["expert", layer] = indices[real_here.flatten(), 0].cpu()

        return hook

    points = {f"block.{i}.attn.weights": weights_hook(i) for i in range(len(model.block))}
    points |= {f"block.{i}.mlp.expert_indices": expert_hook(i) for i in range(len(model.block))}
    with model.hooks(points):
        model(tokens, lengths=lengths)


def mutual_information(a: Tensor, b: Tensor) -> float:
    """Compute how many bits a tells about b.

    Both are (n,) small whole numbers. The estimate is biased upwards, so compare it with a shuffle.
    """
    a, b = a.long(), b.long()
    joint = torch.bincount(a * (int(b.max()) + 1) + b).double()
    joint = joint[joint > 0] / len(a)
    entropy = lambda x: _entropy(torch.bincount(x).double() / len(x))  # noqa: E731
    return entropy(a) + entropy(b) - float(-(joint * joint.log2()).sum())


def _entropy(p: Tensor) -> float:
    p = p[p > 0]
    return float(-(p * p.log2()).sum())


def router_statistics(experts: list[Tensor], labels: dict[str, list], number: int, seed: int = 0) -> dict:
    """Return the first expert's load entropy by layer, and its information on each label, real and shuffled."""
    generator = torch.Generator().manual_seed(seed)
    loads = [torch.bincount(chosen, minlength=number).double() / len(chosen) for chosen in experts]
    result: dict = {
        "load": [[round(float(p), 4) for p in load] for load in loads],
        "load_entropy": [round(_entropy(p), 3) for p in loads],
        "information": {},
    }
    for name, values in labels.items():
        index = {value: i for i, value in enumerate(dict.fromkeys(values))}
        coded = torch.tensor([index[value] for value in values])
        shuffled = coded[torch.randperm(len(coded), generator=generator)]
        result["information"][name] = {
            "bits": [round(mutual_information(chosen, coded), 3) for chosen in experts],
            "shuffled": [round(mutual_information(chosen, shuffled), 3) for chosen in experts],
        }
    return result


@torch.no_grad()
def ablations(model, examples: list) -> dict[str, float]:
    """Compute the loss of the assistant's tokens after removing one mechanism from the trained model."""
    config, layers = model.config, range(len(model.block))
    away = {f"block.{i}.attn.sinks": (lambda sinks, name: torch.full_like(sinks, -1e9)) for i in layers}
    zero = {f"block.{i}.attn.sinks": (lambda sinks, name: torch.zeros_like(sinks)) for i in layers}

    def window_all(mask: Tensor, name: str) -> Tensor:
        t = torch.arange(mask.shape[-1], device=mask.device)
        return mask & (t[None, :] > t[:, None] - config.sliding_window)

    def window_none(mask: Tensor, name: str) -> Tensor:
        t = torch.arange(mask.shape[-1], device=mask.device)
        return (t[None, :] <= t[:, None]).expand_as(mask)

    result = {"whole": batch_losses(model, examples)["all"]}
    for name, points in (
        ("without sinks", away),
        ("sinks at zero", zero),
        ("all layers windowed", {f"block.{i}.attn.mask": window_all for i in layers}),
        ("no layer windowed", {f"block.{i}.attn.mask": window_none for i in layers}),
    ):
        with model.hooks(points):
            result[name] = batch_losses(model, examples)["all"]
    result["without YaRN"] = _without_yarn(model, examples)
    return result


def _without_yarn(model, examples: list) -> float:
    """Return the same weights with plain RoPE: no slowed frequencies, no concentration."""
    from dataclasses import replace

    plain = replace(model.config, rope_scaling_factor=1.0)
    with model.fresh_rope(plain):
        return batch_losses(model, examples)["all"]
