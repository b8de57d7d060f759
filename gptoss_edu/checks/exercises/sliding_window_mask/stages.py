"""The check of `sliding_window_mask`: the diagonal, the past, the window's edge, positions that do not start at 0."""

import numpy as np
import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_shape, to_numpy
from gptoss_edu.checks.display import grid
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "inverted": (
        "True and False are exchanged: True means that the query MAY attend (masked_fill takes the opposite, which is "
        "where this comes from)."
    ),
    "anti_causal": "The comparison is inverted: the mask lets queries see the future and hides the past.",
    "future": (
        "Keys after the query are visible. A causal mask lets a query see its own position and earlier ones only."
    ),
    "diagonal": "The query does not see its own position: `<` where `<=` is needed.",
    "no_window": "The window is not applied: every key of the past is visible.",
    "window_plus_one": (
        "The window is one key too long. With a window of 3, query 9 sees 4 keys: 6, 7, 8 and 9. It should see 3, "
        "including its own: 7, 8 and 9."
    ),
    "window_minus_one": (
        "The window is one key too short. With a window of 3, query 9 sees 2 keys: 8 and 9. It should see 3, "
        "including its own: 7, 8 and 9."
    ),
    "window_both_sides": "The window extends to both sides, |query - key| < window. It must be causal as well.",
    "window_two_sided_only": "Keys after the query inside the window are visible: the causal condition is missing.",
    "blocks": (
        "The past is cut into fixed blocks of `window` positions. The window slides: it is measured from each query."
    ),
    "indices": (
        "The mask is built from row and column numbers instead of from the given positions. With a cache the first "
        "query is not at position 0, and the first key need not be either."
    ),
    "positions_swapped": "Query positions run down the rows, key positions along the columns: (t, s).",
    "dtype": "The mask must be boolean, True = may attend; not 0 and 1, not 0 and -inf.",
    "full": "With window = None (a full layer) everything up to the query is visible.",
    "full_limited": "With window = None the past is cut off. None is a full layer: every earlier key, however far.",
    "hard_coded": "The window of the call is not used: a number (128?) is written into the function.",
    "general": (
        "A query sees itself and the keys just before it, `window` in all: with a window of 3, query 9 sees 7, 8 and "
        "9. This also holds for a text that begins later and for keys in another order."
    ),
}
CHECK = Check(
    "sliding_window_mask",
    (Forbidden("attention.py"), Forbidden("fast"), Forbidden("cache.py")),
    CAUSES,
    "(query_positions (t,), key_positions (s,), window or None) -> (t, s) bool, True = may attend",
)


def _compare(call, queries, keys, window, general="general"):
    """Call and compare; the symptom counts what a query sees."""
    q, k = torch.as_tensor(queries), torch.as_tensor(keys)
    out = call(q, k, window)
    if isinstance(out, torch.Tensor) and out.dtype != torch.bool:
        symptom = f"the mask is {str(out.dtype).removeprefix('torch.')}, expected bool"
        raise Refused(symptom, "dtype", certain=True)
    found, shape = to_numpy(out, "the mask"), (len(queries), len(keys))
    if found.shape == shape[::-1] != shape:
        raise Refused(f"the mask has shape {found.shape}, expected (t, s) = {shape}", "positions_swapped", certain=True)
    expect_shape(found, shape, "(t, s)")
    right = reference.mask(q, k, window)
    if (found == right).all():
        return
    rows = np.flatnonzero((found != right).any(1))
    i = next((row for row in rows if found[row].sum() != right[row].sum()), rows[0])
    j = int(np.flatnonzero(found[i] != right[i])[0])
    sees = int(found[i].sum())
    symptom = (
        f"query {queries[i]} sees {sees} key{'s' * (sees != 1)}, right are {int(right[i].sum())}; "
        f"key {keys[j]} is {'visible' if found[i, j] else 'hidden'}"
    )
    picture = grid(found, right, list(queries), list(keys))
    raise Refused(symptom + (f" (window {window})" if window else ""), general, picture)


@CHECK.stage("causal, without a window")
def causal(call):
    _compare(call, [0, 1, 2, 3], [0, 1, 2, 3], None, "full")
    _compare(call, [0], [0], None, "full")
    _compare(call, [20], list(range(21)), None, "full")
    _compare(call, [250, 4999], list(range(5000)), None, "full")
    _compare(call, [260, 5999], list(range(6000)), None, "full")


@CHECK.stage("the window's edge")
def edge(call):
    _compare(call, list(range(140)), list(range(140)), 3)
    _compare(call, list(range(30)), list(range(30)), 5)


@CHECK.stage("128 keys, the query included")
def released(call):
    _compare(call, list(range(125, 202)), list(range(0, 202)), 128, "hard_coded")


@CHECK.stage("positions that do not start at 0")
def positions(call):
    _compare(call, [10, 11], [7, 8, 9, 10, 11], 4, "indices")
    _compare(call, [4, 5], [2, 3, 4, 5, 6, 7], None, "indices")


@CHECK.stage("keys in any order")
def ring(call):
    _compare(call, [9, 10], [8, 9, 10, 7], 3, "indices")


@CHECK.stage("a window of one, and one longer than the past")
def extremes(call):
    _compare(call, [0, 1, 2], [0, 1, 2], 1)
    _compare(call, [0, 1, 2], [0, 1, 2], 100, "hard_coded")
