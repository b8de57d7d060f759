"""Test folders as users have them: other programs' formats, stale files, split experts, resized vocabularies."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from core_models import BASE, as_transformers, relative, strong_model
from inside import run
from safetensors.torch import load_file, save_file

from gptoss_edu import ModelConfig, checkpoint, load_model, load_tokenizer, resources
from gptoss_edu.errors import CheckpointError, ConfigError, GptOssError, TokenizerError
from gptoss_edu.resources import data_path
from gptoss_edu.tokenizer import save_tokenizer

CONFIG = replace(BASE, num_hidden_layers=2, num_experts=4, experts_per_token=2, vocab_size=97, hidden_size=32,
                 intermediate_size=32)  # fmt: skip
TOKENS = torch.arange(40)[None]
LAYER = "model.layers.{}.mlp.experts."


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Write a bfloat16 checkpoint in one file."""
    folder = tmp_path_factory.mktemp("whole") / "m"
    checkpoint.save(strong_model(CONFIG, seed=2), folder, layout="hf-bf16")
    return folder


def rewritten(whole: Path, folder: Path, tensors: dict, **changes) -> Path:
    """Write the folder with other tensors and other config keys."""
    shutil.copytree(whole, folder)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    values = json.loads((whole / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | changes))
    return folder


def split_in_two(whole: Path, folder: Path) -> Path:
    """Write the same tensors in two files with an index."""
    folder.mkdir()
    shutil.copy(whole / "config.json", folder)
    tensors = load_file(whole / "model.safetensors")
    names, where = list(tensors), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-{number:05d}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file)
        where |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder


STALE = {
    "an old single file": "model.safetensors",
    "a shard of an older set": "model-00001-of-00003.safetensors",
    "a second set of another name": "consolidated.00.safetensors",
}


@pytest.mark.parametrize("what", STALE)
def test_the_index_says_which_files_count(whole, tmp_path, what):
    """A stale file beside an indexed set is ignored completely.

    Report: Blaizzy/mlx-vlm 1329. Report: Blaizzy/mlx-vlm 1464. Report: unslothai/unsloth-zoo 808. Report:
    unslothai/unsloth 2978.
    """
    folder = split_in_two(whole, tmp_path / "m")
    zeros = {name: torch.zeros_like(tensor) for name, tensor in load_file(whole / "model.safetensors").items()}
    save_file(zeros | {"something.else": torch.zeros(3)}, folder / STALE[what])
    assert torch.equal(load_model(folder)(TOKENS), load_model(whole)(TOKENS))


def test_of_two_indexes_the_usual_name_counts_and_two_others_are_refused(whole, tmp_path):
    """Report: unslothai/unsloth-zoo 808."""
    folder = split_in_two(whole, tmp_path / "m")
    (folder / "old.safetensors.index.json").write_text('{"weight_map": {"a": "gone.safetensors"}}')
    assert torch.equal(load_model(folder)(TOKENS), load_model(whole)(TOKENS))
    (folder / "model.safetensors.index.json").rename(folder / "new.safetensors.index.json")
    with pytest.raises(CheckpointError, match=r"holds 2 indexes \(new\.safetensors\.index\.json, old"):
        load_model(folder)


@pytest.mark.parametrize(
    "name", ["._model.safetensors", "._model.safetensors.index.json", "._config.json", ".DS_Store"]
)
def test_companion_files_of_a_mac_are_passed_over(whole, tmp_path, name):
    """A Mac that copies to a USB stick leaves a ._NAME beside every file."""
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)
    (folder / name).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        " + b"\0" * 4000)
    assert torch.equal(load_model(folder)(TOKENS), load_model(whole)(TOKENS))


# ---- formats of other programs


def quantised(name: str, shape=(9, 1), dtype=torch.uint8) -> dict:
    return {f"{LAYER.format(i)}{e}.{name}": torch.zeros(shape, dtype=dtype) for i in range(2) for e in range(4)}


FOREIGN = {  # config keys, tensors in place of the experts', a word that names the format
    "bitsandbytes": (
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
        quantised("gate_up_proj.weight"),
        "bitsandbytes",
    ),
    "bitsandbytes, by its tensors": ({}, quantised("gate_up_proj.weight.absmax"), "bitsandbytes"),
    "GPTQ": (
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        quantised("gate_up_proj.qweight", dtype=torch.int32),
        "GPTQ",
    ),
    "AWQ": (
        {"quantization_config": {"quant_method": "awq"}},
        quantised("gate_up_proj.qweight", dtype=torch.int32),
        "AWQ",
    ),
    "AWQ or GPTQ, by its tensors": ({}, quantised("down_proj.qzeros", dtype=torch.int32), "AWQ or GPTQ"),
    "NVFP4": (
        {"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}},
        quantised("gate_up_proj.weight_scale_2"),
        "NVFP4",
    ),
    "NVFP4, by its tensors": ({}, quantised("gate_up_proj.weight_scale_2"), "NVFP4"),
    "FP8": (
        {"quantization_config": {"quant_method": "fp8"}},
        quantised("gate_up_proj.weight", dtype=torch.float8_e4m3fn),
        "FP8",
    ),
    "FP8, by its dtype": ({}, quantised("gate_up_proj.weight", dtype=torch.float8_e4m3fn), "FP8"),
    "compressed-tensors": (
        {"quantization_config": {"quant_method": "compressed-tensors"}},
        quantised("gate_up_proj.weight_packed"),
        "compressed-tensors",
    ),
    "MLX": ({"quantization": {"bits": 4, "group_size": 64}}, quantised("gate_proj.scales"), "MLX"),
    "a method that nobody knows yet": ({"quantization_config": {"quant_method": "novelty"}}, {}, "novelty"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_weights_that_another_method_quantised_are_called_by_its_name(whole, tmp_path, name):
    """The message says what the folder is and which one can be read; downloading the same one again would not help.

    Report: unslothai/unsloth-zoo 856. Report: vllm-project/vllm 46641. Report: vllm-project/vllm 29315. Report:
    kekzl/imp 2040.
    """
    changes, tensors, word = FOREIGN[name]
    plain = {n: t for n, t in load_file(whole / "model.safetensors").items() if ".experts." not in n}
    folder = rewritten(whole, tmp_path / "m", plain | tensors, **changes)
    with pytest.raises(CheckpointError, match="quantised by") as caught:
        load_model(folder)
    said = str(caught.value).replace(str(folder), "")
    assert word in said and "etch the weights again" not in said and "\n" not in said
    assert "bfloat16" in said  # the advised folder is read:
    assert load_model(whole)(TOKENS).isfinite().all()


def test_the_official_quantisation_is_none_of_these(whole, tmp_path):
    checkpoint.convert(whole, tmp_path / "hf", layout="hf", rounding="floor")
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["quantization_config"]["quant_method"] == "mxfp4"
    assert load_model(tmp_path / "hf")(TOKENS).isfinite().all()


@pytest.mark.parametrize("layout", ["original", "hf"])
def test_scales_under_the_name_f8_e8m0_are_the_same_bytes(whole, tmp_path, layout):
    """Report: vllm-project/vllm 46641."""
    checkpoint.convert(whole, tmp_path / "u8", layout=layout, rounding="floor")
    tensors = load_file(tmp_path / "u8" / "model.safetensors")
    renamed = {n: t.view(torch.float8_e8m0fnu) if n.endswith("scales") else t for n, t in tensors.items()}
    folder = rewritten(tmp_path / "u8", tmp_path / "e8m0", renamed)
    assert torch.equal(load_model(folder)(TOKENS), load_model(tmp_path / "u8")(TOKENS))


def test_a_gguf_file_under_another_name_is_called_so(whole, tmp_path):
    """Report: kekzl/imp 2040."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(CheckpointError, match="a GGUF file; name it so that it ends in"):
        load_model(tmp_path)


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a model"])
def test_a_lora_adapter_is_called_so(whole, tmp_path, beside):
    """An adapter alone is not a model, and a model with an adapter beside it must not load without it."""
    folder = tmp_path / "adapter"
    if beside:
        shutil.copytree(whole, folder)
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "openai/gpt-oss-20b", "r": 8}')
    save_file({"base_model.model.lm_head.lora_A.weight": torch.zeros(8, 32)}, folder / "adapter_model.safetensors")
    with pytest.raises(
        CheckpointError, match=r"a LoRA adapter: changes to the weights of openai/gpt-oss-20b.*merge_and_unload"
    ):
        load_model(folder)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"


@pytest.mark.parametrize(
    "name",
    ["config.json", "model.safetensors", "model.safetensors.index.json", "tokenizer.tiktoken", "tokenizer.meta.json"],
)
def test_a_git_lfs_pointer_is_called_so_wherever_it_stands(tmp_path, name):
    """A clone without Git LFS has pointers in place of large files (and of small ones, if the repository says so)."""
    folder = tmp_path / "m"
    shutil.copytree(data_path("gpt-oss-tiny"), folder)
    (folder / name).write_text(POINTER)
    with pytest.raises(GptOssError, match="a Git LFS pointer, not the file itself; run `git lfs pull`"):
        load_model(folder)


# ---- experts in several tensors


def halves(w, axis):
    """Split interleaved rows into gate and up."""
    return w.unflatten(axis, (-1, 2)).unbind(axis + 1)


def one_each(t: dict, list_of_layers: bool) -> dict:
    """Return one tensor per expert."""
    out = {}
    for i in range(2):
        for whole in ("gate_up_proj", "down_proj"):
            p = LAYER.format(i)
            for e in range(4):
                place = f"{p}{whole}s.{e}." if list_of_layers else f"{p}{e}.{whole}."
                out[place + "weight"], out[place + "bias"] = t[p + whole][e].T, t[p + whole + "_bias"][e]
    return out


def gate_and_up_apart(t: dict, stacked: bool) -> dict:
    out = {}
    for i in range(2):
        p = LAYER.format(i)
        gate, up = halves(t[p + "gate_up_proj"].mT, 1)  # (e, f, c)
        gate_bias, up_bias = halves(t[p + "gate_up_proj_bias"], 1)
        parts = {
            "gate": (gate, gate_bias),
            "up": (up, up_bias),
            "down": (t[p + "down_proj"].mT, t[p + "down_proj_bias"]),
        }
        for name, (weight, bias) in parts.items():
            if stacked:
                out[f"{p}{name}_proj.weight"], out[f"{p}{name}_proj.bias"] = weight, bias
            else:
                for e in range(4):
                    out[f"{p}{e}.{name}_proj.weight"], out[f"{p}{e}.{name}_proj.bias"] = weight[e], bias[e]
    return out


WAYS = {
    "a list of layers": lambda t: one_each(t, True),
    "a list of experts": lambda t: one_each(t, False),
    "a list of experts, gate and up apart": lambda t: gate_and_up_apart(t, False),
    "stacked, gate and up apart": lambda t: gate_and_up_apart(t, True),
}


@pytest.mark.parametrize("way", WAYS)
def test_bfloat16_experts_in_tensors_of_their_own_are_read(whole, tmp_path, way):
    """Training programs write one tensor per expert, or gate and up separately; in bfloat16 that loses nothing.

    Report: kekzl/imp 2040. Report: unslothai/unsloth-zoo 856.
    """
    tensors = load_file(whole / "model.safetensors")
    plain = {
        n.replace(".mlp.router.", ".mlp.router.linear.") if way == "a list of layers" else n: t
        for n, t in tensors.items()
        if ".experts." not in n
    }
    folder = rewritten(whole, tmp_path / "m", plain | WAYS[way](tensors))
    assert torch.equal(load_model(folder)(TOKENS), load_model(whole)(TOKENS))
    checkpoint.convert(folder, tmp_path / "joined", layout="hf-bf16")
    joined = load_file(tmp_path / "joined" / "model.safetensors")
    assert all(torch.equal(joined[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("way", WAYS)
def test_an_expert_that_is_missing_is_named(whole, tmp_path, way):
    tensors = load_file(whole / "model.safetensors")
    parts = WAYS[way](tensors)
    parts.pop(
        next(name for name in parts if ".0.mlp" in name and ("2" in name or "up_proj" in name) and "weight" in name)
    )
    plain = {n: t for n, t in tensors.items() if ".experts." not in n}
    with pytest.raises(CheckpointError, match=r"incomplete|missing tensor|not whole"):
        load_model(rewritten(whole, tmp_path / "m", plain | parts))


# ---- sizes and vocabularies


@pytest.mark.slow
@pytest.mark.parametrize(("hidden", "expert", "head"), [(8, 32, 8), (48, 24, 16), (40, 12, 4)])
def test_a_bfloat16_checkpoint_of_any_width_loads(tmp_path, hidden, expert, head):
    """Only MXFP4 needs sizes in blocks of 32; a bfloat16 checkpoint has no blocks.

    Report: huggingface/trl 5621. Report: huggingface/trl 7108. Report: huggingface/transformers 45473.
    """
    config = replace(CONFIG, hidden_size=hidden, intermediate_size=expert, head_dim=head)
    theirs = as_transformers(strong_model(config, seed=3))
    theirs.save_pretrained(tmp_path / "m")
    with torch.no_grad():
        assert relative(load_model(tmp_path / "m")(TOKENS), theirs(TOKENS).logits) < 1e-4
    checkpoint.save_random(config, tmp_path / "random", layout="hf-bf16")
    assert load_model(tmp_path / "random")(TOKENS).isfinite().all()
    for layout in ("original", "hf"):  # for a layout with blocks, the message names the layout without
        with pytest.raises(
            ConfigError, match="must be a multiple of 32, the MXFP4 block; the hf-bf16 layout stores any width"
        ):
            checkpoint.save_random(config, tmp_path / layout, layout=layout)


@pytest.mark.slow
@pytest.mark.parametrize("size", [200_019, 200_064])
def test_a_model_cut_to_the_tokens_in_use_keeps_o200k_harmony(tmp_path, size):
    """`resize_token_embeddings(len(tokenizer))` gives 200,019: all named control tokens are below it.

    Report: huggingface/trl 7108.
    """
    checkpoint.save_random(replace(CONFIG, vocab_size=size, num_hidden_layers=1), tmp_path / "m", layout="hf-bf16")
    (tmp_path / "m" / "tokenizer.json").write_text('{"version": "1.0"}')
    encoding, full = load_model(tmp_path / "m").tokenizer, load_tokenizer()
    text = "<|start|>user<|message|>Grüße, 漢字 12<|end|><|call|>"
    assert encoding.n_vocab == size and encoding.encode(text, allowed_special="all") == full.encode(
        text, allowed_special="all"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["generate", "Hi", "--model"], ["chat", "--message", "Hi", "--model"], ["serve", "--model"]]
)
def test_what_is_said_of_another_vocabulary_leads_somewhere(tmp_path, command):
    """The message names the tokenizer.json that is there; after following its advice, the folder works.

    Report: huggingface/trl 7108.
    """
    folder, tiny = tmp_path / "m", load_tokenizer(data_path("gpt-oss-tiny"))
    config = ModelConfig.from_json(data_path("gpt-oss-tiny"))
    checkpoint.save_random(replace(config, num_hidden_layers=1), folder, layout="hf-bf16")
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    done = run(*command, folder)
    assert done.returncode == 2 and "this package does not read its tokenizer.json" in done.stderr
    assert "save_tokenizer" in done.stderr and "Traceback" not in done.stderr
    save_tokenizer(tiny, folder)
    assert load_model(folder).tokenizer.encode_ordinary("Hi") == tiny.encode_ordinary("Hi")


def damaged_settings(meta: dict) -> dict:
    specials = dict(meta["special_tokens"])
    specials["<|start|>"], specials["<|end|>"] = specials["<|end|>"], specials["<|start|>"]
    return {
        "a pattern with one character less": {"pat_str": meta["pat_str"][:-1]},
        "another pattern": {"pat_str": "."},
        "start and end swapped": {"special_tokens": specials},
        "another name": {"name": "x"},
        "an empty pattern": {"pat_str": ""},
    }


@pytest.mark.parametrize("checked", [True, False], ids=["with its checksum", "without a checksum"])
@pytest.mark.parametrize("what", damaged_settings({"special_tokens": {"<|start|>": 0, "<|end|>": 1}, "pat_str": "xy"}))
def test_a_tokenizers_settings_are_checked_like_its_ranks(tmp_path, what, checked):
    """A flipped bit in the pattern silently changes the encoding; an empty pattern made the native code panic."""
    save_tokenizer(load_tokenizer(data_path("gpt-oss-tiny")), tmp_path)
    meta = json.loads((tmp_path / "tokenizer.meta.json").read_text())
    assert load_tokenizer(tmp_path) is not None
    meta |= damaged_settings(meta)[what]
    if not checked:
        del meta["settings_sha256"]
    (tmp_path / "tokenizer.meta.json").write_text(json.dumps(meta))
    if checked or what == "an empty pattern":
        with pytest.raises(TokenizerError):
            load_tokenizer(tmp_path)


def test_the_bundled_model_is_checked_against_its_checksums(tmp_path, monkeypatch):
    """One flipped bit in the bundled weights is refused instead of giving another model."""
    shutil.copytree(data_path("gpt-oss-tiny"), tmp_path / "gpt-oss-tiny")
    shutil.copy(data_path("README.md"), tmp_path)
    monkeypatch.setattr(resources, "data_path", lambda *parts: tmp_path.joinpath(*parts))
    resources.check_bundled("gpt-oss-tiny")
    for name in ("model.safetensors", "config.json", "tokenizer.tiktoken"):
        path = tmp_path / "gpt-oss-tiny" / name
        raw = path.read_bytes()
        path.write_bytes(raw[:-3] + bytes([raw[-3] ^ 1]) + raw[-2:])
        with pytest.raises(GptOssError, match=rf"{name}: expected the bundled file with sha256 .*git checkout"):
            resources.check_bundled("gpt-oss-tiny")
        path.write_bytes(raw)
    (tmp_path / "gpt-oss-tiny" / "model.safetensors").unlink()
    with pytest.raises(GptOssError, match="No such file"):
        resources.check_bundled("gpt-oss-tiny")


def test_a_written_original_config_has_the_keys_that_openais_loader_takes(whole, tmp_path):
    """OpenAI's loader builds its configuration from all keys in the file, so an unknown key makes it fail.

    Source: openai/gpt-oss, gpt_oss/torch/model.py, ModelConfig(**json_config).
    """
    theirs = {
        "num_hidden_layers", "num_experts", "experts_per_token", "vocab_size", "hidden_size", "intermediate_size",
        "swiglu_limit", "head_dim", "num_attention_heads", "num_key_value_heads", "sliding_window",
        "initial_context_length", "rope_theta", "rope_scaling_factor", "rope_ntk_alpha", "rope_ntk_beta",
    }  # fmt: skip
    checkpoint.convert(whole, tmp_path / "m", layout="original", rounding="floor")
    for folder in (tmp_path / "m", data_path("gpt-oss-tiny")):
        assert set(json.loads((folder / "config.json").read_text())) == theirs
        assert ModelConfig.from_json(folder).rms_norm_eps == 1e-5
