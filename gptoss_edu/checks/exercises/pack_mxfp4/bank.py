"""Solutions of `pack_mxfp4`."""

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("pack_mxfp4")
VALUES = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0], dtype=torch.float64)
EVEN_FIRST = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])


def groups_of(weight):
    return weight.double().reshape(*weight.shape[:-1], -1, 32)


def floor_scale(groups):
    """Compute floor(log2 max) - 2 + 127 with frexp; 0 for a block of zeros."""
    largest = groups.abs().amax(-1)
    exponent = torch.frexp(largest).exponent - 1
    return torch.where(largest > 0, (exponent - 2 + 127).clamp(0, 254), 0)


def nearest(scaled):
    """Return the nearest codes, ties to even: argmin over the values with the even codes listed first."""
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


BANK.change(by_argmin)
PACKED, LARGEST = "packed(weight)", "g.abs().amax(-1)"
LOG = f"torch.log2({LARGEST}.clamp(min=2.0**-140))"


def scaled_by(rule: str) -> tuple[str, str]:
    """Return the exchange that gives `packed` another scale of the groups g."""
    return PACKED, f"packed(weight, scale=lambda g: {rule})"


def coded_by(rule: str) -> tuple[str, str]:
    """Return the exchange that gives `packed` another code of the scaled values s."""
    return PACKED, f"packed(weight, code=lambda s: {rule})"


SIGN = "(s < 0).long() << 3"
BANK.wrong("no_emax", "the 2 not subtracted", scaled_by(f"(floor_scale(g) + 2) * ({LARGEST} > 0)"))
BANK.wrong("no_emax", "rounded up, the 2 not subtracted", scaled_by(f"torch.ceil({LOG}).long() + 127"))
BANK.wrong(
    "round_up",
    "the exponent rounded up",
    scaled_by(f"torch.ceil({LOG}).long() - 2 + 127"),
    seen="gpt-oss 108; vllm 43557",
)
BANK.wrong(
    "max_over_6",
    "max / 6, rounded up",
    scaled_by(f"(torch.ceil(torch.log2({LARGEST} / 6)) + 127).clamp(0, 254)"),
)
BANK.wrong(
    "max_over_6_down",
    "max / 6, rounded down",
    scaled_by(f"(torch.floor(torch.log2({LARGEST} / 6)) + 127).clamp(0, 254)"),
)
BANK.wrong("round_nearest", "log2 rounded to the nearest", scaled_by(f"torch.round({LOG}).long() - 2 + 127"))
BANK.wrong("one_large", "a bias of 128", scaled_by("floor_scale(g) + 1"))
BANK.wrong("one_small", "a bias of 126", scaled_by("(floor_scale(g) - 1).clamp(min=0)"))
BANK.wrong("one_small", "3 subtracted", scaled_by(f"(torch.frexp({LARGEST}).exponent - 4 + 127).clamp(0, 252)"))
BANK.wrong(
    "one_large",
    "the exponent of frexp taken for floor(log2)",
    scaled_by(f"(torch.frexp({LARGEST}).exponent - 2 + 127).clamp(0, 252)"),
)
BANK.wrong("global_scale", "one scale for the whole tensor", scaled_by("floor_scale(g).max().expand(g.shape[:-1])"))
BANK.wrong("sign_in_max", "the maximum without abs", scaled_by("floor_scale(g.amax(-1, keepdim=True))"))
BANK.wrong(
    "sign_in_max",
    "the maximum without abs, clamped",
    scaled_by("floor_scale(g.amax(-1, keepdim=True).clamp(min=1e-30))"),
)
BANK.wrong(
    "nibbles_swapped",
    "the earlier weight in the high nibble",
    (PACKED, "packed(weight, join=lambda c: to_bytes(c.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)))"),
)
BANK.wrong(
    "nibbles_blocked",
    "weight j with weight j + 16",
    (PACKED, "packed(weight, join=lambda c: (c[..., :16] | c[..., 16:] << 4).to(torch.uint8))"),
)
BANK.wrong(
    "ties_up",
    "halves away from zero",
    coded_by(f"torch.bucketize(s.abs(), (VALUES[1:] + VALUES[:-1]) / 2, right=True) | {SIGN}"),
)
BANK.wrong(
    "ties_down", "argmin over the values in order", coded_by(f"(s.abs()[..., None] - VALUES).abs().argmin(-1) | {SIGN}")
)
BANK.wrong(
    "ties_down",
    "argmin over all sixteen values in order",
    coded_by("(s[..., None] - torch.cat([VALUES, -VALUES])).abs().argmin(-1)"),
)
BANK.wrong(
    "truncated", "cut off instead of rounded", coded_by(f"torch.bucketize(s.abs(), VALUES[1:], right=True) | {SIGN}")
)
BANK.wrong("sign_lost", "the sign forgotten", coded_by("nearest(s.abs())"))
BANK.wrong("integers", "rounded to whole numbers", coded_by("nearest(s.round())"))
BANK.wrong(
    "wraps",
    "the code of 8 wraps to 0",
    coded_by("torch.where(s.abs() > 6.6, (s.abs() < 7).long() * 7 | (s < 0).long() << 3, nearest(s))"),
)
BANK.wrong("dtype", "int64 blocks and scales", (PACKED, "tuple(part.long() for part in packed(weight))"))
BANK.wrong("order", "scales first", (PACKED, "packed(weight)[::-1]"))
BANK.wrong("shape", "one byte per weight", (PACKED, "packed(weight, join=lambda c: c.to(torch.uint8))"))
BANK.wrong(
    "zeros",
    "a block of zeros with scale 255",
    (
        PACKED,
        f"packed(weight, scale=lambda g: torch.where({LARGEST} > 0, floor_scale(g), 255), code=lambda s: "
        f"nearest(s.nan_to_num()))",
    ),
)
BANK.wrong(
    "range",
    "an exponent below the byte wraps",
    scaled_by(f"torch.where({LARGEST} > 0, (torch.frexp({LARGEST}).exponent - 3 + 127) % 256, 0)"),
)
UNCLAMPED = f"torch.frexp({LARGEST}).exponent - 3 + 127"
BANK.wrong("range", "not clamped: the byte wraps, the codes do not", scaled_by(UNCLAMPED))
BANK.wrong(
    "clamped_late",
    "the byte clamped after the division",
    (PACKED, f"packed(weight, scale=lambda g: {UNCLAMPED})[0], floor_scale(groups_of(weight)).to(torch.uint8)"),
)
BANK.wrong(
    "bias",
    "the exponent stored without a bias",
    (PACKED, "packed(weight)[0], (packed(weight)[1].int() - 127).to(torch.uint8)"),
)
