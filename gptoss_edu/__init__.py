"""Understand OpenAI's gpt-oss by building it: the finished implementations that the notebooks build and import."""

from . import mxfp4
from .cache import KVCache
from .config import ModelConfig
from .errors import CheckpointError, ConfigError, GptOssError, HarmonyError, TokenizerError, TraceError
from .transformer import Transformer, random_model

__version__ = "0.1.0"
__all__ = [
    "CheckpointError", "ConfigError", "GptOssError", "HarmonyError", "KVCache", "ModelConfig", "TokenizerError",
    "TraceError", "Transformer", "mxfp4", "random_model",
]  # fmt: skip
