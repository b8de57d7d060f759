"""`window_room` (chapter 26): the mask that is one key too long, fixed, and a test that would have caught it."""

import torch

from gptoss_edu import attention
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.catching import Mutant, catching


def right(query_positions, key_positions, window):
    """Call the package's own function through its module, so that a specimen never replaces it."""
    return attention.sliding_window_mask(query_positions, key_positions, window)


def longer(q, k, window):
    return right(q, k, window + 1)


def shorter(q, k, window):
    return right(q, k, window - 1)


def endless(q, k, window):
    return right(q, k, None)


def foreseeing(q, k, window):
    return (k[None] > q[:, None] - window) & (k[None] >= 0)


def by_column(q, k, window):
    first = torch.arange(len(k))
    return right(first[: len(q)], first, window)


MUTANTS = (
    Mutant(
        "one key more", longer, "The longest row must be full: count the keys of a query that lies beyond the window."
    ),
    Mutant("one key less", shorter, "Test for the exact number of keys, not for an upper bound."),
    Mutant("no window", endless, "Your texts are all shorter than the window: no key ever leaves it."),
    Mutant("sees the future", foreseeing, "Test a key that comes after its query."),
    Mutant(
        "counts columns, not positions",
        by_column,
        "While decoding, the queries are not the first positions: let them begin later than the keys.",
    ),
)
SOME = torch.arange(6)
PROBES = ((SOME, SOME, 3), (SOME, SOME, 1), (torch.tensor([9]), torch.tensor([4, 8, 9, 10]), 4), (SOME, SOME, 128))
CHECK = catching("window_room", right, MUTANTS, PROBES, 24, "positions", lambda q, k, window: len(q) + len(k))
BANK = Bank("window_room")


@BANK.right("two queries, each counted")
def window_room():
    def fixed(query_positions, key_positions, window):
        q, k = query_positions[:, None], key_positions[None, :]
        return (k <= q) & (k > q - window)

    def test(mask):
        queries, keys = torch.tensor([2, 3]), torch.arange(5)
        assert mask(queries, keys, 2).tolist() == [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]

    return fixed, test


ROWS = "assert mask(queries, keys, 2).tolist() == [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]"
BANK.wrong("two functions", "the test alone", ("return fixed, test", "return test"))
BANK.wrong("fixed", "still one key too long", ("(k > q - window)", "(k >= q - window)"))
BANK.wrong("fixed", "one key too short", ("(k > q - window)", "(k > q - window + 1)"))
BANK.wrong(
    "the right code passes",
    "the reported bug taken for right",
    ("[[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]", "[[1, 1, 1, 0, 0], [0, 1, 1, 1, 0]]"),
)
BANK.wrong("one key more", "nothing is asserted", (ROWS, "mask(queries, keys, 2)"))
BANK.wrong(
    "one key more",
    "a text as long as the window",
    (ROWS, "assert mask(torch.arange(2), torch.arange(2), 2).sum(-1).tolist() == [1, 2]"),
)
BANK.wrong("one key less", "at most as many", (ROWS, "assert mask(queries, keys, 2).sum(-1).max() <= 2"))
BANK.wrong(
    "counts columns, not positions",
    "queries from the first position on",
    ("torch.tensor([2, 3]), torch.arange(5)", "torch.arange(4), torch.arange(4)"),
    (ROWS, "assert mask(queries, keys, 2).sum(-1).tolist() == [1, 2, 2, 2] and not mask(queries, keys, 2)[0, 1]"),
)
BANK.wrong(
    "sees the future",
    "the window's far end alone",
    (ROWS, "assert mask(queries, keys, 2)[:, :3].tolist() == [[0, 1, 1], [0, 0, 1]]"),
)
BANK.wrong(
    "small",
    "the window of the released models",
    (ROWS, ROWS + "\n        assert mask(torch.arange(130), torch.arange(130), 128).sum(-1).max() == 128"),
)
