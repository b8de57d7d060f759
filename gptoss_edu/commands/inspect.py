"""Show what a checkpoint folder holds, from the headers alone: layout, files, Table 1 of the model card recomputed from
the tensors' shapes, memory plan, anything odd.

    gptoss-edu inspect gpt-oss-20b/original
    gptoss-edu inspect gpt-oss-20b --context 32768
    gptoss-edu inspect gpt-oss-20b/original --verify      reads every tensor: NaN, infinite values, scales out of
                                                          range, then a greedy sanity prompt
    gptoss-edu inspect --released 20b                     what the released model's numbers should be, from its shape
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from gptoss_edu.errors import CheckpointError
from gptoss_edu.resources import data_path

if TYPE_CHECKING:
    from gptoss_edu import ModelConfig
    from gptoss_edu.checkpoint.layouts import CheckpointReader

CONTEXT = 4096
NAMES = {
    "mlp": "MLP",
    "attention": "attention",
    "embeddings": "embedding + unembedding",
    "active": "active a token",
    "total": "total",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", type=Path, help="checkpoint folder or GGUF file; default: the bundled gpt-oss-tiny"
    )
    parser.add_argument(
        "--released", choices=("20b", "120b"), help="compute the table from the released shape, without files"
    )
    parser.add_argument(
        "--context",
        type=int,
        help=f"context for the cache in the memory plan ({CONTEXT:,}, or the model's maximum if that is less)",
    )
    parser.add_argument("--verify", action="store_true", help="read every tensor")


def run(args: argparse.Namespace) -> None:
    import torch

    from gptoss_edu import ModelConfig
    from gptoss_edu.checkpoint.layouts import CheckpointReader, original_shapes
    from gptoss_edu.checkpoint.sizes import MemoryPlan, size_text

    if args.released and args.folder:
        raise CheckpointError(
            f"--released {args.released}: reads no files, but found the folder {args.folder}; leave one of them out."
        )
    if args.released:
        config = ModelConfig.gpt_oss_20b() if args.released == "20b" else ModelConfig.gpt_oss_120b()
        print(f"gpt-oss-{args.released}, computed from its configuration; no files were read")
        print(table(original_shapes(config), config, layout_bytes(config)))
        return
    reader = CheckpointReader(args.folder or data_path("gpt-oss-tiny"))
    config = reader.config
    context = planned_context(args.context, config)
    print(
        f"{reader.folder}: layout {reader.layout}, {len(reader.shards.files)} file(s), {len(reader.shards.infos)}"
        " tensors"
    )
    print(", ".join(f"{key} {value}" for key, value in config.to_dict().items()))
    print(table(shapes_of(reader), config, reader.shards.nbytes))
    packed = reader.is_packed
    plan = MemoryPlan.for_model(config, reader.shards.nbytes, torch.bfloat16, packed, context, torch.device("cpu"))
    print(plan)
    if plan.needed > plan.available:
        print(f"does not fit: {size_text(plan.needed - plan.available)} more would have to be free in {plan.place}")
    for line in oddities(reader):
        print("odd:", line)
    if args.verify:
        verify(reader, args.folder)


def planned_context(asked: int | None, config: ModelConfig) -> int:
    """Return the context for which the plan counts the cache: as requested, up to the model's maximum.

    Errors: `CheckpointError` if more is requested.
    """
    if asked is None:
        return min(CONTEXT, config.max_context)
    if asked > config.max_context:
        raise CheckpointError(
            f"--context {asked}: expected at most this model's context of {config.max_context:,} tokens."
        )
    return asked


def table(shapes: dict, config: ModelConfig, nbytes: int) -> str:
    """Format Table 1 of the model card."""
    from gptoss_edu.checkpoint.sizes import GIB, parameter_counts

    counts = parameter_counts(shapes, config)
    scale, letter = (1e9, "B") if counts["total"] >= 1e9 else (1e6, "M")
    size, unit = (nbytes / GIB, "GiB") if nbytes >= GIB else (1024 * nbytes / GIB, "MiB")
    lines = [f"{NAMES[key]:<26}{count / scale:>12.2f}{letter} {count:>22,}" for key, count in counts.items()]
    return "\n".join([*lines, f"{'checkpoint':<26}{size:>11.1f}{unit} {nbytes:>22,} bytes of tensor data"])


def layout_bytes(config: ModelConfig) -> int:
    """Return the bytes of tensor data in the `original/` layout."""
    import torch

    from gptoss_edu.checkpoint.layouts import layout_entries

    return sum(
        torch.Size(e.shape).numel() * (1 if e.dtypes == ("U8",) else 2)
        for e in layout_entries(config, "original").values()
    )


def shapes_of(reader: CheckpointReader) -> dict[str, tuple[int, ...]]:
    """Return the stored tensors' own shapes under the original names; four-bit blocks count two weights per byte."""
    from gptoss_edu.checkpoint.layouts import original_shapes

    infos, shapes = reader.shards.infos, {}
    if reader.layout == "original":
        for name, info in infos.items():
            if name.endswith(".blocks"):
                *rows, groups, half = info.shape
                shapes[name.removesuffix(".blocks")] = (*rows, groups * half * 2)
            elif not name.endswith(".scales"):
                shapes[name] = info.shape
        return shapes
    return original_shapes(reader.config)  # the reader has checked every stored shape against these


def oddities(reader: CheckpointReader):
    """Yield what is allowed but worth knowing."""
    from gptoss_edu import ModelConfig

    kinds = {info.dtype for info in reader.shards.infos.values()}
    if reader.layout == "gguf":
        yield f"stored as {', '.join(reader.shards.type_names)} in {' + '.join(f.name for f in reader.shards.files)}"
    elif kinds & {"F16", "F32"}:
        yield f"plain tensors stored as {', '.join(sorted(kinds - {'U8'}))}; the released files use BF16"
    if not reader.is_packed:
        yield "experts are not in MXFP4: they take more bytes, and can only be packed with a rounding"
    for name, released in (("20b", ModelConfig.gpt_oss_20b()), ("120b", ModelConfig.gpt_oss_120b())):
        if reader.config == released:
            yield (
                f"the configuration is exactly gpt-oss-{name}'s (this alone does not tell where the weights come from)"
            )


def verify(reader: CheckpointReader, folder) -> None:
    """Check every value of every tensor, then decode eight greedy tokens."""
    import torch

    from gptoss_edu import generate, load_model, mxfp4

    faults = []
    for name in tqdm(reader.shards.infos, desc="reading", unit="tensor"):
        tensor = reader.shards[name]
        if name.endswith(("scales", "_scales")):
            high = int((tensor >= 253).sum())
            if high:
                faults.append(f"{name}: {high} scales of 253 or more, which overflow or mean NaN")
        elif tensor.is_floating_point() and not torch.isfinite(tensor).all():
            faults.append(f"{name}: {int((~torch.isfinite(tensor)).sum())} values are NaN or infinite")
        elif tensor.is_floating_point() and tensor.ndim > 1 and not tensor.any():
            faults.append(f"{name}: all zero")
    if faults:
        raise CheckpointError(f"{reader.folder}: {len(faults)} faults, the first: {faults[0]}.")
    print(f"read {len(reader.shards.infos)} tensors: all finite, all scales below 253 (block size {mxfp4.BLOCK})")
    model = load_model(folder)
    if model.tokenizer is None:
        print("no tokenizer belongs to this vocabulary: the sanity prompt is left out")
        return
    prompt = model.tokenizer.encode_ordinary("1 2 3 4 5 6 7")
    tokens = list(generate(model, prompt, max_new_tokens=8))
    print(f"greedy after '1 2 3 4 5 6 7': {model.tokenizer.decode(tokens)!r} (ids {tokens}); judge for yourself")
