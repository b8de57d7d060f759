"""What the thought on a word problem says of each number before it calculates."""

import random
import re

import pytest

from gptoss_edu.tasks.mix import make_example
from gptoss_edu.tasks.reading import marked, plain, reading, reading_of_steps, roles


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a-b+c", {"a": "+", "b": "-", "c": "+"}),
        ("a*b-c", {"a": "*", "b": "*", "c": "-"}),
        ("(a+b)*c-d", {"a": "+", "b": "+", "c": "*", "d": "-"}),
        ("a-(b-c)", {"a": "+", "b": "-", "c": "+"}),
        ("(a-b)/2", {"a": "+", "b": "-"}),
        ("d-b*c", {"d": "+", "b": "*", "c": "*"}),
        ("a/b+a", {"a": "/", "b": "/"}),
    ],
)
def test_roles_are_what_a_number_does_to_the_result(expression, expected):
    assert roles(expression) == expected


def test_a_number_that_does_not_matter_is_read_too():
    a, x, b = marked("a", "23"), marked("x", "31"), marked("b", "nineteen")
    text = f"Sold {a} roses and {x} tulips, today {b} roses. How many?"
    assert plain(text) == "Sold 23 roses and 31 tulips, today nineteen roses. How many?"
    line = reading(text, "a+b", {"a": 23, "b": 19, "x": 31}, "en", "roses")
    assert line == "? roses: Sold 23 roses +, and 31 tulips ~, today 19 roses +"


def test_without_a_unit_the_question_says_what_is_asked():
    text = f"Im Laden standen {marked('a', '20')} Räder. Wie viele Räder sind noch da?"
    assert reading(text, "a", {"a": 20}, "de") == "? Wie viele Räder sind: standen 20 Räder +"
    text = f"奶奶包了{marked('a', '122')}个饺子，还剩多少个？"
    assert reading(text, "a", {"a": 122}, "zh") == "? 还剩多少个: 包了 122 个饺子 +"


def test_steps_say_what_numbers_in_digits_and_words_do():
    text = "ten cars are in 3 streets, twenty-five leave. How many cars?"
    assert (
        reading_of_steps(text, [(10, "*", 3), (30, "-", 25)], "cars") == "? cars: 10 cars *, in 3 streets *, 25 leave -"
    )


@pytest.mark.parametrize("task", ["situations", "prose"])
def test_every_thought_on_a_problem_begins_with_all_its_numbers(task):
    for seed in range(80):
        example = make_example(random.Random(seed), task=task, effort="medium", split="test")
        if example.style == "low" or (
            task == "prose" and "?" not in example.messages[example.prompt]["content"][0]["text"]
        ):
            continue
        read = example.messages[example.prompt]["content"][0]["text"].split("\n")[0]
        told = re.findall(r"(?<![\w.,])[1-9]\d+(?![\w.,:-]|\.\d)", example.question)
        assert all(number in read for number in told) or task == "prose", (example.question, read)
