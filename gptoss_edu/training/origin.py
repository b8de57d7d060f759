"""Tell what a run began with, so that a checkpoint is not resumed with another model or other data."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

from gptoss_edu.errors import GptOssError

SAMPLED = 64  # numbers of each tensor: enough to tell two models apart, and quick for one of 20 billion parameters


@torch.no_grad()
def model_digest(model: nn.Module) -> str:
    """Return a short hash of about 64 numbers of each tensor, evenly spread, the same on every device."""
    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        flat = value.detach().flatten()
        found.update(name.encode() + flat[:: max(1, flat.numel() // SAMPLED)].float().cpu().numpy().tobytes())
    return found.hexdigest()[:16]


def check_origin(path: Path, was: dict, now: dict[str, str]) -> None:
    """Refuse a checkpoint whose run began with something else; keys are what to call it, values are compared.

    A checkpoint of an earlier version says nothing about a key, and is not refused for it.

    Errors: `GptOssError` that names the first difference.
    """
    for what, value in now.items():
        if was.get(what, value) != value:
            raise GptOssError(
                f"{path}: expected a run that began with {what}, found one that began with another; choose another "
                "folder, or delete this one to begin anew."
            )
