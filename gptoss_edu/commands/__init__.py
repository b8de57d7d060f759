"""The commands of `gptoss-edu`, a module each: a docstring that is its help, `add_arguments(parser)` and `run(args)`."""

import argparse
import os

import torch

from ..errors import GptOssError

SMALL = 256 << 20  # bytes of weights: gpt-oss-tiny has 82 MB of them, gpt-oss-20b 14 GB


def one_thread_if_small(model) -> None:
    """Let this process compute with one thread where the model is as small as gpt-oss-tiny, on a processor.

    Its products take microseconds: a second thread gains nothing on an idle machine, and on a busy one every product
    waits for it, which can make decoding ten times slower. Where OMP_NUM_THREADS is set, that decides.
    """
    small = model.device.type == "cpu" and sum(value.nbytes for value in model.state_dict().values()) < SMALL
    if small and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def check_question(text: str, what: str) -> None:
    """Refuse a text of nothing but blanks: every model would answer something to it."""
    if not text.strip():
        raise GptOssError(f"{what}: expected a text, found an empty one; put the question in quotes.")


def positive(text: str) -> int:
    """A whole number above 0, as the type of an option."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {number}")
    return number
