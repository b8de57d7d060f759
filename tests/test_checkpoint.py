"""Test checkpoint files: three layouts, conversion byte for byte, shards, saving, streaming; none half-written."""

import json
import os
import re
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from core_models import BASE, CONFIGS, random_tokens, relative, strong_model

from gptoss_edu import checkpoint, load_model, mxfp4, random_model
from gptoss_edu.checkpoint import load, write
from gptoss_edu.checkpoint import safetensors as files
from gptoss_edu.checkpoint.layouts import hf_name, original_shapes, split_name
from gptoss_edu.checkpoint.safetensors import Shards, write_file
from gptoss_edu.checkpoint.sizes import MemoryPlan, cache_bytes, parameter_counts, size_text, working_bytes
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import CheckpointError, GptOssError
from gptoss_edu.fast import fused_step
from gptoss_edu.moe import PackedWeight
from gptoss_edu.tokenizer import load_tokenizer, make_encoding

CONFIG = replace(BASE, num_hidden_layers=2, intermediate_size=96, vocab_size=300)


def contents(folder) -> dict[str, tuple]:
    """Return name, dtype, shape and bytes of every tensor, read without the package."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        raw = path.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + length])
        header.pop("__metadata__", None)
        for name, entry in header.items():
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            assert name not in found
            found[name] = entry["dtype"], tuple(entry["shape"]), raw[begin:end]
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts")
    for layout in ("original", "hf", "hf-bf16"):
        checkpoint.save_random(CONFIG, folder / layout, layout=layout, seed=1)
    return folder


def test_each_layout_has_the_released_names_counts_and_types(written):
    original, hf, bf16 = (contents(written / layout) for layout in ("original", "hf", "hf-bf16"))
    assert len(original) == 15 * 2 + 3 and len(hf) == 19 * 2 + 3 and len(bf16) == 17 * 2 + 3
    e, c, f = CONFIG.num_experts, CONFIG.hidden_size, CONFIG.intermediate_size
    assert original["block.1.mlp.mlp1_weight.blocks"][:2] == ("U8", (e, 2 * f, c // 32, 16))
    assert hf["model.layers.1.mlp.experts.down_proj_scales"][:2] == ("U8", (e, c, f // 32))
    assert bf16["model.layers.0.mlp.experts.gate_up_proj"][:2] == ("BF16", (e, c, 2 * f))
    assert bf16["model.layers.0.mlp.experts.down_proj"][:2] == ("BF16", (e, f, c))
    assert original["block.0.attn.sinks"][:2] == ("BF16", (4,))
    assert {dtype for dtype, _, _ in original.values()} == {"BF16", "U8"}
    kinds = json.loads((written / "original" / "dtypes.json").read_text())
    assert set(kinds) == set(original) and set(kinds.values()) == {"BF16", "FP4", "UE8"}


def test_full_sizes_have_the_released_counts_of_tensors_and_bytes():
    from gptoss_edu.checkpoint.layouts import layout_entries

    for config, counts, nbytes in (
        (ModelConfig.gpt_oss_20b(), (363, 459), 13_761_264_768),
        (ModelConfig.gpt_oss_120b(), (543, 687), 65_248_815_744),
    ):
        for layout, count in zip(("original", "hf"), counts):
            entries = layout_entries(config, layout)
            assert len(entries) == count
            assert (
                sum(torch.Size(e.shape).numel() * (1 if e.dtypes == ("U8",) else 2) for e in entries.values()) == nbytes
            )
        assert MemoryPlan.packed_bytes(config, torch.bfloat16) == nbytes


def test_qkv_rows_split_and_experts_transpose_by_the_tables_of_the_layouts(written):
    """The name decides the orientation. Here the shapes would too; in the next test they would not."""
    original, hf, bf16 = (contents(written / layout) for layout in ("original", "hf", "hf-bf16"))
    for end in ("weight", "bias"):
        parts = [hf[f"model.layers.0.self_attn.{letter}_proj.{end}"][2] for letter in "qkv"]
        assert b"".join(parts) == original[f"block.0.attn.qkv.{end}"][2]
    blocks, scales = (original[f"block.1.mlp.mlp2_weight.{part}"] for part in ("blocks", "scales"))
    as_tensor = lambda t: torch.frombuffer(bytearray(t[2]), dtype=torch.uint8).view(t[1])  # noqa: E731
    dense = mxfp4.unpack(as_tensor(blocks), as_tensor(scales), dtype=torch.bfloat16)
    stored = torch.frombuffer(bytearray(bf16["model.layers.1.mlp.experts.down_proj"][2]), dtype=torch.bfloat16)
    assert torch.equal(stored.view(dense.transpose(1, 2).shape), dense.transpose(1, 2))


def test_a_square_down_proj_is_still_stored_transposed(tmp_path):
    """If hidden size and expert width are equal, no shape error reveals a missing transpose.

    Report: NVIDIA-NeMo/Megatron-Bridge 3743. Report: ml-explore/mlx-lm 1079.
    """
    square = replace(CONFIG, intermediate_size=CONFIG.hidden_size)
    model = strong_model(square)
    checkpoint.save(model, tmp_path / "bf16", layout="hf-bf16")
    raw = contents(tmp_path / "bf16")["model.layers.0.mlp.experts.down_proj"]
    stored = torch.frombuffer(bytearray(raw[2]), dtype=torch.bfloat16).view(raw[1])
    ours = model.block[0].mlp.mlp2_weight.bfloat16()
    assert torch.equal(stored, ours.transpose(1, 2)) and not torch.equal(stored, ours)
    again = load_model(tmp_path / "bf16", dtype=torch.bfloat16)
    assert torch.equal(again.block[0].mlp.mlp2_weight, ours)


@pytest.mark.parametrize("source, target", [("original", "hf"), ("hf", "original")])
def test_converting_keeps_every_byte(written, tmp_path, source, target):
    checkpoint.convert(written / source, tmp_path / "there", layout=target)
    assert contents(tmp_path / "there") == contents(written / target)
    checkpoint.convert(tmp_path / "there", tmp_path / "back", layout=source)
    assert contents(tmp_path / "back") == contents(written / source)
    assert json.loads((tmp_path / "back" / "config.json").read_text()) == json.loads(
        (written / source / "config.json").read_text()
    )


@pytest.mark.parametrize("source", ["original", "hf"])
def test_expanding_and_packing_again(written, tmp_path, source):
    checkpoint.convert(written / source, tmp_path / "dense", layout="hf-bf16")
    assert contents(tmp_path / "dense") == contents(written / "hf-bf16")
    with pytest.raises(CheckpointError, match="name a rounding to pack them: floor, up, best"):
        checkpoint.convert(tmp_path / "dense", tmp_path / "packed", layout=source)
    checkpoint.convert(tmp_path / "dense", tmp_path / "packed", layout=source, rounding="floor")
    tokens = random_tokens(CONFIG, 1, 20)
    packed, first = (load_model(path, dtype=torch.float32)(tokens) for path in (tmp_path / "packed", written / source))
    assert torch.equal(packed, first), "values that came from MXFP4 fit into it again, whatever bytes were chosen"


@pytest.mark.parametrize("layout", ["original", "hf", "hf-bf16"])
def test_shards_by_an_index_with_a_layer_across_two(written, tmp_path, monkeypatch, layout):
    largest = max(len(raw) for _, _, raw in contents(written / layout).values())
    monkeypatch.setitem(write.SHARD_BYTES, layout, largest + 1)
    checkpoint.save_random(CONFIG, tmp_path / "sharded", layout=layout, seed=1)
    names = sorted(path.name for path in (tmp_path / "sharded").glob("*.safetensors"))
    dash = "--" if layout == "original" else "-"
    assert len(names) > 3 and names[0] == f"model{dash}00001-of-{len(names):05d}.safetensors"
    index = json.loads((tmp_path / "sharded" / "model.safetensors.index.json").read_text())
    assert contents(tmp_path / "sharded") == contents(written / layout)
    assert index["metadata"]["total_size"] == sum(len(raw) for _, _, raw in contents(written / layout).values())
    prefix = "block.1." if layout == "original" else "model.layers.1."
    assert len({file for name, file in index["weight_map"].items() if name.startswith(prefix)}) > 1
    tokens = random_tokens(CONFIG, 1, 20)
    whole, sharded = (load_model(path, dtype=torch.float32) for path in (written / layout, tmp_path / "sharded"))
    assert torch.equal(whole(tokens), sharded(tokens))


def without_kernel(model):
    """Take the plain path: unpack the experts, then multiply."""
    for module in model.modules():
        if isinstance(module, PackedWeight):
            module.kernel = None
    return model


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", ["original", "hf"])
def test_packed_equals_dense(written, layout, dtype):
    packed, dense = (load_model(written / layout, dtype=dtype, experts=e) for e in ("packed", "dense"))
    assert packed.packed and not dense.packed
    tokens = random_tokens(CONFIG, 2, 30)
    if dtype == torch.float32:  # the CPU kernel, if there is one, sums in another order
        assert relative(packed(tokens), dense(tokens)) < 1e-5
    assert torch.equal(without_kernel(packed)(tokens), dense(tokens))
    seen = sum(p.numel() for n, p in packed.named_buffers() if n.endswith("blocks"))
    assert 2 * seen == sum(p.numel() for n, p in dense.named_parameters() if n.endswith(("mlp1_weight", "mlp2_weight")))


def test_packed_experts_let_gradients_through(written):
    """With any kernel, gradients reach the router and everything before it."""
    packed, dense = (load_model(written / "hf", experts=e) for e in ("packed", "dense"))
    grads = []
    for model in (packed, dense):
        model.embedding.weight.requires_grad_(True)
        model(random_tokens(CONFIG, 1, 12)).square().mean().backward()
        grads.append(model.embedding.weight.grad)
    assert relative(*grads) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_the_cpu_kernel_computes_what_unpacking_does(n):
    pytest.importorskip("numba", reason="the CPU kernel needs numba: pip install 'gptoss-edu[cpu]'")
    generator = torch.Generator().manual_seed(n)
    blocks = torch.randint(0, 256, (37, 3, 16), dtype=torch.uint8, generator=generator)
    scales = torch.randint(100, 140, (37, 3), dtype=torch.uint8, generator=generator)
    x = torch.randn(n, 96, generator=generator)
    exact = x.double() @ mxfp4.unpack(blocks, scales).double().T
    found = load.cpu_kernel()(x, blocks, scales)
    assert relative(found, exact) < 1e-6
    low = load.cpu_kernel()(x.bfloat16(), blocks, scales)
    exact = x.bfloat16().double() @ mxfp4.unpack(blocks, scales).double().T
    assert low.dtype == torch.bfloat16 and relative(low, exact) < 2**-8


@pytest.mark.slow
def test_the_cpu_kernel_knows_every_code_and_scale():
    """Each of the sixteen numbers in both halves of a byte; the smallest and the largest scale, and NaN."""
    pytest.importorskip("numba", reason="the CPU kernel needs numba")
    blocks = torch.arange(16, dtype=torch.uint8).mul(17).repeat(256, 1, 1)  # (256, 1, 16): both nibbles alike
    scales = torch.arange(256, dtype=torch.uint8)[:, None]
    for n, place in ((n, place) for n in (1, 2, 4) for place in range(32)):
        x = torch.zeros(n, 32)
        x[:, place] = 1
        found, right = load.cpu_kernel()(x, blocks, scales), mxfp4.unpack(blocks, scales)[:, place]
        assert found[:, 255].isnan().all() and torch.equal(found[:, :253], right[:253].expand(n, -1))  # then infinite


@pytest.mark.slow
@torch.inference_mode()
def test_one_token_passes_through_bfloat16_weights_as_many_do(written):
    """One token takes a path of its own; it agrees with float64 as well as PyTorch's product does."""
    pytest.importorskip("numba", reason="the CPU kernel needs numba")
    kind = load.one_token_linear()
    model = load_model(written / "hf", dtype=torch.bfloat16, experts="packed")
    assert type(model.unembedding) is type(model.block[0].attn.qkv) is kind
    assert type(load_model(written / "hf", dtype=torch.float32, experts="packed").unembedding) is torch.nn.Linear
    for rows, columns, bias in ((40, 64, True), (48, 160, False), (37, 64, True), (40, 60, True)):
        linear = torch.nn.Linear(columns, rows, bias).bfloat16()
        x = torch.randn(1, 1, columns, generator=torch.Generator().manual_seed(rows)).bfloat16()
        plain = linear(x)
        exact = linear.double()(x.double())
        linear.bfloat16()
        several = linear(x.expand(1, 3, -1))
        linear.__class__ = kind
        found = linear(x)
        assert found.shape == plain.shape and found.dtype == plain.dtype and relative(found, exact) < 2**-8
        assert torch.equal(linear(x.expand(1, 3, -1)), several)


def test_loading_draws_no_random_numbers(monkeypatch):
    """Drawing is fast, but on the device "meta" it imports PyTorch's compiler, which takes two seconds per process."""

    def drawn(*arguments, **named):
        raise AssertionError("random numbers were drawn")

    for name in ("normal_", "uniform_"):
        monkeypatch.setattr(torch.Tensor, name, drawn)
    fused_step._shapes.cache_clear()
    fused_step._kinds.cache_clear()
    assert load_model().embedding.weight.device.type == "cpu"


def test_threads_do_not_meet_in_the_cpu_kernel(monkeypatch):
    """Without OpenMP, Numba's workqueue ends the whole process if two threads launch a parallel kernel at once."""
    processor = pytest.importorskip("gptoss_edu.fast.processor", reason="the CPU kernel needs numba")
    inside, met = [], []

    def kernel(*arguments):
        inside.append(1)
        time.sleep(0.005)
        met.append(len(inside))
        inside.pop()

    monkeypatch.setattr(processor, "_packed", kernel)
    blocks, scales = torch.zeros(4, 1, 16, dtype=torch.uint8), torch.full((4, 1), 127, dtype=torch.uint8)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda x: processor.mxfp4_linear(x, blocks, scales), [torch.ones(1, 32)] * 6))
    assert met == [1] * 6


def test_the_cpu_kernel_leaves_pytorchs_threads_as_they_were():
    """Numba sets OpenMP's number of threads when it starts: small models then ran on more threads than they were given.

    On a busy machine, a test of 4 seconds then took more than 150.
    """
    pytest.importorskip("numba", reason="the CPU kernel needs numba")
    code = (
        "import torch; torch.set_num_threads(1)\n"
        "from gptoss_edu.fast.processor import mxfp4_linear\n"
        "blocks, scales = torch.zeros(4, 1, 16, dtype=torch.uint8), torch.full((4, 1), 127, dtype=torch.uint8)\n"
        "mxfp4_linear(torch.ones(1, 32), blocks, scales); print(torch.get_num_threads())"
    )
    clean = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | {
        "NUMBA_NUM_THREADS": "2"
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean)
    assert done.stdout.split() == ["1"], done.stderr


def test_float64_is_not_narrowed_by_the_cpu_kernel(written):
    packed, dense = (load_model(written / "hf", dtype=torch.float64, experts=e) for e in ("packed", "dense"))
    tokens = random_tokens(CONFIG, 1, 9)
    assert relative(packed(tokens), dense(tokens)) < 1e-12


def test_only_experts_that_tokens_hit_are_unpacked(written, monkeypatch):
    """One token reads k experts, not all of them.

    Report: huggingface/transformers 40073.
    """
    model = without_kernel(load_model(written / "original", experts="packed"))
    hit, unpacked, real = set(), [], mxfp4.unpack
    monkeypatch.setattr(
        mxfp4, "unpack", lambda blocks, scales, dtype: unpacked.append(1) or real(blocks, scales, dtype)
    )
    with model.hooks({"block.0.mlp.expert_indices": lambda v, n: hit.update(v.flatten().tolist())}):
        model.block[0].mlp(torch.randn(1, 1, CONFIG.hidden_size))
    assert len(hit) == CONFIG.experts_per_token and len(unpacked) == 2 * len(hit)


# ------------------------------------------------------------------------------------------------------------- saving


def trained_like(tokenizer=None):
    """Give a model weights that random initialisation never produces: zeros, outliers, a dead expert."""
    model = random_model(replace(CONFIG, vocab_size=300), seed=8)
    with torch.no_grad():
        model.block[0].mlp.mlp1_weight[2].zero_()
        model.block[1].mlp.mlp2_weight[0, 0, :5] = torch.tensor([40.0, -3e-5, 0.0, -0.0, 1e-9])
        model.block[1].attn.sinks[1] = -50.0
    model.tokenizer = tokenizer
    return model


@pytest.mark.parametrize("rounding", mxfp4.ROUNDINGS)
@pytest.mark.parametrize("layout", ["original", "hf"])
def test_saving_a_trained_model_packs_by_the_named_rounding(tmp_path, layout, rounding):
    model = trained_like()
    with pytest.raises(CheckpointError, match="name a rounding: floor, up, best"):
        checkpoint.save(model, tmp_path / "out", layout=layout)
    assert not (tmp_path / "out").exists()
    checkpoint.save(model, tmp_path / "out", layout=layout, rounding=rounding)
    again = load_model(tmp_path / "out", dtype=torch.float32, experts="dense")
    assert again.config == model.config
    for name, value in model.state_dict().items():
        expert = split_name(name)[1] in ("mlp.mlp1_weight", "mlp.mlp2_weight")
        expected = mxfp4.unpack(*mxfp4.pack(value, rounding)) if expert else value.bfloat16().float()
        assert torch.equal(again.state_dict()[name], expected), name


def test_saving_what_was_loaded_keeps_every_byte(written, tmp_path):
    for layout in ("original", "hf", "hf-bf16"):
        model = load_model(written / layout, dtype=torch.bfloat16, experts="dense" if layout == "hf-bf16" else "packed")
        checkpoint.save(model, tmp_path / layout, layout=layout)
        assert contents(tmp_path / layout) == contents(written / layout)


def test_a_tokenizer_travels_with_its_model(tmp_path):
    ranks = {bytes([byte]): byte for byte in range(256)}
    encoding = make_encoding("bytes", ranks, ["<|start|>", "<|return|>"])
    checkpoint.save(trained_like(encoding), tmp_path / "saved", layout="original", rounding="up")
    checkpoint.convert(tmp_path / "saved", tmp_path / "converted", layout="hf")
    for folder in ("saved", "converted"):
        found = load_model(tmp_path / folder).tokenizer
        assert found.name == "bytes" and found.encode("hé") == encoding.encode("hé")
        assert found.encode_single_token("<|return|>") == 257
    assert load_tokenizer(tmp_path / "saved").n_vocab == 258


def test_changing_a_loaded_model_leaves_the_files_as_they_are(written, tmp_path):
    checkpoint.convert(written / "original", tmp_path / "copy", layout="original")
    before = contents(tmp_path / "copy")
    model = load_model(tmp_path / "copy", dtype=torch.bfloat16, experts="packed")
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            value.zero_()
    assert contents(tmp_path / "copy") == before


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(written, tmp_path):
    checkpoint.save_random(CONFIG, tmp_path / "again", seed=1)
    checkpoint.save_random(CONFIG, tmp_path / "other", seed=2)
    first, again, other = (contents(p) for p in (written / "original", tmp_path / "again", tmp_path / "other"))
    assert first == again and all(first[name][2] != other[name][2] for name in first)


def test_random_checkpoints_compute_something_sane(written):
    logits = load_model(written / "original")(random_tokens(CONFIG, 1, 30))
    assert logits.isfinite().all() and 0.1 < logits.std() < 100


MEASURE = """
import re, sys
from dataclasses import replace
from gptoss_edu import ModelConfig, checkpoint
config = replace(ModelConfig.gpt_oss_20b(), num_hidden_layers=int(sys.argv[1]), num_experts=8, vocab_size=8_000)
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
before = peak()
checkpoint.save_random(config, sys.argv[2], layout="hf")
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux",
    reason="a process's own peak is read from /proc, which only Linux has (getrusage counts the parent's at the fork)",
)
def test_random_checkpoints_are_streamed(tmp_path):
    """Writing three layers of the released width (0.5 GB on disk) takes less memory than two layers would fill."""
    run = [sys.executable, "-c", MEASURE, "3", str(tmp_path / "m")]
    peak = int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    assert peak < 512 << 20
    # the size would be below the peak if the whole model were held in memory
    assert sum(path.stat().st_size for path in (tmp_path / "m").iterdir()) > 1.5 * peak, peak


# ------------------------------------------------------------------------------------------------ nothing half-written


@pytest.fixture
def full_disk(monkeypatch):
    """Writing fails with "no space left" after 100 kB."""
    real_open = files.Path.open

    class Full:
        def __init__(self, file):
            self.file, self.room = file, 100_000

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            self.room -= len(data)
            if self.room < 0:
                raise OSError(28, "No space left on device")
            return self.file.write(data)

        def tell(self):
            return self.file.tell()

    def opened(path, mode="r", *args, **kwargs):
        file = real_open(path, mode, *args, **kwargs)
        return Full(file) if mode == "wb" else file

    monkeypatch.setattr(files.Path, "open", opened)


def test_a_full_disk_leaves_nothing_behind(tmp_path, full_disk):
    with pytest.raises(CheckpointError, match=r"cannot be written \(No space left on device\); nothing was left"):
        checkpoint.save_random(CONFIG, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch, failure):
    def interrupted(*args, **kwargs):
        raise failure

    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(write, "write_text", interrupted)  # the weights are written by then
    for name in ("new", "empty"):
        with pytest.raises(failure):
            checkpoint.save_random(CONFIG, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"] and not any((tmp_path / "empty").iterdir())


def test_a_source_that_breaks_off_leaves_nothing_behind(tmp_path):
    entries = [("a", torch.float32, (4,)), ("b", torch.float32, (4,))]
    with pytest.raises(CheckpointError, match="promises 32 bytes of data, 16 were produced"):
        write_file(tmp_path / "x.safetensors", entries, [torch.zeros(4)])

    def broken():
        yield torch.zeros(4)
        raise RuntimeError("source")

    with pytest.raises(RuntimeError, match="source"):
        write_file(tmp_path / "x.safetensors", entries, broken())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused_and_an_empty_one_is_taken(tmp_path, written, monkeypatch):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").write_text("three years")
    (tmp_path / "file").write_text("mine")
    for name in ("used", "file"):
        with pytest.raises(
            CheckpointError, match=f"{name}: expected a new or empty folder to write to, found one in use"
        ):
            checkpoint.convert(written / "original", tmp_path / name, layout="hf")
    assert (tmp_path / "used" / "thesis.txt").read_text() == "three years" and (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    checkpoint.convert(written / "original", tmp_path / "empty", layout="hf")
    assert len(contents(tmp_path / "empty")) == 41
    checkpoint.convert(written / "original", tmp_path / "deep" / "er", layout="hf")
    assert sorted(os.listdir(tmp_path)) == ["deep", "empty", "file", "used"], "no temporary folder is left"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(CheckpointError, match="found the current one"):
        checkpoint.convert(written / "original", ".", layout="hf")


def test_unknown_layouts_and_experts_are_refused(written, tmp_path):
    for call in (
        lambda: checkpoint.save(trained_like(), tmp_path / "x", layout="onnx", rounding="up"),
        lambda: checkpoint.convert(written / "hf", tmp_path / "x", layout="onnx"),
        lambda: checkpoint.save_random(CONFIG, tmp_path / "x", layout="onnx"),
    ):
        with pytest.raises(CheckpointError, match="expected one of original, hf, hf-bf16, gguf, found 'onnx'"):
            call()
    with pytest.raises(CheckpointError, match="expected 'auto', 'packed' or 'dense', found 'sparse'"):
        load_model(written / "hf", experts="sparse")
    with pytest.raises(CheckpointError, match="float16 overflows"):
        load_model(written / "hf", dtype=torch.float16)
    with pytest.raises(GptOssError, match="rounding must be one of floor, up, best, found 'nearest'"):
        checkpoint.save(trained_like(), tmp_path / "x", layout="hf", rounding="nearest")
    assert not (tmp_path / "x").exists()


# ------------------------------------------------------------------------------------------------------------- config


@pytest.mark.parametrize("config", [ModelConfig.gpt_oss_20b(), ModelConfig.gpt_oss_120b(), *CONFIGS.values()])
def test_config_keys_of_both_layouts_old_and_new_come_back(tmp_path, config):
    assert ModelConfig.from_dict(config.to_dict()) == config
    hf = config.to_hf_dict()
    assert ModelConfig.from_dict(hf) == config
    new = {key: value for key, value in hf.items() if key not in ("rope_scaling", "rope_theta")}
    new["rope_parameters"] = hf["rope_scaling"] | {"rope_theta": hf["rope_theta"]}
    assert ModelConfig.from_dict(new) == config
    (tmp_path / "config.json").write_text(json.dumps(new))
    assert ModelConfig.from_json(tmp_path) == ModelConfig.from_json(tmp_path / "config.json") == config


def test_the_hugging_face_config_says_where_the_released_vocabulary_ends():
    """Otherwise another engine would go on writing after <|return|>."""
    values = ModelConfig.gpt_oss_20b().to_hf_dict()
    assert (values["eos_token_id"], values["pad_token_id"]) == (200_002, 199_999)
    assert "eos_token_id" not in BASE.to_hf_dict()


def test_config_is_read_from_what_transformers_writes(tmp_path):
    from transformers import GptOssConfig

    GptOssConfig(**BASE.to_hf_dict(packed=False)).save_pretrained(tmp_path)
    assert "rope_parameters" in json.loads((tmp_path / "config.json").read_text()), "transformers 5's key is meant here"
    assert ModelConfig.from_json(tmp_path) == BASE


def test_released_original_configs_need_no_optional_keys():
    keys = (
        "num_hidden_layers num_experts experts_per_token vocab_size hidden_size intermediate_size swiglu_limit head_dim"
        " num_attention_heads num_key_value_heads sliding_window initial_context_length rope_theta rope_scaling_factor"
        " rope_ntk_alpha rope_ntk_beta"
    )
    values = {key: value for key, value in ModelConfig.gpt_oss_120b().to_dict().items() if key in keys.split()}
    assert len(values) == 16 and ModelConfig.from_dict(values) == ModelConfig.gpt_oss_120b()


# -------------------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    "config, billions, disk",
    [
        (ModelConfig.gpt_oss_120b(), "114.71 0.96 1.16 5.13 116.83", "60.8"),
        (ModelConfig.gpt_oss_20b(), "19.12 0.64 1.16 3.61 20.91", "12.8"),
    ],
)
def test_table_1_of_the_model_card_to_the_printed_digit(config, billions, disk):
    counts = parameter_counts(original_shapes(config), config)
    assert (
        " ".join(f"{counts[key] / 1e9:.2f}" for key in ("mlp", "attention", "embeddings", "active", "total"))
        == billions
    )
    assert f"{MemoryPlan.packed_bytes(config, torch.bfloat16) / 2**30:.1f}" == disk


def test_parameter_counts_count_what_torch_counts():
    config = CONFIGS["two experts, heads of 64"]
    model, shapes = random_model(config), original_shapes(config)
    counts = parameter_counts(shapes, config)
    assert counts["total"] == sum(p.numel() for p in model.parameters())
    assert {name: tuple(p.shape) for name, p in model.named_parameters()} == shapes
    expert = 3 * config.hidden_size * config.intermediate_size + 2 * config.intermediate_size + config.hidden_size
    idle = config.num_hidden_layers * (config.num_experts - config.experts_per_token) * expert
    assert counts["active"] == counts["total"] - idle - config.vocab_size * config.hidden_size


def test_cache_costs_what_the_reference_says_and_what_is_allocated():
    for config, kib, mib in ((ModelConfig.gpt_oss_20b(), 24, 3), (ModelConfig.gpt_oss_120b(), 36, 4.5)):
        assert cache_bytes(config, 10_000) - cache_bytes(config, 9_999) == kib << 10
        assert cache_bytes(config, 10_000) - 10_000 * (kib << 10) == mib * 2**20
    model = random_model(CONFIG)
    for tokens in (5, 128, 500):
        assert cache_bytes(CONFIG, tokens, torch.float32) == model.new_cache(1, tokens).nbytes


def test_the_plan_says_what_loading_takes_and_refuses_what_does_not_fit():
    """Before anything is read, the plan says whether experts stay packed, and how much memory that takes.

    Report: huggingface/transformers 42723. Report: huggingface/gpt-oss-recipes 27.
    """
    config, cpu = ModelConfig.gpt_oss_20b(), torch.device("cpu")
    plan = MemoryPlan.for_model(config, 13_761_264_768, torch.bfloat16, True, 4096, cpu)
    assert plan.weights == 13_761_264_768 and plan.cache == cache_bytes(config, 4096)
    assert plan.needed == plan.weights + plan.cache + plan.working and plan.needed < 16 * 2**30
    for words in ("12.82 GiB on disk", "experts in MXFP4", "at 4,096 tokens"):
        assert words in str(plan)
    with pytest.raises(CheckpointError, match=r"does not fit\. plan: .* use a device with more memory"):
        replace(plan, available=10**9).refuse_if_too_big("folder")
    dense = MemoryPlan.for_model(config, 13_761_264_768, torch.bfloat16, False, 4096, cpu)
    assert dense.weights == 2 * parameter_counts(original_shapes(config), config)["total"]
    replace(plan, available=plan.needed).refuse_if_too_big("folder")


def test_a_plan_that_does_not_fit_advises_only_what_would_help():
    config = ModelConfig.gpt_oss_20b()
    make = lambda *how: MemoryPlan.for_model(config, 0, torch.bfloat16, *how, torch.device("cpu"))  # noqa: E731
    packed, dense = make(True, 131_072), make(False, 4096)

    def advice(plan, available, stored_packed=True):
        with pytest.raises(CheckpointError) as refused:
            replace(plan, available=available).refuse_if_too_big("here", stored_packed)
        return str(refused.value).partition("To make it fit, ")[2]

    more = "use a device with more memory."
    assert advice(packed, 10**9) == advice(dense, 10**9) == more
    assert advice(packed, packed.needed - 1) == f"ask for a shorter context, or {more}"
    assert advice(dense, dense.weights) == f"keep the experts packed (experts='packed'), or {more}"
    assert advice(dense, dense.needed - 1).startswith("ask for a shorter context, or keep the experts packed")
    tight = dense.packed_weights + dense.least
    assert (
        advice(dense, tight) == f"keep the experts packed (experts='packed') and ask for a shorter context, or {more}"
    )
    advised = advice(dense, dense.weights, stored_packed=False)
    assert advised.startswith(
        "pack the experts first (`gptoss-edu convert here NEW_FOLDER --layout original --rounding best`)"
    )
    assert "experts='packed'" not in advised


def test_sizes_below_a_gibibyte_are_written_in_mebibytes():
    assert [size_text(n) for n in (0, 7 << 20, (1 << 30) - 1, 1 << 30, 13_761_264_768)] == [
        "0.0 MiB", "7.0 MiB", "1024.0 MiB", "1.00 GiB", "12.82 GiB",
    ]  # fmt: skip


def test_working_space_grows_with_context_up_to_a_bound():
    config = ModelConfig.gpt_oss_20b()
    sizes = [working_bytes(config, context) for context in (1, 512, 4096, 131_072)]
    assert sizes == sorted(sizes) and sizes[-1] < 2 * 2**30
    assert sizes[0] >= 5760 * 2880 * 2, "one expert unpacked"


@pytest.mark.slow
def test_working_space_is_what_a_prefill_takes():
    """Compare the figure with what torch reports for one forward pass."""
    from torch.profiler import ProfilerActivity, profile

    config = replace(BASE, num_hidden_layers=2, num_attention_heads=16, num_key_value_heads=2, vocab_size=64)
    model, context = random_model(config), 1024
    cache = model.new_cache(1, context)
    with torch.inference_mode():
        model(random_tokens(config, 1, 512), cache=cache)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True, with_stack=False) as run:
            model(random_tokens(config, 1, 512), cache=cache, last_only=True)
    alive = peak = 0
    for event in run.profiler.kineto_results.events():
        if event.name() == "[memory]":
            alive += event.nbytes()
            peak = max(peak, alive)
    planned = working_bytes(config, context, torch.float32)
    assert peak / 3 < planned < 3 * peak, (peak, planned)


def test_shards_read_rows_without_the_rest(written):
    shards = Shards(written / "hf")
    name = hf_name("embedding.weight")
    assert name in shards and torch.equal(shards.rows(name, 3, 7), shards[name][3:7])
    assert shards.nbytes == sum(len(raw) for _, _, raw in contents(written / "hf").values())


@pytest.mark.parametrize(
    "experts, packed, packed_file, dtype, said",
    [
        ("auto", False, True, torch.bfloat16, "small enough to expand.*experts='packed'"),
        ("dense", False, True, torch.bfloat16, "experts='dense' was asked for"),
        ("auto", False, False, torch.bfloat16, "convert"),
        ("packed", True, True, torch.float32, "bfloat16, found dtype float32"),
    ],
)
def test_a_gpu_without_the_kernels_is_told_why(experts, packed, packed_file, dtype, said):
    assert re.search(said, load.why_reference(experts, packed, packed_file, dtype))
