"""`shuffle_by_group` (chapter 17): labels shuffled between conversations."""

import numpy as np

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def verdict(f, labels, conversation, seed) -> str:
    """Return "honest", or what is wrong with one shuffle."""
    got = np.asarray(f(np.array(labels), np.array(conversation), np.random.default_rng(seed)))
    if got.shape != (len(labels),):
        return "wrong shape"
    if any(len(set(got[np.array(conversation) == c])) > 1 for c in conversation):
        return "a conversation has two labels"
    first = [list(conversation).index(c) for c in sorted(set(conversation))]
    if sorted(got[first]) != sorted(np.array(labels)[first]):
        return "labels were lost or doubled"
    return "nothing was shuffled" if len(first) > 8 and (got == labels).all() else "honest"


def through(shuffle_by_group, labels, conversation) -> str:
    """Return the first verdict of eight shuffles that is not honest."""
    found = [verdict(shuffle_by_group, labels, conversation, seed) for seed in range(8)]
    return next((word for word in found if word != "honest"), "honest")


CHECK = CaseCheck("shuffle_by_group", "(labels (n,), conversation (n,), rng) -> (n,)", through)
BANK = Bank("shuffle_by_group")


@CHECK.cases
def cases():
    twelve = list(range(12))
    return [
        Case(
            "equal lengths",
            ([0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2]),
            "honest",
            "Shuffle one label per conversation, then give every token its conversation's label.",
        ),
        Case(
            "unequal lengths",
            ([5, 5, 5, 5, 8, 9], [0, 0, 0, 0, 1, 2]),
            "honest",
            "Take each conversation's label once: a long conversation does not count more than a short one.",
        ),
        Case(
            "two conversations with one label",
            ([1, 1, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2]),
            "honest",
            "Group by conversation, not by label: two conversations with equal labels stay two.",
        ),
        Case(
            "twelve conversations",
            (twelve, twelve),
            "honest",
            "The order has to change: use rng.permutation on the labels.",
        ),
        Case(
            "numbers with gaps",
            ([1, 1, 2, 2, 3], [7, 7, 40, 40, 9]),
            "honest",
            "Conversations need not be numbered 0, 1, 2: np.unique(…, return_index, return_inverse) handles that.",
        ),
    ]


@BANK.right("one label per conversation, permuted")
def shuffle_by_group(labels, conversation, rng):
    _, first, which = np.unique(conversation, return_index=True, return_inverse=True)
    return rng.permutation(labels[first])[which]


DEALT = "rng.permutation(labels[first])[which]"
BANK.wrong("equal lengths", "every token's label by itself", (DEALT, "rng.permutation(labels)"))
BANK.wrong("twelve conversations", "nothing shuffled", (DEALT, "labels"))
BANK.wrong("two conversations with one label", "grouped by label", ("np.unique(conversation", "np.unique(labels"))
BANK.wrong("numbers with gaps", "the conversation's number as its place", ("[which]", "[conversation % len(first)]"))
BANK.wrong(
    "unequal lengths",
    "labels drawn from all tokens",
    ("rng.permutation(labels[first])", "rng.permutation(labels)[: len(first)]"),
)
BANK.wrong("equal lengths", "one label per conversation returned", (DEALT, "rng.permutation(labels[first])"))
BANK.wrong(
    "equal lengths",
    "labels drawn with replacement",
    ("rng.permutation(labels[first])", "rng.choice(labels[first], len(first))"),
)
