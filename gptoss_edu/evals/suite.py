"""The measured table of gpt-oss-tiny: one section after another, each a dict of counts with intervals."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from gptoss_edu.harmony import EFFORTS
from gptoss_edu.tasks.example import Example, message, system
from gptoss_edu.tasks.graders import count, is_refusal
from gptoss_edu.tasks.mix import MIX, make_example

from . import blind, by_language, by_task
from .answering import Outcome, answer
from .by_language import LANGUAGES
from .probe import ablations, inside, probe_examples
from .router_languages import router_examples, router_section

CELLS = (
    ("product", "2x2"), ("product", "3x2"), ("product", "3x3"), ("product", "4x4"),
    ("chain", "4"), ("chain", "8"), ("chain", "13"), ("word_problem", "3"), ("word_problem", "5"),
)  # fmt: skip
TOOLS = ("functions", "python", "browser")


def mixed(number: int, split: str = "test", seed: int = 1) -> list[Example]:
    """Return held-out examples in the mix of training."""
    rng = random.Random(f"eval:{seed}:{split}")
    return [make_example(rng, split=split) for _ in range(number)]


def foreign_questions() -> list[str]:
    """Return a fixed list of 200 questions outside the model's world, not made by its tasks."""
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


def format_section(outcomes: list[Outcome]) -> dict:
    """Return validity and accuracy of mixed prompts, in all, by task (English) and by language, and false refusals."""
    inside_world = [o for o in outcomes if not is_refusal(o.example.messages[-1]["content"][0]["text"])]
    section = {
        "valid": count(o.valid for o in outcomes),
        "correct": count(o.correct for o in outcomes),
        "false_refusals": count(is_refusal(o.text) for o in inside_world),
        "dialogues": count(o.correct for o in outcomes if o.example.grade == "dialogue" and o.example.task in TOOLS),
        "by_task": english_by_task(outcomes),
        "by_language": {c: count(o.correct for o in outcomes if o.example.language == c) for c in LANGUAGES},
        "by_level": _by_level(outcomes, ("hierarchy", "functions")),
        "wrong": [describe(o) for o in outcomes if not o.correct][:40],
    }  # fmt: skip
    return section


def _by_level(outcomes: list[Outcome], tasks: tuple[str, ...]) -> dict:
    kinds = sorted({(o.example.task, o.example.level) for o in outcomes if o.example.task in tasks})
    return {
        f"{task} {level}": count(o.correct for o in outcomes if (o.example.task, o.example.level) == (task, level))
        for task, level in kinds
    }


def english_by_task(outcomes: list[Outcome]) -> dict:
    english = [o for o in outcomes if o.example.language == "en"]
    return {task: count(o.correct for o in english if o.example.task == task) for task in MIX}


def describe(outcome: Outcome) -> dict:
    """Return a wrong answer, for whoever wants to know why."""
    example = outcome.example
    return {
        "task": example.task, "language": example.language, "level": example.level, "effort": example.effort,
        "question": example.question[:200], "wanted": example.answer[:120], "found": outcome.text[:120],
        "note": outcome.note,
    }  # fmt: skip


def effort_examples(each: int, seed: int = 2) -> list[Example]:
    """Return the same questions at every effort."""
    examples = []
    for task, level in CELLS:
        for number in range(each):
            for effort in EFFORTS:
                rng = random.Random(f"effort:{seed}:{task}:{level}:{number}")
                examples.append(make_example(rng, task, level, effort, "test"))
    return examples


def effort_section(outcomes: list[Outcome]) -> dict:
    """Return accuracy and analysis length by effort, for each cell and averaged over the cells."""
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
    """Return two models on the same prompts: how often each alone was right, and the difference of the shares.

    The interval is the normal one for paired shares. Where no prompt tells the models apart, it would have no width;
    then three in n is the largest share of differing prompts that may well leave no trace (the rule of three).
    """
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    n = len(first)
    spread = 1.96 * max(0.0, only_first + only_second - (only_first - only_second) ** 2 / max(1, n)) ** 0.5 / max(1, n)
    if only_first + only_second == 0:
        spread = min(1.0, 3 / max(1, n))
    return {
        "prompts": n, "first": count(first), "second": count(second),
        "only_first": only_first, "only_second": only_second,
        "difference": round((only_second - only_first) / max(1, n), 5), "half_interval": round(spread, 5),
    }  # fmt: skip


def foreign_section(outcomes: list[Outcome]) -> dict:
    accepted = [{"question": o.example.question, "found": o.text[:100]} for o in outcomes if not o.correct]
    return {"refused": count(o.correct for o in outcomes), "accepted": accepted}


def phrasing_section(outcomes: list[Outcome]) -> dict:
    """Return accuracy in wordings that were never trained, in all and by task."""
    return {
        "unseen": count(o.correct for o in outcomes),
        "by_task": english_by_task(outcomes),
        "by_language": {c: count(o.correct for o in outcomes if o.example.language == c) for c in LANGUAGES},
        "wrong": [describe(o) for o in outcomes if not o.correct][:40],
    }


def warm_section(outcomes: list[Outcome]) -> dict:
    return {"valid": count(o.valid for o in outcomes), "correct": count(o.correct for o in outcomes)}


@dataclass(frozen=True)
class Section:
    """One part of the table: its prompts, and what is made of the answers.

    examples : called with a size, whose meaning is the section's own (`size` says the usual one)
    """

    examples: Callable[[int], list[Example]]
    summary: Callable[[list[Outcome]], dict]
    size: int
    temperature: float = 0.0
    flags: bool = False  # keep which prompts were right, for the comparison with a second model


SECTIONS = {  # in the order of their importance
    "mixed": Section(mixed, format_section, 2000, flags=True),
    "effort": Section(effort_examples, effort_section, 100, flags=True),  # of each cell and effort
    "strangers": Section(blind.examples, blind.section, 690),
    "languages": Section(by_language.examples, by_language.section, 12),  # of each language, task and effort
    "tasks": Section(by_task.examples, by_task.section, 100),  # of each task and split
    "foreign": Section(lambda n: foreign_examples()[:n], foreign_section, 200),
    "phrasing": Section(lambda n: mixed(n, "phrasing"), phrasing_section, 1000),
    "temperature_1": Section(mixed, warm_section, 2000, temperature=1.0),
}
PROBES = {"ablations": 24, "inside": 24, "router": 12}  # conversations of each task (router: and language)
SIZES = {name: section.size for name, section in SECTIONS.items()} | PROBES
FIXED = ("strangers", "foreign")  # lists of a fixed length


def run_suite(
    model,
    sizes: dict[str, int],
    batch: int = 64,
    store: Callable[[str, dict], None] = lambda name, section: None,
    seconds: float | None = None,
    against=None,
    done: dict | None = None,
    watch: Callable[[str, int, int, int, int], None] | None = None,
    questions: Path | None = None,
) -> dict:
    """Run all sections that ``sizes`` names, in the order of SECTIONS; ``store`` gets each as soon as it is ready.

    On a GPU, and without a time limit, all greedy prompts share one pool: its steps cost about the same however many
    rows there are, so few long answers at the end of every section would cost most of the time.

    Parameters
    ----------
    sizes : by name of SECTIONS and PROBES; 0 or missing leaves one out
    seconds : nothing new is begun after that time; a section that is cut off says so in "answered" and "prompts"
    against : a second model that answers the mixed and the effort prompts too, compared prompt by prompt
    done : sections of an earlier, interrupted call, which are not measured again
    watch : called with (section, answered, prompts, right, tokens sampled) as answers come
    questions : a file in the form of strangers.jsonl, asked as a section of its own, "questions"
    """
    sections = dict(SECTIONS)
    if questions is not None:
        sections["questions"] = Section(
            lambda n: blind.examples(None, questions),
            lambda outcomes: blind.section(outcomes) | {"file": questions.name},
            1,
        )
        sizes = {**sizes, "questions": 1}
    deadline = time.monotonic() + seconds if seconds else None
    results: dict = dict(done or {})

    def ask(name: str, examples: list[Example], one=None, temperature: float = 0.0) -> list[Outcome]:
        note = (lambda n, right, tokens: watch(name, n, len(examples), right, tokens)) if watch else None
        return answer(one or model, examples, batch, temperature=temperature, deadline=deadline, watch=note)

    def keep(name: str, section: dict) -> None:
        results[name] = section
        store(name, section)

    def late() -> bool:
        return deadline is not None and time.monotonic() >= deadline

    wanted = [name for name in sections if sizes.get(name) and name not in results]
    for group in _groups(
        {n: sections[n].temperature for n in wanted},
        model is not None and model.device.type == "cuda" and deadline is None,
    ):
        if late():
            break
        prompts = {name: sections[name].examples(sizes[name]) for name in group}
        warmth = sections[group[0]].temperature
        outcomes = ask(", ".join(group), list(itertools.chain(*prompts.values())), temperature=warmth)
        found = {id(o.example): o for o in outcomes}
        for name, examples in prompts.items():
            keep(name, _summary(sections[name], examples, [found[id(e)] for e in examples if id(e) in found]))
    for name, action in (("ablations", ablations), ("inside", inside)):
        if sizes.get(name) and name not in results and not late():
            keep(name, action(model, probe_examples(sizes[name])))
    if sizes.get("router") and "router" not in results and not late():
        keep("router", router_section(model, router_examples(sizes["router"])))
    for name in ("mixed", "effort") if against is not None else ():
        pair = f"paired_{name}"
        if sizes.get(name) and name in results and pair not in results and not late():
            examples = SECTIONS[name].examples(sizes[name])
            keep(pair, _compare(results[name], examples, ask(f"{name}, second model", examples, against)))
    return results


def _groups(temperatures: dict[str, float], together: bool) -> Iterator[list[str]]:
    """Return sections, each with its temperature, whose prompts are answered in one pool."""
    if not together:
        yield from ([name] for name in temperatures)
        return
    for temperature in dict.fromkeys(temperatures.values()):
        yield [name for name, own in temperatures.items() if own == temperature]


def _summary(section: Section, examples: list[Example], outcomes: list[Outcome]) -> dict:
    found = section.summary(outcomes) | {"prompts": len(examples), "answered": len(outcomes)}
    if section.flags and len(outcomes) == len(examples):
        found["flags"] = "".join(str(int(o.correct)) for o in outcomes)
    return found


def _compare(first: dict, examples: list[Example], second: list[Outcome]) -> dict:
    """Return a section's prompts answered by a second model; which were answered right is one 0 or 1 each."""
    flags = first.get("flags", "")
    if not len(second) == len(flags) == len(examples):
        return {"answered": len(second), "prompts": len(examples)}
    right = [o.correct for o in second]
    return paired([flag == "1" for flag in flags], right) | {"flags": "".join(str(int(flag)) for flag in right)}
