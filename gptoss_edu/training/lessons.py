"""Very small training runs for lessons: what Muon, balance, masks, decay and sinks change, measured on one processor.

    python -m gptoss_edu.training.lessons data/tiny_training/lessons.json        # takes minutes on one core

The models have 0.36 million parameters and see 0.4 million tokens: too little for answers, enough for curves.
"""

from __future__ import annotations

import json
import math
import platform
import sys
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from gptoss_edu.options import write_text
from gptoss_edu.resources import data_path
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.transformer import Transformer

from .fresh import TINY, initialise
from .objective import reference_loss
from .optim import Optimizer, schedule
from .packing import make_batch

LESSON = replace(
    TINY,
    num_hidden_layers=2,
    hidden_size=64,
    intermediate_size=64,
    num_experts=8,
    experts_per_token=2,
    num_attention_heads=4,
    head_dim=16,
)
VARIANTS = {  # name: difference from the recipe
    "recipe": {}, "plain AdamW": {"plain": True}, "no decay": {"decay": 0.0}, "no balance": {"balance": 0.0},
    "no document mask": {"masked": False}, "sinks stay at zero": {"sinks": 0.0},
}  # fmt: skip


@lru_cache(maxsize=600)
def lesson_batch(name: str, rows: int = 4, length: int = 256) -> tuple[Tensor, Tensor, Tensor]:
    """Return tokens, codes, documents, (rows, length) each; the same name gives the same batch."""
    batch = make_batch(load_tokenizer(data_path("gpt-oss-tiny")), rows, length, f"lesson:{name}")
    tokens, codes, documents = (torch.from_numpy(part) for part in batch)
    return tokens.long(), codes, documents


def lesson_run(
    steps: int, plain: bool = False, balance: float = 0.01, masked: bool = True, decay: float = 0.18,
    sinks: float = 9e-3, seed: int = 0,
) -> tuple[Transformer, dict]:  # fmt: skip
    """Train a `LESSON` model; returns it with its losses by step, held-out loss, and router load entropy by layer.

    Parameters
    ----------
    plain : AdamW for all; balance : weight of the balance loss; masked : documents hidden from each other
    decay : share of the run in which the rate falls to zero; sinks : their learning rate
    """
    model = initialise(LESSON, seed).train()
    optimizer = Optimizer(model, sinks=sinks, plain=plain)
    losses = []
    for step in range(steps):
        optimizer.set_scale(
            schedule(step / steps, step, warmup=20, decay=decay) if decay else min(1.0, (step + 1) / 20)
        )
        tokens, codes, documents = lesson_batch(f"{seed}:{step}")
        documents = documents if masked else torch.zeros_like(documents)
        loss, cross_entropy = reference_loss(model, tokens, codes, documents, balance)
        model.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(round(float(cross_entropy), 4))
    return model.eval(), {"losses": losses, **held_out(model)}


@torch.no_grad()
def held_out(model: Transformer, batches: int = 8) -> dict:
    """Compute the loss on held-out batches, and the entropy (bits) of each layer's expert load.

    The loss is the cross-entropy; documents in one row do not see each other.
    """
    counts = torch.zeros(len(model.block), model.config.num_experts)

    def counter(layer: int):
        def hook(indices: Tensor, name: str) -> None:
            counts[layer] += torch.bincount(indices.flatten(), minlength=counts.shape[1])

        return hook

    with model.hooks({f"block.{i}.mlp.expert_indices": counter(i) for i in range(len(model.block))}):
        losses = [float(reference_loss(model, *lesson_batch(f"held:{i}"))[1]) for i in range(batches)]
    load = counts / counts.sum(1, keepdim=True)
    entropy = -(load * load.clamp(min=1e-12).log2()).sum(1)
    return {
        "held_out": round(math.fsum(losses) / batches, 4),
        "load": [[round(float(p), 4) for p in row] for row in load],
        "load_entropy": [round(float(h), 3) for h in entropy],
    }


def main(path: Path, steps: int = 400, seeds: tuple[int, ...] = (0, 1)) -> None:
    """Run every variant with every seed; write the file after each run."""
    result = {
        "steps": steps,
        "device": platform.machine(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "runs": {},
    }
    for seed in seeds:
        for name, how in VARIANTS.items():
            found = lesson_run(steps, seed=seed, **how)[1]
            losses = found["losses"]
            found["losses"] = [round(sum(losses[i : i + 5]) / len(losses[i : i + 5]), 4) for i in range(0, steps, 5)]
            result["runs"].setdefault(name, []).append(found)
            print(f"seed {seed} {name}: held-out {found['held_out']}, load {found['load_entropy']}", flush=True)
            write_text(path, json.dumps(result, separators=(",", ":")))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
