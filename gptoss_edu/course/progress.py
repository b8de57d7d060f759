"""The exercises that are a chapter's own, and the record of how their checks came out in a learner's folder.

The thirteen exercises of `CHECKS` are stored as source and can be checked again at any time. The cases of a chapter's own exercise
stand in its notebook, so what is kept is how its check came out when it ran last.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from gptoss_edu.checks.store import alone, read_entries, workshop_folder
from gptoss_edu.options import write_text

FILE_NAME = "exercises.json"
PASSED, REFUSED = "passed", "refused"
BY_CHAPTER = {
    "00": ("expert_parameters", "total_parameters", "checkpoint_bytes"),
    "01": ("log_sum_exp", "cross_entropy", "all_scores", "rotate"),
    "02": ("train", "user_message"),
    "03": ("one_block", "read_halfway"),
    "04": ("one_head", "grouped_attention"),
    "06": ("sink_gate",),
    "07": ("run_expert", "interleave"),
    "09": ("bits_per_weight",),
    "10": ("forward", "read_tensor", "first_red"),
    "11": ("ring", "decode"),
    "12": ("stays", "read_header", "my_order"),
    "13": ("schema_of", "mistakes", "citations", "agent"),
    "14": ("allowed_tokens", "masked_probabilities", "walk", "sentence_pattern"),
    "15": ("wilson", "cut_short", "pass_at_k"),
    "16": ("sink_share", "beyond", "copy_score"),
    "17": ("load_entropy", "table_information", "shuffle_by_group"),
    "18": ("bytes_read", "tile", "longest_context"),
    "19": ("packed_mask", "schedule", "orthogonalise"),
}  # in the order of the course; tests/test_notebooks.py compares this and CHECKED with the notebooks
CHECKED = {
    "02": ("bpe_encode",),
    "03": ("rms_norm",),
    "04": ("sliding_window_mask",),
    "05": ("apply_rope", "yarn_inv_freq"),
    "06": ("attention",),
    "07": ("swiglu",),
    "08": ("route", "moe"),
    "09": ("unpack_mxfp4", "pack_mxfp4"),
    "11": ("next_token_probabilities",),
    "12": ("render_message",),
}  # where the exercises of `CHECKS` stand
MORE = tuple(name for names in BY_CHAPTER.values() for name in names)


def record(name: str, function: Callable, status: str) -> str:
    """Keep how the check of a chapter's own exercise came out; returns why it could not be kept, or "".

    Nothing is kept outside a student folder, for a stub, or for the finished function that the notebook imports after the check.
    """
    folder = workshop_folder()
    if folder is None or name not in MORE or status == "not written yet" or not is_own(name, function):
        return ""
    try:
        with alone(folder):
            kept = read(folder)
            if status == PASSED or name in kept:
                kept[name] = PASSED if status == PASSED else REFUSED
                write_text(Path(folder) / FILE_NAME, json.dumps(kept, indent=1))
    except (OSError, ValueError) as error:
        return f"not recorded in {FILE_NAME}: {error}"
    return ""


def read(folder: Path) -> dict[str, str]:
    """Exercise -> "passed", or "refused" where it had passed and its last check did not. Raises ValueError on a damaged file."""
    what = "exercises and how they came out"
    return read_entries(Path(folder) / FILE_NAME, what, lambda entry: entry in (PASSED, REFUSED))


def is_own(name: str, function: Callable) -> bool:
    """Whether neither the function nor, where it only calls the exercise, the exercise is the package's."""
    called = getattr(function, "__globals__", {}).get(name, function)
    return not any((getattr(f, "__module__", "") or "").startswith("gptoss_edu") for f in (function, called))
