"""A fast version of the loss for GPUs: the parameters of the reference model, other kernels.

It makes three changes, each equal to the reference up to rounding (tests/test_training.py):
- attention uses `flex_attention`, which skips blocks of keys hidden by window or document; the sink becomes a factor,
  out · sigmoid(lse - sink), since softmax over keys and sink is softmax over keys times the keys' share;
- experts use one grouped matrix product over tokens sorted by expert, without any transfer to the CPU;
- activations are bfloat16; weights, router and loss are float32.

No shape depends on the data, so a whole step fits into one CUDA graph.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import AuxRequest, BlockMask, flex_attention

from gptoss_edu.moe import swiglu
from gptoss_edu.norm import rms_norm
from gptoss_edu.rope import apply_rope, rope_cos_sin
from gptoss_edu.transformer import Transformer

from .data_parallel import Replicas
from .objective import BALANCE, targets_and_weights
from .quantize import fake_quantized

BLOCK = 128


class DocumentMasks:
    """Block masks of windowed and full layers over packed documents; `update` refreshes them in place."""

    def __init__(self, b: int, t: int, window: int, device):
        self.documents = torch.zeros(b, t, dtype=torch.int32, device=device)
        self.window, self.blocks = window, t // BLOCK
        self.masks = {None: self._mask(None, b), window: self._mask(window, b)}

    def _mask(self, window: int | None, b: int) -> BlockMask:
        documents, n = self.documents, self.blocks

        def full(row, head, q, k):
            return (q >= k) & (documents[row, q] == documents[row, k])

        def windowed(row, head, q, k):
            return (q >= k) & (q - k < self.window) & (documents[row, q] == documents[row, k])

        empty = torch.zeros(b, 1, n, dtype=torch.int32, device=documents.device)
        order = torch.arange(n, dtype=torch.int32, device=documents.device).expand(b, 1, n, n).contiguous()
        mask = BlockMask.from_kv_blocks(empty, order, BLOCK_SIZE=BLOCK, mask_mod=full if window is None else windowed)
        mask.q_num_blocks, mask.q_indices = empty.clone(), order.clone()
        return mask

    def update(self, documents: Tensor) -> None:
        """Set documents (b, t), which increase along each row.

        A block of keys matters if its last document reaches the queries'.
        """
        self.documents.copy_(documents)
        b, n = documents.shape[0], self.blocks
        blocks = self.documents.view(b, n, BLOCK)
        first, last = blocks[:, :, 0], blocks[:, :, -1]  # (b, n)
        at = torch.arange(n, device=documents.device)
        visible = (at[:, None] >= at) & (last[:, None, :] >= first[:, :, None])  # (b, query block, key block)
        for window, mask in self.masks.items():
            near = visible if window is None else visible & (at[:, None] - at <= (window + BLOCK - 2) // BLOCK)
            for dense, count, order in (
                (near, mask.kv_num_blocks, mask.kv_indices),
                (near.mT, mask.q_num_blocks, mask.q_indices),
            ):
                count.copy_(dense.sum(-1)[:, None])
                order.copy_(torch.argsort(dense.to(torch.int32), dim=-1, descending=True, stable=True)[:, None])


class Lookup(torch.autograd.Function):
    """Look up rows of a table (v, c) for tokens (n,); the gradient is one matrix product with the one-hot tokens."""

    @staticmethod
    def forward(ctx, table: Tensor, tokens: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(tokens)
        ctx.rows = table.shape[0]
        return table[tokens].to(dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (tokens,) = ctx.saved_tensors
        one_hot = (tokens[None, :] == torch.arange(ctx.rows, device=tokens.device)[:, None]).to(
            gradient.dtype
        )  # (v, n)
        return (one_hot @ gradient).float(), None, None


class Permute(torch.autograd.Function):
    """Gather rows of x in the order ``forward``, each k times; the gradient is a gather in the order ``backward``."""

    @staticmethod
    def forward(ctx, x: Tensor, forward: Tensor, backward: Tensor, k: int) -> Tensor:
        ctx.save_for_backward(backward)
        ctx.k = k
        return x[forward // k]

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (backward,) = ctx.saved_tensors
        gradient = gradient[backward]
        if ctx.k > 1:
            gradient = gradient.view(-1, ctx.k, gradient.shape[-1]).sum(1)
        return gradient, None, None, None


class RowBias(torch.autograd.Function):
    """Add the bias (e, f) of each row's expert to x (r, f); the bias's gradient is one matrix product."""

    @staticmethod
    def forward(ctx, x: Tensor, bias: Tensor, expert: Tensor) -> Tensor:
        ctx.save_for_backward(expert)
        ctx.experts = bias.shape[0]
        return x + bias.to(x.dtype)[expert]

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (expert,) = ctx.saved_tensors
        one_hot = (expert[None, :] == torch.arange(ctx.experts, device=expert.device)[:, None]).to(
            gradient.dtype
        )  # (e, r)
        return gradient, (one_hot @ gradient).float(), None


def grouped_linear(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """Multiply rows x (r, c), sorted by expert, by their experts' weights (e, f, c): (r, f)."""
    return torch._grouped_mm(x, weight.to(x.dtype).transpose(-2, -1), offs=ends)


def attention_part(
    x: Tensor, weights: tuple, cos: Tensor, sin: Tensor, mask: BlockMask, h: int, g: int, d: int, eps: float
) -> Tensor:
    """Compute x + attention(norm(x)); x (b, t, c)."""
    scale, qkv_weight, qkv_bias, sinks, out_weight, out_bias = weights
    b, t, _ = x.shape
    normed = rms_norm(x, scale, eps)
    qkv = F.linear(normed, qkv_weight.to(x.dtype), qkv_bias.to(x.dtype)).view(b, t, h + 2 * g, d)
    q, k, v = qkv.split((h, g, g), dim=2)
    q, k = apply_rope(q.float(), cos, sin).to(x.dtype), apply_rope(k.float(), cos, sin).to(x.dtype)
    q, k, v = (part.transpose(1, 2).contiguous() for part in (q, k, v))  # (b, h or g, t, d)
    heads, aux = flex_attention(
        q, k, v, block_mask=mask, scale=d**-0.5, enable_gqa=True, return_aux=AuxRequest(lse=True)
    )
    heads = heads * torch.sigmoid(aux.lse.float() - sinks[None, :, None])[..., None].to(heads.dtype)
    heads = heads.transpose(1, 2).reshape(b, t, h * d)
    return x + F.linear(heads, out_weight.to(x.dtype), out_bias.to(x.dtype))


def experts_part(
    x: Tensor, weights: tuple, k: int, limit: float, eps: float, rounding: str | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute x + experts(norm(x)), and for the balance loss the copies per expert (e,) and mean probabilities (e,).

    With a ``rounding``, the experts are as MXFP4 would store them.
    """
    scale, gate_weight, gate_bias, w1, b1, w2, b2 = weights
    if rounding is not None:
        w1, w2 = fake_quantized(w1, rounding), fake_quantized(w2, rounding)
    e = gate_weight.shape[0]
    normed = rms_norm(x, scale, eps).flatten(0, 1)  # (n, c)
    router_logits = F.linear(normed.float(), gate_weight, gate_bias)  # (n, e)
    indices = _top_k(router_logits.detach(), k)  # (n, k)
    routing = router_logits.gather(1, indices).softmax(-1)  # (n, k)
    flat = indices.flatten()
    expert, order = torch.sort(flat.to(torch.uint8), stable=True)  # (n·k,)
    back = torch.empty_like(order).scatter_(0, order, torch.arange(order.numel(), device=x.device))
    counts = (flat[:, None] == torch.arange(e, device=x.device)).sum(0)  # (e,)
    ends, expert = counts.cumsum(0).to(torch.int32), expert.long()
    rows = Permute.apply(normed, order, back, k)  # (n·k, c)
    rows = RowBias.apply(grouped_linear(rows, w1, ends), b1, expert)  # (n·k, 2f)
    rows = swiglu(rows.float(), limit=limit).to(x.dtype)
    rows = RowBias.apply(grouped_linear(rows, w2, ends), b2, expert)  # (n·k, c)
    each = Permute.apply(rows, back, order, 1).view(-1, k, x.shape[-1])  # (n, k, c)
    out = (each.float() * routing[..., None]).sum(1)
    return x + out.to(x.dtype).view_as(x), counts, router_logits.softmax(-1).mean(0)


def _top_k(logits: Tensor, k: int) -> Tensor:
    """Return the indices of the k largest, by k rounds of argmax: for 16 experts faster than a sort."""
    columns, chosen = torch.arange(logits.shape[-1], device=logits.device), []
    for _ in range(k):
        chosen.append(logits.argmax(-1))
        logits = logits.masked_fill(columns == chosen[-1][:, None], -torch.inf)
    return torch.stack(chosen, -1)


def output_part(
    x: Tensor, scale: Tensor, unembedding: Tensor, targets: Tensor, weights: Tensor, eps: float, total: Tensor
) -> Tensor:
    """Compute the weighted cross-entropy of the next tokens, over a `total` of weights."""
    logits = F.linear(rms_norm(x, scale, eps).flatten(0, 1), unembedding.to(x.dtype)).float()  # (n, v)
    each = F.cross_entropy(logits, targets.flatten(), reduction="none")
    return (each * weights.flatten()).sum() / total.clamp(min=1e-6)


class FastLoss:
    """`reference_loss` for one model, one batch shape and one ``rounding``, compiled if ``compiled`` is set."""

    def __init__(
        self,
        model: Transformer,
        b: int,
        t: int,
        dtype: torch.dtype = torch.bfloat16,
        compiled: bool = True,
        rounding: str | None = None,
        replicas: Replicas | None = None,
    ):
        self.model, self.dtype, self.rounding, self.replicas = model, dtype, rounding, replicas
        config = model.config
        self.masks = DocumentMasks(b, t, config.sliding_window, model.device)
        positions = torch.arange(t, device=model.device)
        self.cos, self.sin = rope_cos_sin(positions, config, torch.float32)
        wrap = (lambda f: torch.compile(f, fullgraph=True, dynamic=False)) if compiled else (lambda f: f)
        self.attention, self.experts, self.output = wrap(attention_part), wrap(experts_part), wrap(output_part)

    def __call__(
        self, tokens: Tensor, codes: Tensor, documents: Tensor, balance: float = BALANCE
    ) -> tuple[Tensor, Tensor]:
        """Return (loss to minimise, cross-entropy alone)."""
        model, config = self.model, self.model.config
        self.masks.update(documents)
        targets, weights = targets_and_weights(tokens, codes)
        eps, shares, means = config.rms_norm_eps, [], []
        x = Lookup.apply(model.embedding.weight, tokens.flatten(), self.dtype).view(*tokens.shape, -1)  # (b, t, c)
        for block in model.block:
            attn, mlp = block.attn, block.mlp
            x = self.attention(
                x, (attn.norm.scale, attn.qkv.weight, attn.qkv.bias, attn.sinks, attn.out.weight, attn.out.bias),
                self.cos, self.sin, self.masks.masks[attn.window], attn.h, attn.g, attn.d, eps,
            )  # fmt: skip
            x, counts, mean = self.experts(
                x,
                (
                    mlp.norm.scale,
                    mlp.gate.weight,
                    mlp.gate.bias,
                    mlp.mlp1_weight,
                    mlp.mlp1_bias,
                    mlp.mlp2_weight,
                    mlp.mlp2_bias,
                ),
                mlp.k,
                mlp.limit,
                eps,
                self.rounding,
            )
            shares.append(counts)
            means.append(mean)
        total = weights.sum()
        share = torch.stack(shares) / (tokens.numel() * config.experts_per_token)  # (layers, e)
        if self.replicas is not None:  # both over all ranks' rows, in one collective
            joined = self.replicas.sum(torch.cat((share.flatten().float(), total.float()[None])))
            share, total = joined[:-1].view_as(share) / self.replicas.size**2, joined[-1]
        cross_entropy = self.output(x, model.norm.scale, model.unembedding.weight, targets, weights, eps, total)
        balanced = config.num_experts * (share * torch.stack(means)).sum(-1).mean()
        return cross_entropy + balance * balanced, cross_entropy.detach()
