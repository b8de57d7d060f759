"""A whole decoding step of a small model in one compiled function, by Numba: what `transformer.py` does for one token.

A model of gpt-oss-tiny's size spends most of a step between its operators, not in them. Here is no "between": Python
calls once per step. Weights are read where the model keeps them, through their addresses; for the experts see
`step_products.py`.

Axes: n rows (one new token each), c hidden, h query heads, g key/value heads, d head_dim, e experts, k experts per
token, f expert width, v vocabulary.
"""

import math

import numba
import numpy as np
from numba.core import types

from .step_products import EXACT, ONE, ZERO, as_float32, can_be_read, dense, floats_at, from_bytes
from .vector_tiles import LANES, depend_on_tiles, mixing_tile

HALF = np.float32(0.5)
ALPHA = np.float32(1.702)
LOG2_E, LN2_HIGH, LN2_LOW = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
P5, P4, P3 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
P2, P1, P0 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
SMALLEST, LARGEST, BIAS, MANTISSA = np.float32(-87), np.float32(88), np.int32(127), np.int32(23)
mix = mixing_tile(4)
EXPERTS = 13  # row of `at` that holds the number of experts, after a layer's addresses (`fused_step.PARTS`)


@numba.njit(inline="always")
def _exp(x):
    """Compute e**x in float32 to one unit in the last place, with operations that vectorise; NaN stays NaN.

    Source: the polynomial of Cephes' expf.
    """
    x = LARGEST if x > LARGEST else x
    x = SMALLEST if x < SMALLEST else x
    n = np.floor(x * LOG2_E + HALF)
    r = x - n * LN2_HIGH - n * LN2_LOW
    p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
    return (p * r * r + r + ONE) * as_float32((np.int32(n) + BIAS) << MANTISSA)


@numba.njit(**EXACT)
def _norm(x, address, eps, out):
    """Compute the RMSNorm of each row: x (n, c), scale (c,) at the address."""
    n, c = x.shape
    scale = numba.carray(floats_at(address), (c,))
    for i in range(n):
        square = ZERO
        for j in range(c):
            square += x[i, j] * x[i, j]
        inverse = ONE / np.sqrt(square / np.float32(c) + eps)
        for j in range(c):
            out[i, j] = x[i, j] * inverse * scale[j]


@numba.njit(**EXACT)
def _rotate(row, cos, sin):
    """Rotate the heads (heads, d) of one token in place; cos and sin (d/2,)."""
    half = cos.shape[0]
    for head in range(row.shape[0]):
        for j in range(half):
            first, second = row[head, j], row[head, j + half]
            row[head, j] = first * cos[j] - second * sin[j]
            row[head, j + half] = second * cos[j] + first * sin[j]


@numba.njit(**EXACT)
def _attend(q, keys, values, room, held, sinks, scores, order, out):
    """Compute one token's attention: q (h, d); keys, values addresses of (g, room, d), of which `held` count.

    sinks (h,); scores (h/g, room or more) to work in; order 0, 1, … ; out (h, d).
    """
    h, d = q.shape
    share, scale = scores.shape[0], np.float32(1 / math.sqrt(d))
    totals = np.empty(share, np.float32)
    filled = min((held + LANES - 1) // LANES * LANES, room)  # whole tiles; what no key has written is not looked at
    for group in range(h // share):
        skipped, first = 4 * group * room * d, group * share
        dense(keys + skipped, 0, filled, q[first : first + share], order, scores, order, share)
        for head in range(share):
            totals[head] = _softmax(scores[head][:held], scale, sinks[first + head])
        _mix(values + skipped, scores, held, totals, out[first : first + share])


@numba.njit(**EXACT)
def _mix(values, scores, held, totals, out):
    """Sum the values (held, d) at an address by scores (heads, held or more) over totals (heads,); out (heads, d)."""
    heads, d = out.shape
    at, wide, result = scores.ctypes.data, 4 * scores.shape[1], out.ctypes.data
    whole = heads // 4 * 4 if d % LANES == 0 else 0
    for head in range(0, whole, 4):
        s, y = at + head * wide, result + 4 * d * head
        for j in range(0, d, LANES):
            ends = (y + 4 * j, y + 4 * (d + j), y + 4 * (2 * d + j), y + 4 * (3 * d + j))
            mix(values + 4 * j, d, held, (s, s + wide, s + 2 * wide, s + 3 * wide), ends)
    value = numba.carray(floats_at(values), (held, d))
    for head in range(heads):
        mixed = out[head]
        if head >= whole:
            mixed[:] = ZERO
            for slot in range(held):
                share = scores[head, slot]
                for j in range(d):
                    mixed[j] += share * value[slot, j]
        inverse = ONE / totals[head]
        for j in range(d):
            mixed[j] *= inverse


@numba.njit(**EXACT)
def _softmax(line, scale, sink):
    """Replace scores (s,) by exponentials of `scale` times them, less the largest; return the sum with the sink's.

    The sink itself is not scaled back and forth: rounding would change one of a million by a tenth.
    """
    largest = others = line[0]
    for slot in range(0, line.shape[0] - 1, 2):  # two at a time, because each comparison waits for the one before
        largest = line[slot] if line[slot] > largest else largest
        others = line[slot + 1] if line[slot + 1] > others else others
    largest = line[-1] if line[-1] > largest else largest
    largest = scale * (others if others > largest else largest)
    largest = sink if sink > largest else largest
    total = ZERO
    for slot in range(line.shape[0]):
        line[slot] = _exp(scale * line[slot] - largest)
        total += line[slot]
    return total + _exp(sink - largest)


@numba.njit(**EXACT)
def _route(logits, chosen, shares):
    """Find the k largest of each row of logits (n, e): `chosen` (n, k), and `shares` (n, k) that sum to one.

    A row with a NaN has NaN shares, so that its token's logits are NaN and somebody hears of it.
    """
    n, e = logits.shape
    k = chosen.shape[1]
    taken = np.empty(e, np.bool_)
    for i in range(n):
        taken[:] = False
        unsound = False
        for expert in range(e):
            unsound = unsound or logits[i, expert] != logits[i, expert]
        for place in range(k):
            best = -1
            for expert in range(e):
                if not taken[expert] and (best < 0 or logits[i, expert] > logits[i, best]):
                    best = expert
            taken[best] = True  # also among NaN and -inf no expert is chosen twice: `_experts` has room for one each
            chosen[i, place], shares[i, place] = best, logits[i, best]
        total, largest = ZERO, shares[i, 0]
        for place in range(k):
            shares[i, place] = _exp(shares[i, place] - largest)
            total += shares[i, place]
        for place in range(k):
            shares[i, place] = np.float32(np.nan) if unsound else shares[i, place] / total


@numba.njit(**EXACT)
def _swiglu(x, limit, n, out):
    """Compute the gated activation of the first n rows: x (…, 2f), gate and up alternate; out (…, f)."""
    f = out.shape[1]
    gates, ups = np.empty(f, np.float32), np.empty(f, np.float32)
    for i in range(n):
        line, result = x[i], out[i]
        for j in range(f):  # taken apart first: a loop over every other number does not vectorise
            gates[j], ups[j] = line[2 * j], line[2 * j + 1]
        for j in range(f):
            gate, up = gates[j], ups[j]
            gate = limit if gate > limit else gate
            up = limit if up > limit else (-limit if up < -limit else up)
            result[j] = gate / (ONE + _exp(-ALPHA * gate)) * (up + ONE)


@numba.njit(**EXACT)
def _experts(at, codes, uses, layer, normed, chosen, shares, limit, f, x):
    """Add each token's experts to x (n, c), one expert after the other for all the tokens that chose it.

    codes : (2, layers) addresses of both matrices in bytes; uses : (layers, e) how often the bytes were used since they
    were compared as a whole, 0 before that, and -1 where bytes cannot say what the weights are.
    """
    n, k = chosen.shape
    c, e = x.shape[1], at[EXPERTS, layer]
    rows, places, order = np.empty(n * k, np.int64), np.empty(n * k, np.int64), np.arange(n * k)
    wide, narrow, each = np.empty((n, 2 * f), np.float32), np.empty((n, f), np.float32), np.empty((n, c), np.float32)
    w1, b1, w2, b2 = at[9, layer], at[10, layer], at[11, layer], at[12, layer]
    for expert in range(e):
        count = 0
        for i in range(n):
            for place in range(k):
                if chosen[i, place] == expert:
                    rows[count], places[count] = i, place
                    count += 1
        if count == 0:
            continue
        first, second, state = 2 * f * c * expert, c * f * expert, uses[layer, expert]
        in_bytes = (
            state >= 0
            and can_be_read(w1 + 4 * first, codes[0, layer] + first, 2 * f * c, state)
            and can_be_read(w2 + 4 * second, codes[1, layer] + second, c * f, state)
        )
        uses[layer, expert] = state + 1 if in_bytes else -1
        if in_bytes:
            from_bytes(codes[0, layer] + first, b1 + 8 * f * expert, 2 * f, normed, rows, wide, order, count)
            _swiglu(wide, limit, count, narrow)
            from_bytes(codes[1, layer] + second, b2 + 4 * c * expert, c, narrow, order, each, order, count)
        else:
            dense(w1 + 4 * first, b1 + 8 * f * expert, 2 * f, normed, rows, wide, order, count)
            _swiglu(wide, limit, count, narrow)
            dense(w2 + 4 * second, b2 + 4 * c * expert, c, narrow, order, each, order, count)
        for i in range(count):
            share, total = shares[rows[i], places[i]], x[rows[i]]
            for j in range(c):
                total[j] += share * each[i, j]


@numba.njit(**EXACT, cache=True, nogil=True)
def step(tokens, positions, rows, last, put, at, codes, uses, ends, cache, slots, sizes, eps, limit, cos, sin, logits):
    """Compute the logits of some rows after new tokens; extend the cache.

    tokens, positions, rows : (n,) each new token, how many come before it in its row, and the row of the cache; a row's
    tokens stand in their order. last, put : (m,) which of the n tokens have logits, and in which row of logits (b, v).
    at : (14, layers) addresses of the weights, and the number of experts; codes, uses : as for `_experts`; ends :
    addresses of embedding, last norm and unembedding; cache : (2, layers) addresses of keys and values
    (b, g, slots[layer], d); sizes : c, h, g, d, k, f, v; cos, sin : (positions, d/2).
    """
    c, h, g, d, k, f, v = sizes
    n, layers = tokens.shape[0], slots.shape[0]
    x, normed = np.empty((n, c), np.float32), np.empty((n, c), np.float32)
    qkv = np.empty((n, (h + 2 * g) * d), np.float32)
    heads, by_head = np.empty((n, h * d), np.float32), qkv.reshape(n, h + 2 * g, d)
    added = np.empty((n, c), np.float32)
    chosen, shares = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
    scores, order = np.empty((h // g, slots.max()), np.float32), np.arange(max(n, h // g))
    embedding = numba.carray(floats_at(ends[0]), (v, c))
    for i in range(n):
        x[i] = embedding[tokens[i]]
    for layer in range(layers):
        room, part = slots[layer], at[:, layer]
        _norm(x, part[0], eps, normed)
        dense(part[1], part[2], (h + 2 * g) * d, normed, order, qkv, order, n)
        sinks = numba.carray(floats_at(part[3]), (h,))
        for i in range(n):  # one after the other: a ring holds what each of them may see when its turn comes
            position, skipped = positions[i], rows[i] * g * room * d * 4
            _rotate(by_head[i][: h + g], cos[position], sin[position])
            keys_at, values_at = cache[0, layer] + skipped, cache[1, layer] + skipped
            keys = numba.carray(floats_at(keys_at), (g, room, d))
            values = numba.carray(floats_at(values_at), (g, room, d))
            for group in range(g):
                keys[group, position % room] = by_head[i, h + group]
                values[group, position % room] = by_head[i, h + g + group]
            held = min(position + 1, room)
            out = heads[i].reshape(h, d)
            _attend(by_head[i][:h], keys_at, values_at, room, held, sinks, scores, order, out)
        dense(part[4], part[5], c, heads, order, added, order, n)
        x += added
        _norm(x, part[6], eps, normed)
        router = np.empty((n, part[EXPERTS]), np.float32)
        dense(part[7], part[8], part[EXPERTS], normed, order, router, order, n)
        _route(router, chosen, shares)
        _experts(at, codes, uses, layer, normed, chosen, shares, limit, f, x)
    _norm(x, ends[1], eps, normed)
    dense(ends[2], 0, v, normed, last, logits, put, last.shape[0])


depend_on_tiles(step)
ADDRESSES, TABLE = types.Array(types.int64, 2, "C"), types.Array(types.float32, 2, "C")
NUMBERS = types.Array(types.int64, 1, "C")
SIGNATURE = types.void(
    *[NUMBERS] * 5, ADDRESSES, ADDRESSES, ADDRESSES, NUMBERS, ADDRESSES, NUMBERS,
    types.UniTuple(types.int64, 7), types.float32, types.float32, TABLE, TABLE, TABLE,
)  # fmt: skip


def is_compiled() -> bool:
    """Return whether an earlier process has left the compiled step for this processor and these versions."""
    return step._cache.load_overload(SIGNATURE.args, step.targetctx) is not None


def compiled():
    """Return the step, compiled or read from where an earlier process has left it."""
    if not step.signatures:
        step.compile(SIGNATURE.args)
        step.disable_compile()  # arguments of other types would compile a second one, in the middle of a text
    return step
