"""`gptoss-edu bench explorer`: measure the trace explorer in headless Chromium with software rendering."""

from __future__ import annotations

import functools
import http.server
import json
import platform
import shutil
import tempfile
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.trace.synthetic import synthetic_trace
from gptoss_edu.web import explore

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --enable-precise-memory-info"
).split()
MOVES = 240
OPENINGS = 100

# Walks along the text, layers and heads, one move per frame; gives the script's milliseconds per move and the frames
# per second.
WALK = """async (moves) => {
  const app = window.explorer, keys = ["ArrowRight", "ArrowRight", "]", "ArrowDown", "ArrowRight", "s", "ArrowUp", "["];
  app.store.set({ t: 5, l: 0, h: 0 });
  await new Promise(requestAnimationFrame);
  app.timings.length = 0;
  const start = performance.now();
  let longest = 0;
  for (let i = 0; i < moves; i++) {
    const before = performance.now();
    app.command(keys[i % keys.length]);
    longest = Math.max(longest, performance.now() - before);
    await new Promise(requestAnimationFrame);
  }
  await new Promise(requestAnimationFrame);
  const seconds = (performance.now() - start) / 1000;
  const sorted = app.timings.slice().sort((a, b) => a - b);
  return { p50: sorted[sorted.length >> 1], p95: sorted[Math.floor(0.95 * sorted.length)], frames: moves / seconds };
}"""

# One move, including drawing.
STEP = """async (i) => {
  const keys = ["ArrowRight", "ArrowRight", "]", "ArrowDown", "ArrowRight", "s", "ArrowUp", "["];
  window.explorer.command(keys[i % keys.length]);
  await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
}"""

# Repeatedly opens and closes the same trace in one page.
OPEN = """async (count) => {
  const module = window.explorerModule, text = document.getElementById("data").textContent;
  const heap = [];
  window.explorer.destroy();
  for (let i = 0; i < count; i++) {
    const host = document.createElement("div");
    document.body.append(host);
    const app = await module.mountText(host, text);
    app.destroy();
    host.remove();
    if (i === 9 || i === count - 1) {
      for (let j = 0; j < 4; j++) {
        window.gc();
        await new Promise((r) => setTimeout(r, 60));
      }
      heap.push(performance.memory.usedJSHeapSize);
    }
  }
  return { heap, nodes: document.querySelectorAll("*").length };
}"""


def add_arguments(parser) -> None:
    parser.add_argument("--tokens", type=int, default=2000, help="tokens of the synthetic trace (2000)")
    parser.add_argument("--layers", type=int, default=24, help="its layers (24)")
    parser.add_argument("--heads", type=int, default=64, help="its heads (64)")
    parser.add_argument("--openings", type=int, default=OPENINGS, help="openings for the leak test (100)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args) -> int:
    """Print the measurements."""
    trace = synthetic_trace(args.tokens, args.layers, args.heads, max(1, args.heads // 8), 32, window=128)
    result = measure(trace, openings=args.openings)
    if args.json:
        print(json.dumps(result))
        return 0
    print(f"explorer, synthetic trace of {args.tokens} tokens x {args.layers} layers x {args.heads} heads")
    for name, value in result.items():
        print(f"  {name:<51} {value}")
    return 0


def measure(trace, openings: int = OPENINGS, moves: int = MOVES, running=None) -> dict:
    """Open the explorer of a trace in Chromium and time it; `running` is a browser to use instead of a new one."""
    with tempfile.TemporaryDirectory() as folder:
        page_file = explore(trace).save(Path(folder) / "page.html")
        source = page_file.read_text(encoding="utf-8")
        with nullcontext(running) if running else browser() as chromium, served(folder) as address:
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{address}/page.html")
            page.wait_for_selector("html[data-ready]", timeout=60_000)
            ready = page.evaluate("window.readyAt")
            heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
            nodes = page.evaluate(
                "document.querySelectorAll('*').length +"
                " document.querySelector('#app').shadowRoot.querySelectorAll('*').length"
            )
            walk = page.evaluate(WALK, moves)
            cpu = script_seconds(page, moves // 2)
            leak = page.evaluate(OPEN, openings) if openings else None
            version = chromium.version
    out = {
        "page, MB": round(len(source) / 1e6, 2),
        "ready, s": round(ready / 1000, 2),
        "update script, median ms": round(walk["p50"], 2),
        "update script, 95th percentile ms": round(walk["p95"], 2),
        "update script on the processor, median ms": round(1000 * cpu[len(cpu) // 2], 2),
        "update script on the processor, 95th percentile ms": round(1000 * cpu[int(0.95 * len(cpu))], 2),
        "frames a second": round(walk["frames"], 1),
        "heap, MB": round(heap, 1),
        "elements": nodes,
        "chromium": version,
        "machine": f"{platform.machine()}, software drawing",
    }
    if leak:
        out[f"heap after 10 and {openings} openings, MB"] = [round(h / 1e6, 1) for h in leak["heap"]]
    return out


def script_seconds(page, moves: int) -> list[float]:
    """Return the CPU seconds of script per move, sorted.

    They do not include other programs.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def now() -> float:
        return next(
            m["value"] for m in session.send("Performance.getMetrics")["metrics"] if m["name"] == "ScriptDuration"
        )

    page.evaluate("window.explorer.store.set({ t: 5, l: 0, h: 0 })")
    seconds = []
    for i in range(moves):
        before = now()
        page.evaluate(STEP, i)
        seconds.append(now() - before)
    session.detach()
    return sorted(seconds)


@contextmanager
def browser():
    """Open headless Chromium, driven by Playwright.

    Raises
    ------
    GptOssError : Playwright or Chromium is missing; the message says how to install it.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise GptOssError("this needs Playwright; install it with `pip install 'gptoss-edu[book]'`.") from None
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise GptOssError("this needs Chromium on the path, for example Debian's package chromium; none was found.")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=[*ARGUMENTS, "--js-flags=--expose-gc"])
        try:
            yield chromium
        finally:
            chromium.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


@contextmanager
def served(folder):
    """Serve a folder at an address of this machine within a block."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
