"""The check of `route`: logits, choice, weights that sum to one, over the right axis."""

import numpy as np
import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close, expect_pair, number, to_numpy
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "order": "The function returns (weights, indices), in this order.",
    "softmax_first": (
        "The softmax runs over ALL experts and the weights of the chosen are not renormalised: they sum to less than "
        "one. Take the top k of the logits, then the softmax over those k."
    ),
    "softmax_axis": (
        "The softmax runs over the tokens. The weights of one token's k experts sum to one: the softmax is over the "
        "last axis."
    ),
    "no_softmax": "The logits themselves are returned: there is no softmax.",
    "sigmoid": "The weights are sigmoids, as in some other models. gpt-oss takes a softmax over the chosen logits.",
    "linear_norm": "The chosen logits are divided by their sum. Logits may be negative: take a softmax.",
    "uniform": "All chosen experts get the same weight.",
    "double_softmax": (
        "The softmax is taken twice: first over all experts, then over the chosen probabilities. That flattens the "
        "weights."
    ),
    "smallest": "The experts with the smallest logits are chosen.",
    "absolute": "The experts are chosen by the magnitude of the logit. A very negative logit means that the expert "
    "should not be chosen.",
    "no_bias": "The router's bias is left out.",
    "bias_choice_only": (
        "The bias is used for the choice only, as in models that balance the load with it. In gpt-oss it is an "
        "ordinary bias: it affects choice and weights."
    ),
    "bias_weights_only": (
        "The experts are chosen without the bias, the weights are computed with it. It belongs to the logits, before "
        "the choice."
    ),
    "bias_on_probabilities": (
        "The bias is added after a softmax, to probabilities. It belongs to the logits, before the choice and before "
        "the softmax."
    ),
    "sorted_false": "topk with sorted=False returns the k largest in no particular order. The largest weight must "
    "come first.",
    "tokens_share": "The tokens share their experts: each token chooses its own.",
    "sum_of_all": (
        "The weights are divided by the sum over all tokens. Each token's own k weights sum to one: `sum(-1, "
        "keepdim=True)`."
    ),
    "k_ignored": (
        "The last axis must hold k numbers, one for each chosen expert: k is the argument, not always 4 and not the "
        "number of experts."
    ),
    "rising": "The experts are in ascending order of weight. The largest weight must come first.",
    "by_index": "The experts are in the order of their numbers. The largest weight must come first.",
    "unpaired": "The weights are not in the order of their indices: sort both together.",
    "scaled": "The logits are divided by a root. The router's logits are unscaled.",
    "indices": "The indices are not the experts that belong to these weights.",
    "index_dtype": "The indices must be whole numbers that can index a tensor.",
    "general": "logits = x weight^T + bias; the k largest; softmax over those k.",
}
CHECK = Check(
    "route",
    (Forbidden("moe.py", ("route", "top_k_softmax", "MLPBlock")), Forbidden("fast")),
    CAUSES,
    "(x (..., c), weight (e, c), bias (e,), k) -> (weights (..., k), indices (..., k)), falling; ties in any order",
)


def _compare(call, x, weight, bias, k, general="general", prefix=""):
    weights, indices = expect_pair(call(x, weight, bias, k), "(weights, indices)", "order")
    if isinstance(weights, torch.Tensor) and not weights.is_floating_point():
        raise Refused("the first value holds whole numbers, expected the weights", "order", certain=True)
    if isinstance(indices, torch.Tensor) and indices.dtype not in (torch.int64, torch.int32):
        symptom = f"the indices are {str(indices.dtype).removeprefix('torch.')}, expected int64"
        raise Refused(symptom, "index_dtype", certain=True)
    weights, indices = to_numpy(weights, "weights"), to_numpy(indices, "indices")
    right_weights, right_indices = reference.route(x, weight, bias, k)
    shape = right_weights.shape
    for name, value in (("weights", weights), ("indices", indices)):
        if value.shape != shape:
            cause = "k_ignored" if value.shape[:-1] == shape[:-1] else "general"
            raise Refused(f"{prefix}the {name} have shape {value.shape}, expected (..., k) = {shape}", cause)
    total = weights.sum(-1).reshape(-1)
    worst = int(np.argmax(abs(total - 1)))
    if abs(total[worst] - 1) > 1e-3:
        raise Refused(f"{prefix}token {worst}: the {k} weights sum to {number(total[worst])}, expected 1", general)
    if (indices != right_indices).any():
        at = tuple(int(i) for i in np.argwhere(indices != right_indices)[0])
        yours, expected = indices[at[:-1]].astype(int).tolist(), right_indices[at[:-1]].tolist()
        token = ", ".join(map(str, at[:-1])) or 0
        raise Refused(f"{prefix}token {token}: experts {yours}, right are {expected} (falling weight)", "indices")
    expect_close(weights, right_weights, (*["token"] * (x.dim() - 1), "slot"), general, prefix=prefix)


def _inputs(shape, e, seed, spread=2.0):
    generator = torch.Generator().manual_seed(seed)
    c = shape[-1]
    return (
        torch.randn(shape, generator=generator),
        torch.randn(e, c, generator=generator) * spread / c**0.5,
        torch.randn(e, generator=generator),
    )


@CHECK.stage("the two largest of five logits, softmax over those")
def one_token(call):
    _compare(call, torch.ones(1, 1), torch.tensor([[1.0], [-3.0], [2.5], [0.5], [1.5]]), torch.zeros(5), 2)


@CHECK.stage("the bias is part of the logits")
def bias(call):
    weight, bias = torch.tensor([[1.0], [0.4], [0.0], [-2.0]]), torch.tensor([-0.5, 0.5, 0.8, 0.0])
    _compare(call, torch.ones(1, 1), weight, bias, 2)


@CHECK.stage("every token for itself")
def tokens(call):
    _compare(call, *_inputs((5, 8), 6, 0), 3)
    _compare(call, *_inputs((4, 4), 4, 5), 4, "softmax_axis", "as many tokens as experts: ")


@CHECK.stage("any leading axes, any k")
def shapes(call):
    _compare(call, *_inputs((2, 3, 8), 16, 1), 4, prefix="x (2, 3, 8): ")
    _compare(call, *_inputs((8,), 6, 2), 2, prefix="x (8,): ")
    _compare(call, *_inputs((4, 8), 6, 3), 1, prefix="k = 1: ")


@CHECK.stage("a tie, and large logits")
def ties(call):
    x, weight, zeros = torch.ones(1, 1), torch.tensor([[2.0], [2.0], [-1.0]]), torch.zeros(3)
    weights, indices = expect_pair(call(x, weight, zeros, 2), "(weights, indices)", "order")
    weights, indices = to_numpy(weights).ravel(), to_numpy(indices).ravel().tolist()
    if sorted(indices) != [0, 1] or not np.allclose(weights, 0.5, atol=1e-4):
        shown = f"two equal logits: experts {indices}, weights {weights.round(4).tolist()}"
        raise Refused(f"{shown}, expected 0 and 1 with one half each", "general")
    weight = torch.tensor([[300.0], [299.0], [-300.0]])
    overflow = "exp of a large logit overflows: use torch.softmax, or subtract the maximum first."
    _compare(call, x, weight, zeros, 2, overflow, "logits 300 and 299: ")
