"""Test viz/architecture.py: areas and bars agree with the numbers they show."""

from itertools import pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from gptoss_edu import ModelConfig
from gptoss_edu.checkpoint.layouts import original_shapes
from gptoss_edu.checkpoint.sizes import GIB, parameter_counts
from gptoss_edu.viz import architecture, style

SMALL, LARGE = ModelConfig.gpt_oss_20b(), ModelConfig.gpt_oss_120b()


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("config", [SMALL, LARGE])
def test_parts_add_up_and_agree_with_the_model_cards_table(config):
    parts = architecture.parameter_parts(config)
    table = parameter_counts(original_shapes(config), config)
    assert sum(parts.values()) == table["total"]
    assert parts["embedding"] + parts["unembedding"] == table["embeddings"]
    # the table counts norms with attention or experts, and the router with the experts
    norms = config.num_hidden_layers * config.hidden_size
    assert parts["attention"] == table["attention"] - norms
    routers = config.num_hidden_layers * config.num_experts * (config.hidden_size + 1)
    assert parts["experts"] == table["mlp"] - norms - routers
    assert parts["routers and norms"] == 2 * norms + routers + config.hidden_size


@pytest.mark.slow
@pytest.mark.parametrize("config", [SMALL, LARGE])
def test_areas_of_the_treemap_are_shares_and_dark_is_what_a_token_uses(config):
    axes = architecture.figure_parameters(config).axes[0]
    cells = axes.collections[0]
    areas = [abs(path.get_extents().width * path.get_extents().height) for path in cells.get_paths()]
    dark = [to_hex(face) == style.cycle()[0].lower() for face in cells.get_facecolors()]
    assert len(areas) == config.num_hidden_layers * config.num_experts
    column = {patch: patch.get_width() * patch.get_height() for patch in axes.patches}
    assert sum(areas) + sum(column.values()) == pytest.approx(1)
    used = sum(area for area, is_dark in zip(areas, dark, strict=True) if is_dark)
    used += sum(area for patch, area in column.items() if to_hex(patch.get_facecolor()) == style.cycle()[0].lower())
    table = parameter_counts(original_shapes(config), config)
    assert used == pytest.approx(table["active"] / table["total"], rel=1e-6)


@pytest.mark.slow
def test_labels_of_thin_parts_do_not_overlap():
    tiny = ModelConfig.from_dict(SMALL.to_dict() | {"vocab_size": 1024, "hidden_size": 256, "num_hidden_layers": 6})
    for config in (SMALL, LARGE, tiny):
        figure = architecture.figure_parameters(config)
        figure.canvas.draw()
        labels = [text for text in figure.axes[0].texts if "%" in text.get_text() and "\n" in text.get_text()]
        boxes = sorted((Text.get_window_extent(text) for text in labels), key=lambda box: box.y0)
        assert len(boxes) == 4
        assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))


def test_the_map_names_the_models_own_numbers():
    written = "\n".join(text.get_text() for text in architecture.figure_map(LARGE).axes[0].texts)
    for words in ("201,088 ids", "36 blocks", "4 of 128", "64 query, 8 key/value heads", "2,880 numbers", "128 tokens"):
        assert words in written


def test_bars_are_the_numbers_given():
    memory = architecture.figure_memory({"a": 2 * GIB, "b": 60 * GIB}, {"gpu": 16 * GIB}).axes[0]
    assert [bar.get_width() for bar in memory.patches] == [2, 60]
    assert memory.lines[0].get_xdata()[0] == 16
    bars = architecture.figure_bars({"a": 1.0, "b": 4.0}, "GB").axes[0]
    assert [bar.get_width() for bar in bars.patches] == [1.0, 4.0]
    guess = architecture.figure_guess({"experts": 40}, SMALL).axes[0]
    assert [round(bar.get_width(), 1) for bar in guess.patches] == [40, 0, 0, 0, 0, 91.4, 3.0, 2.8, 2.8, 0.0]
