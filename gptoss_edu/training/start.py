"""Start and end of fine-tuning: plan for and open a checkpoint, and write the result in any layout."""

from __future__ import annotations

from pathlib import Path

import torch

from gptoss_edu import checkpoint
from gptoss_edu.checkpoint.layouts import EXPERTS, CheckpointReader, original_shapes
from gptoss_edu.checkpoint.load import DENSE_BELOW, QUIET_BELOW, folder_tokenizer, read_reference, usable_device
from gptoss_edu.checkpoint.sizes import MemoryPlan, size_text
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError
from gptoss_edu.options import check_writable, free_bytes
from gptoss_edu.resources import check_bundled, data_path
from gptoss_edu.transformer import Transformer

from .adapters import load_adapters, merge_lora
from .finetune import CHECKPOINT, LOG, Recipe
from .memory_plan import TrainingPlan
from .selection import selected


def open_checkpoint(path) -> CheckpointReader:
    """Open the checkpoint in a folder; None for the bundled gpt-oss-tiny."""
    if path is None:
        check_bundled("gpt-oss-tiny")
    return CheckpointReader(data_path("gpt-oss-tiny") if path is None else path)


def touches_experts(config: ModelConfig, recipe: Recipe) -> bool:
    """Return whether the recipe changes an expert's matrix."""
    return any(name.endswith(EXPERTS) for name in selected(original_shapes(config), recipe.train))


def how_loaded(config: ModelConfig, packed_files: bool, recipe: Recipe) -> tuple[bool, torch.dtype]:
    """Return (whether experts stay in MXFP4, dtype of the rest).

    Trained experts are expanded, and so are those of a small model, which is then faster. Trained weights are float32;
    frozen ones with adapters are bfloat16, except in a small model.
    """
    frozen = recipe.lora is not None or not touches_experts(config, recipe)
    small = MemoryPlan.dense_bytes(config, torch.float32) <= DENSE_BELOW
    dtype = torch.bfloat16 if recipe.lora is not None and not small else torch.float32
    return packed_files and frozen and not small, dtype


def device_for(config: ModelConfig, device: str | None) -> torch.device:
    """Return the named device; by default a GPU, if there is one, for models that are not small."""
    small = MemoryPlan.packed_bytes(config, torch.bfloat16) < QUIET_BELOW
    return usable_device(device or ("cuda" if torch.cuda.is_available() and not small else "cpu"))


def planned(
    config: ModelConfig, packed_files: bool, recipe: Recipe, device: str | None = None, card: int | None = None
) -> TrainingPlan:
    """Return the memory plan of the recipe for a model of this shape.

    card : bytes of a GPU that need not be here, instead of a device that is
    """
    packed, dtype = how_loaded(config, packed_files, recipe)
    where = device_for(config, device) if card is None else torch.device("cuda")
    return TrainingPlan.of(config, recipe, packed, dtype, card, where)


def load_to_train(reader: CheckpointReader, recipe: Recipe, device: str | None = None) -> Transformer:
    """Load the reference model in the form that the recipe needs.

    Errors: `GptOssError` with the plan if it will not fit, before a weight is read.
    """
    planned(reader.config, reader.is_packed, recipe, device).refuse_if_too_big(reader.folder)
    packed, dtype = how_loaded(reader.config, reader.is_packed, recipe)
    quiet = reader.shards.nbytes < QUIET_BELOW
    model = read_reference(reader, packed, dtype, device_for(reader.config, device), quiet)
    model.tokenizer = folder_tokenizer(reader)
    return model


def check_export(reader: CheckpointReader, recipe: Recipe, layout: str | None, rounding: str | None) -> None:
    """Refuse, before training, a layout with packed experts if no rounding was given."""
    dense = not reader.is_packed or touches_experts(reader.config, recipe)
    if recipe.lora is None:
        dense = not how_loaded(reader.config, reader.is_packed, recipe)[0]
    if layout in ("original", "hf") and dense and rounding is None:
        raise GptOssError(
            f"--layout {layout}: expected a rounding for its MXFP4 experts, found none; add "
            "--store best, or choose hf-bf16."
        )


def check_place(out: Path, reader: CheckpointReader, recipe: Recipe, layout: str | None) -> None:
    """Refuse, before training, a folder that cannot be written or a disk without room for the run.

    layout : of the model written at the end, None for none. A new checkpoint is whole before the old one goes.
    """
    check_writable(out / LOG, "--out", makes_folder=True)
    config, held = reader.config, out / CHECKPOINT
    kept = 12 * planned(config, reader.is_packed, recipe, "cpu").trained  # weights and Adam's two averages
    size = MemoryPlan.dense_bytes if layout == "hf-bf16" else MemoryPlan.packed_bytes
    model = 0 if layout is None else size(config, torch.bfloat16)
    needed = kept + max(kept, model) - (held.stat().st_size if held.exists() else 0)
    free = free_bytes(out)
    if free < needed:
        raise GptOssError(
            f"--out {out}: expected {size_text(needed)} free for two checkpoints, of which one is kept, and the model, "
            f"found {size_text(free)}; make room, or name another place."
        )


def write_merged(path, adapter: Path, target: Path, layout: str, rounding: str | None = None) -> None:
    """Merge the adapters of a folder in peft's format into a checkpoint, and write that in a layout, on a CPU.

    path : checkpoint folder, None for the bundled gpt-oss-tiny. Experts stay packed, and those without adapters keep
    every byte. In hf-bf16 they are expanded instead, and nothing is rounded to MXFP4.
    """
    reader = open_checkpoint(path)
    packed = reader.is_packed and layout != "hf-bf16"
    size = (MemoryPlan.packed_bytes if packed else MemoryPlan.dense_bytes)(reader.config, torch.bfloat16)
    dtype = torch.float32 if size < DENSE_BELOW else torch.bfloat16
    model = read_reference(reader, packed, dtype, torch.device("cpu"), quiet=size < QUIET_BELOW)
    model.tokenizer = folder_tokenizer(reader)
    load_adapters(model, adapter)
    checkpoint.save(merge_lora(model, rounding), target, layout, rounding)
