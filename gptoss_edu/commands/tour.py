"""The first look: real text through the tokenizer, the bundled gpt-oss-tiny answering at three efforts, and pictures
of what happened inside.

    gptoss-edu tour                                   writes tour/index.html and the pictures, and opens the page
    gptoss-edu tour --question "Sort 5 3 9 1." --out /tmp/tour --no-open

gpt-oss-tiny has gpt-oss's architecture and format and about a thousandth of its size. It was trained on a small world
of exercises, and says so when asked for anything else.
"""

import argparse
import html
import os
import re
import shlex
import shutil
import sys
import time
import webbrowser
from pathlib import Path

from gptoss_edu.options import check_folder, check_question, named_in_errors, one_thread_if_small, write_text
from gptoss_edu.resources import PACKAGE

QUESTION = "What is 46 * 73?"
SHOWN = 40  # tokens in the figures of a part of the conversation
SENTENCE = "gpt-oss reads numbers, not letters."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--out", type=Path, default=Path("tour"), help="folder for the pictures")
    parser.add_argument("--no-open", action="store_true", help="do not open the page in a browser")


def run(args: argparse.Namespace) -> None:
    from gptoss_edu import load_model
    from gptoss_edu.harmony.question import EFFORTS

    start = time.perf_counter()
    check_question(args.question, "--question")
    check_folder(args.out, "--out")
    args.out.mkdir(exist_ok=True)  # first, so that a folder that cannot be written is reported at once
    heading(1, "Text becomes numbers")
    tokens()
    heading(2, "A gpt-oss, small enough to carry")
    model = load_model()
    one_thread_if_small(model)
    sizes(model)
    heading(3, f"It answers: {args.question}")
    said = {}
    for effort in EFFORTS:
        said[effort] = ask(model, args.question, effort, start)
        start = None
    if args.question == QUESTION:
        print(f"\n{judgement(said)}")
    heading(4, "Look inside")
    page = pictures(model, args.question, args.out)
    print(f"pictures: {page}")
    lab, chat = next_steps()
    print(f"next: `{lab}` opens your copy of the notebooks, `{chat}` talks to the model.")
    if not args.no_open and sys.stdout.isatty():
        webbrowser.open(page.resolve().as_uri())


def heading(number: int, text: str) -> None:
    print(f"\n{number}. {text}\n{'-' * (len(text) + 3)}", flush=True)


def tokens() -> None:
    """Show one sentence in the vocabulary of the big models."""
    from gptoss_edu import load_tokenizer

    encoding = load_tokenizer()
    ids = encoding.encode_ordinary(SENTENCE)
    print(f"{SENTENCE!r} in {encoding.name} ({encoding.n_vocab:,} ids):")
    print("  " + "|".join(encoding.decode([i]) for i in ids))
    print("  " + " ".join(map(str, ids)))


def sizes(model) -> None:
    from gptoss_edu import ModelConfig
    from gptoss_edu.checkpoint.layouts import original_shapes
    from gptoss_edu.checkpoint.sizes import parameter_counts

    for name, config in (("gpt-oss-tiny", model.config), ("gpt-oss-20b", ModelConfig.gpt_oss_20b())):
        counts = parameter_counts(original_shapes(config), config)
        print(
            f"{name:>12}: {counts['total'] / 1e6:>9,.1f} M parameters, {counts['mlp'] / counts['total']:.0%} of them in"
            f" experts; {config.num_hidden_layers} layers, {config.experts_per_token} of {config.num_experts} experts"
            f" per token, window {config.sliding_window}"
        )


def ask(model, question: str, effort: str, start: float | None) -> str:
    """Stream one answer with its channels; return the text of its final message."""
    from gptoss_edu import generate
    from gptoss_edu.harmony.question import final_text, question_tokens

    from .generate import channel_pieces

    print(f"\nreasoning effort {effort}:")
    began, tokens = time.perf_counter(), []

    def kept():
        for token in generate(model, question_tokens(question, effort, model.tokenizer), max_new_tokens=1024):
            if start is not None and not tokens:
                print(f"(first token {time.perf_counter() - start:.1f} s after the start)")
            tokens.append(token)
            yield token

    for piece in channel_pieces(kept(), model.tokenizer):
        print(piece, end="", flush=True)
    seconds = time.perf_counter() - began
    print(f"({len(tokens)} tokens, {len(tokens) / seconds:.0f} a second)")
    return final_text(tokens, model.tokenizer)


def judgement(said: dict[str, str]) -> str:
    """Say which of the answers to QUESTION, one per effort, end in the right product."""
    a, b = map(int, re.findall(r"\d+", QUESTION))
    right = [effort for effort, text in said.items() if re.findall(r"\d+", text.replace(",", ""))[-1:] == [f"{a * b}"]]
    wrong = [effort for effort in said if effort not in right]
    found = [f"{name}: {', '.join(efforts)}" for name, efforts in (("right", right), ("wrong", wrong)) if efforts]
    return (
        f"{a} * {b} is {a * b}. Of the answers, {'; '.join(found)}. At low effort the model works nothing out: it"
        " guesses."
    )


def next_steps() -> tuple[str, str]:
    """Return the commands that open the notebooks and the chat, as typed in the current folder."""
    program = Path(sys.executable).with_name("gptoss-edu")
    here = Path.cwd()
    name = str(program.relative_to(here)) if program.is_relative_to(here) else str(program)
    typed = shlex.quote(name) if os.name == "posix" else f'"{name}"' if " " in name else name
    called = "gptoss-edu" if shutil.which("gptoss-edu") else typed
    checkout = PACKAGE.parent
    if Path(sys.prefix) == checkout / ".venv" and here == checkout and shutil.which("make"):
        return "make lab", f"{called} chat"
    return f"{called} lab", f"{called} chat"


def pictures(model, question: str, folder: Path) -> Path:
    """Trace one answer and draw it; return the page that shows everything."""
    import matplotlib

    from gptoss_edu import ModelConfig

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from gptoss_edu import trace, web
    from gptoss_edu.viz import architecture, attention_figures, router_figures, style

    style.use()
    config = model.config
    run, ids, _ = trace.trace_answer(model, question, effort="medium")
    seeing = int(run["sink_mass"][1].mean(0).argmin())  # the head of layer 1 with the least mass on its sink
    heads = [(0, 0), (1, seeing), (config.num_hidden_layers - 1, 0)]
    meta, run = run.meta, trace.record(model, ids, heads=heads)
    run.meta["question"], run.meta["effort"] = meta["question"], meta["effort"]
    last = len(ids)
    first = max(0, last - SHOWN)
    shown = f"the last {last - first} tokens of the conversation"
    figures = {
        "parameters": (
            (
                "Where the 20.9 billion parameters of gpt-oss-20b sit: four fifths of them in experts that a given"
                " token does not use. An expert is a small network; each token passes through four in every layer."
            ),
            lambda: architecture.figure_parameters(ModelConfig.gpt_oss_20b(), "gpt-oss-20b"),
        ),
        "attention_sliding": (
            (
                "A head is one way of looking back: each row is a token, and its shades say how much it reads at each"
                f" earlier one. This head, of an even layer, sees only the last {config.sliding_window} tokens. What it"
                " does not want to spend on any of them goes to its sink, which holds nothing. Shown is the whole"
                f" conversation, {last} tokens; the share of the sink in the title is the mean over all of them."
            ),
            lambda: attention_figures.attention(run, *heads[0]),
        ),
        "attention_full": (
            (
                f"A head of an odd layer sees everything before it. Shown are {shown}, as queries and as keys: keys"
                " before them are cut off, so a row can look emptier than it is. The share of the sink in the title is"
                f" the mean over these {last - first} queries."
            ),
            lambda: attention_figures.attention(run, *heads[1], first=first),
        ),
        "sinks": (
            (
                "How much of its attention each head leaves on its sink: the mean over the whole conversation, all"
                f" {last} tokens."
            ),
            lambda: attention_figures.head_grid(run),
        ),
        "router": (
            "The router picks 4 experts for each token. Which ones in one layer, and how much each counts: "
            + shown
            + ".",
            lambda: router_figures.router_map(run, 2, first=first),
        ),
    }
    parts = []
    for name, (caption, draw) in figures.items():
        path = folder / f"{name}.png"
        with named_in_errors(path):
            draw().savefig(path, dpi=120, bbox_inches="tight")
        plt.close("all")
        parts.append(
            f'<figure><img src="{name}.png"'
            f' alt="{html.escape(caption)}"><figcaption>{html.escape(caption)}</figcaption></figure>'
        )
    web.explore(run).save(folder / "look_inside.html")
    write_text(
        folder / "index.html",
        PAGE.format(question=html.escape(question), lab=html.escape(next_steps()[0]), figures="\n".join(parts)),
    )
    return folder / "index.html"


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>gpt-oss-tiny, looked into</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
figure {{ margin: 2.5rem 0; }} img {{ max-width: 100%; border-radius: 4px; background: #fff; }}
figcaption {{ margin-top: .5rem; }}
</style>
<h1>gpt-oss-tiny, looked into</h1>
<p>The question was: {question} <a href="look_inside.html">Explore the whole answer</a>: every token, head and \
expert, linked.</p>
{figures}
<p>Next: <code>{lab}</code> opens your copy of the notebooks that build all of this.</p>
</html>
"""
