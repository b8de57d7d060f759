"""Find which option a text chooses: by the letter that it names as the answer, or by the content of one option.

A letter counts if it is given as an answer: in a box, after "answer", in brackets or alone. The first character of a
text never counts: "As we see", "Because" and "I think" begin with letters of options.
"""

from __future__ import annotations

import re
import unicodedata

from ..benchmark import Grade, Question, Reply, verdict
from .numbers import boxed

_ANSWER = (
    "answer", "choice", "option", "antwort", "réponse", "respuesta", "resposta", "risposta", "jawaban", "jibu",
    "ìdáhùn", "答案", "答え", "回答", "解答", "정답", "답", "उत्तर", "উত্তর", "الإجابة", "الجواب",
)  # fmt: skip
_DENIED = re.compile(
    r"\b(?:not|isn['’]t|neither|nor|rule out|exclude|eliminate|instead of|rather than)\s+\(?[A-J]\b\)?", re.I
)


def chosen_letter(text: str, letters: str = "ABCD") -> tuple[str | None, str]:
    """Return (the letter that the text chooses, how it was found); None if there is none or more than one."""
    text = unicodedata.normalize("NFKC", text)
    text = _DENIED.sub(" ", text.replace("**", "").replace("__", ""))
    one = f"[{letters}]"
    boxes = [re.sub(r"\\text\{([^}]*)\}", r"\1", box).strip(" ().") for box in boxed(text)]
    if boxes:
        last = {box for box in boxes if re.fullmatch(one, box)}
        return (last.pop(), "box") if len(last) == 1 else (None, "several boxes" if last else "no letter in the box")
    names = "|".join(_ANSWER)
    named = re.findall(
        rf"(?:{names})(?:[^\S\n]*(?:is|est|es|è|ist|adalah|ni|は|은|는|是|为|為|:|=))*[^\S\n]*(?:option[^\S\n]+)?"
        rf"[\"'(\[]*({one})(?![A-Za-z0-9_'’]|[^\S\n]+or\b|[^\S\n]*/[^\S\n]*{one}\b)[\])\"']*",
        text,
        re.I,
    )
    named = [letter for letter in named if letter in letters]  # "the answer is a mixture": an article is small
    if named:
        return named[-1], "named answer"
    if re.search(rf"\(?\b{one}\)?[^\S\n]+or[^\S\n]+\(?{one}\b", text):
        return None, "left open"
    alone = re.findall(rf"^[^\S\n]*[(\[]?({one})[)\].:]?[^\S\n]*$", text, re.M)
    if not alone:  # "B) Paris" or "(B) Paris"
        alone = re.findall(rf"^[^\S\n]*(?:\(({one})\)|({one})[).:](?=[^\S\n]))", text, re.M)
        alone = [first or second for first, second in alone]
    if not alone:
        alone = re.findall(rf"\(({one})\)", text)
    if len(set(alone)) == 1:
        return alone[0], "letter alone"
    return None, "several letters" if alone else "no letter"


def chosen_content(text: str, options: list[str]) -> tuple[int | None, str]:
    """Return (the one option whose words are in the text, how); a longer option wins over a part of it."""
    plain = _plain(text)
    found = [i for i, option in enumerate(options) if re.search(rf"(?<!\w){re.escape(_plain(option))}(?!\w)", plain)]
    found = [i for i in found if not any(_plain(options[i]) in _plain(options[j]) for j in found if j != i)]
    return (found[0], "content") if len(found) == 1 else (None, "several options" if found else "no option")


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def grade_letter(question: Question, reply: Reply) -> Grade:
    """Grade by the chosen letter; target: {"letter", "options"}."""
    letters = "ABCDEFGHIJ"[: max(4, len(question.target["options"]))]
    letter, how = chosen_letter(reply.text, letters)
    if letter is None:
        return verdict(False, how if reply.text else reply.missing)
    return verdict(letter == question.target["letter"], "another option", letter, how=how)


def grade_content(question: Question, reply: Reply) -> Grade:
    """Grade as right a text with the words of the right option and of no other, whatever letters it names."""
    options, letter = question.target["options"], question.target["letter"]
    at, how = chosen_content(reply.text, options)
    if at is None:
        return verdict(False, how if reply.text else reply.missing)
    return verdict("ABCDEFGHIJ"[at] == letter, "another option", options[at], how=how)


def grade_letter_or_content(question: Question, reply: Reply) -> Grade:
    """Grade by the letter or, if the reply names none, by the content."""
    grade = grade_letter(question, reply)
    return grade if grade.found or grade.kind == "left open" else grade_content(question, reply)
