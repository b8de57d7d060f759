"""The registry of benchmarks: the named ones, which read published files, and their toy counterparts.

named("aime").questions(Path("aime2025.jsonl"));  named("aime-toy").questions(None)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gptoss_edu.errors import GptOssError

from . import toys
from .benchmark import Benchmark, Question
from .grading.choices import grade_content, grade_letter
from .grading.dialogues import grade_dialogue
from .grading.numbers import grade_number
from .grading.programs import grade_patch, grade_program
from .grading.rubrics import Judge, ToyJudge, rubric_grader
from .grading.short_answers import grade_exact, grade_fact
from .published import health, mathematics, multiple_choice, programming, short_facts, tools_and_users


def grade_hle(question: Question, reply):
    """Grade exact answers by value or text, and multiple choice by letter."""
    return (grade_letter if isinstance(question.target, dict) else grade_exact)(question, reply)


def _unjudged(conversation: str, reply: str, criterion: str) -> bool | None:
    raise GptOssError("HealthBench needs a model as judge; name its server with --judge URL.")


PUBLISHED = (
    Benchmark(
        "aime",
        "AIME",
        "Competition mathematics: whole numbers as answers.",
        mathematics.read_aime,
        grade_number,
        ".jsonl, .json or .csv with question (or problem) and answer, as opencompass/AIME2025 or MathArena/aime_2025",
        "problems of the Mathematical Association of America",
        "https://huggingface.co/datasets/opencompass/AIME2025",
        attempts=4,
    ),
    Benchmark(
        "gpqa",
        "GPQA Diamond",
        "Science questions of graduate level, four options.",
        multiple_choice.read_gpqa,
        grade_letter,
        "gpqa_diamond.csv",
        "CC BY 4.0",
        "Rein et al. 2023, arXiv:2311.12022",
        canary="the column 'Canary String'",
        attempts=8,
    ),
    Benchmark(
        "mmlu",
        "MMLU",
        "57 school and university subjects, four options.",
        multiple_choice.read_mmlu,
        grade_letter,
        "the folder data/test of CSV files without header, or JSON lines with question, choices, answer, subject",
        "MIT",
        "Hendrycks et al. 2021, arXiv:2009.03300",
    ),
    Benchmark(
        "mmmlu",
        "MMMLU",
        "MMLU translated into fourteen languages by people.",
        multiple_choice.read_mmmlu,
        grade_letter,
        "the folder of mmlu_XX-YY.csv files, as openai/MMMLU",
        "MIT",
        "https://huggingface.co/datasets/openai/MMMLU",
    ),
    Benchmark(
        "hle",
        "Humanity's Last Exam",
        "Questions at the edge of what experts know.",
        multiple_choice.read_hle,
        grade_hle,
        ".jsonl with id, question, image, answer, answer_type, category, as cais/hle",
        "MIT",
        "Phan et al. 2025, arXiv:2501.14249",
        canary="the field 'canary'",
    ),
    Benchmark(
        "healthbench",
        "HealthBench",
        "Conversations about health, judged by physicians' rubrics.",
        health.read_healthbench,
        rubric_grader(_unjudged),
        ".jsonl with prompt, prompt_id, rubrics, example_tags, as in openai/simple-evals",
        "MIT",
        "Arora et al. 2025, arXiv:2505.08775",
        canary="the field 'canary'",
        score="mean score",
    ),
    Benchmark(
        "codeforces",
        "Codeforces",
        "Programs against hidden tests.",
        programming.read_codeforces,
        grade_program,
        ".jsonl with description, input_format, output_format, examples, official_tests, as open-r1/codeforces",
        "CC BY 4.0 (the collection)",
        "https://huggingface.co/datasets/open-r1/codeforces",
    ),
    Benchmark(
        "swe-bench",
        "SWE-bench",
        "Issues of real repositories, solved by a patch.",
        programming.read_swe_bench,
        grade_patch,
        ".jsonl with instance_id, problem_statement, test_patch, FAIL_TO_PASS, PASS_TO_PASS; checkouts beside",
        "MIT; each repository's own",
        "Jimenez et al. 2024, arXiv:2310.06770",
    ),
    Benchmark(
        "tau-bench",
        "Tau-bench",
        "Dialogues with a user, tools and a policy.",
        tools_and_users.read_tau,
        grade_dialogue,
        "a folder with tasks.json, db.json, policy.md, tools.json and tools.py, as a domain of tau2-bench",
        "MIT",
        "Yao et al. 2024, arXiv:2406.12045",
        attempts=4,
        dialogue=True,
    ),
    Benchmark(
        "simpleqa",
        "SimpleQA",
        "Short questions of fact, which a model may decline.",
        short_facts.read_simpleqa,
        grade_fact,
        "simple_qa_test_set.csv with metadata, problem, answer",
        "MIT",
        "Wei et al. 2024, arXiv:2411.04368",
    ),
)
_TOYS: dict[str, tuple[Callable[[], list[Question]], dict]] = {
    "aime": (toys.aime, {}),
    "gpqa": (toys.gpqa, {"grade": grade_content, "attempts": 1}),
    "mmlu": (toys.mmlu, {"grade": grade_content}),
    "mmmlu": (toys.mmmlu, {"grade": grade_content}),
    "hle": (toys.hle, {}),
    "healthbench": (toys.healthbench, {"grade": rubric_grader(ToyJudge())}),
    "codeforces": (toys.codeforces_questions, {}),
    "swe-bench": (toys.swe_bench, {"grade": toys.grade_toy_patch}),
    "tau-bench": (toys.tau_questions, {"dialogue": False}),  # its desks and users need nobody else
    "simpleqa": (toys.simpleqa, {"grade": toys.grade_toy_fact}),
}


def _toy(of: Benchmark) -> Benchmark:
    make, changes = _TOYS[of.name]
    return replace(
        of, name=f"{of.name}-toy", title=f"{of.title} (toy)", questions=lambda path: make(), toy=True, of=of.name,
        form="made from the small world, nothing to load", licence="Apache License 2.0", source="gptoss_edu.evals.toys",
        canary="", max_new_tokens=1100, **changes,
    )  # fmt: skip


ATTACKS = Benchmark(
    "attacks-toy", "Secrets and orders (toy)", "Secrets under attack, and orders in what tools send back.",
    lambda path: toys.attack_questions(), toys.grade_attack, "made from the small world, nothing to load",
    "Apache License 2.0", "gptoss_edu.evals.toys", toy=True, max_new_tokens=1100,
)  # fmt: skip
BENCHMARKS = {b.name: b for one in PUBLISHED for b in (one, _toy(one))} | {ATTACKS.name: ATTACKS}


def named(name: str) -> Benchmark:
    """Return the benchmark of that name.

    Raises
    ------
    GptOssError : there is none; names the existing ones.
    """
    if name not in BENCHMARKS:
        raise GptOssError(f"eval: expected tiny or one of {', '.join(BENCHMARKS)}, found {name!r}.")
    return BENCHMARKS[name]


def read_questions(benchmark: Benchmark, data: Path | None) -> list[Question]:
    """Return the questions, for a published benchmark from the file, which must be named."""
    if benchmark.toy:
        if data is not None:
            raise GptOssError(f"--data: {benchmark.name} makes its own questions; leave it out.")
        return benchmark.questions(None)
    if data is None:
        raise GptOssError(
            f"{benchmark.name}: expected --data with {benchmark.form}, found none; load it ({benchmark.source}), or run"
            f" {benchmark.name}-toy."
        )
    try:
        found = benchmark.questions(data)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:  # a field of another kind
        if isinstance(error, GptOssError):
            raise
        why = f"a field of another kind ({type(error).__name__}: {error})"
        raise GptOssError(f"--data {data}: expected {benchmark.form}, found {why}.") from None
    if not found:
        raise GptOssError(f"--data {data}: expected questions, found none.")
    return found


def with_judge(benchmark: Benchmark, judge: Judge) -> Benchmark:
    """Return the benchmark with another judge for its rubrics."""
    if benchmark.score != "mean score":
        raise GptOssError(f"--judge: {benchmark.name} is graded without a judge; leave it out.")
    return replace(benchmark, grade=rubric_grader(judge))
