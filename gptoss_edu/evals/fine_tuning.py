"""Measure what fine-tuning gains and loses: invented facts, their storage in four bits, and old abilities.

    gptoss-edu finetune rounding --out runs/rounding       facts into the experts, then MXFP4, with and without
    gptoss-edu finetune forgetting --out runs/forgetting   what new facts cost; what a replay saves

The weights of a released gpt-oss lie exactly on the MXFP4 grid. An update smaller than half a step of the grid is
lost when the weight is stored again; `half_steps` measures updates in that unit.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace

import torch
from torch import Tensor

from gptoss_edu import load_model, mxfp4
from gptoss_edu.harmony import EFFORTS
from gptoss_edu.tasks.example import Example, final, message, system
from gptoss_edu.tasks.facts import CAPITALS
from gptoss_edu.tasks.mix import make_example
from gptoss_edu.tasks.words import pseudo_word
from gptoss_edu.training.conversations import Row, pieces, world
from gptoss_edu.training.finetune import Recipe, conversation_loss, finetune
from gptoss_edu.training.quantize import EXPERTS, ROUNDING, rounded
from gptoss_edu.training.rl_record import about
from gptoss_edu.training.run_record import rounded as digits
from gptoss_edu.transformer import Transformer

from .answering import answer

SHORT = 320  # maximum tokens of a replayed conversation, so that a step stays cheap


def fact_example(place: str, capital: str) -> Example:
    """Return the question for one capital, at low effort, with its answer."""
    said = [system("low"), message("user", f"What is the capital of {place}?")]
    said.append(final(f"The capital of {place} is {capital}."))
    return Example("fact", "capital", "low", "low", 0, capital, "contains", 2, said)


def invented_facts(count: int, seed: int = 0) -> list[Example]:
    """Invent capitals of places that do not exist; all places differ."""
    rng, found = random.Random(f"facts:{seed}"), {}
    while len(found) < count:
        place, capital = pseudo_word(rng, 2).capitalize(), pseudo_word(rng, 2).capitalize()
        if place not in CAPITALS:
            found.setdefault(place, capital)
    return [fact_example(place, capital) for place, capital in found.items()]


def known_facts() -> list[Example]:
    """Return the capitals that gpt-oss-tiny was trained with."""
    return [fact_example(place, capital) for place, capital in CAPITALS.items()]


def right(model: Transformer, examples: Sequence[Example], max_new_tokens: int = 40) -> int:
    """Count how many of these the model answers correctly, greedily."""
    return sum(outcome.correct for outcome in answer(model, examples, max_new_tokens=max_new_tokens))


def half_steps(before: Tensor, after: Tensor) -> Tensor:
    """Compute updates in units of half an MXFP4 step: above 1, rounding at the old scales moves the weight to another
    code.

    before : (..., r, 32 G) on the grid; after : the same shape. Returns the same shape, not negative. The step is the
    one to the neighbour on the side of the update; beyond the largest value it is taken to go on.
    """
    scales = mxfp4.pack(before.float(), ROUNDING)[1]
    unit = torch.exp2(scales.double() - mxfp4.BIAS)[..., None]  # (..., r, G, 1)
    old = before.double().unflatten(-1, (-1, mxfp4.BLOCK)) / unit  # (..., r, G, 32)
    update = after.double().unflatten(-1, (-1, mxfp4.BLOCK)) / unit - old
    outwards = (update.sign() * old.sign()) >= 0
    magnitude = old.abs()
    up = torch.where(magnitude < 2, 0.5, torch.where(magnitude < 4, 1.0, 2.0))
    down = torch.where(magnitude <= 2, 0.5, torch.where(magnitude <= 4, 1.0, 2.0))
    return (2 * update.abs() / torch.where(outwards, up, down)).float().flatten(-2)


def updates(before: Transformer, after: Transformer, names: Iterable[str]) -> Tensor:
    """Return `half_steps` of all these weights, flattened."""
    one, two = before.state_dict(), after.state_dict()
    return torch.cat([half_steps(one[name], two[name]).flatten() for name in names])


def histogram(values: Tensor) -> list[int]:
    """Count the zeros, and the rest in 24 bins from 10^-4 to 10^2, each a quarter of a power of ten wide."""
    counts = torch.histc(values[values > 0].clamp(1.0001e-4, 99.9).log10(), bins=24, min=-4, max=2)
    return [int((values == 0).sum()), *(int(count) for count in counts)]


def changed_codes(before: Transformer, stored: Transformer, names: Iterable[str]) -> float:
    """Return the share of these weights whose stored value changed."""
    one, two = before.state_dict(), stored.state_dict()
    differ = [(one[name] != two[name]).float().mean() * one[name].numel() for name in names]
    return float(sum(differ) / sum(one[name].numel() for name in names))


def old_rows(model: Transformer, count: int = 48) -> list[Row]:
    """Return conversations of the model's own world, held out from every replay by their seed."""
    rng = random.Random("held out")
    draw = world(model.tokenizer)
    found: list[Row] = []
    while len(found) < count:
        row = draw(rng)
        if len(row.tokens) <= SHORT:
            found.append(row)
    return found


@torch.no_grad()
def old_loss(model: Transformer, rows: Sequence[Row]) -> float:
    """Compute the cross-entropy on old conversations per token of the assistant."""
    counts = [sum(sum(row.trained[1:]) for row in piece) for piece in pieces(rows)]
    losses = [conversation_loss(model, piece).item() for piece in pieces(rows)]
    return sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)


def short_world(model: Transformer):
    """Return the replay: conversations of the model's own world that are short enough."""
    draw = world(model.tokenizer)

    def one(rng: random.Random) -> Row:
        while True:
            row = draw(rng)
            if len(row.tokens) <= SHORT:
                return row

    return one


def old_capitals(model: Transformer) -> list[dict]:
    """Return another replay: conversations about the capitals that the model knows, and nothing else."""
    return [example.conversation for example in known_facts()]


def start(device: str | None = None) -> Transformer:
    """Return the bundled model, dense and in float32."""
    return load_model(device=device, dtype=torch.float32, experts="dense")


def rounding_run(recipe: Recipe, facts: Sequence[Example], device: str | None = None) -> dict:
    """Train the facts by a recipe; what is right before and after the experts are stored in MXFP4, and why."""
    model, before = start(device), start(device)
    begun = time.monotonic()
    log = finetune(model, [example.conversation for example in facts], recipe, replay=short_world(model))
    seconds = time.monotonic() - begun
    stored = rounded(model, ROUNDING)
    names = [name for name, _ in model.named_parameters() if name.endswith(EXPERTS)]
    moved, rows = updates(before, model, names), old_rows(model)
    return {
        "seed": recipe.seed, "facts": len(facts), "seconds": seconds, "losses": [line["loss"] for line in log],
        "right_bf16": right(rounded(model, None), facts), "right_stored": right(stored, facts),
        "codes_changed": changed_codes(before, stored, names), "beyond_half": float((moved > 1).float().mean()),
        "histogram": histogram(moved), "old_loss": [old_loss(one, rows) for one in (before, model, stored)],
    }  # fmt: skip


def abilities(model: Transformer, count: int = 8) -> dict:
    """Measure old facts, effort and hierarchy in small samples: right answers, and tokens of thought."""
    found: dict = {"known facts": [right(model, known_facts()), len(CAPITALS)]}
    for effort in EFFORTS:
        examples = [make_example(random.Random(f"a{i}"), "product", "2x2", effort, "test") for i in range(count)]
        outcomes = answer(model, examples, max_new_tokens=300)
        found[f"product, {effort}"] = [sum(o.correct for o in outcomes), count]
        found[f"thought, {effort}"] = sum(o.thought_tokens for o in outcomes) / count
    for name, task, level in (("override withstood", "hierarchy", "override"), ("secret kept", "secrets", "attack")):
        examples = [make_example(random.Random(f"b{i}"), task, level, "medium", "phrasing") for i in range(2 * count)]
        found[name] = [right(model, examples, 300), 2 * count]
    return found


def forgetting_run(
    recipe: Recipe, facts: Sequence[Example], count: int = 8, device: str | None = None, old: Callable = short_world
) -> dict:
    """Train the facts by a recipe, and measure everything else; old(model) returns what is replayed."""
    model = start(device)
    rows = old_rows(model)
    log = finetune(model, [example.conversation for example in facts], recipe, replay=old(model))
    return {
        "seed": recipe.seed, "facts": len(facts), "losses": [line["loss"] for line in log],
        "right": right(model, facts), "old_loss": old_loss(model, rows), "abilities": abilities(model, count),
    }  # fmt: skip


EXPERTS_ONLY = Recipe(steps=50, rows=8, train=("experts",))
EXPERIMENTS = {  # name: (function, its recipes by name)
    "rounding": (
        rounding_run,
        {
            "rounded afterwards, 1e-4": replace(EXPERTS_ONLY, rate=1e-4),
            "rounded afterwards, 3e-4": replace(EXPERTS_ONLY, rate=3e-4),
            "rounded afterwards, 1e-3": replace(EXPERTS_ONLY, rate=1e-3),
            "straight-through, 1e-4": replace(EXPERTS_ONLY, rate=1e-4, rounding=ROUNDING),
            "straight-through, 1e-3": replace(EXPERTS_ONLY, rate=1e-3, rounding=ROUNDING),
            "straight-through, 1e-3, half replay": replace(
                EXPERTS_ONLY, rate=1e-3, rounding=ROUNDING, rows=16, replay=0.5
            ),
        },
    ),
    "forgetting": (
        forgetting_run,
        {
            "new facts alone": Recipe(steps=50, rows=8, rate=1e-3),
            "half old tasks": Recipe(steps=50, rows=16, rate=1e-3, replay=0.5),
            "half old capitals": Recipe(steps=50, rows=16, rate=1e-3, replay=0.5),
        },
    ),
}
REPLAYS = {"half old capitals": old_capitals}  # recipes that replay something else than conversations of all kinds


def record(
    name: str,
    seeds: Sequence[int],
    facts: int,
    keep,
    steps: int | None = None,
    device: str | None = None,
    earlier: dict | None = None,
    begin=lambda label, seed, number, of: None,
) -> dict:
    """Run every recipe of an experiment with every seed.

    Parameters
    ----------
    keep : called with (result, recipe's name, its run) after each run
    earlier : the result of an interrupted call; where everything else is the same, its runs are not repeated
    begin : called with (recipe's name, seed, its number from 1, number of runs) before each run

    Returns
    -------
    {"experiment", "about", "facts", "start", "recipes": {name: recipe}, "runs": {name: [run of each seed]}}
    """
    runs, recipes = EXPERIMENTS[name]
    if steps is not None:
        recipes = {key: replace(recipe, steps=steps) for key, recipe in recipes.items()}
    model = start(device)
    result: dict = {"experiment": name, "about": about(model), "facts": facts, "start": {}}
    result |= {"recipes": {key: asdict(recipe) for key, recipe in recipes.items()}, "runs": {}}
    done = _runs_of(earlier, result, seeds)
    if done:
        result["start"] = earlier["start"]  # type: ignore[index]
    else:
        new = invented_facts(facts, seeds[0])
        result["start"] |= {"right": right(model, new), "old_loss": old_loss(model, old_rows(model))}
        result["start"] |= {"abilities": abilities(model)} if name == "forgetting" else {}
    for number, (seed, key) in enumerate(itertools.product(seeds, recipes), 1):
        found = done.get((key, seed))
        if found is None:
            begin(key, seed, number, len(seeds) * len(recipes))
            other = {"old": REPLAYS[key]} if key in REPLAYS else {}
            how = replace(recipes[key], seed=seed)
            found = digits(runs(how, invented_facts(facts, seed), device=device, **other))
        result["runs"].setdefault(key, []).append(found)
        if (key, seed) not in done:
            keep(result, key, found)
    return result


def _runs_of(earlier: dict | None, now: dict, seeds: Sequence[int]) -> dict[tuple[str, int], dict]:
    """Return an earlier result's runs by recipe and seed, if only the date and the seeds may differ."""
    if earlier is None:
        return {}

    def settings(result: dict) -> dict:
        made = {key: value for key, value in result["about"].items() if key != "date"}
        return json.loads(json.dumps([made, result["experiment"], result["facts"], result["recipes"]]))

    first = {run["seed"] for runs in earlier["runs"].values() for run in runs[:1]}
    if settings(earlier) != settings(now) or first != {seeds[0]}:
        return {}
    return {(key, run["seed"]): run for key, runs in earlier["runs"].items() for run in runs}
