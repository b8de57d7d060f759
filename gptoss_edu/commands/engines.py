"""Show which engines can answer and what each supports, tried with gpt-oss-tiny on this machine.

    gptoss-edu engines
    gptoss-edu engines --url http://127.0.0.1:11434/v1     also try this server

Every installed engine answers three prompts (low effort, high effort, and one with a function) at temperature 0. The
answers are compared with this package's own model, token for token and by log-probabilities. Engines that are not
installed are listed with the command that installs them.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptoss_edu.engines.sampler import Engine

TOKENS = 60  # of each answer
PACKAGES = {"transformers": "transformers", "llama_cpp": "llama-cpp-python", "vllm": "vllm"}
UNTRIED = {
    "llama_cpp": "`make test-engines` builds and tries it",
    "vllm": "untested: it needs a GPU and the official weights",
}
RECORDED = (
    ("endpoint: vLLM", "by ids; not tried here, tested with answers written from its documentation"),
    ("endpoint: Ollama", "by messages; not tried here, tested with answers written from its documentation"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="a server to try as well, up to and including /v1")


def run(args: argparse.Namespace) -> None:
    from gptoss_edu.engines import open_engine
    from gptoss_edu.engines.endpoint import BY_CHAT, BY_IDS
    from gptoss_edu.engines.llama_cpp import LlamaCppEngine
    from gptoss_edu.engines.sampler import Abilities
    from gptoss_edu.engines.transformers import TransformersEngine
    from gptoss_edu.engines.vllm import VllmEngine
    from gptoss_edu.options import check_url

    if args.url:
        check_url(args.url, "--url")  # before the minutes of the others
    columns = [field.name for field in fields(Abilities)]
    print(f"{'engine':<28}" + "".join(f"{name:<12}" for name in columns) + "how it is known")
    notes: list[str] = []

    def row(name: str, abilities: Abilities, known: str) -> None:
        said = {column: getattr(abilities, column) for column in columns}
        print(f"{name:<28}" + "".join(f"{what.split(':')[0].split(',')[0]:<12}" for what in said.values()) + known)
        notes.extend(f"{name}, {column}: {what}" for column, what in said.items() if what != "yes")

    local = open_engine("local", temperature=0.0)
    wanted = answers(local)
    row("local", local.abilities, f"tried now: {len(wanted)} prompts, {sum(map(len, wanted))} tokens")
    for engine in (TransformersEngine, LlamaCppEngine, VllmEngine):
        package = PACKAGES[engine.name]
        try:
            name = f"{engine.name} {version(package)}"
        except PackageNotFoundError:
            why = UNTRIED.get(engine.name)
            row(engine.name, engine.abilities, f"pip install {package}{f'; {why}' if why else ''}")
            continue
        if engine is VllmEngine:
            row(name, engine.abilities, UNTRIED["vllm"])
            continue
        with contextlib.closing(open_engine(engine.name, temperature=0.0)) as other:
            row(name, engine.abilities, compared(answers(other), wanted))
    with own_server(local.model) as url:
        served = open_engine("endpoint", url=f"{url}/v1", temperature=0.0)
        served.encoding = local.encoding
        row("endpoint: gptoss-edu serve", served.abilities, compared(answers(served), wanted))
    if args.url:
        served = open_engine("endpoint", url=args.url, temperature=0.0)
        row(f"endpoint: {served.model}"[:25], served.abilities, f"tried now at {args.url}: takes ids or text as shown")
    for (name, known), abilities in zip(RECORDED, (BY_IDS, BY_CHAT), strict=True):
        row(name, abilities, known)
    print("\n" + "\n".join(dict.fromkeys(notes)))


def prompts(encoding) -> list[list[int]]:
    """Return three prompts: low effort, high effort, a function."""
    from gptoss_edu.harmony import Conversation, DeveloperContent, Message, SystemContent, ToolDescription, render
    from gptoss_edu.harmony.question import question_tokens
    from gptoss_edu.harmony.sections import function_tools

    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = ToolDescription("get_weather", "Gets the weather in a city.", schema)
    offered = [
        Message("system", SystemContent(reasoning_effort="low")),
        Message("developer", DeveloperContent(None, function_tools([tool]))),
        Message("user", "What is the weather in Paris?"),
    ]
    asked = [question_tokens("What is 12 plus 30?", effort, encoding) for effort in ("low", "high")]
    return [*asked, render(Conversation(offered), encoding=encoding)]


def answers(engine: Engine) -> list[list]:
    """Return an engine's answer to each prompt, batched if it can."""
    asked = prompts(engine.encoding)
    drawn: list[list] = [[] for _ in asked]
    for number, token in engine.draw_many(asked, TOKENS):
        drawn[number].append(token)
    return drawn


def compared(found: list[list], wanted: list[list]) -> str:
    """Compare an engine's answers with the local ones."""
    same, largest = 0, 0.0
    for ours, theirs in zip(wanted, found, strict=True):
        pairs = list(zip(ours, theirs, strict=False))
        agreeing = next((i for i, (a, b) in enumerate(pairs) if a.token != b.token), len(pairs))
        same += agreeing == len(ours) == len(theirs)
        for a, b in pairs[:agreeing]:
            largest = max(largest, abs(a.logprob - b.logprob) if b.logprob is not None else float("inf"))
    return (
        f"tried now: {same} of {len(wanted)} answers token for token as local, log-probabilities within {largest:.1g}"
    )


@contextlib.contextmanager
def own_server(model) -> Iterator[str]:
    """Run `gptoss-edu serve` within the block."""
    from gptoss_edu.engines.pool import Pool
    from gptoss_edu.serve.running import in_background
    from gptoss_edu.serve.web import Server

    with in_background(Server(Pool(model, rows=4), "gpt-oss-tiny")) as url:
        yield url
