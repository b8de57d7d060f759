"""Judge a mechanism of gpt-oss that you wrote for another engine (capstone 4).

    gptoss-edu port my_port.py                        every function in it that has an exercise's name
    gptoss-edu port my_port.py --figure ladder.svg    the ladder as a picture

The file defines, for instance, `attention(q, k, v, sinks, window)`, which takes and gives NumPy arrays and may compute
with anything: NumPy, JAX, a C library, another program. `attention_inputs()`, if it is there, gives your own inputs, a
list of tuples of arguments. The command runs the exercise's check, which names known mistakes, says which mistakes your
inputs would find, and compares gpt-oss-tiny with your function in it, layer by layer.
"""

import argparse
import io
from pathlib import Path
from types import ModuleType

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import check_writable, run_file, write_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a Python file with the ported functions")
    parser.add_argument("--figure", type=Path, help="draw the last function's ladder into this file (.svg, .png)")


def run(args: argparse.Namespace) -> int:
    from gptoss_edu.course import ports

    check_writable(args.figure, "--figure")
    if args.figure and args.figure.suffix not in (".svg", ".png"):
        raise GptOssError(f"--figure: expected a file that ends in .svg or .png, found {args.figure.name}.")
    module = run_file(args.file, "ported", "port")
    found = {name: getattr(module, name) for name in ports.PORTABLE if callable(getattr(module, name, None))}
    if not found:
        raise GptOssError(f"{args.file}: expected a function named {', '.join(ports.PORTABLE)}; found none.")
    verdicts = []
    for name, function in found.items():
        verdicts.append(ports.judge(name, function, own_inputs(module, f"{name}_inputs")))
        print(verdicts[-1], end="\n\n")
    if args.figure:
        picture = io.BytesIO()
        verdicts[-1].figure().savefig(picture, format=args.figure.suffix[1:], bbox_inches="tight")
        write_bytes(args.figure, picture.getvalue())
    failed = [verdict.name for verdict in verdicts if not verdict.passed]
    if failed:
        raise GptOssError(f"{args.file}: {', '.join(failed)}: not yet a port; see above.")
    print(f"{', '.join(found)}: a port, green to the end")
    return 0


def own_inputs(module: ModuleType, name: str) -> list[tuple] | None:
    """Return what the file's function `name` gives, tuples of arguments; None if there is none."""
    function = getattr(module, name, None)
    if function is None:
        return None
    if not callable(function):
        raise GptOssError(f"port: expected a function {name}() that returns a list, found a {type(function).__name__}.")
    try:
        inputs = list(function())
    except Exception as error:
        raise GptOssError(f"port: {name}() gives no list: {type(error).__name__}: {error}.") from error
    if not all(isinstance(arguments, tuple) for arguments in inputs):
        raise GptOssError(f"port: expected a tuple of arguments for each input of {name}(), found something else.")
    return inputs
