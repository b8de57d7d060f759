"""Test what traces show: entropy, mutual information, intervals and permutation nulls."""

from __future__ import annotations

import numpy as np

from gptoss_edu.errors import TraceError

from .record import Trace


def entropy_bits(counts: np.ndarray) -> float:
    """Compute the entropy, in bits, of a distribution given by counts or shares.

    It is 0 if one outcome has everything, and log2(n) if all n outcomes are equal.
    """
    p = np.asarray(counts, np.float64).reshape(-1)
    p = p[p > 0] / p.sum()
    return float(-(p * np.log2(p)).sum()) + 0.0


def contingency(x, y) -> np.ndarray:
    """Count how often each label of x (n,) occurs with each label of y (n,). (a, b) counts"""
    _, a = np.unique(x, return_inverse=True)
    _, b = np.unique(y, return_inverse=True)
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1)
    return joint


def table_information(joint: np.ndarray) -> float:
    """Compute the mutual information, in bits, of the rows and columns of a table of counts (a, b)."""
    return max(0.0, entropy_bits(joint.sum(1)) + entropy_bits(joint.sum(0)) - entropy_bits(joint))


def mutual_information(x: np.ndarray, y: np.ndarray) -> float:
    """Compute how many bits x tells about y: H(x) + H(y) − H(x, y).

    Estimated from a sample, it is never below 0 and biased upward by about (|x| − 1)(|y| − 1) / (2 n ln 2) bits;
    compare it with a shuffled null instead of with 0.

    x, y : (n,) labels of any kind.

    Source: Cover and Thomas, Elements of Information Theory, chapter 2; Miller 1955 (bias).
    """
    return table_information(contingency(x, y))


def shuffle_by_group(labels: np.ndarray, groups: np.ndarray, rng) -> np.ndarray:
    """Shuffle labels between whole groups (one label per group, such as a conversation's task). (n,)"""
    _, first, which = np.unique(groups, return_index=True, return_inverse=True)
    return rng.permutation(labels[first])[which]


def copy_score(weights: np.ndarray, tokens: np.ndarray) -> float:
    """Compute the mean attention that a query gives to positions that hold the token that comes next.

    weights : (t, t) without the sink; tokens : (t,). Only queries whose next token is among the keys 0 … q count.
    """
    ids = np.asarray(tokens)
    same = np.tril(ids[1:, None] == ids[None, :-1])  # (t - 1, t - 1), row q: keys that hold token q + 1
    counted = same.any(1)
    return float((weights[:-1, :-1] * same).sum(1)[counted].mean()) if counted.any() else 0.0


def permutation_null(x, y, statistic=mutual_information, repeats: int = 200, groups=None, seed: int = 0) -> np.ndarray:
    """Compute the statistic after cutting the link between x and y by shuffling y.

    Parameters
    ----------
    x, y : (n,) labels.
    repeats : number of shuffles.
    groups : (n,) each token's conversation, if y is constant within one (a task, an effort). Then labels are shuffled
        between whole conversations, because tokens of one conversation are not independent. None: shuffle single
        tokens.
    seed : of the shuffles.

    Returns
    -------
    (repeats,) values under the null hypothesis.

    Raises
    ------
    TraceError : with groups, y differs within one of them.
    """
    rng = np.random.default_rng(seed)
    x, y = np.asarray(x), np.asarray(y)
    if groups is None:
        return np.array([statistic(x, rng.permutation(y)) for _ in range(repeats)])
    _, first, which = np.unique(groups, return_index=True, return_inverse=True)
    if not (y[first][which] == y).all():
        raise TraceError("a label that is shuffled by group must be the same within each group.")
    return np.array([statistic(x, shuffle_by_group(y, groups, rng)) for _ in range(repeats)])


def p_value(observed: float, null: np.ndarray) -> float:
    """Compute the share of the null that is at least as large, counting the observation itself, so it is never 0."""
    return float((1 + (np.asarray(null) >= observed).sum()) / (1 + len(null)))


def bootstrap_interval(
    values: np.ndarray, groups=None, statistic=np.mean, repeats: int = 500, level: float = 0.95, seed: int = 0
):
    """Compute the interval of a statistic by drawing tokens, or (groups) whole conversations, with replacement.

    values : (n, …) one row per token. Returns (low, high), each shaped like statistic(values).
    """
    rng = np.random.default_rng(seed)
    values = np.asarray(values)
    if groups is None:
        parts = None
        count = len(values)
    else:
        labels = np.asarray(groups)
        parts = [np.nonzero(labels == g)[0] for g in np.unique(labels)]
        count = len(parts)
    draws = []
    for _ in range(repeats):
        chosen = rng.integers(0, count, count)
        rows = chosen if parts is None else np.concatenate([parts[i] for i in chosen])
        draws.append(statistic(values[rows], 0) if statistic is np.mean else statistic(values[rows]))
    tail = (1 - level) / 2
    return np.quantile(draws, tail, axis=0), np.quantile(draws, 1 - tail, axis=0)


class Corpus:
    """Several traces as one table of tokens: the router's choices and each token's labels.

    Attributes
    ----------
    experts : (l, n, k) chosen experts; logits : (l, n, e) or None.
    labels : dict of (n,) arrays: token, kind, role, channel, section, voice (the channel, else the role), conversation,
        and the entries of `more` for whole conversations.
    """

    def __init__(self, traces, **more):
        traces = list(traces)
        if not traces:
            raise TraceError("a corpus needs at least one trace.")
        self.n_experts, self.k = traces[0].n_experts, traces[0]["expert_indices"].shape[-1]
        self.experts = np.concatenate([t["expert_indices"] for t in traces], 1).astype(np.int64)
        self.logits = None
        if all("router_logits" in t for t in traces):
            self.logits = np.concatenate([t["router_logits"] for t in traces], 1).astype(np.float32)
        lengths = [len(t) for t in traces]
        self.labels = {
            name: np.concatenate([t.names(name) for t in traces]) for name in ("role", "channel", "section", "kind")
        }
        self.labels["token"] = np.concatenate([t["tokens"] for t in traces])
        self.labels["voice"] = np.where(self.labels["channel"] != "none", self.labels["channel"], self.labels["role"])
        self.labels["conversation"] = np.repeat(np.arange(len(traces)), lengths)
        for name, values in more.items():
            if len(values) != len(traces):
                raise TraceError(f"{name}: {len(values)} labels for {len(traces)} traces.")
            self.labels[name] = np.repeat(np.asarray(values), lengths)

    def __len__(self) -> int:
        return self.experts.shape[1]

    def load(self, layer: int, select=slice(None)) -> np.ndarray:
        """Compute the share of the layer's choices that went to each expert. (e,)"""
        counts = np.bincount(self.experts[layer, select].reshape(-1), minlength=self.n_experts)
        return counts / max(1, counts.sum())

    def chosen(self, layer: int) -> np.ndarray:
        """Return which experts each token went to. (n, e) bool"""
        out = np.zeros((len(self), self.n_experts), bool)
        np.put_along_axis(out, self.experts[layer], True, 1)
        return out

    def of_conversation(self, label: str) -> bool:
        """Return whether a label is the same for all tokens of each conversation, as a task or an effort is."""
        pairs = set(zip(self.labels["conversation"].tolist(), self.labels[label].tolist(), strict=True))
        return len(pairs) == len(np.unique(self.labels["conversation"]))

    def shuffled(self, label: str, rng) -> np.ndarray:
        """Shuffle the label: between whole conversations if it belongs to conversations, else between tokens. (n,)"""
        values = self.labels[label]
        if not self.of_conversation(label):
            return rng.permutation(values)
        return shuffle_by_group(values, self.labels["conversation"], rng)

    def information(self, label: str, layer: int, repeats: int = 100, seed: int = 0, select=None):
        """Compute the mutual information of a layer's first expert and a label, with its null.

        select : (n,) bool, the tokens to count; None: all. Returns (bits, (repeats,) null).
        """
        chosen = np.ones(len(self), bool) if select is None else select
        x, y = self.experts[layer, chosen, 0], self.labels[label][chosen]
        groups = self.labels["conversation"][chosen] if self.of_conversation(label) else None
        return mutual_information(x, y), permutation_null(x, y, repeats=repeats, groups=groups, seed=seed)


def with_heads(trace: Trace, heads) -> Trace:
    """Return a trace that keeps only these (layer, head) pairs exactly, to fit in a page."""
    smaller = trace.copy()
    for layer, head in trace.exact_heads():
        if (layer, head) not in {tuple(pair) for pair in heads}:
            del smaller.arrays[f"exact.{layer}.{head}"]
    missing = [pair for pair in heads if tuple(pair) not in set(smaller.exact_heads())]
    if missing:
        raise TraceError(f"these heads were not kept exactly: {missing}; capture them with heads= or level='full'.")
    return smaller


def telling_heads(trace: Trace, count: int = 8) -> list[tuple[int, int]]:
    """Choose heads worth a look: in turn the one with most mass on its sink, the longest distance, the sharpest rows,
    and the largest variation along the text.
    """
    sink, entropy = (trace[name].astype(np.float32) for name in ("sink_mass", "head_entropy"))  # (l, t, h)
    rankings = [
        sink.mean(1),
        trace["head_distance"].astype(np.float32).mean(1),
        -entropy.mean(1) - 9 * sink.mean(1),
        sink.std(1),
    ]
    orders = [np.argsort(-ranking, axis=None) for ranking in rankings]
    chosen: list[tuple[int, int]] = []
    for place in range(trace.n_layers * trace.n_heads):
        for order in orders:
            layer, head = np.unravel_index(order[place], sink[:, 0].shape)
            pair = (int(layer), int(head))
            if pair not in chosen and len(chosen) < count:
                chosen.append(pair)
    return sorted(chosen)
