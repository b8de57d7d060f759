"""Keep experts in main memory and the rest on a card that is too small for everything.

A token uses 4 of a layer's 32 or 128 experts, so most of a model is idle while decoding. Layers whose experts fit stay
on the card. Of the other layers, the experts in use are copied over from pinned memory, while the one before is used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gptoss_edu import mxfp4
from gptoss_edu.moe import PackedWeight


class Passage:
    """Two buffers on the card through which experts pass: one is filled while the other is unpacked.

    nbytes : size of a buffer: the largest expert matrix, packed
    """

    def __init__(self, device: torch.device, nbytes: int):
        self.device, self.turn = device, 0
        self.buffers = [torch.empty(nbytes, dtype=torch.uint8, device=device) for _ in range(2)]
        self.copies = torch.cuda.Stream(device)
        self.copies.wait_stream(torch.cuda.current_stream(device))  # the buffers' memory may still be in use there
        self.free = [torch.cuda.Event() for _ in range(2)]  # an event that was never recorded keeps nobody waiting

    def unpack(self, parts: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        """Copy blocks and scales from pinned memory and unpack them, without waiting for either."""
        self.turn = 1 - self.turn
        buffer, free, computing = self.buffers[self.turn], self.free[self.turn], torch.cuda.current_stream(self.device)
        places, start = [], 0
        with torch.cuda.stream(self.copies):
            self.copies.wait_event(free)
            for part in parts:
                places.append(buffer[start : start + part.nbytes].view(part.shape).copy_(part, non_blocking=True))
                start += part.nbytes
        computing.wait_stream(self.copies)
        weight = mxfp4.unpack(*places, dtype=dtype)
        free.record(computing)
        return weight


class HostWeight(PackedWeight):
    """Packed experts that stay in main memory; `weight[e]` copies one expert to `device` and unpacks it there.

    passage : None on a processor, where nothing has to move; copied : bytes copied so far
    """

    def __init__(self, packed: PackedWeight, device: torch.device, passage: Passage | None = None):
        nn.Module.__init__(self)
        parts = (packed.blocks, packed.scales)
        self.host = parts if passage is None else tuple(part.pin_memory() for part in parts)
        self.device, self.dtype, self.kernel, self.copied = device, packed.dtype, packed.kernel, 0
        self.passage = passage

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
        parts = tuple(part[e] for part in self.host)
        self.copied += sum(part.nbytes for part in parts)
        return (
            mxfp4.unpack(*parts, dtype=self.dtype) if self.passage is None else self.passage.unpack(parts, self.dtype)
        )


def offload(model, layers: range, device: torch.device) -> None:
    """Leave the experts of these layers in main memory, and move everything else to the device."""
    names = ("mlp1_weight", "mlp2_weight")
    away = [(model.block[i].mlp, name) for i in layers for name in names]
    largest = max((_matrix_bytes(getattr(mlp, name)) for mlp, name in away), default=0)
    passage = Passage(device, largest) if away and device.type == "cuda" else None
    for mlp, name in away:
        setattr(mlp, name, HostWeight(getattr(mlp, name), device, passage))
    model.to(device)


def _matrix_bytes(packed: PackedWeight) -> int:
    """Return the packed bytes of one expert's matrix."""
    return packed.blocks[0].nbytes + packed.scales[0].nbytes
