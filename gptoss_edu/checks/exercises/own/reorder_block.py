"""`reorder_block` (chapter 25): a block of MXFP4 from the order of safetensors to that of GGUF."""

import torch

from gptoss_edu.checkpoint.gguf import to_ggml_order
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "swapped": "The halves of each byte are exchanged: the earlier value is in the low nibble, in both orders.",
    "unpacked": "It returns 32 values. A block stays 16 bytes: pack two values into each byte again.",
    "same": "Nothing was moved. Byte j must hold values j and j + 16.",
}


def through(reorder_block, block: list[int]) -> list[int]:
    found = reorder_block(torch.tensor(block, dtype=torch.uint8))
    return [int(byte) for byte in found]


def right(block: list[int]) -> list[int]:
    return to_ggml_order(torch.tensor([block], dtype=torch.uint8))[0].tolist()


CHECK = CaseCheck("reorder_block", "(block (16,) uint8) -> (16,) uint8", through, causes=CAUSES)
BANK = Bank("reorder_block")


@CHECK.cases
def cases():
    counted = [2 * (i % 8) + 16 * (2 * (i % 8) + 1) for i in range(16)]  # values 0 … 15, 0 … 15
    return [
        Case("zeros", ([0] * 16,), right, "Sixteen bytes of zeros stay the same."),
        Case(
            "the first value",
            ([5] + [0] * 15,),
            right,
            "Value 0 is the low nibble of byte 0 in both orders.",
        ),
        Case(
            "value 1",
            ([0x50] + [0] * 15,),
            right,
            "Value 1, the high nibble of byte 0, goes to the low nibble of byte 1.",
        ),
        Case(
            "value 16",
            ([0] * 8 + [7] + [0] * 7,),
            right,
            "Value 16, the low nibble of byte 8, goes to the high nibble of byte 0.",
        ),
        Case("value 31", ([0] * 15 + [0x90],), right, "The last value stays the high nibble of byte 15."),
        Case("counting", (counted,), right, "Byte j holds values j and j + 16."),
        Case("any bytes", ([(37 * i + 11) % 256 for i in range(16)],), right, "All 32 values must be in their places."),
    ]


@BANK.right("values, then pairs")
def reorder_block(block):
    values = torch.stack((block & 15, block >> 4), dim=-1).flatten()
    return values[:16] | (values[16:] << 4)


@BANK.right("one by one")
def one_by_one(block):
    values = []
    for byte in block.tolist():
        values += [byte % 16, byte // 16]
    return torch.tensor([values[j] + 16 * values[j + 16] for j in range(16)], dtype=torch.uint8)


BANK.wrong(
    "swapped",
    "high nibbles first on the way out",
    ("values[j] + 16 * values[j + 16]", "16 * values[j] + values[j + 16]"),
)
BANK.wrong("value 1", "high nibbles first on the way in", ("[byte % 16, byte // 16]", "[byte // 16, byte % 16]"))
BANK.wrong(
    "unpacked", "the values", ("values[j] + 16 * values[j + 16] for j in range(16)", "values[j] for j in range(32)")
)
BANK.wrong("same", "nothing moved", ("values[j] + 16 * values[j + 16]", "values[2 * j] + 16 * values[2 * j + 1]"))


@BANK.wrong("value 1", "from GGUF's order to that of safetensors")
def the_other_way(block):
    values = [byte % 16 for byte in block.tolist()] + [byte // 16 for byte in block.tolist()]
    return torch.tensor([values[2 * i] + 16 * values[2 * i + 1] for i in range(16)], dtype=torch.uint8)


BANK.change(one_by_one)
BANK.wrong("the first value", "the last value first", ("for j in range(16)", "for j in reversed(range(16))"))
BANK.wrong("value 16", "the second half left out", (" + 16 * values[j + 16]", ""))
BANK.wrong("value 16", "eight values apart", ("values[j + 16]", "values[(j + 8) % 32]"))
