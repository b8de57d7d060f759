"""Saved conversations with valid syntax and wrong types give one sentence, never a traceback."""

import json

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from inside import run

from gptoss_edu.agent import chat_files
from gptoss_edu.agent.chat import Settings
from gptoss_edu.engines.sampler import replay
from gptoss_edu.errors import GptOssError
from gptoss_edu.tools.browser import BrowserTool

SOUND = {
    "format": "gptoss-edu chat",
    "version": 1,
    "settings": {"effort": "low", "developer": None, "date": "2025-08-05", "max_tokens": 5},
    "conversation": {"messages": [{"role": "user", "name": None, "content": [{"type": "text", "text": "hi"}]}]},
    "tokens": [None],
    "browser": [
        {"url": "course://a", "title": "A", "text": "text", "links": {"0": "course://b"}, "best_lines": {"0": 3}}
    ],
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value, at=()):
    """Return every place in a JSON value."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*at, key))


def with_change(value, at, new):
    value = json.loads(json.dumps(value))
    if not at:
        return new
    inner = value
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = new
    return value


def load(path, encoding):
    chat = chat_files.load(
        path, replay(["<|channel|>final<|message|>.<|return|>"], encoding), [BrowserTool()], encoding
    )
    list(chat.say("and?"))  # the conversation can be continued
    browser = chat.tools.tools["browser"]
    for page in range(len(browser.pages)):
        browser.call("browser.open", json.dumps({"cursor": page}))
        browser.call("browser.open", json.dumps({"id": 0, "cursor": page}))
    return chat


def test_the_sound_file_is_sound(tmp_path, encoding):
    (tmp_path / "t.json").write_text(json.dumps(SOUND))
    assert len(load(tmp_path / "t.json", encoding).history) == 3


@pytest.mark.slow
@examples(100)
@given(st.sampled_from(list(places(SOUND))), VALUES)
def test_any_value_at_any_place_is_read_or_refused(tmp_path_factory, encoding, at, new):
    """The JSON reader checks only the syntax of a file; the code that uses the values has to check their types."""
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_text(json.dumps(with_change(SOUND, at, new)))
    try:
        load(path, encoding)
    except GptOssError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("developer", 5),
        ("identity", []),
        ("max_context", None),
        ("drop_analysis", [1]),
        ("effort", {}),
        ("max_tokens", True),
        ("unheard_of", 1),
    ],
)
def test_a_setting_of_another_type_is_named(tmp_path, encoding, key, value):
    record = {**SOUND, "settings": {key: value}}
    (tmp_path / "t.json").write_text(json.dumps(record))
    with pytest.raises(GptOssError, match=rf"t\.json: expected a saved conversation, found a damaged one .*{key}"):
        load(tmp_path / "t.json", encoding)


@pytest.mark.slow
def test_the_command_line_shows_no_traceback(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps({**SOUND, "settings": {"max_context": None}}))
    done = run("chat", "--message", "hi", "--file", tmp_path / "t.json")
    assert done.returncode == 2 and "Traceback" not in done.stderr and "max_context" in done.stderr


def test_settings_are_checked_wherever_they_are_made():
    with pytest.raises(GptOssError, match="chat settings, max_steps: expected a whole number"):
        Settings(max_steps=-1)
