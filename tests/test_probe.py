"""Losses per task equal those of each text read alone, whatever is batched together."""

import random

import pytest
import torch
import torch.nn.functional as F

from gptoss_edu import load_model
from gptoss_edu.evals import probe
from gptoss_edu.tasks.mix import make_example
from gptoss_edu.training.packing import TRAINED, encode


@pytest.mark.slow
@pytest.mark.parametrize("room", [1, 512, 10**6])
def test_losses_are_those_of_each_text_by_itself(monkeypatch, room):
    model = load_model()
    examples = [make_example(random.Random(i), task, split="test") for i, task in enumerate(["fact", "product"] * 2)]
    sums, counts = {}, {}
    for example in examples:
        ids, codes = encode(example, model.tokenizer)
        with torch.no_grad():
            each = F.cross_entropy(model(torch.tensor([ids]))[0, :-1], torch.tensor(ids[1:]), reduction="none")
        learnt = torch.tensor(codes[1:]) == TRAINED
        for key in (example.task, "all"):
            sums[key] = sums.get(key, 0.0) + float(each[learnt].sum())
            counts[key] = counts.get(key, 0) + int(learnt.sum())
    monkeypatch.setattr(probe, "READ", room)
    found = probe.batch_losses(model, examples)
    assert found == {key: pytest.approx(sums[key] / counts[key], abs=2e-5) for key in found}
    assert list(found) == ["fact", "product", "all"]
