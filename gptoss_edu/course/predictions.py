"""Predictions: a choice and a confidence, locked before the answer shows.

Locks last as long as the kernel. A workshop folder also keeps them in `predictions.json`, so that restarting the kernel
does not unlock them. In an open notebook, a card has buttons, and an answer appears only after its prediction is locked
or given up. Where nobody can click, `reveal` shows the answer at once.
"""

from __future__ import annotations

import json
from pathlib import Path

from gptoss_edu.checks.display import Shown, box, inline
from gptoss_edu.checks.store import alone, read_entries, workshop_folder
from gptoss_edu.options import write_text

from . import buttons, questions

_LOCKED: dict[str, dict] = {}
_REVEALED: set[str] = set()
_GIVEN_UP: set[str] = set()
FILE_NAME = "predictions.json"
FIELDS = {"choice", "confidence"}


def predict(
    identifier: str,
    choice: str | None = None,
    confidence: float | None = None,
    *,
    question: str = "",
    options: dict[str, str] | None = None,
    title: str = "",
    how: str = "",
    where: str = "",
) -> Shown:
    """Ask question `identifier`, and lock `choice` with `confidence` (from 0.5, a guess, to 1, certain).

    Without a choice the question is shown and nothing is locked. A second choice does not replace the first. The
    question comes from the bank (`"06.1"`), or from `question=` and `options={"a": ..., "b": ...}`; without either,
    nothing is locked. `title`, `how` (to answer) and `where` (the answer appears) are texts on the card, for questions
    outside their own cell.
    """
    asked = questions.get(identifier)
    if asked is None and not question and not options:
        return _no_such_question(identifier)
    text = question or (asked.question if asked else "")
    options = options or (asked.options if asked else {})
    if isinstance(choice, str) and choice not in options and choice.strip().lower() in options:
        choice = choice.strip().lower()
    locked, unkept = _read().get(identifier), ""
    if choice is None and locked is None:
        if buttons.live() and options:
            return _clickable(identifier, text, options, title, where)
        how = how or "Set a choice and a confidence between 0.5 and 1 in this cell, then run it again."
        return _shown(identifier, text, options, how, "waiting", title)
    if locked is None:
        problem = _problem(choice, confidence, options)
        if problem:
            return _shown(identifier, text, options, problem, "failed", title)
        locked = {"choice": choice, "confidence": float(confidence)}
        unkept = _write(identifier, locked)
        buttons.changed(identifier)
    note = _locked_note(identifier, locked, where, unkept)
    if choice is not None and choice != locked["choice"]:
        note = note.replace(". ", f". Your first choice stands; {choice} came after it. ", 1)
    return _shown(identifier, text, options, note, "note", title)


def _locked_note(identifier: str, locked: dict, where: str, unkept: str = "") -> str:
    note = f"Locked: {locked['choice']}, confidence {locked['confidence']:.0%}.{unkept} "
    return note + (where or f'`reveal("{identifier}")` shows the answer.')


def _clickable(identifier: str, text: str, options: dict[str, str], title: str, where: str) -> Shown:
    """Return the card with buttons: first a letter, then the confidence, which locks the answer."""
    unkept = ""

    def card() -> Shown:
        locked = _read().get(identifier)
        if locked:
            note = _locked_note(identifier, locked, where, unkept)
            return _shown(identifier, text, options, note, "note", title)
        note = "Given up: its answer was shown." if identifier in _GIVEN_UP else "Choose before you read on."
        return _shown(identifier, text, options, note, "waiting", title)

    def lock(choice: str, confidence: float) -> None:
        nonlocal unkept
        if identifier not in _read():
            unkept = _write(identifier, {"choice": choice, "confidence": confidence})
        buttons.changed(identifier)

    def controls():
        done = identifier in _read() or identifier in _GIVEN_UP
        return None if done else buttons.choices_with_confidence(options, lock)

    return buttons.Live(identifier, card, controls)


def reveal(
    identifier: str, *, answer: str | None = None, because: str = "", title: str = "", give_up: bool = False
) -> Shown:
    """Show the answer beside the locked prediction.

    `answer` and `because` are for questions that are not in the bank. In an open notebook, an answer without a
    prediction waits for one, or for the give-up button; `give_up=True` does the same without clicking.
    """
    name = title or identifier
    asked = questions.get(identifier)
    answer = answer or (asked.answer if asked else None)
    because = because or (asked.because if asked else "")
    if answer is None:
        return _no_such_question(identifier)
    if give_up:
        _give_up(identifier)
    if not buttons.live() or identifier in _read() or identifier in _GIVEN_UP:
        return _outcome(identifier, name, answer, because)

    def card() -> Shown:
        if identifier in _read() or identifier in _GIVEN_UP:
            return _outcome(identifier, name, answer, because)
        text = "Lock your prediction where it was asked, and the answer shows here by itself."
        return Shown(box(f"{name}: no prediction yet", f"<div>{text}</div>", "waiting"), f"{name}: {text}")

    def controls():
        done = identifier in _read() or identifier in _GIVEN_UP
        return None if done else buttons.to_give_up(lambda: _give_up(identifier))

    return buttons.Live(identifier, card, controls)


def _give_up(identifier: str) -> None:
    if identifier not in _read():
        _GIVEN_UP.add(identifier)
    buttons.changed(identifier)


def _outcome(identifier: str, name: str, answer: str, because: str) -> Shown:
    """Return the answer, the prediction, and the reason."""
    _REVEALED.add(identifier)
    asked = questions.get(identifier)
    locked = _read().get(identifier)
    if locked is None:
        title, kind, remark = (
            f"{name}: the answer is {answer}",
            "waiting",
            "No prediction was locked for this one.",
        )
    else:
        right = locked["choice"] == answer
        title, kind = (
            f"{name}: the answer is {answer}; you said {locked['choice']}",
            "passed" if right else "failed",
        )
        remark = _remark(right, locked["confidence"])
        if not right and asked:
            because = "\n".join(text for text in (asked.wrong.get(locked["choice"], ""), because) if text)
    body = f"<div>{inline(because)}</div><div><i>{inline(remark)}</i></div>"
    return Shown(box(title, body, kind), f"{title}\n{because}\n{remark}")


def outcome() -> dict:
    """Return this learner's predictions: `{identifier: {"choice", "confidence", "right" (None until revealed)}}`."""
    found = {}
    for identifier, locked in _read().items():
        asked = questions.get(identifier)
        right = locked["choice"] == asked.answer if asked and identifier in _REVEALED else None
        found[identifier] = {**locked, "right": right}
    return found


def forget() -> None:
    """Unlock everything in this kernel (not in a workshop folder): for tests."""
    _LOCKED.clear()
    _REVEALED.clear()
    _GIVEN_UP.clear()
    buttons.forget()


def _no_such_question(identifier: str) -> Shown:
    text = questions.unknown(identifier)
    return Shown(box(text, "", "failed"), text)


def _remark(right: bool, confidence: float) -> str:
    if right:
        return "Right, and you knew." if confidence >= 0.8 else "Right, with more reason to trust it now."
    return (
        "Sure and surprised: the most useful kind of mistake." if confidence >= 0.8 else "You had doubts, with reason."
    )


def _problem(choice, confidence, options: dict[str, str]) -> str:
    if options and choice not in options:
        return f"The choice is one of {', '.join(options)}; found {choice!r}."
    if not isinstance(confidence, (int, float)) or not 0.5 <= confidence <= 1:
        return f"The confidence is a number from 0.5 (a guess) to 1 (certain); found {confidence!r}."
    return ""


def _shown(identifier: str, text: str, options: dict[str, str], note: str, kind: str, title: str = "") -> Shown:
    title = title or f"Prediction {identifier}"
    body = f"<div>{inline(text)}</div>" + "".join(
        f"<div>&ensp;<b>{key}</b>&ensp;{inline(option)}</div>" for key, option in options.items()
    )
    plain = "\n".join([f"{title}: {text}", *(f"  {key}  {option}" for key, option in options.items()), note])
    return Shown(box(title, f"{body}<div style='margin-top:.4em'><i>{inline(note)}</i></div>", kind), plain)


def read(folder: Path) -> dict[str, dict]:
    """Read a folder's predictions: question -> {"choice", "confidence"}. Raises ValueError on a damaged file."""
    what = "questions, each with a choice and a confidence"
    return read_entries(
        Path(folder) / FILE_NAME, what, lambda entry: isinstance(entry, dict) and entry.keys() >= FIELDS
    )


def _read() -> dict[str, dict]:
    folder = workshop_folder()
    try:
        return (read(folder) if folder else {}) | _LOCKED
    except (OSError, ValueError):
        return dict(_LOCKED)


def _write(identifier: str, locked: dict) -> str:
    """Lock a prediction; only in this kernel if the folder cannot be written or its file is damaged.

    Returns the reason in words then.
    """
    _LOCKED[identifier] = locked
    folder = workshop_folder()
    try:
        if folder is not None:
            with alone(folder):
                write_text(folder / FILE_NAME, json.dumps(read(folder) | _LOCKED, indent=1))
    except (OSError, ValueError) as error:
        return f" (In this kernel only, not in {FILE_NAME}: {error})"
    return ""
