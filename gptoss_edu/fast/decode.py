"""One new token: matrix times vector. Every weight is read once and used once, so memory speed is what counts.

The router's kernel also serves a few tokens, one per row of programs (`few_rows.py`, `decode_experts.py`).
"""

# ruff: noqa: RUF005  (Triton knows + between tuples, not the star)
import triton
import triton.language as tl

from .mxfp4_words import start_next, wait_for_previous

LEAST: tl.constexpr = tl.constexpr(-(2**31))


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
    """Compute one router logit, and a slice of the normed vector in the order of `experts_up_kernel`.

    Program (expert, row). logits : (b, e)
    normed : of each row element 8w + i at [i, w] as float32, or, for PAIRS, at [i % 4, w, i // 4] as float16 times
        x_scale
    """
    e, row = tl.program_id(0), tl.program_id(1)
    x, logits, normed = x + row * C, logits + row * tl.num_programs(0), normed + row * C
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
def sortable(value):
    """Return integers in the same order as the floats; of two zeros, neither is smaller."""
    bits = (value + 0.0).to(tl.int32, bitcast=True)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)  # the smaller of two negative floats has larger bits


@triton.jit
def choose_experts(logits, E: tl.constexpr, K: tl.constexpr, BLOCK_E: tl.constexpr):
    """Return the K experts with the largest router logits, falling, and their softmax; ties go to the lower number.

    Floats are compared as integers in the same order, because a warp finds the largest integer in one instruction.
    Logits are held 32 at a time, one per thread: with 128 in one tensor, the warps would have to wait for each other at
    each maximum.
    """
    CHUNK: tl.constexpr = 32 if BLOCK_E > 32 else BLOCK_E
    e = tl.arange(0, CHUNK)
    keys = ()
    for j in tl.static_range(0, BLOCK_E, CHUNK):
        key = sortable(tl.load(logits + j + e, mask=j + e < E, other=0.0, cache_modifier=".cg"))
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
def swiglu(gate, up, limit):
    """Compute gate · sigmoid(1.702 gate) · (up + 1), with the gate clamped from above, up from both sides."""
    gate = tl.minimum(gate, limit)
    up = tl.minimum(tl.maximum(up, -limit), limit)
    return gate / (1.0 + tl.exp(-1.702 * gate)) * (up + 1.0)
