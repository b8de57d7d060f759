"""Pictures of tokens: text in coloured boxes, the merges that made a token, and how well a vocabulary compresses.

The boxes are HTML, since a browser has fonts for every script and Matplotlib does not.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import matplotlib.pyplot as plt
import regex
import tiktoken
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from gptoss_edu import bpe
from gptoss_edu.bpe import MergeStep

from . import style

_VISIBLE = {" ": "·", "\n": "⏎", "\r": "␍", "\t": "→", "\u00a0": "⍽", "\u200d": "‿"}
# Three tints in turn; neighbours differ in lightness, and each box has an edge, so that hue carries no meaning.
_TINTS = ("rgba(0,114,178,.12)", "rgba(230,159,0,.38)", "rgba(0,158,115,.22)")
_BOX = (
    "display:inline-block;margin:1px;padding:1px 3px;border:1px solid rgba(128,128,128,.55);border-radius:3px;"
    "text-align:center;line-height:1.25;vertical-align:top;white-space:pre"
)
_CONTROL = "background:#1A1E24;color:#fff;font-weight:bold"
_PARTIAL = "border-style:dashed"
_HEX = "font-family:monospace;font-size:85%"
_NUMBER = "display:block;font-size:62%;opacity:.75;font-weight:normal"


@dataclass(frozen=True)
class TokenStrip:
    """Rows of tokens for the end of a cell.

    HTML if the front end supports it, otherwise plain text with | between tokens.
    """

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def token_text(token: bytes) -> tuple[str, bool]:
    """Return a token as shown, and whether it is whole characters; part of a character is shown as bytes in hex."""
    try:
        return "".join(_VISIBLE.get(character, character) for character in token.decode("utf-8")), True
    except UnicodeDecodeError:
        return token.hex(" "), False


def token_strip(
    rows: dict[str, str | Sequence[int]] | str | Sequence[int], encoding: tiktoken.Encoding, numbers: bool = True
) -> TokenStrip:
    """Draw tokens as coloured boxes: control tokens white on black, parts of a character dashed and in hex.

    Parameters
    ----------
    rows : str, token ids, or {label: str or token ids}
        A string is encoded as ordinary text, so it shows no control tokens; ids may hold them.
    encoding : tiktoken.Encoding
    numbers : bool
        Write each token's id under it.
    """
    rows = rows if isinstance(rows, dict) else {"": rows}
    lines, plain = [], []
    for label, content in rows.items():
        ids = encoding.encode_ordinary(content) if isinstance(content, str) else list(content)
        boxes = "".join(_box(i, index, encoding, numbers) for index, i in enumerate(ids))
        count = f"{len(ids)} token{'' if len(ids) == 1 else 's'}"
        head = (
            f"<b>{html.escape(label)}</b><span style='opacity:.75;font-size:80%'>&ensp;{count}</span>" if label else ""
        )
        lines.append(f"<div style='margin:.35em 0;max-width:60em'>{head}<div dir='ltr'>{boxes}</div></div>")
        shown = "|".join(token_text(encoding.decode_single_token_bytes(i))[0] for i in ids)
        plain.append(f"{label} ({count}): {shown}" if label else f"{shown} ({count})")
    return TokenStrip("".join(lines), "\n".join(plain))


def _box(token_id: int, index: int, encoding: tiktoken.Encoding, numbers: bool) -> str:
    text, whole = token_text(encoding.decode_single_token_bytes(token_id))
    look = f"background:{_TINTS[index % len(_TINTS)]}"
    if encoding.is_special_token(token_id):
        look = _CONTROL
    elif not whole:
        look += ";" + _PARTIAL
    inner = f"<bdi>{html.escape(text)}</bdi>" if whole else f"<span style='{_HEX}'>{text}</span>"
    number = f"<span style='{_NUMBER}'>{token_id}</span>" if numbers else ""
    return f"<span style='{_BOX};{look}'>{inner}{number}</span>"


def figure_merges(steps: Iterable[MergeStep], title: str = "") -> Figure:
    """Draw one row per merge, from bytes at the top to tokens at the bottom; in each row the pair about to be joined is
    filled.

    The number between two parts is the rank of their join; without a number, the join is not a token. The lowest wins.
    """
    steps = list(steps)
    last = steps[-1].after
    length = sum(map(len, last))
    rows = len(steps) + 1
    figure, axes = plt.subplots(figsize=(max(4.5, 0.72 * length + 1.0), 0.62 * rows + 0.5))
    for row, step in enumerate(steps):
        _draw_row(axes, step.parts, -row, {step.position, step.position + 1})
        for x, rank in zip(_edges(step.parts), step.pair_ranks, strict=True):
            if rank is not None:
                best = rank == step.rank
                axes.text(
                    x, -row - 0.42, f"{rank:,}", ha="center", va="center", fontsize=8,
                    weight="bold" if best else "normal", color=style.cycle()[0] if best else style.color("muted"),
                )  # fmt: skip
    _draw_row(axes, last, -len(steps), set())
    axes.set(xlim=(-0.15, length + 0.15), ylim=(-rows + 0.4, 0.55), title=title)
    axes.axis("off")
    return figure


def _edges(parts: Sequence[bytes]) -> list[float]:
    """Return where one part ends and the next begins, in bytes from the left."""
    ends = [sum(map(len, parts[: i + 1])) for i in range(len(parts))]
    return [float(end) for end in ends[:-1]]


def _draw_row(axes: plt.Axes, parts: Sequence[bytes], y: float, chosen: set[int]) -> None:
    x = 0.0
    for index, part in enumerate(parts):
        filled = index in chosen
        axes.add_patch(
            FancyBboxPatch(
                (x + 0.08, y - 0.22),
                len(part) - 0.16,
                0.5,
                boxstyle="round,pad=0,rounding_size=0.08",
                facecolor=style.cycle()[0] if filled else style.color("raised"),
                edgecolor=style.color("ink"),
                linewidth=0.8,
            )
        )
        text = token_text(part)[0].replace("$", r"\$")  # Matplotlib reads text between dollars as a formula
        ink = style.color("paper" if filled else "ink")
        axes.text(x + len(part) / 2, y + 0.03, text, ha="center", va="center", family="monospace", color=ink)
        x += len(part)


# ---------------------------------------------------------------------------------------- what a vocabulary is worth


def figure_compression(text: str, ranks: dict[bytes, int], sizes: Sequence[int], encoding: tiktoken.Encoding) -> Figure:
    """Draw bytes per token for the first `sizes` tokens of a vocabulary, and one point for a finished encoding."""
    figure, axes = plt.subplots()
    cut = [bpe.encode(text, {token: rank for token, rank in ranks.items() if rank < size}) for size in sizes]
    gained = [len(text.encode()) / len(ids) for ids in (*cut, encoding.encode_ordinary(text))]
    axes.plot(sizes, gained[:-1], marker="o", label="trained on this very text")
    label = f"{encoding.name}, OpenAI's"
    axes.plot([encoding.n_vocab], gained[-1:], marker="D", linestyle="", color=style.cycle()[1], label=label)
    every = [*sizes, encoding.n_vocab]
    for size, value in zip(every, gained, strict=True):
        axes.annotate(f"{value:.1f}", (size, value), textcoords="offset points", xytext=(0, 7), ha="center")
    axes.set_xscale("log", base=2)
    axes.set_xticks(every, [f"{size:,}" for size in every])
    axes.set(ylim=(0, max(gained) * 1.25), xlabel="tokens in the vocabulary", ylabel="bytes of text per token")
    axes.set_title("Every doubling buys less than the one before")
    axes.legend(loc="lower right")
    return figure


def figure_seconds(seconds: dict[str, float], title: str) -> Figure:
    """Draw bars of times on a logarithmic axis; entries alternate between two ways of doing the same thing."""
    figure, axes = plt.subplots(figsize=(7.2, 0.45 * len(seconds) + 0.8))
    values = [1e6 * value for value in seconds.values()]
    colors = [style.cycle()[index % 2] for index in range(len(values))]
    bars = axes.barh(list(seconds), values, color=colors, hatch=["", "//"] * (len(values) // 2), edgecolor="white")
    axes.bar_label(bars, [f"{value:,.0f} µs" for value in values], padding=3)
    axes.set(xscale="log", xlim=(1, 40 * max(values)), xlabel="microseconds for one word", title=title)
    axes.invert_yaxis()
    return figure


def ways_to_cut(word: str, text: str, ranks: dict[bytes, int], pat_str: str) -> int:
    """Count the different ways in which the occurrences of one word are cut; text is ASCII, so characters are bytes."""
    tokens = {rank: token for token, rank in ranks.items()}
    edges = {0, *accumulate(len(tokens[i]) for i in bpe.encode(text, ranks, pat_str))}
    spans = [match.span() for match in regex.finditer(regex.escape(word) + r"\b", text)]
    return len({tuple(at - start for at in range(start, end + 1) if at in edges) for start, end in spans})


def figure_cutting(
    vocabularies: dict[str, tuple[dict[bytes, int], str]], texts: dict[str, str], words: Sequence[str]
) -> Figure:
    """Draw two vocabularies {label.

    (ranks, pat_str)}: bytes per token on each text; ways in which each word is cut in the last.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=[1, 1.3])
    for number, (label, (ranks, pat_str)) in enumerate(vocabularies.items()):
        look = {"color": style.cycle()[number], "height": 0.38, "hatch": ["", "//"][number], "edgecolor": "white"}
        gained = [len(text.encode()) / len(bpe.encode(text, ranks, pat_str)) for text in texts.values()]
        bars = left.barh([i + 0.4 * number for i in range(len(texts))], gained, label=label, **look)
        left.bar_label(bars, fmt="%.2f", padding=3)
        ways = [ways_to_cut(word, list(texts.values())[-1], ranks, pat_str) for word in words]
        right.barh([i + 0.4 * number for i in range(len(words))], ways, **look)
    left.set(title="Bytes per token (more: fewer tokens)", xlim=(0, 6.5))
    left.set_yticks([i + 0.2 for i in range(len(texts))], list(texts))
    right.set(title="Ways in which one word is cut", xlabel="different ways")
    right.set_yticks([i + 0.2 for i in range(len(words))], [word.replace(" ", "·") for word in words])
    left.invert_yaxis()
    right.invert_yaxis()
    figure.legend(loc="outside lower left", ncols=2)
    return figure


def figure_prices(sentences: dict[str, str], encoding: tiktoken.Encoding) -> Figure:
    """Draw tokens of each labelled text as a bar, its characters as a stroke."""
    names = list(sentences)
    counts = [len(encoding.encode_ordinary(text)) for text in sentences.values()]
    characters = [len(text) for text in sentences.values()]
    figure, axes = plt.subplots(figsize=(7.2, 0.32 * len(names) + 0.8))
    bars = axes.barh(names, counts, color=style.cycle()[0], label="tokens")
    axes.plot(characters, names, "|", color=style.color("ink"), markersize=12, markeredgewidth=2, label="characters")
    axes.bar_label(bars, padding=3)
    axes.set(title="One meaning, many prices", xlabel="tokens (bar) and characters (stroke)")
    axes.set_xlim(0, 1.12 * max(counts + characters))
    axes.invert_yaxis()
    axes.legend(loc="center right")
    return figure


def figure_languages(texts: dict[str, Sequence[str]], encodings: dict[str, tiktoken.Encoding]) -> Figure:
    """Draw tokens per character by language, one mark per vocabulary, with bytes per character as a stroke."""
    names = list(texts)
    characters = [sum(map(len, group)) for group in texts.values()]
    stored = [sum(len(text.encode()) for text in group) for group in texts.values()]
    figure, axes = plt.subplots(figsize=(7.2, 0.27 * len(names) + 1.0))
    shares = {
        name: [
            sum(len(encoding.encode_ordinary(text)) for text in group) / count
            for group, count in zip(texts.values(), characters, strict=True)
        ]
        for name, encoding in encodings.items()
    }
    ends = list(zip(*shares.values(), strict=True))
    axes.hlines(names, [min(end) for end in ends], [max(end) for end in ends], color=style.color("grid"), linewidth=4)
    for number, (name, values) in enumerate(shares.items()):
        axes.plot(values, names, "oDs^"[number % 4], color=style.cycle()[number], label=name)
    per_character = [size / count for size, count in zip(stored, characters, strict=True)]
    axes.plot(
        per_character, names, "|", color=style.color("ink"), markersize=11, markeredgewidth=2, label="bytes alone"
    )
    axes.set(title="What a character costs", xlabel="tokens per character", xlim=(0, None))
    axes.invert_yaxis()
    axes.legend(loc="lower right")
    return figure
