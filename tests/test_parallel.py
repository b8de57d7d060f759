"""Test several ranks on this machine: one rank's logits, the planned collectives, the same bits every time."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from core_models import BASE, CONFIGS, random_tokens, relative, strong_model

from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError
from gptoss_edu.fast import parallel
from gptoss_edu.fast.processes import Processes
from gptoss_edu.fast.ranks import Ranks, ring_all_reduce_bytes
from gptoss_edu.resources import data_path

TINY = data_path("gpt-oss-tiny")
WIDE = replace(BASE, intermediate_size=160)  # five blocks of 32: no number of ranks above one divides them
EIGHT = replace(WIDE, num_attention_heads=8, intermediate_size=320)  # ten blocks and two key/value heads for eight


@pytest.fixture(scope="module")
def two():
    with Processes(2) as processes:
        yield processes


@pytest.fixture(scope="module")
def four():
    with Processes(4) as processes:
        yield processes


@pytest.fixture(scope="module")
def eight():
    with Processes(8, seconds=600) as processes:
        yield processes


def logits_of(ranks, config, mode, packed=False, seed=0):
    """Run on a rank: return the logits of a prompt and of one more token, and counts and bytes of each call."""
    whole = strong_model(config, seed)
    model = parallel.shard(pack(whole) if packed else whole, ranks, mode)
    tokens = random_tokens(config, 2, 12)
    cache = model.new_cache(2, 32)
    found, notes = [], []
    for part in (tokens[:, :11], tokens[:, 11:]):
        ranks.forget_counts()
        found.append(model(part, cache))
        notes.append((dict(ranks.counts), dict(ranks.sent)))
    return torch.cat(found, dim=1), notes, sum(p.nbytes for p in model.state_dict().values())


def pack(model):
    from gptoss_edu.training.quantize import packed

    return packed(model, "floor").float()


def right_logits(config, packed=False, seed=0):
    whole = strong_model(config, seed)
    return (pack(whole) if packed else whole)(random_tokens(config, 2, 12))


def check_same(processes, config, mode, packed=False):
    right = right_logits(config, packed)
    answers = processes.run(logits_of, config, mode, packed)
    for logits, notes, _ in answers:
        assert torch.equal(logits, answers[0][0])  # every rank: the same bits
        assert relative(logits, right) < 2e-5
        layers, size = config.num_hidden_layers, processes.size
        for (counts, sent), t in zip(notes, (11, 1), strict=True):
            assert counts == {"all_reduce": 2 * layers, "all_gather": 1}
            a_sum = 2 * t * config.hidden_size * 4
            assert sent["all_reduce"] == 2 * layers * round(ring_all_reduce_bytes(a_sum, size))
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("packed", [False, True])
def test_two_ranks_give_the_logits_of_one(two, mode, packed):
    answers = check_same(two, WIDE, mode, packed)
    again = two.run(logits_of, WIDE, mode, packed)
    assert torch.equal(again[0][0], answers[0][0])


@pytest.mark.slow
@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("packed", [False, True])
def test_four_ranks_give_the_logits_of_one(four, mode, packed):
    """With two key/value heads on four ranks, two ranks share each head and split its queries."""
    answers = check_same(four, WIDE, mode, packed)
    assert torch.equal(four.run(logits_of, WIDE, mode, packed)[0][0], answers[0][0])


@pytest.mark.long
@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("packed", [False, True])
def test_eight_ranks_give_the_logits_of_one(eight, mode, packed):
    """A query head for each rank, a key/value head for four of them; some hold one block of an expert, some two."""
    answers = check_same(eight, EIGHT, mode, packed)
    assert torch.equal(eight.run(logits_of, EIGHT, mode, packed)[0][0], answers[0][0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two experts, heads of 64", "four experts, groups of 8"])
@pytest.mark.parametrize("mode", parallel.MODES)
def test_other_shapes_on_two_ranks(two, name, mode):
    config = CONFIGS[name]
    if mode == "tensor" and config.intermediate_size == 32:
        with pytest.raises(GptOssError, match="1 to 1 ranks"):
            parallel.share(config, 0, 2, mode)
        return
    check_same(two, config, mode)


def numbers_held(config, ranks, mode):
    """Count how many ranks hold each element of each tensor; also say whether all ranks should hold it."""
    from gptoss_edu.checkpoint.layouts import original_shapes

    for name, shape in original_shapes(config).items():
        index = torch.arange(torch.Size(shape).numel()).view(shape) + 1
        parts = [parallel.take(name, index, config, parallel.share(config, r, ranks, mode)) for r in range(ranks)]
        kinds = {str(parallel.slice_of(name, config, parallel.share(config, 0, ranks, mode)))}
        counts = torch.bincount(torch.cat([p.flatten() for p in parts]), minlength=index.numel() + 1)[1:]
        yield name, counts, kinds.pop()


@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 5])
def test_every_number_is_held_once_or_by_all(mode, ranks):
    """Each rank that splits a key/value head's queries holds that head; all else is held once or by every rank."""
    for name, counts, kind in numbers_held(
        WIDE if mode == "tensor" else replace(WIDE, num_attention_heads=8), min(ranks, 4), mode
    ):
        if kind == parallel.WHOLE:
            assert (counts == min(ranks, 4)).all(), name
        elif ".qkv." in name and ranks > WIDE.num_key_value_heads:
            assert (counts >= 1).all(), name
        else:
            assert (counts == 1).all(), name


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 16, 64])
def test_released_shapes_divide_among_any_number_of_ranks(size):
    for config in (ModelConfig.gpt_oss_20b(), ModelConfig.gpt_oss_120b()):
        shares = [parallel.share(config, r, size, "tensor") for r in range(size)]
        assert [i for s in shares for i in s.heads] == list(range(64))
        assert [i for s in shares for i in s.width] == list(range(2880))
        assert [i for s in shares for i in s.vocabulary] == list(range(201_088))
        for s in shares:
            s.local(config)  # a valid configuration
            group = 64 // 8
            assert {i // group for i in s.heads} == set(s.groups)
            assert max(len(s.width) for s in shares) - len(s.width) in (0, 32)


def test_too_many_ranks_are_refused_in_one_sentence():
    with pytest.raises(GptOssError, match=r"expected 1 to 64 ranks .* found rank 0 of 65"):
        parallel.share(ModelConfig.gpt_oss_20b(), 0, 65)
    with pytest.raises(GptOssError, match="found 'pipeline'"):
        parallel.share(ModelConfig.gpt_oss_20b(), 0, 2, "pipeline")


def test_one_rank_is_the_model_itself():
    whole = strong_model(BASE)
    tokens = random_tokens(BASE, 1, 9)
    for mode in parallel.MODES:
        alone = parallel.shard(whole, Ranks(), mode)
        assert relative(alone(tokens), whole(tokens)) < 1e-6
        assert not alone.ranks.counts


def ladder_without(ranks, config, forgotten):
    from gptoss_edu.ladder import ladder, record

    whole = strong_model(config)
    model = parallel.shard(whole, ranks)
    model.joins.discard(forgotten)
    tokens = random_tokens(config, 1, 9)
    rung = ladder(record(model, tokens), record(whole, tokens)).first_above(1e-3)
    return None if rung is None else rung.name


@pytest.mark.slow
def test_the_ladder_finds_the_sum_that_was_forgotten(two):
    for name in ("block.1.attn.out", "block.2.mlp.out"):
        assert two.run(ladder_without, BASE, name) == [name, name]
    assert two.run(ladder_without, BASE, "none") == [None, None]


def fail_on_one(ranks):
    if ranks.rank:
        raise ValueError("no such luck")


@pytest.mark.slow
def test_a_rank_that_fails_is_named():
    with Processes(2) as processes:
        with pytest.raises(GptOssError, match="rank 1: ValueError: no such luck"):
            processes.run(fail_on_one)
        with pytest.raises(GptOssError, match="found them closed"):
            processes.run(fail_on_one)


# ------------------------------------------------------------------------------------------- the GPU path, interpreted


def shared_memory(ranks, folder, elements, joins, programs):
    """Use files that every process maps in place of memory that GPUs read from each other."""
    from gptoss_edu.fast.parallel_gpu import PeerMemory

    kinds = ("data", elements, torch.float32), ("flags", programs * ranks.size, torch.int32)
    data, flags = (
        [torch.from_file(f"{folder}/{kind}{r}", shared=True, size=size, dtype=dtype) for r in range(ranks.size)]
        for kind, size, dtype in kinds
    )
    at = [[tensor.data_ptr() for tensor in tensors] for tensors in (data, flags)]
    memory = PeerMemory(data[ranks.rank], flags[ranks.rank], *at, joins)
    memory.all = data, flags  # must stay mapped
    return memory


def joined(ranks, folder):
    """Run on a rank: five sums and a gather of made-up numbers, with the step's own kernels."""
    from gptoss_edu.fast.parallel_gpu import PeerMemory, Peers

    config = WIDE
    mine = parallel.share(config, ranks.rank, ranks.size)
    memory = shared_memory(ranks, folder, *PeerMemory.sizes(config, mine))
    peers = Peers(ranks, mine, config, memory, overlap=False)
    x = made_up(20, config.hidden_size, seed=0)  # 20 rows are two programs
    for turn in range(5):
        part = peers.target(x)
        part.copy_(made_up(*x.shape, seed=10 * turn + ranks.rank + 1))
        peers.join(x, part)
    logits = made_up(2, mine.part(config), seed=99 + ranks.rank)
    return x, peers.gather(logits)


class Launches(list):
    """Stand in for a kernel: record each launch's grid and named arguments."""

    def __getitem__(self, grid):
        return lambda *args, **named: self.append((grid, named))


@pytest.mark.parametrize("rows", [1, 16, 64])
def test_all_programs_of_a_gather_find_room_on_a_card(monkeypatch, rows):
    """Programs of a gather wait for each other, so all must run at once: two H100 (132 SMs) hung with 1,571."""
    pytest.importorskip("triton")
    from gptoss_edu.fast import parallel_gpu

    kernel, config = Launches(), ModelConfig.gpt_oss_120b()
    monkeypatch.setattr(parallel_gpu.peer_kernels, "gather_kernel", kernel)
    mine = parallel.share(config, 0, 2)
    elements, joins, programs = parallel_gpu.PeerMemory.sizes(config, mine)
    memory = parallel_gpu.PeerMemory(
        torch.empty(elements, dtype=torch.bfloat16), torch.empty(2 * programs, dtype=torch.int32), [0, 0], [0, 0], joins
    )
    peers = parallel_gpu.Peers(Ranks(0, 2), mine, config, memory, overlap=True)
    peers.gather(torch.zeros(rows, mine.part(config), dtype=torch.bfloat16))
    (((grid,), named),) = kernel
    assert 1 <= grid <= 132 and named["BASE"] + grid <= memory.programs


@pytest.mark.parametrize("programs", [1, 2, 3])
def test_a_gather_takes_every_block_however_few_programs_it_has(monkeypatch, programs):
    """Sixteen rows of 211 numbers are four blocks. A single rank waits for nobody and gathers its own numbers."""
    pytest.importorskip("triton")
    from gptoss_edu.fast import parallel_gpu

    monkeypatch.setattr(parallel_gpu, "GATHERS", programs)
    mine = parallel.share(WIDE, 0, 1)
    elements, joins, all_programs = parallel_gpu.PeerMemory.sizes(WIDE, mine)
    data, flags = torch.empty(elements), torch.zeros(all_programs, dtype=torch.int32)
    memory = parallel_gpu.PeerMemory(data, flags, [data.data_ptr()], [flags.data_ptr()], joins)
    logits = made_up(16, mine.part(WIDE), seed=5)
    assert logits.numel() > 3 * parallel_gpu.BLOCK
    peers = parallel_gpu.Peers(Ranks(), mine, WIDE, memory, overlap=False)
    assert torch.equal(peers.gather(logits), logits[:, : WIDE.vocab_size])


def made_up(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_sums_over_memory_that_ranks_share(request, size, tmp_path):
    """The kernel adds in the order of the ranks, so all ranks get the same bits, equal to those of a loop."""
    pytest.importorskip("triton")
    if torch.cuda.is_available():
        pytest.skip("runs in Triton's interpreter, which is off where there is a GPU")
    answers = request.getfixturevalue({2: "two", 4: "four"}[size]).run(joined, str(tmp_path))
    right = made_up(20, BASE.hidden_size, seed=0)
    for turn in range(5):
        for rank in range(size):
            right = right + made_up(*right.shape, seed=10 * turn + rank + 1)
    part = -(-211 // size)
    logits = torch.cat([made_up(2, part, seed=99 + rank) for rank in range(size)], dim=-1)[:, :211]
    for x, gathered in answers:
        assert torch.equal(x, right)
        assert torch.equal(gathered, logits)


@pytest.mark.slow
@pytest.mark.parametrize("n, few", [(1, True), (3, True), (5, False)])
def test_two_halves_of_the_experts_make_the_whole(n, few):
    """Each half writes its own part; slots of absent experts hold NaN, which must not reach the result."""
    kernels = pytest.importorskip("test_kernels")
    from gptoss_edu.fast import FastTransformer, launch
    from gptoss_edu.fast.alone import Alone

    config = kernels.small_config(num_hidden_layers=1)
    weights = kernels.random_packed(config, 3).state_dict()
    tuning = replace(kernels.LARGE, unpack_from=0)
    x = kernels.randn(n, config.hidden_size, seed=4)

    def part_of(first, last, scratch=None):
        kept = {k: v[first:last] if ".mlp.mlp" in k else v for k, v in weights.items()}
        alone = Alone()
        alone.first_expert = first
        layer = FastTransformer(config, {k: v.to(kernels.DEVICE) for k, v in kept.items()}, tuning, alone).layers[0]
        into = kernels.poison(*x.shape)
        if not few:
            launch.experts_many(x, layer, config, tuning, scratch, into=into)
            return into
        c, f, e = config.hidden_size, config.intermediate_size, config.num_experts
        buffers = kernels.Buffers(router=kernels.poison(n, e), normed=kernels.poison(n, c), act=kernels.poison(n, 4, f))
        launch.experts_few(x, layer, config, buffers, tuning, into)
        return into

    scratch = kernels.poison(config.num_experts * 2 * config.intermediate_size * config.hidden_size)
    whole = part_of(0, 8)
    for where in (None,) if few else (None, scratch):
        assert kernels.relative(part_of(0, 3, where) + part_of(3, 8, where), whole) < 1e-5
    assert whole.isfinite().all()


def fast_logits_of(ranks, config, mode, way, folder, steps=2):
    """Run on a rank: return the fast path's logits of a prompt of two rows, then of steps with one row and two."""
    import test_kernels as kernels

    from gptoss_edu.fast.parallel_gpu import PeerMemory, sharded_fast

    mine = parallel.share(config, ranks.rank, ranks.size, mode)
    whole = kernels.random_packed(config).state_dict()
    weights = {name: parallel.take(name, tensor, config, mine) for name, tensor in whole.items()}
    memory = None
    if way == "symmetric":
        memory = shared_memory(ranks, folder, *PeerMemory.sizes(config, mine))
    model = sharded_fast(config, mine, ranks, weights, kernels.LARGE, way, memory)
    found = []
    ranks.forget_counts()
    for rows in (2, 1):
        tokens = random_tokens(config, rows, 5 + steps)
        cache = model.new_cache(rows, 32)
        parts = [tokens[:, :5], *(tokens[:, i : i + 1] for i in range(5, 5 + steps))]
        found.append(torch.cat([model(part, cache) for part in parts], dim=1).clone())
    return found, dict(ranks.counts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "mode", "way"),
    [(2, "tensor", "symmetric"), (2, "tensor", "nccl"), (2, "experts", "symmetric")],
)
def test_the_fast_path_on_several_ranks(request, size, mode, way, tmp_path):
    """Kernels run in Triton's interpreter; a step's sums go through shared memory, as on GPUs."""
    kernels = pytest.importorskip("test_kernels")
    if kernels.CUDA:
        pytest.skip("runs in Triton's interpreter, which is off where there is a GPU")
    processes = request.getfixturevalue({2: "two", 4: "four"}[size])
    config = kernels.small_config()
    answers = processes.run(fast_logits_of, config, mode, way, str(tmp_path))
    whole = kernels.random_packed(config)
    for found, counts in answers:
        for rows, logits in zip((2, 1), found, strict=True):
            right = whole(random_tokens(config, rows, 7))
            assert kernels.relative(logits, right) < 2e-5
            assert torch.equal(logits, answers[0][0][2 - rows])
        assert counts["all_reduce"] == 2 * 3 * 2 * config.num_hidden_layers


# ------------------------------------------------------------------------------------ files, leader, command line


@pytest.mark.parametrize("layout", ["original", "hf", "hf-bf16"])
@pytest.mark.parametrize("mode", parallel.MODES)
def test_slices_from_files_are_those_of_the_whole(tmp_path, layout, mode):
    from gptoss_edu import load_model
    from gptoss_edu.checkpoint import convert, save_random
    from gptoss_edu.checkpoint.layouts import CheckpointReader
    from gptoss_edu.checkpoint.slices import plan, read_slices

    config = replace(WIDE, num_hidden_layers=2)
    save_random(config, tmp_path / "original")
    if layout != "original":
        convert(tmp_path / "original", tmp_path / layout, layout=layout)
    reader = CheckpointReader(tmp_path / layout)
    whole = load_model(
        tmp_path / layout, device="cpu", experts="auto" if layout == "hf-bf16" else "packed"
    ).state_dict()
    for rank in range(3 if mode == "experts" else 2):
        mine = parallel.share(config, rank, 3 if mode == "experts" else 2, mode)
        found = read_slices(reader, mine, "cpu", torch.float32)
        assert found.keys() == whole.keys()
        for name, tensor in whole.items():
            assert torch.equal(found[name], parallel.take(name, tensor, config, mine)), name
    assert f"2 ranks by {mode}, each with" in plan(reader, 2, mode, torch.float32)


def lead_a_generation(ranks):
    """Let rank 0 answer with the bundled model as if alone (cache, rows, a snapshot) while the other rank follows."""
    from gptoss_edu import generate
    from gptoss_edu.checkpoint.slices import load_slices
    from gptoss_edu.fast.leader import Leader, follow

    part, config = load_slices(None, ranks)
    if not ranks.first:
        follow(part)
        return None
    leader = Leader(part, config)
    prompt = leader.tokenizer.encode("The moon is")
    found = [list(generate(leader, prompt, 5))]
    cache = leader.new_cache(2, 64)
    views = [cache.rows(0, 1), cache.rows(1, 2)]
    first = leader(torch.tensor([prompt]), views[0], last_only=True)
    views[1].restore(0, views[0].snapshot(0))
    step = torch.tensor([[prompt[0]]])
    with pytest.raises(GptOssError, match="token ids from 0"):  # refused before the other ranks hear of it
        leader(step + 10**6, views[0])
    with pytest.raises(GptOssError, match="found one on several"):
        leader.hooks({})
    one = leader(step, views[0])
    other = leader(step, views[1])
    views[0].clear_row(0)
    again = leader(torch.tensor([prompt]), views[0], last_only=True)
    long = leader(torch.tensor([prompt * 200])[:, :600], None, last_only=True)  # a message of several kilobytes
    leader.close()
    found += [torch.equal(one, other), torch.equal(first, again), long]
    return found


@pytest.mark.slow
def test_a_leader_is_followed():
    from gptoss_edu import generate, load_model

    model = load_model()
    prompt = model.tokenizer.encode("The moon is")
    with Processes(2) as two:
        tokens, same, again, long = two.run(lead_a_generation)[0]
    assert tokens == list(generate(model, prompt, 5))
    assert same and again
    assert relative(long, model(torch.tensor([prompt * 200])[:, :600], last_only=True)) < 1e-4


@pytest.mark.slow
def test_generate_on_two_ranks_prints_what_one_prints(capsys):
    from gptoss_edu.cli import main

    command = ["generate", "The moon is", "--raw", "--max-new-tokens", "2", "--device", "cpu"]
    assert main(command) == 0
    words = [sys.executable, "-m", "gptoss_edu", *command, "--tensor-parallel", "2"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert (ran.returncode, ran.stdout) == (0, capsys.readouterr().out), ran.stderr


def test_what_cannot_be_divided_is_refused_before_anything_starts(capsys):
    from gptoss_edu.cli import main

    assert main(["generate", "Hello", "--tensor-parallel", "9", "--device", "cpu"]) == 2
    assert "expected 1 to 8 ranks" in capsys.readouterr().err


# ----------------------------------------------------------------------------------- data parallel


def losses_of(ranks, folder, plain_loss, rows=2):
    """Run on a rank: return losses, norms and weights of a few updates, by the reference loss or `FastLoss`."""
    from gptoss_edu.training.fresh import SMOKE
    from gptoss_edu.training.pretrain import Settings, Trainer

    config = replace(SMOKE, num_hidden_layers=2, hidden_size=64, intermediate_size=64)
    settings = Settings(steps=4, rows=rows, length=256, warmup=2, log_every=1, seed=3)
    trainer = Trainer(config, settings, f"{folder}/{ranks.size}-{plain_loss}", TINY, "cpu", ranks)
    if not plain_loss:
        trainer.update = fast_update(trainer)
    log = trainer.run()
    return [line["loss"] for line in log], [line["norm"] for line in log], trainer.model.state_dict()


def fast_update(trainer):
    """Take one update through `FastLoss`, as `GraphedStep` does, but without a graph."""
    from torch.nn.attention import flex_attention

    from gptoss_edu.training.fast_loss import FastLoss

    flex_attention._validate_device = lambda *tensors: None  # the unfused CPU form has gradients
    rows = trainer.replicas.rows if trainer.replicas else trainer.settings.rows
    loss_of = FastLoss(trainer.model, rows, 256, torch.float32, compiled=False, replicas=trainer.replicas)

    def update(batch):
        tokens, codes, documents = (torch.from_numpy(part) for part in batch)
        loss, cross_entropy = loss_of(tokens.long(), codes, documents)
        trainer.model.zero_grad(set_to_none=True)
        loss.backward()
        if trainer.replicas:
            trainer.replicas.sum_gradients(trainer.optimizer.parameters)
            cross_entropy = trainer.replicas.sum(cross_entropy)
        return cross_entropy, trainer.optimizer.step()

    return update


@pytest.mark.slow
@pytest.mark.parametrize("plain_loss", [True, False])
def test_two_ranks_train_as_one_device_does(two, tmp_path, monkeypatch, plain_loss):
    from torch.nn.attention import flex_attention

    monkeypatch.setattr(flex_attention, "_validate_device", flex_attention._validate_device)  # restored afterwards
    check_training(two, tmp_path, plain_loss, 2)


@pytest.mark.long
@pytest.mark.parametrize("size", ["four", "eight"])
def test_four_and_eight_ranks_train_as_one_device_does(request, size, tmp_path):
    check_training(request.getfixturevalue(size), tmp_path, True, 8)


def check_training(processes, folder, plain_loss, rows):
    """Losses, gradient norms and weights are equal for the same global batches; all ranks end with the same bits."""
    one_losses, one_norms, one = losses_of(Ranks(), folder, plain_loss, rows)
    first, *others = processes.run(losses_of, str(folder), plain_loss, rows)
    assert first[0] == pytest.approx(one_losses, abs=3e-5) and first[1] == pytest.approx(one_norms, rel=1e-3)
    for name, tensor in one.items():
        assert all(torch.equal(first[2][name], other[2][name]) for other in others), name
        assert relative(first[2][name], tensor) < 2e-2, name
    written = folder / f"{processes.size}-{plain_loss}"
    assert sorted(p.name for p in written.iterdir()) == ["checkpoint.safetensors", "log.jsonl"]


@pytest.mark.long
def test_torchrun_trains_with_the_losses_of_one_process(tmp_path):
    """The command as the chapters give it, for a few updates of the smaller model."""
    losses = []
    for size in (1, 2):
        out = tmp_path / str(size)
        options = ["--steps", "10", "--rows", "4", "--device", "cpu", "--out", str(out)]
        words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(size), "-m", "gptoss_edu"]
        ran = subprocess.run([*words, "train", "smoke", *options], capture_output=True, text=True, timeout=600)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.count("10 steps") == 1  # one rank speaks
        losses.append([json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()])
    assert len(losses[0]) >= 2 and losses[1] == pytest.approx(losses[0], abs=3e-5)


class LossOfRows(torch.nn.Module):
    """Compute a rank's part of the loss in one forward pass, as DistributedDataParallel requires."""

    def __init__(self, trainer):
        super().__init__()
        self.model, self.trainer = trainer.model, trainer

    def forward(self, tokens, codes, documents):
        from gptoss_edu.training.objective import reference_loss

        return reference_loss(self.model, tokens, codes, documents, 0.01, None, self.trainer.replicas)[0]


def gradients_each_way(ranks, folder, way):
    """Run on a rank: return gradients by this package's sum and by torch, which averages them.

    way : "DistributedDataParallel", or "fully_shard", which also divides the weights among the ranks
    """
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor
    from torch.nn.parallel import DistributedDataParallel

    from gptoss_edu.training.fresh import SMOKE
    from gptoss_edu.training.pretrain import Settings, Trainer

    config = replace(SMOKE, num_hidden_layers=2, hidden_size=64, intermediate_size=64)
    settings = Settings(steps=1, rows=ranks.size, length=256, seed=3)
    trainer = Trainer(config, settings, f"{folder}/{way}", TINY, "cpu", ranks)
    batch = trainer.replicas.part(next(trainer.batches))
    tokens, codes, documents = (torch.from_numpy(part) for part in batch)
    loss = LossOfRows(trainer)
    loss(tokens.long(), codes, documents).backward()
    trainer.replicas.sum_gradients(trainer.optimizer.parameters)
    ours = {name: p.grad.clone() for name, p in trainer.model.named_parameters()}
    trainer.model.zero_grad(set_to_none=True)
    if way == "fully_shard":
        mesh = torch.distributed.init_device_mesh("cpu", (ranks.size,))
        parallel = fully_shard(loss, mesh=mesh)
    else:
        parallel = DistributedDataParallel(loss)  # must stay alive: without it nothing is summed
    held = sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in loss.parameters())
    parallel(tokens.long(), codes, documents).backward()
    whole = {
        name: p.grad.full_tensor() if isinstance(p, DTensor) else p.grad for name, p in trainer.model.named_parameters()
    }
    return ours, {name: gradient * ranks.size for name, gradient in whole.items()}, held


def check_gradients(processes, folder, way):
    answers = processes.run(gradients_each_way, str(folder), way)
    first, everything = answers[0][0], sum(gradient.numel() for gradient in answers[0][0].values())
    for ours, theirs, held in answers:
        assert ours and ours.keys() == theirs.keys()
        share = everything / (processes.size if way == "fully_shard" else 1)
        assert 0.9 * share < held < 1.1 * share
        for name, gradient in ours.items():
            assert relative(gradient, theirs[name]) < 1e-5, name
            assert torch.equal(gradient, first[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("way", ["DistributedDataParallel", "fully_shard"])
def test_summed_gradients_are_those_of_torchs_data_parallel(two, tmp_path, way):
    check_gradients(two, tmp_path, way)


@pytest.mark.long
@pytest.mark.parametrize("way", ["DistributedDataParallel", "fully_shard"])
@pytest.mark.parametrize("size", ["four", "eight"])
def test_so_are_those_of_four_and_eight_ranks(request, size, tmp_path, way):
    check_gradients(request.getfixturevalue(size), tmp_path, way)


def test_rows_that_ranks_cannot_share_are_refused():
    from gptoss_edu.training.data_parallel import Replicas

    with pytest.raises(GptOssError, match="multiple of the 2 ranks, found 3"):
        Replicas(Ranks(0, 2), 3)
