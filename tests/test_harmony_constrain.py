"""Test constrained decoding: what may come next, where a constraint holds, and the answers of random weights."""

import json

import numpy as np
import pytest
import torch
from harmony_cases import small_encoding
from jsonschema import Draft202012Validator

from gptoss_edu.benchmarks.harmony import bench_structured
from gptoss_edu.benchmarks.varied_schemas import varied_schemas
from gptoss_edu.harmony import HarmonyError, Message, control_tokens, parse, render
from gptoss_edu.harmony.constrain import Constraint, json_schema, lark, regex

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def small():
    return small_encoding()


def ids(text, encoding):
    return encoding.encode(text, allowed_special="all")


def allowed(constraint, text):
    """Return what may follow a transcript, as a set of texts; None if anything may."""
    mask = constraint.allowed(ids(text, constraint.encoding))
    return None if mask is None else {constraint.encoding.decode([i]) for i in np.flatnonzero(mask)}


def test_a_constraint_holds_in_the_final_message_only(small):
    """A grammar that starts at the first token masks the control tokens and garbles the header.

    Report: lmstudio-ai/lmstudio-bug-tracker 1555. Report: InternLM/lmdeploy 4386.
    Report: vllm-project/vllm 23120.
    """
    constraint = Constraint(small, final=regex("yes|no"))
    assert allowed(constraint, "") is None
    assert allowed(constraint, "<|channel|>analysis<|message|>let me think") is None
    assert allowed(constraint, "<|channel|>commentary to=functions.f<|message|>{") is None
    assert allowed(
        constraint, "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>"
    ) == {"y", "n"}
    assert allowed(constraint, "<|channel|>final<|message|>n") == {"o"}
    assert allowed(constraint, "<|channel|>final <|constrain|>json<|message|>no") == {"<|return|>"}


def test_control_tokens_are_kept_out_of_contents_and_let_through_where_the_format_needs_them(small):
    constraint = Constraint(small, final=json_schema(CITY))
    inside = allowed(constraint, '<|channel|>final<|message|>{"city":"O')
    assert {"a", '"', "<", "|"} <= inside and not [text for text in inside if text.startswith("<|")]
    assert allowed(constraint, '<|channel|>final<|message|>{"city":"Oslo"}') == {"<|return|>"}
    assert "<|return|>" not in allowed(constraint, "<|channel|>final<|message|>{")


def test_a_calls_arguments_follow_the_schema_of_their_function(small):
    constraint = Constraint(small, calls={"functions.f": json_schema(CITY)})
    assert allowed(constraint, "<|channel|>commentary to=functions.f<|message|>") == {"{"}
    assert allowed(constraint, " to=functions.f<|channel|>commentary<|message|>") == {"{"}
    assert allowed(constraint, '<|channel|>commentary to=functions.f<|message|>{"city":""}') == {"<|call|>"}
    assert allowed(constraint, "<|channel|>commentary to=functions.g<|message|>") is None
    assert allowed(Constraint(small, calls=json_schema(CITY)), " to=functions.g<|channel|>commentary<|message|>") == {
        "{"
    }


def test_a_header_grammar_lets_no_malformed_header_through(small):
    constraint = Constraint(small, headers=["functions.f"])
    assert allowed(constraint, "") == {"<|channel|>", " "}
    assert allowed(constraint, "<|channel|>") == {"a", "c", "f"}
    assert allowed(constraint, "<|channel|>final") == {"<|message|>"}
    assert allowed(constraint, "<|channel|>commentary") == {"<|message|>", " "}
    assert allowed(constraint, " to=functions.f") == {"<|channel|>"}
    assert allowed(constraint, "<|channel|>analysis<|message|>hm<|end|>") == {"<|start|>"}
    content = allowed(constraint, "<|channel|>analysis<|message|>hm")
    assert "<|end|>" in content and not content & {"<|return|>", "<|call|>", "<|start|>", "<|message|>"}
    assert " " not in allowed(Constraint(small, headers=[]), "")


def test_sampled_headers_parse_strictly(small):
    """Walk the header grammar at random: strict parsing reads every result."""
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        constraint, out = Constraint(small, headers=["functions.f", "python"], final=regex("ok")), []
        while not out or out[-1] not in constraint.control.stops:
            choices = np.flatnonzero(constraint.allowed(out))
            end = [token for token in choices if token in constraint.control.ends]
            out.append(int(end[0] if end else random.choice(choices)))
        messages = parse(out, encoding=small, role="assistant")
        seen |= {(message.channel, message.recipient) for message in messages}
    assert {("final", None), ("commentary", "functions.f"), ("analysis", None)} <= seen


def test_the_processor_masks_logits_and_follows_what_was_sampled(small):
    constraint = Constraint(small, final=regex("ab"), prefix=ids("<|channel|>final<|message|>", small))
    logits = torch.zeros(300)  # a model may have more rows than its tokenizer has tokens
    assert torch.isfinite(constraint([], logits)).nonzero().flatten().tolist() == [ord("a")]
    assert torch.isfinite(constraint([ord("a")], logits)).nonzero().flatten().tolist() == [ord("b")]
    done = constraint([ord("a"), ord("b")], logits)
    assert torch.isfinite(done).nonzero().flatten().tolist() == [control_tokens(small).return_]
    assert torch.isfinite(constraint([], logits)).nonzero().flatten().tolist() == [ord("a")]  # a new sequence


def test_a_token_that_was_not_allowed_is_reported(small):
    constraint = Constraint(small, final=regex("ab"), prefix=ids("<|channel|>final<|message|>", small))
    with pytest.raises(HarmonyError, match="the grammar allows, found 'x'"):
        constraint.allowed([ord("x")])


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: json_schema({"not": {"type": "string"}}), "not"),
        (lambda: json_schema({"type": "array", "uniqueItems": True}), "uniqueItems"),
        (lambda: json_schema({"type": "colour"}), "Invalid type: colour"),
        (lambda: json_schema("{"), "JSON"),
        (lambda: regex("(?=a)b"), "look-around"),
        (lambda: lark("start: nothing"), "nothing"),
    ],
)
def test_what_cannot_be_enforced_is_refused_in_one_line(make, says, small):
    with pytest.raises(HarmonyError, match=says) as caught:
        Constraint(small, final=make())
    assert "\n" not in str(caught.value) and "can be enforced" in str(caught.value)


def test_refs_recursion_and_allof_are_enforced(small):
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}, "additionalProperties": False}
    recursive = Constraint(small, final=json_schema({"$ref": "#/$defs/n", "$defs": {"n": node}}))
    assert allowed(recursive, '<|channel|>final<|message|>{"next":{"next":{}}}') == {"<|return|>"}
    assert allowed(recursive, '<|channel|>final<|message|>{"next":') == {"{"}
    both = {"allOf": [{"type": "integer", "minimum": 3}, {"type": "integer", "maximum": 5}]}
    assert allowed(Constraint(small, final=json_schema(both)), "<|channel|>final<|message|>") == {"3", "4", "5"}


def sample(constraint, random, limit=400):
    """Sample uniformly among the allowed tokens, so that no model biases the text."""
    out = []
    while len(out) < limit and (not out or out[-1] not in constraint.control.ends):
        out.append(int(random.choice(np.flatnonzero(constraint.allowed(out)))))
    return out


def test_every_ended_answer_fits_its_schema(small):
    """Walk over single bytes; the slow test uses a model with the full vocabulary."""
    random, prefix, ended = np.random.default_rng(1), ids("<|channel|>final<|message|>", small), 0
    for schema in varied_schemas(40, 3):
        out = sample(Constraint(small, final=json_schema(schema), prefix=prefix), random)
        if out[-1] == control_tokens(small).return_:
            ended += 1
            validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
            validator.validate(json.loads(small.decode(out[:-1])))
    assert ended >= 38


@pytest.mark.slow
@pytest.mark.parametrize("number", [20, pytest.param(120, marks=pytest.mark.long)])
def test_answers_of_random_weights_fit_their_schemas(number):
    found = bench_structured(number, seed=1)
    print(found)
    assert found["ended"] >= 0.95 * number and found["valid"] == found["ended"]


@pytest.mark.slow
def test_the_full_vocabulary_is_masked_too(encoding):
    constraint = Constraint(encoding, final=json_schema(CITY))
    assert allowed(constraint, '<|channel|>final<|message|>{"city":"Oslo"}') == {"<|return|>"}
    free = allowed(constraint, '<|channel|>final<|message|>{"city":"')
    assert len(free) > 100_000 and not [text for text in free if text.startswith("<|") and text.endswith("|>")]


def test_arguments_are_text_and_escaped_once(encoding):
    """Arguments that are already JSON are not encoded again.

    Report: ggml-org/llama.cpp 19553.
    """
    arguments = json.dumps({"quote": 'a "b"'})
    (call,) = parse(
        render([Message("assistant", arguments, "commentary", "functions.f")], None, encoding), encoding=encoding
    )
    assert json.loads(call.text) == {"quote": 'a "b"'}
    with pytest.raises(HarmonyError, match="written once with json"):
        Message("assistant", {"quote": "a"}, "commentary", "functions.f")


def written_by_chance(encoding, constraint, seed, most=300):
    """Draw tokens uniformly from those allowed; prefer control tokens, so that the text ends."""
    generator, generated = np.random.default_rng(seed), []
    control = control_tokens(encoding)
    while len(generated) < most and not (generated and generated[-1] in control.stops):
        allowed = constraint.allowed(generated)
        choices = np.arange(control.n_vocab) if allowed is None else np.flatnonzero(allowed)
        special = [token for token in choices if int(token) in control.specials]
        generated.append(int(generator.choice(special if special and generator.random() < 0.5 else choices)))
    return generated


@pytest.mark.parametrize("seed", range(12))
def test_a_call_that_is_demanded_comes(small, seed):
    """Any drawn text has at most one thought, then a call to one of the recipients with arguments in its schema."""
    grammars = {
        "functions.a": json_schema(
            {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
        )
    }
    constraint = Constraint(small, calls=grammars, headers=["functions.a", "functions.b"], must_call=True)
    tokens = written_by_chance(small, constraint, seed)
    messages = parse(tokens, strict=False, encoding=small, role="assistant")
    if tokens[-1] == control_tokens(small).call:
        *thoughts, call = parse(tokens, strict=True, encoding=small, role="assistant")
        assert call.recipient in ("functions.a", "functions.b") and len(thoughts) <= 1
        assert call.recipient == "functions.b" or call.text in ('{"n":1}', '{"n":2}')
        assert all(m.channel == "analysis" and m.recipient is None for m in thoughts)
    assert all(m.channel != "final" for m in messages)


def test_a_call_cannot_be_demanded_where_nothing_can_be_called(small):
    with pytest.raises(HarmonyError, match="expects a recipient"):
        Constraint(small, headers=[], must_call=True)
