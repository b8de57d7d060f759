"""Write a page of one or more runs: effort curves with intervals, tables, and all samples. It needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .named import named
from .report_markdown import percent, rows_of, settings_line
from .summarise import summarise

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
)  # Okabe and Ito: safe for colour-blind readers
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
body { color: #1a1a1a; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #ccc }
td:first-child, th:first-child { text-align: left }
details { margin: .25rem 0; border-left: 4px solid #999; padding-left: .75rem }
details.right { border-color: #009e73 } details.wrong { border-color: #d55e00 }
pre { white-space: pre-wrap; background: #f4f4f4; padding: .5rem; overflow-wrap: anywhere }
label { margin-right: 1rem } .hidden { display: none } svg text { font: 12px system-ui, sans-serif }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #161616 } pre { background: #262626 } }
"""
SCRIPT = """
for (const box of document.querySelectorAll("input[data-run]")) box.addEventListener("change", () => {
  const run = document.getElementById(box.dataset.run);
  const wanted = [...run.querySelectorAll("input[data-run]:checked")].map((b) => b.value);
  for (const sample of run.querySelectorAll("details.sample"))
    sample.classList.toggle("hidden", !wanted.includes(sample.dataset.verdict));
});
"""


def page(runs: Sequence[tuple[dict, list[dict]]], most: int = 2000) -> str:
    """Return the page of several runs, each (header, samples), with at most ``most`` samples, the wrong ones first."""
    parts = [curve(runs)] if runs else []
    parts += [run_section(i, header, samples, most) for i, (header, samples) in enumerate(runs)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport"'
        ' content="width=device-width">'
        f"<title>Evaluation</title><style>{STYLE}</style></head><body><h1>Evaluation</h1>\n"
        + "\n".join(parts)
        + f"<script>{SCRIPT}</script></body></html>\n"
    )


def run_section(number: int, header: dict, samples: list[dict], most: int) -> str:
    benchmark = named(header["benchmark"])
    found = summarise(samples, benchmark.score)
    head = "".join(f'<th scope="col">{escape(e)}</th>' for e in found["efforts"])
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows_of(found, benchmark.score)
    )
    boxes = "".join(
        f'<label><input type="checkbox" data-run="run{number}" value="{v}" checked> {v}</label>'
        for v in ("right", "wrong")
    )
    shown = sorted(samples, key=lambda s: s["right"])[:most]
    rest = f"<p>{len(samples) - len(shown):,} more samples are in the file.</p>" if len(shown) < len(samples) else ""
    return (
        f'<section id="run{number}"><h2>{escape(benchmark.title)}</h2><p>{escape(benchmark.measures)} '
        f"{escape(settings_line(header))}</p>"
        f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>{boxes}</p>{''.join(map(sample_details, shown))}{rest}</section>"
    )


def sample_details(sample: dict) -> str:
    """Return one folded sample: the question, the thought, the reply, and the verdict."""
    right = "right" if sample["right"] else "wrong"
    title = f"{sample['effort']} · {sample['kind']} · {' '.join(sample['asked'].split())[:100]}"
    parts = [("question", sample["asked"]), ("thought", sample["thought"]), ("answer", sample["text"])]
    parts += [("calls", "\n".join(f"{name} {text}" for name, text in sample["calls"])), ("taken as", sample["found"])]
    parts.append(("wanted", sample["target"]))
    body = "".join(f"<p>{name}</p><pre>{escape(str(text))}</pre>" for name, text in parts if text)
    return (
        f'<details class="sample {right}" data-verdict="{right}"><summary>{escape(title)}</summary>{body}'
        f"<p>{sample['tokens']} tokens, {sample['seconds']:.1f} s, ended with {escape(sample['ended'])}</p></details>"
    )


def curve(runs: Sequence[tuple[dict, list[dict]]], width: int = 640, height: int = 340) -> str:
    """Draw accuracy (or score) against the tokens of an answer, one line per run, with intervals as bars."""
    lines = []
    for header, samples in runs:
        benchmark = named(header["benchmark"])
        key = "score" if benchmark.score == "mean score" else "accuracy"
        found = summarise(samples, benchmark.score)["efforts"]
        label = f"{benchmark.title}, {header['engine']}"
        lines.append((label, [(row["tokens"], row[key], effort) for effort, row in found.items()]))
    largest = max((x for _, points in lines for x, *_ in points), default=1) or 1
    left, top, wide, high = 56, 16, width - 80, height - 64
    at = lambda x, y: (left + wide * x / (1.08 * largest), top + high * (1 - y))  # noqa: E731
    parts = [_axes(left, top, wide, high, 1.08 * largest)]
    for i, (label, points) in enumerate(lines):
        parts.append(_line(label, points, COLOURS[i % len(COLOURS)], at, height + 16 + 18 * i))
    total = height + 24 + 18 * len(lines)
    said = "; ".join(f"{label}: " + ", ".join(f"{e} {percent(c)}" for _, c, e in points) for label, points in lines)
    return (
        f'<svg viewBox="0 0 {width} {total}" width="{width}" height="{total}" role="img" '
        f'aria-label="Share of right answers against tokens. {escape(said, quote=True)}">{"".join(parts)}</svg>'
    )


def _axes(left: float, top: float, wide: float, high: float, largest: float) -> str:
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = top + high * (1 - share)
        parts.append(f'<line x1="{left}" x2="{left + wide}" y1="{y}" y2="{y}" stroke="#bbb" stroke-width=".5"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end" fill="currentColor">{share:.0%}</text>')
    for part in (0, 0.5, 1):
        x = left + wide * part
        parts.append(
            f'<text x="{x}" y="{top + high + 18}" text-anchor="middle" fill="currentColor">{largest * part:.0f}</text>'
        )
    middle = left + wide / 2
    parts.append(
        f'<text x="{middle}" y="{top + high + 36}" text-anchor="middle" fill="currentColor">tokens per answer</text>'
    )
    return "".join(parts)


def _line(label: str, points: list, colour: str, at, legend: float) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(tokens, cell["mean"]) for tokens, cell, _ in points))
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for tokens, cell, effort in points:
        (x, y), (_, low), (_, high) = at(tokens, cell["mean"]), at(tokens, cell["low"]), at(tokens, cell["high"])
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}"/>')
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{effort}: {percent(cell)}</title></circle>'
        )
        parts.append(f'<text x="{x + 7:.1f}" y="{y + 14:.1f}" fill="currentColor">{escape(effort)}</text>')
    parts.append(f'<circle cx="64" cy="{legend - 4}" r="4" fill="{colour}"/>')
    parts.append(f'<text x="74" y="{legend}" fill="currentColor">{escape(label)}</text>')
    return "".join(parts)
