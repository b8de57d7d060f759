"""Keep what a row held at the end of a prompt or turn, so that the next turn does not read it again.

Only an exact prefix helps. A sliding layer keeps its last tokens in a ring, and a ring cannot be rewound. A prompt
that shares all but the last token with what a row has read must be read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gptoss_edu.cache import Snapshot


def reusable(held: Iterable[Sequence[int]], prompt: Sequence[int]) -> Sequence[int] | None:
    """Return the longest held token sequence that the prompt can continue, or None.

    It must be a proper prefix of the prompt: the last token has to be read for its logits.
    """
    best: Sequence[int] | None = None
    for tokens in held:
        n = len(tokens)
        if (best is None or n > len(best)) and 0 < n < len(prompt) and tokens[-1] == prompt[n - 1]:
            if tuple(prompt[:n]) == tuple(tokens):
                best = tokens
    return best


class Prefixes:
    """Snapshots of rows by the tokens that they hold, least recently used first, up to a number of bytes.

    max_bytes : of all keys and values; 0 keeps nothing
    """

    def __init__(self, max_bytes: int):
        self.max_bytes, self.nbytes = max_bytes, 0
        self.hits, self.misses = 0, 0
        self._kept: dict[tuple[int, ...], Snapshot] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def missing(self, prompt: Sequence[int], marks: Sequence[int]) -> list[int]:
        """Return the lengths of the prompt's beginnings that could be kept and are not yet."""
        return [n for n in marks if self.max_bytes and tuple(prompt[:n]) not in self._kept]

    def find(self, prompt: Sequence[int]) -> Snapshot | None:
        """Return the snapshot of this prompt's longest kept prefix."""
        tokens = reusable(self._kept, prompt)
        if tokens is None:
            self.misses += 1
            return None
        self.hits += 1
        key = tuple(tokens)
        snapshot = self._kept[key] = self._kept.pop(key)  # the most recently used comes last
        return snapshot

    def keep(self, tokens: Sequence[int], snapshot: Snapshot) -> None:
        """Keep a row's content under the tokens that it holds; drop the oldest snapshots beyond the bound."""
        key = tuple(tokens)
        self.drop(key)
        if snapshot.nbytes > self.max_bytes:
            return
        self._kept[key], self.nbytes = snapshot, self.nbytes + snapshot.nbytes
        while self.nbytes > self.max_bytes:
            self.drop(next(iter(self._kept)))

    def clear(self) -> None:
        """Forget all prefixes."""
        self._kept.clear()
        self.nbytes = 0

    def drop(self, tokens: tuple[int, ...]) -> None:
        """Forget one prefix, if it is kept."""
        snapshot = self._kept.pop(tokens, None)
        self.nbytes -= 0 if snapshot is None else snapshot.nbytes
