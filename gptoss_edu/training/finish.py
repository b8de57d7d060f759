"""After training: weights in bfloat16 and MXFP4, the comparison of the two, and everything small enough to carry home."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tarfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from gptoss_edu import checkpoint
from gptoss_edu.evals.probe import probe_examples
from gptoss_edu.files import write_text
from gptoss_edu.transformer import Transformer

from .packing import make_batch
from .pretrain import Trainer, write_log
from .quantize import ROUNDING, compare_roundings, packed, rounded

PART = 14_000_000  # bytes of one transferred file of weights


def keep_json(name: str, value, *folders: Path | None) -> None:
    """Write a JSON file into each folder, in one move."""
    for folder in filter(None, folders):
        write_text(folder / name, json.dumps(value, indent=1))


def finish(trainer: Trainer, args, started: float) -> None:
    """Every stage is written down as soon as it is done; a failing one is reported and the next begins."""
    report: dict = {
        "device": torch.cuda.get_device_name() if trainer.device.type == "cuda" else platform.processor() or "cpu",
        "torch": torch.__version__, "date": time.strftime("%Y-%m-%d"), "seed": trainer.settings.seed, "steps": trainer.step,
        "seconds": round(trainer.elapsed, 1), "tokens": trainer.step * trainer.settings.rows * trainer.settings.length,
        "settings": {k: v for k, v in vars(trainer.settings).items()},
    }  # fmt: skip

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
        keep_json("report.json", report, trainer.folder, args.transfer)
        print(f"{name}: {report['stage_seconds'][name]} s, {report['wall_seconds']} s since the start", flush=True)

    model = trainer.model.eval().requires_grad_(False)
    if args.transfer:
        write_log(args.transfer / "log.jsonl", trainer.log)
    stage("saved", lambda: save_all(model, trainer.folder, args.transfer))
    if trainer.device.type == "cuda":
        stage("same_logits", lambda: fast_equals_reference(trainer))
    stage("roundings", lambda: compare_roundings(model, probe_examples(24 if trainer.device.type == "cuda" else 2)))
    if args.eval_seconds:
        batch = args.eval_batch or (256 if trainer.device.type == "cuda" else 32)
        stage("paired", lambda: compare_paired(model, batch, args.eval_seconds))
    print(json.dumps({k: v for k, v in report.items() if k not in ("settings", "paired")}), flush=True)
    for name, part in report.get("paired", {}).items():
        print(name, json.dumps(part)[:1500], flush=True)


def save_all(model: Transformer, folder: Path, transfer: Path | None, rounding: str = ROUNDING) -> dict:
    """`model/` in the original layout with MXFP4 experts, and the dense bfloat16 weights in parts."""
    target = folder / "model"
    if target.exists():
        shutil.rmtree(target)
    checkpoint.save(packed(model, rounding).cpu(), target, layout="original")  # packed where it lies: on a GPU, seconds
    if transfer:
        transfer.mkdir(parents=True, exist_ok=True)
        new = transfer / ".model.tar.new"
        with tarfile.open(new, "w") as tar:
            tar.add(target, arcname="gpt-oss-tiny")
        os.replace(new, transfer / "model.tar")
        save_parts(model, transfer)
    return {"rounding": rounding, "bytes": sum(f.stat().st_size for f in target.iterdir())}


def save_parts(model: Transformer, folder: Path) -> int:
    """The bfloat16 weights as dense-0.safetensors, dense-1.safetensors …, none above PART bytes; returns how many."""
    state = {name: value.to(torch.bfloat16).cpu().contiguous() for name, value in model.state_dict().items()}
    parts, size = [{}], 0
    for name, value in state.items():
        if size + value.nbytes > PART:
            parts.append({})
            size = 0
        parts[-1][name] = value
        size += value.nbytes
    for number, part in enumerate(parts):
        save_file(part, folder / f"dense-{number}.safetensors")
    return len(parts)


@torch.no_grad()
def fast_equals_reference(trainer: Trainer) -> dict:
    """The loss of one batch by the training kernels in bfloat16 and by the reference model in float32."""
    from .fast_loss import FastLoss
    from .objective import reference_loss

    batch = make_batch(trainer.model.tokenizer, 2, 1024, "equal")
    tokens, codes, documents = (torch.from_numpy(part).to(trainer.device) for part in batch)
    rounding = trainer.rounding
    fast = FastLoss(trainer.model, 2, 1024, compiled=False, rounding=rounding)(tokens.long(), codes, documents)[1]
    reference = reference_loss(trainer.model, tokens.long(), codes, documents, rounding=rounding)[1]
    return {"experts": rounding or "as they are", "fast_bf16": float(fast), "reference_fp32": float(reference)}


def compare_paired(model: Transformer, batch: int, seconds: float) -> dict:
    """bfloat16 and MXFP4 experts on the same prompts: mixed tasks, and the cells where effort matters."""
    from gptoss_edu.evals.answer import answer
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
