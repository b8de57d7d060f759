"""Show choices as buttons if a front end that runs widgets is attached; otherwise nothing changes.

A card is HTML that is saved with the notebook. The buttons appear below it and disappear once used; the card then says
what was chosen. So an answered notebook contains no widget, and neither does one that nbconvert or nbval ran.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from gptoss_edu.checks.display import Shown

GONE = Shown("", "")
SURE = {"50 % a guess": 0.5, "60 %": 0.6, "70 %": 0.7, "80 %": 0.8, "90 %": 0.9, "100 % certain": 1.0}
_CHANGED: dict[str, list[Callable[[], None]]] = {}  # question -> displays that wait for its answer


def live() -> bool:
    """Return whether this kernel has a user who can click: started by a Jupyter server, VS Code or Colab.

    nbconvert, nbval and a plain Python start kernels without any of these signs.
    """
    if "JPY_SESSION_NAME" in os.environ or "COLAB_RELEASE_TAG" in os.environ:
        return True
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive else None
    return bool(shell) and "__vsc_ipynb_file__" in shell.user_ns


def changed(identifier: str) -> None:
    """Redraw every display that waits for this question, which was answered or given up."""
    for draw in _CHANGED.pop(identifier, []):
        draw()


def forget() -> None:
    """Clear all waiting displays, for tests."""
    _CHANGED.clear()


class Live(Shown):
    """A card with buttons below it.

    Parameters: `identifier`, the question; `card()` returns the current card; `controls()` returns the widget below it,
    or None if nothing is left to click. Both are called again whenever the question is answered.
    """

    def __init__(self, identifier: str, card: Callable[[], Shown], controls: Callable):
        first = card()
        super().__init__(first.html, first.text)
        self.identifier = identifier
        self.card = card
        self.controls = controls

    def _ipython_display_(self) -> None:
        from IPython.display import DisplayHandle

        shown, below = DisplayHandle(), DisplayHandle()
        shown.display(self.card())
        widget = self.controls()
        if widget is None:
            return
        below.display(widget)

        def draw() -> None:
            shown.update(self.card())
            left = self.controls()
            below.update(GONE if left is None else left)
            if left is not None:
                _CHANGED.setdefault(self.identifier, []).append(draw)

        _CHANGED.setdefault(self.identifier, []).append(draw)


class Several(Shown):
    """Cards one after another."""

    def __init__(self, parts: list[Shown]):
        whole = joined(parts)
        super().__init__(whole.html, whole.text)
        self.parts = parts

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for part in self.parts:
            display(part)


def joined(parts: list[Shown]) -> Shown:
    """Join cards into one."""
    return Shown("".join(part.html for part in parts), "\n\n".join(part.text for part in parts))


def choices(letters, chosen: Callable[[str], None], give_up: Callable[[], None] | None = None):
    """Return a row with one button per letter, and one to give up."""
    return _row("Your answer", {letter: letter for letter in letters}, chosen, give_up)


def choices_with_confidence(letters, chosen: Callable[[str, float], None]):
    """Return a row with one button per letter, and a row for the confidence, which locks the answer."""
    import ipywidgets as widgets

    place = widgets.VBox()

    def first() -> None:
        place.children = (_row("Your answer", {letter: letter for letter in letters}, second),)

    def second(letter: str) -> None:
        row = _row(f"{letter}: how sure?", SURE, lambda sure: chosen(letter, sure), first, "back")
        place.children = (row,)

    first()
    return place


def to_give_up(give_up: Callable[[], None]):
    """Return the button below a waiting answer."""
    return _row("", {}, lambda _: None, give_up)


def _row(title: str, values: dict, chosen: Callable, other: Callable | None = None, other_title="show me the answer"):
    import ipywidgets as widgets

    def button(text: str, act: Callable, width: str, tooltip: str):
        made = widgets.Button(description=text, tooltip=tooltip, layout=widgets.Layout(width=width, min_width="2.6em"))
        made.on_click(lambda _: act())
        return made

    parts = [widgets.Label(title)] if title else []
    for text, value in values.items():
        width = "3em" if len(text) < 3 else "auto"
        parts.append(button(text, lambda value=value: chosen(value), width, f"{title} {text}"))
    if other:
        parts.append(button(other_title, other, "auto", other_title))
    return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap", margin="0 0 .4em .9em"))
