"""Hugging Face transformers as an engine: `GptOssForCausalLM`, an independent implementation."""

from __future__ import annotations

import torch
from torch import Tensor

from .needs import Files, need
from .sampler import Abilities
from .stepwise import StepwiseEngine


class TransformersEngine(StepwiseEngine):
    """Runs a checkpoint in transformers; layouts other than Hugging Face's are converted into a temporary folder.

    Parameters
    ----------
    model : checkpoint folder, GGUF file, or "ollama:NAME"; None for the bundled gpt-oss-tiny
    dtype : default float32 on a CPU, bfloat16 on a GPU
    device : "cpu" or "cuda"
    temperature, top_p, seed : as in `gptoss_edu.generate`
    """

    name = "transformers"
    abilities = Abilities(
        structured="yes, through harmony.constrain",
        many="yes, one after another",
        traces="no: transformers' attention has no place for this package's hooks",
    )

    def __init__(self, model=None, dtype: torch.dtype | None = None, device: str = "cpu", **sampling):
        package = need("transformers", self.name, "pip install 'transformers>=5.19'")
        self.files = Files(model, "hf-bf16")
        dtype = dtype or (torch.float32 if device == "cpu" else torch.bfloat16)
        self.model = package.AutoModelForCausalLM.from_pretrained(str(self.files.path), dtype=dtype).to(device).eval()
        self.cache = None
        super().__init__(self.files.encoding, self.files.reader.config.max_context, **sampling)

    @torch.inference_mode()
    def feed(self, tokens: list[int], fresh: bool) -> Tensor:
        self.cache = None if fresh else self.cache
        ids = torch.tensor([tokens], device=self.model.device)
        out = self.model(ids, past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits[0].float().cpu()

    def close(self) -> None:
        self.files.close()
