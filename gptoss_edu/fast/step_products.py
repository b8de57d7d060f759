"""Multiply by weights at an address: float32, or one byte per weight where that says exactly the same.

Reading weights is what decoding waits for. What comes from MXFP4 is plus or minus 1 or 1.5 times a power of two, and
fits a byte: sign, six bits of exponent, one bit of mantissa. The model's float32 weights stay what counts. Bytes are a
copy beside them which is compared with them, whole before it is first used and a sixteenth at every use.
"""

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

FAST = {"reassoc", "nsz", "contract"}  # sums in any order, as every matrix library does; NaN and infinity stay exact
ZERO, ONE = np.float32(0), np.float32(1)
SHIFT, PLACES = np.int32(22), np.int32(-0x60400000)  # a byte's bits moved to those of a float32: 0x9FC00000
OFFSET = 70  # exponents of the bytes begin here: 2**-56 to 96 can be said
SCALE = np.float32(2.0**OFFSET)
MAGNITUDE, REST, SIGN = np.int32(0x7FFFFFFF), np.int32(0x3FFFFF), np.int32(-128)
SLICES = 16


def _pointer(kind):
    @intrinsic
    def at(typing_context, address):
        """Turn an int64 address into a pointer."""

        def codegen(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))

        return types.CPointer(kind)(types.int64), codegen

    return at


floats_at, bytes_at = _pointer(types.float32), _pointer(types.int8)


@intrinsic
def as_float32(typing_context, bits):
    """Read int32 bits as a float32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@intrinsic
def _as_int32(typing_context, number):
    """Return the bits of a float32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@numba.njit(inline="always")
def as_it_is(number):
    return number


@numba.njit(inline="always")
def decoded(byte):
    """Return the weight divided by SCALE."""
    return as_float32((np.int32(byte) << SHIFT) & PLACES)


@numba.njit(fastmath=FAST)
def agree(weights, codes, first, last):
    """Return whether the bytes say exactly what the weights (count,) from `first` up to `last` are."""
    wrong = np.int32(0)
    for i in range(first, last):
        wrong += np.int32(decoded(codes[i]) * SCALE != weights[i])
    return wrong == 0


@numba.njit(fastmath=FAST)
def encode(weights, codes):
    """Write the weights (count,) as bytes; return False where one cannot be said exactly."""
    for i in range(weights.shape[0]):
        bits = _as_int32(weights[i])
        place = ((bits & MAGNITUDE) >> SHIFT) - np.int32(2 * OFFSET)
        if weights[i] == ZERO:
            place = np.int32(0)
        elif bits & REST or place < 2 or place > 127:
            return False
        codes[i] = np.int8(place | SIGN) if bits < 0 else np.int8(place)
    return True


@numba.njit(fastmath=FAST)
def can_be_read(address, codes_address, count, uses):
    """Return whether the bytes may stand for the weights (count,), after comparing all of them or a slice."""
    weights, codes = numba.carray(floats_at(address), (count,)), numba.carray(bytes_at(codes_address), (count,))
    if uses > 0:
        part = uses % SLICES
        if agree(weights, codes, count * part // SLICES, count * (part + 1) // SLICES):
            return True
    return agree(weights, codes, 0, count) or encode(weights, codes)


def product(read, scale):
    """Return the compiled linear map of weights that `read` turns into floats, up to `scale`."""

    @numba.njit(fastmath=FAST)
    def linear(weight, bias_address, x, take, out, put, n):
        """Compute out[put[i]] = scale * read(weight) @ x[take[i]] + bias, i < n; weight (rows, columns), bias (rows,).

        Four rows and two tokens at a time: each number that is loaded serves several products. `rows` is a multiple of
        4; a bias at address 0 is none.
        """
        rows, columns = weight.shape
        bias = numba.carray(floats_at(bias_address), (rows,))
        for row in range(0, rows, 4):
            w0, w1, w2, w3 = weight[row], weight[row + 1], weight[row + 2], weight[row + 3]
            b0 = b1 = b2 = b3 = ZERO
            if bias_address:
                b0, b1, b2, b3 = bias[row], bias[row + 1], bias[row + 2], bias[row + 3]
            for i in range(0, n - 1, 2):
                x0, x1 = x[take[i]], x[take[i + 1]]
                s00 = s01 = s10 = s11 = s20 = s21 = s30 = s31 = ZERO
                for j in range(columns):
                    v0, v1, v2, v3 = read(w0[j]), read(w1[j]), read(w2[j]), read(w3[j])
                    s00 += v0 * x0[j]
                    s01 += v0 * x1[j]
                    s10 += v1 * x0[j]
                    s11 += v1 * x1[j]
                    s20 += v2 * x0[j]
                    s21 += v2 * x1[j]
                    s30 += v3 * x0[j]
                    s31 += v3 * x1[j]
                y0, y1 = out[put[i]], out[put[i + 1]]
                y0[row], y0[row + 1], y0[row + 2], y0[row + 3] = (
                    scale * s00 + b0,
                    scale * s10 + b1,
                    scale * s20 + b2,
                    scale * s30 + b3,
                )
                y1[row], y1[row + 1], y1[row + 2], y1[row + 3] = (
                    scale * s01 + b0,
                    scale * s11 + b1,
                    scale * s21 + b2,
                    scale * s31 + b3,
                )
            if n % 2:
                x0 = x[take[n - 1]]
                s0 = s1 = s2 = s3 = ZERO
                for j in range(columns):
                    s0 += read(w0[j]) * x0[j]
                    s1 += read(w1[j]) * x0[j]
                    s2 += read(w2[j]) * x0[j]
                    s3 += read(w3[j]) * x0[j]
                y0 = out[put[n - 1]]
                y0[row], y0[row + 1], y0[row + 2], y0[row + 3] = (
                    scale * s0 + b0,
                    scale * s1 + b1,
                    scale * s2 + b2,
                    scale * s3 + b3,
                )

    return linear


LINEAR, LINEAR_FROM_BYTES = product(as_it_is, ONE), product(decoded, SCALE)


@numba.njit(fastmath=FAST)
def dense(address, bias_address, rows, x, take, out, put, n):
    """Apply `product`'s function to float32 weights (rows, columns) at an address."""
    weight = numba.carray(floats_at(address), (rows, x.shape[1]))
    LINEAR(weight, bias_address, x, take, out, put, n)


@numba.njit(fastmath=FAST)
def from_bytes(address, bias_address, rows, x, take, out, put, n):
    """Apply `product`'s function to weights in bytes (rows, columns) at an address."""
    weight = numba.carray(bytes_at(address), (rows, x.shape[1]))
    LINEAR_FROM_BYTES(weight, bias_address, x, take, out, put, n)
