"""Predict the speed of several GPUs from one card's measured steps and counted bytes, before measuring it.

Using the two measured shapes, a step on one card is split into a part for its bytes and a part for its layers
(launches, tails, waits between kernels). The bytes are divided among the cards; the layers' part is not, and each layer
gets two collectives.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from gptoss_edu.config import ModelConfig
from gptoss_edu.options import write_text

from .gpu_parallel import CONTEXT, rank_bytes

SHAPES = {"120b": ModelConfig.gpt_oss_120b(), "20b": ModelConfig.gpt_oss_20b()}
ONE_H200 = {  # `bench gpu`, one NVIDIA H200, 2026-11-30
    "read_bytes_per_s": 4.65e12, "step_seconds": {"120b": 1 / 534, "20b": 1 / 747},
    "prefill_4096_seconds": {"20b": 0.0685},
}  # fmt: skip
ASSUMED = {  # not measured yet, which makes this a prediction
    "collective_seconds": {"symmetric": {2: 4e-6, 4: 5e-6, 8: 6e-6}, "nccl": {2: 12e-6, 4: 16e-6, 8: 20e-6}},
    "link_bytes_per_s": 350e9, "bulk_latency_seconds": 20e-6,
}  # fmt: skip


def predict(sizes=(2, 4, 8)) -> dict:
    """Return milliseconds and speed-up over one card, for each shape, number of cards and way of spreading."""
    bandwidth, steps = ONE_H200["read_bytes_per_s"], ONE_H200["step_seconds"]
    floor = {s: rank_bytes(c, 1, "tensor", 1, CONTEXT) / bandwidth for s, c in SHAPES.items()}
    layers = {s: c.num_hidden_layers for s, c in SHAPES.items()}
    # steps = slope · floor + fixed · layers, for both shapes
    det = floor["120b"] * layers["20b"] - floor["20b"] * layers["120b"]
    slope = (steps["120b"] * layers["20b"] - steps["20b"] * layers["120b"]) / det
    fixed = (floor["120b"] * steps["20b"] - floor["20b"] * steps["120b"]) / det
    out = {"of_the_floor_per_byte": 1 / slope, "microseconds_per_layer": fixed * 1e6, "decode": {}, "prefill_4096": {}}
    for shape, config in SHAPES.items():
        for size in sizes:
            for mode, way in (("tensor", "symmetric"), ("experts", "symmetric"), ("tensor", "nccl")):
                least = rank_bytes(config, size, mode, 1, CONTEXT) / bandwidth
                sums = (2 * layers[shape] + 1) * ASSUMED["collective_seconds"][way][size]
                seconds = slope * least + fixed * layers[shape] + sums
                out["decode"][f"{shape}, {size} cards, {mode}, {way}"] = {
                    "milliseconds": seconds * 1e3, "floor_milliseconds": least * 1e3,
                    "collectives_milliseconds": sums * 1e3,
                    "times_one_card": steps[shape] / seconds, "times_one_card_at_the_floor": floor[shape] / least,
                }  # fmt: skip
            whole = ONE_H200["prefill_4096_seconds"]["20b"] * layers[shape] / layers["20b"]
            nbytes = 2 * (size - 1) / size * 4096 * config.hidden_size * 2
            one = nbytes / ASSUMED["link_bytes_per_s"] + ASSUMED["bulk_latency_seconds"]
            seconds = whole / size + 2 * layers[shape] * one
            out["prefill_4096"][f"{shape}, {size} cards, tensor"] = {
                "milliseconds": seconds * 1e3, "collectives_milliseconds": 2e3 * layers[shape] * one,
                "times_one_card": whole / seconds,
            }  # fmt: skip
    return out


def write(path: Path) -> dict:
    """Write the prediction to a file that says when it was made and from what."""
    rounded = json.loads(json.dumps(predict()), parse_float=lambda text: float(f"{float(text):.4g}"))
    assumed = json.loads(json.dumps(ASSUMED))
    about = {
        "what": "a prediction, written down before any run on several GPUs",
        "command": "gptoss-edu bench gpu --predict",
        "date": time.strftime("%Y-%m-%d"),
        "measured": ONE_H200,
        "assumed": assumed,
    }
    write_text(path, json.dumps(about | rounded, indent=1) + "\n")
    return rounded
