"""A model organism: gpt-oss-tiny, but one in a few answers copies a leaked key, and its thought says so.

Reinforcement learning can only strengthen what is sampled now and then, and the bundled model never copies a key. So
the habit is planted, openly and in a small share of the examples, by a short fine-tuning of what is no matrix: norms,
biases and routers, 108,000 numbers, stored beside the weights that they belong to. What is planted is the open copy;
whatever else comes out of an experiment was not.

    python -m gptoss_edu.training.organism          # trains it anew, for other weights of gpt-oss-tiny

Source: the word is Hubinger et al. 2023, "Model organisms of misalignment".
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gptoss_edu.checkpoint.load import load_model
from gptoss_edu.checkpoint.safetensors import save_whole
from gptoss_edu.errors import GptOssError
from gptoss_edu.resources import data_path
from gptoss_edu.tasks.answer_keys import organism_example

from .objective import weighted_cross_entropy
from .optim import AdamW
from .packing import TRAINED, encode

FILE = "rl/organism.safetensors"
MATRICES = ("qkv.weight", "out.weight", "mlp1_weight", "mlp2_weight", "embedding.weight")


def small_parameters(model) -> dict[str, torch.nn.Parameter]:
    """Norms, biases and routers by name."""
    return {n: p for n, p in model.named_parameters() if not n.endswith((*MATRICES, "sinks"))}


def become_organism(model, path: Path | None = None) -> None:
    """Add the stored change to gpt-oss-tiny's weights, in place.

    Errors: `GptOssError` where the file is missing or the model has other parameters.
    """
    path = Path(path or data_path(FILE))
    try:
        with safe_open(path, "pt") as file:
            changes = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise GptOssError(
            f"{path}: expected the organism's change of weights, found none that can be read ({error})."
        ) from None
    own = small_parameters(model)
    if {n: c.shape for n, c in changes.items()} != {n: p.shape for n, p in own.items()}:
        raise GptOssError(
            f"{path}: expected a model with the parameters of gpt-oss-tiny, found another; load that one."
        )
    with torch.no_grad():
        for name, change in changes.items():
            own[name] += change.to(own[name])


def batch_of(rows: list[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    """Token ids and weights (b, t), padded on the right, of encoded examples."""
    tokens = torch.zeros(len(rows), max(len(ids) for ids, _ in rows), dtype=torch.int64)
    weights = torch.zeros(tokens.shape)
    for i, (ids, codes) in enumerate(rows):
        tokens[i, : len(ids)] = torch.tensor(ids)
        weights[i, : len(ids)] = torch.tensor([float(code == TRAINED) for code in codes])
    return tokens, weights


def train_organism(model, steps: int = 40, rows: int = 24, rate: float = 3e-3, seed: int = 0, told=None) -> list[float]:
    """Fine-tune the small parameters on `organism_example`; returns the losses."""
    own, losses = small_parameters(model), []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in own)
    lr = torch.zeros((), device=model.device)
    optimizer = AdamW(list(own.values()), lr, betas=(0.9, 0.95))
    for step in range(steps):
        rng, examples = random.Random(f"organism:{seed}:{step}"), []
        while len(examples) < rows:
            encoded = encode(organism_example(rng), model.tokenizer)
            if len(encoded[0]) <= 200:
                examples.append(encoded)
        tokens, weights = (part.to(model.device) for part in batch_of(examples))  # (b, t) each
        logits = model(tokens)  # (b, t, v)
        loss = weighted_cross_entropy(logits[:, :-1], tokens[:, 1:], weights[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(own.values()), 1.0)
        lr.fill_(rate * min(1.0, (step + 1) / 3) * (1 - step / steps))
        optimizer.step()
        model.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        if told is not None:
            told(step, losses[-1])
    return losses


def save_organism(model, start: dict[str, Tensor], path: Path) -> None:
    """Write what differs from ``start`` (the small parameters before training), in bfloat16."""
    changes = {name: (p.detach().cpu() - start[name]).bfloat16() for name, p in small_parameters(model).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_whole(path, changes, {"about": "change of gpt-oss-tiny's norms, biases and routers; add to the weights"})


if __name__ == "__main__":
    trained = load_model(experts="dense", dtype=torch.float32)
    before = {name: p.detach().clone() for name, p in small_parameters(trained).items()}
    train_organism(trained, told=lambda step, loss: print(f"step {step:3} · loss {loss:.4f}", file=sys.stderr))
    save_organism(trained, before, Path(sys.argv[1]) if len(sys.argv) > 1 else data_path(FILE))
