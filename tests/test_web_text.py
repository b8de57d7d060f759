"""Compare the JavaScript tokenizer, harmony and labels in Node.js with Python's."""

import json
import random
import re
import unicodedata

import numpy as np
import pytest
from harmony_cases import Generator, header_like_stream, mutated, small_encoding
from node import needs_node, run_node

import gptoss_edu
from gptoss_edu.bpe import O200K_PATTERN, SINGLE_DIGIT_PATTERN
from gptoss_edu.harmony import Conversation, HarmonyError, parse_report, render
from gptoss_edu.harmony.question import final_text, question_tokens
from gptoss_edu.resources import data_path
from gptoss_edu.tokenizer import load_tokenizer, make_encoding, save_tokenizer
from gptoss_edu.trace.labels import label_tokens

pytestmark = needs_node
TOKENIZER = """
const { Tokenizer } = await web("model/tokenizer.js");
const utf8 = (name) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(read(name));
const tokenizer = new Tokenizer(utf8("tokenizer.tiktoken"), JSON.parse(utf8("tokenizer.meta.json")));
"""
SPECIALS = [
    "<|start|>",
    "<|end|>",
    "<|message|>",
    "<|channel|>",
    "<|constrain|>",
    "<|return|>",
    "<|call|>",
    "<|endoftext|>",
]


@pytest.fixture(scope="module")
def tiny():
    return load_tokenizer(data_path("gpt-oss-tiny"))


def random_text(rng: random.Random) -> str:
    """Return words, digits, spaces and spelled-out control tokens, or any code points that Unicode 14 names."""
    words = (
        "the", " Answer", "I'LL", " don't", "ſ's", "'S", "NASA", "größe", "東京", "مرحبا", "é", "👩‍👩‍👧", "12345",
        "3.14", "x = y\n", "\r\n\n", "   ", "\t", "\u00a0", "\ufeff", "\u0085", "\u2028",
        "<|start|>", "<|end|>", "...", "/\n", "ǅ", "ʰ", "\x00", "क्षि",
    )  # fmt: skip
    if rng.random() < 0.75:
        return rng.choice(("", " ")).join(rng.choice(words) for _ in range(rng.randrange(12)))
    letters = (chr(rng.choice((rng.randrange(0x3000), rng.randrange(0x20000)))) for _ in range(40))
    return "".join(c for c in letters if unicodedata.category(c) not in ("Cn", "Cs"))[: rng.randrange(1, 20)]


def written(encoding, folder):
    """Write the two files of a vocabulary; o200k_harmony's are too large for every test, and no page uses them."""
    save_tokenizer(encoding, folder)
    return encoding


def compare_encodings(encoding, folder, count: int, seed: int) -> None:
    rng = random.Random(seed)
    texts = [random_text(rng) for _ in range(count)] + ["a" * 3000, " " * 500, "ab" * 700]
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    found = run_node(TOKENIZER + "return JSON.parse(utf8('texts.json')).map((text) => tokenizer.encode(text));", folder)
    wrong = [t for t, ids in zip(texts, found, strict=True) if ids != encoding.encode_ordinary(t)]
    assert wrong == []
    back = run_node(
        TOKENIZER + "return JSON.parse(utf8('ids.json')).map((ids) => tokenizer.decode(ids));",
        folder_with(folder, found),
    )
    assert back == texts


def folder_with(folder, ids):
    (folder / "ids.json").write_text(json.dumps(ids))
    return folder


@pytest.mark.slow
def test_tokenizer_equals_python_on_random_text(tiny, tmp_path):
    compare_encodings(written(tiny, tmp_path), tmp_path, 10_000, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", [O200K_PATTERN, SINGLE_DIGIT_PATTERN, r"\p{L}\p{M}*|\s+|[^\p{L}]|\p{M}"])
def test_tokenizer_equals_python_with_other_patterns(pattern, tmp_path):
    """Try another vocabulary, patterns with combining marks, and control tokens with other ids."""
    rng = random.Random(5)
    corpus = [random_text(rng) for _ in range(1500)]
    ranks = gptoss_edu.bpe.train(corpus, 700, pattern)
    compare_encodings(written(make_encoding("other", ranks, SPECIALS, pattern), tmp_path), tmp_path, 1000, seed=2)


def test_control_tokens_never_come_of_text(tiny, tmp_path):
    written(tiny, tmp_path)
    names = list(tiny._special_tokens)
    found = run_node(TOKENIZER + "return names.map((name) => tokenizer.encode(name));", tmp_path, names=names)
    assert not {i for ids in found for i in ids} & set(tiny._special_tokens.values())


class PlainNumbers(Generator):
    """Draw conversations without numbers that JavaScript's JSON cannot tell apart: 1.0 and 1, 2**64 and 2.0**64."""

    def default(self):
        value = super().default()
        odd = (isinstance(value, float) and value == int(value) and value != 0) or (
            isinstance(value, int) and abs(value) > 2**53
        )
        return 0.25 if odd else value


def conversations(count: int, seed: int) -> list[Conversation]:
    generator = PlainNumbers(seed)
    made = [generator.conversation() for _ in range(count)]
    needed = ("assistant: call", "developer: functions", "system: browser", "content type: constrain", "schema: object")
    assert all(generator.counts[construct] for construct in needed)
    return made


RENDER = """
const { render } = await web("model/harmony.js");
return JSON.parse(utf8("conversations.json")).map((conversation) => [
  render(conversation, tokenizer), render(conversation, tokenizer, { nextRole: null, thoughts: "keep" }),
]);
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "o200k"])
def test_render_equals_python(name, tiny, tmp_path):
    encoding = written(tiny if name == "tiny" else load_tokenizer(), tmp_path)
    made = conversations(150 if name == "tiny" else 40, seed=11)
    (tmp_path / "conversations.json").write_text(json.dumps([c.to_dict() for c in made]), encoding="utf-8")
    found = run_node(TOKENIZER + RENDER, tmp_path)
    for conversation, (ids, kept) in zip(made, found, strict=True):
        assert ids == render(conversation, encoding=encoding), conversation
        assert kept == render(conversation, None, encoding, drop_analysis="keep"), conversation


def test_a_question_is_rendered_as_in_python(tiny, tmp_path):
    written(tiny, tmp_path)
    questions = ["What is 47 times 36?", "<|end|>", "", "größe\n"]
    found = run_node(
        TOKENIZER
        + 'const { questionConversation, render } = await web("model/harmony.js");'
        + 'const ask = (q, effort) => render(questionConversation(q, effort), tokenizer);'
        + 'return questions.flatMap((q) => ["low", "medium", "high"].map((effort) => ask(q, effort)));',
        tmp_path, questions=questions,
    )  # fmt: skip
    assert found == [question_tokens(q, effort, tiny) for q in questions for effort in ("low", "medium", "high")]


PARSE = """
const { finalText, parse } = await web("model/harmony.js"), { labelTokens, TABLES } = await web("model/labels.js");
const results = [];
for (const [ids, role] of JSON.parse(utf8("streams.json"))) {
  let strict;
  try {
    strict = parse(ids, tokenizer, { role });
  } catch (error) {
    strict = { error: error.constructor.name };
  }
  const labels = Object.fromEntries(Object.entries(labelTokens(ids, tokenizer)).map(([name, values]) => [name,
    [...values]]));
  results.push({ strict, lenient: parse(ids, tokenizer, { strict: false, role }), final: finalText(ids,
    tokenizer), labels });
}
return { results, tables: TABLES };
"""


def as_dicts(report) -> dict:
    """Return a report of Python's parser in JavaScript's form; repairs are compared up to their first quotation."""
    messages = [
        {
            "role": m.role, "name": m.name, "channel": m.channel, "recipient": m.recipient,
            "contentType": m.content_type,
            "text": m.text,
        }
        for m in report.messages
    ]  # fmt: skip
    repairs = [{"position": r.position, "problem": begun(r.problem), "text": r.text} for r in report.repairs]
    return {"messages": messages, "repairs": repairs, "rest": list(report.rest), "partial": report.partial}


def begun(problem: str) -> str:
    return "id" if problem.startswith("id ") else re.split("['\"]", problem)[0]


def strictly(ids, role, encoding) -> dict:
    try:
        report = parse_report(ids, True, encoding, role=role)
    except HarmonyError:
        return {"error": "HarmonyError"}
    return as_dicts(report)


def streams(encoding, made, headers: int, seed: int) -> list[tuple[list[int], str | None]]:
    """Draw whole conversations, completions, malformed headers, and damaged versions of them."""
    rng = random.Random(seed)
    whole = [(render(c, None, encoding, drop_analysis="keep"), None) for c in made]
    start = encoding.encode_single_token("<|start|>")
    opening = [start, *encoding.encode_ordinary("assistant")]
    out = list(whole)
    for ids, _ in whole:
        starts = [i for i in range(len(ids)) if ids[i : i + len(opening)] == opening]
        if starts:
            out.append((ids[starts[-1] + len(opening) :], "assistant"))
    out += [(header_like_stream(rng, encoding), rng.choice((None, None, "assistant"))) for _ in range(headers)]
    control = list(encoding._special_tokens.values())
    out += [
        (mutated(ids, rng, encoding.n_vocab + 3, control), role) for ids, role in out[: 2 * len(made)] for _ in range(2)
    ]
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count", "headers"),
    [
        ("tiny", 30, 60),
        ("small", 30, 60),
        pytest.param("tiny", 500, 600, marks=pytest.mark.long),
        pytest.param("small", 100, 600, marks=pytest.mark.long),
    ],
)
def test_parse_and_labels_equal_python(name, count, headers, tiny, tmp_path):
    encoding = written(tiny if name == "tiny" else small_encoding(), tmp_path)
    cases = streams(encoding, conversations(count, seed=12), headers, seed=13)
    (tmp_path / "streams.json").write_text(json.dumps(cases))
    found = run_node(TOKENIZER + PARSE, tmp_path)
    errors = 0
    for (ids, role), result in zip(cases, found["results"], strict=True):
        for report in (result["strict"], result["lenient"]):
            for repair in report.get("repairs", ()):
                repair["problem"] = begun(repair["problem"])
        expected = strictly(ids, role, encoding)
        errors += "error" in expected
        assert result["strict"] == expected, encoding.decode([i for i in ids if i < encoding.n_vocab])
        assert result["lenient"] == as_dicts(parse_report(ids, False, encoding, role=role)), (ids, role)
        if role == "assistant" or ids[:1] == [encoding.encode_single_token("<|start|>")]:
            assert result["final"] == final_text(ids, encoding)
        labels = label_tokens(ids, encoding)
        for what, values in result["labels"].items():
            assert np.array_equal(labels[what], values), (what, ids)
    assert len(cases) > 5 * count + headers and len(cases) // 10 < errors < len(cases) * 5 // 6
    from gptoss_edu.trace.record import CHANNELS, KINDS, ROLES, SECTIONS

    assert list(found["tables"].values()) == [list(ROLES), list(CHANNELS), list(SECTIONS), list(KINDS)]
