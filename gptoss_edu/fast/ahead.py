"""Decode one step ahead of the host, so that the device does not wait for Python between two tokens (chapter 18).

Step by step, device and host take turns, and the device is idle whenever the host works:

    device   step 1, draw 1          step 2, draw 2          step 3, draw 3
    host                    token 1                 token 2                 token 3

But the device itself has what step 2 reads: the token that draw 1 chose. So the host starts step 2 first and then asks
which token it was. Copying, stop tokens and the caller's own work now take place while the device computes:

    device   step 1, draw 1, step 2, draw 2, step 3, draw 3
    host              token 1         token 2         token 3

The host learns one step late that a row has ended. By then the step has written a key for it, into the slot after the
row's last one. So a step begun ahead does not count at first: the cache keeps its lengths until `next` says which rows
go on. An uncounted key does no harm. In a full layer the next token overwrites it. In a sliding layer's ring it stands
where the key of `sliding_window` tokens earlier was, which no later query may see. A caller who stops between two
tokens therefore finds the cache as if nothing had run ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from gptoss_edu.cache import KVCache
from gptoss_edu.generation import Steps


class Copy:
    """Tensors on their way to the host; `lists` waits for them, but not for what was started after the copy."""

    def __init__(self, *tensors: Tensor):
        on_gpu = tensors[0].is_cuda
        self._tensors = [t.to("cpu", non_blocking=True) if on_gpu else t for t in tensors]  # into pinned memory
        self._event = torch.cuda.Event() if on_gpu else None
        if self._event is not None:
            self._event.record(torch.cuda.current_stream(tensors[0].device))

    def lists(self) -> list[list]:
        if self._event is not None:
            self._event.synchronize()
        return [t.tolist() for t in self._tensors]


def on_device(values: Sequence, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Return a tensor of the values. Its copy to a GPU does not wait for the GPU's earlier work."""
    tensor = torch.tensor(values, dtype=dtype)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


@cache
def fused_draw(device: torch.device) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] | None:
    """Return `draws.draw_rows`; None where its kernels do not run, and torch's operators draw instead."""
    if device.type != "cuda":
        return None
    try:
        from .draws import draw_rows
    except ImportError:  # a card, but no Triton
        return None
    return draw_rows


class Ahead(Steps):
    """Decoding steps that begin as soon as their tokens are chosen on the device. It needs a model that does not wait.

    One object serves one temperature. The very first step does not run ahead: a GPU records its graph then, and the
    first token would have to wait for it.
    """

    def __init__(self, model, cache: KVCache):
        super().__init__(model, cache)
        self._is_first = True
        self._temperatures = torch.zeros(0)  # (b,) on the device
        self._begun: tuple[list[int], Tensor] | None = None  # the cache's lengths before the step, its logits (b, v)

    def draw(self, logits: Tensor, draws: Tensor, temperature=0.0, top_p=1.0, top_k=None) -> tuple[Tensor, Tensor]:
        fused = fused_draw(logits.device)
        if fused is None or (temperature > 0 and (top_p < 1 or top_k is not None)):
            return super().draw(logits, draws, temperature, top_p, top_k)
        if len(self._temperatures) != len(logits):
            self._temperatures = torch.full(logits.shape[:1], temperature, dtype=torch.float32, device=logits.device)
        return fused(logits, draws, self._temperatures)

    def read(self, tokens: Tensor, logprobs: Tensor, counts: list[int] | None) -> tuple[list[int], list[float]]:
        copy = Copy(tokens, logprobs)
        if counts is not None:
            self.begin(tokens, counts)
        return tuple(copy.lists())

    def begin(self, tokens: Tensor, counts: list[int]) -> bool:
        """Start the step that reads tokens (b,), without counting them in the cache."""
        self._begun, first, self._is_first = None, self._is_first, False
        if first or getattr(self.model, "stand_in", None) is not None:  # somebody looks inside: each step in its turn
            return False
        before = self.cache.row_lengths
        try:
            logits = super().next(tokens, counts)
        finally:
            self.cache.recount(before)
        self._begun = before, logits
        return True

    def forget(self) -> None:
        self._begun = None

    def next(self, tokens: Tensor, counts: list[int], keep: list[int] | None = None) -> Tensor:
        begun, self._begun = self._begun, None
        # Between two tokens a caller may have changed the cache, or looked inside the model: then compute anew.
        if begun is None or begun[0] != self.cache.row_lengths or getattr(self.model, "stand_in", None) is not None:
            return super().next(tokens, counts, keep)
        lengths, logits = begun
        self.cache.recount([length + count for length, count in zip(lengths, counts, strict=True)])
        if keep is None:
            return logits
        self.cache.select(keep)
        return logits[keep]
