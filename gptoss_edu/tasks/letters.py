"""Letters and lists: counting, and reversing."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, mark
from .example import Draft, Phrasings, draw
from .words import any_word

# {c}: the letter · {w}: the words · {t}: "", "the word ", "the text " …
COUNT = Phrasings(
    'How many times does ["{c}"|{c}|the letter {c}|the letter "{c}"] [occur|appear|come up|show up|turn up|stand] in {t}["{w}"|{w}]?',
    'How [often|frequently] does ["{c}"|{c}|the letter {c}|the letter "{c}"] [occur|appear|come up|show up|stand] in {t}["{w}"|{w}]?',
    'How [often|many times] is ["{c}"|{c}|the letter {c}|the letter "{c}"] [found|used|contained|written|present|included] in {t}["{w}"|{w}]?',
    'How [often|many times] [do you see|can you see|do you find|can you find|do we read|can I find] ["{c}"|{c}|the letter {c}] in {t}["{w}"|{w}]?',
    "How many {c}'s [are|are there|occur|appear|do you see|can you find|do you count|stand|show up] in {t}['{w}'|{w}]?",
    'How many ["{c}"|{c}|letters {c}|letters "{c}"] [are|are there|can be found|can you find|do you count|do you see|occur|appear|stand|come up] in {t}["{w}"|{w}]?',
    'How many ["{c}"|{c}|letters {c}|of the letter {c}] does ["{w}"|{w}] [have|contain|hold|include]?',
    'How many [occurrences|instances|appearances] of ["{c}"|{c}|the letter {c}] [are there|are|do you find|do you count] in {t}["{w}"|{w}]?',
    'Count the [letter|letters|character] ["{c}"|{c}] in {t}["{w}"|{w}].',
    '[Count|Please count|Find out|Work out|Determine|Check|Tell me|Say|Show me] how many ["{c}"|{c}|letters {c}] [there are|occur|appear|stand|are found] in {t}["{w}"|{w}].',
    '[Tell me|Find out|Count|Say|Determine|Check] how [often|many times] ["{c}"|{c}|the letter {c}] [occurs|appears|stands|comes up|is found] in {t}["{w}"|{w}].',
    '[Number of|Count of|Occurrences of|Frequency of|How many] [{c}|"{c}"] in {t}["{w}"|{w}][?|]',
    '[count|Count|Please count|Count up|Tally] [{c}|"{c}"|every {c}|each {c}|every "{c}"] in {t}["{w}"|{w}][|.]',
    '[Find|Give me|Determine|Work out|Get|Calculate|Write down] the [number|count|total number|frequency] of ["{c}"|{c}|letters {c}] in {t}["{w}"|{w}].',
    '[Find|Count|Tally|Add up|Count up] the [occurrences|appearances|instances] of ["{c}"|{c}|the letter {c}] in {t}["{w}"|{w}][.|, please.]',
    '[Look at|Take|Read|Consider] ["{w}"|{w}]. How many [{c}|"{c}"|letters {c}] [does it hold|does it contain|are in it|does it have]?',
    '[Look at|Take|Read|Consider|Look closely at] {t}["{w}"|{w}]. How many [{c}|"{c}"] [do you see|are there|do you find|do you count|can you spot]?',
    '[What is|What\'s] the [count|number|total|frequency] of ["{c}"|{c}|letters {c}] in {t}["{w}"|{w}]?',
    "{w}: how many [{c}|letters {c}|{c}'s][| are there| does it have| do you count| do you see]?",
    'In {t}["{w}"|{w}], how [many times|often] do you [see|find|read|count] ["{c}"|{c}|the letter {c}]?',
    'In {t}["{w}"|{w}], how [many times|often] does ["{c}"|{c}|the letter {c}] [occur|appear|come up|show up]?',
    'In {t}["{w}"|{w}], how many ["{c}"|{c}|letters {c}] [are there|do you see|are used|can you find]?',
    '[I want to know|I\'d like to know|I need to know|I wonder|I would like to find out|I have to find out] how [often|many times] ["{c}"|{c}|the letter {c}] [occurs|appears|comes up|stands] in {t}["{w}"|{w}].',
    "[I need|I want|I'd like|I would like|I am looking for] [the number|the count|a count] of [letters {c}|{c}'s|the letter {c}] in {t}{w}.",
    '[Can|Could|Would] you [please |]count [the letter {c}|every {c}|each "{c}"|all letters {c}] in {t}["{w}"|{w}]?',
    '[Could you tell me|Can you tell me|Do you know|Can you say] how [often|many times] ["{c}"|{c}|the letter {c}] [occurs|appears|is used|shows up] in {t}["{w}"|{w}]?',
    "[Could you tell me|Can you tell me|Do you know|Can you work out] how many [{c}'s|{c}|letters {c}] [there are|are|you find|occur] in {t}{w}?",
    'how many [{c}|"{c}"|letters {c}] in {t}["{w}"|{w}][?|]', '[how often|how many times] [{c}|"{c}"|the letter {c}] in {t}["{w}"|{w}][?|]',
    'Letter [count|counting|frequency|tally]: [{c}|"{c}"] in {t}["{w}"|{w}][.|]',
    '[Go through|Read through|Read|Spell|Look through|Check|Scan] {t}["{w}"|{w}] [letter by letter |]and count [the letter {c}|every {c}|each {c}|the letters {c}].',
    'The letter ["{c}"|{c}]: how [often|many times] does it [occur|appear|stand|come up|show up] in {t}["{w}"|{w}]?',
    'The letter ["{c}"|{c}] [occurs|appears|stands|comes up|is found|is used] how [often|many times] in {t}["{w}"|{w}]?',
    'What number of [{c}|"{c}"|letters {c}] [are there|do you find|can you count|do you see] in {t}["{w}"|{w}]?',
    'How many of the [letters|characters] [in|of] {t}["{w}"|{w}] are ["{c}"|{c}|the letter {c}]?', 'How many [letters|characters] [in|of] {t}["{w}"|{w}] [are|equal] ["{c}"|{c}]?',
    "[Count|Please count|Count up|Tally|Add up] [all |all the |the |]{c}'s in {t}{w}.", "[Tell me|Say|Find out|Write down|Work out] how many {c}'s [there are|you see|are|you can find|occur] in {t}{w}.",
    'Does ["{c}"|the letter {c}|{c}] [occur|appear|come up|stand] in {t}["{w}"|{w}], and how [often|many times]?',
    'With how many ["{c}"|{c}|letters {c}] is ["{w}"|{w}] [written|spelled|spelt]?', 'How many ["{c}"|{c}|letters {c}] do [you|I|we] need to [write|spell] {t}["{w}"|{w}]?',
    'When you [spell|write] {t}["{w}"|{w}], how [often|many times] do you [use|need|come across] ["{c}"|the letter {c}|{c}]?',
    'At how many [places|positions] does ["{c}"|the letter {c}|{c}] [stand|occur|appear] in {t}["{w}"|{w}]?', 'How [often|many times] did I [write|use|type] ["{c}"|the letter {c}|{c}] in {t}["{w}"|{w}]?',
    '{w} [contains|has|holds|includes] how many ["{c}"|{c}|letters {c}]?', '[Make|Do|Give me] a count of [{c}|"{c}"|the letter {c}|letters {c}] in {t}["{w}"|{w}].',
    '[Here is a text|The text|My text|Given]: [{w}|"{w}"]. How [many times|often] does ["{c}"|the letter {c}|{c}] [occur|appear|come up] in it?',
)  # fmt: skip
TITLES = (
    ("", "", "", "", "the word ", "the word "),
    ("", "", "", "", "the words ", "the text ", "the phrase ", "the line "),
)  # one word, several


def spelled(word: str) -> str:
    return " ".join(word)


def count_letters(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """How often a letter stands in one to four words."""
    count = int(level) if level else rng.choice((1, 1, 2, 3, 4))
    words = list(draw(rng, test, lambda: tuple(any_word(rng) for _ in range(count))))
    letter = rng.choice("".join(words)) if rng.random() < 0.85 else rng.choice("abcdefghijklmnopqrstuvwxyz")
    total = sum(word.count(letter) for word in words)
    index, template = COUNT.pick(rng, unseen)
    question = template.format(c=letter, w=" ".join(words), t=rng.choice(TITLES[count > 1]))
    return Draft(
        question, f'The letter "{letter}" occurs {total} {"time" if total == 1 else "times"}.', count_thought(rng, words, letter, style),
        str(total), level=str(count), phrasing=index,
    )  # fmt: skip


def count_thought(rng: random.Random, words: list[str], letter: str, style: str) -> str | None:
    """Medium: spell each word and give its count. High: a running count at every letter, then the marked places."""
    if style == "low":
        return None
    if style == "medium":
        parts = [f"{spelled(word)}: {word.count(letter)}" for word in words]
        return "\n".join(parts) + (
            "\n" + "+".join(str(w.count(letter)) for w in words) + f"={sum(w.count(letter) for w in words)}"
            if len(words) > 1
            else ""
        )
    lines, total, error = [], 0, rng.random() < ERROR_RATE
    error_word = rng.randrange(len(words)) if error else -1
    for i, word in enumerate(words):
        if i == error_word and word.count(letter):
            skipped = rng.choice([j for j, c in enumerate(word) if c == letter])
            lines.append(running(word, letter, total, skipped) + " bad, redo")
        lines.append(running(word, letter, total) + " ok")
        total += word.count(letter)
    return f"count {letter}\n" + "\n".join(lines) + f"\ntotal {total}"


def running(word: str, letter: str, start: int, skipped: int = -1) -> str:
    """'b0 a1 n1 a2 n2 a3; at 2,4,6: 3': the count after each letter, and the places as a check."""
    count, parts = start, []
    for i, c in enumerate(word):
        count += c == letter and i != skipped
        parts.append(f"{c}{mark(count) if i == skipped else count}")
    places = [str(i + 1) for i, c in enumerate(word) if c == letter]
    return (
        f"{' '.join(parts)}; at {','.join(places) if places else 'none'}: {start}+{len(places)}={start + len(places)}"
    )


# ---------------------------------------------------------------------------------------------------------- reversing

REVERSE = Phrasings(
    '[Reverse|Flip|Invert|Turn around|Mirror] [|the word |the string |this word: ]["{w}"|{w}][.|, please.]',
    '[Write|Spell|Say|Type|Read|Show me|Give me|Tell me|Print] [{w}|the word {w}] [backwards|backward|in reverse|reversed|back to front|from back to front].',
    '[Write|Spell|Read|Say|Type|Print|Show] [{w}|the word {w}] [from right to left|from the end to the start|from the last letter to the first|from end to beginning|in the opposite direction|the other way round|starting with the last letter|from its end].',
    '[What is|What\'s|What would be] [{w}|"{w}"] [reversed|backwards|backward|in reverse|back to front|from right to left|turned around|spelled backwards|written backwards|mirrored|flipped]?',
    '[What is|What\'s|Give me|Write|Show me|Tell me|Find|I need] the [reverse|reversal|mirror image|reversed form|backward spelling] of [{w}|"{w}"][|, please].',
    '[Reverse|Flip|Invert|Turn around|Mirror] the [letters|order of the letters|letter order|characters|spelling] [of|in] [{w}|"{w}"].',
    '["{w}"|{w}] [backwards|backward|reversed|in reverse|back to front|from right to left|mirrored|flipped|from the end][?|.|, please|, please.]',
    '{w}: [reverse|reversed|backwards|reverse it|write it backwards|spell it backwards|flip it|turn it around|in reverse|mirror it|from right to left][|.]',
    '[Reverse|Reversed|Reversal|Backwards|In reverse|To be reversed|Back to front|From right to left|Mirrored|Please reverse|Flip|reverse this]: {w}',
    'Turn [|the word ]["{w}"|{w}] [around|round|back to front|the other way round|backwards][.|, please.]', 'Flip [|the word ]["{w}"|{w}] [around|over|back to front|so that it reads backwards][.|, please.]',
    '[Can|Could|Would|Will] you [please |][reverse|flip|turn around|mirror|invert] [{w}|the word {w}|the letters of {w}]?',
    '[Can|Could|Would] you [please |][write|spell|say|read|type] [{w}|"{w}"] [backwards|in reverse|back to front|from right to left|from the end to the start]?',
    'How do [you|I] [write|spell|say|read] [{w}|the word {w}] [from back to front|backwards|backward|in reverse|from right to left|the other way round|from the end]?',
    'How is [|the word ]["{w}"|{w}] [spelled|written|read] [backwards|in reverse|from right to left|back to front]?', 'How would you [spell|write|read] [|the word ]["{w}"|{w}] [backwards|in reverse|from right to left|back to front]?',
    'What does [|the word ]["{w}"|{w}] look like [backwards|reversed|in reverse|in a mirror|back to front|from right to left|turned around|when you flip it|when it is reversed]?',
    'How does [{w}|the word {w}] [look|read|go] [backwards|reversed|in reverse|back to front|from right to left|from the end to the start|when reversed]?',
    'What do you get [if|when] you [reverse|flip|turn around|mirror|invert] [{w}|the word {w}|the letters of {w}]?',
    'What do you [get|read] [if|when] you [read|write|spell] [{w}|the word {w}] [backwards|from right to left|from the end|in reverse|back to front]?',
    '[I need|I want|I\'d like|I would like|Let me see|Let me have] [{w}|the word {w}] [backwards|reversed|in reverse|back to front|spelled backwards|written backwards|from right to left|turned around].',
    '[I want|I\'d like|I need|I would like] to [reverse|flip|turn around|mirror] [{w}|the word {w}|the letters of {w}].', "[I want to know|I'd like to know|I wonder|I would like to know] [how {w} reads|what {w} is|how {w} is spelled|what {w} looks like] [backwards|in reverse|from right to left|back to front].",
    '[Could you tell me|Can you tell me|Do you know|Can you say] [what {w} is|how {w} is spelled|how {w} reads|what {w} looks like] [backwards|reversed|in reverse|from right to left|back to front]?',
    '[Say|Write|List|Name|Give|Give me|Read out|Type|Spell out] the [letters|characters] of [{w}|the word {w}|"{w}"] [in reverse order|in reverse|backwards|from last to first|from the last to the first|from right to left|from end to start|in the opposite order].',
    '[Put|Set|Bring|Arrange] the [letters|characters] of [{w}|the word {w}|"{w}"] [in|into] [reverse|reversed|the opposite|backward|the reverse] order.',
    'Read [|the word ]["{w}"|{w}] from [right to left|back to front|the end|the right|its last letter on|the back|end to start][.|, please.]',
    '[Start|Begin] with the last letter of {w} and [go back to the first|end with the first|work back to the first|finish with the first letter][.|: what do you get?]',
    'Take [|the word ]["{w}"|{w}] and [reverse it|turn it around|write it backwards|flip it|spell it backwards|read it from right to left|mirror it|write it in reverse].',
    '[Here is a word|My word|The word|Word|A word]: {w}. [Reverse it|Write it backwards|Spell it backwards|Turn it around|Flip it|Read it from right to left|Mirror it|Say it in reverse].',
    '[Here is a word|My word|The word|Word]: {w}. [What is it backwards|What is it in reverse|How does it read from right to left|Can you reverse it|How do you spell it backwards]?',
    'Mirror [the letters of |the word |]["{w}"|{w}][.|, please.]', 'Hold ["{w}"|{w}] [up to|before|in front of] a mirror[: which letters do you read|: what does it say|. What do you read]?',
    'Which [word|string|text] [do you get|results|comes out|is it] when ["{w}"|the word {w}] is [reversed|flipped|turned around|read backwards|mirrored|written backwards]?',
    'Write the word that [is {w} backwards|you get by reversing {w}|is the reverse of {w}|results from reversing {w}].',
    '[Print|Return|Output|Compute|Give|Get] [|the string |the word ]["{w}"|{w}] [reversed|in reverse|backwards].', '[Reverse of the word|Word to reverse|String to reverse|Reverse this word|Reverse this string|Reverse these letters|A word to turn around]: {w}',
    '[Backward|Reverse|Mirror] [spelling|writing|reading|form] of [|the word ]["{w}"|{w}][?|.|]', 'Do you know the word ["{w}"|{w}]? [Reverse it|Say it backwards|Spell it backwards|Write it from right to left].',
    '[The word |]["{w}"|{w}] [should be|must be|has to be|is to be] [reversed|flipped|turned around|written backwards|spelled backwards|mirrored].',
    '[Let\'s|Let us|We must|I have to|I must|Help me to] [reverse|flip|turn around|mirror] [{w}|the word {w}|the letters of {w}].',
    '[Let\'s|Let us|I have to|Help me to|Try to|Please] [write|spell|read|say] [{w}|the word {w}] [backwards|in reverse|from right to left|back to front|from the last letter to the first].',
)  # fmt: skip
REVERSE_LIST = Phrasings(
    '[Reverse|Flip|Invert|Turn around|Change round] the [order|sequence] of [|the list |these items: |the items ]{w}.',
    "[Write|List|Put|Say|Give|Print|Name|Show] these in [reverse|reversed|the reverse|backward|the opposite|inverted] order: {w}",
    "[Reverse|Flip|Turn around|Invert|Please reverse|Mirror] [the list|the sequence|the series|the items|my list|the row] {w}[.|, please.]",
    "Turn [the order of |the list |the sequence |]{w} [around|round|the other way round|back to front][.|, please.]",
    "[List|Write|Say|Give|Name|Repeat|Read|Show me|Give me|Tell me|Copy] [|the items ]{w} [from last to first|from the last to the first|from the last item to the first|starting with the last|beginning with the last].",
    "[Give|Show|Give me|Show me|Tell me|Write] [|the items |the list ]{w} in [reverse|reversed|the reverse|backward|the opposite|inverse|inverted] order.",
    "[Put|Bring|Set|Place|Get] [|the items |the list ]{w} [in|into] [the opposite|reverse|the reverse|reversed|backward|inverse] order.",
    "[Reverse|Flip|Invert|Turn around|Please reverse|Mirror|Swap the order of] [this list|the following|these items|the following list|these|this sequence]: {w}",
    "[Can|Could|Would|Will] you [please |][reverse|flip|turn around|invert] [the order of |the list |the sequence |the items ]{w}?",
    "[Can|Could|Would] you [please |][list|write|say|give|repeat|name] [|the items ]{w} [in reverse order|in the opposite order|backwards, item by item|from last to first|from the last to the first]?",
    "[Repeat|Say|Write|Read|List|Copy|Recite] {w} [backwards|in reverse|back to front|from the end], [word by word|item by item|one by one|entry by entry].",
    "[What is|What's|What would be] [|the list |the sequence ]{w} in [reverse|reversed|the opposite|backward|inverse|the reverse] order?",
    "[What is|What's|Give me|Write|Show me|Tell me|I need] the [reverse|reversed|opposite|backward|inverse] [order|list|sequence] of {w}[|, please].",
    "[Say|Write|Read|Repeat|Give|Show|List] [|the items ]{w} from the [end to the start|end to the beginning|back to the front|last to the first|bottom to the top].",
    "{w}: [reverse the order|reverse the list|in reverse order|last to first|last first|reversed order|turn the order around|write them in reverse order|the other way round|from the end|flip the list][|, please]",
    "{w} [in reverse order|in the opposite order|from last to first|with the order reversed|from the last to the first|in backward order|as a reversed list][?|.|, please.|]",
    "[Reverse order|Reversed list|List reversed|Backwards, item by item|Last to first|In reverse order|From last to first|In the opposite order|Last item first|Reverse the list|List in reverse]: {w}",
    "How [does|would] the [list|sequence|row|series] {w} [look|read|go] [in reverse|reversed|backwards|in reverse order|from the end|in the opposite order|from last to first]?",
    "What does [the list |the sequence |]{w} look like [in reverse order|when the order is reversed|from last to first|in the opposite order]?",
    "What do [you|I|we] get [if|when] [you|I|we] [reverse|flip|turn around|invert] [the list |the order of |the sequence ]{w}?",
    "[I need|I want|I'd like|I would like|Let me have|Let me see] [|the items |the list ]{w} [in reverse order|in the opposite order|from last to first|in reversed order|the other way round].",
    "[I want|I'd like|I need|I would like|I have] to [reverse|flip|turn around|invert] [the list |the order of |the sequence ]{w}.",
    "[I want to know|I'd like to know|Tell me|I wonder] how the list {w} [looks|reads|goes] in [reverse|the opposite|reversed] order.",
    "[Could you tell me|Can you tell me|Do you know|Can you give me] the [reverse|reversed|opposite] order of [|the list |the items ]{w}?",
    "[Start|Begin] with the last of {w} and [go back to the first|end with the first|work back to the first|finish with the first].",
    "[Here is a list|My list|The list|I have a list|A list|Here is a sequence]: {w}. [Reverse it|Turn it around|Write it in reverse order|Give it from last to first|Flip it|Say it from the end|Put it in the opposite order].",
    "[Here is a list|My list|The list|I have a list]: {w}. [Can you reverse it|What is it in reverse order|How does it read from last to first|What is the reverse order]?",
    "[The items|These items|The entries] are {w}. [Reverse their order|List them in reverse order|Write them from last to first|Name them in the opposite order|Turn their order around].",
    "Take {w} and [reverse the order|write them in reverse order|list them from last to first|turn the order around|put the last one first, and so on].",
    "[The order of|The list|The sequence] {w} [should be|must be|has to be|is to be] [reversed|turned around|flipped|inverted].",
    "[Swap|Change|Rearrange] {w} so that the last [comes|stands|is] first[ and the first last|, and so on].", "Write {w} so that the [last|final] item [comes|stands] first and the first [comes|stands] last, all in reverse order.",
    "[Print|Return|Output|Get|Compute] the [list|array|sequence|items] {w} [reversed|in reverse|in reverse order|from last to first|backwards].",
    "[Go|Walk|Step|Read|Move] through {w} [from the end to the start|from last to first|backwards|in reverse|in the opposite direction] and [name|list|write|say] each item.",
    "Which order [results|do you get|comes out] when [the list |]{w} is [reversed|turned around|flipped|read from the end]?",
    "[Let's|Let us|We must|Help me to|Help me|I must] [reverse|turn around|flip|invert] [the list |the order of |the sequence ]{w}.",
    "[Which|What] is the [reverse|opposite|reversed|inverse] order of [|the items |the list ]{w}?", "[Backward|Reversed|Reverse|Inverse|Opposite] order of {w}[?|.|, please.|]",
)  # fmt: skip


def reverse_items(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """A word letter by letter, or a list item by item."""
    if (rng.random() < 0.65) if level is None else level == "word":
        (word,) = draw(rng, test, lambda: (any_word(rng),))
        index, template = REVERSE.pick(rng, unseen)
        thought = {"low": None, "medium": spelled(word), "high": reverse_thought(word)}[style]
        return Draft(template.format(w=word), word[::-1], thought, word[::-1], "text", "word", phrasing=index)
    count = rng.randint(3, 7)
    items = draw(
        rng,
        test,
        lambda: tuple(any_word(rng) if rng.random() < 0.6 else str(rng.randrange(1000)) for _ in range(count)),
    )
    index, template = REVERSE_LIST.pick(rng, unseen)
    text = ", ".join(items[::-1])
    numbered = ", ".join(f"{i + 1} {item}" for i, item in enumerate(items))
    back = ", ".join(f"{i} {items[i - 1]}" for i in range(count, 0, -1))
    thought = {"low": None, "medium": f"{count} items, last first", "high": f"{numbered}\n{back}"}[style]
    return Draft(template.format(w=", ".join(items)), text, thought, text, "list", "list", phrasing=100 + index)


def reverse_thought(word: str) -> str:
    """Number the letters, then read them from the last."""
    letters = " ".join(f"{i + 1}{c}" for i, c in enumerate(word))
    return f"{letters}\n" + " ".join(f"{i}{word[i - 1]}" for i in range(len(word), 0, -1))
