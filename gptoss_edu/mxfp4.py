"""MXFP4, the format of the expert weights: 32 four-bit values share one power of two (chapter 09).

A value is e2m1: one sign bit, two exponent bits, one mantissa bit. A scale is e8m0: a byte that means 2^(byte - 127).
17 bytes hold 32 weights, 4.25 bits each.

Source: OCP Microscaling Formats (MX) specification 1.0, sections 5.3.3, 5.4.1 and 6.3.
"""

from functools import lru_cache

import torch
from torch import Tensor

from .errors import GptOssError
from .options import ROUNDINGS

BLOCK = 32
VALUES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # e2m1 magnitudes of the codes 0 to 7; codes 8 to 15 are negative
BIAS = 127
NAN_SCALE = 255
LARGEST_SCALE = 252  # when packing: with 253 and 254 the values 4 and 6 exceed float32's largest number
CHUNK = 1 << 19  # weights per step: this bounds the memory, and on a CPU a step stays in its cache
CHUNK_GPU = 1 << 24  # a GPU unpacks a whole expert at once: its time goes into starting kernels


def unpack(blocks: Tensor, scales: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Decode weights from their bytes.

    Parameters
    ----------
    blocks : (..., G, 16) uint8; each byte holds two codes, the LOW nibble is the earlier weight
    scales : (..., G) uint8, e8m0
    dtype : float32 and bfloat16 are exact up to scale 252; 253 and 254 can overflow to infinity, 255 is NaN

    Returns
    -------
    (..., 32 G) in `dtype`.
    """
    shapes_fit = scales.ndim > 0 and blocks.shape == (*scales.shape, BLOCK // 2)
    if blocks.dtype != torch.uint8 or scales.dtype != torch.uint8 or not shapes_fit:
        raise GptOssError(
            f"mxfp4.unpack: expected uint8 blocks (..., G, 16) and uint8 scales (..., G), found blocks "
            f"{tuple(blocks.shape)} {blocks.dtype} and scales {tuple(scales.shape)} {scales.dtype}."
        )
    flat_blocks, flat_scales = blocks.reshape(-1, BLOCK // 2), scales.reshape(-1)  # (N, 16), (N,)
    exact = torch.bfloat16 if dtype == torch.bfloat16 else torch.float32
    out = torch.empty(flat_scales.numel(), BLOCK, dtype=exact, device=blocks.device)  # (N, 32)
    for part in _chunks(flat_scales.numel(), CHUNK_GPU if blocks.is_cuda else CHUNK):
        _decode(flat_blocks[part], flat_scales[part], out[part])
    return out.view(*scales.shape[:-1], scales.shape[-1] * BLOCK).to(dtype)


def _chunks(blocks: int, weights: int) -> list[slice]:
    step = weights // BLOCK
    return [slice(start, start + step) for start in range(0, blocks, step)]


def _decode(blocks: Tensor, scales: Tensor, out: Tensor) -> Tensor:
    """Decode (N, 16) bytes and (N,) scales into (N, 32) weights: two table look-ups and an exact product.

    A byte always means the same two values, so the table holds the bits of each of the 256 pairs as one number.
    """
    pairs, factors = _tables(out.dtype, blocks.device)
    values = pairs.index_select(0, blocks.flatten().int()).view(out.dtype).view(-1, BLOCK)  # (N, 32)
    return torch.mul(values, factors.index_select(0, scales.int())[:, None], out=out)


@lru_cache
def _tables(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the two values of each byte, as the bits of one integer (256,), and the factor of each scale (256,)."""
    byte = torch.arange(256)
    signed = torch.tensor([*VALUES, *(-value for value in VALUES)], dtype=dtype)
    pairs = torch.stack((signed[byte & 15], signed[byte >> 4]), dim=-1)  # (256, 2), the low nibble first
    whole = pairs.view({2: torch.int32, 4: torch.int64}[dtype.itemsize]).squeeze(-1)  # (256,)
    return whole.to(device), scale_factor(byte.to(torch.uint8)).to(device, dtype)


def scale_factor(scales: Tensor) -> Tensor:
    """Convert e8m0 bytes to float32 powers of two, 2^(byte - 127); byte 255 is NaN."""
    factor = torch.exp2(scales.double() - BIAS).float()
    return torch.where(scales == NAN_SCALE, torch.nan, factor)


def pack(weight: Tensor, rounding: str = "floor", scales: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Encode weights as bytes: one shared power of two per 32, then the nearest e2m1 value, ties to the even code.

    Parameters
    ----------
    weight : (..., 32 G), floating; NaN and infinity are refused
    rounding : how the shared exponent is chosen from the block's largest magnitude m
        "floor": floor(log2 m) - 2, the specification's rule; magnitudes above 6 times the scale saturate.
        "up": the smallest power of two at which nothing saturates (at most 2^125: beyond it, 6 would unpack to
        infinity). "best": per block, whichever of the two has the smaller squared error, "floor" at a tie
    scales : (..., G) uint8 to use instead; with these, packing an unpacked finite block restores it byte for byte

    Returns
    -------
    blocks (..., G, 16) uint8, scales (..., G) uint8.
    """
    if rounding not in ROUNDINGS:
        raise GptOssError(f"mxfp4.pack: rounding must be one of {', '.join(ROUNDINGS)}, found {rounding!r}.")
    if not weight.is_floating_point() or weight.shape[-1] % BLOCK:
        raise GptOssError(
            f"mxfp4.pack: expected floating weights (..., 32 G), found {tuple(weight.shape)} {weight.dtype}; "
            f"the last axis must be a multiple of {BLOCK}."
        )
    groups = (*weight.shape[:-1], weight.shape[-1] // BLOCK)
    if scales is not None and (scales.shape != groups or scales.dtype != torch.uint8):
        raise GptOssError(f"mxfp4.pack: expected uint8 scales {groups}, found {tuple(scales.shape)} {scales.dtype}.")
    flat = weight.reshape(-1, BLOCK)  # (N, 32)
    given = None if scales is None else scales.reshape(-1)
    blocks = torch.empty(flat.shape[0], BLOCK // 2, dtype=torch.uint8, device=weight.device)
    chosen = torch.empty(flat.shape[0], dtype=torch.uint8, device=weight.device)
    for part in _chunks(flat.shape[0], CHUNK):
        block = flat[part].float()
        if given is None and not torch.isfinite(block).all():
            raise GptOssError("mxfp4.pack: the weights hold NaN or infinity; MXFP4 has neither unless given scales.")
        chosen[part] = _choose_scales(block, rounding) if given is None else given[part]
        blocks[part] = _pack_nibbles(_nearest_code(block, chosen[part]))
    return blocks.view(*groups, BLOCK // 2), chosen.view(groups)


def _choose_scales(block: Tensor, rounding: str) -> Tensor:
    """Choose e8m0 bytes (N,) for (N, 32). frexp gives m = f * 2^e with f in [0.5, 1), so floor(log2 m) is e - 1."""
    largest = block.abs().amax(dim=-1)
    fraction, exponent = torch.frexp(largest)
    floor = exponent - 1 - 2
    up = torch.where(fraction > 0.75, floor + 1, floor)  # 0.75 * 2^e is 6 * 2^floor: the largest value that fits
    as_byte = lambda e: torch.where(largest == 0, 0, (e + BIAS).clamp(0, LARGEST_SCALE)).to(torch.uint8)  # noqa: E731
    if rounding == "floor":
        return as_byte(floor)
    if rounding == "up":
        return as_byte(up)
    errors = [_squared_error(block, as_byte(e)) for e in (floor, up)]
    return torch.where(errors[1] < errors[0], as_byte(up), as_byte(floor))


def _squared_error(block: Tensor, scales: Tensor) -> Tensor:
    rebuilt = _decode(_pack_nibbles(_nearest_code(block, scales)), scales, torch.empty_like(block))
    return (rebuilt.double() - block.double()).square().sum(dim=-1)


def _nearest_code(block: Tensor, scales: Tensor) -> Tensor:
    """Round (N, 32) weights, by (N,) scales, to codes 0 to 15 (N, 32); ties go to the code with mantissa bit 0."""
    scaled = block.double() / torch.exp2(scales.double() - BIAS)[:, None]
    magnitude = scaled.abs()
    code = torch.zeros_like(magnitude, dtype=torch.uint8)
    for index in range(1, len(VALUES)):
        middle = (VALUES[index - 1] + VALUES[index]) / 2
        code += ((magnitude >= middle) if index % 2 == 0 else (magnitude > middle)).to(torch.uint8)
    return code | (torch.signbit(scaled).to(torch.uint8) << 3)


def _pack_nibbles(codes: Tensor) -> Tensor:
    """Pack (N, 32) codes into (N, 16) bytes, the earlier code in the low nibble."""
    return codes[:, 0::2] | (codes[:, 1::2] << 4)
