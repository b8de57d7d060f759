"""Many tokens: rows sorted by expert, one tile of rows and weights per program; the weights stay packed until they are
used.

Vectors that meet packed weights are kept *halved*: the even elements first, then the odd ones, because the low nibbles
of consecutive bytes are the even elements. The order does not matter for the sum over a row.
"""

import triton
import triton.language as tl

from .decode import swiglu
from .mxfp4_words import e8m0, start_next, unpack_bytes, wait_for_previous


@triton.jit
def norm_kernel(
    x, part, gain, out, eps, C: tl.constexpr, ADD: tl.constexpr, HALVED: tl.constexpr, BLOCK_C: tl.constexpr
):
    """Compute RMSNorm of one row per program; HALVED writes even elements first, then the odd ones.

    With ADD, x += part comes first, rounded to the dtype of x, as if it were a kernel of its own.
    """
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK_C)
    value = tl.load(x + row * C + c, mask=c < C, other=0.0).to(tl.float32)
    if ADD:
        total = (value + tl.load(part + row * C + c, mask=c < C, other=0.0).to(tl.float32)).to(x.dtype.element_ty)
        tl.store(x + row * C + c, total, mask=c < C)
        value = total.to(tl.float32)
    value = value * (1.0 / tl.sqrt(tl.sum(value * value, axis=0) / C + eps))
    value = value * tl.load(gain + c, mask=c < C, other=0.0).to(tl.float32)
    at = c
    if HALVED:
        at = (c % 2) * (C // 2) + c // 2
    tl.store(out + row * C + at, value.to(out.dtype.element_ty), mask=c < C)


@triton.jit
def route_kernel(
    logits, chosen, shares, counts, t, E: tl.constexpr, K: tl.constexpr, BLOCK_E: tl.constexpr, PADDED: tl.constexpr
):
    """Find the K largest router logits of one token per program, falling, and their softmax.

    Ties go to the lower number. With PADDED, tokens past their row's count are padding: their experts are E, none.
    """
    n = tl.program_id(0)
    e = tl.arange(0, BLOCK_E)
    value = tl.load(logits + n * E + e, mask=e < E, other=-float("inf")).to(tl.float32)
    first = tl.max(value, axis=0)
    total = 0.0
    for i in tl.static_range(K):
        best = tl.max(value, axis=0)
        index = tl.minimum(tl.min(tl.where(value == best, e, BLOCK_E), axis=0), E - 1)  # NaN finds none
        tl.store(chosen + n * K + i, index)
        tl.store(shares + n * K + i, tl.exp(best - first))
        total += tl.exp(best - first)
        value = tl.where(e == index, -float("inf"), value)
    for i in tl.static_range(K):
        value_i = tl.load(logits + n * E + tl.load(chosen + n * K + i)).to(tl.float32)
        tl.store(shares + n * K + i, tl.exp(value_i - first) / total)
    if PADDED:
        if n % t >= tl.load(counts + n // t):
            for i in tl.static_range(K):
                tl.store(chosen + n * K + i, E)


@triton.jit
def group_kernel(
    chosen, order, starts, ends, copies, E: tl.constexpr, BLOCK: tl.constexpr, BLOCK_E: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_I: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Sort the copies of a few tokens by expert, keeping their order, by comparing all pairs, BLOCK at a time.

    Program 0 counts the copies of each expert; every other program finds the places of BLOCK_I copies.
    order : (copies,) copy at each sorted place; starts : (e + 1,) first place of each expert; ends : (e,) tiles of
    BLOCK_M places up to and including each expert
    """
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    if tl.program_id(0) == 0:
        e = tl.arange(0, BLOCK_E)
        start, count = tl.zeros((BLOCK_E,), tl.int32), tl.zeros((BLOCK_E,), tl.int32)
        for j0 in range(0, copies, BLOCK):
            j = j0 + tl.arange(0, BLOCK)
            all_ = tl.load(chosen + j, mask=j < copies, other=E)[None, :]
            start += tl.sum((all_ < e[:, None]).to(tl.int32), axis=1)
            count += tl.sum((all_ == e[:, None]).to(tl.int32), axis=1)
        tl.store(starts + e, start, mask=e <= E)
        tiles = tl.where(e < E, tl.cdiv(count, BLOCK_M), 0)
        tl.store(ends + e, tl.cumsum(tiles, axis=0), mask=e < E)
    else:
        i = (tl.program_id(0) - 1) * BLOCK_I + tl.arange(0, BLOCK_I)
        mine = tl.load(chosen + i, mask=i < copies, other=E)[:, None]
        place = tl.zeros((BLOCK_I,), tl.int32)
        for j0 in range(0, copies, BLOCK):
            j = j0 + tl.arange(0, BLOCK)
            all_ = tl.load(chosen + j, mask=j < copies, other=E)[None, :]
            before = (all_ < mine) | ((all_ == mine) & (j[None, :] < i[:, None]))
            place += tl.sum(before.to(tl.int32), axis=1)
        tl.store(order + place, i, mask=i < copies)


@triton.jit
def nibbles_as_float(byte):
    """Return low and high e2m1 values of each byte as float32, too small by 2^-14: float16 bits, widened."""
    byte = byte.to(tl.int16)
    low = (((byte & 8) << 12) | ((byte & 7) << 9)).to(tl.float16, bitcast=True)
    high = (((byte & 0x80) << 8) | ((byte & 0x70) << 5)).to(tl.float16, bitcast=True)
    return low.to(tl.float32), high.to(tl.float32)


@triton.jit
def grouped_kernel(
    x, order, starts, ends, blocks, scales, bias, out, rows, limit,
    E: tl.constexpr, BLOCK_E: tl.constexpr, GROUPS: tl.constexpr, SHARED: tl.constexpr, SWIGLU: tl.constexpr,
    PAIRS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_G: tl.constexpr,
):  # fmt: skip
    """Multiply rows by BLOCK_N rows of their expert's weight: program (rows of the weight, tile of sorted copies).

    x : (n, 32·GROUPS) halved. First product (SWIGLU): SHARED copies of a token read the same row, and the output, in
        sorted order, is halved again. Second product: x is in sorted order, and each result goes back to its copy's
        place.
    """
    tile = tl.program_id(1)
    e = tl.arange(0, BLOCK_E)
    end = tl.load(ends + e, mask=e < E, other=0x7FFFFFFF)
    expert = tl.sum((end <= tile).to(tl.int32), axis=0)
    if expert < E:
        begin = tl.max(tl.where(end <= tile, end, 0), axis=0)
        place = tl.load(starts + expert) + (tile - begin) * BLOCK_M + tl.arange(0, BLOCK_M)
        there = place < tl.load(starts + expert + 1)
        copy = tl.load(order + place, mask=there, other=0)
        source = place
        if SWIGLU:
            source = copy // SHARED
        n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
        g, k = tl.arange(0, BLOCK_G), tl.arange(0, BLOCK_G * 16)
        offset = expert.to(tl.int64) * rows * GROUPS
        weight = blocks + offset * 16 + n[None, :] * (GROUPS * 16) + k[:, None]  # (k, BLOCK_N)
        scale = scales + offset + n[None, :] * GROUPS + g[:, None]  # (BLOCK_G, BLOCK_N)
        left = x + source[:, None].to(tl.int64) * (GROUPS * 32) + k[None, :]  # (BLOCK_M, k)
        acc = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
        for g0 in range(0, GROUPS, BLOCK_G):
            inside = k < (GROUPS - g0) * 16
            byte = tl.load(weight + g0 * 16, mask=inside[:, None] & (n < rows)[None, :], other=0)
            power = tl.load(scale + g0, mask=(g < GROUPS - g0)[:, None] & (n < rows)[None, :], other=0)
            power = tl.broadcast_to(power[:, None, :], (BLOCK_G, 16, BLOCK_N))
            power = tl.reshape(power, (BLOCK_G * 16, BLOCK_N))
            if PAIRS:
                low, high = unpack_bytes(byte, power)
            else:
                low, high = nibbles_as_float(byte)
                low, high = low * 16384.0 * e8m0(power), high * 16384.0 * e8m0(power)
            even = tl.load(left + g0 * 16, mask=there[:, None] & inside[None, :], other=0.0)
            odd = tl.load(left + g0 * 16 + GROUPS * 16, mask=there[:, None] & inside[None, :], other=0.0)
            acc = tl.dot(even, low.to(even.dtype), acc, input_precision="ieee")
            acc = tl.dot(odd, high.to(odd.dtype), acc, input_precision="ieee")
        acc += tl.load(bias + expert * rows + n, mask=n < rows, other=0.0).to(tl.float32)[None, :]
        if SWIGLU:
            gate, up = tl.split(tl.reshape(acc, (BLOCK_M, BLOCK_N // 2, 2)))
            f = tl.program_id(0) * (BLOCK_N // 2) + tl.arange(0, BLOCK_N // 2)
            at = (f % 2) * (rows // 4) + f // 2
            target = out + place[:, None].to(tl.int64) * (rows // 2) + at[None, :]
            tl.store(
                target, swiglu(gate, up, limit).to(out.dtype.element_ty), mask=there[:, None] & (f < rows // 2)[None, :]
            )
        else:
            target = out + copy[:, None].to(tl.int64) * rows + n[None, :]
            tl.store(target, acc.to(out.dtype.element_ty), mask=there[:, None] & (n < rows)[None, :])


@triton.jit
def unpack_kernel(blocks, scales, out, total, GROUPS: tl.constexpr, BLOCK_G: tl.constexpr):
    """Unpack MXFP4 to halved rows in the dtype of out: program (BLOCK_G blocks of 32)."""
    g = tl.program_id(0).to(tl.int64) * BLOCK_G + tl.arange(0, BLOCK_G)
    i = tl.arange(0, 16)
    byte = tl.load(blocks + (g * 16)[:, None] + i[None, :], mask=(g < total)[:, None], other=0)
    power = e8m0(tl.load(scales + g, mask=g < total, other=127))[:, None]
    low, high = nibbles_as_float(byte)
    at = out + (g // GROUPS * (GROUPS * 32) + g % GROUPS * 16)[:, None] + i[None, :]
    tl.store(at, (low * 16384.0 * power).to(out.dtype.element_ty), mask=(g < total)[:, None])
    tl.store(at + GROUPS * 16, (high * 16384.0 * power).to(out.dtype.element_ty), mask=(g < total)[:, None])


@triton.jit
def swiglu_kernel(h, bias, experts, out, limit, F: tl.constexpr, BLOCK_F: tl.constexpr):
    """Apply bias and SwiGLU to one sorted copy, halved: program (copy, part of the width)."""
    n = tl.program_id(0).to(tl.int64)
    j = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)  # gate and up alternate
    expert = tl.load(experts + n)
    both = tl.arange(0, 2)
    at = (2 * j)[:, None] + both[None, :]
    mask = (j < F)[:, None] & (both >= 0)[None, :]
    y = tl.load(h + n * (2 * F) + at, mask=mask, other=0.0).to(tl.float32)
    y += tl.load(bias + expert * (2 * F) + at, mask=mask, other=0.0).to(tl.float32)
    gate, up = tl.split(y)
    value = swiglu(gate, up, limit)
    tl.store(out + n * F + (j % 2) * (F // 2) + j // 2, value.to(out.dtype.element_ty), mask=j < F)


@triton.jit
def combine_experts_kernel(
    each, shares, chosen, bias, part, x, places, C: tl.constexpr, K: tl.constexpr, BIAS: tl.constexpr,
    HELD: tl.constexpr, RESIDUAL: tl.constexpr, ADD: tl.constexpr, BLOCK_C: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Compute x += Σ share · expert's output, in the order of the slots: program (token, part of the vector).

    Without RESIDUAL only the sum is written. HELD > 0: only copies whose expert is below HELD were computed. With ADD,
    x += part comes first, rounded to the dtype of x.

    places : (n, k) row of `each` with a copy's result; BIAS adds the second bias of expert `chosen` here
    """
    n = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    total = tl.zeros((BLOCK_C,), tl.float32)
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    for slot in tl.static_range(K):
        row = n * K + slot
        if BIAS:
            row = tl.load(places + row).to(tl.int64)
        there = c < C
        if HELD > 0:
            there = there & (tl.load(chosen + n * K + slot) < HELD)
        y = tl.load(each + row * C + c, mask=there, other=0.0).to(tl.float32)
        if BIAS:
            expert = tl.load(chosen + n * K + slot)
            y += tl.load(bias + expert * C + c, mask=there, other=0.0).to(tl.float32)
        total += tl.load(shares + n * K + slot) * y
    if RESIDUAL:
        old = tl.load(x + n * C + c, mask=c < C, other=0.0).to(tl.float32)
        if ADD:
            old += tl.load(part + n * C + c, mask=c < C, other=0.0).to(tl.float32)
            old = old.to(x.dtype.element_ty).to(tl.float32)
        total = old + total.to(x.dtype.element_ty).to(tl.float32)
    tl.store(x + n * C + c, total.to(x.dtype.element_ty), mask=c < C)
