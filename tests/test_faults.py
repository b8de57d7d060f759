"""Damaged and contradictory checkpoints and configs are refused, each with its own message, and nothing else is raised."""

import json
import os
import pickle
import shutil
import struct
from dataclasses import replace

import pytest
import torch
from core_models import BASE
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gptoss_edu import checkpoint, load_model, save_tokenizer
from gptoss_edu.checkpoint import sizes, write
from gptoss_edu.checkpoint.layouts import CheckpointReader
from gptoss_edu.checkpoint.safetensors import Shards
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import CheckpointError, ConfigError, GptOssError, TokenizerError
from gptoss_edu.tokenizer import make_encoding

CONFIG = replace(BASE, num_hidden_layers=2, intermediate_size=96, vocab_size=300)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Write sound checkpoints: one file in each layout, and hf in shards."""
    folder = tmp_path_factory.mktemp("sound")
    for layout in ("original", "hf", "hf-bf16"):
        checkpoint.save_random(CONFIG, folder / layout, layout=layout, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(write.SHARD_BYTES, "hf", 150_000)
        checkpoint.save_random(CONFIG, folder / "sharded", layout="hf", seed=1)
    return folder


# ------------------------------------------------------------------------------------------------------ ways to damage


def split(path) -> tuple[dict, bytes]:
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def join(path, header, data: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def weights(folder, number: int = 0):
    return sorted(folder.glob("*.safetensors"))[number]


def header(change):
    """Return a fault in the header of the first file: change(header dictionary)."""

    def damage(folder):
        values, data = split(weights(folder))
        changed = change(values)
        join(weights(folder), values if changed is None else changed, data)

    return damage


def tensors(change):
    """Return a fault in the tensors of the first file: change(dictionary of name -> tensor)."""

    def damage(folder):
        from safetensors.torch import load_file, save_file

        values = load_file(weights(folder))
        change(values)
        save_file({name: value.contiguous() for name, value in values.items()}, weights(folder))

    return damage


def config(change):
    """Return a fault in config.json: change(dictionary)."""

    def damage(folder):
        values = json.loads((folder / "config.json").read_text())
        change(values)
        (folder / "config.json").write_text(json.dumps(values))

    return damage


def text(name: str, content: str | bytes):
    def damage(folder):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return damage


def index(change):
    def damage(folder):
        path = folder / "model.safetensors.index.json"
        values = json.loads(path.read_text())
        change(values["weight_map"])
        path.write_text(json.dumps(values))

    return damage


def raw(change):
    """Return a fault in the bytes of the first file."""

    def damage(folder):
        weights(folder).write_bytes(change(weights(folder).read_bytes()))

    return damage


def only_pickles(folder):
    weights(folder).unlink()
    torch.save({"a": torch.zeros(2)}, folder / "pytorch_model.bin")


def becomes_a_file(folder):
    shutil.rmtree(folder)
    folder.write_text("x")


def one_level_down(folder):
    (folder / "original").mkdir()
    os.replace(weights(folder), folder / "original" / "model.safetensors")


def dangling_link(folder):
    weights(folder).unlink()
    (folder / "model.safetensors").symlink_to(folder / "blob-that-is-gone")


def weights_are_a_folder(folder):
    name = weights(folder)
    name.unlink()
    name.mkdir()


def tokenizer_of(count: int):
    ranks = {bytes([byte]): byte for byte in range(256)}
    return make_encoding("bytes", ranks, [f"<|{i}|>" for i in range(count)])


def damaged_tokenizer(folder):
    save_tokenizer(tokenizer_of(4), folder)
    path = folder / "tokenizer.tiktoken"
    path.write_bytes(path.read_bytes()[:-40])


def half_a_tokenizer(folder):
    save_tokenizer(tokenizer_of(4), folder)
    (folder / "tokenizer.tiktoken").unlink()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 13761264768\n"
SINKS, HF_SINKS = "block.1.attn.sinks", "model.layers.1.self_attn.sinks"


def shift(values):
    values[SINKS]["data_offsets"][0] += 2
    values[SINKS]["data_offsets"][1] += 2


FAULTS = {  # name: (source, damage, error, words of the message: file or tensor or key, expected, found, what to do)
    # the folder
    "nothing there": ("original", shutil.rmtree, CheckpointError, "expected a checkpoint folder, found nothing; check the path"),
    "a file": ("original", becomes_a_file, CheckpointError, "expected a checkpoint folder, found a file; name the folder"),
    "an empty folder": ("original", lambda f: (shutil.rmtree(f), f.mkdir()), CheckpointError, "holds no checkpoint; expected config.json beside"),
    "one level too high": ("original", one_level_down, CheckpointError, "holds no checkpoint; did you mean .*/original?"),
    "only pickles": ("original", only_pickles, CheckpointError, r"holds pytorch_model\.bin, a pickle .* only safetensors are read"),
    # the files
    "a pickle by a false name": ("original", lambda f: torch.save({}, weights(f)), CheckpointError, r"model\.safetensors: this is a pickle .* fetch the safetensors"),
    "an old pickle": ("original", text("model.safetensors", pickle.dumps({"a": 1}, protocol=4)), CheckpointError, "this is a pickle"),
    "a Git LFS pointer": ("original", text("model.safetensors", LFS), CheckpointError, "Git LFS pointer, not the file itself; run `git lfs pull`"),
    "empty file": ("original", text("model.safetensors", b""), CheckpointError, "not a whole safetensors file: .* the file has 0; fetch it again"),
    "a web page": ("original", text("model.safetensors", b"<!DOCTYPE html><html>Not found</html>"), CheckpointError, "a web page, not the file itself; fetch it again"),
    "truncated": ("original", raw(lambda b: b[:-100]), CheckpointError, r"truncated: its header promises [\d,]+ bytes, found [\d,]+; fetch it again"),
    "cut inside the header": ("original", raw(lambda b: b[:500]), CheckpointError, "its header should be .* the file has 500"),
    "extended": ("original", raw(lambda b: b + b"more"), CheckpointError, "damaged: its header promises"),
    "garbage in the header": ("original", raw(lambda b: b[:50] + b"\xff\xfe\x00" + b[53:]), CheckpointError, "header is not readable; fetch the file again"),
    "header is a list": ("original", header(lambda h: [1, 2]), CheckpointError, "header is not readable"),
    "an entry is a number": ("original", header(lambda h: h.update({SINKS: 7})), CheckpointError, "header is not readable"),
    "three offsets": ("original", header(lambda h: h[SINKS]["data_offsets"].append(3)), CheckpointError, "header is not readable"),
    "shape and bytes disagree": ("original", header(lambda h: h[SINKS].update(shape=[5])), CheckpointError, rf"damaged: {SINKS} is BF16 \[5\] but has 8 bytes"),
    "overlapping tensors": ("original", header(shift), CheckpointError, rf"damaged: the data of {SINKS} should begin at byte \d+, the header says \d+"),
    "a link to nowhere": ("original", dangling_link, CheckpointError, r"model\.safetensors: cannot be read \(No such file or directory\)"),
    "weights are a folder": ("original", weights_are_a_folder, CheckpointError, r"model\.safetensors: cannot be read \(Is a directory\)"),
    # shards and index
    "missing shard": ("sharded", lambda f: weights(f, 1).unlink(), CheckpointError, r"missing shard model-00002-of-\d+\.safetensors \(1 of \d+ named by model\.safetensors\.index\.json are absent\); fetch it again"),
    "one shard truncated": ("sharded", lambda f: weights(f, 2).write_bytes(weights(f, 2).read_bytes()[:-1]), CheckpointError, r"model-00003-of-\d+\.safetensors: truncated"),
    "index names a tensor too many": ("sharded", index(lambda m: m.update({"model.layers.9.x": next(iter(m.values()))})), CheckpointError, r"index\.json: names model\.layers\.9\.x, which .* does not hold \(1 in all\)"),
    "index points to another file": ("sharded", index(lambda m: m.update({HF_SINKS: next(iter(m.values()))})), CheckpointError, rf"index\.json: says that {HF_SINKS} is in model-00001.*, found in model-.*; fetch index and files from the same source"),
    "index is not JSON": ("sharded", text("model.safetensors.index.json", "{"), CheckpointError, r"index\.json: expected \{\"weight_map\".*found something else"),
    "index maps to numbers": ("sharded", index(lambda m: m.update({HF_SINKS: 3})), CheckpointError, r"index\.json: expected \{\"weight_map\""),
    "two files with one tensor": ("original", lambda f: shutil.copy(weights(f), f / "copy.safetensors"), CheckpointError, r"tensor embedding\.weight is in both copy\.safetensors and model\.safetensors; keep one layout"),
    # the tensors
    "missing tensor": ("original", tensors(lambda t: t.pop(SINKS)), CheckpointError, rf"missing tensor {SINKS}; the original layout of this config has 33, found 32"),
    "sinks of a layer missing in hf": ("hf", tensors(lambda t: t.pop(HF_SINKS)), CheckpointError, rf"missing tensor {HF_SINKS}; the hf layout"),
    "unexpected tensor": ("original", tensors(lambda t: t.update({"block.1.attn.rotary": torch.zeros(2)})), CheckpointError, r"unexpected tensor block\.1\.attn\.rotary.*Does config\.json belong"),
    "misshapen tensor": ("original", tensors(lambda t: t.update({SINKS: torch.zeros(5).bfloat16()})), CheckpointError, rf"misshapen tensor {SINKS}: expected \[4\] by config\.json, found \[5\]"),
    "down_proj not transposed": ("hf-bf16", tensors(lambda t: t.update({"model.layers.0.mlp.experts.down_proj": t["model.layers.0.mlp.experts.down_proj"].mT})), CheckpointError, r"misshapen tensor model\.layers\.0\.mlp\.experts\.down_proj: expected \[8, 96, 64\]"),
    "mistyped tensor": ("original", tensors(lambda t: t.update({SINKS: torch.zeros(4, dtype=torch.int32)})), CheckpointError, rf"mistyped tensor {SINKS}: expected BF16 or F16 or F32, found I32"),
    "blocks that are not bytes": ("hf", tensors(lambda t: t.update({"model.layers.0.mlp.experts.down_proj_scales": t["model.layers.0.mlp.experts.down_proj_scales"].to(torch.int8)})), CheckpointError, r"mistyped tensor .*down_proj_scales: expected U8, found I8"),
    "another model's weights": ("original", tensors(lambda t: (t.clear(), t.update({"wte.weight": torch.zeros(2)}))), CheckpointError, r"not a gpt-oss checkpoint: .* found wte\.weight and 0 more"),
    "more layers in the config": ("original", config(lambda c: c.update(num_hidden_layers=3)), CheckpointError, r"missing tensor block\.2\.attn\.norm\.scale \(and 14 more\)"),
    "fewer layers in the config": ("original", config(lambda c: c.update(num_hidden_layers=1)), CheckpointError, r"unexpected tensor block\.1\..*\(and 14 more\)"),
    # the config
    "no config": ("original", lambda f: (f / "config.json").unlink(), ConfigError, r"config\.json: cannot be read \(No such file or directory\); a checkpoint folder holds"),
    "config is not JSON": ("original", text("config.json", "hidden_size: 64"), ConfigError, r"config\.json: expected JSON, found something else"),
    "config is not text": ("original", text("config.json", b"\xff\xfe\xfd"), ConfigError, r"config\.json: expected JSON, found something else"),
    "config is a list": ("original", text("config.json", "[1]"), ConfigError, "expected a JSON object with the model's shape, found list"),
    "missing key": ("original", config(lambda c: c.pop("hidden_size")), ConfigError, r"config\.json: missing key hidden_size\."),
    "missing key with two names": ("hf", config(lambda c: c.pop("num_local_experts")), ConfigError, r"missing key num_experts \(Hugging Face: num_local_experts\)"),
    "missing keys of RoPE": ("original", config(lambda c: (c.pop("initial_context_length"), c.pop("rope_theta"))), ConfigError, r"missing keys initial_context_length \(Hugging Face: original_max_position_embeddings\), rope_theta"),
    "two numbers of experts": ("hf", config(lambda c: c.update(num_experts=4)), ConfigError, "contradictory keys: num_experts = 4 but num_local_experts = 8"),
    "two thetas": ("hf", config(lambda c: c.update(rope_parameters={"rope_theta": 1e4})), ConfigError, r"contradictory keys: rope_theta = 150000\.0 but rope_parameters\.rope_theta = 10000"),
    "rope_scaling is a string": ("hf", config(lambda c: c.update(rope_scaling="yarn")), ConfigError, "config key 'rope_scaling': expected an object .* found 'yarn'"),
    "a size that is text": ("original", config(lambda c: c.update(head_dim="64")), ConfigError, "config key 'head_dim': expected a positive whole number, found '64'"),
    "a size that is broken": ("original", config(lambda c: c.update(head_dim=32.5)), ConfigError, r"'head_dim': expected a positive whole number, found 32\.5"),
    "a size that is NaN": ("original", config(lambda c: c.update(hidden_size=float("nan"))), ConfigError, "'hidden_size': expected a positive whole number, found nan"),
    "a theta that is infinite": ("original", config(lambda c: c.update(rope_theta=float("inf"))), ConfigError, "'rope_theta': expected a positive number, found inf"),
    "a size below zero": ("original", config(lambda c: c.update(sliding_window=-1)), ConfigError, "'sliding_window': expected a positive whole number, found -1"),
    "a size that is true": ("original", config(lambda c: c.update(num_experts=True)), ConfigError, "'num_experts': expected a positive whole number, found True"),
    "odd head_dim": ("original", config(lambda c: c.update(head_dim=33)), ConfigError, r"head_dim \(33\) must be even"),
    "heads not divisible": ("original", config(lambda c: c.update(num_key_value_heads=3)), ConfigError, r"num_attention_heads \(4\) must be a multiple of num_key_value_heads \(3\)"),
    "fewer heads than key heads": ("original", config(lambda c: c.update(num_key_value_heads=8)), ConfigError, r"num_attention_heads \(4\) is less than num_key_value_heads \(8\)"),
    "more experts per token than experts": ("original", config(lambda c: c.update(experts_per_token=9)), ConfigError, r"num_experts \(8\) is less than experts_per_token \(9\)"),
    "width that no block divides": ("original", config(lambda c: c.update(intermediate_size=100)), ConfigError, r"intermediate_size \(100\) must be a multiple of 32"),
    "another rope": ("hf", config(lambda c: c["rope_scaling"].update(rope_type="llama3")), ConfigError, r"rope_scaling\.rope_type: expected 'yarn', found 'llama3'"),
    "rounded YaRN": ("hf", config(lambda c: c["rope_scaling"].update(truncate=True)), ConfigError, r"rope_scaling\.truncate: expected false .* found True"),
    "another concentration": ("hf", config(lambda c: c["rope_scaling"].update(attention_factor=1.0)), ConfigError, r"rope_scaling\.attention_factor: gpt-oss's concentration follows"),
    "windows in the odd layers": ("hf", config(lambda c: c["layer_types"].reverse()), ConfigError, r"contradictory key layer_types: expected \['sliding_attention', 'full_attention'\]"),
    "tied embeddings": ("hf", config(lambda c: c.update(tie_word_embeddings=True)), ConfigError, "contradictory key tie_word_embeddings: expected False, found True"),
    "another model type": ("hf", config(lambda c: c.update(model_type="llama")), ConfigError, "contradictory key model_type: expected 'gpt_oss', found 'llama'"),
    "another context": ("hf", config(lambda c: c.update(max_position_embeddings=8192)), ConfigError, "contradictory key max_position_embeddings: expected 131072, found 8192"),
    # the tokenizer
    "tokenizer larger than the vocabulary": ("original", lambda f: save_tokenizer(tokenizer_of(50), f), TokenizerError, r"its tokenizer 'bytes' has 306 ids, its model 300: they do not belong together"),
    "damaged tokenizer": ("original", damaged_tokenizer, TokenizerError, r"tokenizer\.tiktoken: expected sha256 .*found .*copy both again"),
    "half a tokenizer": ("original", half_a_tokenizer, TokenizerError, r"tokenizer\.tiktoken: expected the vocabulary's ranks, but No such file"),
    "tokenizer's meta is not JSON": ("original", lambda f: (save_tokenizer(tokenizer_of(4), f), text("tokenizer.meta.json", "?")(f)), TokenizerError, r"tokenizer\.meta\.json: expected JSON, found none"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_refused_with_its_own_message(whole, tmp_path, name):
    """One of the faults is a layer without sinks, which other loaders accept silently.

    Report: TransformerLensOrg/TransformerLens 1621. Report: huggingface/transformers 42736.
    Report: vllm-project/vllm 52156.
    """
    source, damage, error, words = FAULTS[name]
    folder = tmp_path / "folder"
    shutil.copytree(whole / source, folder)
    load_model(folder)  # sound before
    damage(folder)
    with pytest.raises(error, match=words) as caught:
        load_model(folder)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600, "one line for a person"
    assert str(folder) in message, "the place is named"
    with pytest.raises(GptOssError):
        checkpoint.convert(folder, tmp_path / "target", layout="hf", rounding="up")
    assert not (tmp_path / "target").exists()


def test_the_table_is_long_and_no_two_rows_mean_the_same():
    assert len(FAULTS) >= 25
    kinds = {words for _, _, _, words in FAULTS.values()}
    assert len(kinds) > 0.9 * len(FAULTS)


def test_what_does_not_fit_is_refused_with_its_plan_and_advice_that_works(whole, tmp_path, monkeypatch):
    plan = sizes.MemoryPlan.for_model(CONFIG, 0, torch.float32, False, 1, torch.device("cpu"))

    class Little:
        available = plan.packed_weights + plan.least

    assert Little.available < plan.needed
    monkeypatch.setattr(sizes.psutil, "virtual_memory", Little)
    fits = {"experts": "packed", "context": 1}
    with pytest.raises(CheckpointError, match=r"original: does not fit\. plan: .*iB on disk.*keep the experts packed"):
        load_model(whole / "original", context=1)
    assert load_model(whole / "original", **fits).packed
    with pytest.raises(CheckpointError, match=r"hf-bf16: does not fit\..* pack the experts first .*convert") as refused:
        load_model(whole / "hf-bf16", context=1)
    assert "experts='packed'" not in str(refused.value)
    checkpoint.convert(whole / "hf-bf16", tmp_path / "packed", layout="original", rounding="best")
    assert load_model(tmp_path / "packed", **fits).packed
    with pytest.raises(CheckpointError, match="To make it fit, ask for a shorter context, or use a device with more"):
        load_model(whole / "original", experts="packed")


def test_packed_experts_from_dequantised_files_are_refused(whole):
    with pytest.raises(CheckpointError, match=r"hf-bf16: holds dequantised experts; `gptoss-edu convert` packs them"):
        load_model(whole / "hf-bf16", experts="packed")


def test_a_device_that_is_not_there_is_refused(whole):
    for name, said in (("cuda:99", "torch cannot use it .*"), ("gpu", "no such device")):
        with pytest.raises(CheckpointError, match=f"device '{name}': {said}; expected 'cpu' or 'cuda'"):
            load_model(whole / "original", device=name)


def test_a_config_given_by_its_path(tmp_path):
    for path, words in ((tmp_path / "gone.json", "No such file"), (tmp_path, r"config\.json: cannot be read")):
        with pytest.raises(ConfigError, match=words):
            ModelConfig.from_json(path)
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(ConfigError, match="expected JSON"):
        ModelConfig.from_json(tmp_path)


# ----------------------------------------------------------------------------------------------------------- at random


@pytest.fixture(scope="module")
def scratch(whole, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scratch")
    shutil.copytree(whole / "original", folder / "x")
    sound = Shards(whole / "original")
    return folder / "x", (whole / "original" / "model.safetensors").read_bytes(), {n: sound[n] for n in sound.infos}


@pytest.mark.slow
@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 0.999999), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_in_a_header_give_an_error_or_the_same_tensors(scratch, flips):
    folder, sound, tensors = scratch
    (length,) = struct.unpack("<Q", sound[:8])
    damaged = bytearray(sound)
    for place, byte in flips:
        damaged[int(place * (8 + length))] = byte
    (folder / "model.safetensors").write_bytes(damaged)
    try:
        reader = CheckpointReader(folder)
        found = {name: reader.shards[name] for name in tensors}
    except GptOssError as error:
        assert str(folder) in str(error)
        return
    assert set(reader.shards.infos) == set(tensors)
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value), name


@pytest.mark.slow
@examples(150)
@given(
    st.dictionaries(
        st.sampled_from([*ModelConfig.gpt_oss_20b().to_dict(), "rope_scaling", "rope_parameters", "layer_types", "model_type"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
        | st.dictionaries(st.sampled_from(["factor", "rope_type", "truncate", "rope_theta"]), st.floats() | st.text(max_size=3)),
        min_size=1,
    )
)  # fmt: skip
def test_any_config_is_read_or_refused_as_a_config(changes):
    try:
        config = ModelConfig.from_dict(CONFIG.to_hf_dict() | changes)
    except ConfigError as error:
        assert str(error)
        return
    assert ModelConfig.from_dict(config.to_dict()) == config


def test_a_number_of_layers_beyond_reason_is_refused_at_once():
    with pytest.raises(
        ConfigError, match="'num_hidden_layers': expected at most 10,000, found 4,611,686,018,427,387,904"
    ):
        ModelConfig.from_dict(CONFIG.to_hf_dict() | {"num_hidden_layers": 2**62})
