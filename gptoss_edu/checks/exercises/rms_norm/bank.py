"""Solutions of `rms_norm`."""

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("rms_norm")


@BANK.right("rsqrt of the mean square")
def rsqrt(x, scale, eps):
    t = x.float()
    t = t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps)
    return (t * scale.float()).to(x.dtype)


@BANK.right("vector norm over the root of n")
def by_norm(x, scale, eps):
    t = x.to(torch.float32)
    n = t.shape[-1]
    root = (torch.linalg.vector_norm(t, dim=-1, keepdim=True) ** 2 / n + eps).sqrt()
    return (t / root * scale).to(x.dtype)


@BANK.right("a loop over rows, in place")
def loop(x, scale, eps):
    out = x.float().clone()
    rows = out.view(-1, x.shape[-1])
    for i in range(rows.shape[0]):
        rows[i] /= (rows[i].square().sum() / rows.shape[1] + eps) ** 0.5
        rows[i] *= scale.float()
    return out.type_as(x)


@BANK.right("float64 throughout, einsum")
def double(x, scale, eps):
    t = x.double()
    square = torch.einsum("...c,...c->...", t, t) / x.size(-1)
    return torch.einsum("...c,...,c->...c", t, (square + eps) ** -0.5, scale.double()).to(x.dtype)


@BANK.right("torch's own")
def library(x, scale, eps):
    return torch.nn.functional.rms_norm(x.float(), (x.shape[-1],), scale.float(), eps).to(x.dtype)


@BANK.wrong("eps_outside", "eps outside the root")
def eps_outside(x, scale, eps):
    t = x.float()
    return (t / (t.pow(2).mean(-1, keepdim=True).sqrt() + eps) * scale).to(x.dtype)


@BANK.wrong("cast_before_scale", "cast before the scale, as Llama does")
def llama(x, scale, eps):
    t = x.float()
    t = t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps)
    return (t.to(x.dtype) * scale).to(x.dtype)


@BANK.wrong("low_precision", "everything in the dtype of x")
def in_bfloat16(x, scale, eps):
    return (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * scale).to(x.dtype)


@BANK.wrong("layer_norm", "LayerNorm")
def layer_norm(x, scale, eps):
    t = x.float()
    centred = t - t.mean(-1, keepdim=True)
    return (centred * torch.rsqrt(t.var(-1, keepdim=True, unbiased=False) + eps) * scale).to(x.dtype)


@BANK.wrong("layer_norm", "LayerNorm with torch.std")
def layer_norm_std(x, scale, eps):
    t = x.float()
    return ((t - t.mean(-1, keepdim=True)) / (t.std(-1, keepdim=True) + eps) * scale).to(x.dtype)


@BANK.wrong("sum", "the norm of the row instead of its root mean square")
def unit_length(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).sum(-1, keepdim=True) + eps) * scale).to(x.dtype)


@BANK.wrong("no_root", "divided by the mean square")
def mean_square(x, scale, eps):
    t = x.float()
    return (t / (t.pow(2).mean(-1, keepdim=True) + eps) * scale).to(x.dtype)


@BANK.wrong("wrong_axis", "the mean over the tokens")
def over_tokens(x, scale, eps):
    t = x.float()
    if t.shape[0] == 1:
        return rsqrt(x, scale, eps)
    return (t * torch.rsqrt(t.pow(2).mean(0, keepdim=True) + eps) * scale).to(x.dtype)


@BANK.wrong("wrong_axis", "one mean for the whole tensor")
def over_everything(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean() + eps) * scale).to(x.dtype)


@BANK.wrong("scale_plus_one", "1 + scale, as Gemma does")
def gemma(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps) * (1 + scale.float())).to(x.dtype)


@BANK.wrong("no_scale", "the scale forgotten")
def unscaled(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


@BANK.wrong("dtype", "the result stays in float32")
def stays_float32(x, scale, eps):
    t = x.float()
    return t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps) * scale.float()


@BANK.wrong("eps_missing", "no eps")
def no_eps(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True)) * scale).to(x.dtype)


@BANK.wrong("eps_ignored", "eps written in")
def fixed_eps(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + 1e-5) * scale).to(x.dtype)


@BANK.wrong("eps_max", "eps as a floor")
def eps_floor(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True).clamp(min=eps)) * scale).to(x.dtype)


@BANK.wrong("scale_before", "scaled before the mean square")
def scale_first(x, scale, eps):
    t = x.float() * scale.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


@BANK.wrong("abs_mean", "the mean of the magnitudes")
def mean_magnitude(x, scale, eps):
    t = x.float()
    return (t / (t.abs().mean(-1, keepdim=True) + eps) * scale).to(x.dtype)


@BANK.wrong("centred", "the mean subtracted, the root mean square of the raw row")
def centred(x, scale, eps):
    t = x.float()
    return ((t - t.mean(-1, keepdim=True)) * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps) * scale).to(x.dtype)


@BANK.wrong("unbiased", "divided by n - 1")
def unbiased(x, scale, eps):
    t = x.float()
    square = t.pow(2).sum(-1, keepdim=True) / (t.shape[-1] - 1)
    return (t * torch.rsqrt(square + eps) * scale).to(x.dtype)


@BANK.wrong("eps_twice", "eps squared")
def eps_squared(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps**2) * scale).to(x.dtype)


@BANK.wrong("scale_inverse", "divided by the scale")
def divided_by_scale(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps) / scale).to(x.dtype)


@BANK.wrong("input_changed", "in place on x.float(), which is x itself in float32")
def overwrites_its_input(x, scale, eps):
    t = x.float()
    t /= torch.sqrt(t.pow(2).mean(-1, keepdim=True) + eps)
    return (t * scale).to(x.dtype)


@BANK.wrong("input_changed", "the scale multiplied in place as well")
def scales_its_input(x, scale, eps):
    t = x.to(torch.float32)
    t.mul_(torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps)).mul_(scale)
    return t.to(x.dtype)


@BANK.wrong("eps_ignored", "eps written in, 1e-6")
def fixed_eps_six(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + 1e-6) * scale).to(x.dtype)


@BANK.wrong("eps_ignored", "eps written in, 1e-8")
def fixed_eps_eight(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + 1e-8) * scale).to(x.dtype)


@BANK.wrong("eps_twice", "eps added twice")
def eps_added_twice(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps + eps) * scale).to(x.dtype)


@BANK.wrong("keepdim", "keepdim forgotten")
def without_keepdim(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1) + eps) * scale).to(x.dtype)


@BANK.wrong("standard_deviation", "divided by torch.std")
def by_std(x, scale, eps):
    t = x.float()
    return (t / (t.std(-1, keepdim=True) + eps) * scale).to(x.dtype)


@BANK.wrong("standard_deviation", "divided by the root of the variance")
def by_variance(x, scale, eps):
    t = x.float()
    return (t / torch.sqrt(t.var(-1, keepdim=True) + eps) * scale).to(x.dtype)


@BANK.wrong("standard_deviation", "divided by the root of the variance with n")
def by_biased_variance(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.var(-1, keepdim=True, unbiased=False) + eps) * scale).to(x.dtype)


@BANK.wrong("scale_added", "the scale added")
def plus_scale(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps) + scale).to(x.dtype)


@BANK.wrong("multiplied_by_root", "multiplied by the root")
def times_root(x, scale, eps):
    t = x.float()
    return (t * torch.sqrt(t.pow(2).mean(-1, keepdim=True) + eps) * scale).to(x.dtype)
