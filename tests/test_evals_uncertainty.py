"""Test intervals, pairs, attempts, power and contamination against figures that were worked out another way."""

import itertools
import math
import random

import numpy as np
import pytest

from gptoss_edu.errors import GptOssError
from gptoss_edu.evals.benchmark import Question
from gptoss_edu.evals.contamination import contamination, corpus_texts, runs, words
from gptoss_edu.evals.uncertainty import (
    attempts_table,
    clustered_mean,
    majority,
    paired_difference,
    pass_all_k,
    questions_needed,
    sign_test,
)  # fmt: skip


def test_the_interval_of_a_mean_has_the_width_that_theory_gives():
    rng = random.Random(0)
    scores = [float(rng.random() < 0.7) for _ in range(400)]
    found = clustered_mean(scores, range(400))
    mean = sum(scores) / 400
    half = 1.96 * math.sqrt(mean * (1 - mean) / 400)
    assert found["mean"] == pytest.approx(mean, abs=1e-4) and found["clusters"] == 400
    assert (found["high"] - found["low"]) / 2 == pytest.approx(half, rel=0.15)


def test_four_attempts_at_a_question_are_no_four_questions():
    """Attempts that agree add no information: the interval stays that of 100 questions."""
    rng = random.Random(1)
    once = [float(rng.random() < 0.5) for _ in range(100)]
    clusters = [i for i in range(100) for _ in range(4)]
    apart = clustered_mean(once, range(100))
    together = clustered_mean([once[i] for i in clusters], clusters)
    pretended = clustered_mean([once[i] for i in clusters], range(400))
    width = lambda found: found["high"] - found["low"]  # noqa: E731
    assert width(together) == pytest.approx(width(apart), rel=0.1)
    assert width(pretended) == pytest.approx(width(apart) / 2, rel=0.15)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        share = rng.beta(2, 2, 60)  # each question has its own difficulty
        scores = (rng.random((60, 5)) < share[:, None]).astype(float).ravel()
        found = clustered_mean(scores, np.repeat(np.arange(60), 5).tolist(), draws=400, seed=seed)
        hits += found["low"] <= 0.5 <= found["high"]
    assert 178 <= hits <= 200


def test_pairs_are_compared_question_by_question():
    first = {i: float(i % 2) for i in range(60)}
    second = {i: 1.0 if i < 50 else first[i] for i in range(60)} | {99: 1.0}
    found = paired_difference(first, second)
    assert found["questions"] == 60 and found["only_first"] == 0 and found["only_second"] == 25
    assert found["difference"] == pytest.approx(25 / 60, abs=1e-4) and found["low"] > 0
    assert found["sign_test"] == pytest.approx(2 * 0.5**25, abs=1e-5)
    assert paired_difference(first, first)["sign_test"] == 1


def test_the_sign_test_is_the_binomial_sum():
    total = sum(1 for throws in itertools.product((0, 1), repeat=9) if sum(throws) <= 2 or sum(throws) >= 7)
    assert sign_test(2, 7) == sign_test(7, 2) == pytest.approx(total / 2**9)
    assert sign_test(5, 5) == 1


def test_pass_all_k_is_the_share_of_draws_that_are_all_right():
    flags = [True, True, True, False, False]
    for k in range(1, 6):
        draws = list(itertools.combinations(flags, k))
        assert pass_all_k(5, 3, k) == pytest.approx(sum(map(all, draws)) / len(draws))
    table = attempts_table({"a": flags, "b": [True] * 5, "c": [False] * 4})
    assert set(table["pass@k"]) == {1, 2, 3, 4} and table["pass@k"][1] == table["pass^k"][1]
    assert table["pass@k"][4] == pytest.approx(2 / 3, abs=1e-4)


def test_a_majority_needs_more_votes_than_any_other():
    assert majority(["7", "8", "7", ""]) == "7"
    assert majority(["7", "8"]) is None and majority(["", ""]) is None and majority([]) is None
    assert majority(["7"]) == "7"


def test_so_many_questions_do_tell_two_models_apart_in_simulation():
    needed = questions_needed(0.6, 0.7)
    rng = np.random.default_rng(0)
    a, b = rng.binomial(needed, 0.6, 4000) / needed, rng.binomial(needed, 0.7, 4000) / needed
    error = np.sqrt((a * (1 - a) + b * (1 - b)) / needed)
    assert np.mean((b - a) / error > 1.96) == pytest.approx(0.8, abs=0.03)
    assert questions_needed(0.6, 0.7, paired=0.8) < needed / 3


TEXT = "In which year did the expedition of the three brothers reach the northern coast of the island at last"


def ask(text: str, name: str = "q") -> Question:
    return Question(name, [], "", plain=text)


def test_a_copied_question_is_found_whatever_its_case_and_punctuation():
    corpus = [f"Quiz night! {TEXT.upper().replace(' ', '  ')}?? Nobody knew.", "other text"]
    found = contamination(
        [ask(TEXT), ask("Something else that nobody ever wrote down in any text of this corpus at all", "r")], corpus
    )
    assert found["touched"] == ["q"] and found["checked"] == 2


def test_thirteen_words_in_a_row_are_needed():
    parts = TEXT.split()
    assert not contamination([ask(TEXT)], [" ".join(parts[:12])])["touched"]
    assert contamination([ask(TEXT)], [" ".join(parts[2:15])])["touched"]
    assert not contamination([ask(TEXT)], [" ".join(reversed(parts))])["touched"]


def test_a_short_question_is_looked_for_whole_and_a_very_short_one_not_at_all():
    found = contamination(
        [ask("What is the capital of Atlantis?"), ask("2 + 2?", "s")], ["quiz: what is the capital of atlantis"]
    )
    assert found["touched"] == ["q"] and found["too_short"] == ["s"] and found["checked"] == 1


def test_scripts_without_blanks_are_compared_sign_by_sign():
    assert words("東京は12時です。") == ["東", "京", "は", "12", "時", "で", "す"]
    assert (
        runs("東京は十二時ですか今日は水曜日")
        and contamination([ask("東京は今何時ですか")], ["聞く:東京は今何時ですか"])["touched"]
    )


def test_canaries_and_corpora(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"text": "x"}\n{"text": "BENCHMARK DATA, canary GUID 0aa1-22"}\n', encoding="utf-8"
    )
    texts = list(corpus_texts(tmp_path))
    assert len(texts) == 2 and contamination([], texts)["canaries"] == ["canary GUID 0aa1-22"]
    with pytest.raises(GptOssError, match="--corpus"):
        list(corpus_texts(tmp_path / "none.txt"))
