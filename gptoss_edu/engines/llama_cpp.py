"""Run llama.cpp in this process, through its Python package.

llama.cpp computes three things differently. It multiplies a matrix in MXFP4 or Q8_0 with activations rounded to eight
bits, and one in bfloat16 with bfloat16 activations. It keeps keys and values in float16. And it rounds YaRN's bounds to
whole pairs (floor and ceil), which the released configuration forbids (`truncate: false`). `yarn_inv_freq` below has
llama.cpp's frequencies, so that the rest can be compared exactly.

Source: llama.cpp, ggml_rope_yarn_corr_dims in ggml/src/ggml.c.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gptoss_edu.errors import GptOssError
from gptoss_edu.rope import yarn_bound

from .needs import Files, need
from .sampler import Abilities
from .stepwise import StepwiseEngine

CACHES = {"float16": 1, "float32": 0}  # ggml's type numbers


class LlamaCppEngine(StepwiseEngine):
    """Runs a GGUF file in llama.cpp; other layouts are converted into a temporary file.

    Parameters
    ----------
    model : GGUF file, checkpoint folder, or "ollama:NAME"; None for the bundled gpt-oss-tiny
    context : tokens of prompt and answer together; at most the model's context
    cache : "float16", llama.cpp's default, or "float32", for comparisons
    threads : of llama.cpp; None lets it choose
    temperature, top_p, seed : as in `gptoss_edu.generate`
    """

    name = "llama_cpp"
    abilities = Abilities(
        structured="yes, through harmony.constrain",
        many="yes, one after another",
        traces="no: llama.cpp returns only logits",
    )

    def __init__(self, model=None, context: int = 4096, cache: str = "float16", threads: int | None = None, **sampling):
        package = need("llama_cpp", self.name, "pip install llama-cpp-python (it needs cmake and a C++ compiler)")
        self.files = Files(model, "gguf")
        context = min(context, self.files.reader.config.max_context)
        try:
            self.llama = package.Llama(
                str(self.files.path), n_ctx=context, n_batch=512, logits_all=True, verbose=False, n_threads=threads,
                swa_full=True, flash_attn=False, type_k=CACHES[cache], type_v=CACHES[cache],
            )  # fmt: skip
        except (ValueError, RuntimeError) as error:
            raise GptOssError(f"{self.files.path}: llama.cpp cannot load it ({error}); see its version.") from None
        super().__init__(self.files.encoding, context, **sampling)

    def feed(self, tokens: list[int], fresh: bool) -> Tensor:
        if fresh:
            self.llama.reset()
        begin = self.llama.n_tokens
        self.llama.eval(tokens)
        return torch.from_numpy(np.array(self.llama.scores[begin : begin + len(tokens)], dtype=np.float32))

    def tokenise(self, text: str) -> list[int]:
        """Encode a text with llama.cpp's own tokenizer; control tokens in it are read as text."""
        return self.llama.tokenize(text.encode(), add_bos=False, special=False)

    def close(self) -> None:
        self.llama.close()
        self.files.close()


def yarn_inv_freq(
    head_dim: int, theta: float, factor: float, original_context: int, beta_fast: float = 32.0, beta_slow: float = 1.0
) -> tuple[Tensor, float]:
    """Compute `gptoss_edu.rope.yarn_inv_freq` with the bounds rounded as in llama.cpp."""
    pairs = torch.arange(head_dim // 2, dtype=torch.float64)  # (d/2,)
    inv_freq = theta ** (-2 * pairs / head_dim)
    low, high = (yarn_bound(turns, head_dim, theta, original_context) for turns in (beta_fast, beta_slow))
    low, high = max(math.floor(low), 0), min(math.ceil(high), head_dim - 1)
    slowed = ((pairs - low) / max(high - low, 1e-3)).clamp(0, 1)
    return (inv_freq * (1 - slowed) + inv_freq / factor * slowed).float(), 0.1 * math.log(factor) + 1.0
