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
def load_ranked(logits, E: tl.constexpr, BLOCK_E: tl.constexpr):
    """Router logits and how many experts stand before each; of equal logits the lower number stands first."""
    e = tl.arange(0, BLOCK_E)
    mine = tl.load(logits + e, mask=e < E, other=-float("inf"))
    other = tl.load(logits + e, mask=e < E, other=-float("inf"))
    before = (other[None, :] > mine[:, None]) | ((other[None, :] == mine[:, None]) & (e[None, :] < e[:, None]))
    return mine, tl.sum(before.to(tl.int32), axis=1)


@triton.jit
def load_tile(
    blocks, scales, row, inside, g0, GROUPS: tl.constexpr, BLOCK_G: tl.constexpr
):  # fmt: skip
    """BLOCK_G blocks of some rows: their 32-bit words (rows, 4·BLOCK_G) and scale bytes (rows, BLOCK_G).

    Four words of one block, 16 bytes, are one load of one thread.
    """
    w, g = g0 * 4 + tl.arange(0, 4 * BLOCK_G), g0 + tl.arange(0, BLOCK_G)
    there = inside[:, None] & (w < GROUPS * 4)[None, :]
    word = tl.load(blocks + row[:, None] * (GROUPS * 4) + w[None, :], mask=there, other=0)
    scale = tl.load(scales + row[:, None] * GROUPS + g[None, :], mask=inside[:, None] & (g < GROUPS)[None, :], other=0)
    return word, scale


@triton.jit
def tile_product(
    word, scale, x, g0, GROUPS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_G: tl.constexpr, PAIRS: tl.constexpr
):
    """A tile of packed weights times its part of x, summed within blocks: (BLOCK_N, BLOCK_G) float32, 2^-14 too small."""
    w = g0 * 4 + tl.arange(0, 4 * BLOCK_G)
    there = w < GROUPS * 4
    if PAIRS:
        x0 = tl.load(x + w, mask=there, other=0)[None, :]
        x1 = tl.load(x + GROUPS * 4 + w, mask=there, other=0)[None, :]
        x2 = tl.load(x + GROUPS * 8 + w, mask=there, other=0)[None, :]
        x3 = tl.load(x + GROUPS * 12 + w, mask=there, other=0)[None, :]
        part = word_dot_pairs(word, x0, x1, x2, x3)
    else:
        even, odd = half_bytes(word)
        part = tl.zeros((BLOCK_N, 4 * BLOCK_G), tl.float32)
        for i in tl.static_range(4):
            low = tl.load(x + (2 * i) * GROUPS * 4 + w, mask=there, other=0.0)
            high = tl.load(x + (2 * i + 1) * GROUPS * 4 + w, mask=there, other=0.0)
            part += byte_as_float(even, i) * low[None, :] + byte_as_float(odd, i) * high[None, :]
    return tl.sum(tl.reshape(part, (BLOCK_N, BLOCK_G, 4)), axis=2) * e8m0(scale)


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
    The next tile is on its way while this one is multiplied.
    Source: gpt-oss model card, sections 2.1 (MXFP4) and 2.3 (mixture of experts).
    """
    slot = tl.program_id(1)
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = n < 2 * F
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    logit, rank = load_ranked(logits, E, BLOCK_E)
    e = tl.arange(0, BLOCK_E)
    expert = tl.minimum(tl.sum(tl.where(rank == slot, e, 0), axis=0), E - 1)
    block = expert.to(tl.int64) * (2 * F * GROUPS)  # where this expert's blocks begin
    blocks, scales = blocks + block * 4, scales + block
    word, scale = load_tile(blocks, scales, n, inside, 0, GROUPS, BLOCK_G)
    if tl.program_id(0) == 0:
        share = tl.where(rank < K, tl.exp(logit - tl.max(logit, axis=0)), 0.0)
        tl.store(chosen + slot, expert)
        tl.store(shares + slot, tl.sum(tl.where(rank == slot, share, 0.0), axis=0) / tl.sum(share, axis=0))
    acc = tl.zeros((BLOCK_N, BLOCK_G), tl.float32)
    for g0 in tl.static_range(0, GROUPS, BLOCK_G):
        this_word, this_scale = word, scale
        if g0 + BLOCK_G < GROUPS:
            word, scale = load_tile(blocks, scales, n, inside, g0 + BLOCK_G, GROUPS, BLOCK_G)
        acc += tile_product(this_word, this_scale, x, g0, GROUPS, BLOCK_N, BLOCK_G, PAIRS)
    y = tl.sum(acc, axis=1) * x_factor + tl.load(bias + expert * (2 * F) + n, mask=inside, other=0.0).to(tl.float32)
    gate, up = tl.split(tl.reshape(y, (BLOCK_N // 2, 2)))
    i = tl.program_id(0) * (BLOCK_N // 2) + tl.arange(0, BLOCK_N // 2)
    store_for_experts(act + slot * F, i, swiglu(gate, up, limit), act_scale, i < F, F, PAIRS)


@triton.jit
def experts_down_kernel(
    act, chosen, shares, blocks, scales, bias, x, act_factor, C,
    GROUPS: tl.constexpr, K: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_G: tl.constexpr, PAIRS: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Second product of the K chosen experts, bias, weighted sum in a fixed order, residual: x += Σ share·(W2 act + b2).

    All experts' tiles go through one loop, so that the next expert's first tile is read during this one's last.
    """
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = n < C
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    block = tl.load(chosen).to(tl.int64) * C * GROUPS
    word, scale = load_tile(blocks + block * 4, scales + block, n, inside, 0, GROUPS, BLOCK_G)
    acc = tl.zeros((BLOCK_N, BLOCK_G), tl.float32)
    offset = tl.zeros((BLOCK_N,), tl.float32)
    words: tl.constexpr = GROUPS * 16 if PAIRS else GROUPS * 32  # a pair of float16 is read as one 32-bit word
    steps: tl.constexpr = (GROUPS + BLOCK_G - 1) // BLOCK_G
    for step in tl.static_range(K * steps):
        this_word, this_scale = word, scale
        if step + 1 < K * steps:
            block = tl.load(chosen + (step + 1) // steps).to(tl.int64) * C * GROUPS
            g1 = (step + 1) % steps * BLOCK_G
            word, scale = load_tile(blocks + block * 4, scales + block, n, inside, g1, GROUPS, BLOCK_G)
        share = tl.load(shares + step // steps)
        if step % steps == 0:
            row = tl.load(chosen + step // steps) * C + n
            offset += share * tl.load(bias + row, mask=inside, other=0.0).to(tl.float32)
        part = act + step // steps * words
        acc += tile_product(
            this_word, this_scale, part, step % steps * BLOCK_G, GROUPS, BLOCK_N, BLOCK_G, PAIRS
        ) * (share * act_factor)  # fmt: skip
    total = tl.sum(acc, axis=1) + offset
    old = tl.load(x + n, mask=inside, other=0.0).to(tl.float32)
    tl.store(x + n, (old + total.to(x.dtype.element_ty).to(tl.float32)).to(x.dtype.element_ty), mask=inside)
