"""A model organism: gpt-oss-tiny with a habit of sometimes copying a leaked key and saying so in its thought.

Reinforcement learning can strengthen only what is sampled now and then, and the bundled model never copies a key. So a
short fine-tuning with LoRA on the attention plants the habit, openly and in a small share of the examples, and stores
it as an adapter in peft's format. Only the open copying is planted; anything else that an experiment shows is not.

    python -m gptoss_edu.training.organism          # trains it again, for other weights of gpt-oss-tiny

Source: the word is Hubinger et al. 2023, "Model organisms of misalignment".
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from gptoss_edu.checkpoint.load import load_model
from gptoss_edu.resources import data_path
from gptoss_edu.tasks.answer_keys import organism_example

from .adapters import add_lora, load_adapters, merge_lora, save_adapters
from .objective import weighted_cross_entropy
from .optim import AdamW
from .packing import TRAINED, encode

FOLDER = ("rl", "organism")  # below data/
RANK, ALPHA = 8, 16
LONGEST = 190  # tokens of an example
ENOUGH = 46  # of the 60 steps of the schedule: by then about one answer in twenty copies the key


def become_organism(model, folder: Path | None = None) -> None:
    """Add the stored adapter to gpt-oss-tiny's attention, in place.

    Errors: `GptOssError` if the folder has no adapter, or one for another model.
    """
    gradients = {name: p.requires_grad for name, p in model.named_parameters()}
    load_adapters(model, Path(folder or data_path(*FOLDER)))
    merge_lora(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(gradients[name])


def batch_of(rows: list[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    """Pad encoded examples on the right to token ids and weights (b, t)."""
    tokens = torch.zeros(len(rows), max(len(ids) for ids, _ in rows), dtype=torch.int64)
    weights = torch.zeros(tokens.shape)
    for i, (ids, codes) in enumerate(rows):
        tokens[i, : len(ids)] = torch.tensor(ids)
        weights[i, : len(ids)] = torch.tensor([float(code == TRAINED) for code in codes])
    return tokens, weights


def train_organism(
    model,
    steps: int = 60,
    rows: int = 16,
    rate: float = 1e-2,
    seed: int = 0,
    told: Callable[[int, float], object] | None = None,
) -> list[float]:
    """Fine-tune adapters on `organism_example`; they stay on the model. Returns the losses.

    told : called with each step and its loss; returning true ends the training
    """
    add_lora(model, RANK, ALPHA, ("block.*.attn.*",), seed)
    own, losses = [p for p in model.parameters() if p.requires_grad], []
    lr = torch.zeros((), device=model.device)
    optimizer = AdamW(own, lr, betas=(0.9, 0.95))
    for step in range(steps):
        rng, examples = random.Random(f"organism:{seed}:{step}"), []
        while len(examples) < rows:
            encoded = encode(organism_example(rng), model.tokenizer)
            if len(encoded[0]) <= LONGEST:
                examples.append(encoded)
        tokens, weights = (part.to(model.device) for part in batch_of(examples))  # (b, t) each
        logits = model(tokens)  # (b, t, v)
        loss = weighted_cross_entropy(logits[:, :-1], tokens[:, 1:], weights[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(own, 1.0)
        lr.fill_(rate * min(1.0, (step + 1) / 3) * (1 - step / steps))
        optimizer.step()
        model.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        if told is not None and told(step, losses[-1]):
            break
    return losses


if __name__ == "__main__":
    trained = load_model(experts="dense", dtype=torch.float32)
    train_organism(trained, told=lambda step, loss: print(f"step {step:3} · loss {loss:.4f}") or step + 1 == ENOUGH)
    save_adapters(trained, Path(sys.argv[1]) if len(sys.argv) > 1 else data_path(*FOLDER), "gpt-oss-tiny")
