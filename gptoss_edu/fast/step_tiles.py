"""Tiles of a matrix product as LLVM vectors: some rows of a weight times some tokens, all sums kept in registers.

In the plain loop a compiler adds up each product's vector on its own and loads a number for one or two products only.
A tile has as many sums as a vector has lanes: four rows times four tokens, or sixteen rows times one. Each number that
is loaded serves several products, and all the vectors are summed together, by halving them in pairs.
"""

from collections.abc import Callable

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

FLOAT, BYTE, INT32 = ir.FloatType(), ir.IntType(8), ir.IntType(32)


def _lanes() -> int:
    """Return how many float32 numbers a vector has: a register of AVX-512, one of AVX, or two of a smaller kind."""
    features = llvmlite.binding.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8


LANES = _lanes()
TOKENS = LANES // 4  # tokens of the widest tile, which has four rows


def floats(builder, address, index):
    """Load a vector of float32 numbers."""
    return _load(builder, address, index, FLOAT, LANES)


def decoded_bytes(shift: int, places: int) -> Callable:
    """Return a reader of one byte per number: its bits, moved by `shift` and masked by `places`, are a float32's."""

    def read(builder, address, index):
        wide = ir.VectorType(INT32, LANES)
        bits = builder.sext(_load(builder, address, index, BYTE, LANES), wide)
        bits = builder.and_(builder.shl(bits, _all(wide, shift)), _all(wide, places))
        return builder.bitcast(bits, ir.VectorType(FLOAT, LANES))

    return read


def tile(tokens: int, read: Callable, size: int, scale: float):
    """Return a compiled tile of LANES / tokens rows; `read` makes vectors of numbers of `size` bytes, up to `scale`.

    Its arguments are addresses: of the first row (rows follow each other), of the rows' biases or 0, of each token's
    numbers, and of where each token's results go. `columns` is a multiple of LANES.
    """
    rows = LANES // tokens
    addresses = types.UniTuple(types.int64, tokens)

    @intrinsic
    def multiply(typing_context, weight, columns, bias, x, out):
        """Compute out[token][row] = scale * read(weight[row]) @ x[token] + bias[row]."""

        def codegen(context, builder, signature, args):
            weight, columns, bias, x, out = args
            word = weight.type
            x, out = (cgutils.unpack_tuple(builder, each, tokens) for each in (x, out))
            vector = ir.VectorType(FLOAT, LANES)
            sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(LANES)]
            with cgutils.for_range_slice(builder, word(0), columns, word(LANES), word) as (column, _):
                starts = [builder.add(column, builder.mul(columns, word(row))) for row in range(rows)]
                numbers = [read(builder, weight, builder.mul(start, word(size))) for start in starts]
                for token in range(tokens):
                    other = floats(builder, x[token], builder.mul(column, word(4)))
                    for row in range(rows):
                        place = sums[token * rows + row]
                        builder.store(_multiply_add(builder, numbers[row], other, builder.load(place)), place)
            totals = _sum_each(builder, [builder.load(place) for place in sums])
            _finish(builder, totals, bias, out, rows, scale)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64, addresses, addresses), codegen

    return multiply


def mixing_tile(heads: int):
    """Return a compiled sum of rows (slots, d) by several heads' scores, for LANES of the columns.

    Its arguments are addresses: of the first row's first column, of each head's scores, and of where its sums go.
    """
    addresses = types.UniTuple(types.int64, heads)

    @intrinsic
    def mix(typing_context, values, d, slots, scores, out):
        """Compute out[head] = sum over slots of scores[head][slot] * values[slot, :LANES]."""

        def codegen(context, builder, signature, args):
            values, d, slots, scores, out = args
            word, vector = values.type, ir.VectorType(FLOAT, LANES)
            scores, out = (cgutils.unpack_tuple(builder, each, heads) for each in (scores, out))
            sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(heads)]
            with cgutils.for_range(builder, slots, intp=word) as loop:
                value = floats(builder, values, builder.mul(builder.mul(loop.index, d), word(4)))
                for place, address in zip(sums, scores, strict=True):
                    at = builder.add(address, builder.mul(loop.index, word(4)))
                    score = builder.load(builder.inttoptr(at, FLOAT.as_pointer()), align=4)
                    many = builder.insert_element(ir.Constant(vector, ir.Undefined), score, INT32(0))
                    many = builder.shuffle_vector(many, many, ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES))
                    builder.store(_multiply_add(builder, many, value, builder.load(place)), place)
            for place, address in zip(sums, out, strict=True):
                builder.store(builder.load(place), builder.inttoptr(address, vector.as_pointer()), align=4)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64, addresses, addresses), codegen

    return mix


def _multiply_add(builder, a, b, c):
    kind = ir.FunctionType(a.type, [a.type] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
    return builder.call(function, [a, b, c])


def _finish(builder, totals, bias, out, rows: int, scale: float) -> None:
    """Store scale * totals + bias, the `rows` of each token at its address."""
    vector = ir.VectorType(FLOAT, rows)
    place = cgutils.alloca_once_value(builder, ir.Constant(vector, None))
    with builder.if_then(builder.icmp_signed("!=", bias, bias.type(0))):
        builder.store(_load(builder, bias, bias.type(0), FLOAT, rows), place)
    added = builder.load(place)
    for token, address in enumerate(out):
        lanes = ir.Constant(ir.VectorType(INT32, rows), [token * rows + row for row in range(rows)])
        part = builder.shuffle_vector(totals, ir.Constant(totals.type, ir.Undefined), lanes)
        part = builder.fadd(builder.fmul(part, _all(vector, scale)), added)
        builder.store(part, builder.inttoptr(address, vector.as_pointer()), align=4)


def _sum_each(builder, vectors: list):
    """Return the sums of LANES vectors as one vector, by adding halves: two vectors become one at each step."""
    block = LANES
    while len(vectors) > 1:
        block //= 2
        first = [lane for start in range(0, 2 * LANES, 2 * block) for lane in range(start, start + block)]
        low, high = (ir.Constant(ir.VectorType(INT32, LANES), [i + more for i in first]) for more in (0, block))
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [
            builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)) for a, b in pairs
        ]
    return vectors[0]


def _load(builder, address, offset, kind, count: int):
    place = builder.inttoptr(builder.add(address, offset), ir.VectorType(kind, count).as_pointer())
    return builder.load(place, align=kind.width // 8 if kind is BYTE else 4)


def _all(vector, value):
    return ir.Constant(vector, [value] * vector.count)
