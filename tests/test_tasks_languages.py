"""Test the tasks in fourteen languages.

Covers packs, answers recomputed from the question's text, digits, splits, graders and tokens.
"""

import random
import re
import unicodedata
from collections import Counter

import pytest

from gptoss_edu.harmony import Conversation, parse, render
from gptoss_edu.tasks import graders, languages
from gptoss_edu.tasks.example import RIGHT, STYLES, WRONG, Phrasings, held_out
from gptoss_edu.tasks.language_packs import CODES, TEXT, pack, refusals
from gptoss_edu.tasks.language_stories import KINDS, tell
from gptoss_edu.tasks.languages import TASKS, in_language
from gptoss_edu.tasks.mix import LANGUAGE_MIX, LANGUAGES, SPLITS, make_example
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.training.vocabulary import train_tokenizer

EXPECTED = {"ar", "bn", "zh", "fr", "de", "hi", "id", "it", "ja", "ko", "pt", "es", "sw", "yo"}
NATIVE = ("ar", "bn", "hi")


def plain(text: str) -> str:
    """Turn native digits into ASCII digits, independently of the graders."""
    return "".join(str(unicodedata.decimal(c)) if unicodedata.category(c) == "Nd" else c for c in text)


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", plain(text))]


def drafts(code: str, task: str, style: str = "medium", count: int = 30, test=False, unseen=False, level=None):
    for seed in range(count):
        yield in_language(random.Random(f"{task}{seed}"), code, task, style, test, unseen, level)


# -------------------------------------------------------------------------------------------------------------- packs


def test_there_are_fourteen_packs_and_each_says_how_it_was_checked():
    assert set(CODES) == EXPECTED and len(CODES) == 14
    for code in CODES:
        text = pack(code).text
        assert text["code"] == code and len(text["checked"]) > 20 and len(set(text["digits"])) == 10
        assert (text["digits"] != "0123456789") == (code in NATIVE)
        assert all(unicodedata.decimal(digit) == value for value, digit in enumerate(text["digits"]))


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_every_wording_of_a_pack_can_be_filled_in(code):
    """Draw from every list of patterns, on both sides of the split; a stray brace would raise an error."""
    for task in TASKS:
        for style in STYLES:
            for test, unseen in ((False, False), (True, False), (True, True)):
                for draft in drafts(code, task, style, 8, test, unseen):
                    assert not re.search(r"[{}\[\]]", draft.question + draft.final), draft.question
                    assert draft.question.strip() and draft.final.strip() and draft.language == code
    for kind in KINDS:
        for seed in range(12):
            tell(random.Random(seed), pack(code), "high", False, bool(seed % 2), kind)


def test_capitals_stand_in_the_same_order_in_every_pack():
    """`answer_in` finds a capital's name in another language by its position in the table."""
    kinds = {"Paris": 0, "Jakarta": 25, "Lima": 35, "Canberra": 39}
    latin = ("fr", "de", "id", "it", "pt", "es", "sw", "yo")
    english = [city for _, city in TEXT["english"]["capitals"]]
    assert len(english) == 40 and all(english[at] == city for city, at in kinds.items())
    for code in CODES:
        cities = [city for _, city in pack(code).facts["capital"]["items"]]
        assert len(cities) == 40 and len(set(cities)) == 40
        if code in latin:  # spelled alike except for a few letters
            bare = ["".join(c for c in unicodedata.normalize("NFD", city) if c.isascii()) for city in cities]
            shared = sum(
                theirs.split()[-1][:2].lower() == ours.split()[-1][:2].lower()
                for theirs, ours in zip(bare, english, strict=True)
            )
            assert shared >= 24, (code, shared)
            assert bare[0] in ("Paris", "Parigi") and bare[35] == "Lima" and bare[39][:2] == "Ca"


# ------------------------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize("code", CODES)
def test_products_and_sums_are_those_of_the_numbers_in_the_question(code):
    for draft in drafts(code, "product"):
        a, b = numbers(draft.question)[:2]
        assert str(a * b) == draft.answer and graders.by_number(draft.final, draft.answer), draft.question
        assert sorted(draft.level.split("x")) == sorted((str(len(str(a))), str(len(str(b)))))
    for draft in drafts(code, "addition"):
        a, b, *_ = numbers(draft.question)
        assert str(a + b) == draft.answer and graders.by_number(draft.final, draft.answer), draft.question


@pytest.mark.parametrize("code", CODES)
def test_chains_in_symbols_evaluate_to_their_answer(code):
    seen = 0
    for draft in drafts(code, "chain", count=60):
        found = re.search(r"\d+(?: ?[+-] ?\d+)+", re.sub("[−–]", "-", plain(draft.question)))
        if found:
            assert str(eval(found.group())) == draft.answer  # digits, plus and minus only
            seen += 1
        first = numbers(draft.question)[0]
        last = draft.thought.split("\n")[-1]
        assert last.endswith(f"={draft.answer}") and draft.thought.startswith(str(first))
    assert seen > 15


@pytest.mark.parametrize("code", CODES)
def test_counted_letters_are_counted_as_people_see_them(code):
    absent, phrases, english = 0, 0, 0
    for draft in drafts(code, "count", count=80):
        words, places = spelled_words(draft.thought)
        question, letters = draft.question.lower(), [letter for word in words for letter in word]
        assert all("".join(word) in question for word in words), draft.question
        assert sum(places) == int(draft.answer)
        asked = [c for c in dict.fromkeys(letters) if letters.count(c) == int(draft.answer)]
        if draft.answer == "0":
            absent += 1
        else:
            for word in words:
                question = question.replace("".join(word), "", 1)
            assert any(c in question for c in asked), draft.question
        phrases += len(words) > 1
        english += draft.level == "english"
        assert graders.by_number(re.sub(r"[«»「」“”„']", '"', draft.final), draft.answer), draft.final
    assert 2 <= absent <= 35 and phrases > 12 and english > 4


def spelled_words(thought: str) -> tuple[list[list[str]], list[int]]:
    """Return the letters of each line of a thought, and its count; check the numbered places and the sum."""
    lines = thought.split("\n")
    if len(lines) > 1:
        parts, total = lines.pop().split("=")
        counts = [int(line.rsplit(": ", 1)[1]) for line in lines]
        assert list(map(int, parts.split("+"))) == counts and sum(counts) == int(total)
    words, counts = [], []
    for line in lines:
        letters, count = line.rsplit(": ", 1)
        places = [letter for letter in letters.split(" ") if letter[-1].isdecimal()]
        assert len({letter.rstrip("0123456789") for letter in places}) <= 1
        assert [int(re.search(r"\d+$", letter)[0]) for letter in places] == list(range(1, int(count) + 1))
        words.append([letter.rstrip("0123456789") for letter in letters.split(" ")])
        counts.append(int(count))
    return words, counts


@pytest.mark.parametrize("code", CODES)
def test_chains_are_told_in_words_too(code):
    told = 0
    for draft in drafts(code, "chain", count=80):
        if draft.phrasing >= 200:
            told += 1
            assert numbers(draft.question) == [
                int(n) for line in draft.thought.split("\n") for n in re.match(r"(\d+)[-+](\d+)=", line).groups()
            ][:2] + [int(re.match(r"\d+[-+](\d+)=", line)[1]) for line in draft.thought.split("\n")[1:]]
    assert told > 8


@pytest.mark.parametrize("code", CODES)
def test_lists_are_sorted_and_keep_the_digits_of_the_question(code):
    falling = 0
    for draft in drafts(code, "sort", count=60):
        listed = numbers(draft.answer)
        assert sorted(numbers(draft.question)[: len(listed)]) == sorted(listed) or set(listed) <= set(
            numbers(draft.question)
        )
        assert listed in (sorted(listed), sorted(listed, reverse=True)) and graders.by_list(draft.final, draft.answer)
        falling += listed != sorted(listed)
        native = any(c.isdecimal() and not c.isascii() for c in draft.question)
        assert native == any(c.isdecimal() and not c.isascii() for c in draft.final)
        assert draft.thought.isascii() or code not in NATIVE
        by_length, way = draft.thought.split("\n")
        groups = [group.split(": ") for group in by_length.split("; ")]
        assert all(len(n) == int(length) for length, group in groups for n in group.split(" "))
        assert sorted(numbers(by_length)) == sorted(listed + [int(length) for length, _ in groups])
        assert way == f"{'up' if listed == sorted(listed) else 'down'}: {draft.answer}"
    assert 8 < falling < 45


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("style", ("medium", "high"))
def test_word_problems_are_worked_with_the_numbers_that_matter(code, style):
    """Each line of the thought is right, begins with the previous result, and uses a number of the question."""
    kinds = Counter()
    for draft in drafts(code, "word_problem", style, 400):
        if "=" not in draft.thought.split("\n")[0]:
            continue  # situations begin with their expression; tests/test_tasks_situations.py tests them
        kinds[draft.level] += 1
        said = numbers(draft.question)
        words = len(said)
        lines = [
            line for line in draft.thought.replace(WRONG, "").replace(RIGHT, "").split("\n") if "bad, redo" not in line
        ]
        total, known = None, set(said)
        for line in lines:
            a, op, b = re.match(r"(\d+)([-+*/])(\d+)", line).groups()
            a, b = int(a), int(b)
            value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[op]
            shown = re.search(r"=(\d+)$" if style == "medium" else r">(\d+) ", line)
            assert int(shown.group(1)) == value and value >= 0, line
            assert (a in known or a <= 20) and b in known, (draft.question, line)  # up to twenty may be in words
            total = int(value)
            known.add(total)
        assert str(total) == draft.answer and graders.by_number(draft.final, draft.answer)
        if draft.level.isdigit():
            assert steps_of(lines, style) == int(draft.level) <= words
    assert set(kinds) == {"1", "2", "3", "4", "5", *KINDS} - {"pile"}


def steps_of(lines: list[str], style: str) -> int | None:
    """Return how many things happen to the pile; packs take two lines, one to work them out and one to add them."""
    shown = r"=(\d+)$" if style == "medium" else r">(\d+) "
    sums = []
    for line in lines:
        a, op, b = re.match(r"(\d+)([-+*/])(\d+)", line).groups()
        sums.append((int(a), op, int(b), int(re.search(shown, line).group(1))))
    for start in {sums[0][0], sums[min(1, len(sums) - 1)][0]}:
        pile, count, i = start, 0, 0
        while i < len(sums):
            a, op, _, value = sums[i]
            if op == "*" and i + 1 < len(sums) and sums[i + 1][:3] == (pile, "+", value):
                i, value = i + 1, sums[i + 1][3]
            elif a != pile:
                break
            pile, count, i = value, count + 1, i + 1
        if i >= len(sums):
            return count
    return None


def test_irrelevant_numbers_are_told_but_never_used():
    """Put the first of a pack's asides into every story, with a number that must not occur in any sum."""
    for code in CODES:
        with_aside = 0
        for draft in drafts(code, "word_problem", "medium", 60, level="3"):
            used = set(map(int, re.findall(r"\d+", draft.thought)))
            with_aside += bool(set(numbers(draft.question)) - used)
        assert with_aside > 10, code


@pytest.mark.parametrize("code", CODES)
def test_facts_are_those_of_the_pack_and_refusals_its_sentence(code):
    for draft in drafts(code, "fact"):
        assert graders.by_contained(draft.final, draft.answer), draft.final
        pairs = pack(code).facts[draft.level]["items"]
        assert any(b == draft.answer and f"{a}: {b}" == draft.thought for a, b in pairs)
    for draft in drafts(code, "refusal"):
        assert draft.final == refusals()[code] and graders.is_refusal(draft.final, code)
        assert not graders.is_refusal(draft.final, "en") and graders.GRADERS["refusal"](draft.final, draft.answer)
        other = "de" if code != "de" else "fr"
        assert not graders.GRADERS["refusal"](refusals()[other], draft.answer)


def test_an_answer_in_another_language_is_that_languages_sentence():
    asked = Counter()
    for seed in range(400):
        code = ("en", *CODES)[seed % 15]
        example = make_example(random.Random(f"in{seed}"), "answer_in", "", "medium", "train", code)
        target = example.level
        sentence = TEXT["english"]["answer"] if target == "en" else pack(target).text["answer_in"]["answer"]
        final = example.messages[-1]["content"][0]["text"]
        assert plain(final) == plain(sentence.format(r=example.answer)), (final, target)
        asked["developer" if example.messages[1]["role"] == "developer" else "user"] += 1
        asked["other"] += target != code
    assert asked["developer"] > 80 and asked["user"] > 150 and asked["other"] > 250


# ------------------------------------------------------------------------------------------------------ digits, splits


def test_a_question_without_words_is_never_of_another_language():
    """ "12 x 34" has no language and is always answered in English, so no other language may ask it."""
    assert (
        languages.tells_language("12 de 3")
        and languages.tells_language("積 12 3")
        and languages.tells_language("३ × ४")
    )
    assert not languages.tells_language("12 x 34 = ?") and not languages.tells_language("3 + 4 - 1")
    bare = {code: 0 for code in CODES}
    for code in CODES:
        for draft in drafts(code, "product", count=150):
            assert languages.tells_language(draft.question)
            bare[code] += not any(c.isalpha() for c in draft.question)
    assert all((bare[code] > 0) <= (code in NATIVE) for code in CODES)


@pytest.mark.parametrize("code", NATIVE)
def test_native_digits_come_in_two_fifths_of_the_questions_and_stay_out_of_thoughts(code):
    native = 0
    for draft in drafts(code, "product", "high", 200):
        own = [c for c in draft.question if c.isdecimal() and not c.isascii()]
        native += bool(own)
        if own:
            assert not re.search("[0-9]", draft.question + draft.final)
        assert draft.thought.replace(WRONG, "").replace(RIGHT, "").isascii()
    assert 55 < native < 105


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_splits_are_disjoint(code, monkeypatch):
    picked, pick = [], Phrasings.pick

    def noted(self, rng, unseen):
        number, wording = pick(self, rng, unseen)
        picked.append(any(wording in wordings for _, wordings in self.sides[1]))
        return number, wording

    monkeypatch.setattr(Phrasings, "pick", noted)
    for split in SPLITS:
        for task in TASKS:
            for seed in range(12):
                picked.clear()
                make_example(random.Random(f"{seed}"), task, split=split, language=code)
                assert picked or task == "word_problem", (
                    "only a situation has no pattern: whole situations are held out"
                )
                assert all(held == (split == "phrasing") for held in picked), (task, split)
    for test in (False, True):
        for draft in drafts(code, "product", count=40, test=test, level="3x2"):
            a, b = sorted(numbers(draft.question)[:2], reverse=True)  # some wordings name the second one first
            assert held_out(a, b) is test
        for draft in drafts(code, "word_problem", count=40, test=test, level="3"):
            start = first_of_pile(draft.thought)
            assert start is None or held_out(start) is test


def first_of_pile(thought: str) -> int | None:
    """Return the number that the first line begins with, or the second line if the first works out packs.

    None means that it is unclear.
    """
    starts = [re.match(r"(\d+)([-+*/])(\d+)=(\d+)", line) for line in thought.split("\n")]
    first, second = starts[0], starts[1]
    if first.group(2) == "*" and second.group(2) == "+":
        return int(second.group(1)) if second.group(1) != first.group(4) else None
    return int(first.group(1))


@pytest.mark.slow
def test_every_language_is_about_equally_often_drawn():
    drawn = [make_example(random.Random(f"often{seed}")) for seed in range(6000)]
    found = Counter(example.language for example in drawn)
    english = found.pop("en")
    assert abs(1 - english / 6000 - LANGUAGES) < 0.03 and set(found) == EXPECTED
    assert max(found.values()) < 1.5 * min(found.values())
    tasks = Counter(example.task for example in drawn if example.language != "en")
    assert set(tasks) == set(LANGUAGE_MIX) == set(TASKS)
    for task, weight in LANGUAGE_MIX.items():
        assert abs(tasks[task] / tasks.total() - weight) < 0.02, task
    assert abs(sum(LANGUAGE_MIX.values()) - 1) < 1e-9


# ------------------------------------------------------------------------------------------------------------ graders


def test_graders_read_every_scripts_digits_and_marks():
    assert graders.by_number("الناتج هو ١٢٣٤.", "1234") and graders.by_number("積は３５７５です。", "3575")
    assert (
        graders.by_number("Le produit est 41 992 745.", "41992745".replace(" ", "")) is False
    )  # plain blanks separate numbers
    assert graders.by_number("Le produit est 41\u202f992\u202f745.", "41992745")
    assert graders.by_number("الناتج ١٬٢٣٤", "1234") and graders.by_number("गुणनफल १,२३,४५६ है।", "123456")
    assert not graders.by_number("১২৩৫", "1234")
    assert graders.by_list("٩، ١٢، ٣٣", "9, 12, 33") and graders.by_list("9、12、33。", "9, 12, 33")
    assert not graders.by_list("٩، ٣٣، ١٢", "9, 12, 33")
    assert graders.by_contained("कुत्ते के ४ पैर हैं।", "4") and not graders.by_contained("৪২", "4")
    assert graders.by_contained("フランスの首都はパリです。", "パリ") and not graders.by_contained("Parigina", "Parigi")


# ------------------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize("code", CODES)
def test_conversations_render_parse_and_fit(code):
    encoding = load_tokenizer()
    for seed in range(40):
        example = make_example(random.Random(f"fit{seed}"), language=code)
        conversation = Conversation.from_dict(example.conversation)
        tokens = render(conversation, None, encoding, training=True, drop_analysis="finished_turns")
        kept = parse(tokens, encoding=encoding)
        assert kept[-1].content[0].text == example.messages[-1]["content"][0]["text"]
        assert kept[len(kept) - 1].channel == "final" and len(tokens) < 2048


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    return train_tokenizer(tmp_path_factory.mktemp("vocabulary"), examples=1500)


@pytest.mark.slow
def test_digits_of_every_script_are_single_tokens(vocabulary):
    for code in ("en", *CODES):
        digits = "0123456789" if code == "en" else pack(code).digits
        assert all(len(vocabulary.encode(digit)) == 1 for digit in digits), code
        assert len(vocabulary.encode(digits)) == 10
    for token in vocabulary.token_byte_values():
        text = token.decode("utf-8", "ignore")
        assert sum(c.isdecimal() for c in text) <= 1, text


@pytest.mark.parametrize("code", CODES)
def test_a_vocabulary_returns_any_text_and_knows_the_scripts(vocabulary, code):
    rng = random.Random(code)
    letters = sorted({c for draft in drafts(code, "word_problem") for c in draft.question})
    for _ in range(50):
        text = "".join(rng.choice([*letters, chr(rng.randrange(32, 0xD800)), "\u0301", "\u200d"]) for _ in range(40))
        assert vocabulary.decode(vocabulary.encode(text)) == text
    sizes = [len(vocabulary.encode(c)) for draft in drafts(code, "word_problem") for c in draft.question if c.isalpha()]
    assert sum(sizes) <= 2.2 * len(sizes)  # they take one to three bytes in UTF-8
