"""The check of `next_token_probabilities`: softmax, temperature, the nucleus."""

import numpy as np
import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close, to_numpy
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "no_softmax": "There is no softmax: the result must be probabilities.",
    "log_probabilities": "These are log-probabilities.",
    "temperature_multiplied": (
        "The logits are multiplied by the temperature. They are divided: a low temperature sharpens."
    ),
    "temperature_ignored": (
        "The temperature has no effect: it is not used, or it cancels. Probabilities that are all divided by it are "
        "the same again after the division by their sum, and logits that are all shifted by it have the same softmax. "
        "Divide the logits, before the softmax."
    ),
    "temperature_late": "The temperature divides the probabilities. It divides the logits, before the softmax.",
    "temperature_squared": "The temperature is applied twice.",
    "greedy": "A temperature of 0 means greedy: all the probability on the largest logit. Dividing by 0 gives NaN.",
    "greedy_ties": (
        "Of equal largest logits, each gets a probability at temperature 0. Greedy takes one token: 1 at argmax, 0 "
        "elsewhere."
    ),
    "token_for_distribution": (
        "This is the token's number. The result is a distribution at temperature 0 too: (v,), 1 at the largest logit "
        "and 0 elsewhere."
    ),
    "one_number": "One number comes back. The result has a probability for each token of the vocabulary: (v,).",
    "greedy_early": "A low temperature is taken for 0. Only 0 itself is greedy.",
    "floor": (
        "The temperature is kept above a floor, as in max(temperature, 0.01). Temperature 0 is greedy: a token whose "
        "logit is only a little smaller than the largest has probability 0."
    ),
    "top_p_ignored": "top_p has no effect: no token is cut.",
    "not_renormalised": "The kept probabilities are not renormalised: they sum to less than one.",
    "excludes_crossing": (
        "The token that takes the sum past top_p is dropped. The nucleus is the smallest set that REACHES top_p, so "
        "that token stays."
    ),
    "one_too_many": "One token too many is kept: stop as soon as the sum has reached top_p.",
    "min_p": (
        "Tokens are kept by their own probability (p >= something). The nucleus is defined by the cumulative sum, "
        "from the most probable down."
    ),
    "unsorted": "The probabilities are accumulated in the order of the vocabulary. Sort them first, in descending "
    "order.",
    "rising": "They are accumulated from the least probable up.",
    "not_restored": (
        "The result is in sorted order. Put the probabilities back at their tokens' places (scatter, or the inverse "
        "permutation)."
    ),
    "sorted_twice": (
        "The result is sorted once more instead of being put back: kept[order] does that, and so does "
        "out[order.argsort()] = kept. To put it back: out[order] = kept, zeros.scatter(-1, order, kept), or "
        "kept[order.argsort()]."
    ),
    "top_p_before_temperature": (
        "The nucleus is cut before the temperature is applied. First the temperature, then top_p."
    ),
    "softmax_again": "The kept probabilities go through a second softmax. Divide them by their sum.",
    "at_least_one": "Nothing is kept when top_p is small. The most probable token always stays.",
    "overflow": "exp of a large logit overflows: subtract the maximum first, or use torch.softmax.",
    "general": (
        "softmax(logits / temperature); sort in descending order; keep until the sum reaches top_p; divide by the "
        "kept sum; put back in place."
    ),
}


def seen(function, logits, temperature, top_p):
    """Return the probabilities; where all logits are equal, in rising order, since any of the tokens may stay."""
    found = function(logits, temperature, top_p)
    if isinstance(found, torch.Tensor) and found.ndim == 1 and bool((logits == logits[0]).all()):
        return found.sort().values
    return found


CHECK = Check(
    "next_token_probabilities",
    (Forbidden("generation.py"), Forbidden("fast")),
    CAUSES,
    "(logits (v,), temperature, top_p) -> (v,)",
    seen,
)


def _compare(call, logits, temperature, top_p, general="general", prefix=""):
    logits = torch.as_tensor(logits, dtype=torch.float32)
    found, right = call(logits, temperature, top_p), reference.next_token(logits, temperature, top_p)
    if to_numpy(found).ndim == 0:
        symptom = f"{prefix}the result is one number, expected a probability for each token, (v,) = {right.shape}"
        whole = not found.is_floating_point() if isinstance(found, torch.Tensor) else isinstance(found, int)
        token = whole and int(found) == int(logits.argmax())
        raise Refused(symptom, "token_for_distribution" if token else "one_number", certain=True)
    expect_close(found, right, ("token",), general, rtol=1e-3, atol=1e-5, prefix=prefix)


def _compare_equal(call, words, temperature, top_p, general):
    """Compare four equal logits, in rising order: any of their tokens may stay."""
    found, right = (to_numpy(f(torch.zeros(4), temperature, top_p)) for f in (call, reference.next_token))
    if found.ndim:
        found, right = np.sort(found), np.sort(right)
    expect_close(found, right, ("place",), general, prefix=f"four equal logits, {words}, in rising order: ")


CLOSE = [1.0, 0.0, -0.5, 1.01]  # two large logits that only a very low temperature tells apart


@CHECK.stage("softmax")
def softmax(call):
    _compare(call, [1.0, -0.5, 2.0, 0.0], 1.0, 1.0)


@CHECK.stage("temperature")
def temperature(call):
    for value in (0.5, 2.0):
        _compare(call, [1.0, -0.5, 2.0, 0.0], value, 1.0, prefix=f"temperature {value}: ")
    for value in (0.005, 0.002):
        _compare(call, CLOSE, value, 1.0, prefix=f"temperature {value}, logits 1.01 and 1: ")


@CHECK.stage("temperature 0 is greedy")
def greedy(call):
    _compare(call, [1.0, -0.5, 2.0, 0.0], 0.0, 1.0, "greedy", "temperature 0: ")
    _compare(call, CLOSE, 0.0, 1.0, "greedy", "temperature 0, logits 1.01 and 1: ")
    _compare(call, CLOSE, 0.0, 0.5, "greedy", "temperature 0, top_p 0.5: ")
    _compare_equal(call, "temperature 0", 0.0, 1.0, "greedy_ties")


LOGITS = [0.0, 1.6, -1.0, 2.0, 0.8, -3.0]  # nuclei of very different sizes at temperatures 1 and 2
FLAT = [-1.6, -1.2, -2.3, -1.9, -1.4]  # probabilities .20 .30 .10 .15 .25: a nucleus of several tokens


@CHECK.stage("the nucleus")
def nucleus(call):
    for top_p in (0.5, 0.7, 0.9):
        _compare(call, FLAT, 1.0, top_p, prefix=f"top_p {top_p}: ")
    for top_p in (0.5, 0.75):  # the sums 0.25, 0.5, 0.75 are exact: two tokens reach 0.5, three 0.75
        _compare_equal(call, f"top_p {top_p}", 1.0, top_p, "one_too_many")


@CHECK.stage("first the temperature, then the nucleus")
def both(call):
    for value, top_p in ((2.0, 0.9), (0.5, 0.8)):
        _compare(call, LOGITS, value, top_p, "top_p_before_temperature", f"temperature {value}, top_p {top_p}: ")


@CHECK.stage("a tiny top_p, large and masked logits")
def edges(call):
    _compare(call, LOGITS, 1.0, 0.01, "at_least_one", "top_p 0.01: ")
    _compare(call, [300.0, 299.0, -300.0], 1.0, 1.0, "overflow", "logits 300 and 299: ")
    _compare(call, [1.0, float("-inf"), 0.5, 0.0], 1.0, 0.9, "overflow", "a masked token: ")
