"""The explorer as a page: in a notebook's output, in a book, in a file. No kernel, no network, nothing but itself."""

from __future__ import annotations

import base64
import html
from pathlib import Path

from gptoss_edu.errors import TraceError
from gptoss_edu.options import write_text
from gptoss_edu.trace.record import Difference, Trace

from . import payload as payloads
from .modules import bundle

START = {
    "shade": ("surprisal", "sink", "head", "router", "attended", "difference"),
    "grid": ("map", "sink", "meansink", "entropy", "distance"),
    "zoom": (False, True),
}  # and t, l, h, e: whole numbers

EXPLORER = ("explorer/mount.js", "explorer/framed.js", "explorer/widget.js")
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    "form-action 'none'"
)


def module_source() -> str:
    """Return the explorer as one ES module: mount, mountText, followSite, and as the default what anywidget loads."""
    return bundle(*EXPLORER)


class Page:
    """An explorer that is ready to be shown.

    In a notebook it appears as the cell's output; `save` writes it as a file of its own.
    """

    def __init__(self, data: bytes, title: str, height: int):
        self.data, self.title, self.height = data, title, height

    @property
    def html(self) -> str:
        """The whole page. The data stands in it as base64, so no token's text is ever part of the markup."""
        script = (
            module_source()
            + 'mountText(document.getElementById("app"), document.getElementById("data").textContent, { whole: true })'
        )
        script += (
            ".then((app) => { followSite(app);"
            " const readyAt = performance.now();"
            " Object.assign(window, { explorer: app, explorerModule: { mount, mountText }, readyAt });"
            ' document.documentElement.dataset.ready = "1"; })'
            '.catch((error) => { document.body.append(el("p", { role: "status" },'
            ' "This explorer could not open: " + error.message'
            ' + ". It needs a browser of 2023 or later.")); throw error; });'
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            f"<title>{html.escape(self.title)}</title>"
            "<style>body{margin:0;background:Canvas;color-scheme:light dark}</style></head>"
            '<body><main id="app"></main><noscript>This explorer needs JavaScript.</noscript>'
            f'<script id="data" type="text/plain">{base64.b64encode(self.data).decode()}</script>'
            f'<script type="module">{script.replace("</", "<" + chr(92) + "/")}</script></body></html>'
        )

    def _repr_html_(self) -> str:
        # Between single quotes: the script has fifty times as many double ones, and a notebook has a budget.
        source = self.html.replace("&", "&amp;").replace("'", "&#39;")
        return (
            f'<iframe title="{html.escape(self.title)}" sandbox="allow-scripts allow-downloads" loading="lazy" '
            f'style="width:100%;height:{self.height}px;border:1px solid #8886;border-radius:10px" '
            f"srcdoc='{source}'></iframe>"
        )

    def save(self, path) -> Path:
        """Write the page to a file, all of it or nothing."""
        path = Path(path)
        write_text(path, self.html)
        return path


def explore(
    run,
    other: Trace | None = None,
    *,
    names=None,
    title: str | None = None,
    theme: str = "auto",
    height: int = 1000,
    **start,
) -> Page:
    """Return the trace explorer of a run, or of two.

    Parameters
    ----------
    run : Trace, a finished capture, or a Difference (which shows both of its traces).
    other : a second trace of the same tokens.
    names : what the two are called; None: "as it is" and the interventions.
    title : the page's heading.
    theme : "light", "dark" or "auto" (what the page around it says, if it answers;
        else what the reader's system prefers).
    height : of the output in a notebook, in pixels.
    start : the selection to begin with: t, l, h, e, shade, grid, zoom.

    Returns
    -------
    Page, which a notebook shows by itself; `.save(path)` writes it.

    Raises
    ------
    TraceError : there is nothing to show, the two traces are not of the same tokens and the same shape, or the theme or
        the selection is none.
    """
    if isinstance(run, Difference):
        run, other = run.base, run.other
    if not isinstance(run, Trace):
        raise TraceError(
            f"explore needs a trace (trace.capture, trace.record or trace.load); found {type(run).__name__}."
        )
    runs = [run] if other is None else [run, other]
    names = [run_name(r) for r in runs] if names is None else names
    if isinstance(names, str) or len(names) != len(runs):
        raise TraceError(f"names holds a name for each of the {len(runs)} traces; found {names!r}.")
    start = _checked_start(start, theme)
    if other is not None:
        start = {"shade": "difference"} | start
    title = title or ("Trace explorer" if other is None else "Trace explorer: what an intervention changes")
    return Page(payloads.encode(runs, list(names), start, title, theme), title, height)


def _checked_start(start: dict, theme: str) -> dict:
    if theme not in ("auto", "light", "dark"):
        raise TraceError(f"theme is auto, light or dark, not {theme!r}.")
    checked = {}
    for key, value in start.items():
        if key in START and value not in START[key]:
            raise TraceError(f"{key} is one of {', '.join(map(str, START[key]))}, not {value!r}.")
        if key not in START and not (key in ("t", "l", "h", "e") and hasattr(value, "__index__")):
            raise TraceError(f"{key}={value!r} selects nothing; give whole numbers t, l, h, e, or {', '.join(START)}.")
        checked[key] = value if key in START else int(value)
    return checked


def run_name(run: Trace) -> str:
    """Return what a run is called: its interventions, or "as it is"."""
    return "; ".join(in_words(change) for change in run.meta.get("interventions") or []) or "as it is"


def in_words(change: dict) -> str:
    """Return an intervention, as `trace.interventions.to_dict` gives it, in plain words."""
    layer, heads = change.get("layer"), change.get("heads")
    where = "" if layer is None else f" in layer {layer}"
    whose = "all heads" if heads is None else "heads " + ", ".join(map(str, heads))
    match change["kind"]:
        case "MaskExpert":
            then = "the next best takes its place" if change.get("refill") == "next" else "nothing takes its place"
            return f"expert {change.get('expert')} of layer {layer} masked, {then}"
        case "ForceExpert":
            return f"every token sent to expert {change.get('expert')} of layer {layer}"
        case "ExpertsPerToken":
            return f"{change.get('k')} experts per token{where}"
        case "ShiftSink":
            amount = change.get("amount")
            then = f"shifted by {amount:+g}" if isinstance(amount, int | float) else "removed"
            return f"sinks of {whose}{where} {then}"
        case "SetWindow":
            seen = "all keys" if change.get("window") is None else f"{change.get('window')} keys"
            return f"layer {layer} sees {seen}"
        case "ZeroHeads":
            group = change.get("group")
            return f"{whose if group is None else f'the heads of group {group}'}{where} erased"
        case "Patch":
            at = "everywhere" if change.get("positions") is None else "at chosen positions"
            return f"{change.get('point')} taken from another run, {at}"
    return change["kind"]
