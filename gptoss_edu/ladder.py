"""Compare two computations rung by rung to find where they diverge.

    print(ladder(record(model, tokens), record_transformers(other, tokens)))

A wrong result says little. The first intermediate that differs shows which part is wrong. `record` reads this package's
model through its hook points, `record_transformers` reads transformers' GptOssForCausalLM under the same names.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import GptOssError

LAYER_RUNGS = (
    "resid_pre",
    "attn.normed",
    "attn.out",
    "resid_mid",
    "mlp.normed",
    "mlp.router_logits",
    "mlp.out",
    "resid_post",
)


@dataclass(frozen=True)
class Rung:
    """One intermediate: its largest difference, and the largest magnitude of its value in the second computation."""

    name: str
    shape: tuple[int, ...]
    difference: float
    scale: float

    @property
    def relative(self) -> float:
        return self.difference / self.scale if self.scale else self.difference


@dataclass(frozen=True)
class Ladder:
    """The rungs in order of computation; `str(ladder)` is a table."""

    rungs: tuple[Rung, ...]

    @property
    def worst(self) -> Rung:
        return max(self.rungs, key=lambda rung: rung.relative)

    def first_above(self, tolerance: float) -> Rung | None:
        """Return the first rung whose relative difference exceeds `tolerance` or is NaN: start the search there."""
        return next((rung for rung in self.rungs if not rung.relative <= tolerance), None)

    def __str__(self) -> str:
        width = max(len(rung.name) for rung in self.rungs)
        lines = [f"{'rung':{width}}  {'shape':>16}  {'scale':>10}  {'difference':>10}  relative"]
        for rung in self.rungs:
            shape = "×".join(map(str, rung.shape))
            lines.append(
                f"{rung.name:{width}}  {shape:>16}  {rung.scale:10.3g}  {rung.difference:10.3g}  {rung.relative:.1e}"
            )
        return "\n".join(lines)


def ladder(values: dict[str, Tensor], reference: dict[str, Tensor]) -> Ladder:
    """Compare two records at the names that both have, in the order of the first.

    Errors: `GptOssError` if they share no name or a shape differs.
    """
    shared = [name for name in values if name in reference]
    if not shared:
        raise GptOssError(
            f"ladder: the records share no rung; found {', '.join(list(values)[:3])} and"
            f" {', '.join(list(reference)[:3])}."
        )
    rungs = []
    for name in shared:
        a, b = values[name].detach().double().cpu(), reference[name].detach().double().cpu()
        if a.shape != b.shape:
            raise GptOssError(f"ladder: {name} is {tuple(a.shape)} in one record and {tuple(b.shape)} in the other.")
        a, b = (torch.where(same := a == b, 0.0, a), torch.where(same, 0.0, b)) if a.isinf().any() else (a, b)
        rungs.append(Rung(name, tuple(a.shape), (a - b).abs().max().item(), b.abs().max().item()))
    return Ladder(tuple(rungs))


def rung_names(layers: int) -> list[str]:
    """Return the names that both recorders use, in order of computation."""
    inner = [f"block.{i}.{rung}" for i in range(layers) for rung in LAYER_RUNGS]
    return ["embedding", *inner, "final_norm", "logits"]


@torch.no_grad()
def record(model, tokens: Tensor, names: list[str] | None = None) -> dict[str, Tensor]:
    """Record the values at these hook points (default: `rung_names`) for tokens (b, t)."""
    names = rung_names(model.config.num_hidden_layers) if names is None else names
    found: dict[str, Tensor] = {}

    def keep(value: Tensor, name: str) -> None:
        found[name] = value.detach().clone()

    with model.hooks(dict.fromkeys(names, keep)):
        model(tokens)
    return {name: found[name] for name in names}


@torch.no_grad()
def record_transformers(model, tokens: Tensor) -> dict[str, Tensor]:
    """Record the same names from transformers' GptOssForCausalLM, with forward hooks on its modules."""
    found: dict[str, Tensor] = {}
    handles = []

    def first(value) -> Tensor:
        return (value[0] if isinstance(value, tuple) else value).detach().clone()

    def watch(module, before: str | None = None, after: str | None = None) -> None:
        def hook(_, args, kwargs, output):
            if before is not None:
                found[before] = first(args or kwargs["hidden_states"])
            if after is not None:
                found[after] = first(output)

        handles.append(module.register_forward_hook(hook, with_kwargs=True))

    watch(model.model.embed_tokens, after="embedding")
    for i, layer in enumerate(model.model.layers):
        watch(layer.input_layernorm, f"block.{i}.resid_pre", f"block.{i}.attn.normed")
        watch(layer.self_attn, after=f"block.{i}.attn.out")
        watch(layer.post_attention_layernorm, f"block.{i}.resid_mid", f"block.{i}.mlp.normed")
        watch(layer.mlp.router, after=f"block.{i}.mlp.router_logits")
        watch(layer.mlp, after=f"block.{i}.mlp.out")
        watch(layer, after=f"block.{i}.resid_post")
    watch(model.model.norm, after="final_norm")
    try:
        found["logits"] = model(tokens).logits.detach().clone()
    finally:
        for handle in handles:
            handle.remove()
    return {name: found[name] for name in rung_names(len(model.model.layers))}
