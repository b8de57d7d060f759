"""Functions shared by the kernels: reading MXFP4 words, power-of-two scales, and waiting for the previous kernel.

A kernel here is a function that many *programs* run at once, each on its own tile: `tl.program_id` says which tile,
offsets say which elements, a mask keeps the tile inside the tensor.
"""

import triton
import triton.language as tl

try:
    from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait
except ImportError:  # an older Triton launches kernels one after another

    @triton.jit
    def gdc_wait():
        pass

    @triton.jit
    def gdc_launch_dependents():
        pass


@triton.jit
def start_next(OVERLAP: tl.constexpr):
    """Let the next kernel of the stream start; it stops at its own `wait_for_previous`. No-op without OVERLAP."""
    if OVERLAP:
        gdc_launch_dependents()


@triton.jit
def wait_for_previous(OVERLAP: tl.constexpr):
    """Wait until everything that earlier kernels wrote is visible; weights may be loaded before this."""
    if OVERLAP:
        gdc_wait()


@triton.jit
def e8m0(scale):
    """Return the power of two 2^(scale - 127) of an e8m0 byte as float32; 255 is NaN.

    Source: OCP Microscaling Formats (MX) specification 1.0, section 5.4.1.
    """
    scale = scale.to(tl.int32)
    bits = tl.maximum(scale << 23, 0x00400000)  # 2^-127 is subnormal: half of 2^-126
    bits = tl.where(scale == 255, 0x7FC00000, bits)
    return bits.to(tl.float32, bitcast=True)


@triton.jit
def half_bytes(word):
    """Return the eight e2m1 values of a 32-bit word as bytes, each the upper half of a float16, too small by 2^-14.

    Sign, two exponent bits and one mantissa bit move to the same places of a float16, whose lower byte is zero.
    Returns (even, odd): bytes 0 to 3 of `even` are elements 0, 2, 4, 6, those of `odd` elements 1, 3, 5, 7.
    """
    even = ((word << 4) & -0x7F7F7F80) | ((word << 1) & 0x0E0E0E0E)
    odd = (word & -0x7F7F7F80) | ((word >> 3) & 0x0E0E0E0E)
    return even, odd


@triton.jit
def byte_as_float(word, BYTE: tl.constexpr):
    """Read byte BYTE of each word as the upper half of a float16."""
    if BYTE == 0:
        half = word << 8
    else:
        half = (word >> (8 * BYTE - 8)) & -256
    return half.to(tl.int16).to(tl.float16, bitcast=True).to(tl.float32)


@triton.jit
def four_words(tile):
    """Split words 0 to 3 of each MX block: (n, 4g) to four of (n, g). One thread loads all four, so nothing moves."""
    tile = tl.reshape(tile, (tile.shape[0], tile.shape[1] // 4, 2, 2))
    even, odd = tl.split(tile)
    w0, w2 = tl.split(even)
    w1, w3 = tl.split(odd)
    return w0, w1, w2, w3


@triton.jit
def word_dot_pairs(word, x0, x1, x2, x3, acc):
    """Add eight e2m1 values (too small by 2^-14) times eight float16 numbers to acc, two at a time in f16x2 units.

    x0 to x3 hold the elements (0, 4), (1, 5), (2, 6) and (3, 7) as pairs of float16, as `acc` does.
    """
    return tl.inline_asm_elementwise(
        """
        {
        .reg .b32 even, odd, p, t, a;
        shl.b32 t, $1, 4;           and.b32 t, t, 0x80808080;
        shl.b32 even, $1, 1;        and.b32 even, even, 0x0E0E0E0E;   or.b32 even, even, t;
        shr.u32 odd, $1, 3;         and.b32 odd, odd, 0x0E0E0E0E;
        and.b32 t, $1, 0x80808080;  or.b32 odd, odd, t;
        prmt.b32 p, even, 0, 0x2404;                                  fma.rn.f16x2 a, p, $2, $6;
        prmt.b32 p, odd, 0, 0x2404;                                   fma.rn.f16x2 a, p, $3, a;
        and.b32 p, even, 0xFF00FF00;                                  fma.rn.f16x2 a, p, $4, a;
        and.b32 p, odd, 0xFF00FF00;                                   fma.rn.f16x2 $0, p, $5, a;
        }
        """,
        "=r,r,r,r,r,r,r",
        [word, x0, x1, x2, x3, acc],
        dtype=tl.int32,
        is_pure=True,
        pack=1,
    )


@triton.jit
def pair_sum(pair):
    """Add the two float16 numbers of a 32-bit word in float32."""
    return tl.inline_asm_elementwise(
        "{ .reg .b16 lo, hi; .reg .f32 a, b; mov.b32 {lo, hi}, $1; cvt.f32.f16 a, lo; cvt.f32.f16 b, hi; add.f32 $0, a,"
        " b; }",
        "=f,r",
        [pair],
        dtype=tl.float32,
        is_pure=True,
        pack=1,
    )


@triton.jit
def unpack_bytes(byte, scale):
    """Unpack low and high e2m1 values of each byte, times its e8m0 scale, to bfloat16, two at a time (capability 8.0).

    The three low bits of a nibble become the last two exponent bits and the first mantissa bit of a bfloat16, which is
    too small by 2^-126, even if it is subnormal. Two exact products with powers of two correct this.
    """
    return tl.inline_asm_elementwise(
        """
        {
        .reg .b32 w, t, s;
        prmt.b32 w, $4, 0, 0x3120;
        shl.b32 t, w, 12;  and.b32 t, t, 0x80008000;  shl.b32 $0, w, 6;  and.b32 $0, $0, 0x01C001C0;  or.b32 $0, $0, t;
        shl.b32 t, w, 4;   and.b32 t, t, 0x80008000;  shr.u32 $1, w, 2;  and.b32 $1, $1, 0x01C001C0;  or.b32 $1, $1, t;
        shl.b32 t, w, 8;   and.b32 t, t, 0x80008000;  shl.b32 $2, w, 2;  and.b32 $2, $2, 0x01C001C0;  or.b32 $2, $2, t;
        and.b32 t, w, 0x80008000;                     shr.u32 $3, w, 6;  and.b32 $3, $3, 0x01C001C0;  or.b32 $3, $3, t;
        and.b32 s, $5, 0xFF;  shl.b32 s, s, 7;  max.u32 s, s, 0x40;  prmt.b32 s, s, 0, 0x1010;
        mov.b32 w, 0x7E807E80;
        mov.b32 t, 0x80008000;
        fma.rn.bf16x2 $0, $0, w, t;  fma.rn.bf16x2 $1, $1, w, t;  fma.rn.bf16x2 $2, $2, w, t;  fma.rn.bf16x2 $3, $3, \
w, t;
        fma.rn.bf16x2 $0, $0, s, t;  fma.rn.bf16x2 $1, $1, s, t;  fma.rn.bf16x2 $2, $2, s, t;  fma.rn.bf16x2 $3, $3, \
s, t;
        }
        """,
        "=&r,=&r,=&r,=&r,r,r",
        [byte, scale],
        dtype=(tl.bfloat16, tl.bfloat16),
        is_pure=True,
        pack=4,
    )


@triton.jit
def unpack_words(word, power):
    """Unpack the eight e2m1 values of each word to bfloat16, times `power`, two equal bfloat16 numbers in a word.

    Returns elements 0, 4, 1, 5, 2, 6, 3, 7. As in `unpack_bytes`, three bits of a nibble become exponent and mantissa
    of a number that is too small by 2^-126. A product with an integer moves sign and these bits in one instruction.
    """
    return tl.inline_asm_elementwise(
        """
        {
        .reg .b32 w, z, p0, p1, p2, p3;
        mov.b32 z, 0x80008000;
        shr.u32 w, $8, 8;
        and.b32 p0, $8, 0x000F000F;  mul.lo.u32 p0, p0, 0x1040;  and.b32 p0, p0, 0x81C081C0;
        and.b32 p1, $8, 0x00F000F0;  mul.lo.u32 p1, p1, 0x0104;  and.b32 p1, p1, 0x81C081C0;
        and.b32 p2, w, 0x000F000F;   mul.lo.u32 p2, p2, 0x1040;  and.b32 p2, p2, 0x81C081C0;
        and.b32 p3, w, 0x00F000F0;   mul.lo.u32 p3, p3, 0x0104;  and.b32 p3, p3, 0x81C081C0;
        fma.rn.bf16x2 p0, p0, $9, z;  fma.rn.bf16x2 p1, p1, $9, z;
        fma.rn.bf16x2 p2, p2, $9, z;  fma.rn.bf16x2 p3, p3, $9, z;
        mov.b32 {$0, $1}, p0;  mov.b32 {$2, $3}, p1;  mov.b32 {$4, $5}, p2;  mov.b32 {$6, $7}, p3;
        }
        """,
        "=h,=h,=h,=h,=h,=h,=h,=h,r,r",
        [word, power],
        dtype=(tl.bfloat16,) * 8,
        is_pure=True,
        pack=1,
    )
