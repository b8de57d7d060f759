"""Reinforcement learning with rewards that can be checked: sample a group of answers, compare them, push.

One step: draw problems, roll out a group of answers to each, pay every answer, subtract what its group earned on
average, and raise or lower the log-probability of its tokens by that advantage.

    run = Run(load_model(experts="dense"), EXPERIMENTS["think"], Settings(steps=16)).go()

Source: Shao et al. 2024, arXiv:2402.03300, algorithm 1; the parts are named in policy_gradient.py.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import tiktoken
import torch
from torch import Tensor

from gptoss_edu.errors import GptOssError

from .branches import logprobs, passes
from .optim import AdamW
from .policy_gradient import ADVANTAGES, WEIGHTS, policy_loss
from .rewards import Term, pay, tokens
from .rollouts import Problem, Rollout, roll_out
from .saved_run import check_origin, model_digest, read_run, write_run

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Settings:
    """One run; the same settings, model and device give the same run.

    Parameters
    ----------
    prompts, group : problems per step, and answers per problem; limit : maximum tokens per answer
    rate : AdamW's, after ``warmup`` steps; with ``decay`` it falls to zero at the end of the run
    advantage : one of ADVANTAGES; per : one of WEIGHTS
    passes : updates on each batch of answers. With more than one, ``clip`` keeps the model near the one that drew them
    kl : penalty for the distance from the initial model
    probe_every : steps between measurements on held-out problems; 0: only before the first step and after the last
    probes : problems of each kind per measurement
    """

    steps: int = 16
    prompts: int = 6
    group: int = 12
    limit: int = 90
    rate: float = 1e-3
    warmup: int = 3
    decay: bool = True
    temperature: float = 1.0
    advantage: str = "grpo"
    per: str = "token"
    passes: int = 1
    clip: float | None = 0.2
    kl: float = 0.0
    seed: int = 0
    probe_every: int = 0
    probes: int = 48

    def __post_init__(self):
        for name, table in (("advantage", ADVANTAGES), ("per", WEIGHTS)):
            if getattr(self, name) not in table:
                raise GptOssError(
                    f"rl: expected {name} to be one of {', '.join(table)}, found {getattr(self, name)!r}."
                )
        least = {"steps": 1, "prompts": 1, "group": 2, "limit": 1, "passes": 1, "probes": 0, "probe_every": 0}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise GptOssError(f"rl: expected {name} of at least {smallest}, found {getattr(self, name)}.")
        if self.clip is not None and not self.clip > 0:
            raise GptOssError(f"rl: expected a clip above 0, found {self.clip}.")
        if not (self.rate > 0 and self.temperature > 0 and self.kl >= 0):
            raise GptOssError(
                f"rl: expected rate and temperature above 0 and kl not below, found {self.rate}, {self.temperature} "
                f"and {self.kl}."
            )

    def scale(self, step: int) -> float:
        """Return the factor of ``rate`` in this step, counted from 0."""
        return min(1.0, (step + 1) / max(1, self.warmup)) * (1 - step / self.steps if self.decay else 1.0)


@dataclass(frozen=True)
class Experiment:
    """The problems of an experiment, its rewards, and what is only watched.

    Parameters
    ----------
    says : one sentence for the command's list
    draw : (rng, encoding) to a problem of the training split
    pays, watches : terms by name, see rewards.py
    probes : (encoding, count of each kind) to held-out problems
    settings : of the small run, about a minute on two processor cores
    large : changes for the recorded run on a GPU
    prepare : changes the model before the first step, if the run does not start from the bundled one
    samples : answers of each kind kept from the last measurement; the others keep two
    learns : part of the names of parameters that learn; "" selects all. Sinks never learn
    turns : more arguments of ``draw``, taken in turn by a step's problems; empty: none
    """

    says: str
    draw: Callable[[random.Random, tiktoken.Encoding], Problem]
    pays: Mapping[str, Term]
    watches: Mapping[str, Term]
    probes: Callable[[tiktoken.Encoding, int], list[Problem]]
    settings: Settings = Settings()
    large: Mapping[str, object] = field(default_factory=dict)
    prepare: Callable[[object], None] | None = None
    samples: int = 2
    learns: str = ""
    turns: tuple[Mapping[str, object], ...] = ()


class Run:
    """A learning model, its log, and its answers on the way.

    Parameters
    ----------
    model : dense, in float32; changed in place
    folder : for the checkpoint; resumes from one found there; None keeps nothing
    """

    def __init__(self, model, experiment: Experiment, settings: Settings | None = None, folder: Path | None = None):
        if model.packed or model.dtype != torch.float32:
            raise GptOssError(
                "rl: expected dense float32 weights, which can learn; load with experts='dense', dtype=torch.float32."
            )
        self.model, self.experiment, self.settings = model, experiment, settings or experiment.settings
        self.folder = None if folder is None else Path(folder)
        paid = f"{experiment.says}: {', '.join(experiment.pays)}"
        self.origin = {"this model": model_digest(model), "this experiment": paid}
        if experiment.prepare is not None:
            experiment.prepare(model)
        learning = {
            name: p for name, p in model.named_parameters() if experiment.learns in name and not name.endswith("sinks")
        }
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in learning)
        self.parameters = list(learning.values())
        self.lr = torch.zeros((), device=model.device)
        self.optimizer = AdamW(self.parameters, self.lr, betas=(0.9, 0.95))
        self.start = _frozen_copy(model) if self.settings.kl else None
        self.step, self.seconds = 0, 0.0
        self.saved: int | None = None  # the step of the checkpoint in the folder
        self.whole = True  # False from a step's first change of a weight to its end
        self.log: list[dict] = []
        self.probed: list[dict] = []
        if self.folder is not None and (self.folder / CHECKPOINT).exists():
            self.load()

    def go(self, until: int | None = None, save_every: float = 60.0, told: Callable[[dict], None] | None = None) -> Run:
        """Train to the end, or to step ``until``; call ``told`` with each line of the log.

        The checkpoint is written every ``save_every`` seconds, at the end, and when Ctrl-C interrupts the run.
        """
        end = self.settings.steps if until is None else min(until, self.settings.steps)
        try:
            self._go(end, save_every, told)
        except KeyboardInterrupt:
            if self.whole and (self.step or self.probed):
                self.save()
            raise
        self.save()
        return self

    def _go(self, end: int, save_every: float, told: Callable[[dict], None] | None) -> None:
        saved = time.monotonic()
        self._probe_if_due()
        while self.step < end:
            line = self.update()
            self._probe_if_due()
            if told is not None:
                told(line)
            if time.monotonic() - saved > save_every:
                self.save()
                saved = time.monotonic()

    def _probe_if_due(self) -> None:
        """Measure before the first step, after the last, and in between as set, unless that was done already."""
        settings, step = self.settings, self.step
        due = step in (0, settings.steps) or (settings.probe_every and step % settings.probe_every == 0)
        if due and not any(one["step"] == step for one in self.probed):
            self.probe()

    def update(self) -> dict:
        """Take one step: draw, roll out, pay, compare, update. Return its line of the log."""
        began, settings = time.monotonic(), self.settings
        rng = random.Random(f"{settings.seed}:{self.step}")
        turns = self.experiment.turns or ({},)
        problems = [
            self.experiment.draw(rng, self.model.tokenizer, **turns[i % len(turns)]) for i in range(settings.prompts)
        ]
        rollouts = roll_out(
            self.model, problems, settings.group, settings.limit, settings.temperature, rng.getrandbits(62)
        )
        for rollout in rollouts:
            pay(rollout, self.experiment.pays, self.experiment.watches)
        rewards = torch.tensor([rollout.reward for rollout in rollouts], dtype=torch.float64)
        advantages = ADVANTAGES[settings.advantage](rewards.view(-1, settings.group)).flatten()  # (rollouts,)
        drawn = time.monotonic()
        norms = [self._push(rollouts, advantages.float()) for _ in range(settings.passes)]
        spread = rewards.view(-1, settings.group).std(-1, correction=0)
        line = {
            "step": self.step,
            "reward": float(rewards.mean()),
            "tokens": sum(tokens(rollout) for rollout in rollouts) / len(rollouts),
            "surprise": -sum(map(sum, (r.logprobs for r in rollouts))) / sum(len(r.tokens) for r in rollouts),
            "taught": float((spread > 0).double().mean()),  # share of groups in which answers differ in reward
            "norm": norms[-1],
            "terms": mean_terms(rollouts),
            "rolling": drawn - began,
            "pushing": time.monotonic() - drawn,
        }
        self.seconds += time.monotonic() - began
        self.log.append(line)
        self.step += 1
        self.whole = True
        return line

    def _push(self, rollouts: list[Rollout], advantages: Tensor) -> float:
        """Update the model; return the gradient norm before clipping (0 if no answer teaches anything)."""
        settings, device = self.settings, self.model.device
        self.model.zero_grad(set_to_none=True)  # what an interrupted step left
        lengths = torch.tensor([len(rollout.tokens) for rollout in rollouts], dtype=torch.float32)
        weights = WEIGHTS[settings.per](lengths, settings.limit)
        terms = {id(r): (a, w) for r, a, w in zip(rollouts, advantages.tolist(), weights.tolist(), strict=True)}
        teaching = [r for r in rollouts if terms[id(r)][0] or settings.kl]
        if not teaching:
            return 0.0
        for rows in passes(teaching, device):
            counts = torch.tensor([len(r.tokens) for r in rows.rollouts])
            spread = [torch.tensor([terms[id(r)][i] for r in rows.rollouts]) for i in (0, 1)]
            advantage, weight = (part.repeat_interleave(counts).to(device) for part in spread)  # (n,) each
            old = torch.tensor([x for r in rows.rollouts for x in r.logprobs], device=device)  # (n,)
            with torch.no_grad():
                reference = None if self.start is None else logprobs(self.start, rows, settings.temperature)
            new = logprobs(self.model, rows, settings.temperature)
            policy_loss(new, old, advantage, weight, settings.clip, reference, settings.kl).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.lr.fill_(settings.rate * settings.scale(self.step))
        self.whole = False
        self.optimizer.step()
        self.model.zero_grad(set_to_none=True)
        return float(norm)

    def probe(self) -> dict:
        """Measure held-out problems, one answer to each, and keep a few answers of every kind."""
        settings, experiment = self.settings, self.experiment
        samples = experiment.samples if self.step == settings.steps else 2
        problems = experiment.probes(self.model.tokenizer, settings.probes)
        if not problems:
            return {}
        rollouts = roll_out(self.model, problems, 1, settings.limit, settings.temperature, settings.seed)
        by_kind: dict[str, list[Rollout]] = {}
        for rollout in rollouts:
            pay(rollout, experiment.pays, experiment.watches)
            by_kind.setdefault(rollout.problem.kind, []).append(rollout)
        found = {kind: {"of": len(part), **mean_terms(part, by_kind=False)} for kind, part in by_kind.items()}
        kept = [as_sample(rollout) for part in by_kind.values() for rollout in part[:samples]]
        self.probed.append({"step": self.step, "kinds": found, "samples": kept})
        return self.probed[-1]

    # ------------------------------------------------------------------------------------------------- checkpoints

    def save(self) -> None:
        """Save weights, optimiser, log and settings to one file in the folder, if there is one, atomically."""
        if self.folder is None:
            return
        about = {name: getattr(self, name) for name in ("step", "seconds", "log", "probed")}
        about |= {"settings": asdict(self.settings), "origin": self.origin}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_run(self.folder / CHECKPOINT, self.model.state_dict(), self.optimizer.state_dict(), about)
        self.saved = self.step

    def load(self) -> None:
        """Resume from the checkpoint in the folder.

        Errors: `GptOssError` if it cannot be read or belongs to a run with other settings.
        """
        path = self.folder / CHECKPOINT
        with read_run(path, self.model.device) as (about, model, optimizer):
            was = about["settings"]
        check_origin(path, about.get("origin", {}), self.origin)
        kept = asdict(self.settings)
        if not self.settings.decay and about["step"] <= self.settings.steps:
            kept.pop("steps")  # without decay no step depends on their number: such a run may be extended
        differing = [f"{k} = {was.get(k)}, not {v}" for k, v in kept.items() if was.get(k) != v]
        if differing:
            longer = was.get("decay") and self.settings.steps > was.get("steps", 0)
            why = (
                " (its rate has fallen to zero for that many steps; only a run without decay can go on)"
                if longer
                else ""
            )
            raise GptOssError(
                f"{path}: expected a run with the same settings, found {', '.join(differing)}{why}; choose another "
                "folder."
            )
        self.model.load_state_dict(model)
        self.optimizer.load_state_dict(optimizer)
        for name in ("step", "seconds", "log", "probed"):
            setattr(self, name, about[name])
        self.saved = self.step


def mean_terms(rollouts: list[Rollout], by_kind: bool = True) -> dict[str, float]:
    """Compute the mean of every term and, if there are several kinds of problem, of each as "term, kind"."""
    kinds = sorted({rollout.problem.kind for rollout in rollouts}) if by_kind else []
    found = {name: [r.terms[name] for r in rollouts] for name in rollouts[0].terms}
    for kind in kinds if len(kinds) > 1 else []:
        part = [r for r in rollouts if r.problem.kind == kind]
        found |= {f"{name}, {kind}": [r.terms[name] for r in part] for name in rollouts[0].terms}
    return {name: sum(values) / len(values) for name, values in found.items()}


def as_sample(rollout: Rollout) -> dict:
    """Return the parts of one answer that a report shows."""
    example = rollout.problem.example
    return {
        "kind": rollout.problem.kind,
        "question": example.question,
        "right answer": example.answer,
        "key": (example.check or {}).get("key"),
        "thought": rollout.thought,
        "answer": rollout.answer,
        "reward": rollout.reward,
    }


def _frozen_copy(model):
    tokenizer, model.tokenizer = model.tokenizer, None  # cannot be copied
    twin = copy.deepcopy(model)
    model.tokenizer = twin.tokenizer = tokenizer
    return twin.requires_grad_(False)
