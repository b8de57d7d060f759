"""How a score comes about: small experiments on gpt-oss-tiny, each a section of one record (chapter 22).

    gptoss-edu eval studies --json data/measurements/evaluation.json

formats  : one kind of knowledge, by form of the question and by what counts as an answer (formats.py)
wording  : the same products in several wordings
models   : the model and the same one with noise in its weights, question by question
attempts : sixteen samples of each product at low effort and temperature 1
leaked   : twenty steps on the test set, as it is and translated (leaked_test.py)
judge    : faults that gpt-oss-tiny finds by a written criterion, in texts that flatter it and in others (flattery.py)
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch

from gptoss_edu.checkpoint.load import load_model
from gptoss_edu.tasks.graders import by_number, count, is_refusal, last_number
from gptoss_edu.tasks.mix import make_example

from . import flattery, leaked_test
from .answering import answer
from .formats import ask_all, by_form, by_likelihood, capital_items

WORDINGS = (
    "What is {a} times {b}?",
    "Compute {a} × {b}.",
    "Please tell me the product of {a} and {b}, thanks!",
    "I have {a} rows of {b} seats. How many seats is that?",
    "Solve: {a}*{b}\nPut your final answer within \\boxed{{}}.",
    "{a} boxes hold {b} screws each. How many screws are there?",
    "a={a}, b={b}. a*b=?",
)
SIZES = {"formats": 45, "wording": 40, "models": 90, "attempts": 20, "leaked": 12, "judge": 24}
SEEDS = (0, 1, 2)


def noisy(model, share: float = 0.16, seed: int = 0):
    """Return the same model, changed in place: each matrix has noise of ``share`` of its own spread added."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter += share * parameter.std() * torch.randn(parameter.shape, generator=generator)
    return model


def pairs(number: int, name: str) -> list[tuple[int, int]]:
    """Return factors of three and two digits; the same name gives the same pairs."""
    rng = random.Random(f"studies:{name}")
    return [(rng.randint(100, 999), rng.randint(10, 99)) for _ in range(number)]


def mixed_pairs(number: int, name: str) -> list[tuple[int, int]]:
    """Return pairs whose first factor has two and three digits in turn, and whose second has two."""
    rng = random.Random(f"studies:{name}")
    return [(rng.randint(*((10, 99), (100, 999))[i % 2]), rng.randint(10, 99)) for i in range(number)]


def by_wording(model, factors: Sequence[tuple[int, int]], wordings: Sequence[str] = WORDINGS) -> list[dict]:
    """Count, per wording of the same products at medium effort, right and declined answers; keep the first reply."""
    rows = []
    for wording in wordings:
        said = ask_all(model, [wording.format(a=a, b=b) for a, b in factors], "medium", 120)
        right = count(by_number(text, str(a * b)) for text, (a, b) in zip(said, factors, strict=True))
        rows.append({"wording": wording, "declined": sum(map(is_refusal, said)), "example": said[0], **right})
    return rows


def mixed_questions(number: int, effort: str = "medium") -> list:
    """Return products, chains and sorting in turn, with held-out operands."""
    kinds = (("product", "3x3"), ("chain", "8"), ("sort", None))
    return [make_example(random.Random(f"models:{i}"), *kinds[i % 3], effort, "test") for i in range(number)]


def two_models(number: int) -> dict:
    """Return both models' results as texts of 0 and 1, question by question."""
    questions = mixed_questions(number)
    found = {}
    for name, model in (("as it is", load_model()), ("with noise", noisy(load_model(experts="dense")))):
        right = [o.correct for o in answer(model, questions, max_new_tokens=250)]
        found[name] = {"flags": "".join("01"[flag] for flag in right), **count(right)}
    return found


def attempts(model, factors: Sequence[tuple[int, int]], each: int = 16, seed: int = 0) -> list[dict]:
    """Return the number that each of several samples gives, for each product: low effort, temperature 1."""
    questions = [f"What is {a} times {b}?" for a, b in factors for _ in range(each)]
    said = ask_all(model, questions, "low", 40, 1.0, seed, rows=64)
    return [
        {"right": str(a * b), "answers": [last_number(text) or "" for text in said[i * each : (i + 1) * each]]}
        for i, (a, b) in enumerate(factors)
    ]


def leaked(number: int, language: str, seed: int, steps: int = 20) -> dict:
    """Count right answers to test and fresh questions before and after training; language: that of the leaked test."""
    model = load_model(experts="dense")
    test, fresh = (leaked_test.products(number, f"{name}:{seed}") for name in ("test", "fresh"))

    def score(factors) -> int:
        asked = [leaked_test.as_example(a, b) for a, b in factors]
        return sum(o.correct for o in answer(model, asked, max_new_tokens=40))

    row = {"leaks in": language, "seed": seed, "of": number, "before": [score(test), score(fresh)]}
    texts = [leaked_test.as_example(a, b, language) for a, b in test]
    losses = leaked_test.train_on(model, texts, steps)
    found = leaked_test.search(test, [example.question for example in texts])
    return row | {"after": [score(test), score(fresh)], "losses": losses, "found by the search": found}


def run_studies(wanted: Sequence[str], scale: float, store: Callable[[str, dict | list], None]) -> None:
    """Run the sections by name and pass each to ``store`` when it is ready; scale: share of the sizes."""
    size = {name: max(4, round(number * scale)) for name, number in SIZES.items()}
    model = load_model()
    if "formats" in wanted:
        items = capital_items(min(size["formats"], SIZES["formats"]))
        store("formats", {"by form": by_form(model, items), "by likelihood": by_likelihood(model, items)})
    if "wording" in wanted:
        store("wording", by_wording(model, pairs(size["wording"], "wording")))
    if "models" in wanted:
        store("models", two_models(size["models"]))
    if "attempts" in wanted:
        store("attempts", attempts(model, mixed_pairs(size["attempts"], "attempts")))
    if "judge" in wanted:
        store("judge", flattery.by_tail(model, size["judge"]))
    if "leaked" in wanted:
        rows = []
        for language in ("en", "de"):
            for seed in SEEDS:
                rows.append(leaked(size["leaked"], language, seed))
                store("leaked", rows)
