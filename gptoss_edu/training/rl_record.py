"""The record of a reinforcement learning run: one small JSON file with device, curves and samples."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from dataclasses import asdict

import torch

import gptoss_edu

from .rl import Run
from .run_record import rounded

TIMES = ("rolling", "pushing")


def about(model) -> dict[str, object]:
    """Return device, versions and date, which every figure needs."""
    on_gpu = model.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(model.device) if on_gpu else f"cpu ({platform.machine()})",
        "threads": None if on_gpu else torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "gptoss_edu": gptoss_edu.__version__,
        "date": datetime.date.today().isoformat(),
    }


def columns(log: Sequence[dict]) -> dict[str, list]:
    """Return the log by name: {"step": […], "reward": […], …, "terms": {name: […]}}, None where a step lacks a term."""
    names = [name for name in log[0] if name not in ("terms", *TIMES)] if log else []
    terms = sorted({name for line in log for name in line["terms"]})
    table: dict = {name: [line[name] for line in log] for name in names}
    return table | {"terms": {name: [line["terms"].get(name) for line in log] for name in terms}}


def record(name: str, run: Run) -> dict:
    """Return one experiment's record; the ``runs`` of other seeds may be appended to it.

    Returns
    -------
    {"experiment", "says", "pays", "about", "settings", "runs": [{"seed", "seconds", "log", "probed"}]}
    """
    one = {
        "seed": run.settings.seed,
        "seconds": round(run.seconds, 1),
        "log": rounded(columns(run.log)),
        "probed": rounded(run.probed),
    }
    return {
        "experiment": name,
        "says": run.experiment.says,
        "pays": list(run.experiment.pays),
        "about": about(run.model),
        "settings": {key: value for key, value in asdict(run.settings).items() if key != "seed"},
        "runs": [one],
    }
