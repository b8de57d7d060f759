"""On the page of the two renderings, the texts of each example are those of the library and of the template."""

import importlib.util
import re
from pathlib import Path

import openai_harmony
import pytest
from harmony_cases import openai_harmony_encoding, to_openai
from test_chat_template import published_text

from gptoss_edu.errors import HarmonyError
from gptoss_edu.harmony import Conversation, as_chat_template

SPEC = importlib.util.spec_from_file_location("renderings", Path(__file__).parent.parent / "book" / "renderings.py")
renderings = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(renderings)


@pytest.mark.parametrize("difference", renderings.DIFFERENCES, ids=lambda one: one.title)
def test_each_example_is_what_the_library_and_the_template_write(difference):
    conversation, reference = Conversation(difference.messages), openai_harmony_encoding()
    library, template = renderings.both(difference)
    if difference.next_role:
        ids = reference.render_conversation_for_completion(to_openai(conversation), openai_harmony.Role.ASSISTANT)
    else:
        ids = reference.render_conversation(to_openai(conversation))
    assert library == reference.decode(ids)
    assert template == published_text(conversation, training=difference.next_role is None)
    assert library != template


def test_the_page_shows_each_difference_and_nothing_that_is_alike():
    page = renderings.page()
    assert len(re.findall(r"^## \d+\. ", page, re.M)) == len(renderings.DIFFERENCES) >= 16
    for difference in renderings.DIFFERENCES:
        shown = renderings.shortened(*renderings.both(difference))
        assert shown[0] != shown[1] and all(text in page for text in shown), difference.title
        assert all("Is it warm" not in text for text in shown)
    assert renderings.shortened("<|start|>a\nb\nc\nd<|start|>e", "<|start|>a\nb\nX\nd<|start|>e") == (
        "<|start|>a\nb\nc\nd", "<|start|>a\nb\nX\nd"
    )  # fmt: skip


@pytest.mark.parametrize("what", renderings.REFUSED)
def test_what_the_page_calls_unsayable_is_refused(what):
    with pytest.raises(HarmonyError) as caught:
        as_chat_template(Conversation(renderings.REFUSED[what]))
    assert str(caught.value).partition(";")[0] in renderings.page()
