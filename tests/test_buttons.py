"""Answer predictions and questions by buttons: a click locks, and answers show only for what was locked or given up."""

import json
import subprocess
import sys
import textwrap

import IPython.display
import pytest

from gptoss_edu import checks
from gptoss_edu.course import buttons, predictions, questions


class Screen:
    """Stand in for a front end: `places` holds what was displayed in each place, in order."""

    def __init__(self):
        self.places = []

    def handle(self):
        screen = self

        class Handle:
            def display(self, shown):
                self.at = len(screen.places)
                screen.places.append(shown)

            def update(self, shown):
                screen.places[self.at] = shown

        return Handle()

    def show(self, part):
        part._ipython_display_() if hasattr(part, "_ipython_display_") else self.places.append(part)

    def text(self):
        return "\n".join(repr(shown) for shown in self.places if isinstance(shown, checks.display.Shown))

    def buttons(self):
        found = []

        def walk(widget):
            found.extend([widget] if hasattr(widget, "click") else [])
            for child in getattr(widget, "children", ()):
                walk(child)

        for shown in self.places:
            walk(shown)
        return found

    def click(self, description):
        next(button for button in self.buttons() if button.description == description).click()


@pytest.fixture
def screen(monkeypatch, tmp_path):
    """Return a screen that somebody watches, with a workshop folder."""
    found = Screen()
    monkeypatch.setattr(buttons, "live", lambda: True)
    monkeypatch.setattr(IPython.display, "DisplayHandle", found.handle)
    monkeypatch.setattr(IPython.display, "display", found.show)
    monkeypatch.setenv("GPTOSS_EDU_FOLDER", str(tmp_path))
    monkeypatch.setattr(questions, "_ANSWERED", {})
    predictions.forget()
    yield found
    predictions.forget()


def test_two_clicks_lock_and_the_waiting_answer_opens(screen, tmp_path):
    asked = questions.get("06.1")
    checks.predict("06.1", None, None)._ipython_display_()
    checks.reveal("06.1")._ipython_display_()
    assert asked.because not in screen.text() and "no prediction yet" in screen.places[2].html
    screen.click("a")
    assert not (tmp_path / "predictions.json").exists()  # not yet: the confidence is missing
    screen.click("back")
    screen.click("b")
    screen.click("80 %")
    assert json.loads((tmp_path / "predictions.json").read_text())["06.1"] == {"choice": "b", "confidence": 0.8}
    assert "Locked: b, confidence 80%" in screen.text() and asked.because in screen.text()
    assert asked.wrong["b"] in screen.text() and screen.buttons() == []
    assert "Your first choice stands" in checks.predict("06.1", "c", 0.9).text
    assert asked.because in checks.reveal("06.1").text  # and a learner who comes back finds the answer open


def test_the_typed_form_opens_what_waits(screen):
    checks.reveal("06.2")._ipython_display_()
    checks.predict("06.2", None, None)._ipython_display_()
    assert len(screen.buttons()) == 4  # three letters, and a button to give up
    checks.predict("06.2", "b", 0.7)
    assert questions.get("06.2").because in screen.text() and screen.buttons() == []


def test_giving_up_shows_the_answer_and_ends_the_question(screen, tmp_path):
    checks.predict("06.x", question="Which?", options={"a": "one", "b": "two"})._ipython_display_()
    checks.reveal("06.x", answer="b", because="For a reason.")._ipython_display_()
    assert "reason" not in screen.text()
    screen.click("show me the answer")
    assert "For a reason." in screen.text() and "Given up" in screen.text() and screen.buttons() == []
    assert not (tmp_path / "predictions.json").exists()
    assert "For a reason." in checks.reveal("06.y", answer="b", because="For a reason.", give_up=True).text


def test_every_reveal_of_a_chapter_run_without_answers_stays_closed(screen):
    for identifier in ("06.1", "06.2", "07.1"):
        assert questions.get(identifier).because not in checks.reveal(identifier).text


def test_a_question_shows_what_came_of_the_first_click(screen):
    asked = questions.get("06.6")
    questions.ask("06.6")._ipython_display_()
    assert asked.because not in screen.text()
    wrong = next(iter(asked.wrong))
    screen.click(wrong)
    assert asked.wrong[wrong] in screen.text() and f"You said {wrong}" in screen.text() and screen.buttons() == []
    assert asked.because in questions.ask("06.6").text


def test_opening_questions_are_answered_one_by_one(screen):
    checks.opening_questions("08")._ipython_display_()
    three = [questions.get(name) for name in ("07.3", "05.4", "02.5")]
    assert not any(question.because in screen.text() for question in three)
    screen.buttons()[0].click()  # the first letter of the first question
    assert [question.because in screen.text() for question in three] == [True, False, False]
    screen.click("show me the answer")
    assert [question.because in screen.text() for question in three] == [True, True, False]


def test_a_quiz_has_buttons_for_each_question(screen):
    checks.Quiz("01").ask({})._ipython_display_()
    assert len(screen.buttons()) == sum(len(question.options) for question in questions.quiz("01").values())


@pytest.mark.parametrize("sign, live", [({}, False), ({"JPY_SESSION_NAME": "a.ipynb"}, True)])
def test_who_watches(monkeypatch, sign, live):
    for name in ("JPY_SESSION_NAME", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in sign.items():
        monkeypatch.setenv(name, value)
    assert buttons.live() is live


@pytest.mark.slow
def test_an_executed_notebook_holds_no_widget(tmp_path):
    """nbconvert, nbval and the book get complete HTML without widgets."""
    script = """
        import nbformat, nbclient
        cells = ["from gptoss_edu import checks", "checks.opening_questions('08')", "checks.predict('06.1')",
                 "checks.reveal('06.1')", "checks.questions.ask('06.6')"]
        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbclient.NotebookClient(nb, kernel_name="python3").execute()
        assert "widgets" not in nb.metadata
        for cell in nb.cells[1:]:
            (output,) = cell.outputs
            assert output.output_type == "execute_result" and set(output.data) == {"text/html", "text/plain"}
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, cwd=tmp_path)
