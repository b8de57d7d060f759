"""Copy weights straight from the files to the card.

Several readers with two pinned buffers each keep both disk and bus busy.
"""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from gptoss_edu.fast.model import FastTransformer

from .layouts import CheckpointReader, hf_name, layout_entries, qkv_sizes, split_name
from .safetensors import DTYPES

CHUNK = 16 * 2**20  # bytes per read


def targets(reader: CheckpointReader, weights: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield each tensor of the files with the weight, or part of a weight, that it fills."""
    for name, tensor in weights.items():
        prefix, rest = split_name(name)
        if reader.layout in ("original", "gguf"):
            yield name, tensor
        elif rest.startswith("attn.qkv"):
            kind = rest.rpartition(".")[2]
            parts = tensor.split(list(qkv_sizes(reader.config).values()))
            for letter, part in zip("qkv", parts, strict=True):
                yield f"{prefix.replace('block.', 'model.layers.')}self_attn.{letter}_proj.{kind}", part
        else:
            yield hf_name(name), tensor


def read_weights(reader: CheckpointReader, device, readers: int = 8, quiet: bool = False) -> dict[str, Tensor]:
    """Read all weights to the card by original name, experts packed, the rest in bfloat16."""
    weights = {}
    for name, entry in layout_entries(reader.config, "original").items():
        dtype = torch.uint8 if entry.dtypes == ("U8",) else torch.bfloat16
        weights[name] = torch.empty(entry.shape, dtype=dtype, device=device)
    chunks = []
    for name, target in targets(reader, weights):
        stem, _, part = name.rpartition(".")
        if reader.layout == "gguf" and part in ("blocks", "scales"):
            if part == "blocks":  # the scales stand in the same bytes
                weights[name], weights[f"{stem}.scales"] = reader.shards.packed_pair(stem, device)
            continue
        info = reader.shards.infos[name]
        if info.begin < 0 or DTYPES[info.dtype] != target.dtype:  # in another order, or wider than needed
            target.copy_(reader.shards[name])
            continue
        flat = target.view(-1).view(torch.uint8)
        chunks += [(info.file, info.begin + i, flat[i : i + CHUNK]) for i in range(0, flat.numel(), CHUNK)]
    with tqdm(total=sum(c[2].numel() for c in chunks), unit="B", unit_scale=True, desc="loading", disable=quiet) as bar:
        source, lock = iter(chunks), threading.Lock()
        with ThreadPoolExecutor(readers) as pool:
            for done in [pool.submit(_copy_chunks, source, lock, torch.device(device), bar) for _ in range(readers)]:
                done.result()
    return weights


def _copy_chunks(source, lock, device: torch.device, bar) -> None:
    """Run one reader: file to pinned buffer to card, while the other buffer's copy is still in progress."""
    on_gpu = device.type == "cuda"
    buffers = [torch.empty(CHUNK, dtype=torch.uint8, pin_memory=on_gpu) for _ in range(2)]
    stream = torch.cuda.Stream(device) if on_gpu else None
    copied: list[Any] = [None, None]
    files: dict[Path, int] = {}
    try:
        for turn in range(1 << 62):
            with lock:
                chunk = next(source, None)
            if chunk is None:
                break
            path, offset, target = chunk
            buffer = buffers[turn % 2]
            if copied[turn % 2] is not None:
                copied[turn % 2].synchronize()
            if path not in files:
                files[path] = os.open(path, os.O_RDONLY)
            _read_exactly(files[path], buffer, target.numel(), offset)
            if on_gpu:
                with torch.cuda.stream(stream):
                    target.copy_(buffer[: target.numel()], non_blocking=True)
                    copied[turn % 2] = stream.record_event()
            else:
                target.copy_(buffer[: target.numel()])
            with lock:
                bar.update(target.numel())
        if on_gpu:
            stream.synchronize()
    finally:
        for file in files.values():
            os.close(file)


def _read_exactly(file: int, buffer: Tensor, count: int, offset: int) -> None:
    view, done = memoryview(buffer.numpy().data)[:count], 0
    while done < count:
        done += os.preadv(file, [view[done:]], offset + done)


def load(reader, device, quiet: bool = False) -> "FastTransformer":
    """Load a `layouts.CheckpointReader`'s folder straight to the card, experts still packed."""
    return FastTransformer(reader.config, read_weights(reader, device, quiet=quiet))
