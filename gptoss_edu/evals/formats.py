"""One kind of knowledge, asked and graded in several ways: capitals that gpt-oss-tiny knows by heart.

What the model knows does not change from form to form; the score does. `FORMS` are the prompts, `READINGS` say what
counts as an answer. Besides what it writes, the study measures what it finds likely: the sentence with the right
capital, or the letter.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from gptoss_edu.engines.sampler import Engine
from gptoss_edu.harmony import Conversation, render
from gptoss_edu.tasks.example import message, system
from gptoss_edu.tasks.facts import CAPITALS
from gptoss_edu.tasks.graders import count, is_refusal

from .backends import EngineBackend, PoolBackend, Turn
from .grading.choices import chosen_content, chosen_letter
from .published.multiple_choice import lettered, options_first


@dataclass(frozen=True)
class Item:
    """A country, its capital, and four capitals in the order in which they are offered."""

    country: str
    capital: str
    options: tuple[str, ...]

    @property
    def question(self) -> str:
        return f"What is the capital of {self.country}?"

    @property
    def letter(self) -> str:
        return "ABCD"[self.options.index(self.capital)]


def capital_items(number: int | None = None, seed: int = 0) -> list[Item]:
    """Return the first ``number`` capitals, all of them by default, each with three others."""
    rng, found = random.Random(f"capitals:{seed}"), []
    for country, capital in CAPITALS.items():
        others = rng.sample([other for other in CAPITALS.values() if other != capital], 3)
        found.append(Item(country, capital, tuple(rng.sample([capital, *others], 4))))
    return found[:number]


def _in_one_line(item: Item) -> str:
    options = " ".join(f"({letter}) {option}" for letter, option in zip("ABCD", item.options, strict=True))
    return f"{item.question} {options} Answer with a letter."


FORMS: dict[str, Callable[[Item], str]] = {
    "open question": lambda item: item.question,
    "options first": lambda item: options_first(item.question, list(item.options)),
    "letters in one line": _in_one_line,
    "letters in lines": lambda item: lettered(item.question, list(item.options)),  # as published for GPQA
}
READINGS: dict[str, Callable[[str, Item], bool]] = {
    "letter": lambda text, item: chosen_letter(text)[0] == item.letter,
    "content": lambda text, item: chosen_content(text, list(item.options))[0] == item.options.index(item.capital),
    "capital alone": lambda text, item: text.strip(" .") == item.capital,
}


def ask_turns(
    model,
    questions: Sequence[str],
    effort: str = "low",
    max_new_tokens: int = 200,
    temperature: float = 0.0,
    seed: int = 0,
    before: Sequence[dict] = (),
    rows: int = 32,
) -> list[tuple[str, str]]:
    """Return (chain of thought, final message) of many questions, in order; "" if there is none.

    before : messages between the system message and the question, such as a developer's
    """
    backend = EngineBackend(model) if isinstance(model, Engine) else PoolBackend(model, rows, 1024)
    for i, question in enumerate(questions):
        turns = [*before, message("user", question)]
        draws = random.Random(f"{seed}:{i}").getrandbits(31)
        backend.submit(Turn(i, turns, effort, temperature=temperature, seed=draws, max_new_tokens=max_new_tokens))
    found = {}
    for turn in backend.finished():
        texts = {m.get("channel"): m["content"][0]["text"] for m in turn.written}
        found[turn.key] = texts.get("analysis", ""), texts.get("final", "")
    return [found[i] for i in range(len(questions))]


def ask_all(model, questions: Sequence[str], *how, **named) -> list[str]:
    """Return only the final messages; the arguments are those of `ask_turns`."""
    return [final for _, final in ask_turns(model, questions, *how, **named)]


def by_form(model, items: Sequence[Item], forms: Sequence[str] = tuple(FORMS)) -> dict:
    """Count by form and reading; return also how many were declined, and the first reply of each form."""
    table = {}
    for form in forms:
        said = ask_all(model, [FORMS[form](item) for item in items])
        table[form] = {
            name: count(right(text, item) for text, item in zip(said, items, strict=True))
            for name, right in READINGS.items()
        } | {"declined": count(map(is_refusal, said)), "example": [FORMS[form](items[0]), said[0]]}
    return table


@torch.no_grad()
def likelihoods(model, question: str, replies: Sequence[str], effort: str = "low") -> list[list[float]]:
    """Compute the log-probability of each token of each reply as the final message after the question."""
    encoding = model.tokenizer
    prompt = render(
        Conversation.from_dict({"messages": [system(effort), message("user", question)]}), encoding=encoding
    )
    prompt += encoding.encode("<|channel|>final<|message|>", allowed_special="all")
    found = []
    for reply in replies:
        ids = encoding.encode_ordinary(reply)
        tokens = torch.tensor([prompt + ids], device=model.device)
        each = model(tokens)[0, len(prompt) - 1 : -1].float().log_softmax(-1)  # (t, v)
        found.append(each[range(len(ids)), ids].tolist())
    return found


def by_likelihood(model, items: Sequence[Item]) -> dict:
    """Count how often the likeliest of four sentences, or of four letters, is right. Chance is a quarter."""
    sentences, letters = [], []
    for item in items:
        wanted = item.options.index(item.capital)
        said = [f"The capital of {item.country} is {option}." for option in item.options]
        for found, question, replies in (
            (sentences, item.question, said),
            (letters, FORMS["letters in one line"](item), list("ABCD")),
        ):
            sums = [sum(each) for each in likelihoods(model, question, replies)]
            found.append(sums.index(max(sums)) == wanted)
    return {"of the sentence": count(sentences), "of the letter": count(letters)}
