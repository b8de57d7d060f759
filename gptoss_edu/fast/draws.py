"""Draw one token per row of logits in two launches, where a dozen of torch's operators would keep the card waiting.

The first kernel surveys blocks of a row, one program per block: the largest logit, and the sums of exp(logit - largest)
and of the same at the row's temperature. The second settles a row from these: the largest of all for a greedy row; else
the block in which the uniform draw falls, and the token within it. The distribution function is summed in float64, so a
token differs from `generation.pick`, which sums float32 probabilities, only where a draw lies within 1e-7 of a bound.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launch_words import pow2

LEAST: tl.constexpr = tl.constexpr(-3.0e38)  # in the place of -inf, which subtracted from itself is no number
BLOCK = 4096  # logits per program


@triton.jit
def heat_of(temperatures, row):
    """Return a row's temperature within float32, 1 for a greedy row, and whether it is greedy."""
    temperature = tl.load(temperatures + row)
    greedy = temperature == 0.0
    return tl.where(greedy, 1.0, tl.minimum(tl.maximum(temperature, 1e-30), 1e30)), greedy


@triton.jit(do_not_specialize_on_alignment=["temperatures"])
def survey_kernel(logits, temperatures, tops, places, sums, hot_sums, v, line, BLOCK: tl.constexpr):
    """Write what a block of a row adds: its largest logit, where that is first, and two sums; program (block, row)."""
    block, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    i = block * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(logits + row * line + i, mask=i < v, other=float("-inf")).to(tl.float32)
    heat, _ = heat_of(temperatures, row)
    top = tl.max(x, axis=0)
    below = x - tl.maximum(top, LEAST)
    at = row * tl.num_programs(0) + block
    tl.store(tops + at, top)
    tl.store(places + at, tl.min(tl.where(x == top, i, 2147483647), axis=0))
    tl.store(sums + at, tl.sum(tl.exp(below), axis=0))
    tl.store(hot_sums + at, tl.sum(tl.exp(below / heat).to(tl.float64), axis=0))


@triton.jit(do_not_specialize=["stride"], do_not_specialize_on_alignment=["draws", "temperatures"])
def settle_kernel(
    logits, draws, temperatures, tops, places, sums, hot_sums, tokens, logprobs, v, line, stride, blocks,
    BLOCK: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """Choose a row's token; its log-probability is no finite number if one of the logits is none: program (row)."""
    row = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, PARTS)
    there = j < blocks
    at = row * blocks + j
    heat, greedy = heat_of(temperatures, row)
    top = tl.load(tops + at, mask=there, other=float("-inf"))
    highest = tl.max(top, axis=0)
    place = tl.load(places + at, mask=there, other=2147483647)
    first = tl.min(tl.where(there & (top == highest), place, 2147483647), axis=0)
    highest = tl.maximum(highest, LEAST)
    total = tl.sum(tl.load(sums + at, mask=there, other=0.0) * tl.exp(top - highest), axis=0)
    factor = tl.exp((top - highest) / heat).to(tl.float64)
    weight = tl.load(hot_sums + at, mask=there, other=0.0) * factor
    reached = tl.cumsum(weight, axis=0)
    target = tl.load(draws + row * stride).to(tl.float64) * tl.sum(weight, axis=0)
    block = tl.minimum(tl.sum((reached <= target).to(tl.int32), axis=0), blocks - 1)
    here = j == block
    rest = target - tl.sum(tl.where(here, reached - weight, 0.0), axis=0)  # of the draw, within this block
    rest = rest / tl.sum(tl.where(here, factor, 0.0), axis=0)
    i = block * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(logits + row * line + i, mask=i < v, other=float("-inf")).to(tl.float32)
    inside = tl.exp((x - tl.maximum(tl.sum(tl.where(here, top, 0.0), axis=0), LEAST)) / heat).to(tl.float64)
    passed = tl.sum((tl.cumsum(inside, axis=0) <= rest).to(tl.int32), axis=0)
    last = tl.max(tl.where(inside > 0.0, i, 0), axis=0)  # a token without probability is never drawn
    token = tl.where(greedy, first, tl.minimum(block * BLOCK + passed, last))
    token = tl.minimum(tl.maximum(token, 0), v - 1)  # whatever the logits are, the next step must find its embedding
    chosen = tl.load(logits + row * line + token).to(tl.float32)
    tl.store(tokens + row, token.to(tl.int64))
    tl.store(logprobs + row, chosen - highest - tl.log(total))


def draw_rows(logits: Tensor, draws: Tensor, temperatures: Tensor) -> tuple[Tensor, Tensor]:
    """Draw a token per row of the logits (n, v) at uniform draws (n,) and temperatures (n,), 0 for a greedy row.

    Returns tokens (n,) int64 and log-probabilities (n,) float32, those before temperature.
    """
    n, v = logits.shape
    logits = logits if logits.stride(1) == 1 else logits.contiguous()
    block = min(BLOCK, pow2(v))
    blocks = triton.cdiv(v, block)
    tops, places, sums, hot_sums = (
        torch.empty(n, blocks, dtype=dtype, device=logits.device)
        for dtype in (torch.float32, torch.int32, torch.float32, torch.float64)
    )
    tokens = torch.empty(n, dtype=torch.int64, device=logits.device)
    logprobs = torch.empty(n, dtype=torch.float32, device=logits.device)
    line = logits.stride(0)
    survey_kernel[(blocks, n)](
        logits, temperatures, tops, places, sums, hot_sums, v, line, BLOCK=block, num_warps=8
    )  # fmt: skip
    settle_kernel[(n,)](
        logits, draws, temperatures, tops, places, sums, hot_sums, tokens, logprobs, v, line, draws.stride(0), blocks,
        BLOCK=block, PARTS=pow2(blocks), num_warps=8,
    )  # fmt: skip
    return tokens, logprobs
