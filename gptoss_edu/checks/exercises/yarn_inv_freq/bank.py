"""Solutions of `yarn_inv_freq`."""

import math

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("yarn_inv_freq")


def plain(head_dim, theta):
    return theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)


def bounds(head_dim, theta, context, fast, slow):
    low, high = (head_dim * math.log(context / (beta * 2 * math.pi)) / (2 * math.log(theta)) for beta in (fast, slow))
    return max(low, 0), min(high, head_dim - 1)


def ramp(head_dim, low, high):
    return ((torch.arange(head_dim // 2) - low) / max(high - low, 0.001)).clamp(0, 1)


@BANK.right("speeds blended by a ramp")
def blended(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    speed = plain(head_dim, theta)
    r = ramp(head_dim, *bounds(head_dim, theta, original_context, beta_fast, beta_slow))
    return (speed * (1 - r) + speed / factor * r).float(), 0.1 * math.log(factor) + 1


@BANK.right("a loop over the pairs in plain Python")
def loop(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    low, high = bounds(head_dim, theta, original_context, beta_fast, beta_slow)
    speeds = []
    for i in range(head_dim // 2):
        speed = 1 / theta ** (2 * i / head_dim)
        if i >= high:
            speed /= factor
        elif i > low:
            share = (i - low) / (high - low)
            speed = speed / factor * share + speed * (1 - share)
        speeds.append(speed)
    return torch.tensor(speeds), 1 + math.log(factor) / 10


@BANK.right("as the public reference writes it: interpolation, extrapolation, mask")
def with_mask(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    half = head_dim / 2
    freq = theta ** (torch.arange(0, head_dim, 2, dtype=torch.float) / head_dim)
    low = max(half * math.log(original_context / (beta_fast * 2 * math.pi)) / math.log(theta), 0)
    high = min(half * math.log(original_context / (beta_slow * 2 * math.pi)) / math.log(theta), head_dim - 1)
    interpolation, extrapolation = 1.0 / (factor * freq), 1.0 / freq
    mask = 1 - ((torch.arange(half, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
    concentration = 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0
    return interpolation * (1 - mask) + extrapolation * mask, concentration


@BANK.change
def spelled_out(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    speed = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    low, high = (
        head_dim / 2 * math.log(original_context / (beta * 2 * math.pi)) / math.log(theta)
        for beta in (beta_fast, beta_slow)
    )
    low, high = max(low, 0), min(high, head_dim - 1)
    r = ((torch.arange(head_dim // 2) - low) / max(high - low, 0.001)).clamp(0, 1)
    return (speed * (1 - r) + speed / factor * r).float(), 0.1 * math.log(factor) + 1


CLAMPS, BLEND = "max(low, 0), min(high, head_dim - 1)", "speed * (1 - r) + speed / factor * r"
EXPONENT, LOG = "(-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)", "0.1 * math.log(factor) + 1"

BANK.wrong(
    "rounded",
    "bounds rounded with floor and ceil",
    (CLAMPS, "math.floor(max(low, 0)), math.ceil(min(high, head_dim - 1))"),
    seen="vllm 27722; sglang 14270",
)
BANK.wrong("rounded", "bounds rounded to the nearest", (CLAMPS, "round(max(low, 0)), round(min(high, head_dim - 1))"))
BANK.wrong("concentration_missing", "the concentration forgotten", (LOG, "1.0"))
BANK.wrong("concentration_squared", "the concentration squared", (LOG, "(0.1 * math.log(factor) + 1) ** 2"))
BANK.wrong("concentration_log", "the concentration with log10", (LOG, "0.1 * math.log10(factor) + 1"))
BANK.wrong("concentration_log", "the concentration with log2", (LOG, "0.1 * math.log2(factor) + 1"))
BANK.wrong("concentration_no_one", "the concentration without its 1", (LOG, "0.1 * math.log(factor)"))
BANK.wrong("concentration_root", "the root of the concentration", (LOG, "(0.1 * math.log(factor) + 1) ** 0.5"))
BANK.wrong("concentration_inverse", "1 / concentration", (LOG, "1 / (0.1 * math.log(factor) + 1)"))
BANK.wrong("all_divided", "all speeds divided: position interpolation", (BLEND, "speed / factor"))
BANK.wrong("not_stretched", "plain RoPE", (BLEND, "speed"), seen="TensorRT-Model-Connect 399, 400")
BANK.wrong(
    "ntk",
    "NTK-aware: theta changed for all pairs",
    ("speed = theta", "speed = (theta * factor ** (head_dim / (head_dim - 2)))"),
    (BLEND, "speed"),
)
BANK.wrong("ntk", "theta multiplied by the factor", ("speed = theta", "speed = (theta * factor)"), (BLEND, "speed"))
BANK.wrong("ramp_inverted", "the ramp the wrong way round", (BLEND, "speed * r + speed / factor * (1 - r)"))
BANK.wrong(
    "ramp_inverted",
    "beta_fast and beta_slow exchanged, divided by the negative width",
    ("(beta_fast, beta_slow)\n", "(beta_slow, beta_fast)\n"),
    (CLAMPS, "low, high"),
    ("max(high - low, 0.001)", "(high - low)"),
)
for rounding in ("ceil", "floor", "round"):
    BANK.wrong("step", f"a step instead of a ramp, by {rounding}", (".clamp(0, 1)", f".clamp(0, 1).{rounding}()"))
BANK.wrong("no_2pi", "the bounds without 2 pi", ("(beta * 2 * math.pi)", "beta"))
BANK.wrong("no_2pi", "pi for 2 pi in the bounds", ("beta * 2 * math.pi", "beta * math.pi"))
BANK.wrong(
    "stretched_context", "the bounds from the stretched context", ("original_context /", "original_context * factor /")
)
BANK.wrong(
    "ramp_on_wavelength",
    "wavelengths blended instead of speeds",
    (f"({BLEND})", "(1 / ((1 - r) / speed + r * factor / speed))"),
)
BANK.wrong("unclamped", "the ramp not clamped", (".clamp(0, 1)", ""))
BANK.wrong("unclamped", "the ramp clamped below only", (".clamp(0, 1)", ".clamp(min=0)"))
BANK.wrong("unclamped", "the ramp clamped above only", (".clamp(0, 1)", ".clamp(max=1)"))
BANK.wrong("low_clamp", "the lower bound not clamped", ("max(low, 0)", "low"))
BANK.wrong("low_clamp", "neither bound clamped", (CLAMPS, "low, high"))
BANK.wrong("high_clamp", "the upper bound not clamped", ("min(high, head_dim - 1)", "high"))
BANK.wrong("high_clamp", "the upper bound clamped to the last pair", ("head_dim - 1)", "head_dim // 2 - 1)"))
BANK.wrong("high_clamp", "the upper bound clamped to the number of pairs", ("head_dim - 1)", "head_dim // 2)"))
BANK.wrong(
    "exponent", "theta ** (-i / head_dim)", (EXPONENT, "(-torch.arange(head_dim // 2, dtype=torch.float64) / head_dim)")
)
BANK.wrong("exponent_fast", "theta ** (-2i / (d/2))", ("float64) / head_dim", "float64) / (head_dim // 2)"))
BANK.wrong(
    "exponent_end", "linspace with its end", (EXPONENT, "-torch.linspace(0, 1, head_dim // 2, dtype=torch.float64)")
)
BANK.wrong("inverse", "powers of theta", ("(-torch", "(torch"))
BANK.wrong("inverse", "wavelengths", ("theta ** (-torch", "2 * math.pi * theta ** (torch"))
BANK.wrong("with_2pi", "turns instead of radians", (EXPONENT, f"{EXPONENT} / (2 * math.pi)"))
BANK.wrong("order", "concentration first", (f"({BLEND}).float(), {LOG}", f"{LOG}, ({BLEND}).float()"))
BANK.wrong("length", "every speed twice", (f"({BLEND})", f"torch.cat([{BLEND}, {BLEND}])"))
BANK.wrong("multiplied", "slow pairs multiplied by the factor", ("speed / factor", "speed * factor"))
BANK.wrong("bound_pairs", "bounds for head_dim instead of head_dim / 2 pairs", ("head_dim / 2 *", "head_dim *"))
BANK.wrong("bound_pairs", "bounds for head_dim / 4 pairs", ("head_dim / 2 *", "head_dim / 4 *"))
BANK.wrong(
    "hard_coded",
    "the released context and betas",
    ("original_context /", "4096 /"),
    ("(beta_fast, beta_slow)\n", "(32.0, 1.0)\n"),
)
BANK.wrong("hard_coded", "the released betas", ("(beta_fast, beta_slow)\n", "(32.0, 1.0)\n"))
BANK.wrong("hard_coded", "the released context", ("original_context /", "4096 /"))
BANK.wrong("hard_coded", "the released factor", ("speed / factor", "speed / 32.0"))
BANK.wrong("hard_coded", "the released theta", ("speed = theta", "speed = 150000.0"))
BANK.wrong("hard_coded", "a theta of 10,000", ("speed = theta", "speed = 10000.0"))
BANK.wrong("hard_coded", "the released concentration", (LOG, "0.1 * math.log(32) + 1"))
