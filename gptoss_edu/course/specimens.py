"""The museum's live specimens (chapter 26): faults of other implementations, planted in this package's functions.

    with plant("unnoticed"):
        logits = model(tokens)      # every module now uses a window that is one key too long

`plant` replaces the right function by a wrong one in every module of the package that holds it, and restores it when
the block ends, whatever happens inside. It changes no file, no weight and no existing object. (`planted_faults`,
chapter 10, plants a fault in one layer of a copy of a model instead.)
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor

from gptoss_edu.errors import GptOssError

from .assembly import put


@dataclass(frozen=True)
class Specimen:
    """A fault: `makes` maps "module.function" or "module.Class.method" to what makes the wrong one from the right."""

    name: str
    makes: dict[str, Callable[[Callable], Callable]]


def specimens() -> tuple[str, ...]:
    """Return the names that `plant` accepts, in the order of the museum's rooms."""
    return tuple(SPECIMENS)


@contextmanager
def plant(name: str, fault: int | None = None) -> Iterator[None]:
    """Give the package the fault `name` within the block.

    `fault` plants only one fault, 1 or 2, of a specimen that has two.
    Raises: GptOssError if there is no such specimen, or if it has no such fault.
    """
    if name not in SPECIMENS:
        raise GptOssError(f"plant: no specimen {name!r}; there are: {', '.join(SPECIMENS)}.")
    makes = SPECIMENS[name].makes
    if fault is not None:
        faults = FAULTS.get(name, ())
        if fault not in range(1, len(faults) + 1):
            has = " and ".join(f"fault={i + 1}" for i in range(len(faults))) or "one fault only: leave `fault` out"
            raise GptOssError(f"plant: {name!r} has {has}; found fault={fault!r}.")
        makes = {path: make for path, make in makes.items() if path.removeprefix("gptoss_edu.") in faults[fault - 1]}
    with ExitStack() as stack:
        for path, make in makes.items():
            places = _places(path)
            wrong = make(places[0][2])
            for owner, attribute, _ in places:
                stack.enter_context(put(owner, attribute, wrong))
        yield


def _places(path: str) -> list[tuple[object, str, Callable]]:
    """Return every place that holds the function: its class, or each module that imported it by name."""
    module, _, attribute = path.rpartition(".")
    home = module
    while home and home not in sys.modules:
        try:
            import_module(home)
        except ModuleNotFoundError:
            home = home.rpartition(".")[0]
    owner = sys.modules[home]
    for name in module.removeprefix(home).strip(".").split("."):
        owner = getattr(owner, name) if name else owner
    right = vars(owner)[attribute]
    if owner is not sys.modules[home]:
        return [(owner, attribute, right)]
    holders = [m for name, m in list(sys.modules.items()) if m is not None and name.startswith("gptoss_edu")]
    return [(m, key, right) for m in holders for key, value in list(vars(m).items()) if value is right]


# ------------------------------------------------------------------------------------------------------------ the model


def _no_window(right: Callable) -> Callable:
    return lambda query_positions, key_positions, window: right(query_positions, key_positions, None)


def _one_key_more(right: Callable) -> Callable:
    def mask(query_positions: Tensor, key_positions: Tensor, window: int | None) -> Tensor:
        return right(query_positions, key_positions, None if window is None else window + 1)

    return mask


def _plain_rope(right: Callable) -> Callable:
    return lambda head_dim, theta, factor, *rest: right(head_dim, theta, 1.0, *rest)


def _rounded_bound(right: Callable) -> Callable:
    def bound(turns: float, *rest) -> float:
        found = right(turns, *rest)
        return float(math.floor(found) if turns > 4 else math.ceil(found))  # fast bound down, slow bound up

    return bound


def _fresh_rope(right: Callable) -> Callable:
    """Compute cos and sin again: a specimen must neither read the model's table nor leave its own behind."""

    def rope(self, positions: Tensor):
        with self.fresh_rope(self._rope_config):
            return right(self, positions)

    return rope


def _no_sinks(right: Callable) -> Callable:
    return lambda scores, sinks: right(scores, torch.full_like(sinks, -torch.inf))


def _never_initialised(right: Callable) -> Callable:
    def init(self, *args, **kwargs) -> None:
        right(self, *args, **kwargs)
        left_over = torch.randint(-(2**15), 2**15, (self.h,), dtype=torch.int16)  # whatever is in memory
        self.sinks.data = left_over.view(torch.bfloat16).to(self.sinks.dtype)

    return init


def _halves(right: Callable) -> Callable:
    def swiglu(x: Tensor, alpha: float = 1.702, limit: float = 7.0) -> Tensor:
        gate, up = x.chunk(2, dim=-1)
        return right(torch.stack((gate, up), dim=-1).flatten(-2), alpha, limit)

    return swiglu


def _clamped_twice(right: Callable) -> Callable:
    def swiglu(x: Tensor, alpha: float = 1.702, limit: float = 7.0) -> Tensor:
        return right(x.clamp(min=-limit), alpha, limit)

    return swiglu


def _swapped_nibbles(right: Callable) -> Callable:
    def decode(blocks: Tensor, scales: Tensor, out: Tensor) -> Tensor:
        return right((blocks >> 4) | (blocks << 4), scales, out)

    return decode


def _not_transposed_reading(right: Callable) -> Callable:
    def dense(self, name: str, dtype: torch.dtype) -> Iterator[Tensor]:
        turn = name.endswith("mlp2_weight") and not self.is_packed
        return (weight.T.contiguous() if turn else weight for weight in right(self, name, dtype))

    return dense


def _not_transposed_writing(right: Callable) -> Callable:
    def chunks(config, layout, *sources, **more):
        for name, dtype, shape, data in right(config, layout, *sources, **more):
            if layout == "hf-bf16" and name.endswith("down_proj"):
                yield name, dtype, shape, lambda data=data: (weight.T for weight in data())
            else:
                yield name, dtype, shape, data

    return chunks


# ---------------------------------------------------------------------------------------------------------- the harmony


def _stop_at_end(right: Callable) -> Callable:
    return lambda model: right(model) | {model.tokenizer.encode_single_token("<|end|>")}


def _last_of_several(right: Callable) -> Callable:
    def feed(self, tokens) -> str:
        texts = [self.process(token) for token in tokens]
        return texts[-1] if texts else ""

    return feed


def _each_token_alone(right: Callable) -> Callable:
    def decode(self, token: int) -> str:
        text = self.encoding.decode_single_token_bytes(token).decode("utf-8", "replace")
        self._parts.append(text)
        return text

    return decode


def _no_thoughts(right: Callable) -> Callable:
    def kept(messages, rule: str = "library", training: bool = False) -> list[bool]:
        return [message.role != "assistant" or message.channel != "analysis" for message in messages]

    return kept


def _dumped_again(right: Callable) -> Callable:
    def text(content, message, index: int, functions: bool) -> str:
        import json

        found = right(content, message, index, functions)
        return json.dumps(found) if message.role == "assistant" and message.recipient else found

    return text


def _marker_as_text(right: Callable) -> Callable:
    return lambda self, content_type: self.short(f" {content_type}")


FAULTS = {  # the specimens that hold two faults: what belongs to each
    "long": (("attention.sliding_window_mask",), ("rope.yarn_inv_freq", "transformer.Transformer._rope")),
    "there and back": (("checkpoint.layouts.CheckpointReader.dense",), ("checkpoint.layouts.layout_chunks",)),
}

SPECIMENS = {
    name: Specimen(name, {f"gptoss_edu.{path}": make for path, make in makes.items()})
    for name, makes in {
        "long": {
            "attention.sliding_window_mask": _no_window,
            "rope.yarn_inv_freq": _plain_rope,
            "transformer.Transformer._rope": _fresh_rope,
        },
        "unnoticed": {"attention.sliding_window_mask": _one_key_more},
        "surprised": {"rope.yarn_bound": _rounded_bound, "transformer.Transformer._rope": _fresh_rope},
        "unfailing": {"attention.attention_weights": _no_sinks},
        "now and then": {"attention.AttentionBlock.__init__": _never_initialised},
        "zero": {"moe.swiglu": _halves},
        "there and back": {
            "checkpoint.layouts.CheckpointReader.dense": _not_transposed_reading,
            "checkpoint.layouts.layout_chunks": _not_transposed_writing,
        },
        "review": {"moe.swiglu": _clamped_twice},
        "histogram": {"mxfp4._decode": _swapped_nibbles},
        "empty": {"generation.default_stop_tokens": _stop_at_end},
        "holes": {
            "harmony.stream.StreamParser.feed": _last_of_several,
            "harmony.stream.StreamParser._decode": _each_token_alone,
        },
        "amnesia": {"harmony.thoughts.kept_messages": _no_thoughts},
        "retold": {"harmony.render._content_text": _dumped_again},
        "printed": {"harmony.render._Renderer._content_type": _marker_as_text},
    }.items()
}
