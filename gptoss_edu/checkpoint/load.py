"""Load a model from any of the three layouts (chapter 10)."""

import sys

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import CheckpointError, TokenizerError
from gptoss_edu.fast import fused_step
from gptoss_edu.moe import PackedWeight
from gptoss_edu.resources import check_bundled, data_path
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.transformer import Transformer, without_numbers

from .gguf_tokenizer import read_tokenizer
from .layouts import EXPERTS, CheckpointReader, original_shapes, split_name
from .sizes import MemoryPlan

QUIET_BELOW = 256 << 20  # bytes: smaller models load without plan or progress bar
DENSE_BELOW = 1 << 30  # bytes: "auto" expands experts up to this size


def load_model(
    path=None, device=None, dtype: torch.dtype | None = None, experts: str = "auto", context: int = 4096
) -> Transformer:
    """Load a model for inference from a folder in any layout, or from a GGUF file.

    Parameters
    ----------
    path : checkpoint folder, GGUF file, or "ollama:NAME"; None for the bundled gpt-oss-tiny
    device : default "cuda" if there is a usable GPU and the model is not tiny, else "cpu"
    dtype : default bfloat16, float32 for small models on a CPU; float16 overflows and is refused
    experts : "packed" keeps them in MXFP4 and unpacks those in use, "dense" expands them, "auto" decides by size. On
        a GPU, packed experts in bfloat16 select the kernels of fast.py (gpt-oss-tiny is expanded unless "packed" is
        given)
    context : number of tokens for which the printed plan counts the cache

    Errors: a `CheckpointError` with the plan if the model cannot fit, or with what is wrong with the files.
    """
    if path is None:
        check_bundled("gpt-oss-tiny")
    reader = CheckpointReader(data_path("gpt-oss-tiny") if path is None else path)
    config = reader.config
    if experts not in ("auto", "packed", "dense"):
        raise CheckpointError(f"experts: expected 'auto', 'packed' or 'dense', found {experts!r}.")
    if experts == "packed" and not reader.is_packed:
        raise CheckpointError(
            f"{reader.folder}: holds dequantised experts; `gptoss-edu convert` packs them with a named rounding."
        )
    small = reader.shards.nbytes < QUIET_BELOW
    device = usable_device(device or ("cuda" if torch.cuda.is_available() and not small else "cpu"))
    if dtype is None:
        dtype = torch.float32 if small and device.type == "cpu" else torch.bfloat16
    if dtype not in (torch.float32, torch.bfloat16, torch.float64):
        raise CheckpointError(
            f"dtype: expected float32 or bfloat16, found {dtype}; float16 overflows on gpt-oss's activations."
        )
    packed = reader.is_packed and (
        experts == "packed" or (experts == "auto" and MemoryPlan.dense_bytes(config, dtype) > DENSE_BELOW)
    )
    tokenizer = folder_tokenizer(reader)
    plan = MemoryPlan.for_model(config, reader.shards.nbytes, dtype, packed, context, device)
    if not small:
        print(plan, file=sys.stderr)
    plan.refuse_if_too_big(reader.folder, reader.is_packed)
    fast = device.type == "cuda" and packed and dtype == torch.bfloat16
    if device.type == "cuda" and not fast:
        print(f"reference path: {why_reference(experts, packed, reader.is_packed, dtype)}", file=sys.stderr)
    model = (fast and _fast_path(reader, device)) or read_reference(reader, packed, dtype, device, quiet=small)
    model.tokenizer = tokenizer
    return model


def why_reference(experts: str, packed: bool, packed_file: bool, dtype: torch.dtype) -> str:
    """Say in one sentence why a model on a GPU does not use the kernels of fast.py, and how to enable them."""
    if not packed_file:
        return (
            "the GPU kernels read packed experts, this folder's are expanded; `gptoss-edu convert` packs them with a"
            " named rounding."
        )
    if not packed:
        why = (
            "experts='dense' was asked for"
            if experts == "dense"
            else "this model is small enough to expand its experts"
        )
        return f"{why}; the GPU kernels read packed ones (experts='packed')."
    return f"the GPU kernels compute in bfloat16, found dtype {str(dtype).removeprefix('torch.')}."


def usable_device(name) -> torch.device:
    """Return the device of that name; `CheckpointError` if torch cannot use it here."""
    try:
        torch.zeros(1, device=name).item()  # "meta" tensors hold no numbers
        return torch.device(name)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        unknown = reason.startswith("Expected one of")  # followed by a list of all device types
        said = "no such device" if unknown else f"torch cannot use it ({reason})"
        raise CheckpointError(f"device {str(name)!r}: {said}; expected 'cpu' or 'cuda'.") from None


def _fast_path(reader: CheckpointReader, device: torch.device):
    """Return the GPU path if it can run, otherwise None, printing why not."""
    try:
        from gptoss_edu import fast

        from . import to_card
    except ImportError as error:
        print(f"reference path: the GPU kernels cannot be imported ({error}).", file=sys.stderr)
        return None
    reason = fast.why_not(reader.config, device)
    if reason:
        print(f"reference path: {reason}", file=sys.stderr)
        return None
    return to_card.load(reader, device)


def read_reference(
    reader: CheckpointReader, packed: bool, dtype: torch.dtype, device: torch.device, quiet: bool
) -> Transformer:
    """Load the reference model, which training needs since kernels have no gradients, from an opened checkpoint."""
    state: dict[str, Tensor] = {}
    names = original_shapes(reader.config)
    for name in tqdm(names, desc="loading", unit="tensor", disable=quiet):
        if split_name(name)[1] not in EXPERTS:
            state[name] = reader.plain(name).to(device=device, dtype=dtype)
        elif packed:
            state[name + ".blocks"], state[name + ".scales"] = (part.to(device) for part in reader.packed(name))
        else:
            dense = torch.empty(names[name], dtype=dtype, device=device)
            for e, weight in enumerate(reader.dense(name, dtype)):
                dense[e] = weight
            state[name] = dense
    model = with_weights(reader.config, state, packed, dtype)
    if quiet and fused_step.suits(model):
        model.quick_step = fused_step.step
    return model


def with_weights(config: ModelConfig, state: dict[str, Tensor], packed: bool, dtype: torch.dtype) -> Transformer:
    """Return a frozen reference model that holds these tensors themselves, not copies.

    state : by name of the module tree; packed experts are NAME.blocks and NAME.scales. dtype : of the rest
    """
    with without_numbers():
        model = Transformer(config, packed=packed)
    model.load_state_dict(state, strict=True, assign=True)
    kernel = cpu_kernel() if packed and model.device.type == "cpu" else None
    for module in model.modules():
        if isinstance(module, PackedWeight):
            module.dtype, module.kernel = dtype, kernel
        elif kernel is not None and dtype == torch.bfloat16 and type(module) is nn.Linear:
            module.__class__ = one_token_linear()
    return model.eval().requires_grad_(False)


def cpu_kernel():
    """Return the Numba kernel for packed experts; None where Numba is not installed (pip install 'gptoss-edu[cpu]')."""
    try:
        from gptoss_edu.fast.processor import mxfp4_linear
    except (ImportError, RuntimeError):  # RuntimeError: Numba has no writable cache folder
        return None
    return mxfp4_linear


def one_token_linear() -> type[nn.Linear]:
    """Return the linear map that reads bfloat16 weights quickly for one token, where `cpu_kernel` has found Numba."""
    from gptoss_edu.fast.processor import OneTokenLinear

    return OneTokenLinear


def folder_tokenizer(reader: CheckpointReader):
    """Return the folder's own tiktoken.Encoding, o200k_harmony by its vocabulary, or None."""
    if reader.layout == "gguf":
        tokenizer = read_tokenizer(reader.shards.metadata, reader.folder)
    else:
        tokenizer = load_tokenizer(reader.folder)
    if tokenizer is not None and tokenizer.n_vocab > reader.config.vocab_size:
        raise TokenizerError(
            f"{reader.folder}: its tokenizer {tokenizer.name!r} has {tokenizer.n_vocab} ids, its model "
            f"{reader.config.vocab_size}: they do not belong together."
        )
    return tokenizer
