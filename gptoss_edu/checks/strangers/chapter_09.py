"""Wrong solutions of chapter 09, written from its text alone."""

import torch

from gptoss_edu.checks.exercises.own.bits_per_weight import BANK as BITS_PER_WEIGHT
from gptoss_edu.checks.exercises.unpack_mxfp4.bank import BANK as UNPACK_MXFP4

VALUES = torch.tensor([0.0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])  # from the chapter


@UNPACK_MXFP4.wrong("nibbles_swapped", "high nibble first", unseen=True)
def unpack_mxfp4_1(blocks, scales):
    codes = torch.stack((blocks >> 4, blocks & 15), -1).flatten(-2).long()
    values = VALUES[codes] * torch.exp2(scales.float() - 127)[..., None]
    return torch.where(scales[..., None] == 255, torch.nan, values).flatten(-2)


@UNPACK_MXFP4.wrong("bias_128", "the exponent's bias is 128", unseen=True)
def unpack_mxfp4_2(blocks, scales):
    codes = torch.stack((blocks & 15, blocks >> 4), -1).flatten(-2).long()
    values = VALUES[codes] * torch.exp2(scales.float() - 128)[..., None]
    return torch.where(scales[..., None] == 255, torch.nan, values).flatten(-2)


@UNPACK_MXFP4.wrong("nibbles_blocked", "all low nibbles first, then all high ones", unseen=True)
def unpack_mxfp4_3(blocks, scales):
    codes = torch.cat((blocks & 15, blocks >> 4), -1).long()
    values = VALUES[codes] * torch.exp2(scales.float() - 127)[..., None]
    return torch.where(scales[..., None] == 255, torch.nan, values).flatten(-2)


@BITS_PER_WEIGHT.wrong("whole_scale", "the scale is counted once per weight", unseen=True)
def bits_per_weight_1(code_bits, block, scale_bits):
    return code_bits + scale_bits


@BITS_PER_WEIGHT.wrong("MXFP4", "bytes instead of bits for the scale", unseen=True)
def bits_per_weight_2(code_bits, block, scale_bits):
    return code_bits + scale_bits / 8 / block
