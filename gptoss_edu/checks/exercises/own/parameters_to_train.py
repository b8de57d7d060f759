"""`parameters_to_train` (chapter 21): what a recipe's patterns choose, and which of them match nothing."""

from fnmatch import fnmatchcase

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

NAMES = [
    "block.0.attn.qkv.weight", "block.0.attn.qkv.bias", "block.0.mlp.gate.weight", "block.0.mlp.mlp1_weight",
    "block.0.mlp.mlp2_weight", "block.1.attn.qkv.weight", "block.1.mlp.mlp1_weight", "unembedding.weight",
]  # fmt: skip


def through(parameters_to_train, names, patterns):
    chosen, missed = parameters_to_train(names, patterns)
    return f"chosen: {' '.join(chosen)}; missed: {' '.join(missed)}"


def right(names, patterns) -> str:
    chosen = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
    missed = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    return f"chosen: {' '.join(chosen)}; missed: {' '.join(missed)}"


CHECK = CaseCheck("parameters_to_train", "(names, patterns) -> (names, patterns that match nothing)", through)
BANK = Bank("parameters_to_train")


@CHECK.cases
def cases():
    return [
        Case(
            "one pattern",
            (NAMES, ["*.mlp.mlp?_weight"]),
            right,
            "fnmatchcase(name, pattern) compares a name with a pattern, * and ? included; the names keep their order.",
        ),
        Case(
            "overlapping patterns",
            (NAMES, ["block.1.*", "*.attn.qkv.weight"]),
            right,
            "A name that two patterns match is trained, and trained once.",
        ),
        Case("nothing matches", (NAMES, ["*gate_up_proj*"]), right, "A pattern without a match must be reported."),
        Case(
            "one of two",
            (NAMES, ["*.attn.qkv.*", "*down_proj*"]),
            right,
            "Treat each pattern separately: this recipe trains attention but misses the experts.",
        ),
        Case(
            "chosen before",
            (NAMES, ["*", "block.0.*"]),
            right,
            "A pattern whose names were all chosen already has still matched them.",
        ),
    ]


@BANK.right("pattern by pattern")
def parameters_to_train(names, patterns):
    chosen, missed = set(), []
    for pattern in patterns:
        matching = {name for name in names if fnmatchcase(name, pattern)}
        if not matching:
            missed.append(pattern)
        chosen |= matching
    return [name for name in names if name in chosen], missed


@BANK.right("two lists")
def two_lists(names, patterns):
    chosen = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return chosen, [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]


BANK.change(parameters_to_train)
LAST = "[name for name in names if name in chosen], missed"
BANK.wrong("nothing matches", "never told", ("missed.append(pattern)", "pass"))
BANK.wrong("one of two", "told where nothing at all is chosen", (LAST, LAST + " if not chosen else []"))
BANK.wrong("one pattern", "the names themselves", ("fnmatchcase(name, pattern)", "name == pattern"))
BANK.wrong("one pattern", "a piece of the name", ("fnmatchcase(name, pattern)", "pattern.strip('*') in name"))
BANK.wrong("overlapping patterns", "names that all patterns match", ("set(), []", "set(names), []"), ("|=", "&="))
BANK.wrong("chosen before", "only new names count", ("if not matching:", "if not matching - chosen:"))
BANK.wrong("one pattern", "the patterns that match", ("if not matching:", "if matching:"))
