"""The check of `route`: logits, choice, weights that sum to one, over the right axis."""

import numpy as np
import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close, expect_pair, number, to_numpy
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "order": "The function returns (weights, indices), in this order.",
    "softmax_first": "The softmax runs over ALL experts and the weights of the chosen are not renormalised: they sum to less than one. Take the top k of the logits, then the softmax over those k.",
    "softmax_axis": "The softmax runs over the tokens. The weights of one token's k experts sum to one: the softmax is over the last axis.",
    "no_softmax": "The logits themselves are returned: there is no softmax.",
    "sigmoid": "The weights are sigmoids, as in some other models. gpt-oss takes a softmax over the chosen logits.",
    "linear_norm": "The chosen logits are divided by their sum. Logits may be negative: take a softmax.",
    "uniform": "All chosen experts weigh the same.",
    "double_softmax": "The softmax is taken twice: first over all experts, then over the chosen probabilities. That flattens the weights.",
    "smallest": "The experts with the smallest logits are chosen.",
    "absolute": "The experts are chosen by the magnitude of the logit. A very negative logit means: not this one.",
    "no_bias": "The router's bias is left out.",
    "bias_choice_only": "The bias counts for the choice only, as in models that balance the load with it. In gpt-oss it is an ordinary bias: choice and weights.",
    "bias_weights_only": "The experts are chosen without the bias, the weights are computed with it. It belongs to the logits, before the choice.",
    "tokens_share": "The tokens share their experts: each token chooses its own.",
    "sum_of_all": "The weights are divided by the sum over all tokens. Each token's own k weights sum to one: `sum(-1, keepdim=True)`.",
    "k_ignored": "The last axis must hold k numbers, one for each chosen expert: k is the argument, not always 4 and not the number of experts.",
    "rising": "The experts come in rising order. The largest weight comes first.",
    "by_index": "The experts come in the order of their numbers. The largest weight comes first.",
    "unpaired": "The weights are not in the order of their indices: sort both together.",
    "scaled": "The logits are divided by a root. The router's logits are unscaled.",
    "indices": "The indices are not the experts that belong to these weights.",
    "index_dtype": "The indices must be whole numbers that can index a tensor.",
    "general": "logits = x weight^T + bias; the k largest; softmax over those k.",
}  # fmt: skip
CHECK = Check(
    "route", (Forbidden("moe.py", ("route", "top_k_softmax", "MLPBlock")), Forbidden("kernels"), Forbidden("fast.py")), CAUSES,
    "(x (..., c), weight (e, c), bias (e,), k) -> (weights (..., k), indices (..., k)), falling; ties in any order",
)  # fmt: skip


def _softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def _top(logits, k):
    indices = np.argsort(-logits, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(logits, indices, -1), indices


def _wrong(x, weight, bias, k) -> dict[str, tuple]:
    """Pairs (weights, indices) that known misconceptions give."""
    logits = reference.router_logits(x, weight, bias)
    plain = reference.router_logits(x, weight, bias * 0)
    values, indices = _top(logits, k)
    whole = np.take_along_axis(_softmax(logits), indices, -1)
    small, absolute = np.argsort(logits, -1)[..., :k], np.argsort(-abs(logits), -1)[..., :k]
    plain_values, plain_indices = _top(plain, k)
    rising = np.argsort(logits, -1)[..., -k:]
    numbered = np.sort(indices, -1)
    take = lambda v, i: np.take_along_axis(v, i, -1)  # noqa: E731
    found = {
        "softmax_first": (whole, indices),
        "no_softmax": (values, indices),
        "sigmoid": (1 / (1 + np.exp(-values)), indices),
        "sigmoid ": ((s := 1 / (1 + np.exp(-values))) / s.sum(-1, keepdims=True), indices),
        "linear_norm": (values / values.sum(-1, keepdims=True), indices),
        "uniform": (np.ones_like(values) / k, indices),
        "double_softmax": (_softmax(whole), indices),
        "smallest": (_softmax(take(logits, small)), small),
        "absolute": (_softmax(take(logits, absolute)), absolute),
        "no_bias": (_softmax(plain_values), plain_indices),
        "bias_choice_only": (_softmax(take(plain, indices)), indices),
        "bias_weights_only": (_softmax(take(logits, plain_indices)), plain_indices),
        "rising": (_softmax(take(logits, rising)), rising),
        "by_index": (_softmax(take(logits, numbered)), numbered),
        "unpaired": (_softmax(values), numbered),
        "unpaired ": (_softmax(values)[..., ::-1], indices),
        "scaled": (_softmax(values / np.sqrt(x.shape[-1])), indices),
    }  # fmt: skip
    if x.dim() > 1:
        found["sum_of_all"] = (whole / whole.sum(), indices)
        found["softmax_axis"] = (_softmax(values, 0), indices)
        found["softmax_axis "] = (take(_softmax(logits, 0), indices), indices)
        if x.dim() == 3:
            found["softmax_axis  "] = (_softmax(values, 1), indices)
        first = np.broadcast_to(indices.reshape(-1, k)[0], indices.shape)
        found["tokens_share"] = (_softmax(take(logits, first)), first)
    return found


def _compare(call, x, weight, bias, k, general="general", prefix=""):
    weights, indices = expect_pair(call(x, weight, bias, k), "(weights, indices)", "order")
    if isinstance(weights, torch.Tensor) and not weights.is_floating_point():
        raise Refused("the first value holds whole numbers, expected the weights", "order")
    if isinstance(indices, torch.Tensor) and indices.dtype not in (torch.int64, torch.int32):
        raise Refused(f"the indices are {str(indices.dtype).removeprefix('torch.')}, expected int64", "index_dtype")
    weights, indices = to_numpy(weights, "weights"), to_numpy(indices, "indices")
    right_weights, right_indices = reference.route(x, weight, bias, k)
    shape = right_weights.shape
    for name, value in (("weights", weights), ("indices", indices)):
        if value.shape != shape:
            cause = "k_ignored" if value.shape[:-1] == shape[:-1] else "general"
            raise Refused(f"{prefix}the {name} have shape {value.shape}, expected (..., k) = {shape}", cause)
    if np.allclose(weights, right_weights, rtol=1e-3, atol=1e-5) and (indices == right_indices).all():
        return
    named = next(
        (
            n.strip()
            for n, (w, i) in _wrong(x, weight, bias, k).items()
            if np.allclose(weights, w, rtol=1e-3, atol=1e-5) and (indices == i).all()
        ),
        None,
    )
    total = weights.sum(-1).reshape(-1)
    worst = int(np.argmax(abs(total - 1)))
    if abs(total[worst] - 1) > 1e-3:
        raise Refused(
            f"{prefix}token {worst}: the {k} weights sum to {number(total[worst])}, expected 1", named or general
        )
    if (indices != right_indices).any():
        at = tuple(int(i) for i in np.argwhere(indices != right_indices)[0])
        yours, expected = indices[at[:-1]].astype(int).tolist(), right_indices[at[:-1]].tolist()
        raise Refused(
            f"{prefix}token {', '.join(map(str, at[:-1])) or 0}: experts {yours}, right are {expected} (falling weight)",
            named or "indices",
        )
    expect_close(weights, right_weights, (*["token"] * (x.dim() - 1), "slot"), named or general, prefix=prefix)


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
    _compare(
        call, torch.ones(1, 1), torch.tensor([[1.0], [0.4], [0.0], [-2.0]]), torch.tensor([-0.5, 0.5, 0.8, 0.0]), 2
    )


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
    if sorted(to_numpy(indices).ravel().tolist()) != [0, 1] or not np.allclose(to_numpy(weights), 0.5, atol=1e-4):
        raise Refused(
            f"two equal logits: experts {to_numpy(indices).ravel().tolist()}, weights {to_numpy(weights).ravel().round(4).tolist()}, expected 0 and 1 with one half each",
            "general",
        )
    _compare(
        call,
        x,
        torch.tensor([[300.0], [299.0], [-300.0]]),
        zeros,
        2,
        "exp of a large logit overflows: use torch.softmax, or subtract the maximum first.",
        "logits 300 and 299: ",
    )
