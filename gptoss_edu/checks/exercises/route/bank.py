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


@BANK.wrong("absolute", "chosen by magnitude")
def by_magnitude(x, weight, bias, k):
    logits = x @ weight.T + bias
    indices = logits.abs().topk(k, -1).indices
    return logits.gather(-1, indices).softmax(-1), indices


@BANK.wrong("tokens_share", "the first token's experts for all")
def shared(x, weight, bias, k):
    logits = x @ weight.T + bias
    first = logits.reshape(-1, logits.shape[-1])[0].topk(k).indices
    indices = first.expand(*logits.shape[:-1], k)
    return logits.gather(-1, indices).softmax(-1), indices


BANK.change(top_then_softmax)
SOFTMAX = "values.softmax(-1)"
PLAIN = ("linear(x, weight, bias)", "linear(x, weight)")

BANK.wrong(
    "softmax_first", "softmax before top-k, not renormalised", (".topk", ".softmax(-1).topk"), (SOFTMAX, "values")
)
BANK.wrong("softmax_axis", "softmax over the first axis", (SOFTMAX, "values.softmax(0)"))
BANK.wrong(
    "softmax_axis",
    "softmax over the second axis",
    (SOFTMAX, "values.softmax(1 if x.dim() > 1 else 0)"),
)
BANK.wrong("double_softmax", "softmax of the chosen probabilities", (".topk", ".softmax(-1).topk"))
BANK.wrong("no_bias", "the bias forgotten", PLAIN)
BANK.wrong(
    "bias_choice_only", "the bias for the choice only", (SOFTMAX, "(x @ weight.T).gather(-1, indices).softmax(-1)")
)
BANK.wrong("bias_weights_only", "chosen without the bias", PLAIN, (SOFTMAX, "(values + bias[indices]).softmax(-1)"))
BANK.wrong(
    "bias_on_probabilities",
    "the bias added to probabilities, the chosen renormalised",
    PLAIN,
    (".topk", ".softmax(-1).add(bias).topk"),
    (SOFTMAX, "values / values.sum(-1, keepdim=True)"),
)
BANK.wrong(
    "bias_on_probabilities",
    "the bias added to probabilities, as they are",
    PLAIN,
    (".topk", ".softmax(-1).add(bias).topk"),
    (SOFTMAX, "values"),
)
BANK.wrong(
    "bias_on_probabilities",
    "the bias added to probabilities, then a softmax",
    PLAIN,
    (".topk", ".softmax(-1).add(bias).topk"),
)
BANK.wrong(
    "bias_on_probabilities",
    "the bias added to the chosen weights",
    PLAIN,
    (SOFTMAX, "values.softmax(-1) + bias[indices]"),
)
BANK.wrong("sigmoid", "sigmoid weights", (SOFTMAX, "values.sigmoid()"))
BANK.wrong("sigmoid", "normalised sigmoids", (SOFTMAX, "values.sigmoid() / values.sigmoid().sum(-1, keepdim=True)"))
BANK.wrong("rising", "rising order", (SOFTMAX, "values.flip(-1).softmax(-1)"), ("), indices", "), indices.flip(-1)"))
BANK.wrong("sorted_false", "topk with sorted=False", (".topk(k, -1)", ".topk(k, -1, sorted=False)"))
BANK.wrong(
    "by_index",
    "in the order of the experts' numbers",
    (
        "    return values",
        "    indices, order = indices.sort(-1)\n    values = values.gather(-1, order)\n    return values",
    ),
)
BANK.wrong("unpaired", "indices sorted, weights not", ("), indices", "), indices.sort(-1).values"))
BANK.wrong("unpaired", "weights reversed, indices not", (SOFTMAX, "values.softmax(-1).flip(-1)"))
BANK.wrong("smallest", "the smallest logits", (".topk(k, -1)", ".topk(k, -1, largest=False)"))
BANK.wrong("order", "indices first", ("values.softmax(-1), indices", "indices, values.softmax(-1)"))
BANK.wrong("k_ignored", "always four experts", (".topk(k", ".topk(min(4, len(weight))"))
BANK.wrong(
    "k_ignored",
    "a weight for every expert, 0 where it is not chosen",
    (SOFTMAX, "values.new_zeros(*values.shape[:-1], len(weight)).scatter(-1, indices, values.softmax(-1))"),
)
BANK.wrong("linear_norm", "logits divided by their sum", (SOFTMAX, "values / values.sum(-1, keepdim=True)"))
BANK.wrong("no_softmax", "the logits as weights", (SOFTMAX, "values"))
BANK.wrong("scaled", "logits divided by the root of the width", (SOFTMAX, "(values / x.shape[-1] ** 0.5).softmax(-1)"))
BANK.wrong("uniform", "all chosen experts alike", (SOFTMAX, "torch.full_like(values, 1 / k)"))
BANK.wrong("absolute", "chosen by magnitude, weighed by magnitude", (".topk", ".abs().topk"))
BANK.wrong("index_dtype", "indices as floating-point numbers", ("), indices", "), indices.float()"))
BANK.wrong(
    "indices", "places among the chosen instead of experts", ("), indices", "), torch.arange(k).expand_as(indices)")
)
BANK.wrong(
    "sum_of_all",
    "renormalised by the sum over all tokens",
    (".topk", ".softmax(-1).topk"),
    (SOFTMAX, "values / values.sum()"),
)
BANK.wrong(
    "softmax_axis",
    "softmax of all logits over the tokens",
    (SOFTMAX, "(x @ weight.T + bias).softmax(0).gather(-1, indices)"),
)
