"""Test the hardware figures: chapter 18 shows the package's functions.

The recorded lower bounds on time follow from shapes alone.
"""

import json

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from gptoss_edu import ModelConfig
from gptoss_edu.benchmarks.gpu_parallel import rank_bytes
from gptoss_edu.checkpoint import sizes
from gptoss_edu.checkpoint.layouts import layout_entries
from gptoss_edu.fast import in_numpy as twin
from gptoss_edu.resources import data_path, notebooks_path
from gptoss_edu.viz import hardware, parallel_figures

SMALL, LARGE = ModelConfig.gpt_oss_20b(), ModelConfig.gpt_oss_120b()


@pytest.fixture(scope="module")
def shown() -> dict:
    """Return the functions defined in the chapter's exercise cells."""
    notebook = nbformat.read(notebooks_path() / "18_real_weights_on_a_gpu.ipynb", as_version=4)
    names = {"np": np, "ModelConfig": ModelConfig, "cache_bytes": sizes.cache_bytes}
    for cell in notebook.cells:
        if "exercise" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return names


def test_bytes_read_is_the_packages(shown):
    for config in (SMALL, LARGE):
        for name, entry in layout_entries(config, "original").items():
            args = (name, entry.shape, 2, config.experts_per_token / config.num_experts)
            assert shown["bytes_read"](*args) == pytest.approx(sizes.bytes_read(*args), rel=1e-12)


def test_tile_is_the_packages_and_covers_every_element_once(shown):
    for block_n, block_c, rows, c in ((4, 4, 10, 7), (2, 8, 5, 8), (16, 2, 3, 9)):
        seen = []
        for pid in range(-(-rows // block_n)):
            for step in range(-(-c // block_c)):
                args = (pid, step, block_n, block_c, rows, c)
                offsets, mask = twin.tile(*args)
                assert np.array_equal(shown["tile"](*args)[0], offsets) and np.array_equal(
                    shown["tile"](*args)[1], mask
                )
                seen += offsets[mask].tolist()
        assert sorted(seen) == list(range(rows * c))


def test_longest_context_is_the_last_that_fits(shown):
    for config in (SMALL, LARGE):
        for room in (0, 49_151, 49_152, 10**6, 3 * 10**6 + 145_728, 10**9):
            tokens = sizes.longest_context(config, room)
            assert sizes.cache_bytes(config, tokens) <= room < sizes.cache_bytes(config, tokens + 1)
            assert shown["longest_context"](config, room) == tokens
        assert sizes.longest_context(config, -1) == 0
        assert sizes.longest_context(config, 10**12) == config.max_context == shown["longest_context"](config, 10**12)


@pytest.mark.parametrize(
    "config, row, context",
    [
        (SMALL, "20b decode, 1 x context 1,024, room 1,152", 1024),
        (SMALL, "20b decode, 1 x context 131,000, room 131,072", 131000),
        (LARGE, "120b decode, 1 x context 32,000, room 32,768", 32000),
    ],
)
def test_the_recorded_floors_follow_from_the_shapes(config, row, context):
    """A run's floor equals the bytes that sizes.py counts, divided by the bandwidth measured in that run."""
    runs = [json.loads(file.read_text()) for file in data_path("benchmarks").glob("gpu-nvidia-*.json")]
    runs = [run for run in runs if row in run["results"]]  # a run may have had some parts only
    assert runs
    for run in runs:
        recorded = run["results"][row]["floor_milliseconds"] / 1e3 * run["ceilings"]["read_bytes_per_s"]
        assert sizes.step_bytes(config, context) == pytest.approx(recorded, rel=1e-12)


@pytest.mark.parametrize("mode", ["tensor", "experts"])
@pytest.mark.parametrize("rows", [1, 16, 64])
def test_the_floors_of_two_cards_follow_from_their_slices(mode, rows):
    run = json.loads((data_path("benchmarks") / "gpu-2x-nvidia-h200.json").read_text())
    for shape, config in (("120b", LARGE), ("20b", SMALL)):
        row = run["results"][f"{shape} {mode} decode, {rows} x context 1,024"]
        seconds = rank_bytes(config, 2, mode, rows, 1024) / run["ceilings"]["read_bytes_per_s"]
        assert row["floor_milliseconds"] == pytest.approx(seconds * 1e3, rel=1e-3)


def test_the_figure_of_cards_marks_what_was_measured_and_says_that_the_rest_is_not():
    prediction = json.loads(data_path("measurements", "parallel_prediction.json").read_text())
    figure = parallel_figures.figure_scaling(prediction, "120b", 1.5, {1: 2.0, 2: 1.6})
    left, right = figure.axes
    (points,) = [line for line in left.lines if line.get_label() == "measured"]
    assert points.get_xydata().tolist() == [[1, 1], [2, 1.25]]
    assert [line.get_xydata().tolist() for line in right.lines] == [[[2.0, 0]], [[1.6, 1]]]
    (grey,) = [patch for patch in left.patches if patch.get_width() > 1]
    assert 2 < grey.get_x() < 4 and grey.get_x() + grey.get_width() > 8
    assert "predicted only" in [text.get_text() for text in left.texts]
    assert all(
        "predicted" in line.get_label()
        for line in left.lines
        if list(line.get_xdata())[-1] == 8 and line.get_linestyle() != ":"
    )
    plt.close(figure)


def test_a_timeline_puts_each_kernel_in_its_lane_and_fills_it_from_where_it_can_work():
    names = ["attend", "combine", "matvec", "router", "experts_up", "experts_down", "matvec", "attend"]
    rows = [[f"{name}_kernel", 10.0 * i - 4.0 * (i > 0), 10.0 + 4.0 * (i > 0)] for i, name in enumerate(names)]
    axis = hardware.figure_timeline({"overlapping": rows}).axes[0]
    lanes = [label.get_text() for label in axis.get_yticklabels()]
    bars = [(lanes[round(bar.get_y() + bar.get_height() / 2)], bar.get_x(), bar.get_width()) for bar in axis.patches]
    pale, filled = bars[0::2], bars[1::2]
    order = [
        "attention",
        "combine splits",
        "output product",
        "router",
        "experts, first",
        "experts, second",
        "query, key, value",
    ]
    assert [lane for lane, _, _ in filled] == [*order, "attention"]
    assert [(x, width) for _, x, width in filled] == [(10.0 * i, 10.0) for i in range(8)]
    assert [width for _, _, width in pale] == [0.0] + [4.0] * 7
    plt.close(axis.figure)


def test_the_readmes_speeds_are_the_recorded_ones():
    readme = data_path().parent / "README.md"
    if not readme.exists():
        pytest.skip("the README is part of a checkout, and this is an installed package")
    text = readme.read_text(encoding="utf-8")
    rows = json.loads((data_path("benchmarks") / "gpu-nvidia-h100-80gb-hbm3.json").read_text(encoding="utf-8"))[
        "results"
    ]
    for row in (
        "1 x context 1,024, room 32,768",
        "1 x context 32,768, room 33,000",
        "1 x context 131,000, room 131,072",
    ):
        found = rows[f"20b decode, {row}"]
        assert f"| {found['tokens_per_s']:.0f} | {found['of_floor']:.0%} |".replace("%", " %") in text, row
    found = rows["120b decode, 1 x context 1,024, room 32,768"]
    assert f"| {found['tokens_per_s']:.0f} | {found['of_floor']:.0%} |".replace("%", " %") in text
    for peer in ("transformers decode, compiled, in a graph", "gpt_oss.triton decode, in a graph"):
        assert f"in a CUDA graph | {rows[f'{peer}, context 1,024']['tokens_per_s']:.0f} |" in text, peer


def test_the_readmes_two_cards_are_the_recorded_ones():
    path = data_path().parent / "README.md"
    if not path.exists():
        pytest.skip("the README is part of a checkout, and this is an installed package")
    rows = json.loads((data_path("benchmarks") / "gpu-2x-nvidia-h200.json").read_text(encoding="utf-8"))["results"]
    one, some, many, long, short = (
        rows[f"120b tensor {what}: times one card"]["ratio"]
        for what in (
            *(f"decode, {n} x context 1,024" for n in (1, 16, 64)),
            "prefill, 4,096 tokens",
            "prefill, 128 tokens",
        )
    )
    said = (
        f"decodes one sequence {one:.2f} times as fast as on one, 16 and 64 sequences {some:.2f} and {many:.2f} times, "
        f"and reads a prompt of 4,096 tokens {long:.2f} times as fast"
    )
    text = path.read_text(encoding="utf-8")
    assert said in text and (short < 1) == ("a prompt of 128 tokens takes longer on two cards" in text)


def run_of(name: str) -> dict:
    return json.loads((data_path("benchmarks") / f"{name}.json").read_text(encoding="utf-8"))


def test_what_chapter_18_says_of_one_and_two_sequences_is_recorded():
    """The text's shares and times are those of the runs, the question's too."""
    old, new, before = map(run_of, ("gpu-nvidia-h100-80gb-hbm3", "gpu-nvidia-h200", "gpu-nvidia-h200-before"))
    one, two = (f"20b decode, {n} x context 1,024, room 1,152" for n in (1, 2))
    notebook = nbformat.read(notebooks_path() / "18_real_weights_on_a_gpu.ipynb", as_version=4)
    text = " ".join("".join(cell.source).replace('" "', "") for cell in notebook.cells)
    text = " ".join(text.replace('"\n', "").replace('             "', "").split())
    shares = [f"{run['results'][one]['of_floor']:.0%}".replace("%", " %") for run in (old, new)]
    assert f"{shares[0]} of its roof on the H100, {shares[1]} on the H200" in text
    faster = new["results"][two]["tokens_per_s"] / new["results"][one]["tokens_per_s"]
    assert f"Two together write {faster:.1f} times as many tokens" in text
    was = [before["results"][row]["milliseconds"] for row in (one, two)]
    assert was[1] > 2 * was[0] and old["results"][two]["tokens_per_s"] < old["results"][one]["tokens_per_s"]
    assert f"one sequence took {was[0]:.2f} ms, a step of two {was[1]:.2f} ms" in text
    assert f"Two take {new['results'][two]['milliseconds']:.2f} ms instead of {was[1]:.2f}" in text
    kernels = sum(count for _, count in old["20b kernels, microseconds and launches a step"].values())
    bound = new["results"][one]["floor_milliseconds"] + kernels * new["ceilings"]["graph_kernel_s"] * 1e3
    above = new["results"][one]["milliseconds"] - new["results"][one]["floor_milliseconds"]
    assert f"{above:.2f} ms more than its bytes, {above * 1e3 / kernels:.1f} µs for each of {kernels:.0f}" in text
    assert f"{kernels:.0f} kernels begin" in text and f"So {bound:.2f} ms is an estimate" in text


def test_steps_are_drawn_up_to_their_floor_and_what_was_not_measured_is_said():
    figure = hardware.figure_steps({2: (3.0, 2.0, 1.0), 8: (None, 4.0, 2.5)}, "a card")
    axis = figure.axes[-1]
    assert [bar.get_width() for bar in axis.patches] == [3.0, 2.0, 1.0, 4.0, 2.5]
    assert [text.get_text() for text in axis.texts] == [
        "3.00", "2.00, at least 1.00", "not measured", "4.00, at least 2.50"
    ]  # fmt: skip
    plt.close(figure)


def test_what_lies_between_kernels_is_all_but_their_bytes():
    rows = [["attend_kernel", 0.0, 4.0], ["matvec_kernel", 3.0, 9.0], ["router_kernel", 13.0, 3.0]]
    least = {"attend": 1.0, "out": 5.0, "router": 0.5}
    figure = hardware.figure_between({"overlapping": rows}, least, 0.25, "a card")
    assert figure.axes[0].get_title() == "a card"
    bars = [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]
    whole, filled = bars[0::2], bars[1::2]
    assert whole[:3] == [(0.0, 4.0), (4.0, 8.0), (13.0, 3.0)]
    assert whole[3:] == [(0.0, 1.25), (1.25, 5.25), (6.5, 0.75)]
    assert [width for _, width in filled] == [1.0, 5.0, 0.5] * 2
    plt.close(figure)


def test_the_bytes_of_a_layers_kernels_are_those_of_a_step_without_its_ends():
    least = hardware.least_times(SMALL, 1024, 1e6)
    ends = sum(
        sizes.bytes_read(name, entry.shape, 2, 1 / 8)
        for name, entry in layout_entries(SMALL, "original").items()
        if not name.startswith("block.")
    )
    layers = SMALL.num_hidden_layers * sum(least.values())
    assert set(least) == set(hardware.LANES)
    assert layers == pytest.approx(sizes.step_bytes(SMALL, 1024) - ends, rel=1e-3)  # norms and sinks are left out
