"""The check of `next_token_probabilities`: softmax, temperature, the nucleus."""

import numpy as np
import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close, expect_shape, to_numpy
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check

CAUSES = {
    "no_softmax": "There is no softmax: the result must be probabilities.",
    "log_probabilities": "These are log-probabilities.",
    "temperature_multiplied": "The logits are multiplied by the temperature. They are divided: a low temperature sharpens.",
    "temperature_ignored": "The temperature is not used.",
    "temperature_late": "The temperature divides the probabilities. It divides the logits, before the softmax.",
    "temperature_squared": "The temperature is applied twice.",
    "greedy": "A temperature of 0 means greedy: all the probability on the largest logit. Dividing by 0 gives NaN.",
    "token_for_distribution": "This is the token's number. The result is a distribution at temperature 0 too: (v,), 1 at the largest logit and 0 elsewhere.",
    "top_p_ignored": "top_p is not used.",
    "not_renormalised": "What is kept is not renormalised: the probabilities sum to less than one.",
    "excludes_crossing": "The token that carries the sum over top_p is dropped. The nucleus is the smallest set that REACHES top_p, so that token stays.",
    "one_too_many": "One token too many is kept: stop as soon as the sum has reached top_p.",
    "min_p": "Tokens are kept by their own probability (p >= something). The nucleus goes by the cumulated sum, from the most probable down.",
    "unsorted": "The probabilities are cumulated in the order of the vocabulary. Sort them first, falling.",
    "rising": "They are cumulated from the least probable up.",
    "not_restored": "The result is in sorted order. Put the probabilities back to their tokens (scatter, or the inverse permutation).",
    "sorted_twice": "The result is indexed with `order`, which sorts once more instead of undoing it. To put it back: zeros.scatter(-1, order, kept), or kept[order.argsort()].",
    "top_p_before_temperature": "The nucleus is cut before the temperature is applied. First the temperature, then top_p.",
    "softmax_again": "The kept probabilities go through a second softmax. Divide them by their sum.",
    "at_least_one": "Nothing is kept when top_p is small. The most probable token always stays.",
    "overflow": "exp of a large logit overflows: subtract the maximum first, or use torch.softmax.",
    "general": "softmax(logits / temperature); sort falling; keep until the sum reaches top_p; divide by the kept sum; back in place.",
}  # fmt: skip
CHECK = Check(
    "next_token_probabilities",
    (Forbidden("generation.py"), Forbidden("kernels"), Forbidden("fast.py")),
    CAUSES,
    "(logits (v,), temperature, top_p) -> (v,)",
)


def _softmax(x):
    powers = np.exp(x - x.max())
    return powers / powers.sum()


def _nucleus(p, top_p, **wrong):
    """The cut with one idea wrong at a time."""
    order = wrong["order"](p) if "order" in wrong else np.argsort(-p, kind="stable")
    ranked = p[order]
    before = np.cumsum(ranked) - ranked
    keep = before < top_p
    if wrong.get("exclude"):
        keep = np.cumsum(ranked) <= top_p
    if wrong.get("extra"):
        keep = np.roll(keep, 1)
        keep[0] = True
    if wrong.get("min_p"):
        keep = ranked >= wrong["min_p"]
    kept = np.where(keep, ranked, 0)
    if not wrong.get("raw"):
        with np.errstate(invalid="ignore"):
            kept = kept / kept.sum()
    if wrong.get("again"):
        kept = np.where(keep, np.exp(kept), 0)
        kept = kept / kept.sum()
    if wrong.get("again_all"):
        kept = _softmax(np.where(keep, ranked, 0))
    if wrong.get("sorted"):
        return kept
    if wrong.get("again_sorted"):
        return kept[order]
    out = np.zeros_like(p)
    out[order] = kept
    return out


def _compare(call, logits, temperature, top_p, general, prefix=""):
    logits = torch.as_tensor(logits, dtype=torch.float32)
    wide = logits.double().numpy()
    right = reference.next_token(logits, temperature, top_p)
    suspects = {}
    if temperature > 0:
        p = _softmax(wide / temperature)
        finite = np.where(np.isfinite(wide), wide, -1e9)
        cut_first = np.where(_nucleus(_softmax(wide), top_p) > 0, finite / temperature, -np.inf)
        suspects = {
            "no_softmax": wide / temperature,
            "no_softmax ": wide,
            "log_probabilities": np.log(np.maximum(p, 1e-300)),
            "temperature_multiplied": _nucleus(_softmax(wide * temperature), top_p),
            "temperature_ignored": _nucleus(_softmax(wide), top_p),
            "temperature_late": _nucleus(_softmax(wide) / temperature, top_p, raw=True),
            "temperature_late ": _softmax(wide) / temperature,
            "temperature_squared": _nucleus(_softmax(wide / temperature**2), top_p),
            "top_p_ignored": p,
            "not_renormalised": _nucleus(p, top_p, raw=True),
            "excludes_crossing": _nucleus(p, top_p, exclude=True),
            "one_too_many": _nucleus(p, top_p, extra=True),
            "min_p": _nucleus(p, top_p, min_p=top_p * p.max()),
            "min_p ": _nucleus(p, top_p, min_p=1 - top_p),
            "min_p  ": _nucleus(p, top_p, min_p=top_p),
            "unsorted": _nucleus(p, top_p, order=lambda p: np.arange(len(p))),
            "rising": _nucleus(p, top_p, order=lambda p: np.argsort(p, kind="stable")),
            "not_restored": _nucleus(p, top_p, sorted=True),
            "sorted_twice": _nucleus(p, top_p, again_sorted=True),
            "top_p_before_temperature": _softmax(cut_first),
            "softmax_again": _nucleus(p, top_p, again=True),
            "softmax_again ": _nucleus(p, top_p, again_all=True),
            "softmax_again  ": _nucleus(p, top_p, again=True, raw=True),
        }  # fmt: skip
        if top_p == 1:
            suspects = {name: value for name, value in suspects.items() if not name.startswith("min_p")}
        if temperature == 1:
            suspects = {name: value for name, value in suspects.items() if not name.startswith("temperature")}
        if top_p < p.max():
            suspects = {"at_least_one": np.zeros_like(p), "at_least_one ": np.full_like(p, np.nan)} | suspects
    found = call(logits, temperature, top_p)
    if to_numpy(found).ndim == 0:
        expect_shape(to_numpy(found), right.shape, "(v,)", "token_for_distribution")
    expect_close(found, right, ("token",), general, suspects, rtol=1e-3, atol=1e-5, prefix=prefix)


@CHECK.stage("softmax")
def softmax(call):
    _compare(call, [1.0, -0.5, 2.0, 0.0], 1.0, 1.0, "general")


@CHECK.stage("temperature")
def temperature(call):
    for value in (0.5, 2.0):
        _compare(call, [1.0, -0.5, 2.0, 0.0], value, 1.0, "general", f"temperature {value}: ")


@CHECK.stage("temperature 0 is greedy")
def greedy(call):
    _compare(call, [1.0, -0.5, 2.0, 0.0], 0.0, 1.0, "greedy", "temperature 0: ")
    _compare(call, [1.0, -0.5, 2.0, 0.0], 0.0, 0.5, "greedy", "temperature 0, top_p 0.5: ")


LOGITS = [0.0, 1.6, -1.0, 2.0, 0.8, -3.0]  # nuclei of very different sizes at temperatures 1 and 2
FLAT = [-1.6, -1.2, -2.3, -1.9, -1.4]  # probabilities .20 .30 .10 .15 .25: a nucleus of several tokens


@CHECK.stage("the nucleus")
def nucleus(call):
    for top_p in (0.5, 0.7, 0.9):
        _compare(call, FLAT, 1.0, top_p, "general", f"top_p {top_p}: ")


@CHECK.stage("first the temperature, then the nucleus")
def both(call):
    for value, top_p in ((2.0, 0.9), (0.5, 0.8)):
        _compare(call, LOGITS, value, top_p, "top_p_before_temperature", f"temperature {value}, top_p {top_p}: ")


@CHECK.stage("a tiny top_p, large and masked logits")
def edges(call):
    _compare(call, LOGITS, 1.0, 0.01, "at_least_one", "top_p 0.01: ")
    _compare(call, [300.0, 299.0, -300.0], 1.0, 1.0, "overflow", "logits 300 and 299: ")
    _compare(call, [1.0, float("-inf"), 0.5, 0.0], 1.0, 0.9, "overflow", "a masked token: ")
