"""The right answers, written as literally as possible: Python loops over float64, one multiplication at a time.

Nothing here is imported from the rest of the package, so that a mistake in the package cannot hide itself. It is slow
on purpose; the inputs of the checks are small.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np

# Section 5.3.3 of the OCP Microscaling specification: code -> value of an e2m1 number.
E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
MAGNITUDES = tuple(map(Fraction, E2M1[:8]))


def as_lists(value) -> np.ndarray:
    """Convert any array-like to a float64 array."""
    if hasattr(value, "detach"):
        value = value.detach().double().cpu().numpy()
    return np.asarray(value, dtype=np.float64)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def softmax(logits: list[float]) -> list[float]:
    """Compute the softmax of a list; -inf has weight 0."""
    top = max(logits)
    powers = [math.exp(x - top) for x in logits]
    return [p / sum(powers) for p in powers]


def bpe_encode(text: bytes, ranks: dict[bytes, int]) -> list[int]:
    """Repeatedly join the neighbours whose union has the lowest rank; ties go to the leftmost."""
    parts = [text[i : i + 1] for i in range(len(text))]
    while True:
        best, at = None, None
        for i in range(len(parts) - 1):
            rank = ranks.get(parts[i] + parts[i + 1])
            if rank is not None and (best is None or rank < best):
                best, at = rank, i
        if at is None:
            return [ranks[part] for part in parts]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def rms_norm(x, scale, eps: float) -> np.ndarray:
    """Compute x / sqrt(mean(x²) + eps) · scale, row by row."""
    x, scale = as_lists(x), as_lists(scale)
    out = np.empty_like(x)
    for index in np.ndindex(*x.shape[:-1]):
        row = x[index]
        mean_square = sum(float(value) ** 2 for value in row) / len(row)
        for j, value in enumerate(row):
            out[(*index, j)] = float(value) / math.sqrt(mean_square + eps) * float(scale[j])
    return out


def mask(query_positions, key_positions, window: int | None) -> np.ndarray:
    """Return True where a query may see a key: not after it, and fewer than `window` positions before it."""
    queries, keys = [int(p) for p in as_lists(query_positions)], [int(p) for p in as_lists(key_positions)]
    out = np.zeros((len(queries), len(keys)))
    for i, q in enumerate(queries):
        for j, k in enumerate(keys):
            distance = q - k
            out[i, j] = distance >= 0 and (window is None or distance < window)
    return out


def attention(q, k, v, sinks, window: int | None = None) -> np.ndarray:
    """Compute grouped-query attention with a sink; the queries are the last t of the s positions."""
    q, k, v, sinks = as_lists(q), as_lists(k), as_lists(v), as_lists(sinks)
    b, t, h, d = q.shape
    s, g = k.shape[1], k.shape[2]
    out = np.zeros((b, t, h, d))
    for batch, i, head in np.ndindex(b, t, h):
        position = s - t + i
        group = head // (h // g)
        seen = [j for j in range(s) if j <= position and (window is None or position - j < window)]
        scores = [sum(q[batch, i, head] * k[batch, j, group]) / math.sqrt(d) for j in seen]
        weights = softmax([*scores, float(sinks[head])])
        for weight, j in zip(weights[:-1], seen, strict=True):
            for x in range(d):
                out[batch, i, head, x] += weight * v[batch, j, group, x]
    return out


def rope(x, cos, sin) -> np.ndarray:
    """Rotate entry i together with entry i + d/2."""
    x, cos, sin = as_lists(x), as_lists(cos), as_lists(sin)
    out = np.empty_like(x)
    half = x.shape[-1] // 2
    for batch, t, head in np.ndindex(*x.shape[:3]):
        for i in range(half):
            a, b = x[batch, t, head, i], x[batch, t, head, i + half]
            out[batch, t, head, i] = a * cos[t, i] - b * sin[t, i]
            out[batch, t, head, i + half] = b * cos[t, i] + a * sin[t, i]
    return out


def yarn(head_dim: int, theta: float, factor: float, original_context: int, beta_fast: float, beta_slow: float):
    """Return (inv_freq list, concentration), with bounds clamped to [0, head_dim - 1] and not rounded."""

    def pair_that_turns(turns: float) -> float:
        """Solve 2π θ^(2i/d) = L / turns for i: the pair whose wavelength is original_context / turns."""
        return head_dim * math.log(original_context / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low = max(pair_that_turns(beta_fast), 0.0)
    high = min(pair_that_turns(beta_slow), head_dim - 1.0)
    speeds = []
    for i in range(head_dim // 2):
        speed = theta ** (-2 * i / head_dim)
        if factor > 1:
            ramp = min(max((i - low) / max(high - low, 0.001), 0.0), 1.0)
            speed = (1 - ramp) * speed + ramp * speed / factor
        speeds.append(speed)
    return np.array(speeds), (0.1 * math.log(factor) + 1 if factor > 1 else 1.0)


def swiglu(x, alpha: float = 1.702, limit: float = 7.0) -> np.ndarray:
    """Apply SwiGLU: even entries are the gate, odd entries are up; the gate is clamped from above only."""
    x = as_lists(x)
    out = np.empty((*x.shape[:-1], x.shape[-1] // 2))
    for index in np.ndindex(*out.shape):
        gate = min(x[(*index[:-1], 2 * index[-1])], limit)
        up = max(-limit, min(x[(*index[:-1], 2 * index[-1] + 1)], limit))
        out[index] = gate * sigmoid(alpha * gate) * (up + 1)
    return out


def router_logits(x, weight, bias) -> np.ndarray:
    """Map (..., c) to (..., e), ignoring ties."""
    x, weight, bias = as_lists(x), as_lists(weight), as_lists(bias)
    out = np.zeros((*x.shape[:-1], weight.shape[0]))
    for index in np.ndindex(*out.shape):
        out[index] = sum(x[index[:-1]] * weight[index[-1]]) + bias[index[-1]]
    return out


def route(x, weight, bias, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the softmax over the k largest logits of each token, falling, and their indices."""
    logits = router_logits(x, weight, bias)
    weights, indices = np.zeros((*logits.shape[:-1], k)), np.zeros((*logits.shape[:-1], k), dtype=int)
    for index in np.ndindex(*logits.shape[:-1]):
        row = list(logits[index])
        chosen = sorted(range(len(row)), key=lambda e: -row[e])[:k]
        indices[index] = chosen
        weights[index] = softmax([row[e] for e in chosen])
    return weights, indices


def moe(x, weights, indices, w1, b1, w2, b2, limit: float = 7.0) -> np.ndarray:
    """Pass each token through its k experts, one after another."""
    x, weights, w1, b1, w2, b2 = map(as_lists, (x, weights, w1, b1, w2, b2))
    indices = as_lists(indices).astype(int)
    out = np.zeros((x.shape[0], w2.shape[1]))
    for token in range(x.shape[0]):
        for slot in range(indices.shape[1]):
            e = indices[token, slot]
            hidden = np.array([sum(w1[e, row] * x[token]) + b1[e, row] for row in range(w1.shape[1])])
            active = swiglu(hidden, limit=limit)
            for row in range(w2.shape[1]):
                out[token, row] += weights[token, slot] * (sum(w2[e, row] * active) + b2[e, row])
    return out


def unpack(blocks, scales) -> np.ndarray:
    """Unpack (..., G, 16) bytes and (..., G) scale bytes to (..., 32 G) numbers; scale 255 is NaN."""
    blocks, scales = as_lists(blocks).astype(int), as_lists(scales).astype(int)
    out = np.zeros((*scales.shape, 32))
    for index in np.ndindex(*blocks.shape):
        byte, scale = blocks[index], scales[index[:-1]]
        factor = math.nan if scale == 255 else math.ldexp(1.0, int(scale) - 127)
        out[(*index[:-1], 2 * index[-1])] = E2M1[byte % 16] * factor
        out[(*index[:-1], 2 * index[-1] + 1)] = E2M1[byte // 16] * factor
    return out.reshape(*scales.shape[:-1], scales.shape[-1] * 32)


def pack(weight) -> tuple[np.ndarray, np.ndarray]:
    """Pack by the specification's rule: shared exponent floor(log2 max) - 2, then the nearest e2m1 value.

    Ties go to the even code, and values that are too large saturate.
    """
    weight = as_lists(weight)
    groups = weight.reshape(*weight.shape[:-1], weight.shape[-1] // 32, 32)
    blocks, scales = np.zeros((*groups.shape[:-1], 16), dtype=int), np.zeros(groups.shape[:-1], dtype=int)
    for index in np.ndindex(*groups.shape[:-1]):
        row = [Fraction(float(value)) for value in groups[index]]
        scale = shared_scale(max(abs(value) for value in row))
        scales[index] = scale
        codes = [nearest_code(value / Fraction(2) ** (scale - 127)) for value in row]
        codes = [
            code | 8 if math.copysign(1, float(v)) < 0 else code for code, v in zip(codes, groups[index], strict=True)
        ]
        blocks[index] = [codes[2 * j] + 16 * codes[2 * j + 1] for j in range(16)]
    return blocks, scales


def shared_scale(largest: Fraction) -> int:
    """Return the e8m0 byte for the largest magnitude: floor(log2) - 2 + 127 within 0 to 254; 0 for all zeros."""
    if largest == 0:
        return 0
    exponent = 0
    while Fraction(2) ** exponent > largest:
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= largest:
        exponent += 1
    return min(max(exponent - 2 + 127, 0), 254)


@lru_cache(10_000)  # a check packs the same rows for every function
def nearest_code(value: Fraction) -> int:
    """Return the magnitude code 0 to 7 of the nearest e2m1 value; ties go to the even code."""
    magnitude = abs(value)
    return min(range(8), key=lambda code: (abs(MAGNITUDES[code] - magnitude), code % 2))


def next_token(logits, temperature: float, top_p: float) -> np.ndarray:
    """Compute softmax at a temperature, cut to the smallest set of likeliest tokens that reaches top_p; 0 is greedy."""
    row = [float(x) for x in as_lists(logits)]
    if temperature == 0:
        probabilities = [0.0] * len(row)
        probabilities[row.index(max(row))] = 1.0
        return np.array(probabilities)
    probabilities = softmax([x / temperature for x in row])
    kept, mass = [], 0.0
    for token in sorted(range(len(row)), key=lambda i: -probabilities[i]):
        if kept and mass >= top_p:
            break
        kept.append(token)
        mass += probabilities[token]
    return np.array([p / mass if i in kept else 0.0 for i, p in enumerate(probabilities)])


def render_message(role: str, content: str, channel=None, recipient=None, content_type=None) -> str:
    """Return one harmony message as openai-harmony renders it: the recipient after the role, the content type as given.

    A call: `<|start|>assistant to=functions.f<|channel|>commentary <|constrain|>json<|message|>…<|call|>`.
    """
    text = "<|start|>" + role
    if recipient is not None:
        text += " to=" + recipient
    if channel is not None:
        text += "<|channel|>" + channel
    if content_type is not None:
        text += " " + content_type
    text += "<|message|>" + content
    return text + ("<|call|>" if role == "assistant" and recipient is not None else "<|end|>")
