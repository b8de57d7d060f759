"""Wrong solutions of chapter 17, written from its text alone."""

import numpy as np

from gptoss_edu.checks.exercises.own.load_entropy import BANK as LOAD_ENTROPY


@LOAD_ENTROPY.wrong("four equal experts", "natural logarithm instead of base 2", unseen=True)
def load_entropy_1(indices, n_experts):
    p = np.bincount(indices.ravel(), minlength=n_experts) / indices.size
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


@LOAD_ENTROPY.wrong("four equal experts", "only the first choice of each token is counted", unseen=True)
def load_entropy_2(indices, n_experts):
    p = np.bincount(indices[:, 0], minlength=n_experts) / len(indices)
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())
