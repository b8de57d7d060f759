"""Figures of reinforcement learning show the recorded numbers, seed by seed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from gptoss_edu.viz import reward_figures, style

KINDS = ("product", "chain", "count")


def made_up_run(seed: int, steps: int = 6) -> dict:
    rng = np.random.default_rng(seed)
    terms = {name: rng.random(steps).tolist() for name in ("thinks", "right", "thinks, low", "thinks, medium")}
    probed = [{"kinds": {k: {"of": 4, "right": float(rng.random()), "thinks": 0.5} for k in KINDS}} for _ in range(2)]
    log = {"step": list(range(steps)), "reward": terms["right"], "tokens": [20.0] * steps, "terms": terms}
    return {"seed": seed, "log": log, "probed": probed}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def lines(ax) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines]


@pytest.mark.parametrize("theme", style.THEMES)
def test_curves_are_the_seeds_and_their_mean(theme):
    record = {"runs": [made_up_run(seed) for seed in range(3)]}
    with style.themed(theme):
        figure = reward_figures.learning(record, {"thinks": "thinks"}, "a title", {"tokens": "per answer"})
    above, below = figure.axes
    seeds = np.array([run["log"]["terms"]["thinks"] for run in record["runs"]])
    assert np.allclose(lines(above)[:3], seeds) and np.allclose(lines(above)[3], seeds.mean(0))
    assert np.allclose(lines(below)[-1], 20.0)
    assert "thinks" in {text.get_text() for text in above.texts}


def test_one_seed_is_one_line():
    figure = reward_figures.learning({"runs": [made_up_run(0)]}, {"right": "right", "thinks": "thinks"}, "")
    assert len(figure.axes[0].lines) == 2


def test_before_and_after_stand_in_the_row_of_their_kind():
    runs = [made_up_run(seed) for seed in range(2)]
    figure = reward_figures.before_and_after({"runs": runs}, {"right": "right"}, "held out")
    (ax,) = figure.axes
    for row, kind in enumerate(KINDS):
        for line, at in zip(ax.lines[2 * row : 2 * row + 2], (0, -1), strict=True):
            mean = np.mean([run["probed"][at]["kinds"][kind]["right"] for run in runs])
            assert np.allclose((line.get_xdata()[0], line.get_ydata()[0]), (mean, row))
    assert [label.get_text() for label in ax.get_yticklabels()] == list(KINDS)


def test_small_multiples_have_a_panel_for_each_record():
    records = {f"case {i}": {"runs": [made_up_run(i)]} for i in range(5)}
    figure = reward_figures.small_multiples(records, {"thinks": "thinks", "right": "right"}, across=3)
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title() or ax.get_title(loc="left") for ax in shown] == list(records)
    assert np.allclose(lines(shown[4])[1], records["case 4"]["runs"][0]["log"]["terms"]["right"])


def test_tokens_and_right_are_the_means_before_and_after():
    runs = [made_up_run(seed) for seed in range(2)]
    for number, run in enumerate(runs):
        for when, probed in enumerate(run["probed"]):
            for place, kind in enumerate(KINDS):
                probed["kinds"][kind]["tokens"] = 10.0 + 30 * place + 4 * number + when
    ax = reward_figures.tokens_and_right({"runs": runs}, "a title").axes[0]
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if len(line.get_xdata()) == 1]
    means = lambda when, kind, term: np.mean([run["probed"][when]["kinds"][kind][term] for run in runs])  # noqa: E731
    assert np.allclose(points, [[means(w, k, t) for t in ("tokens", "right")] for w in (0, -1) for k in KINDS])
    assert [text.get_text() for text in ax.texts] == [f"{k}, {w}" for w in ("before", "after") for k in KINDS]


def test_pushes_say_both_probabilities():
    figure = reward_figures.pushes(("a", "b"), (0.25, 0.75), (0.5, 0.5), (1.0, 0.0))
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.25 → 0.50", "0.75 → 0.50"]
