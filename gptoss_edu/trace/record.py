"""The contents of a trace: one run of the model, token by token, as plain NumPy arrays.

Letters of the axes: t tokens, l layers, h query heads, e experts, k experts per token, p pooled bins.

=================  ===========  =========  ==================================================================
array              axes         dtype      meaning
=================  ===========  =========  ==================================================================
tokens             (t,)         int32      token ids
piece_bytes        (n,)         uint8      the tokens' bytes, one after another
piece_offsets      (t + 1,)     int32      where each token's bytes start
role, channel      (t,)         uint8      index into `meta["roles"]`, `meta["channels"]`
section            (t,)         uint8      index into `meta["sections"]`: control, header, content
kind               (t,)         uint8      index into `meta["kinds"]`: control, digit, word, …
message            (t,)         int16      number of the message, -1 before the first one
surprisal          (t,)         float16    bits of the token given those before it; NaN where unknown
next_tokens        (t, n)       int32      the n likeliest next tokens, falling
next_probs         (t, n)       float16    their probabilities
next_entropy       (t,)         float16    bits of the whole next-token distribution
residual_norm      (l + 1, t)   float16    root mean square of the residual stream: embedding, then after each layer
router_logits      (l, t, e)    float16    logits of all experts
expert_indices     (l, t, k)    uint8      chosen experts, falling by logit
expert_weights     (l, t, k)    float16    their weights, which sum to 1
router_margin      (l, t)       float16    logit of the last expert chosen minus that of the first one left out
router_entropy     (l, t)       float16    bits of softmax over all experts' logits
sink_mass          (l, t, h)    float16    exp(sink − logsumexp of the row), computed in float32
head_entropy       (l, t, h)    float16    bits of the row, sink included
head_distance      (l, t, h)    float16    mean query − key distance in tokens, over what did not go to the sink
pooled             (l, h, p, p) float16    mean over a bin's queries of the mass in each bin of keys
pooled_sink        (l, h, p)    float16    mean over a bin's queries of the sink's mass
lens_tokens        (l, t, n)    int32      logit lens: likeliest tokens if the model stopped after this layer
lens_probs         (l, t, n)    float16    their probabilities
exact.L.H          (t, w + 1)   float16    attention rows of layer L's head H; column j is key q − w + 1 + j; sink last
=================  ===========  =========  ==================================================================

In `exact.L.H`, w is the layer's window in a sliding layer and t in a full one; positions before token 0 hold 0.
An array that a level does not keep is absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gptoss_edu.errors import TraceError

ROLES = ("none", "system", "developer", "user", "assistant", "tool")
CHANNELS = ("none", "analysis", "commentary", "final")
SECTIONS = ("none", "control", "header", "content")
KINDS = ("control", "digit", "word", "word part", "space", "punctuation", "bytes")


@dataclass
class Trace:
    """One recorded run.

    Attributes
    ----------
    meta : dict, what `gptoss_edu.trace.file` writes into the header: model, config, windows, level, heads, names.
    arrays : dict of NumPy arrays, see the table above.
    """

    meta: dict = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            have = ", ".join(sorted(n for n in self.arrays if not n.startswith("exact.")))
            raise TraceError(
                f"this trace (level {self.meta.get('level', 'unknown')!r}) holds no {name!r}; it holds {have}. "
                "Capture it again with a level that keeps it."
            )
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def __len__(self) -> int:
        return len(self.arrays["tokens"]) if "tokens" in self.arrays else 0

    @property
    def windows(self) -> list[int | None]:
        """Each layer's window, None for a full layer."""
        return [None if w is None else int(w) for w in self.meta["windows"]]

    @property
    def n_layers(self) -> int:
        return int(self.meta["n_layers"])

    @property
    def n_heads(self) -> int:
        return int(self.meta["n_heads"])

    @property
    def n_kv_heads(self) -> int:
        return int(self.meta["n_kv_heads"])

    @property
    def n_experts(self) -> int:
        return int(self.meta["n_experts"])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(a.nbytes for a in self.arrays.values())

    def bytes_per_token(self) -> float:
        """Return the size of this trace in bytes per token."""
        return self.nbytes / max(1, len(self))

    def piece(self, position: int) -> bytes:
        """Return the bytes of the token at a position."""
        start, stop = self.arrays["piece_offsets"][position : position + 2]
        return self.arrays["piece_bytes"][start:stop].tobytes()

    def text(self, position: int) -> str:
        """Return the token's text; incomplete code points appear as U+FFFD."""
        return self.piece(position).decode("utf-8", errors="replace")

    def names(self, what: str) -> np.ndarray:
        """Return the labels `role`, `channel`, `section` or `kind` of every token, as strings."""
        table = {"role": "roles", "channel": "channels", "section": "sections", "kind": "kinds"}[what]
        return np.array(self.meta[table])[self[what]]

    def exact_heads(self) -> list[tuple[int, int]]:
        """Return the (layer, head) pairs whose attention rows are kept exactly."""
        pairs = [name.split(".")[1:] for name in self.arrays if name.startswith("exact.")]
        return sorted((int(layer), int(head)) for layer, head in pairs)

    def attention(self, layer: int, head: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the attention matrix of a head that was kept exactly.

        Returns
        -------
        weights : (t, t) float32, row q column key; exactly 0 above the diagonal and beyond a window.
        sink : (t,) float32, the sink's mass; weights.sum(1) + sink is 1.

        Raises
        ------
        TraceError : the head was not kept; the message says which ones were.
        """
        name = f"exact.{layer}.{head}"
        if name not in self.arrays:
            raise TraceError(
                f"layer {layer} head {head} was not kept exactly; kept: {self.exact_heads() or 'none'}. "
                f'Capture with level="exact", heads=[({layer}, {head})].'
            )
        rows = np.asarray(self.arrays[name], dtype=np.float32)
        count, width = rows.shape[0], rows.shape[1] - 1
        weights = np.zeros((count, count), dtype=np.float32)
        for q in range(count):
            first = q - width + 1
            weights[q, max(0, first) : q + 1] = rows[q, max(0, -first) : width]
        return weights, rows[:, -1]

    def load(self, layer: int, select: np.ndarray | None = None) -> np.ndarray:
        """Return how often a layer chose each expert, as shares that sum to 1 (a token counts k times). (e,)"""
        chosen = self["expert_indices"][layer]
        chosen = chosen if select is None else chosen[select]
        counts = np.bincount(chosen.reshape(-1), minlength=self.n_experts).astype(np.float64)
        return counts / max(1.0, counts.sum())

    def copy(self) -> Trace:
        """Return a trace with its own dictionaries; the arrays are shared."""
        return Trace(dict(self.meta), dict(self.arrays))


@dataclass(frozen=True)
class Difference:
    """What changed between two traces of the same tokens (`other` minus `base`).

    Attributes
    ----------
    kl : (t,) float32, bits of the next-token distribution lost if `other` replaces `base`, over the tokens in the
        base's list of likeliest ones; None if the traces keep no lists.
    surprisal : (t,) float32, bits by which each token became more surprising.
    sink_mass : (l, t, h) float32 or None.
    experts_changed : (l, t) float32, share of the chosen experts that were replaced, or None.
    residual_norm : (l + 1, t) float32 or None.
    """

    base: Trace
    other: Trace
    kl: np.ndarray | None
    surprisal: np.ndarray | None
    sink_mass: np.ndarray | None
    experts_changed: np.ndarray | None
    residual_norm: np.ndarray | None

    def summary(self) -> str:
        """Summarise the changes in two or three plain sentences."""
        said = []
        if self.surprisal is not None and np.isfinite(self.surprisal).any():
            at = int(np.nanargmax(np.abs(self.surprisal)))
            said.append(
                f"Surprisal changes by {np.nanmean(self.surprisal):+.3f} bits on average; "
                f"most at token {at} {self.base.text(at)!r} ({self.surprisal[at]:+.2f} bits)."
            )
        if self.experts_changed is not None:
            said.append(f"{100 * float(self.experts_changed.mean()):.1f} % of the chosen experts were replaced.")
        if self.sink_mass is not None:
            said.append(f"Mean sink mass changes by {float(self.sink_mass.mean()):+.3f}.")
        return " ".join(said) or "The two traces hold nothing that can be compared."


def difference(base: Trace, other: Trace) -> Difference:
    """Compare two traces of the same tokens.

    Raises
    ------
    TraceError : the traces are not of the same tokens.
    """
    if not np.array_equal(base["tokens"], other["tokens"]):
        raise TraceError(
            f"a difference needs two traces of the same tokens; these have {len(base)} and {len(other)} tokens"
            + ("" if len(base) != len(other) else " that are not the same")
            + ". Run the second trace on the first one's tokens."
        )

    def minus(name: str) -> np.ndarray | None:
        if name not in base or name not in other or base[name].shape != other[name].shape:
            return None
        return np.asarray(other[name], np.float32) - np.asarray(base[name], np.float32)

    changed = None
    if "expert_indices" in base and "expert_indices" in other:
        a, b = base["expert_indices"], other["expert_indices"]
        kept = (a[..., :, None] == b[..., None, :]).any(-1)  # (l, t, k)
        changed = 1.0 - kept.mean(-1, dtype=np.float32)
    return Difference(
        base, other, _kl(base, other), minus("surprisal"), minus("sink_mass"), changed, minus("residual_norm")
    )


def _kl(base: Trace, other: Trace) -> np.ndarray | None:
    if "next_tokens" not in base or "next_tokens" not in other:
        return None
    p = np.asarray(base["next_probs"], np.float32)  # (t, n)
    match = base["next_tokens"][:, :, None] == other["next_tokens"][:, None, :]  # (t, n, n)
    q = (match * np.asarray(other["next_probs"], np.float32)[:, None, :]).sum(-1)
    floor = np.asarray(other["next_probs"], np.float32).min(-1, keepdims=True)  # at most the last one listed
    q = np.where(match.any(-1), q, floor)
    safe_p, safe_q = np.maximum(p, 1e-9), np.maximum(q, 1e-9)
    return np.maximum(0.0, (p * np.log2(safe_p / safe_q)).sum(-1))
