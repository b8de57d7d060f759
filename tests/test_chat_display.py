"""Test how a conversation is shown: `gptoss-edu chat` in the terminal, and the rich display in a notebook."""

import argparse
import json

import matplotlib
import matplotlib.pyplot as plt
import pytest

from gptoss_edu import harmony
from gptoss_edu.agent import chat_files
from gptoss_edu.agent.chat import Chat, Settings, Stopped
from gptoss_edu.cli import main
from gptoss_edu.commands import chat as command
from gptoss_edu.commands.screen import Screen
from gptoss_edu.engines.sampler import replay
from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import Piece
from gptoss_edu.tasks.builtin_tools import BROWSER, PYTHON
from gptoss_edu.tools import FunctionTool
from gptoss_edu.tools.browser import BrowserTool
from gptoss_edu.viz import sequence
from gptoss_edu.viz.transcript import Transcript, watch

matplotlib.use("Agg")
TURN = [
    (
        "<|channel|>analysis<|message|>Add.<|end|><|start|>assistant<|channel|>commentary to=functions.add"
        ' <|constrain|>json<|message|>{"a": 2, "b": 3}<|call|>'
    ),
    "<|channel|>final<|message|>It is 5,\nwithout \x1b[31mdoubt\x07 <script>alert(1)</script>.<|return|>",
]


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """Build the browser's index outside the user's own cache."""
    monkeypatch.setenv("GPTOSS_EDU_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def chat(encoding):
    return Chat(replay(TURN, encoding), [FunctionTool([add])], encoding)


def options(*argv):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(argv)


def test_the_terminal_names_channels_and_cannot_be_taken_over(chat):
    written = []
    screen = Screen(written.append, colour=False)
    command.answer(chat, "2 + 3?", screen)
    text = "".join(written)
    assert text == (
        "analysis\n  │ Add.\ncommentary → functions.add\n  │ {\"a\": 2, \"b\": 3}\n"
        "functions.add answers\n  │ 5\nfinal\n  │ It is 5,\n  │ without [31mdoubt <script>alert(1)</script>.\n"
    )  # fmt: skip
    coloured = []
    Screen(coloured.append, colour=True).show(Piece("x\x9b2Jy\u202e", "final", None, 0))
    assert "".join(coloured).count("\x1b") == 6 and "x2Jy" in "".join(coloured)


def test_citations_are_resolved_under_an_answer(encoding):
    turns = [
        '<|channel|>analysis to=browser.open code<|message|>{"id": "course://pages/units"}<|call|>',
        "<|channel|>final<|message|>Fixed since 2019【0†L2】, they say【7†L1】.<|return|>",
    ]
    written = []
    with Chat(replay(turns, encoding), [BrowserTool()], encoding) as chat:
        command.answer(chat, "Since when?", Screen(written.append, colour=False))
    assert "【0†L2】 Units and constants (course://pages/units)\n【7†L1】 leads nowhere\n" in "".join(written)


def test_thoughts_can_be_hidden(chat):
    written = []
    command.answer(chat, "2 + 3?", Screen(written.append, colour=False, show_analysis=False))
    assert "Add." not in "".join(written) and "functions.add" in "".join(written)


def test_stops_other_than_an_answer_are_said():
    written = []
    Screen(written.append, colour=False).show(Stopped("tokens", "50 tokens"))
    assert written == ["[tokens: 50 tokens]\n"]


def test_options_become_settings_and_files_are_resumed(chat, encoding, tmp_path):
    (tmp_path / "dev.txt").write_text("Be brief.")
    talk = tmp_path / "talk.json"
    args = options(
        "--developer", f"@{tmp_path}/dev.txt", "--effort", "high", "--date", "2025-01-01", "--file", str(talk)
    )
    new = command.build_chat(args, chat.tools, replay(TURN, encoding), encoding)
    assert (new.settings.developer, new.settings.effort, new.settings.date) == ("Be brief.", "high", "2025-01-01")
    command.answer(new, "2 + 3?", Screen(lambda text: None, colour=False))
    chat_files.save(new, talk)
    resumed = command.build_chat(
        options("--file", str(talk), "--effort", "low"), chat.tools, replay([], encoding), encoding
    )
    assert resumed.history == new.history
    assert (resumed.settings.developer, resumed.settings.effort) == ("Be brief.", "low")


def test_commands_while_talking(chat, tmp_path):
    assert "high" in command.carry_out(chat, "/effort", "high") and chat.settings.effort == "high"
    assert "saved" in command.carry_out(chat, "/save", str(tmp_path / "a.json"))
    assert json.loads((tmp_path / "a.json").read_text())["format"] == "gptoss-edu chat"
    list(chat.say("2 + 3?"))
    command.carry_out(chat, "/new", "")
    assert chat.history == []
    said = command.carry_out(chat, "/nonsense", "")
    assert said.startswith("no command /nonsense") and "/effort" in said
    assert command.carry_out(chat, "/help", "") == command.HELP
    assert "found extreme" in command.carry_out(chat, "/effort", "extreme") and chat.settings.effort == "high"
    assert "expected a file name" in command.carry_out(chat, "/save", "")
    assert "not saved" in command.carry_out(chat, "/save", str(tmp_path / "nope" / "a.json"))
    assert not (tmp_path / "nope").exists()


def test_functions_come_from_a_file(tmp_path):
    (tmp_path / "mine.py").write_text(
        'import json\ndef double(n: int) -> int:\n    """Twice."""\n    return 2 * n\ndef _no(): pass\n'
    )
    box = command.build_tools(options("--functions", str(tmp_path / "mine.py")))
    assert box.recipients() == ["functions.double"] and box.call("functions.double", '{"n": 4}').text == "8"
    (tmp_path / "later.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Place:\n    city: str\ndef where(place: Place) -> str:\n    return place.city\n"
    )
    box = command.build_tools(options("--functions", str(tmp_path / "later.py")))
    assert box.call("functions.where", '{"place": {"city": "Rome"}}').text == "Rome"
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "ends.py").write_text("raise SystemExit")
    for name, words in (("none.py", "found none"), ("broken.py", "ZeroDivisionError"), ("ends.py", "SystemExit")):
        with pytest.raises(GptOssError, match=words):
            command.build_tools(options("--functions", str(tmp_path / name)))


@pytest.mark.parametrize("argv", [["--tools", "hammer"], ["--live-web"]])
def test_bad_options_give_one_line(argv, capsys):
    assert main(["chat", *argv, "--message", "x"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "expected" in error


def test_brief_descriptions_are_those_that_the_small_model_learns():
    box = command.build_tools(options("--tools", "browser"), brief=True)
    assert box.tools["browser"].config() == BROWSER["browser"]
    from gptoss_edu.tools.python import BRIEF

    assert PYTHON["python"]["description"] == BRIEF


def test_the_notebook_display_escapes_everything(chat):
    kept = watch(chat.say("<b>2 + 3</b>?"))
    assert [type(event).__name__ for event in kept] == [
        "MessageDone",
        "MessageDone",
        "ToolDone",
        "MessageDone",
        "Stopped",
    ]
    shown = Transcript(chat.history)
    html = shown._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html and "&lt;b&gt;2 + 3" in html
    for words in (
        "user",
        "analysis · thinks",
        "commentary · calls functions.add",
        "functions.add · result",
        "final · answers",
    ):
        assert words in html and words in repr(shown)


def test_the_sequence_diagram_shows_who_speaks_to_whom(chat):
    list(chat.say("2 + 3?"))
    figure = sequence.figure_sequence(chat.history)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[:3] == ["user", "model", "functions"]
    for words in ("2 + 3?", "analysis: Add.", 'commentary: add {"a": 2, "b": 3}', "5", "final: It is 5,"):
        assert any(text.startswith(words) for text in texts), words
    plt.close(figure)


def test_the_display_folds_long_results_and_shows_settings(encoding):
    long = harmony.Message("tool", "line\n" * 30, channel="commentary", name="python", recipient="assistant")
    shown = Transcript([*Chat(replay([], encoding), (), encoding, Settings(developer="Be brief.")).preamble(), long])
    assert shown._repr_html_().count("<details>") == 3 and "31 lines" in shown._repr_html_()
    assert "Be brief." in repr(shown)
