"""Fifteen languages: accuracy at each effort, relative to English, refusals, and answers wanted in another language.

The operands are held out, and each language has its own wordings. All languages have the same number of questions at
the same levels (digits, terms, steps, items), but these are not translations of each other: a German story may contain
an irrelevant number that the English one lacks.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np

from gptoss_edu.harmony import EFFORTS
from gptoss_edu.tasks.example import Example
from gptoss_edu.tasks.graders import count, is_refusal, plain_digits
from gptoss_edu.tasks.language_packs import CODES
from gptoss_edu.tasks.mix import make_example

from .answering import Outcome

LANGUAGES = ("en", *CODES)
CORE: dict[str, tuple[str | None, ...]] = {  # task: its levels in turn
    "product": ("2x2", "3x2", "3x3", "4x4"),
    "chain": ("4", "6", "8", "11"),
    "word_problem": ("2", "3", "4", "5"),
    "count": (None,),
    "fact": ("capital", "opposite", "legs", "colour"),
    "sort": ("3", "5", "6", "8"),
}


def core_examples(each: int, seed: int = 5) -> list[Example]:
    """Return ``each`` questions of every core task in every language.

    They are the same at every effort, except a few whose frame or story depends on random draws of a thought.
    """
    return [
        core_example(language, task, number, effort, seed)
        for language in LANGUAGES
        for task in CORE
        for number in range(each)
        for effort in EFFORTS
    ]


def core_example(language: str, task: str, number: int, effort: str, seed: int) -> Example:
    level = CORE[task][number % len(CORE[task])]
    if task == "count" and language == "en":
        level = "1"  # one word, as in the other languages
    rng = random.Random(f"language:{seed}:{language}:{task}:{number}")
    while True:
        state = rng.getrandbits(48)
        example = make_example(random.Random(state), task, level, effort, "test", language)
        if task != "sort" or plain_digits(example.answer)[0].isdigit():  # English sorts words too
            return example


def more_examples(each: int, seed: int = 6) -> list[Example]:
    """Return questions outside the small world in every language, and questions that ask for another language."""
    found = []
    for language in LANGUAGES:
        for number in range(2 * each):
            rng = random.Random(f"refusal:{seed}:{language}:{number}")
            found.append(make_example(rng, "refusal", None, EFFORTS[number % 3], "test", language))
    for code in CODES:
        for number in range(each):
            for source, target in (("en", code), (code, "en" if number % 2 else None)):
                rng = random.Random(f"answer in:{seed}:{source}:{code}:{number}")
                found.append(make_example(rng, "answer_in", target, EFFORTS[1 + number % 2], "test", source))
    return found


def examples(each: int) -> list[Example]:
    return core_examples(each) + more_examples(each)


def section(outcomes: list[Outcome]) -> dict:
    """Report by language: counts by effort, by task at medium, relative to English; refusals; the answer's language."""
    core = [o for o in outcomes if o.example.task in CORE]
    table = {}
    for language in LANGUAGES:
        own = [o for o in core if o.example.language == language]
        medium = [o for o in own if o.example.effort == "medium"]
        declined = [o for o in outcomes if (o.example.task, o.example.language) == ("refusal", language)]
        table[language] = {
            **{e: count(o.correct for o in own if o.example.effort == e) for e in EFFORTS},
            "by_task_medium": {t: count(o.correct for o in medium if o.example.task == t) for t in CORE},
            "false_refusals": count(is_refusal(o.text) for o in own),
            "refusals": count(o.correct for o in declined),
            "answer_in": count(_as_wanted(o) for o in _answered_in(outcomes) if o.example.level == language),
            "asked_in": count(_as_wanted(o) for o in _answered_in(outcomes) if o.example.language == language),
        }
    return {
        "by_language": table,
        "relative_to_english": relative({c: {e: table[c][e] for e in EFFORTS} for c in LANGUAGES}),
        "own_language": count(_as_wanted(o) for o in core if o.correct and o.example.language != "en"),
        "answer_in": {
            "as wanted": count(_as_wanted(o) for o in _answered_in(outcomes)),
            "right, whatever the language": count(o.correct for o in _answered_in(outcomes)),
        },
        "valid": count(o.valid for o in outcomes),
        "wrong": _wrong(outcomes),
    }


def _answered_in(outcomes: list[Outcome]) -> Iterable[Outcome]:
    return (o for o in outcomes if o.example.task == "answer_in")


def _as_wanted(outcome: Outcome) -> bool:
    """Return whether the answer is right and in the requested language's sentence, with any digits."""
    reference = outcome.example.messages[-1]["content"][0]["text"]
    return outcome.correct and plain_digits(outcome.text).strip() == plain_digits(reference).strip()


def _wrong(outcomes: list[Outcome], most: int = 6) -> list[dict]:
    """Return up to ``most`` wrong answers per language at medium and high effort."""
    kept: dict[str, list[dict]] = {}
    for o in outcomes:
        chosen = kept.setdefault(o.example.language, [])
        if not o.correct and o.example.effort != "low" and len(chosen) < most:
            chosen.append({
                "language": o.example.language, "task": o.example.task, "effort": o.example.effort,
                "question": o.example.question[:300], "wanted": o.example.answer[:120], "found": o.text[:200],
                "thought": o.thought[:300], "note": o.note,
            })  # fmt: skip
    return [line for lines in kept.values() for line in lines]


def relative(counts: dict[str, dict[str, dict]], draws: int = 4000, seed: int = 0) -> dict:
    """Return each language's share divided by English's, the mean and the worst of the others, with 95 % intervals.

    counts : by language and effort, as `count` makes them; "en" among them

    The intervals are quantiles of ratios of shares that are drawn from their posterior under Jeffreys' prior, so that a
    count of none or of all has one too. The worst language's interval is not corrected for its selection.

    Source: Brown, Cai and DasGupta 2001, "Interval estimation for a binomial proportion", section 3 (Jeffreys).
    """
    found: dict = {}
    others = [code for code in counts if code != "en"]
    for effort in EFFORTS:
        cells = {code: counts[code][effort] for code in counts}
        if not others or not all(c["of"] for c in cells.values()) or not cells["en"]["right"]:
            continue
        rng = np.random.default_rng(seed)
        drawn = {c: rng.beta(v["right"] + 0.5, v["of"] - v["right"] + 0.5, draws) for c, v in cells.items()}
        shares = np.stack([drawn[code] / drawn["en"] for code in others])  # (languages, draws)
        exact = {code: cells[code]["share"] / cells["en"]["share"] for code in others}
        worst = min(exact, key=exact.get)
        each = {code: _interval(exact[code], row) for code, row in zip(others, shares, strict=True)}
        mean = _interval(sum(exact.values()) / len(exact), shares.mean(0))
        found[effort] = {"languages": each, "mean": mean, "worst": {"language": worst} | each[worst]}
    found["low < medium"] = [c for c in counts if _share(counts, c, "low") < _share(counts, c, "medium")]
    found["medium <= high"] = [c for c in counts if _share(counts, c, "medium") <= _share(counts, c, "high")]
    return found


def _share(counts: dict, code: str, effort: str) -> float:
    return counts[code][effort]["share"] or 0.0


def _interval(value: float, drawn: np.ndarray) -> dict:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"ratio": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}
