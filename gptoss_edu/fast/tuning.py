"""Tile sizes and warps of the kernels: those that were fastest on an H100 and on an H200, and what a card allows."""

from dataclasses import dataclass

import torch

from .few_rows import VECTORS
from .launch_words import WordTile, pow2, tiles_on


@dataclass(frozen=True)
class Tiles:
    """Tile sizes and warps for a step of two rows or more, as in `Tuning`.

    Of dense products: (rows per program, a multiple of 16; columns per step, a multiple of 32 per warp; warps; steps
    ahead)
    """

    qkv: tuple[int, int, int, int] = (16, 512, 4, 1)
    out: tuple[int, int, int, int] = (16, 512, 4, 1)
    unembedding: tuple[int, int, int, int] = (32, 512, 4, 1)
    up: tuple[int, int, int, int] = (32, 32, 8, 1)
    down: tuple[int, int, int, int] = (8, 32, 8, 3)


@dataclass(frozen=True)
class Tuning:
    """Tile sizes and warps. They change results only within rounding, but they change the speed.

    Matrix-vector products: (rows per program, columns per step, warps, tiles ahead); packed ones: (rows, MX blocks per
        step, warps, tiles ahead). splits, split_least : at most how many programs share the keys of a head in a full
        layer, at least how many keys each gets; split_programs : with that many heads and rows, nothing is split
    grouped : (tokens, rows of the weight, MX blocks per step, warps, pipeline stages), for fewer than 4 tokens per
        expert on average, fewer than 12, fewer than 64, and more
    words : tiles for few copies per expert, whose weights are the first operand (`launch_words.py`); () : never.
        Steps of up to `few_rows` rows do not use them.
        wgmma : the card has it, which decides the order of activations; router_words : tokens times experts up to which
        norm, router and choice are one kernel
    few_rows : steps of up to so many rows, at most 8, read each dense weight once for all rows, and an expert's once
        for each row; two : their tiles; more : their tiles from 5 rows on
    prompt_graphs : lengths to which short prompts are padded and read by a CUDA graph (`prompt_graph.py`); () : none
    """

    qkv: tuple[int, int, int, int] = (8, 1024, 4, 1)
    out: tuple[int, int, int, int] = (4, 1024, 4, 1)
    unembedding: tuple[int, int, int, int] = (8, 1024, 8, 1)
    up: tuple[int, int, int, int] = (32, 32, 8, 1)
    down: tuple[int, int, int, int] = (8, 32, 8, 3)
    splits: int = 32
    split_programs: int = 256
    split_least: int = 64
    split_keys: tuple[int, int] = (128, 4)  # keys per step, warps
    slide_keys: tuple[int, int] = (128, 4)  # the same in sliding layers, read by one program per head
    grouped_few: tuple[int, int, int, int, int] = (16, 64, 8, 4, 3)
    grouped_some: tuple[int, int, int, int, int] = (16, 128, 4, 4, 4)
    grouped_more: tuple[int, int, int, int, int] = (16, 128, 4, 4, 4)
    grouped_many: tuple[int, int, int, int, int] = (128, 128, 2, 8, 3)
    prefill: tuple[int, int, int, int] = (64, 64, 4, 3)  # queries, keys, warps, stages
    pairs: bool = True  # unpack two 16-bit numbers at a time (inline PTX); otherwise one float32 at a time
    overlap: bool = True  # a kernel starts while the previous one ends (programmatic dependent launch)
    unpack_from: int = 320  # tokens per expert, on average, from which unpacking to bf16 first is faster
    words: tuple[WordTile, ...] = ()
    wgmma: bool = True
    router_words: int = 2048
    prompt_graphs: tuple[int, ...] = (16, 32, 64, 128, 256)
    few_rows: int = VECTORS
    two: Tiles = Tiles()
    more: Tiles = Tiles()

    @classmethod
    def on(cls, device: torch.device, **changes) -> "Tuning":
        """Return what suits a device: its search's tiles if there was one, and only what its instructions allow."""
        if device.type != "cuda":
            return cls(pairs=False, overlap=False, **changes)
        name, capability = torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device)
        found = next((tiles for card, tiles in SEARCHED.items() if card in name), {})
        return cls(**{"overlap": capability >= (9, 0), "words": tiles_on(capability)} | found | changes)

    def tiles(self, rows: int) -> Tiles:
        """Return the tiles of a step of two rows or more, up to `few_rows`."""
        return self.two if rows <= 4 else self.more

    def splits_for(self, heads: int) -> int:
        """Return how many programs share the keys of one of `heads` key/value heads of all rows: a power of two."""
        return max(1, min(self.splits, pow2(self.split_programs // heads)))

    def grouped_for(self, copies: int, experts: int) -> tuple[int, int, int, int, int]:
        """Return the tile of the grouped product for this many copies of tokens."""
        steps = ((4, self.grouped_few), (12, self.grouped_some), (64, self.grouped_more))
        return next((tile for least, tile in steps if copies < least * experts), self.grouped_many)


# by benchmarks/gpu_tiles.py and gpu_few_rows.py, on whole steps of 20b's shape; other cards keep the H100's
SEARCHED: dict[str, dict] = {
    "H200": {
        "qkv": (8, 512, 2, 2), "out": (8, 2048, 4, 1), "unembedding": (4, 1024, 4, 1), "up": (64, 16, 8, 1),
        "two": Tiles((16, 1024, 8, 1), (16, 512, 4, 2), (32, 256, 4, 2), (32, 32, 8, 1), (16, 32, 8, 2)),
        "few_rows": 4,  # from 5 on, the tiles of `words` are faster
    },
}  # fmt: skip
