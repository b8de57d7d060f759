"""Run a benchmark: every question, effort and attempt through a backend, graded and recorded as the replies come.

Dialogues take several turns. After a call the environment answers; after a final message the user may go on: a list of
messages that the question brings, or a function that plays a user.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gptoss_edu.options import read_json
from gptoss_edu.tasks.desk_state import play
from gptoss_edu.tasks.example import message, result

from .backends import Backend, Turn
from .benchmark import Benchmark, Question, Reply
from .sample_log import SampleLog, sample_of

MOST_TURNS = 30
User = Callable[[Question, list[str]], "str | None"]  # from what was said to what the user says next; None ends
Tools = Callable[[dict, str, dict], "tuple[object, dict]"]  # database, name, arguments -> result, database


def desk_tools(desk: dict) -> Tools:
    """Return the functions of one of the small world's desks."""
    return lambda database, name, arguments: play(desk, database, name, arguments)


@dataclass
class Episode:
    """One question at one effort, on its way."""

    question: Question
    effort: str
    attempt: int
    messages: list[dict]
    reply: Reply = field(default_factory=Reply)
    turns: int = 0
    scripted: list[str] = field(default_factory=list)  # what the user will say next


def run_benchmark(
    benchmark: Benchmark,
    questions: Sequence[Question],
    backend: Backend,
    log: SampleLog,
    efforts: Sequence[str] = ("medium",),
    attempts: int | None = None,
    temperature: float = 0.0,
    seed: int = 0,
    max_new_tokens: int | None = None,
    seconds: float | None = None,
    watch: Callable[[int, int, int], None] | None = None,
    tools: Tools | None = None,
    user: User | None = None,
) -> list[dict]:
    """Return all samples of the run, those of an earlier call included.

    Parameters
    ----------
    attempts : at each question and effort; None: as the benchmark has them, once where the temperature is 0
    seconds : nothing new is begun after that time
    watch : called with (samples there are, samples wanted, right ones) whenever one is graded
    tools, user : of dialogues whose questions bring none
    """
    attempts = attempts or (benchmark.attempts if temperature > 0 else 1)
    limit = max_new_tokens or benchmark.max_new_tokens
    episodes, done = {}, log.done
    for number in range(attempts):
        for effort in efforts:
            for q in questions:
                key = (q.id, effort, number)
                if key not in done:
                    turns = list((q.environment or {}).get("user", ()))
                    episodes[key] = Episode(q, effort, number, list(q.prompt), scripted=turns)
    wanted = len(questions) * len(efforts) * attempts
    deadline = time.monotonic() + seconds if seconds else None

    def ask(key: tuple, first: bool = False) -> None:
        episode = episodes[key]
        draws = random.Random(f"{seed}:{key}:{episode.turns}").getrandbits(31)
        backend.submit(
            Turn(key, episode.messages, episode.effort, episode.question.builtin, temperature, draws, limit), first
        )

    for key in episodes:
        ask(key)
    for turn in backend.finished():
        episode = episodes[turn.key]
        if goes_on(episode, turn, tools, user):
            ask(turn.key, first=True)
            continue
        reply = Reply(ended="error", note=turn.note) if turn.ended == "error" else episode.reply
        grade = benchmark.grade(episode.question, reply)
        log.add(sample_of(episode.question, episode.effort, episode.attempt, reply, grade))
        if watch:
            watch(len(log.samples), wanted, sum(s["right"] for s in log.samples))
        if deadline is not None and time.monotonic() > deadline:
            backend.cancel()
    return log.samples


def goes_on(episode: Episode, turn: Turn, tools: Tools | None = None, user: User | None = None) -> bool:
    """Add a turn to the episode; return true if another turn is needed."""
    reply, question = episode.reply, episode.question
    episode.turns += 1
    reply.tokens += turn.tokens
    reply.thought_tokens += turn.thought_tokens
    reply.seconds += turn.seconds
    reply.ended, reply.note = turn.ended, turn.note
    for written in turn.written:
        text = written["content"][0]["text"]
        if written.get("recipient"):
            reply.calls.append((written["recipient"].removeprefix("functions."), text))
        elif written.get("channel") == "analysis":
            reply.thought = text
        elif written.get("channel") == "final":
            reply.text = text
            reply.said.append(text)
    if turn.ended != "stop" or not turn.written:
        return False
    episode.messages = [*episode.messages, *turn.written]
    last = turn.written[-1]
    if last.get("recipient"):
        answer = _answer_call(question, reply, last, tools)
    else:
        answer = _answer_user(episode, user)
    if answer is None:
        return False
    if episode.turns >= MOST_TURNS:
        reply.ended = "turns"
        return False
    episode.messages.append(answer)
    return True


def _answer_call(question: Question, reply: Reply, last: dict, tools: Tools | None) -> dict | None:
    """Return what the environment sends back; None where there is none, and the call itself is the answer."""
    world = question.environment
    tools = desk_tools(world["desk"]) if world and "desk" in world else tools
    if world is None or tools is None:
        return None
    try:
        arguments = read_json(last["content"][0]["text"])
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        return result(last["recipient"], '{"error":"the arguments are no JSON object"}')
    database = world["before"] if reply.database is None else reply.database
    returned, reply.database = tools(database, last["recipient"].removeprefix("functions."), arguments)
    text = returned if isinstance(returned, str) else json.dumps(returned, ensure_ascii=False, separators=(",", ":"))
    return result(last["recipient"], text)


def _answer_user(episode: Episode, user: User | None) -> dict | None:
    if episode.scripted:
        return message("user", episode.scripted.pop(0))
    wants = (episode.question.environment or {}).get("instruction")
    said = user(episode.question, episode.reply.said) if user is not None and wants else None
    return message("user", said) if said else None
