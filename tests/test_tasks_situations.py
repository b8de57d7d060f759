"""Test the hand-written word problems: in every language, each text fits its expression."""

import random
import re

import pytest

from gptoss_edu.tasks.graders import plain_digits
from gptoss_edu.tasks.language_packs import CODES
from gptoss_edu.tasks.mix import make_example
from gptoss_edu.tasks.read_wordings import FOLDER
from gptoss_edu.tasks.situations import (
    english_situation,
    numbers_for,
    situations,
    steps_of,
    thought_of,
    worded,
)


@pytest.mark.parametrize("code", ["en", *CODES])
def test_every_text_fits_its_expression(code):
    trained, held = situations(code)
    assert len(trained) >= 20 and held, f"{code}: {len(trained)} trained and {len(held)} held-out situations"
    assert not {s.text for s in trained} & {s.text for s in held}
    rng = random.Random(code)
    for situation in trained + held:
        letters = set(re.findall(r"[a-e]", situation.f))
        assert set(re.findall(r"\{([a-e])\}", situation.text)) == letters, situation.text
        values = numbers_for(rng, situation)
        names = {"n": "Ada", "m": "Bo", "o": "Cy", "x": 7}
        text = worded(rng, situation.text).format(**values, **names)
        assert not re.search(r"[\[\]{}|]|  ", text), text


def test_the_last_step_is_the_expressions_value():
    rng = random.Random(0)
    for situation in situations("en")[0]:
        values = numbers_for(rng, situation)
        steps = steps_of(situation.f, values)
        x, op, y = steps[-1]
        assert eval(f"{x}{op}{y}") == eval(situation.f, {}, values)


def test_fractions_and_negative_numbers_are_drawn_again():
    with pytest.raises(ValueError):
        steps_of("a/b", {"a": 7, "b": 2})
    with pytest.raises(ValueError):
        steps_of("a-b", {"a": 2, "b": 7})
    assert steps_of("(a-b)/c", {"a": 20, "b": 2, "c": 9}) == [(20, "-", 2), (18, "/", 9)]


@pytest.mark.parametrize("style", ["low", "medium", "high"])
def test_a_draft_reaches_its_answer(style):
    for seed in range(60):
        draft = english_situation(random.Random(seed), style, False, False)
        assert draft.answer in plain_digits(draft.final)
        assert (draft.thought is None) == (style == "low")
        if style == "medium":
            assert draft.thought.splitlines()[-1].endswith(f"={draft.answer}")


def test_a_thought_reads_then_writes_the_expression():
    steps = steps_of("a*b-c", {"a": 24, "b": 15, "c": 8})
    said = thought_of(random.Random(1), "a*b-c", {"a": 24, "b": 15, "c": 8}, steps, "medium", "? eggs: 24 boxes *")
    assert said == "? eggs: 24 boxes *\n24*15-8\n24*15=360\n360-8=352"


def test_held_out_situations_stay_out_of_training():
    held = {s.text[:30] for s in situations("en")[1]}
    for seed in range(300):
        example = make_example(random.Random(seed), "situations", split="train")
        assert not any(example.question.startswith(text) for text in held if "[" not in text and "{" not in text)


def test_every_file_is_read():
    names = {path.stem[:2] for path in (FOLDER / "situations").glob("*.toml")}
    assert names == {"en", *CODES}
