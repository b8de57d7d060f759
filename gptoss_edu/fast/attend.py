"""Attention with sinks and windows over the cache: split over the live keys for one query, tiled for many."""

import triton
import triton.language as tl

from .mxfp4_words import start_next, wait_for_previous

LOG2E: tl.constexpr = tl.constexpr(1.4426950408889634)
NEGATIVE: tl.constexpr = tl.constexpr(-1e30)


@triton.jit
def rotate(qkv, offset, cos, sin, mask, HALF: tl.constexpr):
    """Return both halves of rotated vectors that start at `offset`; cos and sin broadcast against it."""
    first = tl.load(qkv + offset, mask=mask, other=0.0).to(tl.float32)
    second = tl.load(qkv + offset + HALF, mask=mask, other=0.0).to(tl.float32)
    return first * cos - second * sin, second * cos + first * sin


@triton.jit
def split_span(live, SPLITS: tl.constexpr, BLOCK_S: tl.constexpr, LEAST: tl.constexpr):
    """Return the keys per split, in whole tiles and at least LEAST, so that few keys make few splits."""
    return tl.cdiv(tl.maximum(tl.cdiv(live, SPLITS), LEAST), BLOCK_S) * BLOCK_S


@triton.jit
def tile_update(q1, q2, ka, kb, v, allowed, acc, largest, total, scale, MASKED: tl.constexpr = True):
    """Add a tile of keys to the running softmax: scores, new maximum, weights, sums. Without MASKED, all are allowed.

    largest : (rows,) largest score so far times `scale`, which includes log2(e), so that weights are powers of two
    """
    score = tl.dot(q1, tl.trans(ka), input_precision="ieee")
    score = tl.dot(q2, tl.trans(kb), score, input_precision="ieee")
    if MASKED:
        score = tl.where(allowed, score, NEGATIVE)
    higher = tl.maximum(largest, tl.max(score, axis=1) * scale)
    weight = tl.exp2(score * scale - higher[:, None])
    if MASKED:
        weight = tl.where(allowed, weight, 0.0)
    shrink = tl.exp2(largest - higher)
    total = total * shrink + tl.sum(weight, axis=1)
    acc = tl.dot(weight.to(v.dtype), v, acc * shrink[:, None], input_precision="ieee")
    return acc, higher, total


@triton.jit
def load_cached(
    keys, values, cache, first, last, position, slots, HALF: tl.constexpr, BLOCK_S: tl.constexpr, SLIDING: tl.constexpr
):
    """Load a tile of cached keys, in halves (BLOCK_S, HALF), values (BLOCK_S, D), and which of them may be seen."""
    slot, d, d2 = first + tl.arange(0, BLOCK_S), tl.arange(0, HALF), tl.arange(0, 2 * HALF)
    there = slot < last
    at = cache + slot[:, None] * (2 * HALF)
    ka = tl.load(keys + at + d[None, :], mask=there[:, None], other=0.0)
    kb = tl.load(keys + at + HALF + d[None, :], mask=there[:, None], other=0.0)
    vs = tl.load(values + at + d2[None, :], mask=there[:, None], other=0.0)
    if SLIDING:  # a full ring still holds the key that has just left the window, where the new one goes
        there = there & ((slot != position % slots) | (position < slots))
    return ka, kb, vs, there


@triton.jit
def attend_kernel(
    qkv, keys, values, sinks, cos, sin, positions, counts, heads, part_acc, part_max, part_sum, slots, scale,
    H: tl.constexpr, G: tl.constexpr, HALF: tl.constexpr, SLIDING: tl.constexpr, SPLITS: tl.constexpr,
    PAD: tl.constexpr, BLOCK_S: tl.constexpr, LEAST: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Attend for one new token per row: rotate q and k, write k and v to the cache, attend to a split of the live keys.

    Program (key/value head, split, row). Keys of earlier tokens come from the cache, the new one from qkv, so no
    program waits for another's write. With one split the sink is added and `heads` (b, h, d) written; with more, each
    leaves its sum (b, h, splits, d), its largest score and its sum of weights for `combine_kernel`; splits without keys
    write nothing. Positions, cos, sin and the first tile of the cache are older than this step, so they load
    before the wait. Each further tile loads while the previous one is in use.
    """
    D: tl.constexpr = 2 * HALF
    group: tl.constexpr = H // G
    g, split, row = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    start_next(OVERLAP)
    position = tl.load(positions + row)
    live = position
    if SLIDING:
        live = tl.minimum(position, slots)
    span = live
    if SPLITS > 1:
        span = split_span(live, SPLITS, BLOCK_S, LEAST)
    first = split * span
    if (split > 0) & (first >= live):
        return
    last = tl.minimum(first + span, live)
    d, i, d2 = tl.arange(0, HALF), tl.arange(0, PAD), tl.arange(0, D)
    c = tl.load(cos + position * HALF + d).to(tl.float32)
    s = tl.load(sin + position * HALF + d).to(tl.float32)
    base = qkv + row * ((H + 2 * G) * D)
    head = g * group + i  # (PAD,) query heads of this key/value head, padded to a matrix unit's 16 rows
    real = i < group
    sink = tl.load(sinks + head, mask=real, other=0.0).to(tl.float32) * LOG2E
    counted = tl.load(counts + row) > 0
    cache = (row * G + g) * slots * D
    kind = keys.dtype.element_ty
    ka, kb, vs, there = load_cached(keys, values, cache, first, last, position, slots, HALF, BLOCK_S, SLIDING)
    wait_for_previous(OVERLAP)
    q1, q2 = rotate(base, head[:, None] * D + d[None, :], c[None, :], s[None, :], real[:, None], HALF)
    q1, q2 = q1.to(kind), q2.to(kind)  # (PAD, HALF)
    k1, k2 = rotate(base, (H + g) * D + d, c, s, d < HALF, HALF)
    k1, k2 = k1.to(kind), k2.to(kind)  # (HALF,)
    v = tl.load(base + (H + G + g) * D + d2)  # (D,)
    if (split == 0) & counted:  # a row that has ended keeps its cache
        at = cache + (position % slots) * D
        tl.store(keys + at + d, k1)
        tl.store(keys + at + HALF + d, k2)
        tl.store(values + at + d2, v.to(kind))
    new = tl.sum(q1.to(tl.float32) * k1.to(tl.float32)[None, :], axis=1)
    new = (new + tl.sum(q2.to(tl.float32) * k2.to(tl.float32)[None, :], axis=1)) * (scale * LOG2E)  # (PAD,)
    mine = (split == 0).to(tl.float32)
    largest = tl.where(split == 0, new, tl.full((PAD,), NEGATIVE, tl.float32))
    total = tl.zeros((PAD,), tl.float32) + mine
    acc = tl.zeros((PAD, D), tl.float32) + mine * v.to(tl.float32)[None, :]
    for s0 in range(first, last, BLOCK_S):
        acc, largest, total = tile_update(q1, q2, ka, kb, vs, there[None, :], acc, largest, total, scale * LOG2E)
        ka, kb, vs, there = load_cached(
            keys, values, cache, s0 + BLOCK_S, last, position, slots, HALF, BLOCK_S, SLIDING
        )
    if SPLITS == 1:
        higher = tl.maximum(largest, sink)
        share = tl.exp2(largest - higher) / (total * tl.exp2(largest - higher) + tl.exp2(sink - higher))
        out = heads + (row * H + head)[:, None] * D + d2[None, :]
        tl.store(out, (acc * share[:, None]).to(heads.dtype.element_ty), mask=real[:, None])
    else:
        at = (row * H + head) * SPLITS + split
        tl.store(part_max + at, largest, mask=real)
        tl.store(part_sum + at, total, mask=real)
        tl.store(part_acc + at[:, None] * D + d2[None, :], acc, mask=real[:, None])


@triton.jit
def combine_kernel(
    part_acc, part_max, part_sum, sinks, positions, heads,
    H: tl.constexpr, D: tl.constexpr, SPLITS: tl.constexpr, BLOCK_S: tl.constexpr, LEAST: tl.constexpr,
    OVERLAP: tl.constexpr,
):  # fmt: skip
    """Combine the splits of one head to one vector, in a fixed order, with the sink: program (head, row)."""
    start_next(OVERLAP)
    head, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    s, d = tl.arange(0, SPLITS), tl.arange(0, D)
    live = tl.load(positions + row)
    there = (s == 0) | (s * split_span(live, SPLITS, BLOCK_S, LEAST) < live)
    sink = tl.load(sinks + head).to(tl.float32) * LOG2E
    wait_for_previous(OVERLAP)
    at = (row * H + head) * SPLITS + s
    largest = tl.load(part_max + at, mask=there, other=NEGATIVE)
    sums = tl.load(part_sum + at, mask=there, other=0.0)
    parts = tl.load(part_acc + at[:, None] * D + d[None, :], mask=there[:, None], other=0.0)  # (SPLITS, D)
    top = tl.maximum(tl.max(largest, axis=0), sink)
    weight = tl.exp2(largest - top)  # (SPLITS,)
    total = tl.sum(weight * sums, axis=0) + tl.exp2(sink - top)
    acc = tl.sum(parts * weight[:, None], axis=0)
    tl.store(heads + (row * H + head) * D + d, (acc / total).to(heads.dtype.element_ty))


@triton.jit
def rope_kernel(
    qkv,
    cos,
    sin,
    starts,
    t,
    limit,
    ROWS: tl.constexpr,
    ROTATED: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK_H: tl.constexpr,
):
    """Rotate the query and key heads of qkv (b·t, h + 2g, d) in place: program (token, group of heads)."""
    n = tl.program_id(0).to(tl.int64)
    position = tl.minimum(tl.load(starts + n // t) + n % t, limit)  # padding may lie past the table's end
    head = tl.program_id(1) * BLOCK_H + tl.arange(0, BLOCK_H)
    d = tl.arange(0, HALF)
    c = tl.load(cos + position * HALF + d).to(tl.float32)[None, :]
    s = tl.load(sin + position * HALF + d).to(tl.float32)[None, :]
    at = n * ROWS + head[:, None] * (2 * HALF) + d[None, :]
    mask = (head < ROTATED)[:, None] & (d < HALF)[None, :]
    first, second = rotate(qkv, at, c, s, mask, HALF)
    tl.store(qkv + at, first.to(qkv.dtype.element_ty), mask=mask)
    tl.store(qkv + at + HALF, second.to(qkv.dtype.element_ty), mask=mask)


@triton.jit
def cache_at(table, kind: tl.constexpr):
    """Return a layer's keys, values and slots from its row of a table: two addresses and a number, int64."""
    keys = tl.multiple_of(tl.load(table).to(tl.pointer_type(kind)), 16)
    values = tl.multiple_of(tl.load(table + 1).to(tl.pointer_type(kind)), 16)
    return keys, values, tl.load(table + 2).to(tl.int32)


@triton.jit
def store_cache_kernel(
    qkv, keys, values, starts, counts, t, slots, ROWS: tl.constexpr, H: tl.constexpr, G: tl.constexpr, D: tl.constexpr,
    BLOCK_T: tl.constexpr, TABLE: tl.constexpr,
):  # fmt: skip
    """Write new keys (rotated) and values to the cache.

    Program (BLOCK_T tokens, head, row). Only the last `slots` of a row stay. With TABLE, `keys` is a row of `cache_at`.
    """
    if TABLE:
        keys, values, slots = cache_at(keys, qkv.dtype.element_ty)
    row, g = tl.program_id(2).to(tl.int64), tl.program_id(1)
    i, d = tl.program_id(0) * BLOCK_T + tl.arange(0, BLOCK_T), tl.arange(0, D)
    start, count = tl.load(starts + row), tl.load(counts + row)
    mask = ((i < count) & (i >= count - slots))[:, None] & (d < D)[None, :]
    source = qkv + (row * t + i)[:, None] * ROWS + (H + g) * D + d[None, :]
    target = ((row * G + g) * slots + (start + i) % slots)[:, None] * D + d[None, :]
    tl.store(keys + target, tl.load(source, mask=mask), mask=mask)
    tl.store(values + target, tl.load(source + G * D, mask=mask), mask=mask)


@triton.jit
def prefill_attention_kernel(
    qkv, keys, values, sinks, starts, heads, t, slots, scale,
    H: tl.constexpr, G: tl.constexpr, HALF: tl.constexpr, WINDOW: tl.constexpr, PAST: tl.constexpr,
    BLOCK_T: tl.constexpr, BLOCK_S: tl.constexpr, TABLE: tl.constexpr,
):  # fmt: skip
    """Attend for many new tokens: program (BLOCK_T queries, head, row). qkv is rotated; past keys are in the cache.

    The cache is read before the new keys are written to it, so a ring still holds what the first queries need.
    heads : (b·t, h, d). WINDOW 0 is full attention. With TABLE, `keys` is a row of `cache_at`.
    """
    if TABLE:
        keys, values, slots = cache_at(keys, qkv.dtype.element_ty)
    D: tl.constexpr = 2 * HALF
    ROWS: tl.constexpr = (H + 2 * G) * D
    block = tl.num_programs(0) - 1 - tl.program_id(0)  # late queries see most keys: the longest work starts first
    head, row = tl.program_id(1), tl.program_id(2).to(tl.int64)
    g = head // (H // G)
    start = tl.load(starts + row)
    i, d, d2 = block * BLOCK_T + tl.arange(0, BLOCK_T), tl.arange(0, HALF), tl.arange(0, D)
    base = qkv + row * t * ROWS
    at = i[:, None] * ROWS + head * D + d[None, :]
    q1 = tl.load(base + at, mask=(i < t)[:, None], other=0.0)  # (BLOCK_T, HALF)
    q2 = tl.load(base + at + HALF, mask=(i < t)[:, None], other=0.0)
    acc = tl.zeros((BLOCK_T, D), tl.float32)
    largest = tl.zeros((BLOCK_T,), tl.float32) + tl.load(sinks + head).to(tl.float32) * LOG2E
    total = tl.zeros((BLOCK_T,), tl.float32) + 1.0  # the sink's own weight
    factor = scale * LOG2E
    if PAST:
        live = tl.minimum(start, slots)
        cache = (row * G + g) * slots * D
        for s0 in range(0, live, BLOCK_S):
            slot = s0 + tl.arange(0, BLOCK_S)
            there = slot < live
            held = start - 1 - (start - 1 - slot) % slots  # the position whose key lies in this slot
            from_ = cache + slot[:, None] * D
            ka = tl.load(keys + from_ + d[None, :], mask=there[:, None], other=0.0)
            kb = tl.load(keys + from_ + HALF + d[None, :], mask=there[:, None], other=0.0)
            v = tl.load(values + from_ + d2[None, :], mask=there[:, None], other=0.0)
            allowed = there[None, :] & (i >= 0)[:, None]
            if WINDOW > 0:
                allowed = allowed & (held[None, :] > (start + i)[:, None] - WINDOW)
            acc, largest, total = tile_update(q1, q2, ka, kb, v, allowed, acc, largest, total, factor)
    new_keys = base + (H + g) * D
    first = 0
    if WINDOW > 0:
        first = tl.maximum(block * BLOCK_T - WINDOW + 1, 0) // BLOCK_S * BLOCK_S
    else:  # tiles that lie before all of the block's queries need no mask
        for s0 in range(0, block * BLOCK_T // BLOCK_S * BLOCK_S, BLOCK_S):
            from_ = (s0 + tl.arange(0, BLOCK_S))[:, None] * ROWS
            ka = tl.load(new_keys + from_ + d[None, :])
            kb = tl.load(new_keys + from_ + HALF + d[None, :])
            v = tl.load(new_keys + from_ + G * D + d2[None, :])
            acc, largest, total = tile_update(q1, q2, ka, kb, v, 0, acc, largest, total, factor, MASKED=False)
        first = block * BLOCK_T // BLOCK_S * BLOCK_S
    for s0 in range(first, tl.minimum((block + 1) * BLOCK_T, t), BLOCK_S):
        j = s0 + tl.arange(0, BLOCK_S)
        there = j < t
        from_ = j[:, None] * ROWS
        ka = tl.load(new_keys + from_ + d[None, :], mask=there[:, None], other=0.0)
        kb = tl.load(new_keys + from_ + HALF + d[None, :], mask=there[:, None], other=0.0)
        v = tl.load(new_keys + from_ + G * D + d2[None, :], mask=there[:, None], other=0.0)
        allowed = (j[None, :] <= i[:, None]) & there[None, :]
        if WINDOW > 0:
            allowed = allowed & (j[None, :] > i[:, None] - WINDOW)
        acc, largest, total = tile_update(q1, q2, ka, kb, v, allowed, acc, largest, total, factor)
    out = heads + (row * t + i)[:, None] * (H * D) + head * D + d2[None, :]
    tl.store(out, (acc / total[:, None]).to(heads.dtype.element_ty), mask=(i < t)[:, None])
