"""The options that choose another engine, for the commands that answer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gptoss_edu.engines import NAMES, open_engine
from gptoss_edu.errors import GptOssError, TokenizerError

if TYPE_CHECKING:
    from gptoss_edu.engines.sampler import Engine


def add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine", choices=NAMES, default="local", help="engine that answers; see `gptoss-edu engines` (local)"
    )
    parser.add_argument("--url", help="of --engine endpoint, up to and including /v1")
    parser.add_argument("--served-model", metavar="NAME", help="the model's name on that server (its first)")


def other_engine(args: argparse.Namespace, **sampling) -> Engine | None:
    """Open the engine chosen by the options; None stands for this package's own model.

    Raises
    ------
    GptOssError : an option does not fit the engine, or the engine is not available.
    """
    if args.engine == "local" and args.url is None:
        return None
    if getattr(args, "tensor_parallel", None):
        raise GptOssError(f"--tensor-parallel: needs this package's own model; leave out --engine {args.engine}.")
    if args.engine == "endpoint":
        if args.model is not None:
            raise GptOssError("--engine endpoint: the server has its model; name it with --served-model, not --model.")
        return open_engine("endpoint", args.served_model, args.url, **sampling)
    engine = open_engine(args.engine, args.model, args.url, args.device, **sampling)
    if engine.encoding is None:
        raise TokenizerError(f"{args.model}: expected a model with a vocabulary, found none; see save_tokenizer.")
    return engine
