"""Understand OpenAI's gpt-oss by building it: the finished implementations that the notebooks build and import."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:  # for editors and type checkers; at run time the names below are resolved on first use
    from . import checkpoint, mxfp4
    from .cache import KVCache
    from .checkpoint import load_model
    from .config import ModelConfig
    from .errors import CheckpointError, ConfigError, GptOssError, HarmonyError, TokenizerError, TraceError
    from .generation import generate, generate_batch
    from .tokenizer import load_tokenizer, save_tokenizer
    from .transformer import Transformer, random_model

_HOME = {
    "KVCache": "cache", "load_model": "checkpoint", "ModelConfig": "config", "CheckpointError": "errors",
    "ConfigError": "errors", "GptOssError": "errors", "HarmonyError": "errors", "TokenizerError": "errors",
    "TraceError": "errors", "generate": "generation", "generate_batch": "generation", "load_tokenizer": "tokenizer",
    "save_tokenizer": "tokenizer", "Transformer": "transformer", "random_model": "transformer",
}  # fmt: skip

__all__ = [
    "CheckpointError", "ConfigError", "GptOssError", "HarmonyError", "KVCache", "ModelConfig", "TokenizerError",
    "TraceError", "Transformer", "checkpoint", "generate", "generate_batch", "load_model", "load_tokenizer", "mxfp4",
    "random_model", "save_tokenizer",
]  # fmt: skip


def __getattr__(name: str):
    """Import a public name on first use: PyTorch takes seconds, which `gptoss-edu --help` does not need."""
    if name in _HOME:
        found = getattr(import_module(f".{_HOME[name]}", __name__), name)
    elif find_spec(f"{__name__}.{name}") is not None:  # a module or a room: gptoss_edu.rope, gptoss_edu.trace
        found = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"gptoss_edu has no {name}; it has {', '.join(__all__)}.")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
