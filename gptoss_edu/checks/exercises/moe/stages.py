"""The check of `moe`: one expert, its biases, the weight after the second bias, the sum, the bookkeeping."""

import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check

CAUSES = {
    "halves": "Gate and up are taken as halves of the first product. They alternate row by row.",
    "no_clamp": "The activation does not clamp: gate at most 7, up within ±7.",
    "silu": "The activation is a different one. Use gpt-oss's clamped SwiGLU: gate sigmoid(1.702 gate) (up + 1).",
    "residual": (
        "The input is added to the result. The mixture returns what the experts compute; the residual connection is "
        "outside."
    ),
    "no_b1": "The first bias is left out.",
    "no_b2": "The second bias is left out.",
    "b2_unweighted": (
        "The second bias is not weighted: it is added outside, or the weight is applied before the second product. "
        "Each expert's output, bias included, is multiplied by its weight."
    ),
    "weight_before": "The weight multiplies the expert's input. The expert is not linear, so weight its output.",
    "no_weights": "The weights are not used: every chosen expert counts fully.",
    "mean": "The experts' outputs are averaged. They are summed: the weights sum to one already.",
    "renormalised": "The weights are normalised again. Use them as they come.",
    "weights_by_expert": (
        "weights[token, e] is read with the expert's number. The weights are by slot: the j-th weight belongs to the "
        "expert indices[token, j]."
    ),
    "slot_as_expert": "The slot number is used as the expert's number. The expert of slot j is indices[token, j].",
    "first_weight": (
        "The first slot's weight is used for all slots. The j-th weight belongs to the expert indices[token, j]."
    ),
    "first_only": "Only the first expert of each token counts. All k are summed.",
    "last_only": (
        "Each expert overwrites what the one before wrote. Add them up with index_add_, or expert by expert: `=` keeps "
        "only the last, and so does `out[t] += …` where t holds a token twice."
    ),
    "first_token_expert": "All tokens go to the experts of the first token.",
    "all_experts": "All experts run and count. Only the k chosen ones do.",
    "w1_transposed": "w1 is used transposed: its rows are the outputs, x w1[e]^T (`x @ w1[e].T` or F.linear).",
    "w2_transposed": (
        "w2 is used transposed: it is (e, c, f), rows are outputs. With square experts no shape error occurs."
    ),
    "misses_expert": "Some experts are never visited (the last one?): loop over all that occur in indices.",
    "permuted": "The results are not put back in the order of the tokens.",
    "general": (
        "out[token] = sum over slots of weight * (w2[e] swiglu(w1[e] x + b1[e]) + b2[e]) with e = indices[token, slot]."
    ),
}
CHECK = Check(
    "moe",
    (
        Forbidden("moe.py", ("moe", "expert_outputs", "weighted_sum", "_per_expert", "MLPBlock")),
        Forbidden("fast"),
        Forbidden("transformer.py"),
    ),
    CAUSES,
    "(x (n, c), weights (n, k), indices (n, k), w1 (e, 2f, c), b1 (e, 2f), w2 (e, c, f), b2 (e, c)) -> (n, c)",
)


def _inputs(n, c, f, e, k, seed, size=1.0, biases=True):
    g = torch.Generator().manual_seed(seed)
    indices = torch.stack([torch.randperm(e, generator=g)[:k] for _ in range(n)])
    weights = torch.rand(n, k, generator=g) + 0.1
    weights = (weights / weights.sum(-1, keepdim=True)).sort(-1, descending=True).values
    x, w1 = torch.randn(n, c, generator=g) * size, torch.randn(e, 2 * f, c, generator=g) / c**0.5
    b1, w2 = torch.randn(e, 2 * f, generator=g), torch.randn(e, c, f, generator=g) / f**0.5
    b2 = torch.randn(e, c, generator=g)
    return [x, weights, indices, w1, b1 * biases, w2, b2 * biases]


def _compare(call, args, general="general", prefix=""):
    axes, right = ("token", "channel"), reference.moe(*args)
    expect_close(call(*args), right, axes, general, rtol=2e-3, atol=1e-4, prefix=prefix)


@CHECK.stage("one expert without biases")
def one_expert(call):
    _compare(call, _inputs(1, 3, 4, 1, 1, 0, biases=False))
    _compare(call, _inputs(2, 4, 4, 1, 1, 1, biases=False), prefix="c = f = 4: ")
    _compare(call, _inputs(2, 4, 2, 1, 1, 2, biases=False), prefix="c = 2f = 4: ")


@CHECK.stage("the clamp inside")
def clamp(call):
    _compare(call, _inputs(2, 4, 4, 1, 1, 3, size=12.0), "no_clamp", "large inputs: ")


@CHECK.stage("both biases")
def biases(call):
    _compare(call, _inputs(1, 4, 3, 1, 1, 4))


@CHECK.stage("the weight after the second bias")
def weight(call):
    args = _inputs(1, 4, 3, 3, 2, 5)
    args[1], args[2] = torch.tensor([[0.25, 0.35]]), torch.tensor([[1, 2]])
    _compare(call, args, prefix="two experts of weight 0.25 and 0.35: ")


@CHECK.stage("the sum over a token's experts")
def total(call):
    args = _inputs(1, 4, 3, 5, 3, 6)
    args[1], args[2] = torch.tensor([[0.6, 0.25, 0.10]]), torch.tensor([[4, 1, 2]])
    _compare(call, args, prefix="experts 4, 1, 2: ")


@CHECK.stage("every token its own experts")
def tokens(call):
    _compare(call, _inputs(6, 4, 3, 4, 2, 7), "permuted")
    args = _inputs(3, 4, 3, 8, 2, 8)
    args[2] = torch.tensor([[7, 2], [2, 7], [7, 0]])
    _compare(call, args, "misses_expert", "experts 0, 2, 7 of 8: ")
