"""Wrong solutions of chapter 16, written from its text alone."""

import numpy as np
import torch

from gptoss_edu.checks.exercises.own.beyond import BANK as BEYOND
from gptoss_edu.checks.exercises.own.sink_share import BANK as SINK_SHARE


@BEYOND.wrong("the key just outside", "the window counts one key more", unseen=True)
def beyond_1(weights, window):
    q, k = np.indices(weights.shape)
    return float(weights[k < q - window].sum() / weights.sum())


@SINK_SHARE.wrong("a sink three times as strong as the key", "the logsumexp forgets the sink", unseen=True)
def sink_share_1(scores, sinks):
    return torch.exp(sinks[:, None] - scores.float().logsumexp(-1))
