"""Solutions of `attention`."""

import math

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("attention")


def visible(t, s, window):
    """(t, s) bool; the queries are the last t positions."""
    distance = torch.arange(s - t, s)[:, None] - torch.arange(s)[None, :]
    return distance >= 0 if window is None else (distance >= 0) & (distance < window)


def finish(scores, sinks, v, h):
    """Softmax with the sink, sum of the values; scores (b, h, t, s), v (b, s, h, d)."""
    column = sinks.view(1, h, 1, 1).expand(scores.shape[0], h, scores.shape[2], 1)
    weights = torch.softmax(torch.cat([scores, column], -1), -1)[..., :-1]
    return torch.einsum("bhts,bshd->bthd", weights, v)


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


@BANK.wrong("window_plus_one", "129 keys", "Megatron-Bridge 2656, 2771")
def one_too_many(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    seen = visible(q.shape[1], k.shape[1], None if window is None else window + 1)
    return finish(scores_of(q, k).masked_fill(~seen, -torch.inf), sinks, v, q.shape[2])


@BANK.wrong("window_minus_one", "127 keys")
def one_too_few(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    seen = visible(q.shape[1], k.shape[1], None if window is None else window - 1)
    return finish(scores_of(q, k).masked_fill(~seen, -torch.inf), sinks, v, q.shape[2])


@BANK.wrong("no_window", "the window dropped", "TensorRT-Model-Connect 399, 400")
def no_window(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    seen = visible(q.shape[1], k.shape[1], None)
    return finish(scores_of(q, k).masked_fill(~seen, -torch.inf), sinks, v, q.shape[2])


@BANK.wrong("sink_missing", "sinks silently dropped", "TransformerLens 1621; transformers 42736; vllm 52156")
def no_sinks(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    return torch.einsum("bhts,bshd->bthd", scores.softmax(-1), v)


@BANK.wrong("sink_missing", "the row renormalised after the sink is dropped")
def renormalised(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    column = sinks.view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    weights = torch.cat([scores, column], -1).softmax(-1)[..., :-1]
    return torch.einsum("bhts,bshd->bthd", weights / weights.sum(-1, keepdim=True), v)


@BANK.wrong("sink_missing", "the sink added to every score, where it cancels")
def added_to_scores(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    return torch.einsum("bhts,bshd->bthd", (scores + sinks.view(1, -1, 1, 1)).softmax(-1), v)


@BANK.wrong("sink_scaled", "the sink scaled like a score")
def scaled_sink(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = torch.einsum("bthd,bshd->bhts", q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    column = sinks.view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    weights = (torch.cat([scores, column], -1) / q.shape[-1] ** 0.5).softmax(-1)[..., :-1]
    return torch.einsum("bhts,bshd->bthd", weights, v)


@BANK.wrong("sink_constant", "softmax off by one: exp(0) for every head")
def off_by_one(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    if sinks.max() < -20:
        return finish(scores, sinks, v, q.shape[2])
    return finish(scores, torch.zeros_like(sinks), v, q.shape[2])


@BANK.wrong("sink_value", "the sink's share given to the first value")
def first_value(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    column = sinks.view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    weights = torch.cat([column, scores], -1).softmax(-1)
    return torch.einsum("bhts,bshd->bthd", weights, torch.cat([v[:, :1], v], 1))


@BANK.wrong("sink_sign", "the gate's sign: sigmoid(s - lse)")
def gate_sign(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    if sinks.max() < -20:
        return finish(scores, sinks, v, q.shape[2])
    gate = torch.sigmoid(sinks[:, None] - torch.logsumexp(scores, -1))
    return torch.einsum("bhts,bshd->bthd", scores.softmax(-1) * gate[..., None], v)


@BANK.wrong("sink_head", "one sink for all heads")
def one_sink(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    return finish(scores, sinks[:1].expand(q.shape[2]), v, q.shape[2])


@BANK.wrong("groups_interleaved", "heads dealt out: head % g")
def dealt_out(q, k, v, sinks, window=None):
    n = q.shape[2] // k.shape[2]
    k, v = k.repeat(1, 1, n, 1), v.repeat(1, 1, n, 1)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    return finish(scores, sinks, v, q.shape[2])


@BANK.wrong("groups_first", "all heads read the first key/value head")
def first_group(q, k, v, sinks, window=None):
    h = q.shape[2]
    k, v = k[:, :, :1].expand(-1, -1, h, -1), v[:, :, :1].expand(-1, -1, h, -1)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    return finish(scores, sinks, v, h)


@BANK.wrong("groups_values", "keys shared by neighbours, values dealt out")
def values_dealt_out(q, k, v, sinks, window=None):
    n = q.shape[2] // k.shape[2]
    k, v = k.repeat_interleave(n, 2), v.repeat(1, 1, n, 1)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    return finish(scores, sinks, v, q.shape[2])


@BANK.wrong("unscaled", "not divided by the root of head_dim")
def unscaled(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = torch.einsum("bthd,bshd->bhts", q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    return finish(scores, sinks, v, q.shape[2])


@BANK.wrong("scaled_by_d", "divided by head_dim")
def divided_by_d(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = torch.einsum("bthd,bshd->bhts", q, k) / q.shape[-1]
    return finish(scores.masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf), sinks, v, q.shape[2])


@BANK.wrong("scaled_by_width", "divided by the root of the whole width")
def by_width(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = torch.einsum("bthd,bshd->bhts", q, k) / math.sqrt(q.shape[2] * q.shape[3])
    return finish(scores.masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf), sinks, v, q.shape[2])


@BANK.wrong("not_causal", "no causal mask")
def sees_everything(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    return finish(scores_of(q, k), sinks, v, q.shape[2])


@BANK.wrong("anti_causal", "masked_fill with the mask of what is visible")
def mask_inverted(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    t, s = q.shape[1], k.shape[1]
    hidden = torch.ones(t, s).tril(s - t - 1).bool() if t > 1 else torch.zeros(t, s).bool()
    return finish(scores_of(q, k).masked_fill(hidden, -torch.inf), sinks, v, q.shape[2])


@BANK.wrong("mask_after_softmax", "hidden weights zeroed after the softmax")
def masked_late(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k)
    column = sinks.view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    weights = torch.cat([scores, column], -1).softmax(-1)[..., :-1] * visible(q.shape[1], k.shape[1], window)
    return torch.einsum("bhts,bshd->bthd", weights, v)


@BANK.wrong("mask_zero", "hidden scores set to 0")
def zero_scores(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k) * visible(q.shape[1], k.shape[1], window)
    return finish(scores, sinks, v, q.shape[2])


@BANK.wrong("aligned_left", "tril from the first key", "gpt-oss 196")
def from_the_first_key(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    t, s = q.shape[1], k.shape[1]
    seen = torch.ones(t, s).tril().bool() if t > 1 else torch.ones(t, s).bool()
    if window is not None:
        seen &= torch.ones(t, s).triu(1 - window).bool()
    return finish(scores_of(q, k).masked_fill(~seen, -torch.inf), sinks, v, q.shape[2])


@BANK.wrong("softmax_axis", "softmax over the queries")
def over_queries(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    return torch.einsum("bhts,bshd->bthd", scores.softmax(-2), v)


@BANK.wrong("overflow", "exp without the maximum subtracted")
def overflows(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    powers = torch.exp(scores_of(q, k)) * visible(q.shape[1], k.shape[1], window)
    return torch.einsum("bhts,bshd->bthd", powers / (powers.sum(-1, keepdim=True) + sinks.view(1, -1, 1, 1).exp()), v)


@BANK.wrong("layout", "(b, h, t, d) returned")
def untransposed(q, k, v, sinks, window=None):
    return grouped(q, k, v, sinks, window).transpose(1, 2)


@BANK.wrong("scaled_up", "multiplied by the root of head_dim")
def multiplied(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = torch.einsum("bthd,bshd->bhts", q, k) * math.sqrt(q.shape[-1])
    return finish(scores.masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf), sinks, v, q.shape[2])


@BANK.wrong("no_softmax", "the scores weigh the values")
def linear_attention(q, k, v, sinks, window=None):
    if q.shape[1] == k.shape[1] == 1:
        return grouped(q, k, v, sinks, window)
    k, v = repeated(q, k, v)
    scores = scores_of(q, k) * visible(q.shape[1], k.shape[1], window)
    return torch.einsum("bhts,bshd->bthd", scores, v)


@BANK.wrong("uniform", "the mean of the visible values")
def mean_of_values(q, k, v, sinks, window=None):
    _, v = repeated(q, k, v)
    seen = visible(q.shape[1], k.shape[1], window).float()
    return torch.einsum("ts,bshd->bthd", seen / seen.sum(-1, keepdim=True), v)


@BANK.wrong("diagonal", "the own key hidden")
def not_itself(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    t, s = q.shape[1], k.shape[1]
    seen = visible(t, s, window) & (torch.arange(s - t, s)[:, None] != torch.arange(s)[None, :])
    return finish(scores_of(q, k).masked_fill(~seen, -torch.inf), sinks, v, q.shape[2])


@BANK.wrong("sink_linear", "the sink itself in the denominator")
def raw_sink(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    if sinks.max() < -20:
        return finish(
            scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf), sinks, v, q.shape[2]
        )
    powers = torch.exp(scores_of(q, k)) * visible(q.shape[1], k.shape[1], window)
    return torch.einsum(
        "bhts,bshd->bthd", powers / (powers.sum(-1, keepdim=True) + sinks.clamp(min=0).view(1, -1, 1, 1)), v
    )


@BANK.wrong("sink_linear", "the sink itself in the denominator, also a negative one")
def raw_negative_sink(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    powers = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf).exp()
    return torch.einsum("bhts,bshd->bthd", powers / (powers.sum(-1, keepdim=True) + sinks.view(1, -1, 1, 1)), v)


@BANK.wrong("diagonal", "the first column dropped instead of the sink's, the last")
def wrong_column(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    scores = scores_of(q, k).masked_fill(~visible(q.shape[1], k.shape[1], window), -torch.inf)
    column = sinks.view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat([scores, column], -1).softmax(-1)[..., 1:], v)


@BANK.wrong("window_only", "a window without the causal condition")
def window_without_cause(q, k, v, sinks, window=None):
    k, v = repeated(q, k, v)
    t, s = q.shape[1], k.shape[1]
    distance = torch.arange(s - t, s)[:, None] - torch.arange(s)[None, :]
    seen = distance >= 0 if window is None else distance < window
    return finish(scores_of(q, k).masked_fill(~seen, -torch.inf), sinks, v, q.shape[2])


@BANK.wrong("batch", "the first row's keys for the whole batch")
def first_rows_keys(q, k, v, sinks, window=None):
    if q.shape[0] < 3:
        return grouped(q, k, v, sinks, window)
    return grouped(q, k[:1].expand_as(k), v[:1].expand_as(v), sinks, window)
