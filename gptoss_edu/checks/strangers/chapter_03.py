"""Wrong solutions of chapter 03, written from its text alone."""

import torch

from gptoss_edu.checks.exercises.own.one_block import BANK as ONE_BLOCK
from gptoss_edu.checks.exercises.rms_norm.bank import BANK as RMS_NORM


@RMS_NORM.wrong("layer_norm", "the mean is subtracted, as in LayerNorm", unseen=True)
def rms_norm_1(x, scale, eps=1e-5):
    y = x.float()
    y = y - y.mean(-1, keepdim=True)
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps) * scale).to(x.dtype)


@RMS_NORM.wrong("sum", "divided by the sum of squares, the mean forgotten", unseen=True)
def rms_norm_2(x, scale, eps=1e-5):
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).sum(-1, keepdim=True) + eps) * scale).to(x.dtype)


@RMS_NORM.wrong("eps_outside", "eps is added after the root", unseen=True)
def rms_norm_3(x, scale, eps=1e-5):
    y = x.float()
    return (y / (y.pow(2).mean(-1, keepdim=True).sqrt() + eps) * scale).to(x.dtype)


@RMS_NORM.wrong("cast_before_scale", "cast back before the product with the scale", unseen=True)
def rms_norm_4(x, scale, eps=1e-5):
    y = x.float()
    y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps)
    return y.to(x.dtype) * scale.to(x.dtype)


@ONE_BLOCK.wrong(
    "experts read what attention wrote",
    "the second half reads the input instead of the stream after attention",
    unseen=True,
)
def one_block_1(x, norm_1, attention, norm_2, experts):
    return x + attention(norm_1(x)) + experts(norm_2(x))


@ONE_BLOCK.wrong("parts that write nothing", "the experts' result replaces the stream", unseen=True)
def one_block_2(x, norm_1, attention, norm_2, experts):
    x = x + attention(norm_1(x))
    return experts(norm_2(x))
