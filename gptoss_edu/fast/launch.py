"""Launch the kernels: shapes to grids, with the tile sizes of a `Tuning`."""

from itertools import pairwise

import torch
import torch.nn.functional as F
import triton
from torch import Tensor

from . import attend as attention
from . import decode, decode_experts, few_rows, grouped
from .launch_words import experts_words, extra, group_copies, pow2, words_tile
from .tuning import Tuning

HALF_FACTOR = 2.0**14  # e2m1 bits read as a float16 are too small by this factor


def matvec(x: Tensor, weight: Tensor, out: Tensor, tile, eps=0.0, gain=None, bias=None, residual=None, overlap=False):
    """Compute out = residual + bias + weight @ rmsnorm(x); x (c,), weight (rows, c), out (rows,).

    Each thread gets two or more columns per step. With one column, the compiler would fuse its square with the
    neighbour's that it receives, rounding x0·x0 in one thread and x1·x1 in the other. Threads with the same sum would
    then differ in the last bit, and which of them writes it last is a race.
    """
    rows, c = weight.shape
    block_n, block_c, warps, ahead = tile
    block_c = max(64, min(block_c, pow2(c)))
    warps = min(warps, block_c // 64)
    decode.matvec_kernel[(triton.cdiv(rows, block_n),)](
        x, gain, weight, bias, residual, out, rows, eps, C=c, NORM=gain is not None, BIAS=bias is not None,
        RESIDUAL=residual is not None, BLOCK_N=block_n, BLOCK_C=block_c, AHEAD=min(ahead, triton.cdiv(c, block_c)),
        OVERLAP=overlap, num_warps=warps, **extra(overlap),
    )  # fmt: skip


def few_matvecs(
    x: Tensor, weight: Tensor, out: Tensor, tile, eps=0.0, gain=None, bias=None, residual=None, overlap=False
):
    """Compute what `matvec` does for up to 8 rows at once; x (b, c), weight (rows, c), out (b, rows)."""
    rows, c = weight.shape
    block_n, block_c, warps, ahead = tile
    repeats = max(1, min(block_c, pow2(c)) // (32 * warps))
    few_rows.few_rows_kernel[(triton.cdiv(rows, block_n),)](
        x, gain, weight, bias, residual, out, rows, len(x), eps, C=c, NORM=gain is not None, BIAS=bias is not None,
        RESIDUAL=residual is not None, BLOCK_N=block_n, WARPS=warps, REPEATS=repeats,
        AHEAD=min(ahead, triton.cdiv(c, 32 * warps * repeats)), OVERLAP=overlap, num_warps=warps, **extra(overlap),
    )  # fmt: skip


def experts_few(x: Tensor, layer, config, buffers, tuning: Tuning, into: Tensor | None = None) -> None:
    """Run router and experts of up to 8 tokens, adding to x (b, c) in place or writing only to `into`: three kernels.

    buffers : router (b, e), normed (b, c), act (b, k, f)
    """
    b, c = x.shape
    f, e, k = config.intermediate_size, config.num_experts, config.experts_per_token
    pairs, overlap = tuning.pairs, tuning.overlap
    tiles = tuning if b == 1 else tuning.tiles(b)
    normed, act = buffers.normed, buffers.act
    decode.router_kernel[(e, b)](
        x,
        layer.mlp_norm,
        layer.gate_weight,
        layer.gate_bias,
        buffers.router,
        normed,
        config.rms_norm_eps,
        layer.x_scale,
        C=c,
        PAIRS=pairs,
        SLICE=triton.cdiv(c, e),
        BLOCK_C=pow2(c),
        OVERLAP=overlap,
        num_warps=4,
        **extra(overlap),
    )
    if pairs:  # two float16 are one word
        normed_words, act_words = normed.view(torch.int32), act.view(torch.int32)
    else:
        normed_words, act_words = normed, act
    x_factor, act_factor = (HALF_FACTOR / s if pairs else HALF_FACTOR for s in (layer.x_scale, layer.act_scale))
    choice = dict(
        E=e, K=k, BLOCK_E=pow2(e), PAIRS=pairs, OVERLAP=overlap, FIRST=layer.first, HELD=layer.scales1.shape[0]
    )
    block_n, block_g, ahead, warps = packed_tile(tiles.up, c // 32)
    parts = triton.cdiv(2 * f, block_n)
    decode_experts.experts_up_kernel[(parts, k) if b == 1 else (b * k, parts)](
        normed_words, buffers.router, layer.blocks1, layer.scales1, layer.bias1, act, config.swiglu_limit, x_factor,
        layer.act_scale, F=f, GROUPS=c // 32, ROWS_FIRST=b > 1, BLOCK_N=block_n, BLOCK_G=block_g, AHEAD=ahead,
        num_warps=warps, **choice, **extra(overlap),
    )  # fmt: skip
    block_n, block_g, ahead, warps = packed_tile(tiles.down, f // 32, k)
    decode_experts.experts_down_kernel[(b, triton.cdiv(c, block_n))](
        act_words, buffers.router, layer.blocks2, layer.scales2, layer.bias2, x if into is None else into, act_factor,
        c, GROUPS=f // 32, RESIDUAL=into is None, BLOCK_N=block_n, BLOCK_G=block_g, AHEAD=ahead, num_warps=warps,
        **choice, **extra(overlap),
    )  # fmt: skip


def packed_tile(tile: tuple[int, int, int, int], groups: int, rounds: int = 1) -> tuple[int, int, int, int]:
    """Return (rows, blocks per step, tiles ahead, warps) if a row has `groups` MX blocks, read `rounds` times."""
    block_n, block_g, warps, ahead = tile
    block_g = min(block_g, pow2(groups))
    return block_n, block_g, min(ahead, rounds * triton.cdiv(groups, block_g)), warps


def attend(qkv: Tensor, keys: Tensor, values: Tensor, layer, config, buffers, tuning: Tuning) -> None:
    """Run rotation, cache and attention of one new token per row: qkv (b, rows) to buffers.heads (b, h·d)."""
    b, g, slots, d = keys.shape
    h = config.num_attention_heads
    splits = 1 if layer.window else tuning.splits_for(b * g)
    block_s, warps = tuning.slide_keys if layer.window else tuning.split_keys
    overlap, least = tuning.overlap, tuning.split_least
    attention.attend_kernel[(g, splits, b)](
        qkv,
        keys,
        values,
        layer.sinks,
        *buffers.rope,
        buffers.positions,
        buffers.counts,
        buffers.heads,
        buffers.part_acc,
        buffers.part_max,
        buffers.part_sum,
        slots,
        d**-0.5,
        H=h,
        G=g,
        HALF=d // 2,
        SLIDING=layer.window is not None,
        SPLITS=splits,
        PAD=max(16, pow2(h // g)),
        BLOCK_S=block_s,
        LEAST=least,
        OVERLAP=overlap,
        num_warps=warps,
        **extra(overlap),
    )
    if splits > 1:
        attention.combine_kernel[(h, b)](
            buffers.part_acc, buffers.part_max, buffers.part_sum, layer.sinks, buffers.positions, buffers.heads,
            H=h, D=d, SPLITS=splits, BLOCK_S=block_s, LEAST=least, OVERLAP=overlap, num_warps=4, **extra(overlap),
        )  # fmt: skip


def norm(x: Tensor, gain: Tensor, eps: float, halved: bool = False, part: Tensor | None = None) -> Tensor:
    """Compute RMSNorm of rows (n, c); halved: even elements first, then the odd ones. part : first added to x."""
    out = torch.empty_like(x)
    n, c = x.shape
    grouped.norm_kernel[(n,)](
        x, part, gain, out, eps, C=c, ADD=part is not None, HALVED=halved, BLOCK_C=pow2(c), num_warps=4
    )
    return out


def grouped_product(x, groups, blocks, scales, bias, out, config, shared: int, swiglu: bool, tile, pairs: bool) -> None:
    """Multiply sorted copies by their experts' packed weights, see `grouped.grouped_kernel`."""
    order, starts, ends = groups
    e, rows, g = scales.shape
    block_m, block_n, block_g, warps, stages = tile
    copies = order.numel()
    tiles = min(copies, e) + copies // block_m  # never fewer than needed, whatever the router chose
    grouped.grouped_kernel[(triton.cdiv(rows, block_n), tiles)](
        x, order, starts, ends, blocks, scales, bias, out, rows, config.swiglu_limit,
        E=e, BLOCK_E=pow2(e), GROUPS=g, SHARED=shared, SWIGLU=swiglu, PAIRS=pairs,
        BLOCK_M=block_m, BLOCK_N=block_n, BLOCK_G=min(block_g, pow2(g)), num_warps=warps, num_stages=stages,
    )  # fmt: skip


def experts_many(
    x: Tensor, layer, config, tuning: Tuning, scratch=None, into: Tensor | None = None, part: Tensor | None = None,
    counts: Tensor | None = None,
) -> None:  # fmt: skip
    """Run router and experts of many tokens, adding to x (n, c) in place or writing only to `into`.

    part : (n, c) that is added to x first; counts : (b,) int32, how many of each row's n / b tokens are no padding
    """
    n, c = x.shape
    f, e, k = config.intermediate_size, config.num_experts, config.experts_per_token
    held = layer.scales1.shape[0]
    unpack = scratch is not None and n * k >= tuning.unpack_from * e
    words = None if unpack else words_tile(tuning, n * k, e, c, f)
    if words is not None:
        experts_words(x, layer, config, tuning, words, into, part, counts)
        return
    normed = norm(x, layer.mlp_norm, config.rms_norm_eps, halved=True, part=part)
    logits = F.linear(normed, layer.gate_halved, layer.gate_bias)  # (n, e)
    chosen = torch.empty(n, k, dtype=torch.int32, device=x.device)
    shares = torch.empty(n, k, dtype=torch.float32, device=x.device)
    padded = counts is not None
    grouped.route_kernel[(n,)](
        logits, chosen, shares, counts, n // len(counts) if padded else 1, E=e, K=k, BLOCK_E=pow2(e), PADDED=padded,
        num_warps=1,
    )  # fmt: skip
    tile = tuning.grouped_for(n * k, e)
    if held < e:  # local expert numbers; copies for other experts are sorted last and left out
        chosen -= layer.first
        chosen.masked_fill_((chosen < 0) | (chosen >= held), held)
    groups = group_copies(chosen, held, tile[0])
    block_c = min(1024, pow2(c))
    if unpack:
        order, places = groups[0], torch.empty_like(groups[0])
        places[groups[0].long()] = torch.arange(n * k, dtype=torch.int32, device=x.device)
        each = _unpacked_products(normed, order, groups[1], chosen, layer, config, scratch)
        bias = layer.bias2
    else:
        act = torch.empty(n * k, f, dtype=x.dtype, device=x.device)
        grouped_product(
            normed, groups, layer.blocks1b, layer.scales1, layer.bias1, act, config, k, True, tile, tuning.pairs
        )
        each = torch.empty(n * k, c, dtype=x.dtype, device=x.device)
        grouped_product(
            act, groups, layer.blocks2b, layer.scales2, layer.bias2, each, config, 1, False, tile, tuning.pairs
        )
        bias, places = layer.bias2, groups[0]
    grouped.combine_experts_kernel[(n, triton.cdiv(c, block_c))](
        each, shares, chosen, bias, None, x if into is None else into, places, C=c, K=k, BIAS=unpack,
        HELD=held if held < e or padded else 0, RESIDUAL=into is None, ADD=False, BLOCK_C=block_c, OVERLAP=False,
        num_warps=4,
    )  # fmt: skip


def _unpacked_products(normed, order, starts, chosen, layer, config, scratch: Tensor) -> Tensor:
    """Compute both expert products with the library's grouped product, after unpacking the layer's weights to bf16."""
    f, k = config.intermediate_size, config.experts_per_token
    experts = chosen.flatten()[order.long()].clamp(max=layer.scales1.shape[0] - 1)  # any, for copies left out
    h = _library_product(normed[order.long() // k], starts, layer.blocks1b, layer.scales1, scratch)  # (n·k, 2f)
    act = torch.empty(order.numel(), f, dtype=normed.dtype, device=normed.device)
    block_f = min(1024, pow2(f))
    grouped.swiglu_kernel[(order.numel(), triton.cdiv(f, block_f))](
        h, layer.bias1, experts, act, config.swiglu_limit, F=f, BLOCK_F=block_f, num_warps=4
    )
    return _library_product(act, starts, layer.blocks2b, layer.scales2, scratch)  # (n·k, c)


def unpack(blocks: Tensor, scales: Tensor, out: Tensor) -> Tensor:
    """Unpack MXFP4 (e, rows, groups, 16) and (e, rows, groups) to the start of `out`, halved: (e, rows, 32·groups)."""
    e, rows, g = scales.shape
    grouped.unpack_kernel[(triton.cdiv(scales.numel(), 128),)](
        blocks, scales, out, scales.numel(), GROUPS=g, BLOCK_G=128, num_warps=4
    )
    return out[: e * rows * g * 32].view(e, rows, g * 32)


def _library_product(x, starts, blocks, scales, scratch) -> Tensor:
    weight = unpack(blocks, scales, scratch)
    if x.is_cuda:
        return torch._grouped_mm(x, weight.transpose(1, 2), offs=starts[1:])
    out = x.new_zeros(len(x), weight.shape[1])
    for i, (a, b) in enumerate(pairwise(starts.tolist())):
        out[a:b] = x[a:b] @ weight[i].T
    return out


def attend_many(
    qkv, keys, values, layer, config, rope, starts, counts, t: int, tuning: Tuning, past: bool, table: bool = False
) -> Tensor:
    """Run rotation, attention and cache of many new tokens; qkv (b·t, rows) is rotated in place. Returns (b·t, h·d).

    table : keys and values are a row of `attend.cache_at`, so that the same launch serves every cache
    """
    h, g, d = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    n, rows = qkv.shape
    cos, sin = rope
    attention.rope_kernel[(n, triton.cdiv(h + g, 8))](
        qkv, cos, sin, starts, t, cos.shape[0] - 1, ROWS=rows, ROTATED=h + g, HALF=d // 2, BLOCK_H=8, num_warps=2
    )
    heads = torch.empty(n, h * d, dtype=qkv.dtype, device=qkv.device)
    block_t, block_s, warps, stages = tuning.prefill
    slots = keys.shape[2] if keys is not None and not table else 1
    attention.prefill_attention_kernel[(triton.cdiv(t, block_t), h, n // t)](
        qkv, keys if past else qkv, values if past else qkv, layer.sinks, starts, heads, t, slots, d**-0.5,
        H=h, G=g, HALF=d // 2, WINDOW=layer.window or 0, PAST=past, BLOCK_T=block_t, BLOCK_S=block_s,
        TABLE=table, num_warps=warps, num_stages=stages,
    )  # fmt: skip
    if keys is not None:
        block = 32
        attention.store_cache_kernel[(triton.cdiv(t, block), g, n // t)](
            qkv, keys, values, starts, counts, t, slots, ROWS=rows, H=h, G=g, D=d, BLOCK_T=block, TABLE=table,
            num_warps=2,
        )  # fmt: skip
    return heads
