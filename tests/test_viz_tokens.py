"""Test viz/tokens.py: the text of the boxes, and the numbers behind the figures."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from gptoss_edu import bpe
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.viz import tokens

O200K = load_tokenizer()


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_a_strip_shows_every_token_once_with_its_id():
    strip = tokens.token_strip({"two <words>": "Hello world\n"}, O200K)
    assert repr(strip) == "two <words> (3 tokens): Hello|·world|⏎"
    assert "two &lt;words&gt;" in strip.html and "<words>" not in strip.html
    for token_id in O200K.encode_ordinary("Hello world\n"):
        assert strip.html.count(f">{token_id}<") == 1
    assert "<script" not in strip.html and "http" not in strip.html


def test_only_real_control_tokens_are_black_and_parts_of_characters_are_hex():
    typed = tokens.token_strip("<|end|>", O200K)
    real = tokens.token_strip([O200K.encode_single_token("<|end|>")], O200K)
    assert tokens._CONTROL not in typed.html and tokens._CONTROL in real.html
    part = tokens.token_strip(O200K.encode_ordinary("ትን"), O200K)
    assert "e1 89|b5" in repr(part) and part.html.count("dashed") == 4


def test_the_merge_figure_names_every_rank_and_fills_the_pair_that_wins():
    ranks = O200K._mergeable_ranks
    steps = list(bpe.merge_trace(b" token", ranks))
    figure = tokens.figure_merges(steps)
    written = [text.get_text() for text in figure.axes[0].texts]
    for step in steps:
        assert written.count(f"{step.rank:,}") >= 1
    assert written[-1] == "·token"
    assert len(figure.axes[0].patches) == sum(len(step.parts) for step in steps) + 1
    tokens.figure_merges(bpe.merge_trace(b"$$", ranks)).canvas.draw()  # and is not read as a formula


def test_ways_to_cut_counts_different_cuttings_of_one_word():
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256, b"xa": 257}
    assert tokens.ways_to_cut("ab", "ab ab ab", ranks, r"\w+|\s") == 1
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"xa": 256, b"ab": 257}
    assert tokens.ways_to_cut("ab", "ab xab ab", ranks, r"\w+|\s") == 2


def test_bars_show_what_was_counted():
    axes = tokens.figure_prices({"one": "Hello world", "two": "ትን"}, O200K).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [2, 4]
    ranks = bpe.train("the cat sat on the mat " * 9, 270)
    line = tokens.figure_compression("the cat sat " * 5, ranks, [256, 270], O200K).axes[0].lines[0]
    assert line.get_ydata()[0] == 1.0 and line.get_ydata()[1] > 2.0
    assert len(tokens.figure_seconds({"a": 1e-6, "b": 1e-3}, "t").axes[0].patches) == 2
    figure = tokens.figure_cutting(
        {"a": (ranks, bpe.O200K_PATTERN), "b": (ranks, r"(?s).+")}, {"x": "the cat"}, ["cat"]
    )
    assert [len(axes.patches) for axes in figure.axes] == [2, 2]
