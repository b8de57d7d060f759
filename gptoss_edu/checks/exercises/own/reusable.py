"""`reusable` (chapter 24): the kept tokens from which a prompt can go on."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "common": (
        "It continues from the longest common beginning. Full layers would allow that. A sliding layer's ring has "
        "overwritten the keys that it would need: only the position of the snapshot is left."
    ),
    "whole": "It reuses the whole prompt. Then nothing is left to read, and only reading gives logits.",
    "text": "It compares text. Compare ids one by one: 1, 2 is not a beginning of 1, 23, although its text is.",
    "first": "It takes the first one that fits, or the last. The longest one saves the most.",
    "count": "It returns how many tokens fit. Return the held tokens themselves: they identify the snapshot.",
    "inside": "It finds the held tokens anywhere. A key depends on its position, so only a beginning helps.",
}


def through(reusable, held: list[list[int]], prompt: list[int]) -> str:
    """Return what was chosen, in words."""
    found = reusable(held, prompt)
    if found is None:
        return "nothing"
    return f"go on from {' '.join(map(str, found))}" if isinstance(found, list | tuple) else f"{found!r}"


CHECK = CaseCheck("reusable", "(held: lists of ids, prompt) -> one of them, or None", through, causes=CAUSES)
BANK = Bank("reusable")


@CHECK.cases
def cases():
    return [
        Case(
            "it fits", ([[1, 2]], [1, 2, 3]), "go on from 1 2", "Choose the held tokens with which the prompt begins."
        ),
        Case(
            "the longest of several",
            ([[1], [1, 2, 3], [7, 7, 7, 7, 7], [1, 2]], [1, 2, 3, 4]),
            "go on from 1 2 3",
            "Choose the longest of those that fit.",
        ),
        Case(
            "another conversation",
            ([[1, 5]], [1, 2, 3]),
            "nothing",
            "Held tokens that do not fit as a whole are not used.",
        ),
        Case(
            "all but the last token",
            ([[1, 2, 3, 9], [1]], [1, 2, 3, 4, 5]),
            "go on from 1",
            "Held tokens that differ from the prompt are useless, however late they differ: a ring cannot be rewound.",
        ),
        Case(
            "the whole prompt",
            ([[1, 2], [1, 2, 3]], [1, 2, 3]),
            "go on from 1 2",
            "At least the last token of the prompt must be read, for its logits.",
        ),
        Case("nothing but the whole prompt", ([[4, 5]], [4, 5]), "nothing", "The last token must be read."),
        Case(
            "longer than the prompt",
            ([[1, 2, 3, 4]], [1, 2, 3]),
            "nothing",
            "Held tokens that continue beyond the prompt cannot be cut: a ring cannot be rewound.",
        ),
        Case(
            "the same text, other ids",
            ([[1, 2]], [1, 23, 4]),
            "nothing",
            "Compare the ids one by one, not what they look like.",
        ),
        Case("the same digits", ([[3, 1], [3]], [3, 14, 1]), "go on from 3", "1 and 14 are different ids."),
        Case("in the middle", ([[2, 3]], [1, 2, 3, 4]), "nothing", "Only the beginning of the prompt counts."),
        Case("at the end", ([[5], [3, 4]], [5, 2, 3, 4]), "go on from 5", "Only the beginning of the prompt counts."),
    ]


@BANK.right("a filter, then the longest")
def reusable(held, prompt):
    fits = [tokens for tokens in held if len(tokens) < len(prompt) and prompt[: len(tokens)] == tokens]
    return max(fits, key=len, default=None)


FITS = "len(tokens) < len(prompt) and prompt[: len(tokens)] == tokens"
BANK.wrong("whole", "the whole prompt too", ("len(tokens) < len(prompt) and ", ""))
BANK.wrong("whole", "up to the prompt's length", ("<", "<="))
BANK.wrong("first", "the first that fits", ("max(fits, key=len, default=None)", "next(iter(fits), None)"))
BANK.wrong("first", "the last that fits", ("max(fits, key=len, default=None)", "(fits or [None])[-1]"))
BANK.wrong("first", "the shortest", ("max(", "min("))
BANK.wrong("count", "the count", ("return max(fits, key=len, default=None)", "return max(map(len, fits), default=0)"))
BANK.wrong(
    "text",
    "their text compared",
    (FITS, 'len(tokens) < len(prompt) and " ".join(map(str, prompt)).startswith(" ".join(map(str, tokens)))'),
)
BANK.wrong(
    "text",
    "their digits compared",
    (FITS, "len(tokens) < len(prompt) and str(prompt)[1:-1].startswith(str(tokens)[1:-1])"),
)
BANK.wrong(
    "inside",
    "anywhere in the prompt",
    (
        FITS,
        "len(tokens) < len(prompt) and any(prompt[i : i + len(tokens)] == tokens for i in range(len(prompt)))",
    ),
)
BANK.wrong(
    "longer than the prompt",
    "whatever begins like the prompt, or the other way round",
    (FITS, "len(tokens) != len(prompt) and all(a == b for a, b in zip(tokens, prompt))"),
)
BANK.wrong("another conversation", "any that is shorter", (" and prompt[: len(tokens)] == tokens", ""))
BANK.wrong(
    "another conversation",
    "only the first token looked at",
    ("prompt[: len(tokens)] == tokens", "prompt[:1] == tokens[:1]"),
)


@BANK.right("a loop that keeps the best")
def looping(held, prompt):
    best = None
    for tokens in held:
        if len(tokens) >= len(prompt):
            continue
        if all(a == b for a, b in zip(tokens, prompt, strict=False)) and (best is None or len(tokens) > len(best)):
            best = tokens
    return best


@BANK.wrong("common", "the longest common beginning")
def common(held, prompt):
    best = []
    for tokens in held:
        n = 0
        while n < min(len(tokens), len(prompt) - 1) and tokens[n] == prompt[n]:
            n += 1
        best = tokens[:n] if n > len(best) else best
    return best or None


@BANK.wrong("common", "held tokens with the longest common beginning")
def nearest(held, prompt):
    def shared(tokens):
        n = 0
        while n < min(len(tokens), len(prompt) - 1) and tokens[n] == prompt[n]:
            n += 1
        return n

    best = max(held, key=shared, default=None)
    return best[: shared(best)] if best and shared(best) else None
