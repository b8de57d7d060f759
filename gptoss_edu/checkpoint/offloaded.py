"""Run a model on a card that is too small for it: plan what stays in main memory before reading a byte."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch

from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import CheckpointError
from gptoss_edu.fast.offload import offload
from gptoss_edu.resources import data_path

from .layouts import CheckpointReader, layout_entries
from .load import folder_tokenizer, read_reference, usable_device
from .sizes import GIB, cache_bytes, size_text, working_bytes


@dataclass(frozen=True)
class OffloadPlan:
    """Bytes on the card and in memory. `str(plan)` is what the user sees.

    rest : everything except packed experts; a_layer : one layer's packed experts; kept : layers whose experts fit on
    the card; a_token : bytes copied per decoded token; limit : what the card may hold
    """

    rest: int
    a_layer: int
    layers: int
    kept: int
    cache: int
    working: int
    a_token: int
    limit: int

    @classmethod
    def make(cls, config: ModelConfig, limit: int, context: int, dtype: torch.dtype = torch.bfloat16) -> OffloadPlan:
        """Put as many layers on the card as fit beside the rest, the cache of `context` tokens and working space."""
        packed = rest = 0
        for entry in layout_entries(config, "original").values():
            numbers = torch.Size(entry.shape).numel()
            if entry.dtypes == ("U8",):
                packed += numbers
            else:
                rest += numbers * dtype.itemsize
        a_layer = packed // config.num_hidden_layers
        one = a_layer // config.num_experts
        tables = 4 * 2 * config.intermediate_size * config.hidden_size  # bytes and values looked up while unpacking
        cache, working = cache_bytes(config, context, dtype), working_bytes(config, context, dtype) + 2 * one + tables
        kept = max(-1, min(config.num_hidden_layers, (limit - rest - cache - working) // a_layer))
        away = config.num_hidden_layers - max(0, kept)
        return cls(
            rest, a_layer, config.num_hidden_layers, kept, cache, working, away * config.experts_per_token * one, limit
        )

    @property
    def on_card(self) -> int:
        return self.rest + max(0, self.kept) * self.a_layer + self.cache + self.working

    def __str__(self) -> str:
        away = self.layers - max(0, self.kept)
        return (
            f"plan: {size_text(self.on_card)} of {size_text(self.limit)} on the card (the experts of "
            f"{max(0, self.kept)} of {self.layers} layers, all else, cache {size_text(self.cache)}, working space "
            f"{size_text(self.working)}); {size_text(away * self.a_layer)} of experts in memory, of which a token "
            f"copies {size_text(self.a_token)}"
        )


def load_offloaded(path=None, gib: float | None = None, device=None, dtype=None, context: int = 4096):
    """Load a packed model whose experts stay in main memory if they do not fit in `gib` GiB of the card.

    gib : at most what is free, which is the default. This uses the reference path; the kernels of fast.py
    need everything on the card.

    Raises
    ------
    CheckpointError : experts that are not packed, or a limit below what must be on the card.
    """
    reader = CheckpointReader(data_path("gpt-oss-tiny") if path is None else path)
    if not reader.is_packed:
        raise CheckpointError(
            f"{reader.folder}: holds dequantised experts; `gptoss-edu convert` packs them with a named rounding."
        )
    place = usable_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = dtype or (torch.float32 if place.type == "cpu" else torch.bfloat16)
    limit = int(gib * GIB) if gib is not None else reader.shards.nbytes * 4
    if place.type == "cuda":  # of a card's 8 GiB, the CUDA context takes more than half a one
        free = torch.cuda.mem_get_info(place)[0]
        limit = free if gib is None else min(limit, free)
    plan = OffloadPlan.make(reader.config, limit, context, dtype)
    print(plan, file=sys.stderr)
    if plan.kept < 0:
        least = plan.rest + plan.cache + plan.working
        raise CheckpointError(
            f"{reader.folder}: expected at least {size_text(least)} of the card for everything except experts, found "
            f"{size_text(plan.limit)}; raise --offload or ask for a shorter context."
        )
    model = read_reference(reader, True, dtype, torch.device("cpu"), quiet=False)
    offload(model, range(plan.kept, plan.layers), place)
    model.tokenizer = folder_tokenizer(reader)
    return model
