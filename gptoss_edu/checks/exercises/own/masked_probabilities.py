"""`masked_probabilities` (chapter 14): probabilities of what is allowed."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("masked_probabilities", "(logits (v,), allowed (v,)) -> (v,)")
BANK = Bank("masked_probabilities")


@CHECK.cases
def cases():
    def numbers(*values):
        return torch.tensor(values)

    three, some, inf = numbers(1.0, 2.0, 3.0), numbers(True, False, True), torch.inf
    return [
        Case(
            "nothing masked",
            (three, numbers(True, True, True)),
            three.softmax(-1),
            "If all tokens are allowed, the result is the softmax: allowed is True for tokens that may come.",
        ),
        Case(
            "one masked",
            (three, some),
            numbers(1.0, -inf, 3.0).softmax(-1),
            "Set forbidden logits to minus infinity before the softmax: the other tokens then share their "
            "probability in proportion.",
        ),
        Case(
            "negative logits",
            (numbers(-5.0, 1.0, -6.0), some),
            numbers(-5.0, -inf, -6.0).softmax(-1),
            "A logit of 0 does not forbid a token: here it would be the largest. Use minus infinity.",
        ),
    ]


@BANK.right("minus infinity, softmax")
def masked_probabilities(logits, allowed):
    return logits.masked_fill(~allowed, -torch.inf).softmax(-1)


MASKED = "logits.masked_fill(~allowed, -torch.inf)"
BANK.wrong("one masked", "logits of 0", (MASKED, "(logits * allowed)"))
BANK.wrong("one masked", "zeroed after the softmax", (f"{MASKED}.softmax(-1)", "logits.softmax(-1) * allowed"))
BANK.wrong("negative logits", "a logit of -9", ("-torch.inf", "-9"))
BANK.wrong("nothing masked", "what is allowed masked", ("~allowed", "allowed"))
BANK.wrong("nothing masked", "the logits, without a softmax", (".softmax(-1)", ""))
BANK.wrong(
    "nothing masked",
    "divided by their sum, without a softmax",
    (f"return {MASKED}.softmax(-1)", "return logits * allowed / (logits * allowed).sum()"),
)
BANK.wrong("one masked", "forbidden ones left out", (MASKED, "logits[allowed]"))


@BANK.wrong("input_changed", "the caller's logits overwritten")
def in_place(logits, allowed):
    logits[~allowed] = -torch.inf
    return logits.softmax(-1)


@BANK.right("powers of the allowed over their sum")
def by_powers(logits, allowed):
    powers = logits.exp() * allowed
    return powers / powers.sum()
