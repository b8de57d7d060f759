"""Pictures of what a gpt-oss is made of: the map of its parts, where its parameters sit, what fits where.

Every number comes from a `ModelConfig`; no weights are needed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from gptoss_edu.config import ModelConfig
from gptoss_edu.layouts import original_shapes, split_name
from gptoss_edu.sizes import GIB
from gptoss_edu.viz import style

PARTS = ("experts", "attention", "embedding", "unembedding", "routers and norms")


def parameter_parts(config: ModelConfig) -> dict[str, int]:
    """Parameters by what they do; unlike the model card's table, routers and norms are counted apart.

    Returns
    -------
    dict[str, int]
        Keys are `PARTS`; the values add up to all parameters.
    """
    counts = dict.fromkeys(PARTS, 0)
    for name, shape in original_shapes(config).items():
        size = 1
        for length in shape:
            size *= length
        counts[_part(name)] += size
    return counts


def _part(name: str) -> str:
    rest = split_name(name)[1]
    if rest in ("embedding.weight", "unembedding.weight"):
        return rest.split(".")[0]
    if rest.startswith("mlp.mlp"):
        return "experts"
    return "attention" if rest.startswith("attn.") and "norm" not in rest else "routers and norms"


# ---------------------------------------------------------------------------------------------- where parameters sit


def figure_parameters(config: ModelConfig, seed: int = 0) -> Figure:
    """A treemap: areas are parameters, each expert a rectangle of its own, and dark is what one token uses.

    Columns are layers, rows are experts. Which experts are dark is drawn by chance with `seed`; a real router chooses
    them by the token.
    """
    counts = parameter_parts(config)
    total = sum(counts.values())
    figure, axes = plt.subplots(figsize=(9, 4.6))
    width = counts["experts"] / total
    used = _expert_grid(axes, config, width, seed) * counts["experts"] / (config.num_layers_times_experts())
    return figure, used
