"""Compare a learner's result with the right one: kind, shape, values, and the place of the largest difference."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from .harness import Refused


def to_numpy(value, what: str = "the result") -> np.ndarray:
    """Convert tensors, arrays, lists and numbers to float64; refuse anything else."""
    if isinstance(value, torch.Tensor):
        if value.is_complex():
            raise Refused(
                f"{what} is complex",
                "The result must be real: take the real parts, interleaved or stacked as the exercise says.",
            )
        return value.detach().to(torch.float64).cpu().numpy()
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise Refused(
            f"{what} is a {type(value).__name__}, numbers were expected", "Return a tensor, or a list of numbers."
        ) from None


def expect_shape(value: np.ndarray, shape: tuple[int, ...], axes: str, cause: str = "") -> None:
    """Refuse any other shape than `shape`; `axes` names its axes, such as "(b, t, h, d)", or is ""."""
    if tuple(value.shape) != tuple(shape):
        wanted = f"{tuple(shape)}{f' = {axes}' if axes else ''}" if shape else "one number"
        raise Refused(
            f"the result has shape {tuple(value.shape)}, expected {wanted}",
            cause
            or "The axes of the result do not follow the exercise. Write the axes behind every line that changes a "
            "shape.",
        )


def expect_dtype(value, dtype: torch.dtype, cause: str) -> None:
    """Refuse a tensor of another dtype."""
    if isinstance(value, torch.Tensor) and value.dtype != dtype:
        raise Refused(f"the result is {_name(value.dtype)}, expected {_name(dtype)}", cause, certain=True)


def expect_pair(value, names: str, cause: str = "") -> tuple:
    """Refuse anything but a pair; `names` names its parts, such as "(weights, indices)"."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        found = f"{len(value)} values" if isinstance(value, (tuple, list)) else f"a {type(value).__name__}"
        raise Refused(
            f"the function returned {found}, expected the pair {names}",
            cause or f"Return two values: `return {names.strip('()')}`.",
            certain=True,
        )
    return tuple(value)


def close(a: np.ndarray, b: np.ndarray, rtol: float = 1e-3, atol: float = 1e-5) -> bool:
    """Return whether two arrays agree, including infinities and NaN; arrays of different shapes do not."""
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True))


def worst(out: np.ndarray, expected: np.ndarray) -> tuple[int, ...]:
    """Return the index of the largest difference; a NaN or infinity that should not be there counts as largest."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(out - expected)
    difference = np.where(np.isnan(difference), np.where(np.isnan(out) & np.isnan(expected), 0, np.inf), difference)
    difference = np.where((out == expected), 0, difference)
    return (
        tuple(int(i) for i in np.unravel_index(int(np.argmax(difference)), difference.shape)) if difference.ndim else ()
    )


def place(index: tuple[int, ...], axes: Iterable[str]) -> str:
    """Return `batch 0, query 2, head 1` for index (0, 2, 1), or `at [0, 2, 1]` if the axes have no names."""
    axes = tuple(axes)
    if index and not axes:
        return f"at [{', '.join(map(str, index))}]"
    return ", ".join(f"{axis} {i}" for axis, i in zip(axes, index, strict=False) if axis)


def number(value: float) -> str:
    """Return a number as a learner would write it: 0.125, 1e-05, nan."""
    return f"{value:.5g}"


def expect_close(
    out,
    expected: np.ndarray,
    axes: Iterable[str],
    cause: str,
    rtol: float = 1e-3,
    atol: float = 1e-5,
    prefix: str = "",
) -> None:
    """Refuse `out` unless it equals `expected`.

    Parameters: `axes`, axis names for the place ("batch", "query", "head", …), if they have any; `cause`, the guess to
    show if no mistake in the bank gives this result.
    """
    axes = tuple(axes)
    found = to_numpy(out)
    expected = np.asarray(expected, dtype=np.float64)
    if found.shape != expected.shape:
        expect_shape(found, expected.shape, f"({', '.join(axes)})" if axes else "")
    if close(found, expected, rtol, atol):
        return
    index = worst(found, expected)
    wrong = int((~np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)).sum())
    where = place(index, axes)
    symptom = (
        f"{prefix}{where + ': ' if where else ''}yours is {number(found[index])}, right is {number(expected[index])}"
    )
    if expected.size > 1:
        symptom += f"; {wrong} of {expected.size} values differ"
    raise Refused(symptom, cause)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
