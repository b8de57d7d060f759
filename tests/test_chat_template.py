"""Compare as_chat_template with the published chat template, in the Jinja environment that transformers uses."""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random

import pytest
from harmony_cases import WORDS

from gptoss_edu.harmony import (
    Conversation,
    DeveloperContent,
    HarmonyError,
    Message,
    SystemContent,
    Text,
    ToolDescription,
    ToolNamespace,
    as_chat_template,
    browser_tools,
    python_tool,
    render,
)
from gptoss_edu.harmony.sections import function_tools
from gptoss_edu.harmony.template import jinja_template, template_inputs
from gptoss_edu.harmony.template_types import type_text
from gptoss_edu.resources import data_path
from gptoss_edu.tokenizer import load_tokenizer

PUBLISHED = Path(__file__).parent / "fixtures" / "gpt_oss_chat_template.jinja"
DATE = "2025-08-05"


@cache
def compiled(path: Path):
    from transformers.utils.chat_template_utils import _compile_jinja_template

    return _compile_jinja_template(path.read_text(encoding="utf-8"))


def published_text(conversation, training=False) -> str:
    """Return what the template writes for a program's inputs, on a day of our choice."""
    inputs = template_inputs(conversation)
    inputs.pop("system")
    inputs = {key: value for key, value in inputs.items() if value or key == "messages"}
    return compiled(PUBLISHED).render(**inputs, add_generation_prompt=not training, strftime_now=lambda form: DATE)


def ours(conversation, encoding, training=False) -> list[int]:
    messages = as_chat_template(conversation, date=DATE, training=training)
    next_role = None if training else "assistant"
    return render(messages, next_role, encoding, drop_analysis="finished_turns", training=training)


# ---- generated conversations


class Maker:
    """Draw conversations with everything that the template can render, and count what was drawn."""

    def __init__(self, seed: int):
        self.draw, self.seen = Random(seed), Counter()

    def maybe(self, what: str, chance: float = 0.5) -> bool:
        hit = self.draw.random() < chance
        self.seen[what] += hit
        return hit

    def words(self) -> str:
        return self.draw.choice(WORDS) + self.draw.choice(["", " ", "\n"]) + self.draw.choice(WORDS)

    def schema(self, depth: int = 0):
        kinds = ["string", "number", "integer", "boolean", "enum", "list of types", "nothing known", "array", "null"]
        kind = self.draw.choice(
            kinds + ["object", "oneOf", "object", "array of objects", "array of enums"] * (depth < 3)
        )
        self.seen[kind] += 1
        if kind == "enum":
            spec = {"type": "string", "enum": self.draw.sample(["red", "green", "blue", "东"], self.draw.randint(1, 3))}
        elif kind == "list of types":
            spec = {"type": self.draw.choice([["string", "null"], ["integer"], ["object", "object"]])}
        elif kind == "nothing known":
            spec = self.draw.choice([{}, {"$ref": "#/x"}, {"anyOf": [{"type": "string"}]}])
        elif kind == "array":
            spec = {"type": "array"} | ({"items": self.schema(depth + 1)} if self.maybe("items", 0.7) else {})
        elif kind == "array of objects":
            spec = {"type": "array", "items": self.object(depth + 1)}
        elif kind == "array of enums":
            spec = {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}
        elif kind == "object":
            spec = self.object(depth)
        elif kind == "oneOf":
            spec = {"oneOf": [self.schema(depth + 1) for _ in range(self.draw.randint(1, 3))]}
        else:
            spec = {"type": kind}
        if self.maybe("nullable", 0.2):
            spec["nullable"] = True
        if self.maybe("description", 0.6):
            spec["description"] = self.words()
        if self.maybe("default", 0.3):
            text = "enum" in spec or "oneOf" in spec  # there the template joins strings only
            spec["default"] = "red" if text else self.draw.choice([3, -1.5, True, None, 'é "q"', [1, "a"], {"k": {}}])
        return spec

    def object(self, depth: int):
        if self.maybe("an object without properties", 0.2):
            return {"type": "object"}
        names = self.draw.sample(["city", "days", "größe", "a_b", "x"], self.draw.randint(1, 4))
        spec = {"type": "object", "properties": {name: self.schema(depth + 1) for name in names}}
        if self.maybe("required", 0.6):
            spec["required"] = self.draw.sample(names, self.draw.randint(0, len(names)))
        return spec

    def tools(self) -> list[ToolDescription]:
        def parameters():
            if self.maybe("a tool without parameters", 0.2):
                return None
            return {"type": "object", "properties": {}} if self.maybe("empty parameters", 0.1) else self.object(0)

        return [ToolDescription(f"tool_{i}", self.words(), parameters()) for i in range(self.draw.randint(1, 3))]

    def conversation(self, training: bool) -> Conversation:
        messages, tools = [], []
        if self.maybe("a system message", 0.7):
            offered = {n: f() for n, f in (("browser", browser_tools), ("python", python_tool)) if self.maybe(n, 0.3)}
            identity = {"model_identity": self.words() or "x"} if self.maybe("another identity", 0.3) else {}
            effort = self.draw.choice(["low", "medium", "high", None])
            messages.append(
                Message("system", SystemContent(reasoning_effort=effort, tools=offered or None, **identity))
            )
        if self.maybe("a developer message", 0.7):
            tools = self.tools() if self.maybe("tools", 0.7) else []
            text = self.words() if self.maybe("instructions", 0.8) else None
            content = DeveloperContent(text, function_tools(tools) if tools else None)
            messages.append(Message("developer", Text(self.words()) if self.maybe("plain text", 0.1) else content))
            tools = [] if isinstance(messages[-1].content[0], Text) else tools
        turns = self.draw.randint(1, 3)
        for turn in range(turns):
            messages.append(Message("user", self.words()))
            last = turn == turns - 1
            for _ in range(self.draw.randint(0, 2) if tools else 0):
                messages += self.call(self.draw.choice(tools).name)
            if training or not last or self.maybe("an answered last turn", 0.3):
                messages += self.thought()
                kind = "<|constrain|>json" if self.maybe("an answer in JSON", 0.1) else None
                messages.append(Message("assistant", self.words(), "final", content_type=kind))
        return Conversation(tuple(messages))

    def thought(self) -> list[Message]:
        return [Message("assistant", self.words() or "hm", "analysis")] if self.maybe("a thought", 0.6) else []

    def call(self, name: str) -> list[Message]:
        arguments = self.draw.choice(
            ['{"a":1}', '{"city": "Zürich", "n": [1,2]}', "{}", "[]", '"x"', "no JSON {", '{"q":"a \\"b\\""}']
        )
        kind = self.draw.choice(["<|constrain|>json", "json", None, "code"])
        out = [*self.thought(), Message("assistant", arguments, "commentary", f"functions.{name}", kind)]
        if self.maybe("a result", 0.95):
            out.append(Message("tool", self.words(), "commentary", "assistant", name=f"functions.{name}"))
        return out


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True], ids=["prompts", "training examples"])
def test_every_token_is_the_published_templates(encoding, training):
    """Three hundred conversations each. Report: openai/harmony 91. Report: LostRuins/koboldcpp 1673."""
    maker = Maker(seed=5 + training)
    for number in range(300):
        conversation = maker.conversation(training)
        text = published_text(conversation, training)
        found = encoding.decode(ours(conversation, encoding, training))
        assert found == text, f"conversation {number}"
        assert ours(conversation, encoding, training) == encoding.encode(text, allowed_special="all"), f"{number}"
    rare = {what: count for what, count in maker.seen.items() if count < 10}
    assert not rare and len(maker.seen) >= 30, (rare, len(maker.seen))


@pytest.mark.slow
def test_the_template_in_gguf_files_writes_the_same_text():
    """It covers everything but built-in tools and defaults inside oneOf."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    own, compared = _compile_jinja_template(jinja_template()), 0
    for training in (False, True):
        maker = Maker(seed=21 + training)
        for number in range(300):
            conversation = maker.conversation(training)
            inputs = template_inputs(conversation)
            inputs.pop("system")
            if inputs.pop("builtin_tools") or "oneOf" in json.dumps(inputs["tools"]):
                continue
            compared += 1
            inputs |= {"add_generation_prompt": not training, "strftime_now": lambda form: DATE}
            assert own.render(**inputs) == published_text(conversation, training), (number, training)
    assert compared > 200


def test_the_template_in_gpt_oss_tinys_file_writes_what_it_learned():
    from transformers.utils.chat_template_utils import _compile_jinja_template

    tiny = load_tokenizer(data_path("gpt-oss-tiny"))
    own = _compile_jinja_template(jinja_template(released=False))
    conversation = [
        Message("system", SystemContent(reasoning_effort="high")),
        Message("developer", DeveloperContent("Be brief.")),
        Message("user", "Hi"),
        Message("assistant", "Hello.", "final"),
        Message("user", "Once more"),
    ]
    inputs = template_inputs(conversation)
    text = own.render(**inputs, add_generation_prompt=True)
    assert tiny.encode(text, allowed_special="all") == render(conversation, encoding=tiny)


def test_one_conversation_by_hand(encoding):
    """Show all differences from openai-harmony in one conversation."""
    place = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "zip": {"type": "integer"}},
        "required": ["name"],
    }
    schema = {"type": "object", "properties": {"place": place, "days": {"type": "integer", "default": 3}}}
    conversation = [
        Message("system", SystemContent(conversation_start_date=DATE)),
        Message("developer", DeveloperContent("Be brief.", function_tools([ToolDescription("weather", "Asks the sky.", schema)]))),
        Message("user", "Rain?"),
        Message("assistant", "I look.", "analysis"),
        Message("assistant", '{"days":2}', "commentary", "functions.weather", "<|constrain|>json"),
        Message("tool", 'it says "dry"', "commentary", "assistant", name="functions.weather"),
    ]  # fmt: skip
    expected = (
        "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n"
        "Current date: 2025-08-05\n\nReasoning: medium\n\n# Valid channels: analysis, commentary, final. Channel must be "
        "included for every message.\nCalls to these tools must go to the commentary channel: 'functions'.<|end|>"
        "<|start|>developer<|message|># Instructions\n\nBe brief.\n\n# Tools\n\n## functions\n\nnamespace functions {\n\n"
        "// Asks the sky.\ntype weather = (_: {\nplace?: {\nname: \n                string, zip?: \n                number},\n"
        "days?: number, // default: 3,\n}) => any;\n\n} // namespace functions<|end|><|start|>user<|message|>Rain?<|end|>"
        "<|start|>assistant<|channel|>analysis<|message|>I look.<|end|>"
        '<|start|>assistant to=functions.weather<|channel|>commentary json<|message|>{"days": 2}<|call|>'
        '<|start|>functions.weather to=assistant<|channel|>commentary<|message|>"it says \\"dry\\""<|end|><|start|>assistant'
    )
    assert encoding.decode(ours(conversation, encoding)) == expected == published_text(conversation)


USER = Message("user", "Hi")
CALL = Message("assistant", "{}", "commentary", "functions.f")
UNSAYABLE = {
    "a system message of one's own text": ([Message("system", "Be"), USER], "message 0"),
    "other built-in tools": ([Message("system", SystemContent(tools={"lab": ToolNamespace("lab", "x")})), USER], "message 0"),
    "a second developer message": ([USER, Message("developer", DeveloperContent("x"))], "message 1"),
    "tools outside functions": ([Message("developer", DeveloperContent("x", {"lab": ToolNamespace("lab", "x")}))], "message 0"),
    "a commentary to the user": ([USER, Message("assistant", "Soon.", "commentary")], "message 1"),
    "a call to python": ([USER, Message("assistant", "1", "analysis", "python", "code")], "message 1"),
    "a result without a call": ([USER, Message("tool", "1", "commentary", "assistant", name="functions.f")], "message 1"),
    "a result of another function": ([USER, CALL, Message("tool", "1", name="functions.g")], "message 2"),
    "two thoughts in a row": ([USER, *[Message("assistant", "hm", "analysis")] * 2], "message 2"),
    "a thought that nothing follows": ([USER, Message("assistant", "hm", "analysis")], "message 1"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNSAYABLE)
def test_what_the_template_cannot_say_is_said(what):
    messages, place = UNSAYABLE[what]
    with pytest.raises(HarmonyError, match=rf"{place}: the chat template cannot express .*; render the conversation"):
        as_chat_template(messages)


@pytest.mark.parametrize("spec", [True, None, 3, [], {"type": 3}, {"type": []}, {"type": "array", "items": True}])
def test_odd_schemas_are_any(spec):
    assert type_text(spec) in ("any", "any[]") and json.dumps(spec) is not None
