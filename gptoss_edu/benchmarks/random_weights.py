"""Random weights in a released shape, made where they are used, since 120b's may not fit on the disk."""

from collections.abc import Iterator

import torch

from gptoss_edu.checkpoint.layouts import layout_entries
from gptoss_edu.config import ModelConfig


def random_tensors(config: ModelConfig, device="cuda", seed: int = 0) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield names and weights of the `original/` layout one by one: experts in MXFP4, the rest in bfloat16."""
    generator = torch.Generator(device).manual_seed(seed)
    for name, entry in layout_entries(config, "original").items():
        if entry.dtypes == ("U8",):
            tensor = torch.empty(entry.shape, dtype=torch.uint8, device=device)
            low, high = (0, 256) if name.endswith("blocks") else (117, 121)
            tensor.random_(low, high, generator=generator)
        else:
            tensor = torch.empty(entry.shape, dtype=torch.bfloat16, device=device)
            tensor.normal_(generator=generator)
            tensor.mul_(0.1 if len(entry.shape) == 1 or name.endswith("bias") else entry.shape[-1] ** -0.5)
            if name.endswith("scale"):
                tensor.add_(1.0)
        yield name, tensor


def random_weights(config: ModelConfig, device="cuda", seed: int = 0) -> dict[str, torch.Tensor]:
    """Return all of these by name."""
    return dict(random_tensors(config, device, seed))
