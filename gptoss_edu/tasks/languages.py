"""Questions in other languages than English: the tasks of the small world in the wordings of a language pack.

The thought is the one that English questions have, bare arithmetic or spelled letters, so that what is learned about
sums in one language serves all. The answer is a sentence of the question's language, unless another one is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from .arithmetic import addition as english_addition
from .arithmetic import factors, product, product_thought, slips, sum_thought, summands
from .chains import chain as english_chain
from .chains import chain_sum, in_symbols, steps_thought
from .example import Draft, Phrasings, draw
from .language_packs import CODES, COUNTED, NATIVE, TEXT, Pack, pack
from .language_stories import tell
from .letters import count_letters, count_thought
from .prose import prose
from .read_wordings import wordings
from .sorting import draw_numbers, order_thought
from .stories import word_problem


def _product(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, level: str | None) -> Draft:
    a, b, level = factors(rng, test, level)
    index, template = pack.pick(rng, "product", "questions", unseen)
    thought = product_thought(rng, a, b, style, slips(rng, a, b))
    return _numbered(pack, "product", template.format(a=a, b=b), a * b, thought, level, index)


def _addition(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, level: str | None) -> Draft:
    a, b, level = summands(rng, "+", test, level)
    index, template = pack.pick(rng, "addition", "questions", unseen)
    return _numbered(
        pack, "addition", template.format(a=a, b=b), a + b, sum_thought(rng, a, "+", b, style), level, index
    )


def _chain(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, level: str | None) -> Draft:
    first, steps = chain_sum(rng, test, level or ("2" if rng.random() < 0.12 else None))
    kind = rng.random()
    if kind < 0.5:
        index, template = pack.pick(rng, "chain", "questions", unseen)
        question = template.format(s=in_symbols(rng, first, steps))
    elif kind < 0.75:
        index, template = pack.pick(rng, "chain", "worded", unseen)
        step = {op: rng.choice(pack.text["chain"][word]) for op, word in (("+", "add"), ("-", "subtract"))}
        question, index = template.format(w=str(first) + "".join(step[op].format(b=b) for op, b in steps)), 100 + index
    else:
        index, question = _told(rng, pack, first, steps, unseen)
    thought, total = steps_thought(rng, first, steps, style)
    return _numbered(pack, "chain", question, total, thought, str(len(steps) + 1), index)


def _told(rng: random.Random, pack: Pack, first: int, steps: list[tuple[str, int]], unseen: bool) -> tuple[int, str]:
    """Return (number of the way to tell, a chain told in words): a beginning, each step in fresh words, a question."""
    number = rng.randrange(len(pack.text["chain"]["told"]))
    told = pack.text["chain"]["told"][number]
    text = pack.pick(rng, f"chain.told.{number}", "start", unseen)[1].format(a=first)
    for op, b in steps:
        text += rng.choice(told["add" if op == "+" else "subtract"]).format(b=b)
    return 200 + number, text + pack.pick(rng, f"chain.told.{number}", "ask", unseen)[1]


def _count(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, level: str | None) -> Draft:
    """Ask how often a letter occurs in a word or a phrase of the language or of English."""
    letter, kind = None, level if level in COUNTED else rng.choices(list(COUNTED), list(COUNTED.values()))[0]
    while letter is None:
        words = list(draw(rng, test, lambda: tuple(pack.counted(rng, kind))))
        spelled = [pack.letters(word.lower()) for word in words]
        letters = [letter for word in spelled for letter in word]
        inside = pack.askable(letters)
        letter = pack.asked(rng, inside) if inside and rng.random() < 0.86 else pack.absent(rng, letters, kind)
    text = pack.joined(rng, words, kind)
    table = "questions" if len(words) == 1 else "phrase_questions"
    index, template = pack.pick(rng, "count", table, unseen)
    called = pack.letter_name(rng, letter) if len(words) == 1 else letter
    question, total = template.format(c=called, w=text), letters.count(letter)
    draft = _numbered(pack, "count", question, total, None, kind, index + 100 * (len(words) > 1), c=letter)
    draft.thought = count_thought(rng, spelled, letter, style)
    return draft


def _sort(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, level: str | None) -> Draft:
    count = int(level) if level else rng.choice((2, 3, 4, 4, 5, 5, 6, 7, 8, 9))
    items = list(draw(rng, test, lambda: tuple(draw_numbers(rng, count))))
    down = rng.random() < 0.4
    index, template = pack.pick(rng, "sort", "questions_down" if down else "questions_up", unseen)
    mark = pack.list_mark if rng.random() < 0.5 else ", "
    ordered = sorted(items, reverse=down)
    text, answer = mark.join(map(str, ordered)), ", ".join(map(str, ordered))
    question = template.format(l=pack.listed(rng, list(map(str, items)), mark))
    thought = order_thought(rng, items, ordered, down, style)
    return Draft(question, text, thought, answer, "list", str(count), phrasing=index)


def _fact(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, level: str | None) -> Draft:
    kind = level or rng.choices(list(pack.facts), [3 if k in ("capital", "opposite") else 1 for k in pack.facts])[0]
    a, b = rng.choice(pack.facts[kind]["items"])
    index, template = pack.pick(rng, "fact", kind, unseen)
    text = pack.facts[kind]["answer"].format(a=a, b=b)
    thought = {"low": None, "medium": f"{a}: {b}", "high": f"{a}?\n{a}: {b}"}[style]
    text = text[0].upper() + text[1:]
    return Draft(template.format(a=a), text, thought, b, "contains", kind, phrasing=index)


def _refusal(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, level: str | None) -> Draft:
    """Draw a question outside the small world, or (one in four) a product too long for it or one with decimals."""
    kind = "foreign" if unseen or rng.random() < 0.75 else "near miss"
    if kind == "foreign":
        index, question = pack.pick(rng, "refusal", "questions", unseen)
    else:
        index, template = pack.pick(rng, "product", "questions", unseen)
        long = str(rng.randrange(10_000, 10 ** rng.randint(5, 9)))
        decimal = f"{rng.randrange(1, 100)}.{rng.randrange(1, 100)}"
        numbers = [rng.choice((long, long, decimal)), str(rng.randrange(2, 10 ** rng.randint(1, 6)))]
        rng.shuffle(numbers)
        question, index = template.format(a=numbers[0], b=numbers[1]), -1
    sentence = pack.text["refusal"]["answer"]
    return Draft(question, sentence, sentence if style == "high" else None, sentence, "refusal", kind, phrasing=index)


def _chat(rng: random.Random, pack: Pack, style: str, test: bool, unseen: bool, level: str | None) -> Draft:
    kind = level or rng.choice(("hello", "thanks"))
    index, question = pack.pick(rng, "chat", kind, unseen)
    sentence = pack.text["chat"][f"{kind}_answer"]
    return Draft(question, sentence, None, sentence, "text", kind, phrasing=index)


def _numbered(
    pack: Pack, table: str, question: str, value: int, thought: str | None, level: str, index: int, **words
) -> Draft:
    """Return a draft whose answer is one number in the pack's sentence."""
    text = pack.text[table]["answer"].format(r=value, **words)
    return Draft(question, text, thought, str(value), level=level, phrasing=index)


# ------------------------------------------------------------------------------------------- another language's answer

CAPITALS = 0.15  # share of them among the questions that want another language's answer
OVERRULED = 0.15  # share of the developers' requests beside which the user asks for yet another language
ENGLISH_REQUEST = Phrasings(*TEXT["english"]["own"])
ENGLISH_CAPITAL = Phrasings(*wordings("facts")["kinds"]["capital"])
_ENGLISH = {
    "product": product, "addition": english_addition, "chain": english_chain, "word_problem": word_problem,
    "count": count_letters, "prose": prose,
}  # fmt: skip


def answer_in(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw an English question with a request for another language; ``level``: that language's code."""
    target = level or rng.choice(CODES)
    if rng.random() < CAPITALS:
        return _capital_in(rng, None, style, unseen, target)
    return _asked_in(rng, rng.choice(list(_ENGLISH.values()))(rng, style, test, unseen), target, True, unseen)


def _answer_in(rng: random.Random, source: Pack, style: str, test: bool, unseen: bool, level: str | None) -> Draft:
    """Draw a question in the pack's language, its answer wanted in another, in English, or in this one."""
    target = level or rng.choice((*CODES, "en", "en", source.code, source.code))
    if rng.random() < CAPITALS:
        return _capital_in(rng, source, style, unseen, target)
    kind = rng.choice(("product", "addition", "chain", "word_problem", "count"))
    return _asked_in(rng, TASKS[kind](rng, source, style, test, unseen, None), target, False, unseen)


def _capital_in(rng: random.Random, source: Pack | None, style: str, unseen: bool, target: str) -> Draft:
    """Draw a capital that is asked for in one language (None: English) and named in another."""
    number = rng.randrange(len(TEXT["english"]["capitals"]))
    a, b = (source.facts["capital"]["items"] if source else TEXT["english"]["capitals"])[number]
    index, template = source.pick(rng, "fact", "capital", unseen) if source else ENGLISH_CAPITAL.pick(rng, unseen)
    there = TEXT["english"]["capitals"] if target == "en" else pack(target).facts["capital"]["items"]
    name = there[number][1]
    thought = {"low": None, "medium": f"{a}: {b}, {name}", "high": f"{a}?\n{a}: {b}\n{b}: {name}"}[style]
    draft = Draft(template.format(a=a), "", thought, name, "contains", phrasing=index)
    return _asked_in(rng, draft, target, source is None, unseen)


def _request(rng: random.Random, target: str, english: float, unseen: bool) -> str:
    """Return "Answer in French", in English with the given probability, else in the wanted language."""
    if target == "en":
        return ENGLISH_REQUEST.pick(rng, unseen)[1]
    return pack(target).pick(rng, "answer_in", "english" if rng.random() < english else "own", unseen)[1]


def _asked_in(rng: random.Random, draft: Draft, target: str, english: bool, unseen: bool) -> Draft:
    """Add a request for an answer in ``target`` to the draft, by the user or by the developer, who counts more."""
    share = 0.65 if english else 0.4
    request, by_developer = _request(rng, target, share, unseen), rng.random() < 0.35
    if by_developer:
        draft.instructions = request
        request = _request(rng, rng.choice(CODES), share, unseen) if rng.random() < OVERRULED else ""
    if request:
        draft.question = f"{draft.question} {request}" if rng.random() < 0.7 else f"{request} {draft.question}"
    answer = TEXT["english"]["answer"] if target == "en" else pack(target).text["answer_in"]["answer"]
    draft.final, draft.level = answer.format(r=draft.answer), target
    return draft


TASKS: dict[str, Callable[..., Draft]] = {
    "product": _product, "addition": _addition, "chain": _chain, "word_problem": tell, "count": _count, "sort": _sort,
    "fact": _fact, "refusal": _refusal, "chat": _chat, "answer_in": _answer_in,
}  # fmt: skip
SHORT = ("fact", "addition", "product", "count", "chat")  # what may stand as an earlier turn


def in_language(
    rng: random.Random, code: str, task: str, style: str, test: bool, unseen: bool, level: str | None = None
) -> Draft:
    """Draw one draft in a language, its question dressed and, where that is usual, with the language's own digits."""
    language, draft = pack(code), None
    while draft is None or not tells_language(draft.question):
        draft = TASKS[task](rng, language, style, test, unseen, level)
        if task != "chat":
            draft.question = language.dress(rng, draft.question)
        if task not in ("count", "answer_in"):
            draft.question = language.typed(rng, draft.question)
        if rng.random() < NATIVE:
            draft.question = draft.question.translate(language.own_digits)
            if task != "answer_in" or draft.level == code:
                draft.final = draft.final.translate(language.own_digits)
    draft.language = code
    if draft.instructions is None and rng.random() < 0.15:
        draft.instructions = harmless(rng, code)
    return draft


def tells_language(question: str) -> bool:
    """Return whether the question holds words or digits of its language.

    A bare "12 x 34" is English, or no answer is certain.
    """
    letters = [c for c in question if (c.isalpha() and c not in "x×") or (c.isdecimal() and not c.isascii())]
    return len(letters) >= 2 or any(not c.isascii() for c in letters)


def harmless(rng: random.Random, code: str | None = None) -> str:
    """Draw a developer's instruction that changes nothing, mostly in the given language."""
    if code is None or rng.random() < 0.3:
        code = rng.choice(CODES)
    return pack(code).any(rng, "rules", "harmless")


def finished_turn(rng: random.Random, code: str) -> Draft:
    """Draw a short question with its answer, as it stands earlier in a long chat."""
    task = rng.choice(SHORT)
    return in_language(rng, code, task, "low", False, False, "2x2" if task == "product" else None)
