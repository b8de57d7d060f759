"""The file from which a run of training goes on: weights, optimiser and what is known about the run.

Whoever resumes it compares what the run began with, so that it does not go on with another model or other data.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gptoss_edu.checkpoint.safetensors import save_whole
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


def write_run(path: Path, model: Mapping[str, Tensor], optimizer: Mapping[str, Tensor], about: dict) -> None:
    """Write tensors of a model and its optimiser, and JSON about the run, to one file, atomically."""
    tensors = {f"model.{name}": value for name, value in model.items()}
    tensors |= {f"optimizer.{name}": value for name, value in optimizer.items()}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_whole(path, tensors, metadata={"about": json.dumps(about)})


@contextlib.contextmanager
def read_run(path: Path, device: torch.device) -> Iterator[tuple[dict, dict[str, Tensor], dict[str, Tensor]]]:
    """Lend what `write_run` has written: about, model, optimizer.

    Errors: `GptOssError` if it cannot be read, or if the block that borrows it does not find what it expects.
    """
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            about = json.loads(file.metadata()["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        parts = ("model.", "optimizer.")
        model, optimizer = (
            {name.removeprefix(part): value for name, value in tensors.items() if name.startswith(part)}
            for part in parts
        )
        yield about, model, optimizer
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise GptOssError(
            f"{path}: expected the checkpoint of a run, found what cannot be read ({error}); delete it to begin anew, "
            "or choose another folder."
        ) from None


@contextlib.contextmanager
def going_on(run, total: str):
    """Within the block, let Ctrl-C say how the run goes on: from `run.saved` of `total`, in `run.folder`."""
    try:
        yield
    except KeyboardInterrupt:
        if run.saved is None:
            raise
        said = f"the same command goes on after {run.saved} of {total}, from {run.folder}"
        raise KeyboardInterrupt(said) from None
