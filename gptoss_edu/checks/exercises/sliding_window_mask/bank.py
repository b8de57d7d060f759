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


BANK.change(broadcast)
POSITIONS, WINDOW = "query_positions[:, None], key_positions[None, :]", "k > q - window"
RETURN = "return mask if window is None else mask & (k > q - window)"
BOOL = "mask = mask if window is None else mask & (k > q - window)\n    "

BANK.wrong("window_plus_one", "129 keys", (WINDOW, "k >= q - window"), seen="Megatron-Bridge 2656, 2771; mlx-lm 390")
BANK.wrong("window_minus_one", "127 keys", (WINDOW, "k > q - window + 1"))
BANK.wrong("diagonal", "the query does not see itself", ("k <= q", "k < q"))
BANK.wrong(
    "inverted",
    "True = hidden, for masked_fill",
    ("k <= q", "k > q"),
    (f"mask & ({WINDOW})", "mask | (k <= q - window)"),
)
BANK.wrong("anti_causal", "triu for tril", ("k <= q", "k >= q"), (WINDOW, "k < q + window"))
BANK.wrong("anti_causal", "the future alone, without the query itself", ("k <= q", "k > q"), (WINDOW, "k < q + window"))
BANK.wrong("window_two_sided_only", "the window without the causal condition", (f"mask & ({WINDOW})", f"({WINDOW})"))
BANK.wrong(
    "window_both_sides", "a window to both sides, as in encoders", (f"mask & ({WINDOW})", "(q - k).abs() < window")
)
BANK.wrong("window_both_sides", "and one key more on each side", (f"mask & ({WINDOW})", "(q - k).abs() <= window"))
BANK.wrong(
    "window_both_sides", "half of the window on each side", (f"mask & ({WINDOW})", "(q - k).abs() <= window // 2")
)
BANK.wrong("blocks", "fixed blocks instead of a sliding window", (WINDOW, "q // window == k // window"))
BANK.wrong("no_window", "the window dropped", (RETURN, "return mask"), seen="TensorRT-Model-Connect 399, 400")
BANK.wrong(
    "indices",
    "tril and triu of a matrix of ones: row and column numbers",
    (POSITIONS, "torch.arange(len(query_positions))[:, None], torch.arange(len(key_positions))[None, :]"),
)
BANK.wrong(
    "indices",
    "row and column numbers, aligned at the end",
    (
        "q, k = query_positions[:, None]",
        "t, s = len(query_positions), len(key_positions)\n    q, k = torch.arange(s - t, s)[:, None]",
    ),
    ("key_positions[None, :]\n", "torch.arange(s)[None, :]\n"),
)
BANK.wrong(
    "dtype",
    "an additive mask of 0 and -inf",
    (RETURN, BOOL + "return torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)"),
)
BANK.wrong("dtype", "zeros and ones", (RETURN, BOOL + "return mask.int()"))
BANK.wrong(
    "positions_swapped", "(s, t) instead of (t, s)", (POSITIONS, "query_positions[None, :], key_positions[:, None]")
)
for size in (128, 200, 4096):
    BANK.wrong(
        "full_limited",
        f"None taken for a window of {size}",
        ("return mask if", f"window = window or {size}\n    return mask if"),
    )
BANK.wrong("hard_coded", "a window of 128 written in", ("q - window", "q - 128"))
BANK.wrong("future", "a full layer that sees the future", ("return mask if", "return torch.ones_like(mask) if"))
BANK.wrong("future", "no causal condition at all", ("k <= q", "k < q + 10**9"))
