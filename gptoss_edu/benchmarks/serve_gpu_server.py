"""The server that `bench serve --gpu` measures: `gptoss-edu serve` on 20b's exact shape with random weights.

It runs as a process of its own. Commands come on standard input, one JSON object a line, and answers go to standard
output: {"said": [[id, …], …]} measures the replay of the steps in which these rows decoded these tokens.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import sys
import threading

import torch

from gptoss_edu.commands import serve
from gptoss_edu.config import ModelConfig
from gptoss_edu.serve.running import bind, run
from gptoss_edu.tokenizer import load_tokenizer

from .sleeping_card import SleepingModel, step_seconds


def open_thoughts(weights: dict[str, torch.Tensor], encoding) -> None:
    """Let random weights answer in harmony: a prompt's last token is followed by an open thought of ordinary tokens.

    A token whose embedding is far longer than what the layers add decides the next one by itself. The embeddings of
    "assistant", `<|channel|>` and "analysis" thus lead to `<|channel|>`, "analysis" and `<|message|>`. All other
    control tokens have a logit of 0, and are not drawn at a low temperature.
    """
    embedding, unembedding = weights["embedding.weight"], weights["unembedding.weight"]  # (v, c)
    names, c = encoding._special_tokens, embedding.shape[1]
    (assistant,), (analysis,) = encoding.encode("assistant"), encoding.encode("analysis")
    path = [assistant, names["<|channel|>"], analysis, names["<|message|>"]]
    unembedding[[*names.values(), *path]] = 0.0
    unembedding[len(encoding._mergeable_ranks) :] = 0.0
    generator = torch.Generator(embedding.device).manual_seed(1)
    for token, following in itertools.pairwise(path):
        signs = torch.randn(c, generator=generator, device=embedding.device).sign()  # (c,)
        embedding[token] = (1e4 * signs).to(embedding.dtype)
        unembedding[following] = (0.5 * c**-0.5 * signs).to(unembedding.dtype)


def model_of(args: argparse.Namespace):
    """Return the model on the card, or its stand-in."""
    if args.trial:
        return SleepingModel()
    from gptoss_edu.fast.model import FastTransformer

    from .gpu import random_weights

    config, encoding = ModelConfig.gpt_oss_20b(), load_tokenizer()
    weights = random_weights(config)
    open_thoughts(weights, encoding)
    model = FastTransformer(config, weights)
    model.tokenizer = encoding
    return model


def replay(model, said: list[list[int]], room: int) -> float:
    """Return seconds per raw step of these rows; said : (new, b)."""
    if isinstance(model, SleepingModel):
        return step_seconds(len(said[0]))
    from .gpu_end_to_end import PROMPT, replay_time

    cache = model.new_cache(len(said[0]), room)
    for tensor in (*cache.keys, *cache.values):
        tensor.normal_()
    cache.declare([PROMPT] * len(said[0]))
    model(torch.tensor(said[0], device=model.device)[:, None], cache)  # records the graph
    seconds = replay_time(model, cache, said)
    del cache
    torch.cuda.empty_cache()
    return seconds


def listen(server, room: int) -> None:
    """Answer commands until standard input ends, then stop the server."""
    for line in sys.stdin:
        try:
            said = json.loads(line)["said"]
            seconds = server.pool.between(lambda said=said: replay(server.pool.model, said, room)).result()
            print(json.dumps({"seconds": seconds}), flush=True)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"[:500]}), flush=True)
    os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    parser.add_argument("--trial", action="store_true")
    args = parser.parse_args()
    serve.log_to_stderr()
    tools, key = serve.check(args)
    with bind(args.host, args.port) as sock:
        server = serve.server_of(model_of(args), args, tools, key)
        threading.Thread(target=listen, args=(server, server.pool.room), daemon=True).start()
        print(json.dumps({"url": f"http://{args.host}:{sock.getsockname()[1]}"}), flush=True)
        run(server, sock)


if __name__ == "__main__":
    main()
