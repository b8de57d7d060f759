"""Sorting numbers up or down, and words by the alphabet."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, mark
from .example import Draft, Phrasings, draw
from .letters import spelled
from .words import any_word

# {l}: the items · {o}: the order, "" or with a leading space or comma · {k}: what the items are. Where a wording has "order" before {o}, the order drawn has not.
SORT = Phrasings(
    "[Sort|Order|Arrange|Rank|Line up|Organize|Organise|Please sort] {l}{o}.", "[Put|Set|Place|Please put] [these|these {k}|the following|the following {k}|all of these|this list] in[|to] order{o}: {l}",
    "[Sort|Order|Arrange|Rank|Organise|Organize|Line up|Please sort] [these|these {k}|the following|the following {k}|this list|my {k}]{o}: {l}",
    "[Can|Could|Would|Will] you [please |][sort|order|arrange|rank] [|the {k} |the list ]{l}{o}?", "[Can|Could|Would] you [please |][put|bring|get] [|the {k} |the list ]{l} into [|the right |the correct ]order{o}?",
    "[Sort|Order|Arrange|Rank] [the list|the {k}|the items|my list|the series|the sequence] {l}{o}.", "[Bring|Put|Get] [|the {k} |the list |the items ]{l} into [|the right |the correct |the proper |sorted ]order{o}.",
    "[Please sort|Please order|Please arrange|For sorting|Sort|To be sorted|To sort|Put in order]{o}: {l}", "[List|Write|Write down|Show|Print|Give|Output|Return|Show me|Give me] [|the {k} ]{l} sorted{o}.",
    "[Write|Write down|List|Name|Show|State|Say|Copy|Type|Print] [|the {k} ]{l} in [|sorted |the right |the correct |proper ]order{o}.",
    "[I need|I want|I'd like|I would like|I must have|Let me have|Let me see] [|the {k} |the list ]{l} [sorted|ordered|arranged|put in order|in order]{o}.",
    "[What is|What's|What would be] the [|sorted |right |correct |proper ]order of [|the {k} |the items ]{l}{o}?", "[Give|Show|Tell] me [|the {k} |the list ]{l} in [|sorted |the right |the correct ]order{o}.",
    "How [would|should|can|do] [you|I|we] [sort|order|arrange|rank] [|the {k} ]{l}{o}?", "How [does|would] the [list|sequence|row] {l} look [sorted|when sorted|in order|after sorting|once it is sorted]{o}?",
    "What does [|the list |the sequence ]{l} look like [sorted|when sorted|in order|after sorting|once it is sorted]{o}?", "In [which|what] order do [|the {k} |the items ]{l} [come|stand|go|belong]{o}?",
    "[Make|Build|Write|Create|Give me|Show me|I need|Form|Produce] a sorted [list|version|sequence] [of|from] [|the {k} ]{l}{o}.", "[Sort|Order|Arrange|Rank] [these|these {k}|the following|this list] for me{o}: {l}",
    "Unsorted[| list| {k}]: {l}. [Sort them|Order them|Put them in order|Arrange them|Please sort them|Bring them into order]{o}.", "[Here is my list|Here is a list|My list|The list|List]: {l}. [Sort it|Order it|Put it in order|Arrange it|Please sort it|Bring it into order]{o}.",
    "[Here are|I have|We have|There are|You see] [some|these|the] {k}: {l}. [Sort them|Put them in order|Order them|Arrange them|Rank them|Please sort them]{o}.",
    "[Here are|I have|We have|There are] [some|these|the] {k}: {l}. [How are they sorted|Can you sort them|Could you put them in order|What is their order|In which order do they come]{o}?",
    "[My|The|These|Our] {k} are {l}. [Sort|Order|Arrange|Rank|Please sort] them{o}.", "[Sort|Sorting|Sorted|Order|Ordered|Sorted list|Ordered list]{o}: {l}",
    "{l}: [sort|order|arrange|rank|please sort|sort these|sort them|put them in order|bring them into order]{o}[|.]", "{l} [sorted|in order|ordered|in sorted order]{o}[|?|, please|.]",
    "[I want|I'd like|I need|I would like|I have] to [sort|order|arrange|rank] [|the {k} |the list ]{l}{o}.", "[Help me|Help me to|I need you to|I want you to|I'd like you to|Try to] [sort|order|arrange|rank] [|the {k} ]{l}{o}.",
    "[My task is|My homework is|The task is|The exercise is|Your task is] to [sort|order|arrange|rank] [|the {k} ]{l}{o}.", "[Tidy up|Straighten out|Sort out|Clean up|Put some order into] this list{o}: {l}",
    "[Return|Give|Give me|Print|Output|Show|Write] the sorted [list|version|sequence|order] of {l}{o}.", "What [is|would be] [|the list ]{l} [sorted|in sorted order|when sorted|after sorting|ordered]{o}?",
    "What do [you|we|I] get [if|when] [you|we|I] [sort|order|arrange] [|the {k} ]{l}{o}?", "[Tell me|I'd like to know|I want to know|I need to know|Find|Work out|Find out] the [right|correct|sorted|proper] order of {l}{o}.",
    "[Could you tell me|Do you know|Can you tell me|Can you find|Can you work out] the [right|correct|sorted|proper] order of {l}{o}?", "[I want to know|I'd like to know|Tell me|Show me|Work out] how [|the {k} ]{l} are [sorted|ordered|arranged|ranked]{o}.",
    "[These|My|The] {k} are [mixed up|out of order|jumbled|not sorted|in disorder|unsorted]: {l}. [Sort them|Put them in order|Bring them into order|Arrange them|Please sort them]{o}.",
    "[Rearrange|Reorder|Arrange|Write] {l} so that they are [sorted|in order|ordered|in the right order]{o}.", "The {k} {l} [should be|must be|have to be|need to be|are to be] [sorted|ordered|arranged|put in order|ranked]{o}.",
    "[Let's|Let us|We must|We have to|Now we] [sort|order|arrange|rank] [|the {k} ]{l}{o}.", "[Take|Read|Look at|Consider] [|the {k} |the list ]{l} and [sort|order|arrange|rank] them{o}.",
)  # fmt: skip
# Wordings that hold their order themselves: <s> smallest, <g> largest, <d> ascending, or all three the other way round.
_DIRECTED = (
    "The <s>[| number| one] first[|, please]: {l}", "[From|From the|Sort from the|Order from the|Arrange from the|List from the] <s> to [|the ]<g>[|, please]: {l}",
    "[In|Sort in|Write in|Put in|List in|Arrange in|Please, in] <d> order: {l}", "[Start|Begin] with the <s>[| number| one] and [end|finish|stop|close] with the <g>: {l}",
    "[Start|Begin] with the <s>[| number| one] and [go on|work your way|continue] to the <g>: {l}", "[What is|What's|Write|Give me|Show me|Find|Tell me] the <d> order of [|the numbers ]{l}[|, please]",
    "[List|Name|Write|Say|Give|Repeat] [|the numbers ]{l}, the <s> [first|one first] and the <g> last.", "[Which|What] order [takes|brings] [|the numbers ]{l} from the <s> to the <g>?",
    "[Give me|Make|Write|I need|Show me|Build] a list of {l} that [goes|runs] from the <s> to the <g>.", "Line up {l} with the <s> [in front|at the front|at the start] and the <g> at the [end|back].",
    "{l}: [from the |which order from ]<s> to [the |]<g>[|?|, please]", "[Can|Could] you [name|list|write|say] {l} so that the <s> [comes|stands] first and the <g> last?",
    "[Go|Count|Read] through {l} from the <s> to the <g>.", "[I want|I need|I'd like] {l} with the <s> first and the <g> last.",
)  # fmt: skip


def _directed(s: str, g: str, d: str) -> Phrasings:
    return Phrasings(*(p.replace("<s>", s).replace("<g>", g).replace("<d>", d) for p in _DIRECTED))


ASCENDING = _directed("[smallest|lowest]", "[largest|highest|biggest]", "[ascending|increasing|rising]")
DESCENDING = _directed("[largest|highest|biggest]", "[smallest|lowest]", "[descending|decreasing|falling]")
ALPHABETICAL = Phrasings(
    "[Alphabetize|Alphabetise|Please alphabetize] [|the words |the list |these words: ]{l}.", "[In alphabetical order|Alphabetical order|From A to Z|A to Z|Alphabetically|In dictionary order|In ABC order|By the alphabet|Alphabetize]: {l}",
    "[What is|What's|Give me|Write|Tell me|Find|Show me|I need] the alphabetical order of [|the words ]{l}[|, please]", "In [which|what] order do [|the words ]{l} [stand|come|appear|occur] in [a|the] dictionary?",
    "How [would|does] a dictionary [list|order|sort|arrange] [|the words ]{l}?", "[List|Write|Sort|Order|Arrange|Put] [|the words ]{l} as [a dictionary would|in a dictionary|the alphabet demands|the alphabet says].",
    "[Bring|Put|Set|Get] [|the words |the list ]{l} [in|into] [alphabetical|dictionary|ABC] order.", "[Can|Could|Would] you [please |]alphabetize [|the words |the list ]{l}?",
    "[Which|What] order does the alphabet give [|the words ]{l}?", "{l}: [alphabetize|alphabetical order|from A to Z|A to Z|in alphabetical order][|, please|?]",
    "Look at the [first letters|letters] of {l} and [put the words in alphabetical order|sort them alphabetically|list them from A to Z].", "[Start|Begin] at A and [go|work] [on |]to Z: {l}",
    "[I want|I need|I'd like|I would like] to alphabetize [|the words |the list ]{l}.", "[Make|Write|Give me|Build|Create] an alphabetical list of [|the words ]{l}.",
)  # fmt: skip
ORDERS = {
    "up": (
        " from small to large", " in ascending order", " from the smallest to the largest", ", smallest first", " by size", " in increasing order", " from low to high", " from smallest to largest",
        ", beginning with the smallest", ", starting with the smallest", ", the smallest first", " from the lowest to the highest", ", lowest first", ", ascending", " in order of size", " from least to greatest",
        " by value", " in numerical order", " numerically", " from the smallest up", " with the smallest first", " in rising order", " in ascending order",
    ),
    "down": (
        " from large to small", " in descending order", " from the largest down", " from the largest to the smallest", ", largest first", " in decreasing order", " from big to small", " from high to low",
        " from largest to smallest", ", starting with the largest", ", beginning with the largest", ", the biggest first", ", highest first", " from the highest to the lowest", ", descending",
        " from greatest to least", " from the biggest to the smallest", " with the largest first", ", the largest first", " in falling order", " in descending order",
    ),
    "words": (
        " alphabetically", " by the alphabet", " from A to Z", " in alphabetical order", " according to the alphabet", " as in a dictionary", " in dictionary order", ", A to Z", " by letter", " in the order of the alphabet",
        " in ABC order", " alphabetically", " in alphabetical order",
    ),
}  # fmt: skip
ITEMS = {
    "numbers": ("numbers", "numbers", "values", "items", "entries"),
    "words": ("words", "words", "terms", "items", "entries"),
}


def sort_question(rng: random.Random, items: list, direction: str, unseen: bool) -> tuple[int, str]:
    """(number of the pattern, question); ``direction``: a key of ORDERS. Only descending order must be named."""
    listed = ", ".join(map(str, items))
    if rng.random() < 0.2:
        own = {"up": ASCENDING, "down": DESCENDING, "words": ALPHABETICAL}[direction]
        index, template = own.pick(rng, unseen)
        return 100 + index, template.format(l=listed)
    index, template = SORT.pick(rng, unseen)
    orders = [o for o in ORDERS[direction] if not ("order" in template and "order" in o)]
    order = rng.choice(orders) if direction == "down" or rng.random() < 0.7 else ""
    kind = rng.choice(ITEMS["words" if direction == "words" else "numbers"])
    return index, template.format(l=listed, o=order, k=kind)


def sort_items(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Numbers up or down, or words by the alphabet; three to eight items."""
    count = int(level) if level else rng.choice((3, 4, 4, 5, 5, 6, 7, 8))
    numbers = rng.random() < 0.65

    def make():
        if numbers:
            return tuple(rng.sample(range(1, rng.choice((20, 100, 1000))), count))
        words = dict.fromkeys(any_word(rng) for _ in range(count))
        while len(words) < count:
            words[any_word(rng)] = None
        return tuple(words)

    items = list(draw(rng, test, make))
    down = numbers and rng.random() < 0.35
    ordered = sorted(items, reverse=down)
    direction = "down" if down else "up" if numbers else "words"
    index, question = sort_question(rng, items, direction, unseen)
    text = ", ".join(map(str, ordered))
    if style == "low":
        thought = None
    elif style == "medium":
        way = f"{'down' if down else 'up'}: {text}"
        thought = way if numbers else f"{', '.join(openings(items, 3))}; {way}"
    else:
        thought = sort_thought(rng, items, ordered, down)
    return Draft(question, text, thought, text, "list", str(count), phrasing=index)


def openings(words: list[str], letters: int) -> list[str]:
    """Each word behind its first letters, spelt: 'p e a pear'. By these letters words are compared."""
    return [f"{spelled(word[:letters])} {word}" for word in words]


def sort_thought(rng: random.Random, items: list, ordered: list, down: bool) -> str:
    """The first two letters of each word; then pick item after item, naming what is left; then compare neighbours."""
    lines = [] if isinstance(items[0], int) else [",".join(openings(items, 2))]
    left, sign = list(items), ">" if down else "<"
    for item in ordered[:-1]:
        lines.append(f"{','.join(map(str, left))}: {item}")
        left.remove(item)
    lines.append(f"{left[0]}: {left[0]}")
    text = "\n".join(lines)
    check = sign.join(map(str, ordered)) + " ok"
    if rng.random() < ERROR_RATE and len(ordered) > 2:
        i = rng.randrange(len(ordered) - 1)
        swapped = list(ordered)
        swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
        pair = f"{mark(swapped[i])}{sign}{mark(swapped[i + 1])} bad, redo"
        return f"{text}\n{sign.join([*map(str, swapped[:i]), pair])}\n{check}"
    return f"{text}\n{check}"
