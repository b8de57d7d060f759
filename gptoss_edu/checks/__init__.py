'''Checks of a learner's own functions, predictions that lock, and questions. How a chapter uses them:

**An exercise** is three cells and a helper. Cell 1, the stub with its solution, tagged `exercise` and `hide-input` (the published
notebook folds it; the student copy shows the stub):

    def rms_norm(x: Tensor, scale: Tensor, eps: float) -> Tensor:
        """RMSNorm over the last axis, in float32; about 4 lines. Difficulty 1 of 3, 10 minutes."""
        ### BEGIN SOLUTION
        x32 = x.to(torch.float32)
        inverse = torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + eps)  # (..., 1)
        return (x32 * inverse * scale).to(x.dtype)
        ### END SOLUTION

In a student copy everything between the markers becomes `raise NotImplementedError("write rms_norm")`. Write the docstring and any
given lines above the markers. A stub must have a check in a later cell of the same notebook.

Cell 2, the picture (skip it where nothing can be seen). `show` draws the learner's result beside the finished one; a picture of
your own is a function whose first argument is the learner's function, decorated with `@checks.picture`, so that a stub or an error
in the learner's code says so instead of raising:

    from gptoss_edu import checks
    from gptoss_edu.norm import rms_norm as finished
    checks.show(rms_norm, x, scale, 1e-5, right=finished, labels=("channel", "token"))

    @checks.picture
    def show_rows(f, x):            # f is called like the function itself
        plt.plot(f(x, scale, 1e-5)[0]); plt.show()
    show_rows(rms_norm, x)

Cell 3, the check, as the last expression of the cell, so that its result is shown; the cause is folded in the display and is what
`.why()` gives:

    checks.rms_norm(rms_norm)

It returns a Result (`.passed .status .message .symptom .stage .why()`) and never raises: a stub gives "not written yet", an
exception in the learner's code is shown as theirs with shapes. Never `assert` a result in a chapter: a student copy must run from
top to bottom; `tests/test_notebooks.py` runs every solution through its check. Likewise any *other* cell that calls the
learner's function goes through `checks.attempt(f, ...)` (the result, or None after saying why) or `@checks.picture`.
While a check runs, the package's own function for that exercise is switched off, and calling it is said.
Next cell: `from gptoss_edu.norm import rms_norm`, so that nobody is stranded. Mind the order: import the finished one under the
same name only *after* the check.

Checks: bpe_encode, rms_norm, sliding_window_mask, attention, apply_rope, yarn_inv_freq, swiglu, route, moe, unpack_mxfp4,
pack_mxfp4, next_token_probabilities, render_message; signatures in their docstrings (`help(checks.route)`).

**Any other exercise**: `checks.custom(name, f, [Case(label, args, expected, cause), …])`. One case a mechanism, easiest first;
`expected` is a value, or a function of the arguments; `cause` says what is wrong with the learner's thinking if this one fails:

    checks.custom("sink_gate", gate, [
        checks.Case("a sink as strong as the rest", (lse, lse), 0.5, "The gate is sigmoid(lse - sink): at equality one half."),
        checks.Case("no sink", (lse, -inf), 1.0, "exp(-inf) is 0: nothing is taken from the row."),
    ])

**Hints**: a Markdown cell tagged `hints` with three `<details><summary>Hint 1</summary> … </details>` blocks (student copies drop
it unless asked to keep it), or `checks.hints("…", "…", "…")`. `checks.fold("Answer", "…")` is a folded passage.

**Predictions** come before the experiment, the answer after it:

    checks.predict("06.1", None, None)     # shows the question; with a choice and a confidence (0.5 to 1) it locks
    …
    checks.reveal("06.1")                  # the answer beside what was locked

In the published notebook leave `None, None`, with a comment `# your choice, your confidence`. "06.1" and "06.2" are the bank's
predictions for chapter 06; a chapter's own: `predict("06.window", None, None, question="…", options={"a": "…", "b": "…"})` and
`reveal("06.window", answer="b", because="…")`.

**A quiz** with a lesson for each question, listed in the chapter's question file: `quiz = checks.Quiz("01")`; `quiz.ask(mine)`
shows the cards and locks `mine = {"softmax": ("a", 0.7)}`; `quiz.lessons()` says which lessons to read; `quiz.answer("softmax")`.

**Questions**: `checks.opening_questions("06")` right after the header gives three questions, on the last chapter, the one three back
and the one six back, answers folded; `checks.questions.ask("06.6")` one (the sixth is the transfer: put it near the end).

**Tags** in a code cell's metadata: `exercise` (holds a stub), `hints`, `hide-input`, and `introduces:NAME` for each concept that the
cell introduces (NAME a word such as `sliding_window_mask`, used by later cells in code); `tests/test_notebooks.py` refuses a cell
that uses a NAME before the cell tagged with it, and `tests/test_concepts.py`
the same across chapters: what comes from the package is introduced, by a tag and a word on it, here or in a chapter that this one
needs. The cell of a check carries `nbval-check-output`: nbval then compares
what the check says with what is stored, so a published check that no longer passes fails `make notebooks`.

**Chapter 10**: `checks.fault(seed)` plants one fault in a copy of gpt-oss-tiny (`.planted.guess(point)`, `.planted.answer()`);
`checks.assemble()` runs gpt-oss-tiny on every function that stands in my_gptoss.py, the package's elsewhere, shows whose is whose,
and answers: `for piece in checks.assemble().answer("What is 12 times 7?"): print(piece, end="")`.

**From the bank**: `checks.which_fails("attention", seed)` shows three solutions of an exercise, one of them wrong: which one, and on
which input? The answer is folded.
'''

from __future__ import annotations

from importlib import import_module

from . import questions
from .custom import Case, custom
from .display import fold, hints
from .harness import Check, Result
from .picture import attempt, picture, show
from .predictions import outcome, predict, reveal
from .questions import opening_questions
from .quiz import Quiz
from .store import load_functions

CHECKS = {
    "bpe_encode": "bpe",
    "rms_norm": "norm",
    "sliding_window_mask": "mask",
    "attention": "heads",
    "apply_rope": "rope",
    "yarn_inv_freq": "yarn",
    "swiglu": "expert",
    "route": "router",
    "moe": "mixture",
    "unpack_mxfp4": "unpacking",
    "pack_mxfp4": "packing",
    "next_token_probabilities": "sampling",
    "render_message": "message",
}

LATER = {"fault": "faults", "assemble": "assembly", "which_fails": "which"}  # imported when asked for

__all__ = [
    "CHECKS",
    "Case",
    "Check",
    "Quiz",
    "Result",
    "attempt",
    "custom",
    "fold",
    "hints",
    "load_functions",
    "opening_questions",
    "outcome",
    "picture",
    "predict",
    "questions",
    "reveal",
    "show",
    *LATER,
    *CHECKS,
]


def __getattr__(name: str):
    """The checks, loaded when first asked for."""
    if name in CHECKS:
        check = import_module(f"{__name__}.stages.{CHECKS[name]}").CHECK
        globals()[name] = check
        return check
    if name in LATER:
        return getattr(import_module(f"{__name__}.{LATER[name]}"), name)
    raise AttributeError(f"gptoss_edu.checks has no {name}; there are: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
