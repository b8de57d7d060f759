"""`cross_entropy` (chapter 01): the mean surprise of the right tokens."""

import math

import torch
import torch.nn.functional as F

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "log_of_softmax": (
        "The logarithm of the softmax is taken. A small probability becomes 0, and log(0) is -inf: subtract "
        "the logit from the logsumexp."
    ),
    "overflow": (
        "exp is taken of a large logit itself, and is infinite. Take torch's logsumexp, which subtracts the maximum "
        "first."
    ),
    "target_ignored": "The targets have no effect. The logit of the target is subtracted from the logsumexp.",
    "added": "The logit of the target is added. It is subtracted: the larger it is, the smaller is the surprise.",
    "bits": "The surprise is in bits. In nats, nothing is divided by log 2.",
    "rows_kept": "Every row has its own number. The result is their mean, one number.",
    "sign": "The sign is missing: the surprise is minus the logarithm of the probability.",
    "probability": "The probability is used as it is, without its logarithm.",
    "summed": "The rows are summed. The result is their mean.",
    "every_target": (
        "Every target is taken from every row. Row i has one target, targets[i]: logits[arange(n), targets]."
    ),
    "rows_by_target": "The targets pick rows. They number the tokens: logits[arange(n), targets].",
    "softmax_over_rows": "The logsumexp runs over the rows. It runs over the vocabulary, the last axis.",
    "no_logsumexp": "The logsumexp is missing: a logit alone is no logarithm of a probability.",
}
CHECK = CaseCheck("cross_entropy", "(logits (n, v), targets (n,)) -> one number", causes=CAUSES)
BANK = Bank("cross_entropy")


@CHECK.cases
def cases():
    first = torch.tensor([[2.0, 0.0, -1.0]])
    return [
        Case(
            "an even guess",
            (torch.full((1, 4), 1.5), torch.tensor([2])),
            math.log(4),
            "Equal logits give 1/4 each; the surprise is -log(1/4) = log 4. It is minus the LOGARITHM of the "
            "probability, and one number for all rows.",
        ),
        Case(
            "one token",
            (first, torch.tensor([2])),
            F.cross_entropy,
            "logsumexp(row) - logit of the target; the softmax is over the vocabulary.",
        ),
        Case(
            "the mean of two",
            (torch.cat((first, 3 * first)), torch.tensor([0, 2])),
            F.cross_entropy,
            "Each row has its own target, logits[arange(n), targets], and the result is the mean.",
        ),
        Case(
            "large logits",
            (torch.tensor([[1000.0, 999.0]]), torch.tensor([1])),
            F.cross_entropy,
            "exp(1000) is infinite in float32: torch's logsumexp subtracts the maximum first.",
        ),
        Case(
            "logits far apart",
            (torch.tensor([[1000.0, 5.0]]), torch.tensor([1])),
            995.0,
            "The probability underflows to 0: subtract from the logsumexp instead of taking log(softmax).",
        ),
    ]


@BANK.right("logsumexp less the target's logit")
def cross_entropy(logits, targets):
    chosen = logits[torch.arange(len(targets)), targets]  # (n,)
    return (logits.logsumexp(-1) - chosen).mean()


CHOSEN, LOSS = "logits[torch.arange(len(targets)), targets]", "(logits.logsumexp(-1) - chosen).mean()"
BANK.wrong(
    "log_of_softmax",
    "log of the softmax",
    (CHOSEN, "logits.softmax(-1)[torch.arange(len(targets)), targets]"),
    (LOSS, "-chosen.log().mean()"),
)
BANK.wrong("overflow", "exp of the logits themselves", ("logits.logsumexp(-1)", "logits.exp().sum(-1).log()"))
BANK.wrong(
    "overflow",
    "a softmax by hand, without the maximum",
    (CHOSEN, "(logits.exp() / logits.exp().sum(-1, keepdim=True))[torch.arange(len(targets)), targets]"),
    (LOSS, "-chosen.log().mean()"),
)
BANK.wrong("target_ignored", "the targets ignored", (" - chosen", ""))
BANK.wrong("added", "the target's logit added", (" - chosen", " + chosen"))
BANK.wrong("bits", "in bits", (LOSS, f"{LOSS} / math.log(2)"))
BANK.wrong("rows_kept", "one number for each row", (".mean()", ""))
BANK.wrong("sign", "the sign forgotten", (LOSS, "(chosen - logits.logsumexp(-1)).mean()"))
BANK.wrong(
    "probability",
    "minus the probability",
    (CHOSEN, "logits.softmax(-1)[torch.arange(len(targets)), targets]"),
    (LOSS, "-chosen.mean()"),
)
BANK.wrong(
    "probability",
    "1 minus the probability",
    (CHOSEN, "logits.softmax(-1)[torch.arange(len(targets)), targets]"),
    (LOSS, "(1 - chosen).mean()"),
)
BANK.wrong("summed", "the sum of the rows", (".mean()", ".sum()"))
BANK.wrong(
    "every_target",
    "every target from every row",
    (CHOSEN, "logits[:, targets]"),
    ("logits.logsumexp(-1)", "logits.logsumexp(-1, keepdim=True)"),
)
BANK.wrong("rows_by_target", "rows picked by the target", (CHOSEN, "logits[targets]"))
BANK.wrong("softmax_over_rows", "a softmax over the rows", ("logits.logsumexp(-1)", "logits.logsumexp(0)[targets]"))
BANK.wrong("no_logsumexp", "the logit alone", ("logits.logsumexp(-1) - chosen", "-chosen"))


@BANK.right("row by row, in double precision")
def by_rows(logits, targets):
    rows = zip(logits, targets, strict=True)
    return sum(float(row.double().logsumexp(0) - row[target]) for row, target in rows) / len(targets)
