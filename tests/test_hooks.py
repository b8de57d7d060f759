"""Test the hook points: all fire with the shape of their axes, can replace their value, and leave nothing behind."""

import pytest
import torch
from core_models import BASE, random_tokens, strong_model

from gptoss_edu.errors import GptOssError

MODEL = strong_model(BASE, seed=3)
B, T = 2, 9
TOKENS = random_tokens(BASE, B, T)
SIZES = {  # the letters of the axes, each with a different size where the model allows it
    "b": B,
    "t": T,
    "s": T,
    "s+1": T + 1,
    "n": B * T,
    "c": BASE.hidden_size,
    "h": BASE.num_attention_heads,
    "g": BASE.num_key_value_heads,
    "d": BASE.head_dim,
    "e": BASE.num_experts,
    "k": BASE.experts_per_token,
    "v": BASE.vocab_size,
}


def sizes(axes: str) -> list[set[int]]:
    """Turn "(b or 1, t, s)" into the sizes that each axis may have."""
    return [
        {1 if word == "1" else SIZES[word] for word in axis.split(" or ")} for axis in axes.strip("(,)").split(", ")
    ]


@pytest.mark.parametrize("cached", [False, True])
def test_every_point_listed_is_called_once_with_the_shape_its_axes_say(cached):
    seen: dict[str, list] = {}

    def look(value, name):
        seen.setdefault(name, []).append(tuple(value.shape))

    points = MODEL.hook_points()
    with MODEL.hooks(dict.fromkeys(points, look)):
        MODEL(TOKENS, cache=MODEL.new_cache(B, T) if cached else None)
    assert set(seen) == set(points)
    for name, shapes in seen.items():
        expected = sizes(points[name])
        assert len(shapes) == 1 and len(shapes[0]) == len(expected), f"{name}: {shapes}, axes {points[name]}"
        assert all(found in allowed for found, allowed in zip(shapes[0], expected)), f"{name}: {shapes}, {points[name]}"


def test_the_list_is_complete():
    inner = {
        "resid_pre",
        "resid_mid",
        "resid_post",
        "attn.normed",
        "attn.q",
        "attn.k",
        "attn.v",
        "attn.q_rotated",
        "attn.k_rotated",
        "attn.sinks",
        "attn.mask",
        "attn.scores",
        "attn.weights",
        "attn.heads",
        "attn.out",
        "mlp.normed",
        "mlp.router_logits",
        "mlp.expert_indices",
        "mlp.expert_weights",
        "mlp.expert_out",
        "mlp.out",
    }
    expected = {f"block.{i}.{name}" for i in range(4) for name in inner} | {"embedding", "final_norm", "logits"}
    assert set(MODEL.hook_points()) == expected


def test_looking_changes_no_bit():
    plain = MODEL(TOKENS)
    with MODEL.hooks(dict.fromkeys(MODEL.hook_points(), lambda value, name: None)):
        watched = MODEL(TOKENS)
    assert torch.equal(plain, watched) and torch.equal(plain, MODEL(TOKENS))


@pytest.mark.parametrize("name", MODEL.hook_points())
def test_replacing_works_at_every_point(name):
    """Replace each intermediate by another value: the logits must change, and be restored afterwards."""
    plain = MODEL(TOKENS)

    def other(value, _):
        if value.dtype == torch.bool:
            return torch.eye(T, dtype=torch.bool).expand_as(value)  # every query sees only itself
        if not value.is_floating_point():
            return (value + 1) % BASE.num_experts
        if name.endswith("scores"):
            return torch.where(value.isinf(), value, -value)
        return value * 0.5 + 0.1

    with MODEL.hooks({name: other}):
        changed = MODEL(TOKENS)
    assert not torch.equal(changed, plain)
    assert torch.equal(MODEL(TOKENS), plain)


@pytest.mark.slow
def test_points_carry_what_their_names_say():
    got = {}
    names = [n for n in MODEL.hook_points() if n.startswith("block.2.")] + ["logits"]
    with MODEL.hooks(dict.fromkeys(names, lambda value, name: got.__setitem__(name, value.clone()))):
        logits = MODEL(TOKENS)
    a, m = "block.2.attn.", "block.2.mlp."
    assert torch.equal(got["logits"], logits)
    torch.testing.assert_close(got["block.2.resid_pre"] + got[a + "out"], got["block.2.resid_mid"])
    torch.testing.assert_close(got["block.2.resid_mid"] + got[m + "out"], got["block.2.resid_post"])
    assert got[a + "mask"].dtype == torch.bool and torch.equal(got[a + "mask"][0], torch.ones(T, T).tril().bool())
    assert torch.equal(got[a + "scores"].isinf()[0, 0], ~got[a + "mask"][0])
    torch.testing.assert_close(got[a + "weights"].sum(-1), torch.ones(B, 4, T))
    sink = got[a + "weights"][..., -1]  # the last column is the sink's share
    expected = torch.sigmoid(got[a + "sinks"][:, None] - got[a + "scores"].logsumexp(-1))
    torch.testing.assert_close(sink, expected)
    chosen = got[m + "router_logits"].topk(BASE.experts_per_token)
    assert torch.equal(chosen.indices, got[m + "expert_indices"])
    torch.testing.assert_close(chosen.values.softmax(-1), got[m + "expert_weights"])
    mixed = (got[m + "expert_out"] * got[m + "expert_weights"][..., None]).sum(1).view(B, T, -1)
    torch.testing.assert_close(mixed, got[m + "out"])


def test_replaced_experts_are_the_ones_computed():
    weight = MODEL.block[1].mlp
    got = {}

    def only_three(value, name):
        return torch.full_like(value, 3)

    names = {"block.1.mlp.expert_indices": only_three}
    names |= dict.fromkeys(["block.1.mlp.normed", "block.1.mlp.expert_out"], lambda v, n: got.__setitem__(n, v))
    with MODEL.hooks(names):
        MODEL(TOKENS)
    x = got["block.1.mlp.normed"].flatten(0, 1)
    hidden = x @ weight.mlp1_weight[3].T + weight.mlp1_bias[3]
    gate, up = hidden[:, ::2].clamp(max=7), hidden[:, 1::2].clamp(-7, 7)
    expected = (gate * torch.sigmoid(1.702 * gate) * (up + 1)) @ weight.mlp2_weight[3].T + weight.mlp2_bias[3]
    for copy in range(BASE.experts_per_token):
        torch.testing.assert_close(got["block.1.mlp.expert_out"][:, copy], expected, rtol=1e-4, atol=1e-4)


def test_nested_hooks_add_up_in_order_and_end_with_their_block():
    trail = []
    halve = lambda value, name: trail.append("halve") or value / 2  # noqa: E731
    look = lambda value, name: trail.append(value.clone()) or None  # noqa: E731
    name = "block.0.attn.out"
    plain = MODEL(TOKENS)
    with MODEL.hooks({name: look}):
        MODEL(TOKENS)
        original = trail.pop()
        with MODEL.hooks({name: halve}), MODEL.hooks({name: look}):
            MODEL(TOKENS)
        assert torch.equal(trail[0], original) and trail[1] == "halve" and torch.equal(trail[2], original / 2)
        trail.clear()
        assert torch.equal(MODEL(TOKENS), plain) and len(trail) == 1, "the inner hooks are gone, the outer one stays"
    trail.clear()
    MODEL(TOKENS)
    assert not trail


def test_hooks_are_undone_after_exceptions():
    def fail(value, name):
        raise KeyError(name)

    plain = MODEL(TOKENS)
    with pytest.raises(KeyError, match=r"block\.1\.mlp\.out"), MODEL.hooks({"block.1.mlp.out": fail, "logits": fail}):
        MODEL(TOKENS)
    with pytest.raises(RuntimeError, match="elsewhere"), MODEL.hooks({"logits": fail}):
        raise RuntimeError("elsewhere")
    assert torch.equal(MODEL(TOKENS), plain)
    assert all(module.active is None for module in MODEL.modules() if hasattr(module, "active"))


def test_unknown_names_are_refused_with_near_ones_and_attach_nothing():
    trail = []
    with pytest.raises(GptOssError, match=r"no hook point 'block\.0\.atn\.q'; near it: block\.0\.attn\.q"):
        with MODEL.hooks({"logits": lambda v, n: trail.append(n), "block.0.atn.q": lambda v, n: None}):
            pass
    MODEL(TOKENS)
    assert not trail
    with (
        pytest.raises(GptOssError, match=r"model\.hook_points\(\) lists them"),
        MODEL.hooks({"zzz": lambda v, n: None}),
    ):
        pass


@pytest.mark.parametrize("bad, found", [(torch.zeros(1), r"found \(1,\)"), (3.0, "found float"), ("x", "found str")])
def test_a_replacement_of_another_shape_is_refused(bad, found):
    with pytest.raises(GptOssError, match=rf"hook at final_norm: expected a tensor \(2, 9, 64\) or None, {found}"):
        with MODEL.hooks({"final_norm": lambda value, name: bad}):
            MODEL(TOKENS)


def test_hooks_see_single_steps_with_a_cache_too():
    """If everything is visible, no mask is made unless a hook asks for it."""
    cache = MODEL.new_cache(B, 20)
    MODEL(TOKENS, cache=cache)
    masks = []
    with MODEL.hooks({"block.0.attn.mask": lambda value, name: masks.append(value)}):
        MODEL(TOKENS[:, :1], cache=cache)
    assert masks[0].shape == (1, 1, T + 1) and masks[0].all()
