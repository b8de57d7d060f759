"""The museum's figure (chapter 26): which test would have caught which bug."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt

from . import style


def catches(rows: Sequence[str], columns: Sequence[tuple[str, str]], caught: Sequence[Sequence[bool]]):
    """Draw a table of bugs and tests: a filled square where the test would have caught the bug.

    rows : the bugs; columns : (group, label) of each test; caught[i][j] : whether test j catches bug i. A bug that
        nothing  row sees stands with an empty row. Returns the Matplotlib figure.
    """
    figure, axis = plt.subplots(figsize=(9.6, 5.6), layout="constrained")
    for i, row in enumerate(caught):
        for j, seen in enumerate(row):
            edge, inside = (style.color("right"),) * 2 if seen else (style.color("grid"), "none")
            axis.add_patch(
                plt.Rectangle((j + 0.12, i + 0.12), 0.76, 0.76, linewidth=0.8, edgecolor=edge, facecolor=inside)
            )
    groups = [group for group, _ in columns]
    for group in dict.fromkeys(groups):
        first, last = groups.index(group), len(groups) - groups[::-1].index(group)
        axis.text((first + last) / 2, -0.35, group, ha="center", va="bottom", fontsize=9, color=style.color("muted"))
        if first:
            axis.axvline(first, color=style.color("ink"), linewidth=0.8)
    axis.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    axis.set_xticks(
        [j + 0.5 for j in range(len(columns))], [label for _, label in columns], rotation=60, ha="right", fontsize=9
    )
    axis.set_yticks([i + 0.5 for i in range(len(rows))], rows)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_title("Filled: this test would have caught this bug", pad=26)
    return figure
