"""What the thought on a word problem says of each number before it calculates."""

import random
import re
from collections import Counter

import pytest

from gptoss_edu.tasks import situations
from gptoss_edu.tasks.prose import prose
from gptoss_edu.tasks.reading import OPEN, marked, plain, reading, reading_of_steps, roles


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


def test_equal_numbers_take_the_steps_in_turn():
    text = "Of 20 cars 5 leave and 5 come. How many cars?"
    assert (
        reading_of_steps(text, [(20, "-", 5), (15, "+", 5)], "cars")
        == "? cars: Of 20 cars +, cars 5 leave -, and 5 come +"
    )


def test_steps_say_what_numbers_in_digits_and_words_do():
    text = "ten cars are in 3 streets, twenty-five leave. How many cars?"
    assert (
        reading_of_steps(text, [(10, "*", 3), (30, "-", 25)], "cars") == "? cars: 10 cars *, in 3 streets *, 25 leave -"
    )


def facts(read: str) -> list[tuple[int, str]]:
    """Return (number, role) of each fact of a reading's line."""
    return [(int(re.search(r"\d+", fact)[0]), fact[-1]) for fact in re.findall(r"[^,]*\d[^,]* [-+*/~](?=,|$)", read)]


def test_the_thought_on_a_situation_begins_with_the_number_of_every_letter(monkeypatch):
    seen = []

    def spy(text, expression, values, *more):
        seen.append((text, expression, values))
        return reading(text, expression, values, *more)

    monkeypatch.setattr(situations, "reading", spy)
    for seed in range(200):
        draft = situations.english_situation(random.Random(seed), "medium", True, True)
        text, expression, values = seen[-1]
        letters = re.findall(rf"{OPEN}(.)", text)
        assert draft.question == plain(text) and set(letters) - {"x"} == set(re.findall("[a-e]", expression))
        told = [(values[letter], roles(expression).get(letter, "~")) for letter in letters]
        assert facts(draft.thought.split("\n")[0]) == told, (draft.question, draft.thought)


def test_the_thought_on_free_prose_begins_with_every_number_in_digits():
    chains = 0
    for seed in range(200):
        draft = prose(random.Random(seed), "medium", True, True)
        read = draft.thought.split("\n")[0]
        if re.match(r"\d+[-+*/]\d+=", read):  # a chain told as a story has no reading
            chains += 1
            continue
        told = re.findall(r"(?<![\w.])\d+(?![\w-]|\.\d)", draft.question)  # a 200-euro note is not read
        assert not Counter(told) - Counter(re.findall(r"(?<!\w)\d+(?!\w)", read)), (draft.question, read)
    assert chains < 30
