"""Word problems: short stories about one pile of things, worked out step by step as in arithmetic.py."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, apply, careful_step
from .example import Draft, Phrasings, draw, expand
from .words import THINGS, person, plural

OPENINGS = Phrasings(
    "{n} [has|had|owns|owned|possesses|has got|holds|counts|counted|keeps|collected] {x} {t}.", "{n} [starts|starts out|started|begins|began] with [|exactly |a pile of |a total of ]{x} {t}.",
    "{n} [bought|got|received|found|picked up|gathered|made] {x} {t}.", "In a [box|bag|basket|drawer|bowl|chest|room] of {n} there [are|were] {x} {t}.", "There [are|were|lie|lay] {x} {t} on the [table|desk|shelf|floor] of {n}.",
    "[At first|In the beginning|To begin with|At the start|Initially|Originally|First] {n} [has|had|owns|owned] {x} {t}.", "{n} [keeps|stores|hides|puts] {x} {t} in a [drawer|box|bag|jar|cupboard|basket|chest].",
    "[This morning|On Monday|Last week|Yesterday|At noon|Last night|In the morning|One day|Once] {n} had {x} {t}.", "{n} [brings|brought|takes|took|carries|carried] {x} {t} to [school|work|the market|the park|a party].",
    "[Yesterday|This morning|On Sunday|Last week|On the way home|Today|In the park] {n} [found|bought|collected|got|received|counted] {x} {t}.",
    "[The collection|The box|The bag|The basket|The pile|The store|The shelf] of {n} [holds|contains|has|held|contained] {x} {t}.", "{x} {t} [lie|are|lay|were] [on the table|on the shelf|in the room|on the desk|in the box] of {n}.",
    "{x} {t} [belong|belonged] to {n}.", "[My friend|My neighbor|My neighbour|My cousin|My classmate|A child called|A child named|A farmer named] {n} [has|had|owns|starts with] {x} {t}.",
    "[Suppose|Imagine|Imagine that|Let us say|Assume|Say] {n} [has|owns|starts with|keeps] {x} {t}.", "[A shop|A box|A basket|A bag|A crate|A truck] of {n} [has|holds|contains|held] {x} {t}.",
    "We [know|are told|hear] that {n} [has|owns|starts with|had] {x} {t}.", "[For a birthday|For a party|As a present|At a fair|For school] {n} [gets|got|receives|received|was given] {x} {t}.",
    "[A pile|A collection|A stack|A heap|A set] of {x} {t} belongs to {n}.", "The number of {t} that {n} [has|owns|had|starts with] is {x}.", "[After a walk|After shopping|After a game|After school] {n} [has|had|counts|counted] {x} {t}.",
    "[When|As] the day [begins, {n} has|starts, {n} owns|began, {n} had|started, {n} owned] {x} {t}.", "[At home|At school|In the garden|In the kitchen|At the shop] {n} [has|had|keeps|kept|counts] {x} {t}.",
    "{n} is the [owner|proud owner] of {x} {t}.", "{n}'s [box|bag|basket|pile|collection|drawer] [has|holds|contains|had|contained] {x} {t}.",
    "[Here is a story|A story|A small story|A riddle|Word problem|A word problem|Story problem]: {n} [has|had|starts with|owns] {x} {t}.", "[Today|Right now|At the moment|So far] {n} has {x} {t}[.| in all.| altogether.]",
    "{n} [went to the shop and bought|went to the store and got|goes to the market and buys|goes to the store and gets|visits a fair and wins] {x} {t}.", "{n}, [a student|a child|a teacher|a collector|a shopkeeper], [has|had|owns] {x} {t}.",
)  # fmt: skip
STEPS = {
    "+": tuple(wording for pattern in (
        "{p} [finds|found|gets|got|buys|bought|receives|received|collects|picks up|gathers|earns|makes] {b} more.", "{m} [gives|gave|sends|brings|hands|passes|lends|sold|sells] {n} {b} more.",
        "Then {b} more [arrive|arrived|come|came|are added|appear|turn up|show up|are delivered|join them].",
        "{n} [buys|bought|gets|got|finds|found|collects|receives|received|earns] another {b}.", "{p} [gets|got|receives|received|buys|bought|takes|borrows] {b} from {m}.",
        "[|Then |Later |Now |After that ]{b} [are|more are|new ones are|were|further ones are] added.",
        "[Later|Then|Next|After that|Afterwards|Soon|The next day|In the evening] {n} [picks up|finds|buys|gets|receives|collects|wins] {b} more[.| {t}.]",
        "{m} [brings|adds|brought|added|puts in|throws in|delivers] {b} [|more |extra |new ]{t}.", "{n} [wins|won|gets|got] {b} [in a game|in a contest|as a prize|at a fair|in a lottery].",
        "{n} [is given|was given|is sent|is handed|was sent] {b} [more|by {m}|more by {m}|as a gift|as a present].", "[A friend|An uncle|An aunt|A neighbor|The teacher|A grandmother|A stranger] [gives|gave|brings|sends|hands] {n} {b} more.",
        "[|Then |Later |After that ]{n} [adds|added|puts in|brings in] {b} [more|more {t}|new ones|new {t}].",
        "[The number of {t}|The pile|The collection] [grows|rises|increases|grew|goes up] by {b}.", "{b} [more|new|extra|additional] {t} [arrive|come|are bought|are found|are brought|are delivered].",
        "[Then|Later|Next|Now] {m} [gives|hands|brings|sends] {b} [|more |extra ]{t} to {n}.", "[The next day|On Tuesday|A day later|An hour later|Later that day] {n} [gets|buys|finds|receives|collects] {b} more.",
    ) for wording in expand(pattern)),
    "-": tuple(wording for pattern in (
        "{p} [gives|gave|hands|passes|sells|sold|lends|sends|donates|brings] {b} to {m}.", "{b} [get lost|got lost|are lost|were lost|go missing|disappear|vanish|are gone|are used up|are taken away|are removed].",
        "{n} [sells|sold|loses|lost|eats|ate|donates|donated|spends|uses up|breaks|gives away|gave away] {b}[.| {t}.| of them.]",
        "{p} [uses|used|loses|lost|sells|sold|eats|breaks|destroys|gives away|uses up] {b}[.| of them.]", "[Then|Later|Soon|Next|After that|Now] {b} [break|broke|get lost|are lost|are sold|are stolen|are eaten|disappear|fall off and get lost].",
        "{m} [takes|took|steals|removes] {b} [of them|of the {t}|{t}].", "{m} [takes|took|carries] {b} away.",
        "{n} [hands|gives|sends|passes|donates|sells|lends] {b} [of them |{t} |]to {m}.", "{p} [throws|threw|gives|gave] {b} away.",
        "{b} [are|were|of them are|of the {t} are] [stolen|broken and thrown away|eaten|sold|lost|given away|removed|taken away|thrown away].",
        "[|Then |Later |After that ]{n} [drops|dropped] {b} [into a river|down a well|into the sea|into a deep lake|on the way].", "{m} [borrows|buys|takes|gets|steals|wins|bought|took] {b} from {n}.",
        "[The number of {t}|The pile|The collection] [shrinks|falls|decreases|drops|goes down|is reduced] by {b}.",
        "[Then|Later|Next|After that|Afterwards|The next day|On the way home|In the evening] {n} [loses|sells|uses|gives away|eats|spends|throws away] {b}[.| of them.| {t}.]",
        "[A friend|A neighbor|A thief|A dog|A stranger|The teacher] [takes|took|carries|carried] {b} away.", "[Then|Later|Next|Now] {n} [gives|sells|hands|sends] {b} {t} to {m}.",
        "[|Then |Later |Sadly, ]{b} [are|were] [damaged and thrown away|given to {m}|sold to {m}|handed to {m}|taken by {m}].",
    ) for wording in expand(pattern)),
    "*": tuple(wording for pattern in (
        "[Then|Now|Later|After that|Next] the [number|pile|collection] [grows|becomes|gets|grew] {b} times as large.", "{p} [now|then|later] multiplies [them|the number|the number of {t}] by {b}.",
        "[A friend|A wizard|A machine|{m}|Magic|A fairy] makes [it {b} times as many|the number {b} times as large|the pile {b} times as large].", "[Now|Soon|Then|Later|A week later] there are {b} times as many[.| {t}.]",
        "{n} [trades|exchanges|swaps] them and [has|gets|ends up with] {b} times as many.", "[Then|Now|Later|Next|After that] the number [of {t} |][is multiplied by|gets multiplied by|grows by a factor of|increases by a factor of] {b}.",
        "[The next day|A month later|Some time later|After a year|Later|Soon] {n} has {b} times as many[.| {t}.]",
        "{p} [trades|exchanges|swaps] [each|every one] of them for {b} new ones.", "[By magic|Like magic|Then|Suddenly], [each|every one] of them [turns into|becomes|is replaced by] {b}.",
        "[The pile|The collection|The number of {t}] is [then |now |]multiplied by {b}.", "[Then|Later|Now] {n} [has|owns|holds|counts] {b} times [as many|as many {t}|that number|the number from before].",
        "{m} [swaps|exchanges|trades] [each|every one] of them for {b} {t}.",
    ) for wording in expand(pattern)),
}  # fmt: skip
PACKS = tuple(wording for pattern in (
    "{n} [buys|bought|gets|finds|receives] {k} [packs|bags|boxes|packets|cartons|sets] of {b} {t} each.", "{m} [brings|gives {n}|adds|delivers|sends {n}|hands over] {k} [bags|boxes|packs|baskets|crates] with {b} {t} in each.",
    "{p} [gets|buys|receives|finds|got|bought] {k} [boxes|bags|packs|crates|packets] of {b} {t}.",
    "Then {k} [crates|boxes|bags|packs|baskets] of {b} {t} each [arrive|come|are added|are delivered|are brought].", "[Then|Later|Next|After that] {n} [buys|gets|finds|receives] {k} [packs|bags|boxes], each [with|containing|holding] {b} {t}.",
    "[|Then |Later ]{k} [friends|people|neighbors|children|visitors] [give|bring|send] {n} {b} {t} each.",
    "On each of {k} [days|mornings|walks|trips] {n} [finds|collects|gets|buys] {b} {t}.", "On {k} days in a row {n} [gets|finds|buys|collects] {b} {t} [a day|each day|every day].",
    "{m} [gives|sends|hands] {n} {b} {t} in each of {k} [bags|boxes|packs].", "{k} [new |full |more |]boxes [arrive|come|are opened and added], each [with|containing|holding] {b} {t}.",
    "[|Then |Later ]{n} [adds|brings|gets] {k} [rows|groups|piles|stacks] of {b} {t}.",
) for wording in expand(pattern))  # fmt: skip
QUESTIONS = Phrasings(
    "How many [{t}|of them|of the {t}] does {n} [have|own|hold] [now|in the end|at the end|finally|after all this|after that]?", "How many {t} [are there|do we have|do we count|remain] [in the end|at the end|finally|after all this|altogether]?",
    "[How many|So how many|And how many|Now how many] [{t} |]are [left|left over|there now|there in the end|left in the end|left at the end|still there]?",
    "What is the [number|count|total|total number|final number|final count] of {t} [now|in the end|at the end|finally|after that|after all this]?", "How many {t} is that[| now| in the end| at the end| in all| altogether]?",
    "[Count|Please count|Count up|Now count] the {t} [at the end|in the end|that are left|that are there now].", "How many does {n} [have|own|hold] [at the end|in the end|now|finally]?",
    "[So how many|How many|And how many|Then how many] {t} are there[| now| in the end| at the end| altogether now| finally]?", "What is the [final|resulting|new] [number|count|total] of {t}?",
    "How many {t} [remain|remain now|remain in the end|remain at the end|are still there|are left now]?",
    "[Find|Give|Compute|Calculate|Work out|Determine|Tell me|Give me|State] the [number|final number|total number|count] of {t} [now|in the end|at the end|that are left|at the end of the story].",
    "[Tell me|Find out|Work out|Calculate|Say|Figure out|Please tell me|Let me know] how many {t} [there are now|there are in the end|are left|remain|{n} has now|{n} has in the end|{n} has left].",
    "How [large|big] is the [pile|collection|number|heap] of {t} [now|in the end|at the end|finally]?", "With how many {t} does {n} [end|end up|finish|go home|end the day]?",
    "How many {t} does {n} [end up with|finish with|have left|still have|end with|have by now|have left over]?",
    "[Can|Could|Would] you [tell me|work out|say|calculate|find out|figure out] how many {t} [there are now|are left|there are in the end|{n} has now|remain]?",
    "[I want to know|I'd like to know|I wonder|I need to know] how many {t} [there are now|are left|there are in the end|{n} has now|{n} has at the end].",
    "[Now|Then|In the end|At the end|Finally], how many {t} [are there|does {n} have|are left|remain|can {n} count]?", "How many {t} can {n} count [now|in the end|at the end]?",
    "[The number of {t}|The final number of {t}|The number of {t} in the end] is[ what|]?", "[Number|Final number|Total number] of {t} [now|in the end|at the end|left]?",
    "What [number|quantity] of {t} [does {n} have now|is left|remains|is there in the end|does {n} have in the end]?", "[Do you know|Any idea|Can you say] how many {t} [there are now|are left|{n} has now|there are in the end]?",
    "[After all this|After that|After all these steps|At the end of the day], how many {t} [are there|does {n} have|are left|remain]?", "How many {t} [would you count|will you find|do you find|do you count] [now|in the end|at the end]?",
    "How many {t} did {n} have [in the end|at the end|when all was done|after all this]?", "What does {n} have [in the end|at the end|now]? [How many {t}?|The number of {t}, please.|Count the {t}.]",
)  # fmt: skip


def word_problem(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """A story of two to five steps about one pile of things."""
    count = int(level) if level else rng.choice((2, 3, 3, 4, 4, 5, 5))
    (total,) = draw(rng, test, lambda: (rng.randrange(5, 200),))
    name, things = person(rng), plural(rng.choice(THINGS))
    other = next(n for n in iter(lambda: person(rng), None) if n != name)
    slips = random.Random(rng.getrandbits(48))  # the story is the same at every effort
    index, template = OPENINGS.pick(rng, unseen)
    text = [template.format(n=name, x=total, t=things)]
    lines, error = [], slips.randrange(count) if slips.random() < ERROR_RATE * 1.3 else -1

    def step(a: int, op: str, b: int, wrong: bool = False) -> int:
        value = apply(a, op, b)
        lines.append(f"{a}{op}{b}={value}" if style == "medium" else careful_step(slips, a, op, b, wrong))
        return value

    for i in range(count):
        kind = rng.random()
        pronoun = rng.choice(("She", "He", name)) if i else name
        words = {"n": name, "m": other, "p": pronoun, "t": things}
        if kind < 0.2:
            packs, each = rng.randrange(2, 10), rng.randrange(3, 25)
            packed = rng.choice([p for p in PACKS if things not in p])  # no boxes of boxes
            text.append(packed.format(k=packs, b=each, **words))
            total = step(total, "+", step(each, "*", packs, i == error))
        else:
            op = "*" if kind < 0.35 and total < 300 else "+" if kind < 0.65 or total < 8 else "-"
            b = (
                rng.randrange(2, 10)
                if op == "*"
                else rng.randrange(2, 150)
                if op == "+"
                else rng.randrange(2, min(total, 200))
            )
            text.append(rng.choice(STEPS[op]).format(b=b, **words))
            total = step(total, op, b, i == error)
    question, ending = QUESTIONS.pick(rng, unseen)
    text.append(ending.format(n=name, t=things))
    thought = None if style == "low" else "\n".join(lines)
    return Draft(
        " ".join(text),
        f"There are {total} {things}.",
        thought,
        str(total),
        level=str(count),
        phrasing=100 * index + question,
    )
