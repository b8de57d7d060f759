"""Engines behind one protocol: prompt ids in, token ids out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptoss_edu.errors import GptOssError

if TYPE_CHECKING:
    from .sampler import Engine

NAMES = ("local", "transformers", "llama_cpp", "vllm", "endpoint")


def open_engine(name: str, model=None, url: str | None = None, device: str | None = None, **sampling) -> Engine:
    """Open the engine of that name; close() it when done.

    Parameters
    ----------
    name : one of NAMES
    model : checkpoint folder, GGUF file, or "ollama:NAME"; None for the bundled gpt-oss-tiny. For "endpoint": the
        model's name on the server, or None for its first model
    url : of an endpoint, up to and including "/v1"
    device : "cpu" or "cuda", for local and transformers
    sampling : temperature, top_p, seed

    Raises
    ------
    GptOssError : the name is unknown, a package is missing (the error names the command that installs it), no server
        answers.
    """
    if name not in NAMES:
        raise GptOssError(f"engine {name!r}: expected one of {', '.join(NAMES)}.")
    if (url is None) == (name == "endpoint"):
        raise GptOssError("engine endpoint: name its server with --url http://HOST:PORT/v1."
                          if url is None else f"engine {name}: runs here; leave out --url {url}.")  # fmt: skip
    if name == "endpoint":
        from .endpoint import EndpointEngine

        return EndpointEngine(url, model, **sampling)
    if name == "local":
        from gptoss_edu.checkpoint import load_model

        from .local import LocalEngine

        return LocalEngine(load_model(model, device=device), **sampling)
    if name == "transformers":
        from .transformers import TransformersEngine

        return TransformersEngine(model, device=device or "cpu", **sampling)
    if name == "llama_cpp":
        from .llama_cpp import LlamaCppEngine

        return LlamaCppEngine(model, **sampling)
    from .vllm import VllmEngine

    return VllmEngine(model, **sampling)
