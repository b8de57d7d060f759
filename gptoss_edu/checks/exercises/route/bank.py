"""Solutions of `route`."""

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("route")


@BANK.right("top-k, then softmax")
def top_then_softmax(x, weight, bias, k):
    values, indices = torch.nn.functional.linear(x, weight, bias).topk(k, -1)
    return values.softmax(-1), indices


@BANK.right("softmax, top-k, renormalise")
def softmax_then_top(x, weight, bias, k):
    probabilities = (x @ weight.T + bias).softmax(-1)
    values, indices = torch.topk(probabilities, k, dim=-1)
    return values / values.sum(-1, keepdim=True), indices


@BANK.right("argsort and gather")
def sorted_all(x, weight, bias, k):
    logits = torch.einsum("...c,ec->...e", x, weight) + bias
    indices = logits.argsort(-1, descending=True)[..., :k]
    chosen = logits.gather(-1, indices)
    powers = torch.exp(chosen - chosen[..., :1])
    return powers / powers.sum(-1, keepdim=True), indices


@BANK.right("a loop that takes the largest k times")
def loop(x, weight, bias, k):
    logits = (x.double() @ weight.double().T + bias.double()).reshape(-1, weight.shape[0])
    rest, values, indices = logits.clone(), [], []
    for _ in range(k):
        value, index = rest.max(-1)
        values.append(value)
        indices.append(index)
        rest.scatter_(-1, index[:, None], -torch.inf)
    shape = (*x.shape[:-1], k)
    return torch.stack(values, -1).softmax(-1).to(x.dtype).view(shape), torch.stack(indices, -1).view(shape)


@BANK.right("hidden logits at -inf, one softmax over all")
def masked(x, weight, bias, k):
    logits = x @ weight.mT + bias
    indices = logits.topk(k).indices
    kept = torch.full_like(logits, -torch.inf).scatter(-1, indices, logits.gather(-1, indices))
    return kept.softmax(-1).gather(-1, indices), indices


@BANK.wrong("softmax_first", "softmax before top-k, not renormalised")
def not_renormalised(x, weight, bias, k):
    return (x @ weight.T + bias).softmax(-1).topk(k, -1)


@BANK.wrong("softmax_axis", "softmax over the tokens")
def over_tokens(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k, -1)
    return values.softmax(0) if x.dim() > 1 and x.shape[0] > 1 else values.softmax(-1), indices


@BANK.wrong("double_softmax", "softmax of the chosen probabilities")
def double(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).softmax(-1).topk(k, -1)
    return values.softmax(-1), indices


@BANK.wrong("no_bias", "the bias forgotten")
def no_bias(x, weight, bias, k):
    values, indices = (x @ weight.T).topk(k, -1)
    return values.softmax(-1), indices


@BANK.wrong("bias_choice_only", "the bias for the choice only")
def choice_bias(x, weight, bias, k):
    logits = x @ weight.T
    indices = (logits + bias).topk(k, -1).indices
    return logits.gather(-1, indices).softmax(-1), indices


@BANK.wrong("sigmoid", "sigmoid weights")
def sigmoid(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k, -1)
    return values.sigmoid(), indices


@BANK.wrong("sigmoid", "normalised sigmoids")
def normalised_sigmoid(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).sigmoid().topk(k, -1)
    return values / values.sum(-1, keepdim=True), indices


@BANK.wrong("rising", "rising order")
def rising(x, weight, bias, k):
    logits = x @ weight.T + bias
    values, indices = logits.sort(-1)
    return values[..., -k:].softmax(-1), indices[..., -k:]


@BANK.wrong("by_index", "in the order of the experts' numbers")
def numbered(x, weight, bias, k):
    logits = x @ weight.T + bias
    indices = logits.topk(k, -1).indices.sort(-1).values
    return logits.gather(-1, indices).softmax(-1), indices


@BANK.wrong("unpaired", "indices sorted, weights not")
def unpaired(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k, -1)
    return values.softmax(-1), indices.sort(-1).values


@BANK.wrong("smallest", "the smallest logits")
def smallest(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k, -1, largest=False)
    return values.softmax(-1), indices


@BANK.wrong("order", "indices first")
def other_order(x, weight, bias, k):
    return top_then_softmax(x, weight, bias, k)[::-1]


@BANK.wrong("k_ignored", "always four experts")
def always_four(x, weight, bias, k):
    return top_then_softmax(x, weight, bias, min(4, weight.shape[0]))


@BANK.wrong("linear_norm", "logits divided by their sum")
def linear(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k, -1)
    return values / values.sum(-1, keepdim=True), indices


@BANK.wrong("no_softmax", "the logits as weights")
def raw(x, weight, bias, k):
    return (x @ weight.T + bias).topk(k, -1)


@BANK.wrong("scaled", "logits divided by the root of the width")
def scaled(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k, -1)
    return (values / x.shape[-1] ** 0.5).softmax(-1), indices


@BANK.wrong("uniform", "all chosen experts alike")
def uniform(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).topk(k, -1)
    return torch.full_like(values, 1 / k), indices


@BANK.wrong("absolute", "chosen by magnitude")
def by_magnitude(x, weight, bias, k):
    logits = x @ weight.T + bias
    indices = logits.abs().topk(k, -1).indices
    return logits.gather(-1, indices).softmax(-1), indices


@BANK.wrong("bias_weights_only", "chosen without the bias")
def bias_after_choice(x, weight, bias, k):
    logits = x @ weight.T
    indices = logits.topk(k, -1).indices
    return (logits + bias).gather(-1, indices).softmax(-1), indices


@BANK.wrong("tokens_share", "the first token's experts for all")
def shared(x, weight, bias, k):
    logits = x @ weight.T + bias
    first = logits.reshape(-1, logits.shape[-1])[0].topk(k).indices
    indices = first.expand(*logits.shape[:-1], k)
    return logits.gather(-1, indices).softmax(-1), indices


@BANK.wrong("index_dtype", "indices as floating-point numbers")
def float_indices(x, weight, bias, k):
    weights, indices = top_then_softmax(x, weight, bias, k)
    return weights, indices.float()


@BANK.wrong("indices", "places among the chosen instead of experts")
def places(x, weight, bias, k):
    weights, indices = top_then_softmax(x, weight, bias, k)
    return weights, torch.arange(k).expand_as(indices)


@BANK.wrong("sum_of_all", "renormalised by the sum over all tokens")
def one_sum_for_all(x, weight, bias, k):
    values, indices = (x @ weight.T + bias).softmax(-1).topk(k, -1)
    return values / values.sum(), indices


@BANK.wrong("k_ignored", "a weight for every expert, 0 where it is not chosen")
def dense_weights(x, weight, bias, k):
    logits = x @ weight.T + bias
    values, indices = logits.topk(k, -1)
    return torch.zeros_like(logits).scatter(-1, indices, values.softmax(-1)), indices
