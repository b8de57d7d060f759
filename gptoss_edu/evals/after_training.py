"""Measure and save the results of a finished training run."""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path

import torch

from gptoss_edu import mxfp4
from gptoss_edu.training.finish import keep_json, save_all
from gptoss_edu.training.packing import make_batch
from gptoss_edu.training.pretrain import Trainer, write_log
from gptoss_edu.training.quantize import ROUNDING, rounded
from gptoss_edu.transformer import Transformer

from .probe import probe_examples


def finish(
    trainer: Trainer,
    started: float,
    transfer: Path | None = None,
    eval_seconds: float = 0.0,
    eval_batch: int | None = None,
) -> None:
    """Save, compare and report a finished run; if a stage fails, report it and go on with the next.

    Parameters
    ----------
    started : `time.monotonic()` when the run began.
    transfer : a folder for copies of all small files, or None.
    eval_seconds : seconds for the paired comparison of bfloat16 with MXFP4; 0 leaves it out.
    eval_batch : sequences decoded together in it; None: 256 on a GPU, 32 elsewhere.
    """
    report: dict = {
        "device": torch.cuda.get_device_name() if trainer.device.type == "cuda" else platform.processor() or "cpu",
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "seed": trainer.settings.seed,
        "steps": trainer.step,
        "seconds": round(trainer.elapsed, 1),
        "tokens": trainer.step * trainer.settings.rows * trainer.settings.length,
        "settings": {k: v for k, v in vars(trainer.settings).items()},
    }

    def stage(name: str, action) -> None:
        begun = time.monotonic()
        try:
            result = action()
            if result is not None:
                report[name] = result
        except Exception as error:
            report[name] = {"failed": f"{type(error).__name__}: {str(error)[:500]}"}
            print(f"{name} failed: {report[name]['failed']}", file=sys.stderr, flush=True)
        report.setdefault("stage_seconds", {})[name] = round(time.monotonic() - begun, 1)
        report["wall_seconds"] = round(time.monotonic() - started, 1)
        keep_json("report.json", report, trainer.folder, transfer)
        print(f"{name}: {report['stage_seconds'][name]} s, {report['wall_seconds']} s since the start", flush=True)

    model = trainer.model.eval().requires_grad_(False)
    if transfer:
        write_log(transfer / "log.jsonl", trainer.log)
    stage("saved", lambda: save_all(model, trainer.folder, transfer))
    if trainer.device.type == "cuda":
        stage("same_logits", lambda: fast_equals_reference(trainer))
    stage("roundings", lambda: compare_roundings(model, probe_examples(24 if trainer.device.type == "cuda" else 2)))
    if eval_seconds:
        batch = eval_batch or (256 if trainer.device.type == "cuda" else 32)
        stage("paired", lambda: compare_paired(model, batch, eval_seconds))
    print(json.dumps({k: v for k, v in report.items() if k not in ("settings", "paired")}), flush=True)
    for name, part in report.get("paired", {}).items():
        print(name, json.dumps(part)[:1500], flush=True)


def compare_paired(model: Transformer, batch: int, seconds: float) -> dict:
    """Compare bfloat16 and MXFP4 experts on the same prompts: mixed tasks, and the cells where effort matters."""
    from gptoss_edu.evals.answering import answer
    from gptoss_edu.evals.suite import effort_examples, effort_section, format_section, mixed, paired

    models, began = {"bf16": rounded(model, None), "mxfp4": rounded(model, ROUNDING)}, time.monotonic()
    found: dict = {name: [] for name in models}
    size = 2 * batch
    mixed_part, effort_part = mixed(2400), effort_examples(60)
    examples = mixed_part[:size] + effort_part + mixed_part[size:]
    chunks = [examples[i : i + size] for i in range(0, len(examples), size)]
    for examples in chunks:
        if time.monotonic() - began > seconds:
            break
        for name, one in models.items():
            found[name] += answer(one, examples, batch)
    flags = {name: [o.correct for o in outcomes] for name, outcomes in found.items()}
    result = {"all": paired(flags["bf16"], flags["mxfp4"]), "seconds": round(time.monotonic() - began, 1)}
    for name, outcomes in found.items():
        chosen = {id(e) for e in effort_part}
        result[f"effort_{name}"] = effort_section([o for o in outcomes if id(o.example) in chosen])
        result[f"mixed_{name}"] = format_section([o for o in outcomes if id(o.example) not in chosen])
    return result


@torch.no_grad()
def fast_equals_reference(trainer: Trainer) -> dict:
    """Return the loss of one batch by the training kernels in bfloat16 and by the reference model in float32."""
    from gptoss_edu.training.fast_loss import FastLoss
    from gptoss_edu.training.objective import reference_loss

    batch = make_batch(trainer.model.tokenizer, 2, 1024, "equal")
    tokens, codes, documents = (torch.from_numpy(part).to(trainer.device) for part in batch)
    rounding = trainer.rounding
    fast = FastLoss(trainer.model, 2, 1024, compiled=False, rounding=rounding)(tokens.long(), codes, documents)[1]
    reference = reference_loss(trainer.model, tokens.long(), codes, documents, rounding=rounding)[1]
    return {"experts": rounding or "as they are", "fast_bf16": float(fast), "reference_fp32": float(reference)}


def compare_roundings(model: Transformer, examples: list) -> dict[str, float]:
    """Compute the loss of the assistant's tokens in bfloat16 and with each rounding; lower is better."""
    from gptoss_edu.evals.probe import batch_losses

    return {
        str(name or "bf16"): batch_losses(rounded(model, name), examples)["all"] for name in (None, *mxfp4.ROUNDINGS)
    }
