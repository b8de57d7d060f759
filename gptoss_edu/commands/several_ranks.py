"""The options that spread a model over several ranks, for the commands that answer."""

import argparse

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import number_from, positive


def add_ranks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tensor-parallel",
        type=positive,
        metavar="N",
        help="spread the model over N GPUs (or, with --device cpu, N processes)",
    )
    parser.add_argument(
        "--parallel-mode",
        choices=("tensor", "experts"),
        default="tensor",
        help="split every expert, or give each rank whole ones (tensor)",
    )
    parser.add_argument(
        "--offload",
        type=number_from(0, above=True),
        metavar="GIB",
        help="hold at most so many GiB on the card; experts that do not fit stay in main memory and are copied on use",
    )


def load(args: argparse.Namespace):
    """Load the model chosen by the options, in this process or led by it. Followers never return."""
    from gptoss_edu import load_model
    from gptoss_edu.fast.ranks import launched

    size = args.tensor_parallel or launched()
    if args.offload is not None:
        if size > 1:
            raise GptOssError("--offload: works with one rank only; several ranks hold their own slices.")
        from gptoss_edu.checkpoint.offloaded import load_offloaded

        return load_offloaded(args.model, args.offload, args.device)
    if size == 1:
        return load_model(args.model, device=args.device)
    if args.device not in (None, "cpu", "cuda"):
        raise GptOssError(f"--tensor-parallel {size}: expected --device cpu or cuda, found {args.device}.")
    from gptoss_edu.checkpoint.slices import lead

    return lead(args.model, size, args.parallel_mode, args.device)
