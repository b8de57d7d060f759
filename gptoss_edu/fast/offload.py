"""Keep experts in main memory and the rest on a card that is too small for everything.

A token uses 4 of a layer's 32 or 128 experts, so most of a model is idle while decoding. Layers whose experts fit stay
on the card. Of the other layers, the experts in use are copied over from pinned memory.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gptoss_edu import mxfp4
from gptoss_edu.moe import PackedWeight


class HostWeight(PackedWeight):
    """Packed experts that stay in main memory; `weight[e]` copies one expert to `device` and unpacks it there.

    copied : bytes copied so far
    """

    def __init__(self, packed: PackedWeight, device: torch.device):
        nn.Module.__init__(self)
        pin = device.type == "cuda"
        self.host = tuple(part.pin_memory() if pin else part for part in (packed.blocks, packed.scales))
        self.device, self.dtype, self.kernel, self.copied = device, packed.dtype, packed.kernel, 0

    @property
    def blocks(self) -> Tensor:
        return self.host[0]

    @property
    def scales(self) -> Tensor:
        return self.host[1]

    def _apply(self, fn, recurse=True):
        """Move the model but leave the experts where they are."""
        return self

    def __getitem__(self, e: int) -> Tensor:
        blocks, scales = (part[e].to(self.device, non_blocking=True) for part in self.host)
        self.copied += blocks.nbytes + scales.nbytes
        return mxfp4.unpack(blocks, scales, dtype=self.dtype)


def offload(model, layers: range, device: torch.device) -> None:
    """Leave the experts of these layers in main memory, and move everything else to the device."""
    for i in layers:
        mlp = model.block[i].mlp
        for name in ("mlp1_weight", "mlp2_weight"):
            setattr(mlp, name, HostWeight(getattr(mlp, name), device))
    model.to(device)
