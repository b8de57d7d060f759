"""Judge a port: one mechanism of gpt-oss, written for another engine (capstone 4).

    verdict = judge("attention", my_attention)       # takes NumPy arrays, gives NumPy arrays
    print(verdict)                                   # the check, your inputs, the ladder
    verdict.figure()                                 # the ladder as a picture

The engine may be anything that Python can call with arrays. The port is called from three sides: by the exercise's
check, which names known mistakes; on the porter's own inputs, which are judged too, by the mistakes that they find; and
in its place in gpt-oss-tiny, layer by layer, up to the logits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gptoss_edu.checks import bank, registry
from gptoss_edu.checks.diagnosis import Probe, outcome, plain, same, size_of
from gptoss_edu.checks.result import Result
from gptoss_edu.errors import GptOssError
from gptoss_edu.ladder import Ladder, Rung, ladder, record

from .assembly import DTYPES, borrowed

PORTABLE = tuple(DTYPES)  # what has a place in the model and takes arrays only
TOLERANCE = 1e-4  # of the largest value, in float32
TEXT = (
    "A boat leaves at 7 and reads 12 pages an hour. It comes back at 9 with 46 apples in 3 boxes and 5 letters for"
    " Anna. How many pages is that, and what is 46 times 73? Think first, then answer with one number."
)  # longer than gpt-oss-tiny's window


@dataclass(frozen=True)
class Judged:
    """The porter's own inputs: their number, the largest relative difference on each, and what they cannot tell apart.

    `missed` are the titles of known wrong solutions that give the right result on every input; `known`, how many wrong
    solutions were tried.
    """

    differences: tuple[float, ...]
    missed: tuple[str, ...]
    known: int

    def __str__(self) -> str:
        close = sum(difference <= TOLERANCE for difference in self.differences)
        text = (
            f"your inputs: {close} of {len(self.differences)} agree; the largest relative difference is"
            f" {max(self.differences):.1e}\n  they find {self.known - len(self.missed)} of {self.known} known mistakes"
        )
        return text + (f"; not: {', '.join(self.missed[:4])}" if self.missed else "")


@dataclass(frozen=True)
class Verdict:
    """What is known of a port: the check's result, the judged inputs if any, the ladder or why there is none."""

    name: str
    check: Result
    inputs: Judged | None
    ladder: Ladder | None
    broken: str = ""

    @property
    def red(self) -> Rung | None:
        """The first rung that differs."""
        return self.ladder.first_above(TOLERANCE) if self.ladder else None

    @property
    def passed(self) -> bool:
        right = self.inputs is None or max(self.inputs.differences) <= TOLERANCE
        return self.check.passed and right and self.ladder is not None and self.red is None

    def __str__(self) -> str:
        checked = f"{self.name}: passes all {self.check.total} stages of its check"
        lines = [checked if self.check.passed else f"{self.name}: {self.check.message}"]
        return "\n".join([*lines, *([str(self.inputs)] if self.inputs else []), f"in gpt-oss-tiny: {self._place()}"])

    def _place(self) -> str:
        if self.ladder is None:
            return f"no ladder, because of {self.broken}"
        logits, count = self.ladder.rungs[-1], len(self.ladder.rungs)
        end = f"the logits differ by {logits.relative:.1e} of the largest"
        if self.red is None:
            return f"all {count} rungs are green; {end}"
        return f"the first red rung is {self.red.name} ({self.red.relative:.1e}); {end}"

    def figure(self):
        """Return the ladder as a Matplotlib figure."""
        from gptoss_edu.viz.parallel_figures import figure_ladder

        if self.ladder is None:
            raise GptOssError(f"port: there is no ladder to draw: {self.broken}.")
        return figure_ladder(self.ladder.rungs, TOLERANCE)


def judge(name: str, function: Callable, inputs: Iterable[tuple] | None = None, model=None) -> Verdict:
    """Judge a port of the exercise `name`, whose signature it has, with NumPy arrays for tensors.

    `inputs` are tuples of arguments; `model` None: gpt-oss-tiny in float32.

    Raises: GptOssError if the mechanism has no place in the model, or an input is not one of its.
    """
    if name not in PORTABLE:
        raise GptOssError(f"port: expected one of {', '.join(PORTABLE)}, found {name!r}.")
    port = with_arrays(function)
    result = registry.load_check(name)(port, keep=False)
    judged = judge_inputs(name, port, inputs) if inputs is not None else None
    try:
        return Verdict(name, result, judged, in_the_model(name, port, model))
    except GptOssError:
        raise
    except Exception as error:  # of the port, or of the model on what it gave
        return Verdict(name, result, judged, None, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")


def with_arrays(function: Callable) -> Callable:
    """Wrap a port: tensors reach it as NumPy arrays, and its result becomes tensors again.

    NumPy has no bfloat16. Such arguments become float32, and the result is rounded to bfloat16.
    """

    @functools.wraps(function)
    def called(*args, **kwargs):
        rough = any(isinstance(value, Tensor) and value.dtype == torch.bfloat16 for value in args)
        found = function(*map(as_array, args), **{key: as_array(value) for key, value in kwargs.items()})
        if isinstance(found, (tuple, list)) and len(found) == 2:
            return tuple(as_tensor(value, rough) for value in found)
        return as_tensor(found, rough)

    return called


def as_array(value):
    """Return a tensor as a NumPy array that shares its memory, if NumPy has its dtype."""
    if not isinstance(value, Tensor):
        return value
    value = value.detach().cpu()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def as_tensor(value, rough: bool):
    """Return anything that NumPy reads as a tensor; numbers, None and what has no numbers stay as they are."""
    if value is None or value is ... or isinstance(value, (bool, int, float, Tensor)):
        return value
    array = np.array(value)
    if array.dtype.kind not in "biuf":
        return value
    tensor = torch.from_numpy(array)
    return tensor.bfloat16() if rough and tensor.is_floating_point() else tensor


def judge_inputs(name: str, port: Callable, inputs: Iterable[tuple]) -> Judged:
    """Compare a port with a right solution on the porter's inputs, and try known mistakes on the same."""
    given = [tuple(torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in args) for args in inputs]
    if not given:
        raise GptOssError(f"port: expected at least one input of {name}, found none.")
    probes = [Probe(args) for args in given]
    right = [outcome(bank.right(name)[0].function, probe) for probe in probes]
    for number, one in enumerate(right):
        if one.raised:
            raise GptOssError(f"port: input {number} is none of {name}: the right solution raises {one.raised}.")
    differences = tuple(relative(outcome(port, probe), one.value) for probe, one in zip(probes, right, strict=True))
    wrong = [solution for solution in bank.wrong(name) if not solution.unseen]
    missed = [solution for solution in wrong if not finds(solution, probes, right)]
    return Judged(differences, tuple(dict.fromkeys(solution.title for solution in missed)), len(wrong))


def finds(solution: bank.Solution, probes: list[Probe], right: list) -> bool:
    """Return whether a wrong solution differs from the right one on any of these inputs."""
    return any(
        not same(outcome(solution.function, probe), one, size_of(one.value))
        for probe, one in zip(probes, right, strict=True)
    )


def relative(found, right) -> float:
    """Return the largest difference relative to the largest value; infinite where the kinds or shapes differ."""
    if found.raised:
        return float("inf")
    pairs = list(zip(_parts(plain(found.value)), _parts(right), strict=False))
    if len(_parts(plain(found.value))) != len(_parts(right)) or any(a.shape != b.shape for a, b in pairs):
        return float("inf")
    return max(_relative(a, b) for a, b in pairs)


def _parts(value) -> list[np.ndarray]:
    return [np.asarray(part, dtype=np.float64) for part in (value if isinstance(value, list) else [value])]


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        difference = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    worst = float(np.max(difference, initial=0.0))
    return float("inf") if np.isnan(worst) else worst / (size_of(b) or 1.0)


def in_the_model(name: str, port: Callable, model=None) -> Ladder:
    """Compare gpt-oss-tiny with the port in it and without, at the residual stream of every layer and at the logits."""
    if model is None:
        from gptoss_edu import load_model

        model = load_model(dtype=torch.float32, experts="packed" if name == "unpack_mxfp4" else "auto")
    tokens = torch.tensor([model.tokenizer.encode_ordinary(TEXT)])
    stream = [
        f"block.{i}.{rung}" for i in range(model.config.num_hidden_layers) for rung in ("resid_mid", "resid_post")
    ]
    names = ["embedding", *stream, "final_norm", "logits"]
    right = record(model, tokens, names)
    with borrowed({name: port}, model):
        return ladder(record(model, tokens, names), right)
