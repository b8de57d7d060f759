"""Launch router and experts of some dozens of tokens: `grouped_words.py`'s kernels, and the sorting of copies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
import triton
from torch import Tensor

from . import grouped, grouped_words

FEW_COPIES = 4096  # of tokens, up to which comparing all pairs in one kernel is quicker than a dozen launches to sort


@dataclass(frozen=True)
class WordTile:
    """Tile sizes of both products with words.

    copies : of tokens per program; up, down : (rows of the weight, warps, pipeline stages, quads of MX blocks per
    step: 1, 2 or 4); below : copies per expert, on average, up to which it is used
    """

    below: float
    copies: int
    up: tuple[int, int, int, int]
    down: tuple[int, int, int, int]


# the fastest on an H200 for 2, 4, … 256 tokens of 20b, each up to 1.4 times as many (`benchmarks/gpu_words.py`)
HOPPER = (
    WordTile(0.36, 8, (32, 2, 6, 1), (64, 4, 4, 1)),
    WordTile(0.71, 8, (32, 2, 6, 1), (32, 2, 6, 1)),
    WordTile(1.42, 8, (128, 4, 3, 2), (32, 2, 4, 2)),
    WordTile(2.84, 8, (128, 4, 3, 2), (64, 4, 4, 2)),
    WordTile(5.68, 8, (128, 4, 3, 2), (64, 4, 4, 2)),
    WordTile(11.4, 16, (64, 4, 3, 2), (64, 4, 3, 2)),
    WordTile(22.7, 32, (128, 4, 3, 1), (128, 4, 3, 1)),
    WordTile(64.0, 64, (128, 8, 3, 1), (128, 8, 3, 1)),
)


def pow2(n: int) -> int:
    return triton.next_power_of_2(n)


def extra(overlap: bool) -> dict:
    """Return launch options that exist only on a GPU."""
    return {"launch_pdl": True} if overlap else {}


def padded(c: int) -> int:
    """Return the length of a vector of c elements in the order of `grouped_words.place_of`."""
    return -(-c // 512) * 512


def tiles_on(capability: tuple[int, int] | None) -> tuple[WordTile, ...]:
    """Return the tiles for a card of this compute capability: none where they have not been measured."""
    return HOPPER if capability == (9, 0) else ()


def words_tile(tuning, copies: int, experts: int, c: int, f: int) -> WordTile | None:
    """Return the tile for this many copies of tokens; None where `grouped.grouped_kernel` multiplies them."""
    if min(c, f) < 128:  # a quad of MX blocks must fit in a row
        return None
    return next((tile for tile in tuning.words if copies < tile.below * experts), None)


def group_copies(chosen: Tensor, e: int, block_m: int, overlap: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Sort token copies by expert.

    Chosen (n, k) int32; returns order (n·k,), starts (e + 1,), ends of tiles (e,), int32.
    """
    copies, device = chosen.numel(), chosen.device
    if copies <= FEW_COPIES:
        order, starts, ends = (torch.empty(n, dtype=torch.int32, device=device) for n in (copies, e + 1, e))
        block_i = 16
        grouped.group_kernel[(1 + triton.cdiv(copies, block_i),)](
            chosen, order, starts, ends, copies, E=e, BLOCK=min(256, pow2(copies)), BLOCK_E=pow2(e + 1),
            BLOCK_M=block_m, BLOCK_I=block_i, OVERLAP=overlap, num_warps=4, **extra(overlap),
        )  # fmt: skip
        return order, starts, ends
    experts, order = chosen.flatten().sort(stable=True)
    starts = torch.searchsorted(experts, torch.arange(e + 1, dtype=torch.int32, device=device), out_int32=True)
    ends = ((starts[1:] - starts[:-1] + block_m - 1) // block_m).cumsum(0, dtype=torch.int32)
    return order.to(torch.int32), starts, ends


def most_tiles(copies: int, e: int, block_m: int) -> int:
    """Return how many tiles of `block_m` copies are enough, whatever the router chose."""
    hit = min(copies, e)
    return min(hit + copies // block_m, (copies + hit * (block_m - 1)) // block_m)


def words_product(x, groups, blocks, scales, bias, out, config, shared: int, tile, copies: int, widths, tuning) -> None:
    """Multiply sorted copies by their experts' packed weights, see `grouped_words.words_kernel`.

    shared : copies that share a row of x, in the first product; 0 in the second. widths : of x and of the output
    """
    order, starts, ends = groups
    e, rows, g = scales.shape
    block_r, warps, stages, quads = tile
    grouped_words.words_kernel[(triton.cdiv(rows, block_r), most_tiles(order.numel(), e, copies))](
        x, order, starts, ends, blocks, scales, bias, out, rows, config.swiglu_limit,
        E=e, BLOCK_E=pow2(e), GROUPS=g, OUT_GROUPS=rows // 64, SHARED=max(1, shared), SWIGLU=shared > 0,
        PAIRS=tuning.pairs, N=copies, R=block_r, WARPS=warps, QUADS=quads, WIDTH=widths[0], OUT_WIDTH=widths[1],
        OVERLAP=tuning.overlap, num_warps=warps, num_stages=stages, **extra(tuning.overlap),
    )  # fmt: skip


def width_of(tile: tuple[int, int, int, int], copies: int, tuning) -> int:
    """Return WIDTH of a product's input, see `grouped_words.place_of`.

    Triton takes `wgmma` from 16 columns and 64 rows on, if there are warps for it. A wrong guess costs time only.
    """
    rows, warps, *_ = tile
    return 2 if tuning.wgmma and copies >= 16 and warps % 4 == 0 and rows % 64 == 0 else 4


def route_words(x, part, layer, config, tuning, width: int, counts: Tensor | None, fused: bool):
    """Return normed (n, padded c), chosen (n, k), shares (n, k), and what must still be added to x.

    fused : norm, router and choice in one kernel, which leaves x as it is
    """
    n, c = x.shape
    e, k, held = config.num_experts, config.experts_per_token, layer.scales1.shape[0]
    overlap, t = tuning.overlap, n // len(counts) if counts is not None else 1
    normed = torch.empty(n, padded(c), dtype=x.dtype, device=x.device)
    chosen = torch.empty(n, k, dtype=torch.int32, device=x.device)
    shares = torch.empty(n, k, dtype=torch.float32, device=x.device)
    if fused:
        grouped_words.router_words_kernel[(n,)](
            x, part, layer.mlp_norm, layer.gate_weight, layer.gate_bias, normed, chosen, shares, counts,
            config.rms_norm_eps, t, layer.first, C=c, E=e, K=k, HELD=held, ADD=part is not None,
            PADDED=counts is not None, WIDTH=width, BLOCK_C=pow2(padded(c)), STEP=min(2**14 // pow2(e), pow2(c)),
            BLOCK_E=pow2(e), OVERLAP=overlap, num_warps=16, **extra(overlap),
        )  # fmt: skip
        return normed, chosen, shares, part
    grouped_words.norm_words_kernel[(n,)](
        x, part, layer.mlp_norm, normed, config.rms_norm_eps, C=c, ADD=part is not None, WIDTH=width,
        BLOCK_C=pow2(padded(c)), OVERLAP=overlap, num_warps=4, **extra(overlap),
    )  # fmt: skip
    logits = F.linear(normed, gate_words(layer, width), layer.gate_bias)  # (n, e)
    grouped.route_kernel[(n,)](
        logits, chosen, shares, counts, t, E=e, K=k, BLOCK_E=pow2(e), PADDED=counts is not None, num_warps=1
    )
    if held < e:
        chosen -= layer.first
        chosen.masked_fill_((chosen < 0) | (chosen >= held), held)
    return normed, chosen, shares, None


def gate_words(layer, width: int) -> Tensor:
    """Return the router's weight (e, padded c) in the order of `grouped_words.place_of`; made at the first use."""
    kept = layer.gate_words
    if width not in kept:
        weight = layer.gate_weight
        e, c = weight.shape
        at = places(c, width).to(weight.device)
        kept[width] = torch.zeros(e, padded(c), dtype=weight.dtype, device=weight.device)
        kept[width][:, at] = weight
    return kept[width]


def places(c: int, width: int) -> Tensor:
    """Return where each of c elements stands, (c,) int64: `grouped_words.place_of` in PyTorch."""
    i = torch.arange(c)
    block, quad = i // 32, i // 128
    thread, word, j, high = block - (quad * 4).clamp(max=c // 32 - 4), i // 8 % 4, i % 4, i // 4 % 2
    within = j * 8 + thread * 2 + high if width == 2 else j // 2 * 16 + thread * 4 + j % 2 * 2 + high
    return quad * 128 + word * 32 + within


def experts_words(
    x: Tensor, layer, config, tuning, tile: WordTile, into: Tensor | None = None, part: Tensor | None = None,
    counts: Tensor | None = None,
) -> None:  # fmt: skip
    """Run router and experts as `launch.experts_many` does, with the weights as the first operand."""
    n, c = x.shape
    f, k, held = config.intermediate_size, config.experts_per_token, layer.scales1.shape[0]
    width, inner = (width_of(sizes, tile.copies, tuning) for sizes in (tile.up, tile.down))
    fused = n * config.num_experts <= tuning.router_words and (part is None or into is None)
    normed, chosen, shares, part = route_words(x, part, layer, config, tuning, width, counts, fused)
    groups = group_copies(chosen, held, tile.copies, tuning.overlap)
    act = torch.empty(n * k, padded(f), dtype=x.dtype, device=x.device)
    words_product(
        normed, groups, layer.blocks1, layer.scales1, layer.bias1, act, config, k, tile.up, tile.copies,
        (width, inner), tuning,
    )  # fmt: skip
    each = torch.empty(n * k, c, dtype=x.dtype, device=x.device)
    words_product(
        act, groups, layer.blocks2, layer.scales2, layer.bias2, each, config, 0, tile.down, tile.copies,
        (inner, inner), tuning,
    )  # fmt: skip
    block_c = min(1024, pow2(c))
    grouped.combine_experts_kernel[(n, triton.cdiv(c, block_c))](
        each, shares, chosen, layer.bias2, part, x if into is None else into, groups[0], C=c, K=k, BIAS=False,
        HELD=held if held < config.num_experts or counts is not None else 0, RESIDUAL=into is None,
        ADD=part is not None, BLOCK_C=block_c, OVERLAP=tuning.overlap, num_warps=4, **extra(tuning.overlap),
    )  # fmt: skip
