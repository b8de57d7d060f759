"""Test the recorded reading of short prompts: on a CPU with a tape instead of a CUDA graph, on a GPU with graphs."""

import gc
import re
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

pytest.importorskip("triton", reason="the Triton package is not installed (no wheel on this platform)")

from test_kernels import LARGE, needs_gpu, random_packed, relative, shaped_like_20b, small_config
from triton.runtime import interpreter

from gptoss_edu import generate
from gptoss_edu.benchmarks import gpu_prompts as bench
from gptoss_edu.checkpoint.sizes import step_bytes
from gptoss_edu.config import ModelConfig
from gptoss_edu.fast import FastTransformer, launch, prompt_graph
from gptoss_edu.fast.unfused import unfused

gpu = pytest.mark.gpu
BUCKETS = (8, 16)


class Tape(TorchDispatchMode):
    """Record operations and kernels with the tensors that they read and wrote, and run just those again, as a graph.

    Whatever Python computes meanwhile is not on the tape, so a number that the launches bake in shows in a replay.
    """

    def __init__(self):
        super().__init__()
        self.steps = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        written = function(*args, **(kwargs or {}))
        self.steps.append((function, args, kwargs or {}, written))
        return written

    def replay(self):
        for function, args, kwargs, written in self.steps:
            again = function(*args, **kwargs)
            for old, new in zip(tree_leaves(written), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def record_on_tape(launch_all):
    """Stand in for `GraphRecorder`. No kernel runs meanwhile, since recording computes nothing."""
    tape, run = Tape(), interpreter.GridExecutor.__call__

    def kernel(executor, *args, **kwargs):
        tape.steps.append((lambda *a, **k: run(executor, *a, **k), args, kwargs, None))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter.GridExecutor, "__call__", kernel)
        with tape:
            launch_all()

    def replay():
        with _disable_current_modes():
            tape.replay()

    return replay


@pytest.fixture
def taped(monkeypatch):
    """Let a CPU record, on tapes; return how many there are."""
    made = []

    def record(launch_all):
        made.append(launch_all)
        return record_on_tape(launch_all)

    monkeypatch.setitem(prompt_graph.RECORDERS, "cpu", lambda device: record)
    return made


def both(seed: int, **changes) -> tuple[FastTransformer, FastTransformer]:
    """Return a small model that records prompts, and the same one that does not."""
    config = small_config(**{"num_experts": 4, "experts_per_token": 2, "sliding_window": 4, **changes})
    reference = random_packed(config, seed)
    return tuple(
        FastTransformer.from_reference(reference, "cpu", replace(LARGE, prompt_graphs=lengths))
        for lengths in (BUCKETS, ())
    )


def random_rows(config: ModelConfig, counts: list[int], seed: int, width: int | None = None) -> torch.Tensor:
    shape = (len(counts), width or max(counts))
    return torch.randint(0, config.vocab_size, shape, generator=torch.Generator().manual_seed(seed))


def padded(tokens: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    """Return tokens as wide as the recording that reads them, so that the same products run without one."""
    width = min((n for n in lengths if n >= tokens.shape[1]), default=tokens.shape[1])
    return torch.nn.functional.pad(tokens, (0, width - tokens.shape[1]))


def same_caches(ours, theirs) -> bool:
    """Return whether two caches hold the same bits: keys, values and lengths."""
    tensors = zip(ours.keys + ours.values, theirs.keys + theirs.values, strict=True)
    return ours.row_lengths == theirs.row_lengths and all(torch.equal(a, b) for a, b in tensors)


@pytest.mark.parametrize("t", [5, *(pytest.param(t, marks=pytest.mark.slow) for t in (2, 7, 8, 9, 16, 17))])
def test_a_prompt_is_read_from_a_tape_as_without_one(taped, t):
    """Try lengths around those of the recordings, with a window of 4, and a new cache of another size each time."""
    recording, plain = both(1)
    for turn in range(3):
        tokens = random_rows(plain.config, [t], 10 + turn)
        ours, theirs = recording.new_cache(1, 20 + turn), plain.new_cache(1, 20 + turn)
        found = recording(tokens, ours, last_only=True)
        wide = padded(tokens, BUCKETS)
        right = plain(wide, theirs, [t], last_only=True)
        assert torch.equal(found, right) and same_caches(ours, theirs)
    assert relative(found, plain(tokens, plain.new_cache(1, t), last_only=True)) < 1e-5
    assert len(taped) == (t <= 16)


@pytest.mark.long
@pytest.mark.parametrize("t", [127, 128, 129, 200])
def test_prompts_around_the_released_window_are_read_from_a_tape(taped, t):
    recording, plain = both(9, sliding_window=128)
    recording.tuning = replace(recording.tuning, prompt_graphs=(128, 256))
    first, second = random_rows(plain.config, [t], 1), random_rows(plain.config, [100], 2)
    for _ in range(2):
        ours, theirs = recording.new_cache(1, 400), plain.new_cache(1, 400)
        for tokens in (first, second):
            found = recording(tokens, ours, last_only=True)
            right = plain(padded(tokens, (128, 256)), theirs, [tokens.shape[1]], last_only=True)
            assert torch.equal(found, right) and same_caches(ours, theirs)
    assert len(taped) == 2 - (t <= 128)


@pytest.mark.slow
def test_several_rows_an_empty_one_and_later_turns_are_read_from_a_tape(taped):
    """Three rows are read in four; a second turn begins at other places per row, past the window or not."""
    recording, plain = both(2)
    turns = ([7, 0, 3], [2, 5, 0], [1, 8, 4])
    for start in range(2):
        ours, theirs = recording.new_cache(3, 60 + start), plain.new_cache(3, 60 + start)
        for number, counts in enumerate(turns):
            tokens = padded(random_rows(plain.config, counts, number, max(counts)), BUCKETS)
            found = recording(tokens[:, : max(counts)], ours, counts, last_only=True)
            right = plain(tokens, theirs, counts, last_only=True)
            rows = [row for row in range(3) if counts[row]]
            assert relative(found[rows], right[rows]) < 1e-5
            for a, b in zip(ours.keys + ours.values, theirs.keys + theirs.values, strict=True):
                assert relative(a, b) < 1e-5
        assert ours.row_lengths == theirs.row_lengths == [10, 13, 7]
    assert len(taped) == 1 and list(recording._prompts.shapes) == [(4, 8)]


@pytest.mark.slow
def test_views_of_a_cache_share_the_recording_and_keep_to_their_rows(taped):
    recording, plain = both(3)
    ours, theirs = recording.new_cache(4, 30), plain.new_cache(4, 30)
    for tensor in (*ours.keys, *ours.values, *theirs.keys, *theirs.values):
        tensor.fill_(7.0)
    for first in (0, 2, 1):
        tokens = random_rows(plain.config, [6, 6], first)
        found = recording(tokens, ours.rows(first, first + 2), last_only=True)
        right = plain(padded(tokens, BUCKETS), theirs.rows(first, first + 2), [6, 6], last_only=True)
        assert torch.equal(found, right) and same_caches(ours, theirs)
        ours.clear_row(1), theirs.clear_row(1), ours.clear_row(2), theirs.clear_row(2)
    assert len(taped) == 1


@pytest.mark.slow
def test_logits_of_every_token_and_decoding_after_a_recorded_prompt(taped):
    recording, plain = both(4)
    tokens = random_rows(plain.config, [5, 8], 5)
    for _ in range(3):
        ours, theirs = recording.new_cache(2, 30), plain.new_cache(2, 30)
        found, right = recording(tokens, ours, [5, 8]), plain(tokens, theirs, [5, 8])
        assert found.shape == right.shape
        assert relative(found[0, :5], right[0, :5]) < 1e-5 and relative(found[1], right[1]) < 1e-5
        assert relative(recording(tokens[:, :1], ours), plain(tokens[:, :1], theirs)) < 1e-5
    assert len(taped) == 1
    prompt = tokens[0].tolist()
    assert list(generate(recording, prompt, 3, stop_tokens=[])) == list(generate(plain, prompt, 3, stop_tokens=[]))


def test_padding_reaches_no_expert():
    """Of 16 tokens 5 count: the others are in no expert's tiles, and get nothing from any."""
    recording, _ = both(5)
    layer, config = recording.layers[0], recording.config
    x = torch.randn(32, config.hidden_size, generator=torch.Generator().manual_seed(1))
    whole, part = x.clone(), x.clone()
    counts = torch.tensor([5, 16], dtype=torch.int32)
    launch.experts_many(whole, layer, config, LARGE)
    real = torch.tensor([*range(5), *range(16, 32)])
    for scratch, tuning in ((None, LARGE), (torch.empty(10**6), replace(LARGE, unpack_from=0))):
        part = x.clone()
        launch.experts_many(part, layer, config, tuning, scratch, counts=counts)
        assert relative(part[real], whole[real]) < 1e-6
        assert torch.equal(part[5:16], x[5:16])


def test_a_recording_that_fails_leaves_the_prompt_to_single_launches(monkeypatch):
    def record(launch_all):
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    monkeypatch.setitem(prompt_graph.RECORDERS, "cpu", lambda device: record)
    recording, plain = both(6)
    tokens = random_rows(plain.config, [6], 6)
    ours, theirs = recording.new_cache(1, 64), plain.new_cache(1, 64)
    recording(tokens, ours)
    plain(padded(tokens, BUCKETS), theirs, [6])
    with pytest.warns(RuntimeWarning, match="up to 8 tokens in 1 rows are read without a CUDA graph"):
        recording(tokens, ours)
    plain(tokens, theirs)
    assert recording._prompts.shapes == {} and recording._prompts.failed == {(1, 8)}
    assert torch.equal(recording(tokens, ours), plain(tokens, theirs)) and same_caches(ours, theirs)


def test_what_is_not_recorded(taped):
    """No cache, a long prompt, many rows, experts that are unpacked first, a stand-in: none makes a buffer."""
    recording, _ = both(7)
    tokens = random_rows(recording.config, [12], 7)
    shape = recording._prompts.shape
    assert shape(recording, 1, 12) == (1, 16) and shape(recording, 5, 8) == (8, 8)
    assert shape(recording, 1, 17) is None and shape(recording, 65, 16) is None
    recording(tokens)
    with unfused(recording):
        recording(tokens, recording.new_cache(1, 30))
    assert recording._prompts.shapes == {}
    recording.tuning = replace(recording.tuning, unpack_from=8)
    assert shape(recording, 1, 12) is None and shape(recording, 1, 7) == (1, 8)
    recording.tuning = replace(recording.tuning, prompt_graphs=())
    assert shape(recording, 1, 2) is None
    assert not FastTransformer.from_reference(random_packed(small_config(), 1), "cpu")._prompts.shapes


def test_a_processor_records_nothing():
    recording, _ = both(8)
    assert recording._prompts.shape(recording, 1, 10) is None or torch.cuda.is_available()


# ------------------------------------------------------------------------------------------------------- on a GPU


def on_card(seed: int) -> tuple[FastTransformer, FastTransformer]:
    """Return two layers of the released shape with graphs, and the same weights without."""
    _, halves = shaped_like_20b(seed)
    recording = FastTransformer.from_reference(halves)
    return recording, FastTransformer(recording.config, recording.weights, replace(recording.tuning, prompt_graphs=()))


@gpu
@needs_gpu
@pytest.mark.parametrize("t", [2, 15, 16, 17, 32, 64, 65, 127, 128, 129, 200, 255, 256])
def test_a_graph_gives_the_bits_of_single_launches(t):
    recording, plain = on_card(21)
    lengths = recording.tuning.prompt_graphs
    for turn in range(4):
        tokens = random_rows(plain.config, [t], turn).cuda()
        ours, theirs, unpadded = (m.new_cache(1, 300 + 8 * turn) for m in (recording, plain, plain))
        found = recording(tokens, ours, last_only=True)
        right = plain(padded(tokens, lengths), theirs, [t], last_only=True)
        assert torch.equal(found, right) and same_caches(ours, theirs)
        assert relative(found, plain(tokens, unpadded, last_only=True)) < 0.05
    assert all(shape.replay is not None for shape in recording._prompts.shapes.values())
    assert not recording._prompts.failed


@gpu
@needs_gpu
def test_graphs_read_later_turns_and_rows_of_different_lengths():
    """Turns that begin before, at and past the window of 128, and past 1,024; an empty row; views of a cache."""
    recording, plain = on_card(22)
    lengths = recording.tuning.prompt_graphs
    turns = ([127, 3], [1, 129], [128, 0], [100, 200], [17, 256], [600, 700], [100, 100], [2, 1])
    for repeat in range(3):
        whole = [m.new_cache(6, 1500) for m in (recording, plain)]
        ours, theirs = (cache.rows(2, 4) for cache in whole)
        for number, counts in enumerate(turns):
            tokens = random_rows(plain.config, counts, 10 * repeat + number).cuda()
            wide = padded(tokens, lengths)
            found = recording(tokens, ours, counts, last_only=True)
            right = plain(wide, theirs, counts, last_only=True)
            rows = [row for row in range(2) if counts[row]]
            assert torch.equal(found[rows], right[rows]), counts
            assert same_caches(*whole), counts
    assert not recording._prompts.failed


@gpu
@needs_gpu
def test_graphs_share_memory_and_go_with_their_model():
    def pools() -> dict:
        """Return the bytes of each pool of a graph."""
        gc.collect()
        torch._C._cuda_clearCublasWorkspaces()  # the matrix library's own, which outlives the graphs
        torch.cuda.empty_cache()
        sizes: Counter = Counter()
        for segment in torch.cuda.memory_snapshot():
            sizes[segment["segment_pool_id"]] += segment["total_size"]
        return {pool: size for pool, size in sizes.items() if pool != (0, 0)}

    before = pools()
    recording, _ = on_card(23)
    tokens = random_rows(recording.config, [256] * 4, 1).cuda()
    for rows in (1, 2, 4):
        for t in recording.tuning.prompt_graphs:
            for _ in range(3):
                recording(tokens[:rows, :t], recording.new_cache(rows, 300), last_only=True)
    graphs = recording._prompts
    shapes = {graphs.shape(recording, rows, t) for rows in (1, 2, 4) for t in recording.tuning.prompt_graphs} - {None}
    assert graphs.shapes.keys() == shapes and len(shapes) >= 14 and not graphs.failed
    held = [size for pool, size in pools().items() if pool not in before]
    assert len(held) == 1 and held[0] < 512 << 20
    del recording, graphs
    assert pools().keys() <= before.keys()


@gpu
@needs_gpu
def test_a_failed_capture_is_undone(monkeypatch):
    recording, plain = on_card(24)
    tokens = random_rows(plain.config, [100], 1).cuda()
    first = recording.launch_layers

    def synchronise(x, *args, **kwargs):
        x = first(x, *args, **kwargs)
        x.sum().item()  # forbidden while recording
        return x

    monkeypatch.setattr(recording, "launch_layers", synchronise)
    recording(tokens, recording.new_cache(1, 300), last_only=True)
    with pytest.warns(RuntimeWarning, match="without a CUDA graph"):
        found = recording(tokens, recording.new_cache(1, 300), last_only=True)
    right = plain(tokens, plain.new_cache(1, 300), last_only=True)
    assert torch.equal(found, right)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    monkeypatch.undo()
    for _ in range(3):
        found = recording(tokens[:, :30], recording.new_cache(1, 300), last_only=True)
    assert recording._prompts.failed == {(1, 128)} and recording._prompts.shapes[1, 32].replay is not None
    torch.rand(4, device="cuda")  # random numbers are drawn as before


# --------------------------------------------------------------------------------------------------- its measurement


def test_the_floor_of_a_prompt_reads_each_weight_in_use_once():
    config = ModelConfig.gpt_oss_20b()
    assert bench.experts_hit(config, 1) == pytest.approx(4)
    assert bench.experts_hit(config, 2) == pytest.approx(4 + 4 * 28 / 32)
    assert bench.experts_hit(config, 1024) == pytest.approx(32)
    assert bench.prompt_bytes(config, 1) == pytest.approx(step_bytes(config, 1))
    turn = bench.prompt_bytes(config, 100, 4096) - bench.prompt_bytes(config, 100)
    assert turn == pytest.approx(12 * 4096 * 2048 + 12 * 28 * 2048)  # full layers, and what the windows of 128 lacked


@gpu
@needs_gpu
def test_the_benchmark_measures_a_graph_at_every_length():
    out = {"ceilings": {"read_bytes_per_s": 4e12}}
    model = on_card(25)[0]
    bench.part_prompts(model, out)
    rows = {name: row for name, row in out["results"].items() if "first logits" in name}
    assert len(rows) == len(bench.LENGTHS) + len(bench.LONGER) + 1
    assert all(row["difference"] < 0.05 for row in rows.values())
    many = (
        model.tuning.unpack_from * model.config.num_experts // model.config.experts_per_token
    )  # no graph from here on
    for name, row in rows.items():
        tokens = int(re.search(r"([\d,]+) (?:new )?tokens", name)[1].replace(",", ""))
        assert row["replay_milliseconds"] > 0 if tokens < many else row["replay_milliseconds"] is None, name
