"""Sample groups of answers: each prompt is read once, and its cache row is copied for every answer.

For groups this is faster than the pool, which reads a prompt per request: four answers to each of 48 prompts at low
effort took 4.7 s of one CPU thread, and 9.9 s through a pool of 64 rows that keeps prefixes. What an answer samples
depends only on the seed and on its place in the batch.

Source: Shao et al. 2024, arXiv:2402.03300, section 4.1 (a group of answers to each question).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import tiktoken
import torch

from gptoss_edu.engines.sampler import Engine
from gptoss_edu.errors import GptOssError
from gptoss_edu.generation import default_stop_tokens, next_token_probabilities, pick, prefill
from gptoss_edu.harmony import Conversation, HarmonyError, parse, render
from gptoss_edu.tasks.example import Example

TOGETHER = {"cpu": 256, "cuda": 2048}  # answers drawn at once


@dataclass(frozen=True)
class Problem:
    """A question as the model sees it, and the data that a reward may read.

    prompt : token ids; example : the task's, with answer, grade and check; kind : the log's category
    """

    prompt: list[int]
    example: Example
    kind: str = ""

    @classmethod
    def of(cls, example: Example, encoding: tiktoken.Encoding, kind: str = "") -> Problem:
        """Render the prompt of an example."""
        conversation = Conversation.from_dict(example.prompt_conversation)
        return cls(render(conversation, encoding=encoding, drop_analysis="finished_turns"), example, kind)


@dataclass
class Rollout:
    """One sampled answer.

    tokens, logprobs : the sampled tokens, and the log-probability of each for the model that drew it
    thought, answer : the analysis and the final message; answer is None unless the completion is one final message,
        after at most one thought, ended by ``<|return|>``
    reward, terms : filled in by `rewards.pay`
    """

    problem: Problem
    tokens: list[int]
    logprobs: list[float]
    thought: str | None = None
    answer: str | None = None
    reward: float = 0.0
    terms: dict[str, float] = field(default_factory=dict)


def read(tokens: Sequence[int], encoding: tiktoken.Encoding) -> tuple[str | None, str | None]:
    """Return (thought, answer) of a completion, (None, None) if it has another form."""
    if not tokens or tokens[-1] != encoding.encode_single_token("<|return|>"):
        return None, None
    try:
        messages = parse(tokens, True, encoding, role="assistant")
    except HarmonyError:
        return None, None
    channels = [message.channel for message in messages]
    if channels not in (["final"], ["analysis", "final"]) or any(m.recipient or m.content_type for m in messages):
        return None, None
    texts = ["".join(part.text for part in message.content) for message in messages]
    return (texts[0] if len(texts) == 2 else None), texts[-1]


@torch.no_grad()  # not inference_mode: training continues with the table of angles made here
def roll_out(
    model, problems: Sequence[Problem], group: int, limit: int, temperature: float = 1.0, seed: int = 0
) -> list[Rollout]:
    """Draw ``group`` answers per problem; those of one problem are adjacent.

    Parameters
    ----------
    limit : maximum tokens per answer
    temperature : 0 takes the likeliest token; log-probabilities are at this temperature (at 1 if it is 0)
    seed : decides every draw
    """
    if isinstance(model, Engine):
        return _by_engine(model, [problem for problem in problems for _ in range(group)], limit, temperature, seed)
    draws = torch.rand(len(problems) * group, limit, generator=torch.Generator().manual_seed(seed))
    step = max(1, TOGETHER["cuda" if model.device.type == "cuda" else "cpu"] // group)
    rollouts: list[Rollout] = []
    for start in range(0, len(problems), step):
        part = list(problems[start : start + step])
        rollouts += _together(model, part, group, limit, temperature, draws[start * group :])
    for rollout in rollouts:
        rollout.thought, rollout.answer = read(rollout.tokens, model.tokenizer)
    return rollouts


def _by_engine(engine: Engine, problems: list[Problem], limit: int, temperature: float, seed: int) -> list[Rollout]:
    """Roll out with another engine, one answer after the other; its log-probabilities are those at temperature 1."""
    engine.require("logprobs")
    if temperature not in (0, 1):
        raise GptOssError(f"roll_out: expected temperature 0 or 1 for engine {engine.name}, found {temperature}.")
    rollouts = []
    for number, problem in enumerate(problems):
        drawn = list(engine.continued(problem.prompt, limit, temperature=temperature, seed=seed + number))
        tokens = [one.token for one in drawn]
        rollouts.append(Rollout(problem, tokens, [one.logprob or 0.0 for one in drawn], *read(tokens, engine.encoding)))
    return rollouts


def _together(model, problems: list[Problem], group: int, limit: int, temperature: float, draws) -> list[Rollout]:
    """Roll out the problems that are decoded at once; draws (at least n, limit)."""
    prompts, stops = [problem.prompt for problem in problems], default_stop_tokens(model)
    cache = model.new_cache(len(prompts), max(map(len, prompts)) + limit)
    logits = prefill(model, prompts, cache)  # (prompts, v)
    rows = [i for i in range(len(prompts)) for _ in range(group)]
    rollouts = [Rollout(problems[i], [], []) for i in rows]
    cache.select(rows)
    logits, live = logits[rows], list(range(len(rows)))  # (n, v); which rollout each row of the cache belongs to
    for number in range(limit):
        probabilities = next_token_probabilities(logits, temperature)  # (n, v)
        chosen = pick(probabilities, draws[live, number].to(logits.device))  # (n,)
        scaled = logits.float() / (temperature or 1.0)
        logprobs = scaled.log_softmax(-1).gather(-1, chosen[:, None])[:, 0]  # (n,)
        going = []
        for row, (token, logprob) in enumerate(zip(chosen.tolist(), logprobs.tolist(), strict=True)):
            rollouts[live[row]].tokens.append(token)
            rollouts[live[row]].logprobs.append(logprob)
            if token not in stops:
                going.append(row)
        if not going or number == limit - 1:
            break
        if len(going) < len(live):
            cache.select(going)
            live, chosen = [live[row] for row in going], chosen[going]
        logits = model(chosen[:, None], cache=cache, last_only=True)[:, -1]  # (n, v)
    return rollouts
