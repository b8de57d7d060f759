"""Test the kernels that decode 2 to 8 sequences in one step, in Triton's interpreter on a CPU and on a GPU."""

from dataclasses import replace

import pytest
import torch

pytest.importorskip("triton", reason="the Triton package is not installed (no wheel on this platform)")

from test_kernels import (
    DEVICE,
    LARGE,
    Buffers,
    gpu,
    needs_gpu,
    one_layer,
    poison,
    randn,
    random_packed,
    relative,
    shaped_like_20b,
    small_config,
    token_errors,
)

from gptoss_edu import mxfp4
from gptoss_edu.fast import FastTransformer, launch
from gptoss_edu.fast.tuning import SEARCHED, Tiles, Tuning
from gptoss_edu.moe import moe

ROWS = (2, 3, 4, 8)


@pytest.mark.parametrize("b", ROWS)
@pytest.mark.parametrize("rows, c", [(96, 160), (33, 96)])
def test_products_of_a_few_rows_against_float64(b, rows, c):
    shapes = [(b, c), (rows, c), (c,), (rows,), (b, rows)]
    x, w, gain, bias, residual = (randn(*shape, seed=i) for i, shape in enumerate(shapes))
    y = x.double()
    normed = y / (y.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain.double()
    for tile in ((32, 128, 2, 2), (64, 32, 1, 1), (16, 512, 4, 9)):
        out = poison(b, rows)
        launch.few_matvecs(x, w, out, tile, 1e-5, gain, bias, residual)
        assert relative(out, normed @ w.double().T + bias.double() + residual.double()) < 1e-5
        out = poison(b, rows)
        launch.few_matvecs(x, w, out, tile)
        assert relative(out, y @ w.double().T) < 1e-5


def test_a_row_of_a_product_does_not_depend_on_the_others():
    x, w, gain = randn(8, 96, seed=1), randn(40, 96, seed=2), randn(96, seed=3)
    whole = poison(8, 40)
    launch.few_matvecs(x, w, whole, (32, 64, 2, 1), 1e-5, gain)
    for b, ahead in ((2, 1), (3, 2), (5, 1)):
        part = poison(b, 40)
        launch.few_matvecs(x[:b].contiguous(), w, part, (32, 64, 2, ahead), 1e-5, gain)
        assert torch.equal(part, whole[:b])
    x[3:] = float("nan")
    launch.few_matvecs(x, w, out := poison(8, 40), (32, 64, 2, 1), 1e-5, gain)
    assert torch.equal(out[:3], whole[:3]) and out[3:].isnan().all()


def expert_buffers(b: int, config, pairs: bool = False) -> Buffers:
    dtype = torch.float16 if pairs else torch.float32
    c, f, e, k = config.hidden_size, config.intermediate_size, config.num_experts, config.experts_per_token
    return Buffers(router=poison(b, e), normed=poison(b, c, dtype=dtype), act=poison(b, k, f, dtype=dtype))


def experts_in_float64(x, layer):
    normed = x.double() / (x.double().square().mean(-1, keepdim=True) + 1e-5).sqrt() * layer.mlp_norm.double()
    logits = normed @ layer.gate_weight.double().T + layer.gate_bias.double()
    values, indices = logits.topk(4)
    w1, w2 = (
        mxfp4.unpack(b.cpu(), s.cpu(), dtype=torch.float64).to(DEVICE)
        for b, s in ((layer.blocks1b, layer.scales1), (layer.blocks2b, layer.scales2))
    )
    return x.double() + moe(
        normed, values.softmax(-1), indices, w1, layer.bias1.double(), w2, layer.bias2.double()
    ), indices  # fmt: skip


@pytest.mark.parametrize("pairs", [False, pytest.param(True, marks=[gpu, needs_gpu])])
@pytest.mark.parametrize("b", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow), 8])
def test_experts_of_a_few_rows_against_float64_and_alone(b, pairs):
    """With 8 experts, 4 a token, most experts have several rows; a row's result is the same to the bit in any company.

    The one-row kernels give the same bits as well, since they run the same products in the same order, however many
    tiles ahead they load.
    """
    config = small_config()
    layer, tuning = one_layer(config, 3, 0), replace(LARGE, pairs=pairs)
    x = randn(b, config.hidden_size, seed=4)
    right, chosen = experts_in_float64(x, layer)
    assert chosen.flatten().unique(return_counts=True)[1].max() > 1
    out = x.clone()
    launch.experts_few(out, layer, config, expert_buffers(b, config, pairs), tuning)
    assert relative(out, right) < (2e-3 if pairs else 1e-5)
    for i in range(b):
        alone = x[i : i + 1].clone()
        same_tiles = replace(tuning, up=(*tuning.two.up[:3], 1), down=(*tuning.two.down[:3], 1))
        launch.experts_few(alone, layer, config, expert_buffers(1, config, pairs), same_tiles)
        assert torch.equal(alone[0], out[i])


def test_a_row_that_is_nan_disturbs_no_other_that_chose_its_experts():
    """Equal rows choose the same experts."""
    config = small_config()
    layer = one_layer(config, 5, 0)
    x = randn(1, config.hidden_size, seed=6).repeat(3, 1)
    right, _ = experts_in_float64(x[:1], layer)
    out = x.clone()
    launch.experts_few(out, layer, config, expert_buffers(3, config), LARGE)
    assert relative(out, right.repeat(3, 1)) < 1e-5 and all(torch.equal(out[0], row) for row in out)
    x[1] = float("nan")
    launch.experts_few(x, layer, config, expert_buffers(3, config), LARGE)
    assert torch.equal(x[[0, 2]], out[[0, 2]]) and x[1].isnan().all()


@pytest.mark.parametrize("b, limit", [(2, 8), *(pytest.param(*c, marks=pytest.mark.slow) for c in ((3, 8), (3, 2)))])
def test_steps_of_a_few_rows_like_the_reference_and_like_each_alone(b, limit):
    """Try rows of different lengths over a sliding window, and rows that are more than the limit."""
    config = small_config(sliding_window=4, num_experts=4, experts_per_token=2)
    reference = random_packed(config, 2)
    model = FastTransformer.from_reference(reference, DEVICE, replace(LARGE, few_rows=limit))
    lengths = [3 + 2 * (i % 3) for i in range(b)]
    tokens = torch.randint(0, config.vocab_size, (b, 9), generator=torch.Generator().manual_seed(b))
    ours, theirs, alone = model.new_cache(b, 12), reference.new_cache(b, 12), [model.new_cache(1, 12) for _ in tokens]
    for m, cache in ((model, ours), (reference, theirs)):
        m(tokens[:, :7], cache, lengths)
    for i, length in enumerate(lengths):
        model(tokens[i : i + 1, :length], alone[i])
    assert model.step(ours).few == (b <= limit)
    for i in (7, 8):
        step = tokens[:, i : i + 1]
        found, right = model(step, ours).cpu(), reference(step, theirs)
        assert relative(found, right) < 1e-5
        for row in range(b):
            assert relative(model(step[row : row + 1], alone[row])[0].cpu(), found[row]) < 1e-5


def test_a_limit_of_rows_chooses_the_kernels():
    config = small_config(num_hidden_layers=1)
    model = FastTransformer.from_reference(random_packed(config, 2), DEVICE, replace(LARGE, few_rows=3))
    assert [model.step(model.new_cache(b, 4)).few for b in (1, 2, 3, 4, 9)] == [True, True, True, False, False]
    model = FastTransformer.from_reference(random_packed(config, 2), DEVICE, replace(LARGE, few_rows=0))
    assert [model.step(model.new_cache(b, 4)).few for b in (1, 2)] == [True, False]
    model = FastTransformer.from_reference(random_packed(config, 2), DEVICE, replace(LARGE, few_rows=99))
    assert [model.step(model.new_cache(b, 4)).few for b in (8, 9)] == [True, False]


def test_tiles_of_dense_products_fit_the_matrix_units():
    for tiles in (Tiles(), Tuning().two, Tuning().more):
        for block_n, block_c, warps, ahead in (tiles.qkv, tiles.out, tiles.unembedding):
            assert block_n % 16 == 0 and block_c % (32 * warps) == 0 and ahead >= 1


@pytest.mark.parametrize("card", SEARCHED)
def test_tiles_found_on_a_card_sum_in_the_same_order_for_any_few_rows(card):
    """All but the tiles ahead is equal. Thus a row keeps its bits among any few rows, apart from attention."""
    tuning = Tuning(**SEARCHED[card])
    first, *rest = (vars(tuning.tiles(rows)) for rows in range(2, tuning.few_rows + 1))
    for tiles in rest:
        assert {name: tile[:3] for name, tile in tiles.items()} == {name: tile[:3] for name, tile in first.items()}


@gpu
@needs_gpu
def test_20b_shaped_steps_of_a_few_rows_in_bf16():
    """Use graph, float16 pairs and overlap as in practice: as close to float32 as the reference is."""
    exact, halves = shaped_like_20b(7)
    model = FastTransformer.from_reference(halves)
    tokens = torch.randint(0, 97, (8, 200), device="cuda")
    for rows in ROWS:
        outputs = []
        for m in (exact, halves, model):
            cache = m.new_cache(rows, 220)
            parts = [m(tokens[:rows, :150], cache)] + [m(tokens[:rows, i : i + 1], cache) for i in range(150, 200)]
            outputs.append(torch.cat(parts[1:], dim=1))
        right, reference, ours = outputs
        theirs, errors = token_errors(reference, right), token_errors(ours, right)
        assert ours.isfinite().all()
        assert errors.median() < 1.5 * theirs.median()
        assert (errors > 0.1).double().mean() < 0.1 + 1.5 * (theirs > 0.1).double().mean()


@gpu
@needs_gpu
def test_on_a_gpu_a_row_has_the_same_bits_in_any_company_and_from_run_to_run():
    config = small_config(hidden_size=512, intermediate_size=512, head_dim=64)
    weights = random_packed(config, 8, "cuda").bfloat16()
    model = FastTransformer.from_reference(weights, tuning=Tuning(split_programs=1))
    tokens = torch.randint(0, 97, (8, 20), device="cuda")
    seen = {}
    for rows in (2, 3, 8, 8):
        cache = model.new_cache(rows, 100)
        for i, tensor in enumerate((*cache.keys, *cache.values)):
            tensor.copy_(randn(8, *tensor.shape[1:], seed=i)[:rows])
        cache.declare([40] * rows)
        logits = torch.cat([model(tokens[:rows, i : i + 1], cache) for i in range(20)], dim=1)
        for i in range(rows):
            assert torch.equal(seen.setdefault(i, logits[i]), logits[i])
