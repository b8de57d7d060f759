"""Solutions of `swiglu`."""

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("swiglu")


@BANK.right("slices with a step")
def slices(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.right("unflatten into pairs, minimum and maximum")
def pairs(x, alpha=1.702, limit=7.0):
    gate, up = x.unflatten(-1, (-1, 2)).unbind(-1)
    ceiling = torch.tensor(limit, dtype=x.dtype)
    gate = torch.minimum(gate, ceiling)
    up = torch.maximum(torch.minimum(up, ceiling), -ceiling)
    return (up + 1) * gate / (1 + torch.exp(-alpha * gate))


@BANK.right("copies clamped in place, SiLU of alpha gate over alpha")
def in_place(x, alpha=1.702, limit=7.0):
    gate, up = x[..., 0::2].clone(), x[..., 1::2].clone()
    gate.clamp_(max=limit)
    up.clamp_(min=-limit, max=limit)
    act = torch.nn.functional.silu(alpha * gate) / alpha
    return act * up + act


@BANK.right("one unit at a time")
def loop(x, alpha=1.702, limit=7.0):
    columns = []
    for j in range(x.shape[-1] // 2):
        gate, up = x[..., 2 * j].double(), x[..., 2 * j + 1].double()
        gate = torch.where(gate > limit, torch.full_like(gate, limit), gate)
        up = up.clip(-limit, limit)
        columns.append(gate * (alpha * gate).sigmoid() * (1 + up))
    return torch.stack(columns, -1).to(x.dtype)


@BANK.wrong("halves", "gate and up as halves", "vllm 27024, 29273; ATOM 885")
def as_halves(x, alpha=1.702, limit=7.0):
    gate, up = x.chunk(2, -1)
    gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("exchanged", "gate and up exchanged")
def exchanged(x, alpha=1.702, limit=7.0):
    gate, up = x[..., 1::2].clamp(max=limit), x[..., 0::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("no_plus_one", "without the + 1")
def no_plus_one(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * up


@BANK.wrong("alpha_one", "SiLU: alpha 1")
def silu(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return torch.nn.functional.silu(gate) * (up + 1)


@BANK.wrong("gate_clamped_below", "a symmetric clamp", "prime-rl 2365")
def symmetric(x, alpha=1.702, limit=7.0):
    x = x.clamp(-limit, limit)
    gate, up = x[..., ::2], x[..., 1::2]
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("gate_not_clamped", "no clamp at all")
def no_clamp(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2], x[..., 1::2]
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("up_not_clamped", "only the gate clamped")
def gate_only(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2]
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("up_one_sided", "up clamped from above only")
def one_sided(x, alpha=1.702, limit=7.0):
    x = x.clamp(max=limit)
    gate, up = x[..., ::2], x[..., 1::2]
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("clamp_exchanged", "the two clamps exchanged")
def clamps_exchanged(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(-limit, limit), x[..., 1::2].clamp(max=limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("clamp_after", "1 added before the clamp")
def one_before_clamp(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), (x[..., 1::2] + 1).clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * up


@BANK.wrong("no_gate_factor", "GLU: the sigmoid alone")
def glu(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("gelu", "GELU for its approximation")
def gelu(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return torch.nn.functional.gelu(gate) * (up + 1)


@BANK.wrong("alpha_hard_coded", "alpha written in")
def fixed_alpha(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(1.702 * gate) * (up + 1)


@BANK.wrong("limit_hard_coded", "the limit written in")
def fixed_limit(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=7.0), x[..., 1::2].clamp(-7.0, 7.0)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("clamp_result", "the result clamped")
def clamp_result(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2], x[..., 1::2]
    return (gate * torch.sigmoid(alpha * gate) * (up + 1)).clamp(-limit, limit)


@BANK.wrong("shape", "the width kept")
def full_width(x, alpha=1.702, limit=7.0):
    return x * torch.sigmoid(alpha * x) * (x + 1)


@BANK.wrong("plus_one_gate", "1 added to the activated gate")
def one_to_the_gate(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return (gate * torch.sigmoid(alpha * gate) + 1) * up


@BANK.wrong("alpha_outside", "alpha outside the sigmoid")
def alpha_outside(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return alpha * gate * torch.sigmoid(gate) * (up + 1)


@BANK.wrong("sigmoid_of_up", "the sigmoid of up")
def sigmoid_of_up(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * up) * (up + 1)


@BANK.wrong("relu", "a ReLU")
def relu(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return gate.relu() * (up + 1)


@BANK.wrong("input_changed", "the caller's tensor clamped in place")
def clamps_its_input(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2], x[..., 1::2]
    gate.clamp_(max=limit)
    up.clamp_(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("clamp_outside_sigmoid", "the gate clamped outside the sigmoid only")
def clamped_outside(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2], x[..., 1::2].clamp(-limit, limit)
    return gate.clamp(max=limit) * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("limit_hard_coded", "the gate's limit written in")
def fixed_gate_limit(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=7.0), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("plus_one_gate", "1 added to the gate's factor")
def one_to_the_factor(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return (gate + 1) * torch.sigmoid(alpha * gate) * up


@BANK.wrong("plus_one_gate", "1 added to the gate, inside the sigmoid too")
def one_to_the_gate_everywhere(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit) + 1, x[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * up


@BANK.wrong("tanh", "tanh of alpha times the gate")
def tanh(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.tanh(alpha * gate) * (up + 1)


@BANK.wrong("tanh", "tanh of the gate")
def tanh_alone(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.tanh(gate) * (up + 1)


@BANK.wrong("plus_one_outside", "the brackets of up + 1 forgotten")
def without_brackets(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * up + 1


@BANK.wrong("clamp_is_minimum", "the limit given to clamp as its first argument")
def clamp_by_position(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(limit), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@BANK.wrong("general", "computed in half precision")
def in_half_precision(x, alpha=1.702, limit=7.0):
    gate, up = x.half()[..., ::2].clamp(max=limit), x.half()[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)
