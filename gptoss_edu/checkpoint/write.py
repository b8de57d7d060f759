"""Write checkpoints: a model, another layout, or random weights of any size.

Tensors are streamed to temporary files, which are renamed when complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from gptoss_edu import mxfp4
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import CheckpointError
from gptoss_edu.options import ALL_LAYOUTS, write_text
from gptoss_edu.tokenizer import o200k_of_size, save_tokenizer
from gptoss_edu.transformer import Transformer

from .gguf import tensor_bytes, write_gguf
from .gguf_model import config_metadata, gguf_entries
from .gguf_tokenizer import tokenizer_metadata
from .layouts import CheckpointReader, layout_chunks, original_shapes
from .load import QUIET_BELOW, folder_tokenizer
from .safetensors import new_folder, write_file

RANDOM_ROWS = 8192  # rows that `save_random` draws at a time
BF16_FILE, MXFP4_FILE = 32, 38  # llama.cpp's numbers for a file's main type
SHARD_BYTES = {"original": 20_000_000_000, "hf": 5_000_000_000, "hf-bf16": 5_000_000_000}


def save(model: Transformer, folder, layout: str = "original", rounding: str | None = None) -> None:
    """Write a model as a new folder: config.json, safetensors (plain tensors as bfloat16), its tokenizer.

    Parameters
    ----------
    layout : "gguf" writes a single file with everything; `folder` may then end in .gguf
    rounding : required to write dense experts in a packed layout (one of `mxfp4.ROUNDINGS`); without it, GGUF stores
        them in bfloat16
    """
    state = model.state_dict()
    if layout in ("original", "hf") and not model.packed and rounding is None:
        raise CheckpointError(
            f"save: the {layout} layout packs the experts in MXFP4; name a rounding: {', '.join(mxfp4.ROUNDINGS)}."
        )

    def packed(name: str):
        if model.packed:
            return state[name + ".blocks"], state[name + ".scales"]
        pairs = [mxfp4.pack(weight.float(), rounding) for weight in state[name]]
        return tuple(torch.stack(part) for part in zip(*pairs, strict=True))

    def dense(name: str, dtype: torch.dtype) -> Iterator[Tensor]:
        weight = model.get_submodule(name) if model.packed else state[name]
        return (weight[e].to(dtype) for e in range(model.config.num_experts))

    packed = None if layout == "gguf" and not model.packed and rounding is None else packed
    _write(folder, model.config, layout, state.__getitem__, packed, dense, model.tokenizer)


def convert(source, target, layout: str, rounding: str | None = None) -> None:
    """Write a checkpoint in another layout; among "original", "hf" and "gguf" every number of every tensor is kept.

    "original" and "hf" keep every byte; GGUF holds the same blocks in another order, and vectors in float32.
    """
    reader = CheckpointReader(source)
    if layout in ("original", "hf") and not reader.is_packed and rounding is None:
        raise CheckpointError(
            f"convert: {reader.folder} holds dequantised experts; name a rounding to pack them:"
            f" {', '.join(mxfp4.ROUNDINGS)}."
        )
    packed = partial(reader.packed_by_expert, rounding=rounding)
    packed = None if layout == "gguf" and not reader.is_packed and rounding is None else packed
    _write(target, reader.config, layout, reader.plain, packed, reader.dense, folder_tokenizer(reader))


def save_random(config: ModelConfig, folder, layout: str = "original", seed: int = 0) -> None:
    """Write a checkpoint of random weights for any configuration, one tensor at a time.

    Plain tensors are normal with the scale of 1/√fan-in (norms near 1); experts are random MXFP4 codes with
    scales that give them the same size. The same seed gives the same bytes in every layout.
    """
    shapes = original_shapes(config)

    def generator(name: str) -> torch.Generator:
        return torch.Generator().manual_seed(seed * 1_000_003 + list(shapes).index(name))

    def rows(name: str) -> Iterator[Tensor]:
        draw, (height, *rest) = generator(name), shapes[name]
        for start in range(0, height, RANDOM_ROWS):
            noise = torch.randn(min(RANDOM_ROWS, height - start), *rest, generator=draw)
            if name.endswith("norm.scale"):
                yield 1 + 0.1 * noise
            elif name.endswith(("bias", "sinks")):
                yield noise * (1.0 if name.endswith("sinks") else 0.1)
            else:
                yield noise if name == "embedding.weight" else noise / rest[-1] ** 0.5

    def packed(name: str):
        e, rows, columns = shapes[name]
        draw = generator(name)
        groups = columns // mxfp4.BLOCK
        blocks = torch.randint(0, 256, (e, rows, groups, mxfp4.BLOCK // 2), dtype=torch.uint8, generator=draw)
        exponent = mxfp4.BIAS - 1 - round(torch.tensor(columns).sqrt().log2().item())  # e2m1 codes have a spread near 2
        scales = torch.randint(exponent - 1, exponent + 1, (e, rows, groups), dtype=torch.uint8, generator=draw)
        return blocks, scales

    def dense(name: str, dtype: torch.dtype) -> Iterator[Tensor]:
        e, height, columns = shapes[name]
        if columns % mxfp4.BLOCK:  # no whole blocks: ordinary random numbers
            draw = generator(name)
            return (torch.randn(height, columns, generator=draw).to(dtype) / columns**0.5 for _ in range(e))
        return (mxfp4.unpack(b, s, dtype=dtype) for b, s in zip(*packed(name), strict=True))

    if layout == "gguf" and (config.hidden_size % mxfp4.BLOCK or config.intermediate_size % mxfp4.BLOCK):
        packed = None
    tokenizer = o200k_of_size(config.vocab_size)  # readers use it if the vocabulary has its size
    _write(folder, config, layout, lambda name: torch.cat(list(rows(name))), packed, dense, tokenizer, rows)


def _write(
    folder, config: ModelConfig, layout: str, plain, packed, dense, tokenizer, rows: Callable | None = None
) -> None:
    if layout not in ALL_LAYOUTS:
        raise CheckpointError(f"layout: expected one of {', '.join(ALL_LAYOUTS)}, found {layout!r}.")
    packed = packed and lru_cache(maxsize=1)(packed)  # blocks, then scales: computed once
    if layout == "gguf":
        _write_gguf(Path(folder), config, plain, packed, dense, tokenizer, rows)
        return
    entries = list(layout_chunks(config, layout, plain, packed, dense, rows))
    shards = _split_into_shards(entries, SHARD_BYTES[layout])
    total = sum(_nbytes(entry) for entry in entries)
    with (
        new_folder(folder) as partial_folder,
        tqdm(total=total, desc="writing", unit="B", unit_scale=True, disable=total < QUIET_BELOW) as bar,
    ):
        weight_map = {}
        for number, shard in enumerate(shards):
            name = _shard_name(layout, number, len(shards))
            write_file(partial_folder / name, [entry[:3] for entry in shard], _data(shard, bar))
            weight_map |= {entry[0]: name for entry in shard}
        if len(shards) > 1:
            index = {"metadata": {"total_size": total}, "weight_map": weight_map}
            write_text(partial_folder / "model.safetensors.index.json", json.dumps(index, indent=1))
        values = config.to_original_dict() if layout == "original" else config.to_hf_dict(packed=layout == "hf")
        write_text(partial_folder / "config.json", json.dumps(values, indent=2) + "\n")
        if layout == "original":
            kinds = {
                e[0]: "BF16" if e[1] == torch.bfloat16 else "FP4" if e[0].endswith("blocks") else "UE8" for e in entries
            }
            write_text(partial_folder / "dtypes.json", json.dumps(kinds, indent=1))
        if tokenizer is not None and tokenizer.name != "o200k_harmony":
            save_tokenizer(tokenizer, partial_folder)


def _write_gguf(target: Path, config: ModelConfig, plain, packed, dense, tokenizer, rows) -> None:
    """Write one file: the target itself if it ends in .gguf, else NAME.gguf in a new folder of that name."""
    entries = list(gguf_entries(config, plain, packed, dense, rows))
    metadata = {
        **config_metadata(config), "general.name": target.stem,
        "general.file_type": BF16_FILE if packed is None else MXFP4_FILE,
        **tokenizer_metadata(tokenizer, config.vocab_size),
    }  # fmt: skip
    total = sum(tensor_bytes(kind, shape) for _, kind, shape, _ in entries)
    with tqdm(total=total, desc="writing", unit="B", unit_scale=True, disable=total < QUIET_BELOW) as bar:
        if target.suffix == ".gguf":
            if target.exists():
                raise CheckpointError(f"{target}: expected a new file to write to, found one; choose another name.")
            write_gguf(target, metadata, entries, bar.update)
            return
        with new_folder(target) as partial_folder:
            write_gguf(partial_folder / f"{target.name}.gguf", metadata, entries, bar.update)


def _nbytes(entry) -> int:
    return entry[1].itemsize * torch.Size(entry[2]).numel()


def _split_into_shards(entries: list, limit: int) -> list[list]:
    shards, size = [[]], 0
    for entry in entries:
        if shards[-1] and size + _nbytes(entry) > limit:
            shards.append([])
            size = 0
        shards[-1].append(entry)
        size += _nbytes(entry)
    return shards


def _shard_name(layout: str, number: int, count: int) -> str:
    if count == 1:
        return "model.safetensors"
    dash = "--" if layout == "original" else "-"
    return f"model{dash}{number + 1:05d}-of-{count:05d}.safetensors"


def _data(shard: list, bar) -> Iterator[Tensor]:
    for _, dtype, _, produce in shard:
        for chunk in produce():
            bar.update(chunk.numel() * dtype.itemsize)
            yield chunk.to(dtype)
