"""`cut_short` (chapter 15): a thought that is cut after a few tokens."""

from functools import cache

from gptoss_edu import load_tokenizer
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.resources import data_path


def through(cut_short, start: str, thought: str, budget: int, watch_given: bool = False) -> str:
    """Return the tokens as text."""
    given = special(start)
    text = encoding().decode(cut_short(given, special(thought), budget, encoding()))
    return text + " (and it changed the given prompt)" * (watch_given and given != special(start))


CHECK = CaseCheck("cut_short", "(prompt, thought, budget, encoding) -> tokens", through)
BANK = Bank("cut_short")


@CHECK.cases
def cases():
    final, begin = "<|channel|>final<|message|>", "<|start|>assistant"
    analysis = f"{begin}<|channel|>analysis<|message|>"
    return [
        Case(
            "no thought",
            (begin, "12345", 0),
            begin + final,
            "Without a budget the final message opens immediately: an empty analysis is not the same as low effort.",
        ),
        Case(
            "three digits",
            (begin, "12345", 3),
            f"{analysis}123<|end|>{begin}{final}",
            "Close the analysis with <|end|> and open a new assistant message.",
        ),
        Case(
            "more than there is",
            (begin, "12", 9),
            f"{analysis}12<|end|>{begin}{final}",
            "A slice that ends beyond the thought is the whole thought.",
        ),
        Case("the given prompt", (begin, "12345", 0, True), begin + final, "Work on a copy: ids = list(prompt)."),
    ]


@cache
def encoding():
    return load_tokenizer(data_path("gpt-oss-tiny"))


def special(text):
    return encoding().encode(text, allowed_special="all")


@BANK.right("a copy, the thought if there is one, the answer's opening")
def cut_short(prompt, thought, budget, encoding):
    ids = list(prompt)
    if budget > 0:
        ids += special("<|channel|>analysis<|message|>") + thought[:budget] + special("<|end|><|start|>assistant")
    return ids + special("<|channel|>final<|message|>")


BANK.wrong("no thought", "an empty analysis", ("if budget > 0", "if True"))
BANK.wrong("three digits", "no new message after the analysis", ("<|end|><|start|>assistant", "<|end|>"))
BANK.wrong("three digits", "the analysis not closed", ("<|end|><|start|>assistant", "<|start|>assistant"))
BANK.wrong("three digits", "the whole thought", ("thought[:budget]", "thought"))
BANK.wrong("three digits", "the end of the thought", ("thought[:budget]", "thought[-budget:]"))
BANK.wrong("three digits", "closed with <|return|>", ("<|end|><|start|>", "<|return|><|start|>"))
BANK.wrong(
    "more than there is",
    "filled up to the budget",
    ("thought[:budget]", "(thought[:budget] + budget * thought[-1:])[:budget]"),
)
BANK.wrong(
    "the given prompt",
    "the given prompt extended",
    ("ids = list(prompt)", "ids = prompt"),
    ("return ids + special", "ids += special"),
    ('final<|message|>")', 'final<|message|>")\n    return ids'),
)
