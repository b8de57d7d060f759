"""Copies of some tokens, up to some dozens per expert: the weights are the first operand, read as 32-bit words.

A tensor core multiplies a first operand of 16 rows with a second of 8 columns. `grouped.py` makes the tokens the rows,
so that three copies of tokens cost as much as sixteen, and their weights pass through shared memory and two
instructions per weight more. Here rows of the weight are the rows, and copies of tokens are the columns.

A thread loads 16 bytes, which are one MX block with one scale. Four neighbouring threads hold four blocks of the same
row, and what they unpack from the same places of their blocks is what the tensor core expects of four neighbouring
threads, if the 128 columns of the four blocks are counted in another order. The order of a sum does not matter, so the
activations are written in that order (`place_of`), and no thread hands a weight to another one.
"""

# ruff: noqa: RUF005  (Triton knows + between tuples, not the star)

import triton
import triton.language as tl

from .decode import swiglu
from .mxfp4_words import e8m0, start_next, unpack_words, wait_for_previous


@triton.jit
def first_of_quad(quad, GROUPS: tl.constexpr):
    """Return the first of four neighbouring MX blocks. The last four overlap those before where GROUPS % 4 != 0."""
    return tl.minimum(quad * 4, GROUPS - 4)


@triton.jit
def place_of(c, GROUPS: tl.constexpr, WIDTH: tl.constexpr):
    """Return where element c of a vector stands for `words_kernel`: quads of blocks, then words, elements, blocks.

    WIDTH : neighbouring numbers that a thread holds of a row: 2 for `wgmma`, 4 for `mma`
    """
    block, word, i, high = c // 32, c // 8 % 4, c % 4, c // 4 % 2
    quad = block // 4
    thread = block - first_of_quad(quad, GROUPS)
    if WIDTH == 2:
        within = i * 8 + thread * 2 + high
    else:
        within = i // 2 * 16 + thread * 4 + i % 2 * 2 + high
    return quad * 128 + word * 32 + within


@triton.jit
def element_at(place, GROUPS: tl.constexpr, WIDTH: tl.constexpr):
    """Return the element that stands at a place, and whether there is one: blocks that occur twice are zero once."""
    quad, word, high = place // 128, place // 32 % 4, place % 2
    if WIDTH == 2:
        i, thread = place // 8 % 4, place // 2 % 4
    else:
        i, thread = place // 16 % 2 * 2 + place // 2 % 2, place // 4 % 4
    block = first_of_quad(quad, GROUPS) + thread
    return block * 32 + word * 8 + high * 4 + i, (block >= quad * 4) & (quad * 4 < GROUPS)


@triton.jit
def norm_words_kernel(
    x, part, gain, out, eps, C: tl.constexpr, ADD: tl.constexpr, WIDTH: tl.constexpr, BLOCK_C: tl.constexpr,
    OVERLAP: tl.constexpr,
):  # fmt: skip
    """Compute RMSNorm of one row per program, written in the order of `place_of`. With ADD, x += part comes first."""
    groups: tl.constexpr = C // 32
    stride: tl.constexpr = (groups + 15) // 16 * 512
    row = tl.program_id(0).to(tl.int64)
    place = tl.arange(0, BLOCK_C)
    c, there = element_at(place, groups, WIDTH)
    scale = tl.load(gain + c, mask=there, other=0.0).to(tl.float32)
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    value = tl.load(x + row * C + c, mask=there, other=0.0).to(tl.float32)
    if ADD:
        total = (value + tl.load(part + row * C + c, mask=there, other=0.0).to(tl.float32)).to(x.dtype.element_ty)
        tl.store(x + row * C + c, total, mask=there)
        value = total.to(tl.float32)
    value = value * (1.0 / tl.sqrt(tl.sum(value * value, axis=0) / C + eps)) * scale
    tl.store(out + row * stride + place, value.to(out.dtype.element_ty), mask=place < stride)


@triton.jit
def router_words_kernel(
    x, part, gain, weight, bias, normed, chosen, shares, counts, eps, t, first,
    C: tl.constexpr, E: tl.constexpr, K: tl.constexpr, HELD: tl.constexpr, ADD: tl.constexpr, PADDED: tl.constexpr,
    WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, STEP: tl.constexpr, BLOCK_E: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Compute RMSNorm, router logits in float32, the K chosen experts and their shares: one token per program.

    x : (n, c), to which `part` is added first with ADD; x itself stays as it is, see `combine_experts_kernel`
    normed : (n, stride) in the order of `place_of`; chosen : (n, k) numbers among the HELD experts from `first` on, or
    HELD for all others and, with PADDED, for tokens past their row's count
    """
    groups: tl.constexpr = C // 32
    stride: tl.constexpr = (groups + 15) // 16 * 512
    n = tl.program_id(0)
    e, step = tl.arange(0, BLOCK_E), tl.arange(0, STEP)
    offset = tl.load(bias + e, mask=e < E, other=0.0).to(tl.float32)
    there = (e < E)[:, None] & (step < C)[None, :]
    after = tl.load(weight + e[:, None] * C + step[None, :], mask=there, other=0.0)  # needs no wait
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    row = n.to(tl.int64) * C
    acc, squares = tl.zeros((BLOCK_E, STEP), tl.float32), tl.zeros((STEP,), tl.float32)
    for c0 in range(0, C, STEP):
        c = c0 + step
        w = after
        there = (e < E)[:, None] & (c + STEP < C)[None, :]
        after = tl.load(weight + e[:, None] * C + c[None, :] + STEP, mask=there, other=0.0)
        value = tl.load(x + row + c, mask=c < C, other=0.0).to(tl.float32)
        if ADD:
            value += tl.load(part + row + c, mask=c < C, other=0.0).to(tl.float32)
            value = value.to(x.dtype.element_ty).to(tl.float32)
        squares += value * value
        value *= tl.load(gain + c, mask=c < C, other=0.0).to(tl.float32)
        acc += w.to(tl.float32) * value[None, :]
    inverse = 1.0 / tl.sqrt(tl.sum(squares, axis=0) / C + eps)
    logits = tl.where(e < E, tl.sum(acc, axis=1) * inverse + offset, -float("inf"))

    place = tl.arange(0, BLOCK_C)
    c, there = element_at(place, groups, WIDTH)
    value = tl.load(x + row + c, mask=there, other=0.0).to(tl.float32)
    if ADD:
        value += tl.load(part + row + c, mask=there, other=0.0).to(tl.float32)
        value = value.to(x.dtype.element_ty).to(tl.float32)
    value = value * inverse * tl.load(gain + c, mask=there, other=0.0).to(tl.float32)
    tl.store(normed + n.to(tl.int64) * stride + place, value.to(normed.dtype.element_ty), mask=place < stride)

    here = True
    if PADDED:
        here = n % t < tl.load(counts + n // t)
    best, first_logit, total = (), 0.0, 0.0
    for i in tl.static_range(K):
        top = tl.max(logits, axis=0)
        index = tl.minimum(tl.min(tl.where(logits == top, e, BLOCK_E), axis=0), E - 1)  # NaN finds none
        logits = tl.where(e == index, -float("inf"), logits)
        if i == 0:
            first_logit = top
        best = best + (top,)
        total += tl.exp(top - first_logit)
        number = index - first
        tl.store(chosen + n * K + i, tl.where(here & (number >= 0) & (number < HELD), number, HELD))
    for i in tl.static_range(K):
        tl.store(shares + n * K + i, tl.exp(best[i] - first_logit) / total)


@triton.jit
def unpack_quads(word, power, R: tl.constexpr, WARPS: tl.constexpr, WIDTH: tl.constexpr, PAIRS: tl.constexpr, dtype):
    """Unpack words (R, 16) of four blocks a row, scales (R, 4), to (R, 128) numbers in the order of `place_of`.

    PAIRS : two at a time, too small by 2^-64; exact for scales of 2^-67 to 2^65, infinite above. Rows change places as
    well: half, warp, lane to warp, half, lane.
    """
    word = tl.reshape(word, (R, 4, 4))
    if PAIRS:
        power = tl.minimum(power + 62, 255) << 7  # 2^(scale - 127 - 64 + 126) as a bfloat16, twice
        power = tl.broadcast_to((power | (power << 16))[:, :, None], (R, 4, 4))
        a0, b0, a1, b1, a2, b2, a3, b3 = unpack_words(word, power)
    else:
        power = tl.broadcast_to(e8m0(power)[:, :, None], (R, 4, 4))
        a0, b0 = element(word, power, 0).to(dtype), element(word, power, 4).to(dtype)
        a1, b1 = element(word, power, 1).to(dtype), element(word, power, 5).to(dtype)
        a2, b2 = element(word, power, 2).to(dtype), element(word, power, 6).to(dtype)
        a3, b3 = element(word, power, 3).to(dtype), element(word, power, 7).to(dtype)
    low = tl.join(tl.join(a0, a2), tl.join(a1, a3))
    high = tl.join(tl.join(b0, b2), tl.join(b1, b3))
    both = tl.reshape(tl.join(low, high), (R // (16 * WARPS), 2, WARPS, 8, 4, 4, 2, 2, 2))
    if WIDTH == 2:
        both = tl.permute(both, (0, 2, 1, 3, 5, 6, 7, 4, 8))
    else:
        both = tl.permute(both, (0, 2, 1, 3, 5, 6, 4, 7, 8))
    return tl.reshape(both, (R, 128))


@triton.jit
def element(word, power, I: tl.constexpr):
    """Return element I of each word as float32: e2m1 bits as a float16 that is too small by 2^-14, times its scale."""
    nibble = word >> (4 * I)
    half = ((nibble & 8) << 12) | ((nibble & 7) << 9)
    return half.to(tl.int16).to(tl.float16, bitcast=True).to(tl.float32) * 16384.0 * power


@triton.jit
def load_scales(scales, quad, GROUPS: tl.constexpr, QUADS: tl.constexpr):
    """Load the scales (R, 4) of some quads from `quad` on, int32."""
    found = ()
    for j in tl.static_range(QUADS):
        found = found + (tl.load(scales + first_of_quad(quad + j, GROUPS)).to(tl.int32),)
    return found


@triton.jit
def words_kernel(
    x, order, starts, ends, blocks, scales, bias, out, rows, limit,
    E: tl.constexpr, BLOCK_E: tl.constexpr, GROUPS: tl.constexpr, OUT_GROUPS: tl.constexpr, SHARED: tl.constexpr,
    SWIGLU: tl.constexpr, PAIRS: tl.constexpr, N: tl.constexpr, R: tl.constexpr, WARPS: tl.constexpr,
    QUADS: tl.constexpr, WIDTH: tl.constexpr, OUT_WIDTH: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Multiply R rows of an expert's weight with N copies of tokens: program (rows of the weight, tile of copies).

    x : (n, stride) in the order of `place_of`. First product (SWIGLU): SHARED copies of a token read the same row, and
    the output, one row for each sorted copy, is in that order again. Second product: x is sorted, and each result goes
    back to its copy's place.
    blocks : (E, rows, GROUPS, 4) int32. A step reads QUADS times 64 neighbouring bytes of each row. The scales of the
    next step are loaded during this one; words and x, some steps ahead (num_stages).
    """
    stride: tl.constexpr = (GROUPS + 15) // 16 * 512  # a step may have 4 quads
    out_stride: tl.constexpr = (OUT_GROUPS + 15) // 16 * 512
    tile = tl.program_id(1)
    e = tl.arange(0, BLOCK_E)
    if SWIGLU:  # the kernel before the second product is the first one, which has waited for the sorted copies
        wait_for_previous(OVERLAP)
        start_next(OVERLAP)
    end = tl.load(ends + e, mask=e < E, other=0x7FFFFFFF)
    place_e, stop_e = tl.load(starts + e, mask=e < E, other=0), tl.load(starts + 1 + e, mask=e < E, other=0)
    expert = tl.sum((end <= tile).to(tl.int32), axis=0)
    if expert < E:
        begin = tl.max(tl.where(end <= tile, end, 0), axis=0)
        place = tl.sum(tl.where(e == expert, place_e, 0), axis=0) + (tile - begin) * N + tl.arange(0, N)
        there = place < tl.sum(tl.where(e == expert, stop_e, 0), axis=0)
        copy = tl.load(order + place, mask=there, other=0)
        source = place
        if SWIGLU:
            source = copy // SHARED
        i, lanes = tl.arange(0, R), 8 * WARPS
        # two neighbouring rows, gate and up, go to one thread
        n = tl.program_id(0) * R + i // (2 * lanes) * (2 * lanes) + i % lanes * 2 + i // lanes % 2
        n = tl.minimum(n, rows - 1)
        w, g = tl.arange(0, 16), tl.arange(0, 4)
        offset = expert.to(tl.int64) * rows * GROUPS
        blocks, scales = blocks + offset * 4, scales + offset
        weight = n[:, None] * (GROUPS * 4) + w[None, :]
        scale = tl.multiple_of(n[:, None] * GROUPS + g[None, :], [1, 1])  # a byte per thread, like its 16 of weights
        right = source[:, None] * stride + tl.arange(0, 128)[None, :]
        offset_n = tl.load(bias + expert * rows + tl.program_id(0) * R + i, mask=tl.program_id(0) * R + i < rows)
        acc = tl.zeros((R, N), tl.float32)
        powers = load_scales(scales + scale, 0, GROUPS, QUADS)
        if not SWIGLU:
            start_next(OVERLAP)
            wait_for_previous(OVERLAP)
        for step in range(0, ((GROUPS + 3) // 4 + QUADS - 1) // QUADS):
            after = load_scales(scales + scale, (step + 1) * QUADS, GROUPS, QUADS)
            for j in tl.static_range(QUADS):
                quad = step * QUADS + j
                word = tl.load(blocks + first_of_quad(quad, GROUPS) * 4 + weight)
                part = tl.load(x + quad * 128 + right, mask=there[:, None], other=0.0)
                numbers = unpack_quads(word, powers[j], R, WARPS, WIDTH, PAIRS, part.dtype)
                acc = tl.dot(numbers, tl.trans(part), acc, input_precision="ieee")
            powers = after
        if PAIRS:
            acc *= 18446744073709551616.0
        acc = tl.permute(tl.reshape(acc, (R // 16, 2, 8, N)), (0, 2, 1, 3))
        if SWIGLU:
            both = tl.reshape(tl.permute(acc, (0, 1, 3, 2)), (R // 2, N, 2))
            both += tl.reshape(offset_n, (R // 2, 2))[:, None, :].to(tl.float32)
            gate, up = tl.split(both)
            f = tl.program_id(0) * (R // 2) + tl.arange(0, R // 2)
            act = swiglu(gate, up, limit).to(out.dtype.element_ty)
            target = out + place[None, :].to(tl.int64) * out_stride
            at = place_of(f, OUT_GROUPS, OUT_WIDTH)[:, None]
            tl.store(target + at, act, mask=there[None, :] & (f < OUT_GROUPS * 32)[:, None])
            for quad in tl.static_range(OUT_GROUPS // 4, out_stride // 128):  # zeros, by the first program
                at = quad * 128 + tl.arange(0, 128)
                _, used = element_at(at, OUT_GROUPS, OUT_WIDTH)
                free = there[None, :] & (used == 0)[:, None] & (tl.program_id(0) == 0)
                tl.store(target + at[:, None], tl.zeros((128, N), out.dtype.element_ty), mask=free)
        else:
            n = tl.program_id(0) * R + i
            acc = tl.reshape(acc, (R, N)) + offset_n[:, None].to(tl.float32)
            target = out + copy[None, :].to(tl.int64) * rows + n[:, None]
            tl.store(target, acc.to(out.dtype.element_ty), mask=there[None, :] & (n < rows)[:, None])
