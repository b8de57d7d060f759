"""Leak a test set into training with a few steps on it, and measure what detects this.

The questions are products that gpt-oss-tiny cannot do at low effort. They leak as they are ("copied") or in another
language ("translated"), with their answers; fresh questions of the same kind show what else was learned.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import torch

from gptoss_edu.tasks.example import Example, final, message, system
from gptoss_edu.tasks.language_packs import pack
from gptoss_edu.training.objective import reference_loss
from gptoss_edu.training.packing import IGNORED, encode

from .benchmark import Question
from .contamination import contamination

RATE = 1e-3


def products(number: int, name: str, digits: int = 3) -> list[tuple[int, int]]:
    """Return pairs of factors; the same name gives the same pairs."""
    rng = random.Random(f"leaked:{name}")
    low, high = 10 ** (digits - 1), 10**digits - 1
    return [(rng.randint(low, high), rng.randint(low, high)) for _ in range(number)]


def as_example(a: int, b: int, language: str = "en", effort: str = "low") -> Example:
    """Return one product as a conversation with its right answer; in English always worded "What is a times b?"."""
    if language == "en":
        question = f"What is {a} times {b}?"
    else:
        wording = pack(language).pick(random.Random(f"{a}:{b}"), "product", "questions", False)[1]
        question = wording.format(a=a, b=b)
    turns = [system(effort), message("user", question), final(f"{a} × {b} = {a * b}")]
    return Example("product", "", effort, effort, 0, str(a * b), "number", 2, turns, None, language)


def batch_of(examples: Sequence[Example], encoding) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return tokens, codes and documents, (b, t) each: one conversation per row, padded on the right."""
    encoded = [encode(example, encoding) for example in examples]
    longest = max(len(ids) for ids, _ in encoded)
    tokens = np.full((len(encoded), longest), encoding.encode_single_token("<|endoftext|>"), np.int64)
    codes, documents = np.full_like(tokens, IGNORED), np.ones_like(tokens)  # padding is a separate document
    for row, (ids, labels) in enumerate(encoded):
        tokens[row, : len(ids)], codes[row, : len(ids)], documents[row, : len(ids)] = ids, labels, 0
    return torch.from_numpy(tokens), torch.from_numpy(codes), torch.from_numpy(documents)


def train_on(
    model,
    examples: Sequence[Example],
    steps: int = 20,
    rate: float = RATE,
    watch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Fit the model to these conversations, all of them in every step, by Adam; return the loss of each step.

    watch : called with (steps done, loss) after each step
    """
    tokens, codes, documents = (part.to(model.device) for part in batch_of(examples, model.tokenizer))
    parameters = [p.requires_grad_(True) for p in model.parameters()]
    optimizer = torch.optim.Adam(parameters, rate, betas=(0.9, 0.95))
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 3)
        loss, cross_entropy = reference_loss(model, tokens, codes, documents, balance=0.0)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(round(float(cross_entropy), 4))
        if watch:
            watch(step + 1, losses[-1])
    for parameter in parameters:
        parameter.requires_grad_(False)
    return losses


def search(pairs: Sequence[tuple[int, int]], texts: Sequence[str]) -> int:
    """Count how many test questions the search for common runs of words finds in the texts."""
    questions = [Question(f"{a}x{b}", [], str(a * b), plain=as_example(a, b).question) for a, b in pairs]
    return len(contamination(questions, texts)["touched"])
