"""The command line: `gptoss-edu COMMAND …`. Each command is a module of `gptoss_edu.commands`, imported on use."""

import argparse
import errno
import inspect
import os
import sys
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module

from .errors import GptOssError, harmless, is_panic

COMMANDS = {
    "tour": "follow a text through tokenizer, files and model, with pictures; start here",
    "doctor": "check this machine: Python, packages, kernel, disk, memory, GPU, vocabulary",
    "lab": "open your copy of the notebooks in JupyterLab",
    "inspect": "show what a checkpoint folder holds: layout, sizes, memory, anything odd",
    "generate": "continue a text, or answer a question",
    "chat": "talk to the model, with tools, in the terminal",
    "serve": "serve programs written for OpenAI's API: Responses and Chat Completions",
    "download": "fetch the official weights in one layout",
    "convert": "write a checkpoint in another layout",
    "engines": "show which other engines can answer, and what each supports, tried here",
    "bench": "measure: cpu, gpu, tiny, growth, serve, harmony, explorer, page, notebooks",
    "trace": "record one answer and look inside it: a page with attention, sinks and experts",
    "page": "write one HTML file in which gpt-oss-tiny answers, shows its inside, and can be changed",
    "train": "train gpt-oss-tiny or its vocabulary, or watch a loss fall",
    "rl": "run reinforcement learning on gpt-oss-tiny: think, key, swap and others",
    "finetune": "train a model further on conversations: all of it, parts, or LoRA adapters",
    "eval": "measure what the model can do, with intervals",
    "port": "judge a mechanism that you wrote for another engine, in its place in the model",
    "workshop": "write student copies of the notebooks",
    "progress": "show which exercises of a student folder pass",
}


class Parser(argparse.ArgumentParser):
    """A parser whose refusals repeat an argument without its control characters."""

    def error(self, message: str):
        super().error(harmless(message))


def describe(parser: argparse.ArgumentParser, module) -> None:
    """Use the module's docstring as the parser's help."""
    parser.description = inspect.cleandoc(module.__doc__ or "")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    module.add_arguments(parser)


def main(argv: list[str] | None = None) -> int:
    """Run one command; return 0, or 2 after one clear line on standard error."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):  # show "?" for characters that the terminal lacks
            with suppress(OSError, ValueError):  # already in use or closed: leave it as it is
                stream.reconfigure(errors="replace")
    code = 0
    try:
        code = dispatch(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader is gone, as with `| head`: not an error
        code = 0
    except OSError as error:  # a full disk, where the output goes to a file
        code = code or refused("gptoss-edu", error)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
    return code


def dispatch(argv: list[str]) -> int:
    """Find the command and run it; print an error as one line."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if argv[0] == "--version":
        from . import __version__

        print(f"gptoss-edu {__version__}")
        return 0
    if argv[0] not in COMMANDS:
        near = get_close_matches(argv[0], COMMANDS, n=1)
        print(
            f"gptoss-edu: no command {argv[0]!r}; there are {', '.join(COMMANDS)}. `gptoss-edu --help` explains them"
            + (f"; did you mean {near[0]!r}?" if near else "."),
            file=sys.stderr,
        )
        return 2
    try:
        module = import_module(f"gptoss_edu.commands.{argv[0]}")
        parser = Parser(prog=f"gptoss-edu {argv[0]}")
        describe(parser, module)
        return module.run(parser.parse_args(argv[1:])) or 0
    except GptOssError as error:
        print(f"gptoss-edu {argv[0]}: {harmless(str(error).removeprefix(argv[0] + ': '))}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        return refused(f"gptoss-edu {argv[0]}", error)
    except KeyboardInterrupt as error:  # its text, if any: what is left, and how to go on
        print(f"\ngptoss-edu {argv[0]}: interrupted{harmless(f'; {error}') if error.args else ''}.", file=sys.stderr)
        return 130
    except BaseException as error:
        if not is_panic(error):
            raise
        print(f"gptoss-edu {argv[0]}: a native library gave up ({error}); give it less, or in parts.", file=sys.stderr)
        return 2


def refused(who: str, error: OSError) -> int:
    """Print what the system refused and what to do, as one line; return exit code 2."""
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    advice = "free some space or name another place." if full else "check the path and its permissions."
    name = error.filename or ("the output" if full else None)  # a print to a full disk names no file
    where = f"{name}: {error.strerror}; {advice}" if name else error
    print(f"{who}: {harmless(str(where))}", file=sys.stderr)
    return 2


def overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "gptoss-edu: understand OpenAI's gpt-oss by building it.",
            "",
            "usage: gptoss-edu COMMAND [--help]",
            "",
            *lines,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
