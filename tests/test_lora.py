"""Test that LoRA equals `peft`'s in forward pass, merge, training and files; and what it refuses."""

import inspect
import json

import pytest
import torch
from core_models import BASE, CONFIGS, as_transformers, random_tokens, relative, strong_model
from safetensors.torch import load_file, save_file

from gptoss_edu import checkpoint, load_model, mxfp4
from gptoss_edu.errors import GptOssError
from gptoss_edu.training import lora
from gptoss_edu.training.adapters import add_lora, load_adapters, merge_lora, save_adapters
from gptoss_edu.training.lora import adapters
from gptoss_edu.training.quantize import packed

TOLERANCE = 1e-5  # of the logits' scale
SELECTIONS = {
    "attention, router, experts": ["attention", "router", "experts"],
    "some layers, one expert matrix": ["block.1.mlp.mlp2_weight", "block.*.mlp.mlp1_weight", "block.2.attn.qkv.weight"],
    "one weight": ["block.2.attn.out.weight"],
}
NAMES = list(CONFIGS)


@pytest.fixture(scope="module")
def peft():
    return pytest.importorskip("peft", reason="peft is not installed: pip install 'gptoss-edu[test]'")


def adapted(name: str, patterns, seed: int = 1):
    """Return a random model whose adapters have an effect: B, which starts at zero, is filled."""
    model = strong_model(CONFIGS[name], seed)
    add_lora(model, 4, 8, patterns, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, adapter in adapters(model):
            for parameter in adapter.parameters():
                if parameter.requires_grad:
                    parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def test_the_file_has_fewer_than_120_lines():
    assert len(inspect.getsource(lora).splitlines()) < 120


@pytest.mark.slow
@pytest.mark.parametrize("patterns", SELECTIONS.values(), ids=SELECTIONS)
@pytest.mark.parametrize("name", [NAMES[0], NAMES[3], NAMES[5]])
def test_our_files_mean_the_same_to_peft(tmp_path, peft, name, patterns):
    """peft loads our files into transformers' model: the logits are equal before and after its merge."""
    ours = adapted(name, patterns)
    save_adapters(ours, tmp_path / "adapter")
    tokens = random_tokens(ours.config, 2, 40)
    theirs = peft.PeftModel.from_pretrained(as_transformers(strong_model(CONFIGS[name], 1)), tmp_path / "adapter")
    with torch.no_grad():
        expected, plain = theirs(tokens).logits, strong_model(CONFIGS[name], 1)(tokens)
        assert relative(plain, expected) > 0.1, "the adapters change nothing: the comparison would say nothing"
        assert relative(ours(tokens), expected) < TOLERANCE
        merged = theirs.merge_and_unload()(tokens).logits
        assert relative(merge_lora(ours)(tokens), merged) < TOLERANCE
    again = strong_model(CONFIGS[name], 1)
    load_adapters(again, tmp_path / "adapter")
    with torch.no_grad():
        assert relative(merge_lora(again)(tokens), merged) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["q_proj", "v_proj"], "r": 3, "lora_alpha": 7},
        {"target_modules": ["o_proj"], "use_rslora": True, "r": 4, "lora_alpha": 8},
        {
            "target_modules": ["k_proj"],
            "target_parameters": ["mlp.experts.down_proj", "mlp.experts.gate_up_proj"],
            "r": 2,
        },
        {"target_modules": [], "target_parameters": ["mlp.router.weight"], "r": 2, "layers_to_transform": [1, 3]},
    ],
    ids=lambda settings: str(settings["target_modules"]),
)
def test_what_peft_wrote_means_the_same_to_us(tmp_path, peft, settings):
    torch.manual_seed(3)
    ours = strong_model(BASE, 2)
    theirs = peft.get_peft_model(as_transformers(ours), peft.LoraConfig(init_lora_weights=False, **settings))
    theirs.save_pretrained(tmp_path)
    load_adapters(ours, tmp_path)
    tokens = random_tokens(BASE, 2, 33)
    with torch.no_grad():
        assert relative(ours(tokens), theirs(tokens).logits) < TOLERANCE
        assert relative(merge_lora(ours)(tokens), theirs.merge_and_unload()(tokens).logits) < TOLERANCE


@pytest.mark.slow
def test_trained_on_the_same_data_both_arrive_at_the_same_adapters(tmp_path, peft):
    """Take five steps of plain gradient descent; Adam would divide rounding errors by their own size."""
    ours = strong_model(BASE, 4)
    add_lora(ours, 4, 8, ["attention", "router", "experts"], seed=5)
    save_adapters(ours, tmp_path / "start")
    theirs = peft.PeftModel.from_pretrained(
        as_transformers(strong_model(BASE, 4)), tmp_path / "start", is_trainable=True
    )
    for model in (ours, theirs):
        chosen = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(chosen, lr=0.3)
        for step in range(5):
            tokens = random_tokens(BASE, 2, 24, seed=step)
            logits = model(tokens) if model is ours else model(tokens).logits
            loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    save_adapters(ours, tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    start, one, other = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("start", "ours", "theirs")
    )
    assert one.keys() == other.keys() and len(one) == 2 * 7 * BASE.num_hidden_layers
    for name in one:
        moved = (other[name].double() - start[name].double()).abs().max()
        assert moved > 0
        assert (one[name].double() - other[name].double()).abs().max() < 1e-3 * moved, name


def test_a_new_adapter_changes_nothing_and_a_merge_leaves_the_same_names():
    plain, model = strong_model(BASE, 6), strong_model(BASE, 6)
    names = add_lora(model, 4, 8, ["attention", "router", "experts"])
    assert len(names) == 5 * BASE.num_hidden_layers
    tokens = random_tokens(BASE, 1, 20)
    assert torch.equal(model(tokens), plain(tokens))
    assert sum(p.requires_grad for p in model.parameters()) == 2 * 7 * BASE.num_hidden_layers
    merge_lora(model)
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in model.state_dict().items())


def test_the_seed_decides_the_start_and_leaves_other_random_numbers_alone():
    models = [strong_model(BASE, 6) for _ in range(3)]
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    starts = []
    for seed, model in zip((1, 1, 2), models, strict=True):
        add_lora(model, 4, 8, ["router"], seed)
        starts.append(next(adapter.pairs["all"].a for _, adapter in adapters(model)))
    assert torch.equal(starts[0], starts[1]) and not torch.equal(starts[0], starts[2])
    assert torch.equal(torch.rand(1), expected)


def test_adapters_on_packed_experts_compute_as_on_expanded_ones():
    model = packed(strong_model(BASE, 7))
    dense = strong_model(BASE, 7)
    with torch.no_grad():
        for name, parameter in dense.named_parameters():
            found = (
                model.get_submodule(name).unpacked()
                if "mlp1_w" in name or "mlp2_w" in name
                else model.state_dict()[name]
            )
            parameter.copy_(found.float())
    model.float()
    tokens = random_tokens(BASE, 2, 16)
    for one in (model, dense):
        add_lora(one, 4, 8, ["experts", "attention"], seed=8)
        with torch.no_grad():
            for _, adapter in adapters(one):
                for name, parameter in adapter.named_parameters():
                    if name.endswith(".b"):
                        parameter.copy_(torch.linspace(-0.2, 0.2, parameter.numel()).view(parameter.shape))
    assert relative(model(tokens), dense(tokens)) < TOLERANCE
    model(tokens).sum().backward()
    assert all(p.grad.abs().max() > 0 for p in model.parameters() if p.requires_grad)


def test_merging_into_packed_experts_rounds_as_named_and_leaves_the_rest_alone():
    model = packed(strong_model(BASE, 7)).float()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    add_lora(model, 4, 8, ["block.1.mlp.mlp1_weight"])
    with torch.no_grad():
        model.block[1].mlp.mlp1_weight.pair.b.normal_(generator=torch.Generator().manual_seed(0))
    wanted = model.block[1].mlp.mlp1_weight
    expected = [mxfp4.pack(wanted.base[e] + wanted.pair.delta(e).detach(), "up") for e in range(BASE.num_experts)]
    with pytest.raises(GptOssError, match="name one of floor, up, best"):
        merge_lora(model)
    merge_lora(model, "up")
    for name, value in model.state_dict().items():
        if name.startswith("block.1.mlp.mlp1_weight"):
            part = 0 if name.endswith("blocks") else 1
            assert torch.equal(value, torch.stack([pair[part] for pair in expected]))
            assert not torch.equal(value, before[name])
        else:
            assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    "change, said",
    [
        ({"use_dora": True}, "use_dora = True"),
        ({"bias": "all"}, "bias = 'all'"),
        ({"alpha_pattern": {"q_proj": 3}}, "alpha_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights = 'pissa'"),
        ({"peft_type": "IA3"}, "found IA3"),
        ({"r": 2}, "expected A and B of"),
    ],
    ids=str,
)
def test_other_kinds_of_adapters_are_refused(tmp_path, change, said):
    model = adapted(NAMES[0], ["attention"])
    save_adapters(model, tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(GptOssError, match=said):
        load_adapters(strong_model(CONFIGS[NAMES[0]], 1), tmp_path / "adapter")


def test_the_one_peft_that_took_inputs_for_outputs_is_refused_where_it_matters(tmp_path):
    """peft 0.19.0 exchanged the inputs and outputs of an expert's A and B; 20b's square down_proj hides that."""
    for part in ("experts", "attention"):
        save_adapters(adapted(NAMES[0], [part]), tmp_path / part)
        path = tmp_path / part / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"peft_version": "0.19.0"}))
    load_adapters(strong_model(CONFIGS[NAMES[0]], 1), tmp_path / "attention")
    with pytest.raises(GptOssError, match=r"peft_version = '0\.19\.0'"):
        load_adapters(strong_model(CONFIGS[NAMES[0]], 1), tmp_path / "experts")


def test_files_that_do_not_belong_are_refused(tmp_path):
    model = adapted(NAMES[0], ["experts"])
    save_adapters(model, tmp_path / "adapter")
    with pytest.raises(GptOssError, match="does it belong to this model"):
        load_adapters(strong_model(CONFIGS[NAMES[1]], 1), tmp_path / "adapter")
    with pytest.raises(GptOssError, match="expected a model without adapters"):
        load_adapters(model, tmp_path / "adapter")
    with pytest.raises(GptOssError, match="expected adapters in peft's format"):
        load_adapters(strong_model(BASE), tmp_path)
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({"base_model.model.lm_head.lora_A.weight": torch.zeros(4, 64)}, path)
    with pytest.raises(GptOssError, match=r"lm_head\.lora_A\.weight: expected the adapter of an attention projection"):
        load_adapters(strong_model(BASE), tmp_path / "adapter")


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["original", "hf", "hf-bf16"])
def test_a_merged_model_is_exported_in_every_layout(tmp_path, layout):
    """The files hold what the experts learned; a merge that looks for other names would silently lose it.

    Report: unslothai/unsloth-zoo 885.
    """
    model = merge_lora(adapted(NAMES[0], ["attention", "router", "experts"]))
    plain = strong_model(CONFIGS[NAMES[0]], 1).state_dict()
    checkpoint.save(model, tmp_path / "out", layout, None if layout == "hf-bf16" else "best")
    again = load_model(tmp_path / "out", dtype=torch.float32, experts="dense").state_dict()

    def stored(name: str, value: torch.Tensor) -> torch.Tensor:
        rounds = name.endswith(("mlp1_weight", "mlp2_weight")) and layout != "hf-bf16"
        return mxfp4.unpack(*mxfp4.pack(value, "best")) if rounds else value.to(torch.bfloat16).float()

    for name, value in model.state_dict().items():
        assert torch.equal(again[name], stored(name, value)), name
        if name.endswith(("mlp1_weight", "mlp2_weight", "qkv.weight", "attn.out.weight", "gate.weight")):
            assert (again[name] != stored(name, plain[name])).float().mean() > 0.2, name
