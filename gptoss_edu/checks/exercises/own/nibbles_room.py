"""`nibbles_room` (chapter 26): bytes whose halves were exchanged, fixed, and a test that would have caught it."""

import torch

from gptoss_edu import mxfp4
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.catching import Mutant, catching

LEVELS = (0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6)


def right(blocks, scales):
    """Call the package's own function: (G, 16) bytes and (G,) scales to (32 G,) weights."""
    return mxfp4.unpack(blocks, scales)


def exchanged(blocks, scales):
    return right((blocks >> 4) | (blocks << 4), scales)


def all_low_ones_first(blocks, scales):
    return right(blocks, scales).view(-1, 16, 2).transpose(1, 2).flatten()


def without_sign(blocks, scales):
    return right(blocks & 0x77, scales)


def another_bias(blocks, scales):
    return right(blocks, scales) / 2


def one_scale(blocks, scales):
    return right(blocks, scales[:1].expand(len(scales)))


MUTANTS = (
    Mutant(
        "nibbles exchanged",
        exchanged,
        "A byte such as 0x22 reads the same from both ends: use one with two different halves.",
    ),
    Mutant(
        "all low nibbles first",
        all_low_ones_first,
        "Look at the order within a whole block: two weights of a byte are neighbours.",
    ),
    Mutant("without the sign", without_sign, "Use a code above 7."),
    Mutant("a bias of 128", another_bias, "Compare values, not ratios: scale 127 means times one."),
    Mutant("the first block's scale for all", one_scale, "Use two blocks with different scales."),
)
GENERATOR = torch.Generator().manual_seed(9)
PROBES = (
    (torch.arange(32, dtype=torch.uint8).view(2, 16) * 7, torch.tensor([127, 130], dtype=torch.uint8)),
    (
        torch.randint(0, 256, (3, 16), generator=GENERATOR, dtype=torch.uint8),
        torch.tensor([120, 127, 128], dtype=torch.uint8),
    ),
)
CHECK = catching(
    "nibbles_room", right, MUTANTS, PROBES, 34, "bytes", lambda blocks, scales: blocks.numel() + scales.numel()
)
BANK = Bank("nibbles_room")


@BANK.right("one kind of byte, two scales")
def nibbles_room():
    def fixed(blocks, scales):
        values = torch.tensor(LEVELS)
        pairs = torch.stack((values[(blocks & 15).long()], values[(blocks >> 4).long()]), dim=-1)  # (G, 16, 2)
        return (pairs.flatten(1) * torch.exp2(scales.float() - 127)[:, None]).flatten()

    def test(unpack):
        blocks = torch.full((2, 16), 0x92, dtype=torch.uint8)
        found = unpack(blocks, torch.tensor([127, 128], dtype=torch.uint8))
        assert found.tolist() == [1, -0.5] * 16 + [2, -1] * 16

    return fixed, test


ASKED = "assert found.tolist() == [1, -0.5] * 16 + [2, -1] * 16"
BANK.wrong("two functions", "called already", ("return fixed, test", "return fixed, test(fixed)"))
BANK.wrong(
    "fixed",
    "still exchanged",
    (
        "values[(blocks & 15).long()], values[(blocks >> 4).long()]",
        "values[(blocks >> 4).long()], values[(blocks & 15).long()]",
    ),
)
BANK.wrong("fixed", "one after the other", ("dim=-1)  # (G, 16, 2)", "dim=1)"))
BANK.wrong(
    "the right code passes", "the high nibble first", (ASKED, "assert found.tolist() == [-0.5, 1] * 16 + [-1, 2] * 16")
)
BANK.wrong(
    "nibbles exchanged",
    "a byte that reads the same from both ends",
    ("0x92", "0x99"),
    (ASKED, "assert found.tolist() == [-0.5] * 32 + [-1] * 32"),
)
BANK.wrong(
    "nibbles exchanged",
    "the histogram",
    (ASKED, "assert sorted(found.tolist()) == [-1] * 16 + [-0.5] * 16 + [1] * 16 + [2] * 16"),
)
BANK.wrong(
    "all low nibbles first",
    "the first weight alone",
    (ASKED, "assert found[0] == 1 and found[32] == 2 and found.min() == -1"),
)
BANK.wrong(
    "without the sign",
    "positive codes",
    ("0x92", "0x12"),
    (ASKED, "assert found.tolist() == [1, 0.5] * 16 + [2, 1] * 16"),
)
BANK.wrong(
    "the first block's scale for all",
    "one block",
    ("(2, 16)", "(1, 16)"),
    ("[127, 128]", "[127]"),
    (ASKED, "assert found.tolist() == [1, -0.5] * 16"),
)
BANK.wrong(
    "small",
    "every byte",
    (
        "    return fixed, test",
        (
            "    def large(unpack):\n        test(unpack)\n"
            "        every = torch.arange(256, dtype=torch.uint8).view(16, 16)\n"
            "        assert unpack(every, torch.full((16,), 127, dtype=torch.uint8)).isfinite().all()\n\n"
            "    return fixed, large"
        ),
    ),
)
