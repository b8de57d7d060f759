"""Select the parameters that a recipe trains. A pattern that matches nothing is an error.

A pattern is a part's name (`PARTS`), or a shell pattern over the names of the `original/` layout, such as
`block.[345].mlp.mlp*_weight`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from gptoss_edu.errors import GptOssError

PARTS = {
    "all": ("*",),
    "attention": ("block.*.attn.qkv.*", "block.*.attn.out.*"),
    "router": ("block.*.mlp.gate.*",),
    "experts": ("block.*.mlp.mlp1_weight", "block.*.mlp.mlp2_weight"),
    "norms": ("*norm.scale",),
    "sinks": ("block.*.attn.sinks",),
    "embeddings": ("embedding.weight", "unembedding.weight"),
}


def selected(names: Iterable[str], patterns: Iterable[str], among: str = "parameters") -> list[str]:
    """Return the ``names``, in order, that at least one of ``patterns`` matches.

    among : the kind of names, for the error message

    Errors: `GptOssError` that names the first pattern without a match, and names that look like it.
    """
    names, patterns = list(names), list(patterns)
    if not patterns:
        raise GptOssError(f"expected at least one pattern for the {among} to train, found none; `all` means every one.")
    chosen: set[str] = set()
    for pattern in patterns:
        for glob in PARTS.get(pattern, (pattern,)):
            matching = {name for name in names if fnmatchcase(name, glob)}
            if not matching:
                raise GptOssError(
                    f"pattern {pattern!r}: expected it to match some of the {len(names)} {among}, found that it "
                    f"matches none; {_advice(pattern, names)}"
                )
            chosen |= matching
    return [name for name in names if name in chosen]


def _advice(pattern: str, names: list[str]) -> str:
    if pattern in PARTS:
        if pattern in ("norms", "sinks", "embeddings") and not any(name.endswith("scale") for name in names):
            return "adapters go on attention, router and experts; train the others without --lora."
        return "this model does not hold that part in a trainable form (packed experts can only take LoRA)."
    near = get_close_matches(pattern, [*PARTS, *names], n=1, cutoff=0.5)
    meant = f"did you mean {near[0]!r}? Otherwise " if near else ""
    return f"{meant}name a part ({', '.join(PARTS)}) or a pattern such as '*.mlp.mlp1_weight'."
