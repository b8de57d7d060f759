"""Multiply by weights at an address: float32, or one byte per weight where that says exactly the same.

Reading weights is what decoding waits for. What comes from MXFP4 is plus or minus 1 or 1.5 times a power of two, and
fits a byte: sign, six bits of exponent, one bit of mantissa. The model's float32 weights stay what counts. Bytes are a
copy beside them which is compared with them, whole before it is first used and a sixty-fourth at every use.
"""

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .vector_tiles import LANES, decoded_bytes, fetch_ahead, floats, tile

FAST = {"reassoc", "nsz", "contract"}  # sums in any order, as every matrix library does; NaN and infinity stay exact
EXACT = {"fastmath": FAST, "error_model": "numpy"}  # a division that may raise an error does not vectorise
ZERO, ONE = np.float32(0), np.float32(1)
SHIFT, PLACES = np.int32(22), np.int32(-0x60400000)  # a byte's bits moved to those of a float32: 0x9FC00000
OFFSET = 70  # exponents of the bytes begin here: 2**-56 to 96 can be said
SCALE = np.float32(2.0**OFFSET)
MAGNITUDE, REST, SIGN = np.int32(0x7FFFFFFF), np.int32(0x3FFFFF), np.int32(-128)
SLICES = 64


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


@numba.njit(**EXACT)
def agree(weights, codes, first, last):
    """Return whether the bytes say exactly what the weights (count,) from `first` up to `last` are."""
    weights, codes, wrong = weights[first:last], codes[first:last], np.int32(0)  # from 0 on, or it does not vectorise
    for i in range(weights.shape[0]):
        wrong |= _as_int32(decoded(codes[i]) * SCALE) ^ _as_int32(weights[i])
    return wrong == 0


@numba.njit(**EXACT)
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


@numba.njit(**EXACT)
def can_be_read(address, codes_address, count, uses):
    """Return whether the bytes may stand for the weights (count,), after comparing all of them or a slice."""
    weights, codes = numba.carray(floats_at(address), (count,)), numba.carray(bytes_at(codes_address), (count,))
    if uses > 0:
        part = uses % SLICES
        if agree(weights, codes, count * part // SLICES, count * (part + 1) // SLICES):
            return True
    return agree(weights, codes, 0, count) or encode(weights, codes)


def product(read, read_one, size, scale):
    """Return the compiled linear map of weights of `size` bytes that `read` turns into floats, up to `scale`."""
    four, two, one = (tile(n, LANES // n, read, size, scale) for n in (4, 2, 1))
    scale = np.float32(scale)

    @numba.njit(**EXACT)
    def linear(weight, bias_address, x, take, out, put, n):
        """Compute out[put[i]] = scale * read(weight) @ x[take[i]] + bias, i < n; weight (rows, columns), bias (rows,).

        Tiles compute as many rows at a time as a vector has lanes, if x fills whole vectors; a loop computes the rest.
        A bias at address 0 is none.
        """
        rows, columns = weight.shape
        whole = rows // LANES * LANES if columns % LANES == 0 else 0
        at, first, result = weight.ctypes.data, x.ctypes.data, out.ctypes.data
        wide_x, wide_out, wide = 4 * columns, 4 * out.shape[1], size * columns
        for row in range(0, whole, LANES):
            if n > 2:  # rows are left for so long that the processor no longer sees them follow each other
                fetch_ahead(at + wide * (row + LANES), wide * LANES)
            for i in range(0, n - 3, 4):
                x0, x1 = first + take[i] * wide_x, first + take[i + 1] * wide_x
                x2, x3 = first + take[i + 2] * wide_x, first + take[i + 3] * wide_x
                y0, y1 = result + put[i] * wide_out, result + put[i + 1] * wide_out
                y2, y3 = result + put[i + 2] * wide_out, result + put[i + 3] * wide_out
                for r in range(row, row + LANES, LANES // 4):
                    bias = bias_address + 4 * r if bias_address else 0
                    ends = (y0 + 4 * r, y1 + 4 * r, y2 + 4 * r, y3 + 4 * r)
                    four(at + wide * r, columns, bias, (x0, x1, x2, x3), ends)
            if n & 2:
                i = n // 4 * 4
                x0, x1 = first + take[i] * wide_x, first + take[i + 1] * wide_x
                y0, y1 = result + put[i] * wide_out, result + put[i + 1] * wide_out
                for r in range(row, row + LANES, LANES // 2):
                    bias = bias_address + 4 * r if bias_address else 0
                    two(at + wide * r, columns, bias, (x0, x1), (y0 + 4 * r, y1 + 4 * r))
            if n & 1:
                bias = bias_address + 4 * row if bias_address else 0
                x0, y0 = first + take[n - 1] * wide_x, result + put[n - 1] * wide_out
                one(at + wide * row, columns, bias, (x0,), (y0 + 4 * row,))
        bias_of = numba.carray(floats_at(bias_address), (rows,))
        for row in range(whole, rows):
            line = weight[row]
            for i in range(n):
                other, total = x[take[i]], ZERO
                for j in range(columns):
                    total += read_one(line[j]) * other[j]
                out[put[i], row] = scale * total + (bias_of[row] if bias_address else ZERO)

    return linear


LINEAR = product(floats, as_it_is, 4, 1.0)
LINEAR_FROM_BYTES = product(decoded_bytes(int(SHIFT), int(PLACES)), decoded, 1, float(SCALE))


@numba.njit(**EXACT)
def dense(address, bias_address, rows, x, take, out, put, n):
    """Apply `product`'s function to float32 weights (rows, columns) at an address."""
    weight = numba.carray(floats_at(address), (rows, x.shape[1]))
    LINEAR(weight, bias_address, x, take, out, put, n)


@numba.njit(**EXACT)
def from_bytes(address, bias_address, rows, x, take, out, put, n):
    """Apply `product`'s function to weights in bytes (rows, columns) at an address."""
    weight = numba.carray(bytes_at(address), (rows, x.shape[1]))
    LINEAR_FROM_BYTES(weight, bias_address, x, take, out, put, n)
