"""Solutions of `next_token_probabilities`."""

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("next_token_probabilities")


def greedy(logits):
    out = torch.zeros_like(logits)
    out[logits.argmax()] = 1
    return out


@BANK.right("sort, cumulate, scatter back")
def sorted_scatter(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.softmax(logits / temperature, -1)
    ranked, order = p.sort(descending=True)
    ranked = torch.where(ranked.cumsum(-1) - ranked < top_p, ranked, torch.zeros(()))
    return torch.zeros_like(p).scatter(0, order, ranked / ranked.sum())


@BANK.right("logits at -inf, one softmax at the end")
def hidden_logits(logits, temperature, top_p):
    if temperature < 1e-6:
        return torch.nn.functional.one_hot(logits.argmax(), len(logits)).float()
    scaled = logits / temperature
    ranked, order = scaled.sort(descending=True)
    before = ranked.softmax(-1).cumsum(-1).roll(1)
    before[0] = 0
    scaled[order[before >= top_p]] = -torch.inf
    return scaled.softmax(-1)


@BANK.right("a loop from the most probable token down")
def loop(logits, temperature, top_p):
    if not temperature:
        return greedy(logits)
    p = torch.exp(logits / temperature - (logits / temperature).max())
    p = p / p.sum()
    out, mass = torch.zeros_like(p), 0.0
    for token in p.argsort(descending=True):
        out[token] = p[token]
        mass += p[token].item()
        if mass >= top_p:
            break
    return out / out.sum()


@BANK.right("by the inverse permutation, in float64")
def inverse(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = (logits.double() / temperature).softmax(-1)
    order = torch.argsort(-p)
    kept = p[order]
    count = int((kept.cumsum(-1) < top_p).sum()) + 1
    kept[count:] = 0
    return (kept / kept.sum())[order.argsort()].to(logits.dtype)


BANK.change(sorted_scatter)
CUT, KEPT = "torch.where(ranked.cumsum(-1) - ranked < top_p, ranked, torch.zeros(()))", "ranked / ranked.sum()"
BACK = "torch.zeros_like(p).scatter(0, order, ranked / ranked.sum())"
SOFTMAX = "torch.softmax(logits / temperature, -1)"
GREEDY = "return greedy(logits)"


def kept_by(condition: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return exchanges that keep tokens by their own probability p and do not sort."""
    return (CUT, "ranked"), (BACK, f"torch.where({condition}, p, 0.0) / torch.where({condition}, p, 0.0).sum()")


BANK.wrong("temperature_multiplied", "multiplied by the temperature", ("logits / temperature", "logits * temperature"))
BANK.wrong("greedy", "divided by a temperature of 0", ("    if temperature == 0:\n        return greedy(logits)\n", ""))
BANK.wrong(
    "excludes_crossing",
    "the crossing token dropped",
    ("ranked.cumsum(-1) - ranked < top_p", "ranked.cumsum(-1) <= top_p"),
)
BANK.wrong(
    "excludes_crossing",
    "the crossing token dropped, by <",
    ("ranked.cumsum(-1) - ranked < top_p", "ranked.cumsum(-1) < top_p"),
)
BANK.wrong(
    "one_too_many",
    "one token too many",
    (CUT, "torch.where(torch.arange(len(p)) < (ranked.cumsum(-1) < top_p).sum() + 2, ranked, 0.0)"),
)
BANK.wrong(
    "one_too_many",
    "kept up to and with top_p itself",
    ("ranked.cumsum(-1) - ranked < top_p", "ranked.cumsum(-1) - ranked <= top_p"),
)
BANK.wrong(
    "one_too_many",
    "those past top_p removed, shifted by one",
    (CUT, "torch.where((ranked.cumsum(-1) > top_p).roll(1) & (torch.arange(len(p)) > 0), 0.0, ranked)"),
)
BANK.wrong("not_renormalised", "not renormalised", (KEPT, "ranked"))
BANK.wrong("not_restored", "left in sorted order", (BACK, KEPT))
BANK.wrong("sorted_twice", "indexed with the order instead of put back by it", (BACK, "(ranked / ranked.sum())[order]"))
BANK.wrong("unsorted", "cumulated in vocabulary order", ("p.sort(descending=True)", "p, torch.arange(len(p))"))
BANK.wrong("rising", "cumulated from the least probable", ("p.sort(descending=True)", "p.sort()"))
BANK.wrong("min_p", "a threshold of 1 - top_p on each probability", *kept_by("p >= 1 - top_p"))
BANK.wrong("min_p", "a threshold of top_p on each probability", *kept_by("p >= top_p"))
BANK.wrong("min_p", "a threshold of top_p times the largest", *kept_by("p >= top_p * p.max()"))
BANK.wrong("temperature_ignored", "the temperature ignored", ("logits / temperature", "logits"))
BANK.wrong(
    "temperature_ignored",
    "probabilities divided by the temperature, then by their sum",
    (SOFTMAX, "logits.softmax(-1) / temperature\n    p = p / p.sum()"),
)
BANK.wrong("temperature_ignored", "the temperature subtracted", ("logits / temperature", "logits - temperature"))
BANK.wrong(
    "temperature_ignored",
    "what is kept divided by the temperature, then by its sum",
    ("logits / temperature", "logits"),
    (CUT, f"{CUT} / temperature"),
)
BANK.wrong("top_p_ignored", "top_p ignored", (CUT, "ranked"))
BANK.wrong("top_p_ignored", "cut at 1 instead of top_p", ("- ranked < top_p", "- ranked < 1"))
BANK.wrong(
    "top_p_before_temperature",
    "the nucleus before the temperature",
    (SOFTMAX, "logits.softmax(-1)"),
    (
        f"return {BACK}",
        f"kept = {BACK} > 0\n    return torch.where(kept, logits / temperature, -torch.inf).softmax(-1)",
    ),
)
BANK.wrong(
    "softmax_again",
    "a second softmax over the kept probabilities",
    (KEPT, "torch.where(ranked > 0, ranked, -torch.inf).softmax(-1)"),
)
BANK.wrong("softmax_again", "a second softmax over all, zeros included", (KEPT, "ranked.softmax(-1)"))
BANK.wrong(
    "overflow", "exp without the maximum subtracted", (SOFTMAX, "torch.exp(logits / temperature)\n    p = p / p.sum()")
)
BANK.wrong("log_probabilities", "log-probabilities", (f"return {BACK}", f"return {BACK}.log()"))
BANK.wrong("log_probabilities", "log-probabilities, top_p ignored", (f"return {BACK}", "return p.log()"))
BANK.wrong(
    "at_least_one",
    "nothing kept for a small top_p",
    (KEPT, "torch.where(ranked[0] > 10 * top_p, 0.0, ranked / ranked.sum())"),
)
BANK.wrong("no_softmax", "only divided by the temperature", (f"return {BACK}", "return logits / temperature"))
BANK.wrong("no_softmax", "the logits as they are", (f"return {BACK}", "return logits"))
BANK.wrong(
    "temperature_late",
    "probabilities divided by the temperature",
    (SOFTMAX, "logits.softmax(-1)"),
    (f"return {BACK}", f"return {BACK} / temperature"),
)
BANK.wrong("temperature_squared", "the temperature applied twice", ("logits / temperature", "logits / temperature**2"))
BANK.wrong("token_for_distribution", "the token's number at temperature 0", (GREEDY, "return logits.argmax()"))
for late, number in (("at temperature 0", "logits.max()"), ("at temperature 0, a certain one", "1.0")):
    BANK.wrong("one_number", f"a number {late}", (GREEDY, f"return {number}"))
BANK.wrong("one_number", "the largest probability", (f"return {BACK}", "return p.max()"))
for tied, value in (
    ("1 at", "(logits == logits.max()).float()"),
    ("a share for", "(logits == logits.max()) / (logits == logits.max()).sum()"),
):
    BANK.wrong("greedy_ties", f"{tied} every largest logit", (GREEDY, f"return {value}"))
IF_GREEDY = "    if temperature == 0:\n        return greedy(logits)\n"
for floor in (0.1, 0.05, 0.01):
    BANK.wrong(
        "floor",
        f"a floor of {floor} under the temperature",
        (IF_GREEDY, f"    temperature = max(temperature, {floor})\n"),
    )
BANK.wrong("greedy_early", "greedy below 0.1", ("temperature == 0", "temperature < 0.1"))
