"""The key/value cache: every past key in full layers, a ring of the last `sliding_window` in sliding ones (chapter 11)."""

import copy

import torch
from torch import Tensor

from .config import ModelConfig
from .errors import GptOssError


class KVCache:
    """Keys and values of the tokens that a model has seen, for rows of different lengths.

    A full layer has `max_length` slots per row, a sliding layer as many as its window; the key of position p lies in
    slot p modulo the number of slots. `model(tokens, cache)` writes the new tokens and advances the lengths.

    Parameters
    ----------
    batch_size : rows; max_length : tokens per row may grow to
    """

    def __init__(self, config: ModelConfig, batch_size: int, max_length: int, device=None, dtype=torch.float32):
        if max_length < 1 or batch_size < 1:
            raise GptOssError(f"KVCache: expected at least one row and one token, found {batch_size} and {max_length}.")
        self.config, self.max_length, self.batch_size = config, max_length, batch_size
        self._lengths = [0] * batch_size
        self._counts: list[int] = []  # new tokens per row in the forward pass that is running
        self._longest = 0  # tokens of the longest row when it is over
        self._torn = False  # while a pass overwrites keys in the rings that an interruption would leave lost
        self.keys, self.values = [], []
        for layer in range(config.num_hidden_layers):
            shape = (batch_size, config.num_key_value_heads, self._slots(config.layer_window(layer)), config.head_dim)
            self.keys.append(torch.zeros(shape, device=device, dtype=dtype))  # (b, g, slots, d)
            self.values.append(torch.zeros(shape, device=device, dtype=dtype))

    @property
    def device(self) -> torch.device:
        return self.keys[0].device

    @property
    def lengths(self) -> Tensor:
        """(b,) int64, tokens stored a row."""
        return torch.tensor(self._lengths, device=self.device)

    @property
    def row_lengths(self) -> list[int]:
        """Tokens stored per row, as plain numbers: no copy from the device."""
        return list(self._lengths)

    def declare(self, lengths: list[int]) -> None:
        """Say how many tokens each row holds, without writing any: what benchmarks do after filling keys and values."""
        if len(lengths) != self.batch_size or not all(0 <= n <= self.max_length for n in lengths):
            raise GptOssError(
                f"KVCache: expected {self.batch_size} lengths from 0 to {self.max_length}, found {lengths}; pass one per row."
            )
        self._lengths, self._torn = list(lengths), False

    @property
    def nbytes(self) -> int:
        """Bytes allocated."""
        return sum(t.nbytes for t in (*self.keys, *self.values))

    def _slots(self, window: int | None) -> int:
        return self.max_length if window is None else min(window, self.max_length)

    def begin(self, t: int, counts: list[int]) -> Tensor:
        """Announce a forward pass over t columns of which counts[i] are tokens of row i. Returns query positions (b or 1, t)."""
        if self._torn:
            raise GptOssError(
                "KVCache: a forward pass over several tokens was interrupted, and its tokens have taken the places of keys "
                "that are still needed; make a new cache and prefill again."
            )
        longest = max(n + c for n, c in zip(self._lengths, counts, strict=True))
        if longest > self.max_length:
            raise GptOssError(
                f"KVCache: room for {self.max_length} tokens per row, found {longest}; make the cache with a larger max_length."
            )
        self._t, self._counts, self._longest = t, counts, longest
        self._torn = t > 1 and longest > self.config.sliding_window  # one token overwrites only the key that leaves
        self.uniform = len(set(self._lengths)) == 1 and all(c == t for c in counts)
        starts = self._lengths[:1] if self.uniform else self._lengths
        return torch.tensor(starts, device=self.device)[:, None] + torch.arange(t, device=self.device)

    def key_positions(self, window: int | None) -> Tensor | None:
        """Positions of the keys that `update` will return, (b or 1, s), -1 where a slot is empty; None if all are visible."""
        slots = self._slots(window)
        if self._t == 1 and self.uniform:
            return None
        if self._t == 1 or window is None:
            return self._stored(slots, [n + c for n, c in zip(self._lengths, self._counts, strict=True)])
        past = self._stored(slots, self._lengths)
        starts = torch.tensor(self._lengths, device=self.device)[:, None]
        columns = torch.arange(self._t, device=self.device)
        fresh = torch.where(columns < torch.tensor(self._counts, device=self.device)[:, None], starts + columns, -1)
        return torch.cat((past, fresh), dim=1)

    def _stored(self, slots: int, lengths: list[int]) -> Tensor:
        """Position held by each slot when this many tokens have been written: (b, min(slots, longest))."""
        last = torch.tensor(lengths, device=self.device)[:, None] - 1
        slot = torch.arange(min(slots, max(lengths)), device=self.device)
        held = last - (last - slot) % slots
        return torch.where(held < 0, -1, held)

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new keys and values (b, t, g, d); return all that the queries may need, (b, s, g, d) each."""
        keys, values = self.keys[layer], self.values[layer]
        slots = keys.shape[2]
        sliding = self.config.layer_window(layer) is not None
        k, v = k.transpose(1, 2).to(keys.dtype), v.transpose(1, 2).to(keys.dtype)  # (b, g, t, d)
        if self._t > 1 and sliding:  # the first new query still needs keys that the last new ones overwrite
            past = min(slots, max(self._lengths))
            out = tuple(torch.cat((old[:, :, :past], new), dim=2) for old, new in ((keys, k), (values, v)))
            self._write(keys, values, k, v)
        else:
            self._write(keys, values, k, v)
            held = min(slots, self._longest)
            out = keys[:, :, :held], values[:, :, :held]
        return out[0].transpose(1, 2), out[1].transpose(1, 2)

    def _write(self, keys: Tensor, values: Tensor, k: Tensor, v: Tensor) -> None:
        slots = keys.shape[2]
        if self._t == 1 and self.uniform:
            slot = self._lengths[0] % slots
            keys[:, :, slot], values[:, :, slot] = k[:, :, 0], v[:, :, 0]
            return
        if self._t == 1:
            rows = [i for i, count in enumerate(self._counts) if count]
            at = [self._lengths[i] % slots for i in rows]
            keys[rows, :, at], values[rows, :, at] = k[rows, :, 0], v[rows, :, 0]
            return
        for row, (start, count) in enumerate(zip(self._lengths, self._counts, strict=True)):
            first = max(0, count - slots)  # older ones would be overwritten at once
            at = (torch.arange(first, count, device=self.device) + start) % slots
            keys[row, :, at], values[row, :, at] = k[row, :, first:count], v[row, :, first:count]

    def advance(self) -> None:
        """The forward pass is over: its tokens count as stored."""
        self._lengths = [n + c for n, c in zip(self._lengths, self._counts, strict=True)]
        self._torn = False

    def select(self, rows: list[int]) -> None:
        """Keep only these rows, in this order: what is left of a batch when some sequences have ended."""
        for layer in range(len(self.keys)):
            self.keys[layer], self.values[layer] = self.keys[layer][rows], self.values[layer][rows]
        self._lengths, self.batch_size = [self._lengths[row] for row in rows], len(rows)

    def join(self, other: "KVCache") -> "KVCache":
        """Return a new cache with this one's rows, then the other's; both must have room for as many tokens."""
        if other.max_length != self.max_length:
            raise GptOssError(
                f"KVCache: expected two caches with the same room, found {self.max_length} and {other.max_length} tokens."
            )
        both = copy.copy(self)
        both.batch_size = self.batch_size + other.batch_size
        both._lengths = self._lengths + other._lengths
        both.keys = [torch.cat(pair) for pair in zip(self.keys, other.keys, strict=True)]
        both.values = [torch.cat(pair) for pair in zip(self.values, other.values, strict=True)]
        return both
