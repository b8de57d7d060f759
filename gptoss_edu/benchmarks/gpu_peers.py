"""More measurements of `bench gpu`.

Load a whole checkpoint from the page cache, and run other implementations for comparison.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import torch

from gptoss_edu.checkpoint.layouts import CheckpointReader
from gptoss_edu.checkpoint.safetensors import write_file
from gptoss_edu.checkpoint.to_card import load
from gptoss_edu.config import ModelConfig
from gptoss_edu.options import write_text

from .gpu_parts import record, save, timed

GIB = 2**30


def loading(out: dict, config: ModelConfig, weights: dict[str, torch.Tensor], name: str) -> None:
    """Write the weights once, then time loading them to the card from the page cache."""
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


@torch.inference_mode()
def transformers_peer(out: dict, config: ModelConfig, keep: Callable[[], None], context: int = 1024) -> None:
    """Measure GptOssForCausalLM with bfloat16 experts and a static cache: prompt and one token, eager and compiled.

    keep : saves the results so far; called before parts that may take minutes
    """
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

    sliding = [layer for layer in cache.layers if hasattr(layer, "cumulative_length_int")]

    def again(function):
        """Run the step at this context once more.

        Sliding layers count in Python, and a new count would be recompiled.
        """
        for layer in sliding:
            layer.cumulative_length_int = context
        return function()

    seconds = timed(lambda: again(step), 10, 3)
    record(
        out, f"transformers decode, eager, context {context:,}", milliseconds=seconds * 1e3, tokens_per_s=1 / seconds,
        allocated_gib=torch.cuda.memory_allocated() / GIB,
    )  # fmt: skip
    keep()
    compiled = torch.compile(step, mode="reduce-overhead", dynamic=False)  # torch records and replays the graphs itself
    seconds = timed(lambda: again(compiled), 20, 5)
    record(
        out, f"transformers decode, compiled, in a graph, context {context:,}",
        milliseconds=seconds * 1e3, tokens_per_s=1 / seconds,
    )  # fmt: skip


@torch.inference_mode()
def gpt_oss_triton_peer(out: dict, config: ModelConfig, keep: Callable[[], None], context: int = 1024) -> None:
    """Measure OpenAI's gpt_oss.triton with MXFP4 experts.

    A prompt, and one token in a CUDA graph, as in its TokenGenerator.
    """
    from gpt_oss.torch.model import ModelConfig as TheirConfig
    from gpt_oss.triton.model import Cache, Transformer

    device = torch.device("cuda")
    known = {field.name for field in fields(TheirConfig)}
    theirs = TheirConfig(**{key: value for key, value in vars(config).items() if key in known})
    model = Transformer(theirs, device).eval()
    torch.cuda.empty_cache()
    for name, parameter in model.named_parameters():
        if parameter.dtype == torch.uint8:
            parameter.data.random_(0, 256)
        elif not name.endswith("scale"):
            parameter.data.normal_(0, 0.02)
    for block in model.block:
        for scales in (block.mlp.mlp1_weight_mx, block.mlp.mlp2_weight_mx):
            scales.storage.data.random_(117, 121)
    tokens = torch.randint(0, config.vocab_size, (1, 4096), dtype=torch.int32, device=device)

    def caches(room: int) -> list:
        return [Cache(1, room, config.num_key_value_heads, device=device) for _ in range(config.num_hidden_layers)]

    def prompt(held: list) -> None:
        for cache in held:
            cache.reset()
        model(tokens, held)

    held = caches(4096)
    seconds = timed(lambda: prompt(held), 3, 2)
    record(out, "gpt_oss.triton prefill, 4,096 tokens", milliseconds=seconds * 1e3, tokens_per_s=4096 / seconds)
    held = caches(context + 128)
    model(tokens[:, :context], held)
    token = tokens[:, :1].clone()
    model(token, held)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model(token, held)
    seconds = timed(graph.replay, 40)
    record(
        out,
        f"gpt_oss.triton decode, in a graph, context {context:,}",
        milliseconds=seconds * 1e3,
        tokens_per_s=1 / seconds,
        allocated_gib=torch.cuda.memory_allocated() / GIB,
    )


def llama_bench_peer(gguf: Path, out: dict, context: int = 1024) -> None:
    """Run llama.cpp's own benchmark on a file of this shape.

    A prompt of 4,096 tokens, and decoding behind `context` tokens.
    """
    for what, arguments in (("prefill, 4,096 tokens", ["-p", "4096", "-n", "0"]),
                            (f"decode, context {context:,}", ["-p", "0", "-n", "64", "-d", str(context)])):  # fmt: skip
        command = ["llama-bench", "-m", str(gguf), "-fa", "1", "-o", "json", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"llama-bench ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        row = json.loads(done.stdout)[0]
        record(
            out, f"llama.cpp {what}", tokens_per_s=row["avg_ts"], model=row["model_type"], build=row["build_commit"],
        )  # fmt: skip


PEERS = {  # name: required modules, measuring function
    "transformers": (("transformers",), transformers_peer),
    "gpt_oss.triton": (("gpt_oss.triton", "triton_kernels.matmul_ogs"), gpt_oss_triton_peer),
}


def peers(layers: int | None, gguf: Path | None) -> dict[str, tuple[Callable[[dict], None] | None, str]]:
    """Return each peer's name with its measuring function, or None and what is missing."""
    found = {}
    for name, (modules, _) in PEERS.items():
        missing = [module for module in modules if not installed(module)]
        if missing:
            found[name] = (None, "not installed: " + ", ".join(missing))
        else:
            found[name] = (partial(in_own_process, name, layers), "")
    if shutil.which("llama-bench") is None:
        found["llama.cpp"] = (None, "llama-bench is not on the PATH")
    elif gguf is None:
        found["llama.cpp"] = (None, "no --gguf file for llama-bench")
    else:
        found["llama.cpp"] = (partial(llama_bench_peer, gguf), "")
    return found


def installed(module: str) -> bool:
    """Return whether `module` can be found; this imports its parent packages."""
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def in_own_process(name: str, layers: int | None, out: dict) -> None:
    """Measure a peer in its own process, away from other compilers, memory pools and kernels; its rows join `out`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        command = [sys.executable, "-m", __name__, name, str(path), *([str(layers)] if layers else [])]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if path.exists():
            out.setdefault("results", {}).update(json.loads(path.read_text(encoding="utf-8"))["results"])
    if done.returncode:
        raise RuntimeError(f"{name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")


def main(name: str, path: str, layers: str | None = None) -> None:
    """Run the child's side of `in_own_process`.

    It saves its results before each part that takes minutes.
    """
    config, out = ModelConfig.gpt_oss_20b(), {}
    if layers:
        config = replace(config, num_hidden_layers=int(layers))
    PEERS[name][1](out, config, lambda: save(out, Path(path)))
    save(out, Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
