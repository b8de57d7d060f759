"""Plant one fault in a copy of a model, to be found by the first red rung of the ladder (chapter 10).

    faulty = checks.fault(7)             # a copy of gpt-oss-tiny with one fault, determined by the seed
    faulty.planted.guess("block.3.attn.scores")
    faulty.planted.answer()

All faults occurred in real ports of gpt-oss.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from gptoss_edu.checks.display import Shown, box, inline

NO_SINK = -1e9  # a sink without any mass


@dataclass(frozen=True)
class Planted:
    """The planted fault: `point` is the first hook point whose value differs; `answer()` shows `story`."""

    seed: int
    kind: str = field(repr=False)
    point: str = field(repr=False)
    story: str = field(repr=False)

    def guess(self, point: str) -> Shown:
        """Say whether the first difference is at `point` (a hook point's full name, or its beginning, such as
        "block.3.attn").
        """
        right = self.point == point
        close = self.point.startswith(point + ".")
        if right or close:
            title = f"{point}: yes" + ("" if right else ", somewhere in there")
            return Shown(box(title, "", "passed"), title)
        layer, guessed = (name.split(".")[:2] for name in (self.point, point))
        hint = "the layer is right" if layer == guessed and layer[0] == "block" else "another place"
        title = f"{point}: no, {hint}"
        return Shown(box(title, "<div>Find the first hook point where the two models differ.</div>", "failed"), title)

    def answer(self) -> Shown:
        """Return the fault, its place and its cause."""
        title = f"fault {self.seed}: {self.point}"
        return Shown(box(title, f"<div>{inline(self.story)}</div>"), f"{title}\n{self.story}")


@dataclass(frozen=True)
class Kind:
    """A kind of fault: `plant(model, layer)` changes the model; `point` is where the first difference appears."""

    plant: Callable
    point: str
    story: str
    needs: Callable = lambda config: True


def fault(seed: int, model: nn.Module | None = None) -> nn.Module:
    """Return a copy of `model` (None: the bundled gpt-oss-tiny) with one fault, described by `.planted`.

    Some faults show only if a text is longer than the sliding window, so compare on a long one.
    """
    if model is None:
        from gptoss_edu import load_model

        model = load_model()
    kinds = [name for name, kind in KINDS.items() if kind.needs(model.config)]
    kind, layer = _draw(seed, kinds, model.config.num_hidden_layers)  # type: ignore[arg-type]
    return plant(model, kind, layer, seed)


def plant(model: nn.Module, kind: str, layer: int, seed: int = 0) -> nn.Module:
    """Return a copy of `model` with the fault `kind` (a key of KINDS) in one layer."""
    tokenizer = model.tokenizer
    faulty = copy.deepcopy(model, {id(tokenizer): tokenizer})
    chosen = KINDS[kind]
    if "mask" in chosen.point:
        layer -= layer % 2  # even layers slide
    with torch.no_grad():
        chosen.plant(faulty, layer)
    told = Planted(seed, kind, chosen.point.format(layer), chosen.story.format(layer))
    faulty.planted = told  # type: ignore[assignment]  # an attribute that modules do not have
    return faulty


def _draw(seed: int, kinds: list[str], layers: int) -> tuple[str, int]:
    """Return kind and layer for a seed; neighbouring seeds get different kinds."""
    order = random.Random(20_000 + seed // len(kinds)).sample(kinds, len(kinds))
    return order[seed % len(kinds)], random.Random(seed).randrange(layers)


def _hook(model: nn.Module, name: str, function: Callable) -> None:
    """Attach a permanent hook."""
    context = model.hooks({name: function})
    context.__enter__()
    model.__dict__.setdefault("planted_hooks", []).append(context)


def _expert_tensors(mlp: nn.Module, name: str) -> list[torch.Tensor]:
    """Return the tensors of one expert weight whose axis 1 is its rows: the dense one, or blocks and scales."""
    weight = getattr(mlp, name)
    return [weight.blocks, weight.scales] if hasattr(weight, "blocks") else [weight]


def _dense(mlp: nn.Module, name: str, change: Callable) -> None:
    """Replace an expert weight by a changed dense one."""
    weight = getattr(mlp, name)
    dense = weight.unpacked() if hasattr(weight, "unpacked") else weight.data
    delattr(mlp, name)
    setattr(mlp, name, nn.Parameter(change(dense).contiguous(), requires_grad=False))


def _halves(model, layer):
    mlp = model.block[layer].mlp
    for tensor in (*_expert_tensors(mlp, "mlp1_weight"), mlp.mlp1_bias):
        rows = torch.stack(tensor.chunk(2, dim=1), dim=2).flatten(1, 2)  # the pairs that halves would give
        tensor.copy_(rows)


def _rows_of_heads(model, layer, order: Callable, parts: tuple[str, ...]) -> None:
    """Reorder the rows of q, k or v in the fused projection; `order(rows (heads, d, …))` gives the new ones."""
    attn = model.block[layer].attn
    sizes = {"q": attn.h, "k": attn.g, "v": attn.g}
    start = 0
    for part, heads in sizes.items():
        stop = start + heads * attn.d
        for tensor in (attn.qkv.weight, attn.qkv.bias):
            if part in parts:
                tensor[start:stop] = order(tensor[start:stop].unflatten(0, (heads, attn.d)).clone()).flatten(0, 1)
        start = stop


def _interleaved(model, layer):
    def order(rows):
        return torch.cat([rows[:, 0::2], rows[:, 1::2]], dim=1)

    _rows_of_heads(model, layer, order, ("q", "k"))


def _fill(name: str, value: float) -> Callable:
    def change(model, layer):
        model.block[layer].get_parameter(name).fill_(value)

    return change


def _longer_window(model, layer):
    def hook(mask, _name):
        longer = mask.clone()
        longer[..., :-1] |= mask[..., 1:]  # the key before the oldest visible one
        return longer

    _hook(model, f"block.{layer}.attn.mask", hook)


def _scale(point: str, factor: Callable) -> Callable:
    def change(model, layer):
        attn = model.block[layer].attn
        _hook(model, f"block.{layer}.attn.{point}", lambda value, _name: value * factor(attn))

    return change


def _not_renormalised(model, layer):
    seen = {}

    def keep(logits, _name):
        seen["probabilities"] = logits.softmax(dim=-1)

    def shares(weights, _name):
        return seen["probabilities"].topk(weights.shape[-1], dim=-1).values.to(weights.dtype)

    _hook(model, f"block.{layer}.mlp.router_logits", keep)
    _hook(model, f"block.{layer}.mlp.expert_weights", shares)


KINDS = {
    "sinks dropped": Kind(_fill("attn.sinks", NO_SINK), "block.{}.attn.sinks", "The sinks of layer {} are lost: its rows sum to one over the keys. A loader that skips names it does not know does this."),
    "sinks scaled": Kind(_scale("sinks", lambda attn: attn.d**-0.5), "block.{}.attn.sinks", "The sinks of layer {} are divided by the root of head_dim, as only the scores should be."),
    "gate and up as halves": Kind(_halves, "block.{}.mlp.expert_out", "The rows of the first expert matrix of layer {} are read as two halves; gate and up alternate."),
    "down projection transposed": Kind(lambda model, layer: _dense(model.block[layer].mlp, "mlp2_weight", lambda w: w.transpose(1, 2)), "block.{}.mlp.expert_out", "The square second expert matrix of layer {} is used transposed: no shape error occurs.", needs=lambda config: config.hidden_size == config.intermediate_size),
    "nibbles swapped": Kind(lambda model, layer: _dense(model.block[layer].mlp, "mlp1_weight", lambda w: w.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)), "block.{}.mlp.expert_out", "The nibbles of every byte of the first expert matrix of layer {} are exchanged: the same histogram, a wrong product."),
    "key/value heads exchanged": Kind(lambda model, layer: _rows_of_heads(model, layer, lambda rows: rows.flip(0), ("k", "v")), "block.{}.attn.k", "Query heads of layer {} read the wrong key/value heads.", needs=lambda config: config.num_key_value_heads > 1),
    "interleaved rotation": Kind(_interleaved, "block.{}.attn.q", "The queries and keys of layer {} are laid out for the rotation of neighbours (2i, 2i + 1); here entry i turns with entry i + d/2."),
    "norm scale forgotten": Kind(_fill("attn.norm.scale", 1.0), "block.{}.attn.normed", "The norm before attention in layer {} has lost its learned scale."),
    "router bias forgotten": Kind(_fill("mlp.gate.bias", 0.0), "block.{}.mlp.router_logits", "The router of layer {} has lost its bias."),
    "second bias forgotten": Kind(_fill("mlp.mlp2_bias", 0.0), "block.{}.mlp.expert_out", "The experts of layer {} have lost their second bias."),
    "window one too long": Kind(_longer_window, "block.{}.attn.mask", "The window of layer {} holds one key more: the query was counted twice. Nothing differs on texts shorter than the window."),
    "scores unscaled": Kind(_scale("scores", lambda attn: attn.d**0.5), "block.{}.attn.scores", "The scores of layer {} are not divided by the root of head_dim."),
    "concentration forgotten": Kind(_scale("q_rotated", lambda attn: 1 / (0.1 * math.log(32) + 1)), "block.{}.attn.q_rotated", "The queries of layer {} lack the YaRN concentration: q.k is too small, the sink is not."),
    "softmax before top-k": Kind(_not_renormalised, "block.{}.mlp.expert_weights", "The router of layer {} takes its softmax over all experts and does not renormalise: the weights sum to less than one."),
}  # fmt: skip
