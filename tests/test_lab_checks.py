"""The exercises of chapters 15 to 17 and 19: each plausible wrong solution is refused with its own cause, each stub as unwritten."""

import ast
import re
from math import comb, sqrt

import nbformat
import numpy as np
import pytest
import torch

from gptoss_edu import checks, load_tokenizer
from gptoss_edu.resources import data_path, notebooks_path

HEAD = 'special("<|channel|>analysis<|message|>")'
FINAL = 'special("<|channel|>final<|message|>")'
POLYNOMIAL = "for _ in range(steps):\n    g = y @ y.mT\n    y = a * y + (b * g + c * g @ g) @ y\nreturn y"
WRONG = [  # chapter, exercise, wrong solution, words of the message
    ("15", "wilson", "p = right / of\nh = z * sqrt(p * (1 - p) / of)\nreturn p - h, p + h", "the half-width is off"),
    ("15", "wilson", "p, d = right / of, 1 + z * z / of\nm, h = (p + z * z / 2 / of) / d, z * sqrt(p * (1 - p) / of + z * z / 4 / of ** 2) / d\nreturn (m - h, m + h) if 0 < p < 1 else (p, p)", "the terms with z²"),
    ("15", "cut_short", f"return prompt + {HEAD} + thought[:budget] + special('<|end|><|start|>assistant') + {FINAL}", "opens at once"),
    ("15", "cut_short", f"return prompt + ({HEAD} + thought[:budget] + special('<|end|>') if budget else []) + {FINAL}", "open a new assistant message"),
    ("15", "cut_short", f"if budget:\n    prompt += {HEAD} + thought[:budget] + special('<|end|><|start|>assistant')\nprompt += {FINAL}\nreturn prompt", "Work on a copy"),
    ("15", "pass_at_k", "return comb(n - c, k) / comb(n, k)", "the share of right ones"),
    ("15", "pass_at_k", "return 1 - (1 - c / n) ** k", "draw without replacement"),
    ("16", "sink_share", "s = sinks.float()[:, None]\nreturn torch.exp(s - scores.float().logsumexp(-1))", "belongs into the sum"),
    ("16", "sink_share", "s = sinks.mean()\nreturn torch.exp(s - torch.logaddexp(scores.logsumexp(-1), s))", "own sink"),
    ("16", "sink_share", "s = sinks[:, None]\nx = scores.masked_fill(scores.isinf(), 0)\nreturn torch.exp(s - torch.logaddexp(x.logsumexp(-1), s))", "-inf"),
    ("16", "sink_share", "s = sinks[:, None].exp()\nreturn s / (scores.exp().sum(-1) + s)", "overflows"),
    ("16", "beyond", "g = np.subtract.outer(np.arange(len(weights)), np.arange(len(weights)))\nreturn float(weights[g >= window - 1].sum() / weights.sum())", "distance 0 is inside"),
    ("16", "beyond", "g = np.subtract.outer(np.arange(len(weights)), np.arange(len(weights)))\nreturn float(weights[g > window].sum() / weights.sum())", "q - k >= w"),
    ("16", "beyond", "g = np.subtract.outer(np.arange(len(weights)), np.arange(len(weights)))\nreturn float(weights[g >= window].mean())", "Distance w is the first"),
    ("16", "beyond", "g = np.subtract.outer(np.arange(len(weights)), np.arange(len(weights)))\nreturn float(weights[g >= window].sum() / len(weights))", ""),
    ("16", "copy_score", "m = [weights[q, :q + 1][tokens[:q + 1] == tokens[q + 1]].sum() for q in range(len(tokens) - 1)]\nreturn float(np.mean(m))", "do not count"),
    ("16", "copy_score", "m = [weights[q, :q + 1][tokens[:q + 1] == tokens[q]].sum() for q in range(len(tokens) - 1)]\nreturn float(np.mean(m))", ""),
    ("16", "copy_score", "m = [weights[q, :q][tokens[:q] == tokens[q + 1]].sum() for q in range(len(tokens) - 1) if (tokens[:q] == tokens[q + 1]).any()]\nreturn float(np.mean(m)) if m else 0.0", "own place too"),
    ("17", "load_entropy", "c = np.bincount(indices.reshape(-1))\np = c[c > 0] / c.sum()\nreturn float((p * np.log(1 / p)).sum())", "base 2"),
    ("17", "load_entropy", "c = np.bincount(indices.reshape(-1))\np = c[c > 0] / c.sum()\nreturn float(np.log2(1 / p).mean())", "Weigh each"),
    ("17", "load_entropy", "c = np.bincount(indices.reshape(-1), minlength=n_experts)\np = c / c.sum() + 1e-2\nreturn float((p * np.log2(1 / p)).sum())", "0 bits"),
    ("16", "sink_share", "s = sinks[:, None]\nreturn 1 - torch.exp(s - torch.logaddexp(scores.logsumexp(-1), s))", "three parts of four"),
    ("17", "load_entropy", "c = np.bincount(indices.reshape(-1))\np = c[c > 0] / len(indices)\nreturn float((p * np.log2(1 / p)).sum())", "sum to 1"),
    ("17", "load_entropy", "p = np.bincount(indices.reshape(-1), minlength=n_experts) / indices.size\nreturn float(-(p * np.log2(p)).sum())", "leave unused experts out"),
    ("17", "load_entropy", "c = np.bincount(indices[:, 0], minlength=n_experts)\np = c[c > 0] / c.sum()\nreturn float((p * np.log2(1 / p)).sum())", ""),
    ("17", "table_information", "p = joint / joint.sum()\ns = p > 0\nreturn float((p[s] * np.log2(1 / p[s])).sum())", "nothing is told"),
    ("17", "table_information", "p = joint / joint.sum()\nm = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)\nreturn float((p * np.log2(p / m)).sum())", "A pair that never occurs"),
    ("17", "table_information", "p = joint / joint.sum()\nm = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)\ns = p > 0\nreturn float((m[s] * np.log2(p[s] / m[s])).sum())", ""),
    ("17", "shuffle_by_group", "return rng.permutation(labels)", "then give every token"),
    ("17", "shuffle_by_group", "return labels", "order has to change"),
    ("17", "shuffle_by_group", "values, which = np.unique(labels, return_inverse=True)\nreturn rng.permutation(values)[which]", "not by label"),
    ("17", "shuffle_by_group", "_, first = np.unique(conversation, return_index=True)\nreturn rng.permutation(labels[first])[conversation % len(first)]", "numbered 0, 1, 2"),
    ("19", "packed_mask", "return documents[:, :, None] == documents[:, None, :]", "it is the causal mask"),
    ("19", "packed_mask", "return (documents[:, :, None] >= documents[:, None, :]).tril()", "another document's"),
    ("19", "schedule", "return min(1.0, step / warmup) * min(1.0, max(0.0, 1 - progress) / decay)", "already moves"),
    ("19", "schedule", "return (step + 1) / warmup if progress <= 1 - decay else (1 - progress) / decay", "In the middle"),
    ("19", "schedule", "return min(1.0, (step + 1) / warmup, (1 - progress) / decay)", "Never negative"),
    ("19", "orthogonalise", "y = x\n" + POLYNOMIAL, "Frobenius norm"),
    ("19", "orthogonalise", "y = x / x.norm()\n" + POLYNOMIAL.replace("steps", "1"), "After five rounds"),
    ("19", "orthogonalise", "y = x / x.norm()\nfor _ in range(steps):\n    y = a * y + b * y**3 + c * y**5\nreturn y", "powers of single entries"),
]  # fmt: skip


def cells_of(chapter: str) -> tuple[dict[str, str], dict[str, str]]:
    """Exercise → signature with docstring, exercise → check cell."""
    path = next(notebooks_path().glob(f"{chapter}_*.ipynb"))
    stubs, tests = {}, {}
    for cell in nbformat.read(path, as_version=4).cells:
        if "### BEGIN SOLUTION" in cell.source:
            stub = cell.source.split("    ### BEGIN SOLUTION")[0]
            stubs[re.findall(r"^def (\w+)", stub, re.M)[-1]] = stub
        if "checks.custom(" in cell.source:
            tests[cell.source.split('checks.custom("')[1].split('"')[0]] = cell.source
    return stubs, tests


def judged(chapter: str, exercise: str, body: str):
    stubs, tests = cells_of(chapter)
    names = {"np": np, "torch": torch, "Tensor": torch.Tensor, "checks": checks, "A": np.array}
    names |= {"comb": comb, "sqrt": sqrt, "encoding": load_tokenizer(data_path("gpt-oss-tiny"))}
    indented = "\n".join("    " + line for line in body.splitlines())
    exec(stubs[exercise] + indented, names)
    tree = ast.parse(tests[exercise])
    last = tree.body.pop()
    exec(compile(tree, "check", "exec"), names)
    return eval(compile(ast.Expression(last.value), "check", "eval"), names)


@pytest.mark.parametrize(("chapter", "exercise", "body", "says"), WRONG)
def test_a_wrong_solution_meets_its_cause(chapter, exercise, body, says):
    result = judged(chapter, exercise, body)
    assert result.status == "failed" and says in result.message, result.message


@pytest.mark.parametrize(("chapter", "exercise"), sorted({(c, e) for c, e, _, _ in WRONG}))
def test_a_stub_is_called_unwritten(chapter, exercise):
    assert judged(chapter, exercise, "raise NotImplementedError('write it')").status == "not written yet"
