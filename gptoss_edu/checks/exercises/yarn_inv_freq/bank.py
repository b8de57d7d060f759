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


@BANK.wrong("rounded", "bounds rounded with floor and ceil", "vllm 27722; sglang 14270")
def rounded(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    low, high = bounds(head_dim, theta, original_context, beta_fast, beta_slow)
    speed, r = plain(head_dim, theta), ramp(head_dim, math.floor(low), math.ceil(high))
    return speed * (1 - r) + speed / factor * r, 0.1 * math.log(factor) + 1


@BANK.wrong("concentration_missing", "the concentration forgotten")
def no_concentration(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    return blended(head_dim, theta, factor, original_context, beta_fast, beta_slow)[0], 1.0


@BANK.wrong("concentration_squared", "the concentration squared")
def squared(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    speeds, c = blended(head_dim, theta, factor, original_context, beta_fast, beta_slow)
    return speeds, c**2


@BANK.wrong("concentration_log", "the concentration with log10")
def common_logarithm(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    return blended(head_dim, theta, factor, original_context, beta_fast, beta_slow)[0], 0.1 * math.log10(factor) + 1


@BANK.wrong("concentration_no_one", "the concentration without its 1")
def no_one(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    return blended(head_dim, theta, factor, original_context, beta_fast, beta_slow)[0], 0.1 * math.log(factor)


@BANK.wrong("all_divided", "all speeds divided: position interpolation")
def interpolated(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    return plain(head_dim, theta) / factor, 0.1 * math.log(factor) + 1


@BANK.wrong("not_stretched", "plain RoPE", "TensorRT-Model-Connect 399, 400")
def unstretched(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    return plain(head_dim, theta), 0.1 * math.log(factor) + 1


@BANK.wrong("ntk", "NTK-aware: theta changed for all pairs")
def ntk(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    return plain(head_dim, theta * factor ** (head_dim / (head_dim - 2))), 0.1 * math.log(factor) + 1


@BANK.wrong("ramp_inverted", "the ramp the wrong way round")
def inverted(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    speed = plain(head_dim, theta)
    r = ramp(head_dim, *bounds(head_dim, theta, original_context, beta_fast, beta_slow))
    return speed * r + speed / factor * (1 - r), 0.1 * math.log(factor) + 1


@BANK.wrong("step", "a step instead of a ramp")
def step(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    low, _ = bounds(head_dim, theta, original_context, beta_fast, beta_slow)
    speed = plain(head_dim, theta)
    return torch.where(torch.arange(head_dim // 2) > low, speed / factor, speed), 0.1 * math.log(factor) + 1


@BANK.wrong("no_2pi", "the bounds without 2 pi")
def no_circle(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    low, high = bounds(head_dim, theta, original_context * 2 * math.pi, beta_fast, beta_slow)
    speed, r = plain(head_dim, theta), ramp(head_dim, low, high)
    return speed * (1 - r) + speed / factor * r, 0.1 * math.log(factor) + 1


@BANK.wrong("stretched_context", "the bounds from the stretched context")
def long_context(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    low, high = bounds(head_dim, theta, original_context * factor, beta_fast, beta_slow)
    speed, r = plain(head_dim, theta), ramp(head_dim, low, high)
    return speed * (1 - r) + speed / factor * r, 0.1 * math.log(factor) + 1


@BANK.wrong("ramp_on_wavelength", "wavelengths blended instead of speeds")
def wavelengths(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    wave = 1 / plain(head_dim, theta)
    r = ramp(head_dim, *bounds(head_dim, theta, original_context, beta_fast, beta_slow))
    return 1 / (wave * (1 - r) + wave * factor * r), 0.1 * math.log(factor) + 1


@BANK.wrong("low_clamp", "the bounds not clamped")
def unclamped(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    low, high = (
        head_dim * math.log(original_context / (beta * 2 * math.pi)) / (2 * math.log(theta))
        for beta in (beta_fast, beta_slow)
    )
    speed, r = plain(head_dim, theta), ramp(head_dim, low, high)
    return speed * (1 - r) + speed / factor * r, 0.1 * math.log(factor) + 1


@BANK.wrong("high_clamp", "the upper bound clamped to the number of pairs")
def clamped_to_pairs(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    low, high = bounds(head_dim, theta, original_context, beta_fast, beta_slow)
    speed, r = plain(head_dim, theta), ramp(head_dim, low, min(high, head_dim // 2 - 1))
    return speed * (1 - r) + speed / factor * r, 0.1 * math.log(factor) + 1


@BANK.wrong("exponent", "theta ** (-i / head_dim)")
def slow_exponent(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    speed = theta ** (-torch.arange(head_dim // 2) / head_dim)
    r = ramp(head_dim, *bounds(head_dim, theta, original_context, beta_fast, beta_slow))
    return speed * (1 - r) + speed / factor * r, 0.1 * math.log(factor) + 1


@BANK.wrong("order", "concentration first")
def other_order(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    return blended(head_dim, theta, factor, original_context, beta_fast, beta_slow)[::-1]


@BANK.wrong("length", "every speed twice")
def doubled(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    speeds, c = blended(head_dim, theta, factor, original_context, beta_fast, beta_slow)
    return torch.cat([speeds, speeds]), c


def with_speed(speed, head_dim, theta, factor, original_context, beta_fast, beta_slow):
    r = ramp(head_dim, *bounds(head_dim, theta, original_context, beta_fast, beta_slow))
    return speed * (1 - r) + speed / factor * r, 0.1 * math.log(factor) + 1


@BANK.wrong("exponent_fast", "theta ** (-2i / (d/2))")
def fast_exponent(head_dim, theta, *rest):
    return with_speed(theta ** (-4 * torch.arange(head_dim // 2) / head_dim), head_dim, theta, *rest)


@BANK.wrong("exponent_end", "linspace with its end")
def with_end(head_dim, theta, *rest):
    return with_speed(theta ** -torch.linspace(0, 1, head_dim // 2, dtype=torch.float64), head_dim, theta, *rest)


@BANK.wrong("inverse", "powers of theta")
def powers_of_theta(head_dim, theta, *rest):
    return with_speed(1 / plain(head_dim, theta), head_dim, theta, *rest)


@BANK.wrong("with_2pi", "turns instead of radians")
def in_turns(head_dim, theta, *rest):
    return with_speed(plain(head_dim, theta) / (2 * math.pi), head_dim, theta, *rest)


@BANK.wrong("ramp_inverted", "beta_fast and beta_slow exchanged")
def betas_exchanged(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    low, high = bounds(head_dim, theta, original_context, beta_slow, beta_fast)
    speed = plain(head_dim, theta)
    r = ((torch.arange(head_dim // 2) - low) / (high - low)).clamp(0, 1)
    return speed * (1 - r) + speed / factor * r, 0.1 * math.log(factor) + 1


@BANK.wrong("multiplied", "slow pairs multiplied by the factor")
def multiplied(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    speed = plain(head_dim, theta)
    r = ramp(head_dim, *bounds(head_dim, theta, original_context, beta_fast, beta_slow))
    return speed * (1 - r) + speed * factor * r, 0.1 * math.log(factor) + 1


@BANK.wrong("bound_pairs", "bounds for head_dim instead of head_dim / 2 pairs")
def doubled_bounds(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    low, high = (
        head_dim * math.log(original_context / (b * 2 * math.pi)) / math.log(theta) for b in (beta_fast, beta_slow)
    )
    speed, r = plain(head_dim, theta), ramp(head_dim, max(low, 0), min(high, head_dim - 1))
    return speed * (1 - r) + speed / factor * r, 0.1 * math.log(factor) + 1


@BANK.wrong("concentration_root", "the root of the concentration")
def root(*args):
    speeds, c = blended(*args)
    return speeds, c**0.5


@BANK.wrong("concentration_inverse", "1 / concentration")
def inverse_concentration(*args):
    speeds, c = blended(*args)
    return speeds, 1 / c


@BANK.wrong("hard_coded", "the released numbers written in")
def released(head_dim, theta, factor, original_context, beta_fast, beta_slow):
    return blended(head_dim, theta, factor, 4096, 32.0, 1.0)
