"""Measure speed on this machine. Timings on shared machines vary, so compare ratios within one run.

gptoss-edu bench cpu        20b's exact shape on the processor, compared with the memory's bandwidth
gptoss-edu bench gpu        20b's and 120b's exact shapes on one GPU, compared with the floor and other engines
gptoss-edu bench finetune   fine-tuning 20b's exact shape on one GPU: memory beside its plan, and time
gptoss-edu bench tiny       the bundled model, plain path and compiled step in turns, one sequence and thirty-two
gptoss-edu bench growth     what a token costs as context, batch, layers and experts grow; waiting requests; traces
gptoss-edu bench serve      the server: several clients against one, over HTTP and in the pool, and a soak test; with
                            --gpu, 1 to 64 clients against a card's own steps
gptoss-edu bench harmony    rendering and parsing, compared with openai-harmony
gptoss-edu bench explorer   the trace explorer in headless Chromium
gptoss-edu bench notebooks  the slowest cells of each notebook, beside a fixed piece of work
gptoss-edu bench page       the model in a page: WebAssembly and plain JavaScript, with and without a trace
"""

import argparse
from importlib import import_module

from gptoss_edu.cli import describe
from gptoss_edu.errors import GptOssError

WHAT = ("cpu", "gpu", "finetune", "tiny", "growth", "serve", "harmony", "explorer", "page", "notebooks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="…", help="`gptoss-edu bench WHAT --help` lists them")


def run(args: argparse.Namespace) -> int | None:
    try:
        module = import_module(f"gptoss_edu.benchmarks.{args.what}")
    except ModuleNotFoundError as error:
        if error.name != "triton":
            raise
        raise GptOssError(
            "gpu: needs an NVIDIA GPU and Triton, found no Triton; run `pip install 'gptoss-edu[gpu]'`."
        ) from None
    parser = argparse.ArgumentParser(prog=f"gptoss-edu bench {args.what}")
    describe(parser, module)
    return module.run(parser.parse_args(args.rest))
