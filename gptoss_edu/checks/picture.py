"""Draw a learner's result; a stub gives "not written yet" instead of an exception."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from . import bank, registry
from .calling import Call, NotWritten, TheirError
from .compare import to_numpy
from .display import Shown, box, inline


def attempt(function: Callable, *args, **kwargs):
    """Call a learner's function; return its result, or None after showing why it has none (stub or exception)."""
    try:
        return Call(function)(*args, **kwargs)
    except (NotWritten, TheirError) as reason:
        _display(_excuse(getattr(function, "__name__", "your function"), reason))
        return None


def picture(draw: Callable) -> Callable:
    """Decorate a picture helper that calls the learner's function, which must be the helper's first argument.

    Inside, call it as usual. A stub shows "not written yet", the learner's exceptions are shown as theirs, results that
    cannot be drawn are reported, and no cell raises.
    """

    @functools.wraps(draw)
    def safely(function: Callable, *args, **kwargs):
        import matplotlib.pyplot as plt

        before = set(plt.get_fignums())
        try:
            return draw(Call(function), *args, **kwargs)
        except (NotWritten, TheirError) as error:
            reason = error
        except Exception as error:  # a result of another kind or shape; the check explains it
            first = str(error).partition("\n")[0]
            reason = TheirError(f"your result cannot be drawn ({type(error).__name__}: {first})", "")
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
        _display(_excuse(getattr(function, "__name__", "your function"), reason))
        return None

    return safely


def finished(name: str) -> Callable:
    """Return the finished function of one of the chapters' own exercises, for pictures and for later cells.

    Raises: ValueError if there is no such exercise, or if the package has the function in its own module.
    """
    if name not in registry.EXERCISES or registry.EXERCISES[name].stored:
        raise ValueError(f"no finished {name!r} here; there are: {', '.join(registry.names(stored=False))}.")
    return bank.right(name)[0].function


def show(
    function: Callable,
    *args,
    right: Callable | None = None,
    title: str = "",
    labels: tuple[str, str] = ("column", "row"),
) -> None:
    """Draw the learner's result beside the finished function's, and where they differ.

    Results of one or two axes; others are laid out as rows of their last axis, and up to 16 rows are marked with the
    places on the axes before it, "1, 0". `right` is the finished function,
    None: that of the exercise of this name. Of a tuple, the first element is drawn.
    """
    mine = attempt(function, *args)
    if mine is None:
        return
    theirs = (right or finished(getattr(function, "__name__", "")))(*args)
    mine, theirs = (value[0] if isinstance(value, tuple) else value for value in (mine, theirs))
    mine, theirs = to_numpy(mine), to_numpy(theirs)
    before = [", ".join(map(str, place)) for place in np.ndindex(theirs.shape[:-1])] if theirs.ndim > 2 else []
    mine, theirs = _grid(mine), _grid(theirs)
    if mine.shape != theirs.shape:
        _display(
            Shown(
                box(f"yours has shape {mine.shape}, right is {theirs.shape}", "", "failed"),
                f"yours has shape {mine.shape}, right is {theirs.shape}",
            )
        )
        return
    _three_panels(mine, theirs, title or getattr(function, "__name__", ""), labels, before if len(before) <= 16 else [])


def _three_panels(mine: np.ndarray, theirs: np.ndarray, title: str, labels: tuple[str, str], rows: list[str]) -> None:
    import matplotlib.pyplot as plt

    from gptoss_edu.viz import style

    low, high = float(np.nanmin(theirs)), float(np.nanmax(theirs))
    if low == high:
        high = low + 1
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
    for axis, values, name in zip(axes, (mine, theirs, mine - theirs), ("yours", "right", "difference"), strict=True):
        # differences from float32 rounding stay pale
        limit = max(float(np.nanmax(np.abs(values))), 1e-5 * float(np.nanmax(np.abs(theirs)))) or 1.0
        limits = (
            {"vmin": low, "vmax": high, "cmap": "cividis"}
            if name != "difference"
            else {"vmin": -limit, "vmax": limit, "cmap": style.diverging()}
        )
        drawn = axis.imshow(values, aspect="auto", interpolation="nearest", **limits)
        axis.set(title=name, xlabel=labels[0], ylabel=labels[1] if name == "yours" else "")
        axis.locator_params(integer=True)  # rows and columns are whole numbers
        if rows:
            axis.set_yticks(range(len(rows)), rows)
        figure.colorbar(drawn, ax=axis, shrink=0.8)
    figure.suptitle(title)
    plt.show()


def _grid(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)


def _excuse(name: str, reason: Exception) -> Shown:
    if isinstance(reason, NotWritten):
        return Shown(
            box(
                f"{name}: not written yet",
                "<div>The picture appears when the function above is written.</div>",
                "waiting",
            ),
            f"{name}: not written yet",
        )
    return Shown(
        box(f"{name}: no picture yet", f"<div>{inline(reason.symptom)}</div>", "failed"), f"{name}: {reason.symptom}"
    )


def _display(shown: Shown) -> None:
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(shown)
        return
    display(shown) if get_ipython() is not None else print(shown)
