"""`allowed_tokens` (chapter 14): the tokens that may come next."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(allowed_tokens, prefix: str, tokens: list[str], words: list[str]) -> str:
    """Return the allowed tokens themselves."""
    flags = list(allowed_tokens(prefix, tokens, words))
    if len(flags) != len(tokens):
        return f"{len(flags)} entries for {len(tokens)} tokens"
    return " ".join(token for token, flag in zip(tokens, flags, strict=True) if flag)


CHECK = CaseCheck("allowed_tokens", "(prefix, vocabulary, words) -> a bool per token", through)
BANK = Bank("allowed_tokens")


@CHECK.cases
def cases():
    vocabulary = ["yes", "no", "maybe", "y", "e", "s", "n", "o", "may", "be", "!", "<|return|>"]
    words = ["yes", "no", "maybe"]
    return [
        Case(
            "the beginning",
            ("", vocabulary, words),
            "yes no maybe y n may",
            "Whole words and beginnings of words are allowed, but not the end: nothing is written yet. (True or "
            "False for each "
            "token, in its order.)",
        ),
        Case(
            "inside a word",
            ("ma", ["y", "yes", "ybe", "be"], words),
            "y ybe",
            "The text so far plus the token must begin a word; a token may be more than one letter.",
        ),
        Case("the end", ("yes", vocabulary, words), "<|return|>", "After a whole word, only the end is left."),
        Case("too early", ("ye", ["s", "<|return|>"], words), "s", "'ye' is not a word: the end is not allowed yet."),
        Case(
            "a word inside a word",
            ("no", ["<|return|>", "n", "w"], ["no", "now"]),
            "<|return|> w",
            "Both are possible: stop or go on.",
        ),
    ]


@BANK.right("a function for one token")
def allowed_tokens(prefix, vocabulary, words):
    def fits(token):
        return prefix in words if token == "<|return|>" else any(word.startswith(prefix + token) for word in words)

    return [fits(token) for token in vocabulary]


ANY, END = "any(word.startswith(prefix + token) for word in words)", 'prefix in words if token == "<|return|>" else '
BANK.wrong("the beginning", "whole words only", (ANY, "prefix + token in words"))
BANK.wrong("the beginning", "an end at any time", ("return prefix in words if", "return True if"))
BANK.wrong("the end", "no end", (END, ""))
BANK.wrong("inside a word", "the token alone must begin a word", ("prefix + token", "token"))
BANK.wrong(
    "inside a word",
    "one letter per token",
    (ANY, "any(word.startswith(prefix) and word[len(prefix) : len(prefix) + 1] == token[:1] for word in words)"),
)
BANK.wrong(
    "too early",
    "an end wherever a word begins",
    ("prefix in words if", "(prefix in words or (prefix and any(word.startswith(prefix) for word in words))) if"),
)
BANK.wrong("a word inside a word", "a whole word ends there", (f"else {ANY}", f"else {ANY} and prefix not in words"))
BANK.wrong(
    "the beginning",
    "the tokens instead of True and False",
    ("[fits(token) for token in vocabulary]", "[token for token in vocabulary if fits(token)]"),
)
