"""Fine-tuning: more of the same training, on conversations, from weights that are there already.

    model = load_model(experts="dense")
    log = finetune(model, conversations, Recipe(steps=60, rate=3e-4, train=("experts",)))     # in place

All parameters or some (`train`), or adapters beside frozen ones (`lora`). With ``rounding`` the experts that are
trained compute as MXFP4 would store them, and the gradients go straight through to the weights behind.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recomputed

from gptoss_edu import mxfp4
from gptoss_edu.errors import GptOssError
from gptoss_edu.options import write_text
from gptoss_edu.transformer import Transformer

from .adapters import add_lora
from .conversations import Row, Rows, Source, padded, pieces
from .optim import AdamW, schedule
from .quantize import EXPERTS, fake_quantized
from .saved_run import check_origin, model_digest, read_run, write_run
from .selection import selected

CHECKPOINT, LOG = "checkpoint.safetensors", "log.jsonl"


@dataclass(frozen=True)
class Recipe:
    """One run.

    Parameters
    ----------
    steps, rows : updates, and conversations in each
    rate, warmup, decay : learning rate of Adam, steps in which it rises, share of the run in which it falls to zero
    train : patterns of selection.py; with ``lora`` they say where to put adapters
    lora, alpha : rank of the adapters, None to train the weights themselves; alpha None is twice the rank
    rounding : None, or how the trained experts are rounded to MXFP4 in every forward pass
    replay : share of old data in the rows
    longest : maximum tokens per conversation
    recompute : keep one tensor per layer and recompute the rest in the backward pass: less memory, more time
    """

    steps: int = 100
    rows: int = 8
    rate: float = 1e-4
    warmup: int = 3
    decay: float = 1.0
    clip: float = 1.0
    seed: int = 0
    train: tuple[str, ...] = ("all",)
    lora: int | None = None
    alpha: float | None = None
    rounding: str | None = None
    replay: float = 0.0
    longest: int = 2048
    recompute: bool = False

    def __post_init__(self):
        object.__setattr__(self, "train", tuple(self.train))
        sizes = {"steps": self.steps, "rows": self.rows, "rate": self.rate, "clip": self.clip, "longest": self.longest}
        for name, value in sizes.items():
            if not value > 0:
                raise GptOssError(f"finetune: expected {name} above 0, found {value}.")
        if not 0 <= self.decay <= 1 or self.rounding not in (None, *mxfp4.ROUNDINGS):
            raise GptOssError(
                f"finetune: expected a decay from 0 to 1 and a rounding of {', '.join(mxfp4.ROUNDINGS)} or none, found "
                f"{self.decay} and {self.rounding!r}."
            )
        if self.lora is not None and self.rounding is not None:
            raise GptOssError("finetune: expected either adapters or rounded experts, found both; leave one out.")

    def scale(self, step: int) -> float:
        """Return the factor of the rate: up over ``warmup`` steps, down to nearly 0 over the last ``decay``."""
        if not self.decay:
            return min(1.0, (step + 1) / max(1, self.warmup))
        return schedule(step / self.steps, step, max(1, self.warmup), self.decay)


def conversation_loss(model: Transformer, rows: Sequence[Row], rounding: str | None = None) -> Tensor:
    """Compute the mean cross-entropy, in nats, of the tokens that count in these rows.

    rounding : how to round the trained experts in this pass; None leaves them as they are
    """
    tokens, weights, lengths = padded(rows, model.device)
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad and name.endswith(EXPERTS)]
    experts = {name: fake_quantized(p, rounding) for name, p in trained} if rounding else {}
    logits = torch.func.functional_call(model, experts, (tokens,), {"lengths": lengths})  # (b, t, v)
    counted = weights > 0
    targets = torch.roll(tokens, -1, 1)[counted]  # (n,): the next token; the last one of a row counts nothing
    return F.cross_entropy(logits[counted].float(), targets)


def prepare(model: Transformer, recipe: Recipe) -> dict[str, nn.Parameter]:
    """Freeze everything except what the recipe trains, adding adapters; return the trained parameters by name.

    Errors: `GptOssError` for a pattern that matches nothing, and for weights below float32, which would lose small
    updates.
    """
    if recipe.lora is not None:
        add_lora(model, recipe.lora, recipe.alpha or 2.0 * recipe.lora, recipe.train, recipe.seed)
    else:
        names = set(selected([name for name, _ in model.named_parameters()], recipe.train))
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in names)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    low = next((p.dtype for p in trained.values() if p.dtype not in (torch.float32, torch.float64)), None)
    if low is not None:
        raise GptOssError(
            f"finetune: expected the trained weights in float32, found {low}, which would lose small updates; load "
            "the model with dtype=torch.float32, or train adapters."
        )
    if recipe.rounding is not None and not any(name.endswith(EXPERTS) for name in trained):
        raise GptOssError("finetune: expected experts among the trained weights, found none; leave rounding out.")
    return trained


def rows_for(recipe: Recipe, conversations: Sequence[dict], encoding, replay=None) -> Rows:
    """Render the conversations as the recipe asks; ``recipe.longest`` must be within the model's context."""
    return Rows(conversations, encoding, recipe.rows, recipe.seed, replay, recipe.replay, recipe.longest)


class Finetuner:
    """Model, data, optimiser and step of one run; a checkpoint in the folder is resumed.

    Parameters
    ----------
    model : changed in place; keeps the trained weights and adapters
    conversations : dicts as Conversation.to_dict() writes them, or the rows made of them for this recipe
    folder : for checkpoint and log; None keeps nothing
    replay : a function of random.Random that draws an old conversation, or a list of them
    """

    def __init__(
        self,
        model: Transformer,
        conversations: Sequence[dict] | Rows,
        recipe: Recipe,
        folder: Path | None = None,
        replay: Source | Sequence[dict] | None = None,
    ):
        recipe = replace(recipe, longest=min(recipe.longest, model.config.max_context))
        self.model, self.recipe, self.folder = model, recipe, None if folder is None else Path(folder)
        self.origin = {"this model": model_digest(model)}
        made = isinstance(conversations, Rows)
        self.rows = conversations if made else rows_for(recipe, conversations, model.tokenizer, replay)
        self.origin["these conversations"] = self.rows.digest
        self.trained = prepare(model, recipe)
        self.lr = torch.zeros((), device=model.device)
        self.optimizer = AdamW(list(self.trained.values()), self.lr, betas=(0.9, 0.95))
        self.step, self.log = 0, []
        self.saved: int | None = None  # the step of the checkpoint in the folder
        self.whole = True  # False while an update has changed some weights and not all
        if self.folder is not None and (self.folder / CHECKPOINT).exists():
            self.load()

    def run(
        self, until: int | None = None, watch: Callable[[Finetuner], None] | None = None, save_every: float = 60.0
    ) -> list[dict]:
        """Train to the end, or to step ``until``; call watch after each step. Returns the log, a line per step.

        The checkpoint is written at the end, when Ctrl-C interrupts the run, and every ``save_every`` seconds, or less
        often where writing would take more than about a tenth of the time.
        """
        last = min(self.recipe.steps, self.recipe.steps if until is None else until)
        try:
            # tables of cos and sin left from decoding have no gradients
            with recomputed_layers(self.model, self.recipe.recompute), self.model.fresh_rope():
                self._run(last, watch, save_every)
        except KeyboardInterrupt:
            if self.whole and self.step:
                self.save()
            raise
        self.save()
        return self.log

    def _run(self, last: int, watch: Callable[[Finetuner], None] | None, save_every: float) -> None:
        saved, took = time.monotonic(), 0.0
        while self.step < last:
            self.log.append(self.update())
            self.whole = True
            if watch is not None:
                watch(self)
            if time.monotonic() - saved > max(save_every, 10 * took):
                began = time.monotonic()
                self.save()
                saved, took = time.monotonic(), time.monotonic() - began

    def update(self) -> dict:
        """Take one step; return its line of the log: loss, gradient norm, rate."""
        rows = self.rows.at(self.step)
        self.lr.fill_(self.recipe.rate * self.recipe.scale(self.step))
        self.model.zero_grad(set_to_none=True)
        total, loss = sum(sum(row.trained[1:]) for row in rows), 0.0
        for piece in pieces(rows):  # the gradient of the mean over all rows, summed piece by piece
            share = sum(sum(row.trained[1:]) for row in piece) / total
            part = conversation_loss(self.model, piece, self.recipe.rounding) * share
            part.backward()
            loss += part.item()
        for parameter in self.trained.values():
            if parameter.grad is None:  # experts that no token of these rows used
                parameter.grad = torch.zeros_like(parameter)
        norm = torch.nn.utils.clip_grad_norm_(self.trained.values(), self.recipe.clip)
        line = {"step": self.step + 1, "loss": loss, "norm": norm.item(), "rate": self.lr.item()}
        if not torch.isfinite(norm):
            raise GptOssError(
                f"finetune: expected a finite gradient at step {self.step + 1}, found a norm of {norm.item()}; begin "
                f"again with a smaller rate than {self.recipe.rate:g}."
            )
        self.whole = False  # until the log has its line
        self.optimizer.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        return line

    def save(self) -> None:
        """Save trained weights, optimiser state, step, recipe and log to one file, atomically, if there is a folder."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / LOG, "".join(json.dumps(line) + "\n" for line in self.log))
        about = {"step": self.step, "recipe": asdict(self.recipe), "log": self.log, "origin": self.origin}
        write_run(self.folder / CHECKPOINT, self.trained, self.optimizer.state_dict(), about)
        self.saved = self.step

    @torch.no_grad()
    def load(self) -> None:
        """Resume from the checkpoint in the folder.

        Errors: `GptOssError` if it cannot be read, or belongs to another recipe, model or other conversations.
        """
        path = self.folder / CHECKPOINT
        with read_run(path, self.model.device) as (about, trained, optimizer):
            step, log = int(about["step"]), list(about["log"])
            was, now = about["recipe"] | {"train": tuple(about["recipe"]["train"])}, asdict(self.recipe)
        check_origin(path, about.get("origin", {}), self.origin)
        differing = [key for key in now if key != "recompute" and was.get(key) != now[key]]
        if differing:
            raise GptOssError(
                f"{path}: expected a run with the same {', '.join(differing)}, found "
                f"{', '.join(f'{key} = {was.get(key)}, not {now[key]}' for key in differing)}; choose another folder."
            )
        for name, parameter in self.trained.items():
            parameter.copy_(trained[name])
        self.optimizer.load_state_dict(optimizer)
        self.step, self.log, self.saved = step, log, step


def finetune(
    model: Transformer,
    conversations: Sequence[dict],
    recipe: Recipe,
    folder: Path | None = None,
    replay: Source | Sequence[dict] | None = None,
    watch: Callable[[Finetuner], None] | None = None,
) -> list[dict]:
    """Run a recipe from start to end on a model, in place, and leave it frozen; return the log (see Finetuner)."""
    log = Finetuner(model, conversations, recipe, folder, replay).run(watch=watch)
    model.requires_grad_(False)
    return log


@contextmanager
def recomputed_layers(model: Transformer, recompute: bool = True) -> Iterator[None]:
    """Let each layer keep only its input within the block, and recompute the rest for the gradients."""
    for block in model.block if recompute else ():
        block.forward = partial(recomputed, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in model.block if recompute else ():
            del block.forward
