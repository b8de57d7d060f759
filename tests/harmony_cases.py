"""Generate conversations for the harmony tests, with every construct of the format, and count what was used."""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import lru_cache
from random import Random

import tiktoken

from gptoss_edu.harmony import (
    ChannelConfig,
    Conversation,
    DeveloperContent,
    Message,
    SystemContent,
    Text,
    ToolDescription,
    ToolNamespace,
    browser_tools,
    python_tool,
    response_format,
)
from gptoss_edu.resources import data_path

CONTROL = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>", "<|call|>")
WORDS = (
    "the weather in Paris is 21 °C",
    "Größe: 1,5 m² – naïve café",
    "東京の天気は晴れです。",
    "مرحبا بالعالم",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈 and é combining",
    "def f(x):\n    return x ** 2\n",
    "  two  spaces,\ttabs\r\nand a line end \n\n\n",
    "1234567890 3.14159e-10 0x7f",
    '{"key": "value", "n": [1, 2, {"m": null}]}',
    "I'LL we've they're DON'T",
    "",
    "\u200b\ufeff\u00a0odd white space",
)


@lru_cache(maxsize=1)
def openai_harmony_encoding():
    """Return openai-harmony's encoding, the independent reference; with the bundled vocabulary it needs no network."""
    os.environ.setdefault("TIKTOKEN_ENCODINGS_BASE", str(data_path()))
    import openai_harmony

    return openai_harmony.load_harmony_encoding("HarmonyGptOss")


def to_openai(conversation: Conversation):
    import openai_harmony

    return openai_harmony.Conversation.from_json(json.dumps(_filled_in(conversation.to_dict())))


def _filled_in(raw: dict) -> dict:
    """Write missing system fields as null: openai-harmony's Python side would fill in a default, its Rust side none."""
    for message in raw["messages"]:
        for content in message["content"]:
            if content["type"] == "system_content":
                for key in ("model_identity", "reasoning_effort", "knowledge_cutoff", "channel_config"):
                    content.setdefault(key, None)
    return raw


class Generator:
    """Draws conversations; `counts` says how often each construct was drawn."""

    def __init__(self, seed: int):
        self.random = Random(seed)
        self.counts: Counter[str] = Counter()

    def maybe(self, construct: str, chance: float = 0.5) -> bool:
        if self.random.random() < chance:
            self.counts[construct] += 1
            return True
        return False

    def pick(self, kind: str, **options):
        """Choose one of the named options, and count it as "kind: name"."""
        name = self.random.choice(list(options))
        self.counts[f"{kind}: {name}"] += 1
        value = options[name]
        return value() if callable(value) else value

    def text(self) -> str:
        parts = self.random.choices(WORDS, k=self.random.randint(1, 4))
        if self.maybe("text: spelled control token", 0.25):
            parts.insert(self.random.randrange(len(parts) + 1), self.random.choice(CONTROL))
        if self.maybe("text: long", 0.05):
            parts *= 40
        return self.random.choice(("", " ", "\n")).join(parts)

    def word(self) -> str:
        return self.random.choice(("alpha", "beta_2", "get_weather", "größe", "名前", "x", "toString", "a-b"))

    # ------------------------------------------------------------------------------------------------ JSON schemas

    def schema(self, depth: int = 0):
        kinds = {
            "string": lambda: {"type": "string"},
            "number": lambda: {"type": "number", "minimum": 0},
            "integer": lambda: {"type": "integer"},
            "boolean": lambda: {"type": "boolean"},
            "null": lambda: {"type": "null"},
            "enum": lambda: {"type": "string", "enum": self.random.sample(["a", "b", 'c"d', "é", 3], k=3)},
            "enum, empty": lambda: {"type": "string", "enum": []},
            "const": lambda: {"const": 3},
            "type list": lambda: {"type": self.random.sample(["number", "string", "integer", "null"], k=2)},
            "no type": lambda: {},
            "true": lambda: True,
            "$ref": lambda: {"$ref": "#/$defs/node"},
            "allOf": lambda: {
                "allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"minProperties": 1}]
            },
            "anyOf": lambda: {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "array without items": lambda: {"type": "array"},
            "pattern": lambda: {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
        }
        if depth < 3:
            kinds |= {
                "array": lambda: {"type": "array", "items": self.schema(depth + 1), "minItems": 1},
                "oneOf": lambda: {"oneOf": [self.decorated(depth + 1) for _ in range(self.random.randint(0, 3))]},
                "oneOf, described": lambda: {"oneOf": [self.decorated(depth + 1) for _ in range(2)]},
                "object": lambda: self.object(depth + 1),
                "object in array": lambda: {"type": "array", "items": self.object(depth + 1)},
                "recursive": lambda: self.recursive(),
            }
        return self.pick("schema", **kinds)

    def recursive(self):
        node = {"type": "object", "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}}}
        return {"$defs": {"node": node}, **node}

    def decorated(self, depth: int):
        """Add some of the annotations that the format shows to a schema."""
        schema = self.schema(depth)
        if not isinstance(schema, dict):
            return schema
        if self.maybe("annotation: description", 0.4):
            schema["description"] = self.random.choice(("what it is", "größer als 0", 'say "hi" // now'))
        if self.maybe("annotation: description on several lines", 0.2):
            schema["description"] = "first line\nsecond line\n"
        if self.maybe("annotation: title", 0.2):
            schema["title"] = "A Title"
        if self.maybe("annotation: examples", 0.2):
            schema["examples"] = self.random.choice((["one", "two"], [1, "mixed", None], [], "no list"))
        if self.maybe("annotation: nullable", 0.2):
            schema["nullable"] = self.random.choice((True, True, False))
        if self.maybe("annotation: default", 0.4):
            schema["default"] = self.default()
        if schema.get("oneOf") and isinstance(schema["oneOf"][0], dict):
            if self.maybe("annotation: same description as first variant", 0.5):
                schema["description"] = schema["oneOf"][0]["description"] = "the same words"
        return schema

    def default(self):
        numbers = (0, -1, 1.0, 0.1, 1e-5, 1e-7, 1e16, 123456789.25, 1.5e300, 2**64, -(2**63), -0.0)
        return self.pick(
            "default",
            string=lambda: self.random.choice(("a", 'quo"te', "zwei\nZeilen", "")),
            number=lambda: self.random.choice(numbers),
            boolean=lambda: self.random.random() < 0.5,
            null=None,
            array=lambda: [1, "zwei", None, 2.5],
            object=lambda: {"k": "v", "übel": ['"', "\u0007\n"]},
        )

    def object(self, depth: int = 0):
        names = ["a", "b", "größe", "with space", "x-y"]
        properties = {name: self.decorated(depth) for name in self.random.sample(names, k=self.random.randint(0, 4))}
        schema = {"type": "object", "properties": properties, "additionalProperties": False}
        if self.maybe("schema: required", 0.6):
            schema["required"] = list(properties)[:2]
        if self.maybe("schema: object description", 0.3):
            schema["description"] = "an object"
        if self.maybe("schema: object without properties", 0.1):
            del schema["properties"]
        return schema

    # ------------------------------------------------------------------------------------------------------- tools

    def tool(self) -> ToolDescription:
        parameters = self.pick(
            "parameters",
            none=None,
            empty=lambda: {},
            object=self.object,
            object2=self.object,
            any=self.any_parameters,
        )
        description = self.pick(
            "tool description",
            plain="Does a thing.",
            lines="First.\n\nThird line.\r\nFourth.\n",
            empty="",
            text=self.text,
        )
        return ToolDescription(self.word(), description, parameters)

    def any_parameters(self) -> dict:
        schema = self.decorated(0)
        return schema if isinstance(schema, dict) else {}  # openai-harmony accepts only objects

    def namespace(self, name: str) -> ToolNamespace:
        description = self.pick("namespace description", none=None, plain="A space.", lines="One\nTwo\n", empty="")
        tools = [self.tool() for _ in range(self.random.randint(0, 3))]
        self.counts["namespace: empty" if not tools else "namespace: with tools"] += 1
        return ToolNamespace(name, description, tuple(tools))

    # ---------------------------------------------------------------------------------------------------- messages

    def system(self) -> Message:
        spaces = []
        if self.maybe("system: browser", 0.25):
            spaces.append(browser_tools())
        if self.maybe("system: python", 0.25):
            spaces.append(python_tool())
        if self.maybe("system: other tools", 0.15):
            spaces.append(self.namespace("zeta"))
        content = SystemContent(
            self.pick(
                "identity",
                default="You are ChatGPT, a large language model trained by OpenAI.",
                own="I am é.",
                none=None,
            ),
            self.pick("effort", low="low", medium="medium", high="high", none=None),
            self.pick("date", given="2025-06-28", none=None),
            self.pick("cutoff", default="2024-06", own="2031-12", none=None),
            self.pick(
                "channels",
                default=ChannelConfig(),
                default2=ChannelConfig(),
                two=ChannelConfig(("analysis", "final")),
                optional=ChannelConfig(("final",), False),
                empty=ChannelConfig(()),
                none=None,
            ),
            spaces if spaces or self.maybe("system: empty tools", 0.2) else None,
        )
        return Message("system", content)

    def developer(self) -> Message:
        spaces = []
        if self.maybe("developer: functions", 0.6):
            spaces.append(self.namespace("functions"))
        if self.maybe("developer: other namespace", 0.25):
            spaces.append(self.namespace("crm"))
        instructions = self.text() if self.maybe("developer: instructions", 0.7) else None
        contents = [DeveloperContent(instructions, spaces or None)]
        if self.maybe("developer: response format", 0.25):
            contents.append(response_format("answer", self.object(), self.random.choice((None, "how to answer"))))
        return Message("developer", contents)

    def call(self, channel: str) -> list[Message]:
        """Return a call and its result."""
        tool = self.pick(
            "call",
            function="functions.get_weather",
            python="python",
            browser="browser.search",
            odd="functions.größe<|end|>",
        )
        kind = self.pick("content type", constrain="<|constrain|>json", plain="json", code="code", none=None)
        self.counts[f"call on {channel}"] += 1
        call = Message("assistant", self.text(), channel, tool, kind)
        results = self.pick("result", commentary="commentary", same=channel, none=None)
        result = Message("tool", self.text(), results, self.random.choice(("assistant", "assistant", "all")), name=tool)
        return [call, result]

    def turn(self, answered: bool) -> list[Message]:
        name = self.word() if self.maybe("user: named", 0.15) else None
        content = [Text(self.text()) for _ in range(2)] if self.maybe("content: several", 0.15) else self.text()
        out = [Message("user", content, name=name)]
        for _ in range(self.random.randint(0, 2)):
            if self.maybe("assistant: analysis", 0.7):
                out.append(Message("assistant", self.text(), "analysis"))
            if self.maybe("assistant: preamble", 0.2):
                out.append(Message("assistant", self.text(), "commentary"))
            if self.maybe("assistant: call", 0.6):
                out += self.call(self.random.choice(("commentary", "commentary", "analysis")))
        if answered:
            self.counts["assistant: final"] += 1
            kind = self.pick("final's content type", none=None, none2=None, constrain="<|constrain|>json", plain="json")
            out.append(Message("assistant", self.text(), "final", content_type=kind))
        elif self.maybe("assistant: no channel", 0.2):
            out.append(Message("assistant", self.text(), recipient=self.random.choice((None, "all"))))
        if self.maybe("content: empty", 0.1):
            out.append(Message("user", ()))
        return out

    def conversation(self) -> Conversation:
        messages = []
        if self.maybe("message: system", 0.8):
            messages.append(self.system())
        if self.maybe("message: system as text", 0.1):
            messages.append(Message("system", self.text()))
        if self.maybe("message: developer", 0.7):
            messages.append(self.developer())
        turns = self.random.randint(1, 4)
        self.counts["conversation: one turn" if turns == 1 else "conversation: several turns"] += 1
        for _ in range(turns - 1):
            messages += self.turn(answered=not self.maybe("conversation: turn without answer", 0.15))
        running = self.maybe("conversation: running", 0.5)
        messages += self.turn(answered=not running)
        return Conversation(messages)


# ------------------------------------------------------------------------------------------------------ token streams


def small_encoding():
    """Return an encoding of single bytes whose control tokens have other ids, in another order."""
    order = (
        "<|call|>",
        "<|start|>",
        "<|message|>",
        "<|end|>",
        "<|channel|>",
        "<|return|>",
        "<|constrain|>",
        "<|endoftext|>",
    )
    ranks = {bytes([i]): i for i in range(256)}
    special = {name: 256 + i for i, name in enumerate(order)}
    return tiktoken.Encoding("small", pat_str=r"[\s\S]", mergeable_ranks=ranks, special_tokens=special)


HEADER_WORDS = (
    "assistant",
    "user",
    "tool",
    "system",
    "developer",
    " to=functions.f",
    " to=assistant",
    " to=",
    "analysis",
    "final",
    "commentary",
    " json",
    "json",
    " code",
    " functions.f",
    "functions.f",
    "user:bob",
    " hello",
    " ",
    "\n",
    "é",
    "\u00a0x",
    "<|channel|>",
    " to=a b",
)


def header_like_stream(random: Random, encoding) -> list[int]:
    """Draw headers of plausible words in implausible orders, with contents and sometimes an extra control token."""
    token = encoding.encode_single_token
    control = [token(name) for name in CONTROL]

    def word(words=HEADER_WORDS):
        return encoding.encode_ordinary(random.choice(words))

    out = []
    for _ in range(random.randint(1, 3)):
        out += [token("<|start|>"), *word(random.choice((HEADER_WORDS[:6], HEADER_WORDS)))]
        out += word() if random.random() < 0.4 else []
        if random.random() < 0.7:
            out += [token("<|channel|>"), *word(random.choice((HEADER_WORDS[8:11], HEADER_WORDS)))]
        out += word() if random.random() < 0.4 else []
        out += [token("<|constrain|>"), *word()] if random.random() < 0.25 else []
        out += word() if random.random() < 0.2 else []
        out += [random.choice(control)] if random.random() < 0.05 else []
        out += [token("<|message|>")] if random.random() < 0.95 else []
        for _ in range(random.randint(0, 2)):
            out += word()
        out += [random.choice(control[1::4] + control[5:])] if random.random() < 0.95 else []
    return out


def mutated(tokens: list[int], random: Random, vocabulary: int, control: list[int]) -> list[int]:
    """Delete, double, swap, replace or insert some tokens; sometimes cut the stream off at either end."""
    tokens = list(tokens)
    for _ in range(random.randint(1, 6)):
        i = random.randrange(len(tokens) + 1)
        kind = random.randrange(7)
        if kind == 0:
            del tokens[i : i + random.choice((1, 1, 2, 5))]
        elif kind == 1:
            tokens[i:i] = [random.choice(control)]
        elif kind == 2:
            tokens[i:i] = tokens[i : i + random.randint(1, 8)]
        elif kind == 3:
            tokens[i:i] = [random.randrange(vocabulary) for _ in range(random.randint(1, 3))]
        elif kind == 4:
            del tokens[i:]
        elif kind == 5:
            del tokens[: random.randint(0, 4)]
        else:
            tokens[i : i + 2] = tokens[i : i + 2][::-1]
    return tokens
