"""The registry of exercises: their chapters, difficulties, minutes, checks and banks.

Everything that lists exercises (`checks.NAME`, progress, student copies, the confusion table, the tests) reads this
table. It imports nothing heavy; `load_check` and `load_bank` import one exercise on first use.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

# Stored as source in my_gptoss.py when their check passes, and used by chapter 10; in the order of progress lines.
STORED = (
    "bpe_encode", "rms_norm", "sliding_window_mask", "attention", "apply_rope", "yarn_inv_freq", "swiglu", "route",
    "moe", "unpack_mxfp4", "pack_mxfp4", "next_token_probabilities", "render_message",
)  # fmt: skip


@dataclass(frozen=True)
class Exercise:
    """One exercise: its name, the chapter ("06"), difficulty 1 to 3, and the minutes that its heading names."""

    name: str
    chapter: str
    difficulty: int
    minutes: int

    @property
    def points(self) -> int:
        """Points in a graded course: two for each step of difficulty."""
        return 2 * self.difficulty

    @property
    def stored(self) -> bool:
        """Whether the learner's function is kept in my_gptoss.py."""
        return self.name in STORED

    @property
    def home(self) -> str:
        """The package or module of this exercise."""
        return (
            f"gptoss_edu.checks.exercises.{self.name}"
            if self.stored
            else f"gptoss_edu.checks.exercises.own.{self.name}"
        )


EXERCISES = {
    exercise.name: exercise
    for exercise in (
        Exercise("expert_parameters", "00", 1, 5),
        Exercise("active_parameters", "00", 1, 5),
        Exercise("log_sum_exp", "01", 1, 5),
        Exercise("cross_entropy", "01", 1, 5),
        Exercise("all_scores", "01", 1, 5),
        Exercise("rotate", "01", 1, 5),
        Exercise("train", "02", 2, 15),
        Exercise("bpe_encode", "02", 2, 15),
        Exercise("user_message", "02", 1, 10),
        Exercise("one_block", "03", 1, 5),
        Exercise("rms_norm", "03", 1, 10),
        Exercise("read_halfway", "03", 1, 5),
        Exercise("one_head", "04", 1, 8),
        Exercise("sliding_window_mask", "04", 1, 8),
        Exercise("grouped_attention", "04", 2, 12),
        Exercise("apply_rope", "05", 2, 10),
        Exercise("yarn_inv_freq", "05", 3, 15),
        Exercise("sink_gate", "06", 1, 5),
        Exercise("attention", "06", 2, 12),
        Exercise("swiglu", "07", 1, 10),
        Exercise("run_expert", "07", 1, 5),
        Exercise("interleave", "07", 2, 5),
        Exercise("route", "08", 1, 8),
        Exercise("moe", "08", 2, 15),
        Exercise("unpack_mxfp4", "09", 2, 12),
        Exercise("bits_per_weight", "09", 1, 3),
        Exercise("pack_mxfp4", "09", 3, 20),
        Exercise("forward", "10", 2, 10),
        Exercise("read_tensor", "10", 2, 12),
        Exercise("total_parameters", "10", 2, 10),
        Exercise("checkpoint_bytes", "10", 2, 10),
        Exercise("first_red", "10", 1, 8),
        Exercise("ring", "11", 1, 8),
        Exercise("decode", "11", 2, 12),
        Exercise("next_token_probabilities", "11", 2, 12),
        Exercise("render_message", "12", 1, 10),
        Exercise("stays", "12", 2, 10),
        Exercise("read_header", "12", 2, 15),
        Exercise("my_order", "12", 1, 10),
        Exercise("schema_of", "13", 1, 10),
        Exercise("mistakes", "13", 2, 15),
        Exercise("citations", "13", 2, 10),
        Exercise("agent", "13", 2, 15),
        Exercise("allowed_tokens", "14", 1, 8),
        Exercise("masked_probabilities", "14", 1, 5),
        Exercise("walk", "14", 2, 8),
        Exercise("sentence_pattern", "14", 2, 8),
        Exercise("wilson", "15", 1, 10),
        Exercise("cut_short", "15", 2, 10),
        Exercise("pass_at_k", "15", 1, 5),
        Exercise("sink_share", "16", 1, 8),
        Exercise("beyond", "16", 2, 12),
        Exercise("copy_score", "16", 2, 12),
        Exercise("load_entropy", "17", 1, 8),
        Exercise("table_information", "17", 2, 12),
        Exercise("shuffle_by_group", "17", 2, 10),
        Exercise("bytes_read", "18", 1, 10),
        Exercise("tile", "18", 2, 15),
        Exercise("longest_context", "18", 2, 10),
        Exercise("packed_mask", "19", 1, 5),
        Exercise("schedule", "19", 1, 5),
        Exercise("orthogonalise", "19", 2, 15),
        Exercise("group_advantages", "20", 1, 8),
        Exercise("answer_loss", "20", 2, 12),
        Exercise("strict_reward", "20", 2, 15),
        Exercise("parameters_to_train", "21", 1, 8),
        Exercise("next_weights", "21", 1, 8),
        Exercise("straight_through", "21", 1, 8),
        Exercise("lora_linear", "21", 1, 8),
        Exercise("merged_weight", "21", 1, 5),
        Exercise("grade_answer", "22", 2, 12),
        Exercise("paired_error", "22", 1, 6),
        Exercise("majority", "22", 1, 5),
        Exercise("touched", "22", 2, 10),
        Exercise("objections", "22", 1, 8),
        Exercise("who_wins", "23", 1, 8),
        Exercise("difference_of_means", "23", 1, 8),
        Exercise("recall_at", "23", 2, 10),
        Exercise("gives_away", "23", 2, 12),
        Exercise("messages_of", "24", 2, 20),
        Exercise("response_events", "24", 3, 25),
        Exercise("step", "24", 2, 20),
        Exercise("reusable", "24", 1, 8),
        Exercise("column_parallel", "25", 1, 10),
        Exercise("ring_sum", "25", 3, 20),
        Exercise("owner_of", "25", 1, 8),
        Exercise("reorder_block", "25", 2, 12),
        Exercise("window_room", "26", 1, 6),
        Exercise("sinks_room", "26", 2, 8),
        Exercise("clamp_room", "26", 2, 8),
        Exercise("nibbles_room", "26", 2, 8),
        Exercise("stream_room", "26", 2, 8),
        Exercise("thoughts_room", "26", 2, 8),
        Exercise("flag_by_words", "27", 1, 6),
        Exercise("key_effect", "27", 2, 12),
        Exercise("sum_verdict", "27", 2, 10),
    )
}  # in the order of the course


def names(stored: bool | None = None) -> tuple[str, ...]:
    """Return exercise names in course order: all of them, the stored ones, or the others."""
    return tuple(name for name, exercise in EXERCISES.items() if stored in (None, exercise.stored))


def by_chapter(stored: bool | None = None) -> dict[str, tuple[str, ...]]:
    """Return chapter -> names, in course order, without chapters that have no such exercise."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names(stored):
        chapter = EXERCISES[name].chapter
        found[chapter] = (*found.get(chapter, ()), name)
    return found


def load_check(name: str):
    """Return the check of an exercise, a `harness.Check`."""
    exercise = EXERCISES[name]
    return import_module(f"{exercise.home}.stages" if exercise.stored else exercise.home).CHECK


def load_bank(name: str):
    """Return the right and wrong solutions of an exercise, including those of strangers: a `bank.Bank`."""
    exercise = EXERCISES[name]
    bank = import_module(f"{exercise.home}.bank" if exercise.stored else exercise.home).BANK
    strangers = f"gptoss_edu.checks.strangers.chapter_{exercise.chapter}"
    if find_spec(strangers):
        import_module(strangers)
    return bank
