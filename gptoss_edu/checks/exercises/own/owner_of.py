"""`owner_of` (chapter 25): which rank holds expert e, and as which number."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.fast import by_hand

CHECK = CaseCheck("owner_of", "(expert, experts, ranks) -> (rank, number on that rank)", lambda f, *a: tuple(f(*a)))
BANK = Bank("owner_of")


@CHECK.cases
def cases():
    right = by_hand.owner_of
    return [
        Case("one rank", (5, 32, 1), right, "A single rank holds all experts under their own numbers."),
        Case(
            "the second half", (16, 32, 2), right, "Of two ranks, the second holds experts 16 to 31, from 0 on again."
        ),
        Case("inside a rank", (13, 32, 4), right, "The number on a rank counts from its first expert."),
        Case("the last", (127, 128, 8), right, "The last expert is the last of the last rank."),
        Case(
            "a larger part",
            (33, 128, 3),
            right,
            "128 experts on three ranks: 43, 43 and 42. The first parts are larger.",
        ),
        Case("after the larger parts", (86, 128, 3), right, "Rank 2 begins after two parts of 43."),
        Case("two larger parts of five", (9, 32, 5), right, "32 on five ranks: 7, 7, 6, 6, 6."),
        Case("beyond the larger parts", (31, 32, 5), right, "The last rank holds 26 to 31."),
    ]


@BANK.right("counted down")
def owner_of(expert, experts, ranks):
    for rank in range(ranks):
        size = experts // ranks + (rank < experts % ranks)
        if expert < size:
            return rank, expert
        expert -= size


@BANK.right("in one formula")
def in_one_formula(expert, experts, ranks):
    least, more = divmod(experts, ranks)
    first = more * (least + 1)
    if expert < first:
        return expert // (least + 1), expert % (least + 1)
    return more + (expert - first) // least, (expert - first) % least


BANK.wrong(
    "the second half",
    "dealt like cards",
    ("    least, more", "    return expert % ranks, expert // ranks\n    least, more"),
)
BANK.wrong(
    "the second half",
    "its number in the model",
    (
        "return more + (expert - first) // least, (expert - first) % least",
        "return more + (expert - first) // least, expert",
    ),
)
BANK.wrong(
    "a larger part",
    "as if it came out even",
    ("least, more = divmod(experts, ranks)", "least, more = experts // ranks, 0"),
)
BANK.wrong(
    "a larger part",
    "rounded up for all",
    ("least, more = divmod(experts, ranks)", "least, more = -(-experts // ranks), 0"),
)
BANK.wrong(
    "after the larger parts",
    "the remainder forgotten in the rank",
    ("return more + (expert - first) // least, (", "return (expert - first) // least, ("),
)
BANK.wrong("one rank", "ranks from 1", ("return more + (expert", "return 1 + more + (expert"))
