"""The parts of a trace that do not come from a forward pass: the model's shape, the tokens' bytes, the names."""

from __future__ import annotations

import numpy as np

from .labels import label_tokens, token_bytes
from .record import CHANNELS, KINDS, ROLES, SECTIONS


def shape_meta(config, windows, model: str, origin: dict) -> dict:
    """Return `Trace.meta` for a model of this configuration; `windows` holds each layer's window or None."""
    return {
        "format": "gptoss_edu trace",
        "model": model,
        "n_layers": config.num_hidden_layers,
        "n_heads": config.num_attention_heads,
        "n_kv_heads": config.num_key_value_heads,
        "n_experts": config.num_experts,
        "experts_per_token": config.experts_per_token,
        "windows": list(windows),
        "roles": list(ROLES),
        "channels": list(CHANNELS),
        "sections": list(SECTIONS),
        "kinds": list(KINDS),
        "vocabulary": {},
        "interventions": [],
        "origin": origin,
    }


def token_arrays(tokens, encoding) -> dict[str, np.ndarray]:
    """Return ids, bytes and labels of the tokens; without an encoding, a token's text is its id in angle brackets."""
    pieces = [token_bytes(t, encoding) if encoding else f"<{int(t)}>".encode() for t in tokens]
    arrays: dict[str, np.ndarray] = {
        "tokens": np.asarray(tokens, np.int32),
        "piece_bytes": np.frombuffer(b"".join(pieces), np.uint8).copy(),
        "piece_offsets": np.cumsum([0] + [len(p) for p in pieces]).astype(np.int32),
    }
    return arrays | label_tokens(tokens, encoding)


def vocabulary(arrays: dict, encoding) -> dict[str, str]:
    """Return the texts, by id, of the tokens in the logit lens and the next-token lists."""
    named = [arrays[name].reshape(-1) for name in ("lens_tokens", "next_tokens") if name in arrays]
    ids = np.unique(np.concatenate(named)) if named else []
    return {
        str(i): token_bytes(i, encoding).decode("utf-8", "replace") if encoding else f"<{i}>" for i in map(int, ids)
    }
