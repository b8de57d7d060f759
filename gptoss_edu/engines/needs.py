"""Optional packages of the engines, and files in the layout that an engine reads."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from types import ModuleType

from gptoss_edu import checkpoint
from gptoss_edu.checkpoint.layouts import CheckpointReader
from gptoss_edu.checkpoint.load import folder_tokenizer
from gptoss_edu.errors import GptOssError
from gptoss_edu.resources import data_path


def need(package: str, engine: str, command: str) -> ModuleType:
    """Import a package, or raise an error with the command that installs it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise GptOssError(f"engine {engine}: {package} cannot be imported ({error}); run {command}.") from None


class Files:
    """A model's files in a layout that another program reads; converted files live in a temporary folder, deleted with
    this.

    reader : of the original files. path : of the files in the wanted layout
    """

    def __init__(self, model, layout: str):
        self.reader = CheckpointReader(data_path("gpt-oss-tiny") if model is None else model)
        self.encoding = folder_tokenizer(self.reader)
        self.made = None
        if self.reader.layout == layout or (layout == "hf-bf16" and self.reader.layout == "hf"):
            self.path = self.reader.folder
            return
        self.made = tempfile.TemporaryDirectory(prefix="gptoss-")
        self.path = Path(self.made.name) / ("model.gguf" if layout == "gguf" else "model")
        checkpoint.convert(self.reader.folder, self.path, layout=layout)

    def close(self) -> None:
        if self.made is not None:
            self.made.cleanup()
