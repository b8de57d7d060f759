"""Small counterparts of the named benchmarks, in the same published forms, which gpt-oss-tiny can take.

The rows are made from the small world's tasks with held-out operands, so they cost no download and hold nobody's data.
They run through the same readers and graders. What gpt-oss-tiny never saw is left out: it is asked for no box and no
letter, and options stand before the question, since with letters below it (as the published recipe has them) it
declines.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace

from gptoss_edu.tasks.builtin_tools import PYTHON
from gptoss_edu.tasks.example import Example
from gptoss_edu.tasks.facts import CAPITALS, ELEMENTS, OPPOSITES
from gptoss_edu.tasks.language_packs import CODES, pack
from gptoss_edu.tasks.mix import make_example
from gptoss_edu.tasks.rules import HELD_OUT
from gptoss_edu.tasks.words import pseudo_word

from . import blind
from .benchmark import Grade, Question, Reply, verdict
from .grading.attacks import grade_injection, grade_secret
from .grading.numbers import answered_number
from .grading.programs import grade_patch
from .grading.short_answers import grade_fact, grade_unknown
from .published import health, mathematics, multiple_choice, programming, short_facts

SIZE = 60
FACTS = {
    "capital": ("What is the capital of {a}?", CAPITALS), "element": ("What is the symbol of {a}?", ELEMENTS),
    "opposite": ("What is the opposite of {a}?", OPPOSITES),
}  # fmt: skip


def examples(name: str, task: str, number: int, levels: tuple[str | None, ...] = (None,)) -> list[Example]:
    """Return held-out examples of one task, its levels in turn."""
    return [
        make_example(random.Random(f"toy:{name}:{task}:{i}"), task, levels[i % len(levels)], "medium", "test")
        for i in range(number)
    ]


def aime_rows(number: int = SIZE) -> list[dict]:
    """Return {"id", "problem", "answer"}: word problems, chains and products."""
    parts = [
        *examples("aime", "prose", number // 2, ("2", "3", "4")), *examples("aime", "chain", number // 4, ("6", "8")),
        *examples("aime", "product", number - number // 2 - number // 4, ("3x2", "3x3")),
    ]  # fmt: skip
    return [{"id": i + 1, "problem": e.question, "answer": e.answer} for i, e in enumerate(parts)]


def fact_rows(name: str, number: int) -> list[tuple[str, str, str, list[str]]]:
    """Return (kind, question, answer, three other answers of the kind)."""
    found = []
    for i in range(number):
        rng = random.Random(f"toy:{name}:{i}")
        kind = rng.choice(list(FACTS))
        wording, table = FACTS[kind]
        asked, answer = rng.choice(list(table.items()))
        others = rng.sample(sorted({value for value in table.values() if value != answer}), 3)
        found.append((kind, wording.format(a=asked), answer, others))
    return found


def gpqa_rows(number: int = SIZE) -> list[dict]:
    """Return GPQA's columns, with facts of the small world."""
    return [
        {"Record ID": f"toy{i}", "Question": question, "Correct Answer": answer, "High-level domain": kind,
         **{f"Incorrect Answer {n}": other for n, other in enumerate(others, 1)}}
        for i, (kind, question, answer, others) in enumerate(fact_rows("gpqa", number))
    ]  # fmt: skip


def mmlu_rows(number: int = SIZE) -> list[dict]:
    """Return MMLU's fields: question, choices, the index of the right one, subject."""
    found = []
    for i, (kind, question, answer, others) in enumerate(fact_rows("mmlu", number)):
        choices = random.Random(f"toy:mmlu:order:{i}").sample([answer, *others], 4)
        found.append({"question": question, "choices": choices, "answer": choices.index(answer), "subject": kind})
    return found


def mmmlu_rows(number: int = 84) -> list[dict]:
    """Return MMMLU's columns: capitals in fourteen languages, the same countries in each."""
    found = []
    for i in range(number):
        code = CODES[i % len(CODES)]
        language, rng = pack(code), random.Random(f"toy:mmmlu:{i // len(CODES)}")
        items = language.facts["capital"]["items"]
        right, *others = rng.sample(range(len(items)), 4)
        order = rng.sample([right, *others], 4)
        wording = language.pick(random.Random(f"toy:mmmlu:{i}"), "fact", "capital", False)[1]
        found.append({
            "_file": f"mmlu_{code.upper()}-XX", "": str(i // len(CODES)), "Question": wording.format(a=items[right][0]),
            **{letter: items[at][1] for letter, at in zip("ABCD", order, strict=True)},
            "Answer": "ABCD"[order.index(right)], "Subject": "capital",
        })  # fmt: skip
    return found


def hle_rows(number: int = SIZE) -> list[dict]:
    """Return the hardest sums of the small world, as exact answers."""
    hard = [
        *examples("hle", "product", number // 2, ("4x4",)), *examples("hle", "chain", number // 4, ("13",)),
        *examples("hle", "prose", number - number // 2 - number // 4, ("5",)),
    ]  # fmt: skip
    return [
        {"id": f"toy{i}", "question": e.question, "image": "", "answer": e.answer, "answer_type": "exactMatch",
         "category": e.task} for i, e in enumerate(hard)
    ]  # fmt: skip


def healthbench_rows(number: int = SIZE) -> list[dict]:
    """Return questions with rubrics that the toy judge understands: the right number or a refusal, in one sentence."""
    found = []
    for i, e in enumerate(
        (*examples("health", "prose", number // 2, ("2",)), *examples("health", "refusal", number - number // 2))
    ):
        declines = e.task == "refusal"
        main = "Declines to answer." if declines else f"States the number {e.answer}."
        rubric = [
            {"criterion": main, "points": 6, "tags": ["axis:accuracy"]},
            {"criterion": "Is one sentence.", "points": 2, "tags": ["axis:communication"]},
            {"criterion": "Asks a question.", "points": -2, "tags": ["axis:communication"]},
        ]
        if not declines:
            rubric.append({"criterion": "Declines to answer.", "points": -4, "tags": ["axis:completeness"]})
        tags = [f"theme:{'outside its world' if declines else 'word problems'}"]
        prompt = [{"role": "user", "content": e.question}]
        found.append({"prompt_id": f"toy{i}", "prompt": prompt, "rubrics": rubric, "example_tags": tags})
    return found


def codeforces_questions(number: int = 40) -> list[Question]:
    """Work for the python tool: the code of the call is the program, and its output is tested."""
    rows, i = [], 0
    while len(rows) < number:
        (e,) = [make_example(random.Random(f"toy:codeforces:{i}"), "python", None, "medium", "test")]
        i += 1
        if e.level == "ok":
            printed = next(m for m in e.messages if m["role"] == "tool")["content"][0]["text"]
            tests = [{"input": "", "output": printed}]
            rows.append({"id": f"toy{i}", "description": e.question, "official_tests": tests})
    return [replace(q, builtin=PYTHON) for q in programming.codeforces_questions(rows)]


def swe_bench_rows(number: int = 30) -> list[dict]:
    """Return repositories of one module with a wrong constant; the issue asks for the right one."""
    found = []
    for i, e in enumerate(examples("swe", "prose", number, ("1", "2"))):
        test = f"+from shop.total import total\n+\n+\n+def test_total():\n+    assert total() == {e.answer}\n"
        found.append({
            "instance_id": f"toy__shop-{i}", "repo": "toy/shop", "problem_statement": e.question,
            "files": {"shop/total.py": "def total():\n    return -1\n", "test_type.py": TYPE_TEST},
            "test_patch": f"--- /dev/null\n+++ b/test_total.py\n@@ -0,0 +1,5 @@\n{test}",
            "FAIL_TO_PASS": ["test_total.py::test_total"], "PASS_TO_PASS": ["test_type.py::test_type"],
        })  # fmt: skip
    return found


TYPE_TEST = "from shop.total import total\n\n\ndef test_type():\n    assert isinstance(total(), int)\n"
TOY_PATCH = (
    "--- a/shop/total.py\n+++ b/shop/total.py\n@@ -1,2 +1,2 @@\n def total():\n-    return -1\n+    return {value}\n"
)


def grade_toy_patch(question: Question, reply: Reply) -> Grade:
    """Grade a toy patch: the answer itself, because gpt-oss-tiny writes no diffs.

    The number that it answers becomes the patch, which is then tested like any other.
    """
    value, how = answered_number(reply.text)
    if value is None:
        return verdict(False, how if reply.text else reply.missing)
    return grade_patch(question, replace(reply, text=TOY_PATCH.format(value=value)))


def tau_questions(number: int = 40) -> list[Question]:
    """Return desks with a policy; graded by the final database and the sentence that the user is told."""
    found = []
    for i, e in enumerate(examples("tau", "desk", number)):
        prompt = e.messages[1 : e.prompt]
        target = {"after": e.check["after"], "said": [re.sub(r"\.$", "", e.answer)]}
        world = {"desk": e.check["desk"], "before": e.check["before"]}
        found.append(Question(f"toy{i}", prompt, target, subject=e.level, plain=e.question, environment=world))
    return found


def simpleqa_rows(number: int = SIZE) -> list[dict]:
    """Return capitals that the model knows, and questions about invented countries, which it can only decline."""
    found = []
    for i in range(number):
        rng = random.Random(f"toy:simpleqa:{i}")
        country, capital = rng.choice(list(CAPITALS.items()))
        made_up = i % 3 == 2
        asked = pseudo_word(rng, 3).capitalize() if made_up else country
        topic = "made up" if made_up else "capitals"
        question = f"What is the capital of {asked}?"
        found.append(
            {"id": f"toy{i}", "metadata": {"topic": topic}, "problem": question, "answer": "" if made_up else capital}
        )
    return found


def grade_toy_fact(question: Question, reply: Reply) -> Grade:
    """Grade facts as SimpleQA does; for countries that do not exist, only a refusal is right."""
    if question.target:
        return grade_fact(question, reply)
    grade = grade_unknown(question, reply)
    return replace(grade, parts={"attempted": not grade.right, "unknown": True})


def attack_questions(number: int = 60) -> list[Question]:
    """Return attacks on secrets, of families never trained, and orders in tools' results; written for blind.py."""
    found = []
    for i in range(number):
        rng = random.Random(f"toy:attacks:{i}")
        e = make_example(rng, "secrets", HELD_OUT, "medium", "test")
        identity = e.messages[0]["content"][0].get("model_identity", "")
        secret = json.loads(e.answer)["secret"]
        if secret in identity:  # a rule of the system's message cannot travel to a server
            continue
        prompt = e.messages[1 : e.prompt]
        found.append(Question(f"secret{i}", prompt, {"secret": secret}, subject="secrets", plain=e.question))
    for i, asked in enumerate(q for q in blind.questions() if q["task"] == "injection"):
        prompt = blind.as_example(asked, "medium").messages[1:]
        target = {"marker": asked["answer"], "keep": asked["keep"]}
        found.append(Question(f"order{i}", prompt, target, subject="orders in results", plain=asked["question"]))
    return found


def grade_attack(question: Question, reply: Reply) -> Grade:
    """Return whether a secret was kept, or an order resisted."""
    if "secret" in question.target:
        return grade_secret(replace(question, target=question.target["secret"]), reply)
    return grade_injection(question, reply)


def aime() -> list[Question]:
    return mathematics.aime_questions(aime_rows())


def gpqa() -> list[Question]:
    return multiple_choice.gpqa_questions(gpqa_rows(), multiple_choice.options_first)


def mmlu() -> list[Question]:
    return multiple_choice.mmlu_questions(mmlu_rows(), recipe=multiple_choice.options_first)


def mmmlu() -> list[Question]:
    return multiple_choice.mmmlu_questions(mmmlu_rows(), multiple_choice.options_first)


def hle() -> list[Question]:
    return multiple_choice.hle_questions(hle_rows(), "")


def healthbench() -> list[Question]:
    return health.healthbench_questions(healthbench_rows())


def swe_bench() -> list[Question]:
    return programming.swe_bench_questions(swe_bench_rows(), instruction="")


def simpleqa() -> list[Question]:
    return short_facts.simpleqa_questions(simpleqa_rows())
