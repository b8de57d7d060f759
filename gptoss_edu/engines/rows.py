"""The rows of a pool's cache: views that decode, copies when a row moves, and how long a row can be."""

from __future__ import annotations

from gptoss_edu.cache import KVCache

CACHE_BYTES = 2 << 30  # default size of a pool's cache


class Rows:
    """One cache, created on first use.

    rows, room : as for Pool
    """

    def __init__(self, model, rows: int, room: int | None):
        self.model, self.count = model, rows
        self.room = min(room or default_room(model, rows), model.config.max_context)
        self._views: dict[tuple[int, int], KVCache] = {}
        self._cache: KVCache | None = None

    @property
    def cache(self) -> KVCache:
        if self._cache is None:
            self._cache = self.model.new_cache(self.count, self.room)
        return self._cache

    def decoding(self, first: int, last: int) -> KVCache:
        """Return the view of some rows, always the same object, since the fast path has a CUDA graph per view."""
        if (first, last) not in self._views:
            self._views[first, last] = self.cache.rows(first, last)
        return self._views[first, last]

    def move(self, source: int, target: int) -> None:
        """Move a row to another one's place and leave its own place empty."""
        if source != target:
            self.cache.clear_row(target)
            self.cache.copy_row(source, target)
        self.cache.clear_row(source)

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the view in which these rows decode.

        On a GPU it begins at 0 and ends at most at 8, where each row adds experts to read, or at a multiple of 8, to
        need few graphs.
        """
        if self.model.device.type != "cuda":
            return first, last
        return 0, min(last if last <= 8 else -(-last // 8) * 8, self.count)


def default_room(model, rows: int) -> int:
    """Return the tokens per row that keep a pool's cache within CACHE_BYTES, at most the model's whole context."""
    config = model.config
    per_token = KVCache(config, 1, 1, device="meta", dtype=model.dtype).nbytes // config.num_hidden_layers
    full = sum(config.layer_window(i) is None for i in range(config.num_hidden_layers))  # rings do not grow
    return max(1, min(config.max_context, CACHE_BYTES // (per_token * max(full, 1) * rows)))
