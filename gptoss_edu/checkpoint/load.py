"""Load a model from any of the three layouts, save and convert between them, write random ones (chapter 10)."""

import json
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import torch
from torch import Tensor
from tqdm.auto import tqdm

from . import mxfp4
from .config import ModelConfig
from .errors import CheckpointError, TokenizerError
from .files import new_folder, write_file, write_text
from .layouts import EXPERTS, LAYOUTS, CheckpointReader, layout_chunks, original_shapes, split_name
from .moe import PackedWeight
from .resources import data_path
from .sizes import MemoryPlan
from .tokenizer import load_tokenizer, save_tokenizer
from .transformer import Transformer

QUIET_BELOW = 256 << 20  # bytes: smaller models load without plan and progress bar
DENSE_BELOW = 1 << 30  # bytes: "auto" expands experts that stay below this
RANDOM_ROWS = 8192  # rows drawn at a time by `save_random`
SHARD_BYTES = {"original": 20_000_000_000, "hf": 5_000_000_000, "hf-bf16": 5_000_000_000}


def load_model(
    path=None, device=None, dtype: torch.dtype | None = None, experts: str = "auto", context: int = 4096
) -> Transformer:
    """A model ready for inference, from a folder in any layout.

    Parameters
    ----------
    path : checkpoint folder; None for the bundled gpt-oss-tiny
    device : default "cuda" where there is a usable GPU and the model is not tiny, else "cpu"
    dtype : default bfloat16, float32 for small models on a CPU; float16 overflows and is refused
    experts : "packed" keeps them in MXFP4 and unpacks what tokens hit, "dense" expands them, "auto" decides by size; on a
        GPU, packed experts in bfloat16 mean the kernels of fast.py (gpt-oss-tiny is expanded unless "packed" is asked for)
    context : tokens that the printed plan counts the cache for

    Errors: a `CheckpointError` that names the plan when it cannot fit, or the fault of the files.
    """
    reader = CheckpointReader(data_path("gpt-oss-tiny") if path is None else path)
    config = reader.config
    if experts not in ("auto", "packed", "dense"):
        raise CheckpointError(f"experts: expected 'auto', 'packed' or 'dense', found {experts!r}.")
    if experts == "packed" and not reader.is_packed:
        raise CheckpointError(
            f"{reader.folder}: holds dequantised experts; `gptoss-edu convert` packs them with a named rounding."
        )
    small = reader.shards.nbytes < QUIET_BELOW
    device = usable_device(device or ("cuda" if torch.cuda.is_available() and not small else "cpu"))
    if dtype is None:
        dtype = torch.float32 if small and device.type == "cpu" else torch.bfloat16
    if dtype not in (torch.float32, torch.bfloat16, torch.float64):
        raise CheckpointError(
            f"dtype: expected float32 or bfloat16, found {dtype}; float16 overflows on gpt-oss's activations."
        )
    packed = reader.is_packed and (
        experts == "packed" or (experts == "auto" and MemoryPlan.dense_bytes(config, dtype) > DENSE_BELOW)
    )
    tokenizer = folder_tokenizer(reader)
    plan = MemoryPlan.for_model(config, reader.shards.nbytes, dtype, packed, context, device)
    if not small:
        print(plan, file=sys.stderr)
    plan.refuse_if_too_big(reader.folder, reader.is_packed)
    fast = device.type == "cuda" and packed and dtype == torch.bfloat16
    if device.type == "cuda" and not fast:
        print(f"reference path: {why_reference(experts, packed, reader.is_packed, dtype)}", file=sys.stderr)
    model = (fast and _fast_path(reader, device)) or _read_reference(reader, packed, dtype, device, quiet=small)
    model.tokenizer = tokenizer
    return model


def why_reference(experts: str, packed: bool, packed_file: bool, dtype: torch.dtype) -> str:
    """One sentence why a model on a GPU does without the kernels of fast.py, and how to have them."""
    if not packed_file:
        return "the GPU kernels read packed experts, this folder's are expanded; `gptoss-edu convert` packs them with a named rounding."
    if not packed:
        why = (
            "experts='dense' was asked for"
            if experts == "dense"
            else "this model is small enough to expand its experts"
        )
        return f"{why}; the GPU kernels read packed ones (experts='packed')."
    return f"the GPU kernels compute in bfloat16, found dtype {str(dtype).removeprefix('torch.')}."


def usable_device(name) -> torch.device:
    """The device of that name; a `CheckpointError` where torch cannot compute on it here."""
    try:
        torch.zeros(1, device=name).item()  # torch's "meta" holds no numbers
        return torch.device(name)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        unknown = reason.startswith("Expected one of")  # a list of all that torch could be built for follows
        said = "no such device" if unknown else f"torch cannot use it ({reason})"
        raise CheckpointError(f"device {str(name)!r}: {said}; expected 'cpu' or 'cuda'.") from None


def _fast_path(reader: CheckpointReader, device: torch.device):
    """The GPU path where it can run; otherwise one sentence why not."""
    try:
        from . import fast
    except ImportError as error:
        print(f"reference path: the GPU kernels cannot be imported ({error}).", file=sys.stderr)
        return None
    reason = fast.why_not(reader.config, device)
    if reason:
        print(f"reference path: {reason}", file=sys.stderr)
        return None
    return fast.load(reader, device)


def _read_reference(
    reader: CheckpointReader, packed: bool, dtype: torch.dtype, device: torch.device, quiet: bool
) -> Transformer:
    with torch.device("meta"):
        model = Transformer(reader.config, packed=packed)
    state: dict[str, Tensor] = {}
    names = original_shapes(reader.config)
    for name in tqdm(names, desc="loading", unit="tensor", disable=quiet):
        if split_name(name)[1] not in EXPERTS:
            state[name] = reader.plain(name).to(device=device, dtype=dtype)
        elif packed:
            state[name + ".blocks"], state[name + ".scales"] = (part.to(device) for part in reader.packed(name))
        else:
            dense = torch.empty(names[name], dtype=dtype, device=device)
            for e, weight in enumerate(reader.dense(name, dtype)):
                dense[e] = weight
            state[name] = dense
    model.load_state_dict(state, strict=True, assign=True)
    kernel = cpu_kernel() if packed and device.type == "cpu" else None
    for module in model.modules():
        if isinstance(module, PackedWeight):
            module.dtype, module.kernel = dtype, kernel
    return model.eval().requires_grad_(False)


def cpu_kernel():
    """The Numba kernel for packed experts, or None where Numba is not installed (pip install 'gptoss-edu[cpu]')."""
    try:
        from .kernels.cpu import mxfp4_linear
    except (ImportError, RuntimeError):  # RuntimeError: Numba finds no folder that it may cache compiled code in
        return None
    return mxfp4_linear


def folder_tokenizer(reader: CheckpointReader):
    """The folder's own tiktoken.Encoding, o200k_harmony by its vocabulary, or None."""
    tokenizer = load_tokenizer(reader.folder)
    if tokenizer is not None and tokenizer.n_vocab > reader.config.vocab_size:
        raise TokenizerError(
            f"{reader.folder}: its tokenizer {tokenizer.name!r} has {tokenizer.n_vocab} ids, its model "
            f"{reader.config.vocab_size}: they do not belong together."
        )
    return tokenizer


def save(model: Transformer, folder, layout: str = "original", rounding: str | None = None) -> None:
    """Write a model as a new folder: config.json, safetensors (plain tensors as bfloat16), its tokenizer.

    Dense experts go into the packed layouts only with a named `rounding` (one of `mxfp4.ROUNDINGS`).
    """
    state = model.state_dict()
    if layout != "hf-bf16" and not model.packed and rounding is None:
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

    _write(folder, model.config, layout, state.__getitem__, packed, dense, model.tokenizer)


def convert(source, target, layout: str, rounding: str | None = None) -> None:
    """Write a checkpoint in another layout; between "original" and "hf" every byte of every tensor is kept."""
    reader = CheckpointReader(source)
    if layout != "hf-bf16" and not reader.is_packed and rounding is None:
        raise CheckpointError(
            f"convert: {reader.folder} holds dequantised experts; name a rounding to pack them: {', '.join(mxfp4.ROUNDINGS)}."
        )
    packed = partial(reader.packed_by_expert, rounding=rounding)
    _write(target, reader.config, layout, reader.plain, packed, reader.dense, folder_tokenizer(reader))


def save_random(config: ModelConfig, folder, layout: str = "original", seed: int = 0) -> None:
    """Write a checkpoint of random weights for any configuration, one tensor at a time.

    Plain tensors are normal with the scale of 1/√fan-in (norms near 1); experts are random MXFP4 codes under scales that give
    them the same size. The same seed gives the same bytes, whatever the layout.
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
        return (mxfp4.unpack(b, s, dtype=dtype) for b, s in zip(*packed(name), strict=True))

    _write(folder, config, layout, lambda name: torch.cat(list(rows(name))), packed, dense, None, rows)


def _write(
    folder, config: ModelConfig, layout: str, plain, packed, dense, tokenizer, rows: Callable | None = None
) -> None:
    if layout not in LAYOUTS:
        raise CheckpointError(f"layout: expected one of {', '.join(LAYOUTS)}, found {layout!r}.")
    packed = lru_cache(maxsize=1)(packed)  # blocks, then scales: made once
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
        values = config.to_dict() if layout == "original" else config.to_hf_dict(packed=layout == "hf")
        write_text(partial_folder / "config.json", json.dumps(values, indent=2) + "\n")
        if layout == "original":
            kinds = {
                e[0]: "BF16" if e[1] == torch.bfloat16 else "FP4" if e[0].endswith("blocks") else "UE8" for e in entries
            }
            write_text(partial_folder / "dtypes.json", json.dumps(kinds, indent=1))
        if tokenizer is not None and tokenizer.name != "o200k_harmony":
            save_tokenizer(tokenizer, partial_folder)


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
