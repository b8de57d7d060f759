"""The figure of `bench growth`: what a token costs against each thing that grows, on two logarithmic axes."""

import matplotlib.pyplot as plt

from . import style

PANELS = {
    "context": ("tokens of context", {"ms_per_token": "time per token, ms", "cache_MB": "cache, MB"}),
    "batch": ("sequences at once", {"ms_per_step": "time per step, ms", "ms_per_token": "time per token, ms"}),
    "layers": ("layers", {"ms_per_token": "time per token, ms", "weights_MB": "weights, MB"}),
    "experts": ("experts", {"ms_per_token": "time per token, ms", "weights_MB": "weights, MB"}),
    "waiting": ("requests that wait", {"ms_per_round": "a round of the pool, ms"}),
    "trace": ("tokens in a trace", {"file_kB": "its file, kB"}),
}
MARKERS = ("o", "D")


def figure_growth(results: dict):
    """Draw one panel per thing that grows, with fitted exponents; results : as `bench growth` writes them."""
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 5.6), layout="constrained")
    for axis, (name, (what, columns)) in zip(axes.flat, PANELS.items(), strict=True):
        rows = {int(size): row for size, row in results[name]["sizes"].items()}
        for column, color, marker in zip(columns, style.cycle(), MARKERS, strict=False):
            grows = results[name]["exponents"][column]
            label = f"{columns[column]}: exponent {grows:g}".replace("-", "−")
            axis.plot(list(rows), [row[column] for row in rows.values()], color=color, marker=marker, ms=4, label=label)
        axis.set(xscale="log", yscale="log", xlabel=what)
        shown = list(rows)[:: max(1, len(rows) // 4)]
        axis.set_xticks(shown, labels=[_short(size) for size in shown])
        axis.minorticks_off()
        bottom, top = axis.get_ylim()
        axis.set_ylim(bottom / 1.5, top * (top / bottom) ** 0.35)  # room for the legend
        axis.legend(fontsize=7.5, loc="upper left")
    return figure


def _short(size: int) -> str:
    """Return a short label: 1024 becomes 1k."""
    return f"{size // 1024}k" if size >= 1024 and size % 1024 == 0 else f"{size:,}"
