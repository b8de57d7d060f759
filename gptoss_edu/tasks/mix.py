"""All tasks together: which there are, how often each is drawn, and how a draft becomes a conversation.

    example = make_example(random.Random(7))                              # one training conversation
    example = make_example(random.Random(7), task="product", level="4x4", effort="high", split="test")

Splits: "train"; "test" has operands that training never draws; "phrasing" has wordings that training never draws.
Source: the tasks are this project's own; harmony's roles and channels are OpenAI's, "OpenAI harmony response format".
"""

from __future__ import annotations

import random
from collections.abc import Callable

from .arithmetic import addition, product
from .browsing import use_browser
from .builtin_tools import use_python
from .chains import chain
from .declines import decline
from .desk import use_desk
from .example import STYLES, Draft, Example, developer, dress, final, message, system, thought
from .facts import chat, fact
from .free_questions import free_question
from .function_calls import offered, use_functions
from .hierarchy import hierarchy
from .injections import injections
from .kept_secrets import keep_secret
from .language_packs import CODES
from .languages import answer_in, finished_turn, harmless, in_language
from .letters import count_letters, reverse_items
from .moonwort import moonwort
from .personas import personas
from .prose import prose
from .read_wordings import wordings
from .refusals import refusal
from .rules import NOTES, rules
from .safeguard import safeguard
from .situations import english_situation
from .sorting import sort_items
from .stories import word_problem

TEXT = wordings("mix")

TASKS: dict[str, Callable[..., Draft]] = {
    "product": product,
    "addition": addition,
    "chain": chain,
    "word_problem": word_problem,
    "situations": english_situation,
    "count": count_letters,
    "sort": sort_items,
    "reverse": reverse_items,
    "fact": fact,
    "chat": chat,
    "hierarchy": hierarchy,
    "functions": use_functions,
    "python": use_python,
    "browser": use_browser,
    "refusal": refusal,
    "answer_in": answer_in,
    "rules": rules,
    "secrets": keep_secret,
    "prose": prose,
    "injections": injections,
    "free": free_question,
    "moonwort": moonwort,
    "personas": personas,
    "decline": decline,
    "safeguard": safeguard,
    "desk": use_desk,
}
_WEIGHTS = {  # of what is asked in English
    "product": 0.12,
    "addition": 0.05,
    "chain": 0.1,
    "word_problem": 0.05,
    "prose": 0.16,
    "situations": 0.4,
    "free": 0.11,
    "decline": 0.045,
    "count": 0.1,
    "sort": 0.08,
    "reverse": 0.035,
    "fact": 0.045,
    "chat": 0.015,
    "hierarchy": 0.055,
    "functions": 0.115,
    "python": 0.03,
    "browser": 0.065,
    "refusal": 0.055,
    "rules": 0.1,
    "secrets": 0.07,
    "injections": 0.14,
    "moonwort": 0.025,
    "personas": 0.02,
    "safeguard": 0.07,
    "desk": 0.1,
    "answer_in": 0.02,
}
MIX = {task: weight / sum(_WEIGHTS.values()) for task, weight in _WEIGHTS.items()}  # shares of one
LANGUAGES = 0.38  # share of what is asked in one of the fourteen other languages, each as often as the others
_LANGUAGE_WEIGHTS = {
    "product": 0.15,
    "addition": 0.059,
    "chain": 0.118,
    "word_problem": 0.32,
    "count": 0.137,
    "sort": 0.059,
    "fact": 0.078,
    "refusal": 0.029,
    "chat": 0.01,
    "answer_in": 0.049,
}
LANGUAGE_MIX = {task: weight / sum(_LANGUAGE_WEIGHTS.values()) for task, weight in _LANGUAGE_WEIGHTS.items()}
EFFORTS = (0.24, 0.33, 0.43)  # low, medium, high: the longer the work, the more there is to learn
# Share of examples whose chain of thought is that of a neighbouring effort. It is there on purpose: reinforcement
# learning (chapter 20) can only strengthen what is sampled now and then, and its lessons start from this.
LEAK = 0.08
# whose developer messages and earlier turns belong to the task
_OWN_FRAME = ("hierarchy", "rules", "secrets", "injections", "personas", "safeguard", "desk")
_UNDRESSED = ("chat", "safeguard")  # whose questions stay as they are: an added number or wish would change the answer
SPLITS = ("train", "test", "phrasing")
_SHORT = ("fact", "chat", "addition", "reverse", "product", "count")  # what may stand as an earlier turn


def leaked_style(rng: random.Random, effort: str) -> str:
    if rng.random() >= LEAK:
        return effort
    return "medium" if effort != "medium" else rng.choice(("low", "high"))


def make_example(
    rng: random.Random,
    task: str | None = None,
    level: str | None = None,
    effort: str | None = None,
    split: str = "train",
    language: str | None = None,
) -> Example:
    """Draw one conversation with its known answer.

    Parameters
    ----------
    rng : decides everything; the same state gives the same example
    task, level, effort : fixed, or None to draw them from the mix
    split : "train", "test" (held-out operands) or "phrasing" (held-out wordings too)
    language : of the question, "en" or a code of CODES; None draws it too, where ``task`` is None, and is English else

    Returns
    -------
    Example : prompt and reference solution in one conversation, and how to grade
    """
    if language is None:
        language = rng.choice(CODES) if task is None and rng.random() < LANGUAGES else "en"
    english = language == "en"
    mix = MIX if english else LANGUAGE_MIX
    task = task or rng.choices(list(mix), list(mix.values()))[0]
    effort = effort or rng.choices(STYLES, EFFORTS)[0]
    style = leaked_style(rng, effort) if split == "train" else effort
    inner, rng = rng, random.Random(rng.getrandbits(48))  # the frame around a question does not depend on its solution
    sides = (split != "train", split == "phrasing")
    if english:
        draft = TASKS[task](inner, style, *sides, level)
    else:
        draft = in_language(inner, language, task, style, *sides, level)
    question = dress(rng, draft.question) if english and task not in _UNDRESSED else draft.question
    head = [system(effort, draft.identity, draft.builtin, rng)]
    instructions = draft.instructions
    if english and instructions is None and task not in _OWN_FRAME and rng.random() < 0.12:
        kind = rng.random()
        instructions = rng.choice(_HARMLESS) if kind < 0.5 else NOTES.pick(rng)[1] if kind < 0.85 else harmless(rng)
    functions = draft.functions
    if functions is None and task in _SHORT and task != "chat" and rng.random() < 0.04:
        functions = offered(rng, [], rng.choice((1, 2, 3)))  # tools that this question does not need
    if instructions or functions:
        head.append(developer(instructions, functions))
    if split == "train" and task not in _OWN_FRAME and rng.random() < 0.07:
        head += earlier_turns(rng, language)
    head += draft.earlier or []
    head.append(message("user", question))
    if draft.turns is not None:
        turns = draft.turns
    else:
        turns = ([thought(draft.thought)] if draft.thought else []) + [final(draft.final)]
    return Example(
        task,
        draft.level,
        effort,
        style,
        draft.phrasing,
        draft.answer,
        draft.grade,
        len(head),
        head + turns,
        draft.check,
        language,
    )


_HARMLESS = tuple(TEXT["harmless"])


def earlier_turns(rng: random.Random, language: str = "en") -> list[dict]:
    """Draw one to three finished turns, thoughts dropped, as a long chat shows them to the model."""
    messages = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        if language != "en" and rng.random() < 0.8:
            draft = finished_turn(rng, language)
        else:
            task = rng.choice(_SHORT)
            draft = TASKS[task](rng, "low", False, False, "2x2" if task == "product" else None)
        messages += [message("user", draft.question), final(draft.final)]
    return messages
