"""Solutions of `moe`."""

import torch
import torch.nn.functional as F

from gptoss_edu.checks.bank import Bank

BANK = Bank("moe")


def act(h):
    gate, up = h[..., ::2].clamp(max=7.0), h[..., 1::2].clamp(-7.0, 7.0)
    return gate * torch.sigmoid(1.702 * gate) * (up + 1)


def expert(x, e, w1, b1, w2, b2):
    return F.linear(act(F.linear(x, w1[e], b1[e])), w2[e], b2[e])


@BANK.right("token by token, slot by slot")
def loops(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for n in range(x.shape[0]):
        for j in range(indices.shape[1]):
            e = indices[n, j]
            hidden = act(w1[e] @ x[n] + b1[e])
            out[n] += weights[n, j] * (w2[e] @ hidden + b2[e])
    return out


@BANK.right("gathered weights and einsum, as the public reference does")
def gathered(x, weights, indices, w1, b1, w2, b2):
    h = torch.einsum("nkfc,nc->nkf", w1[indices], x) + b1[indices]
    h = act(h)
    h = torch.einsum("nkcf,nkf->nkc", w2[indices], h) + b2[indices]
    return torch.einsum("nkc,nk->nc", h, weights)


@BANK.right("expert by expert, index_add_")
def by_expert(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros(x.shape[0], w2.shape[1])
    for e in range(w1.shape[0]):
        rows, slots = torch.where(indices == e)
        if len(rows):
            out.index_add_(0, rows, expert(x[rows], e, w1, b1, w2, b2) * weights[rows, slots, None])
    return out


@BANK.right("all experts, with a dense matrix of weights by a scatter")
def dense(x, weights, indices, w1, b1, w2, b2):
    share = torch.zeros(x.shape[0], w1.shape[0]).scatter(1, indices, weights)
    h = act(torch.einsum("efc,nc->nef", w1, x) + b1)
    return torch.einsum("nec,ne->nc", torch.einsum("ecf,nef->nec", w2, h) + b2, share)


@BANK.right("expert by expert, out[rows] +=: the rows of one expert are distinct")
def buffered(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for e in range(w1.shape[0]):
        rows, slots = torch.where(indices == e)
        out[rows] += expert(x[rows], e, w1, b1, w2, b2) * weights[rows, slots, None]
    return out


BANK.change(gathered)
SUM, START, RETURN = 'torch.einsum("nkc,nk->nc", h, weights)', '    h = torch.einsum("nkfc', "h, weights)"
GATE, UP = "h[..., ::2]", "h[..., 1::2]"

BANK.wrong(
    "b2_unweighted",
    "the second bias outside the weight",
    (" + b2[indices]", ""),
    (RETURN, "h, weights) + b2[indices].sum(1)"),
)
BANK.wrong("b2_unweighted", "the hidden units weighted", ("act(h)", "act(h) * weights[..., None]"), (SUM, "h.sum(1)"))
BANK.wrong(
    "weight_before",
    "the input weighted",
    ("w1[indices], x)", "w1[indices] * weights[..., None, None], x)"),
    (SUM, "h.sum(1)"),
)
BANK.wrong(
    "halves",
    "gate and up as halves inside",
    ("act(h)", "act(torch.stack(h.chunk(2, -1), -1).flatten(-2))"),
    seen="vllm 27024",
)
BANK.wrong("no_clamp", "no clamp inside", ("act(h)", f"{GATE} * torch.sigmoid(1.702 * {GATE}) * ({UP} + 1)"))
BANK.wrong("silu", "plain SwiGLU inside", ("act(h)", f"F.silu({GATE}) * {UP}"))
BANK.wrong("silu", "SiLU with the + 1", ("act(h)", f"F.silu({GATE}) * ({UP} + 1)"))
BANK.wrong("silu", "the + 1 forgotten, no clamp", ("act(h)", f"{GATE} * torch.sigmoid(1.702 * {GATE}) * {UP}"))
BANK.wrong("no_b1", "the first bias forgotten", (" + b1[indices]", ""))
BANK.wrong("no_b2", "the second bias forgotten", (" + b2[indices]", ""))
BANK.wrong("no_weights", "the weights forgotten", (SUM, "h.sum(1)"))
BANK.wrong("mean", "averaged instead of summed", (RETURN, "h, weights) / indices.shape[1]"))
BANK.wrong("mean", "the mean of the outputs, the weights forgotten", (SUM, "h.mean(1)"))
BANK.wrong(
    "w2_transposed",
    "w2 used transposed",
    ("w2[indices], h)", "w2[indices].mT, h)"),
    seen="Megatron-Bridge 3743; mlx-lm 1079",
)
BANK.wrong("w1_transposed", "w1 used transposed", ("w1[indices], x)", "w1[indices].mT, x)"))
BANK.wrong(
    "w2_transposed",
    "square w2 used transposed",
    ("w2[indices], h)", "(w2[indices].mT if w2.shape[1] == w2.shape[2] else w2[indices]), h)"),
)
BANK.wrong(
    "w1_transposed",
    "square w1 used transposed",
    ("w1[indices], x)", "(w1[indices].mT if w1.shape[1] == w1.shape[2] else w1[indices]), x)"),
)
BANK.wrong("first_only", "only the first expert", (RETURN, "h[:, :1], weights[:, :1])"))
BANK.wrong("first_only", "only the first expert, unweighted", (SUM, "h[:, 0]"))
BANK.wrong("last_only", "= where += is needed", (SUM, "h[:, -1] * weights[:, -1:]"))
BANK.wrong(
    "slot_as_expert",
    "the slot taken for the expert",
    (START, f"    indices = torch.arange(indices.shape[1]).expand_as(indices)\n{START}"),
)
BANK.wrong(
    "first_token_expert",
    "the first token's experts for all",
    (START, f"    indices = indices[:1].expand_as(indices)\n{START}"),
)
BANK.wrong("first_token_expert", "the first token's weights for all", (RETURN, "h, weights[:1].expand_as(weights))"))
BANK.wrong("renormalised", "the weights normalised again", (RETURN, "h, weights / weights.sum(-1, keepdim=True))"))
BANK.wrong("renormalised", "a softmax of the weights", (RETURN, "h, weights.softmax(-1))"))
BANK.wrong(
    "weights_by_expert",
    "weights read by the expert's number",
    (RETURN, "h, weights.gather(1, indices % weights.shape[1]))"),
)
BANK.wrong("weights_by_expert", "the weights of the neighbouring slots", (RETURN, "h, weights.roll(1, -1))"))
BANK.wrong(
    "permuted",
    "results left in the order of the experts",
    (
        START,
        "    order = indices[:, 0].argsort(stable=True)\n    x, weights, indices = x[order], weights[order], "
        "indices[order]\n" + START,
    ),
)
BANK.wrong("permuted", "results in reverse", (RETURN, "h, weights).flip(0)"))
BANK.wrong("residual", "started from the input instead of zeros", ("return ", "return x + "))
BANK.wrong("first_weight", "the first slot's weight for every slot", (RETURN, "h, weights[:, :1].expand_as(weights))"))
BANK.wrong(
    "general",
    "each expert weighs what all of a token's slots weigh",
    (RETURN, "h, weights.sum(-1, keepdim=True).expand_as(weights))"),
)

BANK.change(loops)
BANK.wrong("weights_by_expert", "weights indexed with the expert", ("weights[n, j]", "weights[n, e]"))
BANK.wrong("last_only", "written over in the loop", ("out[n] +=", "out[n] ="))

BANK.change(by_expert)
BANK.wrong("misses_expert", "the last expert never visited", ("range(w1.shape[0])", "range(w1.shape[0] - 1)"))
BANK.wrong("misses_expert", "the first expert never visited", ("range(w1.shape[0])", "range(1, w1.shape[0])"))
BANK.wrong(
    "misses_expert",
    "the last expert never visited, where there are several",
    ("range(w1.shape[0])", "range(max(1, w1.shape[0] - 1))"),
)


@BANK.wrong("all_experts", "every expert runs and counts", seen="transformers 40073")
def everyone(x, weights, indices, w1, b1, w2, b2):
    h = act(torch.einsum("efc,nc->nef", w1, x) + b1)
    return (torch.einsum("ecf,nef->nec", w2, h) + b2).sum(1)
