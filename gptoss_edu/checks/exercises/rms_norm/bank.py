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


BANK.change(rsqrt)
FACTOR, MEAN = "torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps)", "t.pow(2).mean(-1, keepdim=True)"
CENTRE = ("t = x.float()", "t = x.float() - x.float().mean(-1, keepdim=True)")

BANK.wrong("eps_outside", "eps outside the root", (FACTOR, f"1 / ({MEAN}.sqrt() + eps)"))
BANK.wrong(
    "cast_before_scale", "cast before the scale, as Llama does", ("(t * scale.float())", "(t.to(x.dtype) * scale)")
)
BANK.wrong(
    "cast_before_scale",
    "both cast before they are multiplied",
    ("(t * scale.float())", "(t.to(x.dtype) * scale.to(x.dtype))"),
)
BANK.wrong("scale_rounded", "the scale cast to the dtype of x", ("scale.float())", "scale.to(x.dtype))"))
BANK.wrong(
    "root_rounded", "the root cast to the dtype of x", (f"t * {FACTOR}", f"x / ({MEAN} + eps).sqrt().to(x.dtype)")
)
BANK.wrong("root_rounded", "the inverse root cast to the dtype of x", (FACTOR, f"{FACTOR}.to(x.dtype)"))
BANK.wrong("low_precision", "everything in the dtype of x", ("x.float()", "x"), ("scale.float()", "scale"))
BANK.wrong("low_precision", "the norm in the dtype of x, the scale in float32", ("x.float()", "x"))
BANK.wrong("layer_norm", "LayerNorm", CENTRE)
BANK.wrong("layer_norm", "LayerNorm with torch.std", CENTRE, (FACTOR, "1 / (t.std(-1, keepdim=True) + eps)"))
BANK.wrong("layer_norm", "LayerNorm with torch.var", CENTRE, (FACTOR, "torch.rsqrt(t.var(-1, keepdim=True) + eps)"))
BANK.wrong("sum", "the norm of the row instead of its root mean square", (".mean(-1", ".sum(-1"))
BANK.wrong("no_root", "divided by the mean square", (FACTOR, f"1 / ({MEAN} + eps)"))
BANK.wrong("wrong_axis", "the mean over the tokens", (".mean(-1,", ".mean(0,"))
BANK.wrong("wrong_axis", "one mean for the whole tensor", (".mean(-1, keepdim=True)", ".mean()"))
BANK.wrong("scale_plus_one", "1 + scale, as Gemma does", ("scale.float()", "(1 + scale.float())"))
BANK.wrong("no_scale", "the scale forgotten", (" * scale.float()", ""))
BANK.wrong("dtype", "the result stays in float32", (".to(x.dtype)", ""))
BANK.wrong("eps_missing", "no eps", (" + eps", ""))
for written in (
    "1e-3",
    "1e-4",
    "1e-5",
    "1e-6",
    "1e-7",
    "1e-8",
    "1e-9",
    "1e-10",
    "1e-12",
    "torch.finfo(torch.float32).eps",
):
    BANK.wrong("eps_ignored", f"eps written in, {written}", ("+ eps", f"+ {written}"))
BANK.wrong("eps_max", "eps as a floor of the mean square", (f"{MEAN} + eps", f"{MEAN}.clamp(min=eps)"))
BANK.wrong("eps_max", "eps as a floor of the root", (FACTOR, f"1 / {MEAN}.sqrt().clamp(min=eps)"))
BANK.wrong(
    "scale_before", "scaled before the mean square", ("x.float()", "x.float() * scale"), (" * scale.float())", ")")
)
BANK.wrong("abs_mean", "the mean of the magnitudes", (FACTOR, "1 / (t.abs().mean(-1, keepdim=True) + eps)"))
BANK.wrong(
    "centred",
    "the mean subtracted, the root mean square of the raw row",
    ("t = t * torch", "t = (t - t.mean(-1, keepdim=True)) * torch"),
)
BANK.wrong("unbiased", "divided by n - 1", (MEAN, "t.pow(2).sum(-1, keepdim=True) / (t.shape[-1] - 1)"))
BANK.wrong("eps_twice", "eps squared", ("+ eps", "+ eps**2"))
BANK.wrong("eps_twice", "eps added twice", ("+ eps", "+ eps + eps"))
BANK.wrong("scale_inverse", "divided by the scale", ("* scale", "/ scale"))
BANK.wrong("keepdim", "keepdim forgotten", ("(-1, keepdim=True)", "(-1)"))
BANK.wrong("standard_deviation", "divided by torch.std", (FACTOR, "1 / (t.std(-1, keepdim=True) + eps)"))
BANK.wrong("standard_deviation", "divided by the root of the variance", (MEAN, "t.var(-1, keepdim=True)"))
BANK.wrong(
    "standard_deviation",
    "divided by the root of the variance with n",
    (MEAN, "t.var(-1, keepdim=True, unbiased=False)"),
)
BANK.wrong("scale_added", "the scale added", ("* scale", "+ scale"))
BANK.wrong("multiplied_by_root", "multiplied by the root", ("torch.rsqrt(t", "torch.sqrt(t"))
