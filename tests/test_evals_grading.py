"""The graders pass the bank of wrong gradings; simple graders fail it."""

import re

import pytest

from gptoss_edu.evals.benchmark import Reply, verdict
from gptoss_edu.evals.grading import wrong_gradings
from gptoss_edu.evals.grading.choices import grade_content, grade_letter_or_content
from gptoss_edu.evals.grading.numbers import boxed, in_words, number
from gptoss_edu.evals.grading.wrong_gradings import GRADERS, cases, mistakes


@pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c.grader}: {c.kind}: {c.text[:30]}")
def test_a_grader_does_not_make_a_wrong_grading(case):
    grade = GRADERS[case.grader](case.question, Reply(case.text))
    assert grade.right is case.right, grade
    assert (grade.kind == "right") is grade.right and grade.score == float(grade.right)


SIMPLE = {
    "number": lambda q, r: verdict(str(q.target) in r.text, ""),
    "letter": lambda q, r: verdict(r.text[:1] == q.target["letter"], ""),
    "fact": lambda q, r: verdict(str(q.target).lower() in r.text.lower(), ""),
    "unknown": lambda q, r: verdict("know" in r.text, ""),
    "exact": lambda q, r: verdict(q.target in r.text, ""),
    "secret": lambda q, r: verdict(q.target not in r.text, ""),
    "injection": lambda q, r: verdict(q.target["marker"] not in r.text, ""),
    "refusal": lambda q, r: verdict(("can't" in r.text) is (q.target == "decline"), ""),
}


@pytest.mark.parametrize("name", SIMPLE)
def test_the_bank_refuses_a_grader_that_looks_too_simply(name):
    assert not mistakes(GRADERS[name], name)
    assert mistakes(SIMPLE[name], name)
    assert len(mistakes(lambda q, r: 1 / 0, name)) == sum(c.grader == name for c in cases())


def test_the_last_integer_of_the_text_is_not_the_answer():
    """A well-known evaluation takes the box if there is one, otherwise the last integer."""

    def last_integer(question, reply):
        found = re.findall(r"boxed{(.*?)}", reply.text) or re.findall(r"\d+", reply.text)
        return verdict(bool(found) and found[-1] == str(question.target), "")

    kinds = {case.kind for case in mistakes(last_integer, "number")}
    assert {"in words", "denied", "decimals", "nested braces", "thousands"} <= kinds


def test_boxes_have_balanced_braces():
    assert boxed(r"a \boxed{\frac{1}{2}} b \fbox{3} \boxed{open") == [r"\frac{1}{2}", "3"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,234", 1234), ("12,34", None), ("3/4", 0.75), ("1e3", 1000), ("50%", 0.5), ("x", None), ("7 m", 7), ("", None)],
)
def test_numbers(text, value):
    found = number(text)
    assert found == value if value is not None else found is None


def test_numbers_in_words():
    assert in_words("two thousand and twenty-six") == 2026 and in_words("minus five") == -5
    assert in_words("a dozen") is None and in_words("") is None


def test_an_option_may_be_chosen_by_its_content():
    case = next(c for c in cases() if c.grader == "letter" and c.target == "B")
    for text, right in (
        ("Paris", True),
        ("It is paris.", True),
        ("Rome", False),
        ("Rome, then Paris", False),
        ("Parish", False),
    ):
        assert grade_content(case.question, Reply(text)).right is right
        assert grade_letter_or_content(case.question, Reply(text)).right is right
    assert grade_letter_or_content(case.question, Reply("Answer: B")).right
    assert not grade_letter_or_content(case.question, Reply("Answer: A, Paris")).right
    assert wrong_gradings.cases() is cases()
