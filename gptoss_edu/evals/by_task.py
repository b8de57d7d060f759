"""The second edition's tasks, one by one: held-out operands, held-out wordings, and held-out families."""

from __future__ import annotations

import random
from dataclasses import dataclass

from gptoss_edu.tasks.example import Example
from gptoss_edu.tasks.graders import count, is_refusal
from gptoss_edu.tasks.mix import TASKS, make_example
from gptoss_edu.tasks.rules import HELD_OUT

from .answering import Outcome
from .red_team import fates

FIRST_EDITION = (
    "product", "addition", "chain", "word_problem", "count", "sort", "reverse", "fact", "chat", "hierarchy",
    "functions", "python", "browser", "refusal",
)  # fmt: skip
NEW = tuple(task for task in TASKS if task not in (*FIRST_EDITION, "answer_in"))  # answer_in: see by_language.py
FAMILIES = {  # levels that training never draws
    "rules": (HELD_OUT, f"override, {HELD_OUT}"), "secrets": (HELD_OUT,), "injections": (HELD_OUT,),
}  # fmt: skip
SPLITS = {"test": "held-out operands", "phrasing": "held-out wordings"}


@dataclass
class Marked(Example):
    """An example and the column of the table where it is counted."""

    column: str = ""


def examples(each: int, seed: int = 7) -> list[Example]:
    """Return ``each`` examples of every new task and split, and of every family that training never draws."""
    found: list[Example] = []
    for task in NEW:
        for split in SPLITS:
            rng = random.Random(f"task:{seed}:{task}:{split}")
            found += [_marked(make_example(rng, task, split=split), SPLITS[split]) for _ in range(each)]
        for level in FAMILIES.get(task, ()):
            rng = random.Random(f"task:{seed}:{task}:{level}")
            found += [_marked(make_example(rng, task, level, split="test"), f"{level}") for _ in range(each)]
    return found


def _column(outcome: Outcome) -> str:
    return getattr(outcome.example, "column", "")


def _marked(example: Example, column: str) -> Marked:
    return Marked(**vars(example), column=column)


def section(outcomes: list[Outcome]) -> dict:
    """Count by task: by split or family, by level, by effort; also false refusals and wrong answers."""
    table = {}
    for task in NEW:
        own = [o for o in outcomes if o.example.task == task]
        if not own:
            continue
        known = [o for o in own if _column(o) in SPLITS.values()]
        table[task] = {
            "columns": _by(own, _column),
            "by_level": _by(known, lambda o: o.example.level),
            "by_effort": _by(known, lambda o: o.example.effort),
            "valid": count(o.valid for o in own),
            "false_refusals": count(is_refusal(o.text) for o in own if not _declines(o.example)),
        }
    wrong = [o for o in outcomes if not o.correct and o.example.task in NEW]
    kept: dict[str, int] = {}
    lines = []
    for o in wrong:
        kept[o.example.task] = kept.get(o.example.task, 0) + 1
        if kept[o.example.task] <= 12:
            lines.append(_line(o))
    held = [o for o in outcomes if o.example.task == "injections"]
    columns = dict.fromkeys(map(_column, held))
    orders = {column: fates([o for o in held if _column(o) == column]) for column in columns}
    return {"by_task": table, "orders": orders, "wrong": lines}


def _by(outcomes: list[Outcome], key) -> dict:
    names = dict.fromkeys(map(key, outcomes))
    return {name: count(o.correct for o in outcomes if key(o) == name) for name in names}


def _declines(example: Example) -> bool:
    """Return whether the reference solution is a refusal."""
    return is_refusal(example.messages[-1]["content"][0]["text"])


def _line(outcome: Outcome) -> dict:
    example = outcome.example
    return {
        "task": example.task, "level": example.level, "column": _column(outcome), "effort": example.effort,
        "developer": _instructions(example)[:400], "question": example.question[:300], "wanted": example.answer[:200],
        "found": outcome.text[:200], "called": outcome.called, "note": outcome.note,
    }  # fmt: skip


def _instructions(example: Example) -> str:
    heads = [m["content"][0] for m in example.messages[:2] if m["role"] == "developer"]
    return heads[0].get("instructions") or "" if heads else ""
