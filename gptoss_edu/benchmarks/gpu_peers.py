"""The rest of `bench gpu`: loading a whole checkpoint from the page cache, and other implementations beside this one."""

import importlib.util
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ..config import ModelConfig
from ..fast import load
from ..files import write_file, write_text
from ..layouts import CheckpointReader
from .gpu_parts import record, timed

GIB = 2**30


def loading(out: dict, config: ModelConfig, weights: dict[str, torch.Tensor], name: str) -> None:
    """Write the weights once, then time the way back to the card; the file is then in the page cache."""
    need = 1.05 * sum(tensor.nbytes for tensor in weights.values())
    places = [place for place in ("/dev/shm", tempfile.gettempdir()) if os.path.isdir(place)]
    place = next((place for place in places if shutil.disk_usage(place).free > need), None)
    if place is None:
        raise OSError(f"loading: needs {need / GIB:.1f} GiB free in one of {', '.join(places)}.")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        write_text(Path(folder) / "config.json", json.dumps(config.to_dict()))
        entries = [(key, tensor.dtype, tuple(tensor.shape)) for key, tensor in weights.items()]
        write_file(Path(folder) / "model.safetensors", entries, weights.values())
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            model = load(CheckpointReader(folder), "cuda", quiet=True)
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
            same = all(torch.equal(model.weights[key], tensor) for key, tensor in weights.items())
            del model
        record(out, f"{name} loading", seconds=min(seconds), first_seconds=seconds[0], place=place, same_bytes=same)


def peers(out: dict, config: ModelConfig, keep: Callable[[], None]) -> None:
    """Other implementations, where they are installed; the rest is named as missing, and nothing is said about it.

    keep : writes down what there is; called before each part that may take minutes
    """
    names = {"transformers": "transformers", "gpt_oss": "gpt_oss.triton", "llama_cpp": "llama.cpp (llama-bench)"}
    missing = [text for name, text in names.items() if importlib.util.find_spec(name) is None]
    if shutil.which("llama-bench") is None and names["llama_cpp"] not in missing:
        missing.append(names["llama_cpp"])
    out["peers missing in this run"] = missing
    print("peers missing in this run: " + (", ".join(missing) or "none"), flush=True)
    if "transformers" not in missing:
        with torch.inference_mode():
            transformers_peer(out, config, keep)


def transformers_peer(out: dict, config: ModelConfig, keep: Callable[[], None], context: int = 1024) -> None:
    """GptOssForCausalLM with bfloat16 experts and a static cache: prompt and one token, plain and compiled in a graph."""
    from transformers import GptOssConfig, GptOssForCausalLM, StaticCache

    theirs = GptOssConfig(**config.to_hf_dict(packed=False))
    with torch.device("meta"):
        model = GptOssForCausalLM._from_config(theirs, dtype=torch.bfloat16).eval()
    model.to_empty(device="cuda")
    for parameter in model.parameters():
        parameter.normal_(0, 0.02)
    model.model.rotary_emb = type(model.model.rotary_emb)(config=theirs).to("cuda")
    tokens = torch.randint(0, config.vocab_size, (1, 4096), device="cuda")
    seconds = timed(lambda: model(tokens, use_cache=False, logits_to_keep=1), 3, 2)
    record(out, "transformers prefill, 4,096 tokens", milliseconds=seconds * 1e3, tokens_per_s=4096 / seconds)
    torch.cuda.empty_cache()
    cache = StaticCache(config=theirs, max_cache_len=context + 128)
    model(tokens[:, :context], past_key_values=cache, use_cache=True, logits_to_keep=1)
    token, at = tokens[:, :1].clone(), torch.tensor([context], device="cuda")

    def step():
        return model(
            token, past_key_values=cache, position_ids=at[None], cache_position=at, use_cache=True, logits_to_keep=1
        ).logits

    seconds = timed(step, 10, 3)
    record(
        out, f"transformers decode, eager, context {context:,}", milliseconds=seconds * 1e3, tokens_per_s=1 / seconds,
        allocated_gib=torch.cuda.memory_allocated() / GIB,
    )  # fmt: skip
    keep()
    compiled = torch.compile(step, mode="reduce-overhead", dynamic=False)  # torch records and replays the graphs itself
    seconds = timed(compiled, 20, 5)
    record(
        out, f"transformers decode, compiled, in a graph, context {context:,}",
        milliseconds=seconds * 1e3, tokens_per_s=1 / seconds,
    )  # fmt: skip
