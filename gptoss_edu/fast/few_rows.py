"""A few new tokens, up to eight: matrix times a few vectors on the matrix units, each weight read once.

A matrix unit takes 16 rows of a weight and 8 vectors at a time, so two rows cost as much as eight, and a row's result
does not depend on the others. What limits the speed is again reading the weights. So they must reach the matrix units
without detours: a thread loads 16 bytes, eight neighbouring columns of a row, and the unit expects other columns in its
registers, two of every eight. But the order of a sum's terms is free, as long as weight and vector agree. `in_order`
renames the columns so that every thread already holds what the unit expects from it. The compiler then moves nothing.

A sequence's step has the same bits in every run, whatever the others of the step hold. How many they are may change its
last bits: fewer programs share a row's keys when there are more rows (`Tuning.splits_for`), tiles for 5 rows and more
may sum in another order (`Tuning.tiles`), and one row alone has kernels of its own (`decode.py`), as have more than
`Tuning.few_rows`.
"""

# ruff: noqa: RUF005  (Triton knows + between tuples, not the star)
import triton
import triton.language as tl

from .mxfp4_words import start_next, wait_for_previous

VECTORS = 8  # that a matrix unit multiplies at once


@triton.jit
def few_rows_kernel(
    x, gain, weight, bias, residual, out, rows, count, eps,
    C: tl.constexpr, NORM: tl.constexpr, BIAS: tl.constexpr, RESIDUAL: tl.constexpr,
    BLOCK_N: tl.constexpr, WARPS: tl.constexpr, REPEATS: tl.constexpr, AHEAD: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Compute out[i] = residual[i] + bias + weight @ rmsnorm(x[i]) for `count` <= 8 vectors, BLOCK_N rows per program.

    x : (count, C); weight (rows, C); out, residual : (count, rows). Each warp sums its own columns, 32·REPEATS of every
    WARPS·32·REPEATS; at the end the sums of all warps are added. As in `decode.matvec_kernel`, 1/rms factors
    out, and AHEAD steps of the weight are always being loaded, the first ones before the previous kernel has finished.
    """
    STEP: tl.constexpr = WARPS * 32 * REPEATS
    first = tl.program_id(0) * BLOCK_N
    weight += first.to(tl.int64) * C
    n = tl.arange(0, 8)[:, None] + (tl.arange(0, BLOCK_N // 8) * 8)[None, :]  # (8, BLOCK_N / 8)
    column = (tl.arange(0, WARPS) * (32 * REPEATS))[:, None] + tl.arange(0, 32)[None, :]  # (WARPS, 32)
    tiles = ()
    for i in tl.static_range(AHEAD):
        for u in tl.static_range(REPEATS):
            tiles = tiles + (load_weights(weight, n, rows - first, i * STEP + u * 32 + column, C),)
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    i = tl.arange(0, 8)
    acc = tl.zeros((WARPS, BLOCK_N, 8), tl.float32)
    squares = tl.zeros((8, WARPS, 4), tl.float32)
    for c0 in tl.static_range(0, C, STEP):
        for u in tl.static_range(REPEATS):
            c = c0 + u * 32 + column
            there = (i < count)[:, None, None] & (c < C)[None, :, :]
            part = tl.load(x + i[:, None, None] * C + c[None, :, :], mask=there, other=0.0)  # (8, WARPS, 32)
            tile = tiles[0]
            tiles = tiles[1:]
            if c0 + AHEAD * STEP < C:
                tiles = tiles + (load_weights(weight, n, rows - first, c + AHEAD * STEP, C),)
            if NORM:
                wide = part.to(tl.float32)
                squares += tl.sum(tl.reshape(wide * wide, (8, WARPS, 4, 8)), axis=3)
                factor = tl.load(gain + i[:, None, None] * 0 + c[None, :, :], mask=there, other=0.0)
                part = (wide * factor.to(tl.float32)).to(part.dtype)
            right = tl.reshape(in_order(part[:, :, None, :], WARPS, 1), (WARPS, 8, 32))
            left = in_order(tile, WARPS, BLOCK_N // 8)  # (WARPS, BLOCK_N, 32)
            acc = tl.dot(left, tl.permute(right, (0, 2, 1)), acc, input_precision="ieee")
    y = tl.sum(acc, axis=0)  # (BLOCK_N, 8)
    if NORM:
        mean = tl.sum(tl.sum(squares, axis=2), axis=1) / C  # (8,)
        y = y * (1.0 / tl.sqrt(mean + eps))[None, :]
    m = first + tl.arange(0, BLOCK_N)
    inside = (m < rows)[:, None] & (i < count)[None, :]
    at = i[None, :].to(tl.int64) * rows + m[:, None]
    if BIAS:
        y += tl.load(bias + m, mask=m < rows, other=0.0).to(tl.float32)[:, None]
    if RESIDUAL:
        y = y.to(out.dtype.element_ty).to(tl.float32) + tl.load(residual + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + at, y.to(out.dtype.element_ty), mask=inside)


@triton.jit
def load_weights(weight, n, rows, c, C: tl.constexpr):
    """Load columns c (WARPS, 32) of rows n (8, j) as (8, WARPS, j, 32); zero outside.

    The compiler spreads the last axis over 4 threads, 16 bytes each, the first axis over the other 8 of a warp, the
    second over the warps; the third becomes registers.
    """
    there = (n < rows)[:, None, :, None] & (c < C)[None, :, None, :]
    return tl.load(weight + n[:, None, :, None] * C + c[None, :, None, :], mask=there, other=0.0)


@triton.jit
def in_order(tile, WARPS: tl.constexpr, J: tl.constexpr):
    """Turn (8, WARPS, j, 32) into (WARPS, 8·j, 32), columns in the order in which a matrix unit's threads hold them.

    Thread t of four holds columns 8t + 2p + h of 32 in pair p; the unit wants columns 2t + h of every eight.
    """
    tile = tl.reshape(tile, (8, WARPS, J, 4, 4, 2))  # (…, t, p, h)
    return tl.reshape(tl.permute(tile, (1, 2, 0, 4, 3, 5)), (WARPS, 8 * J, 32))
