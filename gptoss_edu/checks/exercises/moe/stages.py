"""The check of `moe`: one expert, its biases, the weight after the second bias, the sum, the bookkeeping."""

import numpy as np
import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check

CAUSES = {
    "halves": "Gate and up are taken as halves of the first product. They alternate row by row.",
    "no_clamp": "The activation does not clamp: gate at most 7, up within ±7.",
    "silu": "The activation is another one. It is gpt-oss's clamped SwiGLU: gate sigmoid(1.702 gate) (up + 1).",
    "residual": "The input is added to the result. The mixture returns what the experts make of it; the residual connection stands outside.",
    "no_b1": "The first bias is left out.",
    "no_b2": "The second bias is left out.",
    "b2_unweighted": "The second bias escapes the weight: it is added outside, or the weight is applied before the second product. Each expert's output, bias included, is multiplied by its weight.",
    "weight_before": "The weight multiplies the expert's input. The expert is not linear: weigh its output.",
    "no_weights": "The weights are not used: every chosen expert counts fully.",
    "mean": "The experts' outputs are averaged. They are summed: the weights sum to one already.",
    "renormalised": "The weights are normalised again. Use them as they come.",
    "weights_by_expert": "weights[token, e] is read with the expert's number. The weights are by slot: the j-th weight belongs to the expert indices[token, j].",
    "slot_as_expert": "The slot number is used as the expert's number. The expert of slot j is indices[token, j].",
    "first_weight": "The first slot's weight is used for all slots. The j-th weight belongs to the expert indices[token, j].",
    "first_only": "Only the first expert of each token counts. All k are summed.",
    "last_only": "Each expert overwrites what the one before wrote. Add them up: `+=` (or index_add_), not `=`.",
    "first_token_expert": "All tokens go to the experts of the first token.",
    "all_experts": "All experts run and count. Only the k chosen ones do.",
    "w1_transposed": "w1 is used transposed: its rows are the outputs, x w1[e]^T (`x @ w1[e].T` or F.linear).",
    "w2_transposed": "w2 is used transposed: it is (e, c, f), rows are outputs. With square experts the shapes do not complain.",
    "misses_expert": "Some experts are never visited (the last one?): loop over all that occur in indices.",
    "duplicates": "Where one token has the same expert in two slots only one of them counts. Buffered indexing drops repetitions: `out[rows] += ...` adds once a row.",
    "permuted": "The results are not put back in the order of the tokens.",
    "general": "out[token] = sum over slots of weight * (w2[e] swiglu(w1[e] x + b1[e]) + b2[e]) with e = indices[token, slot].",
}  # fmt: skip
CHECK = Check(
    "moe",
    (Forbidden("moe.py", ("moe", "expert_outputs", "weighted_sum", "_per_expert", "MLPBlock")), Forbidden("kernels"), Forbidden("fast.py"), Forbidden("transformer.py")),
    CAUSES,
    "(x (n, c), weights (n, k), indices (n, k), w1 (e, 2f, c), b1 (e, 2f), w2 (e, c, f), b2 (e, c)) -> (n, c)",
)  # fmt: skip


def variant(*args, **wrong):
    """The mixture in float64 with one idea wrong at a time."""
    x, weights, indices, w1, b1, w2, b2 = (np.asarray(value, dtype=np.float64) for value in args)
    indices = indices.astype(int)
    act = wrong.get("act", reference.swiglu)
    out = np.zeros((x.shape[0], w2.shape[1]))
    for token, slot in np.ndindex(*indices.shape):
        e = wrong["expert"](token, slot, indices) if "expert" in wrong else indices[token, slot]
        weight = wrong["weight"](token, slot, weights, indices) if "weight" in wrong else weights[token, slot]
        given = x[token] * weight if wrong.get("before") else x[token]
        first = wrong["w1"](w1[e]) if "w1" in wrong else w1[e]
        second = wrong["w2"](w2[e]) if "w2" in wrong else w2[e]
        hidden = act(first @ given + b1[e] * wrong.get("b1", 1))
        if wrong.get("bias_outside"):
            value = weight * (second @ hidden) + b2[e]
        elif wrong.get("before"):
            value = second @ hidden + b2[e]
        else:
            value = weight * (second @ hidden + b2[e] * wrong.get("b2", 1))
        out[token] = value if wrong.get("overwrite") else out[token] + value
    return out


def _halves(x):
    half = x.shape[-1] // 2
    return reference.swiglu(np.stack([x[:half], x[half:]], -1).reshape(-1))


def _no_clamp(x):
    return reference.swiglu(x, limit=1e9)


def _silu(x):
    return x[0::2] / (1 + np.exp(-x[0::2])) * x[1::2]


ACTIVATIONS = {"halves": {"act": _halves}, "no_clamp": {"act": _no_clamp}, "silu": {"act": _silu}, "silu ": {"act": lambda x: x[0::2] / (1 + np.exp(-x[0::2])) * (x[1::2] + 1)},
               "silu  ": {"act": lambda x: x[0::2] / (1 + np.exp(-1.702 * x[0::2])) * x[1::2]}}  # fmt: skip
BIASES = {"no_b1": {"b1": 0}, "no_b2": {"b2": 0}}
BOOKKEEPING = {
    "no_weights": {"weight": lambda t, s, w, i: 1.0},
    "mean": {"weight": lambda t, s, w, i: w[t, s] / w.shape[1]},
    "mean ": {"weight": lambda t, s, w, i: 1 / w.shape[1]},
    "renormalised": {"weight": lambda t, s, w, i: w[t, s] / w[t].sum()},
    "renormalised ": {"weight": lambda t, s, w, i: np.exp(w[t, s]) / np.exp(w[t]).sum()},
    "first_weight": {"weight": lambda t, s, w, i: w[t, 0]},
    "weights_by_expert": {"weight": lambda t, s, w, i: w[t, i[t, s] % w.shape[1]]},
    "weights_by_expert ": {"weight": lambda t, s, w, i: w[t, s - 1]},
    "slot_as_expert": {"expert": lambda t, s, i: s},
    "first_only": {"weight": lambda t, s, w, i: w[t, s] * (s == 0)},
    "first_only ": {"weight": lambda t, s, w, i: 1.0 * (s == 0)},
    "last_only": {"overwrite": True},
    "first_token_expert": {"expert": lambda t, s, i: i[0, s]},
    "first_token_expert ": {"weight": lambda t, s, w, i: w[0, s]},
}


def _everyone(args):
    """All experts, unweighted, for one token."""
    e = args[3].shape[0]
    return lambda: variant(args[0], torch.ones(1, e), torch.arange(e)[None], *args[3:])


def _inputs(n, c, f, e, k, seed, size=1.0):
    g = torch.Generator().manual_seed(seed)
    indices = torch.stack([torch.randperm(e, generator=g)[:k] for _ in range(n)])
    weights = torch.rand(n, k, generator=g) + 0.1
    weights = (weights / weights.sum(-1, keepdim=True)).sort(-1, descending=True).values
    return [torch.randn(n, c, generator=g) * size, weights, indices, torch.randn(e, 2 * f, c, generator=g) / c**0.5, torch.randn(e, 2 * f, generator=g),
            torch.randn(e, c, f, generator=g) / f**0.5, torch.randn(e, c, generator=g)]  # fmt: skip


def _compare(call, args, wrongs, general="general", prefix=""):
    wrongs = wrongs | {"residual": lambda: reference.moe(*args) + args[0].double().numpy()}
    suspects = {name: (lambda w=w: variant(*args, **w)) if isinstance(w, dict) else w for name, w in wrongs.items()}
    expect_close(
        call(*args), reference.moe(*args), ("token", "channel"), general, suspects, rtol=2e-3, atol=1e-4, prefix=prefix
    )


@CHECK.stage("one expert without biases")
def one_expert(call):
    args = _inputs(1, 3, 4, 1, 1, 0)
    args[4], args[6] = args[4] * 0, args[6] * 0
    _compare(call, args, ACTIVATIONS)
    args = _inputs(2, 4, 4, 1, 1, 1)
    args[4], args[6] = args[4] * 0, args[6] * 0
    _compare(call, args, ACTIVATIONS | {"w2_transposed": {"w2": lambda w: w.T}}, prefix="c = f = 4: ")
    args = _inputs(2, 4, 2, 1, 1, 2)
    args[4], args[6] = args[4] * 0, args[6] * 0
    _compare(call, args, ACTIVATIONS | {"w1_transposed": {"w1": lambda w: w.T}}, prefix="c = 2f = 4: ")


@CHECK.stage("the clamp inside")
def clamp(call):
    _compare(call, _inputs(2, 4, 4, 1, 1, 3, size=12.0), ACTIVATIONS | BIASES, "no_clamp", "large inputs: ")


@CHECK.stage("both biases")
def biases(call):
    _compare(call, _inputs(1, 4, 3, 1, 1, 4), BIASES)


@CHECK.stage("the weight after the second bias")
def weight(call):
    args = _inputs(1, 4, 3, 3, 2, 5)
    args[2] = torch.tensor([[1, 2]])
    args[1] = torch.tensor([[0.25, 0.35]])
    wrongs = {
        "b2_unweighted": {"bias_outside": True},
        "weight_before": {"before": True},
    }
    _compare(
        call,
        args,
        wrongs | BOOKKEEPING | {"all_experts": _everyone(args)},
        "general",
        "two experts of weight 0.25 and 0.35: ",
    )


@CHECK.stage("the sum over a token's experts")
def total(call):
    args = _inputs(1, 4, 3, 5, 3, 6)
    args[2] = torch.tensor([[4, 1, 2]])
    args[1] = torch.tensor([[0.6, 0.25, 0.10]])
    _compare(call, args, BOOKKEEPING | {"all_experts": _everyone(args)}, prefix="experts 4, 1, 2: ")


@CHECK.stage("every token its own experts")
def tokens(call):
    args = _inputs(6, 4, 3, 4, 2, 7)
    _compare(call, args, BOOKKEEPING | {"misses_expert": {"weight": lambda t, s, w, i: w[t, s] * (i[t, s] != 3)}, "misses_expert ": {"weight": lambda t, s, w, i: w[t, s] * (i[t, s] != 0)},
                                        "permuted": lambda: reference.moe(*args)[::-1]}, "permuted")  # fmt: skip
    args = _inputs(3, 4, 3, 8, 2, 8)
    args[2] = torch.tensor([[7, 2], [2, 7], [7, 0]])
    _compare(
        call,
        args,
        BOOKKEEPING | {"misses_expert": {"weight": lambda t, s, w, i: w[t, s] * (i[t, s] != 7)}},
        "misses_expert",
        "experts 0, 2, 7 of 8: ",
    )


@CHECK.stage("the same expert in two slots")
def twice(call):
    args = _inputs(2, 4, 3, 3, 2, 9)
    args[2] = torch.tensor([[1, 1], [0, 2]])
    wrongs = {
        "duplicates": {"weight": lambda t, s, w, i: w[t, s] * (s == 0 or i[t, 0] != i[t, 1])},
        "duplicates ": {"weight": lambda t, s, w, i: w[t, s] * (s == 1 or i[t, 0] != i[t, 1])},
    }
    _compare(call, args, wrongs, "duplicates", "token 0 goes to expert 1 twice: ")
