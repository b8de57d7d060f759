"""Import traces from other engines, refusing incomplete ones with missing, repeated or all-zero layers."""

from __future__ import annotations

import numpy as np
import torch

from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import TraceError

from .metadata import shape_meta, token_arrays, vocabulary
from .record import Trace
from .statistics import AttentionRows, PooledAttention, head_statistics, next_token_statistics, routing_statistics


def from_routed_experts(routed, tokens, config, encoding=None, source: str = "vLLM") -> Trace:
    """Return a trace of level "routing" from an engine's list of chosen experts, such as vLLM's `routed_experts`.

    Parameters
    ----------
    routed : (t, l, k) whole numbers, the experts that each token went to in each layer.
    tokens : (t,) ids, or (t + 1,): an engine does not run the last token that it sampled.
    config : ModelConfig of the model that ran.
    encoding : its tiktoken.Encoding, for texts and labels.
    source : named in the trace.

    Raises
    ------
    TraceError : the shape does not fit the model, an expert does not exist, a token has an expert twice, or a layer
        holds only zeros (an engine that never filled it).
    """
    routed = np.asarray(routed)
    layers, k = config.num_hidden_layers, config.experts_per_token
    tokens = np.asarray(tokens, np.int64).reshape(-1)
    if routed.ndim != 3 or routed.shape[1:] != (layers, k) or not len(routed):
        raise TraceError(f"{source}: expected routed experts (tokens, {layers} layers, {k}), found {routed.shape}.")
    if len(tokens) not in (len(routed), len(routed) + 1):
        raise TraceError(f"{source}: {len(routed)} rows of experts do not belong to {len(tokens)} tokens.")
    if routed.dtype.kind not in "iu" or routed.min() < 0 or routed.max() >= config.num_experts:
        raise TraceError(
            f"{source}: expected whole numbers from 0 to {config.num_experts - 1}, found {routed.min()} to"
            f" {routed.max()}."
        )
    for layer in range(layers):
        if not routed[:, layer].any():
            raise TraceError(
                f"{source}: layer {layer} holds only zeros, so it was never recorded; nothing is imported."
            )
    if k > 1 and (np.diff(np.sort(routed, -1), axis=-1) == 0).any():
        raise TraceError(f"{source}: a token has the same expert twice in a layer; the rows are not routes.")
    meta, arrays = _common(tokens[: len(routed)], config, encoding, source)
    arrays["expert_indices"] = np.ascontiguousarray(routed.transpose(1, 0, 2)).astype(np.uint8)
    meta["level"] = "routing"
    return Trace(meta, arrays)


def from_transformers(model, tokens, encoding=None, heads=()) -> Trace:
    """Run transformers' GptOssForCausalLM once and return a trace of it.

    Parameters
    ----------
    model : GptOssForCausalLM with attn_implementation="eager" (other implementations return no attention).
    tokens : (t,) ids.
    encoding : tiktoken.Encoding for texts and labels.
    heads : up to eight (layer, head) pairs to keep exactly.

    Raises
    ------
    TraceError : a layer's router or attention was not seen, is all zero, or shows no sink at all.
    """
    config = ModelConfig.from_dict(model.config.to_dict())
    ids = torch.as_tensor(np.asarray(tokens, np.int64), device=model.device)[None]
    routers: dict[int, torch.Tensor] = {}
    handles = [
        layer.mlp.router.register_forward_hook(lambda m, x, y, i=i: routers.update({i: _router_logits(m, x[0])}))
        for i, layer in enumerate(model.model.layers)
    ]
    try:
        with torch.no_grad():
            out = model(ids, output_attentions=True)
    finally:
        for handle in handles:
            handle.remove()
    attentions = _checked_attentions(out.attentions, config)
    meta, arrays = _common(ids[0].tolist(), config, encoding, "transformers")
    attention, meta["pool_bin"] = _attention_arrays(attentions, config, list(heads))
    arrays |= _router_arrays(routers, config) | attention
    log_probs = out.logits[0].float().log_softmax(-1)
    surprisal, top, entropy = next_token_statistics(log_probs, None, ids[0].tolist(), 8)
    arrays |= {
        "surprisal": surprisal.cpu().numpy().astype(np.float16),
        "next_tokens": top.indices.cpu().numpy().astype(np.int32),
        "next_probs": top.values.exp().cpu().numpy().astype(np.float16),
        "next_entropy": entropy.cpu().numpy().astype(np.float16),
    }
    meta["level"] = "exact" if heads else "default"
    meta["vocabulary"] = vocabulary(arrays, encoding)
    return Trace(meta, arrays)


def _router_logits(router, x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.linear(x.reshape(-1, x.shape[-1]), router.weight, router.bias).float()  # (t, e)


def _checked_attentions(attentions, config) -> list[torch.Tensor]:
    if attentions is None or any(a is None for a in attentions) or len(attentions) != config.num_hidden_layers:
        found = 0 if attentions is None else sum(a is not None for a in attentions)
        raise TraceError(
            f"transformers: expected attention of {config.num_hidden_layers} layers, found {found}; load the model with"
            ' attn_implementation="eager".'
        )
    for layer, a in enumerate(attentions):
        rows = a.float().sum(-1)
        if not rows.any():
            raise TraceError(f"transformers: the attention of layer {layer} is all zero; nothing is imported.")
        if a.shape[-1] > 1 and float((1 - rows).abs().max()) < 1e-6:
            raise TraceError(
                f"transformers: every row of layer {layer} sums to one without a sink: its sinks are not applied."
            )
    return list(attentions)


def _router_arrays(routers: dict, config) -> dict[str, np.ndarray]:
    missing = [i for i in range(config.num_hidden_layers) if i not in routers or not routers[i].any()]
    if missing:
        raise TraceError(f"transformers: no router logits were seen in layers {missing}; nothing is imported.")
    logits = torch.stack([routers[i] for i in range(config.num_hidden_layers)])  # (l, t, e)
    top = logits.topk(config.experts_per_token, -1)
    arrays: dict[str, np.ndarray] = {
        "router_logits": logits.cpu().numpy().astype(np.float16),
        "expert_indices": top.indices.cpu().numpy().astype(np.uint8),
        "expert_weights": top.values.softmax(-1).cpu().numpy().astype(np.float16),
    }
    return arrays | routing_statistics(arrays, config.experts_per_token)


def _attention_arrays(attentions: list, config, heads: list) -> tuple[dict[str, np.ndarray], int]:
    """Return the arrays of attention, and the number of tokens per pooled bin."""
    t = attentions[0].shape[-1]
    positions = np.arange(t)
    stats: dict[str, list] = {"sink_mass": [], "head_entropy": [], "head_distance": []}
    pooled = PooledAttention(config.num_hidden_layers, config.num_attention_heads)
    exact = AttentionRows(config, heads, None, t)
    for layer, a in enumerate(attentions):
        keys = a[0].float()  # (h, t, s)
        weights = torch.cat((keys, (1 - keys.sum(-1, keepdim=True)).clamp(min=0)), -1)
        for name, value in zip(stats, head_statistics(weights, positions, positions), strict=True):
            stats[name].append(value.T.cpu().numpy())
        pooled.add(layer, weights, positions, positions)
        exact.add(layer, weights, positions, positions)
    arrays = {name: np.stack(values).astype(np.float16) for name, values in stats.items()}
    arrays["pooled"], arrays["pooled_sink"] = pooled.result(t)
    return arrays | exact.result(t), pooled.bin


def _common(tokens, config, encoding, source: str) -> tuple[dict, dict]:
    windows = [config.layer_window(i) for i in range(config.num_hidden_layers)]
    return shape_meta(config, windows, f"imported from {source}", {"engine": source}), token_arrays(tokens, encoding)
