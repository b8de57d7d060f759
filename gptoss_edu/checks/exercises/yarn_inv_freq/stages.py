"""The check of `yarn_inv_freq`: plain speeds, what is kept, what is slowed, the ramp, small heads."""

import math

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close, expect_pair, expect_shape, number, to_numpy
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "order": "The function returns (inv_freq, concentration), in this order.",
    "length": "There is one speed per PAIR: head_dim / 2 of them.",
    "exponent": "The exponent grows too slowly: speed i is theta ** (-2i / head_dim), from 1 down to almost 1 / theta.",
    "exponent_fast": (
        "The exponent runs too fast: speed i is theta ** (-2i / head_dim), not theta ** (-2i / (head_dim / 2))."
    ),
    "exponent_end": (
        "The exponents are spread from 0 to 1 with the end included (linspace); the last one is (head_dim - 2) / "
        "head_dim."
    ),
    "inverse": "These are wavelengths or powers of theta, not their inverses.",
    "with_2pi": "A speed is in radians per position: there is no 2 pi in inv_freq.",
    "not_stretched": "The speeds are not stretched: slow pairs must be divided by the factor.",
    "all_divided": (
        "All speeds are divided by the factor (position interpolation). YaRN keeps the fast pairs: they tell "
        "neighbours apart."
    ),
    "ntk": "theta is changed for all pairs (NTK-aware scaling). YaRN treats fast and slow pairs differently.",
    "ramp_inverted": (
        "The ramp is inverted, as if beta_fast and beta_slow were exchanged: fast pairs (small index) "
        "keep their speed, slow ones are divided. beta_fast = 32 turns gives the lower bound, 8.09."
    ),
    "rounded": (
        "The ramp's bounds are rounded (floor and ceil). gpt-oss uses them as they are, 8.09 and 17.40: its config "
        "says truncate: false."
    ),
    "step": "There is no ramp between the bounds: the speeds jump.",
    "unclamped": "The ramp runs on beyond its bounds: clamp it to 0 below the lower one and to 1 above the upper one.",
    "multiplied": "Slow pairs are made faster: divide by the factor.",
    "no_2pi": (
        "The bounds lack the 2 pi: a pair turns original_context / wavelength times, and a wavelength is 2 pi / speed."
    ),
    "stretched_context": (
        "The bounds are computed from the stretched context. They count turns within the ORIGINAL one (4,096)."
    ),
    "bound_pairs": (
        "The bounds are twice, or half, what they should be: pair index i = head_dim / 2 * ln(L / (2 pi beta)) / "
        "ln(theta)."
    ),
    "ramp_on_wavelength": (
        "The ramp blends the wavelengths. It blends the speeds: (1 - ramp) * speed + ramp * speed / factor."
    ),
    "concentration_missing": (
        "The concentration is forgotten (1.0). It is 0.1 ln(factor) + 1: it multiplies cos and sin, hence q.k by its "
        "square, but not the sink."
    ),
    "concentration_squared": (
        "This is the concentration squared (1.813), the factor by which q.k grows. Return the factor for cos and sin, "
        "1.347 for a factor of 32."
    ),
    "concentration_no_one": "The 1 is missing: 0.1 ln(factor) + 1.",
    "concentration_log": "The logarithm has the wrong base: it is the natural one.",
    "concentration_root": "The root of the concentration is returned.",
    "concentration_inverse": "This is 1 / concentration.",
    "low_clamp": "For a short original context the lower bound falls below 0. It must be clamped to 0.",
    "high_clamp": "The upper bound must be clamped to head_dim - 1 (not to head_dim / 2 - 1, and not left as it is).",
    "hard_coded": "The released numbers are written into the function instead of the arguments.",
    "general": (
        "speed i = theta ** (-2i/d); ramp from 0 to 1 between the bounds; (1 - ramp) * speed + ramp * speed / factor."
    ),
}
CHECK = Check(
    "yarn_inv_freq",
    (Forbidden("rope.py"), Forbidden("fast")),
    CAUSES,
    "(head_dim, theta, factor, original_context, beta_fast, beta_slow) -> (inv_freq (head_dim/2,), concentration)",
)
RELEASED = (64, 150000.0, 32.0, 4096, 32.0, 1.0)


def _speeds(call, args):
    """Return the learner's speeds and concentration, after checking their form."""
    pair = expect_pair(call(*args), "(inv_freq, concentration)", "order")
    first = to_numpy(pair[0], "inv_freq")
    if first.ndim == 0:
        raise Refused("the first value is a single number, expected inv_freq (head_dim/2,)", "order", certain=True)
    if first.shape == (args[0],):
        raise Refused(f"inv_freq has {args[0]} values, expected {args[0] // 2}", "length", certain=True)
    expect_shape(first, (args[0] // 2,), "(head_dim/2,)", "length")
    return first, float(to_numpy(pair[1], "the concentration").reshape(-1)[0])


def _compare(call, args, general: str = "general", prefix: str = "") -> None:
    found, _ = _speeds(call, args)
    expect_close(found, reference.yarn(*args)[0], ("pair",), general, rtol=2e-4, atol=0, prefix=prefix)


@CHECK.stage("plain speeds, where nothing is stretched")
def plain(call):
    for args in ((8, 10000.0, 1.0, 4096, 32.0, 1.0), (64, 150000.0, 1.0, 4096, 32.0, 1.0)):
        _compare(call, args, prefix=f"head_dim {args[0]}, theta {args[1]:g}, factor 1: ")


@CHECK.stage("fast pairs keep their speed, slow ones are divided")
def ends(call):
    found, right = _speeds(call, RELEASED)[0], reference.yarn(*RELEASED)[0]
    for pair in (*range(0, 8), *range(18, 32)):
        if abs(found[pair] / right[pair] - 1) > 2e-4:
            text = "keeps its speed" if pair < 9 else "is divided by the factor"
            numbers = f"yours is {number(found[pair])}, right is {number(right[pair])}"
            raise Refused(f"pair {pair} {text}: {numbers}", "general")


@CHECK.stage("the ramp between 8.09 and 17.40")
def ramp(call):
    _compare(call, RELEASED)


OTHER = (32, 10000.0, 4.0, 1024, 16.0, 2.0)


@CHECK.stage("other numbers: nothing is written in")
def other(call):
    _compare(call, OTHER, "hard_coded", "head_dim 32, factor 4, betas 16 and 2: ")


@CHECK.stage("the concentration")
def concentration(call):
    for args in (RELEASED, OTHER, (32, 10000.0, 1.5, 1024, 16.0, 2.0), (8, 10000.0, 1.0, 4096, 32.0, 1.0)):
        factor, found = args[2], _speeds(call, args)[1]
        right = 0.1 * math.log(factor) + 1
        if abs(found - right) > 1e-4:
            symptom = f"factor {factor:g}: your concentration is {number(found)}, right is {number(right)}"
            raise Refused(symptom, "It is 0.1 ln(factor) + 1.")


@CHECK.stage("small heads and short contexts: the bounds are clamped")
def small(call):
    _compare(call, (32, 10000.0, 4.0, 64, 32.0, 1.0), "low_clamp", "original context 64: ")
    _compare(call, (16, 5.0, 4.0, 301, 32.0, 1.0), "high_clamp", "head_dim 16, theta 5: ")
