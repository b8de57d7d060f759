"""The look of every figure: one palette with fixed meanings, on a light or a dark ground.

A colour means the same thing in the notebooks, in the explorer and in the book. No meaning depends on hue alone: each
entry also has a marker, a line style or a hatch, and neighbours differ in lightness, so the figures work with colour
blindness and on a black-and-white printer.
"""

from __future__ import annotations

from contextlib import contextmanager

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from gptoss_edu.errors import GptOssError

from . import vector

THEMES = ("light", "dark")

# Every named colour as (on light ground, on dark ground); each has a contrast of at least 4.5 : 1 with its ground.
COLORS = {
    # channels of an assistant's message
    "analysis": ("#9A5B00", "#F2B04A"),
    "commentary": ("#00735E", "#3CCBA6"),
    "final": ("#005EA8", "#6BB6FA"),
    # roles
    "system": ("#5A626C", "#A9B2BD"),
    "developer": ("#6546B0", "#B9A4F5"),
    "user": ("#A0306B", "#F08FC0"),
    "assistant": ("#005EA8", "#6BB6FA"),
    "tool": ("#4F6F00", "#B4D455"),
    # the two kinds of layer
    "sliding": ("#1A7BAB", "#62C3F0"),
    "full": ("#2A2F7E", "#C6BEFF"),
    # the attention sink, and right and wrong
    "sink": ("#C23B00", "#FF8A5B"),
    "right": ("#00735E", "#3CCBA6"),
    "wrong": ("#B3261E", "#FF8A80"),
    "neutral": ("#5A626C", "#A9B2BD"),
    # the ground
    "ink": ("#1A1E24", "#E8EBEF"),
    "muted": ("#5A626C", "#A9B2BD"),
    "grid": ("#DDE1E6", "#363C45"),
    "paper": ("#FFFFFF", "#14171C"),
    "raised": ("#F4F6F8", "#1D2127"),
}

# A cycle for curves without a fixed meaning, after Okabe and Ito's set, darkened to be legible as thin lines.
CYCLE = (
    ("#005EA8", "#6BB6FA"),
    ("#C23B00", "#FF8A5B"),
    ("#00735E", "#3CCBA6"),
    ("#A0306B", "#F08FC0"),
    ("#9A5B00", "#F2B04A"),
    ("#5A626C", "#A9B2BD"),
    ("#1A7BAB", "#62C3F0"),
    ("#6546B0", "#B9A4F5"),
)
CHANNEL_HATCH = {"analysis": "///", "commentary": "...", "final": ""}
LAYER_LINE = {"sliding": "--", "full": "-"}
LAYER_MARKER = {"sliding": "o", "full": "D"}

_state = {"theme": "light"}


def theme() -> str:
    """Return the theme that `use` set last: "light" or "dark"."""
    return _state["theme"]


def color(name: str, theme: str | None = None) -> str:
    """Return the hex colour with a fixed meaning.

    Parameters
    ----------
    name : one of `COLORS`, for example "analysis", "sliding", "sink", "ink".
    theme : "light" or "dark"; None is the theme in use.

    Raises
    ------
    GptOssError : the name or the theme is unknown.
    """
    if name not in COLORS:
        raise GptOssError(f"no colour is called {name!r}; expected one of {', '.join(COLORS)}.")
    return COLORS[name][_theme_index(theme)]


def layer_kind(layer: int) -> str:
    """Return "sliding" or "full"; in gpt-oss, even layers slide."""
    return "full" if layer % 2 else "sliding"


def cycle(theme: str | None = None) -> list[str]:
    """Return eight colours for curves without a fixed meaning."""
    return [pair[_theme_index(theme)] for pair in CYCLE]


def expert_color(expert: int, theme: str | None = None) -> str:
    """Return a colour for an expert.

    There are too many experts for distinct hues. The same eight repeat, so a figure also writes the expert's number
    or gives it a place of its own.
    """
    return cycle(theme)[expert % len(CYCLE)]


RAMPS = {
    # from the ground (nothing) through blue to ink (all): lightness falls, or rises, all the way
    "sequential": (
        ["#FFFFFF", "#D3E5F4", "#8CBCE3", "#3F8AC6", "#0B579C", "#08264F"],
        ["#14171C", "#17324F", "#1B5A91", "#3C8FCE", "#8CC6F3", "#F2F9FF"],
    ),
    # the sink's own, from the ground to vermilion, so that its column is never mistaken for a key
    "heat": (
        ["#FFFFFF", "#FBDDD0", "#F2A684", "#DD6532", "#B23500", "#5C1900"],
        ["#14171C", "#44200F", "#8A3A14", "#D5632C", "#FFA27B", "#FFF1EA"],
    ),
    # blue below zero, the ground at zero, vermilion above
    "diverging": (
        ["#0B579C", "#6AA8D8", "#FFFFFF", "#E58E66", "#B23500"],
        ["#8CC6F3", "#2C6FA8", "#14171C", "#A8491D", "#FFA27B"],
    ),
}


def stops(name: str, theme: str | None = None) -> list[str]:
    """Return the colours that a ramp of `RAMPS` passes through."""
    return RAMPS[name][_theme_index(theme)]


def sequential(theme: str | None = None) -> LinearSegmentedColormap:
    """Return the colour map from nothing to all, in blue."""
    return LinearSegmentedColormap.from_list("gptoss_sequential", stops("sequential", theme))


def heat(theme: str | None = None) -> LinearSegmentedColormap:
    """Return the colour map from nothing to all, in the sink's vermilion."""
    return LinearSegmentedColormap.from_list("gptoss_heat", stops("heat", theme))


def diverging(theme: str | None = None) -> LinearSegmentedColormap:
    """Return the colour map with blue below zero, vermilion above, and the background at zero."""
    return LinearSegmentedColormap.from_list("gptoss_diverging", stops("diverging", theme))


def use(theme: str = "light") -> None:
    """Apply the course's look to all figures from now on.

    Figures have an opaque background, so a light one stays readable on a dark page and vice versa.

    Parameters
    ----------
    theme : "light" (default) or "dark".

    Raises
    ------
    GptOssError : the theme is unknown.
    """
    mpl.rcParams.update(rc(theme))
    _state["theme"] = theme
    vector.use_in_notebook()


@contextmanager
def themed(theme: str):
    """Apply `use(theme)` within a block."""
    before = _state["theme"]
    with plt.rc_context(rc(theme)):
        _state["theme"] = theme
        try:
            yield
        finally:
            _state["theme"] = before


def rc(theme: str = "light") -> dict:
    """Return the Matplotlib settings of a theme as a dictionary."""
    ink, muted, grid, paper = (color(name, theme) for name in ("ink", "muted", "grid", "paper"))
    return {
        "figure.facecolor": paper,
        "axes.facecolor": paper,
        "savefig.facecolor": paper,
        "figure.figsize": (7.2, 3.6),
        "figure.dpi": 100,
        "savefig.dpi": 150,
        "figure.constrained_layout.use": True,
        "font.family": ["sans-serif"],
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": 10,
        "axes.labelcolor": ink,
        "axes.edgecolor": muted,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "axes.axisbelow": True,
        "axes.prop_cycle": mpl.cycler(color=cycle(theme)),
        "grid.color": grid,
        "grid.linewidth": 0.6,
        "text.color": ink,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.linewidth": 1.8,
        "lines.markersize": 5,
        "image.cmap": "viridis",
        "image.interpolation": "nearest",
        "hatch.linewidth": 0.6,
        "svg.hashsalt": "gptoss_edu",
    }


def contrast(first: str, second: str) -> float:
    """Compute the WCAG contrast of two colours, from 1 to 21.

    Source: Web Content Accessibility Guidelines 2.2, "contrast ratio" and "relative luminance".
    """
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(value: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(value)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _theme_index(theme: str | None) -> int:
    name = _state["theme"] if theme is None else theme
    if name not in THEMES:
        raise GptOssError(f"unknown theme {name!r}; expected 'light' or 'dark'.")
    return THEMES.index(name)
