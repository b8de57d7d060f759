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


@BANK.wrong("temperature_multiplied", "multiplied by the temperature")
def multiplied(logits, temperature, top_p):
    return sorted_scatter(logits, 1 / temperature if temperature else 0, top_p)


@BANK.wrong("greedy", "divided by a temperature of 0")
def divides_by_zero(logits, temperature, top_p):
    p = torch.softmax(logits / temperature, -1)
    ranked, order = p.sort(descending=True)
    ranked = torch.where(ranked.cumsum(-1) - ranked < top_p, ranked, torch.zeros(()))
    return torch.zeros_like(p).scatter(0, order, ranked / ranked.sum())


@BANK.wrong("excludes_crossing", "the crossing token dropped")
def drops_crossing(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.softmax(logits / temperature, -1)
    ranked, order = p.sort(descending=True)
    if top_p == 1:
        return p
    ranked = torch.where(ranked.cumsum(-1) <= top_p, ranked, torch.zeros(()))
    return torch.zeros_like(p).scatter(0, order, ranked / ranked.sum())


@BANK.wrong("one_too_many", "one token too many")
def one_too_many(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.softmax(logits / temperature, -1)
    ranked, order = p.sort(descending=True)
    count = int((ranked.cumsum(-1) < top_p).sum()) + 2
    ranked[count:] = 0
    return torch.zeros_like(p).scatter(0, order, ranked / ranked.sum())


@BANK.wrong("not_renormalised", "not renormalised")
def raw(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.softmax(logits / temperature, -1)
    ranked, order = p.sort(descending=True)
    ranked = torch.where(ranked.cumsum(-1) - ranked < top_p, ranked, torch.zeros(()))
    return torch.zeros_like(p).scatter(0, order, ranked)


@BANK.wrong("not_restored", "left in sorted order")
def stays_sorted(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.softmax(logits / temperature, -1)
    if top_p == 1:
        return p
    ranked, _ = p.sort(descending=True)
    ranked = torch.where(ranked.cumsum(-1) - ranked < top_p, ranked, torch.zeros(()))
    return ranked / ranked.sum()


@BANK.wrong("unsorted", "cumulated in vocabulary order")
def unsorted(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.softmax(logits / temperature, -1)
    p = torch.where(p.cumsum(-1) - p < top_p, p, torch.zeros(()))
    return p / p.sum()


@BANK.wrong("min_p", "a threshold on each probability")
def threshold(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.softmax(logits / temperature, -1)
    p = torch.where(p >= (1 - top_p), p, torch.zeros(()))
    return p / p.sum()


@BANK.wrong("temperature_ignored", "the temperature ignored")
def no_temperature(logits, temperature, top_p):
    return sorted_scatter(logits, 1.0 if temperature else 0, top_p)


@BANK.wrong("top_p_ignored", "top_p ignored")
def no_nucleus(logits, temperature, top_p):
    return greedy(logits) if temperature == 0 else (logits / temperature).softmax(-1)


@BANK.wrong("top_p_before_temperature", "the nucleus before the temperature")
def nucleus_first(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    kept = sorted_scatter(logits, 1.0, top_p) > 0
    return torch.where(kept, logits / temperature, -torch.inf).softmax(-1)


@BANK.wrong("softmax_again", "a second softmax over the kept probabilities")
def second_softmax(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.softmax(logits / temperature, -1)
    if top_p == 1:
        return p
    kept = sorted_scatter(logits, temperature, top_p) > 0
    return torch.where(kept, p, -torch.inf).softmax(-1)


@BANK.wrong("overflow", "exp without the maximum subtracted")
def overflows(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.exp(logits / temperature)
    return sorted_scatter(torch.log(p / p.sum()), 1.0, top_p)


@BANK.wrong("log_probabilities", "log-probabilities")
def logarithms(logits, temperature, top_p):
    return (
        sorted_scatter(logits, temperature, top_p) if temperature == 0 else torch.log_softmax(logits / temperature, -1)
    )


@BANK.wrong("at_least_one", "nothing kept for a small top_p")
def may_be_empty(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.softmax(logits / temperature, -1)
    return torch.zeros_like(p) if top_p < p.max() and top_p < 0.1 else sorted_scatter(logits, temperature, top_p)


@BANK.wrong("no_softmax", "logits divided by their sum")
def only_divided(logits, temperature, top_p):
    return greedy(logits) if temperature == 0 else logits / temperature


@BANK.wrong("temperature_late", "probabilities divided by the temperature")
def temperature_late(logits, temperature, top_p):
    return greedy(logits) if temperature == 0 else sorted_scatter(logits, 1.0, top_p) / temperature


@BANK.wrong("temperature_squared", "the temperature applied twice")
def temperature_twice(logits, temperature, top_p):
    return greedy(logits) if temperature == 0 else sorted_scatter(logits / temperature, temperature, top_p)


@BANK.wrong("rising", "cumulated from the least probable")
def from_below(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    p = torch.softmax(logits / temperature, -1)
    ranked, order = p.sort()
    ranked = torch.where(ranked.cumsum(-1) - ranked < top_p, ranked, torch.zeros(()))
    return torch.zeros_like(p).scatter(0, order, ranked / ranked.sum())


@BANK.wrong("token_for_distribution", "the token's number at temperature 0")
def argmax_alone(logits, temperature, top_p):
    return logits.argmax() if temperature == 0 else sorted_scatter(logits, temperature, top_p)


@BANK.wrong("sorted_twice", "indexed with the order instead of put back by it")
def order_again(logits, temperature, top_p):
    if temperature == 0:
        return greedy(logits)
    ranked, order = (logits / temperature).softmax(-1).sort(descending=True)
    ranked = torch.where(ranked.cumsum(-1) - ranked < top_p, ranked, 0.0)
    return (ranked / ranked.sum())[order]
