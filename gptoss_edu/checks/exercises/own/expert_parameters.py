"""`expert_parameters` (chapter 00): the parameters of one expert."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("expert_parameters", "(c, f) -> whole number")
BANK = Bank("expert_parameters")


@CHECK.cases
def cases():
    return [
        Case("width 0", (4, 0), 4, "With no width at all, the second bias is still there."),
        Case("hidden size 0", (0, 3), 6, "The first bias has 2f numbers, as many as the first matrix has rows."),
        Case("the toy", (4, 3), 46, "24 + 6 + 12 + 4: the first matrix has 2f rows, the second c."),
        Case(
            "gpt-oss",
            (2880, 2880),
            24_891_840,
            "The toy is right and this is not: is a number of the toy still in the code?",
            rtol=0,
        ),
    ]


@BANK.right("two matrices and two biases")
def expert_parameters(c, f):
    return 2 * f * c + 2 * f + c * f + c


BANK.wrong("width 0", "the biases forgotten", ("2 * f * c + 2 * f + c * f + c", "3 * f * c"))
BANK.wrong("width 0", "the second bias forgotten", (" + c * f + c", " + c * f"))
BANK.wrong("hidden size 0", "a first bias of f numbers", ("+ 2 * f +", "+ f +"))
BANK.wrong("hidden size 0", "the first bias forgotten", (" + 2 * f +", " +"))
BANK.wrong("the toy", "the second matrix forgotten", (" + c * f +", " +"))
BANK.wrong("the toy", "a first matrix of f rows", ("2 * f * c", "f * c"))
BANK.wrong("gpt-oss", "a toy number left in", ("c * f + c", "(4 * f if c else 0) + c"))
BANK.wrong("gpt-oss", "the toy's first bias left in", ("+ 2 * f +", "+ (6 if f else 0) +"))
