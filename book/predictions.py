"""Predictions and questions in the book: cards whose choices are buttons; what came of them opens with a choice."""

import hashlib
import re
from html import escape

BOX = r"<div style=\"border-left[^\"]*\"><div><b>({})</b></div>"
CARD = re.compile(
    BOX.format(r"(?:Prediction|Question) [^<]*")
    + r"<div>((?:(?!<div)[\s\S])*?)</div>((?:<div>&ensp;<b>\w</b>&ensp;(?:(?!<div)[\s\S])*?</div>)+)"
    + r"<div style='margin-top:.4em'><i>(?:(?!<div)[\s\S])*?</i></div></div>"
)
ASKED = re.compile(  # a question with its answer folded, and where it is from
    r"(?:<i>(chapter \d\d)</i>)?<div>((?:(?!<div)[\s\S])*?)</div>"
    r"((?:<div>&ensp;<b>\w</b>&ensp;(?:(?!<div)[\s\S])*?</div>)+)"
    r"<details [^>]*><summary [^>]*>Answer</summary><div [^>]*><div><b>(\w)</b>: ((?:(?!<div)[\s\S])*?)</div>"
    r"((?:<div style='margin-top:.3em'>(?:<div>(?:(?!<div)[\s\S])*?</div>)+</div>)?)</div></details>"
)
AROUND = re.compile(r"<div style=\"border-left[^\"]*\"><div><b>((?:Before you begin|Question)[^<]*)</b></div>")
OPTION = re.compile(r"<div>&ensp;<b>(\w)</b>&ensp;(.*?)</div>", re.S)
OUTCOME = re.compile(BOX.format(r"[^<]*: the answer is \w") + r"([\s\S]*)</div>")
UNLOCKED = "<div><i>No prediction was locked for this one.</i></div>"


def card(page: str) -> str | None:
    """Predictions and quiz questions as cards with buttons; None where the output holds none."""
    cards = [_card(*match.groups()) for match in CARD.finditer(page)]
    return "".join(cards) or None


def _card(title: str, question: str, options: str) -> str:
    kind = "Prediction" if title.startswith("Prediction") else title.partition(" · ")[0]
    return _choices(_name(title), kind, question, options, "how it came out")


def _choices(name: str, kind: str, question: str, options: str, opens: str) -> str:
    buttons = "".join(
        f'<button type="button" aria-pressed="false" data-choice="{key}"><b>{key}</b><span>{text}</span></button>'
        for key, text in OPTION.findall(options)
    )
    return (
        f'<div class="predict" data-prediction="{name}" data-opens="{opens}"><p class="kind">{kind}</p>'
        f'<p>{question}</p><div class="choices" role="group" aria-label="Your answer">{buttons}</div>'
        f'<p class="note" role="status">Choose before you read on; {opens} then opens below.</p></div>'
    )


def asked(page: str, stem: str) -> str | None:
    """Questions whose answers are folded as cards with buttons, each before its answer; None where there are none.

    stem : the chapter they stand in. The same question in another chapter is asked again.
    """

    around = AROUND.search(page)
    title = around[1] if around else ""

    def both(match: re.Match) -> str:
        where, question, options, answer, because, others = match.groups()
        name = f"asked-{hashlib.sha256(f'{stem} {question}'.encode()).hexdigest()[:8]}"
        return (
            _choices(name, (where or title).capitalize(), question, options, "the answer")
            + f'<details class="answer"><summary>Answer</summary><div class="outcome" data-outcome="{name}" '
            f'data-answer="{answer}"><p class="kind">The answer is {answer}<span class="said"></span></p>'
            f"<div>{because}</div>{others}</div></details>"
        )

    found, number = ASKED.subn(both, page)
    head = "" if title.startswith("Question") else f'<p class="title">{title}</p>'
    return AROUND.sub(lambda _: f'<div class="asked">{head}', found, count=1) if number else None


def outcome(page: str) -> str | None:
    """Return a revealed answer that knows its prediction; None where the output reveals nothing."""
    match = OUTCOME.search(page)
    if not match:
        return None
    title, _, answer = match[1].rpartition(": the answer is ")
    return (
        f'<div class="outcome" data-outcome="{_name(title)}" data-answer="{answer}">'
        f'<p class="kind">Outcome: the answer is {answer}<span class="said"></span></p>'
        f"{match[2].replace(UNLOCKED, '')}</div>"
    )


def _name(title: str) -> str:
    """Return what a question and its outcome have in common: "06.1", or "question-3" of a quiz."""
    numbered = re.match(r"Question (\d+)[ ,]", title)
    return f"question-{numbered[1]}" if numbered else escape(title.removeprefix("Prediction ").strip(), quote=True)
