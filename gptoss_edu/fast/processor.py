"""The packed experts' linear map on a CPU, in Numba: weights are decoded in registers and never written to memory.

A code s ee m, moved to the sign, exponent and mantissa of a float16, is the number value * 2^-14, and CPUs convert
float16 to float32 in one instruction. The compiler vectorises the inner loops.
"""

import threading

import numba
import numpy as np
import torch
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from torch import Tensor

from gptoss_edu.mxfp4 import BIAS, NAN_SCALE

HALF = 16  # bytes per block: sixteen weights lie in the low nibbles, sixteen in the high ones
ROWS = 16  # rows per task
LOW_SIGN, LOW_REST, HIGH_SIGN, HIGH_REST = np.int16(0x08), np.int16(0x07), np.int16(0x80), np.int16(0x70)
TO_SIGN_LOW, TO_REST_LOW, TO_SIGN_HIGH, TO_REST_HIGH = np.int16(12), np.int16(9), np.int16(8), np.int16(5)
SCALES = np.exp2(np.arange(NAN_SCALE, dtype=np.float32) - np.float32(BIAS))
SCALES = np.append(SCALES, np.float32(np.nan))
TWO_14 = 2.0**14
ONE_AT_A_TIME = threading.Lock()  # Numba's workqueue, used where OpenMP is missing, aborts if two threads meet in it


@intrinsic
def float16_bits(typing_context, bits):
    """Read int16 bits as a float16 and convert it to float32."""

    def codegen(context, builder, signature, args):
        return builder.fpext(builder.bitcast(args[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.int16), codegen


@numba.njit(inline="always")
def _low(byte):
    return float16_bits(np.int16(((byte & LOW_SIGN) << TO_SIGN_LOW) | ((byte & LOW_REST) << TO_REST_LOW)))


@numba.njit(inline="always")
def _high(byte):
    return float16_bits(np.int16(((byte & HIGH_SIGN) << TO_SIGN_HIGH) | ((byte & HIGH_REST) << TO_REST_HIGH)))


@numba.njit(parallel=True, fastmath={"reassoc", "nsz", "contract"}, cache=True)
def _one_token(blocks, scales, even, odd, out):
    """Compute out (r,) from blocks (r, G, 16), scales (r, G), and the token's even and odd entries (16 G,)."""
    rows, groups = scales.shape
    for row in numba.prange(rows):
        total = 0.0
        for group in range(groups):
            part = np.float32(0)
            for j in range(HALF):
                byte = np.int16(blocks[row, group, j])
                part += _low(byte) * even[group * HALF + j] + _high(byte) * odd[group * HALF + j]
            total += np.float64(part) * SCALES[scales[row, group]]
        out[row] = total


@numba.njit(parallel=True, fastmath={"reassoc", "nsz", "contract"}, cache=True)
def _several_tokens(blocks, scales, even, odd, out):
    """Do the same for even and odd (n, 16 G), out (n, r): a row is decoded once and stays in the L1 cache."""
    rows, groups = scales.shape
    for task in numba.prange((rows + ROWS - 1) // ROWS):
        low, high = np.empty(groups * HALF, np.float32), np.empty(groups * HALF, np.float32)
        for row in range(task * ROWS, min(rows, task * ROWS + ROWS)):
            for group in range(groups):
                scale = SCALES[scales[row, group]]
                for j in range(HALF):
                    byte = np.int16(blocks[row, group, j])
                    low[group * HALF + j] = _low(byte) * scale
                    high[group * HALF + j] = _high(byte) * scale
            for token in range(even.shape[0]):
                total = np.float32(0)
                for j in range(groups * HALF):
                    total += low[j] * even[token, j] + high[j] * odd[token, j]
                out[token, row] = total


def mxfp4_linear(x: Tensor, blocks: Tensor, scales: Tensor) -> Tensor:
    """Compute x @ unpack(blocks, scales).T without unpacking.

    x : (n, 32 G), any floating dtype; blocks : (rows, G, 16) uint8; scales : (rows, G) uint8.
    Returns (n, rows) in the dtype of x; sums are in float32, so the result is at least as exact as the plain path's.
    """
    values = (x.float() * TWO_14).numpy()  # (n, 32 G); the factor missing in the codes
    even, odd = np.ascontiguousarray(values[:, 0::2]), np.ascontiguousarray(values[:, 1::2])
    out = np.empty((x.shape[0], scales.shape[0]), np.float32)
    with ONE_AT_A_TIME:
        threads = torch.get_num_threads()
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        if torch.get_num_threads() != threads:  # as Numba starts, it sets OpenMP's number, which is PyTorch's too
            torch.set_num_threads(threads)
        if x.shape[0] == 1:
            _one_token(blocks.numpy(), scales.numpy(), even[0], odd[0], out[0])
        else:
            _several_tokens(blocks.numpy(), scales.numpy(), even, odd, out)
    return torch.from_numpy(out).to(x.dtype)
