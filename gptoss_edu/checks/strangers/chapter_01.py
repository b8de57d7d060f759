"""Wrong solutions of chapter 01, written from its text alone."""

import torch

from gptoss_edu.checks.exercises.own.all_scores import BANK as ALL_SCORES
from gptoss_edu.checks.exercises.own.cross_entropy import BANK as CROSS_ENTROPY
from gptoss_edu.checks.exercises.own.log_sum_exp import BANK as LOG_SUM_EXP
from gptoss_edu.checks.exercises.own.rotate import BANK as ROTATE


@CROSS_ENTROPY.wrong("sign", "the sign is missing", unseen=True)
def cross_entropy_1(logits, targets):
    return logits.log_softmax(-1)[torch.arange(len(targets)), targets].mean()


@CROSS_ENTROPY.wrong("summed", "summed instead of averaged", unseen=True)
def cross_entropy_2(logits, targets):
    return (torch.logsumexp(logits, -1) - logits[torch.arange(len(targets)), targets]).sum()


@CROSS_ENTROPY.wrong("rows_by_target", "indexes rows with the targets", unseen=True)
def cross_entropy_3(logits, targets):
    return (torch.logsumexp(logits, -1) - logits[targets].diagonal()).mean()


@LOG_SUM_EXP.wrong("not_added", "the maximum is not added again", unseen=True)
def log_sum_exp_1(x):
    return (x - x.amax(-1, keepdim=True)).exp().sum(-1).log()


@ALL_SCORES.wrong("heads_summed", "every head with every head, summed", unseen=True)
def all_scores_1(q, k):
    return torch.einsum("thd,sgd->hts", q, k)


@ROTATE.wrong("degrees", "degrees instead of radians", unseen=True)
def rotate_1(points, angle):
    angle = torch.deg2rad(angle)
    a, b = points.unbind(-1)
    return torch.stack((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), -1)


@ROTATE.wrong("overwritten", "the new a is used for b", unseen=True)
def rotate_2(points, angle):
    out = points.clone()
    out[:, 0] = out[:, 0] * angle.cos() - out[:, 1] * angle.sin()
    out[:, 1] = out[:, 1] * angle.cos() + out[:, 0] * angle.sin()
    return out
