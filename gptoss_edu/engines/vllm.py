"""Run vLLM in this process: by token ids, with its own sampling.

This module is untested, since it needs a GPU and the official weights. It follows vLLM's documentation of
`LLM.generate`, `TokensPrompt` and `SamplingParams`. For vLLM as a server see `endpoint.py`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from gptoss_edu.generation import stop_tokens_of

from .needs import Files, need
from .sampler import Abilities, Drawn, Engine


class VllmEngine(Engine):
    """Runs a Hugging Face folder in vLLM, several prompts at once.

    Parameters
    ----------
    model : checkpoint folder in a Hugging Face layout
    temperature, top_p, seed : of vLLM's sampling
    options : for vllm.LLM, such as tensor_parallel_size=2
    """

    name = "vllm"
    abilities = Abilities(
        structured="no: vLLM's grammars would mask harmony's control tokens",
        traces="no: vLLM returns only tokens",
    )

    def __init__(self, model=None, temperature: float = 1.0, top_p: float = 1.0, seed: int = 0, **options):
        self.package = need("vllm", self.name, "pip install vllm (Linux with a GPU)")
        self.files = Files(model, "hf")
        self.encoding, self.max_context = self.files.encoding, self.files.reader.config.max_context
        self.llm = self.package.LLM(model=str(self.files.path), skip_tokenizer_init=True, **options)
        self.temperature, self.top_p, self.seed = temperature, top_p, seed
        self.stops = sorted(stop_tokens_of(self.encoding))

    def draw(self, prompt: list[int], max_new_tokens: int) -> Generator[Drawn]:
        for _, drawn in self.draw_many([prompt], max_new_tokens):
            yield drawn

    def draw_many(self, prompts: Sequence[list[int]], max_new_tokens: int) -> Iterator[tuple[int, Drawn]]:
        sampling = self.package.SamplingParams(
            max_tokens=max_new_tokens, temperature=self.temperature, top_p=self.top_p, seed=self.seed, logprobs=0,
            stop_token_ids=self.stops, detokenize=False,
        )  # fmt: skip
        self.seed += 1
        asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        for number, answer in enumerate(self.llm.generate(asked, sampling, use_tqdm=False)):
            written = answer.outputs[0]
            for token, likely in zip(written.token_ids, written.logprobs, strict=True):
                yield number, Drawn(token, likely[token].logprob)

    def close(self) -> None:
        self.files.close()
