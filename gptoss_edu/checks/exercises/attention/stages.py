"""The check of `attention`: scale, causality, sink, groups, window, cache, large numbers."""

import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check

CAUSES = {
    "unscaled": "The scores are not divided by the root of head_dim.",
    "scaled_by_d": "The scores are divided by head_dim instead of by its root (or by the root twice).",
    "scaled_up": "The scores are multiplied by the root of head_dim; they are divided by it.",
    "scaled_by_width": (
        "The scores are divided by the root of the whole width (heads x head_dim). Each head scales by its own: the "
        "root of head_dim."
    ),
    "no_softmax": "The scores are used as weights directly: there is no softmax.",
    "softmax_axis": (
        "The softmax runs over the queries. The weights of one query over its keys sum to one: the softmax is over "
        "the last axis, s."
    ),
    "uniform": "All visible keys get the same weight: the scores do not reach the softmax.",
    "not_causal": "Queries see keys after their own position.",
    "anti_causal": (
        "The mask is inverted: queries see the future instead of the past. (Does True mean 'may attend' or 'is "
        "hidden'?)"
    ),
    "diagonal": (
        "A query does not see its own key: the key is hidden, or its column was dropped instead of the sink's, which "
        "is the last."
    ),
    "mask_after_softmax": (
        "The hidden keys are set to 0 after the softmax: their share is lost, the visible weights are too small. Mask "
        "the scores with -inf before it."
    ),
    "mask_zero": "Hidden scores become 0 instead of -inf: exp(0) = 1, so hidden keys still take a share.",
    "mask_finite": (
        "Hidden scores get a finite number. If the visible scores are lower still, the hidden keys win the row: use "
        "-inf."
    ),
    "aligned_left": (
        "The queries are treated as the first t of the s positions. With a cache they are the LAST t: query i is at "
        "position s - t + i."
    ),
    "sink_missing": (
        "The sink changes nothing: it is left out, hidden by the mask, added to every score (which cancels), or "
        "dropped and then renormalised away. Its share must be taken from the row and thrown away."
    ),
    "sink_scaled": (
        "The sink is divided by the root of head_dim. It is a learned logit, not a product of q and k: only q.k is "
        "scaled."
    ),
    "sink_constant": (
        "A constant takes the sink's place (softmax off by one: a sink of 0). Each head has its own learned logit."
    ),
    "sink_sign": (
        "The sink has the wrong sign. As a gate: sigmoid(logsumexp(scores) - sink), so a large sink empties the row."
    ),
    "sink_lse": (
        "The gate compares the sink with something other than the scores' logsumexp. Its factor is "
        "sigmoid(logsumexp(scores) - sink), with the logsumexp over the visible keys of the row."
    ),
    "sink_value": "The sink adds something to the output. It has no value: after the softmax its column is dropped.",
    "sink_linear": "The sink enters the denominator as a number instead of as exp(sink).",
    "sink_exp": "exp is taken twice: the column of sinks goes into the softmax as it is.",
    "sink_head": "Not every head uses its own sink: there is one for each QUERY head, in the order of the heads.",
    "groups_interleaved": (
        "Query heads are assigned in turn, like cards (head % g). Neighbours share: query head h reads key/value "
        "head h // "
        "(heads / groups). repeat_interleave, not repeat or tile."
    ),
    "groups_first": "All query heads read the first key/value head.",
    "groups_values": "The keys are grouped correctly, the values are not: both are shared in the same way.",
    "no_window": "The window is not applied.",
    "window_plus_one": (
        "The window is one key too long. With a window of 3, query 9 sees 4 keys: 6, 7, 8 and 9. It should see 3, "
        "including its own: 7, 8 and 9."
    ),
    "window_minus_one": (
        "The window is one key too short. With a window of 3, query 9 sees 2 keys: 8 and 9. It should see 3, "
        "including its own: 7, 8 and 9."
    ),
    "window_only": "With a window the causal condition is lost: keys after the query are seen.",
    "overflow": (
        "exp of a large score overflows. Subtract the row's maximum first (the sink included), or use torch.softmax."
    ),
    "batch": "The rows of the batch are mixed: each row attends to its own keys only.",
    "layout": (
        "The result must be (b, t, h, d), like q. Transpose back after working with (b, h, t, d); a plain reshape "
        "would mix heads and tokens."
    ),
    "general": "softmax over (scores of the visible keys, sink), drop the sink's column, multiply with the values.",
}
CHECK = Check(
    "attention",
    (
        Forbidden(
            "attention.py", ("attention", "attention_scores", "attention_weights", "weighted_values", "AttentionBlock")
        ),
        Forbidden("fast"),
    ),
    CAUSES,
    "(q (b, t, h, d), k and v (b, s, g, d), sinks (h,), window or None) -> (b, t, h, d); causal, the queries are "
    "the last t positions",
)
AXES = ("batch", "query", "head", "channel")
NO_SINK = -30.0


def inputs(b, t, s, h, g, d, seed, sinks=NO_SINK):
    """Return seeded normal q, k, v, and sinks: one number for all heads, or a list."""
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(b, n, m, d, generator=generator) for n, m in ((t, h), (s, g), (s, g)))
    return q, k, v, torch.full((h,), float(sinks)) if isinstance(sinks, (int, float)) else torch.tensor(sinks)


def compare(call, args, window=None, general: str = "general", prefix: str = "") -> None:
    """Call, and compare with the reference."""
    right = reference.attention(*args, window)
    expect_close(call(*args, window), right, AXES, general, rtol=2e-3, atol=2e-5, prefix=prefix)


@CHECK.stage("one token sees itself")
def alone(call):
    compare(call, inputs(1, 1, 1, 1, 1, 4, 0))


@CHECK.stage("softmax of q.k over the root of d")
def scale(call):
    compare(call, inputs(1, 1, 5, 1, 1, 4, 1))
    compare(call, inputs(1, 1, 5, 4, 1, 9, 2))


@CHECK.stage("causal")
def causal(call):
    compare(call, inputs(1, 4, 4, 1, 1, 4, 3), None, "not_causal")


@CHECK.stage("the queries are the last t positions")
def last(call):
    compare(call, inputs(1, 2, 6, 1, 1, 4, 4), None, "aligned_left")


@CHECK.stage("the sink takes a share and gives nothing")
def sink(call):
    for value in (1.5, -2.5):
        compare(call, inputs(1, 3, 3, 1, 1, 4, 5, value), prefix=f"sink {value}: ")
    compare(call, inputs(1, 2, 2, 1, 1, 4, 6, 20.0), None, "sink_value", "sink +20 empties the rows: ")


@CHECK.stage("each query head has its own sink")
def sinks(call):
    compare(call, inputs(2, 3, 3, 4, 1, 4, 7, [2.0, -1.0, 0.5, -4.0]), None, "sink_head")


@CHECK.stage("query heads share key/value heads in neighbours")
def groups(call):
    compare(call, inputs(1, 3, 3, 6, 2, 4, 8), None, "groups_interleaved")
    compare(call, inputs(1, 2, 4, 4, 2, 4, 9, [3.0, -1.0, 0.0, 1.0]), None, "sink_head", "with sinks, ")


@CHECK.stage("the window's edge")
def window(call):
    compare(call, inputs(1, 8, 8, 1, 1, 4, 10), 3, "no_window", "window 3: ")


@CHECK.stage("window and cache together")
def window_cache(call):
    args = inputs(2, 2, 9, 4, 2, 4, 11, [1.0, 0.0, -1.0, 2.0])
    compare(call, args, 3, "aligned_left", "2 queries after 7 keys, window 3: ")


@CHECK.stage("a batch, and shapes that differ in every axis")
def batch(call):
    args = inputs(3, 4, 7, 6, 3, 8, 12, [0.5, -0.5, 1.0, 2.0, 0.0, -3.0])
    compare(call, args, None, "batch")
    compare(call, args, 4, "batch")


@CHECK.stage("hidden keys get nothing, however low the others score")
def hidden(call):
    """Use visible scores of about -20,000: a finite number that hides keys at usual scores wins here."""
    _, k, v, _ = inputs(1, 3, 3, 1, 1, 4, 14)
    key = k / k.norm(dim=-1, keepdim=True)
    compare(call, (-200 * key, 200 * key, v, torch.tensor([-torch.inf])), None, "mask_finite", "scores near -20,000: ")


@CHECK.stage("large scores, a sink of -inf")
def large(call):
    q, k, v, sinks = inputs(1, 3, 3, 2, 1, 4, 13, [-float("inf"), 2.0])
    compare(call, (q * 60, k * 60, v, sinks), None, "overflow")
    compare(call, (q, k, v, torch.tensor([300.0, -300.0])), None, "overflow", "sinks 300 and -300: ")
