"""Named points at every intermediate value of the model, where a function may read or replace it.

A module passes each intermediate through `self.at(name, value)`. Without hooks this costs one comparison. With
`model.hooks({name: function})`, the function is called with (value, name), and its result, unless None, replaces the
value.
"""

from collections.abc import Callable
from contextlib import contextmanager
from difflib import get_close_matches

from torch import Tensor, nn

from .errors import GptOssError

Hook = Callable[[Tensor, str], Tensor | None]


class Hooked(nn.Module):
    """A module with hook points; `POINTS` maps each name to the axes of its value."""

    POINTS: dict[str, str] = {}

    def __init__(self):
        super().__init__()
        self.active: dict[str, list[tuple[str, Hook]]] | None = None

    def at(self, point: str, value: Tensor) -> Tensor:
        if self.active is None:
            return value
        for name, hook in self.active.get(point, ()):
            replacement = hook(value, name)
            if replacement is not None and replacement is not value:
                _check(name, value, replacement)
                value = replacement
        return value

    def watched(self, point: str) -> bool:
        """Return whether a hook watches this point, so that a module can skip what only a hook needs."""
        return self.active is not None and bool(self.active.get(point))


def _check(name: str, value: Tensor, replacement: Tensor) -> None:
    if not isinstance(replacement, Tensor) or replacement.shape != value.shape:
        found = tuple(replacement.shape) if isinstance(replacement, Tensor) else type(replacement).__name__
        raise GptOssError(f"hook at {name}: expected a tensor {tuple(value.shape)} or None, found {found}.")


def hook_points(model: nn.Module) -> dict[str, str]:
    """Return every hook point of the model by its full name, with the axes of its value."""
    return {
        f"{prefix}.{point}" if prefix else point: axes
        for prefix, module in model.named_modules()
        if isinstance(module, Hooked)
        for point, axes in module.POINTS.items()
    }


@contextmanager
def hooks(model: nn.Module, functions: dict[str, Hook]):
    """Attach functions to hook points within a `with` block; nested blocks add up, in order."""
    known = hook_points(model)
    for name in functions:
        if name not in known:
            near = get_close_matches(name, known, n=3)
            raise GptOssError(
                f"no hook point {name!r};"
                f" {'near it: ' + ', '.join(near) if near else 'model.hook_points() lists them'}."
            )
    touched = {}
    for name, function in functions.items():
        prefix, _, point = name.rpartition(".")
        module = model.get_submodule(prefix)
        touched.setdefault(module, module.active)
        active = {k: list(v) for k, v in (module.active or {}).items()}
        active.setdefault(point, []).append((name, function))
        module.active = active  # type: ignore[assignment]  # a Hooked module, found by name
    try:
        yield model
    finally:
        for module, before in touched.items():
            module.active = before
