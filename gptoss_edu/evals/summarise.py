"""From the samples of a run to its figures: accuracy with intervals, attempts, tokens, failures by kind."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from gptoss_edu.harmony import EFFORTS
from gptoss_edu.tasks.graders import count, wilson

from .grading.orders import tally_by
from .grading.rubrics import clipped_mean
from .uncertainty import attempts_table, clustered_mean, majority, paired_difference


def summarise(samples: Sequence[dict], score: str = "accuracy") -> dict:
    """Return figures by effort, and the differences between efforts on the same questions.

    samples : lines of a sample log; score : the benchmark's, "accuracy" or "mean score"

    Samples that an engine's error ended are left out of the figures and counted in "errors".
    """
    good = [s for s in samples if s["ended"] != "error"]
    efforts = [e for e in EFFORTS if any(s["effort"] == e for s in good)]
    found: dict = {"errors": len(samples) - len(good), "efforts": {}}
    for effort in efforts:
        found["efforts"][effort] = of_effort([s for s in good if s["effort"] == effort], score)
    value = "score" if score == "mean score" else "right"
    found["differences"] = {
        f"{second} − {first}": paired_difference(
            means(good, first, value), means(good, second, value), {s["question"]: s["cluster"] for s in good}
        )
        for first, second in itertools.pairwise(efforts)
    }
    return found


def of_effort(samples: Sequence[dict], score: str = "accuracy") -> dict:
    """Return one column of the table."""
    questions: dict[str, list[dict]] = {}
    for s in samples:
        questions.setdefault(s["question"], []).append(s)
    row = {
        "questions": len(questions), "samples": len(samples), "accuracy": interval(samples, "right"),
        "tokens": round(_mean(s["tokens"] for s in samples), 1),
        "thought_tokens": round(_mean(s["thought_tokens"] for s in samples), 1),
        "seconds": round(_mean(s["seconds"] for s in samples), 2),
        "all_tokens": sum(s["tokens"] for s in samples),
        "ended": dict(Counter(s["ended"] for s in samples)),
        "failures": dict(Counter(s["kind"] for s in samples if not s["right"]).most_common()),
        "by_subject": _by(samples, "subject"), "by_language": _by(samples, "language"),
    }  # fmt: skip
    if score == "mean score":
        row["score"] = interval(samples, "score") | {"mean": round(clipped_mean([s["score"] for s in samples]), 4)}
        row["unjudged"] = sum(s["parts"].get("unjudged", 0) for s in samples)
    if max(map(len, questions.values()), default=0) > 1:
        row |= attempts_table({name: [s["right"] for s in tries] for name, tries in questions.items()})
        row["majority"] = count(_majority_right(tries) for tries in questions.values())
    if any("attempted" in s["parts"] for s in samples):
        row["declines"] = declines(samples)
    orders = [(s["parts"]["order"], s["parts"]["fate"]) for s in samples if "fate" in s["parts"]]
    if orders:
        row["orders"] = tally_by(orders)
    return row


def interval(samples: Sequence[dict], value: str) -> dict:
    """Return the mean of "right" or "score" with its 95 % interval: Wilson's for independent yes or no, else by
    clusters.

    Where all are right or all wrong, clusters cannot be resampled to anything else; then Wilson's interval of as many
    clusters is given.
    """
    clusters = [s["cluster"] for s in samples]
    found = clustered_mean([float(s[value]) for s in samples], clusters)
    alike = len({s["right"] for s in samples}) == 1
    if value == "right" and (alike or found["clusters"] == len(samples)):
        of = found["clusters"]
        low, high = wilson(round(found["mean"] * of), of)
        found |= {"low": round(low, 4), "high": round(high, 4)}
    return found


def declines(samples: Sequence[dict]) -> dict:
    """Return the shares correct, attempted, correct of those attempted, and the harmonic mean of first and last.

    Source: Wei et al. 2024, arXiv:2411.04368, section 3 (F-score).
    """
    known = [s for s in samples if not s["parts"].get("unknown")]
    attempted = [s for s in known if s["parts"].get("attempted")]
    correct, given = count(s["right"] for s in known), count(s["right"] for s in attempted)
    a, b = correct["share"] or 0.0, given["share"] or 0.0
    unknown = [s for s in samples if s["parts"].get("unknown")]
    return {
        "correct": correct, "attempted": count(s["parts"].get("attempted") for s in known),
        "correct_given_attempted": given, "f_score": round(2 * a * b / (a + b), 4) if a + b else 0.0,
        **({"declined_what_nobody_knows": count(s["right"] for s in unknown)} if unknown else {}),
    }  # fmt: skip


def means(samples: Sequence[dict], effort: str, value: str = "right") -> dict[str, float]:
    """Return the mean value of each question at one effort."""
    values: dict[str, list[float]] = {}
    for s in samples:
        if s["effort"] == effort:
            values.setdefault(s["question"], []).append(float(s[value]))
    return {name: sum(v) / len(v) for name, v in values.items()}


def compare(first: Sequence[dict], second: Sequence[dict], value: str = "right") -> dict:
    """Compare two runs of one benchmark, question by question, at every effort that both have."""
    clusters = {s["question"]: s["cluster"] for s in (*first, *second)}
    shared = [e for e in EFFORTS if means(first, e) and means(second, e)]
    return {e: paired_difference(means(first, e, value), means(second, e, value), clusters) for e in shared}


def _majority_right(tries: Sequence[dict]) -> bool:
    """Return whether the answer that most attempts gave is a right one."""
    chosen = majority(s["found"] for s in tries)
    return chosen is not None and any(s["right"] for s in tries if s["found"] == chosen)


def _by(samples: Sequence[dict], key: str) -> dict:
    names = dict.fromkeys(s[key] for s in samples)
    return (
        {name or "all": interval([s for s in samples if s[key] == name], "right") for name in names}
        if len(names) > 1
        else {}
    )


def _mean(values) -> float:
    values = list(values)
    return sum(values) / len(values) if values else 0.0
