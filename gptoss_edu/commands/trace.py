"""Record one answer and look inside: a page with attention, sinks and experts that needs no network.

gptoss-edu trace "What is 47 times 36?" --effort high --out run.html
gptoss-edu trace "What is 47 times 36?" --mask 3.5 --out run.html     expert 5 of layer 3 masked, beside the plain run
gptoss-edu trace --open run.trace --out run.html                      a page from a trace file
gptoss-edu trace --router questions.txt                               the router over many questions, one per line
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from pathlib import Path

from gptoss_edu.errors import TraceError
from gptoss_edu.harmony import EFFORTS
from gptoss_edu.options import one_thread_if_small


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", nargs="?", help="the user's message")
    parser.add_argument("--effort", default="medium", choices=EFFORTS, help="reasoning effort (medium)")
    parser.add_argument("--out", default="run.html", help="a page (.html) or a trace file (.trace) (run.html)")
    parser.add_argument("--model", type=Path, help="a checkpoint's folder; default: the bundled gpt-oss-tiny")
    parser.add_argument("--device", help="cpu or cuda; default: a GPU if there is one")
    parser.add_argument(
        "--heads", default="", help="heads whose rows are kept exactly, as layer.head, for example 1.3,3.0"
    )
    parser.add_argument("--mask", default="", help="experts to mask, as layer.expert, for example 3.5,4.1")
    parser.add_argument("--remove-sinks", action="store_true", help="prevent all heads from using their sinks")
    parser.add_argument("--max-new-tokens", type=int, default=512, help="longest answer (512)")
    parser.add_argument("--theme", choices=("auto", "light", "dark"), default="auto", help="of the page (auto)")
    parser.add_argument(
        "--router",
        metavar="FILE",
        help="answer a file's questions, one per line or TASK<tab>QUESTION, and print a table",
    )
    parser.add_argument("--json", action="store_true", help="with --router: print JSON")
    parser.add_argument("--open", dest="source", metavar="FILE", help="read a trace file instead of asking")


def run(args: argparse.Namespace) -> None:
    from gptoss_edu.options import check_writable
    from gptoss_edu.trace import file
    from gptoss_edu.web.page import explore

    if args.router:
        return _router(args)
    out = Path(args.out)
    if out.suffix not in (".html", ".trace"):
        raise TraceError(f"--out ends in .html (a page) or .trace (a trace file); found {out.name}.")
    check_writable(out, "--out")
    if args.source:
        shown = file.load(args.source)
    elif args.question and args.question.strip():
        shown = _ask(args)
    else:
        raise TraceError('ask something, for example: gptoss-edu trace "What is 2 + 2?", or read a file with --open.')
    written = explore(shown, theme=args.theme).save(out) if out.suffix == ".html" else file.save(_other(shown), out)
    print(f"wrote {written} ({written.stat().st_size / 1e6:.2f} MB)")


def _ask(args):
    from gptoss_edu import load_model
    from gptoss_edu.harmony.question import question_tokens
    from gptoss_edu.trace import ShiftSink, bytes_per_token, compare
    from gptoss_edu.trace.ask import trace_answer
    from gptoss_edu.trace.levels import checked_level
    from gptoss_edu.web.page import run_name

    model = load_model(args.model, device=args.device)
    one_thread_if_small(model)
    heads = _pairs(args.heads, "--heads") or default_heads(model.config)
    checked_level(model, "exact", heads, None)
    changes = masks(model, _pairs(args.mask, "--mask"))
    changes += [ShiftSink()] if args.remove_sinks else []
    chunk = 256 if model.config.num_hidden_layers > 12 else None  # a long text on a large model needs chunks
    run, tokens, said = trace_answer(
        model, args.question, args.effort, args.max_new_tokens, (), heads=heads, chunk=chunk
    )
    cost = bytes_per_token(model.config, "exact", heads, len(run), lens="lens_tokens" in run)["total"]
    prompt = len(question_tokens(args.question, args.effort, model.tokenizer))
    print(f"answer: {said or beginning(tokens[prompt:], model.tokenizer)}")
    print(f"{len(run)} tokens, {run.bytes_per_token():,.0f} bytes per token (the limit of this level is {cost:,})")
    if "path" in run.meta["origin"]:
        print(f"traced with {run.meta['origin']['path']}: equal to its answers within the fast path's tolerance")
    if not changes:
        return run
    altered, written, said = trace_answer(
        model, args.question, args.effort, args.max_new_tokens, changes, level="routing", chunk=chunk
    )
    print(f"answer with {run_name(altered)}: {said or beginning(written[prompt:], model.tokenizer)}")
    change = compare(model, tokens, *changes, heads=heads, chunk=chunk)
    print(change.summary())
    return change


def masks(model, pairs) -> list:
    """Return the masks of --mask, after checking them before the model runs.

    Errors: `TraceError` if a layer or expert does not exist, or a layer keeps fewer experts than a token needs.
    """
    from gptoss_edu.trace import MaskExpert

    changes = [MaskExpert(layer, expert) for layer, expert in dict.fromkeys(pairs)]
    try:
        for change in changes:
            change.hooks(model)
    except TraceError as error:
        raise TraceError(f"--mask {change.layer}.{change.expert}: {error}") from None
    config = model.config
    for layer, count in Counter(change.layer for change in changes).items():
        if config.num_experts - count < config.experts_per_token:
            raise TraceError(
                f"--mask: layer {layer} keeps {config.num_experts - count} experts, and a token needs"
                f" {config.experts_per_token}."
            )
    return changes


def beginning(answer: list[int], encoding, words: int = 8) -> str:
    """Return what to print for an answer without a final message: its first words."""
    written = re.sub(r"<\|\w+\|>", " ", encoding.decode(answer)).split()
    shown = " ".join(written[:words])[:80]
    return f"(no final message in {len(answer)} tokens; it begins: {shown} …)"


def _router(args) -> None:
    """Run chapter 17's analysis for any checkpoint: trace every question at all three efforts and print the table."""
    from gptoss_edu import load_model
    from gptoss_edu.harmony.question import question_tokens
    from gptoss_edu.options import read_text
    from gptoss_edu.trace.analysis import Corpus
    from gptoss_edu.trace.ask import trace_conversations
    from gptoss_edu.trace.report import LABELS, as_text, router_report

    lines = [line for line in read_text(Path(args.router), "--router").splitlines() if line.strip()]
    pairs = [line.split("\t", 1) if "\t" in line else ("", line) for line in lines]
    if not pairs:
        raise TraceError(f"{args.router} holds no question; write one per line, or TASK<tab>QUESTION.")
    model = load_model(args.model, device=args.device)
    if model.tokenizer is None:
        from gptoss_edu.tokenizer import why_no_tokenizer

        raise TraceError(why_no_tokenizer(args.model, model.config.vocab_size))
    prompts = [question_tokens(question, effort, model.tokenizer) for _, question in pairs for effort in EFFORTS]
    runs = trace_conversations(model, prompts, args.max_new_tokens, level="routing")
    tasks = [task for task, _ in pairs for _ in EFFORTS]
    corpus = Corpus(runs, task=tasks, effort=list(EFFORTS) * len(pairs))
    labels = (*LABELS, "effort", *(("task",) if len(set(tasks)) > 1 else ()))
    report = router_report(corpus, labels)
    print(json.dumps(report) if args.json else as_text(report))


def default_heads(config) -> list[tuple[int, int]]:
    """Return eight heads spread over the layers and the key/value groups."""
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    count = min(8, layers * heads)
    return sorted({(i * layers // count, (i * 3) % heads) for i in range(count)})


def _other(shown):
    return getattr(shown, "other", shown)


def _pairs(text: str, option: str) -> list[tuple[int, int]]:
    try:
        pairs = [part.split(".") for part in text.split(",") if part.strip()]
        return [(int(layer), int(number)) for layer, number in pairs]
    except ValueError:
        raise TraceError(f"{option} takes pairs such as 1.3,3.0 (layer.number); found {text!r}.") from None
