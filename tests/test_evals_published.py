"""Test the readers of the named benchmarks on tiny files, written for these tests in the published formats."""

import csv
import json

import pytest

from gptoss_edu.errors import GptOssError
from gptoss_edu.evals.benchmark import Reply
from gptoss_edu.evals.named import BENCHMARKS, named, read_questions
from gptoss_edu.evals.published import multiple_choice, programming


def lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def table(path, rows, header=True):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        if header:
            writer.writeheader()
        writer.writerows(rows)
    return path


def text(question) -> str:
    return question.prompt[-1]["content"][0]["text"]


def right(name: str, question, reply: str) -> bool:
    return named(name).grade(question, Reply(reply)).right


def test_aime(tmp_path):
    rows = [{"question": "What is $6 \\cdot 7$?", "answer": "42"}, {"question": "And $0+9$?", "answer": "009"}]
    found = read_questions(named("aime"), lines(tmp_path / "aime2025-I.jsonl", rows))
    assert [q.id for q in found] == ["1", "2"] and "boxed" in text(found[0]) and found[0].plain == rows[0]["question"]
    assert right("aime", found[0], "So \\boxed{42}.") and right("aime", found[1], "\\boxed{9}")
    other = [{"problem_idx": 3, "problem": "p", "answer": 7, "problem_type": ["Algebra"]}]
    (tmp_path / "m.json").write_text(json.dumps(other))
    (q,) = read_questions(named("aime"), tmp_path / "m.json")
    assert q.id == "3" and right("aime", q, "7")
    both = read_questions(named("aime"), tmp_path)
    assert {q.id for q in both} == {"aime2025-I/1", "aime2025-I/2", "m/3"}


GPQA = {
    "Record ID": "rec1", "Question": "Which is warmest?", "Correct Answer": "Sun\n", "Incorrect Answer 1": "Moon",
    "Incorrect Answer 2": "Mars", "Incorrect Answer 3": "Ice", "High-level domain": "Physics", "Canary String": "x",
}  # fmt: skip


def test_gpqa(tmp_path):
    rows = [GPQA | {"Record ID": f"rec{i}"} for i in range(40)]
    found = read_questions(named("gpqa"), table(tmp_path / "gpqa_diamond.csv", rows))
    letters = {q.target["letter"] for q in found}
    assert letters == set("ABCD"), "the right option stands in every place"
    assert found == read_questions(named("gpqa"), tmp_path / "gpqa_diamond.csv")
    for q in found:
        options = q.target["options"]
        assert options["ABCD".index(q.target["letter"])] == "Sun" and f"({q.target['letter']}) Sun\n" in text(q)
        assert right("gpqa", q, f"Answer: {q.target['letter']}") and q.subject == "Physics"
        assert not right("gpqa", q, "The Sun is warmest.")  # these are to be answered by a letter


def test_mmlu_in_both_forms(tmp_path):
    folder = tmp_path / "test"
    folder.mkdir()
    row = {"q": "2 + 2?", "A": "3", "B": "4", "C": "5", "D": "6", "x": "B"}
    table(folder / "abstract_algebra_test.csv", [row, row], header=False)
    table(folder / "anatomy_test.csv", [row | {"x": "C"}], header=False)
    found = read_questions(named("mmlu"), folder)
    assert [(q.id, q.subject, q.target["letter"]) for q in found] == [
        ("abstract_algebra/1", "abstract_algebra", "B"),
        ("abstract_algebra/2", "abstract_algebra", "B"),
        ("anatomy/3", "anatomy", "C"),
    ]
    rows = [{"question": "2 + 2?", "subject": "maths", "choices": ["3", "4", "5", "6"], "answer": 1}]
    (q,) = read_questions(named("mmlu"), lines(tmp_path / "mmlu.jsonl", rows))
    assert q.target["letter"] == "B" and right("mmlu", q, "(B)")


def test_mmmlu(tmp_path):
    row = {
        "": "0",
        "Question": "2 + 2 ni ngapi?",
        "A": "3",
        "B": "4",
        "C": "5",
        "D": "6",
        "Answer": "B",
        "Subject": "maths",
    }
    table(tmp_path / "mmlu_SW-KE.csv", [row])
    table(tmp_path / "mmlu_JA-JP.csv", [row | {"Question": "2+2は?"}])
    found = read_questions(named("mmmlu"), tmp_path)
    assert {q.language for q in found} == {"sw", "ja"} and {q.cluster for q in found} == {"0"}, (
        "one question, two languages"
    )
    assert right("mmmlu", found[0], "答えはBです。") and right("mmmlu", found[1], "Jibu: B")


def test_hle(tmp_path):
    rows = [
        {
            "id": "a",
            "question": "Which animal?",
            "image": "",
            "answer": "Blue whale",
            "answer_type": "exactMatch",
            "category": "Biology",
        },
        {
            "id": "b",
            "question": "See the picture.",
            "image": "data:image/png;base64,x",
            "answer": "1",
            "answer_type": "exactMatch",
        },
        {
            "id": "c",
            "question": "Which?\nAnswer Choices:\nA. x\nE. y",
            "image": "",
            "answer": "E",
            "answer_type": "multipleChoice",
        },
    ]
    found = read_questions(named("hle"), lines(tmp_path / "hle.jsonl", rows))
    assert [q.id for q in found] == ["a", "c"], "questions with a picture are left out"
    assert right("hle", found[0], "Explanation: large.\nAnswer: blue whale") and right("hle", found[1], "Answer: E")
    assert not right("hle", found[1], "Answer: A")


def test_healthbench(tmp_path):
    row = {
        "prompt_id": "p1",
        "example_tags": ["theme:global_health", "x"],
        "prompt": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Sum of 40 and 2?"},
        ],
        "rubrics": [
            {"criterion": "States the number 42.", "points": 5, "tags": ["axis:accuracy"]},
            {"criterion": "Asks a question.", "points": -3, "tags": []},
        ],
    }
    (q,) = read_questions(named("healthbench"), lines(tmp_path / "h.jsonl", [row]))
    assert [m["role"] for m in q.prompt] == ["user", "assistant", "user"] and q.subject == "global_health"
    assert named("healthbench-toy").grade(q, Reply("It is 42.")).score == 1
    assert named("healthbench-toy").grade(q, Reply("Is it 42?")).score == pytest.approx(0.4)
    with pytest.raises(GptOssError, match="--judge"):
        named("healthbench").grade(q, Reply("It is 42."))


def test_codeforces(tmp_path):
    row = {
        "id": "1/A",
        "title": "Sum",
        "description": "Add two numbers.",
        "input_format": "a b",
        "output_format": "a + b",
        "rating": 800,
        "time_limit": 1.0,
        "examples": [{"input": "1 2", "output": "3"}],
        "official_tests": [{"input": "3 4\n", "output": "7\n"}],
    }
    (q,) = read_questions(named("codeforces"), lines(tmp_path / "c.jsonl", [row]))
    assert (
        "Example input\n1 2" in text(q)
        and q.target["tests"] == [{"input": "3 4\n", "output": "7\n"}]
        and q.subject == "800"
    )


@pytest.mark.slow
def test_swe_bench(tmp_path):
    row = {
        "instance_id": "o__r-1",
        "repo": "o/r",
        "problem_statement": "area() in size.py adds.",
        "test_patch": "",
        "patch": "",
        "FAIL_TO_PASS": '["test_size.py::test_area"]',
        "PASS_TO_PASS": "[]",
    }
    path = lines(tmp_path / "swe.jsonl", [row])
    with pytest.raises(GptOssError, match="checkout"):
        read_questions(named("swe-bench"), path)
    folder = tmp_path / "repositories" / "o__r-1"
    folder.mkdir(parents=True)
    (folder / "size.py").write_text("def area(a, b):\n    return a + b\n")
    (folder / "test_size.py").write_text("from size import area\n\n\ndef test_area():\n    assert area(3, 4) == 12\n")
    (q,) = read_questions(named("swe-bench"), path)
    assert "def area" in text(q) and q.target["fail_to_pass"] == ["test_size.py::test_area"]
    patch = (
        "```diff\n--- a/size.py\n+++ b/size.py\n@@ -1,2 +1,2 @@\n def area(a, b):\n-    return a + b\n+    return a *"
        " b\n```"
    )
    assert right("swe-bench", q, patch)
    (line,) = programming.predictions([{"question": "o__r-1", "text": patch}], "tiny")
    assert line["instance_id"] == "o__r-1" and line["model_patch"].startswith("--- a/size.py")


TOOLS = """
def call(database, name, arguments):
    if name != "set_seat" or arguments.get("id") not in database:
        return {"error": "no"}, database
    return {"ok": True}, {**database, arguments["id"]: {"seat": arguments["seat"]}}
"""


def tau_folder(tmp_path):
    schema = {
        "type": "function",
        "function": {"name": "set_seat", "description": "Sets it.", "parameters": {"type": "object", "properties": {}}},
    }
    task = {
        "id": "7",
        "user_scenario": {"instructions": {"reason_for_call": "You want seat 2B in booking b1.", "known_info": "b1"}},
        "evaluation_criteria": {
            "actions": [{"name": "set_seat", "arguments": {"id": "b1", "seat": "2B"}}],
            "communicate_info": ["2B"],
        },
    }
    parts = {"tasks.json": [task], "db.json": {"b1": {"seat": "1A"}}, "tools.json": [schema]}
    for name, value in parts.items():
        (tmp_path / name).write_text(json.dumps(value))
    (tmp_path / "policy.md").write_text("Be exact.")
    (tmp_path / "tools.py").write_text(TOOLS)
    return tmp_path


def test_tau_bench(tmp_path):
    (q,) = read_questions(named("tau-bench"), tau_folder(tmp_path))
    assert q.target == {"after": {"b1": {"seat": "2B"}}, "said": ["2B"]} and "seat 2B" in q.environment["instruction"]
    done = Reply("Your seat is 2B.", said=["Your seat is 2B."], database={"b1": {"seat": "2B"}})
    assert named("tau-bench").grade(q, done).right
    (tmp_path / "tools.py").write_text("x = 1\n")
    with pytest.raises(GptOssError, match="call"):
        read_questions(named("tau-bench"), tmp_path)


def test_simpleqa(tmp_path):
    rows = [
        {
            "metadata": "{'topic': 'Geography', 'answer_type': 'Place'}",
            "problem": "Capital of France?",
            "answer": "Paris",
        }
    ]
    (q,) = read_questions(named("simpleqa"), table(tmp_path / "s.csv", rows))
    assert q.subject == "Geography" and right("simpleqa", q, "Paris.")
    grade = named("simpleqa").grade(q, Reply("I don't know."))
    assert not grade.right and grade.parts["attempted"] is False and grade.kind == "not attempted"


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(GptOssError, match="expected --data"):
        read_questions(named("aime"), None)
    with pytest.raises(GptOssError, match="makes its own"):
        read_questions(named("aime-toy"), tmp_path)
    with pytest.raises(GptOssError, match=r"none\.jsonl"):
        read_questions(named("aime"), tmp_path / "none.jsonl")
    with pytest.raises(GptOssError, match=r"\.parquet"):
        (tmp_path / "x.parquet").write_text("")
        read_questions(named("aime"), tmp_path / "x.parquet")
    with pytest.raises(GptOssError, match="line 2"):
        (tmp_path / "x.jsonl").write_text('{"question": "q", "answer": "1"}\n{\n')
        read_questions(named("aime"), tmp_path / "x.jsonl")
    with pytest.raises(GptOssError, match="expected a field question or problem"):
        read_questions(named("aime"), lines(tmp_path / "y.jsonl", [{"text": "q"}]))
    with pytest.raises(GptOssError, match="right option"):
        multiple_choice.choice("x", "q", ["a", "b"], 4)
    with pytest.raises(GptOssError, match="aime-toy"):
        named("aim")


def test_every_benchmark_has_a_toy_and_says_what_it_reads():
    real = [b for b in BENCHMARKS.values() if not b.toy]
    assert len(real) == 10 and all(f"{b.name}-toy" in BENCHMARKS for b in real)
    for b in BENCHMARKS.values():
        assert b.title and b.measures.endswith(".") and b.form and b.licence and b.source


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, b in BENCHMARKS.items() if b.toy])
def test_toys_make_the_same_questions_each_time(name):
    found = read_questions(named(name), None)
    assert found == read_questions(named(name), None) and len({q.id for q in found}) == len(found) >= 30
    assert all(q.plain for q in found)


@pytest.mark.parametrize(
    "name, content, said",
    [
        (
            "a.jsonl",
            b'{"question": "?", "answer": "1"}\n3\n',
            "expected questions as JSON objects, found 3 as number 2",
        ),
        ("a.json", b"3", "expected questions as JSON objects, found 3 as number 1"),
        ("a.jsonl", b'{"question": "h\xe9", "answer": "1"}', "expected a text in UTF-8"),
        ("a.csv", b"question,answer\nh\xe9,1\n", "expected a text in UTF-8"),
        ("a.jsonl", b'{"question": "?"}\n', "number 1: expected a field answer or Answer, found question;"),
        ("a.jsonl", b"[" * 100_000, "line 1 is no JSON"),
    ],
    ids=["a number", "a number alone", "bytes", "bytes in a table", "a field missing", "nested"],
)
def test_a_data_file_of_another_form_is_named_with_its_row(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GptOssError, match=said):
        read_questions(named("aime"), tmp_path / name)


def test_a_field_of_another_kind_is_one_sentence(tmp_path):
    with pytest.raises(GptOssError, match=r"expected \.jsonl with prompt.* found a field of another kind"):
        read_questions(named("healthbench"), lines(tmp_path / "h.jsonl", [{"prompt": 3, "rubrics": [1]}]))
