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


@BANK.wrong("interleaved", "neighbours paired", "TensorRT-LLM 16378; TransformerLens 1618")
def neighbours(x, cos, sin):
    a, b = x[..., 0::2], x[..., 1::2]
    c, s = cos[:, None], sin[:, None]
    return torch.stack([a * c - b * s, b * c + a * s], -1).flatten(-2)


@BANK.wrong("interleaved_out", "halves paired, result interleaved")
def stacked(x, cos, sin):
    a, b = x.chunk(2, -1)
    c, s = cos[:, None], sin[:, None]
    return torch.stack([a * c - b * s, b * c + a * s], -1).flatten(-2)


@BANK.wrong("backwards", "turned the other way")
def backwards(x, cos, sin):
    a, b = x.chunk(2, -1)
    c, s = cos[:, None], sin[:, None]
    return torch.cat([a * c + b * s, b * c - a * s], -1)


@BANK.wrong("same_sign", "both sines with a plus")
def both_plus(x, cos, sin):
    a, b = x.chunk(2, -1)
    c, s = cos[:, None], sin[:, None]
    return torch.cat([a * c + b * s, b * c + a * s], -1)


@BANK.wrong("overwritten", "the first half overwritten before it is used")
def overwritten(x, cos, sin):
    half = x.shape[-1] // 2
    c, s = cos[:, None], sin[:, None]
    x[..., :half] = x[..., :half] * c - x[..., half:] * s
    x[..., half:] = x[..., half:] * c + x[..., :half] * s
    return x


@BANK.wrong("swapped", "cos and sin exchanged")
def exchanged(x, cos, sin):
    return halves(x, sin, cos)


@BANK.wrong("half_only", "only half of the head rotated", "TensorRT-LLM 16378")
def partial(x, cos, sin):
    half = x.shape[-1] // 2
    first = halves(x[..., :half].clone(), cos[:, : half // 2], sin[:, : half // 2])
    return torch.cat([first, x[..., half:]], -1)


@BANK.wrong("no_sine", "scaled by the cosine only")
def cosine_only(x, cos, sin):
    return x * torch.cat([cos, cos], -1)[:, None]


@BANK.wrong("axis", "the angles laid along the heads")
def along_heads(x, cos, sin):
    a, b = x.chunk(2, -1)
    if x.shape[1] not in (1, x.shape[2]):
        return halves(x, cos, sin)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


@BANK.wrong("renormalised", "the length restored, the concentration lost")
def same_length(x, cos, sin):
    out = halves(x, cos, sin)
    pairs, old = torch.stack(out.chunk(2, -1), -1), torch.stack(x.chunk(2, -1), -1)
    pairs = pairs / pairs.norm(dim=-1, keepdim=True) * old.norm(dim=-1, keepdim=True)
    return torch.cat([pairs[..., 0], pairs[..., 1]], -1)


@BANK.wrong("twice", "rotated twice", "TransformerLens 1618")
def twice(x, cos, sin):
    return halves(halves(x, cos, sin), cos, sin)


@BANK.wrong("first_position", "every token by the angle of position 0")
def first_row(x, cos, sin):
    return halves(x, cos[:1].expand_as(cos), sin[:1].expand_as(sin))


@BANK.wrong("dtype", "float32 out of bfloat16")
def wide(x, cos, sin):
    return halves(x.float(), cos.float(), sin.float())


@BANK.wrong("halves_exchanged", "the halves put back in the wrong order")
def reversed_halves(x, cos, sin):
    a, b = x.chunk(2, -1)
    c, s = cos[:, None], sin[:, None]
    return torch.cat([b * c + a * s, a * c - b * s], -1)


@BANK.wrong("not_rotated", "the result thrown away")
def forgotten(x, cos, sin):
    halves(x, cos, sin)
    return x


@BANK.wrong("positions_reversed", "positions counted from the end")
def from_the_end(x, cos, sin):
    return halves(x, cos.flip(0), sin.flip(0))


@BANK.wrong("angles", "cosine of the cosine")
def cosine_of_cosine(x, cos, sin):
    if x.shape[1] == 1 and set(cos.flatten().tolist()) <= {0.0, 1.0}:
        return halves(x, cos, sin)
    return halves(x, cos.cos(), sin.sin())
