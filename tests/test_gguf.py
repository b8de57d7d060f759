"""Test GGUF files against the package `gguf`, which llama.cpp's converter uses, in both directions."""

import json
import random
import shutil
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from core_models import BASE, strong_model
from inside import run
from safetensors.torch import load_file

from gptoss_edu import ModelConfig, checkpoint, load_model, load_tokenizer, mxfp4
from gptoss_edu.checkpoint import gguf as format
from gptoss_edu.checkpoint.gguf_model import NAMES, gguf_entries
from gptoss_edu.checkpoint.gguf_tokenizer import merges, visible
from gptoss_edu.checkpoint.layouts import CheckpointReader, original_shapes, split_name
from gptoss_edu.checkpoint.local_models import local_path
from gptoss_edu.errors import CheckpointError, ConfigError, GptOssError
from gptoss_edu.resources import data_path

theirs = pytest.importorskip("gguf", reason="the package gguf is not installed: pip install 'gptoss-edu[gguf]'")
TINY = data_path("gpt-oss-tiny")
CONFIG = replace(BASE, num_hidden_layers=2, num_experts=4, experts_per_token=2, vocab_size=97, hidden_size=64,
                 intermediate_size=96)  # fmt: skip
TOKENS = torch.arange(97)[None] * 7 % 97


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    checkpoint.convert(TINY, path, layout="gguf")
    return path


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Save a random model with MXFP4 experts, their width unlike the hidden size, in the `original` layout."""
    folder = tmp_path_factory.mktemp("packed") / "m"
    checkpoint.save(strong_model(CONFIG, seed=4), folder, rounding="floor")
    return folder


# ---- there and back


def test_there_and_back_every_byte_is_the_same(tiny_file, tmp_path):
    """safetensors → GGUF → safetensors keeps weights, configuration and vocabulary, byte for byte."""
    checkpoint.convert(tiny_file, tmp_path / "back", layout="original")
    for name in ("model.safetensors", "config.json", "dtypes.json", "tokenizer.tiktoken", "tokenizer.meta.json"):
        assert (tmp_path / "back" / name).read_bytes() == (TINY / name).read_bytes(), name


def test_hf_goes_there_and_back_too_and_computes_the_same(packed, tmp_path):
    checkpoint.convert(packed, tmp_path / "hf", layout="hf")
    checkpoint.convert(tmp_path / "hf", tmp_path / "m.gguf", layout="gguf")
    checkpoint.convert(tmp_path / "m.gguf", tmp_path / "again", layout="hf")
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("hf", "again"))
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(load_model(tmp_path / "m.gguf")(TOKENS), load_model(packed)(TOKENS))
    ours, same = (load_model(path, experts="packed").state_dict() for path in (tmp_path / "m.gguf", packed))
    assert ours.keys() == same.keys() and all(torch.equal(ours[name], same[name]) for name in ours)


def test_the_order_of_a_block():
    """One byte holds values j and j + 16 of a block in GGUF, 2j and 2j + 1 in safetensors; the low nibble comes first."""
    values = torch.arange(32, dtype=torch.uint8) % 16
    ours = values[0::2] | (values[1::2] << 4)
    ggml = torch.tensor([int(values[j]) | int(values[j + 16]) << 4 for j in range(16)], dtype=torch.uint8)
    assert torch.equal(format.to_ggml_order(ours), ggml)
    blocks = torch.randint(0, 256, (3, 5, 16), dtype=torch.uint8)
    assert torch.equal(format.from_ggml_order(format.to_ggml_order(blocks)), blocks)
    assert torch.equal(format.to_ggml_order(format.from_ggml_order(blocks)), blocks)


# ---- written here, read by their package


def test_their_reader_finds_the_same_numbers(packed, tmp_path):
    """Every tensor of a written file, decoded by `gguf.quants`, equals the model's."""
    checkpoint.convert(packed, tmp_path / "m.gguf", layout="gguf")
    found = {
        t.name: theirs.quants.dequantize(t.data, t.tensor_type) for t in theirs.GGUFReader(tmp_path / "m.gguf").tensors
    }
    state = load_model(packed, experts="dense").state_dict()
    split = state["block.1.attn.qkv.weight"].split([128, 64, 64])
    expected = {
        "token_embd.weight": state["embedding.weight"], "output.weight": state["unembedding.weight"],
        "output_norm.weight": state["norm.scale"], "blk.1.attn_q.weight": split[0], "blk.1.attn_k.weight": split[1],
        "blk.1.attn_v.weight": split[2], "blk.1.attn_sinks.weight": state["block.1.attn.sinks"],
        "blk.1.attn_output.weight": state["block.1.attn.out.weight"], "blk.0.ffn_gate_inp.weight": state["block.0.mlp.gate.weight"],
        "blk.0.ffn_gate_exps.weight": state["block.0.mlp.mlp1_weight"][:, 0::2],
        "blk.0.ffn_up_exps.weight": state["block.0.mlp.mlp1_weight"][:, 1::2],
        "blk.0.ffn_gate_exps.bias": state["block.0.mlp.mlp1_bias"][:, 0::2],
        "blk.0.ffn_up_exps.bias": state["block.0.mlp.mlp1_bias"][:, 1::2],
        "blk.0.ffn_down_exps.weight": state["block.0.mlp.mlp2_weight"], "blk.0.ffn_down_exps.bias": state["block.0.mlp.mlp2_bias"],
        "blk.0.post_attention_norm.weight": state["block.0.mlp.norm.scale"],
    }  # fmt: skip
    assert len(found) == 3 + 2 * 19
    for name, tensor in expected.items():
        assert np.array_equal(found[name].reshape(tensor.shape), tensor.float().numpy()), name


def test_names_and_types_are_those_that_llama_cpp_knows(tiny_file):
    arch = theirs.MODEL_ARCH.GPT_OSS
    known = {theirs.TENSOR_NAMES[tensor] for tensor in theirs.MODEL_TENSORS[arch]}
    reader = theirs.GGUFReader(tiny_file)
    used = {
        t.name.rpartition(".")[0].replace("blk.0.", "blk.{bid}.")
        for t in reader.tensors
        if "blk." not in t.name or "blk.0" in t.name
    }
    assert used == known
    assert {t.tensor_type.name for t in reader.tensors if "_exps.weight" in t.name} == {"MXFP4"}
    assert {t.tensor_type.name for t in reader.tensors if len(t.shape) == 1 or "_exps.bias" in t.name} == {"F32"}
    assert reader.fields["general.architecture"].contents() == theirs.MODEL_ARCH_NAMES[arch]
    assert reader.fields["gpt-oss.rope.scaling.type"].contents() == "yarn"
    sizes = {kind.value: (kind.name, *size) for kind, size in theirs.GGML_QUANT_SIZES.items()}
    assert all(format.TYPES[number] == sizes[number] for number in format.TYPES if number != format.OLD_MXFP4)


@pytest.mark.slow
def test_the_vocabulary_is_written_as_theirs_reads_it(tiny_file):
    fields, encoding = theirs.GGUFReader(tiny_file).fields, load_tokenizer(TINY)
    tokens, types = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type"))
    byte_of = {character: byte for byte, character in visible().items()}
    for i, (text, kind) in enumerate(zip(tokens, types, strict=True)):
        raw = encoding.decode_single_token_bytes(i)
        assert (bytes(map(byte_of.get, text)) if kind == theirs.TokenType.NORMAL else text.encode()) == raw
    assert fields["tokenizer.ggml.eos_token_id"].contents() == encoding.encode_single_token("<|return|>")
    assert len(fields["tokenizer.ggml.merges"].contents()) == 2268


@pytest.mark.slow
def test_o200k_has_as_many_merges_as_the_published_tokenizer(tmp_path):
    """openai/gpt-oss-20b's tokenizer.json lists 446,189 merges; the 256 bytes are written as GPT-2 writes them."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    assert visible() == bytes_to_unicode()
    assert sum(1 for _ in merges(load_tokenizer()._mergeable_ranks)) == 446_189
    config = replace(CONFIG, vocab_size=201_088, num_hidden_layers=1, hidden_size=32, intermediate_size=32)
    checkpoint.save_random(config, tmp_path / "m.gguf", layout="gguf")
    assert load_model(tmp_path / "m.gguf").tokenizer is load_tokenizer()


# ---- written by others


def with_their_writer(folder: Path, path: Path, kinds: dict, arch="gpt-oss", fused=False, **parts) -> Path:
    """Write a folder's model as another program would. kinds : part of a name → type; all others are F32."""
    writer = theirs.GGUFWriter(path, arch, **parts)
    config, state = ModelConfig.from_json(folder), load_model(folder, experts="dense").state_dict()
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_context_length(config.max_context)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_expert_count(config.num_experts)
    writer.add_expert_used_count(config.experts_per_token)
    writer.add_sliding_window(config.sliding_window)
    writer.add_rope_scaling_factor(config.rope_scaling_factor)
    if not fused:
        writer.add_rope_scaling_type(theirs.RopeScalingType.YARN)
        writer.add_rope_scaling_orig_ctx_len(config.initial_context_length)
    tensors = {}
    for name, value in state.items():
        name, value = name.replace("block.", "blk."), value.float()
        for old, new in (("attn.norm.scale", "attn_norm.weight"), ("attn.sinks", "attn_sinks" if fused else "attn_sinks.weight"),
                         ("attn.out", "attn_out" if fused else "attn_output"), ("mlp.norm.scale", "ffn_norm.weight" if fused else "post_attention_norm.weight"),
                         ("mlp.gate", "ffn_gate_inp"), ("mlp.mlp2_", "ffn_down_exps."), ("unembedding", "output"),
                         ("embedding", "token_embd"), ("norm.scale", "output_norm.weight")):  # fmt: skip
            name = name.replace(old, new) if new not in name else name
        if "attn.qkv" in name and not fused:
            tensors |= {
                name.replace("attn.qkv", f"attn_{p}"): v for p, v in zip("qkv", value.split([128, 64, 64]), strict=True)
            }
        elif "mlp.mlp1_" in name and not fused:
            tensors |= {
                name.replace("mlp.mlp1_", f"ffn_{p}_exps."): value[:, i::2] for i, p in enumerate(("gate", "up"))
            }
        else:
            tensors[name.replace("attn.qkv", "attn_qkv").replace("mlp.mlp1_", "ffn_gate_up_exps.")] = value
    for name, value in tensors.items():
        kind = next((kind for part, kind in kinds.items() if part in name), theirs.GGMLQuantizationType.F32)
        kind = theirs.GGMLQuantizationType.F32 if value.ndim == 1 or name.endswith("bias") else kind
        writer.add_tensor(name, theirs.quants.quantize(value.numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


TYPE = theirs.GGMLQuantizationType
MADE_BY_OTHERS = {  # types by part of a name
    "MXFP4 and F32": {"_exps": TYPE.MXFP4},
    "MXFP4 and BF16": {"_exps": TYPE.MXFP4, "": TYPE.BF16},
    "MXFP4 and F16": {"_exps": TYPE.MXFP4, "": TYPE.F16},
    "MXFP4 and Q8_0": {"_exps": TYPE.MXFP4, "": TYPE.Q8_0},
    "experts in BF16": {"": TYPE.BF16},
    "experts in Q8_0": {"": TYPE.Q8_0},
    "experts in two types": {"gate_exps": TYPE.MXFP4, "down_exps": TYPE.BF16, "": TYPE.F32},
    "Q5_1, which the package decodes": {"_exps": TYPE.MXFP4, "attn_": TYPE.Q5_1},
}


@pytest.mark.slow
@pytest.mark.parametrize("what", MADE_BY_OTHERS)
def test_files_that_other_programs_wrote_are_read(packed, tmp_path, what):
    """Every weight equals what `gguf.quants` decodes; with lossless types the logits are equal to the bit."""
    kinds = MADE_BY_OTHERS[what]
    path = with_their_writer(packed, tmp_path / "m.gguf", kinds)
    found = {t.name: theirs.quants.dequantize(t.data, t.tensor_type) for t in theirs.GGUFReader(path).tensors}
    found = {name: torch.from_numpy(np.array(values)) for name, values in found.items()}
    model = load_model(path, experts="dense")
    assert model.config == load_model(packed).config
    for name, shape in original_shapes(CONFIG).items():
        prefix, rest = split_name(name)
        parts = [found[prefix.replace("block.", "blk.") + part].view(-1, *shape[1:]) for part in NAMES[rest]]
        if len(parts) == 2:
            parts = [part.view(4, -1, *shape[2:]) for part in parts]
            parts = [torch.stack(parts, 2).flatten(1, 2)]
        assert torch.equal(model.state_dict()[name], torch.cat(parts).view(shape)), name
    if not {TYPE.F16, TYPE.Q8_0, TYPE.Q5_1} & set(kinds.values()):
        assert torch.equal(model(TOKENS), load_model(packed)(TOKENS))


@pytest.mark.parametrize("number", [39, 4], ids=["in ggml's order", "in safetensors' order"])
def test_files_that_ollama_made_are_read(packed, tmp_path, number):
    """Ollama's converter keeps qkv and gate_up whole, has other names, and first gave MXFP4 another number.

    Its type 4 orders the nibbles as safetensors does: its model and loader reorder them while reading.
    Source: ollama, convert/convert_gptoss.go and ml/backend/ggml/ggml.go.
    """
    path = with_their_writer(packed, tmp_path / "m.gguf", {"_exps": TYPE.MXFP4}, arch="gptoss", fused=True)
    if number == 4:
        raw, file = bytearray(path.read_bytes()), format.GgufFile(path)
        for name, tensor in file.tensors.items():
            if tensor.type == format.MXFP4:
                blocks = file.raw(name).view(-1, 17).clone()
                blocks[:, 1:] = format.from_ggml_order(blocks[:, 1:])
                raw[tensor.begin : tensor.begin + tensor.nbytes] = blocks.numpy().tobytes()
                place = raw.index(name.encode()) + len(name) + 4 + 8 * 3
                assert raw[place] == 39
                raw[place] = 4
        path.write_bytes(raw)
    reader = CheckpointReader(path)
    assert reader.is_packed and reader.config == ModelConfig.from_json(packed)
    assert torch.equal(load_model(path)(TOKENS), load_model(packed)(TOKENS))
    for name in ("block.1.mlp.mlp1_weight", "block.0.mlp.mlp2_weight"):
        assert torch.equal(mxfp4.unpack(*reader.packed(name)), mxfp4.unpack(*CheckpointReader(packed).packed(name)))


def q4_k(block: bytes) -> list[float]:
    """Make one block of Q4_K as ggml-common.h describes it: 8 sub-blocks of 32, each with a six-bit scale and minimum."""
    d, least = struct.unpack("<2e", block[:4])
    s, q, out = block[4:16], block[16:], []
    for j in range(8):
        low = (s[j] & 63, s[j + 4] & 63)
        high = ((s[j + 4] & 15) | (s[j - 4] >> 6) << 4, (s[j + 4] >> 4) | (s[j] >> 6) << 4) if j >= 4 else None
        scale, minimum = high or low
        nibbles = [byte >> 4 if j % 2 else byte & 15 for byte in q[j // 2 * 32 : j // 2 * 32 + 32]]
        out += [d * scale * nibble - least * minimum for nibble in nibbles]
    return out


def test_k_quants_are_decoded_through_the_package(tmp_path):
    """Decode a row of 512 numbers in Q4_K by hand, following the format's description."""
    rng = np.random.default_rng(3)
    blocks = rng.integers(0, 256, (2, 144), dtype=np.uint8)
    blocks[:, 0:4] = np.frombuffer(struct.pack("<2e", 0.01, 0.02), np.uint8)
    tensor = format.GgufTensor(tmp_path, "blk.0.attn_output.weight", 12, (1, 512), 0)
    found = format.dequantise(torch.from_numpy(blocks.reshape(-1)), tensor, (1, 512))
    expected = torch.tensor([[number for block in blocks for number in q4_k(block.tobytes())]])
    assert torch.allclose(found, expected, atol=1e-6)


def test_without_the_package_a_k_quant_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    tensor = format.GgufTensor(tmp_path / "m.gguf", "blk.0.attn_output.weight", 12, (1, 256), 0)
    with pytest.raises(CheckpointError, match=r"stored as Q4_K, .*pip install 'gptoss-edu\[gguf\]'"):
        format.dequantise(torch.zeros(144, dtype=torch.uint8), tensor, (1, 256))


def test_a_split_model_is_one_model(packed, tmp_path):
    """llama.cpp splits large files: any part, or the folder, loads the whole model, and a missing part is named."""
    path = with_their_writer(packed, tmp_path / "m.gguf", {"_exps": TYPE.MXFP4}, split_max_tensors=10)
    assert not path.exists()
    parts = sorted(tmp_path.glob("m-*.gguf"))
    assert len(parts) > 2 and parts[0].name == f"m-00001-of-{len(parts):05d}.gguf"
    for each in (parts[0], parts[-1], tmp_path):
        assert torch.equal(load_model(each)(TOKENS), load_model(packed)(TOKENS))
    parts[1].unlink()
    with pytest.raises(CheckpointError, match=rf"missing {parts[1].name} \(1 of {len(parts)} parts are absent\)"):
        load_model(parts[0])


# ---- dense experts, other widths, what cannot be said in GGUF


def test_dense_experts_are_written_in_bfloat16_or_packed_by_a_named_rounding(tmp_path):
    model = strong_model(CONFIG, seed=5)
    checkpoint.save(model, tmp_path / "bf16", layout="hf-bf16")
    checkpoint.save(model, tmp_path / "dense.gguf", layout="gguf")
    assert torch.equal(load_model(tmp_path / "dense.gguf")(TOKENS), load_model(tmp_path / "bf16")(TOKENS))
    assert not CheckpointReader(tmp_path / "dense.gguf").is_packed
    with pytest.raises(CheckpointError, match="name a rounding"):
        checkpoint.convert(tmp_path / "dense.gguf", tmp_path / "o", layout="original")
    checkpoint.convert(tmp_path / "dense.gguf", tmp_path / "packed.gguf", layout="gguf", rounding="best")
    checkpoint.convert(tmp_path / "bf16", tmp_path / "o", layout="original", rounding="best")
    assert torch.equal(load_model(tmp_path / "packed.gguf")(TOKENS), load_model(tmp_path / "o")(TOKENS))


def test_widths_that_no_block_divides_are_written_dense(tmp_path):
    config = replace(CONFIG, hidden_size=40, intermediate_size=24)
    checkpoint.save_random(config, tmp_path / "a.gguf", layout="gguf", seed=3)
    checkpoint.save_random(config, tmp_path / "b", layout="hf-bf16", seed=3)
    assert torch.equal(load_model(tmp_path / "a.gguf")(TOKENS), load_model(tmp_path / "b")(TOKENS))


def test_random_weights_are_the_same_in_every_layout(tmp_path):
    for layout in ("original", "gguf"):
        checkpoint.save_random(CONFIG, tmp_path / layout, layout=layout, seed=9)
    assert (tmp_path / "gguf" / "gguf.gguf").is_file()
    assert torch.equal(load_model(tmp_path / "gguf")(TOKENS), load_model(tmp_path / "original")(TOKENS))


def test_what_gguf_cannot_say_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"swiglu_limit is 1\.5; GGUF has no key for it"):
        checkpoint.save_random(replace(CONFIG, swiglu_limit=1.5), tmp_path / "m.gguf", layout="gguf")
    assert not list(tmp_path.iterdir())
    (tmp_path / "m.gguf").write_bytes(b"mine")
    with pytest.raises(CheckpointError, match="expected a new file to write to"):
        checkpoint.save_random(CONFIG, tmp_path / "m.gguf", layout="gguf")
    assert (tmp_path / "m.gguf").read_bytes() == b"mine"


# ---- files that are something else, or damaged


def changed(path: Path, target: Path, change) -> Path:
    """Write the file again with other metadata or tensors."""
    file = format.GgufFile(path)
    metadata, tensors = dict(file.metadata), dict(file.tensors)
    change(metadata, tensors)
    entries = [(name, t.type, t.shape, lambda t=t: iter((file.raw(t.name),))) for name, t in tensors.items()]
    format.write_gguf(target, metadata, entries, lambda count: None)
    return target


def rename(old, new):
    def change(metadata, tensors):
        tensors[new] = tensors.pop(old)

    return change


WRONG = {
    "a llama": (lambda m, t: m.update({"general.architecture": "llama"}), "expected a gpt-oss in GGUF, found the architecture 'llama'"),
    "a missing tensor": (lambda m, t: t.pop("blk.1.ffn_up_exps.weight"), r"missing tensor blk\.1\.ffn_up_exps\.weight"),
    "an additional tensor": (rename("output.weight", "rope_freqs.weight"), "missing tensor output|unexpected tensor rope"),
    "another shape": (lambda m, t: m.update({"gpt-oss.expert_count": 5}), r"misshapen tensor blk\.0\.ffn_gate_inp"),
    "a missing key": (lambda m, t: m.pop("gpt-oss.rope.scaling.factor"), r"missing key gpt-oss\.rope\.scaling\.factor"),
    "linear scaling": (lambda m, t: m.update({"gpt-oss.rope.scaling.type": "linear"}), "expected 'yarn', found 'linear'"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_gguf_file_of_something_else_is_called_so(packed, tmp_path, what):
    change, said = WRONG[what]
    checkpoint.convert(packed, tmp_path / "m.gguf", layout="gguf")
    with pytest.raises(GptOssError, match=said) as caught:
        load_model(changed(tmp_path / "m.gguf", tmp_path / "n.gguf", change))
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_one_sentence(packed, tmp_path):
    """Cut anywhere, or with changed bytes in its header, a file raises this package's error and no other."""
    checkpoint.convert(packed, tmp_path / "m.gguf", layout="gguf")
    raw, draw, target = (tmp_path / "m.gguf").read_bytes(), random.Random(1), tmp_path / "n.gguf"
    header = min(tensor.begin for tensor in format.GgufFile(tmp_path / "m.gguf").tensors.values())
    for length in [4, 8, 23, 24, 30, len(raw) - 1, *(draw.randrange(25, len(raw)) for _ in range(8))]:
        target.write_bytes(raw[:length])
        with pytest.raises(CheckpointError, match=r"truncated|damaged"):
            CheckpointReader(target)
    for _ in range(60):
        bad = bytearray(raw)
        for _ in range(3):
            bad[draw.randrange(4, header)] = draw.randrange(256)
        target.write_bytes(bad)
        try:
            CheckpointReader(target)
        except GptOssError as error:
            assert "\n" not in str(error)


def test_files_that_only_stand_for_one(tmp_path):
    (tmp_path / "m.gguf").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    for path in (tmp_path / "m.gguf", tmp_path):
        with pytest.raises(CheckpointError, match="Git LFS pointer"):
            load_model(path)
    (tmp_path / "m.gguf").write_bytes(bytes(100))
    with pytest.raises(CheckpointError, match="does not begin as GGUF does"):
        load_model(tmp_path / "m.gguf")


def test_of_two_models_in_a_folder_one_must_be_named(tiny_file, tmp_path):
    for name in ("a.gguf", "b.gguf"):
        shutil.copy(tiny_file, tmp_path / name)
    with pytest.raises(CheckpointError, match=r"holds 2 GGUF models \(a\.gguf and b\.gguf\); name one"):
        load_model(tmp_path)
    assert load_model(tmp_path / "b.gguf").tokenizer.n_vocab == 2048


# ---- Ollama's and LM Studio's folders, and the command line


@pytest.fixture
def home(tmp_path, monkeypatch, tiny_file):
    """Make a home folder with models as Ollama and LM Studio lay them out."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    models = tmp_path / ".ollama" / "models"
    (models / "blobs").mkdir(parents=True)
    shutil.copy(tiny_file, models / "blobs" / "sha256-aa")
    layers = [{"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:bb", "size": 1},
              {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:aa", "size": 2}]  # fmt: skip
    for place in (
        "registry.ollama.ai/library/gpt-oss/tiny",
        "registry.ollama.ai/library/gpt-oss/latest",
        "registry.ollama.ai/me/mine/7b",
    ):
        path = models / "manifests" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    studio = tmp_path / ".lmstudio" / "models" / "me" / "gpt-oss-tiny-GGUF"
    studio.mkdir(parents=True)
    for name in ("gpt-oss-tiny-MXFP4.gguf", "mmproj-x.gguf"):
        shutil.copy(tiny_file, studio / name)
    return tmp_path


@pytest.mark.parametrize("name", ["ollama:gpt-oss:tiny", "ollama:gpt-oss", "ollama:me/mine:7b", "lmstudio:gpt-oss-tiny",
                                  "lmstudio:me/gpt-oss-tiny-GGUF", "lmstudio:me/gpt-oss-tiny-GGUF/gpt-oss-tiny-MXFP4.gguf"])  # fmt: skip
def test_a_model_that_ollama_or_lm_studio_keeps_is_found(home, name):
    file = local_path(name)
    assert home in file.parents and "mmproj" not in file.name
    assert CheckpointReader(name).folder == file and CheckpointReader(name).config == ModelConfig.from_json(TINY)


def test_a_model_that_is_not_kept_is_said_with_those_that_are(home):
    with pytest.raises(
        CheckpointError,
        match=r"ollama:gpt-oss:20b: no such model .* kept: gpt-oss:latest, gpt-oss:tiny, me/mine:7b; `ollama pull gpt-oss:20b`",
    ):
        local_path("ollama:gpt-oss:20b")
    with pytest.raises(CheckpointError, match=r"lmstudio:other: .*me/gpt-oss-tiny-GGUF/gpt-oss-tiny-MXFP4\.gguf"):
        local_path("lmstudio:other")
    (home / ".ollama" / "models" / "blobs" / "sha256-aa").unlink()
    with pytest.raises(
        CheckpointError, match=r"the file of gpt-oss:tiny is missing; run `ollama pull gpt-oss:tiny` again"
    ):
        local_path("ollama:gpt-oss:tiny")
    shutil.rmtree(home / ".ollama")
    with pytest.raises(CheckpointError, match="none is kept in"):
        local_path("ollama:gpt-oss:20b")


@pytest.mark.slow
def test_the_commands_take_gguf_files(home, tmp_path):
    made = run("convert", TINY, tmp_path / "out" / "t.gguf", "--layout", "gguf")
    assert made.returncode == 0 and "written in the gguf layout" in made.stdout, made.stderr
    question = "What is 12 plus 30?"
    answers = {
        run("generate", question, *more).stdout
        for more in ((), ("--model", tmp_path / "out"), ("--model", "ollama:gpt-oss"))
    }
    assert len(answers) == 1 and "42" in answers.pop()
    seen = run("inspect", tmp_path / "out" / "t.gguf", "--verify")
    assert seen.returncode == 0 and "layout gguf" in seen.stdout and "stored as MXFP4, BF16, F32" in seen.stdout
    missing = run("generate", question, "--model", "ollama:nothing")
    assert missing.returncode == 2 and "Traceback" not in missing.stderr and "no such model" in missing.stderr


def test_float32_files_hold_what_they_are_given(packed, tmp_path):
    """They allow comparing arithmetic, because llama.cpp computes differently with MXFP4 and bfloat16."""
    reader = CheckpointReader(packed)
    checkpoint.convert(packed, tmp_path / "m.gguf", layout="gguf")
    metadata = format.GgufFile(tmp_path / "m.gguf").metadata
    entries = gguf_entries(reader.config, reader.plain, None, reader.dense, dtype=format.F32)
    format.write_gguf(tmp_path / "wide.gguf", metadata, entries, lambda count: None)
    assert {t.tensor_type.name for t in theirs.GGUFReader(tmp_path / "wide.gguf").tensors} == {"F32"}
    assert torch.equal(load_model(tmp_path / "wide.gguf")(TOKENS), load_model(packed)(TOKENS))
    assert set(CheckpointReader(tmp_path / "wide.gguf").shards.infos) == set(original_shapes(CONFIG))
    assert mxfp4.BLOCK == 32
