"""Serve gpt-oss-tiny, or any gpt-oss checkpoint, to programs written for OpenAI's API.

    gptoss-edu serve
    gptoss-edu serve --model gpt-oss-20b/original --rows 16 --context 32768 --tools browser,python
    gptoss-edu serve --host 0.0.0.0 --api-key @key.txt

It speaks the Responses API and Chat Completions under http://127.0.0.1:8000/v1, and shows a small chat at
http://127.0.0.1:8000/. Several clients are answered together. It listens only on this machine unless --api-key is
given, and logs no texts unless --log-requests is. Ctrl-C ends it. On request the chat shows the trace of an answer in
the explorer; other answers wait while it is computed.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import sys
from pathlib import Path

from gptoss_edu.errors import GptOssError, TokenizerError
from gptoss_edu.options import one_thread_if_small, positive, read_text

from .several_ranks import add_ranks, load

TOOLS = ("browser", "python")
SHORT_CONTEXT = 8192  # up to here tools have short descriptions, as in gpt-oss-tiny's training
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, help="checkpoint folder, GGUF file, or ollama:NAME; default: the bundled gpt-oss-tiny"
    )
    parser.add_argument("--name", help="the model's name for clients; default: the folder's")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1); others need --api-key")
    parser.add_argument("--port", type=int, default=8000, help="port (8000); 0 takes a free one")
    parser.add_argument("--api-key", metavar="KEY", help="clients must send this key; @FILE reads it from a file")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="another host name of the server"
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="allow pages of this origin, such as https://example.org",
    )
    parser.add_argument(
        "--tools",
        default="browser",
        metavar="LIST",
        help=f"built-in tools that requests may use, separated by commas: {', '.join(TOOLS)} (browser)",
    )
    parser.add_argument("--unfenced-python", action="store_true", help="allow python even without a sandbox")
    parser.add_argument("--rows", type=positive, default=8, help="requests answered together (8)")
    parser.add_argument(
        "--context", type=positive, help="tokens per request, prompt and answer; default: the model's, within 2 GiB"
    )
    parser.add_argument("--waiting", type=positive, default=64, help="requests that may wait for a row (64)")
    parser.add_argument(
        "--prefix-mib", type=int, default=256, help="memory for prompts that later turns continue (256)"
    )
    parser.add_argument(
        "--date",
        metavar="YYYY-MM-DD",
        help="the date that the system message names; default: today, none for short contexts",
    )
    parser.add_argument("--log-requests", action="store_true", help="write requests and answers to the log")
    parser.add_argument("--device", help="cpu or cuda; default: a GPU if there is one")
    add_ranks(parser)


def run(args: argparse.Namespace) -> None:
    from gptoss_edu.serve.running import bind, run

    tools, key = check(args)
    with bind(args.host, args.port) as sock:  # report a taken port before loading a large model
        server = make_server(args, tools, key)
        hurry(server.pool.model)
        log_to_stderr()
        host = f"[{args.host}]" if ":" in args.host else args.host
        url = f"http://{host}:{sock.getsockname()[1]}"
        print(
            f"{server.name} at {url}/v1, {server.pool.rows} rows of {server.pool.room:,} tokens; a chat at {url}/;"
            " Ctrl-C ends.",
            flush=True,
        )
        if args.log_requests:
            print("Requests and answers are written to the log.", file=sys.stderr, flush=True)
        run(server, sock)


def hurry(model) -> None:
    """Have the compiled step of a small model ready at once, and let it trust this process."""
    from gptoss_edu.fast import fused_step

    if getattr(model, "quick_step", None) is not None:
        fused_step.trust(model)
        fused_step.READY.soon()


def log_to_stderr() -> None:
    """Write one line per request to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr, force=True)
    for noisy in ("uvicorn", "uvicorn.error", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def check(args: argparse.Namespace) -> tuple[tuple[str, ...], str | None]:
    """Check the tools and the key before anything is loaded, and return them."""
    names = tuple(name for name in args.tools.replace(",", " ").split() if name != "none")
    if unknown := [name for name in names if name not in TOOLS]:
        raise GptOssError(f"--tools: expected some of {', '.join(TOOLS)}, or none, found {unknown[0]!r}.")
    if "python" in names:
        from gptoss_edu.tools import sandbox

        if sandbox.choose_isolation() == "limits" and not args.unfenced_python:
            raise GptOssError(
                "--tools python: neither bubblewrap nor namespaces work here, so a client's model could do whatever you"
                " can; install bubblewrap, or accept that with --unfenced-python."
            )
    if args.date:
        try:
            datetime.date.fromisoformat(args.date)
        except ValueError:
            raise GptOssError(f"--date: expected a date such as 2025-08-05, found {args.date!r}.") from None
    key = args.api_key
    if key is not None and key.startswith("@"):
        key = read_text(Path(key[1:]), "--api-key").strip()
    if key == "":
        raise GptOssError("--api-key: expected a key, found an empty one.")
    if args.host not in LOOPBACK and key is None:
        raise GptOssError(f"--host {args.host}: expected --api-key with it, found none; others could use this server.")
    if not 0 <= args.port < 65536:
        raise GptOssError(f"--port: expected a number below 65536, found {args.port}.")
    if args.prefix_mib < 0:
        raise GptOssError(f"--prefix-mib: expected 0 or more, found {args.prefix_mib}.")
    return names, key


def make_server(args: argparse.Namespace, tools: tuple[str, ...], key: str | None):
    """Load the model and set up its server."""
    model = load(args)
    one_thread_if_small(model)
    if model.tokenizer is None:
        from gptoss_edu.tokenizer import why_no_tokenizer

        raise TokenizerError(why_no_tokenizer(args.model, model.config.vocab_size))
    return server_of(model, args, tools, key)


def server_of(model, args: argparse.Namespace, tools: tuple[str, ...], key: str | None):
    """Set up the pool and the guard for a model."""
    from gptoss_edu.engines.pool import Pool
    from gptoss_edu.fast.leader import Leader
    from gptoss_edu.serve.guard import Guard
    from gptoss_edu.serve.web import Server

    short = model.config.max_context <= SHORT_CONTEXT

    def make_tool(name: str):
        if name == "browser":
            from gptoss_edu.tools.browser import BrowserTool

            return BrowserTool(view_characters=1_000 if short else 4_000, brief=short)
        from gptoss_edu.tools import sandbox
        from gptoss_edu.tools.python import PythonTool

        return PythonTool(sandbox.Limits(call_seconds=30.0), brief=short)

    def date() -> str | None:
        return args.date or (None if short else f"{datetime.date.today()}")

    def explore(tokens: list[int]) -> str:
        from gptoss_edu.trace import record
        from gptoss_edu.web.page import explore

        chunk = 256 if model.config.num_hidden_layers > 12 else None  # large models need less memory in chunks
        return explore(record(model, tokens, chunk=chunk), title="Trace of an answer").html

    pool = Pool(model, args.rows, args.context, args.waiting, args.prefix_mib << 20)
    hosts = tuple(name.lower() for name in (args.host, *args.allow_host))
    guard = Guard(hosts, args.host in ("0.0.0.0", "::"), tuple(args.allow_origin), key)
    name = args.name or (args.model.resolve().name if args.model else "gpt-oss-tiny")
    if args.model and name in ("original", "metal") and not args.name:
        name = args.model.resolve().parent.name
    show = None if isinstance(model, Leader) else explore  # no single rank computes all that a trace shows
    return Server(pool, name, guard, tools, make_tool, date, args.log_requests, explore=show)
