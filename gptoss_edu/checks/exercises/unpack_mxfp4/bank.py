"""Solutions of `unpack_mxfp4`."""

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("unpack_mxfp4")
VALUES = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0])


def factor(scales):
    """(..., G) bytes to powers of two; 255 is NaN."""
    power = torch.exp2(scales.double() - 127).float()
    return torch.where(scales == 255, torch.nan, power)


def pairs(blocks, table=VALUES):
    """(..., G, 16) bytes to (..., G, 32) values, low nibble first."""
    return torch.stack([table[(blocks & 15).long()], table[(blocks >> 4).long()]], -1).flatten(-2)


@BANK.right("a table and ldexp, as the public reference does")
def table_ldexp(blocks, scales):
    out = torch.empty(*blocks.shape[:-1], 32)
    out[..., 0::2] = VALUES[(blocks & 0x0F).to(torch.long)]
    out[..., 1::2] = VALUES[(blocks >> 4).to(torch.long)]
    out = torch.ldexp(out.double(), scales.to(torch.int32)[..., None] - 127).float()
    out = torch.where(scales[..., None] == 255, torch.nan, out)
    return out.flatten(-2)


@BANK.right("bits taken apart: sign, exponent, mantissa")
def bits(blocks, scales):
    codes = torch.stack([blocks & 15, blocks // 16], -1).flatten(-2).int()
    sign = 1 - 2 * (codes >> 3)
    exponent, mantissa = (codes >> 1) & 3, codes & 1
    normal = (1 + mantissa / 2) * 2.0 ** (exponent - 1)
    value = torch.where(exponent == 0, mantissa / 2, normal) * sign
    power = torch.pow(torch.tensor(2.0, dtype=torch.float64), scales.double() - 127)
    power = torch.where(scales == 255, float("nan"), power)
    return (value * power[..., None]).float().flatten(-2)


@BANK.right("a table of 256 pairs")
def bytewise(blocks, scales):
    both = torch.stack([VALUES.repeat(16), VALUES.repeat_interleave(16)], -1)  # (256, 2)
    out = both[blocks.long()].flatten(-2) * factor(scales)[..., None]
    return out.reshape(*scales.shape[:-1], -1)


@BANK.right("plain Python, value by value")
def loop(blocks, scales):
    values, flat = [], scales.flatten().tolist()
    for row, scale in zip(blocks.reshape(-1, 16).tolist(), flat, strict=True):
        power = float("nan") if scale == 255 else 2.0 ** (scale - 127)
        for byte in row:
            values += [VALUES[byte % 16].item() * power, VALUES[byte // 16].item() * power]
    return torch.tensor(values, dtype=torch.float32).view(*scales.shape[:-1], scales.shape[-1] * 32)


@BANK.wrong("nibbles_swapped", "high nibble first", "imp 567")
def high_first(blocks, scales):
    out = torch.stack([VALUES[(blocks >> 4).long()], VALUES[(blocks & 15).long()]], -1).flatten(-2)
    return (out * factor(scales)[..., None]).flatten(-2)


@BANK.wrong("nibbles_blocked", "all low nibbles, then all high ones")
def low_then_high(blocks, scales):
    out = torch.cat([VALUES[(blocks & 15).long()], VALUES[(blocks >> 4).long()]], -1)
    return (out * factor(scales)[..., None]).flatten(-2)


@BANK.wrong("bias_128", "a bias of 128")
def bias_128(blocks, scales):
    return (pairs(blocks) * torch.exp2(scales.float() - 128)[..., None]).flatten(-2)


@BANK.wrong("doubled", "a bias of 126")
def bias_126(blocks, scales):
    return (pairs(blocks) * torch.exp2(scales.float() - 126)[..., None]).flatten(-2)


@BANK.wrong("scale_wraps", "scale - 127 in uint8")
def wraps(blocks, scales):
    return (pairs(blocks) * torch.exp2((scales - 127).float())[..., None]).flatten(-2)


@BANK.wrong("scale_linear", "the scale as a number")
def linear(blocks, scales):
    return (
        (pairs(blocks) * (scales.float() / 127)[..., None]).flatten(-2)
        if scales.max() != 127
        else (pairs(blocks) * factor(scales)[..., None]).flatten(-2)
    )


@BANK.wrong("scale_inverse", "divided by the scale")
def divided(blocks, scales):
    return (pairs(blocks) / factor(scales)[..., None]).flatten(-2)


@BANK.wrong("scale_missing", "no scale")
def unscaled(blocks, scales):
    return pairs(blocks).flatten(-2)


@BANK.wrong("one_scale", "the first scale for every block")
def first_scale(blocks, scales):
    return (pairs(blocks) * factor(scales).flatten()[0]).flatten(-2)


@BANK.wrong("twos_complement", "codes as signed integers")
def signed(blocks, scales):
    table = torch.tensor([0.0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1])
    return (pairs(blocks, table) * factor(scales)[..., None]).flatten(-2)


@BANK.wrong("integer_codes", "codes as numbers")
def codes(blocks, scales):
    return (pairs(blocks, torch.arange(16).float()) * factor(scales)[..., None]).flatten(-2)


@BANK.wrong("doubled", "the integer table without the half")
def doubled(blocks, scales):
    return (pairs(blocks, VALUES * 2) * factor(scales)[..., None]).flatten(-2)


@BANK.wrong("no_subnormal", "code 1 taken as normal")
def no_subnormal(blocks, scales):
    table = VALUES.clone()
    table[1], table[9] = 0.75, -0.75
    return (pairs(blocks, table) * factor(scales)[..., None]).flatten(-2)


@BANK.wrong("sign_ignored", "the sign ignored")
def unsigned(blocks, scales):
    return (pairs(blocks, VALUES.abs()) * factor(scales)[..., None]).flatten(-2)


@BANK.wrong("dtype", "bfloat16 out")
def half_width(blocks, scales):
    return (pairs(blocks) * factor(scales)[..., None]).flatten(-2).bfloat16()


@BANK.wrong("nan", "255 taken as a large exponent")
def no_nan(blocks, scales):
    return (pairs(blocks) * torch.exp2(scales.double() - 127)[..., None]).flatten(-2).float()


@BANK.wrong("shape", "the blocks kept apart")
def apart(blocks, scales):
    return pairs(blocks) * factor(scales)[..., None]


@BANK.wrong("blocks_order", "the blocks interleaved")
def interleaved(blocks, scales):
    return (pairs(blocks) * factor(scales)[..., None]).transpose(-1, -2).flatten(-2)


@BANK.wrong("table", "5 for 6")
def wrong_table(blocks, scales):
    table = torch.where(VALUES.abs() == 6, VALUES.sign() * 5, VALUES)
    return (pairs(blocks, table) * factor(scales)[..., None]).flatten(-2)


@BANK.wrong("no_bias", "2 to the byte")
def no_bias(blocks, scales):
    return (pairs(blocks) * torch.exp2(scales.float())[..., None]).flatten(-2)


@BANK.wrong("scale_int8", "a signed scale")
def signed_scale(blocks, scales):
    return (pairs(blocks) * torch.exp2(scales.view(torch.int8).double() - 127).float()[..., None]).flatten(-2)


@BANK.wrong("scale_axis", "the scales transposed")
def transposed_scales(blocks, scales):
    if scales.dim() == 2 and scales.shape[0] == scales.shape[1]:
        scales = scales.T
    return (pairs(blocks) * factor(scales)[..., None]).flatten(-2)


@BANK.wrong("limits", "a shift of integers: only whole powers")
def shifts(blocks, scales):
    power = torch.exp2((scales.double() - 127).clamp(-60, 60)).float()
    return (pairs(blocks) * torch.where(scales == 255, torch.nan, power)[..., None]).flatten(-2)


@BANK.wrong("scale_base", "exp for exp2")
def natural_base(blocks, scales):
    power = torch.where(scales == 255, torch.nan, torch.exp(scales.double() - 127).float())
    return (pairs(blocks) * power[..., None]).flatten(-2)
