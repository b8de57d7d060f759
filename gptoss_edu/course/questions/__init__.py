"""The question bank: six questions per chapter, each wrong option tied to a misconception, the sixth a transfer to
another configuration.

`chapter_06.toml` holds `[[question]]` tables with `id`, `question`, `options` (a, b, c, …), `answer`, `because` (why it
is right) and `wrong` (what each other option gets wrong). Numbers 1 and 2 are predictions for the chapter itself, 3 to
5 recall it in later chapters, 6 is the transfer. A chapter that opens with a quiz lists its items in `[[quiz]]` tables,
in order: a `key`, and the `id` of one of the six, or a separate question with an `id` beyond them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gptoss_edu.checks.display import Shown, box, folded, inline
from gptoss_edu.course import buttons

FOLDER = Path(__file__).parent
_ANSWERED: dict[str, str] = {}  # question -> the first answer by button in this kernel, "" if given up
OPENING = {"24": ("13.4", "12.4", "08.4")}  # chapters whose number is not their position in the course
BACK = ((1, 3), (3, 4), (6, 5))  # (chapters back, number of the question from there)


@dataclass(frozen=True)
class Question:
    """One question; `options` and `wrong` are keyed by the letters a, b, c, ….

    `misconceptions` likewise, for a teacher's table.
    """

    id: str
    question: str
    options: dict[str, str]
    answer: str
    because: str
    wrong: dict[str, str] = field(default_factory=dict)
    transfer: bool = False

    @property
    def text(self) -> str:
        """The question as plain text, with the answer at the end."""
        lines = [f"{self.id}  {self.question}", *(f"  {key}  {option}" for key, option in self.options.items())]
        return "\n".join([*lines, f"  Answer: {self.answer}. {self.because}"])

    @property
    def html(self) -> str:
        """The question with its options, and the answer folded."""
        wrong = "".join(f"<div><b>{key}</b> {inline(text)}</div>" for key, text in self.wrong.items())
        answer = f"<div><b>{self.answer}</b>: {inline(self.because)}</div>" + (
            f"<div style='margin-top:.3em'>{wrong}</div>" if wrong else ""
        )
        return f"{self._asked}{folded('Answer', answer)}"

    @property
    def _asked(self) -> str:
        options = "".join(
            f"<div>&ensp;<b>{key}</b>&ensp;{inline(option)}</div>" for key, option in self.options.items()
        )
        return f"<div>{inline(self.question)}</div>{options}"

    def answered(self, choice: str | None) -> Shown:
        """Return the question with the result of `choice`; "" gives up, None is not answered yet."""
        lines = [self.question, *(f"  {key}  {option}" for key, option in self.options.items())]
        notes = []
        if choice is not None:
            said = f" You said {choice}." if choice else ""
            notes.append(f"**{'Right' if choice == self.answer else f'The answer is {self.answer}'}.**{said}")
            notes += [self.wrong[choice]] if choice in self.wrong else []
            notes.append(self.because)
        kind = "waiting" if choice is None else "passed" if choice == self.answer else "failed" if choice else "note"
        body = self._asked
        body += "".join(f"<div style='margin-top:.3em'>{inline(note)}</div>" for note in notes)
        return Shown(box(f"Question {self.id}", body, kind), "\n".join([f"Question {self.id}", *lines, *notes]))


@cache
def load(chapter: str) -> tuple[Question, ...]:
    """Return the questions of one chapter ("06"), none if the chapter has no file yet."""
    path = FOLDER / f"chapter_{chapter}.toml"
    if not path.is_file():
        return ()
    return tuple(Question(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["question"])


@cache
def quiz(chapter: str) -> dict[str, Question]:
    """Return a chapter's quiz, key -> question, in the order of its lessons; empty if the chapter has none."""
    path = FOLDER / f"chapter_{chapter}.toml"
    items = tomllib.loads(path.read_text(encoding="utf-8")).get("quiz", []) if path.is_file() else []
    six = {question.id: question for question in load(chapter)}
    return {item.pop("key"): six.get(item["id"]) or Question(**item) for item in items}


def get(identifier: str) -> Question | None:
    """Return the question with that identifier ("06.1"), of the six or of the chapter's quiz, or None."""
    chapter = identifier.split(".")[0]
    return next((found for found in (*load(chapter), *quiz(chapter).values()) if found.id == identifier), None)


def unknown(identifier: str) -> str:
    """Return the message for an identifier that is not in the bank, listing the questions of its chapter."""
    chapter = identifier.split(".")[0]
    known = [question.id for question in load(chapter)]
    there = f"chapter {chapter} has {', '.join(known)}" if known else f"there is no chapter {chapter} in the bank"
    return f"{identifier}: no such question; {there}"


def ask(identifier: str) -> Shown:
    """Show one question with its answer folded."""
    question = get(identifier)
    if question is None:
        known = ", ".join(entry.id for entry in load(identifier.split(".")[0])) or "none in that chapter"
        return Shown(
            box(f"no question {identifier}", f"<div>known: {known}</div>", "failed"),
            f"no question {identifier}; known: {known}",
        )
    if buttons.live():
        return _clickable(question)
    return Shown(box(f"Question {question.id}", question.html), question.text)


def _clickable(question: Question) -> Shown:
    """Return the question with buttons; its first answer counts and shows the result."""

    def choose(letter: str) -> None:
        _ANSWERED.setdefault(question.id, letter)
        buttons.changed(question.id)

    def controls():
        done = question.id in _ANSWERED
        return None if done else buttons.choices(question.options, choose, lambda: choose(""))

    return buttons.Live(question.id, lambda: question.answered(_ANSWERED.get(question.id)), controls)


def opening_questions(chapter: str) -> Shown:
    """Show the three questions that open a chapter.

    They are about the last chapter, the one three back and the one six back, if these exist.
    """
    number = int(chapter)
    back = [f"{number - back:02d}.{index}" for back, index in BACK if number >= back]
    chosen = [get(identifier) for identifier in OPENING.get(chapter, back)]
    chosen = [question for question in chosen if question is not None]
    if not chosen:
        return Shown(
            box("Opening questions", "<div>None yet: this is where the course begins.</div>"),
            "Opening questions: none yet",
        )
    title = "Before you begin: three questions from earlier chapters" if len(chosen) == 3 else "Before you begin"
    if buttons.live():
        head = Shown(box(title, ""), title)
        return buttons.Several([head, *map(_clickable, chosen)])
    parts = "".join(
        f"<div style='margin:.5em 0'><i>chapter {question.id.split('.')[0]}</i>{question.html}</div>"
        for question in chosen
    )
    return Shown(box(title, parts), "\n\n".join(question.text for question in chosen))


def answers(*identifiers: str) -> Shown:
    """Show only the answers, folded, for the end of a chapter."""
    chosen = [question for question in map(get, identifiers) if question is not None]
    body = "".join(
        f"<div><b>{question.id}</b> {question.answer}: {inline(question.because)}</div>" for question in chosen
    )
    return Shown(
        folded("Answers", body),
        "\n".join(f"{question.id}: {question.answer}. {question.because}" for question in chosen),
    )
