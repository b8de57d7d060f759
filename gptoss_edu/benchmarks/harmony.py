"""Compare rendering and parsing with openai-harmony in the same run, and measure constrained decoding.

    gptoss-edu bench harmony                   rendering and streaming parse, ours and the reference's
    gptoss-edu bench harmony --schemas 100     also answers of a model with random weights, each constrained to a schema

Each time is the best of several rounds, both sides taking turns. openai-harmony (a test dependency) parses and renders
in Rust; its Python side passes conversations as JSON, which counts because callers pay for it too.
"""

import argparse
import json
import os
import platform
import statistics
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import jsonschema
import torch

from gptoss_edu import ModelConfig, __version__, load_tokenizer
from gptoss_edu.errors import GptOssError
from gptoss_edu.generation import generate
from gptoss_edu.harmony import (
    Conversation,
    DeveloperContent,
    Message,
    StreamParser,
    SystemContent,
    ToolDescription,
    browser_tools,
    function_tools,
    python_tool,
    render,
    response_format,
)
from gptoss_edu.harmony.constrain import Constraint, json_schema
from gptoss_edu.options import check_writable, positive, write_text
from gptoss_edu.resources import data_path
from gptoss_edu.transformer import random_model

from .varied_schemas import varied_schemas

ANSWER_TOKENS = 512


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=positive, default=7, help="rounds; the best one counts")
    parser.add_argument("--schemas", type=int, default=0, help="also constrain this many answers to a schema")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the results here")


def run(args: argparse.Namespace) -> None:
    check_writable(args.json, "--json")
    reference = load_reference()
    encoding = load_tokenizer()
    results = {"render": bench_render(reference, encoding, args.rounds)}
    results["parse"] = bench_parse(reference, encoding, args.rounds)
    print(f"{'rendering':<24}{'tokens':>8}{'ours':>12}{'reference':>12}{'ratio':>8}")
    for name, row in results["render"].items():
        print(
            f"{name:<24}{row['tokens']:>8}{row['ours_s'] * 1e6:>9.0f} µs{row['reference_s'] * 1e6:>9.0f}"
            f" µs{row['ratio']:>8.2f}"
        )
    print(f"\n{'streaming parse':<24}{'tokens':>8}{'tokens/s':>14}")
    for name, row in results["parse"].items():
        print(f"{name:<24}{row['tokens']:>8}{row['tokens_per_s']:>14,.0f}")
    if args.schemas > 0:
        results["structured"] = structured = bench_structured(args.schemas, args.seed)
        print(
            f"\n{structured['ended']} of {args.schemas} answers of random weights ended within {ANSWER_TOKENS} tokens,"
            f" {structured['valid']} of them valid; a token costs {structured['mask_us']:.0f} µs for its mask beside"
            f" {structured['model_us']:.0f} µs for this small model (median answer: {structured['median_tokens']:.0f}"
            " tokens)"
        )
    if args.json:
        write_text(args.json, json.dumps({"about": about(), "results": results}, indent=1) + "\n")


def about() -> dict[str, str]:
    names = ("openai-harmony", "tiktoken", "llguidance", "torch")
    versions = {name: version(name) for name in names} | {
        "gptoss_edu": __version__,
        "python": platform.python_version(),
    }
    return {"device": platform.processor() or platform.machine(), "date": str(date.today()), **versions}


def load_reference():
    os.environ.setdefault("TIKTOKEN_ENCODINGS_BASE", str(data_path()))
    try:
        import openai_harmony
    except ImportError:
        raise GptOssError(
            "bench harmony compares with openai-harmony, which is not installed; run `pip install openai-harmony`."
        ) from None
    return openai_harmony


# ----------------------------------------------------------------------------------------------------- conversations


def conversations() -> dict[str, Conversation]:
    """Return a short question, tools on offer, a long conversation with calls."""
    question = Message("user", "What is the capital of the largest country in the world, and how cold is it there now?")
    tools = function_tools([_weather_tool(f"get_weather_{i}") for i in range(12)])
    system = Message(
        "system", SystemContent(conversation_start_date="2025-06-28", tools=[browser_tools(), python_tool()])
    )
    developer = Message("developer", DeveloperContent("Answer in one sentence. Cite what you looked up.", tools))
    turns = []
    for i in range(20):
        turns += _turn(i)
    return {
        "a question": Conversation([Message("system", SystemContent()), question]),
        "fourteen tools": Conversation([system, developer, question]),
        "twenty turns with calls": Conversation([system, developer, *turns, question]),
    }


def _weather_tool(name: str) -> ToolDescription:
    place = {"type": "string", "description": "City and country, such as 'Oslo, Norway'", "examples": ["Oslo, Norway"]}
    unit = {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}
    days = {"oneOf": [{"type": "integer", "description": "how many"}, {"type": "array", "items": {"type": "string"}}]}
    properties = {"place": place, "unit": unit, "days": days}
    return ToolDescription(name, "Weather at a place.\nPast days too.", {"type": "object", "properties": properties})


def _turn(i: int) -> list[Message]:
    thought = (
        f"The user wants step {i}. I should look at the figures again, compare them with last week's, and call the"
        " tool. "
    )
    answer = (
        f"Step {i}: the mean was {i * 1.37:.2f} °C, a little above the year before – see the table.\n\n| day | °C"
        " |\n|---|---|\n"
    )
    answer += "".join(f"| {day} | {day * 0.7 + i:.1f} |\n" for day in range(12))
    return [
        Message("user", f"And what about step {i}? Please compare it with the others, 请用表格。"),
        Message("assistant", thought * 4, "analysis"),
        Message(
            "assistant",
            json.dumps({"place": "Oslo", "day": i}),
            "commentary",
            "functions.get_weather_1",
            "<|constrain|>json",
        ),
        Message(
            "tool",
            json.dumps({"values": list(range(i, i + 40))}),
            "commentary",
            "assistant",
            name="functions.get_weather_1",
        ),
        Message("assistant", answer, "final"),
    ]


# --------------------------------------------------------------------------------------------------- render and parse


def bench_render(reference, encoding, rounds: int) -> dict[str, dict]:
    theirs_encoding = reference.load_harmony_encoding("HarmonyGptOss")
    out = {}
    for name, conversation in conversations().items():
        theirs = reference.Conversation.from_json(json.dumps(conversation.to_dict()))
        tokens = render(conversation, encoding=encoding)
        if theirs_encoding.render_conversation_for_completion(theirs, reference.Role.ASSISTANT) != tokens:
            raise GptOssError(f"bench harmony: {name!r} renders to other tokens than openai-harmony's.")
        ours_s, reference_s = best_of(
            rounds,
            max(1, 20_000 // len(tokens)),
            lambda conversation=conversation: render(conversation, encoding=encoding),
            lambda theirs=theirs: theirs_encoding.render_conversation_for_completion(theirs, reference.Role.ASSISTANT),
        )
        out[name] = {"tokens": len(tokens), "ours_s": ours_s, "reference_s": reference_s, "ratio": ours_s / reference_s}
    return out


def bench_parse(reference, encoding, rounds: int) -> dict[str, dict]:
    """Return tokens per second through a streaming parser, requesting the text of every token."""
    tokens = render(conversations()["twenty turns with calls"], None, encoding, drop_analysis="keep")
    theirs_encoding = reference.load_harmony_encoding("HarmonyGptOss")

    def ours(strict):
        parser = StreamParser(strict=strict, encoding=encoding)
        for token in tokens:
            parser.process(token)
        parser.flush()

    def theirs():
        parser = reference.StreamableParser(theirs_encoding, None)
        for token in tokens:
            getattr(parser.process(token), "last_content_delta")  # noqa: B009 (a property that does the work)
        parser.process_eos()

    times = best_of(rounds, 1, lambda: ours(True), lambda: ours(False), theirs)
    names = ("ours, strict", "ours, lenient", "reference")
    return {n: {"tokens": len(tokens), "tokens_per_s": len(tokens) / s} for n, s in zip(names, times, strict=True)}


def best_of(rounds: int, repeats: int, *functions) -> list[float]:
    """Return seconds per call of each function in its best round; the functions take turns."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            for _ in range(repeats):
                function()
            best[i] = min(best[i], (time.perf_counter() - start) / repeats)
    return best


# -------------------------------------------------------------------------------------------------- structured outputs


def small_random_model(encoding) -> torch.nn.Module:
    """Make a model with random weights and the full vocabulary, the hard case, since it knows nothing about JSON."""
    config = ModelConfig(2, 4, 2, encoding.n_vocab, 64, 64, 16, 4, 2, 32, 256, 10_000.0, 8.0)
    return random_model(config)


def bench_structured(number: int, seed: int) -> dict[str, float]:
    """Measure answers at temperature 1, each constrained to a schema that its prompt also contains."""
    encoding = load_tokenizer()
    model = small_random_model(encoding)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more threads slow down a model this small
    final = encoding.encode("<|channel|>final<|message|>", allowed_special="all")
    ended, valid, lengths, mask_s, model_s = 0, 0, [], 0.0, 0.0
    for i, schema in enumerate(varied_schemas(number, seed)):
        constraint = Constraint(encoding, final=json_schema(schema), prefix=final)
        spent = [0.0]

        def timed(generated, logits, constraint=constraint, spent=spent):
            start = time.perf_counter()
            out = constraint(generated, logits)
            spent[0] += time.perf_counter() - start
            return out

        developer = Message("developer", [DeveloperContent("Answer in JSON."), response_format("answer", schema)])
        prompt = [*render([developer, Message("user", "Anything.")], encoding=encoding), *final]
        start = time.perf_counter()
        stops, draw = constraint.control.stops, seed + i
        answer = list(generate(model, prompt, ANSWER_TOKENS, 1.0, seed=draw, stop_tokens=stops, logits_processor=timed))
        model_s += time.perf_counter() - start - spent[0]
        mask_s += spent[0]
        lengths.append(len(answer))
        if answer[-1] == constraint.control.return_:
            ended += 1
            valid += is_valid(encoding.decode(answer[:-1]), schema)
    torch.set_num_threads(threads)
    tokens = sum(lengths)
    return {
        "ended": ended,
        "valid": valid,
        "median_tokens": statistics.median(lengths),
        "mask_us": 1e6 * mask_s / tokens,
        "model_us": 1e6 * model_s / tokens,
    }


def is_valid(text: str, schema: dict) -> bool:
    """Return whether a text is JSON and fits the schema, including formats, according to jsonschema."""
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    try:
        return checker.is_valid(json.loads(text))
    except json.JSONDecodeError:
        return False
