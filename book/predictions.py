"""Predictions in the book: a card whose choices are buttons, and an outcome that stays closed until one is made."""

import re
from html import escape

BOX = r"<div style=\"border-left[^\"]*\"><div><b>({})</b></div>"
CARD = re.compile(
    BOX.format(r"(?:Prediction|Question) [^<]*")
    + r"<div>((?:(?!<div)[\s\S])*?)</div>((?:<div>&ensp;<b>\w</b>&ensp;(?:(?!<div)[\s\S])*?</div>)+)"
    + r"<div style='margin-top:.4em'><i>(?:(?!<div)[\s\S])*?</i></div></div>"
)
OPTION = re.compile(r"<div>&ensp;<b>(\w)</b>&ensp;(.*?)</div>", re.S)
OUTCOME = re.compile(BOX.format(r"[^<]*: the answer is \w") + r"([\s\S]*)</div>")
UNLOCKED = "<div><i>No prediction was locked for this one.</i></div>"


def card(page: str) -> str | None:
    """Predictions and quiz questions as cards with buttons; None where the output holds none."""
    cards = [_card(*match.groups()) for match in CARD.finditer(page)]
    return "".join(cards) or None


def _card(title: str, question: str, options: str) -> str:
    kind = "Prediction" if title.startswith("Prediction") else title.partition(" · ")[0]
    buttons = "".join(
        f'<button type="button" aria-pressed="false" data-choice="{key}"><b>{key}</b><span>{text}</span></button>'
        for key, text in OPTION.findall(options)
    )
    return (
        f'<div class="predict" data-prediction="{_name(title)}"><p class="kind">{kind}</p><p>{question}</p>'
        f'<div class="choices" role="group" aria-label="Your answer">{buttons}</div>'
        '<p class="note" role="status">Choose before you read on; how it came out then opens below.</p></div>'
    )


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
