"""Test experts in main memory: the logits of a whole model, the plan, the buffers on the card, the measurement."""

import json
import weakref
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from core_models import BASE, random_tokens

from gptoss_edu import ModelConfig, load_model, mxfp4
from gptoss_edu.checkpoint import save_random
from gptoss_edu.checkpoint.offloaded import OffloadPlan, load_offloaded
from gptoss_edu.checkpoint.sizes import GIB
from gptoss_edu.errors import GptOssError
from gptoss_edu.fast.offload import HostWeight, Passage
from gptoss_edu.moe import PackedWeight

WIDE = replace(BASE, intermediate_size=160)
CUDA = torch.cuda.is_available()


def host_weights(model) -> list[HostWeight]:
    return [module for module in model.modules() if isinstance(module, HostWeight)]


def test_offloaded_experts_give_the_same_logits_and_the_plan_counts_what_is_copied(tmp_path, capsys):
    save_random(WIDE, tmp_path / "model")
    whole = load_model(tmp_path / "model", device="cpu", experts="packed")
    most = OffloadPlan.make(WIDE, 1 << 40, 64, torch.float32)
    assert most.kept == WIDE.num_hidden_layers and most.a_token == 0
    limit = most.on_card - 2 * most.a_layer  # two layers too few
    model = load_offloaded(tmp_path / "model", limit / GIB, "cpu", torch.float32, context=64)
    assert len(host_weights(model)) == 4 and "the experts of 2 of 4 layers" in capsys.readouterr().err
    tokens = random_tokens(WIDE, 2, 9)
    for module in [*whole.modules(), *model.modules()]:
        if hasattr(module, "kernel"):
            module.kernel = None  # Numba's path unpacks nothing, so nothing would be counted
    assert torch.equal(model(tokens), whole(tokens))
    before = sum(weight.copied for weight in host_weights(model))
    model(tokens[:1, :1])
    copied = sum(weight.copied for weight in host_weights(model)) - before
    assert copied == OffloadPlan.make(WIDE, limit, 64, torch.float32).a_token
    with pytest.raises(GptOssError, match="for everything except experts"):
        load_offloaded(tmp_path / "model", most.rest / 2 / GIB, "cpu", torch.float32, context=64)


def test_a_card_is_asked_for_no_more_than_is_free(tmp_path, monkeypatch):
    """`--offload 8` on a card of 8 GiB: the CUDA context has taken its part of them."""
    from gptoss_edu.checkpoint import offloaded

    save_random(WIDE, tmp_path / "model")
    asked = []
    monkeypatch.setattr(offloaded, "usable_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda place: (7 * GIB, 8 * GIB))
    monkeypatch.setattr(offloaded, "offload", lambda *arguments: None)
    make = OffloadPlan.make
    monkeypatch.setattr(
        OffloadPlan, "make", lambda config, limit, *rest: asked.append(limit) or make(config, limit, *rest)
    )
    for gib in (8, None, 6):
        load_offloaded(tmp_path / "model", gib, "cuda", torch.float32)
    assert asked == [7 * GIB, 7 * GIB, 6 * GIB]


def test_small_cards_have_a_plan():
    """Plan 20b on 8 GiB and 120b on 24 GiB."""
    for config, gib in ((ModelConfig.gpt_oss_20b(), 7), (ModelConfig.gpt_oss_120b(), 22)):
        plan = OffloadPlan.make(config, gib * GIB, 4096)
        assert 0 < plan.kept < plan.layers and plan.on_card <= plan.limit < plan.on_card + plan.a_layer


# ---- the two buffers


class Stream:
    """A stream that notes what it waits for and what is done in it."""

    def __init__(self, name: str, log: list):
        self.name, self.log = name, log

    def wait_event(self, event) -> None:
        self.log.append((self.name, "waits for", event.number))

    def wait_stream(self, other) -> None:
        self.log.append((self.name, "waits for", other.name))


class Event:
    def __init__(self, log: list):
        self.number, self.log = sum(entry == "event" for entry in log), log
        log.append("event")

    def record(self, stream) -> None:
        self.log.append((stream.name, "is done with", self.number))


@pytest.fixture
def log(monkeypatch):
    """Stand in for a card's streams and note their order; everything is computed at once."""
    entries: list = []
    computing = Stream("computing", entries)

    @contextmanager
    def inside(stream):
        entries.append((stream.name, "copies", None))
        yield

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("copies", entries))
    monkeypatch.setattr(torch.cuda, "Event", lambda: Event(entries))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)
    monkeypatch.setattr(torch.cuda, "stream", inside)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    return entries


def test_a_buffer_is_filled_again_only_after_it_was_unpacked(log):
    draw = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 256, (6, 10, 3, 16), dtype=torch.uint8, generator=draw)
    scales = torch.randint(117, 121, (6, 10, 3), dtype=torch.uint8, generator=draw)
    passage = Passage(torch.device("cpu"), blocks[0].nbytes + scales[0].nbytes)
    assert log.pop() == "event" and log[0] == ("copies", "waits for", "computing")  # who may still use that memory
    del log[:]
    weight = HostWeight(PackedWeight(blocks, scales), torch.device("cpu"), passage)
    for e in (4, 1, 1, 5, 0):
        assert torch.equal(weight[e], mxfp4.unpack(blocks[e], scales[e]))
    a_turn = [("copies", "copies", None), ("copies", "waits for", 1), ("computing", "waits for", "copies"),
              ("computing", "is done with", 1)]  # fmt: skip
    other = [(who, what, 0 if number == 1 else number) for who, what, number in a_turn]
    assert log == a_turn + other + a_turn + other + a_turn
    assert weight.copied == 5 * (blocks[0].nbytes + scales[0].nbytes)


@pytest.mark.gpu
@pytest.mark.skipif(not CUDA, reason="needs an NVIDIA GPU (torch.cuda.is_available() is False)")
def test_on_a_card_the_logits_are_the_same_bits(tmp_path):
    save_random(WIDE, tmp_path / "model")
    whole = load_model(tmp_path / "model", device="cuda", dtype=torch.float32, experts="packed")
    most = OffloadPlan.make(WIDE, 1 << 40, 64, torch.float32)
    limit = (most.on_card - 3 * most.a_layer) / GIB
    model = load_offloaded(tmp_path / "model", limit, "cuda", torch.float32, context=64)
    assert all(weight.blocks.is_pinned() and not weight.blocks.is_cuda for weight in host_weights(model))
    tokens = random_tokens(WIDE, 2, 9).cuda()
    for part in (tokens, tokens[:1, :1]):
        assert torch.equal(model(part), whole(part))


# ---- the measurement


@pytest.mark.slow
def test_the_measurement_runs_on_a_processor(tmp_path, capsys, monkeypatch):
    """`bench gpu --offload --trial`: each part, with a plan for one layer less than there is."""
    pytest.importorskip("triton", reason="the Triton package is not installed (no wheel on this platform)")
    from gptoss_edu.benchmarks import gpu_offload
    from gptoss_edu.cli import main

    def load(*arguments, **options):
        assert not torch.is_inference_mode_enabled()  # the threads that read a file for a GPU could not write to it
        return load_model(*arguments, **options)

    monkeypatch.setattr(gpu_offload, "load_model", load)
    assert main(["bench", "gpu", "--offload", "--trial", "--json", str(tmp_path / "out.json")]) in (0, None)
    printed = capsys.readouterr()
    assert "the experts of 1 of 2 layers" in printed.out and "the experts of 1 of 2 layers" in printed.err
    out = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    rows = out["results"]
    assert rows["20b offloaded against all on the card"]["same_bits"]
    gguf = rows["20b's shape, two layers, GGUF against safetensors"]
    assert gguf["same_bits"] and "OTHER" not in gguf["safetensors"] + gguf["gguf"]
    for name in ("20b", "120b"):
        memory, speed = rows[f"{name} offloaded, memory"], rows[f"{name} offloaded, context 96"]
        assert memory["layers_on_card"] == 1 and memory["planned_weights"] == memory["weights_on_card"]
        assert speed["bytes_copied_per_token"] == speed["planned_bytes_per_token"] > 0
        assert speed["of_floor"] == pytest.approx(speed["floor_milliseconds"] / 1e3 * speed["tokens_per_s"])
    assert "failed" not in out


def test_an_unknown_part_is_refused_before_anything_is_measured(capsys):
    pytest.importorskip("triton", reason="the Triton package is not installed (no wheel on this platform)")
    from gptoss_edu.cli import main

    assert main(["bench", "gpu", "--offload", "--trial", "--only", "20b,40b"]) == 2
    assert "expected parts of 20b, gguf, 120b with --offload, found 40b" in capsys.readouterr().err


def test_weights_that_were_written_are_let_go():
    """On a card they would take the room of the model that is measured."""
    pytest.importorskip("triton", reason="the Triton package is not installed (no wheel on this platform)")
    from gptoss_edu.benchmarks.gpu import random_weights
    from gptoss_edu.benchmarks.gpu_offload import written
    from gptoss_edu.benchmarks.gpu_parallel import TRIAL

    weights = random_weights(TRIAL, "cpu")
    one = weakref.ref(weights["norm.scale"])
    with written(TRIAL, weights) as folder:
        del weights
        assert one() is None and (folder / "model.safetensors").is_file()
