"""Wrong solutions of chapter 04, written from its text alone."""

import torch

from gptoss_edu.checks.exercises.own.grouped_attention import BANK as GROUPED_ATTENTION
from gptoss_edu.checks.exercises.own.one_head import BANK as ONE_HEAD
from gptoss_edu.checks.exercises.sliding_window_mask.bank import BANK as SLIDING_WINDOW_MASK


@ONE_HEAD.wrong("scaled by the root of d", "the scores are not divided by the root of d", unseen=True)
def one_head_1(q, k, v, allowed):
    return (q @ k.T).masked_fill(~allowed, -torch.inf).softmax(-1) @ v


@ONE_HEAD.wrong("the forbidden keys", "masked after the softmax, the rows no longer sum to one", unseen=True)
def one_head_2(q, k, v, allowed):
    return ((q @ k.T / q.shape[-1] ** 0.5).softmax(-1) * allowed) @ v


@ONE_HEAD.wrong("scaled by the root of d", "divided by the number of keys", unseen=True)
def one_head_3(q, k, v, allowed):
    return (q @ k.T / len(k) ** 0.5).masked_fill(~allowed, -torch.inf).softmax(-1) @ v


@ONE_HEAD.wrong("a query of zero: the mean", "softmax over the queries", unseen=True)
def one_head_4(q, k, v, allowed):
    return (q @ k.T / q.shape[-1] ** 0.5).masked_fill(~allowed, -torch.inf).softmax(0).nan_to_num() @ v


@SLIDING_WINDOW_MASK.wrong(
    "window_plus_one", "one key too many: the window excludes the query itself from its count", unseen=True
)
def sliding_window_mask_1(query_positions, key_positions, window):
    distance = query_positions[:, None] - key_positions
    mask = distance >= 0
    return mask if window is None else mask & (distance <= window)


@SLIDING_WINDOW_MASK.wrong("diagonal", "strictly earlier: the query does not see itself", unseen=True)
def sliding_window_mask_2(query_positions, key_positions, window):
    distance = query_positions[:, None] - key_positions
    mask = distance > 0
    return mask if window is None else mask & (distance < window)


@SLIDING_WINDOW_MASK.wrong("indices", "row and column numbers instead of positions", unseen=True)
def sliding_window_mask_3(query_positions, key_positions, window):
    t, s = len(query_positions), len(key_positions)
    mask = torch.ones(t, s).tril(s - t).bool()
    return mask if window is None else mask & ~torch.ones(t, s).tril(s - t - window).bool()


@SLIDING_WINDOW_MASK.wrong(
    "window_both_sides", "the window without causality: later keys within it are visible", unseen=True
)
def sliding_window_mask_4(query_positions, key_positions, window):
    distance = query_positions[:, None] - key_positions
    if window is None:
        return distance >= 0
    return distance.abs() < window


@GROUPED_ATTENTION.wrong(
    "six heads share two", "repeat instead of repeat_interleave: the wrong queries share a group", unseen=True
)
def grouped_attention_1(q, k, v, mask):
    n = q.shape[2] // k.shape[2]
    k, v = k.repeat(1, 1, n, 1), v.repeat(1, 1, n, 1)
    scores = torch.einsum("bthd,bshd->bhts", q, k) / q.shape[-1] ** 0.5
    return torch.einsum("bhts,bshd->bthd", scores.masked_fill(~mask, -torch.inf).softmax(-1), v)


@GROUPED_ATTENTION.wrong("groups_first", "every head uses group 0", unseen=True)
def grouped_attention_2(q, k, v, mask):
    scores = torch.einsum("bthd,bsd->bhts", q, k[:, :, 0]) / q.shape[-1] ** 0.5
    return torch.einsum("bhts,bsd->bthd", scores.masked_fill(~mask, -torch.inf).softmax(-1), v[:, :, 0])
