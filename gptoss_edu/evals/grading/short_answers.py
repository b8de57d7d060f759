"""Grade short answers: exact ones (HLE), and facts that a model may decline to give (SimpleQA).

An answer is correct, incorrect or not attempted. Declining and then guessing is an attempt; hedging a guess with a
second answer is not an answer.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

from gptoss_edu.tasks.graders import is_refusal

from ..benchmark import Grade, Question, Reply, verdict
from .numbers import answered_number, number

_PREFIX = re.compile(r"^(?:exact |final )?answer\s*:\s*", re.I | re.M)


@cache
def decline_phrases() -> re.Pattern:
    """Return the sentences that count as "I don't know", one regular expression per line in declines.txt."""
    text = (files("gptoss_edu.evals.grading") / "declines.txt").read_text(encoding="utf-8")
    return re.compile("|".join(line for line in text.splitlines() if line and not line.startswith("#")), re.I)


def declined(text: str) -> bool:
    """Return whether the text says that it does not know, or will not or cannot answer."""
    return is_refusal(text) or decline_phrases().search(text) is not None


def plain(text: str) -> str:
    """Normalise case and accents, and remove articles, quotes and punctuation at the ends."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"[\"'“”„«»`*]", "", text)
    text = re.sub(r"^(?:the|an?)\s+", "", text.strip(" .,;:!?\n"))
    return " ".join(text.split())


def holds(text: str, wanted: str) -> bool:
    """Return whether the wanted answer is in the text as words, and is not denied there."""
    held, aim = f" {plain(text)} ", plain(wanted)
    for found in re.finditer(rf"(?<!\w){re.escape(aim)}(?!\w)", held):
        before = held[max(0, found.start() - 26) : found.start()]
        if not re.search(r"\b(?:not|never|isnt|isn’t|nor|neither|instead of|rather than|unlike)\b[^.;]*$", before):
            return True
    return False


def answers(target) -> list[str]:
    """Return the accepted answers of a target: one text, or several."""
    return [target] if isinstance(target, str) else list(target)


def hedges(text: str, wanted: str) -> bool:
    """Return whether the text gives the wanted answer together with another one: "Paris or Lyon"."""
    held, aim = plain(text), re.escape(plain(wanted))
    return (
        re.search(rf"(?<!\w)(?:{aim}\s*,?\s+or\s+\w+|\w+\s*,?\s+or\s+(?:maybe |perhaps )?{aim})(?!\w)", held)
        is not None
    )


def grade_fact(question: Question, reply: Reply) -> Grade:
    """Grade correct, incorrect or not attempted (`parts["attempted"]`); target: one accepted answer or several."""
    text = reply.text
    if not text.strip():
        return verdict(False, reply.missing, attempted=False)
    for wanted in answers(question.target):
        value = number(wanted)
        same = value is not None and answered_number(text)[0] == value
        if same or holds(text, wanted):
            if hedges(text, wanted):
                return verdict(False, "left open", text, attempted=True)
            return verdict(True, "", wanted, attempted=True)
    if declined(text):
        return verdict(False, "not attempted", text, attempted=False)
    return verdict(False, "another answer", text, attempted=True)


def grade_unknown(question: Question, reply: Reply) -> Grade:
    """Grade as right if the model declines: any answer about what it cannot know is invented."""
    return verdict(declined(reply.text), "invented" if reply.text.strip() else reply.missing, reply.text)


def grade_exact(question: Question, reply: Reply) -> Grade:
    """Grade as right if the final answer is the target, as a number or text; text around "Answer:" does not count."""
    named = _PREFIX.split(reply.text)
    text = named[-1].split("\n")[0] if len(named) > 1 else reply.text
    wanted = str(question.target)
    value = number(wanted)
    if value is not None:
        found, how = answered_number(text)
        return verdict(found == value, how if found is None else "another number", found, how=how)
    right = plain(text) == plain(wanted)
    return verdict(right, "another answer" if text.strip() else reply.missing, text)
