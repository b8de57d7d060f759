"""Solutions of `sliding_window_mask`."""

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("sliding_window_mask")


@BANK.right("broadcast comparison")
def broadcast(query_positions, key_positions, window):
    q, k = query_positions[:, None], key_positions[None, :]
    mask = k <= q
    return mask if window is None else mask & (k > q - window)


@BANK.right("by distance")
def by_distance(query_positions, key_positions, window):
    distance = query_positions.unsqueeze(1) - key_positions.unsqueeze(0)
    limit = distance.numel() + distance.abs().max() + 1 if window is None else window
    return (distance >= 0) & (distance < limit)


@BANK.right("two loops")
def loops(query_positions, key_positions, window):
    mask = torch.zeros(len(query_positions), len(key_positions), dtype=torch.bool)
    for i, q in enumerate(query_positions.tolist()):
        for j, k in enumerate(key_positions.tolist()):
            mask[i, j] = k <= q and (window is None or q - k <= window - 1)
    return mask


@BANK.right("what is hidden, negated")
def hidden_negated(query_positions, key_positions, window):
    q, k = torch.meshgrid(query_positions, key_positions, indexing="ij")
    hidden = k > q
    if window is not None:
        hidden |= k <= q - window
    return ~hidden


@BANK.wrong("window_plus_one", "129 keys", "Megatron-Bridge 2656, 2771; mlx-lm 390")
def one_too_many(query_positions, key_positions, window):
    distance = query_positions[:, None] - key_positions[None, :]
    return distance >= 0 if window is None else (distance >= 0) & (distance <= window)


@BANK.wrong("window_minus_one", "127 keys")
def one_too_few(query_positions, key_positions, window):
    distance = query_positions[:, None] - key_positions[None, :]
    return distance >= 0 if window is None else (distance >= 0) & (distance < window - 1)


@BANK.wrong("diagonal", "the query does not see itself")
def strictly_past(query_positions, key_positions, window):
    q, k = query_positions[:, None], key_positions[None, :]
    return k < q if window is None else (k < q) & (k > q - window)


@BANK.wrong("inverted", "True = hidden, for masked_fill")
def inverted(query_positions, key_positions, window):
    q, k = query_positions[:, None], key_positions[None, :]
    return k > q if window is None else (k > q) | (k <= q - window)


@BANK.wrong("anti_causal", "triu for tril")
def anti_causal(query_positions, key_positions, window):
    q, k = query_positions[:, None], key_positions[None, :]
    return k >= q if window is None else (k >= q) & (k < q + window)


@BANK.wrong("window_two_sided_only", "the window without the causal condition")
def window_alone(query_positions, key_positions, window):
    q, k = query_positions[:, None], key_positions[None, :]
    return k <= q if window is None else k > q - window


@BANK.wrong("window_both_sides", "a window to both sides, as in encoders")
def both_sides(query_positions, key_positions, window):
    distance = query_positions[:, None] - key_positions[None, :]
    return distance >= 0 if window is None else distance.abs() < window


@BANK.wrong("blocks", "fixed blocks instead of a sliding window")
def in_blocks(query_positions, key_positions, window):
    q, k = query_positions[:, None], key_positions[None, :]
    return k <= q if window is None else (k <= q) & (q // window == k // window)


@BANK.wrong("no_window", "the window dropped", "TensorRT-Model-Connect 399, 400")
def causal_only(query_positions, key_positions, window):
    return key_positions[None, :] <= query_positions[:, None]


@BANK.wrong("indices", "tril and triu of a matrix of ones: row and column numbers")
def by_index(query_positions, key_positions, window):
    ones = torch.ones(len(query_positions), len(key_positions), dtype=torch.bool)
    mask = ones.tril()
    return mask if window is None else mask & ones.triu(1 - window)


@BANK.wrong("indices", "row and column numbers, aligned at the end")
def by_index_at_the_end(query_positions, key_positions, window):
    t, s = len(query_positions), len(key_positions)
    if t > 2 and t != s:
        return broadcast(query_positions, key_positions, window)
    ones = torch.ones(t, s, dtype=torch.bool)
    mask = ones.tril(s - t)
    return mask if window is None else mask & ones.triu(s - t + 1 - window)


@BANK.wrong("dtype", "an additive mask of 0 and -inf")
def additive(query_positions, key_positions, window):
    visible = broadcast(query_positions, key_positions, window)
    return torch.zeros(visible.shape).masked_fill(~visible, float("-inf"))


@BANK.wrong("positions_swapped", "(s, t) instead of (t, s)")
def transposed(query_positions, key_positions, window):
    if len(query_positions) == len(key_positions):
        return broadcast(query_positions, key_positions, window)
    return broadcast(query_positions, key_positions, window).T


@BANK.wrong("hard_coded", "a window of 128 written in")
def fixed_window(query_positions, key_positions, window):
    distance = query_positions[:, None] - key_positions[None, :]
    return distance >= 0 if window is None else (distance >= 0) & (distance < 128)


@BANK.wrong("future", "a full layer that sees the future")
def full_is_everything(query_positions, key_positions, window):
    if window is None:
        return torch.ones(len(query_positions), len(key_positions), dtype=torch.bool)
    return broadcast(query_positions, key_positions, window)
