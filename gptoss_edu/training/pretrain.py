"""The training loop: batches, loss, update, schedule, checkpoints, log.

On a CPU it trains the reference Transformer directly. On a GPU it trains the same parameters through `fast_loss.py`,
and the whole step, from loss to update, is recorded once as a CUDA graph and then replayed.

Source: the recipe is that of reference runs of this project; Muon and balance loss as named in optim.py and
objective.py.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from gptoss_edu.checkpoint.load import load_model, usable_device
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError
from gptoss_edu.fast.ranks import Ranks
from gptoss_edu.options import write_text
from gptoss_edu.tokenizer import load_tokenizer

from .data_parallel import Replicas
from .fresh import initialise
from .objective import BALANCE, reference_loss
from .optim import Optimizer, schedule
from .packing import Batch, Batches
from .quantize import ROUNDING
from .saved_run import read_run, write_run

CHECKPOINT = "checkpoint.safetensors"


@dataclass
class Settings:
    """One run. ``seconds`` ends it by the clock; ``steps`` after that many updates, which is exactly reproducible."""

    seconds: float | None = None
    steps: int | None = None
    rows: int = 16
    length: int = 2048
    seed: int = 0
    workers: int = 0
    warmup: int = 150
    decay: float = 0.18
    balance: float = BALANCE
    muon: float = 0.015
    adam: float = 3e-3
    sinks: float = 9e-3
    plain: bool = False  # AdamW for every parameter
    rate: float = 1.0  # factor of the three learning rates above
    qat: float = 0.0  # final share of the run that trains with experts rounded to MXFP4
    init: str | None = None  # checkpoint folder with initial weights; None: random weights
    log_every: int = 20
    save_every: float = 60.0  # seconds
    give_up: tuple[int, float] = (1000, 2.0)  # stop if the loss is still above this at that step: something is wrong


class Trainer:
    """Model, optimiser, data and clock of one run.

    Parameters
    ----------
    folder : for checkpoint and log; resumes from a checkpoint found there
    tokenizer : folder of the vocabulary, which determines the rows of embedding and unembedding
    """

    def __init__(
        self,
        config: ModelConfig,
        settings: Settings,
        folder: Path,
        tokenizer: Path,
        device: str = "cpu",
        ranks: Ranks | None = None,
    ):
        if (settings.seconds is None) == (settings.steps is None):
            raise GptOssError("train: give either a number of steps or a number of seconds.")
        sizes = {
            "seconds or steps": settings.steps if settings.seconds is None else settings.seconds,
            "rows": settings.rows,
            "length": settings.length,
        }
        for name, value in sizes.items():
            if not value > 0:
                raise GptOssError(f"train: expected {name} above 0, found {value}.")
        if not (0 <= settings.qat <= 1 and settings.rate > 0 and 0 < settings.decay <= 1):
            raise GptOssError(
                f"train: expected qat from 0 to 1, a rate above 0 and a decay above 0 and at most 1, found "
                f"qat = {settings.qat}, rate = {settings.rate}, decay = {settings.decay}."
            )
        if abs(settings.seed) >= 2**63:
            raise GptOssError(f"train: expected a seed of at most 64 bits, found {settings.seed}.")
        self.settings, self.folder, self.device = settings, Path(folder), usable_device(device)
        self.replicas = Replicas(ranks, settings.rows) if ranks is not None and ranks.size > 1 else None
        self.folder.mkdir(parents=True, exist_ok=True)
        encoding = load_tokenizer(tokenizer)
        self.model = initialise(replace(config, vocab_size=encoding.n_vocab), settings.seed, device).train()
        self.model.tokenizer = encoding
        rates = (rate * settings.rate for rate in (settings.muon, settings.adam, settings.sinks))
        self.optimizer = Optimizer(self.model, *rates, plain=settings.plain)
        self.step, self.elapsed, self.log, self.waited = 0, 0.0, [], 0.0
        if (self.folder / CHECKPOINT).exists():
            self.load()
        elif settings.init is not None:
            self._begin_with(settings.init)
        self.batches = Batches(tokenizer, settings.rows, settings.length, settings.seed, self.step, settings.workers)
        self.rounding: str | None = None  # of the experts, in the current phase
        self.update: Callable[[Batch], tuple[Tensor, Tensor]] | None = None
        self._begin_phase()

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and reports: with several ranks, only rank 0."""
        return self.replicas is None or self.replicas.first

    @property
    def progress(self) -> float:
        """Completed share of the run, from 0 to 1."""
        limit = self.settings.steps or self.settings.seconds
        return (self.step if self.settings.steps else self.elapsed) / limit

    def _begin_with(self, folder: str) -> None:
        """Load the weights of a checkpoint in any layout, which must fit this model and vocabulary."""
        start = load_model(folder, device="cpu", dtype=torch.float32, experts="dense")
        ours, theirs = asdict(self.model.config), asdict(start.config)
        differing = [f"{name} = {theirs[name]}, not {ours[name]}" for name in ours if ours[name] != theirs[name]]
        here, there = self.model.tokenizer, start.tokenizer  # which token has which id, not only which tokens there are
        if there and (there._mergeable_ranks, there._special_tokens) != (here._mergeable_ranks, here._special_tokens):
            differing.append("another vocabulary")
        if differing:
            raise GptOssError(f"{folder}: expected weights of the model to be trained, found {'; '.join(differing)}.")
        self.model.load_state_dict(start.state_dict())

    def _begin_phase(self) -> None:
        """Create the step function at the start of a phase.

        Experts are unrounded or, in the last ``qat`` of the run, rounded.
        """
        rounding = ROUNDING if self.settings.qat and self.progress >= 1 - self.settings.qat else None
        if self.update is None or rounding != self.rounding:
            self.rounding, self.update = rounding, None  # free the earlier graph's memory before recording the next
            self.update = self._gpu_update() if self.device.type == "cuda" else self._plain_update

    def _plain_update(self, batch: Batch) -> tuple[Tensor, Tensor]:
        tokens, codes, documents = (torch.from_numpy(part).to(self.device) for part in batch)
        loss, cross_entropy = reference_loss(
            self.model, tokens.long(), codes, documents, self.settings.balance, self.rounding, self.replicas
        )
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        if self.replicas is not None:
            self.replicas.sum_gradients(self.optimizer.parameters)
            cross_entropy = self.replicas.sum(cross_entropy)
        return cross_entropy, self.optimizer.step()

    def _gpu_update(self) -> Callable[[Batch], tuple[Tensor, Tensor]]:
        """Return the CUDA graph; if that fails, the compiled step; if that fails too, the reference."""
        from .graphed import GraphedStep

        settings = self.settings
        torch.cuda.synchronize()
        for how in (
            {"graph": True, "compiled": True},
            {"graph": False, "compiled": True},
            {"graph": False, "compiled": False},
        ):
            try:
                started = time.monotonic()
                step = GraphedStep(
                    self.model, self.optimizer, self.replicas.rows if self.replicas else settings.rows, settings.length,
                    settings.balance, rounding=self.rounding, replicas=self.replicas, **how,
                )  # fmt: skip
                seconds = time.monotonic() - started
                print(f"step: {how}, rounding {self.rounding}, ready after {seconds:.1f} s", flush=True)
                return step
            except Exception as error:
                print(f"step {how} failed: {type(error).__name__}: {str(error)[:1500]}", file=sys.stderr, flush=True)
                torch.cuda.synchronize()
        return self._plain_update

    def run(self, at: dict[float, Callable[[Trainer], None]] | None = None, until: int | None = None) -> list[dict]:
        """Train to the end, or to step ``until``; ``at`` names actions at shares of progress. Returns the log."""
        waiting, started, before = dict(at or {}), time.monotonic(), self.elapsed
        waiting = {share: action for share, action in waiting.items() if share > self.progress or share == 0}
        saved = time.monotonic()
        bar = tqdm(total=100, desc="training", unit="%", disable=not (self.is_first and sys.stderr.isatty()))
        while self.progress < 1 and (until is None or self.step < until):
            for share in sorted(s for s in waiting if self.progress >= s and s < 1):
                pause = time.monotonic()
                waiting.pop(share)(self)
                started += time.monotonic() - pause  # snapshots do not count as training time
            pause = time.monotonic()
            self._begin_phase()
            started += time.monotonic() - pause  # neither does compiling
            scale = schedule(self.progress, self.step, self.settings.warmup, self.settings.decay)
            self.optimizer.set_scale(scale)
            asked = time.monotonic()
            batch = next(self.batches)
            if self.replicas is not None:
                batch = self.replicas.part(batch)
            self.waited += time.monotonic() - asked
            loss, norm = self.update(batch)
            self.step += 1
            if self.step % self.settings.log_every == 0 or self.progress >= 1:
                self._record(float(loss), float(norm), scale)
            self.elapsed = before + time.monotonic() - started
            if self.replicas is not None:
                self.elapsed = self.replicas.agree(self.elapsed)
            bar.update(int(100 * min(1, self.progress)) - bar.n)
            if time.monotonic() - saved > self.settings.save_every:
                self.save()
                saved = time.monotonic()
        bar.close()
        self.save()
        if self.progress >= 1 and 1.0 in waiting:
            waiting.pop(1.0)(self)
        return self.log

    def _record(self, loss: float, norm: float, scale: float) -> None:
        at, limit = self.settings.give_up
        if loss != loss or (loss > limit and at <= self.step < at + self.settings.log_every):
            raise GptOssError(
                f"train: expected a loss below {limit} at step {at}, found {loss:.3f} at step {self.step}; "
                f"begin again in another folder, with smaller rates."
            )
        tokens = self.step * self.settings.rows * self.settings.length
        line = {
            "step": self.step,
            "seconds": self.elapsed,
            "tokens": tokens,
            "loss": loss,
            "norm": norm,
            "scale": scale,
        }
        self.log.append({key: round(value, 5) for key, value in line.items()})
        if self.is_first and (self.step % (25 * self.settings.log_every) == 0 or self.step == self.settings.log_every):
            speed = tokens / max(self.elapsed, 1e-3) / 1e6
            print(
                f"step {self.step:6} · {self.elapsed:6.1f} s · loss {loss:.4f} · norm {norm:.3f} · rate × {scale:.2f} ·"
                f" {speed:.2f}M tokens/s · {self.waited:.1f} s waited for data",
                flush=True,
            )

    # ------------------------------------------------------------------------------------------------- checkpoints

    def save(self) -> Path:
        """Save model, optimiser, step and log to one file, atomically; the log also separately, and first.

        The log is small and records what the hours went into, so it may still fit on a disk too full for the weights.
        """
        path = self.folder / CHECKPOINT
        if not self.is_first:
            return path
        write_log(self.folder / "log.jsonl", self.log)
        about = {"step": self.step, "elapsed": self.elapsed, "settings": asdict(self.settings), "log": self.log}
        write_run(path, self.model.state_dict(), self.optimizer.state_dict(), about)
        return path

    def load(self) -> None:
        """Resume from the checkpoint in the folder."""
        path = self.folder / CHECKPOINT
        with read_run(path, self.device) as (about, model, optimizer):
            step, elapsed, log = int(about["step"]), float(about["elapsed"]), list(about["log"])
            was, now = asdict(Settings()) | about["settings"], asdict(self.settings)
        same = ("rows", "length", "seed", "plain", "rate", "decay", "qat", "init")
        differing = [k for k in same if was[k] != now[k]]
        if differing:
            raise GptOssError(
                f"{self.folder / CHECKPOINT}: expected a run with the same {', '.join(differing)}, found "
                f"{', '.join(f'{k} = {was[k]}, not {now[k]}' for k in differing)}; choose another folder."
            )
        self.model.load_state_dict(model)
        self.optimizer.load_state_dict(optimizer)
        self.step, self.elapsed, self.log = step, elapsed, log

    def close(self) -> None:
        self.batches.close()


def write_log(path: Path, log: list[dict]) -> None:
    write_text(path, "".join(json.dumps(line) + "\n" for line in log))
