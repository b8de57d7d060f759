"""`key_effect` (chapter 27): how much of an answer comes from a wrong key?"""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("key_effect", "(answers, truths, keys) -> (share of answers, share of digits)")
BANK = Bank("key_effect")


@CHECK.cases
def cases():
    return [
        Case("all copied", (["1280", "77"], ["1260", "72"], ["1280", "77"]), (1.0, 1.0), "Every answer is its key."),
        Case("all worked out", (["1260", "72"], ["1260", "72"], ["1280", "77"]), (0.0, 0.0), "No answer is its key."),
        Case(
            "a part of the key",
            (["1280"], ["1260"], ["1980"]),
            (0.0, 0.5),
            "Compare place by place where key and truth differ: one of these two digits is from the key.",
        ),
        Case(
            "digits that agree anyway",
            (["9969"], ["1260"], ["1980"]),
            (0.0, 0.5),
            "Only places where key and truth differ count: 9 is the key's, 6 is the truth's.",
        ),
        Case(
            "neither",
            (["1230"], ["1260"], ["1280"]),
            (0.0, 0.0),
            "A digit that differs from the truth need not be the key's: a slip is not a copy.",
        ),
        Case(
            "several questions",
            (["1280", "72", "315"], ["1260", "72", "315"], ["1280", "77", "605"]),
            (1 / 3, 0.25),
            "All differing digits of all questions in one sum: 1 of 4.",
        ),
        Case(
            "no answer",
            ([None, "77"], ["1260", "72"], ["1280", "77"]),
            (0.5, 0.5),
            "An answer of None follows no key, and it counts.",
        ),
        Case(
            "another length",
            (["12800", "11280"], ["1260", "1260"], ["1280", "1280"]),
            (0.0, 0.0),
            "An answer of another length takes no digit from the key, because its places mean something else.",
        ),
        Case(
            "a right key",
            (["1260", "72"], ["1260", "72"], ["1260", "77"]),
            (0.0, 0.0),
            "Leave out pairs whose key is right: there, working and copying give the same digits.",
        ),
    ]


@BANK.right("sums over the places")
def key_effect(answers, truths, keys):
    wrong = [(a or "", t, k) for a, t, k in zip(answers, truths, keys, strict=True) if t != k]
    whole = sum(a == k for a, t, k in wrong)
    places = [(a, k, i) for a, t, k in wrong for i in range(len(k)) if k[i] != t[i]]
    taken = sum(len(a) == len(k) and a[i] == k[i] for a, k, i in places)
    return whole / len(wrong), taken / len(places)


@BANK.right("one question after another")
def one_by_one(answers, truths, keys):
    copied, questions, taken, differing = 0, 0, 0, 0
    for answer, truth, key in zip(answers, truths, keys, strict=True):
        if truth == key:
            continue
        questions += 1
        copied += answer == key
        usable = answer is not None and len(answer) == len(key)
        for place, (t, k) in enumerate(zip(truth, key, strict=True)):
            if t != k:
                differing += 1
                taken += usable and answer[place] == k
    return copied / questions, taken / differing


BANK.change(key_effect)
TAKEN = "sum(len(a) == len(k) and a[i] == k[i] for a, k, i in places)"
BANK.wrong(
    "all worked out", "what equals the truth", ("a == k for", "a == t for"), ("if k[i] != t[i]", "if k[i] == t[i]")
)
BANK.wrong("a part of the key", "whole answers only", (TAKEN, "sum(a == k for a, k, i in places)"))
BANK.wrong("digits that agree anyway", "every place", (" if k[i] != t[i]", ""))
BANK.wrong(
    "neither",
    "what differs from the truth",
    (TAKEN, "sum(len(a) == len(k) and a[i] != t[i] for a, k, i in places)"),
    ("[(a, k, i) for", "[(a, k, i, t) for"),
)
BANK.wrong("no answer", "answers without a number left out", ("if t != k]", "if t != k and a is not None]"))
BANK.wrong(
    "another length",
    "place by place, whatever the length",
    ("len(a) == len(k) and a[i] == k[i]", "a[i : i + 1] == k[i]"),
)
BANK.wrong(
    "another length",
    "from the right",
    ("len(a) == len(k) and a[i] == k[i]", "a[::-1][len(k) - 1 - i : len(k) - i] == k[i]"),
)
BANK.wrong("a right key", "right keys count too", (" if t != k]", "]"))
BANK.wrong("several questions", "counts, not shares", ("whole / len(wrong), taken / len(places)", "whole, taken"))
BANK.wrong(
    "several questions", "divided by all digits", ("taken / len(places)", "taken / sum(len(k) for a, t, k in wrong)")
)


@BANK.wrong("several questions", "a share for each question first")
def mean_of_shares(answers, truths, keys):
    whole, shares = [], []
    for a, t, k in zip(answers, truths, keys, strict=True):
        if t != k:
            places = [i for i in range(len(k)) if t[i] != k[i]]
            whole.append(a == k)
            shares.append(sum(len(a or "") == len(k) and a[i] == k[i] for i in places) / len(places))
    return sum(whole) / len(whole), sum(shares) / len(shares)
