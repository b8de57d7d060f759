"""Wrong solutions of chapter 05, written from its text alone."""

import torch

from gptoss_edu.checks.exercises.apply_rope.bank import BANK as APPLY_ROPE


@APPLY_ROPE.wrong("interleaved", "neighbouring pairs instead of halves", unseen=True)
def apply_rope_1(x, cos, sin):
    cos, sin = cos[:, None], sin[:, None]
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)


@APPLY_ROPE.wrong("backwards", "turned the other way round", unseen=True)
def apply_rope_2(x, cos, sin):
    cos, sin = cos[:, None], sin[:, None]
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), -1)


@APPLY_ROPE.wrong("swapped", "cos and sin swapped", unseen=True)
def apply_rope_3(x, cos, sin):
    cos, sin = sin[:, None], cos[:, None]
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)
