"""Read and write a gpt-oss in GGUF: its configuration, and its tensors under the names of the `original/` layout.

llama.cpp's files store q, k and v separately, gate and up separately, and MXFP4 blocks in ggml's order. Ollama's
conversions of the released files keep qkv and gate_up fused. This module reads both and writes the first kind.

Source: llama.cpp, gguf-py/gguf/constants.py (MODEL_ARCH.GPT_OSS) and src/models/openai-moe.cpp; ollama,
model/models/gptoss/model.go.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gptoss_edu import mxfp4
from gptoss_edu.config import OPTIONAL, ModelConfig
from gptoss_edu.errors import CheckpointError, ConfigError

from .gguf import BF16, F32, MXFP4, GgufFile, GgufTensor, all_parts, dequantise, is_gguf, join_blocks, split_blocks
from .layouts import EXPERTS, check_blocks, original_shapes, qkv_sizes, split_name
from .safetensors import TensorInfo

ARCHITECTURES = ("gpt-oss", "gptoss")  # llama.cpp's name and Ollama's
NAMES = {  # original → llama.cpp's tensors, in the order of their rows; Ollama's name, if different, after the bar
    "embedding.weight": ("token_embd.weight",), "norm.scale": ("output_norm.weight",),
    "unembedding.weight": ("output.weight",), "attn.norm.scale": ("attn_norm.weight",),
    "attn.qkv.weight": ("attn_q.weight", "attn_k.weight", "attn_v.weight"),
    "attn.qkv.bias": ("attn_q.bias", "attn_k.bias", "attn_v.bias"), "attn.sinks": ("attn_sinks.weight",),
    "attn.out.weight": ("attn_output.weight",), "attn.out.bias": ("attn_output.bias",),
    "mlp.norm.scale": ("post_attention_norm.weight",), "mlp.gate.weight": ("ffn_gate_inp.weight",),
    "mlp.gate.bias": ("ffn_gate_inp.bias",), "mlp.mlp1_weight": ("ffn_gate_exps.weight", "ffn_up_exps.weight"),
    "mlp.mlp1_bias": ("ffn_gate_exps.bias", "ffn_up_exps.bias"), "mlp.mlp2_weight": ("ffn_down_exps.weight",),
    "mlp.mlp2_bias": ("ffn_down_exps.bias",),
}  # fmt: skip
OTHER_NAMES = {
    "attn.qkv.weight": "attn_qkv.weight", "attn.qkv.bias": "attn_qkv.bias", "attn.sinks": "attn_sinks",
    "attn.out.weight": "attn_out.weight", "attn.out.bias": "attn_out.bias", "mlp.norm.scale": "ffn_norm.weight",
    "mlp.mlp1_weight": "ffn_gate_up_exps.weight", "mlp.mlp1_bias": "ffn_gate_up_exps.bias",
}  # fmt: skip
KEYS = {  # ours → the key after the architecture, for plain numbers
    "num_hidden_layers": "block_count", "num_experts": "expert_count", "experts_per_token": "expert_used_count",
    "hidden_size": "embedding_length", "intermediate_size": "expert_feed_forward_length",
    "head_dim": "attention.key_length", "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv", "sliding_window": "attention.sliding_window",
    "initial_context_length": "rope.scaling.original_context_length", "rope_theta": "rope.freq_base",
    "rope_scaling_factor": "rope.scaling.factor", "rope_ntk_alpha": "rope.scaling.yarn_beta_slow",
    "rope_ntk_beta": "rope.scaling.yarn_beta_fast", "rms_norm_eps": "attention.layer_norm_rms_epsilon",
}  # fmt: skip
LIMIT = 7.0  # of SwiGLU: llama.cpp and Ollama hard-code this number and have no key for it


def find(path) -> Path | None:
    """Return the GGUF file behind a path: itself, or the only model in a folder without safetensors; else None."""
    path = Path(path)
    if path.is_dir():
        if any(path.glob("[!.]*.safetensors")) or any(path.glob("[!.]*.safetensors.index.json")):
            return None
        files = sorted(file for file in path.glob("[!.]*.gguf") if not file.name.startswith("mmproj"))
        models = {all_parts(file)[0] for file in files}
        if len(models) > 1:
            names = " and ".join(sorted(file.name for file in models)[:2])
            raise CheckpointError(f"{path}: holds {len(models)} GGUF models ({names}); name one of the files.")
        return next(iter(models), None)
    return path if is_gguf(path) else None


# -------------------------------------------------------------------------------------------------------------- config


def read_config(metadata: dict, vocab_size: int, path: Path) -> ModelConfig:
    """Read the configuration from a file's metadata.

    Errors: `ConfigError` if a key is missing or means something that no gpt-oss does.
    """
    arch = metadata["general.architecture"]
    values = {name: _number(metadata.get(f"{arch}.{key}")) for name, key in KEYS.items()}
    values["vocab_size"] = vocab_size
    if values["intermediate_size"] is None:
        values["intermediate_size"] = _number(metadata.get(f"{arch}.feed_forward_length"))
    if values["head_dim"] is None and values["hidden_size"] and values["num_attention_heads"]:
        values["head_dim"] = values["hidden_size"] // values["num_attention_heads"]
    context, factor = metadata.get(f"{arch}.context_length"), values["rope_scaling_factor"]
    if not values["initial_context_length"] and context and factor:
        values["initial_context_length"] = round(context / factor)
    kind = metadata.get(f"{arch}.rope.scaling.type", "yarn")
    if kind != "yarn":
        raise ConfigError(f"{path}: {arch}.rope.scaling.type: expected 'yarn', found {kind!r}.")
    given = {name: value for name, value in values.items() if value is not None}
    missing = [name for name in KEYS if name not in given and name not in OPTIONAL]
    if missing:
        raise ConfigError(f"{path}: missing key {arch}.{KEYS[missing[0]]}; convert the model again with llama.cpp.")
    try:
        return ModelConfig.from_dict(given)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _number(value):
    """Return a float32 as its shortest decimal (1e-05, not 9.99999974e-06); equal numbers of all layers as one."""
    if isinstance(value, list):
        value = value[0] if value and all(each == value[0] for each in value) else None
    return float(str(np.float32(value))) if isinstance(value, float) else value


def config_metadata(config: ModelConfig) -> dict:
    """Return the keys that llama.cpp reads.

    Errors: `ConfigError` for a SwiGLU limit that GGUF cannot express.
    """
    if config.swiglu_limit != LIMIT:
        raise ConfigError(
            f"config: swiglu_limit is {config.swiglu_limit:g}; GGUF has no key for it; its programs assume {LIMIT:g}. "
            "Keep this model in another layout."
        )
    values = {f"gpt-oss.{key}": getattr(config, name) for name, key in KEYS.items()}
    return {
        "general.architecture": "gpt-oss", "general.type": "model", "general.quantization_version": 2, **values,
        "gpt-oss.vocab_size": config.vocab_size, "gpt-oss.context_length": config.max_context,
        "gpt-oss.feed_forward_length": config.intermediate_size, "gpt-oss.attention.value_length": config.head_dim,
        "gpt-oss.rope.dimension_count": config.head_dim, "gpt-oss.rope.scaling.type": "yarn",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- reading


class GgufShards:
    """The tensors of a GGUF model under the names of the `original/` layout, with the interface of
    `safetensors.Shards`.

    packed : all experts are in MXFP4, named `.blocks` and `.scales`; otherwise they are single dense tensors, which
    `dense` yields one expert at a time.
    """

    def __init__(self, path: Path):
        self.folder = path  # the name in messages
        self.parts = [GgufFile(part) for part in all_parts(path)]
        self.metadata = self.parts[0].metadata
        arch = self.metadata.get("general.architecture")
        if arch not in ARCHITECTURES:
            raise CheckpointError(f"{path}: expected a gpt-oss in GGUF, found the architecture {arch!r}; take another.")
        self.files = [part.path for part in self.parts]
        self.stored = {name: (part, tensor) for part in self.parts for name, tensor in part.tensors.items()}
        if "token_embd.weight" not in self.stored:
            raise CheckpointError(f"{path}: missing tensor token_embd.weight; fetch the file again.")
        vocab_size = self.stored["token_embd.weight"][1].shape[0]
        self.config = read_config(self.metadata, vocab_size, path)
        self.sources = self._sources()
        experts = [t for n, names in self.sources.items() if split_name(n)[1] in EXPERTS for t in names]
        self.packed = all(self.stored[name][1].type_name == "MXFP4" for name in experts)
        self.infos = dict(self._infos())

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for _, tensor in self.stored.values())

    @property
    def type_names(self) -> list[str]:
        """The types in use, the one with most bytes first."""
        sizes: dict[str, int] = {}
        for _, tensor in self.stored.values():
            sizes[tensor.type_name] = sizes.get(tensor.type_name, 0) + tensor.nbytes
        return sorted(sizes, key=sizes.__getitem__, reverse=True)

    def _sources(self) -> dict[str, tuple[str, ...]]:
        """Find the stored parts of each original tensor; refuse missing or extra ones, and shapes that do not fit."""
        sources, used = {}, set()
        for name, shape in original_shapes(self.config).items():
            prefix, rest = split_name(name)
            prefix = prefix.replace("block.", "blk.")
            names = tuple(prefix + part for part in NAMES[rest])
            if names[0] not in self.stored and rest in OTHER_NAMES:
                names = (prefix + OTHER_NAMES[rest],) if prefix + OTHER_NAMES[rest] in self.stored else names
            for part, expected in zip(names, _part_shapes(self.config, rest, shape, len(names)), strict=True):
                if part not in self.stored:
                    raise CheckpointError(f"{self.folder}: missing tensor {part}; fetch the file again.")
                found = self.stored[part][1].shape
                if found != expected:
                    raise CheckpointError(
                        f"{self.folder}: misshapen tensor {part}: expected {list(expected)} by the metadata, "
                        f"found {list(found)}."
                    )
            sources[name] = names
            used.update(names)
        if extra := sorted(set(self.stored) - used):
            raise CheckpointError(
                f"{self.folder}: unexpected tensor {extra[0]}{f' (and {len(extra) - 1} more)' if extra[1:] else ''}; "
                "a gpt-oss does not have it, and leaving it out would compute something else."
            )
        return sources

    def _infos(self) -> Iterator[tuple[str, TensorInfo]]:
        for name, names in self.sources.items():
            stored = [self.stored[part][1] for part in names]
            size, shape = sum(tensor.nbytes for tensor in stored), original_shapes(self.config)[name]
            file, kind = stored[0].file, stored[0].type_name
            if split_name(name)[1] in EXPERTS and self.packed:
                groups = (*shape[:-1], shape[-1] // mxfp4.BLOCK)
                yield name + ".blocks", TensorInfo(file, "U8", (*groups, mxfp4.BLOCK // 2), size * 16 // 17, -1)
                yield name + ".scales", TensorInfo(file, "U8", groups, size // 17, -1)
            else:
                yield name, TensorInfo(file, kind, shape, size, -1)

    def __contains__(self, name: str) -> bool:
        return name in self.infos

    def __getitem__(self, name: str) -> Tensor:
        stem, _, part = name.rpartition(".")
        if part in ("blocks", "scales"):
            return self.packed_pair(stem)[part == "scales"]
        if split_name(name)[1] in EXPERTS:
            return torch.stack(list(self.dense(name, torch.float32)))
        parts = [self._numbers(source) for source in self.sources[name]]
        return _interleaved(parts) if name.endswith("mlp1_bias") else torch.cat(parts)

    def _numbers(self, name: str) -> Tensor:
        part, tensor = self.stored[name]
        return dequantise(part.raw(name), tensor, tensor.shape)

    def packed_pair(self, name: str, device=None) -> tuple[Tensor, Tensor]:
        """Return blocks and scales of all experts, byte for byte as in the `original/` layout.

        device : where the stored bytes are put in that order; a GPU is many times faster at it
        """
        pairs = []
        for source in self.sources[name]:
            part, tensor = self.stored[source]
            e, rows, columns = tensor.shape
            raw = part.raw(source).view(e, rows, columns // mxfp4.BLOCK, 17).to(device)
            pairs.append(split_blocks(raw, tensor.type))
        blocks, scales = (_interleaved(list(halves)) for halves in zip(*pairs, strict=True))
        return blocks, scales

    def dense(self, name: str, dtype: torch.dtype) -> Iterator[Tensor]:
        """Yield (rows, columns) of one expert after another."""
        sources = [self.stored[source] for source in self.sources[name]]
        for e in range(self.config.num_experts):
            yield _interleaved([_one_expert(part, tensor, e) for part, tensor in sources], axis=0).to(dtype)


def _part_shapes(config: ModelConfig, rest: str, shape: tuple[int, ...], parts: int) -> list[tuple[int, ...]]:
    """Return the stored shapes of an original tensor that is split into `parts`."""
    if parts == 1:
        return [shape]
    if rest.startswith("attn.qkv"):
        return [(rows, *shape[1:]) for rows in qkv_sizes(config).values()]
    e, rows, *columns = shape
    return [(e, rows // 2, *columns)] * 2


def _one_expert(part: GgufFile, tensor: GgufTensor, e: int) -> Tensor:
    return dequantise(part.raw(tensor.name).view(tensor.shape[0], -1)[e], tensor, tensor.shape[1:])


def _interleaved(parts: list[Tensor], axis: int = 1) -> Tensor:
    """Interleave gate and up to rows g0, u0, g1, u1 and so on; a single part stays as it is."""
    return parts[0] if len(parts) == 1 else torch.stack(parts, axis + 1).flatten(axis, axis + 1)


# ------------------------------------------------------------------------------------------------------------- writing


def gguf_entries(
    config: ModelConfig, plain: Callable, packed: Callable | None, dense: Callable, rows: Callable | None = None,
    dtype: int = BF16,
):  # fmt: skip
    """Yield name, type, shape and a producer of the data of every tensor, as `gguf.write_gguf` takes them.

    plain, packed, dense, rows : as in `layouts.layout_chunks`; packed None: the experts are written in `dtype` too
    dtype : BF16, or F32; vectors, biases and the router are always F32, as llama.cpp needs them

    Nothing is lost where the numbers were bfloat16: float32 holds each of them.
    """
    if packed is not None:
        check_blocks(config, "gguf")
    pieces = rows or (lambda name: iter((plain(name),)))
    sizes = list(qkv_sizes(config).values())
    for name, shape in original_shapes(config).items():
        prefix, rest = split_name(name)
        names = [prefix.replace("block.", "blk.") + part for part in NAMES[rest]]
        for i, (part, stored) in enumerate(zip(names, _part_shapes(config, rest, shape, len(names)), strict=True)):
            if rest in EXPERTS:
                step = slice(i, None, len(names))  # gate has the even rows, up the odd ones
                kind = dtype if packed is None else MXFP4
                produce = _dense_rows(dense, name, step, dtype) if packed is None else _mxfp4_rows(packed, name, step)
            else:
                kind = (
                    F32 if len(shape) == 1 or rest in ("mlp.gate.weight", "mlp.mlp1_bias", "mlp.mlp2_bias") else dtype
                )
                produce = _plain_rows(pieces if len(names) == 1 else plain, name, rest, i, len(names), sizes, kind)
            yield part, kind, stored, produce


def _mxfp4_rows(packed: Callable, name: str, step: slice) -> Callable[[], Iterator[Tensor]]:
    def produce() -> Iterator[Tensor]:
        for blocks, scales in zip(*packed(name), strict=True):
            yield join_blocks(blocks[step], scales[step])  # (rows, G, 17)

    return produce


def _dense_rows(dense: Callable, name: str, step: slice, kind: int) -> Callable[[], Iterator[Tensor]]:
    return lambda: (weight[step].to(_torch(kind)) for weight in dense(name, torch.float32))


def _plain_rows(source: Callable, name: str, rest: str, i: int, parts: int, sizes: list[int], kind: int):
    """Return what produces one tensor; source(name) yields pieces if parts is 1, else returns the tensor to split."""

    def produce() -> Iterator[Tensor]:
        if parts == 1:
            yield from (piece.to(torch.bfloat16).to(_torch(kind)) for piece in source(name))
            return
        whole = source(name).to(torch.bfloat16)
        part = whole.split(sizes)[i] if rest.startswith("attn.qkv") else whole[:, i::parts]  # (e, f): gate's, or up's
        yield part.to(_torch(kind))

    return produce


def _torch(kind: int) -> torch.dtype:
    return torch.float32 if kind == F32 else torch.bfloat16
