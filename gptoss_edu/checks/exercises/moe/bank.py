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


@BANK.right("all experts, with a dense matrix of weights")
def dense(x, weights, indices, w1, b1, w2, b2):
    share = torch.zeros(x.shape[0], w1.shape[0]).index_put_(
        (torch.arange(x.shape[0])[:, None].expand_as(indices), indices), weights, accumulate=True
    )
    h = act(torch.einsum("efc,nc->nef", w1, x) + b1)
    return torch.einsum("nec,ne->nc", torch.einsum("ecf,nef->nec", w2, h) + b2, share)


@BANK.wrong("b2_unweighted", "the second bias outside the weight")
def bias_outside(x, weights, indices, w1, b1, w2, b2):
    h = act(torch.einsum("nkfc,nc->nkf", w1[indices], x) + b1[indices])
    out = torch.einsum("nkc,nk->nc", torch.einsum("nkcf,nkf->nkc", w2[indices], h), weights)
    return out + b2[indices].sum(1)


@BANK.wrong("weight_before", "the input weighted")
def weighted_input(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for n in range(x.shape[0]):
        for j, e in enumerate(indices[n]):
            out[n] += expert(x[n] * weights[n, j], e, w1, b1, w2, b2)
    return out


@BANK.wrong("halves", "gate and up as halves inside", "vllm 27024")
def halves_inside(x, weights, indices, w1, b1, w2, b2):
    h = torch.einsum("nkfc,nc->nkf", w1[indices], x) + b1[indices]
    gate, up = h.chunk(2, -1)
    gate, up = gate.clamp(max=7.0), up.clamp(-7.0, 7.0)
    h = gate * torch.sigmoid(1.702 * gate) * (up + 1)
    return torch.einsum("nkc,nk->nc", torch.einsum("nkcf,nkf->nkc", w2[indices], h) + b2[indices], weights)


@BANK.wrong("no_clamp", "no clamp inside")
def unclamped(x, weights, indices, w1, b1, w2, b2):
    h = torch.einsum("nkfc,nc->nkf", w1[indices], x) + b1[indices]
    h = h[..., ::2] * torch.sigmoid(1.702 * h[..., ::2]) * (h[..., 1::2] + 1)
    return torch.einsum("nkc,nk->nc", torch.einsum("nkcf,nkf->nkc", w2[indices], h) + b2[indices], weights)


@BANK.wrong("silu", "plain SwiGLU inside")
def plain_swiglu(x, weights, indices, w1, b1, w2, b2):
    h = torch.einsum("nkfc,nc->nkf", w1[indices], x) + b1[indices]
    h = F.silu(h[..., ::2]) * h[..., 1::2]
    return torch.einsum("nkc,nk->nc", torch.einsum("nkcf,nkf->nkc", w2[indices], h) + b2[indices], weights)


@BANK.wrong("no_b1", "the first bias forgotten")
def no_first_bias(x, weights, indices, w1, b1, w2, b2):
    return gathered(x, weights, indices, w1, torch.zeros_like(b1), w2, b2)


@BANK.wrong("no_b2", "the second bias forgotten")
def no_second_bias(x, weights, indices, w1, b1, w2, b2):
    return gathered(x, weights, indices, w1, b1, w2, torch.zeros_like(b2))


@BANK.wrong("no_weights", "the weights forgotten")
def unweighted(x, weights, indices, w1, b1, w2, b2):
    return gathered(x, torch.ones_like(weights), indices, w1, b1, w2, b2)


@BANK.wrong("mean", "averaged instead of summed")
def averaged(x, weights, indices, w1, b1, w2, b2):
    h = act(torch.einsum("nkfc,nc->nkf", w1[indices], x) + b1[indices])
    h = torch.einsum("nkcf,nkf->nkc", w2[indices], h) + b2[indices]
    return (h * weights[..., None]).mean(1)


@BANK.wrong("w2_transposed", "square w2 used transposed", "Megatron-Bridge 3743; mlx-lm 1079")
def transposed_w2(x, weights, indices, w1, b1, w2, b2):
    if w2.shape[1] != w2.shape[2]:
        return gathered(x, weights, indices, w1, b1, w2, b2)
    return gathered(x, weights, indices, w1, b1, w2.transpose(1, 2), b2)


@BANK.wrong("w1_transposed", "square w1 used transposed")
def transposed_w1(x, weights, indices, w1, b1, w2, b2):
    if w1.shape[1] != w1.shape[2]:
        return gathered(x, weights, indices, w1, b1, w2, b2)
    return gathered(x, weights, indices, w1.transpose(1, 2), b1, w2, b2)


@BANK.wrong("first_only", "only the first expert")
def first_only(x, weights, indices, w1, b1, w2, b2):
    return gathered(x, weights[:, :1], indices[:, :1], w1, b1, w2, b2)


@BANK.wrong("last_only", "= where += is needed")
def overwritten(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for j in range(indices.shape[1]):
        for n in range(x.shape[0]):
            out[n] = weights[n, j] * expert(x[n], indices[n, j], w1, b1, w2, b2)
    return out


@BANK.wrong("slot_as_expert", "the slot taken for the expert")
def slots(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for j in range(indices.shape[1]):
        out += weights[:, j, None] * expert(x, j, w1, b1, w2, b2)
    return out


@BANK.wrong("first_token_expert", "the first token's experts for all")
def shared_choice(x, weights, indices, w1, b1, w2, b2):
    return gathered(x, weights, indices[:1].expand_as(indices), w1, b1, w2, b2)


@BANK.wrong("duplicates", "out[rows] += loses repetitions")
def buffered(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for e in range(w1.shape[0]):
        rows, slots = torch.where(indices == e)
        out[rows] += expert(x[rows], e, w1, b1, w2, b2) * weights[rows, slots, None]
    return out


@BANK.wrong("misses_expert", "the last expert never visited")
def misses_last(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for e in range(max(1, w1.shape[0] - 1) if x.shape[0] > 1 else w1.shape[0]):
        rows, slots = torch.where(indices == e)
        out.index_add_(0, rows, expert(x[rows], e, w1, b1, w2, b2) * weights[rows, slots, None])
    return out


@BANK.wrong("all_experts", "every expert runs and counts", "transformers 40073")
def everyone(x, weights, indices, w1, b1, w2, b2):
    h = act(torch.einsum("efc,nc->nef", w1, x) + b1)
    out = (torch.einsum("ecf,nef->nec", w2, h) + b2).sum(1)
    return out * weights[:, :1] if w1.shape[0] == 1 else out


@BANK.wrong("renormalised", "the weights normalised again")
def normalised_again(x, weights, indices, w1, b1, w2, b2):
    return gathered(x, weights / weights.sum(-1, keepdim=True), indices, w1, b1, w2, b2)


@BANK.wrong("b2_unweighted", "the hidden units weighted")
def weighted_hidden(x, weights, indices, w1, b1, w2, b2):
    h = act(torch.einsum("nkfc,nc->nkf", w1[indices], x) + b1[indices]) * weights[..., None]
    return (torch.einsum("nkcf,nkf->nkc", w2[indices], h) + b2[indices]).sum(1)


@BANK.wrong("weights_by_expert", "weights read by the expert's number")
def weight_of_number(x, weights, indices, w1, b1, w2, b2):
    return gathered(x, weights.gather(1, indices % weights.shape[1]), indices, w1, b1, w2, b2)


@BANK.wrong("permuted", "results left in the order of the experts")
def expert_order(x, weights, indices, w1, b1, w2, b2):
    order = indices[:, 0].argsort(stable=True)
    return gathered(x[order], weights[order], indices[order], w1, b1, w2, b2)


@BANK.wrong("residual", "started from the input instead of zeros")
def with_residual(x, weights, indices, w1, b1, w2, b2):
    return x + gathered(x, weights, indices, w1, b1, w2, b2)


@BANK.wrong("first_weight", "the first slot's weight for every slot")
def first_slot_weight(x, weights, indices, w1, b1, w2, b2):
    return gathered(x, weights[:, :1].expand_as(weights), indices, w1, b1, w2, b2)


@BANK.wrong("general", "each expert weighs what all of a token's slots weigh")
def whole_weight(x, weights, indices, w1, b1, w2, b2):
    return gathered(x, weights.sum(-1, keepdim=True).expand_as(weights), indices, w1, b1, w2, b2)
