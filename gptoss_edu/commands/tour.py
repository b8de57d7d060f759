"""The first look: real text through the tokenizer, the bundled gpt-oss-tiny answering at three efforts, and pictures
of what happened inside.

    gptoss-edu tour                                   writes tour/index.html and the pictures, and opens the page
    gptoss-edu tour --question "Sort 5 3 9 1." --out /tmp/tour --no-open

gpt-oss-tiny has gpt-oss's architecture and format and about a thousandth of its size. It was trained on a small world of
exercises, and says so when it is asked for more.
"""

import argparse
import html
import sys
import time
import webbrowser
from pathlib import Path

from .. import ModelConfig, generate, load_model, load_tokenizer
from ..files import write_text
from ..layouts import original_shapes
from ..sizes import parameter_counts
from ..trace import question_tokens
from . import one_thread_if_small
from .generate import channel_pieces

QUESTION = "What is 46 * 73?"
SENTENCE = "gpt-oss reads numbers, not letters."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--out", type=Path, default=Path("tour"), help="folder for the pictures")
    parser.add_argument("--no-open", action="store_true", help="do not open the page in a browser")


def run(args: argparse.Namespace) -> None:
    start = time.perf_counter()
    args.out.mkdir(parents=True, exist_ok=True)  # first, so that a folder that cannot be written is told at once
    heading(1, "Text becomes numbers")
    tokens()
    heading(2, "A gpt-oss, small enough to carry")
    model = load_model()
    one_thread_if_small(model)
    sizes(model)
    heading(3, f"It answers: {args.question}")
    for effort in ("low", "medium", "high"):
        ask(model, args.question, effort, start)
        start = None
    heading(4, "Look inside")
    page = pictures(model, args.question, args.out)
    print(f"pictures: {page}")
    print("next: `gptoss-edu lab` opens the notebooks, `gptoss-edu chat` talks to the model.")
    if not args.no_open and sys.stdout.isatty():
        webbrowser.open(page.resolve().as_uri())


def heading(number: int, text: str) -> None:
    print(f"\n{number}. {text}\n{'-' * (len(text) + 3)}", flush=True)


def tokens() -> None:
    """One sentence in the vocabulary of the big models."""
    encoding = load_tokenizer()
    ids = encoding.encode_ordinary(SENTENCE)
    print(f"{SENTENCE!r} in {encoding.name} ({encoding.n_vocab:,} ids):")
    print("  " + "|".join(encoding.decode([i]) for i in ids))
    print("  " + " ".join(map(str, ids)))


def sizes(model) -> None:
    for name, config in (("gpt-oss-tiny", model.config), ("gpt-oss-20b", ModelConfig.gpt_oss_20b())):
        counts = parameter_counts(original_shapes(config), config)
        print(
            f"{name:>12}: {counts['total'] / 1e6:>9,.1f} M parameters, {counts['mlp'] / counts['total']:.0%} of them in experts; "
            f"{config.num_hidden_layers} layers, {config.experts_per_token} of {config.num_experts} experts a token, window {config.sliding_window}"
        )


def ask(model, question: str, effort: str, start: float | None) -> None:
    """Stream one answer, its channels named."""
    print(f"\nreasoning effort {effort}:")
    began, count = time.perf_counter(), 0

    def counted():
        nonlocal count
        for token in generate(model, question_tokens(question, effort, model.tokenizer), max_new_tokens=1024):
            if start is not None and count == 0:
                print(f"(first token {time.perf_counter() - start:.1f} s after the start)")
            count += 1
            yield token

    for piece in channel_pieces(counted(), model.tokenizer):
        print(piece, end="", flush=True)
    seconds = time.perf_counter() - began
    print(f"({count} tokens, {count / seconds:.0f} a second)")


def pictures(model, question: str, folder: Path) -> Path:
    """Trace one answer and draw it; returns the page that shows everything."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from .. import trace, viz
    from ..viz import architecture, attention_figures, router_figures, style

    style.use()
    config = model.config
    run, ids, _ = trace.trace_answer(model, question, effort="medium")
    seeing = int(run["sink_mass"][1].mean(0).argmin())  # the head of layer 1 that leaves least on its sink
    heads = [(0, 0), (1, seeing), (config.num_hidden_layers - 1, 0)]
    meta, run = run.meta, trace.record(model, ids, heads=heads)
    run.meta["question"], run.meta["effort"] = meta["question"], meta["effort"]
    last = len(ids)
    first = max(0, last - 40)
    figures = {
        "parameters": ("Where the 20.9 billion parameters of gpt-oss-20b sit: nearly all in experts that a given token does not use.",
                       lambda: architecture.figure_parameters(ModelConfig.gpt_oss_20b(), "gpt-oss-20b")),
        "attention_sliding": (f"A head of an even layer: it sees {config.sliding_window} tokens and no more, and may leave its attention on the sink.",
                              lambda: attention_figures.attention(run, *heads[0])),
        "attention_full": ("A head of an odd layer sees everything before it (here: the last 40 tokens of the conversation).", lambda: attention_figures.attention(run, *heads[1], first=first)),
        "sinks": ("How much of its attention each head leaves on its sink, on average.", lambda: attention_figures.head_grid(run)),
        "router": ("Which 4 experts each token of the answer goes to in one layer, and how much each counts.",
                   lambda: router_figures.router_map(run, 2, first=first)),
    }  # fmt: skip
    parts = []
    for name, (caption, draw) in figures.items():
        draw().savefig(folder / f"{name}.png", dpi=120, bbox_inches="tight")
        plt.close("all")
        parts.append(
            f'<figure><img src="{name}.png" alt="{html.escape(caption)}"><figcaption>{html.escape(caption)}</figcaption></figure>'
        )
    viz.explore(run).save(folder / "look_inside.html")
    write_text(folder / "index.html", PAGE.format(question=html.escape(question), figures="\n".join(parts)))
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
<p>The question was: {question} <a href="look_inside.html">Explore the whole answer</a>: every token, head and expert, linked.</p>
{figures}
<p>Next: <code>gptoss-edu lab</code> opens the notebooks that build all of this.</p>
</html>
"""
