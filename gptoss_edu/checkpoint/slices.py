"""Load one rank's slices of a checkpoint, and lead a model whose other ranks are processes that this one starts.

Tensors are memory-mapped, so a rank reads only the pages that hold its slice. A slice of columns touches every page of
its tensor if rows are shorter than a page.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
import time

import torch
from torch import Tensor

from gptoss_edu.errors import CheckpointError, GptOssError
from gptoss_edu.fast import parallel
from gptoss_edu.fast.leader import Leader, follow
from gptoss_edu.fast.parallel import ShardedTransformer, Share, slice_of, take
from gptoss_edu.fast.ranks import Ranks, environment, free_port, launched, start
from gptoss_edu.options import one_thread_if_small
from gptoss_edu.resources import data_path

from .layouts import EXPERTS, CheckpointReader, hf_name, layout_entries, original_shapes, qkv_sizes, split_name
from .load import QUIET_BELOW, cpu_kernel, folder_tokenizer
from .sizes import MemoryPlan, size_text

FOLLOW = "GPTOSS_EDU_FOLLOW"  # what a follower loads, as JSON


def read_slices(reader: CheckpointReader, mine: Share, device, dtype: torch.dtype) -> dict[str, Tensor]:
    """Read this rank's weights by original name: experts packed where the files hold them so, the rest in `dtype`."""
    names = layout_entries(reader.config, "original") if reader.is_packed else original_shapes(reader.config)
    weights = {}
    for name in names:
        part = _slice(reader, name, mine)
        weights[name] = part.to(device=device, dtype=part.dtype if part.dtype == torch.uint8 else dtype)
    return weights


def _slice(reader: CheckpointReader, name: str, mine: Share) -> Tensor:
    prefix, rest = split_name(name)
    if reader.layout in ("original", "gguf"):
        return take(name, reader.shards[name], reader.config, mine)
    if rest.startswith("attn.qkv"):  # q, k and v are tensors of their own
        _, ranges = slice_of(name, reader.config, mine)  # type: ignore[str-unpack]
        parts, offset = [], 0
        for (letter, size), wanted in zip(qkv_sizes(reader.config).items(), ranges, strict=True):
            stored = f"{prefix.replace('block.', 'model.layers.')}self_attn.{letter}_proj.{rest.rpartition('.')[2]}"
            begin = wanted.start - offset  # type: ignore[attr-defined]
            parts.append(reader.shards[stored].narrow(0, begin, len(wanted)))
            offset += size
        return torch.cat(parts)
    tensor = reader.shards[hf_name(name)]
    if rest in EXPERTS:  # dense ones are stored (e, columns, rows)
        tensor = tensor.mT
    return take(name, tensor, reader.config, mine).contiguous()


def load_slices(path, ranks: Ranks, mode: str = "tensor", device: str = "cpu", dtype=None, way: str = "symmetric"):
    """Load this rank's part of the model in a folder (None: gpt-oss-tiny), on the GPU path if that can run.

    Every rank calls it. mode, way : as for `fast.parallel.share` and `fast.parallel_gpu.sharded_fast`
    """
    reader = CheckpointReader(data_path("gpt-oss-tiny") if path is None else path)
    mine = parallel.share(reader.config, ranks.rank, ranks.size, mode)
    small = reader.shards.nbytes < QUIET_BELOW
    place = torch.device("cuda", torch.cuda.current_device()) if device == "cuda" else torch.device(device)
    dtype = dtype or (torch.float32 if small and place.type == "cpu" else torch.bfloat16)
    if ranks.first and not small:
        print(plan(reader, ranks.size, mode, dtype), file=sys.stderr)
    weights = read_slices(reader, mine, place, dtype)
    model = None
    if place.type == "cuda" and reader.is_packed and dtype == torch.bfloat16:
        from gptoss_edu import fast

        why = fast.why_not(mine.local(reader.config), place)
        if why is None:
            from gptoss_edu.fast.parallel_gpu import sharded_fast

            model = sharded_fast(reader.config, mine, ranks, weights, way=way)
        elif ranks.first:
            print(f"reference path: {why}", file=sys.stderr)
    if model is None:
        model = ShardedTransformer.with_weights(reader.config, mine, ranks, weights, dtype)
        if reader.is_packed and place.type == "cpu" and (kernel := cpu_kernel()):
            for module in model.modules():
                if isinstance(module, parallel.PackedWeight):
                    module.kernel = kernel
    model.tokenizer = folder_tokenizer(reader)
    return model, reader.config


def plan(reader: CheckpointReader, size: int, mode: str, dtype: torch.dtype) -> str:
    """Say in one line what each rank will hold."""
    names = layout_entries(reader.config, "original") if reader.is_packed else original_shapes(reader.config)
    held = []
    for rank in range(size):
        mine, total = parallel.share(reader.config, rank, size, mode), 0
        for name, entry in names.items():
            shape = entry.shape if reader.is_packed else entry
            one = 1 if reader.is_packed and entry.dtypes == ("U8",) else dtype.itemsize
            where, numbers = slice_of(name, reader.config, mine), torch.Size(shape).numel()  # type: ignore[arg-type]
            if not isinstance(where, str):
                numbers = numbers // shape[where[0]] * sum(map(len, where[1]))
            total += numbers * one
        held.append(total)
    whole = (
        MemoryPlan.packed_bytes(reader.config, dtype)
        if reader.is_packed
        else MemoryPlan.dense_bytes(reader.config, dtype)
    )
    least, most = size_text(min(held)), size_text(max(held))
    each = most if least == most else f"{least} to {most}"
    return f"plan: {size} ranks by {mode}, each with {each} of {size_text(whole)} of weights"


def lead(path, size: int, mode: str = "tensor", device: str | None = None, way: str = "symmetric") -> Leader:
    """Load a folder's model on `size` ranks, for code that is not aware of ranks; this process is rank 0.

    If torchrun started the ranks, each one calls this, and all except rank 0 end here when rank 0 does. Otherwise this
    starts the others as processes of this machine.

    Raises
    ------
    CheckpointError, GptOssError : a faulty folder, fewer GPUs than ranks, or a rank that ended.
    """
    reader = CheckpointReader(data_path("gpt-oss-tiny") if path is None else path)
    for rank in range(size):  # refuse before starting anything
        parallel.share(reader.config, rank, size, mode)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and torch.cuda.device_count() < size and launched() == 1:
        raise GptOssError(
            f"--tensor-parallel {size}: expected a GPU for each rank, found {torch.cuda.device_count()}; "
            "use fewer, or --device cpu."
        )
    if launched() == 1:
        _start_followers(
            size, {"path": None if path is None else str(path), "mode": mode, "device": device, "way": way}
        )
    elif launched() != size:
        raise GptOssError(f"--tensor-parallel {size}: torchrun started {launched()} processes; give the same number.")
    ranks = start(device)
    model, config = load_slices(path, ranks, mode, device, way=way)
    if not ranks.first:
        follow(model)
        raise SystemExit(0)
    leader = Leader(model, config)
    atexit.register(leader.close)
    return leader


def _start_followers(size: int, what: dict) -> None:
    port = free_port()
    os.environ.update(environment(0, size, port))
    command = [sys.executable, "-c", "from gptoss_edu.checkpoint.slices import follow_rank_0; follow_rank_0()"]
    followers = []
    for rank in range(1, size):
        env = os.environ | environment(rank, size, port) | {FOLLOW: json.dumps(what)}
        followers.append(subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
    ending = threading.Event()

    def watch() -> None:  # rank 0 would wait forever for the part of a dead rank
        while not ending.is_set():
            for rank, process in enumerate(followers, 1):
                if process.poll():
                    print(
                        f"rank {rank} ended with code {process.poll()}; its last output is above.",
                        file=sys.stderr,
                        flush=True,
                    )
                    os._exit(2)
            time.sleep(0.2)

    def end() -> None:
        ending.set()
        for process in followers:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    threading.Thread(target=watch, daemon=True).start()
    atexit.register(end)  # registered first, so it runs after the leader's own exit handler


def follow_rank_0() -> None:
    """Run a follower; Ctrl-C is left to rank 0."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    what = json.loads(os.environ[FOLLOW])
    try:
        model, _ = load_slices(what["path"], start(what["device"]), what["mode"], what["device"], way=what["way"])
    except (CheckpointError, GptOssError) as error:
        print(f"rank {os.environ['RANK']}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    one_thread_if_small(model)
    follow(model)
