"""Solutions of `apply_rope`."""

import torch

from gptoss_edu.checks.bank import Bank

BANK = Bank("apply_rope")


@BANK.right("two halves, concatenated")
def halves(x, cos, sin):
    a, b = x.chunk(2, -1)
    c, s = cos[:, None, :], sin[:, None, :]
    return torch.cat([a * c - b * s, b * c + a * s], -1)


@BANK.right("rotate_half, as in transformers")
def rotate_half(x, cos, sin):
    c, s = torch.cat([cos, cos], -1)[None, :, None], torch.cat([sin, sin], -1)[None, :, None]
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * c + turned * s


@BANK.right("complex numbers")
def by_complex(x, cos, sin):
    half = x.shape[-1] // 2
    z = torch.complex(x[..., :half].float(), x[..., half:].float())
    z = z * torch.complex(cos.float(), sin.float())[None, :, None]
    return torch.cat([z.real, z.imag], -1).to(x.dtype)


@BANK.right("a loop over positions, into a copy")
def loop(x, cos, sin):
    half, out = x.shape[-1] // 2, x.clone()
    for t in range(x.shape[1]):
        a, b = x[:, t, :, :half], x[:, t, :, half:]
        out[:, t, :, :half] = a * cos[t] - b * sin[t]
        out[:, t, :, half:] = b * cos[t] + a * sin[t]
    return out


@BANK.right("2 x 2 matrices by einsum")
def matrices(x, cos, sin):
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)  # (t, d/2, 2, 2)
    pairs = torch.stack(x.chunk(2, -1), -1)  # (b, t, h, d/2, 2)
    out = torch.einsum("tpij,bthpj->bthpi", turn, pairs)
    return torch.cat([out[..., 0], out[..., 1]], -1)


@BANK.wrong("overwritten", "the first half overwritten before it is used")
def overwritten(x, cos, sin):
    half = x.shape[-1] // 2
    c, s = cos[:, None], sin[:, None]
    x[..., :half] = x[..., :half] * c - x[..., half:] * s
    x[..., half:] = x[..., half:] * c + x[..., :half] * s
    return x


@BANK.wrong("half_only", "only half of the head rotated", seen="TensorRT-LLM 16378")
def partial(x, cos, sin):
    half = x.shape[-1] // 2
    first = halves(x[..., :half].clone(), cos[:, : half // 2], sin[:, : half // 2])
    return torch.cat([first, x[..., half:]], -1)


@BANK.wrong("renormalised", "the length restored, the concentration lost")
def same_length(x, cos, sin):
    out = halves(x, cos, sin)
    pairs, old = torch.stack(out.chunk(2, -1), -1), torch.stack(x.chunk(2, -1), -1)
    pairs = pairs / pairs.norm(dim=-1, keepdim=True) * old.norm(dim=-1, keepdim=True)
    return torch.cat([pairs[..., 0], pairs[..., 1]], -1)


BANK.change(halves)
FIRST, SECOND, ROWS = "a * c - b * s", "b * c + a * s", "cos[:, None, :], sin[:, None, :]"
PAIR = f"{FIRST}, {SECOND}"

BANK.wrong(
    "interleaved",
    "neighbours paired",
    ("x.chunk(2, -1)", "x[..., 0::2], x[..., 1::2]"),
    (f"torch.cat([{PAIR}], -1)", f"torch.stack([{PAIR}], -1).flatten(-2)"),
    seen="TensorRT-LLM 16378; TransformerLens 1618",
)
BANK.wrong("interleaved", "neighbours paired, the result in halves", ("x.chunk(2, -1)", "x[..., 0::2], x[..., 1::2]"))
BANK.wrong(
    "interleaved_out",
    "halves paired, result interleaved",
    (f"torch.cat([{PAIR}], -1)", f"torch.stack([{PAIR}], -1).flatten(-2)"),
)
BANK.wrong("backwards", "turned the other way", (PAIR, "a * c + b * s, b * c - a * s"))
BANK.wrong("same_sign", "both sines with a plus", (FIRST, "a * c + b * s"))
BANK.wrong("same_sign", "both sines with a minus", (SECOND, "b * c - a * s"))
BANK.wrong(
    "overwritten",
    "the first half overwritten before it is used",
    ("    return", f"    a = {FIRST}\n    return"),
    (FIRST + ", ", "a, "),
)
BANK.wrong("swapped", "cos and sin exchanged", (ROWS, "sin[:, None, :], cos[:, None, :]"))
BANK.wrong(
    "swapped",
    "cos and sin exchanged, turned the other way",
    (ROWS, "sin[:, None, :], cos[:, None, :]"),
    (PAIR, "a * c + b * s, b * c - a * s"),
)
BANK.wrong("half_only", "only the first half of the result turned", (SECOND, "b"))
BANK.wrong("half_only", "only the second half of the result turned", (FIRST, "a"))
BANK.wrong("no_sine", "scaled by the cosine only", (PAIR, "a * c, b * c"))
BANK.wrong("axis", "the angles laid along the heads", (ROWS, "cos, sin"))
BANK.wrong("twice", "rotated twice", ("    return", f"    a, b = {PAIR}\n    return"), seen="TransformerLens 1618")
BANK.wrong("first_position", "every token by the angle of position 0", (ROWS, "cos[:1, None, :], sin[:1, None, :]"))
BANK.wrong(
    "dtype",
    "float32 out of bfloat16",
    ("x.chunk", "x.float().chunk"),
    (ROWS, "cos[:, None, :].float(), sin[:, None, :].float()"),
)
BANK.wrong("halves_exchanged", "the halves put back in the wrong order", (PAIR, f"{SECOND}, {FIRST}"))
BANK.wrong(
    "not_rotated", "the result thrown away", ("return torch.cat", "torch.cat"), ("], -1)", "], -1)\n    return x")
)
BANK.wrong(
    "positions_reversed", "positions counted from the end", (ROWS, "cos.flip(0)[:, None, :], sin.flip(0)[:, None, :]")
)
BANK.wrong("angles", "cosine of the cosine", (ROWS, "cos.cos()[:, None, :], sin.sin()[:, None, :]"))
