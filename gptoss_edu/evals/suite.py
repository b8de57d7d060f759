"""The measured table of gpt-oss-tiny: one section after another, each a dict of counts with intervals."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from importlib.resources import files

from gptoss_edu.harmony import EFFORTS
from gptoss_edu.tasks.example import Example, message, system
from gptoss_edu.tasks.graders import count, is_refusal
from gptoss_edu.tasks.mix import MIX, make_example

from .answering import Outcome, answer
from .probe import ablations, inside, probe_examples

CELLS = (
    ("product", "2x2"), ("product", "3x2"), ("product", "3x3"), ("product", "4x4"), ("chain", "4"), ("chain", "8"), ("chain", "13"),
    ("word_problem", "3"), ("word_problem", "5"),
)  # fmt: skip


def mixed(number: int, split: str = "test", seed: int = 1) -> list[Example]:
    """Held-out examples in the mix of training."""
    rng = random.Random(f"eval:{seed}:{split}")
    return [make_example(rng, split=split) for _ in range(number)]


def foreign_questions() -> list[str]:
    """200 questions outside the model's world, a fixed list, not made by tasks.py."""
    return (files("gptoss_edu.evals") / "foreign.txt").read_text(encoding="utf-8").splitlines()


def foreign_examples() -> list[Example]:
    efforts = {i: EFFORTS[i % 3] for i in range(3)}
    return [
        Example(
            "foreign",
            "",
            efforts[i % 3],
            efforts[i % 3],
            0,
            "",
            "refusal",
            2,
            [system(efforts[i % 3]), message("user", question)],
        )
        for i, question in enumerate(foreign_questions())
    ]


def stranger_examples() -> list[Example]:
    """240 questions inside its world, written without sight of the wordings in training/, at high and medium effort."""
    text = (files("gptoss_edu.evals") / "strangers.jsonl").read_text(encoding="utf-8")
    examples = []
    for i, line in enumerate(text.splitlines()):
        asked, effort = json.loads(line), ("high", "medium")[i % 2]
        messages = [system(effort), message("user", asked["question"])]
        examples.append(Example(asked["task"], "", effort, effort, 0, asked["answer"], asked["grade"], 2, messages))
    return examples


def format_section(outcomes: list[Outcome]) -> dict:
    """Validity and accuracy of mixed prompts, whole and by task; false refusals among what is no refusal."""
    inside_world = [
        o
        for o in outcomes
        if o.example.task != "refusal" and "cannot" not in o.example.answer and o.example.level != "none"
    ]
    section = {
        "valid": count(o.valid for o in outcomes),
        "correct": count(o.correct for o in outcomes),
        "false_refusals": count(is_refusal(o.text) for o in inside_world),
        "dialogues": count(o.correct for o in outcomes if o.example.grade == "dialogue"),
        "by_task": {task: count(o.correct for o in outcomes if o.example.task == task) for task in MIX},
        "by_level": {f"{t} {l}": count(o.correct for o in outcomes if (o.example.task, o.example.level) == (t, l)) for t in ("hierarchy", "functions") for l in sorted({o.example.level for o in outcomes if o.example.task == t})},
        "wrong": [describe(o) for o in outcomes if not o.correct][:40],
    }  # fmt: skip
    return section


def describe(outcome: Outcome) -> dict:
    """A wrong answer, for whoever wants to know why."""
    example = outcome.example
    return {
        "task": example.task, "level": example.level, "effort": example.effort, "question": example.question[:200],
        "wanted": example.answer[:120], "found": outcome.text[:120], "note": outcome.note,
    }  # fmt: skip


def effort_examples(each: int, seed: int = 2) -> list[Example]:
    """The same questions at every effort."""
    examples = []
    for task, level in CELLS:
        for number in range(each):
            for effort in EFFORTS:
                rng = random.Random(f"effort:{seed}:{task}:{level}:{number}")
                examples.append(make_example(rng, task, level, effort, "test"))
    return examples


def effort_section(outcomes: list[Outcome]) -> dict:
    """Accuracy and analysis length by effort, for each cell and in the mean of the cells."""
    table, mean = {}, {}
    for task, level in CELLS:
        row = {}
        for effort in EFFORTS:
            chosen = [
                o for o in outcomes if (o.example.task, o.example.level, o.example.effort) == (task, level, effort)
            ]
            tokens = round(sum(o.thought_tokens for o in chosen) / max(1, len(chosen)), 1)
            row[effort] = count(o.correct for o in chosen) | {"analysis_tokens": tokens}
        table[f"{task} {level}"] = row
    for effort in EFFORTS:
        shares = [row[effort]["share"] for row in table.values() if row[effort]["share"] is not None]
        lengths = [row[effort]["analysis_tokens"] for row in table.values()]
        if shares:
            mean[effort] = {
                "share": round(sum(shares) / len(shares), 4),
                "analysis_tokens": round(sum(lengths) / len(lengths), 1),
            }
    return {"cells": table, "mean": mean}


def paired(first: list[bool], second: list[bool]) -> dict:
    """Two models on the same prompts: how often each alone was right, and the difference of the shares."""
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    n = len(first)
    spread = 1.96 * max(0.0, only_first + only_second - (only_first - only_second) ** 2 / max(1, n)) ** 0.5 / max(1, n)
    return {
        "prompts": n, "first": count(first), "second": count(second), "only_first": only_first, "only_second": only_second,
        "difference": round((only_second - only_first) / max(1, n), 5), "half_interval": round(spread, 5),
    }  # fmt: skip


def run_suite(
    model,
    sizes: dict[str, int],
    batch: int = 64,
    store: Callable[[str, dict], None] = lambda name, section: None,
    seconds: float | None = None,
    against=None,
    done: dict | None = None,
    watch: Callable[[str, int, int, int, int], None] | None = None,
) -> dict:
    """All sections, in the order of their importance; ``store`` is given each as soon as it is there.

    sizes : how many prompts of "mixed", "effort" (a cell and effort), "foreign", "phrasing", "strangers", "warm", "probe" (a task)
    seconds : nothing new is begun after that time; what is missing is missing from the counts
    against : a second model that answers the mixed and the effort prompts too, compared prompt by prompt
    done : sections of an earlier, interrupted call, which are not measured again
    watch : called with (section, answered, prompts, right, tokens sampled) as answers come
    """
    deadline = time.monotonic() + seconds if seconds else None
    results: dict = dict(done or {})

    def measure(name: str, wanted, action: Callable[[], dict]) -> None:
        if wanted and name not in results and (deadline is None or time.monotonic() < deadline):
            results[name] = action()
            store(name, results[name])

    def ask(name: str, examples: list[Example], one=None, **how) -> list[Outcome]:
        note = (lambda n, right, tokens: watch(name, n, len(examples), right, tokens)) if watch else None
        return answer(one or model, examples, batch, deadline=deadline, watch=note, **how)

    def greedy(name: str, examples: list[Example], section: Callable[[list[Outcome]], dict]) -> dict:
        """A section and, for a second model, which of its prompts were answered right: one 0 or 1 each."""
        outcomes = ask(name, examples)
        found = section(outcomes)
        if len(outcomes) == len(examples):
            found["flags"] = "".join(str(int(o.correct)) for o in outcomes)
        return found

    def compare(name: str, examples: list[Example]) -> dict:
        second = ask(f"{name}, second model", examples, against)
        first = results[name].get("flags", "")
        if not len(second) == len(first) == len(examples):
            return {"incomplete": f"{len(second)} of {len(examples)} prompts"}
        return paired([flag == "1" for flag in first], [o.correct for o in second]) | {
            "flags": "".join(str(int(o.correct)) for o in second)
        }

    n = sizes.get
    measure("mixed", n("mixed"), lambda: greedy("mixed", mixed(n("mixed")), format_section))
    measure("effort", n("effort"), lambda: greedy("effort", effort_examples(n("effort")), effort_section))
    measure("foreign", n("foreign"), lambda: foreign_section(ask("foreign", foreign_examples()[: n("foreign")])))
    measure("phrasing", n("phrasing"), lambda: phrasing_section(ask("phrasing", mixed(n("phrasing"), "phrasing"))))
    measure(
        "strangers", n("strangers"), lambda: phrasing_section(ask("strangers", stranger_examples()[: n("strangers")]))
    )
    measure("temperature_1", n("warm"), lambda: warm_section(ask("temperature 1", mixed(n("warm")), temperature=1.0)))
    if n("probe"):
        examples = probe_examples(n("probe"))
        measure("ablations", True, lambda: ablations(model, examples))
        measure("inside", True, lambda: inside(model, examples))
    if against is not None:
        for name, examples in (("mixed", mixed(n("mixed") or 0)), ("effort", effort_examples(n("effort") or 0))):
            measure(f"paired_{name}", name in results and examples, lambda n=name, e=examples: compare(n, e))
    return results


def foreign_section(outcomes: list[Outcome]) -> dict:
    accepted = [{"question": o.example.question, "found": o.text[:100]} for o in outcomes if not o.correct]
    return {"refused": count(o.correct for o in outcomes), "accepted": accepted}


def phrasing_section(outcomes: list[Outcome]) -> dict:
    """Right in wordings that were never trained, whole and by task."""
    return {
        "unseen": count(o.correct for o in outcomes),
        "by_task": {task: count(o.correct for o in outcomes if o.example.task == task) for task in MIX},
        "wrong": [describe(o) for o in outcomes if not o.correct][:40],
    }


def warm_section(outcomes: list[Outcome]) -> dict:
    return {"valid": count(o.valid for o in outcomes), "correct": count(o.correct for o in outcomes)}
