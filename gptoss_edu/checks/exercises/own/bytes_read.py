"""`bytes_read` (chapter 18): the bytes of one tensor that a decoded token reads."""

import numpy as np

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("bytes_read", "(name, shape, itemsize, share) -> bytes")
BANK = Bank("bytes_read")


@CHECK.cases
def cases():
    return [
        Case("a norm", ("block.0.attn.norm.scale", (2880,), 2, 1 / 8), 5760, "Every element is read, 2 bytes each."),
        Case(
            "experts",
            ("block.0.mlp.mlp1_weight.blocks", (32, 5760, 90, 16), 1, 1 / 8),
            33177600,
            "The tensor holds all 32 experts; a token visits 4 of them.",
        ),
        Case(
            "experts' biases",
            ("block.0.mlp.mlp1_bias", (32, 5760), 2, 1 / 8),
            46080,
            "The biases belong to experts too.",
        ),
        Case(
            "the router",
            ("block.0.mlp.gate.weight", (32, 2880), 2, 1 / 8),
            184320,
            "The router must score all experts before it knows which four to visit: it is read whole.",
        ),
        Case(
            "unembedding",
            ("unembedding.weight", (201088, 2880), 2, 1 / 8),
            1158266880,
            "A logit for every token: all of it.",
        ),
        Case("embedding", ("embedding.weight", (201088, 2880), 2, 1 / 8), 5760, "A lookup: one row of 201,088."),
    ]


@BANK.right("by the name")
def bytes_read(name, shape, itemsize, share):
    size = float(np.prod(shape)) * itemsize
    if name == "embedding.weight":
        return size / shape[0]
    if ".mlp.mlp" in name:
        return size * share
    return size


BANK.wrong("a norm", "elements instead of bytes", (" * itemsize", ""))
BANK.wrong("a norm", "the share of everything", ('if ".mlp.mlp" in name', "if True"))
BANK.wrong("experts", "all experts", ("size * share", "size"))
BANK.wrong("experts", "one expert", ("size * share", "size / shape[0]"))
BANK.wrong(
    "experts' biases",
    "the weights of the experts only",
    ('".mlp.mlp" in name', '".mlp.mlp" in name and "weight" in name'),
)
BANK.wrong("the router", "the router's share too", ('".mlp.mlp" in name', '".mlp." in name'))
BANK.wrong("unembedding", "one row of the unembedding", ('name == "embedding.weight"', '"embedding.weight" in name'))
BANK.wrong("embedding", "the whole embedding", ("return size / shape[0]", "return size"))
