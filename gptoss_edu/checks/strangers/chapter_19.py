"""Wrong solutions of chapter 19, written from its text alone."""

from gptoss_edu.checks.exercises.own.packed_mask import BANK as PACKED_MASK
from gptoss_edu.checks.exercises.own.schedule import BANK as SCHEDULE


@PACKED_MASK.wrong("one document", "not causal inside a document", unseen=True)
def packed_mask_1(documents):
    return documents[:, :, None] == documents[:, None, :]


@SCHEDULE.wrong("the first step", "the warm-up starts at 0: step / warmup", unseen=True)
def schedule_1(progress, step, warmup, decay):
    return min(step / warmup, 1.0, (1 - progress) / decay)
