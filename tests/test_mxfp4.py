"""Test MXFP4 against the OCP Microscaling specification, written out in exact arithmetic, and against brute force."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from gptoss_edu import mxfp4
from gptoss_edu.errors import GptOssError
from gptoss_edu.moe import PackedWeight

FLOAT32_MAX = float(np.finfo(np.float32).max)
BFLOAT16_MAX = float(torch.finfo(torch.bfloat16).max)


def spec_e2m1(code: int) -> float:
    """Section 5.3.3: sign, exponent with bias 1, one mantissa bit; exponent 0 is subnormal."""
    sign, exponent, mantissa = code >> 3, code >> 1 & 3, code & 1
    magnitude = mantissa * 0.5 if exponent == 0 else 2.0 ** (exponent - 1) * (1 + mantissa / 2)
    return -magnitude if sign else magnitude


def spec_e8m0(byte: int) -> float:
    """Section 5.4.1: 2^(byte - 127), and 255 is NaN."""
    return math.nan if byte == 255 else 2.0 ** (byte - 127)


def spec_block(codes, byte: int) -> np.ndarray:
    """Section 6.3: each element times the shared scale, exact in float64."""
    return np.array([spec_e2m1(int(code)) * spec_e8m0(byte) for code in codes])


def codes_of(blocks: torch.Tensor) -> np.ndarray:
    """(…, 16) bytes to (…, 32) codes, the low nibble first."""
    raw = blocks.numpy()
    return np.stack((raw & 15, raw >> 4), axis=-1).reshape(*raw.shape[:-1], 32)


def as_dtype(exact: np.ndarray, largest: float) -> np.ndarray:
    """Convert exact values that need no rounding to a narrower float: only overflow changes them."""
    return np.where(np.abs(exact) > largest, np.copysign(np.inf, exact), exact)


# ---------------------------------------------------------------------------------------------------------- unpacking


@pytest.mark.parametrize("dtype, largest", [(torch.float32, FLOAT32_MAX), (torch.bfloat16, BFLOAT16_MAX)])
def test_all_bytes_under_all_scales_are_the_specifications(dtype, largest):
    """The low nibble comes first; a histogram would not notice exchanged nibbles.

    Report: kekzl/imp 567.
    """
    blocks = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).repeat(256, 1, 1)  # (scale, 16, 16): every byte
    scales = torch.arange(256, dtype=torch.uint8)[:, None].repeat(1, 16)
    found = mxfp4.unpack(blocks, scales, dtype=dtype)
    assert found.dtype == dtype and found.shape == (256, 512)
    values = np.array([[spec_e2m1(byte & 15), spec_e2m1(byte >> 4)] for byte in range(256)]).reshape(-1)  # low first
    for byte in range(256):
        expected = as_dtype(values * spec_e8m0(byte), largest) if byte < 255 else np.full(512, np.nan)
        row = found[byte].double().numpy()
        np.testing.assert_array_equal(row, expected, err_msg=f"scale {byte}")
        if byte < 255:
            np.testing.assert_array_equal(np.signbit(row), np.signbit(values), err_msg=f"signs of zeros, scale {byte}")


def test_only_scales_253_and_254_overflow_and_255_is_nan():
    blocks = torch.tensor([0x7F], dtype=torch.uint8).repeat(256, 16)  # every value 6 or -6
    for dtype in (torch.float32, torch.bfloat16):
        found = mxfp4.unpack(blocks[:, None], torch.arange(256, dtype=torch.uint8)[:, None], dtype=dtype)
        assert found[:253].isfinite().all() and (found[:253] != 0).all()
        assert found[253:255].isinf().all() and found[255].isnan().all()
    quarter = mxfp4.unpack(blocks[:1, None] & 0x11, torch.tensor([[254]], dtype=torch.uint8))  # 0.5 · 2^127
    assert quarter.isfinite().all(), "254 overflows only from magnitude 2 on"


def test_shapes_views_and_other_dtypes():
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 256, (3, 5, 4, 16), dtype=torch.uint8, generator=generator)
    scales = torch.randint(100, 140, (3, 5, 4), dtype=torch.uint8, generator=generator)
    whole = mxfp4.unpack(blocks, scales)
    assert whole.shape == (3, 5, 128)
    assert torch.equal(mxfp4.unpack(blocks[1], scales[1]), whole[1])
    assert torch.equal(mxfp4.unpack(blocks[:, ::2], scales[:, ::2]), whole[:, ::2]), "not contiguous"
    assert torch.equal(mxfp4.unpack(blocks, scales, dtype=torch.float64), whole.double())
    assert mxfp4.unpack(blocks[:0], scales[:0]).shape == (0, 5, 128)


def test_pieces_change_nothing(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(7, 96, generator=generator)
    blocks, scales = mxfp4.pack(weight, "best")
    whole = mxfp4.unpack(blocks, scales)
    monkeypatch.setattr(mxfp4, "CHUNK", 64)
    again = mxfp4.pack(weight, "best")
    assert torch.equal(again[0], blocks) and torch.equal(again[1], scales)
    assert torch.equal(mxfp4.unpack(blocks, scales), whole)


# ------------------------------------------------------------------------------------------------------------ packing


def brute_codes(block: np.ndarray, byte: int) -> list[int]:
    """Search the nearest code for each weight; of two equally near, take the one with mantissa bit 0."""
    scale, codes = spec_e8m0(byte), []
    for weight in block:
        sign = 8 if np.signbit(weight) else 0
        distance = [(abs(abs(weight) - spec_e2m1(code) * scale), code & 1, code) for code in range(8)]
        codes.append(sign | min(distance)[2])
    return codes


def brute_error(block: np.ndarray, byte: int) -> float:
    return float(((spec_block(brute_codes(block, byte), byte) - block) ** 2).sum())


def brute_scale(block: np.ndarray, rounding: str) -> int:
    """Search all 255 shared exponents for the one that each rule defines."""
    largest = np.abs(block).max()
    if largest == 0:
        return 0
    floor = max(byte for byte in range(-200, 255) if 2.0 ** (byte - 127) * 4 <= largest)
    up = min(byte for byte in range(-200, 255) if 2.0 ** (byte - 127) * 6 >= largest)
    floor, up = max(floor, 0), min(max(up, 0), 252)  # with 253 the values 4 and 6 would unpack to infinity
    if rounding == "best":
        return up if brute_error(block, up) < brute_error(block, floor) else floor
    return {"floor": floor, "up": up}[rounding]


def hard_blocks() -> np.ndarray:
    """Return blocks on which a rule can go wrong.

    They hold exact ties, powers of two, saturation, zeros, signs, subnormals and huge values.
    """
    rng = np.random.default_rng(0)
    middles = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0]
    blocks = [np.resize([*middles, *(-m for m in middles), top], 32) for top in (4.0, 4.5, 5.0, 6.0, 6.1, 7.0, 7.99)]
    blocks += [
        np.zeros(32),
        np.full(32, -0.0),
        np.resize([1.0, 0.0, -0.0], 32),
        np.full(32, 2.0**-10),
        np.full(32, 6.0),
    ]
    blocks += [np.nextafter(np.float32(6), direction) * np.ones(32) for direction in (np.float32(0), np.float32(9))]
    blocks += [rng.standard_normal(32) * 10.0**power for power in (-40, -38, -30, -5, 0, 5, 30, 37)]
    blocks += [
        np.resize([FLOAT32_MAX, -FLOAT32_MAX, 1.0], 32),
        np.resize([2.0**-149, 0.0], 32),
        np.resize([2.0**-126], 32),
    ]
    blocks += list(rng.standard_normal((40, 32)) * rng.lognormal(0, 2, (40, 1)))
    return np.stack(blocks).astype(np.float32)


@pytest.mark.parametrize("rounding", mxfp4.ROUNDINGS)
def test_packing_is_the_brute_force_choice(rounding):
    weight = hard_blocks()
    blocks, scales = mxfp4.pack(torch.from_numpy(weight), rounding)
    codes = codes_of(blocks)[:, 0]
    for i, block in enumerate(weight.astype(np.float64)):
        assert scales[i, 0] == brute_scale(block, rounding), f"block {i}: {block[:4]}"
        np.testing.assert_array_equal(
            codes[i], brute_codes(block, int(scales[i, 0])), err_msg=f"block {i}: {block[:4]}"
        )


def test_the_roundings_differ_as_their_names_say():
    weight = torch.from_numpy(hard_blocks())
    errors = {}
    for rounding in mxfp4.ROUNDINGS:
        blocks, scales = mxfp4.pack(weight, rounding)
        errors[rounding] = (mxfp4.unpack(blocks, scales).double() - weight.double()).square().sum(-1)
    largest = weight.abs().amax(-1)
    saturates = torch.tensor([(m / 2.0 ** math.floor(math.log2(m)) > 1.5) if m else False for m in largest.tolist()])
    up_blocks, up_scales = mxfp4.pack(weight, "up")
    up = mxfp4.unpack(up_blocks, up_scales).abs().amax(-1)
    assert saturates.any() and (up[saturates] >= largest[saturates] * 0.75).all()
    assert (errors["best"] <= errors["floor"]).all() and (errors["best"] <= errors["up"]).all()
    assert (errors["best"] < errors["floor"]).any() and (errors["best"] < errors["up"]).any()


def test_what_was_packed_never_unpacks_to_infinity():
    for rounding in mxfp4.ROUNDINGS:
        for dtype in (torch.float32, torch.bfloat16):
            found = mxfp4.unpack(*mxfp4.pack(torch.full((32,), FLOAT32_MAX), rounding), dtype=dtype)
            assert found.isfinite().all(), rounding


raw_blocks = st.lists(
    st.tuples(st.binary(min_size=16, max_size=16), st.integers(0, 252)), min_size=1, max_size=8
)  # fmt: skip


@pytest.mark.slow
@examples(200)
@given(raw_blocks)
def test_with_the_scales_given_every_finite_block_comes_back_byte_for_byte(rows):
    """Another rule for the scales gives other bytes; therefore the rule is named, and scales can be passed.

    Report: openai/gpt-oss 108. Report: vllm-project/vllm 43557.
    """
    blocks = torch.tensor([list(raw) for raw, _ in rows], dtype=torch.uint8)[:, None]
    scales = torch.tensor([[scale] for _, scale in rows], dtype=torch.uint8)
    for dtype in (torch.float32, torch.bfloat16):
        again = mxfp4.pack(mxfp4.unpack(blocks, scales, dtype=dtype), scales=scales)
        assert torch.equal(again[0], blocks) and torch.equal(again[1], scales)


def test_every_byte_under_every_finite_scale_comes_back():
    blocks = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).repeat(253, 1, 1)
    scales = torch.arange(253, dtype=torch.uint8)[:, None].repeat(1, 16)
    again, _ = mxfp4.pack(mxfp4.unpack(blocks, scales), scales=scales)
    assert torch.equal(again, blocks)


def test_without_the_scales_other_bytes_may_come_back_but_the_same_weights():
    """A block whose magnitudes are all below 4 has several representations, so `convert` keeps the scales."""
    blocks, scales = torch.full((1, 1, 16), 0x22, dtype=torch.uint8), torch.tensor([[127]], dtype=torch.uint8)  # ones
    weight = mxfp4.unpack(blocks, scales)
    again = mxfp4.pack(weight, "floor")
    assert not torch.equal(again[0], blocks) and torch.equal(mxfp4.unpack(*again), weight)


@examples(40)
@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=32, max_size=32),
    st.sampled_from(mxfp4.ROUNDINGS),
)
def test_any_finite_block_packs_to_its_nearest_codes(values, rounding):
    blocks, scales = mxfp4.pack(torch.tensor(values), rounding)
    block, scale = np.array(values, dtype=np.float32).astype(np.float64), int(scales[0])
    assert scale == brute_scale(block, rounding)
    np.testing.assert_array_equal(codes_of(blocks)[0], brute_codes(block, scale))


# ------------------------------------------------------------------------------------------------- errors and memory


def test_errors_name_what_was_expected_and_found():
    blocks, scales = torch.zeros(2, 3, 16, dtype=torch.uint8), torch.zeros(2, 3, dtype=torch.uint8)
    for bad in (
        (blocks[:, :2], scales),
        (blocks.int(), scales),
        (blocks, scales.float()),
        (blocks[0, 0], scales[0, 0]),
    ):
        with pytest.raises(GptOssError, match=r"expected uint8 blocks \(\.\.\., G, 16\)"):
            mxfp4.unpack(*bad)
    with pytest.raises(GptOssError, match="rounding must be one of floor, up, best, found 'nearest'"):
        mxfp4.pack(torch.zeros(32), "nearest")
    for bad in (torch.zeros(33), torch.zeros(32, dtype=torch.int64)):
        with pytest.raises(GptOssError, match="expected floating weights"):
            mxfp4.pack(bad)
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(GptOssError, match="NaN or infinity"):
            mxfp4.pack(torch.full((32,), value))
    with pytest.raises(GptOssError, match=r"expected uint8 scales \(2,\)"):
        mxfp4.pack(torch.zeros(64), scales=torch.zeros(3, dtype=torch.uint8))


def test_indexing_a_packed_weight_unpacks_one_expert_and_casting_the_model_casts_what_it_gives():
    weight = torch.randn(4, 6, 64, generator=torch.Generator().manual_seed(0))
    packed = PackedWeight(*mxfp4.pack(weight))
    assert packed.shape == (4, 6, 64) and torch.equal(packed[2], packed.unpacked()[2])
    low = torch.nn.Sequential(packed).to(torch.bfloat16)[0]
    assert low[2].dtype == torch.bfloat16 and low.blocks.dtype == torch.uint8
    assert low.float()[2].dtype == torch.float32


MEASURE = """
import resource, torch
from gptoss_edu import mxfp4
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
weight = torch.ones(8_192, 2880)
mxfp4.unpack(*mxfp4.pack(weight[:512]))
before = peak()
blocks, scales = mxfp4.pack(weight, "best")
print(peak() - before - blocks.nbytes - scales.nbytes)
before = peak()
out = mxfp4.unpack(blocks, scales)
print(peak() - before - out.nbytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform == "win32", reason="the peak of a process is read with the resource module, which Windows lacks"
)
def test_memory_is_bounded_by_pieces_not_by_the_tensor():
    """For 24 million weights (94 MB in float32), working space beside input and output stays below 48 MB.

    Report: unslothai/unsloth-zoo 266.
    """
    lines = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True).stdout.split()
    assert all(int(line) < 48e6 for line in lines), lines
