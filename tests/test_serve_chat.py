"""Test Chat Completions, and completions by token ids, with the official client.

Each case has a mutant that it catches.
"""

import json
import sys

import openai
import pytest
from serving import ENCODING, MODEL, call, case, collect, final, make_world, preamble, swap, thought, wrap

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "required": ["a"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def world():
    with make_world() as world:
        yield world


@pytest.fixture(autouse=True)
def clean(world):
    world.model.answers.clear()
    world.model.answer = world.model.fail = None
    world.prompts.clear()


def chunks(world, text="Hello", **options):
    return list(world.chat(text, stream=True, **options))


@case(
    one_name_only=wrap(
        "completions.ChatAnswer.take",
        lambda f, self, e: [
            {
                **c,
                "choices": [
                    {
                        **c["choices"][0],
                        "delta": {k: v for k, v in c["choices"][0]["delta"].items() if k != "reasoning"},
                    }
                ],
            }
            for c in f(self, e)
        ],
    )
)
def thoughts_go_by_both_names(world):
    world.says(thought("Hm.") + final("Hi."))
    message = world.chat().choices[0].message
    assert message.content == "Hi." and message.reasoning == message.reasoning_content == "Hm."
    world.says(thought("Hm.") + final("Hi."))
    deltas = [c.choices[0].delta for c in chunks(world)]
    assert "".join(d.content or "" for d in deltas) == "Hi." and deltas[0].role == "assistant"
    for name in ("reasoning", "reasoning_content"):
        assert "".join(getattr(d, name, "") for d in deltas) == "Hm."


@case(no_reason=wrap("completions.ChatAnswer._chunk", lambda f, self, delta, reason=None: f(self, delta)))
def a_stream_ends_with_a_reason_and_the_usage(world):
    world.says(final("Hi."))
    answer = world.post(
        "/v1/chat/completions",
        {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    )
    lines = [line for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]" and all(line.startswith("data: ") for line in lines)
    last, usage = (json.loads(line.removeprefix("data: ")) for line in lines[-3:-1])
    assert last["choices"][0]["finish_reason"] == "stop" and last["usage"] is None
    assert usage["choices"] == [] and usage["usage"]["completion_tokens"] == len(
        ENCODING.encode(final("Hi."), allowed_special="all")
    )
    assert len({json.loads(line.removeprefix("data: "))["id"] for line in lines[:-1]}) == 1


@case(stop_instead=wrap("completions.ChatAnswer.reason", lambda f, self, turn: "stop"))
def a_cut_answer_says_length(world):
    world.says(final("A long answer."))
    assert world.chat(max_completion_tokens=20).choices[0].finish_reason == "length"
    world.says(final("A long answer."))
    assert chunks(world, max_tokens=20)[-1].choices[0].finish_reason == "length"


@case(
    no_id=wrap(
        "completions.ChatAnswer.take",
        lambda f, self, e: [
            c for c in f(self, e) if "id" not in (c["choices"][0]["delta"].get("tool_calls") or [{}])[0]
        ],
    )
)
def tool_calls_are_streamed(world):
    world.says(thought("Add.") + call("functions.add", '{"a":1}'))
    parts = [c.choices[0] for c in chunks(world, tools=[ADD])]
    calls = [part.delta.tool_calls[0] for part in parts if part.delta.tool_calls]
    assert calls[0].id and calls[0].function.name == "add" and all(c.index == 0 and not c.id for c in calls[1:])
    assert "".join(c.function.arguments or "" for c in calls) == '{"a":1}' and parts[-1].finish_reason == "tool_calls"


@case(
    calls_dropped=wrap("items._assistant", lambda f, reader, fields, content: f(reader, type(fields)({k: v for k, v in fields.raw.items() if k != "tool_calls"}, fields.where), content)),
    tokens_lost=swap("store.Store.known", lambda self, identity: ()),
)  # fmt: skip
def a_tool_loop(world):
    """Thoughts are sent back under either name, or not at all."""
    said = thought("Add.") + call("functions.add", '{"a": 1}')
    for name in ("reasoning", "reasoning_content", None):
        world.says(said, final("2"))
        message = world.chat(tools=[{**ADD, "function": {**ADD["function"], "strict": False}}]).choices[0].message
        assert message.content is None and message.tool_calls[0].function.arguments == '{"a": 1}'
        sent = {"role": "assistant", "content": None, "tool_calls": [c.to_dict() for c in message.tool_calls]}
        if name:
            sent[name] = "Add."
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "two"}
        before = world.prompts[-1]
        answer = world.chat(
            [{"role": "user", "content": "Hello"}, sent, result],
            tools=[{**ADD, "function": {**ADD["function"], "strict": False}}],
        )
        assert answer.choices[0].message.content == "2" and answer.choices[0].finish_reason == "stop"
        tail = (
            said
            if name
            else "<|start|>assistant".join(["", call("functions.add", '{"a": 1}')])[len("<|start|>assistant") :]
        )
        assert world.prompts[-1][: len(before)] == before
        assert ENCODING.decode(world.prompts[-1][len(before) :]).startswith(tail)
        assert "<|start|>functions.add to=assistant<|channel|>commentary<|message|>two<|end|>" in world.prompt()
        if name:
            assert answer.usage.prompt_tokens_details.cached_tokens >= len(before)


@case(
    preamble_lost=wrap(
        "items.Message",
        lambda f, role, content, channel=None, *a, **k: f(
            role, content, "final" if channel == "commentary" and not a else channel, *a, **k
        ),
    )
)
def a_preamble_is_content_beside_the_call(world):
    world.says(preamble("Let me see.") + call("functions.add", '{"a":1}'), final("2"))
    message = world.chat(tools=[ADD]).choices[0].message
    assert message.content == "Let me see." and message.tool_calls
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "two"}
    world.chat([{"role": "user", "content": "Hello"}, message.to_dict(), result], tools=[ADD])
    assert "<|channel|>commentary<|message|>Let me see.<|end|>" in world.prompt()


@case(as_text=swap("items.DeveloperContent", lambda text: text))
def system_and_developer_messages_are_instructions(world):
    for role in ("system", "developer"):
        world.chat([{"role": role, "content": "Be brief."}, {"role": "user", "content": "Hi"}], tools=[ADD])
        assert "<|start|>developer<|message|># Instructions\n\nBe brief.\n\n# Tools" in world.prompt()


@case(
    thoughts_stopped=wrap("stops.StopText.filter", lambda f, self, events: f(self, [type(e)(e.text, "final", None, e.number) if hasattr(e, "text") else e for e in events])),
    stop_text_sent=wrap("stops.StopText._take", lambda f, self, piece: [piece]),
)  # fmt: skip
def stop_texts_end_the_answer_alone(world):
    """Stop texts count across pieces but never in thoughts (vllm 52599); held text is sent if it was none after all."""
    said = thought("One\nEND two") + final("First EN\nEND second")
    for stop, text in (
        (["END"], "First EN\n"),
        ("\nEND", "First EN"),
        (["zzz", "EN"], "First "),
        (["seconds"], "First EN\nEND second"),
    ):
        world.says(said, said)
        whole = world.chat(stop=stop).choices[0]
        assert (whole.message.content, getattr(whole.message, "reasoning", None), whole.finish_reason) == (
            text,
            "One\nEND two",
            "stop",
        )
        assert "".join(c.choices[0].delta.content or "" for c in chunks(world, stop=stop)) == text


@case(not_enforced=swap("bodies.read_format", lambda form, encoding, inner=None: None))
def a_response_format_is_enforced(world):
    schema = {"type": "object", "properties": {"n": {"enum": [42]}}, "required": ["n"], "additionalProperties": False}
    world.says(thought("Hm.") + final("forty-two"))
    form = {"type": "json_schema", "json_schema": {"name": "number", "schema": schema, "strict": True}}
    assert json.loads(world.chat(response_format=form, max_tokens=200).choices[0].message.content) == {"n": 42}


@case(ignored=swap("bodies.chat_choice", lambda ask, choice: None))
def a_named_function_is_called(world):
    world.says(thought("I would rather talk.") + final("No."))
    choice = {"type": "function", "function": {"name": "add"}}
    answer = world.chat(tools=[ADD], tool_choice=choice, max_tokens=300).choices[0]
    assert answer.message.tool_calls[0].function.name == "add" and answer.finish_reason == "tool_calls"


REFUSED = [
    ({"model": "gpt-5"}, "model_not_found", 404),
    ({"n": 2}, "unsupported_parameter", 400),
    ({"logprobs": True}, "unsupported_parameter", 400),
    ({"frequency_penalty": 0.5}, "unsupported_parameter", 400),
    ({"logit_bias": {"1": 5}}, "unsupported_parameter", 400),
    ({"modalities": ["text", "audio"]}, "unsupported_parameter", 400),
    ({"functions": []}, "unsupported_parameter", 400),
    ({"store": True}, "unsupported_parameter", 400),
    ({"reasoning_effort": "xhigh"}, "invalid_value", 400),
    ({"stop": ["a", "b", "c", "d", "e"]}, "invalid_value", 400),
    ({"stop": [""]}, "invalid_value", 400),
    ({"messages": []}, "invalid_value", 400),
    ({"messages": [{"role": "user"}]}, "invalid_type", 400),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "unsupported_content",
        400,
    ),
    ({"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}, "unknown_call_id", 400),
    ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "invalid_value", 400),
    (
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                }
            ]
        },
        "missing_tool_output",
        400,
    ),
    ({"response_format": {"type": "xml"}}, "invalid_value", 400),
    ({"tool_choice": "required"}, "invalid_value", 400),
    ({"unheard_of": 1}, "unknown_parameter", 400),
]


@case(
    ignored=swap("fields.Fields.refuse", lambda self, keys, harmless=(): self.skip(*keys)),
    unknown=swap("fields.Fields.done", lambda self: None),
)
def what_cannot_be_done_is_refused(world):
    for change, code, status in REFUSED:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], **change}
        answer = world.post("/v1/chat/completions", body)
        assert answer.status_code == status, (change, answer.text)
        assert answer.json()["error"]["code"] == code and answer.json()["error"]["message"].endswith("."), (
            change,
            answer.text,
        )
    assert not world.prompts
    harmless = {
        "n": 1,
        "frequency_penalty": 0,
        "presence_penalty": 0.0,
        "logprobs": False,
        "logit_bias": {},
        "store": False,
        "modalities": ["text"],
        "user": "u",
    }
    assert (
        world.post(
            "/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], **harmless}
        ).status_code
        == 200
    )


@case(
    text_is_parsed=wrap(
        "completions._prompts",
        lambda f, raw, encoding, v: f(
            encoding.encode(raw, allowed_special="all") if isinstance(raw, str) else raw, encoding, v
        ),
    )
)
def completions_by_token_ids(world):
    world.says("Yes<|return|>", "Yes<|return|>", "one<|return|>", "two<|return|>")
    answer = world.client.completions.create(model=MODEL, prompt=[5, 6, 7], max_tokens=9, logprobs=2)
    choice = answer.choices[0]
    assert world.prompts[0] == [5, 6, 7] and choice.text == "Yes<|return|>" and choice.finish_reason == "stop"
    assert choice.token_ids == ENCODING.encode("Yes<|return|>", allowed_special="all")
    assert choice.logprobs.tokens == ["Y", "e", "s", "<|return|>"] and choice.logprobs.text_offset == [0, 1, 2, 3]
    assert all(-1e-3 < p <= 0 for p in choice.logprobs.token_logprobs) and all(
        len(t) == 2 for t in choice.logprobs.top_logprobs
    )
    assert answer.usage.prompt_tokens == 3 and answer.usage.completion_tokens == 4
    world.client.completions.create(model=MODEL, prompt="<|end|>a", max_tokens=2)
    assert world.prompts[-1] == list(b"<|end|>a"), "text stays text"
    several = world.client.completions.create(model=MODEL, prompt=["a", "b"], max_tokens=4)
    assert [c.text for c in several.choices] == ["one<", "two<"] or [c.text for c in several.choices] == [
        "one<|return|>",
        "two<|return|>",
    ]


@case(nothing_given=wrap("chat_routes.choice_of", lambda f, r, i, e, start=0: f(r, i, e, 0)))
def a_completion_is_streamed(world):
    world.says("Hello<|return|>")
    parts = list(world.client.completions.create(model=MODEL, prompt=[5], max_tokens=9, stream=True))
    tokens = [t for part in parts for choice in part.choices for t in choice.token_ids]
    assert tokens == ENCODING.encode("Hello<|return|>", allowed_special="all")
    assert [c.finish_reason for part in parts for c in part.choices][-1] == "stop" and parts[
        -1
    ].usage.completion_tokens == 6


@case(unchecked=wrap("completions._prompts", lambda f, raw, encoding, v: [[1]]))
def wrong_completions_are_refused(world):
    for change, code in (
        ({"prompt": [264]}, "invalid_value"),
        ({"prompt": []}, "invalid_type"),
        ({"prompt": [-1]}, "invalid_value"),
        ({"prompt": [True]}, "invalid_value"),
        ({"prompt": ["a"] * 17}, "invalid_type"),
        ({"prompt": None}, "invalid_type"),
        ({"logprobs": 99}, "invalid_value"),
        ({"echo": True}, "unsupported_parameter"),
        ({"n": 2}, "unsupported_parameter"),
        ({"suffix": "x"}, "unsupported_parameter"),
        ({"max_tokens": 5000}, "context_length_exceeded"),
        ({"stop_token_ids": [9999]}, "invalid_value"),
    ):
        answer = world.post("/v1/completions", {"model": MODEL, "prompt": [5], **change})
        assert answer.status_code == 400 and answer.json()["error"]["code"] == code, (change, answer.text)


@case(
    nothing_listed=wrap("web.JSONResponse", lambda f, body, *a: f({**body, "data": []} if "data" in body else body, *a))
)
def models_are_listed(world):
    assert [model.id for model in world.client.models.list()] == [MODEL]
    assert world.client.models.retrieve(MODEL).object == "model"
    with pytest.raises(openai.NotFoundError):
        world.client.models.retrieve("gpt-5")


@case(no_status=wrap("web.PlainTextResponse", lambda f, text: f(text.replace('status="200"', 'status="0"'))))
def health_and_metrics(world):
    world.says(final("Hi."))
    world.chat()
    assert world.http.get("/health").json() == {"status": "ok"}
    lines = dict(line.rsplit(" ", 1) for line in world.http.get("/metrics").text.strip().split("\n"))
    assert int(lines['gptoss_requests_total{path="/v1/chat/completions",status="200"}']) >= 1
    assert int(lines["gptoss_tokens_sampled_total"]) > 0 and lines["gptoss_rows"] == "4"


@case(
    plain=swap(
        "web.refusal", lambda error: __import__("starlette.responses", fromlist=["x"]).PlainTextResponse("no", 404)
    )
)
def unknown_addresses_are_refused_in_openais_shape(world):
    for method, path, status in (
        ("GET", "/v1/assistants", 404),
        ("PUT", "/v1/models", 405),
        ("GET", "/v1/responses", 405),
    ):
        answer = world.http.request(method, path)
        assert answer.status_code == status and answer.json()["error"]["code"] == "unknown_url"


@case(told=swap("chat_routes.failure", lambda turn: turn._request.error))
def a_fault_is_a_500_without_details(world):
    world.model.fail = RuntimeError("secret detail")
    with pytest.raises(openai.InternalServerError) as caught:
        world.chat()
    assert "secret" not in str(caught.value) and caught.value.code == "generation_failed"
    with pytest.raises(openai.APIError) as caught:
        chunks(world)
    assert "secret" not in str(caught.value)


test_case, test_mutant = collect(sys.modules[__name__])
