"""Export a benchmark as a task of inspect-ai: the same prompts, with this package's graders as the scorer.

inspect-ai is not a dependency: only the exported task imports it. Dialogues with an environment are not
exported; inspect-ai has its own agents for them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import write_text

from .benchmark import Benchmark, Question
from .endpoint_backend import chat_messages

TASK = '''"""{title}, from gptoss-edu. Run it where both packages are installed:

    inspect eval {file} --model openai-api/PROVIDER/NAME --reasoning-effort medium
"""

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import Score, Target, accuracy, mean, scorer, stderr
from inspect_ai.solver import TaskState, generate

from gptoss_edu.evals.inspect_export import grade_completion

HERE = Path(__file__).parent


@scorer(metrics=[{metric}(), stderr()])
def gptoss_edu_grader():
    async def score(state: TaskState, target: Target) -> Score:
        grade = grade_completion({name!r}, {data!r}, str(state.sample_id), state.output.completion)
        return Score(value={value}, answer=grade.found, explanation=grade.kind)

    return score


@task
def {function}():
    return Task(
        dataset=json_dataset(str(HERE / "samples.jsonl")),
        solver=generate(),
        scorer=gptoss_edu_grader(),
        metadata={{"benchmark": {name!r}, "questions": {digest!r}}},
    )
'''
_QUESTIONS: dict[tuple[str, str], dict[str, Question]] = {}


def export_task(benchmark: Benchmark, questions: Sequence[Question], folder: Path, data: Path | None = None) -> Path:
    """Write task.py and samples.jsonl; return the path of the task.

    Raises
    ------
    GptOssError : the benchmark is made of dialogues, or needs tools.
    """
    from .sample_log import asked, digest, target_text

    if any(q.environment or q.builtin for q in questions):
        raise GptOssError(
            f"{benchmark.name}: expected questions of one turn, found dialogues or tools; run it with eval."
        )
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {"id": q.id, "input": chat_messages(q.prompt), "target": target_text(q.target), "metadata": {
            "cluster": q.cluster or q.id, "subject": q.subject, "language": q.language, "asked": asked(q)}}
        for q in questions
    ]  # fmt: skip
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_text(folder / "samples.jsonl", text.replace('"role": "developer"', '"role": "system"'))
    rubric = benchmark.score == "mean score"
    target = folder / "task.py"
    task = TASK.format(
        title=benchmark.title, file=target.name, name=benchmark.name, data=str(data.absolute()) if data else "",
        digest=digest(questions), function=benchmark.name.replace("-", "_"), metric="mean" if rubric else "accuracy",
        value="grade.score" if rubric else "1 if grade.right else 0",
    )  # fmt: skip
    write_text(target, task)
    return target


def grade_completion(name: str, data: str, question: str, completion: str):
    """Return the verdict of this package's grader on a final message; data: the published file, "" for a toy."""
    from .benchmark import Reply
    from .named import named, read_questions

    if (name, data) not in _QUESTIONS:
        found = read_questions(named(name), Path(data) if data else None)
        _QUESTIONS[name, data] = {q.id: q for q in found}
    text = completion.strip()
    return named(name).grade(_QUESTIONS[name, data][question], Reply(text, ended="stop" if text else "no answer"))
