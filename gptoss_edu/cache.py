"""The key/value cache (chapter 11).

A full layer keeps every past key, a sliding layer a ring of the last `sliding_window` keys.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import ModelConfig
from .errors import GptOssError


@dataclass(frozen=True)
class Snapshot:
    """A copy of one row's `length` tokens: keys and values of each layer, (g, slots in use, d)."""

    length: int
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def nbytes(self) -> int:
        return sum(t.nbytes for t in (*self.keys, *self.values))


@dataclass
class _RowState:
    """What a cache and its views share besides the tensors: per row, its length and whether a pass tore it."""

    lengths: list[int]
    torn: list[bool]


class KVCache:
    """Keys and values of the tokens that a model has seen, for rows of different lengths.

    A full layer has `max_length` slots per row, a sliding layer as many as its window; the key of position p is in slot
    p modulo the number of slots. `model(tokens, cache)` writes the new tokens and advances the lengths. `rows` gives a
    view of some rows; `snapshot` and `restore` copy one row out and in. A sliding layer has overwritten all keys before
    its window, so a row can continue from where a snapshot was taken, but from no earlier position.

    Parameters
    ----------
    batch_size : rows; max_length : tokens per row may grow to
    """

    def __init__(self, config: ModelConfig, batch_size: int, max_length: int, device=None, dtype=torch.float32):
        if max_length < 1 or batch_size < 1:
            raise GptOssError(f"KVCache: expected at least one row and one token, found {batch_size} and {max_length}.")
        self.config, self.max_length, self.batch_size = config, max_length, batch_size
        self._state, self._first = _RowState([0] * batch_size, [False] * batch_size), 0
        self._counts: list[int] = []  # new tokens per row in the current forward pass
        self._longest = 0  # length of the longest row after that pass
        self.keys, self.values = [], []
        for layer in range(config.num_hidden_layers):
            shape = (batch_size, config.num_key_value_heads, self._slots(config.layer_window(layer)), config.head_dim)
            self.keys.append(torch.zeros(shape, device=device, dtype=dtype))  # (b, g, slots, d)
            self.values.append(torch.zeros(shape, device=device, dtype=dtype))

    @property
    def _own(self) -> slice:
        return slice(self._first, self._first + self.batch_size)

    @property
    def _lengths(self) -> list[int]:
        return self._state.lengths[self._own]

    @_lengths.setter
    def _lengths(self, lengths: list[int]) -> None:
        self._state.lengths[self._own] = lengths

    def _tear(self, torn: bool) -> None:
        """Mark the rows as torn while a pass overwrites ring keys, which an interruption would lose."""
        self._state.torn[self._own] = [torn] * self.batch_size

    @property
    def device(self) -> torch.device:
        return self.keys[0].device

    @property
    def lengths(self) -> Tensor:
        """Tokens stored per row, (b,) int64."""
        return torch.tensor(self._lengths, device=self.device)

    @property
    def row_lengths(self) -> list[int]:
        """Tokens stored per row, as plain numbers, without a copy from the device."""
        return list(self._lengths)

    def declare(self, lengths: list[int]) -> None:
        """Declare how many tokens each row holds, for benchmarks that fill keys and values themselves."""
        self.recount(lengths)
        self._tear(False)

    def recount(self, lengths: list[int]) -> None:
        """Set how many of the tokens written to each row count."""
        if len(lengths) != self.batch_size or not all(0 <= n <= self.max_length for n in lengths):
            raise GptOssError(
                f"KVCache: expected {self.batch_size} lengths from 0 to {self.max_length}, found {lengths}; pass one"
                " per row."
            )
        self._lengths = list(lengths)

    @property
    def nbytes(self) -> int:
        """Bytes allocated for keys and values."""
        return sum(t.nbytes for t in (*self.keys, *self.values))

    def _slots(self, window: int | None) -> int:
        return self.max_length if window is None else min(window, self.max_length)

    def begin(self, t: int, counts: list[int]) -> Tensor:
        """Announce a forward pass over t columns of which counts[i] are tokens of row i.

        Returns query positions (b or 1, t).
        """
        self.announce(t, counts)
        starts = self._lengths[:1] if self.uniform else self._lengths
        return torch.tensor(starts, device=self.device)[:, None] + torch.arange(t, device=self.device)

    def announce(self, t: int, counts: list[int]) -> None:
        """Do the same as `begin` for callers that need no positions."""
        if any(self._state.torn[self._own]):
            raise GptOssError(
                "KVCache: a forward pass over several tokens was interrupted, and its tokens have overwritten"
                " keys that are still needed; make a new cache and prefill again."
            )
        longest = max(n + c for n, c in zip(self._lengths, counts, strict=True))
        if longest > self.max_length:
            raise GptOssError(
                f"KVCache: room for {self.max_length} tokens per row, found {longest}; make the cache with a larger"
                " max_length."
            )
        self._t, self._counts, self._longest = t, counts, longest
        self._tear(t > 1 and longest > self.config.sliding_window)  # one token overwrites only the key that leaves
        self.uniform = len(set(self._lengths)) == 1 and all(c == t for c in counts)

    def key_positions(self, window: int | None) -> Tensor | None:
        """Return the positions of the keys that `update` will return, (b or 1, s), -1 where a slot is empty.

        None if all are visible.
        """
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
        """Return position held by each slot when this many tokens have been written: (b, min(slots, longest))."""
        last = torch.tensor(lengths, device=self.device)[:, None] - 1
        slot = torch.arange(min(slots, max(lengths)), device=self.device)
        held = last - (last - slot) % slots
        return torch.where(held < 0, -1, held)

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values (b, t, g, d); return all that the queries may need, (b, s, g, d) each."""
        keys, values = self.keys[layer], self.values[layer]
        slots = keys.shape[2]
        sliding = self.config.layer_window(layer) is not None
        k, v = k.transpose(1, 2).to(keys.dtype), v.transpose(1, 2).to(keys.dtype)  # (b, g, t, d)
        if self._t > 1 and sliding:  # the first new query still needs keys that the last new keys overwrite
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
            first = max(0, count - slots)  # older ones would be overwritten in the same pass
            places = (torch.arange(first, count, device=self.device) + start) % slots
            keys[row, :, places], values[row, :, places] = k[row, :, first:count], v[row, :, first:count]

    def advance(self) -> None:
        """End the forward pass: its tokens now count as stored."""
        self._lengths = [n + c for n, c in zip(self._lengths, self._counts, strict=True)]
        self._tear(False)

    def rows(self, first: int, last: int) -> "KVCache":
        """Return a view of the rows from `first` up to but not including `last`: same tensors, same lengths."""
        if not 0 <= first < last <= self.batch_size:
            raise GptOssError(
                f"KVCache.rows: expected 0 <= first < last <= {self.batch_size}, found {first} and {last}."
            )
        view = copy.copy(self)
        view.batch_size, view._first = last - first, self._first + first
        view.keys = [keys[first:last] for keys in self.keys]
        view.values = [values[first:last] for values in self.values]
        return view

    def clear_row(self, row: int) -> None:
        """Clear a row, also one that an interrupted pass left torn."""
        self._state.lengths[self._first + row], self._state.torn[self._first + row] = 0, False

    def copy_row(self, source: int, target: int) -> None:
        """Copy what row `source` holds to row `target`; only slots in use are copied."""
        self.restore(target, self._held(source))

    def snapshot(self, row: int) -> Snapshot:
        """Copy out what a row holds."""
        held = self._held(row)
        return Snapshot(held.length, tuple(k.clone() for k in held.keys), tuple(v.clone() for v in held.values))

    def restore(self, row: int, snapshot: Snapshot) -> None:
        """Fill a row from a snapshot, which must come from a cache with the same `max_length`."""
        for mine, kept in ((self.keys, snapshot.keys), (self.values, snapshot.values)):
            for all_rows, held in zip(mine, kept, strict=True):
                if held.shape[1] != min(snapshot.length, all_rows.shape[2]):
                    raise GptOssError(
                        f"KVCache.restore: expected a snapshot of a cache with room for {self.max_length} tokens, found"
                        f" {held.shape[1]} slots in use for {snapshot.length} tokens."
                    )
                all_rows[row, :, : held.shape[1]] = held
        self._state.lengths[self._first + row], self._state.torn[self._first + row] = snapshot.length, False

    def _held(self, row: int) -> Snapshot:
        """Return the slots of a row that are in use, not copied."""
        if self._state.torn[self._first + row]:
            raise GptOssError(f"KVCache: row {row} was torn by an interrupted pass; clear it and prefill again.")
        length = self._state.lengths[self._first + row]
        return Snapshot(length, *(tuple(t[row, :, :length] for t in tensors) for tensors in (self.keys, self.values)))

    def select(self, rows: list[int]) -> None:
        """Keep only these rows, in this order, as when some sequences of a batch have ended."""
        if len(self._state.lengths) != self.batch_size:
            raise GptOssError(
                "KVCache.select: expected a whole cache, found a view of some rows; make it with new_cache."
            )
        for layer in range(len(self.keys)):
            self.keys[layer], self.values[layer] = self.keys[layer][rows], self.values[layer][rows]
        state = self._state
        self._state = _RowState([state.lengths[row] for row in rows], [state.torn[row] for row in rows])
        self.batch_size = len(rows)

    def join(self, other: "KVCache") -> "KVCache":
        """Return a new cache with this one's rows, then the other's; both must have room for as many tokens."""
        if other.max_length != self.max_length:
            raise GptOssError(
                f"KVCache: expected two caches with the same room, found {self.max_length} and {other.max_length}"
                " tokens."
            )
        both = copy.copy(self)
        both.batch_size = self.batch_size + other.batch_size
        torn = self._state.torn[self._own] + other._state.torn[other._own]
        both._first, both._state = 0, _RowState(self._lengths + other._lengths, torn)
        both.keys = [torch.cat(pair) for pair in zip(self.keys, other.keys, strict=True)]
        both.values = [torch.cat(pair) for pair in zip(self.values, other.values, strict=True)]
        return both
