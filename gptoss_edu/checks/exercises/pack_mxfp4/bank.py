"""Solutions of `pack_mxfp4`."""

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("pack_mxfp4")
VALUES = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0], dtype=torch.float64)
EVEN_FIRST = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])


def groups_of(weight):
    return weight.double().reshape(*weight.shape[:-1], -1, 32)


def floor_scale(groups):
    """floor(log2 max) - 2 + 127 by frexp, 0 for a block of zeros."""
    largest = groups.abs().amax(-1)
    exponent = torch.frexp(largest).exponent - 1
    return torch.where(largest > 0, (exponent - 2 + 127).clamp(0, 254), 0)


def nearest(scaled):
    """Codes with ties to the even one: argmin over the values with the even codes listed first."""
    order = (scaled.abs()[..., None] - VALUES[EVEN_FIRST]).abs().argmin(-1)
    return EVEN_FIRST[order] | (scaled < 0).long() << 3


def to_bytes(codes):
    return (codes[..., 0::2] | codes[..., 1::2] << 4).to(torch.uint8)


def packed(weight, scale=floor_scale, code=nearest, join=to_bytes):
    groups = groups_of(weight)
    scales = scale(groups)
    scaled = groups / torch.exp2(scales.double() - 127)[..., None]
    return join(code(scaled)), scales.to(torch.uint8)


@BANK.right("frexp, argmin with the even codes first")
def by_argmin(weight):
    return packed(weight)


@BANK.right("thresholds, strict where the lower code is even")
def thresholds(weight):
    w = weight.reshape(*weight.shape[:-1], weight.shape[-1] // 32, 32).double()
    top = w.abs().max(-1, keepdim=True).values
    e = torch.floor(torch.log2(top.clamp(min=2.0**-130))) - 2
    e = e.clamp(-127, 127)
    a = (w / 2.0**e).abs()
    code = (a > 0.25).int() + (a >= 0.75) + (a > 1.25) + (a >= 1.75) + (a > 2.5) + (a >= 3.5) + (a > 5)
    code = torch.where(w < 0, code + 8, code)
    return (code[..., ::2] + 16 * code[..., 1::2]).to(torch.uint8), (e.squeeze(-1) + 127).to(torch.uint8)


@BANK.right("round half to even in steps of the value's own exponent")
def own_exponent(weight):
    groups = groups_of(weight)
    scales = floor_scale(groups)
    a = (groups.abs() / torch.exp2(scales.double() - 127)[..., None]).clamp(max=6.0)
    step = torch.where(a < 2, 0.5, torch.where(a < 4, 1.0, 2.0))
    value = torch.round(a / step) * step  # torch rounds halves to even
    code = torch.searchsorted(VALUES, value.clamp(max=6.0)) + 8 * torch.signbit(groups)
    pairs = code.unflatten(-1, (16, 2)).to(torch.uint8)
    return pairs[..., 0] + 16 * pairs[..., 1], scales.to(torch.uint8)


@BANK.right("plain Python")
def loop(weight):
    import math

    blocks, scales = [], []
    for row in weight.double().reshape(-1, 32).tolist():
        top = max(map(abs, row))
        scale = min(max(math.frexp(top)[1] - 1 - 2 + 127, 0), 254) if top else 0
        codes = []
        for value in row:
            a = abs(value) / 2.0 ** (scale - 127)
            code = min(range(8), key=lambda c: (abs(VALUES[c].item() - a), c & 1))
            codes.append(code + 8 * (value < 0))
        blocks += [codes[i] + 16 * codes[i + 1] for i in range(0, 32, 2)]
        scales.append(scale)
    shape = (*weight.shape[:-1], weight.shape[-1] // 32)
    return torch.tensor(blocks, dtype=torch.uint8).view(*shape, 16), torch.tensor(scales, dtype=torch.uint8).view(shape)


@BANK.wrong("no_emax", "the 2 not subtracted")
def no_emax(weight):
    return packed(weight, scale=lambda g: (floor_scale(g) + 2) * (g.abs().amax(-1) > 0))


@BANK.wrong("round_up", "the exponent rounded up", "gpt-oss 108; vllm 43557")
def round_up(weight):
    return packed(
        weight, scale=lambda g: torch.ceil(torch.log2(g.abs().amax(-1).clamp(min=2.0**-126))).long() - 2 + 127
    )


@BANK.wrong("max_over_6", "max / 6, rounded up")
def over_six(weight):
    return packed(
        weight,
        scale=lambda g: (torch.ceil(torch.log2(g.abs().amax(-1).clamp(min=2.0**-120) / 6)).long() + 127).clamp(0, 254),
    )


@BANK.wrong("round_nearest", "log2 rounded to the nearest")
def rounded_log(weight):
    return packed(
        weight, scale=lambda g: torch.round(torch.log2(g.abs().amax(-1).clamp(min=2.0**-120))).long() - 2 + 127
    )


@BANK.wrong("off_by_one", "a bias of 128")
def bias_128(weight):
    return packed(weight, scale=lambda g: floor_scale(g) + 1)


@BANK.wrong("global_scale", "one scale for the whole tensor")
def one_scale(weight):
    return packed(weight, scale=lambda g: floor_scale(g).max().expand(g.shape[:-1]))


@BANK.wrong("sign_in_max", "the maximum without abs")
def signed_maximum(weight):
    return packed(weight, scale=lambda g: floor_scale(g.amax(-1, keepdim=True)))


@BANK.wrong("nibbles_swapped", "the earlier weight in the high nibble")
def high_first(weight):
    return packed(weight, join=lambda c: (c[..., 0::2] << 4 | c[..., 1::2]).to(torch.uint8))


@BANK.wrong("nibbles_blocked", "weight j with weight j + 16")
def far_pairs(weight):
    return packed(weight, join=lambda c: (c[..., :16] | c[..., 16:] << 4).to(torch.uint8))


@BANK.wrong("ties_up", "halves away from zero")
def half_up(weight):
    middle = (VALUES[1:] + VALUES[:-1]) / 2
    return packed(weight, code=lambda s: torch.bucketize(s.abs(), middle, right=True) | (s < 0).long() << 3)


@BANK.wrong("ties_down", "argmin over the values in order")
def half_down(weight):
    return packed(weight, code=lambda s: (s.abs()[..., None] - VALUES).abs().argmin(-1) | (s < 0).long() << 3)


@BANK.wrong("truncated", "cut off instead of rounded")
def cut_off(weight):
    return packed(weight, code=lambda s: torch.bucketize(s.abs(), VALUES[1:], right=True) | (s < 0).long() << 3)


@BANK.wrong("sign_lost", "the sign forgotten")
def unsigned(weight):
    return packed(weight, code=lambda s: nearest(s.abs()))


@BANK.wrong("dtype", "int64 blocks and scales")
def wide(weight):
    blocks, scales = packed(weight)
    return blocks.long(), scales.long()


@BANK.wrong("order", "scales first")
def other_order(weight):
    return packed(weight)[::-1]


@BANK.wrong("shape", "one byte a weight")
def one_byte_each(weight):
    return packed(weight, join=lambda c: c.to(torch.uint8))


@BANK.wrong("wraps", "the code of 8 wraps to 0")
def wraps(weight):
    more = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0], dtype=torch.float64)

    def code(scaled):
        return ((scaled.abs()[..., None] - more).abs().argmin(-1) & 7) | (scaled < 0).long() << 3

    def even(scaled):
        return torch.where(scaled.abs() > 6.6, code(scaled), nearest(scaled))

    return packed(weight, code=even)


@BANK.wrong("integers", "rounded to whole numbers")
def whole_numbers(weight):
    return packed(weight, code=lambda s: nearest(s.round()))


@BANK.wrong("zeros", "a block of zeros with scale 255")
def zeros_as_nan(weight):
    return packed(
        weight,
        scale=lambda g: torch.where(g.abs().amax(-1) > 0, floor_scale(g), 255),
        code=lambda s: nearest(s.nan_to_num()),
    )


@BANK.wrong("range", "an exponent below the byte wraps")
def wraps_below(weight):
    def scale(groups):
        exponent = torch.frexp(groups.abs().amax(-1)).exponent - 1
        return torch.where(groups.abs().amax(-1) > 0, (exponent - 2 + 127) % 256, 0)

    return packed(weight, scale=scale)


@BANK.wrong("off_by_one", "the exponent of frexp taken for floor(log2)")
def frexp_as_floor(weight):
    return packed(weight, scale=lambda g: (torch.frexp(g.abs().amax(-1)).exponent - 2 + 127).clamp(0, 252))


@BANK.wrong("bias", "the exponent stored without a bias")
def no_bias(weight):
    blocks, scales = packed(weight)
    return blocks, (scales.int() - 127).to(torch.uint8)
