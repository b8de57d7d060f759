"""The experts of one token, or of a few: packed matrices times vectors."""

# ruff: noqa: RUF005  (Triton knows + between tuples, not the star)
import triton
import triton.language as tl

from .decode import choose_experts, store_for_experts, swiglu
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
def experts_up_kernel(
    x, logits, blocks, scales, bias, act, limit, x_factor, act_scale,
    F: tl.constexpr, GROUPS: tl.constexpr, E: tl.constexpr, K: tl.constexpr, BLOCK_E: tl.constexpr,
    FIRST: tl.constexpr, HELD: tl.constexpr, ROWS_FIRST: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_G: tl.constexpr, AHEAD: tl.constexpr, PAIRS: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Compute the first product of a chosen expert, its bias and SwiGLU, for BLOCK_N interleaved rows of the weight.

    Program (tile, slot) for one row of x, or with ROWS_FIRST (row and slot, tile) for several: copies of tokens that
    chose the same expert then read the same tile at about the same time, and all but the first find it in the cache.

    act : (b, K, F) in the order in which `experts_down_kernel` reads it. HELD experts from FIRST on are here; a slot
    whose expert is elsewhere ends at once. AHEAD tiles load while one is multiplied. The next kernel starts only after
    the wait, so it may read the router's logits before its own wait.

    Source: gpt-oss model card, sections 2.1 (MXFP4) and 2.3 (mixture of experts).
    """
    tile, slot, row = tl.program_id(0), tl.program_id(1), 0
    if ROWS_FIRST:
        tile, slot, row = tl.program_id(1), tl.program_id(0) % K, tl.program_id(0) // K
    n = tile * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = n < 2 * F
    wait_for_previous(OVERLAP)
    start_next(OVERLAP)
    experts, _ = choose_experts(logits + row * E, E, K, BLOCK_E)
    expert = experts[0]
    for i in tl.static_range(1, K):
        expert = tl.where(slot == i, experts[i], expert)
    if HELD < E:
        expert -= FIRST
        if (expert < 0) | (expert >= HELD):
            return
    block = expert.to(tl.int64) * (2 * F * GROUPS)  # where this expert's blocks begin
    blocks, scales = blocks + block * 4, scales + block
    tiles = ()
    for i in tl.static_range(AHEAD):
        tiles = tiles + (load_tile(blocks, scales, n, inside, i * BLOCK_G, GROUPS, BLOCK_G),)
    offset = tl.load(bias + expert * (2 * F) + n, mask=inside, other=0.0).to(tl.float32)
    x += row * (GROUPS * 16 if PAIRS else GROUPS * 32)  # a pair of float16 is read as one 32-bit word
    acc = tl.zeros((BLOCK_N, BLOCK_G), tl.float32)
    for g0 in tl.static_range(0, GROUPS, BLOCK_G):
        word, scale = tiles[0]
        tiles = tiles[1:]
        if g0 + AHEAD * BLOCK_G < GROUPS:
            tiles = tiles + (load_tile(blocks, scales, n, inside, g0 + AHEAD * BLOCK_G, GROUPS, BLOCK_G),)
        acc += tile_product(word, scale, x, g0, GROUPS, BLOCK_N, BLOCK_G, PAIRS)
    y = tl.sum(acc, axis=1) * x_factor + offset
    gate, up = tl.split(tl.reshape(y, (BLOCK_N // 2, 2)))
    i = tile * (BLOCK_N // 2) + tl.arange(0, BLOCK_N // 2)
    mine = act + (row * K + slot) * F
    store_for_experts(mine, i, swiglu(gate, up, limit), act_scale, i < F, F, PAIRS)


@triton.jit
def experts_down_kernel(
    act, logits, blocks, scales, bias, x, act_factor, C,
    GROUPS: tl.constexpr, E: tl.constexpr, K: tl.constexpr, BLOCK_E: tl.constexpr,
    FIRST: tl.constexpr, HELD: tl.constexpr, RESIDUAL: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_G: tl.constexpr, AHEAD: tl.constexpr, PAIRS: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Add the second product of the K chosen experts, in a fixed order, to the residual: x += Σ share·(W2 act + b2).

    Program (row, tile), so that rows which chose the same expert read its tile at about the same time.
    The router finished before the previous kernel began, so the experts are known, and AHEAD of their tiles load before
    the wait. All experts' tiles go through one loop. Without RESIDUAL only the sum is written. Experts outside the HELD
    ones from FIRST on are neither read nor counted.
    """
    row = tl.program_id(0)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = n < C
    start_next(OVERLAP)
    experts, shares = choose_experts(logits + row * E, E, K, BLOCK_E)
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
    act, x = act + row * (K * words), x + row * C
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
