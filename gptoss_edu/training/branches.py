"""Compute log-probabilities of many answers to one prompt while reading the prompt once.

A row holds the prompt followed by the answers as branches. In each branch positions restart where the prompt ends, and
a token sees only the prompt and its own branch. The result equals that of separate rows, with a third of the tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gptoss_edu.attention import sliding_window_mask
from gptoss_edu.rope import rope_cos_sin

from .rollouts import Rollout

ROW = 640  # tokens per row; the answers to one prompt may need several rows
PASS = {"cpu": 4096, "cuda": 1 << 14}  # tokens of one forward and backward pass


class Rows(NamedTuple):
    """Packed rows. tokens, positions, branch (b, t): branch 0 is the prompt, 1, 2 … the answers, -1 padding.

    at : (n,) flat positions that predict an answer's tokens; targets : (n,) those tokens. rollouts : in the order of n
    """

    tokens: Tensor
    positions: Tensor
    branch: Tensor
    at: Tensor
    targets: Tensor
    rollouts: list[Rollout]


def passes(rollouts: Sequence[Rollout], device) -> Iterator[Rows]:
    """Yield the rollouts in passes of about `PASS` tokens, with those of one prompt in shared rows."""
    by_prompt: dict[int, list[Rollout]] = {}
    for rollout in rollouts:
        by_prompt.setdefault(id(rollout.problem), []).append(rollout)
    rows: list[list[Rollout]] = []
    for group in by_prompt.values():
        used = ROW
        for rollout in sorted(group, key=lambda r: len(r.tokens)):
            if used + len(rollout.tokens) > ROW:
                rows.append([])
                used = len(rollout.problem.prompt)
            rows[-1].append(rollout)
            used += len(rollout.tokens)
    rows.sort(key=_size)
    budget, waiting = PASS["cuda" if torch.device(device).type == "cuda" else "cpu"], []
    for row in rows:
        if waiting and (len(waiting) + 1) * _size(row) > budget:
            yield packed_rows(waiting, device)
            waiting = []
        waiting.append(row)
    if waiting:
        yield packed_rows(waiting, device)


def _size(row: list[Rollout]) -> int:
    return len(row[0].problem.prompt) - 1 + sum(len(rollout.tokens) for rollout in row)


def packed_rows(rows: Sequence[list[Rollout]], device="cpu") -> Rows:
    """Pack each list of rollouts, which all answer one prompt, into a row."""
    b, t = len(rows), max(map(_size, rows))
    tokens, positions = torch.zeros(b, t, dtype=torch.int64), torch.zeros(b, t, dtype=torch.int64)
    branch, at, targets = torch.full((b, t), -1), [], []
    for i, row in enumerate(rows):
        prompt = row[0].problem.prompt
        end = len(prompt) - 1  # the prompt's last token begins each branch: it predicts the first of an answer
        tokens[i, :end], positions[i, :end], branch[i, :end] = torch.tensor(prompt[:-1]), torch.arange(end), 0
        first = end
        for number, rollout in enumerate(row, 1):
            n = len(rollout.tokens)
            here = slice(first, first + n)
            tokens[i, here] = torch.tensor([prompt[-1], *rollout.tokens[:-1]])
            positions[i, here], branch[i, here] = torch.arange(end, end + n), number
            at.append(torch.arange(i * t + first, i * t + first + n))
            targets += rollout.tokens
            first += n
    parts = tokens, positions, branch, torch.cat(at), torch.tensor(targets)
    return Rows(*(part.to(device) for part in parts), [rollout for row in rows for rollout in row])


def visible(positions: Tensor, branch: Tensor, window: int | None) -> Tensor:
    """Return (b, t, t) bool: prompt and own branch, no later position, and no further back than the window."""
    own = (branch[:, :, None] == branch[:, None, :]) | (branch[:, None, :] == 0)  # (b, t, s)
    return (own & sliding_window_mask(positions, positions, window)) | torch.eye(
        positions.shape[1], dtype=torch.bool, device=positions.device
    )  # padding sees itself, so that no row is empty


def logprobs(model, rows: Rows, temperature: float = 1.0) -> Tensor:
    """Compute the log-probability of every answer's tokens, (n,) float32, with gradients if enabled."""
    rope = rope_cos_sin(rows.positions, model.config, model.dtype)  # (b, t, d/2) each
    masks = {w: visible(rows.positions, rows.branch, w) for w in (None, model.config.sliding_window)}
    x = model.embedding(rows.tokens)  # (b, t, c)
    for block in model.block:
        x = block(x, rope, masks[block.attn.window], None)
    x = x.flatten(0, 1)[rows.at]  # (n, c)
    logits = model.unembedding(model.norm(x)).float() / (temperature or 1.0)  # (n, v)
    return logits.log_softmax(-1).gather(-1, rows.targets[:, None])[:, 0]
