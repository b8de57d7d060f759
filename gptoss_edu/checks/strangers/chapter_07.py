"""Wrong solutions of chapter 07, written from its text alone."""

import torch

from gptoss_edu.checks.exercises.own.interleave import BANK as INTERLEAVE
from gptoss_edu.checks.exercises.own.run_expert import BANK as RUN_EXPERT
from gptoss_edu.checks.exercises.swiglu.bank import BANK as SWIGLU
from gptoss_edu.moe import swiglu


@SWIGLU.wrong("halves", "gate and up are halves instead of alternating", unseen=True)
def swiglu_1(x, alpha=1.702, limit=7.0):
    gate, up = x.chunk(2, -1)
    gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@SWIGLU.wrong("no_plus_one", "the + 1 is forgotten", unseen=True)
def swiglu_2(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * up


@SWIGLU.wrong("no_gate_factor", "the sigmoid stands alone: the factor gate is missing", unseen=True)
def swiglu_3(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return torch.sigmoid(alpha * gate) * (up + 1)


@SWIGLU.wrong("plus_one_gate", "the + 1 stands at the gate, not at up", unseen=True)
def swiglu_4(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return (gate * torch.sigmoid(alpha * gate) + 1) * up


@RUN_EXPERT.wrong(
    "the first bias", "the first bias is added after the activation's input was split off: it is forgotten", unseen=True
)
def run_expert_1(x, w1, b1, w2, b2):
    return swiglu(x @ w1.T) @ w2.T + b2


@INTERLEAVE.wrong("three units", "all gates first, then all ups", unseen=True)
def interleave_1(gate, up):
    return torch.cat((gate, up))


@INTERLEAVE.wrong("one unit", "woven along the columns instead of the rows", unseen=True)
def interleave_2(gate, up):
    return torch.stack((gate, up), -1).flatten(1).reshape(2 * len(gate), -1)
