"""Measure the model in a page, in headless Chromium: WebAssembly and plain JavaScript, with and without a trace.

gptoss-edu bench page
gptoss-edu bench page --repeat 5 --json page.json
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from contextlib import nullcontext
from pathlib import Path

from gptoss_edu.options import check_writable, positive, write_text
from gptoss_edu.web.playground import Lab, ModelFiles

from .explorer import browser

QUESTION = {"question": "What is 847 times 963?", "effort": "high"}
RUNS = {  # name -> (kernel, question)
    "WebAssembly": ("wasm", {"level": "none", "live": False}),
    "WebAssembly, traced": ("wasm", {"level": "full", "live": True}),
    "plain JavaScript": ("plain", {"level": "none", "live": False}),
}
# Asks one question; gives the answer's tokens, and milliseconds to the first, for all, and until the traces are there.
ASK = """(request) => new Promise((done, failed) => {
  const started = performance.now(), seen = {};
  lab.client.ask(request, (message) => {
    if (message.kind === "token") seen.first ??= performance.now() - started;
    const { kind, tokens, ms, prefill } = message;
    if (kind === "done") Object.assign(seen, { tokens: tokens.length, ms, prefill });
    if (message.kind === "finished") done({ ...seen, whole: performance.now() - started });
    if (kind === "problem" || kind === "stopped") failed(new Error(message.message ?? kind));
  }).catch(failed);
})"""
# Asks, stops in the middle of the answer, and gives the milliseconds until nothing more comes.
STOP = """(request) => new Promise((done, failed) => {
  let written = 0, asked = 0;
  lab.client.ask(request, (message) => {
    if (message.kind === "token" && ++written === 30) {
      asked = performance.now();
      lab.client.stop();
    }
    if (message.kind === "stopped") done(performance.now() - asked);
    if (["finished", "problem"].includes(message.kind)) failed(new Error(message.message ?? "it was too short"));
  }).catch(failed);
})"""
# Stops in the middle of the answer and asks something else; gives the milliseconds until that is being read.
AGAIN = """(request) => new Promise((done, failed) => {
  let written = 0, asked = 0;
  const other = (message) => {
    if (message.kind === "start") done(performance.now() - asked);
    if (message.kind === "problem") failed(new Error(message.message));
  };
  lab.client.ask(request, (message) => {
    if (message.kind !== "token" || ++written !== 30) return;
    asked = performance.now();
    lab.client.stop();
    lab.client.ask({ ...request, question: "Who are you?", maxNewTokens: 1 }, other).catch(failed);
  }).catch(failed);
})"""
# Asks, then looks at the last tokens one after the other, as the picture does; gives the milliseconds per look.
LOOK = """(request) => new Promise((done, failed) => {
  const tokens = [];
  const look = (left, started) => {
    const position = tokens.length - 1 - left;
    const told = ({ kind, message }) => {
      if (kind !== "finished") failed(new Error(message ?? kind));
      else if (left) look(left - 1, started);
      else done((performance.now() - started) / 20);
    };
    lab.client.ask({ kind: "look", tokens, position, layer: 0 }, told).catch(failed);
  };
  lab.client.ask(request, (message) => {
    if (message.kind === "start") tokens.push(...message.tokens.map(({ id }) => id));
    if (message.kind === "done") tokens.push(...message.tokens);
    if (message.kind === "finished") look(19, performance.now());
    if (message.kind === "problem") failed(new Error(message.message));
  }).catch(failed);
})"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint's folder; default: the bundled gpt-oss-tiny")
    parser.add_argument("--repeat", type=positive, default=3, help="answers of each kind; the fastest counts (3)")
    parser.add_argument("--json", type=Path, help="write the results here")


def run(args: argparse.Namespace) -> None:
    check_writable(args.json, "--json")
    results = measure(ModelFiles.read(args.checkpoint), args.repeat)
    for name, value in results.items():
        print(f"  {name:<46} {value}")
    if args.json is not None:
        write_text(args.json, json.dumps(results, indent=1) + "\n")


def measure(files: ModelFiles, repeat: int = 3, running=None) -> dict:
    """Open the page from a file and ask the same question in turn; `running`: a browser to use instead of a new one."""
    with tempfile.TemporaryDirectory() as folder, nullcontext(running) if running else browser() as chromium:
        path = Lab(files).save(Path(folder) / "lab.html")
        size = path.stat().st_size
        pages, loading = {}, {}
        for kernel in ("wasm", "plain"):
            page = pages[kernel] = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{path.as_uri()}?kernel={kernel}")
            page.wait_for_selector("html[data-ready]", timeout=60_000)
            loading[kernel] = page.evaluate("lab.client.load()")
        best: dict[str, dict] = {}
        for _ in range(repeat):
            for name, (kernel, more) in RUNS.items():
                seen = pages[kernel].evaluate(ASK, {**QUESTION, **more})
                seen["rate"] = 1000 * (seen["tokens"] - 1) / (seen["ms"] - seen["prefill"])
                seen["first"] = best.get(name, seen)["first"]  # later runs find the question already read
                if name not in best or seen["rate"] > best[name]["rate"]:
                    best[name] = seen
        stops = [pages["wasm"].evaluate(STOP, {**QUESTION, "level": "full"}) for _ in range(repeat)]
        again = [pages["wasm"].evaluate(AGAIN, {**QUESTION, "level": "full"}) for _ in range(repeat)]
        look = pages["wasm"].evaluate(LOOK, {**QUESTION, "level": "none", "live": False})
        version = chromium.version
        for page in pages.values():
            page.close()
    return _report(files, size, loading, best) | {
        "stopped after, ms": round(min(stops)),
        "stopped and something else asked after, ms": round(min(again)),
        "one token looked at closely, ms": round(look, 1),
        "chromium": version,
        "machine": platform.machine(),
    }


def _report(files: ModelFiles, size: int, loading: dict, best: dict) -> dict:
    assert loading["wasm"]["kernel"] == "WebAssembly" and loading["plain"]["kernel"] == "plain JavaScript"
    rates = {name: seen["rate"] for name, seen in best.items()}
    out = {f"{name}, tokens per second": round(rate, 1) for name, rate in rates.items()}
    return out | {
        "WebAssembly over plain JavaScript": round(rates["WebAssembly"] / rates["plain JavaScript"], 2),
        "traced over untraced": round(rates["WebAssembly, traced"] / rates["WebAssembly"], 2),
        "first token of a new question, ms": round(best["WebAssembly"]["first"]),
        "traces ready after the last token, ms": round(
            best["WebAssembly, traced"]["whole"] - best["WebAssembly, traced"]["ms"]
        ),
        "model loaded, ms": round(loading["wasm"]["ms"]),
        "answer, tokens": best["WebAssembly"]["tokens"],
        "page, MB": round(size / 1e6, 2),
        "page over checkpoint": round(size / len(files.weights), 3),
    }
