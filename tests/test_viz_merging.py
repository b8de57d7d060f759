"""Test viz/merging.py: the rounds of training are those of `bpe.train`, and the last one merges nothing."""

from itertools import pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from gptoss_edu import bpe
from gptoss_edu.viz import merging, style

TOY = "banana bandana band ban"


def test_the_rounds_are_those_of_training_and_the_last_one_stops():
    states = merging.rounds(TOY)
    made = list(bpe.train(TOY, 300))[256:]
    assert [b"".join(state.chosen) for state in states[:-1]] == made
    assert all(state.counts[0][0] == state.chosen and state.counts[0][1] >= 2 for state in states[:-1])
    assert states[-1].chosen is None and max(count for _, count in states[-1].counts) == 1
    for state in states:
        assert all(b"".join(row) == word for word, row in state.parts.items())
    assert str(states[0]) == "0 merges done. a + n stand together 6 times and become id 256."
    assert str(states[-1]) == "5 merges done. No pair stands together twice: stop."


def test_a_round_fills_the_pair_that_is_merged_next_and_the_last_one_none():
    chosen = style.cycle()[0]
    for state in merging.rounds(TOY):
        figure = merging.figure_round(state)
        words, pairs = figure.axes
        filled = [matplotlib.colors.to_hex(box.get_facecolor()) == chosen.lower() for box in words.patches]
        once = sum(list(pairwise(row)).count(state.chosen) for row in state.parts.values())
        assert sum(filled) == 2 * once and bool(once) is bool(state.chosen)
        assert len(filled) == sum(map(len, state.parts.values()))
        first = matplotlib.colors.to_hex(pairs.patches[0].get_facecolor())
        assert (first == chosen.lower()) is bool(state.chosen)
        plt.close(figure)
