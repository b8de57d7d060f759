"""What the explorer reads: traces in bytes, compressed. Numbers are stored in as few bits as the eye can use.

A payload is gzip of: the header's length (uint32, little-endian), the header (UTF-8 JSON), zero bytes up to a multiple
of eight, then the arrays, each at a multiple of eight. `coding` says what an array's bytes mean:

=======  =====================================================
coding   value
=======  =====================================================
(none)   the number itself
linear   low + byte · step
root     low + (byte · step)², finer near the low end
=======  =====================================================

In an array with `hole` the byte 0 is minus infinity, as the logit of a masked expert is.

The rows `exact.L.H` hold round(levels · √(share / row's largest)), row after row, only the keys that a row can see.
"""

from __future__ import annotations

import gzip
import json

import numpy as np

from gptoss_edu.errors import TraceError
from gptoss_edu.trace.record import Trace
from gptoss_edu.viz import style

PER_TOKEN_LIMIT = 600_000  # values of a per-head statistic beyond which only its mean over the run is sent
PLAIN = {
    "tokens": "i4",
    "piece_offsets": "i4",
    "lens_tokens": "i4",
    "next_tokens": "i4",
    "piece_bytes": "u1",
    "surprisal": "f4",
}
LABELS = ("role", "channel", "section", "kind", "message", "expert_indices")
BYTES = {
    "sink_mass": "linear", "router_logits": "linear", "expert_weights": "linear", "router_margin": "root",
    "router_entropy": "linear", "head_entropy": "linear", "head_distance": "root", "lens_probs": "root",
    "next_probs": "root", "pooled": "root", "pooled_sink": "linear",
}  # fmt: skip
META = (
    "model", "n_layers", "n_heads", "n_kv_heads", "n_experts", "experts_per_token", "windows", "roles", "channels",
    "sections", "kinds", "origin", "interventions", "pool_bin",
)  # fmt: skip


def encode(
    runs: list[Trace], names: list[str], start: dict | None = None, title: str = "Trace explorer", theme="auto"
) -> bytes:
    """Return one payload of one trace, or of two of the same tokens.

    Parameters
    ----------
    runs : one or two traces.
    names : what each is called.
    start : the selection to begin with: t, l, h, shade, grid, zoom.
    title : the page's heading.
    theme : "light", "dark" or "auto".

    Raises
    ------
    TraceError : two traces that are not of the same tokens and the same shape, or a trace without routing.
    """
    _check(runs)
    bins = 48 if len(runs) == 1 else 24
    blobs: list[bytes] = []
    offset = 0
    headers = []
    for run, name in zip(runs, names, strict=True):
        arrays = []
        for entry, array in _coded(run, bins):
            data = array.tobytes()
            arrays.append(entry | {"offset": offset, "shape": entry.get("shape", list(array.shape))})
            blobs.append(data + b"\0" * (-len(data) % 8))
            offset += len(blobs[-1])
        headers.append({"name": name, "meta": _meta(_smaller_maps(run, bins)), "arrays": arrays})
    header = {"title": title, "theme": theme, "start": start or {}, "palette": palette(), "runs": headers}
    raw = json.dumps(header, separators=(",", ":")).encode()
    body = len(raw).to_bytes(4, "little") + raw
    return gzip.compress(body + b"\0" * (-len(body) % 8) + b"".join(blobs), mtime=0)


def palette() -> dict:
    """Return the colours of `style`, for the page."""
    ramps = {name: [style.stops(name, theme) for theme in style.THEMES] for name in ("sequential", "heat", "diverging")}
    return {"colors": style.COLORS, "cycle": style.CYCLE, "ramps": ramps}


def _check(runs: list[Trace]) -> None:
    if not 1 <= len(runs) <= 2:
        raise TraceError(f"the explorer shows one or two traces, not {len(runs)}.")
    for run in runs:
        if not len(run) or "expert_indices" not in run:
            raise TraceError("the explorer needs a trace with tokens and chosen experts; capture one first.")
        for layer, head in run.exact_heads():
            if run.arrays[f"exact.{layer}.{head}"].shape[0] != len(run):
                raise TraceError(f"the rows of layer {layer} head {head} do not belong to these {len(run)} tokens.")
    if len(runs) == 1:
        return
    if not np.array_equal(runs[0]["tokens"], runs[1]["tokens"]):
        raise TraceError("the two traces are not of the same tokens; run the second on the first one's tokens.")
    shapes = [tuple(run.meta[key] for key in ("n_layers", "n_heads", "n_kv_heads", "n_experts")) for run in runs]
    if shapes[0] != shapes[1]:
        raise TraceError(
            "the two traces are of models of different shapes (layers, heads, key/value heads, experts): "
            f"{shapes[0]} and {shapes[1]}; show each on a page of its own."
        )


def _meta(run: Trace) -> dict:
    return {key: run.meta[key] for key in META if key in run.meta} | {"vocabulary": run.meta.get("vocabulary", {})}


def _coded(run: Trace, bins: int):
    """Return (header entry, array) of everything that the page shows."""
    for name, kind in PLAIN.items():
        if name in run:
            yield {"name": name, "kind": kind}, run[name].astype("<" + kind)
    for name in LABELS:
        if name in run:
            values = run[name].astype(np.int32)
            yield {"name": name, "kind": "u1"}, (values & 255).astype(np.uint8)
    run = _smaller_maps(run, bins)
    for name, coding in BYTES.items():
        if name not in run:
            continue
        values = np.nan_to_num(run[name].astype(np.float32), nan=0.0, neginf=-np.inf, posinf=60.0)
        if name == "router_margin":
            values[values >= 60000] = 0  # no expert was left out, and no margin is shown
        hole = np.isneginf(values)
        if hole.any():
            low, high = values[~hole].min(initial=60.0), values[~hole].max(initial=-60.0)
            values[hole] = low - max(high - low, 1e-3) / 254  # the lowest of the 256 steps, which no number has
        if name in ("head_entropy", "head_distance", "sink_mass"):
            yield _bytes(name + "_mean", values.mean(1), coding)
            if values.size > PER_TOKEN_LIMIT and name != "sink_mass":
                continue
        entry, array = _bytes(name, np.minimum(values, 1000.0), coding)
        yield entry | ({"hole": True} if hole.any() else {}), array
    for layer, head in run.exact_heads()[:8]:
        yield from _exact(run, layer, head)


def _smaller_maps(run: Trace, bins: int) -> Trace:
    """Return the same trace with pooled maps of at most `bins` bins a side, made by joining neighbours two by two."""
    out = run.copy()
    while "pooled" in out and out["pooled"].shape[-1] > bins:
        maps, sink = out["pooled"].astype(np.float32), out["pooled_sink"].astype(np.float32)
        p = maps.shape[-1]
        size = out.meta.get("pool_bin") or len(run) / p
        count = np.minimum(size, len(run) - size * np.arange(p))  # queries in each bin
        count = np.pad(count, (0, p % 2))
        pad = ((0, 0), (0, 0), (0, p % 2))
        weight = count.reshape(-1, 2) / np.maximum(count.reshape(-1, 2).sum(1, keepdims=True), 1e-9)
        maps = np.pad(maps, (*pad, (0, p % 2))).reshape(*maps.shape[:2], len(weight), 2, len(weight), 2).sum(-1)
        out.arrays["pooled"] = np.einsum("lhpqk,pq->lhpk", maps, weight)
        out.arrays["pooled_sink"] = np.einsum("lhpq,pq->lhp", np.pad(sink, pad).reshape(*sink.shape[:2], -1, 2), weight)
        out.meta["pool_bin"] = 2 * size
    return out


def _bytes(name: str, values: np.ndarray, coding: str) -> tuple[dict, np.ndarray]:
    low = float(values.min()) if values.size else 0.0
    if coding == "linear" and low >= 0 and values.max(initial=0) <= 1:
        low, span = 0.0, 1.0
    else:
        span = float(values.max() - low) if values.size else 1.0
    span = span or 1.0
    share = (values - low) / span
    step = span / 255 if coding == "linear" else span**0.5 / 255
    coded = np.rint(255 * (share if coding == "linear" else np.sqrt(np.maximum(share, 0)))).astype(np.uint8)
    return {"name": name, "kind": "u1", "coding": coding, "low": low, "step": step}, coded


def _exact(run: Trace, layer: int, head: int):
    rows = np.asarray(run.arrays[f"exact.{layer}.{head}"], np.float32)
    count = len(run)
    window = run.windows[layer]
    width = count if window is None else min(window, count)
    keys = rows[:, rows.shape[1] - 1 - width : -1]  # (t, width), the last column is the query itself
    top = keys.max(1)
    levels = 255 if width <= 512 else 63  # long rows have many small shares, which matter less and compress worse
    coded = np.rint(levels * np.sqrt(keys / np.maximum(top, 1e-9)[:, None])).astype(np.uint8)
    # Rounding roots adds a little to every small share: the row's scale takes it back, so that its sum stays what
    # it was.
    top = keys.sum(1) / np.maximum(((coded / levels) ** 2).sum(1), 1e-9)
    seen = np.arange(width)[None, :] >= width - 1 - np.arange(count)[:, None]
    yield {"name": f"exact.{layer}.{head}", "kind": "u1", "levels": levels}, coded[seen]
    yield {"name": f"exact_top.{layer}.{head}", "kind": "f4"}, top.astype("<f4")
