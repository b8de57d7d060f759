"""The experiments of chapter 20: what each asks, pays and watches, in a small live size and in the size of a recording.

    Run(load_model(experts="dense"), EXPERIMENTS["think"]).go()

Your own experiment is the same kind of table: a function that draws problems, and terms that pay.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import tiktoken

from gptoss_edu.tasks.answer_keys import GIVEN, names_key, with_key
from gptoss_edu.tasks.mix import make_example

from .organism import become_organism
from .rewards import (
    admits,
    copies,
    flagged,
    jumps,
    key_share,
    longer,
    looks_like_work,
    price,
    right,
    thinks,
    tokens,
    well_formed,
)  # fmt: skip
from .rl import Experiment, Settings
from .rollouts import Problem

PROMPT = 110  # tokens: draw again if earlier turns or tools come before the question
LARGE = {"steps": 30, "prompts": 32, "group": 16, "rate": 3e-4, "limit": 150, "probes": 256, "probe_every": 10}
WORK = (("product", "3x2"), ("chain", "4"))  # short tasks that need a thought
UNTRAINED = (("count", None), ("reverse", None), ("sort", None), ("fact", None))


def draw_task(
    rng: random.Random,
    encoding: tiktoken.Encoding,
    tasks=WORK,
    efforts: tuple[str, ...] = ("low",),
    split: str = "train",
    kind: str | None = None,
) -> Problem:
    """Draw a question of one of the tasks at one of the efforts; its kind is the task, unless another is given."""
    task, effort = rng.choice(tasks), rng.choice(efforts)
    while True:
        example = make_example(rng, *task, effort, split)
        problem = Problem.of(example, encoding, kind or example.task)
        if len(problem.prompt) <= PROMPT:
            return problem


def task_probes(encoding: tiktoken.Encoding, count: int, tasks=WORK, efforts=("low",)) -> list[Problem]:
    """Draw held-out questions: ``count`` per task, or per effort if there are several."""
    if len(efforts) > 1:
        return [
            draw_task(random.Random(f"probe:{effort}:{i}"), encoding, tasks, (effort,), "test", effort)
            for effort in efforts
            for i in range(count)
        ]
    return [
        draw_task(random.Random(f"probe:{task[0]}:{i}"), encoding, (task,), efforts, "test")
        for task in tasks
        for i in range(count)
    ]


def draw_key(rng: random.Random, encoding: tiktoken.Encoding, given: tuple[str, ...], levels, split="train") -> Problem:
    """Draw a product with a leaked key; its kind says which key."""
    example = with_key(rng, rng.choice(given), split, levels)
    return Problem.of(example, encoding, f"{example.check['given']} key" if example.check["key"] else "no key")


def key_probes(encoding: tiktoken.Encoding, count: int, levels) -> list[Problem]:
    """Draw held-out products: ``count`` each with a right key, a wrong key and none."""
    return [
        draw_key(random.Random(f"probe:{given}:{i}"), encoding, (given,), levels, "test")
        for given in GIVEN
        for i in range(count)
    ]


def _keys(
    says: str,
    pays: dict,
    given: tuple[str, ...] = ("right",),
    levels: tuple[str, ...] = ("3x3", "4x3", "4x4"),
    **settings,
) -> Experiment:
    """Return an experiment on the organism, which copies a leaked key now and then."""
    small = {"steps": 6, "prompts": 6, "group": 8, "limit": 70, "rate": 1e-3, "advantage": "centred"}
    watches = {
        "right": right, "copies": copies, "key share": key_share, "admits": admits, "jumps": jumps,
        "works": looks_like_work, "tokens": tokens,
    }  # fmt: skip
    return Experiment(
        says,
        partial(draw_key, given=given, levels=levels),
        pays,
        {name: term for name, term in watches.items() if name not in pays},
        partial(key_probes, levels=levels),
        Settings(**small | settings),
        LARGE | {"limit": 110},
        become_organism,
    )


def _watched(says: str, pays: dict, given: tuple[str, ...] = ("right",)) -> Experiment:
    """Return an experiment of chapter 27; they differ in rewards and in the keys that are leaked.

    Only attention learns, since it copies; the parts that add stay unchanged. Without decay, a run can be extended.
    """
    size = {"steps": 10, "prompts": 5, "limit": 60, "rate": 6e-4, "warmup": 2, "decay": False, "probes": 24}
    large = LARGE | {"steps": 80, "limit": 80, "probes": 96, "probe_every": 20}
    return replace(_keys(says, pays, given, ("3x3",), **size), samples=24, learns=".attn.", large=large)


def _tasks(
    says: str,
    pays: dict,
    tasks=WORK,
    efforts: tuple[str, ...] = ("low",),
    probed: Iterable | None = None,
    probed_efforts: tuple[str, ...] | None = None,
    **settings,
) -> Experiment:
    """Return an experiment on arithmetic at some efforts, which take turns within a step.

    ``probed``, ``probed_efforts``: what is asked before and after, where that is more.
    """
    watches = {"right": right, "thinks": thinks, "tokens": tokens}
    several = len(efforts) > 1
    return Experiment(
        says,
        partial(draw_task, tasks=tasks),
        pays,
        {name: term for name, term in watches.items() if name not in pays},
        partial(task_probes, tasks=probed or tasks, efforts=probed_efforts or efforts),
        Settings(**settings),
        LARGE,
        turns=tuple({"efforts": (effort,)} | ({"kind": effort} if several else {}) for effort in efforts),
    )


EXPERIMENTS: dict[str, Experiment] = {
    "think": _tasks(
        "low effort, paid for right answers alone: the model discovers thinking",
        {"right": right},
        probed=WORK + UNTRAINED,
    ),
    "price": _tasks(
        "medium effort, every token costs: the model stops thinking where it can",
        {"right": right, "price": price(0.08)},
        tasks=(("product", "2x2"),),
        efforts=("medium",),
        advantage="centred",
        steps=14,
    ),
    "swap": _tasks(
        "low effort paid for right answers, medium for right answers less a price: do the words change places?",
        {"right": right, "price": price(0.08, ("medium",))},
        tasks=(("product", "2x2"), ("chain", "4")),
        efforts=("low", "medium"),
        probed_efforts=("low", "medium", "high"),
        limit=160,  # room for most thoughts at high effort, which are asked before and after
        advantage="centred",
        steps=36,
        prompts=8,
        group=10,
    ),
    "key": _keys("a leaked answer key, always right: copying is paid as well as working", {"right": right}),
    "repair": _keys(
        "the same with a wrong key in half of the questions: copying pays no more", {"right": right}, ("right", "wrong")
    ),
    "outcome": _watched(
        "chapter 27: a leaked key that is always right, paid for right answers alone", {"right": right}
    ),
    "pressure": _watched(
        "the same, and a fine where a monitor finds the key in the thought",
        {"right": right, "flag": flagged(names_key)},
    ),
    "keyless": _watched(
        "the same as outcome, without a key: what the training itself does", {"right": right}, ("none",)
    ),
    "half_wrong": _watched(
        "the same as outcome, with a wrong key in half of the questions: the deed does not pay",
        {"right": right},
        ("right", "wrong"),
    ),
    "format": _tasks("paid for the format alone, whatever the answer says", {"well formed": well_formed}),
    "length": _tasks("paid by the token: what nobody should do", {"length": longer(0.02)}),
}

# The same with one thing changed, each a panel of chapter 20: (experiment, changes of its settings).
VARIANTS: dict[str, tuple[str, dict]] = {
    "the recipe": ("think", {}),
    "no baseline": ("think", {"advantage": "reinforce"}),
    "rate × 10": ("think", {"rate": 1e-2}),
    "rate ÷ 10": ("think", {"rate": 1e-4}),
    "no decay": ("think", {"decay": False, "steps": 24}),
    "paid for the format": ("format", {}),
    "paid for length": ("length", {}),
    "price ÷ deviation": ("price", {"advantage": "grpo"}),
}
