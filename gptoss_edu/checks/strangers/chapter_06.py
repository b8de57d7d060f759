"""Wrong solutions of chapter 06, written from its text alone."""

import torch

from gptoss_edu.attention import sliding_window_mask
from gptoss_edu.checks.exercises.attention.bank import BANK as ATTENTION
from gptoss_edu.checks.exercises.own.sink_gate import BANK as SINK_GATE


def given(q, k, v, window):
    """Return what the stub provides: shapes, keys and values repeated for their groups, the mask."""
    (batch, t, h, d), (s, g) = q.shape, k.shape[1:3]
    positions = torch.arange(s)
    mask = sliding_window_mask(positions[s - t :], positions, window)  # (t, s)
    k, v = (x.repeat_interleave(h // g, dim=2) for x in (k, v))  # (b, s, h, d)
    return batch, t, h, d, k, v, mask


@ATTENTION.wrong("sink_scaled", "the sink is divided by sqrt(d) together with the scores", unseen=True)
def attention_1(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = torch.einsum("bthd,bshd->bhts", q, k)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    both = torch.cat((scores.masked_fill(~mask, -torch.inf), column), -1) / d**0.5
    return torch.einsum("bhts,bshd->bthd", both.softmax(-1)[..., :-1], v)


@ATTENTION.wrong("unscaled", "the scores are not scaled", unseen=True)
def attention_2(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = torch.einsum("bthd,bshd->bhts", q, k).masked_fill(~mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat((scores, column), -1).softmax(-1)[..., :-1], v)


@ATTENTION.wrong("scaled_by_d", "scaled by d instead of its root", unseen=True)
def attention_3(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d).masked_fill(~mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat((scores, column), -1).softmax(-1)[..., :-1], v)


@ATTENTION.wrong("diagonal", "the sink is put in front and the last column is dropped", unseen=True)
def attention_4(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat((column, scores), -1).softmax(-1)[..., :-1], v)


@ATTENTION.wrong("sink_missing", "the sink column is dropped before the softmax", unseen=True)
def attention_5(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat((scores, column), -1)[..., :-1].softmax(-1), v)


@ATTENTION.wrong("anti_causal", "the mask is turned round: allowed keys are hidden", unseen=True)
def attention_6(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat((scores, column), -1).softmax(-1)[..., :-1], v)


@ATTENTION.wrong("mask_after_softmax", "the mask multiplies the weights after the softmax", unseen=True)
def attention_7(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = torch.einsum("bthd,bshd->bhts", q, k) / d**0.5
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    weights = torch.cat((scores, column), -1).softmax(-1)[..., :-1] * mask
    return torch.einsum("bhts,bshd->bthd", weights, v)


@ATTENTION.wrong("mask_zero", "masked scores become 0 instead of minus infinity", unseen=True)
def attention_8(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5) * mask
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat((scores, column), -1).softmax(-1)[..., :-1], v)


@ATTENTION.wrong("sink_missing", "the weights are divided by their sum again, so the sink has no effect", unseen=True)
def attention_9(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    weights = torch.cat((scores, column), -1).softmax(-1)[..., :-1]
    weights = weights / weights.sum(-1, keepdim=True)
    return torch.einsum("bhts,bshd->bthd", weights, v)


@ATTENTION.wrong("sink_missing", "the sink's score is added to every score", unseen=True)
def attention_10(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = torch.einsum("bthd,bshd->bhts", q, k) / d**0.5 + sinks.view(1, h, 1, 1)
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return torch.einsum("bhts,bshd->bthd", weights, v)


@ATTENTION.wrong("sink_lse", "the gate uses the largest score instead of the logsumexp", unseen=True)
def attention_11(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    gate = torch.sigmoid(scores.amax(-1, keepdim=True) - sinks.view(1, h, 1, 1))
    return torch.einsum("bhts,bshd->bthd", scores.softmax(-1) * gate, v)


@ATTENTION.wrong("sink_lse", "the gate's logsumexp is taken before the mask", unseen=True)
def attention_12(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    raw = torch.einsum("bthd,bshd->bhts", q, k) / d**0.5
    gate = torch.sigmoid(raw.logsumexp(-1, keepdim=True) - sinks.view(1, h, 1, 1))
    weights = raw.masked_fill(~mask, -torch.inf).softmax(-1) * gate
    return torch.einsum("bhts,bshd->bthd", weights, v)


@ATTENTION.wrong("sink_sign", "the gate is turned round: a large sink opens it", unseen=True)
def attention_13(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    gate = torch.sigmoid(sinks.view(1, h, 1, 1) - scores.logsumexp(-1, keepdim=True))
    return torch.einsum("bhts,bshd->bthd", scores.softmax(-1) * gate, v)


@ATTENTION.wrong("sink_linear", "the sink itself instead of its exp in the denominator", unseen=True)
def attention_14(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    powers = scores.exp()
    weights = powers / (powers.sum(-1, keepdim=True) + sinks.view(1, h, 1, 1))
    return torch.einsum("bhts,bshd->bthd", weights, v)


@ATTENTION.wrong(
    "sink_constant", "a fixed 1 in the denominator (off by one softmax), the learned sinks are unused", unseen=True
)
def attention_15(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    powers = scores.exp()
    return torch.einsum("bhts,bshd->bthd", powers / (powers.sum(-1, keepdim=True) + 1), v)


@ATTENTION.wrong("softmax_axis", "softmax over the queries instead of the keys", unseen=True)
def attention_16(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -1e9)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    weights = torch.cat((scores, column), -1).softmax(-2)[..., :-1]
    return torch.einsum("bhts,bshd->bthd", weights, v)


@ATTENTION.wrong("sink_value", "the sink's share goes to the mean of all values: the sink has a value", unseen=True)
def attention_17(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    shares = torch.cat((scores, column), -1).softmax(-1)
    out = torch.einsum("bhts,bshd->bthd", shares[..., :-1], v)
    return out + shares[..., -1].transpose(1, 2)[..., None] * v.mean(1, keepdim=True)


@ATTENTION.wrong("layout", "the result keeps the heads in front: (b, h, t, d)", unseen=True)
def attention_18(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bhtd", torch.cat((scores, column), -1).softmax(-1)[..., :-1], v)


@ATTENTION.wrong("sink_head", "the sink of head 0 is used for every head", unseen=True)
def attention_19(q, k, v, sinks, window=None):
    batch, t, h, d, k, v, mask = given(q, k, v, window)
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    column = sinks[0].expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat((scores, column), -1).softmax(-1)[..., :-1], v)


@ATTENTION.wrong(
    "groups_interleaved",
    "the groups are repeated as a whole (repeat) instead of head by head (repeat_interleave)",
    unseen=True,
)
def attention_20(q, k, v, sinks, window=None):
    (batch, t, h, d), (s, g) = q.shape, k.shape[1:3]
    positions = torch.arange(s)
    mask = sliding_window_mask(positions[s - t :], positions, window)
    k, v = (x.repeat(1, 1, h // g, 1) for x in (k, v))
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat((scores, column), -1).softmax(-1)[..., :-1], v)


@ATTENTION.wrong("no_window", "the window is forgotten: the mask is only causal", unseen=True)
def attention_21(q, k, v, sinks, window=None):
    (batch, t, h, d), (s, g) = q.shape, k.shape[1:3]
    mask = torch.ones(t, s, dtype=torch.bool).tril(s - t)
    k, v = (x.repeat_interleave(h // g, dim=2) for x in (k, v))
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat((scores, column), -1).softmax(-1)[..., :-1], v)


@ATTENTION.wrong("aligned_left", "the queries are taken for the first t positions, not the last", unseen=True)
def attention_22(q, k, v, sinks, window=None):
    (batch, t, h, d), (s, g) = q.shape, k.shape[1:3]
    positions = torch.arange(s)
    mask = sliding_window_mask(positions[:t], positions, window)
    k, v = (x.repeat_interleave(h // g, dim=2) for x in (k, v))
    scores = (torch.einsum("bthd,bshd->bhts", q, k) / d**0.5).masked_fill(~mask, -torch.inf)
    column = sinks.view(1, h, 1, 1).expand(batch, h, t, 1)
    return torch.einsum("bhts,bshd->bthd", torch.cat((scores, column), -1).softmax(-1)[..., :-1], v)


@SINK_GATE.wrong(
    "keys and sink equally strong",
    "the exponent of the sink is forgotten: lse instead of exp(lse) is compared",
    unseen=True,
)
def sink_gate_1(lse, sinks):
    return lse / (lse + sinks[:, None])


@SINK_GATE.wrong("keys and sink equally strong", "the softmax is taken over the heads", unseen=True)
def sink_gate_2(lse, sinks):
    return torch.softmax(lse - sinks[:, None], dim=1)


@SINK_GATE.wrong("a strong sink", "the share of the sink is returned, not of the keys", unseen=True)
def sink_gate_3(lse, sinks):
    return sinks[:, None].exp() / (sinks[:, None].exp() + lse.exp())


@SINK_GATE.wrong("a strong sink", "added instead of subtracted", unseen=True)
def sink_gate_4(lse, sinks):
    return torch.sigmoid(lse + sinks[:, None])
