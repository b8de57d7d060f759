"""Solutions of `attention`."""

import math

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("attention")


def visible(t, s, window):
    """Return the mask (t, s), bool; the queries are the last t positions."""
    distance = torch.arange(s - t, s)[:, None] - torch.arange(s)[None, :]
    return distance >= 0 if window is None else (distance >= 0) & (distance < window)


def scores_of(q, k):
    return torch.einsum("bthd,bshd->bhts", q, k) / math.sqrt(q.shape[-1])


def repeated(q, k, v):
    n = q.shape[2] // k.shape[2]
    return k.repeat_interleave(n, 2), v.repeat_interleave(n, 2)


@BANK.right("einsum over groups, the sink as a column")
def grouped(q, k, v, sinks, window=None):
    b, t, h, d = q.shape
    s, g = k.shape[1:3]
    q = q.view(b, t, g, h // g, d)
    scores = torch.einsum("btgnd,bsgd->bgnts", q, k) / d**0.5
    scores = scores.masked_fill(~visible(t, s, window), -torch.inf)
    column = sinks.view(1, g, h // g, 1, 1).expand(b, g, h // g, t, 1)
    weights = torch.cat([scores, column], -1).softmax(-1)[..., :-1]
    return torch.einsum("bgnts,bsgd->btgnd", weights, v).reshape(b, t, h, d)


@BANK.right("the sink as a gate: sigmoid(lse - s)")
def gated(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    gate = torch.sigmoid(torch.logsumexp(scores, -1) - sinks[:, None])  # (b, h, t)
    return torch.einsum("bhts,bshd->bthd", scores.softmax(-1) * gate[..., None], v)


@BANK.right("a key of zeros whose value is zero, a bias for its score")
def zero_value(q, k, v, sinks, window=None):
    (b, t, h, d), s = q.shape, k.shape[1]
    k, v = repeated(q, k, v)
    bias = torch.zeros(h, t, s).masked_fill(~visible(t, s, window), -torch.inf)
    bias = torch.cat([bias, sinks[:, None, None].expand(h, t, 1)], -1)
    nothing = torch.zeros(b, 1, h, d)
    k, v = torch.cat([k, nothing], 1), torch.cat([v, nothing], 1)
    scores = torch.einsum("bthd,bshd->bhts", q, k) * d**-0.5 + bias
    return (scores.softmax(-1) @ v.transpose(1, 2)).transpose(1, 2)


@BANK.right("loops over batch, head and query")
def loops(q, k, v, sinks, window=None):
    b, t, h, d = q.shape
    s, g = k.shape[1], k.shape[2]
    out = torch.zeros_like(q)
    for batch in range(b):
        for head in range(h):
            for i in range(t):
                end = s - t + i + 1
                start = 0 if window is None else max(0, end - window)
                keys, values = (x[batch, start:end, head // (h // g)] for x in (k, v))
                scores = torch.cat([keys @ q[batch, i, head] / d**0.5, sinks[head : head + 1]])
                weights = torch.exp(scores - scores.max())
                out[batch, i, head] = weights[:-1] @ values / weights.sum()
    return out


@BANK.right("exp with the maximum subtracted, the sink in the denominator")
def by_hand(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    s = sinks.view(1, -1, 1, 1)
    top = torch.maximum(scores.amax(-1, keepdim=True), s)
    powers = torch.exp(scores - top)
    return torch.einsum("bhts,bshd->bthd", powers / (powers.sum(-1, keepdim=True) + torch.exp(s - top)), v)


@BANK.change
def spelled_out(q, k, v, sinks, window=None):
    (b, t, h, d), (s, g) = q.shape, k.shape[1:3]
    k, v = k.repeat_interleave(h // g, 2), v.repeat_interleave(h // g, 2)  # (b, s, h, d)
    distance = torch.arange(s - t, s)[:, None] - torch.arange(s)[None, :]
    seen = distance >= 0 if window is None else (distance >= 0) & (distance < window)  # (t, s)
    scores = torch.einsum("bthd,bshd->bhts", q, k) / d**0.5
    scores = scores.masked_fill(~seen, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(b, h, t, 1)
    weights = torch.cat([scores, column], -1).softmax(-1)[..., :-1]
    return torch.einsum("bhts,bshd->bthd", weights, v)


SCALE, COLUMN, WEIGHTS = " / d**0.5", "sinks.view(1, h, 1, 1)", "torch.cat([scores, column], -1).softmax(-1)[..., :-1]"
SHARED, SEEN = "k.repeat_interleave(h // g, 2), v.repeat_interleave(h // g, 2)", "(distance >= 0) & (distance < window)"
MASK, CAUSAL = (
    "scores.masked_fill(~seen, -torch.inf)",
    "distance >= 0 if window is None else (distance >= 0) & (distance < window)",
)
RETURN = 'return torch.einsum("bhts,bshd->bthd", weights, v)'
LSE = "torch.logsumexp(scores, -1, keepdim=True)"


def gate(factor: str) -> tuple[str, str]:
    """Return the exchange of the sink's column for a factor of the row that is wrong in some way."""
    return WEIGHTS, f"scores.softmax(-1) * {factor}"


BANK.wrong(
    "window_plus_one", "129 keys", (SEEN, "(distance >= 0) & (distance <= window)"), seen="Megatron-Bridge 2656, 2771"
)
BANK.wrong("window_minus_one", "127 keys", (SEEN, "(distance >= 0) & (distance < window - 1)"))
BANK.wrong("no_window", "the window dropped", (CAUSAL, "distance >= 0"), seen="TensorRT-Model-Connect 399, 400")
BANK.wrong("window_only", "a window without the causal condition", (SEEN, "distance < window"))
BANK.wrong("window_only", "a window to both sides", (SEEN, "distance.abs() < window"))
BANK.wrong(
    "sink_missing",
    "sinks silently dropped",
    (WEIGHTS, "scores.softmax(-1)"),
    seen="TransformerLens 1621; transformers 42736; vllm 52156",
)
BANK.wrong(
    "sink_missing",
    "the row renormalised after the sink is dropped",
    (RETURN, f"weights = weights / weights.sum(-1, keepdim=True)\n    {RETURN}"),
)
BANK.wrong(
    "sink_missing", "the sink added to every score, where it cancels", (WEIGHTS, f"(scores + {COLUMN}).softmax(-1)")
)
BANK.wrong(
    "sink_missing",
    "the sink's column hidden by the mask",
    (WEIGHTS, f"torch.cat([{MASK}, 0 * column - torch.inf], -1).softmax(-1)[..., :-1]"),
)
BANK.wrong("sink_exp", "the power of the sink as its column", (COLUMN, f"{COLUMN}.exp()"))
BANK.wrong("sink_scaled", "the sink scaled like a score", (COLUMN, f"({COLUMN} / d**0.5)"))
BANK.wrong("sink_constant", "softmax off by one: exp(0) for every head", (COLUMN, f"(0 * {COLUMN})"))
BANK.wrong(
    "sink_value",
    "the sink's share given to the first value",
    (WEIGHTS, f"{WEIGHTS}\n    weights[..., 0] += 1 - weights.sum(-1)"),
)
BANK.wrong(
    "sink_value",
    "the sink's share given to the last value",
    (WEIGHTS, f"{WEIGHTS}\n    weights[..., -1] += 1 - weights.sum(-1)"),
)
BANK.wrong(
    "sink_value",
    "the sink's share given to the mean value",
    (WEIGHTS, f"{WEIGHTS}\n    weights = weights + (1 - weights.sum(-1, keepdim=True)) / s"),
)
BANK.wrong(
    "sink_value",
    "the sink's share added to the output",
    (RETURN, f"{RETURN} + (1 - weights.sum(-1)).transpose(1, 2)[..., None]"),
)
BANK.wrong(
    "sink_value",
    "the sink's share of the sink added to the output",
    (RETURN, f"{RETURN} + (sinks[:, None] * (1 - weights.sum(-1))).transpose(1, 2)[..., None]"),
)
BANK.wrong("sink_sign", "the gate's sign: sigmoid(sink - lse)", gate(f"torch.sigmoid({COLUMN} - {LSE})"))
BANK.wrong("sink_sign", "minus the sink in the column", (COLUMN, f"(-{COLUMN})"))
BANK.wrong("sink_lse", "a gate without logsumexp: sigmoid(-sink)", gate(f"torch.sigmoid(-{COLUMN})"))
BANK.wrong("sink_lse", "a gate without logsumexp: sigmoid(sink)", gate(f"torch.sigmoid({COLUMN})"))
BANK.wrong(
    "sink_lse", "a gate without logsumexp: 1 - sigmoid(sink) per score", gate(f"torch.sigmoid(scores - {COLUMN})")
)
BANK.wrong(
    "sink_lse",
    "a gate with the largest score for logsumexp",
    gate(f"torch.sigmoid(scores.amax(-1, keepdim=True) - {COLUMN})"),
)
BANK.wrong(
    "sink_lse",
    "a gate with the sum of the powers, its logarithm forgotten",
    gate(f"torch.sigmoid(scores.exp().sum(-1, keepdim=True) - {COLUMN})"),
)
BANK.wrong("sink_head", "one sink for all heads", (COLUMN, "sinks[:1].expand(h).view(1, h, 1, 1)"))
BANK.wrong("sink_head", "the sinks in reverse", (COLUMN, "sinks.flip(0).view(1, h, 1, 1)"))
BANK.wrong("sink_head", "the mean of the sinks", (COLUMN, "sinks.mean().expand(h).view(1, h, 1, 1)"))
BANK.wrong(
    "sink_head", "one sink for each key/value head", (COLUMN, "sinks[:g].repeat_interleave(h // g).view(1, h, 1, 1)")
)
BANK.wrong("sink_head", "sinks dealt out to the groups", (COLUMN, "sinks.view(h // g, g).T.reshape(1, h, 1, 1)"))
BANK.wrong("sink_linear", "the sink itself in the denominator", gate(f"{LSE}.exp() / ({LSE}.exp() + {COLUMN})"))
BANK.wrong(
    "sink_linear",
    "the sink itself in the denominator, at least 0",
    gate(f"{LSE}.exp() / ({LSE}.exp() + {COLUMN}.clamp(min=0))"),
)
BANK.wrong(
    "groups_interleaved", "heads dealt out: head % g", (SHARED, "k.repeat(1, 1, h // g, 1), v.repeat(1, 1, h // g, 1)")
)
BANK.wrong(
    "groups_first",
    "all heads read the first key/value head",
    (SHARED, "k[:, :, :1].expand(b, s, h, d), v[:, :, :1].expand(b, s, h, d)"),
)
BANK.wrong(
    "groups_first",
    "all heads read the last key/value head",
    (SHARED, "k[:, :, -1:].expand(b, s, h, d), v[:, :, -1:].expand(b, s, h, d)"),
)
BANK.wrong(
    "groups_values",
    "keys shared by neighbours, values dealt out",
    ("v.repeat_interleave(h // g, 2)", "v.repeat(1, 1, h // g, 1)"),
)
BANK.wrong(
    "groups_values",
    "keys shared by neighbours, the first values for all",
    ("v.repeat_interleave(h // g, 2)", "v[:, :, :1].expand(b, s, h, d)"),
)
BANK.wrong(
    "groups_values",
    "values shared by neighbours, keys dealt out",
    ("k.repeat_interleave(h // g, 2)", "k.repeat(1, 1, h // g, 1)"),
)
BANK.wrong("unscaled", "not divided by the root of head_dim", (SCALE, ""))
BANK.wrong("scaled_by_d", "divided by head_dim", (SCALE, " / d"))
BANK.wrong("scaled_up", "multiplied by the root of head_dim", (SCALE, " * d**0.5"))
BANK.wrong("scaled_by_width", "divided by the root of the whole width", (SCALE, " / (h * d) ** 0.5"))
BANK.wrong("scaled_by_width", "divided by the root of the number of heads", (SCALE, " / h**0.5"))
BANK.wrong("not_causal", "no causal mask", (CAUSAL, "torch.ones(t, s).bool()"))
BANK.wrong("anti_causal", "masked_fill with the mask of what is visible, itself excepted", (CAUSAL, "distance <= 0"))
BANK.wrong("anti_causal", "masked_fill without ~", ("~seen", "seen"))
BANK.wrong(
    "diagonal", "the own key hidden", ("    scores = scores", "    seen = seen & (distance != 0)\n    scores = scores")
)
BANK.wrong("diagonal", "the first column dropped instead of the sink's, the last", ("[..., :-1]", "[..., 1:]"))
BANK.wrong(
    "mask_after_softmax", "hidden weights zeroed after the softmax", (MASK, "scores"), (WEIGHTS, f"{WEIGHTS} * seen")
)
BANK.wrong("mask_zero", "hidden scores set to 0", (MASK, "scores * seen"))
BANK.wrong("mask_zero", "hidden scores set to a small number", ("-torch.inf", "1e-9"))
for hidden in ("-1.0", "-10.0", "-100.0", "-1000.0"):
    BANK.wrong("mask_finite", f"hidden scores set to {hidden}", ("-torch.inf", hidden))
BANK.wrong("mask_finite", "100 subtracted from hidden scores", (MASK, "scores - 100.0 * ~seen"))
BANK.wrong("mask_finite", "1000 subtracted from hidden scores", (MASK, "scores - 1000.0 * ~seen"))
BANK.wrong(
    "aligned_left", "positions from the first key", ("torch.arange(s - t, s)", "torch.arange(t)"), seen="gpt-oss 196"
)
BANK.wrong("softmax_axis", "softmax over the queries", (WEIGHTS, "scores.softmax(-2)"))
BANK.wrong(
    "overflow",
    "exp without the maximum subtracted",
    (WEIGHTS, f"scores.exp() / (scores.exp().sum(-1, keepdim=True) + {COLUMN}.exp())"),
)
BANK.wrong("layout", "(b, h, t, d) returned", ("->bthd", "->bhtd"))
BANK.wrong(
    "layout",
    "(b, h, t, d) reshaped instead of transposed",
    (RETURN, 'return torch.einsum("bhts,bshd->bhtd", weights, v).reshape(b, t, h, d)'),
)
BANK.wrong("no_softmax", "the scores weigh the values", (MASK, "scores * seen"), (WEIGHTS, "scores"))
BANK.wrong(
    "no_softmax", "the unscaled scores weigh the values", (SCALE, ""), (MASK, "scores * seen"), (WEIGHTS, "scores")
)
BANK.wrong(
    "uniform", "the mean of the visible values", (WEIGHTS, "(seen / seen.sum(-1, keepdim=True)).expand(b, h, t, s)")
)
BANK.wrong(
    "batch",
    "the first row's keys for the whole batch",
    ("    distance", "    k, v = k[:1].expand_as(k), v[:1].expand_as(v)\n    distance"),
)
