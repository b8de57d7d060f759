"""Let a model answer examples in batches, including tool calls.

If the model calls a tool, the call is compared with the reference solution's. If they are equal, the tool's recorded
result goes back to the model, and it continues; a different call ends the dialogue as wrong. If the example has a desk
with a database, the desk answers every call, and the final database and text decide.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gptoss_edu.engines.in_turn import pool_of
from gptoss_edu.engines.request import Request
from gptoss_edu.engines.sampler import Engine
from gptoss_edu.errors import HarmonyError
from gptoss_edu.generation import generate_batch
from gptoss_edu.harmony import Conversation, Message, parse, render
from gptoss_edu.options import read_json
from gptoss_edu.tasks.desk_state import play
from gptoss_edu.tasks.example import Example, result
from gptoss_edu.tasks.graders import GRADERS, same_call, same_json
from gptoss_edu.tokenizer import encode_text


@dataclass
class Outcome:
    """One answered example. tokens: all sampled tokens; text: its final message, "" if none came.

    thought: the last analysis message; called: each call as "recipient arguments"; database: a desk's, after the calls.
    """

    example: Example
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    valid: bool = True
    correct: bool = False
    thought_tokens: int = 0
    calls: int = 0
    note: str = ""
    thought: str = ""
    called: list[str] = field(default_factory=list)
    database: dict | None = None


JUDGES: dict[str, Callable[[Outcome], bool]] = {}  # graders that need more than the text: calls or question


def answer(
    model,
    examples: Sequence[Example],
    batch: int = 32,
    max_new_tokens: int = 1100,
    temperature: float = 0.0,
    seed: int = 0,
    deadline: float | None = None,
    watch: Callable[[int, int, int], None] | None = None,
) -> list[Outcome]:
    """Answer every example; the order of the result is that of the examples.

    Parameters
    ----------
    batch : sequences decoded together
    max_new_tokens : per turn; a turn that is cut off counts as invalid
    deadline : time.monotonic() after which nothing new starts; examples that were not reached are left out
    watch : called with (examples answered, right ones among them, tokens sampled) whenever one is answered
    """
    prompts = [
        render(Conversation.from_dict(e.prompt_conversation), encoding=model.tokenizer, drop_analysis="finished_turns")
        for e in examples
    ]
    effort = {"low": 0, "medium": 1, "high": 2}
    # Batch long answers together: the cost of a step is that of the longest row. On a GPU a step costs about the same
    # for any number of rows, so there the longest come first, and few steps remain when the rows run out.
    order = sorted(range(len(examples)), key=lambda i: (effort[examples[i].effort], len(prompts[i])))
    other = isinstance(model, Engine)
    if not other and model.device.type == "cuda":
        order.reverse()
    room = max(map(len, prompts), default=1) + max_new_tokens + 400
    most = model.max_context if other else model.config.max_context
    room = room if most is None else min(most, room)
    pool = pool_of(model, batch, room)
    outcomes = {i: Outcome(example) for i, example in enumerate(examples)}
    messages = [list(Conversation.from_dict(e.prompt_conversation).messages) for e in examples]
    left = [e.messages[e.prompt :] for e in examples]  # of the reference solution
    turns = [0] * len(examples)

    def ask(i: int, prompt: list[int], first: bool) -> None:
        limit = min(max_new_tokens, room - len(prompt))
        draws = hash((seed, i, turns[i])) & 0xFFFFFFFF
        pool.submit(Request(prompt, limit, temperature, seed=draws, key=i), first)

    for i in order:
        ask(i, prompts[i], first=False)
    done = {}
    for request in pool.run():
        if request.error is not None:
            raise request.error
        i = request.key
        turns[i] += 1
        if _take(outcomes[i], request.sampled, messages[i], left[i], model.tokenizer) and turns[i] < 8:
            prompt = render(Conversation(messages[i]), encoding=model.tokenizer, drop_analysis="finished_turns")
            if len(prompt) < room:
                ask(i, prompt, first=True)
                continue
        done[i] = outcomes[i]
        if watch:
            watch(len(done), sum(o.correct for o in done.values()), pool.tokens)
        if deadline is not None and time.monotonic() > deadline:
            pool.waiting.clear()
    return [done[i] for i in sorted(done)]


def complete(
    model, prompts: list[list[int]], max_new_tokens: int, temperature: float = 0.0, seed: int = 0
) -> list[list[int]]:
    """Return the tokens that the model samples after each prompt, the stop token included."""
    sampled: list[list[int]] = [[] for _ in prompts]
    for step in generate_batch(model, prompts, max_new_tokens, temperature=temperature, seed=seed):
        for row, token in enumerate(step.tokens):
            if token is not None:
                sampled[row].append(token)
    return sampled


def cut_short(prompt: list[int], thought: list[int], budget: int, encoding) -> list[int]:
    """Return a prompt ending in <|start|>assistant, the thought's first ``budget`` tokens, and a final message's start.

    With a budget of 0 there is no analysis message at all, as at low effort.
    """
    ids = list(prompt)
    if budget > 0:
        ids += encoding.encode("<|channel|>analysis<|message|>", allowed_special="all") + thought[:budget]
        ids += encoding.encode("<|end|><|start|>assistant", allowed_special="all")
    return ids + encoding.encode("<|channel|>final<|message|>", allowed_special="all")


def _take(outcome: Outcome, tokens: list[int], messages: list[Message], left: list[dict], encoding) -> bool:
    """Record what the model wrote in one turn; return true if it made the right call and continues."""
    outcome.tokens += tokens
    stops = [encoding.encode_single_token(name) for name in ("<|return|>", "<|call|>")]
    try:
        written = parse(tokens, strict=True, encoding=encoding, role="assistant")
    except HarmonyError as error:
        outcome.valid, outcome.note = False, str(error)[:200]
        return False
    if not written or tokens[-1] not in stops or not _well_formed(written):
        outcome.valid, outcome.note = False, "cut off or out of order"
        return False
    messages += written
    for message in written:
        if message.channel == "analysis" and message.recipient is None:
            outcome.thought = message.content[0].text
            outcome.thought_tokens += len(encode_text(encoding, outcome.thought))
    last = written[-1]
    if last.recipient is None:
        outcome.text = last.content[0].text
        outcome.correct = _right(outcome, left)
        return False
    outcome.calls += 1
    outcome.called.append(f"{last.recipient} {last.content[0].text}"[:300])
    if _has_desk(outcome.example):
        return _ask_desk(outcome, last, messages)
    while left and not left[0].get("recipient"):
        left.pop(0)
    if len(left) < 2 or not same_call(
        last.recipient, last.content[0].text, left[0]["recipient"], left[0]["content"][0]["text"]
    ):
        outcome.note = f"called {last.recipient} {last.content[0].text}"[:200]
        return False
    left.pop(0)
    messages.append(Conversation.from_dict({"messages": [left.pop(0)]}).messages[0])
    return True


def _right(outcome: Outcome, left: list[dict]) -> bool:
    """Return whether the final text is right, and no call of the reference, nor a change of a database, is missing."""
    example = outcome.example
    if example.grade in JUDGES:
        return JUDGES[example.grade](outcome)
    if _has_desk(example):
        database = example.check["before"] if outcome.database is None else outcome.database
        done = same_json(database, example.check["after"])
    else:
        done = not any(m["role"] == "assistant" and m.get("recipient") for m in left)
    return done and GRADERS[example.grade](outcome.text, example.answer)


def _has_desk(example: Example) -> bool:
    return example.grade == "dialogue" and example.check is not None and "desk" in example.check


def _ask_desk(outcome: Outcome, last: Message, messages: list[Message]) -> bool:
    """Let the desk answer a call; return false if the arguments are not a JSON object, which ends the dialogue."""
    check = outcome.example.check
    try:
        arguments = read_json(last.content[0].text)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        outcome.note = f"called {last.recipient} with what is no JSON object"
        return False
    database = check["before"] if outcome.database is None else outcome.database
    name = last.recipient.removeprefix("functions.")
    returned, outcome.database = play(check["desk"], database, name, arguments)
    text = json.dumps(returned, separators=(",", ":"))
    messages.append(Conversation.from_dict({"messages": [result(last.recipient, text)]}).messages[0])
    return True


def _well_formed(written: list[Message]) -> bool:
    """Return whether there is at most one thought, then either a final message or a call."""
    *thoughts, last = written
    ends = (last.channel == "final" and last.recipient is None) or (
        last.recipient is not None and last.channel in ("commentary", "analysis")
    )
    return ends and len(thoughts) <= 1 and all(m.channel == "analysis" and m.recipient is None for m in thoughts)
