"""Save a finished run: weights in the original layout with MXFP4 experts, and in bfloat16 as parts."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path

import torch

from gptoss_edu import checkpoint
from gptoss_edu.checkpoint.safetensors import save_whole
from gptoss_edu.options import write_text
from gptoss_edu.transformer import Transformer

from .quantize import ROUNDING, packed

PART = 14_000_000  # bytes of one transferred file of weights


def keep_json(name: str, value, *folders: Path | None) -> None:
    """Write a JSON file to each folder, atomically."""
    for folder in filter(None, folders):
        write_text(folder / name, json.dumps(value, indent=1))


def save_all(model: Transformer, folder: Path, transfer: Path | None, rounding: str = ROUNDING) -> dict:
    """Save `model/` in the original layout with MXFP4 experts, and the dense bfloat16 weights in parts."""
    target = folder / "model"
    if target.exists():
        shutil.rmtree(target)
    checkpoint.save(packed(model, rounding).cpu(), target, layout="original")  # on a GPU, packing takes seconds
    if transfer:
        transfer.mkdir(parents=True, exist_ok=True)
        new = transfer / ".model.tar.new"
        with tarfile.open(new, "w") as tar:
            tar.add(target, arcname="gpt-oss-tiny")
        os.replace(new, transfer / "model.tar")
        save_parts(model, transfer)
    return {"rounding": rounding, "bytes": sum(f.stat().st_size for f in target.iterdir())}


def save_parts(model: Transformer, folder: Path) -> int:
    """Save the bfloat16 weights as dense-0.safetensors, dense-1.safetensors …, up to PART bytes each; count them."""
    state = {name: value.to(torch.bfloat16).cpu().contiguous() for name, value in model.state_dict().items()}
    parts, size = [{}], 0
    for name, value in state.items():
        if size + value.nbytes > PART:
            parts.append({})
            size = 0
        parts[-1][name] = value
        size += value.nbytes
    for number, part in enumerate(parts):
        save_whole(folder / f"dense-{number}.safetensors", part)
    return len(parts)
