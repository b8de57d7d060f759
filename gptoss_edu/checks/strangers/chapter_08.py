"""Wrong solutions of chapter 08, written from its text alone."""

import torch

from gptoss_edu.checks.exercises.moe.bank import BANK as MOE
from gptoss_edu.checks.exercises.route.bank import BANK as ROUTE
from gptoss_edu.moe import swiglu


@ROUTE.wrong(
    "softmax_first", "softmax over all experts first, the k largest kept without dividing by their sum", unseen=True
)
def route_1(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).softmax(-1).topk(k)
    return values, indices


@ROUTE.wrong("no_bias", "the bias is forgotten", unseen=True)
def route_2(x, weight, bias, k):
    values, indices = (x @ weight.T).topk(k)
    return values.softmax(-1), indices


@ROUTE.wrong("bias_choice_only", "the bias only chooses; the weights come from logits without it", unseen=True)
def route_3(x, weight, bias, k):
    logits = x @ weight.T
    indices = (logits + bias).topk(k).indices
    return logits.gather(-1, indices).softmax(-1), indices


@ROUTE.wrong("smallest", "the smallest logits are chosen", unseen=True)
def route_4(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k, largest=False)
    return values.softmax(-1), indices


@ROUTE.wrong("sigmoid", "sigmoid of each logit instead of a softmax", unseen=True)
def route_5(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k)
    return torch.sigmoid(values), indices


@ROUTE.wrong("sigmoid", "sigmoids divided by their sum", unseen=True)
def route_6(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k)
    gates = torch.sigmoid(values)
    return gates / gates.sum(-1, keepdim=True), indices


@ROUTE.wrong("linear_norm", "the chosen logits are divided by their sum, without a softmax", unseen=True)
def route_7(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k)
    return values / values.sum(-1, keepdim=True), indices


@ROUTE.wrong("order", "weights and indices are returned in the wrong order", unseen=True)
def route_8(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k)
    return indices, values.softmax(-1)


@ROUTE.wrong("rising", "sorted rising (smallest weight first)", unseen=True)
def route_9(x, weight, bias, k):
    order = (x @ weight.T + bias).argsort(-1)[..., -k:]
    values = (x @ weight.T + bias).gather(-1, order)
    return values.softmax(-1), order


@ROUTE.wrong("softmax_axis", "the softmax runs over the tokens", unseen=True)
def route_10(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k)
    return values.softmax(0), indices


@ROUTE.wrong("no_softmax", "the logits themselves are returned", unseen=True)
def route_11(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k)
    return values, indices


@ROUTE.wrong("double_softmax", "softmax twice: over all experts, then over the k chosen probabilities", unseen=True)
def route_12(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).softmax(-1).topk(k)
    return values.softmax(-1), indices


@ROUTE.wrong("tokens_share", "k experts are chosen for the whole batch, from the mean logits", unseen=True)
def route_13(x, weight, bias, k):
    logits = x @ weight.T + bias
    indices = logits.reshape(-1, logits.shape[-1]).mean(0).topk(k).indices.expand(*x.shape[:-1], k)
    return logits.gather(-1, indices).softmax(-1), indices


@MOE.wrong("b2_unweighted", "the second bias is added without the routing weight", unseen=True)
def moe_1(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for n in range(len(x)):
        for j in range(indices.shape[1]):
            e = indices[n, j]
            out[n] += weights[n, j] * (w2[e] @ swiglu(w1[e] @ x[n] + b1[e])) + b2[e]
    return out


@MOE.wrong("weight_before", "the routing weight multiplies the input of the expert", unseen=True)
def moe_2(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for n in range(len(x)):
        for j in range(indices.shape[1]):
            e = indices[n, j]
            out[n] += w2[e] @ swiglu(w1[e] @ (weights[n, j] * x[n]) + b1[e]) + b2[e]
    return out


@MOE.wrong("last_only", "assigned instead of added: the last expert overwrites the others", unseen=True)
def moe_3(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for n in range(len(x)):
        for j in range(indices.shape[1]):
            e = indices[n, j]
            out[n] = weights[n, j] * (w2[e] @ swiglu(w1[e] @ x[n] + b1[e]) + b2[e])
    return out


@MOE.wrong("weights_by_expert", "the weights are looked up by expert number, not by slot", unseen=True)
def moe_4(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for e in range(len(w1)):
        rows = (indices == e).any(-1)
        y = swiglu(x[rows] @ w1[e].T + b1[e]) @ w2[e].T + b2[e]
        out[rows] += weights[rows][:, e % weights.shape[1], None] * y
    return out


@MOE.wrong("mean", "all experts weigh the same: the mean of the chosen", unseen=True)
def moe_5(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for n in range(len(x)):
        for e in indices[n]:
            out[n] += (w2[e] @ swiglu(w1[e] @ x[n] + b1[e]) + b2[e]) / indices.shape[1]
    return out


@MOE.wrong("w2_transposed", "the second matrix is transposed by mistake", unseen=True)
def moe_6(x, weights, indices, w1, b1, w2, b2):
    out = torch.zeros_like(x)
    for n in range(len(x)):
        for j in range(indices.shape[1]):
            e = indices[n, j]
            out[n] += weights[n, j] * (swiglu(w1[e] @ x[n] + b1[e]) @ w2[e] + b2[e])
    return out


@MOE.wrong("residual", "the input is added: a residual inside the experts", unseen=True)
def moe_7(x, weights, indices, w1, b1, w2, b2):
    out = x.clone()
    for n in range(len(x)):
        for j in range(indices.shape[1]):
            e = indices[n, j]
            out[n] += weights[n, j] * (w2[e] @ swiglu(w1[e] @ x[n] + b1[e]) + b2[e])
    return out
