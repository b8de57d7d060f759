"""Sums and differences from left to right, up to thirteen terms, in symbols or in words."""

from __future__ import annotations

import random

from .arithmetic import ERROR_RATE, apply, careful_step
from .example import Draft, Phrasings, draw

CHAIN = Phrasings(
    "{s}[| =| = ?|?]", "[What is|What's|How much is|So what is] {s}[?|, please?]", "[Compute|Calculate|Evaluate|Work out|Solve|Figure out|Determine|Find|Do|Simplify] {s}[.|, please.]",
    "Please [compute|calculate|evaluate|work out|solve|simplify] {s}[.| for me.]", "Please [compute|calculate|evaluate|work out|solve] [this|this sum|this expression|the following|the expression]: {s}",
    "[Find|Give me|Tell me|Compute|Calculate|Determine|Work out] the [value of|result of|answer to|total of|outcome of] {s}[.|, please.]", "[What is|What's] the [value of|result of|answer to|total of|outcome of] {s}?",
    "[Value of|Result of|Answer to|Solution of|Total of] {s}[?|, please.]", "[Tell me|Give me|Show me|Write down] {s}[.|, please.]", "[What does|What will|What would] {s} [give|make|equal|come to|yield|add up to]?",
    "[Tell me|Let me know|Please tell me|Find out|Work out] [what|how much] {s} [is|makes|gives|equals|comes to].", "[Can|Could|Would] you [work out|compute|calculate|evaluate|solve|do|please work out|please compute] {s}[?| for me?]",
    "[Can|Could] you [tell me|say|find out|figure out] [what|how much] {s} [is|gives|makes]?", "[I'd like to know|I want to know|I need to know|I wonder] [what|how much] {s} [is|makes|gives|comes to].",
    "I [need|want|am looking for|would like|have to find] the [result of|value of|answer to|total of] {s}.", "I [need|have|want] to [work out|compute|calculate|solve|evaluate] {s}[.|. What do I get?|. What is the answer?]",
    "[Do you know|Any idea|Can you say] [what|how much] {s} [is|makes|gives]?", "What [do you get for|do I get for|do you get from|comes out of|is the result of] {s}?",
    "What [do you get|do I get|comes out] [if|when] you [work out|compute|calculate|evaluate] {s}?", "[Need|Wanted|To solve|To do|Exercise|Sum|Chain|Expression]: {s}",
    "[From left to right|Step by step|One step at a time|Going from left to right]: [what is|work out|compute] {s}", "[Add and subtract|Plus and minus]: {s}",
    "[My exercise is|The task is|The exercise says|The question is|My worksheet says] {s}. [What is it|What comes out|What is the answer|How much is that]?", "[Evaluate|Compute|Solve|Simplify] the [expression|sum|chain] {s}[.|, please.]",
    "[Fill in the blank|Fill the gap|Find the missing number]: {s} = [?|__|...]",
    "[Start|Begin] [with|at|from] {w}. [What do you have|What is the result|What do you get|Where do you end|What comes out|What is left|What is the answer|How much is it now]?",
    "[Start|Begin] [with|at|from] {w}. [What do you have at the end|Where do you end up|What number do you reach|Which number comes out|Tell me the result|Give the final number|What is the total]?",
    "Take {w}. [What comes out|What is the result|What do you get|What is left|What do you have now|What is the answer|What number is it now|How much is that|And the result]?",
    "First {w}. [What is left at the end|What is the result|What comes out|What do you have at the end|What do you get|What is the final number]?",
    "I [start|begin|started|am starting] [at|with|from] {w}. [Where do I end|What do I have|What do I get|What is my result|Where am I now|What number do I reach|Which number is it now]?",
    "[If|When] [you|I|we] [start|begin] [with|at|from] {w}, what [is the result|comes out|is the final number|is the answer]?", "[If|When] you take {w}, what [do you get|is the result|comes out|is left|is the answer]?",
    "[Starting|Beginning] [with|at|from] {w}, what [do you get|do I get|is the result|comes out|is the total|is the answer]?",
    "[Say|Suppose|Imagine|Let us say] I [have|start with|begin with|take] {w}. [What do I get|How much is that|What is left|What do I have now|What is the result]?",
    "You [start|begin] [with|at|from] {w}. [What do you have|Where do you end|What is the result|What do you get|What number is it]?",
    "[Let's|Let us] [start|begin] [with|at|from] {w}. [What do we have|Where do we end|What is the result|What do we get]?", "[To begin|To start], take {w}. [What is the result|What do you get|What comes out|What is the answer]?",
    "[Follow|Do|Carry out] [these|the] steps: [start with|take|begin at] {w}. [What is the result|What comes out|What do you have at the end]?",
    "[What do you get|What is the result|What comes out|Where do you end] if you [start with|begin with|take|start at|start from] {w}?",
    "[Tell me|Give me|Find] [the result|the final number|the answer|the total]: [start with|take|begin at|start at] {w}.", "Think of {w}. [What is it now|What number do you have|What do you get|What is the result]?",
    "[Give|Write down] the [result of|answer to|final value of|value of] {s}[.|, please.]",
)  # fmt: skip


def chain_terms(rng: random.Random, count: int) -> tuple[int, list[tuple[str, int]]]:
    """A first number and ``count - 1`` steps whose running total stays between 0 and 2,999."""
    total = first = rng.randrange(10, 1000)
    steps = []
    while len(steps) < count - 1:
        op = rng.choice("+-")
        b = rng.randrange(10, 100) if rng.random() < 0.65 else rng.randrange(100, 1000)
        if 0 <= apply(total, op, b) < 3000:
            steps.append((op, b))
            total = apply(total, op, b)
    return first, steps


def chain(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Sums and differences from left to right, 3 to 13 terms."""
    count = int(level) if level else rng.choice((3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 13))
    while True:
        first, steps = chain_terms(rng, count)
        key = draw(rng, test, lambda: (rng.randrange(10, 1000),))  # the first number says which side of the split
        first = key[0]
        total, fits = first, True
        for op, b in steps:
            total = apply(total, op, b)
            fits = fits and 0 <= total < 3000
        if fits:
            break
    index, template = CHAIN.pick(rng, unseen)
    gap = rng.choice(("", " "))
    symbols = str(first) + "".join(f"{gap}{op}{gap}{b}" for op, b in steps)
    words = str(first) + "".join(f", {'add' if op == '+' else 'subtract'} {b}" for op, b in steps)
    lines, total, error = [], first, rng.randrange(count - 1) if rng.random() < ERROR_RATE * 1.5 else -1
    for i, (op, b) in enumerate(steps):
        value = apply(total, op, b)
        lines.append(f"{total}{op}{b}={value}" if style == "medium" else careful_step(rng, total, op, b, i == error))
        total = value
    thought = None if style == "low" else "\n".join(lines)
    return Draft(
        template.format(s=symbols, w=words),
        f"The result is {total}.",
        thought,
        str(total),
        level=str(count),
        phrasing=index,
    )
