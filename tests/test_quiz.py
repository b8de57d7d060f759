"""Test a chapter's quiz: cards say what to type, answers lock, advice follows from them, and nothing is given away."""

import json
import re

import pytest

from gptoss_edu import checks
from gptoss_edu.course import predictions, questions, workshop
from gptoss_edu.resources import notebooks_path

ITEMS = questions.quiz("01")


@pytest.fixture(autouse=True)
def nothing_locked(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GPTOSS_EDU_FOLDER", raising=False)
    predictions.forget()
    yield
    predictions.forget()


def test_items_are_whole():
    assert len(ITEMS) == 10 and len({question.id for question in ITEMS.values()}) == 10
    for question in ITEMS.values():
        assert question.answer in question.options and question.because
        assert set(question.wrong) == set(question.options) - {question.answer} and all(question.wrong.values())
        assert questions.get(question.id) is question
    assert questions.quiz("02") == {}
    with pytest.raises(ValueError, match="has no quiz"):
        checks.Quiz("02")


def test_cards_are_numbered_and_name_their_keys():
    shown = checks.Quiz("01").ask({})
    for number, key in enumerate(ITEMS, 1):
        assert f'Question {number} of 10 · key "{key}"' in shown.html and f'"{key}": (' in shown.text
    assert "Prediction 01" not in shown.text and not predictions.outcome()
    for question in ITEMS.values():
        assert question.because not in shown.text


def test_answers_lock_and_lessons_are_skipped():
    quiz, right = checks.Quiz("01"), ITEMS["two_numbers"].answer
    wrong = next(letter for letter in ITEMS["shift"].options if letter != ITEMS["shift"].answer)
    shown = quiz.ask({"two_numbers": (right, 0.9), "shift": (wrong, 0.6)})
    assert f"Locked: {right}" in shown.text and "The answer is in lesson 4." in shown.text
    quiz.ask({"shift": (ITEMS["shift"].answer, 1.0)})  # too late: the first answer stands
    advice = {line.split()[2]: line for line in quiz.lessons().text.splitlines()}
    assert advice["two_numbers"].endswith("skip it") and advice["shift"].endswith("shift          read it")
    assert advice["softmax"].endswith("not answered: read it")
    answer = quiz.answer("shift").text
    assert answer.startswith(f"Question 10, shift: the answer is {ITEMS['shift'].answer}; you said {wrong}")
    assert ITEMS["shift"].wrong[wrong] in answer and ITEMS["shift"].because in answer


@pytest.mark.parametrize(
    "mine, words",
    [
        ({"sofmax": ("b", 0.7)}, "no question with the key 'sofmax'"),
        ({"softmax": "b"}, "found 'b'. Nothing was locked"),
        ({"softmax": ("…", ...)}, "one of a, b, c"),
        ({"softmax": ("b", 70)}, "0.5"),
    ],
)
def test_what_cannot_be_an_answer_is_said(mine, words):
    assert words in checks.Quiz("01").ask(mine).text and not predictions.outcome()
    assert "no question with the key" in checks.Quiz("01").answer("sofmax").text


def test_a_student_copy_does_not_hold_the_answers(tmp_path):
    workshop.write(tmp_path / "w", ["01"])
    text = (tmp_path / "w" / next(notebooks_path().glob("01_*.ipynb")).name).read_text(encoding="utf-8")
    assert "".join(question.answer for question in ITEMS.values()) not in text
    for key, question in ITEMS.items():
        assert question.because not in text
        for letter in question.options:
            assert f'\\"{key}\\": (\\"{letter}\\"' not in text, "an example must not answer a question"


def test_the_longest_option_is_not_usually_the_right_one():
    """With three options the longest is right in a third of the questions by chance; far fewer would also be a hint."""
    asked = [q for path in sorted(questions.FOLDER.glob("chapter_*.toml")) for q in bank_of(path.stem[-2:])]
    longest = [max(map(len, q.options.values())) for q in asked]
    right = sum(
        len(q.options[q.answer]) == most and [*map(len, q.options.values())].count(most) == 1
        for q, most in zip(asked, longest, strict=True)
    )
    assert len(asked) >= 125
    assert 0.2 * len(asked) <= right <= 0.4 * len(asked), f"the longest option is right in {right} of {len(asked)}"


def bank_of(chapter: str) -> list:
    """Return all questions of a chapter, including those of its quiz, once each."""
    return list({q.id: q for q in (*questions.load(chapter), *questions.quiz(chapter).values())}.values())


def test_stored_chapters_ask_what_the_bank_asks():
    """When a question changes in the bank, the executed chapters must change too."""
    for path in sorted(notebooks_path().glob("[0-9]*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            call = re.search(
                r"^checks\.(opening_questions|questions\.ask)\(\"([\d.]+)\"\)$", "".join(cell["source"]), re.M
            )
            if not call:
                continue
            now = {"opening_questions": questions.opening_questions, "questions.ask": questions.ask}[call[1]](call[2])
            assert now.html in ["".join(out.get("data", {}).get("text/html", [])) for out in cell["outputs"]], (
                f"{path.name}: {call[0]} was executed with another bank; execute the chapter again"
            )
