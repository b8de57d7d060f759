"""The check of `attention`: scale, causality, sink, groups, window, cache, large numbers."""

import numpy as np
import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check

CAUSES = {
    "unscaled": "The scores are not divided by the root of head_dim.",
    "scaled_by_d": "The scores are divided by head_dim instead of by its root (or by the root twice).",
    "scaled_up": "The scores are multiplied by the root of head_dim; they are divided by it.",
    "scaled_by_width": "The scores are divided by the root of the whole width (heads x head_dim). Each head scales by its own: the root of head_dim.",
    "no_softmax": "The scores weigh the values directly: there is no softmax.",
    "softmax_axis": "The softmax runs over the queries. The weights of one query over its keys sum to one: the softmax is over the last axis, s.",
    "uniform": "All visible keys weigh the same: the scores do not reach the softmax.",
    "not_causal": "Queries see keys after their own position.",
    "anti_causal": "The mask is the wrong way round: queries see the future instead of the past (is True 'may attend' or 'is hidden'?).",
    "diagonal": "A query does not see its own key: it is hidden, or its column was dropped where the sink's, the last, had to be.",
    "mask_after_softmax": "The hidden keys are set to 0 after the softmax: their share is lost, the visible weights are too small. Mask the scores with -inf before it.",
    "mask_zero": "Hidden scores become 0 instead of -inf: exp(0) = 1, so hidden keys still take a share.",
    "aligned_left": "The queries are treated as the first t of the s positions. With a cache they are the LAST t: query i stands at position s - t + i.",
    "sink_missing": "The sink changes nothing: it is left out, added to every score (which cancels), or dropped and then renormalised away. Its share must be taken from the row and lost.",
    "sink_scaled": "The sink is divided by the root of head_dim. It is a learned logit, not a product of q and k: only q.k is scaled.",
    "sink_constant": "A constant takes the sink's place (softmax off by one: a sink of 0). Each head has its own learned logit.",
    "sink_sign": "The sink has the wrong sign. As a gate: sigmoid(logsumexp(scores) - sink), so a large sink empties the row.",
    "sink_value": "The sink adds something to the output. It has no value: after the softmax its column is dropped.",
    "sink_linear": "The sink enters the denominator as a number instead of as exp(sink).",
    "sink_head": "The heads use each other's sinks: there is one for each QUERY head, in the order of the heads.",
    "groups_interleaved": "Query heads are dealt out like cards (head % g). Neighbours share: query head h reads key/value head h // (heads / groups). repeat_interleave, not repeat or tile.",
    "groups_first": "All query heads read the first key/value head.",
    "groups_values": "The keys are grouped rightly, the values are not: both are shared in the same way.",
    "no_window": "The window is not applied.",
    "window_plus_one": "It counts the query itself twice: the window holds `window` keys WITH the query, so key > query - window.",
    "window_minus_one": "The window is one key too short: it holds `window` keys with the query.",
    "window_only": "With a window the causal condition is lost: keys after the query are seen.",
    "overflow": "exp of a large score overflows. Subtract the row's maximum first (the sink included), or use torch.softmax.",
    "batch": "The rows of a batch mix: every one attends to its own keys only.",
    "layout": "The result must be (b, t, h, d), like q. Transpose back after working with (b, h, t, d); a plain reshape would mix heads and tokens.",
    "general": "softmax over (scores of the visible keys, sink), drop the sink's column, weigh the values.",
}  # fmt: skip
CHECK = Check(
    "attention",
    (Forbidden("attention.py", ("attention", "attention_scores", "attention_weights", "weighted_values", "AttentionBlock")),
     Forbidden("kernels"), Forbidden("fast.py")),
    CAUSES,
    "(q (b, t, h, d), k and v (b, s, g, d), sinks (h,), window or None) -> (b, t, h, d); causal, the queries are the last t positions",
)  # fmt: skip
AXES = ("batch", "query", "head", "channel")
NO_SINK = -30.0


def variant(q, k, v, sinks, window, **wrong):
    """Attention in float64 with one idea wrong at a time; without any, it is right."""
    q, k, v, sinks = (np.asarray(x, dtype=np.float64) for x in (q, k, v, sinks))
    (b, t, h, d), (s, g) = q.shape, k.shape[1:3]
    share = wrong.get("share", lambda head: head // (h // g))
    keys, values = k[:, :, [share(i) for i in range(h)]], v[:, :, [wrong.get("share_v", share)(i) for i in range(h)]]
    scores = np.einsum("bthd,bshd->bhts", q, keys) * wrong.get("scale", d**-0.5) * wrong.get("times", 1.0)
    start = wrong.get("start", s - t)
    distance = (start + np.arange(t))[:, None] - np.arange(s)[None, :]
    seen = (distance >= 0) if window is None else (distance >= 0) & (distance < window)
    seen = wrong["mask"](distance) if "mask" in wrong else seen
    if wrong.get("mask_after"):
        full = np.concatenate([scores, np.broadcast_to(sinks[None, :, None, None], (b, h, t, 1))], -1)
        weights = _softmax(full)[..., :-1] * seen
        return np.einsum("bhts,bshd->bthd", weights, values)
    scores = np.where(seen, scores, wrong.get("hidden", -np.inf))
    sink = wrong.get("sink", lambda x: x)(sinks)[None, :, None, None] * np.ones((b, h, t, 1))
    full = np.concatenate([scores, sink], -1)
    weights = (
        np.where(seen, 1.0 / seen.sum(-1, keepdims=True), 0) * np.ones_like(scores)
        if wrong.get("uniform")
        else _softmax(full, wrong.get("axis", -1))[..., :-1]
    )
    if wrong.get("axis"):
        weights = _softmax(np.where(seen, scores, -np.inf), -2)
    out = np.einsum("bhts,bshd->bthd", weights, values)
    return out + wrong["add"](_softmax(full)[..., -1], values) if "add" in wrong else out


def _softmax(x, axis=-1):
    with np.errstate(invalid="ignore", over="ignore"):
        powers = np.exp(x - x.max(axis, keepdims=True))
        return powers / powers.sum(axis, keepdims=True)


def inputs(b, t, s, h, g, d, seed, sinks=NO_SINK):
    """Seeded normal q, k, v; sinks a number for all heads or a list."""
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(b, n, m, d, generator=generator) for n, m in ((t, h), (s, g), (s, g)))
    return q, k, v, torch.full((h,), float(sinks)) if isinstance(sinks, (int, float)) else torch.tensor(sinks)


def compare(call, args, window, wrongs: dict[str, dict], general: str, prefix: str = "") -> None:
    """Call, compare with the reference, name the suspect."""
    suspects = {name: (lambda w=wrong: variant(*args, window, **w)) for name, wrong in wrongs.items()}
    right = reference.attention(*args, window)
    found = call(*args, window)
    if (
        isinstance(found, torch.Tensor)
        and found.dim() == 4
        and tuple(found.shape) == tuple(right.transpose(0, 2, 1, 3).shape) != right.shape
    ):
        suspects["layout"] = lambda: found.double().numpy()
    expect_close(found, right, AXES, general, suspects, rtol=2e-3, atol=2e-5, prefix=prefix)


@CHECK.stage("one token sees itself")
def alone(call):
    args = inputs(1, 1, 1, 1, 1, 4, 0)
    q, k, v, sinks = (x.double().numpy() for x in args)
    power = np.exp((q * k).sum() / 2)
    suspects = {"diagonal": 0 * v, "sink_linear": power / (power + sinks) * v}
    expect_close(call(*args, None), reference.attention(*args, None), AXES, "general", suspects, rtol=2e-3, atol=2e-5)


@CHECK.stage("softmax of q.k over the root of d")
def scale(call):
    args = inputs(1, 1, 5, 1, 1, 4, 1)
    raw = {
        "unscaled": {"scale": 1.0},
        "scaled_by_d": {"scale": 0.25},
        "scaled_up": {"scale": 2.0},
        "uniform": {"uniform": True},
        "aligned_left": {"start": 0},
    }
    q, k, v, _ = (x.double().numpy() for x in args)
    scores = np.einsum("bthd,bshd->bhts", q, k)
    suspects = {name: variant(*args, None, **wrong) for name, wrong in raw.items()}
    suspects["no_softmax"] = np.einsum("bhts,bshd->bthd", scores, v)
    suspects["no_softmax "] = np.einsum("bhts,bshd->bthd", scores / 2, v)
    suspects["softmax_axis"] = np.einsum("bhts,bshd->bthd", _softmax(scores, -2), v)
    expect_close(call(*args, None), reference.attention(*args, None), AXES, "general", suspects, rtol=2e-3, atol=2e-5)
    args = inputs(1, 1, 5, 4, 1, 9, 2)
    wrongs = {"scaled_by_width": {"scale": 36**-0.5}, "unscaled": {"scale": 1.0}, "scaled_by_d": {"scale": 1 / 9},
              "scaled_by_width ": {"scale": 0.5}}  # fmt: skip
    compare(call, args, None, wrongs, "general")


@CHECK.stage("causal")
def causal(call):
    wrongs = {
        "not_causal": {"mask": lambda x: x > -99},
        "anti_causal": {"mask": lambda x: x <= 0},
        "diagonal": {"mask": lambda x: x > 0},
        "mask_after_softmax": {"mask_after": True},
        "mask_zero": {"hidden": 0.0},
        "mask_zero ": {"hidden": 1e-9},
        "softmax_axis": {"axis": -2},
    }
    compare(call, inputs(1, 4, 4, 1, 1, 4, 3), None, wrongs, "not_causal")


@CHECK.stage("the queries are the last t positions")
def last(call):
    compare(
        call,
        inputs(1, 2, 6, 1, 1, 4, 4),
        None,
        {"aligned_left": {"start": 0}, "not_causal": {"mask": lambda x: x > -99}},
        "aligned_left",
    )


@CHECK.stage("the sink takes a share and gives nothing")
def sink(call):
    for value in (1.5, -2.5):
        args = inputs(1, 3, 3, 1, 1, 4, 5, value)
        wrongs = {
            "sink_missing": {"sink": lambda x: x * 0 - np.inf},
            "sink_scaled": {"sink": lambda x: x / 2},
            "sink_constant": {"sink": lambda x: x * 0},
            "sink_sign": {"sink": lambda x: -x},
            "sink_linear": {"sink": lambda x: np.log(np.maximum(x, 1e-300))},
            "sink_value": {"add": lambda w, v: w.transpose(0, 2, 1)[..., None] * np.ones(4)},
            "sink_value ": {"add": lambda w, v: w.transpose(0, 2, 1)[..., None] * v.mean(1, keepdims=True)},
            "sink_value  ": {"add": lambda w, v: w.transpose(0, 2, 1)[..., None] * v[:, :1]},
            "sink_value   ": {"add": lambda w, v: w.transpose(0, 2, 1)[..., None] * v[:, -1:]},
            "sink_value    ": {"add": lambda w, v, a=value: w.transpose(0, 2, 1)[..., None] * a},
            "mask_after_softmax": {"mask_after": True},
        }
        suspects = {name: (lambda w=wrong, a=args: variant(*a, None, **w)) for name, wrong in wrongs.items()}
        whole = variant(*args[:3], torch.full((1,), -np.inf), None)
        suspects["sink_sign "] = lambda a=args, o=whole: o - variant(*a, None)
        suspects["sink_sign  "] = lambda o=whole, x=value: o / (1 + np.exp(-x))
        suspects["sink_sign   "] = lambda o=whole, x=value: o / (1 + np.exp(x))
        expect_close(
            call(*args, None),
            reference.attention(*args, None),
            AXES,
            "general",
            suspects,
            rtol=2e-3,
            atol=2e-5,
            prefix=f"sink {value}: ",
        )
    compare(
        call,
        inputs(1, 2, 2, 1, 1, 4, 6, 20.0),
        None,
        {"sink_missing": {"sink": lambda x: x - np.inf}},
        "sink_value",
        "sink +20 empties the rows: ",
    )


@CHECK.stage("each query head has its own sink")
def sinks(call):
    args = inputs(2, 3, 3, 4, 1, 4, 7, [2.0, -1.0, 0.5, -4.0])
    wrongs = {
        f"sink_head{' ' * i}": {"sink": change}
        for i, change in enumerate((lambda x: x * 0 + x[0], lambda x: x[::-1], lambda x: x * 0 + x.mean()))
    }
    compare(call, args, None, wrongs, "sink_head")


@CHECK.stage("query heads share key/value heads in neighbours")
def groups(call):
    args = inputs(1, 3, 3, 6, 2, 4, 8)
    wrongs = {"groups_interleaved": {"share": lambda i: i % 2}, "groups_first": {"share": lambda i: 0}, "groups_values": {"share_v": lambda i: i % 2},
              "groups_values ": {"share_v": lambda i: 0}, "groups_first ": {"share": lambda i: 1}}  # fmt: skip
    compare(call, args, None, wrongs, "groups_interleaved")
    args = inputs(1, 2, 4, 4, 2, 4, 9, [3.0, -1.0, 0.0, 1.0])
    wrongs = {
        "sink_head": {"sink": lambda x: np.repeat(x[:2], 2)},
        "sink_head ": {"sink": lambda x: x[[0, 2, 1, 3]]},
        "groups_interleaved": {"share": lambda i: i % 2},
    }
    compare(call, args, None, wrongs, "sink_head", "with sinks, ")


WINDOWS = {
    "no_window": {"mask": lambda x: x >= 0},
    "window_plus_one": {"mask": lambda x: (x >= 0) & (x <= 3)},
    "window_minus_one": {"mask": lambda x: (x >= 0) & (x < 2)},
    "window_only": {"mask": lambda x: x < 3},
    "window_only ": {"mask": lambda x: abs(x) < 3},
}


@CHECK.stage("the window's edge")
def window(call):
    compare(call, inputs(1, 8, 8, 1, 1, 4, 10), 3, WINDOWS, "no_window", "window 3: ")


@CHECK.stage("window and cache together")
def window_cache(call):
    wrongs = WINDOWS | {"aligned_left": {"start": 0}}
    compare(
        call,
        inputs(2, 2, 9, 4, 2, 4, 11, [1.0, 0.0, -1.0, 2.0]),
        3,
        wrongs,
        "aligned_left",
        "2 queries after 7 keys, window 3: ",
    )


@CHECK.stage("a batch, and shapes that differ in every axis")
def batch(call):
    args = inputs(3, 4, 7, 6, 3, 8, 12, [0.5, -0.5, 1.0, 2.0, 0.0, -3.0])
    compare(call, args, None, {"groups_interleaved": {"share": lambda i: i % 3}}, "batch")
    compare(call, args, 4, {}, "batch")


@CHECK.stage("large scores, a sink of -inf")
def large(call):
    q, k, v, sinks = inputs(1, 3, 3, 2, 1, 4, 13, [-float("inf"), 2.0])
    args = (q * 60, k * 60, v, sinks)
    expect_close(call(*args, None), reference.attention(*args, None), AXES, "overflow", rtol=2e-3, atol=2e-5)
    args = (q, k, v, torch.tensor([300.0, -300.0]))
    expect_close(
        call(*args, None),
        reference.attention(*args, None),
        AXES,
        "overflow",
        rtol=2e-3,
        atol=2e-5,
        prefix="sinks 300 and -300: ",
    )
