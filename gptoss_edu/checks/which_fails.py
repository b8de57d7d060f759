"""Make questions from the bank: of three solutions one is wrong; which one, and on which input?"""

from __future__ import annotations

import ast
import html
import random
import re
import types

from gptoss_edu.checks.display import Shown, box, folded, inline

from . import CHECKS, bank
from . import __getattr__ as check_named


def which_fails(check: str, seed: int = 0) -> Shown:
    """Show three solutions of an exercise, one of them wrong, and a folded answer. Equal seeds show equal solutions."""
    if check not in CHECKS:
        text = f"no exercise {check!r}; there are {', '.join(CHECKS)}"
        return Shown(box(text, "", "failed"), text)
    draw = random.Random(f"{check} {seed}")
    wrong = draw.choice(_complete([s for s in bank.wrong(check) if not s.unseen]))
    chosen = [wrong, *draw.sample(_complete(bank.right(check)), 2)]
    draw.shuffle(chosen)
    result = check_named(check)(wrong.function, keep=False)
    letter = "abc"[chosen.index(wrong)]
    seen = f" It happened in public: {wrong.seen}." if wrong.seen else ""
    answer = f"{letter} ({wrong.title}). At the stage '{result.stage}': {result.symptom}\n{result.cause}{seen}"
    sources = "".join(
        f"<div><b>{key}</b></div><pre style='margin:.2em 0 .6em "
        f"1em;overflow-x:auto'>{html.escape(_anonymous(solution))}</pre>"
        for key, solution in zip("abc", chosen, strict=True)
    )
    title = f"{check}: which of these three fails, and on which input?"
    plain = "\n\n".join(f"{key}\n{_anonymous(solution)}" for key, solution in zip("abc", chosen, strict=True))
    body = f"{sources}{folded('Answer', f'<div>{inline(answer)}</div>')}"
    return Shown(box(title, body), f"{title}\n\n{plain}\n\nAnswer: {answer}")


def _complete(solutions: list[bank.Solution]) -> list[bank.Solution]:
    """Return the solutions that can be read alone, calling no other function of the bank; all, if too few do."""

    def calls_another(solution: bank.Solution) -> bool:
        used = {node.id for node in ast.walk(ast.parse(solution.source)) if isinstance(node, ast.Name)} - {
            solution.name
        }
        return any(isinstance(solution.function.__globals__.get(name), types.FunctionType) for name in used)

    alone = [solution for solution in solutions if not calls_another(solution)]
    return alone if len(alone) >= 2 else solutions


def _anonymous(solution: bank.Solution) -> str:
    """Return its source under the exercise's name, since the bank's name would give it away."""
    return re.sub(rf"\b{solution.name}\b", solution.check, solution.source)
