"""Measure the peak of what tensors take within a block, on a GPU as its allocator counts, on a processor by storages.

with PeakMemory(model.device) as memory:
    finetuner.update()
print(memory.peak)
"""

from __future__ import annotations

import weakref

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Storages(TorchDispatchMode):
    """Count the bytes of every storage that an operation returns, from its first appearance until it is freed.

    Storages that were there before the block are given, and not counted. What an operation uses inside is not seen.
    """

    def __init__(self, before: list[Tensor]):
        super().__init__()
        self.known = {tensor.untyped_storage()._cdata for tensor in before}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage())
        return out

    def _see(self, storage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.known:
            self.known.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


class PeakMemory:
    """A block's peak, in bytes above what was allocated before it.

    Parameters
    ----------
    device : where to measure
    before : on a processor, tensors that are there already and may come back from an operation, such as a model's

    Attributes
    ----------
    peak : bytes that tensors took at most; reserved : what a GPU's allocator held at most, in all; None elsewhere
    """

    def __init__(self, device: torch.device, before: list[Tensor] | None = None):
        self.on_gpu, self.device = device.type == "cuda", device
        self.storages = None if self.on_gpu else _Storages(before or [])
        self.peak, self.reserved = 0, None

    def __enter__(self) -> PeakMemory:
        if self.storages is None:
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            self.start = torch.cuda.memory_allocated(self.device)
        else:
            self.storages.__enter__()
        return self

    def __exit__(self, *error) -> None:
        if self.storages is None:
            torch.cuda.synchronize(self.device)
            self.peak = torch.cuda.max_memory_allocated(self.device) - self.start
            self.reserved = torch.cuda.max_memory_reserved(self.device)
        else:
            self.storages.__exit__(*error)
            self.peak = self.storages.peak
