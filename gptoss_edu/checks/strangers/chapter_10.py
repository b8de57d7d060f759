"""Wrong solutions of chapter 10, written from its text alone."""

from gptoss_edu.checks.exercises.own.first_red import BANK as FIRST_RED


@FIRST_RED.wrong("large values", "an absolute tolerance", unseen=True)
def first_red_1(values, reference, tolerance):
    for name, right in reference.items():
        off = (values[name] - right).abs().max()
        if not off <= tolerance:
            return name
    return ""
