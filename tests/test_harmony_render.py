"""Rendering gives openai-harmony's ids on generated conversations and on one hand-written case per feature."""

import dataclasses

import openai_harmony
import pytest
from harmony_cases import Generator, openai_harmony_encoding, to_openai

from gptoss_edu.harmony import (
    Conversation,
    DeveloperContent,
    HarmonyError,
    Message,
    SystemContent,
    ToolDescription,
    ToolNamespace,
    browser_tools,
    function_tools,
    kept_messages,
    parse,
    python_tool,
    render,
    render_labelled,
    response_format,
    typescript,
)


@pytest.fixture(scope="module")
def reference():
    return openai_harmony_encoding()


def text(conversation, encoding, **options):
    options.setdefault("next_role", None)
    return encoding.decode(render(conversation, encoding=encoding, **options))


# ---------------------------------------------------------------------------------------------- against the reference


def check_generated(number, seed, reference, encoding):
    """Compare `number` conversations in every way of rendering; return the counts of constructs."""
    generator = Generator(seed)
    keep = openai_harmony.RenderConversationConfig(auto_drop_analysis=False)
    for _ in range(number):
        conversation = generator.conversation()
        theirs = to_openai(conversation)
        assert Conversation.from_dict(theirs.to_dict()) == conversation
        role = generator.pick("next role", assistant="assistant", user="user", tool="tool")
        expected = reference.render_conversation_for_completion(theirs, openai_harmony.Role(role))
        assert render(conversation, role, encoding) == expected
        assert render(conversation, None, encoding) == reference.render_conversation(theirs)
        kept = reference.render_conversation(theirs, keep)
        assert render(conversation, None, encoding, drop_analysis="keep") == kept
        trained = reference.render_conversation_for_training(theirs)
        assert render(conversation, None, encoding, training=True) == trained
        for options in ({"next_role": role}, {"next_role": None, "training": True}):
            labelled = render_labelled(conversation, encoding=encoding, **options)
            assert [token.token for token in labelled] == render(conversation, encoding=encoding, **options)
    return generator.counts


@pytest.mark.slow
def test_some_generated_conversations_equal_openai_harmony(reference, encoding):
    check_generated(60, 1, reference, encoding)


@pytest.mark.long
def test_generated_conversations_equal_openai_harmony(reference, encoding):
    counts = check_generated(500, 0, reference, encoding)
    print()
    for construct, number in sorted(counts.items()):
        print(f"{number:6d}  {construct}")
    rare = {construct: number for construct, number in counts.items() if number < 20}
    assert not rare, f"too rare to say anything: {rare}"


def test_a_message_that_openai_harmony_wrote_is_read_and_written_alike(reference, encoding):
    system = openai_harmony.SystemContent.new().with_browser_tool().with_conversation_start_date("2025-06-28")
    tool = openai_harmony.ToolDescription.new("f", "d", {"type": "object", "properties": {}})
    developer = openai_harmony.DeveloperContent.new().with_instructions("Be kind.").with_function_tools([tool])
    theirs = openai_harmony.Conversation.from_messages(
        [
            openai_harmony.Message.from_role_and_content(openai_harmony.Role.SYSTEM, system),
            openai_harmony.Message.from_role_and_content(openai_harmony.Role.DEVELOPER, developer),
        ]
    )
    ours = Conversation.from_dict(theirs.to_dict())
    assert ours.to_dict() == theirs.to_dict()
    assert render(ours, None, encoding) == reference.render_conversation(theirs)


def test_the_trained_tools_are_the_references(reference):
    for ours, theirs in (
        (browser_tools(), openai_harmony.ToolNamespaceConfig.browser()),
        (python_tool(), openai_harmony.ToolNamespaceConfig.python()),
    ):
        assert ours.to_dict() == theirs.model_dump(exclude_none=True)


# ------------------------------------------------------------------------------------------- hand-written, per feature


def test_a_call_with_its_result(encoding):
    conversation = [
        Message("assistant", '{"city":"Oslo"}', "commentary", "functions.weather", "<|constrain|>json"),
        Message("tool", "3 °C", "commentary", "assistant", name="functions.weather"),
    ]
    assert text(conversation, encoding) == (
        "<|start|>assistant to=functions.weather<|channel|>commentary <|constrain|>json<|message|>"
        '{"city":"Oslo"}<|call|>'
        "<|start|>functions.weather to=assistant<|channel|>commentary<|message|>3 °C<|end|>"
    )


def test_only_the_leading_constrain_of_a_content_type_is_a_control_token(encoding):
    start = encoding.encode_single_token("<|constrain|>")
    assert render([Message("assistant", "", content_type="<|constrain|>json")], None, encoding).count(start) == 1
    assert render([Message("assistant", "", content_type="json<|constrain|>")], None, encoding).count(start) == 0


def test_the_response_format_stands_last_in_the_developer_message(encoding):
    tools = function_tools([ToolDescription("f", "d")])
    developer = Message(
        "developer", [DeveloperContent("Answer.", tools), response_format("city", {"type": "string"}, "A")]
    )
    assert text([developer], encoding).endswith(
        '} // namespace functions\n\n# Response Formats\n\n## city\n\n// A\n{"type":"string"}<|end|>'
    )


def test_schemas_that_the_format_cannot_express_become_any():
    assert typescript({"$ref": "#/$defs/a"}) == "any"
    assert typescript({"allOf": [{"type": "string"}]}) == "any"
    assert typescript({"anyOf": [{"type": "string"}]}) == "any"
    node = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert typescript(node) == "{\nnext?: any,\n}"


def test_the_date_is_never_todays(encoding):
    """The published template reads the clock, so that each prompt would change from day to day.

    Report: openai/harmony 91.
    """
    assert "Current date" not in text([Message("system", SystemContent())], encoding)
    assert "Current date: 2025-06-28" in text(
        [Message("system", SystemContent(conversation_start_date="2025-06-28"))], encoding
    )


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
def test_reasoning_effort_stands_in_the_system_message(encoding, effort):
    """Only this line tells the model the reasoning effort.

    Report: ollama/ollama 11766. Report: ollama/ollama 12589.
    """
    assert f"\n\nReasoning: {effort}\n\n" in text([Message("system", SystemContent(reasoning_effort=effort))], encoding)


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: Message("robot", "x"), "role 'robot'"),
        (lambda: SystemContent(reasoning_effort="extreme"), "low, medium, high"),
        (lambda: render([Message("tool", "x")], None), "no name"),
        (lambda: render([Message("user", SystemContent())], None), "system message only"),
        (lambda: render([Message("user", "x")], None, drop_analysis="some"), "finished_turns"),
        (lambda: render([Message("user", "x")], training=True), "next_role=None"),
        (lambda: render([{"role": "user", "content": "x"}], None), "Conversation.from_dict"),
        (lambda: Conversation.from_dict({"messages": [{"role": "user"}]}), "no 'content'"),
        (lambda: Conversation.from_dict({"messages": [{"role": "user", "content": [{"type": "image"}]}]}), "'image'"),
        (lambda: Conversation.from_dict([]), "expected a JSON object"),
        (lambda: Message.from_dict({"role": "user", "content": "x", "channel": 3}), "'channel'"),
        (lambda: typescript({"type": "object", "properties": {"a": {"default": float("inf")}}}), "no such number"),
    ],
)
def test_a_mistake_gets_one_clear_error(make, says):
    with pytest.raises(HarmonyError, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_render_refuses_an_encoding_without_control_tokens():
    import tiktoken

    plain = tiktoken.Encoding(
        "plain", pat_str=".", mergeable_ranks={bytes([i]): i for i in range(256)}, special_tokens={}
    )
    with pytest.raises(HarmonyError, match=r"'plain' has no <\|start\|>"):
        render([Message("user", "x")], encoding=plain)


# ------------------------------------------------------------------------------------------------- dropping of thoughts

USER, FINAL = Message("user", "?"), Message("assistant", "!", "final")
THOUGHT = Message("assistant", "hm", "analysis")
CALL = Message("assistant", "{}", "commentary", "functions.f")
PYTHON = Message("assistant", "1+1", "analysis", "python")
RESULT = Message("tool", "2", "commentary", "assistant", name="functions.f")


@pytest.mark.parametrize(
    "messages, library, finished_turns",
    [
        ([USER, THOUGHT, FINAL, USER], "1.11", "1.11"),
        ([USER, THOUGHT, FINAL], "1.1", "1.1"),
        ([USER, THOUGHT, CALL, RESULT], "1111", "1111"),  # a running tool loop keeps its thoughts
        ([USER, THOUGHT, CALL, RESULT, THOUGHT, FINAL, USER], "1.11.11", "1.11.11"),
        # this is where the two differ: thoughts of the second turn,
        ([USER, FINAL, USER, THOUGHT, FINAL, USER], "111111", "111.11"),
        ([USER, THOUGHT, FINAL, USER, THOUGHT, FINAL, USER], "1.11111", "1.11.11"),
        # thoughts of a finished turn while the next one calls a tool,
        ([USER, THOUGHT, FINAL, USER, THOUGHT, CALL, RESULT], "1111111", "1.11111"),
        # and calls on analysis
        ([USER, THOUGHT, PYTHON, RESULT, FINAL, USER], "1..111", "1.1111"),
    ],
)
def test_which_thoughts_are_dropped(messages, library, finished_turns, reference, encoding):
    """Thoughts of finished turns are dropped; those of the running tool loop stay.

    Report: vllm-project/vllm 45048. Report: vllm-project/vllm 27653.
    """
    shown = {
        rule: "".join(".1"[kept] for kept in kept_messages(messages, rule)) for rule in ("library", "finished_turns")
    }
    assert shown == {"library": library, "finished_turns": finished_turns}
    assert kept_messages(messages, "keep") == [True] * len(messages)
    assert render(messages, None, encoding) == reference.render_conversation(to_openai(Conversation(messages)))


def test_a_training_example_keeps_the_thoughts_of_its_last_turn():
    messages = [USER, THOUGHT, FINAL, USER, THOUGHT, FINAL]
    assert kept_messages(messages, "finished_turns") == [True, False, True, True, False, True]
    assert kept_messages(messages, "finished_turns", training=True) == [True, False, True, True, True, True]


# ------------------------------------------------------------------------------------------------------------- labels


def trained_text(messages, encoding, **options):
    labelled = render_labelled(messages, None, encoding, **options)
    return encoding.decode([token.token for token in labelled if token.trained])


def test_the_assistant_is_trained_on_what_it_samples(encoding):
    messages = [USER, THOUGHT, CALL, RESULT, THOUGHT, FINAL]
    assert trained_text(messages, encoding, drop_analysis="finished_turns", training=True) == (
        "<|channel|>analysis<|message|>hm<|end|>"
        "<|start|>assistant to=functions.f<|channel|>commentary<|message|>{}<|call|>"
        "<|channel|>analysis<|message|>hm<|end|>"
        "<|start|>assistant<|channel|>final<|message|>!<|return|>"
    )


def test_an_answer_that_is_history_does_not_teach_its_end(encoding):
    messages = [USER, FINAL, USER, THOUGHT, FINAL]
    assert trained_text(messages, encoding, drop_analysis="finished_turns", training=True) == (
        "<|channel|>final<|message|>!"
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>!<|return|>"
    )


def test_a_turn_that_lost_its_thoughts_is_context_only(encoding):
    messages = [USER, THOUGHT, FINAL, USER, THOUGHT, FINAL]
    assert trained_text(messages, encoding, drop_analysis="finished_turns", training=True) == (
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>!<|return|>"
    )


def test_every_token_knows_its_message_and_section(encoding):
    call = Message("assistant", "{}", "commentary", "functions.f", "<|constrain|>json")
    labelled = render_labelled([USER, call], "assistant", encoding)
    by_section = {}
    for token in labelled:
        if token.message == 1:
            by_section[token.section] = by_section.get(token.section, "") + encoding.decode([token.token])
    assert by_section == {
        "start": "<|start|>",
        "author": "assistant",
        "recipient": " to=functions.f",
        "channel": "<|channel|>commentary",
        "content_type": " <|constrain|>json",
        "message": "<|message|>",
        "content": "{}",
        "end": "<|call|>",
    }
    assert [(token.message, token.section, token.trained) for token in labelled[-2:]] == [
        (None, "start", False),
        (None, "author", False),
    ]


def test_labels_are_the_same_for_a_message_that_kept_its_ids(encoding):
    call = Message("assistant", "{}", "commentary", "functions.f", "<|constrain|>json")
    messages = [USER, THOUGHT, call, RESULT, FINAL, USER]
    parsed = parse(render(messages, None, encoding, drop_analysis="keep"), encoding=encoding)
    assert all(message.source for message in parsed)
    assert render_labelled(parsed, "assistant", encoding) == render_labelled(messages, "assistant", encoding)


# -------------------------------------------------------------------------------------------------- the model's own ids


def test_a_parsed_message_goes_on_with_the_models_own_ids(encoding):
    special = encoding.encode_single_token
    hello = [
        encoding.encode_single_token(piece) for piece in ("h", "e", "l", "l", "o")
    ]  # not the ids that encoding would give
    sampled = [
        special("<|channel|>"),
        *encoding.encode_ordinary("final"),
        special("<|message|>"),
        *hello,
        special("<|return|>"),
    ]
    (answer,) = parse(sampled, encoding=encoding, role="assistant")
    own = [special("<|start|>"), *encoding.encode_ordinary("assistant"), *sampled]
    assert render([answer], None, encoding) == own
    assert render([answer], "user", encoding)[: len(own)] == [
        *own[:-1],
        special("<|end|>"),
    ]  # no longer the end of the stream
    changed = dataclasses.replace(answer, content="hello")
    assert changed.source is None and changed == answer
    assert render([changed], None, encoding) == render([answer], None, encoding, keep_tokens=False) != own


def test_names_and_namespaces_come_in_the_order_of_their_keys(encoding):
    spaces = [ToolNamespace("zeta", None, (ToolDescription("f", "d"),)), ToolNamespace("alpha")]
    shown = text([Message("developer", DeveloperContent(None, spaces))], encoding)
    assert shown.index("## alpha") < shown.index("## zeta")
