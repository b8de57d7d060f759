"""The packed experts' linear map on a CPU, in Numba: weights are decoded in registers and never written to memory.

Beside it stands the linear map of bfloat16 weights for one token.
"""

import threading

import numba
import numpy as np
import torch
from torch import Tensor, nn

from gptoss_edu.mxfp4 import BIAS, NAN_SCALE

from .packed_tiles import FACTOR, HALF, SIGNED, packed_tile
from .vector_tiles import LANES, bfloat16, depend_on_tiles, tile

ROWS = 32  # rows per task
TOGETHER = 8  # rows of one tile of a single token: more would be more places in memory than are fetched ahead
SCALES = np.ldexp(np.float32(1), np.arange(NAN_SCALE) - BIAS)  # exact, which exp2 is not
SCALES = np.append(SCALES, np.float32(np.nan))
NUMBERS = np.array(SIGNED, np.float32) / np.float32(FACTOR)
FAST = {"parallel": True, "fastmath": {"reassoc", "nsz", "contract"}, "error_model": "numpy", "cache": True}
ONE_AT_A_TIME = threading.Lock()  # Numba's workqueue, used where OpenMP is missing, aborts if two threads meet in it
four, two, one = packed_tile(4, LANES // 4), packed_tile(2, 4), packed_tile(1, TOGETHER)
one_bfloat16 = tile(1, TOGETHER, bfloat16, 2, 1.0)


@numba.njit(**FAST)
def _packed(blocks, scales, table, x, out):
    """Compute out (n, rows) from blocks (rows, G, 16), scales (rows, G), the scales' numbers and x (n, G, 2, 16).

    x holds each group's even numbers and then its odd ones.
    """
    rows, groups = scales.shape
    n, factors = x.shape[0], table.ctypes.data
    wide, tall, long = 8 * HALF * groups, 4 * rows, HALF * groups
    for task in numba.prange((rows + ROWS - 1) // ROWS):
        last = min(rows, (task + 1) * ROWS)
        for start in range(task * ROWS, last - TOGETHER + 1, TOGETHER):
            w, s = blocks.ctypes.data + start * long, scales.ctypes.data + start * groups
            x0, y0 = x.ctypes.data, out.ctypes.data + 4 * start
            for _ in range(0, n - 3, 4):
                xs = (x0, x0 + wide, x0 + 2 * wide, x0 + 3 * wide)
                for row in range(0, TOGETHER, LANES // 4):
                    y = y0 + 4 * row
                    ys = (y, y + tall, y + 2 * tall, y + 3 * tall)
                    four(w + row * long, s + row * groups, factors, groups, xs, ys)
                x0, y0 = x0 + 4 * wide, y0 + 4 * tall
            if n & 2:
                for row in range(0, TOGETHER, 4):
                    y = y0 + 4 * row
                    two(w + row * long, s + row * groups, factors, groups, (x0, x0 + wide), (y, y + tall))
                x0, y0 = x0 + 2 * wide, y0 + 2 * tall
            if n & 1:
                one(w, s, factors, groups, (x0,), (y0,))
        for row in range(last // TOGETHER * TOGETHER, last):  # ROWS is a multiple of TOGETHER
            for token in range(n):
                total = np.float32(0)
                for group in range(groups):
                    part = np.float32(0)
                    for j in range(HALF):
                        byte = blocks[row, group, j]
                        part += NUMBERS[byte & 15] * x[token, group, 0, j] + NUMBERS[byte >> 4] * x[token, group, 1, j]
                    total += part * table[scales[row, group]]
                out[token, row] = total


@numba.njit(**FAST)
def _bfloat16(weight, x, out):
    """Compute out (rows,) from the bits of bfloat16 weights (rows, columns) and x (columns,).

    Rows are a multiple of TOGETHER, columns one of LANES.
    """
    rows, columns = weight.shape
    for task in numba.prange((rows + ROWS - 1) // ROWS):
        for row in range(task * ROWS, min(rows, (task + 1) * ROWS), TOGETHER):
            w, y = weight.ctypes.data + 2 * row * columns, out.ctypes.data + 4 * row
            one_bfloat16(w, columns, 0, (x.ctypes.data,), (y,))


for function in (_packed, _bfloat16):
    depend_on_tiles(function)


def _alone(compute, *arguments) -> None:
    """Run a parallel function of Numba's on as many threads as PyTorch uses, no two at a time."""
    with ONE_AT_A_TIME:
        threads = torch.get_num_threads()
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        if torch.get_num_threads() != threads:  # as Numba starts, it sets OpenMP's number, which is PyTorch's too
            torch.set_num_threads(threads)
        compute(*arguments)


def mxfp4_linear(x: Tensor, blocks: Tensor, scales: Tensor) -> Tensor:
    """Compute x @ unpack(blocks, scales).T without unpacking.

    x : (n, 32 G), any floating dtype; blocks : (rows, G, 16) uint8; scales : (rows, G) uint8.
    Returns (n, rows) in the dtype of x; sums are in float32, so the result is at least as exact as the plain path's.
    """
    pairs = (x.float() * FACTOR).view(len(x), -1, HALF, 2).transpose(2, 3).contiguous()  # (n, G, 2, 16)
    out = np.empty((len(x), scales.shape[0]), np.float32)
    _alone(_packed, blocks.contiguous().numpy(), scales.contiguous().numpy(), SCALES, pairs.numpy(), out)
    return torch.from_numpy(out).to(x.dtype)


class OneTokenLinear(nn.Linear):
    """A linear map whose bfloat16 weights are read almost as fast as memory gives them when there is a single token.

    PyTorch's product of one token reads them a third more slowly. Sums are in float32 in both.
    """

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        plain = torch.is_grad_enabled() or x.numel() != w.shape[1] or not (w.is_cpu and w.is_contiguous())
        if plain or not w.dtype == x.dtype == torch.bfloat16 or w.shape[0] % TOGETHER or w.shape[1] % LANES:
            return super().forward(x)
        out = torch.empty(*x.shape[:-1], w.shape[0])
        _alone(_bfloat16, w.view(torch.int16).numpy(), x.flatten().float().numpy(), out.view(-1).numpy())
        return (out if self.bias is None else out + self.bias).to(x.dtype)
