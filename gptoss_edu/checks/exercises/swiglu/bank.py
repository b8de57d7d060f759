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


BANK.change(slices)
GATE, UP, SPLIT = (
    "x[..., ::2].clamp(max=limit)",
    "x[..., 1::2].clamp(-limit, limit)",
    "x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)",
)
ACT, JOIN = "gate * torch.sigmoid(alpha * gate)", " * (up + 1)"
WHOLE = "gate * torch.sigmoid(alpha * gate) * (up + 1)"

BANK.wrong(
    "halves",
    "gate and up as halves",
    ("gate, up = ", "x = torch.stack(x.chunk(2, -1), -1).flatten(-2)\n    gate, up = "),
    seen="vllm 27024, 29273; ATOM 885",
)
BANK.wrong(
    "halves",
    "up and gate as halves",
    ("gate, up = ", "x = torch.stack(x.chunk(2, -1)[::-1], -1).flatten(-2)\n    gate, up = "),
)
BANK.wrong(
    "exchanged",
    "gate and up exchanged",
    ("x[..., ::2]", "x[..., 1::2]"),
    ("x[..., 1::2].clamp(-", "x[..., ::2].clamp(-"),
)
BANK.wrong("no_plus_one", "without the + 1", (JOIN, " * up"))
BANK.wrong("alpha_one", "SiLU: alpha 1", (ACT, "torch.nn.functional.silu(gate)"))
BANK.wrong("gate_clamped_below", "a symmetric clamp", (GATE, "x[..., ::2].clamp(-limit, limit)"), seen="prime-rl 2365")
BANK.wrong("gate_clamped_below", "the gate clamped from below only", (GATE, "x[..., ::2].clamp(min=-limit)"))
BANK.wrong("gate_clamped_below", "the gate between 0 and limit", (GATE, "x[..., ::2].clamp(0, limit)"))
BANK.wrong("gate_not_clamped", "no clamp at all", (SPLIT, "x[..., ::2], x[..., 1::2]"))
BANK.wrong("gate_not_clamped", "only up clamped", (GATE, "x[..., ::2]"))
BANK.wrong("up_not_clamped", "only the gate clamped", (UP, "x[..., 1::2]"))
BANK.wrong("up_one_sided", "up clamped from above only", (UP, "x[..., 1::2].clamp(max=limit)"))
BANK.wrong("up_one_sided", "up clamped from below only", (UP, "x[..., 1::2].clamp(min=-limit)"))
BANK.wrong(
    "clamp_exchanged",
    "the two clamps exchanged",
    (SPLIT, "x[..., ::2].clamp(-limit, limit), x[..., 1::2].clamp(max=limit)"),
)
BANK.wrong("clamp_after", "1 added before the clamp", (UP, "(x[..., 1::2] + 1).clamp(-limit, limit)"), (JOIN, " * up"))
BANK.wrong("clamp_after", "the activated gate clamped", (GATE, "x[..., ::2]"), (ACT, f"({ACT}).clamp(max=limit)"))
BANK.wrong("no_gate_factor", "GLU: the sigmoid alone", (ACT, "torch.sigmoid(alpha * gate)"))
BANK.wrong("gelu", "GELU for its approximation", (ACT, "torch.nn.functional.gelu(gate)"))
BANK.wrong("gelu", "GELU by tanh", (ACT, 'torch.nn.functional.gelu(gate, approximate="tanh")'))
BANK.wrong("alpha_hard_coded", "alpha written in", ("alpha * gate", "1.702 * gate"))
BANK.wrong(
    "limit_hard_coded", "the limit written in", (SPLIT, "x[..., ::2].clamp(max=7.0), x[..., 1::2].clamp(-7.0, 7.0)")
)
BANK.wrong("limit_hard_coded", "the gate's limit written in", ("clamp(max=limit)", "clamp(max=7.0)"))
BANK.wrong("limit_hard_coded", "up's limit written in", ("clamp(-limit, limit)", "clamp(-7.0, 7.0)"))
BANK.wrong(
    "clamp_result",
    "the result clamped",
    (SPLIT, "x[..., ::2], x[..., 1::2]"),
    (WHOLE, f"({WHOLE}).clamp(-limit, limit)"),
)
BANK.wrong("shape", "the width kept", (SPLIT, "x.clamp(max=limit), x.clamp(-limit, limit)"))
BANK.wrong("plus_one_gate", "1 added to the activated gate", (WHOLE, f"({ACT} + 1) * up"))
BANK.wrong("plus_one_gate", "1 added to the gate's factor", (WHOLE, "(gate + 1) * torch.sigmoid(alpha * gate) * up"))
BANK.wrong("plus_one_gate", "1 added to the gate, inside the sigmoid too", (GATE, GATE + " + 1"), (JOIN, " * up"))
BANK.wrong("alpha_outside", "alpha outside the sigmoid", (ACT, "alpha * gate * torch.sigmoid(gate)"))
BANK.wrong("sigmoid_of_up", "the sigmoid of up", ("alpha * gate", "alpha * up"))
BANK.wrong("relu", "a ReLU", (ACT, "gate.relu()"))
BANK.wrong(
    "input_changed",
    "the caller's tensor clamped in place",
    (SPLIT, "x[..., ::2].clamp_(max=limit), x[..., 1::2].clamp_(-limit, limit)"),
)
BANK.wrong(
    "clamp_outside_sigmoid",
    "the gate clamped outside the sigmoid only",
    (GATE, "x[..., ::2]"),
    (ACT, "gate.clamp(max=limit) * torch.sigmoid(alpha * gate)"),
)
BANK.wrong("tanh", "tanh of alpha times the gate", ("torch.sigmoid(", "torch.tanh("))
BANK.wrong("tanh", "tanh of the gate", ("torch.sigmoid(alpha * gate)", "torch.tanh(gate)"))
BANK.wrong("plus_one_outside", "the brackets of up + 1 forgotten", ("(up + 1)", "up + 1"))
BANK.wrong("clamp_is_minimum", "the limit given to clamp as its first argument", ("clamp(max=limit)", "clamp(limit)"))
BANK.wrong("general", "computed in half precision", ("gate, up = ", "x = x.half()\n    gate, up = "))
