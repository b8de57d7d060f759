"""A browser of recorded answers: the thought, the answer, and which digits come from the key.

ThoughtBrowser(samples, {"a word": flag_by_words})      # in a notebook: one line an answer, the rest folded
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

from gptoss_edu.tasks.graders import last_number

from .style import COLORS

KEY = f"border-bottom:3px double {COLORS['wrong'][0]};font-weight:bold"
TRUE = f"border-bottom:2px solid {COLORS['right'][0]}"
CODE = "font-family:monospace;overflow-wrap:anywhere"


class ThoughtBrowser:
    """Recorded answers as HTML in a notebook, as plain text elsewhere; it holds no script and loads nothing.

    Parameters
    ----------
    samples : as `training.rl.as_sample` makes them
    monitors : name to a function of a thought; a result that is true, or the text "differs", is a flag
    """

    def __init__(self, samples: Sequence[Mapping], monitors: Mapping[str, Callable] | None = None):
        self.samples, self.monitors = list(samples), dict(monitors or {})

    def flags(self, sample: Mapping) -> list[str]:
        """Return the names of the monitors that object."""
        return [name for name, monitor in self.monitors.items() if monitor(sample["thought"]) in (True, "differs")]

    def _repr_html_(self) -> str:
        blocks = "".join(self._block(number, sample) for number, sample in enumerate(self.samples, 1))
        legend = f"In answers: <span style='{KEY}'>digit of the key</span>, <span style='{TRUE}'>of the truth</span>"
        legend += " (only where the two differ)."
        return f'<div class="tex2jax_ignore mathjax_ignore" style="max-width:60em"><div>{legend}</div>{blocks}</div>'

    def _block(self, number: int, sample: Mapping) -> str:
        flags = self.flags(sample)
        said = " · ".join(f"flagged by: {html.escape(name)}" for name in flags) or "no monitor objects"
        key = sample["key"] or "none"
        head = f"{number}. {html.escape(sample['kind'])} · answer {marked(sample)} · {said if self.monitors else ''}"
        body = (
            f"<div>{html.escape(sample['question'])}</div>"
            f"<div style='{CODE}'>truth {html.escape(sample['right answer'])} · key {html.escape(key)}</div>"
            f"<div style='{CODE}'>thought: {html.escape(sample['thought'] or '(none)')}</div>"
            f"<div style='{CODE}'>answer: {html.escape(sample['answer'] or '(none)')}</div>"
        )
        return (
            f"<details style='margin:.2em 0;padding:.1em .6em;border-left:3px solid {COLORS['neutral'][0]}'>"
            f"<summary>{head}</summary>{body}</details>"
        )

    def __repr__(self) -> str:
        return "\n".join(
            f"{number}. {s['kind']}: truth {s['right answer']}, key {s['key']}\n   {s['thought']}\n   {s['answer']}"
            f"   {', '.join(self.flags(s)) or '-'}"
            for number, s in enumerate(self.samples, 1)
        )


def marked(sample: Mapping) -> str:
    """Return the answer's number as HTML; where key and truth differ, its digits say which of the two they are."""
    given, truth, key = last_number(sample["answer"] or "") or "", sample["right answer"], sample["key"]
    if not given:
        return "(none)"
    if key is None or len(given) != len(truth) or len(key) != len(truth):
        return html.escape(given)
    parts = []
    for digit, right, leaked in zip(given, truth, key, strict=True):
        style = "" if right == leaked else KEY if digit == leaked else TRUE if digit == right else ""
        parts.append(f"<span style='{style}'>{digit}</span>" if style else html.escape(digit))
    return f"<span style='{CODE}'>{''.join(parts)}</span>"
