"""gpt-oss-tiny on the learner's own functions (chapter 10).

    mine = checks.assemble()                  # functions from my_gptoss.py; the package's for the rest
    mine                                      # shows which functions are whose
    for piece in mine.answer("What is 12 times 7?"):
        print(piece, end="")
    logits = mine.logits(tokens)              # the same, on token ids

Each function is used wherever the model needs it, and no package code runs behind a learner's part. There is no cache,
so `attention` sees whole sequences; a few hundred tokens are fine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch import Tensor

from gptoss_edu.checks.display import box
from gptoss_edu.checks.store import load_functions, workshop_folder

USED = {
    "bpe_encode": "the question to tokens",
    "render_message": "the question as a harmony message",
    "yarn_inv_freq": "angular speeds",
    "apply_rope": "rotation of queries and keys",
    "rms_norm": "every norm",
    "attention": "every attention layer",
    "sliding_window_mask": "masks, where attention is the package's",
    "route": "every router",
    "moe": "every mixture of experts",
    "swiglu": "the activation, where the mixture is the package's",
    "unpack_mxfp4": "the experts' weights",
    "next_token_probabilities": "sampling",
}


def assemble(folder: str | Path | None = None, model=None, functions: dict[str, Callable] | None = None) -> Assembly:
    """Assemble the functions stored in `folder` (None: the workshop folder), with the package's for the rest.

    `functions` are used instead of stored ones: `assemble(functions={"rms_norm": rms_norm})`. `model` None:
    gpt-oss-tiny.
    """
    if functions is None:
        folder = folder or workshop_folder()
        functions = load_functions(Path(folder)) if folder else {}
    return Assembly(functions, model)


class Assembly:
    """A model with the learner's functions in it; displayed as a table of which functions are whose."""

    def __init__(self, functions: dict[str, Callable], model=None):
        if model is None:
            from gptoss_edu import load_model

            model = load_model(experts="packed" if "unpack_mxfp4" in functions else "auto")
        self.functions = {name: function for name, function in functions.items() if name in USED}
        self.model = model
        self._unpacked: dict[int, Tensor] = {}  # a mixture's weights, unpacked once

    @property
    def owners(self) -> dict[str, str]:
        """Function name -> "yours" or "the package's"."""
        return {name: "yours" if name in self.functions else "the package's" for name in USED}

    def __repr__(self) -> str:
        lines = [f"{name:26} {owner:14} {USED[name]}" for name, owner in self.owners.items()]
        return "\n".join([*lines, f"{len(self.functions)} of {len(USED)} parts are yours"])

    def _repr_html_(self) -> str:
        cells = "".join(
            f'<tr><td><code>{name}</code></td><td style="padding-right:1em">{owner}</td><td'
            f' style="text-align:left">{USED[name]}</td></tr>'
            for name, owner in self.owners.items()
        )
        return box(
            f"{len(self.functions)} of {len(USED)} parts are yours",
            f"<table>{cells}</table>",
            "passed" if self.functions else "waiting",
        )

    def logits(self, tokens: Tensor) -> Tensor:
        """Return logits (b, t, v) of token ids (b, t), through the learner's functions."""
        with torch.no_grad(), borrowed(self.functions, self.model, self._unpacked):
            return self.model(tokens)

    def prompt(self, question: str, effort: str = "medium") -> list[int]:
        """Return the token ids of a system message and the question, up to the assistant's turn."""
        from gptoss_edu import harmony

        encoding = self.model.tokenizer
        specials = encoding.special_tokens_set
        forged = next((special for special in specials if special in question), None)
        if forged:
            raise ValueError(
                f"the question spells the control token {forged}; a user's text must not contain one here."
            )
        system = harmony.Message("system", harmony.SystemContent(reasoning_effort=effort))
        head = harmony.render([system], next_role=None, encoding=encoding)
        render = self.functions.get("render_message", _render_message)
        return head + self._encode(render("user", question) + "<|start|>assistant")

    def _encode(self, text: str) -> list[int]:
        """Encode control tokens by name, and the text between them with bpe_encode, piece by piece."""
        import regex

        encoding = self.model.tokenizer
        if "bpe_encode" not in self.functions:
            return encoding.encode(text, allowed_special="all")
        control = "|".join(regex.escape(name) for name in encoding.special_tokens_set)
        ids = []
        for part in regex.split(f"({control})", text):
            if part in encoding.special_tokens_set:
                ids.append(encoding.encode_single_token(part))
            else:
                pieces = regex.findall(encoding._pat_str, part)
                encode, ranks = self.functions["bpe_encode"], encoding._mergeable_ranks
                ids += [int(i) for piece in pieces for i in encode(piece.encode(), ranks)]
        return ids

    def answer(
        self,
        question: str,
        effort: str = "medium",
        max_new_tokens: int = 200,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> Iterator[str]:
        """Yield the model's answer, token by token, control tokens included."""
        from gptoss_edu.generation import default_stop_tokens, next_token_probabilities

        probabilities_of = self.functions.get("next_token_probabilities", next_token_probabilities)
        tokens, stops = self.prompt(question, effort), default_stop_tokens(self.model)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(max_new_tokens):
            logits = self.logits(torch.tensor([tokens]))[0, -1].float()
            probabilities = torch.as_tensor(probabilities_of(logits, temperature, top_p))
            token = int(torch.multinomial(probabilities.float(), 1, generator=generator))
            tokens.append(token)
            yield self.model.tokenizer.decode([token])
            if token in stops:
                return


def _render_message(role: str, content: str) -> str:
    return f"<|start|>{role}<|message|>{content}<|end|>"


DTYPES = {  # of a function's result; None: the dtype of its first argument
    "rms_norm": (None,), "sliding_window_mask": (torch.bool,), "attention": (None,), "apply_rope": (None,),
    "yarn_inv_freq": (torch.float32, float), "swiglu": (None,), "route": (None, torch.int64), "moe": (None,),
    "unpack_mxfp4": (torch.float32,),
}  # fmt: skip


def in_tensors(name: str, function: Callable) -> Callable:
    """Wrap `function` so that its results are tensors of the model's dtypes.

    A check also accepts NumPy arrays, lists and float64. Their numbers are right, but matrix products do not accept
    them.

    Raises: ValueError, when called, if a result has no numbers that can be converted.
    """
    if name not in DTYPES:
        return function

    def convert(value, dtype, first):
        try:
            return float(value) if dtype is float else torch.as_tensor(value).to(dtype or first.dtype)
        except (TypeError, ValueError, RuntimeError) as error:
            kind = type(value).__name__
            raise ValueError(f"your {name} returns a {kind}, which gives no tensor: {error}.") from None

    def called(*args, **kwargs):
        plain = [value.detach() if isinstance(value, Tensor) else value for value in args]
        found, dtypes = function(*plain, **kwargs), DTYPES[name]
        if len(dtypes) == 1:
            return convert(found, dtypes[0], args[0])
        return tuple(convert(value, dtype, args[0]) for value, dtype in zip(found, dtypes, strict=True))

    return called


@contextmanager
def borrowed(functions: dict[str, Callable], model, unpacked: dict[int, Tensor] | None = None):
    """Use the learner's functions instead of the package's in the model within the block."""
    from gptoss_edu import attention, moe, mxfp4, norm, rope, transformer

    with ExitStack() as stack:
        functions = {name: in_tensors(name, function) for name, function in functions.items()}
        for name, function in functions.items():
            if name == "rms_norm":
                stack.enter_context(put(norm, "rms_norm", function))
            elif name == "apply_rope":
                stack.enter_context(
                    put(attention, "apply_rope", lambda x, cos, sin, f=function: _each_row(f, x, cos, sin))
                )
            elif name == "yarn_inv_freq":
                stack.enter_context(put(rope, "yarn_inv_freq", function))
                stack.enter_context(model.fresh_rope())
            elif name == "swiglu":
                stack.enter_context(put(moe, "swiglu", function))
            elif name == "sliding_window_mask":
                stack.enter_context(
                    put(
                        transformer,
                        "sliding_window_mask",
                        lambda q, k, w, f=function: torch.stack([f(a, b, w) for a, b in zip(q, k, strict=True)]),
                    )
                )
            elif name == "unpack_mxfp4":
                stack.enter_context(
                    put(
                        mxfp4,
                        "unpack",
                        lambda blocks, scales, dtype=torch.float32, f=function: f(blocks, scales).to(dtype),
                    )
                )
                for module in model.modules():  # a kernel would bypass the learner's function
                    if isinstance(module, moe.PackedWeight):
                        stack.enter_context(put(module, "kernel", None))
            elif name == "attention":
                stack.enter_context(put(attention.AttentionBlock, "forward", _attention_forward(function, attention)))
        if "route" in functions or "moe" in functions:
            route, mixture = functions.get("route", moe.route), functions.get("moe", moe.moe)
            stack.enter_context(
                put(
                    moe.MLPBlock,
                    "forward",
                    _experts_forward(route, mixture, unpacked if unpacked is not None else {}, "moe" in functions),
                )
            )
        yield


@contextmanager
def put(owner, name: str, value):
    """Replace attribute `name` of `owner` (a module, a class, an object) within the block."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _each_row(function: Callable, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Call a learner's apply_rope, which takes one (t, d/2) for all rows, per row if the model's rows differ."""
    if cos.ndim == 2 or cos.shape[0] == 1:
        return function(x, cos.view(cos.shape[-2:]), sin.view(sin.shape[-2:]))
    return torch.cat([function(row[None], c, s) for row, c, s in zip(x, cos, sin, strict=True)])


def _attention_forward(function: Callable, module) -> Callable:
    """Build AttentionBlock.forward around the learner's attention, which handles causality and the window."""

    def forward(self, x, rope, mask, cache):
        if cache is not None:
            raise ValueError("the learner's attention runs without a cache: call the model on whole sequences.")
        b, t, _ = x.shape
        qkv = self.qkv(self.norm(x)).view(b, t, self.h + 2 * self.g, self.d)
        q, k, v = qkv.split((self.h, self.g, self.g), dim=2)
        q, k = module.apply_rope(q, *rope), module.apply_rope(k, *rope)
        heads = function(q, k, v, self.sinks, self.window)  # (b, t, h, d)
        return self.out(heads.to(x.dtype).reshape(b, t, self.h * self.d))

    return forward


def _experts_forward(route: Callable, mixture: Callable, unpacked: dict[int, Tensor], dense: bool) -> Callable:
    """Build MLPBlock.forward around the learner's route, and their moe on unpacked weights."""

    def forward(self, x):
        flat = self.norm(x).flatten(0, 1)  # (n, c)
        weights, indices = route(flat, self.gate.weight, self.gate.bias, self.k)
        w1, w2 = self.mlp1_weight, self.mlp2_weight
        if dense:
            for weight in (w1, w2):
                if id(weight) not in unpacked:
                    unpacked[id(weight)] = weight.unpacked() if hasattr(weight, "unpacked") else weight
            w1, w2 = unpacked[id(w1)], unpacked[id(w2)]
        out = mixture(flat, weights.to(x.dtype), indices, w1, self.mlp1_bias, w2, self.mlp2_bias)
        return out.to(x.dtype).view_as(x)

    return forward
