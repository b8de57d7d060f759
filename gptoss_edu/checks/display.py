"""HTML pieces that are readable on light and dark pages, each with a plain-text version.

Nothing here sets a text colour or an opaque background. Boxes have a coloured edge and a translucent tint, so the
page's own colours show through. Without scripts, style sheets or network, the pieces work in JupyterLab, the book and
nbconvert.
"""

from __future__ import annotations

import html
import re

# Edge colours from the Okabe-Ito palette, distinguishable with any colour vision; the text beside them says the same.
EDGES = {"passed": "#009e73", "failed": "#d55e00", "waiting": "#8c8c8c", "note": "#0072b2"}


def inline(text: str) -> str:
    """Escape `text` for HTML, but keep `code` between backticks, **bold**, line breaks and LaTeX between $."""
    escaped = html.escape(text, quote=False)
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    escaped = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", escaped)
    return escaped.replace("\n", "<br>")


def box(title: str, body: str, kind: str = "note") -> str:
    """Return a titled box; `title` is text, `body` is HTML, `kind` one of EDGES."""
    edge = EDGES[kind]
    return (
        f'<div style="border-left:4px solid {edge};background:{edge}14;padding:.5em .9em;margin:.4em 0;max-width:60em">'
        f"<div><b>{inline(title)}</b></div>{body}</div>"
    )


def folded(summary: str, body: str) -> str:
    """Return a `<details>` element; `summary` is text, `body` is HTML."""
    return (
        f'<details style="margin:.35em 0"><summary style="cursor:pointer">{inline(summary)}</summary>'
        f'<div style="margin:.3em 0 .3em 1.2em">{body}</div></details>'
    )


class Shown:
    """A value for the end of a cell: HTML if the front end supports it, otherwise text."""

    def __init__(self, html_text: str, text: str):
        self.html = html_text
        self.text = text

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


class Why(str):
    """A string that a notebook shows as a paragraph instead of in quotation marks."""

    def _repr_html_(self) -> str:
        return box("Why", f"<div>{inline(str(self))}</div>", "note")

    def __repr__(self) -> str:
        return str(self)


def fold(summary: str, text: str) -> Shown:
    """Return a folded passage for the end of a cell: `fold("Answer", "sigmoid(lse - s)")`."""
    return Shown(folded(summary, f"<div>{inline(text)}</div>"), f"{summary}: {text}")


def hints(*texts: str) -> Shown:
    """Return folded hints, opened one at a time: `hints("look at the axes", "...", "...")`."""
    parts = [folded(f"Hint {i}", f"<div>{inline(text)}</div>") for i, text in enumerate(texts, 1)]
    return Shown("".join(parts), "\n".join(f"Hint {i}: {text}" for i, text in enumerate(texts, 1)))


def grid(found, right, rows: list, columns: list, limit: int = 24) -> str:
    """Return an SVG of a boolean table: right cells in blue (true) or grey (false), wrong ones in vermilion with a
    sign.

    Only the last `limit` rows and columns around the first difference are drawn.
    """
    differ = [(i, j) for i in range(len(rows)) for j in range(len(columns)) if found[i][j] != right[i][j]]
    first = (max(0, differ[0][0] - limit // 2), max(0, differ[0][1] - limit // 2)) if differ else (0, 0)
    top, left = (
        0 if size <= limit else min(start, size - limit)
        for start, size in zip(first, (len(rows), len(columns)), strict=True)
    )
    shown_rows, shown_columns = range(top, min(top + limit, len(rows))), range(left, min(left + limit, len(columns)))
    side, parts = 14, []
    for y, i in enumerate(shown_rows):
        parts.append(f'<text x="30" y="{28 + side * y}" text-anchor="end">{rows[i]}</text>')
        for x, j in enumerate(shown_columns):
            wrong = found[i][j] != right[i][j]
            fill = "#d55e00" if wrong else "#0072b2" if found[i][j] else "#8c8c8c"
            opacity = 1 if wrong or found[i][j] else 0.18
            parts.append(
                f'<rect x="{36 + side * x}" y="{18 + side * y}" width="12" height="12" fill="{fill}" '
                f'fill-opacity="{opacity}"/>'
            )
            if wrong:
                sign = "+" if found[i][j] else "\N{MINUS SIGN}"
                parts.append(
                    f'<text x="{42 + side * x}" y="{28 + side * y}" text-anchor="middle" '
                    f'style="fill:#fff">{sign}</text>'
                )
    ends = "".join(
        f'<text x="{42 + side * x}" y="12" text-anchor="middle">{columns[j]}</text>'
        for x, j in enumerate(shown_columns)
        if x in (0, len(shown_columns) - 1)
    )
    width, height = 44 + side * len(shown_columns), 24 + side * len(shown_rows)
    note = (
        "queries down, keys across; blue: visible, as it should be; + visible but should not be; "
        "\N{MINUS SIGN} hidden but should be visible"
    )
    return (
        f'<svg width="{width}" height="{height}" style="font:10px sans-serif;fill:currentColor">'
        f"{ends}{''.join(parts)}</svg>"
        f"<div><small>{note}</small></div>"
    )
