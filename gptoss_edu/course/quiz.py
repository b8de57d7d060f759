"""A quiz with one lesson per question.

A right answer lets the learner skip the lesson. Questions and answers are in the question bank.
"""

from __future__ import annotations

from gptoss_edu.checks.display import Shown, box, inline

from . import buttons, predictions, questions


class Quiz:
    """The quiz of one chapter ("01").

    It shows cards that say what to type, locks answers, and lists the lessons left to read.
    """

    def __init__(self, chapter: str):
        self.items = questions.quiz(chapter)
        self.numbers = {key: number for number, key in enumerate(self.items, 1)}
        if not self.items:
            raise ValueError(f"chapter {chapter!r} has no quiz; expected two digits of a chapter that has one: '01'.")

    def ask(self, mine: dict[str, tuple[str, float]]) -> Shown:
        """Show all cards in order. `mine`, key -> (letter, confidence from 0.5 to 1), is locked from its first run."""
        cards = [self._stranger(key) for key in mine if key not in self.items]
        for key, question in self.items.items():
            answer = mine.get(key)
            if answer is not None and not (isinstance(answer, (tuple, list)) and len(answer) == 2):
                cards.append(self._misshapen(key, answer))
                continue
            cards.append(
                predictions.predict(
                    question.id,
                    *(answer or (None, None)),
                    title=f'Question {self.numbers[key]} of {len(self.items)} · key "{key}"',
                    how=f'Not answered. Its line in `mine`: `"{key}": ("…", …),` with your letter and your confidence.',
                    where=f"The answer is in lesson {self.numbers[key]}.",
                )
            )
        together = buttons.Several if buttons.live() else buttons.joined
        return together(cards)

    def lessons(self) -> Shown:
        """Show which lessons to skip: those whose locked answer is right."""
        locked = predictions.outcome()
        lines = []
        for key, question in self.items.items():
            choice = locked.get(question.id, {}).get("choice")
            advice = (
                "not answered: read it" if choice is None else "skip it" if choice == question.answer else "read it"
            )
            lines.append(f"lesson {self.numbers[key]:2}  {key:14} {advice}")
        return Shown(f"<pre>{inline(chr(10).join(lines))}</pre>", "\n".join(lines))

    def answer(self, key: str) -> Shown:
        """Show the answer to one question beside the locked answer, with the reason."""
        if key not in self.items:
            return self._stranger(key)
        return predictions.reveal(self.items[key].id, title=f"Question {self.numbers[key]}, {key}")

    def _stranger(self, key: str) -> Shown:
        title = f"There is no question with the key {key!r}"
        body = f"The keys are {', '.join(self.items)}."
        return Shown(box(title, f"<div>{inline(body)}</div>", "failed"), f"{title}. {body}")

    def _misshapen(self, key: str, answer) -> Shown:
        title = f'Question {self.numbers[key]} of {len(self.items)} · key "{key}"'
        body = (
            f"Expected a letter and a confidence in parentheses, such as ('d', 0.7); found {answer!r}. Nothing was"
            " locked."
        )
        return Shown(box(title, f"<div>{inline(body)}</div>", "failed"), f"{title}: {body}")
