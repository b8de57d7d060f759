"""Questions made of the bank: three solutions, one of them wrong; which one, and on which input?"""

from __future__ import annotations

import html
import random

from . import CHECKS, bank
from . import __getattr__ as check_named
from .display import Shown, box, folded, inline


def which_fails(check: str, seed: int = 0) -> Shown:
    """Three solutions of an exercise, one of them wrong; the answer is folded. The same seed gives the same three."""
    if check not in CHECKS:
        text = f"no exercise {check!r}; there are {', '.join(CHECKS)}"
        return Shown(box(text, "", "failed"), text)
    draw = random.Random(f"{check} {seed}")
    wrong = draw.choice(bank.wrong(check))
    chosen = [wrong, *draw.sample(bank.right(check), 2)]
    draw.shuffle(chosen)
    result = check_named(check)(wrong.function, keep=False)
    letter = "abc"[chosen.index(wrong)]
    seen = f" It happened in public: {wrong.seen}." if wrong.seen else ""
    answer = f"{letter} ({wrong.title}). At the stage '{result.stage}': {result.symptom}\n{result.cause}{seen}"
    sources = "".join(
        f"<div><b>{key}</b></div><pre style='margin:.2em 0 .6em 1em'>{html.escape(solution.source)}</pre>"
        for key, solution in zip("abc", chosen, strict=True)
    )
    title = f"{check}: which of these three fails, and on which input?"
    plain = "\n\n".join(f"{key}\n{solution.source}" for key, solution in zip("abc", chosen, strict=True))
    body = f"{sources}{folded('Answer', f'<div>{inline(answer)}</div>')}"
    return Shown(box(title, body), f"{title}\n\n{plain}\n\nAnswer: {answer}")
