"""The memory plan counts what autograd keeps and what is trained exactly, and refuses what does not fit."""

from dataclasses import replace

import pytest
import torch
from core_models import BASE, CONFIGS, random_tokens, strong_model

from gptoss_edu import ModelConfig, mxfp4
from gptoss_edu.errors import GptOssError
from gptoss_edu.moe import PackedWeight
from gptoss_edu.training.conversations import Row
from gptoss_edu.training.finetune import Recipe, conversation_loss, prepare, recomputed_layers
from gptoss_edu.training.memory_plan import ROUNDED, WORKSPACES, TrainingPlan, activation_bytes, trained_parameters
from gptoss_edu.training.peak_memory import PeakMemory, _Storages
from gptoss_edu.training.quantize import packed
from gptoss_edu.training.start import planned

GB20 = ModelConfig.gpt_oss_20b()


def kept_bytes(model, b: int, t: int, recompute: bool) -> int:
    """Count the bytes of all tensors that autograd keeps, each storage once, without parameters."""
    own = {value.untyped_storage().data_ptr() for value in model.state_dict().values()}
    storages = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = tensor  # kept alive, so that no address is reused
        return tensor

    tokens = random_tokens(model.config, b, t)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), recomputed_layers(model, recompute):
        logits = model(tokens)
    assert logits.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in storages.values())


@pytest.mark.slow
@pytest.mark.parametrize("pack", [False, True], ids=["dense", "packed"])
@pytest.mark.parametrize("name", list(CONFIGS)[::2])
def test_activations_are_what_autograd_keeps(name, pack):
    config = CONFIGS[name]
    model = strong_model(config, 1)
    model = packed(model) if pack else model
    prepare(model, Recipe(lora=4, train=("attention", "router")))
    size = 2 if pack else 4
    for b, t in ((2, 64), (3, 96)):
        measured = kept_bytes(model, b, t, recompute=False)
        assert 0.9 < activation_bytes(config, b, t, size, False) / measured < 1.15, (b, t)
        measured = kept_bytes(model, b, t, recompute=True)  # after the forward pass, no layer is open
        assert 0.85 < activation_bytes(config, b, t, size, True) / measured < 1.25, (b, t)


def test_the_peak_counts_storages_once_while_they_are_there():
    x = torch.ones(1000)
    with PeakMemory(torch.device("cpu"), [x]) as memory:
        y = x + 1
        z = y.view(10, 100)[:5] * 2
        del y, z
        x.mul_(2)
        x * 3  # freed at once
    assert memory.peak == 4000 + 2000 and memory.reserved is None


class AsOnGpu(_Storages):
    """Counts the product that a GPU makes within the backward pass of a softmax; a processor makes none."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if func is torch.ops.aten._softmax_backward_data.default:
            self.peak = max(self.peak, self.now + out.nbytes)
        return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recompute", "dtype", "most"),
    [(True, torch.bfloat16, 1.03), (True, torch.float32, 1.03), (False, torch.bfloat16, 1.2)],
    ids=str,
)
def test_the_plan_of_a_long_text_covers_the_peak_of_its_step(recompute, dtype, most):
    config = replace(BASE, num_attention_heads=8)
    model = packed(strong_model(config, 1)).to(dtype)
    recipe = Recipe(lora=4, train=("attention",), rows=1, longest=1024, recompute=recompute)
    trained = prepare(model, recipe)
    tokens = random_tokens(config, 1024).tolist()
    with AsOnGpu([*model.state_dict().values(), *trained.values()]) as memory, recomputed_layers(model, recompute):
        conversation_loss(model, [Row(tokens, [True] * len(tokens))]).backward()
    parts = TrainingPlan.of(config, recipe, True, dtype, available=0).parts
    assert parts["working space"] > 2 * 4 * 8 * 1024**2, "the scores take most"
    planned = parts["gradients"] + parts["activations"] + parts["working space"]
    assert 1.0 < planned / memory.peak < most


def test_a_gpu_that_is_not_here_has_a_plan_with_what_its_libraries_take():
    recipe = Recipe(train=("attention",), recompute=True, rows=1, longest=1024)
    here, there = planned(GB20, True, recipe, "cpu"), planned(GB20, True, recipe, card=80 << 30)
    large = 2 * GB20.num_hidden_layers  # qkv and out; the rest are vectors
    assert there.available == 80 << 30
    assert there.parts["working space"] - here.parts["working space"] == WORKSPACES + 3 * large * ROUNDED


def test_packed_experts_are_not_expanded_for_the_backward_pass():
    model = packed(strong_model(BASE, 1))
    prepare(model, Recipe(lora=4, train=("attention",)))
    own = {value.untyped_storage().data_ptr() for value in model.state_dict().values()}
    f, c, kept = BASE.intermediate_size, BASE.hidden_size, []

    def note(tensor):
        if tensor.untyped_storage().data_ptr() not in own and set(tensor.shape) & {2 * f} and c in tensor.shape:
            kept.append(tensor.shape)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        assert model(random_tokens(BASE, 1, 7)).requires_grad  # 7 rows: only a matrix has both widths
    assert not kept, f"kept: {kept}"


@pytest.mark.parametrize("rows", [1, 5])
def test_the_gradients_of_a_packed_expert_are_those_of_the_expanded_one(rows):
    weight = PackedWeight(*mxfp4.pack(torch.randn(3, 6, 64)))
    found = []
    for packed_one in (True, False):
        x = torch.linspace(-1, 1, rows * 64).view(rows, 64).requires_grad_()
        bias = torch.ones(6, requires_grad=True)
        out = weight.linear(x, 1, bias) if packed_one else torch.nn.functional.linear(x, weight[1], bias)
        out.square().sum().backward()
        found.append((out.detach(), x.grad, bias.grad))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(train=("experts",)),
        Recipe(train=("attention", "block.1.mlp.*")),
        Recipe(lora=4, train=("attention", "router", "experts")),
        Recipe(lora=3, train=("block.2.attn.qkv.weight", "block.*.mlp.mlp2_weight")),
    ],
    ids=str,
)
def test_trained_numbers_are_those_of_the_model(recipe):
    trained = prepare(strong_model(BASE), recipe)
    assert trained_parameters(BASE, recipe, packed=False) == sum(p.numel() for p in trained.values())


def test_20b_whole_is_refused_on_one_card_and_adapters_fit():
    card = 139 << 30
    whole = TrainingPlan.of(GB20, Recipe(), packed=False, available=card)
    assert whole.trained == 20_914_757_184 and whole.parts["Adam's averages"] == 8 * whole.trained
    with pytest.raises(GptOssError, match=r"gpt-oss-20b: does not fit.*weights 77\.91 GiB.*--lora 8"):
        whole.refuse_if_too_big("gpt-oss-20b")
    recipe = Recipe(lora=16, train=("attention", "router", "experts"), recompute=True)
    adapters = TrainingPlan.of(GB20, recipe, packed=True, available=card)
    adapters.refuse_if_too_big("gpt-oss-20b")
    assert adapters.needed < whole.needed / 10
    assert adapters.parts["weights"] == pytest.approx(12.82 * 2**30, rel=1e-3)


def test_recomputing_keeps_less_and_a_longer_conversation_needs_more():
    def needed(**how):
        return TrainingPlan.of(GB20, Recipe(lora=16, train=("attention",), **how), True).needed

    assert needed(recompute=True) < needed() / 3
    assert needed(longest=512, rows=1) < needed(longest=1024, rows=1) < needed(longest=4096, rows=1)


def test_experts_stay_packed_unless_they_are_trained_themselves():
    how = [
        planned(GB20, True, recipe).parts["weights"]
        for recipe in (Recipe(lora=8), Recipe(train=("attention",)), Recipe())
    ]
    assert how[0] < how[1] < how[2] / 4


def test_a_pattern_without_a_match_is_refused_before_anything_is_loaded():
    with pytest.raises(GptOssError, match="pattern 'q_proj': expected it to match"):
        planned(GB20, True, Recipe(lora=8, train=("q_proj",)))
