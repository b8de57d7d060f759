"""Read bfloat16 checkpoints with one tensor per expert, or with separate gate and up, as the hf-bf16 layout.

Besides transformers' own way, training programs write the experts of gpt-oss in four ways. All four hold a weight as
torch.nn.Linear does, (rows, columns); the hf-bf16 layout holds it transposed and gate and up interleaved:

    experts.gate_up_projs.3.weight     one tensor per expert, in a list of linear layers
    experts.3.gate_up_proj.weight      one tensor per expert, in a list of experts
    experts.3.gate_proj.weight         also gate and up separate
    experts.gate_proj.weight           all experts in one tensor, gate and up separate
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor

from gptoss_edu.errors import CheckpointError

from .safetensors import DTYPES, Shards, TensorInfo

PART = re.compile(
    r"(?P<prefix>model\.layers\.\d+\.mlp\.experts\.)"
    r"(?:(?P<a>gate_up|gate|up|down)_projs?\.(?P<i>\d+)"
    r"|(?P<j>\d+)\.(?P<b>gate_up|gate|up|down)_proj|(?P<c>gate_up|gate|up|down)_proj)"
    r"\.(?P<kind>weight|bias)"
)
ROUTER = ".mlp.router.linear."


def is_split(infos: dict[str, TensorInfo]) -> bool:
    return any(PART.fullmatch(name) for name in infos)


class SplitExperts:
    """`Shards` under the names of the hf-bf16 layout; each expert tensor is assembled when it is requested."""

    def __init__(self, shards: Shards):
        self.shards, self.folder, self.files = shards, shards.folder, shards.files
        self.infos: dict[str, TensorInfo] = {}
        self.parts: dict[str, dict[tuple[str, int | None], str]] = {}  # hf-bf16 name → (part, expert) → name
        self.names: dict[str, str] = {}
        for name, info in shards.infos.items():
            if match := PART.fullmatch(name):
                what = match["a"] or match["b"] or match["c"]
                expert = match["i"] or match["j"]
                whole = "down_proj" if what == "down" else "gate_up_proj"
                target = match["prefix"] + whole + ("_bias" if match["kind"] == "bias" else "")
                key = (what, None if expert is None else int(expert))
                self.parts.setdefault(target, {})[key] = name
            else:
                plain = name.replace(ROUTER, ".mlp.router.")
                self.infos[plain], self.names[plain] = info, name
        for target, parts in self.parts.items():
            self.infos[target] = self._info(target, parts)

    @property
    def nbytes(self) -> int:
        return self.shards.nbytes

    def _info(self, target: str, parts: dict) -> TensorInfo:
        kinds = {what for what, _ in parts}
        experts = sorted({expert for _, expert in parts if expert is not None})
        wanted = {"gate_up"} if "gate_up" in kinds else {"gate", "up"} if "down" not in kinds else {"down"}
        missing = [(what, e) for what in sorted(wanted) for e in (experts or [None]) if (what, e) not in parts]
        if missing or (experts and experts != list(range(len(experts)))) or kinds != wanted:
            hole = next((e for e in range(len(experts)) if e not in experts), missing[0][1] if missing else experts[:1])
            raise CheckpointError(
                f"{self.folder}: {target} is split into {len(parts)} tensors that are not complete: expert {hole} is "
                "incomplete or has two names; save the model again in one way."
            )
        one = self.shards.infos[next(iter(parts.values()))]
        shape = one.shape if experts else one.shape[1:]
        count = len(experts) or one.shape[0]
        if any(self.shards.infos[name].shape != one.shape for name in parts.values()):
            raise CheckpointError(f"{self.folder}: the tensors of {target} differ in shape; save the model again.")
        rows = shape[0] * len(wanted) if shape else 0
        whole = (count, rows) if target.endswith("_bias") else (count, *shape[1:], rows)
        size = DTYPES[one.dtype].itemsize if one.dtype in DTYPES else 1
        return TensorInfo(one.file, one.dtype, whole, math.prod(whole) * size, one.begin)

    def __contains__(self, name: str) -> bool:
        return name in self.infos

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.parts:
            return self.shards[self.names[name]]
        parts = self.parts[name]
        experts = sorted({expert for _, expert in parts if expert is not None}) or [None]
        weights = []
        for expert in experts:
            halves = [
                self.shards[parts[what, expert]]
                for what in ("gate_up", "gate", "up", "down")
                if (what, expert) in parts
            ]
            axis = 0 if expert is not None else 1  # of the rows: (rows, columns), or (e, rows, columns)
            weights.append(halves[0] if len(halves) == 1 else torch.stack(halves, axis + 1).flatten(axis, axis + 1))
        whole = weights[0] if experts == [None] else torch.stack(weights)  # (e, rows, columns), or (e, rows)
        return whole if name.endswith("_bias") else whole.mT
