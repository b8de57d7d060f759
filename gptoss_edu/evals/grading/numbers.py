"""Find the number that a text gives as its answer: boxes first, then a named answer, then the last number.

These must not count: a number that the text denies ("not 42"), one of several that it leaves open ("42 or 43"), and
part of another number.
"""

from __future__ import annotations

import re
from fractions import Fraction

from gptoss_edu.tasks.graders import plain_digits

from ..benchmark import Grade, Question, Reply, verdict

_NUMBER = r"[-−+]?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?(?:[eE][-+]?\d+)?\s*%?"
_DENIED = re.compile(
    r"\b(?:not|isn['’]t|never|nor|instead of|rather than|unlike|wrong(?:ly)?|mistaken(?:ly)?)\b[^.;\n\d]{0,24}"
    rf"(?:{_NUMBER})",
    re.I,
)
_NAMED = re.compile(
    r"(?:final answer|answer|result|solution|total)\b\s*(?:is|was|=|:|equals|comes to)?\s*:?\s*\**\s*\$?\s*"
    rf"({_NUMBER})",
    re.I,
)
_OPEN = re.compile(rf"({_NUMBER})\s*(?:or|,? or maybe|,? or perhaps)\s+(?:maybe |perhaps |it is )?({_NUMBER})", re.I)
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_LARGE = {"hundred": 100, "thousand": 1000, "million": 1_000_000}


def boxed(text: str) -> list[str]:
    """Return the content of each \\boxed{…} or \\fbox{…}, in order, with braces balanced."""
    found = []
    for start in re.finditer(r"\\(?:boxed|fbox|framebox)\s*\{", text):
        depth, at = 1, start.end()
        while at < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        if not depth:
            found.append(text[start.end() : at - 1].strip())
    return found


def number(text: str) -> Fraction | None:
    """Return the value of a text that is one number, in digits or English words, with or without a unit; else None.

    A percent sign is part of the value: "42 %" is 0.42, and so not 42.
    """
    text = plain_digits(text.strip())
    fraction = re.fullmatch(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}", text)
    if fraction and int(fraction[3]):
        return Fraction(int(f"{fraction[1]}{fraction[2]}"), int(fraction[3]))
    text = re.sub(r"\\(?:text|mathrm|mbox)\{([^}]*)\}", r" \1", text)
    text = re.sub(r"\\[,;! ]|[$€£*\\]|\{,\}", lambda found: "," if found[0] == "{,}" else "", text).strip(" .")
    held = re.fullmatch(rf"({_NUMBER})\s*(?:[^\W\d_][^\W\d_°²³/.^]*\.?(?:\s+[^\W\d_]+){{0,2}}|°[CF]?)?", text)
    if held and "%" in held[1] and held[1] != text:
        return None
    return _value(held[1]) if held else in_words(text)


def _value(text: str) -> Fraction | None:
    """Return the value of what `_NUMBER` matches; commas must separate thousands."""
    text = re.sub(r"\s", "", text).replace("−", "-").lstrip("+")
    percent, text = text.endswith("%"), text.rstrip("%")
    top, _, bottom = text.rstrip(",").partition("/")
    if "," in top and not re.fullmatch(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", top):
        return None
    try:
        value = Fraction(top.replace(",", "")) / (int(bottom) if bottom else 1)
    except (ValueError, ZeroDivisionError):
        return None
    return value / 100 if percent else value


def in_words(text: str) -> Fraction | None:
    """Read 'forty-two' and 'one hundred and five' as numbers; None for anything else."""
    words = [word for word in re.split(r"[\s-]+", text.lower().strip(" .")) if word != "and"]
    sign, total, part = 1, 0, 0
    if words and words[0] in ("minus", "negative"):
        sign, words = -1, words[1:]
    for word in words:
        if word in _UNITS:
            part += _UNITS.index(word)
        elif word in _TENS:
            part += 10 * (_TENS.index(word) + 2)
        elif word == "hundred":
            part = max(part, 1) * 100
        elif word in _LARGE:
            total, part = total + max(part, 1) * _LARGE[word], 0
        else:
            return None
    return Fraction(sign * (total + part)) if words else None


def answered_number(text: str) -> tuple[Fraction | None, str]:
    """Return (the number that the text gives as its answer, how it was found); None if there is none, or several."""
    text = plain_digits(text)
    boxes = boxed(text)
    if boxes:
        last_line = next(line for line in reversed(text.split("\n")) if "boxed" in line or "box{" in line)
        values = {number(box) for box in boxed(last_line) or boxes[-1:]}
        if len(values) > 1:
            return None, "several boxes"
        return values.pop(), "box"
    text = re.sub(r'"[^"]*"|“[^”]*”', "", text)
    text = _DENIED.sub(" ", text)
    left_open = _OPEN.findall(text)
    if left_open and _value(left_open[-1][0]) != _value(left_open[-1][1]):
        return None, "left open"
    named = _NAMED.findall(text)
    if named:
        return _value(named[-1]), "named answer"
    numbers = re.findall(rf"(?<![\w.]){_NUMBER}|(?<=[$€£]){_NUMBER}", text)
    if numbers:
        return _value(numbers[-1]), "last number"
    last = [part for part in re.split(r"[.\n:]", text) if part.strip()]
    for part in reversed(last[-2:]):
        found = re.search(rf"((?:\b(?:{'|'.join((*_UNITS, *_TENS, *_LARGE, 'minus', 'and'))})\b[\s-]*)+)", part.lower())
        if found and in_words(found[1]) is not None:
            return in_words(found[1]), "words"
    return None, "no number"


def grade_number(question: Question, reply: Reply) -> Grade:
    """Grade as right if the final message gives the target's number."""
    value, how = answered_number(reply.text)
    if value is None:
        return verdict(False, how if reply.text else reply.missing)
    right = value == number(str(question.target))
    return verdict(right, "another number", value, how=how)
