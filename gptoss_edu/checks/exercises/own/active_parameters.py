"""`active_parameters` (chapter 00): what one token uses of a model with experts."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("active_parameters", "(in_experts, elsewhere, experts, used) -> number")
BANK = Bank("active_parameters")


@CHECK.cases
def cases():
    return [
        Case("nothing in the experts", (0, 7, 4, 1), 7, "Parameters elsewhere count in full: nothing there is chosen."),
        Case("all experts in use", (800, 100, 8, 8), 900, "With all experts in use, nothing of the model is left out."),
        Case("one of eight", (800, 100, 8, 1), 200, "One expert of eight holds one eighth of what is in the experts."),
        Case("two of five", (1000, 50, 5, 2), 450, "Each of the experts in use counts."),
        Case(
            "gpt-oss-120b",
            (114_701_598_720, 1_548_424_512, 128, 4),
            5_132_849_472,
            "Small numbers are right and this one is not: is a number of another model still in the code?",
        ),
    ]


@BANK.right("a share of the experts, and the rest")
def active_parameters(in_experts, elsewhere, experts, used):
    return in_experts * used / experts + elsewhere


@BANK.right("expert by expert, in whole numbers")
def one_by_one(in_experts, elsewhere, experts, used):
    return elsewhere + sum(in_experts // experts for _ in range(used))


BANK.change(active_parameters)
BANK.wrong(
    "nothing in the experts",
    "the share taken of everything",
    ("in_experts * used / experts + elsewhere", "(in_experts + elsewhere) * used / experts"),
)
BANK.wrong("nothing in the experts", "the experts alone", (" + elsewhere", ""))
BANK.wrong("all experts in use", "those that are not used", ("* used /", "* (experts - used) /"))
BANK.wrong("all experts in use", "four of 32, whatever is given", ("used / experts", "4 / 32"))
BANK.wrong("one of eight", "all of them", (" * used / experts", ""))
BANK.wrong("one of eight", "the share upside down", ("used / experts", "experts / used"))
BANK.wrong("one of eight", "the share in whole per cent", ("used / experts", "round(used / experts, 2)"))
BANK.wrong("two of five", "one expert, however many are used", ("* used / experts", "/ experts"))
