"""Change one thing in a running model and observe the effect; interventions are context managers, and data.

Interventions use hook points (one changes a block's number of experts), never the weights, so leaving the block
restores the model to the byte.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor

from gptoss_edu.errors import TraceError
from gptoss_edu.fast.unfused import unfused

_ACTIVE: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
REFILLS = ("next", "drop")


@dataclass(frozen=True)
class MaskExpert:
    """Forbid an expert in a layer. refill "next": the next best expert takes its place, and the weights sum to one
    again; "drop": nothing takes its place, and the other weights stay as they are."""

    layer: int
    expert: int
    refill: str = "next"

    def hooks(self, model) -> dict:
        _check_expert(model, self.layer, self.expert)
        if self.refill not in REFILLS:
            raise TraceError(f"refill is one of {', '.join(REFILLS)}, not {self.refill!r}.")
        point = f"block.{self.layer}.mlp."
        if self.refill == "next":
            return {point + "router_logits": lambda x, _: self._forbid(x, model.block[self.layer].mlp.k)}
        chosen = {}

        def remember(indices: Tensor, _: str) -> None:
            chosen["is"] = indices == self.expert

        def drop(weights: Tensor, _: str) -> Tensor:
            return weights.masked_fill(chosen.pop("is"), 0.0)

        return {point + "expert_indices": remember, point + "expert_weights": drop}

    def _forbid(self, logits: Tensor, k: int) -> Tensor:
        logits = _with_column(logits, self.expert, -torch.inf)
        left = logits.shape[1] - int((logits == -torch.inf).sum(1).max())
        if left < k:
            raise TraceError(
                f"layer {self.layer}: {left} experts are left unmasked, and a token needs {k}; mask fewer, or ask for"
                f" fewer with ExpertsPerToken({left}, layer={self.layer})"
                if left
                else f"layer {self.layer}: all {logits.shape[1]} experts are masked; leave at least one"
            )
        return logits


@dataclass(frozen=True)
class ForceExpert:
    """Send every token to an expert in a layer: its logit becomes the row's largest plus `margin`."""

    layer: int
    expert: int
    margin: float = 0.0

    def hooks(self, model) -> dict:
        _check_expert(model, self.layer, self.expert)
        if not self.margin < torch.inf:
            raise TraceError(f"margin is a finite number, not {self.margin}.")

        def force(x: Tensor, _: str) -> Tensor:
            largest = x.amax(-1)
            best_other = _with_column(x, self.expert, -torch.inf).amax(-1)
            forced = x.clone()
            forced[:, self.expert] = torch.maximum(largest, best_other + self.margin)
            return forced

        return {f"block.{self.layer}.mlp.router_logits": force}


@dataclass(frozen=True)
class ExpertsPerToken:
    """Use k experts per token instead of the model's number, in one layer or (layer None) in all."""

    k: int
    layer: int | None = None

    def hooks(self, model) -> dict:
        if not 1 <= self.k <= model.config.num_experts:
            raise TraceError(f"k is from 1 to the {model.config.num_experts} experts, not {self.k}.")
        return {}

    @contextmanager
    def applied(self, model):
        blocks = [model.block[i].mlp for i in _layers(model, self.layer)]
        before = [mlp.k for mlp in blocks]
        try:
            for mlp in blocks:
                mlp.k = self.k
            yield
        finally:
            for mlp, k in zip(blocks, before, strict=True):
                mlp.k = k


@dataclass(frozen=True)
class ShiftSink:
    """Add `amount` to sink logits: −inf removes the sinks, +2 makes them about seven times as attractive.
    heads None: every head of the layer; layer None: every layer."""

    amount: float = -torch.inf
    layer: int | None = None
    heads: tuple[int, ...] | None = None

    def hooks(self, model) -> dict:
        heads = _heads(model, self.heads)
        if not self.amount < torch.inf:
            raise TraceError(f"amount is a finite number, or -inf to remove the sinks, not {self.amount}.")

        def shift(sinks: Tensor, _: str) -> Tensor:
            shifted = sinks.detach().clone()
            shifted[heads] += self.amount
            return shifted

        return {f"block.{i}.attn.sinks": shift for i in _layers(model, self.layer)}


@dataclass(frozen=True)
class SetWindow:
    """Let a layer see `window` keys (the query's own included), or all (None). Works only without a cache, since a
    sliding layer's ring has discarded older keys."""

    layer: int
    window: int | None

    def hooks(self, model) -> dict:
        _layers(model, self.layer)
        if self.window is not None and self.window < 1:
            raise TraceError(f"a window holds at least the query itself; expected 1 or more, found {self.window}.")

        def set_mask(mask: Tensor, name: str) -> Tensor:
            t, s = mask.shape[1:]
            if t != s:
                raise TraceError(f"{name}: a changed window needs all keys; run the whole text without a cache.")
            gap = torch.arange(t, device=mask.device)[:, None] - torch.arange(s, device=mask.device)
            allowed = (gap >= 0) if self.window is None else (gap >= 0) & (gap < self.window)
            return allowed.expand_as(mask)

        return {f"block.{self.layer}.attn.mask": set_mask}


@dataclass(frozen=True)
class ZeroHeads:
    """Zero the output of heads of a layer (None: all), or (group) of the heads that share a key/value head."""

    layer: int
    heads: tuple[int, ...] | None = None
    group: int | None = None

    def hooks(self, model) -> dict:
        _layers(model, self.layer)
        heads = self.heads
        if heads is not None and self.group is not None:
            raise TraceError(f"give heads or a group of heads, not both; found heads {heads} and group {self.group}.")
        if self.group is not None:
            c = model.config
            size = c.num_attention_heads // c.num_key_value_heads
            if not 0 <= self.group < c.num_key_value_heads:
                raise TraceError(
                    f"there are {c.num_key_value_heads} groups of heads, counted from 0; not {self.group}."
                )
            heads = tuple(range(self.group * size, (self.group + 1) * size))
        chosen = _heads(model, heads)

        def zero(x: Tensor, _: str) -> Tensor:
            x = x.clone()
            x[:, :, chosen] = 0
            return x

        return {f"block.{self.layer}.attn.heads": zero}


@dataclass(frozen=True)
class Patch:
    """Replace this run's values at a hook point, at chosen positions, with those of another run.

    value : the other run's tensor at that point, see `values_at`; positions None: everywhere.
    """

    point: str
    value: Tensor
    positions: tuple[int, ...] | None = None

    def hooks(self, model) -> dict:
        axes = model.hook_points().get(self.point, "").strip("()").split(", ")
        axis = next((i for i, name in enumerate(axes) if name in ("t", "n")), None)  # n = b · t, and here b is 1
        if self.positions is not None and self.point in model.hook_points() and axis is None:
            raise TraceError(f"{self.point} {tuple(axes)} has no axis of positions; patch all of it (positions=None).")

        def patch(x: Tensor, name: str) -> Tensor:
            if x.shape != self.value.shape:
                raise TraceError(
                    f"{name}: the patch has shape {tuple(self.value.shape)}, the run {tuple(x.shape)}; "
                    "both runs need the same number of tokens."
                )
            if self.positions is None:
                return self.value.to(x)
            at = torch.tensor(self.positions, device=x.device)
            return x.index_copy(axis, at, self.value.to(x).index_select(axis, at))

        return {self.point: patch}


KINDS = {
    kind.__name__: kind for kind in (MaskExpert, ForceExpert, ExpertsPerToken, ShiftSink, SetWindow, ZeroHeads, Patch)
}


@contextmanager
def intervene(model, *changes) -> Iterator:
    """Apply interventions, or their dictionaries, to a model within a block.

    Yields the model. Blocks nest; the model's weights are never touched. A fast model computes with unfused operations
    within the block.
    """
    changes = tuple(from_dict(change) if isinstance(change, dict) else change for change in changes)
    with ExitStack() as stack:
        changed = stack.enter_context(unfused(model)) if changes else model
        before = active(changed)
        for change in changes:
            stack.enter_context(changed.hooks(change.hooks(changed)))
            if hasattr(change, "applied"):
                stack.enter_context(change.applied(changed))
        _ACTIVE[changed] = before + [to_dict(change) for change in changes]
        try:
            yield model
        finally:
            _ACTIVE[changed] = before


def active(model) -> list[dict]:
    """Return the active interventions of a model, as data."""
    return list(_ACTIVE.get(model, ()))


def to_dict(change) -> dict:
    """Return an intervention as plain data, {"kind": name, …}; a patch leaves its values out."""
    if isinstance(change, Patch):
        return {"kind": "Patch", "point": change.point, "positions": change.positions and list(change.positions)}
    data: dict[str, Any] = {"kind": type(change).__name__}
    for key, value in asdict(change).items():
        data[key] = list(value) if isinstance(value, tuple) else ("-inf" if value == -torch.inf else value)
    return data


def from_dict(data: dict):
    """Rebuild an intervention that `to_dict` wrote.

    Raises
    ------
    TraceError : the kind or a field is unknown, or it is a patch, whose values are not part of its data.
    """
    kind = KINDS.get(data.get("kind"))
    if kind is None or kind is Patch:
        raise TraceError(
            f"no intervention {data.get('kind')!r} can be made from data; expected one of {', '.join(KINDS)}."
        )
    known = {f.name for f in fields(kind)}
    given = {k: v for k, v in data.items() if k != "kind"}
    if set(given) - known:
        raise TraceError(
            f"{kind.__name__} has {', '.join(sorted(known))}; found {', '.join(sorted(set(given) - known))} too."
        )
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else (float(v) if v == "-inf" else v) for k, v in given.items()
    }
    try:
        return kind(**values)
    except TypeError as error:
        raise TraceError(f"{kind.__name__}: {error}.") from None


def values_at(model, tokens, points) -> dict[str, Tensor]:
    """Return the values at the named hook points in a forward pass over tokens (t,), for patching into another run."""
    if isinstance(points, str):
        points = [points]
    seen: dict[str, Tensor] = {}

    def keep(x: Tensor, name: str) -> None:
        seen[name] = x.detach().clone()

    with torch.no_grad(), unfused(model) as open_model, open_model.hooks(dict.fromkeys(points, keep)):
        open_model(torch.as_tensor(tokens, device=model.device).long().reshape(1, -1))
    return seen


def _with_column(x: Tensor, column: int, value: float) -> Tensor:
    x = x.clone()
    x[:, column] = value
    return x


def _check_expert(model, layer: int, expert: int) -> None:
    _layers(model, layer)
    if not 0 <= expert < model.config.num_experts:
        raise TraceError(f"there are experts 0 to {model.config.num_experts - 1}; found {expert}.")


def _layers(model, layer: int | None) -> list[int]:
    count = model.config.num_hidden_layers
    if layer is None:
        return list(range(count))
    if not 0 <= layer < count:
        raise TraceError(f"there are layers 0 to {count - 1}; found {layer}.")
    return [layer]


def _heads(model, heads) -> list[int]:
    count = model.config.num_attention_heads
    chosen = list(range(count)) if heads is None else [int(h) for h in heads]
    if not all(0 <= h < count for h in chosen):
        raise TraceError(f"there are heads 0 to {count - 1}; found {chosen}.")
    return chosen
