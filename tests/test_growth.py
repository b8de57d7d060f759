"""Test `bench growth`: exponents of known curves, a pool's cost per round with many requests waiting, the figure."""

import argparse

import pytest

from gptoss_edu.benchmarks import growth, tiny
from gptoss_edu.config import ModelConfig
from gptoss_edu.viz import style
from gptoss_edu.viz.growth_figures import PANELS, figure_growth


@pytest.mark.parametrize(("power", "offset"), [(1, 0), (2, 0), (0, 0), (0.5, 0)])
def test_the_exponent_of_a_known_curve(power, offset):
    sizes = growth.doubled(1, 256)
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert growth.exponent(sizes, [3.0 * n**power + offset for n in sizes]) == pytest.approx(power, abs=0.01)


def test_a_constant_part_counts_little_in_the_upper_half():
    sizes = growth.doubled(1, 4096)
    assert growth.exponent(sizes, [10 + n for n in sizes]) > 0.9
    assert growth.exponent(sizes[:2], [1.0, 2.0]) == 1.0


def test_waiting_requests_are_counted_and_the_pool_still_serves():
    found = growth.waiting(argparse.Namespace(waiting=10, repeat=1))
    assert list(found["sizes"]) == ["1", "10"] and all(row["ms_per_round"] > 0 for row in found["sizes"].values())


def test_a_token_of_the_bundled_model_needs_six_million_products():
    """Counted by hand from the shapes: attention 167,936 and experts 786,432 per layer, vocabulary 524,288."""
    shape = ModelConfig(**{**growth.SHAPE, "initial_context_length": 256, "rope_scaling_factor": 8.0})
    assert tiny.floors(shape)["multiply_adds_per_token"] == 6 * (98_304 + 65_536 + 4_096 + 786_432) + 524_288


@pytest.mark.parametrize("theme", style.THEMES)
def test_the_figure_has_a_panel_for_each_thing_that_grows(theme):
    columns = {name: columns for name, (_, columns) in PANELS.items()}
    results = {
        name: growth.curve({n: {column: float(n) for column in columns[name]} for n in (1024, 2048, 4096)})
        for name in columns
    }
    style.use(theme)
    axes = figure_growth(results).axes
    assert [axis.get_xlabel() for axis in axes] == [what for what, _ in PANELS.values()]
    assert "exponent 1" in axes[0].get_legend().get_texts()[0].get_text()
