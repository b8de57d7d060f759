"""A look at the model while it trains: answers to fixed questions, losses, sinks, router; kept as data for lessons."""

from __future__ import annotations

import random

import torch

from gptoss_edu.harmony import EFFORTS, Conversation, render
from gptoss_edu.tasks.mix import TASKS, make_example

from .answering import complete
from .probe import batch_losses, inside, probe_examples


def fixed_examples(seed: int = 5) -> list:
    """Return one question of every task, and three of those where effort matters at each effort."""
    examples = [
        make_example(random.Random(f"snapshot:{seed}:{task}"), task, split="test", effort="medium")
        for task in TASKS
        if task != "browser"
    ]
    for task, level in (("product", "3x3"), ("chain", "6"), ("word_problem", "3")):
        for effort in EFFORTS:
            examples.append(make_example(random.Random(f"snapshot:{seed}:{task}:{level}"), task, level, effort, "test"))
    return examples


def snapshot(model, max_new_tokens: int = 400, per_task: int = 16) -> dict:
    """Return losses by task, sink masses, router statistics and the text of the fixed answers."""
    was_training = model.training
    model.eval()
    with torch.no_grad(), model.fresh_rope():  # tables made here carry no gradients; training keeps its own
        probes = probe_examples(per_task)
        examples = fixed_examples()
        prompts = [render(Conversation.from_dict(e.prompt_conversation), encoding=model.tokenizer) for e in examples]
        sampled = complete(model, prompts, max_new_tokens)
        result = {
            "losses": batch_losses(model, probes),
            "inside": inside(model, probes),
            "sinks": [[round(float(s), 3) for s in block.attn.sinks] for block in model.block],
            "answers": [
                {
                    "task": e.task,
                    "level": e.level,
                    "effort": e.effort,
                    "question": e.question,
                    "wanted": e.answer,
                    "text": model.tokenizer.decode(tokens),
                }
                for e, tokens in zip(examples, sampled, strict=True)
            ],
        }
    model.train(was_training)
    return result
