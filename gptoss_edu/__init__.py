"""Understand OpenAI's gpt-oss by building it: the finished implementations that the notebooks build and import."""

from . import checkpoint, mxfp4
from .cache import KVCache
from .checkpoint.load import load_model
from .config import ModelConfig
from .errors import CheckpointError, ConfigError, GptOssError, HarmonyError, TokenizerError, TraceError
from .generation import generate, generate_batch
from .tokenizer import load_tokenizer, save_tokenizer
from .transformer import Transformer, random_model

__version__ = "0.1.0"
__all__ = [
    "CheckpointError", "ConfigError", "GptOssError", "HarmonyError", "KVCache", "ModelConfig", "TokenizerError",
    "TraceError", "Transformer", "checkpoint", "generate", "generate_batch", "load_model", "load_tokenizer", "mxfp4",
    "random_model", "save_tokenizer",
]  # fmt: skip
