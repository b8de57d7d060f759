"""The safetensors layouts of a gpt-oss checkpoint, and how to make each tensor of one from another.

Every conversion goes through the names of the `original/` layout. Experts are byte-identical in "original" and "hf";
"hf-bf16" holds them dequantised and TRANSPOSED. The shapes do not show this (down_proj is square in the released
models), so the name decides.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gptoss_edu import mxfp4
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import CheckpointError, ConfigError
from gptoss_edu.options import LAYOUTS

from . import foreign
from .local_models import local_path
from .safetensors import Shards, TensorInfo
from .split_experts import SplitExperts, is_split

PLAIN = ("BF16", "F16", "F32")  # dtypes accepted for tensors that are not packed

HF_NAMES = {  # original -> Hugging Face, one to one
    "embedding.weight": "model.embed_tokens.weight",
    "norm.scale": "model.norm.weight",
    "unembedding.weight": "lm_head.weight",
    "attn.norm.scale": "input_layernorm.weight",
    "attn.sinks": "self_attn.sinks",
    "attn.out.weight": "self_attn.o_proj.weight",
    "attn.out.bias": "self_attn.o_proj.bias",
    "mlp.norm.scale": "post_attention_layernorm.weight",
    "mlp.gate.weight": "mlp.router.weight",
    "mlp.gate.bias": "mlp.router.bias",
    "mlp.mlp1_weight.blocks": "mlp.experts.gate_up_proj_blocks",
    "mlp.mlp1_weight.scales": "mlp.experts.gate_up_proj_scales",
    "mlp.mlp1_weight": "mlp.experts.gate_up_proj",
    "mlp.mlp1_bias": "mlp.experts.gate_up_proj_bias",
    "mlp.mlp2_weight.blocks": "mlp.experts.down_proj_blocks",
    "mlp.mlp2_weight.scales": "mlp.experts.down_proj_scales",
    "mlp.mlp2_weight": "mlp.experts.down_proj",
    "mlp.mlp2_bias": "mlp.experts.down_proj_bias",
}
EXPERTS = ("mlp.mlp1_weight", "mlp.mlp2_weight")


@dataclass(frozen=True)
class Entry:
    """A tensor as a layout stores it."""

    shape: tuple[int, ...]
    dtypes: tuple[str, ...]


def original_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return every tensor of the model by its original name, experts as dense weights (e, rows, columns)."""
    c, f, e, v = config.hidden_size, config.intermediate_size, config.num_experts, config.vocab_size
    heads = config.num_attention_heads * config.head_dim
    layer = {
        "attn.norm.scale": (c,),
        "attn.qkv.weight": (config.qkv_rows, c),
        "attn.qkv.bias": (config.qkv_rows,),
        "attn.sinks": (config.num_attention_heads,),
        "attn.out.weight": (c, heads),
        "attn.out.bias": (c,),
        "mlp.norm.scale": (c,),
        "mlp.gate.weight": (e, c),
        "mlp.gate.bias": (e,),
        "mlp.mlp1_weight": (e, 2 * f, c),
        "mlp.mlp1_bias": (e, 2 * f),
        "mlp.mlp2_weight": (e, c, f),
        "mlp.mlp2_bias": (e, c),
    }
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (v, c)}
    for i in range(config.num_hidden_layers):
        shapes |= {f"block.{i}.{name}": shape for name, shape in layer.items()}
    return shapes | {"norm.scale": (c,), "unembedding.weight": (v, c)}


def split_name(name: str) -> tuple[str, str]:
    """Split "block.3.attn.out.bias" into ("block.3.", "attn.out.bias")."""
    if not name.startswith("block."):
        return "", name
    _, layer, rest = name.split(".", 2)
    return f"block.{layer}.", rest


def hf_name(name: str) -> str:
    """Return Hugging Face's name of an original tensor (qkv has three: see `layout_entries`)."""
    prefix, rest = split_name(name)
    return prefix.replace("block.", "model.layers.") + HF_NAMES[rest]


def qkv_sizes(config: ModelConfig) -> dict[str, int]:
    """Return the number of rows of q, k and v in the fused projection, in order."""
    d, h, g = config.head_dim, config.num_attention_heads, config.num_key_value_heads
    return {"q": h * d, "k": g * d, "v": g * d}


def check_blocks(config: ModelConfig, layout: str) -> None:
    """Refuse widths that are not a multiple of MXFP4's block of 32, if the experts are packed.

    Bfloat16 has no blocks.
    """
    for name in ("hidden_size", "intermediate_size"):
        if layout != "hf-bf16" and getattr(config, name) % mxfp4.BLOCK:
            raise ConfigError(
                f"config: {name} ({getattr(config, name)}) must be a multiple of {mxfp4.BLOCK}, the MXFP4 block; "
                "the hf-bf16 layout stores any width."
            )


def layout_entries(config: ModelConfig, layout: str) -> dict[str, Entry]:
    """Return every tensor of a layout for this configuration, with shape and accepted dtypes."""
    if layout not in LAYOUTS:
        raise CheckpointError(f"layout: expected one of {', '.join(LAYOUTS)}, found {layout!r}.")
    check_blocks(config, layout)
    entries: dict[str, Entry] = {}
    rename = (lambda name: name) if layout == "original" else hf_name
    for name, shape in original_shapes(config).items():
        prefix, rest = split_name(name)
        if rest in EXPERTS and layout == "hf-bf16":
            e, rows, columns = shape
            entries[rename(name)] = Entry((e, columns, rows), PLAIN)
        elif rest in EXPERTS:
            groups = (*shape[:-1], shape[-1] // mxfp4.BLOCK)
            entries[rename(name + ".blocks")] = Entry((*groups, mxfp4.BLOCK // 2), ("U8",))
            entries[rename(name + ".scales")] = Entry(groups, ("U8",))
        elif rest.startswith("attn.qkv") and layout != "original":
            for letter, rows in qkv_sizes(config).items():
                entries[_hf_qkv(prefix, rest, letter)] = Entry((rows, *shape[1:]), PLAIN)
        else:
            entries[rename(name)] = Entry(shape, PLAIN)
    return entries


def _hf_qkv(prefix: str, rest: str, letter: str) -> str:
    return f"{prefix.replace('block.', 'model.layers.')}self_attn.{letter}_proj.{rest.rpartition('.')[2]}"


def detect_layout(infos: dict[str, TensorInfo], folder) -> str:
    """Detect a folder's layout by its tensors' names."""
    if "embedding.weight" in infos:
        return "original"
    if any(name.endswith("gate_up_proj_blocks") for name in infos):
        return "hf"
    if any(name.endswith("experts.gate_up_proj") for name in infos) or "model.embed_tokens.weight" in infos:
        return "hf-bf16"
    example = next(iter(infos), "nothing")
    raise CheckpointError(
        f"{folder}: not a gpt-oss checkpoint: neither embedding.weight nor model.embed_tokens.weight is there, found"
        f" {example} and {max(len(infos) - 1, 0)} more."
    )


def check_tensors(infos: dict[str, TensorInfo], config: ModelConfig, layout: str, folder) -> None:
    """Refuse missing, unexpected, misshapen and mistyped tensors, each with its own message."""
    try:
        entries = layout_entries(config, layout)
    except ConfigError as error:
        raise ConfigError(f"{folder / 'config.json'}: {error}") from None
    if missing := [name for name in entries if name not in infos]:
        raise CheckpointError(
            f"{folder}: missing tensor {missing[0]}{_more(missing)}; the {layout} layout of this config has"
            f" {len(entries)}, found {len(infos)}. Fetch the weights again."
        )
    if extra := [name for name in infos if name not in entries]:
        raise CheckpointError(
            f"{folder}: unexpected tensor {extra[0]}{_more(extra)}; the {layout} layout of this config does not have"
            " it. Does config.json belong to these files?"
        )
    for name, entry in entries.items():
        found = infos[name]
        if found.shape != entry.shape:
            raise CheckpointError(
                f"{folder}: misshapen tensor {name}: expected {list(entry.shape)} by config.json, found"
                f" {list(found.shape)}. Does config.json belong to these files?"
            )
        if found.dtype not in entry.dtypes:
            raise CheckpointError(
                f"{folder}: mistyped tensor {name}: expected {' or '.join(entry.dtypes)}, found {found.dtype}. Fetch"
                " the weights again."
            )


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


class CheckpointReader:
    """A checkpoint in any layout, read by original names.

    folder : a folder of safetensors, a GGUF file or the folder of one, or "ollama:NAME" or "lmstudio:NAME"

    `reader.plain(name)` returns a tensor that is not an expert weight; `reader.packed(name)` returns the blocks and
    scales of all experts; `reader.dense(name)` yields (rows, columns) of one expert at a time.
    """

    def __init__(self, folder, config: ModelConfig | None = None):
        from . import gguf_model  # imports the names above

        file = gguf_model.find(local_path(folder))
        if file is not None:
            self.shards: Any = gguf_model.GgufShards(file)
            self.layout = "gguf"  # its own constructor compares names and shapes
            self.folder, self.config = file, config or self.shards.config
            return
        self.shards = Shards(local_path(folder))
        self.folder = self.shards.folder
        foreign.refuse_quantised(self.folder, self.shards.infos)
        if is_split(self.shards.infos):
            self.shards = SplitExperts(self.shards)
        self.config = config or ModelConfig.from_json(self.folder)
        self.layout = detect_layout(self.shards.infos, self.folder)
        check_tensors(self.shards.infos, self.config, self.layout, self.folder)

    @property
    def is_packed(self) -> bool:
        return self.shards.packed if self.layout == "gguf" else self.layout != "hf-bf16"

    def plain(self, name: str) -> Tensor:
        prefix, rest = split_name(name)
        if self.layout in ("original", "gguf"):
            return self.shards[name]
        if rest.startswith("attn.qkv"):
            return torch.cat([self.shards[_hf_qkv(prefix, rest, letter)] for letter in "qkv"])
        return self.shards[hf_name(name)]

    def packed(self, name: str) -> tuple[Tensor, Tensor]:
        if self.layout == "gguf":
            return self.shards.packed_pair(name)
        names = (name + ".blocks", name + ".scales")
        blocks, scales = (self.shards[n if self.layout == "original" else hf_name(n)] for n in names)
        return blocks, scales

    def dense(self, name: str, dtype: torch.dtype) -> Iterator[Tensor]:
        if self.is_packed:
            for blocks, scales in zip(*self.packed(name), strict=True):
                yield mxfp4.unpack(blocks, scales, dtype=dtype)
        elif self.layout == "gguf":
            yield from self.shards.dense(name, dtype)
        else:
            for expert in self.shards[hf_name(name)]:
                yield expert.to(dtype).T.contiguous()  # stored (columns, rows)

    def packed_by_expert(self, name: str, rounding: str) -> tuple[Tensor, Tensor]:
        """Return blocks and scales, packing them here if the files hold dense experts."""
        if self.is_packed:
            return self.packed(name)
        pairs = [mxfp4.pack(weight, rounding) for weight in self.dense(name, torch.float32)]
        blocks, scales = (torch.stack(part) for part in zip(*pairs, strict=True))
        return blocks, scales


def layout_chunks(
    config: ModelConfig, layout: str, plain: Callable, packed: Callable, dense: Callable, rows: Callable | None = None
) -> Iterator[tuple[str, torch.dtype, tuple[int, ...], Callable[[], Iterator[Tensor]]]]:
    """Yield name, dtype, shape and a producer of the data of each tensor of a layout, from any source of originals.

    plain(name), packed(name) and dense(name, dtype) are as in `CheckpointReader`; rows(name), if given, yields a plain
    tensor in pieces, for sources that do not hold it whole.
    """
    check_blocks(config, layout)
    pieces = rows or (lambda name: iter((plain(name),)))
    sizes = list(qkv_sizes(config).values())
    bf16 = torch.bfloat16
    rename = (lambda name: name) if layout == "original" else hf_name
    for name, shape in original_shapes(config).items():
        prefix, rest = split_name(name)
        if rest in EXPERTS and layout == "hf-bf16":
            e, height, width = shape
            yield rename(name), bf16, (e, width, height), lambda n=name: (w.T.to(bf16) for w in dense(n, torch.float32))
        elif rest in EXPERTS:
            groups = (*shape[:-1], shape[-1] // mxfp4.BLOCK)
            yield rename(name + ".blocks"), torch.uint8, (*groups, mxfp4.BLOCK // 2), lambda n=name: iter(packed(n)[:1])
            yield rename(name + ".scales"), torch.uint8, groups, lambda n=name: iter(packed(n)[1:])
        elif rest.startswith("attn.qkv") and layout != "original":
            for i, letter in enumerate("qkv"):
                part = lambda n=name, i=i: iter((plain(n).to(bf16).split(sizes)[i],))  # noqa: E731
                yield _hf_qkv(prefix, rest, letter), bf16, (sizes[i], *shape[1:]), part
        else:
            yield rename(name), bf16, shape, lambda n=name: (part.to(bf16) for part in pieces(n))
