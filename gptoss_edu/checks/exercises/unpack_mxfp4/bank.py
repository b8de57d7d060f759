"""Solutions of `unpack_mxfp4`."""

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("unpack_mxfp4")
VALUES = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0])


def factor(scales):
    """Turn (..., G) bytes into powers of two; 255 is NaN."""
    power = torch.exp2(scales.double() - 127).float()
    return torch.where(scales == 255, torch.nan, power)


def pairs(blocks, table=VALUES):
    """Turn (..., G, 16) bytes into (..., G, 32) values, low nibble first."""
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


@BANK.change
def spelled_out(blocks, scales):
    table = VALUES.clone()
    low, high = table[(blocks & 15).long()], table[(blocks >> 4).long()]  # (..., G, 16)
    values = torch.stack([low, high], -1).flatten(-2)  # (..., G, 32)
    power = torch.exp2(scales.double() - 127).float()
    power = torch.where(scales == 255, torch.nan, power)
    return (values * power[..., None]).flatten(-2)


TABLE, STACK, EXP = (
    "VALUES.clone()",
    "torch.stack([low, high], -1).flatten(-2)",
    "torch.exp2(scales.double() - 127).float()",
)
SCALES = "scales.double() - 127"
TIMES = "(values * power[..., None]).flatten(-2)"

BANK.wrong("nibbles_swapped", "high nibble first", ("[low, high]", "[high, low]"), seen="imp 567")
BANK.wrong("nibbles_blocked", "all low nibbles, then all high ones", (STACK, "torch.cat([low, high], -1)"))
BANK.wrong("nibbles_blocked", "all high nibbles, then all low ones", (STACK, "torch.cat([high, low], -1)"))
BANK.wrong("bias_128", "a bias of 128", ("- 127", "- 128"))
BANK.wrong("doubled", "a bias of 126", ("- 127", "- 126"))
BANK.wrong("doubled", "the integer table without the half", (TABLE, "VALUES * 2"))
BANK.wrong("no_bias", "2 to the byte", (SCALES, "scales.double()"))
BANK.wrong("scale_wraps", "scale - 127 in uint8", (SCALES, "(scales - 127).double()"))
BANK.wrong("scale_linear", "the scale as a number", (EXP, "scales.float()"))
BANK.wrong("scale_linear", "the scale less 127", (EXP, "scales.float() - 127"))
BANK.wrong("scale_linear", "the scale over 127", (EXP, "scales.float() / 127"))
BANK.wrong("scale_linear", "the scale over 255", (EXP, "scales.float() / 255"))
BANK.wrong("scale_inverse", "divided by the scale", ("values * power", "values / power"))
BANK.wrong("scale_missing", "no scale", (TIMES, "values.flatten(-2)"))
BANK.wrong("one_scale", "the first scale for every block", ("power[..., None]", "power.flatten()[0]"))
BANK.wrong(
    "twos_complement",
    "codes as signed integers",
    (TABLE, "torch.tensor([0.0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1])"),
)
BANK.wrong("twos_complement", "the negative half in reverse", (TABLE, "torch.cat([VALUES[:8], -VALUES[:8].flip(0)])"))
BANK.wrong("integer_codes", "codes as numbers", (TABLE, "torch.arange(16).float()"))
BANK.wrong("integer_codes", "codes as signed magnitudes", (TABLE, "torch.cat([torch.arange(8.0), -torch.arange(8.0)])"))
BANK.wrong(
    "no_subnormal",
    "code 1 taken as normal",
    ("    low, high = ", "    table[1], table[9] = 0.75, -0.75\n    low, high = "),
)
BANK.wrong(
    "no_subnormal",
    "codes 0 and 1 taken as normal",
    (
        "    low, high = ",
        "    table[:2], table[8:10] = torch.tensor([0.5, 0.75]), torch.tensor([-0.5, -0.75])\n    low, high = ",
    ),
)
BANK.wrong("sign_ignored", "the sign ignored", (TABLE, "VALUES.abs()"))
BANK.wrong("dtype", "bfloat16 out", (TIMES, TIMES + ".bfloat16()"))
BANK.wrong("nan", "255 taken as a large exponent", ("torch.where(scales == 255, torch.nan, power)", "power"))
BANK.wrong("nan_everywhere", "any scale of 255", ("torch.where(scales == 255", "torch.where((scales == 255).any()"))
BANK.wrong("shape", "the blocks kept apart", (TIMES, "values * power[..., None]"))
BANK.wrong("blocks_order", "the blocks interleaved", ("[..., None]).flatten", "[..., None]).mT.flatten"))
BANK.wrong("table", "5 for 6", (TABLE, "torch.where(VALUES.abs() == 6, VALUES.sign() * 5, VALUES)"))
BANK.wrong("scale_int8", "a signed scale", (SCALES, "scales.view(torch.int8).double() - 127"))
BANK.wrong("scale_int8", "a signed scale, and no bias", (SCALES, "scales.view(torch.int8).double()"))
BANK.wrong(
    "scale_axis",
    "square scales transposed",
    (
        "    power = torch.exp2(scales",
        "    scales = scales.T if scales.dim() == 2 and len(set(scales.shape)) == 1 else scales\n    power = "
        "torch.exp2(scales",
    ),
)
BANK.wrong("limits", "a shift of integers: only powers up to 60", (f"({SCALES})", f"(({SCALES}).clamp(-60, 60))"))
BANK.wrong("scale_base", "exp for exp2", ("torch.exp2(", "torch.exp("))
