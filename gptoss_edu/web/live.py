"""The explorer beside a running model: the reader asks, masks experts, and the model answers anew.

The front end is the same ES module as the page's; anywidget loads it. It needs a kernel: for anything that should last,
show `explore(run)`.
"""

from __future__ import annotations

from gptoss_edu.errors import GptOssError
from gptoss_edu.trace.ask import trace_answer
from gptoss_edu.trace.interventions import from_dict
from gptoss_edu.trace.what_changed import compare

from . import payload
from .page import module_source, run_name


def live(
    model,
    question: str = "What is 47 times 36?",
    effort: str = "medium",
    max_new_tokens: int = 400,
    theme: str = "auto",
):
    """Return a widget with a question box, the explorer, and interventions that run.

    Parameters
    ----------
    model : a model with a tokenizer.
    question, effort : what it starts with.
    max_new_tokens : longest answer.
    theme : "light", "dark" or "auto" (JupyterLab's own, elsewhere what the reader's system prefers).

    Returns
    -------
    anywidget.AnyWidget
    """
    import anywidget
    import traitlets

    class LiveExplorer(anywidget.AnyWidget):
        _esm = module_source()
        payload = traitlets.Bytes(b"").tag(sync=True)
        question = traitlets.Unicode("").tag(sync=True)
        effort = traitlets.Unicode("medium").tag(sync=True)
        status = traitlets.Unicode("").tag(sync=True)
        request = traitlets.Dict({"number": 0, "interventions": []}).tag(sync=True)

    widget = LiveExplorer(question=question, effort=effort)

    def answer(change=None) -> None:
        wanted = (change or {}).get("new") or {"interventions": []}
        widget.status = "The model is answering …"
        try:
            widget.payload, widget.status = _answer(
                model, widget, wanted.get("interventions", []), max_new_tokens, theme
            )
        except GptOssError as error:
            widget.status = str(error)
        except Exception as error:
            widget.status = f"The model could not answer: {type(error).__name__}: {error}"
            raise

    widget.observe(answer, "request")
    answer()
    return widget


def _answer(model, widget, wanted: list[dict], max_new_tokens: int, theme: str) -> tuple[bytes, str]:
    changes = [from_dict(change) for change in wanted]
    run, tokens, said = trace_answer(model, widget.question, widget.effort, max_new_tokens)
    answer = f"Answer: {said or '(no final message)'}"
    if not changes:
        return payload.encode([run], ["as it is"], theme=theme), answer
    _, _, said_then = trace_answer(model, widget.question, widget.effort, max_new_tokens, changes)
    change = compare(model, tokens, *changes)
    names = ["as it is", run_name(change.other)]
    data = payload.encode([change.base, change.other], names, {"shade": "difference"}, theme=theme)
    return data, f"{answer}\nWith the interventions: {said_then or '(no final message)'}\n{change.summary()}"
