"""Test entropy, mutual information, null models and intervals on data with a known answer, and their figures."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from gptoss_edu.errors import GptOssError, TraceError
from gptoss_edu.harmony import Message
from gptoss_edu.trace.analysis import (
    Corpus,
    bootstrap_interval,
    entropy_bits,
    mutual_information,
    p_value,
    permutation_null,
)
from gptoss_edu.trace.record import difference
from gptoss_edu.trace.synthetic import synthetic_trace
from gptoss_edu.viz import figures, style
from gptoss_edu.viz.sequence import figure_sequence


def test_entropy_and_information_of_known_cases():
    assert entropy_bits([1, 0, 0]) == 0 and entropy_bits([5, 5, 5, 5]) == pytest.approx(2)
    x = np.repeat([0, 1, 2, 3], 25)
    assert mutual_information(x, x) == pytest.approx(2)
    assert mutual_information(x, x % 2) == pytest.approx(1)
    assert mutual_information(x, np.tile(np.arange(25), 4)) == pytest.approx(0, abs=1e-12)
    p, q = 0.9, 0.5  # a binary channel that is right nine times in ten carries 1 − H(0.9) bits
    channel = np.array([[p, 1 - p], [1 - p, p]]) * q * 1000
    a = np.repeat([0, 0, 1, 1], np.rint(channel.reshape(-1)).astype(int))
    b = np.repeat([0, 1, 0, 1], np.rint(channel.reshape(-1)).astype(int))
    assert mutual_information(a, b) == pytest.approx(1 - entropy_bits([p, 1 - p]), abs=1e-6)


def test_null_shows_the_bias_and_nothing_more():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 8, 500), rng.integers(0, 6, 500)
    null = permutation_null(x, y, repeats=100)
    assert null.mean() == pytest.approx(7 * 5 / (2 * 500 * np.log(2)), rel=0.25)  # Miller's correction of the bias
    assert p_value(mutual_information(x, y), null) > 0.01
    assert p_value(mutual_information(x, x), null) == pytest.approx(1 / 101)


def test_shuffling_tokens_of_whole_conversations_would_lie():
    """Each conversation favours its own expert, whatever the task: only the null model by group reveals that."""
    rng = np.random.default_rng(1)
    wrong, right = 0, 0
    for seed in range(12):
        groups = np.repeat(np.arange(12), 40)
        task = rng.permutation(np.repeat([0, 1], 6))[groups]
        expert = np.where(rng.random(480) < 0.5, rng.integers(0, 8, 12)[groups], rng.integers(0, 8, 480))
        seen = mutual_information(expert, task)
        wrong += p_value(seen, permutation_null(expert, task, repeats=60, seed=seed)) < 0.05
        right += p_value(seen, permutation_null(expert, task, repeats=60, seed=seed, groups=groups)) < 0.05
    assert wrong >= 10 and right <= 3
    with pytest.raises(TraceError, match="same within each group"):
        permutation_null(expert, np.arange(480), groups=groups)


def test_intervals_cover_the_truth():
    rng = np.random.default_rng(2)
    inside = 0
    for seed in range(60):
        low, high = bootstrap_interval(rng.normal(3.0, 1.0, 80), repeats=200, seed=seed)
        inside += low <= 3.0 <= high
    assert 50 <= inside <= 60
    # whole conversations differ, so the interval must widen
    offsets = rng.normal(0, 5, 10)[np.repeat(np.arange(10), 30)]
    values = offsets + rng.normal(0, 0.1, 300)
    width = [np.subtract(*bootstrap_interval(values, groups)[::-1]) for groups in (None, np.repeat(np.arange(10), 30))]
    assert width[1] > 3 * width[0]


@pytest.fixture(scope="module")
def traces():
    return [synthetic_trace(60 + i, seed=i) for i in range(4)]


def test_a_corpus_counts_like_a_loop(traces):
    corpus = Corpus(traces, effort=["low", "high", "low", "high"])
    assert (
        len(corpus) == sum(map(len, traces)) and corpus.of_conversation("effort") and not corpus.of_conversation("kind")
    )
    counts = np.zeros(16)
    for t in traces:
        for token in t["expert_indices"][2]:
            counts[token] += 1
    assert np.allclose(corpus.load(2), counts / counts.sum()) and np.allclose(corpus.chosen(2).sum(1), 4)
    bits, null = corpus.information("effort", 1, repeats=20)
    assert p_value(bits, null) > 0.04 and corpus.information("token", 1, repeats=5)[0] > bits
    with pytest.raises(TraceError, match="4 traces"):
        Corpus(traces, effort=["low"])


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_every_figure_in_both_themes(traces, theme):
    t, corpus = traces[0], Corpus(traces, effort=list("abab"))
    layer, head = t.exact_heads()[0]
    with style.themed(theme):
        made = [
            figures.attention(t, layer, head),
            figures.attention(t, layer, head, 10, 40),
            figures.row(t, layer, head, 30),
            figures.head_grid(t),
            figures.head_grid(t, "head_distance", t["kind"] == 1),
            figures.distances(t),
            figures.sink_over_text(t, [(0, 1), (3, 2)]),
            figures.router_map(t, 1, 5, 40),
            figures.logit_lens(t, 3, 12),
            figures.difference(difference(t, t)),
            figures.load(corpus, 1, repeats=20),
            figures.load_balance(corpus),
            figures.information({"effort": [corpus.information("effort", i, 5) for i in range(2)]}),
            figures.null_histogram(0.3, np.linspace(0, 0.2, 50), "information"),
        ]
        for fig in made:
            fig.canvas.draw()
            ground = matplotlib.colors.to_hex(fig.get_facecolor()).upper()
            assert ground == style.color("paper") and any(ax.has_data() for ax in fig.axes)
    plt.close("all")


def test_the_picture_of_a_row_is_the_row(traces):
    layer, head = traces[0].exact_heads()[0]
    weights, sink = traces[0].attention(layer, head)
    fig = figures.row(traces[0], layer, head, 40)
    widths = [bar.get_width() for bar in fig.axes[0].patches]
    assert sum(widths) == pytest.approx(1, abs=0.01) and widths[0] == pytest.approx(float(sink[40]), abs=1e-3)
    assert max(widths[1:-1]) == pytest.approx(float(weights[40].max()), abs=1e-3)
    plt.close("all")


@pytest.mark.slow
def test_dollars_in_a_text_are_no_formula():
    run = synthetic_trace(30, pieces=[b"$x^$", b"$$", rb"a$\frac$$$$$$"])
    layer, head = run.exact_heads()[0]
    message = Message("assistant", "between $5^ and $6", channel="final")
    made = [figures.row(run, layer, head, 20), figures.attention(run, layer, head), figure_sequence([message])]
    for fig in made:
        fig.canvas.draw()
    plt.close("all")


def test_colours_are_legible_and_distinct_without_hue():
    for name, (light, dark) in style.COLORS.items():
        if name not in ("grid", "paper", "raised"):
            assert style.contrast(light, "#FFFFFF") >= 4.5 and style.contrast(dark, "#14171C") >= 4.5, name
    for theme in style.THEMES:
        for name in ("sequential", "heat"):
            lightness = [style._luminance(c) for c in style.stops(name, theme)]
            assert lightness == sorted(lightness, reverse=theme == "light")
    for vision in (PROTAN, DEUTAN):  # neighbouring colours in every figure, as people without one kind of cone see them
        for theme in style.THEMES:
            for a, b in (("analysis", "commentary"), ("analysis", "final"), ("commentary", "final"), ("sink", "final")):
                assert (
                    np.linalg.norm(seen_as(style.color(a, theme), vision) - seen_as(style.color(b, theme), vision))
                    > 0.12
                ), (a, b, theme)
    with pytest.raises(GptOssError, match="no colour"):
        style.color("mauve")


# Viénot, Brettel and Mollon 1999, in linear RGB.
PROTAN = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
DEUTAN = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])


def seen_as(color: str, vision) -> np.ndarray:
    rgb = np.array(matplotlib.colors.to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.clip(vision @ linear, 0, 1) ** (1 / 2.2)
