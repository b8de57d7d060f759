"""`bits_per_weight` (chapter 09): the bits of a weight, its share of the scale included."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "whole_scale": "Every weight pays the whole scale. All weights of a block share it.",
    "whole_block": "These are the bits of a whole block. Divide by the number of its weights.",
    "upside_down": (
        "The share is upside down: the scale's bits are divided among the weights, not the weights among the bits."
    ),
    "whole_numbers": "The division // drops the fraction. A weight's share of the scale is less than a bit.",
    "scale_written": "The scale's 8 bits are written in. They are an argument, scale_bits.",
    "block_written": "The block's 32 weights are written in. They are an argument, block.",
    "capped": "At most 8 bits of scale are counted. All of scale_bits count.",
}
CHECK = CaseCheck("bits_per_weight", "(code_bits, block, scale_bits) -> bits", causes=CAUSES)
BANK = Bank("bits_per_weight")


@CHECK.cases
def cases():
    return [
        Case("MXFP4", (4, 32, 8), 4.25, "The scale is shared: its 8 bits are divided among the 32 weights of a block."),
        Case("no scale", (8, 1, 0), 8.0, "Without a scale, only the codes take bits."),
        Case("smaller blocks", (4, 16, 8), 4.5, "Half the block, twice the share of the scale."),
        Case("a float32 scale", (4, 64, 32), 4.5, "The scale's own bits count: scale_bits / block."),
    ]


@BANK.right("the code and its share")
def bits_per_weight(code_bits, block, scale_bits):
    return code_bits + scale_bits / block


BANK.wrong("whole_scale", "the scale for every weight", ("scale_bits / block", "scale_bits"))
BANK.wrong("whole_block", "the bits of a block", ("code_bits + scale_bits / block", "code_bits * block + scale_bits"))
BANK.wrong("upside_down", "the block divided by the scale", ("scale_bits / block", "block / scale_bits"))
BANK.wrong("whole_numbers", "whole numbers only", ("/ block", "// block"))
BANK.wrong("scale_written", "a scale of 8 bits written in", ("scale_bits / block", "8 / block"))
BANK.wrong("block_written", "a block of 32 written in", ("/ block", "/ 32"))
BANK.wrong("capped", "at most 8 bits of scale", ("scale_bits / block", "min(scale_bits, 8) / block"))


@BANK.right("all bits of a block over its weights, as a tensor")
def by_block(code_bits, block, scale_bits):
    return torch.tensor((block * code_bits + scale_bits) / block)
