"""Sum and gather over memory that the cards of one host read from each other, with one short kernel and no library.

A decoded token needs 73 collectives of 6 kB in gpt-oss-120b, so the latency is what counts. Each rank
writes its part into memory that all ranks see, raises a flag at every other rank, waits for their flags, reads their
parts and adds them up in the order of the ranks, so that all ranks hold the same bits.
"""

import triton
import triton.language as tl

from .mxfp4_words import start_next, wait_for_previous


@triton.jit
def meet(flags, epochs, RANK: tl.constexpr, N: tl.constexpr, PROGRAMS: tl.constexpr, BASE: tl.constexpr):
    """Wait for this program's counterparts on all ranks; what they wrote before is then visible.

    flags : (N,) addresses of each rank's flags, int32 (N, PROGRAMS); epochs : (PROGRAMS,) int32, how often each program
    has met. Flags only grow, so none is reset while another program still waits for it.
    """
    p = BASE + tl.program_id(0)
    epoch = tl.load(epochs + p) + 1
    tl.store(epochs + p, epoch)
    for other in tl.static_range(N):
        if other != RANK:
            theirs = tl.load(flags + other).to(tl.pointer_type(tl.int32))
            tl.atomic_xchg(theirs + RANK * PROGRAMS + p, epoch, sem="release", scope="sys")
    mine = tl.load(flags + RANK).to(tl.pointer_type(tl.int32))
    for other in tl.static_range(N):
        if other != RANK:
            while tl.atomic_add(mine + other * PROGRAMS + p, 0, sem="acquire", scope="sys") < epoch:
                pass


@triton.jit
def join_kernel(
    x, parts, flags, epochs, offset, total,
    RANK: tl.constexpr, N: tl.constexpr, PROGRAMS: tl.constexpr, BLOCK: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Add the sum of all ranks' parts to x, in float32 and in the order of the ranks: program (BLOCK elements).

    parts : (N,) addresses of each rank's memory; the parts begin `offset` elements in. A part is overwritten two joins
    later, which no rank reaches before all have read it, so two halves of memory alternate.
    """
    start_next(OVERLAP)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    wait_for_previous(OVERLAP)
    meet(flags, epochs, RANK, N, PROGRAMS, 0)
    acc = tl.load(x + i, mask=i < total, other=0.0).to(tl.float32)
    for other in tl.static_range(N):
        part = tl.load(parts + other).to(tl.pointer_type(x.dtype.element_ty)) + offset
        acc += tl.load(part + i, mask=i < total, other=0.0, cache_modifier=".cg").to(tl.float32)
    tl.store(x + i, acc.to(x.dtype.element_ty), mask=i < total)


@triton.jit
def gather_kernel(
    out, parts, flags, epochs, offset, total, width, vocabulary,
    RANK: tl.constexpr, N: tl.constexpr, PROGRAMS: tl.constexpr, BASE: tl.constexpr, BLOCK: tl.constexpr,
    OVERLAP: tl.constexpr,
):  # fmt: skip
    """Gather out (rows, vocabulary) from all ranks' parts (rows, width), side by side: program (every so many blocks).

    All programs must run at the same time, as each waits for its counterparts: no more of them than a card has
    processors, however many rows there are.
    """
    start_next(OVERLAP)
    wait_for_previous(OVERLAP)
    meet(flags, epochs, RANK, N, PROGRAMS, BASE)
    first = tl.program_id(0).to(tl.int64)  # so `block` is int64; in the interpreter it is Python's int
    for block in range(first, tl.cdiv(total, BLOCK), tl.num_programs(0)):
        i = block * BLOCK + tl.arange(0, BLOCK)
        there = i < total
        row, column = i // vocabulary, i % vocabulary
        other, at = column // width, row * width + column % width
        value = tl.zeros((BLOCK,), out.dtype.element_ty)
        for rank in tl.static_range(N):
            part = tl.load(parts + rank).to(tl.pointer_type(out.dtype.element_ty)) + offset
            value = tl.where(
                other == rank, tl.load(part + at, mask=there & (other == rank), other=0.0, cache_modifier=".cg"), value
            )
        tl.store(out + i, value, mask=there)
