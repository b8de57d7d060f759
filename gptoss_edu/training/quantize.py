"""Post-training quantisation: the experts of a trained model to MXFP4, and what that costs.

Only the expert matrices are rounded; everything else stays bfloat16. The roundings of mxfp4.py differ in how the shared
exponent of 32 weights is chosen; which is best is measured, not assumed.
"""

from __future__ import annotations

import copy

import torch

from gptoss_edu import mxfp4
from gptoss_edu.errors import GptOssError
from gptoss_edu.transformer import Transformer

EXPERTS = ("mlp.mlp1_weight", "mlp.mlp2_weight")


@torch.no_grad()
def rounded(model: Transformer, rounding: str | None) -> Transformer:
    """A copy as it will be stored: experts through MXFP4 with that rounding (None: bfloat16 too), the rest bfloat16."""
    if model.packed:
        raise GptOssError(
            "rounded: expected dense experts, found MXFP4 ones, which are rounded already; load the weights before packing."
        )
    tokenizer, model.tokenizer = model.tokenizer, None
    twin = copy.deepcopy(model)
    model.tokenizer = twin.tokenizer = tokenizer
    for name, parameter in twin.named_parameters():
        if rounding is not None and name.endswith(EXPERTS):
            for e in range(parameter.shape[0]):
                parameter[e] = mxfp4.unpack(*mxfp4.pack(parameter[e].float(), rounding), dtype=parameter.dtype)
        else:
            parameter.copy_(parameter.to(torch.bfloat16))
    return twin.eval().requires_grad_(False)


def compare_roundings(model: Transformer, examples: list) -> dict[str, float]:
    """Loss of the assistant's tokens at bfloat16 and at each rounding; lower is better."""
    from gptoss_edu.evals.probe import batch_losses

    return {
        str(name or "bf16"): batch_losses(rounded(model, name), examples)["all"] for name in (None, *mxfp4.ROUNDINGS)
    }
