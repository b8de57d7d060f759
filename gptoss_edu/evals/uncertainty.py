"""How sure is a score? Intervals for shares and means, differences of pairs, several attempts at a question.

Wilson's interval for independent questions stands in `tasks.graders.wilson`. Where questions are tried several times,
or belong together, the clusters are what was drawn: their scores are resampled whole.

Source: Miller 2024, arXiv:2411.00640, "Adding error bars to evals" (clustered and paired errors).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from gptoss_edu.errors import GptOssError
from gptoss_edu.tasks.graders import pass_at_k


def clustered_mean(scores: Sequence[float], clusters: Sequence[Hashable], draws: int = 2000, seed: int = 0) -> dict:
    """Return {'mean', 'low', 'high', 'of', 'clusters'}: a mean with a 95 % interval from resampled clusters.

    scores, clusters : (n,) each; the scores of one cluster are drawn together or not at all
    """
    sums, counts = _by_cluster(scores, clusters)  # (m,) each
    mean = float(sums.sum() / max(1, counts.sum()))
    low, high = mean, mean
    if len(sums) > 1:
        low, high = _quantiles(sums, counts, draws, seed)
    return {
        "mean": round(mean, 4), "low": round(low, 4), "high": round(high, 4), "of": len(scores), "clusters": len(sums),
    }  # fmt: skip


def _by_cluster(scores: Sequence[float], clusters: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    index = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    at = np.array([index[cluster] for cluster in clusters], dtype=np.int64)
    counts = np.bincount(at, minlength=len(index)).astype(float)
    return np.bincount(at, weights=np.asarray(scores, dtype=float), minlength=len(index)), counts


def _quantiles(sums: np.ndarray, counts: np.ndarray, draws: int, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the ratio of sums to counts under resampling of clusters."""
    rng, n = np.random.default_rng(seed), len(sums)
    means = []
    for _ in range(0, draws, 200):  # in pieces, so that 10,000 clusters do not need 160 MB
        drawn = rng.integers(0, n, (200, n))
        means.append(sums[drawn].sum(1) / counts[drawn].sum(1))
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return float(low), float(high)


def paired_difference(
    first: dict, second: dict, clusters: dict | None = None, draws: int = 2000, seed: int = 0
) -> dict:
    """Return the second's mean less the first's on the questions that both answered, with a 95 % interval.

    first, second : mean score by question; clusters : by question, None for each its own

    Returns
    -------
    'difference', 'low', 'high', 'questions', 'only_first', 'only_second' (questions where that one scored more), and
    'sign_test', the probability of so uneven a split if neither were better.
    """
    shared = [key for key in first if key in second]
    gaps = [second[key] - first[key] for key in shared]
    found = clustered_mean(gaps, [clusters[key] if clusters else key for key in shared], draws, seed)
    less, more = sum(gap < 0 for gap in gaps), sum(gap > 0 for gap in gaps)
    return {
        "difference": found["mean"], "low": found["low"], "high": found["high"], "questions": len(shared),
        "only_first": less, "only_second": more, "sign_test": round(sign_test(less, more), 5),
    }  # fmt: skip


def sign_test(less: int, more: int) -> float:
    """Return the two-sided chance that a fair coin splits less + more throws at least this unevenly."""
    n, k = less + more, min(less, more)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n) if n else 1.0


def pass_all_k(n: int, c: int, k: int) -> float:
    """Return the chance that k tries, drawn from n with c right ones, are all right (pass^k).

    Source: Yao et al. 2024, arXiv:2406.12045, section 3.
    """
    return math.comb(c, k) / math.comb(n, k)


def attempts_table(rights: dict[Hashable, list[bool]]) -> dict:
    """Return the mean pass@k and pass^k over the questions, for every k up to the fewest tries of any question."""
    most = min(map(len, rights.values()), default=0)
    table: dict = {"pass@k": {}, "pass^k": {}}
    for k in range(1, most + 1):
        counts = [(len(flags), sum(flags)) for flags in rights.values()]
        table["pass@k"][k] = round(sum(pass_at_k(n, c, k) for n, c in counts) / len(counts), 4)
        table["pass^k"][k] = round(sum(pass_all_k(n, c, k) for n, c in counts) / len(counts), 4)
    return table


def majority(answers: Iterable[str]) -> str | None:
    """Return the most frequent answer that is not empty; None where two are equally frequent, or none is there."""
    ranked = Counter(answer for answer in answers if answer).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def questions_needed(first: float, second: float, power: float = 0.8, paired: float = 0.0) -> int:
    """Return how many questions it takes for two such accuracies to differ at the 5 % level with the given power.

    paired : correlation of their right answers on the same questions; 0 for separate questions

    Source: the normal approximation of Fleiss, Levin and Paik 2003, "Statistical methods for rates and proportions",
    chapter 4, with the covariance of pairs.
    """
    if first == second:
        raise GptOssError("questions_needed: expected two different accuracies, found the same twice; name two.")
    spread = first * (1 - first) + second * (1 - second)
    spread -= 2 * paired * math.sqrt(first * (1 - first) * second * (1 - second))
    z = 1.959964 + _normal_quantile(power)
    return math.ceil(z * z * spread / (first - second) ** 2)


def _normal_quantile(p: float) -> float:
    low, high = -10.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if 0.5 * (1 + math.erf(middle / math.sqrt(2))) < p else (low, middle)
    return low
