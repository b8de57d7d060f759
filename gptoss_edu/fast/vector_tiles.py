"""Tiles of a matrix product as LLVM vectors: some rows of a weight times some tokens, all sums kept in registers.

In the plain loop a compiler adds up each product's vector on its own and loads a number for one or two products only.
A tile has as many sums as a vector has lanes: four rows times four tokens, or sixteen rows times one. Each number that
is loaded serves several products, and all the vectors are summed together, by halving them in pairs.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LINE = 64  # bytes of a line of the cache
FLOAT, BYTE, INT32 = ir.FloatType(), ir.IntType(8), ir.IntType(32)


def _lanes() -> int:
    """Return how many float32 numbers a vector has: a register of AVX-512, one of AVX, or two of a smaller kind."""
    features = llvmlite.binding.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8


LANES = _lanes()


def depend_on_tiles(function) -> None:
    """Let Numba compile a cached function again when tiles or products have changed, and not only its own file."""
    own, folder = Path(function.py_func.__code__.co_filename), Path(__file__).parent
    sources = (file.read_bytes() for file in sorted({own, *folder.glob("*_tiles.py"), folder / "step_products.py"}))
    function._cache._cache_file._source_stamp = hashlib.sha256(b"".join(sources)).hexdigest()


def floats(builder, address, index):
    """Load a vector of float32 numbers."""
    return load(builder, address, index, FLOAT)


def bfloat16(builder, address, index):
    """Load a vector of bfloat16 numbers: the upper halves of float32 ones."""
    wide = ir.VectorType(INT32, LANES)
    bits = builder.zext(load(builder, address, index, ir.IntType(16)), wide)
    return builder.bitcast(builder.shl(bits, alike(wide, 16)), ir.VectorType(FLOAT, LANES))


def decoded_bytes(shift: int, places: int) -> Callable:
    """Return a reader of one byte per number: its bits, moved by `shift` and masked by `places`, are a float32's."""

    def read(builder, address, index):
        wide = ir.VectorType(INT32, LANES)
        bits = builder.sext(load(builder, address, index, BYTE), wide)
        bits = builder.and_(builder.shl(bits, alike(wide, shift)), alike(wide, places))
        return builder.bitcast(bits, ir.VectorType(FLOAT, LANES))

    return read


def tile(tokens: int, rows: int, read: Callable, size: int, scale: float):
    """Return a compiled tile of rows * tokens <= LANES; `read` makes vectors of numbers of `size` bytes, up to `scale`.

    Its arguments are addresses: of the first row (rows follow each other), of the rows' biases or 0, of each token's
    numbers, and of where each token's results go. `columns` is a multiple of LANES.
    """
    addresses = types.UniTuple(types.int64, tokens)

    @intrinsic
    def multiply(typing_context, weight, columns, bias, x, out):
        """Compute out[token][row] = scale * read(weight[row]) @ x[token] + bias[row]."""

        def codegen(context, builder, signature, args):
            weight, columns, bias, x, out = args
            word = weight.type
            x, out = (cgutils.unpack_tuple(builder, each, tokens) for each in (x, out))
            vector = ir.VectorType(FLOAT, LANES)
            sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(rows * tokens)]
            with cgutils.for_range_slice(builder, word(0), columns, word(LANES), word) as (column, _):
                starts = [builder.add(column, builder.mul(columns, word(row))) for row in range(rows)]
                numbers = [read(builder, weight, builder.mul(start, word(size))) for start in starts]
                for token in range(tokens):
                    other = floats(builder, x[token], builder.mul(column, word(4)))
                    for row in range(rows):
                        place = sums[token * rows + row]
                        builder.store(multiply_add(builder, numbers[row], other, builder.load(place)), place)
            totals = sum_each(builder, [builder.load(place) for place in sums])
            finish(builder, totals, bias, out, rows, scale)
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
                    score = spread(builder, load_one(builder, address, builder.mul(loop.index, word(4)), FLOAT))
                    builder.store(multiply_add(builder, score, value, builder.load(place)), place)
            for place, address in zip(sums, out, strict=True):
                builder.store(builder.load(place), builder.inttoptr(address, vector.as_pointer()), align=4)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64, addresses, addresses), codegen

    return mix


@intrinsic
def fetch_ahead(typing_context, address, count):
    """Ask for `count` bytes to be in the cache soon. Any address is allowed."""

    def codegen(context, builder, signature, args):
        address, count = args
        place = BYTE.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [place, INT32, INT32, INT32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        with cgutils.for_range_slice(builder, count.type(0), count, count.type(LINE), count.type) as (offset, _):
            to_read, soon, data = INT32(0), INT32(2), INT32(1)
            builder.call(prefetch, [builder.inttoptr(builder.add(address, offset), place), to_read, soon, data])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def multiply_add(builder, a, b, c):
    """Compute a * b + c, in one instruction where there is one."""
    kind = ir.FunctionType(a.type, [a.type] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
    return builder.call(function, [a, b, c])


def finish(builder, totals, bias, out, rows: int, scale: float) -> None:
    """Store scale * totals + bias, the `rows` of each token at its address."""
    vector = ir.VectorType(FLOAT, rows)
    place = cgutils.alloca_once_value(builder, ir.Constant(vector, None))
    with builder.if_then(builder.icmp_signed("!=", bias, bias.type(0))):
        builder.store(load(builder, bias, bias.type(0), FLOAT, rows), place)
    added = builder.load(place)
    for token, address in enumerate(out):
        lanes = ir.Constant(ir.VectorType(INT32, rows), [token * rows + row for row in range(rows)])
        part = builder.shuffle_vector(totals, ir.Constant(totals.type, ir.Undefined), lanes)
        part = builder.fadd(builder.fmul(part, alike(vector, scale)), added)
        builder.store(part, builder.inttoptr(address, vector.as_pointer()), align=4)


def sum_each(builder, vectors: list):
    """Return the sums of 2, 4, … or LANES vectors as one vector: two become one by adding halves."""
    block = LANES
    while block > 1:
        block //= 2
        pairs = zip(vectors[::2], vectors[1::2], strict=True) if len(vectors) > 1 else [(vectors[0], vectors[0])]
        lanes = 2 * LANES if len(vectors) > 1 else vectors[0].type.count
        first = [lane for start in range(0, lanes, 2 * block) for lane in range(start, start + block)]
        low, high = (ir.Constant(ir.VectorType(INT32, len(first)), [i + more for i in first]) for more in (0, block))
        vectors = [
            builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)) for a, b in pairs
        ]
    return vectors[0]


def load(builder, address, offset, kind, count: int = LANES):
    """Load a vector of numbers, wherever they stand."""
    place = builder.inttoptr(builder.add(address, offset), ir.VectorType(kind, count).as_pointer())
    return builder.load(place, align=kind.width // 8 if kind is not FLOAT else 4)


def alike(vector, value):
    """Return a constant vector of one value."""
    return ir.Constant(vector, [value] * vector.count)


def spread(builder, number):
    """Return a vector with the number in each lane."""
    vector = ir.VectorType(number.type, LANES)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, INT32(0))
    return builder.shuffle_vector(first, first, alike(ir.VectorType(INT32, LANES), 0))


def load_one(builder, address, offset, kind):
    place = builder.inttoptr(builder.add(address, offset), kind.as_pointer())
    return builder.load(place, align=4 if kind is FLOAT else 1)
