"""Test the grouped product whose first operand are the weights, in Triton's interpreter or on a GPU."""

from dataclasses import replace

import pytest
import torch

triton = pytest.importorskip("triton", reason="the Triton package is not installed (no wheel on this platform)")

import triton.language as tl
from test_kernels import DEVICE, LARGE, gpu, needs_gpu, randn, random_packed, relative, small_config

from gptoss_edu import mxfp4
from gptoss_edu.fast import FastTransformer, grouped_words, launch, launch_words
from gptoss_edu.fast import mxfp4_words as common
from gptoss_edu.fast.alone import Alone
from gptoss_edu.fast.launch_words import WordTile
from gptoss_edu.fast.tuning import Tuning
from gptoss_edu.moe import moe


def words(copies: int, up, down, wgmma: bool = True, fused: bool = True):
    tile = WordTile(10**6, copies, up, down)
    return replace(LARGE, words=(tile,), wgmma=wgmma, router_words=10**9 if fused else 0)


def odd_config(**changes):
    """Return sizes whose MX blocks fill no whole number of quads: 5 blocks of 32 in, 7 inside."""
    return small_config(**{"num_hidden_layers": 1, "hidden_size": 160, "intermediate_size": 224, **changes})


def a_layer(config, first=0, last=None, seed=3):
    weights = random_packed(config, seed).state_dict()
    kept = {k: v[first:last] if ".mlp.mlp" in k else v for k, v in weights.items()}
    alone = Alone()
    alone.first_expert = first
    return FastTransformer(config, {k: v.to(DEVICE) for k, v in kept.items()}, LARGE, alone).layers[0]


def right_sum(x, layer, config):
    """Return what the experts add to x (n, c), in float64."""
    y = x.double()
    normed = y / (y.square().mean(-1, keepdim=True) + config.rms_norm_eps).sqrt() * layer.mlp_norm.double()
    values, indices = (normed @ layer.gate_weight.double().T + layer.gate_bias.double()).topk(config.experts_per_token)
    w1, w2 = (
        mxfp4.unpack(b.cpu(), s.cpu(), dtype=torch.float64).to(DEVICE)
        for b, s in ((layer.blocks1b, layer.scales1), (layer.blocks2b, layer.scales2))
    )
    return moe(normed, values.softmax(-1), indices, w1, layer.bias1.double(), w2, layer.bias2.double())


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("c", [128, 160, 224, 2880])
def test_every_element_has_one_place_and_places_left_are_known(c, width):
    at = launch_words.places(c, width)
    assert len(set(at.tolist())) == c and int(at.max()) < launch_words.padded(c)

    @triton.jit
    def kernel(found, back, used, GROUPS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
        i = tl.arange(0, BLOCK)
        tl.store(found + i, grouped_words.place_of(i, GROUPS, WIDTH), mask=i < GROUPS * 32)
        element, there = grouped_words.element_at(i, GROUPS, WIDTH)
        tl.store(back + i, element)
        tl.store(used + i, there.to(tl.int32))

    block = launch_words.pow2(launch_words.padded(c))
    found, back, used = (torch.full((block,), -1, dtype=torch.int32, device=DEVICE) for _ in range(3))
    kernel[(1,)](found, back, used, GROUPS=c // 32, WIDTH=width, BLOCK=block)
    assert torch.equal(found[:c].long().cpu(), at)
    assert used.nonzero().flatten().tolist() == sorted(at.tolist())
    assert torch.equal(back[at.to(DEVICE)].cpu(), torch.arange(c, dtype=torch.int32))


@pytest.mark.parametrize(
    "n, copies, up, down, wgmma, fused",
    [
        (5, 8, (64, 4, 1, 1), (64, 4, 1, 2), True, True),
        (21, 16, (128, 4, 1, 2), (64, 2, 1, 4), True, False),
        pytest.param(9, 8, (32, 2, 1, 4), (128, 4, 1, 1), False, True, marks=pytest.mark.slow),
        pytest.param(40, 32, (64, 1, 1, 2), (64, 4, 1, 1), True, True, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_experts_with_words_against_float64(n, copies, up, down, wgmma, fused):
    config = odd_config(num_experts=4, experts_per_token=2)
    layer, x = a_layer(config), randn(n, config.hidden_size, seed=4)
    right = right_sum(x, layer, config)
    tuning = words(copies, up, down, wgmma, fused)
    found = x.clone()
    launch.experts_many(found, layer, config, tuning)
    assert relative(found - x, right) < 1e-5
    again, part = x.clone(), randn(n, config.hidden_size, seed=5)
    launch.experts_many(again, layer, config, tuning)
    assert torch.equal(again, found)
    sum_of_both = x.clone() - part
    launch.experts_many(sum_of_both, layer, config, tuning, part=part)
    assert relative(sum_of_both - x, right) < 1e-4


@pytest.mark.parametrize("fused", [True, False])
def test_experts_elsewhere_and_padding_are_left_out(fused):
    """Try 128 experts of which this rank holds some, and rows of which the last tokens are padding."""
    config = odd_config(num_experts=128, hidden_size=128, intermediate_size=128)
    x, tuning = randn(12, 128, seed=6), words(8, (128, 4, 1, 1), (64, 4, 1, 1), True, fused)
    right = right_sum(x, a_layer(config), config)
    parts = [torch.full_like(x, float("nan")) for _ in range(2)]
    for into, (first, last) in zip(parts, ((0, 50), (50, 128)), strict=True):
        launch.experts_many(x, a_layer(config, first, last), config, tuning, into=into)
    assert relative(parts[0] + parts[1], right) < 1e-5
    counts = torch.tensor([2, 6], dtype=torch.int32, device=DEVICE)
    found = x.clone()
    launch.experts_many(found, a_layer(config), config, tuning, counts=counts)
    real = [0, 1, *range(6, 12)]
    assert relative((found - x)[real], right[real]) < 1e-5
    assert torch.equal(found[2:6], x[2:6])


def test_rows_too_short_for_a_quad_take_the_other_kernel(monkeypatch):
    monkeypatch.setattr(launch, "experts_words", lambda *a: pytest.fail("fewer than four blocks in a row"))
    config = small_config(num_hidden_layers=1)  # 96 wide
    x = randn(3, 96, seed=7)
    launch.experts_many(x, a_layer(config), config, words(8, (64, 4, 1, 1), (64, 4, 1, 1)))
    assert x.isfinite().all()


def test_a_card_of_capability_9_0_takes_the_tiles_that_were_measured(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    for capability, count in (((8, 0), 0), ((9, 0), 8), ((10, 0), 0)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=capability: c)
        tuning = Tuning.on(torch.device("cuda", 0))
        assert len(tuning.words) == count and tuning.pairs and tuning.overlap == (capability >= (9, 0))
    assert Tuning.on(torch.device("cpu")).words == ()


def test_measured_tiles_follow_each_other_and_give_the_same_sum():
    """Try every tile that is measured with a number of tokens for which it is taken."""
    tiles = launch_words.HOPPER
    assert [tile.below for tile in tiles] == sorted(tile.below for tile in tiles)
    config = odd_config(num_experts=8, experts_per_token=2)
    layer, tuning = a_layer(config), replace(LARGE, words=tiles)
    taken = {launch_words.words_tile(tuning, copies, 32, 2880, 2880) for copies in range(4, 1200)}
    assert taken == set(tiles)
    for n in (1, 12):
        assert launch_words.words_tile(tuning, 2 * n, 8, config.hidden_size, config.intermediate_size)
        x = randn(n, config.hidden_size, seed=11)
        found = x.clone()
        launch.experts_many(found, layer, config, tuning)
        assert relative(found - x, right_sum(x, layer, config)) < 1e-5


@pytest.mark.parametrize("copies, e", [(1, 8), (64, 32), (256, 32), (512, 128), (70, 3)])
def test_tiles_are_enough_for_any_choice(copies, e):
    """The most tiles are needed where every expert has one copy more than fills its tiles."""
    for block in (8, 16, 32):
        counts = [1] * min(e, copies)
        for i in range(copies - len(counts)):
            counts[i // block % len(counts)] += 1
        worst = sum(-(-count // block) for count in counts)
        assert sum(counts) == copies
        assert worst <= launch_words.most_tiles(copies, e, block) <= min(copies, e) + copies // block


@triton.jit
def unpack_words_kernel(word, scale, out):
    i = tl.arange(0, 1024) + tl.program_id(0) * 1024
    power = tl.minimum(tl.load(scale + i).to(tl.int32) + 62, 255) << 7
    numbers = common.unpack_words(tl.load(word + i), power | (power << 16))
    for j in tl.static_range(8):
        tl.store(out + i * 8 + (j // 2 + j % 2 * 4), numbers[j])


@gpu
@needs_gpu
def test_words_are_unpacked_exactly():
    """Try every byte in every place with every scale that a bfloat16 2^-64 smaller can hold."""
    scale = torch.arange(60, 193).repeat_interleave(2048)[: 133 * 2048].to(torch.uint8)
    word = torch.randint(-(2**31), 2**31, (len(scale),), generator=torch.Generator().manual_seed(0)).to(torch.int32)
    out = torch.empty(len(word), 8, dtype=torch.bfloat16, device="cuda")
    unpack_words_kernel[(len(word) // 1024,)](word.cuda(), scale.cuda(), out)
    blocks = torch.zeros(len(word), 1, 16, dtype=torch.uint8)
    blocks[:, 0, :4] = word.view(torch.uint8).view(-1, 4)
    right = mxfp4.unpack(blocks, scale.view(-1, 1), dtype=torch.float64).view(-1, 32)[:, :8]
    assert torch.equal(out.cpu().double() * 2.0**64, right)


@gpu
@needs_gpu
@pytest.mark.parametrize("warps, wgmma", [(4, True), (2, True), (4, False)])
@pytest.mark.parametrize("copies", [8, 16, 32, 64])
def test_words_in_bfloat16_on_a_card(copies, warps, wgmma):
    """Compare with float64 on the same bfloat16 numbers, and twice with each other."""
    config = odd_config(hidden_size=2880, intermediate_size=2880, num_experts=8)
    model = FastTransformer.from_reference(random_packed(config, 9, "cuda").bfloat16())
    layer, x = model.layers[0], randn(45, 2880, seed=10, dtype=torch.bfloat16)
    for fused, quads in ((10**9, 1), (0, 2), (10**9, 4)):
        rows = 64 if warps == 4 else 32
        sizes = (rows, warps, 2 if copies * quads > 64 else 3, quads)
        tile = WordTile(10**6, copies, sizes, sizes)
        tuning = replace(model.tuning, words=(tile,), router_words=fused, wgmma=wgmma)
        seen = []
        for _ in range(2):
            into = torch.full_like(x, float("nan"))
            launch.experts_many(x, layer, config, tuning, into=into)
            seen.append(into)
        assert torch.equal(*seen)
        errors = (seen[0].double() - (right := right_sum(x, layer, config))).norm(dim=-1) / right.norm(dim=-1)
        assert errors.median() < 1e-2
