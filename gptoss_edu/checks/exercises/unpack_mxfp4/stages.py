"""The check of `unpack_mxfp4`: the sixteen values, the nibbles' order, the scale, the blocks."""

import numpy as np
import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close, expect_dtype, expect_shape, to_numpy
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "nibbles_swapped": (
        "The nibbles are exchanged. The LOW nibble (byte & 15) is the earlier weight; the histogram of the values is "
        "the same either way, the product is not."
    ),
    "nibbles_blocked": "The low nibbles come first, then all the high ones. They alternate: low, high, low, high.",
    "sign_ignored": "The sign is lost: codes 8 to 15 are the negatives of 0 to 7.",
    "twos_complement": (
        "The code is read as a signed four-bit integer. It is e2m1: a sign, two bits of exponent, one of mantissa."
    ),
    "integer_codes": "The code itself is used as the value. Look it up: 0, 0.5, 1, 1.5, 2, 3, 4, 6.",
    "no_subnormal": (
        "Code 1 is taken as a normal number. With exponent bits 00 the number is subnormal: codes 0 and 1 are 0 and "
        "0.5."
    ),
    "doubled": (
        "All values are twice too large: the table is 0, 0.5, 1, 1.5, 2, 3, 4, 6 (its integer cousin 0, 1, 2, 3, 4, "
        "6, 8, 12 is double), and the bias is 127, not 126."
    ),
    "table": "One of the sixteen values is wrong: ±{0, 0.5, 1, 1.5, 2, 3, 4, 6}.",
    "bias_128": "The exponent's bias is 128. An e8m0 byte means 2^(byte - 127).",
    "no_bias": "The byte is used as an exponent without its bias: 2^(byte - 127).",
    "scale_base": "The scale is a power of e. It is a power of two: 2^(byte - 127), torch.exp2.",
    "scale_linear": "The scale byte is used as a number. It is an exponent: 2^(byte - 127).",
    "scale_inverse": "The values are divided by the scale. They are multiplied.",
    "scale_missing": "The scale is not applied.",
    "scale_wraps": "scale - 127 is computed in uint8, where 120 - 127 is 249. Convert to int first.",
    "scale_int8": "The scale byte is read as a signed number. It is unsigned.",
    "one_scale": "One scale is used for all blocks. Each block of 32 has its own.",
    "scale_axis": "The scales are aligned with the wrong axis: block g of a row has the scale of that row and block.",
    "blocks_order": "The blocks of a row are not side by side: values 0 to 31 are block 0, 32 to 63 are block 1.",
    "shape": "The G blocks of 32 become one axis: (..., G, 16) bytes to (..., 32 G) values.",
    "dtype": "The result must be float32.",
    "nan": "A scale of 255 means NaN for the whole block.",
    "nan_everywhere": (
        "One scale of 255 makes every block NaN. It concerns its own block only: torch.where(scales == 255, …) decides "
        "block by block."
    ),
    "limits": (
        "At the ends of the scale's range the factor is wrong: use exact powers of two (ldexp, exp2 of a float), not "
        "shifts of integers."
    ),
    "general": "low nibble, high nibble, table, times 2^(scale - 127).",
}
CHECK = Check(
    "unpack_mxfp4",
    (Forbidden("mxfp4.py"), Forbidden("fast")),
    CAUSES,
    "(blocks (..., G, 16) uint8, scales (..., G) uint8) -> (..., 32 G) float32",
)


def _compare(call, blocks, scales, general, prefix="", rtol=1e-5):
    blocks, scales = torch.as_tensor(blocks, dtype=torch.uint8), torch.as_tensor(scales, dtype=torch.uint8)
    found, right = call(blocks, scales), reference.unpack(blocks, scales)
    expect_shape(to_numpy(found), right.shape, "(..., 32 G)", "shape")
    axes = ("row", "weight") if right.ndim == 2 else ("weight",) if right.ndim == 1 else ("expert", "row", "weight")
    smallest = float(np.nanmin(abs(right[right != 0]))) if (right != 0).any() else 1.0
    expect_close(found, right, axes, general, rtol=rtol, atol=smallest * 1e-3, prefix=prefix)


MIXED = [[(i * 37 + 5) % 256 for i in range(16)]]


@CHECK.stage("the sixteen values")
def values(call):
    blocks = [[code | code << 4 for code in range(16)]]
    _compare(call, blocks, [127], "table", "both nibbles alike, scale 127: ")


@CHECK.stage("which nibble comes first")
def nibbles(call):
    _compare(call, [[0x21 + i * 7 & 255 for i in range(16)]], [127], "nibbles_swapped", "first byte 0x21: ")


@CHECK.stage("the scale is a power of two")
def scale(call):
    for value in (127, 130, 125, 128, 100):
        _compare(call, MIXED, [value], "general", f"scale {value}: ")


@CHECK.stage("blocks, rows and leading axes")
def blocks(call):
    generator = torch.Generator().manual_seed(0)
    for shape in ((3,), (3, 3), (2, 2), (2, 4), (2, 3, 4)):
        raw = torch.randint(0, 256, (*shape, 16), generator=generator)
        scales = torch.randint(118, 136, shape, generator=generator)
        _compare(call, raw, scales, "one_scale", f"blocks {(*shape, 16)}: ")


@CHECK.stage("float32")
def dtype(call):
    found = call(torch.full((1, 16), 0x12, dtype=torch.uint8), torch.tensor([127], dtype=torch.uint8))
    expect_dtype(found, torch.float32, "dtype")


@CHECK.stage("scales near the ends, and 255")
def ends(call):
    for value in (3, 60, 200, 252):
        _compare(call, MIXED, [value], "limits", f"scale {value}: ")
    for byte in (0x12, 0x35):
        scales = torch.tensor([255, 127], dtype=torch.uint8)
        found = to_numpy(call(torch.full((2, 16), byte, dtype=torch.uint8), scales))
        if not np.isnan(found[:32]).all():
            raise Refused(f"scale 255: the block's first value is {found[0]:g}, expected nan", "nan")
        if np.isnan(found[32:]).any():
            raise Refused("the block after one with scale 255 holds NaN; its own scale is 127", "nan_everywhere")
