"""The picture on the front page: one answer of gpt-oss-tiny, token by token, with its sinks and its experts."""

from html import escape

from drawings import svg

from gptoss_edu import load_model
from gptoss_edu.trace import trace_answer
from gptoss_edu.viz import style

QUESTION, EFFORT = "What is 47 times 36?", "medium"
MOST = 40  # columns: what an article is wide
STEP, CHIP, BARS, CELL = 18, 82, 44, 8  # pixels: a column, a token's height, the tallest bar, an expert's row
CAPTION = (
    "gpt-oss-tiny answers “{question}”. A column is a token; under it, how much of layer {sink}'s attention went to its"
    " sinks, that is to no token at all, and which {k} of the {e} experts of layer {expert} worked on it. Computed when"
    " these pages were made; each heading leads to the chapter that builds the part."
)


def front_picture(stems: dict[int, str]) -> str:
    """Return the drawing and its caption, as HTML; `stems` gives each chapter's file."""
    run, _, _ = trace_answer(load_model(), QUESTION, EFFORT)
    arrays, meta = run.arrays, run.meta
    total = len(arrays["tokens"])
    thought = [t for t in range(total) if meta["channels"][arrays["channel"][t]] != "none"]
    shown = range(max(thought[0] if thought else 0, total - MOST), total)
    sinks = arrays["sink_mass"][:, shown].mean(-1)  # (layers, t): mean over the heads
    layer = int(sinks.std(-1).argmax())
    middle = meta["n_layers"] // 2
    parts, y = [], 0
    parts += heading(y, stems, 12, "harmony: a thought, then an answer")
    parts += channels(run, shown, y + 30)
    parts += heading(y + 42, stems, 2, "tokens")
    parts += chips(run, shown, y + 58)
    y += 66 + CHIP
    parts += heading(y, stems, 6, f"attention that goes to the sink, layer {layer}")
    parts += bars(sinks[layer], y + 24)
    y += BARS + 38
    parts += heading(
        y, stems, 8, f"experts at work: {meta['experts_per_token']} of {meta['n_experts']}, layer {middle}"
    )
    parts += cells(arrays["expert_indices"][middle, shown], arrays["expert_weights"][middle, shown], y + 22)
    height = y + 30 + CELL * meta["n_experts"]
    drawing = svg(STEP * len(shown) + 2, height, parts, "One answer of gpt-oss-tiny, token by token")
    said = CAPTION.format(
        question=QUESTION, sink=layer, expert=middle, k=meta["experts_per_token"], e=meta["n_experts"]
    )
    return f"<style>{colours()}</style><figure class='front'>{drawing}<figcaption>{escape(said)}</figcaption></figure>"


def colours() -> str:
    """Return the colours of the figures, light and dark."""
    names = ("analysis", "commentary", "final", "sink", "neutral", "sliding")
    both = (("", 0), ("html[data-theme=dark] ", 1))
    return "".join(f"{where}.front svg.linked .{n}{{fill:{style.COLORS[n][i]}}}" for where, i in both for n in names)


def heading(y: float, stems: dict[int, str], chapter: int, words: str) -> list[str]:
    words = f"{chapter:02d} · {escape(words)}"
    return [f'<a href="chapters/{stems[chapter]}.html"><text x="0" y="{y + 13}" font-size="13">{words}</text></a>']


def channels(run, shown: range, y: float) -> list[str]:
    """Return a coloured line over the tokens of each message, with its channel's name."""
    names = [run.meta["channels"][run.arrays["channel"][t]] for t in shown]
    parts, start = [], 0
    for i in range(1, len(names) + 1):
        if i == len(names) or names[i] != names[start]:
            if names[start] != "none":
                x, kind = STEP * start, escape(names[start])
                parts.append(
                    f'<rect class="{kind}" x="{x}" y="{y}" width="{STEP * (i - start) - 3}" height="4" rx="2"/>'
                )
                parts.append(
                    f'<text class="{kind}" x="{x + STEP * (i - start) - 3}" y="{y - 6}" text-anchor="end"'
                    f' font-size="12">{kind}</text>'
                )
            start = i
    return parts


def chips(run, shown: range, y: float) -> list[str]:
    """Return a box for each token; what is longer than two characters is written upwards."""
    parts = []
    for i, t in enumerate(shown):
        text = run.text(t).replace(" ", "␣")
        x = STEP * i
        parts.append(f'<rect class="chip" x="{x}" y="{y}" width="{STEP - 3}" height="{CHIP}" rx="3"/>')
        place = f'x="{x + STEP / 2 - 1.5}" y="{y + CHIP - 8}" text-anchor="middle" font-size="13"'
        if len(text) > 2:
            place = f'transform="translate({x + STEP / 2 + 2} {y + CHIP - 6}) rotate(-90)" font-size="11"'
        parts.append(f'<text class="code" {place}>{escape(text)}</text>')
    return parts


def bars(shares, y: float) -> list[str]:
    """Return one bar a token; the line on which they stand, and the line of all attention."""
    wide = STEP * len(shares) - 3
    parts = [
        f'<path class="line" d="M0 {y + at} L{wide} {y + at}" stroke-dasharray="{dash}"/>'
        for at, dash in ((0, "2 4"), (BARS, "0"))
    ]
    for i, share in enumerate(shares):
        high = float(share) * BARS
        parts.append(
            f'<rect class="sink" x="{STEP * i}" y="{y + BARS - high:.1f}" width="{STEP - 3}" height="{high:.1f}"/>'
        )
    return parts


def cells(chosen, weights, y: float) -> list[str]:
    """Return a row for each expert, a square where it works; the stronger its weight, the stronger the square."""
    parts = []
    for i, (experts, shares) in enumerate(zip(chosen, weights, strict=True)):
        for expert, share in zip(experts, shares, strict=True):
            place = f'x="{STEP * i}" y="{y + CELL * int(expert)}" width="{STEP - 3}" height="{CELL - 1}"'
            parts.append(f'<rect class="sliding" {place} opacity="{min(1, 0.35 + float(share)):.2f}"/>')
    return parts
