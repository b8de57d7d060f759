"""`forward` (chapter 10): a whole gpt-oss from its parts."""

import copy
from functools import cache

import torch

from gptoss_edu import load_model
from gptoss_edu.attention import sliding_window_mask
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.rope import rope_cos_sin

CHECK = CaseCheck("forward", "(model, tokens (b, t)) -> (b, t, v)")
BANK = Bank("forward")


@cache
def tiny():
    return load_model()


def run_block(block, x):
    """Run one block on whole sequences; return the new stream, including the old one."""
    positions = torch.arange(x.shape[1])
    mask = sliding_window_mask(positions, positions, block.attn.window)[None]
    return block(x, rope_cos_sin(positions[None], tiny().config, x.dtype), mask, None)


def first_blocks(n):
    """Return gpt-oss-tiny with only its first n blocks."""
    small = copy.copy(tiny())
    small._modules = {**tiny()._modules, "block": tiny().block[:n]}
    return small


@CHECK.cases
def cases():
    model = tiny()
    few = torch.randint(model.config.vocab_size, (1, 6), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        none, one, three = (first_blocks(n)(few) for n in (0, 1, 3))
    loose = {"rtol": 1e-3, "atol": 1e-3}
    return [
        Case(
            "no block at all",
            (first_blocks(0), few),
            none,
            "Apply embedding, final norm and unembedding in this order; the unembedding is a separate matrix, not "
            "the transposed embedding. Return logits, not probabilities.",
            **loose,
        ),
        Case(
            "one block",
            (first_blocks(1), few),
            one,
            "run_block returns the NEW stream, the old one included: x = run_block(block, x). The first block "
            "gets the embedding as it is, without a factor; the final norm comes after the last block.",
            **loose,
        ),
        Case(
            "all blocks",
            (first_blocks(3), few),
            three,
            "Every block reads the result of the previous one; the norm and the head come once, after the last block.",
            **loose,
        ),
    ]


@BANK.right("look up, loop, norm, head")
def forward(model, tokens):
    x = model.embedding(tokens)
    for block in model.block:
        x = run_block(block, x)
    return model.unembedding(model.norm(x))


RETURN = "return model.unembedding(model.norm(x))"
BANK.wrong("no block at all", "without the final norm", ("model.norm(x)", "x"))
BANK.wrong(
    "no block at all",
    "the embedding transposed as the head",
    (RETURN, "return model.norm(x) @ model.embedding.weight.T"),
)
BANK.wrong("no block at all", "probabilities", (RETURN, f"{RETURN}.softmax(-1)"))
BANK.wrong("no block at all", "the stream, not the logits", (RETURN, "return model.norm(x)"))
BANK.wrong(
    "one block",
    "the embedding times the root of the width",
    ("model.embedding(tokens)", "model.embedding(tokens) * model.config.hidden_size**0.5"),
)
BANK.wrong("one block", "the old stream added again", ("x = run_block(block, x)", "x = x + run_block(block, x)"))
BANK.wrong("one block", "the block's result forgotten", ("x = run_block", "run_block"))
BANK.wrong("one block", "the final norm before every block", ("run_block(block, x)", "run_block(block, model.norm(x))"))
BANK.wrong(
    "all blocks",
    "the final norm between the blocks",
    (
        "    for block in model.block:\n",
        "    for i, block in enumerate(model.block):\n        x = model.norm(x) if i else x\n",
    ),
)
BANK.wrong(
    "all blocks",
    "every block reads the embedding",
    ("x = run_block(block, x)", "x = run_block(block, model.embedding(tokens))"),
)
BANK.wrong("all blocks", "the blocks in reverse", ("model.block:", "reversed(model.block):"))
BANK.wrong(
    "all blocks",
    "the last block left out, where there are several",
    ("model.block:", "(model.block if len(model.block) < 2 else model.block[:-1]):"),
)
