"""Wrong solutions of chapter 15, written from its text alone."""

from gptoss_edu.checks.exercises.own.pass_at_k import BANK as PASS_AT_K
from gptoss_edu.checks.exercises.own.wilson import BANK as WILSON


@PASS_AT_K.wrong("two tries", "the k tries are drawn with replacement", unseen=True)
def pass_at_k_1(n, c, k):
    return 1 - (1 - c / n) ** k


@WILSON.wrong("the middle", "the textbook interval instead of Wilson's", unseen=True)
def wilson_1(right, of, z=1.96):
    p = right / of
    half = z * (p * (1 - p) / of) ** 0.5
    return p - half, p + half
