"""Ask a question and trace the prompt and the answer as one run."""

from __future__ import annotations

from gptoss_edu.errors import TraceError
from gptoss_edu.generation import generate, generate_batch
from gptoss_edu.harmony.question import final_text, question_tokens

from .capture import Run, record
from .interventions import intervene


def trace_answer(
    model,
    question: str,
    effort: str = "medium",
    max_new_tokens: int = 512,
    interventions=(),
    temperature: float = 0.0,
    seed: int = 0,
    **options,
) -> tuple[Run, list[int], str]:
    """Let the model answer, then trace prompt and answer together with one forward pass.

    Parameters
    ----------
    model : a model with a tokenizer.
    question : the user's message.
    effort : "low", "medium" or "high".
    max_new_tokens : longest answer.
    interventions : active during the answer and the trace.
    temperature, seed : of the sampling; 0 is greedy.
    options : as for `capture`, and `chunk` as for `record`.

    Returns
    -------
    run : the trace; tokens : prompt and answer; said : the text of the final message.

    Raises
    ------
    TraceError : the model has no tokenizer, or the effort is unknown.
    """
    encoding = model.tokenizer
    if encoding is None:
        raise TraceError(
            "this checkpoint has no tokenizer, so it cannot be asked a question; trace.record takes token ids."
        )
    prompt = question_tokens(question, effort, encoding)
    with intervene(model, *interventions):
        answer = [int(t) for t in generate(model, prompt, max_new_tokens, temperature=temperature, seed=seed)]
        run = record(model, prompt + answer, **options)
    run.meta["question"], run.meta["effort"] = question, effort
    return run, prompt + answer, final_text(answer, encoding)


def trace_conversations(model, prompts, max_new_tokens: int = 400, batch: int = 32, **options) -> list[Run]:
    """Let the model finish many conversations, several at once, and trace each one whole.

    Parameters
    ----------
    prompts : lists of token ids, each up to the start of the assistant's answer.
    max_new_tokens : longest answer; batch : conversations answered at once.
    options : as for `capture`.

    Returns
    -------
    one trace per prompt, in order; `len(prompt)` is kept in its meta as "prompt_tokens".
    """
    runs = []
    for start in range(0, len(prompts), batch):
        part = [[int(token) for token in prompt] for prompt in prompts[start : start + batch]]
        answers: list[list[int]] = [[] for _ in part]
        for step in generate_batch(model, part, max_new_tokens):
            for answer, token in zip(answers, step.tokens, strict=True):
                if token is not None:
                    answer.append(token)
        for prompt, answer in zip(part, answers, strict=True):
            run = record(model, prompt + answer, **options)
            run.meta["prompt_tokens"] = len(prompt)
            runs.append(run)
    return runs
