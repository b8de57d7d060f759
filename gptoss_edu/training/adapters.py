"""Put adapters on a model, merge them, write and read them in the format of `peft`.

    add_lora(model, rank=8, alpha=16, patterns=["attention", "experts"])
    save_adapters(model, "my-adapter")              # PeftModel.from_pretrained(hugging_face_model, "my-adapter")
    load_adapters(model, "my-adapter"); merge_lora(model)

`peft` concatenates the experts' matrices: A (e·r, inputs) keeps an expert's r rows together, and B (outputs, r·e) keeps
the experts' columns of one rank together. If both matrices of a layer's experts have adapters, one wrapper is inside
the other, and the shapes tell which is which.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gptoss_edu import mxfp4
from gptoss_edu.checkpoint.layouts import EXPERTS
from gptoss_edu.checkpoint.safetensors import new_folder
from gptoss_edu.errors import CheckpointError, GptOssError
from gptoss_edu.options import write_text
from gptoss_edu.transformer import Transformer

from .lora import LoraExperts, Pair, adapters, attach, replace
from .selection import selected

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
LINEAR = {  # our name, by piece → Hugging Face's module
    ("attn.qkv", "q"): "self_attn.q_proj",
    ("attn.qkv", "k"): "self_attn.k_proj",
    ("attn.qkv", "v"): "self_attn.v_proj",
    ("attn.out", "all"): "self_attn.o_proj",
    ("mlp.gate", "all"): "mlp.router",
}
OURS = {theirs: ours for ours, theirs in LINEAR.items()}
PARAMETERS = {
    "mlp.gate": "mlp.router.weight",
    "mlp.mlp1_weight": "mlp.experts.gate_up_proj",
    "mlp.mlp2_weight": "mlp.experts.down_proj",
}
OTHER_KINDS = (  # keys of the config that change more than W + scale · B A
    "use_dora",
    "fan_in_fan_out",
    "modules_to_save",
    "lora_bias",
    "rank_pattern",
    "alpha_pattern",
    "trainable_token_indices",
)
TENSOR = re.compile(
    r"(?:base_model\.model\.)?model\.layers\.(\d+)\.(self_attn\.[qkvo]_proj|mlp\.router|mlp\.experts)"
    r"(?:\.base_layer)?\.lora_([AB])\.weight"
)


def add_lora(model: Transformer, rank: int, alpha: float, patterns: Iterable[str], seed: int = 0) -> list[str]:
    """Freeze the model and add adapters to the weights that the patterns select (selection.py); return their names.

    Errors: `GptOssError` for a pattern that matches nothing, invalid sizes, or a model that already has adapters.
    """
    there = sum(1 for _ in adapters(model))
    if rank < 1 or not alpha > 0 or there:
        raise GptOssError(
            f"LoRA: expected a rank of at least 1, an alpha above 0 and a model without adapters, found rank {rank}, "
            f"alpha {alpha} and {there} adapters."
        )
    ends = ("attn.qkv", "attn.out", "mlp.gate", *EXPERTS)
    possible = [f"block.{i}.{end}" for i in range(len(model.block)) for end in ends]
    weights = {name if name.endswith(EXPERTS) else f"{name}.weight": name for name in possible}
    names = [weights[name] for name in selected(weights, patterns, "weights that can have an adapter")]
    model.requires_grad_(False)
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(seed)
        for name in names:
            attach(model, name, dict.fromkeys("qkv" if name.endswith("qkv") else ["all"], (rank, alpha / rank)))
    return names


@torch.no_grad()
def merge_lora(model: Transformer, rounding: str | None = None) -> Transformer:
    """Add every adapter to its weight in place, and remove it; return the model.

    Packed experts are unpacked one by one, changed, and packed again with ``rounding``. This can undo an adapter,
    because most of its changes are smaller than half a step of the format (chapter 21).
    """
    found = list(adapters(model))
    packed = [name for name, adapter in found if isinstance(adapter, LoraExperts) and adapter.packed]
    if not found or (packed and rounding not in mxfp4.ROUNDINGS):
        if not found:
            raise GptOssError("merge: expected adapters, found none.")
        raise GptOssError(
            f"merge: expected a rounding for packed experts with adapters, found {rounding!r}; name one of "
            f"{', '.join(mxfp4.ROUNDINGS)} (--store best), or write the layout hf-bf16, which rounds nothing to MXFP4."
        )
    for name, adapter in found:
        replace(model, name, adapter.merged(rounding))
    return model


def save_adapters(model: Transformer, folder, base: str | None = None) -> None:
    """Write the model's adapters as a new folder in peft's format; base : name or path of their checkpoint.

    Errors: `GptOssError` if there are none, or if ranks or scales differ, which one config cannot express.
    """
    found = dict(adapters(model))
    tensors: dict[str, Tensor] = {}
    shapes = {(pair.a.shape[-2], pair.scale) for adapter in found.values() for pair in _pairs(adapter).values()}
    if len(shapes) != 1:
        raise GptOssError(
            f"save_adapters: expected adapters of one rank and one scale, found {len(shapes)} kinds: {sorted(shapes)}."
        )
    ((rank, scale),) = shapes
    for name, adapter in found.items():
        prefix, end = _split(name)
        nested = end == EXPERTS[0] and prefix + EXPERTS[1] in found
        for piece, pair in _pairs(adapter).items():
            module = LINEAR.get((end, piece), "mlp.experts" + ".base_layer" * nested)
            a, b = pair.a.detach().cpu(), pair.b.detach().cpu()
            if a.ndim == 3:  # (e, r, inputs) and (e, outputs, r)
                a, b = a.flatten(0, 1), b.permute(1, 2, 0).flatten(1)  # (e·r, inputs), (outputs, r·e)
            place = f"base_model.model.model.layers.{prefix.split('.')[1]}.{module}"
            tensors |= {f"{place}.lora_A.weight": a.contiguous(), f"{place}.lora_B.weight": b.contiguous()}
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "inference_mode": True,
        "r": rank, "lora_alpha": scale * rank, "lora_dropout": 0.0, "bias": "none", "use_rslora": False,
        "fan_in_fan_out": False, **_targets(found, len(model.block)),
    }  # fmt: skip
    with new_folder(folder) as partial:
        save_file(tensors, partial / WEIGHTS, metadata={"format": "pt"})
        write_text(partial / CONFIG, json.dumps(config, indent=2) + "\n")
        shutil.copymode(partial / CONFIG, partial / WEIGHTS)  # safetensors lets nobody else read it


def _pairs(adapter) -> dict[str, Pair]:
    return {"all": adapter.pair} if isinstance(adapter, LoraExperts) else dict(adapter.pairs.items())


def _split(name: str) -> tuple[str, str]:
    """Split "block.3.mlp.gate" into ("block.3.", "mlp.gate")."""
    _, layer, end = name.split(".", 2)
    return f"block.{layer}.", end


def _targets(found: dict, layers: int) -> dict[str, list[str]]:
    """Return peft's target_modules and target_parameters, with layer numbers if not every layer has the adapter."""
    places: dict[tuple[str, str], list[str]] = {}
    for name, adapter in found.items():
        prefix, end = _split(name)
        for piece in _pairs(adapter):
            what = (
                ("target_parameters", PARAMETERS[end]) if end in PARAMETERS else ("target_modules", LINEAR[end, piece])
            )
            places.setdefault(what, []).append(prefix.replace("block.", "layers."))
    out: dict[str, list[str]] = {"target_modules": [], "target_parameters": []}
    for (kind, theirs), prefixes in places.items():
        short = theirs.removeprefix("self_attn.")
        out[kind] += [short] if len(prefixes) == layers else [prefix + theirs for prefix in prefixes]
    return out


@torch.no_grad()
def load_adapters(model: Transformer, folder) -> list[str]:
    """Load the adapters of a folder in peft's format into a model without any; return the names of their weights.

    Errors: `CheckpointError` for a folder of another kind, for kinds of LoRA that change more than W + scale · B A, and
    for shapes that do not fit this model.
    """
    folder = Path(folder)
    config, tensors = _read(folder)
    if any(True for _ in adapters(model)):
        raise GptOssError(f"{folder}: expected a model without adapters, found some; merge them first.")
    rank = config["r"]
    scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
    found: dict[str, dict[str, dict[str, Tensor]]] = {}
    for name, tensor in tensors.items():
        ours, piece, letter = _ours(name, tensor, tensors, model, folder)
        found.setdefault(ours, {}).setdefault(piece, {})[letter] = tensor
    model.requires_grad_(False)
    for name, pieces in found.items():
        attach(model, name, {piece: (rank, scale) for piece in pieces})
    for name, adapter in adapters(model):
        for piece, pair in _pairs(adapter).items():
            e = pair.a.shape[:-2]
            a, b = found[name][piece]["A"], found[name][piece]["B"]
            expected = (e.numel() * rank, pair.a.shape[-1]), (pair.b.shape[-2], rank * e.numel())
            if (tuple(a.shape), tuple(b.shape)) != expected:
                raise CheckpointError(
                    f"{folder}: adapter of {name} ({piece}): expected A and B of {expected}, found "
                    f"{tuple(a.shape)} and {tuple(b.shape)}; does it belong to this model?"
                )
            pair.a.copy_(a.view(pair.a.shape))
            pair.b.copy_(b.unflatten(1, (rank, -1)).permute(2, 0, 1) if e else b)
    return list(found)


def _read(folder: Path) -> tuple[dict, dict[str, Tensor]]:
    """Read config and tensors, refusing everything that this module's docstring does not describe."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
        rank, alpha, kind = int(config["r"]), float(config["lora_alpha"]), config["peft_type"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{folder}: expected adapters in peft's format ({CONFIG} and {WEIGHTS}), found what cannot be "
            f"read ({error})."
        ) from None
    odd = [f"{key} = {config[key]!r}" for key in OTHER_KINDS if config.get(key)]
    if config.get("bias", "none") != "none":
        odd.append(f"bias = {config['bias']!r}")
    if config.get("init_lora_weights") not in (None, True, False, "gaussian", "orthogonal", "eva"):
        odd.append(f"init_lora_weights = {config['init_lora_weights']!r}")  # this also changes the base weights
    if config.get("peft_version") == "0.19.0" and any(".mlp.experts." in name for name in tensors):
        odd.append("peft_version = '0.19.0'")  # it swapped inputs and outputs, which a square matrix hides
    if kind != "LORA" or rank < 1 or not alpha > 0 or odd or not tensors:
        raise CheckpointError(
            f"{folder}: expected plain LoRA with one rank and one alpha, found {kind}, r = {rank}, "
            f"lora_alpha = {alpha:g}{''.join(', ' + text for text in odd)}, {len(tensors)} tensors; "
            "merge it with `peft` and load the result."
        )
    return config, tensors


def _ours(name: str, tensor: Tensor, tensors: dict, model: Transformer, folder: Path) -> tuple[str, str, str]:
    """Return our weight's name, its piece, and "A" or "B", for one of peft's tensors."""
    match = TENSOR.fullmatch(name)
    if match is None or int(match[1]) >= len(model.block):
        raise CheckpointError(
            f"{folder}: tensor {name}: expected the adapter of an attention projection, a router or experts in layers "
            f"0 to {len(model.block) - 1}, found another; merge it with `peft` and load the result."
        )
    layer, module, letter = match.groups()
    if module in OURS:
        end, piece = OURS[module]
        return f"block.{layer}.{end}", piece, letter
    stem = name.removesuffix(f"{letter}.weight")
    c, f = model.config.hidden_size, model.config.intermediate_size
    try:
        found = tensors[stem + "A.weight"].shape[1], tensors[stem + "B.weight"].shape[0]
        end = {(c, 2 * f): EXPERTS[0], (f, c): EXPERTS[1]}[found]
    except (KeyError, IndexError):
        raise CheckpointError(
            f"{folder}: tensor {name} {tuple(tensor.shape)}: expected A with {c} and B with {2 * f} (gate_up_proj), or "
            f"{f} and {c} (down_proj), found neither; does it belong to this model?"
        ) from None
    return f"block.{layer}.{end}", "all", letter
