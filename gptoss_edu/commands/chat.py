"""Talk to gpt-oss-tiny, or to any gpt-oss checkpoint, in the terminal, with tools.

    gptoss-edu chat
    gptoss-edu chat --model gpt-oss-20b/original --effort high --tools browser,python --file talk.json
    gptoss-edu chat --engine endpoint --url http://127.0.0.1:8000/v1
    gptoss-edu chat --functions my_tools.py --developer "Answer in one sentence." --message "What is the time?"

Every message of the model is shown under its channel: thoughts (analysis), calls and preambles (commentary), the answer
(final). Ctrl-C interrupts an answer, Ctrl-D ends the conversation; /help lists the commands.
With --file the conversation is saved after every answer, and resumed if the file exists.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gptoss_edu.errors import GptOssError, TokenizerError
from gptoss_edu.harmony import EFFORTS
from gptoss_edu.options import check_question, check_writable, one_thread_if_small, read_text, run_file, seed_number

from .other_engines import add_engine, other_engine
from .several_ranks import add_ranks, load

if TYPE_CHECKING:
    from gptoss_edu.agent.chat import Chat
    from gptoss_edu.tools import Toolbox
    from gptoss_edu.tools.base import Tool

    from .screen import Screen

TOOLS = ("browser", "python")
SHORT_CONTEXT = 8192  # up to here tools have short descriptions, as in gpt-oss-tiny's training
HELP = """\
Ask, for instance: What is 46 * 73?   How many letters "r" are in strawberry?   What is the capital of France?
/effort low|medium|high  reasoning effort from now on
/save FILE               write the conversation
/new                     forget the conversation
/quit                    end (also Ctrl-D)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, help="checkpoint folder, GGUF file, or ollama:NAME; default: the bundled gpt-oss-tiny"
    )
    parser.add_argument("--effort", choices=EFFORTS, help="reasoning effort (default medium)")
    parser.add_argument("--developer", metavar="TEXT", help="developer message, or @FILE to read it from a file")
    parser.add_argument("--tools", default="", metavar="LIST", help=f"comma-separated tools: {', '.join(TOOLS)}")
    parser.add_argument("--functions", type=Path, metavar="FILE.py", help="offer this file's public functions")
    parser.add_argument("--live-web", action="store_true", help="let the browser open public web pages")
    parser.add_argument("--unfenced-python", action="store_true", help="allow python even without a sandbox")
    parser.add_argument("--folder", type=Path, help="keep python's files and pictures here (default: not at all)")
    parser.add_argument("--file", type=Path, help="save the conversation here, and resume it if it exists")
    parser.add_argument("--message", action="append", metavar="TEXT", help="send this and exit; may be repeated")
    parser.add_argument("--hide-analysis", action="store_true", help="do not show the chain of thought")
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="the date that the system message names (today)")
    parser.add_argument(
        "--max-tokens", type=int, default=4096, help="most tokens for one answer, thoughts included (4096)"
    )
    parser.add_argument("--max-steps", type=int, default=8, help="most tool calls for one answer (8)")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the sampling; 0 is greedy (1)")
    parser.add_argument(
        "--top-p", type=float, default=1.0, help="sample from the likeliest tokens of this mass (1: all)"
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="of the sampling (0)")
    parser.add_argument("--device", help="cpu or cuda; default: a GPU if there is one")
    add_engine(parser)
    add_ranks(parser)


def run(args: argparse.Namespace) -> None:
    from gptoss_edu.agent import chat_files

    from .screen import Screen, use_colour

    check_date(args.date)
    for message in args.message or ():
        check_question(message, "--message")
    wanted_tools(args)  # report mistakes in the options before loading a large model
    check_writable(args.file, "--file")
    if args.file and args.file.exists():
        chat_files.read_record(args.file)
    sample, encoding = who_answers(args)
    toolbox = build_tools(args, brief=(sample.max_context or SHORT_CONTEXT + 1) <= SHORT_CONTEXT)
    with contextlib.closing(toolbox):
        if toolbox.tools and hasattr(sample, "require"):
            sample.require("tools")
        chat = build_chat(args, toolbox, sample, encoding)
        screen = Screen(sys.stdout.write, use_colour(sys.stdout), not args.hide_analysis)
        for tool in toolbox.tools.values():
            if hasattr(tool, "describe_isolation"):
                screen.note(f"python: {tool.describe_isolation()}")
        for message in chat.history:
            screen.message(message)
        for text in args.message or lines_typed(chat, screen):
            answer(chat, text, screen)
            if args.file:
                chat_files.save(chat, args.file)


def who_answers(args: argparse.Namespace):
    """Return the sampler chosen by the options, and its vocabulary."""
    from gptoss_edu.engines.sampler import ModelSampler

    engine = other_engine(args, temperature=args.temperature, top_p=args.top_p, seed=args.seed)
    if engine is not None:
        return engine, engine.encoding
    model = load(args)
    one_thread_if_small(model)
    if model.tokenizer is None:
        from gptoss_edu.tokenizer import why_no_tokenizer

        raise TokenizerError(why_no_tokenizer(args.model, model.config.vocab_size))
    return ModelSampler(model, args.temperature, args.top_p, args.seed), model.tokenizer


def check_date(text: str | None) -> None:
    """Refuse text that is not a date, since the model would take it for one."""
    try:
        datetime.date.fromisoformat(text or "2025-08-05")
    except ValueError:
        raise GptOssError(f"--date: expected a date such as 2025-08-05, found {text!r}.") from None


def wanted_tools(args: argparse.Namespace) -> list[str]:
    """Return the checked names in --tools."""
    names = [name for name in re.split(r"[,\s]+", args.tools) if name]
    if unknown := [name for name in names if name not in TOOLS]:
        raise GptOssError(f"--tools: expected some of {', '.join(TOOLS)}, found {unknown[0]!r}.")
    if args.live_web and "browser" not in names:
        raise GptOssError("--live-web: expected --tools browser with it, found no browser.")
    return names


def build_tools(args: argparse.Namespace, brief: bool = False) -> Toolbox:
    """Create the tools chosen by the options; `brief` for models with short contexts."""
    from gptoss_edu.tools import FunctionTool, Toolbox

    names = wanted_tools(args)
    tools: list[Tool] = []
    if "browser" in names:
        from gptoss_edu.tools.browser import BrowserTool
        from gptoss_edu.tools.live import LiveBackend

        backend = LiveBackend(allow_internet=True) if args.live_web else None
        tools.append(BrowserTool(backend, view_characters=1_000 if brief else 4_000, brief=brief))
    if "python" in names:
        from gptoss_edu.tools import sandbox
        from gptoss_edu.tools.python import PythonTool

        if sandbox.choose_isolation() == "limits" and not args.unfenced_python:
            raise GptOssError(
                "--tools python: neither bubblewrap nor namespaces work here, so the model's code could do whatever you"
                " can; install bubblewrap, or accept that with --unfenced-python."
            )
        tools.append(PythonTool(folder=args.folder, brief=brief))
    if args.functions:
        tools.append(FunctionTool(functions_of(args.functions)))
    return Toolbox(tools)


def functions_of(path: Path) -> list[Callable]:
    """Return the public functions that a Python file defines."""
    module = run_file(path, "chat_functions", "--functions")
    found: list[Callable] = [
        f for name, f in vars(module).items() if inspect.isfunction(f) and not name.startswith("_")
    ]
    found = [f for f in found if f.__module__ == "chat_functions"]
    if not found:
        raise GptOssError(f"--functions: {path} defines no public function.")
    return found


def build_chat(args: argparse.Namespace, toolbox: Toolbox, sample, encoding) -> Chat:
    """Return a new conversation, or the one in --file with its settings overridden by the options."""
    from gptoss_edu.agent import chat_files
    from gptoss_edu.agent.chat import Chat, Settings

    given = {
        "max_steps": args.max_steps,
        "max_tokens": args.max_tokens,
        "date": args.date or f"{datetime.date.today()}",
    }
    if args.effort:
        given["effort"] = args.effort
    if args.developer is not None:
        is_file = args.developer.startswith("@")
        given["developer"] = read_text(Path(args.developer[1:]), "--developer") if is_file else args.developer
    if args.file and args.file.exists():
        chat = chat_files.load(args.file, sample, toolbox, encoding)
        chat.settings = replace(chat.settings, **given)
        return chat
    return Chat(sample, toolbox, encoding, Settings(**given))


def lines_typed(chat: Chat, screen: Screen) -> Iterable[str]:
    """Yield questions typed at the keyboard; run commands in between."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 — arrow keys in input()
    screen.note("Ctrl-C interrupts an answer, Ctrl-D ends; /help lists commands.")
    interrupted = False
    while True:
        try:
            text = input("\nyou > ").strip()
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            if interrupted:
                print()
                return
            interrupted = True  # often meant for an answer that has just ended
            screen.note("\nCtrl-C again, or Ctrl-D, ends the conversation.")
            continue
        interrupted = False
        command, _, rest = text.partition(" ")
        if command == "/quit":
            return
        if command.startswith("/"):
            screen.note(carry_out(chat, command, rest.strip()))
        elif text:
            yield text


def carry_out(chat: Chat, command: str, rest: str) -> str:
    """Run a /command; return what to print."""
    from gptoss_edu.agent import chat_files

    if command == "/effort":
        if rest not in EFFORTS:
            return f"/effort: expected low, medium or high, found {rest or 'nothing'}"
        chat.settings = replace(chat.settings, effort=rest)
        return f"reasoning effort: {rest}"
    if command == "/new":
        chat.history.clear()
        return "a new conversation"
    if command == "/save":
        if not rest:
            return "/save: expected a file name, found nothing"
        try:
            check_writable(Path(rest), "/save")
            chat_files.save(chat, rest)
        except (OSError, GptOssError) as error:
            return f"not saved: {error}"
        return f"saved to {rest}"
    return HELP if command == "/help" else f"no command {command}; there are:\n{HELP}"


def answer(chat: Chat, text: str, screen: Screen) -> None:
    """Run one turn and show it on the screen."""
    from gptoss_edu.agent.chat import Stopped

    events = chat.say(text)
    try:
        for event in events:
            screen.show(event)
    except KeyboardInterrupt:  # pressed during printing
        screen.show(Stopped("interrupted"))
    finally:
        events.close()
    if (browser := chat.tools.tools.get("browser")) is not None and chat.history[-1].channel == "final":
        for citation in browser.citations(chat.history[-1].text):
            screen.note(f"{citation.mark} {f'{citation.title} ({citation.url})' if citation.url else 'leads nowhere'}")
