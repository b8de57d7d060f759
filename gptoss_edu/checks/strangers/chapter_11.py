"""Wrong solutions of chapter 11, written from its text alone."""

import torch

from gptoss_edu.checks.exercises.next_token_probabilities.bank import BANK as NEXT_TOKEN_PROBABILITIES
from gptoss_edu.checks.exercises.own.decode import BANK as DECODE
from gptoss_edu.checks.exercises.own.ring import BANK as RING


@RING.wrong("first_stays", "the oldest position instead of the newest", unseen=True)
def ring_1(n, slots):
    return [i if i < n else -1 for i in range(slots)]


@RING.wrong("in_order", "the newest positions in order, not in their slots", unseen=True)
def ring_2(n, slots):
    last = list(range(max(0, n - slots), n))
    return last + [-1] * (slots - len(last))


@DECODE.wrong("a stop token", "the stop token does not belong to the result", unseen=True)
def decode_1(read, prompt, max_new_tokens, stops):
    out, new = [], prompt
    for _ in range(max_new_tokens):
        token = int(read(new).argmax())
        if token in stops:
            break
        out.append(token)
        new = [token]
    return out


@DECODE.wrong("three tokens", "the whole text is read again at every step, though the cache remembers it", unseen=True)
def decode_2(read, prompt, max_new_tokens, stops):
    out = []
    for _ in range(max_new_tokens):
        token = int(read(prompt + out).argmax())
        out.append(token)
        if token in stops:
            break
    return out


@DECODE.wrong("the first token", "the prompt is part of the result", unseen=True)
def decode_3(read, prompt, max_new_tokens, stops):
    text, new = list(prompt), prompt
    for _ in range(max_new_tokens):
        token = int(read(new).argmax())
        text.append(token)
        new = [token]
        if token in stops:
            break
    return text


@NEXT_TOKEN_PROBABILITIES.wrong("excludes_crossing", "the token that crosses the line is dropped", unseen=True)
def next_token_probabilities_1(logits, temperature, top_p):
    p = (logits / temperature).softmax(-1)
    p, order = p.sort(descending=True)
    p = torch.where(p.cumsum(-1) <= top_p, p, 0)
    p[0] = max(p[0], 1e-9)
    out = torch.zeros_like(p)
    out[order] = p / p.sum()
    return out


@NEXT_TOKEN_PROBABILITIES.wrong("temperature_multiplied", "temperature multiplies", unseen=True)
def next_token_probabilities_2(logits, temperature, top_p):
    p, order = (logits * temperature).softmax(-1).sort(descending=True)
    p = torch.where(p.cumsum(-1) - p < top_p, p, 0)
    return torch.zeros_like(p).scatter(0, order, p / p.sum())


@NEXT_TOKEN_PROBABILITIES.wrong("not_restored", "the result stays sorted", unseen=True)
def next_token_probabilities_3(logits, temperature, top_p):
    p, order = (logits / temperature).softmax(-1).sort(descending=True)
    p = torch.where(p.cumsum(-1) - p < top_p, p, 0)
    return p / p.sum()


@NEXT_TOKEN_PROBABILITIES.wrong("not_renormalised", "not normalised again after the cut", unseen=True)
def next_token_probabilities_4(logits, temperature, top_p):
    p, order = (logits / temperature).softmax(-1).sort(descending=True)
    p = torch.where(p.cumsum(-1) - p < top_p, p, 0)
    return torch.zeros_like(p).scatter(0, order, p)


@NEXT_TOKEN_PROBABILITIES.wrong("top_p_before_temperature", "top_p is applied before the temperature", unseen=True)
def next_token_probabilities_5(logits, temperature, top_p):
    p, order = logits.softmax(-1).sort(descending=True)
    keep = p.cumsum(-1) - p < top_p
    p = (logits[order] / temperature).masked_fill(~keep, -torch.inf).softmax(-1)
    return torch.zeros_like(p).scatter(0, order, p)
