"""Recognise folders and files that are not gpt-oss checkpoints, and say in one sentence what they are.

People have files of many programs. "Damaged, fetch it again" would get them the same files again, so each refusal says
what the file is and where to get one that this package can read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from gptoss_edu.errors import CheckpointError
from gptoss_edu.options import not_the_file

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
READABLE = (
    "a safetensors folder with MXFP4 experts (as openai/gpt-oss-20b is released) or bfloat16 weights, or a GGUF file"
)
ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "adapters.safetensors")
METHODS = {  # quant_method in config.json → its common name
    "bitsandbytes": "bitsandbytes",
    "bnb": "bitsandbytes",
    "awq": "AWQ",
    "gptq": "GPTQ",
    "fp8": "FP8",
    "fbgemm_fp8": "FP8",
    "modelopt": "NVIDIA ModelOpt (FP8 or NVFP4)",
    "nvfp4": "NVFP4",
    "compressed-tensors": "compressed-tensors",
    "quark": "Quark",
    "hqq": "HQQ",
    "torchao": "torchao",
    "auto-round": "AutoRound",
}
MARKS = {  # in a tensor's name, where the config says nothing
    ".absmax": "bitsandbytes",
    ".quant_state": "bitsandbytes",
    ".quant_map": "bitsandbytes",
    ".qzeros": "AWQ or GPTQ",
    ".qweight": "AWQ or GPTQ",
    "weight_scale_2": "NVFP4",
    "weight_packed": "compressed-tensors",
    "weight_scale": "FP8 or INT8",
    ".SCB": "bitsandbytes",
}
FLOAT8 = ("F8_E4M3", "F8_E5M2")  # not F8_E8M0: that is MXFP4's scales


def not_a_folder(path: Path) -> CheckpointError:
    """Return the error for a path that is not a checkpoint folder."""
    expected = f"{path}: expected a checkpoint folder, found"
    if not path.exists():
        return CheckpointError(f"{expected} nothing; check the path; `gptoss-edu download` fetches official weights.")
    start = b""
    if path.is_file():
        try:
            with path.open("rb") as file:
                start = file.read(64)
        except OSError:
            pass
    if path.suffix == ".gguf" and not not_the_file(start):
        return CheckpointError(f"{expected} a file that does not begin as GGUF does; fetch it again.")
    if path.suffix in PICKLES:
        return CheckpointError(
            f"{expected} a pickle (torch.save), which can run code when it is read; {take_another()}"
        )
    if what := not_the_file(start):
        return CheckpointError(f"{expected} {what}")
    return CheckpointError(f"{expected} a file; name the folder that holds it.")


def take_another() -> str:
    return f"name {READABLE}; `gptoss-edu download` fetches the official ones."


def holds_no_weights(folder: Path) -> CheckpointError:
    """Return the error for a folder without usable safetensors files."""
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if pickles := [name for name in names if Path(name).suffix in PICKLES]:
        return CheckpointError(
            f"{folder}: holds {pickles[0]}, a pickle that can run code when it is read, and no safetensors file; "
            "only safetensors are read."
        )
    inner = [name for name in names if (folder / name).is_dir() and any((folder / name).glob("[!.]*.safetensors"))]
    hint = f"; did you mean {folder / inner[0]}?" if inner else "; expected config.json beside *.safetensors."
    return CheckpointError(f"{folder}: holds no checkpoint{hint}")


def refuse_adapter(folder: Path) -> None:
    """Refuse a LoRA adapter, alone or beside the weights that it changes; raises CheckpointError."""
    found = next((name for name in ADAPTER if (folder / name).is_file()), None)
    if found is None:
        return
    base = ""
    try:
        named = json.loads((folder / ADAPTER[0]).read_text(encoding="utf-8")).get("base_model_name_or_path")
        base = f" of {named}" if isinstance(named, str) else ""
    except (OSError, ValueError, AttributeError, RecursionError):
        pass
    raise CheckpointError(
        f"{folder}: holds {found}, a LoRA adapter: changes to the weights{base}, not a model by themselves; merge them "
        "(`gptoss-edu finetune merge`, or PEFT's merge_and_unload and save_pretrained) and name the new folder."
    )


def refuse_quantised(folder: Path, infos: dict) -> None:
    """Refuse weights quantised by another method than MXFP4, according to config or tensors; raises CheckpointError.

    infos : names → TensorInfo, from the files' headers
    """
    method = _by_config(folder) or _by_tensors(infos) or _by_dtypes(info.dtype for info in infos.values())
    if method is not None:
        raise CheckpointError(
            f"{folder}: these weights are quantised by {method}, which this package does not read; {take_another()}"
        )


def _by_config(folder: Path) -> str | None:
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found = values.get("quantization_config")
        if isinstance(found, dict) and found.get("quant_method", "mxfp4") != "mxfp4":
            algorithm = found.get("quant_algo")
            method = str(found["quant_method"])
            return METHODS.get(method, method) + (f", {algorithm}" if isinstance(algorithm, str) else "")
        if isinstance(values.get("quantization"), dict) and "bits" in values["quantization"]:
            return f"MLX ({values['quantization']['bits']} bits)"
        if (folder / "hf_quant_config.json").is_file():
            return METHODS["modelopt"]
    except (OSError, ValueError, AttributeError, RecursionError):
        pass  # whatever reads the config reports what is wrong with it
    return None


def _by_tensors(infos: Iterable[str]) -> str | None:
    return next((method for mark, method in MARKS.items() for name in infos if mark in name), None)


def _by_dtypes(dtypes: Iterable[str]) -> str | None:
    return "FP8" if any(dtype in FLOAT8 for dtype in dtypes) else None
