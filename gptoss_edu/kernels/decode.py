"""One new token: matrix times vector, so every weight is read once and used once. Memory is what counts."""

import triton
import triton.language as tl

from .common import byte_as_float, e8m0, half_bytes, start_next, wait_for_previous, word_dot_pairs


@triton.jit
def embed_kernel(tokens, table, x, C, BLOCK_C: tl.constexpr):
    """x[row] = table[tokens[row]]; program (row, part of the row)."""
    row = tl.program_id(0)
    cols = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    token = tl.load(tokens + row).to(tl.int64)
    tl.store(x + row * C + cols, tl.load(table + token * C + cols, mask=cols < C), mask=cols < C)


@triton.jit
def matvec_kernel(
    x, gain, weight, bias, residual, out, rows, eps,
    C: tl.constexpr, NORM: tl.constexpr, BIAS: tl.constexpr, RESIDUAL: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """out = residual + bias + weight @ rmsnorm(x): BLOCK_N rows of the weight a program.

    1/rms is one number for the whole vector, so it leaves the sum: weight @ (x·gain/rms) = (weight @ (x·gain)) / rms.
    Both sums run over x once. The first tile of the weight is on its way before the kernel before has finished.
    """
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = n < rows
    c = tl.arange(0, BLOCK_C)
    at = weight + tl.program_id(0).to(tl.int64) * (BLOCK_N * C) + tl.arange(0, BLOCK_N)[:, None] * C + c[None, :]
    tile = tl.load(at, mask=inside[:, None] & (c < C)[None, :], other=0.0)  # (BLOCK_N, BLOCK_C)
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    acc = tl.zeros((BLOCK_N, BLOCK_C), tl.float32)
    squares = tl.zeros((BLOCK_C,), tl.float32)
    for c0 in tl.static_range(0, C, BLOCK_C):
        part = tl.load(x + c0 + c, mask=c0 + c < C, other=0.0).to(tl.float32)
        w = tile
        if c0 + BLOCK_C < C:
            tile = tl.load(at + c0 + BLOCK_C, mask=inside[:, None] & (c0 + BLOCK_C + c < C)[None, :], other=0.0)
        if NORM:
            squares += part * part
            part = part * tl.load(gain + c0 + c, mask=c0 + c < C, other=0.0).to(tl.float32)
        acc += w.to(tl.float32) * part[None, :]
    y = tl.sum(acc, axis=1)  # (BLOCK_N,)
    if NORM:
        y = y * (1.0 / tl.sqrt(tl.sum(squares, axis=0) / C + eps))
    if BIAS:
        y += tl.load(bias + n, mask=inside, other=0.0).to(tl.float32)
    if RESIDUAL:
        y = y.to(out.dtype.element_ty).to(tl.float32) + tl.load(residual + n, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + n, y.to(out.dtype.element_ty), mask=inside)


@triton.jit
def router_kernel(
    x, gain, weight, bias, logits, normed, eps, x_scale,
    C: tl.constexpr, PAIRS: tl.constexpr, SLICE: tl.constexpr, BLOCK_C: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """One router logit a program, and a slice of the normed vector in the order in which `experts_up_kernel` reads it.

    normed : element 8w + i at [i, w] as float32, or, for PAIRS, at [i % 4, w, i // 4] as float16 times x_scale
    """
    e = tl.program_id(0)
    c = tl.arange(0, BLOCK_C)
    w = tl.load(weight + e * C + c, mask=c < C, other=0.0).to(tl.float32)
    g = tl.load(gain + c, mask=c < C, other=0.0).to(tl.float32)
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    part = tl.load(x + c, mask=c < C, other=0.0).to(tl.float32)
    inverse = 1.0 / tl.sqrt(tl.sum(part * part, axis=0) / C + eps)
    dot = tl.sum(w * (part * g), axis=0) * inverse + tl.load(bias + e).to(tl.float32)
    tl.store(logits + e, dot)
    i = e * SLICE + tl.arange(0, triton.next_power_of_2(SLICE))
    inside = (tl.arange(0, triton.next_power_of_2(SLICE)) < SLICE) & (i < C)
    value = tl.load(x + i, mask=inside, other=0.0).to(tl.float32) * inverse
    value = value * tl.load(gain + i, mask=inside, other=0.0).to(tl.float32)
    store_for_experts(normed, i, value, x_scale, inside, C, PAIRS)


@triton.jit
def store_for_experts(out, i, value, scale, inside, C: tl.constexpr, PAIRS: tl.constexpr):
    """Write elements i of a vector of C in the order of the packed words that they will meet."""
    word, within = i // 8, i % 8
    if PAIRS:
        tl.store(out + ((within % 4) * (C // 8) + word) * 2 + within // 4, (value * scale).to(tl.float16), mask=inside)
    else:
        tl.store(out + within * (C // 8) + word, value, mask=inside)


@triton.jit
def chosen_expert(logits, SLOT: tl.constexpr, K: tl.constexpr, E: tl.constexpr, BLOCK_E: tl.constexpr, slot):
    """The expert with the slot-th largest logit (of equal ones the lower number), and its softmax weight among the K."""
    e = tl.arange(0, BLOCK_E)
    value = tl.load(logits + e, mask=e < E, other=-float("inf"))
    first = tl.max(value, axis=0)
    total = 0.0
    expert = 0
    weight = 0.0
    for i in tl.static_range(K):
        best = tl.max(value, axis=0)
        index = tl.min(tl.where(value == best, e, BLOCK_E), axis=0)
        share = tl.exp(best - first)
        total += share
        expert = tl.where(slot == i, index, expert)
        weight = tl.where(slot == i, share, weight)
        value = tl.where(e == index, -float("inf"), value)
    return expert, weight / total


@triton.jit
def packed_dot(
    blocks, scales, row, inside, x,
    GROUPS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_G: tl.constexpr, PAIRS: tl.constexpr,
):  # fmt: skip
    """Rows of an MXFP4 matrix times x, (BLOCK_N,) float32, 2^-14 too small.

    A tile is (rows, blocks, 4 words): the four words of one block, 16 bytes, are one load of one thread; its 32 products
    are summed and multiplied by the block's scale once.
    """
    acc = tl.zeros((BLOCK_N, BLOCK_G), tl.float32)
    q = tl.arange(0, 4)
    for g0 in tl.static_range(0, GROUPS, BLOCK_G):
        g = g0 + tl.arange(0, BLOCK_G)
        mask = inside[:, None] & (g < GROUPS)[None, :]
        at = row[:, None] * GROUPS + g[None, :]
        word = tl.load(blocks + (at * 4)[:, :, None] + q[None, None, :], mask=mask[:, :, None], other=0)
        scale = tl.load(scales + at, mask=mask, other=127)
        column = (g * 4)[None, :, None] + q[None, None, :]
        there = (g < GROUPS)[None, :, None] & (q >= 0)[None, None, :]
        if PAIRS:
            x0 = tl.load(x + column, mask=there, other=0)
            x1 = tl.load(x + GROUPS * 4 + column, mask=there, other=0)
            x2 = tl.load(x + GROUPS * 8 + column, mask=there, other=0)
            x3 = tl.load(x + GROUPS * 12 + column, mask=there, other=0)
            part = word_dot_pairs(word, x0, x1, x2, x3)
        else:
            even, odd = half_bytes(word)
            part = tl.zeros((BLOCK_N, BLOCK_G, 4), tl.float32)
            for i in tl.static_range(4):
                part += byte_as_float(even, i) * tl.load(x + (2 * i) * GROUPS * 4 + column, mask=there, other=0.0)
                part += byte_as_float(odd, i) * tl.load(x + (2 * i + 1) * GROUPS * 4 + column, mask=there, other=0.0)
        acc += tl.sum(part, axis=2) * e8m0(scale)
    return tl.sum(acc, axis=1)


@triton.jit
def swiglu(gate, up, limit):
    """gate · sigmoid(1.702 gate) · (up + 1), the gate clamped from above, up from both sides."""
    gate = tl.minimum(gate, limit)
    up = tl.minimum(tl.maximum(up, -limit), limit)
    return gate / (1.0 + tl.exp(-1.702 * gate)) * (up + 1.0)


@triton.jit
def experts_up_kernel(
    x, logits, blocks, scales, bias, act, chosen, shares, limit, x_factor, act_scale,
    F: tl.constexpr, GROUPS: tl.constexpr, E: tl.constexpr, K: tl.constexpr, BLOCK_E: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_G: tl.constexpr, PAIRS: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """First product of a chosen expert, with its bias and SwiGLU: program (BLOCK_N interleaved rows, slot).

    act : (K, F) in the order in which `experts_down_kernel` reads it; chosen, shares : (K,) expert and its weight.
    Source: gpt-oss model card, sections 2.1 (MXFP4) and 2.3 (mixture of experts).
    """
    slot = tl.program_id(1)
    wait_for_previous(OVERLAP)
    start_next(OVERLAP)
    expert, share = chosen_expert(logits, 0, K, E, BLOCK_E, slot)
    if tl.program_id(0) == 0:
        tl.store(chosen + slot, expert)
        tl.store(shares + slot, share)
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = n < 2 * F
    block = expert.to(tl.int64) * (2 * F * GROUPS)  # where this expert's blocks begin
    y = packed_dot(blocks + block * 4, scales + block, n, inside, x, GROUPS, BLOCK_N, BLOCK_G, PAIRS) * x_factor
    y += tl.load(bias + expert * (2 * F) + n, mask=inside, other=0.0).to(tl.float32)
    gate, up = tl.split(tl.reshape(y, (BLOCK_N // 2, 2)))
    i = tl.program_id(0) * (BLOCK_N // 2) + tl.arange(0, BLOCK_N // 2)
    store_for_experts(act + slot * F, i, swiglu(gate, up, limit), act_scale, i < F, F, PAIRS)


@triton.jit
def experts_down_kernel(
    act, chosen, shares, blocks, scales, bias, x, act_factor, C,
    GROUPS: tl.constexpr, K: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_G: tl.constexpr, PAIRS: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Second product of the K chosen experts, bias, weighted sum in a fixed order, residual: x += Σ share·(W2 act + b2)."""
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = n < C
    total = tl.zeros((BLOCK_N,), tl.float32)
    for slot in tl.static_range(K):
        expert = tl.load(chosen + slot)
        block = expert.to(tl.int64) * C * GROUPS
        words = GROUPS * 32 // 2 if PAIRS else GROUPS * 32  # a pair of float16 is read as one 32-bit word
        y = packed_dot(
            blocks + block * 4, scales + block, n, inside, act + slot * words, GROUPS, BLOCK_N, BLOCK_G, PAIRS
        )
        y = y * act_factor + tl.load(bias + expert * C + n, mask=inside, other=0.0).to(tl.float32)
        total += tl.load(shares + slot) * y
    old = tl.load(x + n, mask=inside, other=0.0).to(tl.float32)
    tl.store(x + n, (old + total.to(x.dtype.element_ty).to(tl.float32)).to(x.dtype.element_ty), mask=inside)
