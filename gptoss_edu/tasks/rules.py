"""Developer messages of every kind: what the model does not know leaves its answer alone, what it knows it keeps.

A message is composed of an opening, several sentences from many families, and a closing, as a paragraph or as a list.
Among them may stand one rule of those that `hierarchy.py` teaches (capital letters, a last word, one word, …).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

from . import hierarchy
from .arithmetic import addition, product
from .browsing import use_browser
from .builtin_tools import use_python
from .chains import chain
from .declines import decline
from .example import Draft, final, message, thought
from .facts import CHAT, chat, fact
from .free_questions import free_question
from .function_calls import use_functions
from .grammar import Grammar, families
from .hierarchy import CONTRARY, RULES, easy_question, obey, place_rules
from .letters import count_letters, reverse_items
from .prose import prose
from .read_wordings import wordings
from .refusals import ordinary, refusal
from .situations import english_situation
from .sorting import sort_items
from .stories import word_problem
from .words import person, place, plural, pseudo_word

TEXT = wordings("rules")
PARTS = TEXT["parts"]
OPENINGS, CLOSINGS = (Grammar(TEXT[name]["patterns"], PARTS) for name in ("openings", "closings"))
UNKNOWN, UNSEEN = families(TEXT["unknown"], PARTS), families(TEXT["unseen"], PARTS)
KNOWN = families(TEXT["known"], PARTS)
ASK_TOPIC = Grammar(TEXT["ask_topic"]["patterns"] + hierarchy.TEXT["ask_topic"])
OVERRIDES, UNSEEN_OVERRIDES = families(TEXT["overrides"], PARTS), families(TEXT["unseen_overrides"], PARTS)
NOTES = Grammar(wordings("notes")["texts"])
NOTED = 0.4  # share of the messages without a known rule that consist of notes
HELD_OUT = "held-out family"
NO_RULE = "The instructions hold no rule that I know. I answer as usual."

SLOTS: dict[str, Callable[[random.Random], str]] = {
    "w": ordinary,
    "u": ordinary,
    "s": lambda r: plural(ordinary(r)),
    "n": person,
    "n2": person,
    "c": place,
    "x": lambda r: pseudo_word(r).capitalize(),
    "d": lambda r: str(r.randrange(2, 100)),
    "e": lambda r: str(r.randrange(2, 13)),
    "y": lambda r: str(r.randrange(1800, 2030)),
    "day": lambda r: r.choice(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")),
}


def fill_slots(rng: random.Random, text: str, **given: str) -> str:
    """Fill each slot of a wording: with what is given, else with a fresh word of its kind."""
    return re.sub(r"\{(\w+)\}", lambda found: given.get(found[1]) or SLOTS[found[1]](rng), text)


def unknown_sentences(rng: random.Random, count: int, unseen: bool, source: Mapping[str, Grammar] = UNKNOWN) -> list:
    """Return ``count`` instructions, of different families where there are enough."""
    names = list(source)
    rng.shuffle(names)
    names = (names * count)[:count]
    return [fill_slots(rng, source[name].pick(rng, unseen)[1]) for name in names]


def known_rule(rng: random.Random, kind: str, word: str, unseen: bool) -> str:
    """Draw one rule of the given kind, in one of its many wordings."""
    grammar = KNOWN.get(kind) if rng.random() < 0.6 else None
    return fill_slots(rng, (grammar or RULES[kind]).pick(rng, unseen)[1], w=word, r="developer")


def lay_out(rng: random.Random, sentences: list[str], unseen: bool = False) -> str:
    """Draw an opening now and then, the sentences as a paragraph or as a list, and a closing now and then."""
    opening = fill_slots(rng, OPENINGS.pick(rng, unseen)[1]) if rng.random() < 0.5 else ""
    closing = fill_slots(rng, CLOSINGS.pick(rng, unseen)[1]) if rng.random() < 0.2 else ""
    form = rng.choices((" ", "\n", "- ", "* ", "{}. ", "{}) "), (50, 14, 16, 8, 8, 4))[0]
    if form.isspace():
        return form.join(part for part in (opening, *sentences, closing) if part)
    short = rng.random() < 0.3  # items of a list without their full stops
    items = [form.format(i) + (s.rstrip(".") if short else s) for i, s in enumerate(sentences, 1)]
    return "\n".join(part for part in (opening, *items, closing) if part)


def compose(
    rng: random.Random, rule: str | None, unseen: bool, source: Mapping[str, Grammar] = UNKNOWN, least: int = 0
) -> str:
    """Draw a developer's message: at least ``least`` sentences that change nothing, and ``rule`` among them."""
    if rule is None and source is UNKNOWN and not least and rng.random() < NOTED:
        return notes(rng, unseen)
    count = max(least, rng.choice((0, 0, 1, 1, 2, 2, 3, 4, 5) if rule else (1, 1, 1, 2, 2, 3, 3, 4, 5, 6)))
    sentences = unknown_sentences(rng, count, unseen, source)
    if count and source is UNKNOWN and rng.random() < 0.2:
        sentences[-1] = NOTES.pick(rng, unseen)[1]
    if rule:
        sentences.insert(rng.randrange(len(sentences) + 1), rule)
        if count == 0 and rng.random() < 0.6:
            return rule
    return lay_out(rng, sentences, unseen)


def notes(rng: random.Random, unseen: bool) -> str:
    """Draw one to three whole messages that change nothing, one after another."""
    texts = dict.fromkeys(NOTES.pick(rng, unseen)[1] for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3))))
    return rng.choice((" ", " ", "\n", "\n\n")).join(texts)


_BASES: dict[str, tuple[Callable[..., Draft], float]] = {
    "product": (product, 2),
    "addition": (addition, 1.5),
    "chain": (chain, 1),
    "word_problem": (word_problem, 1),
    "count": (count_letters, 1.5),
    "sort": (sort_items, 1.5),
    "reverse": (reverse_items, 1),
    "fact": (fact, 4),
    "free": (free_question, 4),
    "prose": (prose, 2),
    "situations": (english_situation, 2),
    "decline": (decline, 1),
    "chat": (chat, 1),
    "refusal": (refusal, 2),
    "functions": (use_functions, 1.5),
    "python": (use_python, 0.5),
    "browser": (use_browser, 0.5),
}
_LEVELS = {"product": ("2x2", "2x2", "3x2"), "chain": ("3", "4", "5"), "chat": tuple(k for k in CHAT if k != "who")}
WITH_TOOLS = ("functions", "python", "browser")


def base_draft(rng: random.Random, style: str, test: bool, without: tuple[str, ...] = ()) -> Draft:
    """Draw an ordinary question of another task, short enough to stand under long instructions."""
    names = [name for name in _BASES if name not in without]
    name = rng.choices(names, [_BASES[n][1] for n in names])[0]
    level = rng.choice(_LEVELS[name]) if name in _LEVELS else None
    return _BASES[name][0](rng, style, test, False, level)


def think_first(draft: Draft, text: str) -> None:
    """Put ``text`` before the first thought of a draft, or make it the only one."""
    if draft.turns is None:
        draft.thought = f"{text}\n{draft.thought}" if draft.thought else text
        return
    turns = list(draft.turns)
    if turns[0].get("channel") == "analysis" and not turns[0].get("recipient"):
        turns[0] = thought(f"{text}\n{turns[0]['content'][0]['text']}")
    else:
        turns.insert(0, thought(text))
    draft.turns = turns


LEVELS = {"unknown": 9, "known": 6, "override": 5, "topic": 1.5, "user": 1.5}


def rules(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw a developer message of one to eight sentences above an ordinary question.

    Levels: "unknown" (nothing to follow), "known" (one rule to follow), "override" (the user tries to lift it),
    "topic" (a forbidden one), "user" (the user's own wish counts), and two that training never draws, "held-out
    family" (unknown instructions) and "override, held-out family".
    """
    kind = level or rng.choices(list(LEVELS), list(LEVELS.values()))[0]
    if kind in ("unknown", HELD_OUT):
        draft = base_draft(rng, style, test)
        text = compose(rng, None, unseen, UNSEEN if kind == HELD_OUT else UNKNOWN)
        places = place_rules("system" if rng.random() < 0.12 else "developer", text, rng)
        draft.identity, draft.instructions = places["identity"], places["instructions"]
        if style == "high":
            think_first(draft, NO_RULE)
        if rng.random() < 0.08:
            draft.earlier = _earlier(rng, None, "")
        draft.level = kind
        return draft
    if kind == "topic":
        return _topic(rng, style, test, unseen)
    return _ruled(rng, style, test, unseen, kind)


def _word(rng: random.Random) -> str:
    """Return what a rule is about: a word, now and then two."""
    word = pseudo_word(rng) if rng.random() < 0.4 else ordinary(rng)
    if rng.random() < 0.3:
        word = word.capitalize()
    return f"{word} {ordinary(rng)}" if rng.random() < 0.12 else word


def _question(rng: random.Random, rule: str, style: str, test: bool) -> tuple[str, str, str, str | None]:
    """Return (question, sentence, one word, working) for the rule; one-word answers get easy questions."""
    if rule == "word" or rng.random() < 0.4:
        found = easy_question(rng)
        while rule == "word" and " " in found[2]:  # "Mexico City" is no single word
            found = easy_question(rng)
        return *found, None
    draft = base_draft(rng, style, test, WITH_TOOLS)
    return draft.question, draft.final, "", draft.thought


def override_text(rng: random.Random, rule: str, word: str, owner: str, unseen: bool, fresh: bool = False) -> str:
    """Return what a user writes to lift a rule or to get its contrary; ``fresh``: of a family that is never trained."""
    if fresh:
        return fill_slots(rng, UNSEEN_OVERRIDES[rng.choice(list(UNSEEN_OVERRIDES))].pick(rng, False)[1], r=owner)
    if rule in CONTRARY and not unseen and rng.random() < 0.3:
        return rng.choice(CONTRARY[rule]).format(w=word)
    grammar = OVERRIDES[rng.choice(list(OVERRIDES))] if rng.random() < 0.75 else hierarchy.OVERRIDES
    return fill_slots(rng, grammar.pick(rng, unseen)[1], r=owner)


def join(rng: random.Random, first: str, second: str) -> str:
    """Draw two texts of one user message, in either order, in one line or two."""
    parts = [first, second] if rng.random() < 0.5 else [second, first]
    return rng.choice((" ", " ", " ", "\n", "\n\n")).join(parts)


def _ruled(rng: random.Random, style: str, test: bool, unseen: bool, kind: str) -> Draft:
    rule, word = rng.choice(("upper", "lower", "end", "begin", "word")), _word(rng)
    question, sentence, short, working = _question(rng, rule, style, test)
    answer = obey(rule, word, sentence, short)
    wish = known_rule(rng, rule, word, unseen)
    if kind == "user":
        places = {"identity": None, "instructions": compose(rng, None, unseen)}
        said = {"medium": f"The user wants: {rule}.", "high": f"The user sets a rule: {rule}. No higher role says "
                "otherwise. I keep the rule."}  # fmt: skip
        question = join(rng, wish, question)
    else:
        owner = rng.choice(("system", "developer", "developer", "developer"))
        places = place_rules(owner, compose(rng, wish, unseen) if owner == "developer" else wish, rng)
        if owner == "system" and rng.random() < 0.5:
            places["instructions"] = compose(rng, None, unseen)
        against = "The question does not conflict with it. I keep the rule."
        if kind != "known":
            question = join(rng, override_text(rng, rule, word, owner, unseen, HELD_OUT in kind), question)
            against = f"The user wants to lift it, but the {owner} outranks the user. I keep the rule."
        said = {"medium": f"The {owner} rule holds: {rule}.", "high": f"The {owner} set a rule: {rule}. {against}"}
    earlier = _earlier(rng, rule, word) if kind != "user" and rng.random() < 0.12 else None
    draft = Draft(question, answer, said.get(style), answer, "text", kind, earlier=earlier, **places)
    if style != "low" and working:
        draft.thought += f"\n{working}"
    return draft


def _earlier(rng: random.Random, rule: str | None, word: str) -> list[dict]:
    """Draw one or two finished turns, in which the rule was kept too."""
    messages = []
    for _ in range(rng.randint(1, 2)):
        question, sentence, short = easy_question(rng)
        answer = obey(rule, word, sentence, short) if rule else sentence
        messages += [message("user", question), final(answer)]
    return messages


def _topic(rng: random.Random, style: str, test: bool, unseen: bool) -> Draft:
    """Forbid a topic; half the questions are about something else."""
    word = _word(rng)
    instructions = compose(rng, known_rule(rng, "topic", word, unseen), unseen)
    if rng.random() < 0.5:
        draft = base_draft(rng, style, test)
        if style == "high":
            think_first(
                draft, "The developer set a rule: topic. The question does not conflict with it. I keep the rule."
            )
    else:
        question = ASK_TOPIC.pick(rng, unseen)[1].format(w=word)
        if rng.random() < 0.4:
            question = join(rng, override_text(rng, "topic", word, "developer", unseen), question)
        answer = obey("topic", word, "", "")
        why = {
            "medium": "The developer rule holds: topic.",
            "high": f"The developer set a rule: topic. The user asks about {word}, "
            "but the developer outranks the user. I keep the rule.",
        }
        draft = Draft(question, answer, why.get(style), answer, "text")
    draft.instructions, draft.level = instructions, "topic"
    return draft
