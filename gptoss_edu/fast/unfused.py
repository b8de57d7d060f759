"""Look inside a fast model: a reference model on the same tensors stands in for it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gptoss_edu.moe import PackedWeight
from gptoss_edu.transformer import Transformer, without_numbers

PATH = "unfused operations on the fast model's weights"


class Fused:
    """A model whose kernels fuse operations; `stand_in` computes instead while its intermediates are observed."""

    stand_in: Transformer | None = None


def reference_twin(model) -> Transformer:
    """Return the reference model on a fast model's own tensors (not copies), so that every intermediate can be seen.

    The fast path fuses operations and has no hook points in between, so traces and interventions use this twin. Its
    results differ from the fast path's by that path's tested tolerance.
    """
    with without_numbers():
        twin = Transformer(model.config, packed=True)
    twin.load_state_dict(model.weights, assign=True)
    for module in twin.modules():
        if isinstance(module, PackedWeight):
            module.dtype = model.dtype
    twin.tokenizer = model.tokenizer
    return twin.eval()


@contextmanager
def unfused(model) -> Iterator:
    """Let every call of a fast model within the block compute with unfused operations; blocks may nest.

    Yields the model whose hook points see everything: the reference twin, or the model itself if it has hook points.
    Afterwards the fast model runs its own kernels again. Both use the same weight and cache tensors, so a generation
    may start in one and continue in the other.
    """
    if not isinstance(model, Fused):
        yield model
        return
    before = model.stand_in
    model.stand_in = before or reference_twin(model)
    try:
        yield model.stand_in
    finally:
        model.stand_in = before
