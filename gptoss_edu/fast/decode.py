"""One new token: matrix times vector. Every weight is read once and used once, so memory speed is what counts."""

# ruff: noqa: RUF005  (Triton knows + between tuples, not the star)
import triton
import triton.language as tl

from .mxfp4_words import (
    byte_as_float,
    e8m0,
    four_words,
    half_bytes,
    pair_sum,
    start_next,
    wait_for_previous,
    word_dot_pairs,
)


@triton.jit
def embed_kernel(tokens, table, x, C, BLOCK_C: tl.constexpr):
    """Compute x[row] = table[tokens[row]]; program (row, part of the row)."""
    row = tl.program_id(0)
    cols = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    token = tl.load(tokens + row).to(tl.int64)
    tl.store(x + row * C + cols, tl.load(table + token * C + cols, mask=cols < C), mask=cols < C)


@triton.jit
def matvec_kernel(
    x, gain, weight, bias, residual, out, rows, eps,
    C: tl.constexpr, NORM: tl.constexpr, BIAS: tl.constexpr, RESIDUAL: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr, AHEAD: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Compute out = residual + bias + weight @ rmsnorm(x), BLOCK_N rows of the weight per program.

    1/rms is one number for the whole vector, so it factors out of the sum: weight @ (x·gain/rms) = (weight @ (x·gain))
    / rms. Both sums read x once. AHEAD tiles of the weight are always being loaded, the first ones before the previous
    kernel has finished.
    """
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = n < rows
    c = tl.arange(0, BLOCK_C)
    at = weight + tl.program_id(0).to(tl.int64) * (BLOCK_N * C) + tl.arange(0, BLOCK_N)[:, None] * C + c[None, :]
    tiles = ()
    for i in tl.static_range(AHEAD):
        tiles = tiles + (load_rows(at, inside, c, i * BLOCK_C, C),)
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    acc = tl.zeros((BLOCK_N, BLOCK_C // 8), tl.float32)
    squares = tl.zeros((1, BLOCK_C // 8), tl.float32)
    for c0 in tl.static_range(0, C, BLOCK_C):
        i = c0 + c[None, :]  # two axes, like the weight's tile, so threads need not exchange data
        part = tl.load(x + i, mask=i < C, other=0.0).to(tl.float32)  # (1, BLOCK_C)
        tile = tiles[0]
        tiles = tiles[1:]
        if c0 + AHEAD * BLOCK_C < C:
            tiles = tiles + (load_rows(at, inside, c, c0 + AHEAD * BLOCK_C, C),)
        if NORM:
            squares += sum_of_eight(part * part)
            part = part * tl.load(gain + i, mask=i < C, other=0.0).to(tl.float32)
        acc += sum_of_eight(tile.to(tl.float32) * part)
    y = tl.sum(acc, axis=1)  # (BLOCK_N,)
    if NORM:
        y = y * (1.0 / tl.sqrt(tl.sum(squares) / C + eps))
    if BIAS:
        y += tl.load(bias + n, mask=inside, other=0.0).to(tl.float32)
    if RESIDUAL:
        y = y.to(out.dtype.element_ty).to(tl.float32) + tl.load(residual + n, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + n, y.to(out.dtype.element_ty), mask=inside)


@triton.jit
def sum_of_eight(tile):
    """Sum groups of eight neighbours, (n, c) to (n, c/8): each thread loads eight numbers at once and adds them."""
    return tl.sum(tl.reshape(tile, (tile.shape[0], tile.shape[1] // 8, 8)), axis=2)


@triton.jit
def load_rows(at, inside, c, c0, C: tl.constexpr):
    """Load columns c0 + c of the rows that `at` points to; zero outside."""
    return tl.load(at + c0, mask=inside[:, None] & (c0 + c < C)[None, :], other=0.0)


@triton.jit
def router_kernel(
    x, gain, weight, bias, logits, normed, eps, x_scale,
    C: tl.constexpr, PAIRS: tl.constexpr, SLICE: tl.constexpr, BLOCK_C: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Compute one router logit per program, and a slice of the normed vector in the order of `experts_up_kernel`.

    normed : element 8w + i at [i, w] as float32, or, for PAIRS, at [i % 4, w, i // 4] as float16 times x_scale
    """
    e = tl.program_id(0)
    c = tl.arange(0, BLOCK_C)
    w = tl.load(weight + e * C + c, mask=c < C, other=0.0).to(tl.float32)
    g = tl.load(gain + c, mask=c < C, other=0.0).to(tl.float32)
    b = tl.load(bias + e).to(tl.float32)
    i = e * SLICE + tl.arange(0, triton.next_power_of_2(SLICE))
    inside = (tl.arange(0, triton.next_power_of_2(SLICE)) < SLICE) & (i < C)
    slice_gain = tl.load(gain + i, mask=inside, other=0.0).to(tl.float32)
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    part = tl.load(x + c, mask=c < C, other=0.0).to(tl.float32)
    value = tl.load(x + i, mask=inside, other=0.0).to(tl.float32)
    dot = tl.sum(w * (part * g), axis=0)
    inverse = 1.0 / tl.sqrt(tl.sum(part * part, axis=0) / C + eps)
    tl.store(logits + e, dot * inverse + b)
    store_for_experts(normed, i, value * inverse * slice_gain, x_scale, inside, C, PAIRS)


@triton.jit
def store_for_experts(out, i, value, scale, inside, C: tl.constexpr, PAIRS: tl.constexpr):
    """Write elements i of a vector of C in the order of the packed words that multiply them."""
    word, within = i // 8, i % 8
    if PAIRS:
        tl.store(out + ((within % 4) * (C // 8) + word) * 2 + within // 4, (value * scale).to(tl.float16), mask=inside)
    else:
        tl.store(out + within * (C // 8) + word, value, mask=inside)


@triton.jit
def choose_experts(logits, E: tl.constexpr, K: tl.constexpr, BLOCK_E: tl.constexpr):
    """Return the K experts with the largest router logits, falling, and their softmax; ties go to the lower number.

    Floats are compared as integers in the same order, because a warp finds the largest integer in one instruction.
    Logits are held 32 at a time, one per thread: with 128 in one tensor, the warps would have to wait for each other at
    each maximum.
    """
    LEAST: tl.constexpr = -(2**31)
    CHUNK: tl.constexpr = 32 if BLOCK_E > 32 else BLOCK_E
    e = tl.arange(0, CHUNK)
    keys = ()
    for j in tl.static_range(0, BLOCK_E, CHUNK):
        bits = (tl.load(logits + j + e, mask=j + e < E, other=0.0, cache_modifier=".cg") + 0.0).to(
            tl.int32, bitcast=True
        )
        key = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # the smaller of two negative floats has larger bits
        keys = keys + (tl.where(j + e < E, key, LEAST),)
    experts, weights = (), ()
    first, total = 0.0, 0.0
    for i in tl.static_range(K):
        top = keys[0]
        for j in tl.static_range(1, BLOCK_E // CHUNK):
            top = tl.maximum(top, keys[j])
        best = tl.max(top, axis=0)
        at = tl.where(keys[0] == best, e, E - 1)
        for j in tl.static_range(1, BLOCK_E // CHUNK):
            at = tl.minimum(at, tl.where(keys[j] == best, j * CHUNK + e, E - 1))
        expert = tl.min(at, axis=0)
        left = ()
        for j in tl.static_range(BLOCK_E // CHUNK):
            left = left + (tl.where(j * CHUNK + e == expert, LEAST, keys[j]),)
        keys = left
        logit = (best ^ ((best >> 31) & 0x7FFFFFFF)).to(tl.float32, bitcast=True)
        if i == 0:
            first = logit
        weight = tl.exp(logit - first)
        total += weight
        experts, weights = experts + (expert,), weights + (weight,)
    shares = ()
    for i in tl.static_range(K):
        shares = shares + (weights[i] / total,)
    return experts, shares


@triton.jit
def load_tile(
    blocks, scales, row, inside, g0, GROUPS: tl.constexpr, BLOCK_G: tl.constexpr
):  # fmt: skip
    """Load BLOCK_G blocks of some rows: 32-bit words (rows, 4·BLOCK_G) and scale bytes (rows, BLOCK_G).

    One thread loads the four words of a block, 16 bytes, at once.
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
    """Multiply a tile of packed weights by its part of x, summing within blocks.

    Returns (BLOCK_N, BLOCK_G) float32, too small by a factor of 2^-14.
    """
    w = g0 * 4 + tl.arange(0, 4 * BLOCK_G)
    there = w < GROUPS * 4
    if PAIRS:
        words = four_words(word)  # four of (BLOCK_N, BLOCK_G)
        x0 = four_words(tl.load(x + w, mask=there, other=0)[None, :])
        x1 = four_words(tl.load(x + GROUPS * 4 + w, mask=there, other=0)[None, :])
        x2 = four_words(tl.load(x + GROUPS * 8 + w, mask=there, other=0)[None, :])
        x3 = four_words(tl.load(x + GROUPS * 12 + w, mask=there, other=0)[None, :])
        pair = tl.zeros((BLOCK_N, BLOCK_G), tl.int32)  # two float16 sums
        for i in tl.static_range(4):
            pair = word_dot_pairs(words[i], x0[i], x1[i], x2[i], x3[i], pair)
        return pair_sum(pair) * e8m0(scale)
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
    """Compute gate · sigmoid(1.702 gate) · (up + 1), with the gate clamped from above, up from both sides."""
    gate = tl.minimum(gate, limit)
    up = tl.minimum(tl.maximum(up, -limit), limit)
    return gate / (1.0 + tl.exp(-1.702 * gate)) * (up + 1.0)


@triton.jit
def experts_up_kernel(
    x, logits, blocks, scales, bias, act, limit, x_factor, act_scale,
    F: tl.constexpr, GROUPS: tl.constexpr, E: tl.constexpr, K: tl.constexpr, BLOCK_E: tl.constexpr,
    FIRST: tl.constexpr, HELD: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_G: tl.constexpr, AHEAD: tl.constexpr, PAIRS: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Compute the first product of a chosen expert, its bias and SwiGLU: program (BLOCK_N interleaved rows, slot).

    act : (K, F) in the order in which `experts_down_kernel` reads it. HELD experts from FIRST on are here; a slot whose
    expert is elsewhere ends at once. AHEAD tiles load while one is multiplied. The next kernel starts only after the
    wait, so it may read the router's logits before its own wait.

    Source: gpt-oss model card, sections 2.1 (MXFP4) and 2.3 (mixture of experts).
    """
    slot = tl.program_id(1)
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = n < 2 * F
    wait_for_previous(OVERLAP)
    start_next(OVERLAP)
    experts, _ = choose_experts(logits, E, K, BLOCK_E)
    expert = experts[0]
    for i in tl.static_range(1, K):
        expert = tl.where(slot == i, experts[i], expert)
    if HELD < E:
        expert = expert - FIRST
        if (expert < 0) | (expert >= HELD):
            return
    block = expert.to(tl.int64) * (2 * F * GROUPS)  # where this expert's blocks begin
    blocks, scales = blocks + block * 4, scales + block
    tiles = ()
    for i in tl.static_range(AHEAD):
        tiles = tiles + (load_tile(blocks, scales, n, inside, i * BLOCK_G, GROUPS, BLOCK_G),)
    offset = tl.load(bias + expert * (2 * F) + n, mask=inside, other=0.0).to(tl.float32)
    acc = tl.zeros((BLOCK_N, BLOCK_G), tl.float32)
    for g0 in tl.static_range(0, GROUPS, BLOCK_G):
        word, scale = tiles[0]
        tiles = tiles[1:]
        if g0 + AHEAD * BLOCK_G < GROUPS:
            tiles = tiles + (load_tile(blocks, scales, n, inside, g0 + AHEAD * BLOCK_G, GROUPS, BLOCK_G),)
        acc += tile_product(word, scale, x, g0, GROUPS, BLOCK_N, BLOCK_G, PAIRS)
    y = tl.sum(acc, axis=1) * x_factor + offset
    gate, up = tl.split(tl.reshape(y, (BLOCK_N // 2, 2)))
    i = tl.program_id(0) * (BLOCK_N // 2) + tl.arange(0, BLOCK_N // 2)
    store_for_experts(act + slot * F, i, swiglu(gate, up, limit), act_scale, i < F, F, PAIRS)


@triton.jit
def experts_down_kernel(
    act, logits, blocks, scales, bias, x, act_factor, C,
    GROUPS: tl.constexpr, E: tl.constexpr, K: tl.constexpr, BLOCK_E: tl.constexpr,
    FIRST: tl.constexpr, HELD: tl.constexpr, RESIDUAL: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_G: tl.constexpr, AHEAD: tl.constexpr, PAIRS: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Add the second product of the K chosen experts, in a fixed order, to the residual: x += Σ share·(W2 act + b2).

    The router finished before the previous kernel began, so the experts are known, and AHEAD of their tiles load before
    the wait. All experts' tiles go through one loop. Without RESIDUAL only the sum is written. Experts outside the HELD
    ones from FIRST on are neither read nor counted.
    """
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = n < C
    start_next(OVERLAP)
    experts, shares = choose_experts(logits, E, K, BLOCK_E)
    if HELD < E:
        experts, shares = held_experts(experts, shares, FIRST, HELD, K)
    steps: tl.constexpr = (GROUPS + BLOCK_G - 1) // BLOCK_G
    tiles = ()
    for i in tl.static_range(AHEAD):
        tiles = tiles + (
            load_expert_tile(blocks, scales, experts[i // steps], n, C, i % steps, GROUPS, BLOCK_G, HELD < E),
        )
    offset = tl.zeros((BLOCK_N,), tl.float32)
    for i in tl.static_range(K):
        here = inside
        if HELD < E:
            here = inside & (experts[i] >= 0)
        offset += shares[i] * tl.load(bias + experts[i] * C + n, mask=here, other=0.0).to(tl.float32)
    wait_for_previous(OVERLAP)
    acc = tl.zeros((BLOCK_N, BLOCK_G), tl.float32)
    words: tl.constexpr = GROUPS * 16 if PAIRS else GROUPS * 32  # a pair of float16 is read as one 32-bit word
    for step in tl.static_range(K * steps):
        word, scale = tiles[0]
        tiles = tiles[1:]
        if step + AHEAD < K * steps:
            expert = experts[(step + AHEAD) // steps]
            tile = load_expert_tile(blocks, scales, expert, n, C, (step + AHEAD) % steps, GROUPS, BLOCK_G, HELD < E)
            tiles = tiles + (tile,)
        part = tile_product(
            word, scale, act + step // steps * words, step % steps * BLOCK_G, GROUPS, BLOCK_N, BLOCK_G, PAIRS
        )  # fmt: skip
        if HELD < E:  # an absent expert's slot holds stale data
            part = tl.where(experts[step // steps] >= 0, part, 0.0)
        acc += part * (shares[step // steps] * act_factor)
    total = tl.sum(acc, axis=1) + offset
    if RESIDUAL:
        old = tl.load(x + n, mask=inside, other=0.0).to(tl.float32)
        total = old + total.to(x.dtype.element_ty).to(tl.float32)
    tl.store(x + n, total.to(x.dtype.element_ty), mask=inside)


@triton.jit
def held_experts(experts, shares, FIRST: tl.constexpr, HELD: tl.constexpr, K: tl.constexpr):
    """Return the local numbers of the chosen experts; -1, with a share of 0, for those on other ranks."""
    numbers, kept = (), ()
    for i in tl.static_range(K):
        number = experts[i] - FIRST
        here = (number >= 0) & (number < HELD)
        numbers = numbers + (tl.where(here, number, -1),)
        kept = kept + (tl.where(here, shares[i], 0.0),)
    return numbers, kept


@triton.jit
def load_expert_tile(
    blocks, scales, expert, n, C, step, GROUPS: tl.constexpr, BLOCK_G: tl.constexpr, SOME: tl.constexpr
):
    """Load tile `step` of rows n of one expert's second weight (C rows); with SOME, nothing if the expert is -1."""
    block = expert.to(tl.int64) * C * GROUPS
    inside = n < C
    if SOME:
        inside = inside & (expert >= 0)
    return load_tile(blocks + block * 4, scales + block, n, inside, step * BLOCK_G, GROUPS, BLOCK_G)
