"""Tiles of a product with MXFP4 weights: sixteen bytes become two vectors, in registers.

A nibble is looked up in a table of sixteen numbers where a register holds as many (AVX-512). Elsewhere a code s ee m,
moved to the sign, exponent and mantissa of a float16, is the number times 2^-14, and processors convert float16 to
float32 in one instruction.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from gptoss_edu.mxfp4 import VALUES

from .vector_tiles import (
    BYTE,
    FLOAT,
    INT32,
    LANES,
    alike,
    finish,
    floats,
    load,
    load_one,
    multiply_add,
    spread,
    sum_each,
)

INT16 = ir.IntType(16)
HALF = 16  # bytes per block: sixteen weights lie in the low nibbles, sixteen in the high ones
FACTOR = 1.0 if LANES == 16 else 2.0**14  # what the tiles' numbers lack
SIGNED = (*VALUES, *(-value for value in VALUES))


def numbers(builder, codes):
    """Return two vectors of float32, from the low and from the high nibbles of a vector of bytes."""
    vector = ir.VectorType(FLOAT, LANES)
    if LANES == 16:
        places = ir.VectorType(INT32, LANES)
        wide, table = builder.zext(codes, places), ir.Constant(vector, SIGNED)
        kind = ir.FunctionType(vector, [vector, places])  # looks at the lowest four bits only
        look_up = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.permvar.sf.512")
        return [builder.call(look_up, [table, at]) for at in (wide, builder.lshr(wide, alike(places, 4)))]
    places = ir.VectorType(INT16, LANES)
    wide, found = builder.zext(codes, places), []
    for sign, to_sign, rest, to_rest in ((0x08, 12, 0x07, 9), (0x80, 8, 0x70, 5)):
        signs = builder.shl(builder.and_(wide, alike(places, sign)), alike(places, to_sign))
        rests = builder.shl(builder.and_(wide, alike(places, rest)), alike(places, to_rest))
        half = builder.bitcast(builder.or_(signs, rests), ir.VectorType(ir.HalfType(), LANES))
        found.append(builder.fpext(half, vector))
    return found


def packed_tile(tokens: int, rows: int):
    """Return a compiled tile of packed rows, tokens * rows at most LANES.

    Its arguments are addresses: of the first row's blocks and scales, of the 256 numbers that scales stand for, of each
    token's numbers (`groups` times sixteen even and sixteen odd ones), and of where each token's results go.
    """
    addresses = types.UniTuple(types.int64, tokens)

    @intrinsic
    def multiply(typing_context, blocks, scales, table, groups, x, out):
        """Compute out[token][row] = unpack(blocks[row], scales[row]) @ x[token]."""

        def codegen(context, builder, signature, args):
            blocks, scales, table, groups, x, out = args
            word, vector = blocks.type, ir.VectorType(FLOAT, LANES)
            x, out = (cgutils.unpack_tuple(builder, each, tokens) for each in (x, out))
            sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(tokens * rows)]
            with cgutils.for_range(builder, groups, intp=word) as loop:
                ats = [builder.add(loop.index, builder.mul(groups, word(row))) for row in range(rows)]
                scaled = [spread(builder, _scale(builder, scales, at, table)) for at in ats]
                for start in range(0, HALF, LANES):
                    starts = [builder.add(builder.mul(at, word(HALF)), word(start)) for at in ats]
                    pairs = [numbers(builder, load(builder, blocks, at, BYTE)) for at in starts]
                    if tokens > 1:  # scaled once for all of them
                        pairs = [
                            [builder.fmul(each, scale) for each in pair]
                            for pair, scale in zip(pairs, scaled, strict=True)
                        ]
                    for token in range(tokens):
                        at = builder.mul(loop.index, word(8 * HALF))
                        others = [floats(builder, x[token], builder.add(at, word(4 * (start + i)))) for i in (0, HALF)]
                        for row, (pair, scale) in enumerate(zip(pairs, scaled, strict=True)):
                            place = sums[token * rows + row]
                            total = builder.load(place)
                            if tokens > 1:
                                total = multiply_add(builder, pair[0], others[0], total)
                                total = multiply_add(builder, pair[1], others[1], total)
                            else:
                                part = multiply_add(builder, pair[1], others[1], builder.fmul(pair[0], others[0]))
                                total = multiply_add(builder, part, scale, total)
                            builder.store(total, place)
            finish(builder, sum_each(builder, [builder.load(place) for place in sums]), word(0), out, rows, 1.0)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4, addresses, addresses), codegen

    return multiply


def _scale(builder, scales, at, table):
    code = builder.zext(load_one(builder, scales, at, BYTE), table.type)
    return load_one(builder, table, builder.mul(code, table.type(4)), FLOAT)
