"""Test the key/value cache: whole, chunked and token by token give the same logits, for rows of any length."""

from dataclasses import replace

import pytest
import torch
from core_models import BASE, random_tokens, relative, strong_model
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from gptoss_edu import KVCache
from gptoss_edu.errors import GptOssError

SMALL = replace(BASE, sliding_window=8, initial_context_length=64, num_experts=4, experts_per_token=2)
WINDOW = SMALL.sliding_window
MODEL = strong_model(SMALL, seed=1)
TOKENS = random_tokens(SMALL, 3, 40)
WHOLE = MODEL(TOKENS)


def fed(model, tokens, chunks, cache=None):
    """Return the logits of all positions for tokens fed in pieces of these sizes; the last size repeats as needed."""
    cache = model.new_cache(tokens.shape[0], tokens.shape[1]) if cache is None else cache
    logits, start, sizes = [], 0, list(chunks)
    while start < tokens.shape[1]:
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        logits.append(model(tokens[:, start : start + size], cache=cache))
        start += size
    assert cache.lengths.tolist() == [tokens.shape[1]] * tokens.shape[0]
    return torch.cat(logits, dim=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "chunks",
    [[40], [1], [7], [8], [9], [16], [20], [1, 39], [39, 1], [8, 1], [7, 1], [9, 1], [3, 1, 5, 1, 17, 1]],
    ids=str,
)
def test_whole_equals_chunked_equals_token_by_token(chunks):
    """The first queries of a chunk still need keys of the previous chunk.

    Report: openai/gpt-oss 196.
    """
    assert relative(fed(MODEL, TOKENS, chunks), WHOLE) < 1e-5


@pytest.mark.slow
@examples(30)
@given(st.lists(st.integers(1, 23), min_size=1, max_size=8))
def test_any_cutting_gives_the_same_logits(chunks):
    assert relative(fed(MODEL, TOKENS[:2], chunks), WHOLE[:2]) < 1e-5


@pytest.mark.slow
def test_the_released_window_at_its_edges():
    model = strong_model(replace(BASE, num_hidden_layers=2), seed=2)
    tokens = random_tokens(BASE, 1, 400)
    whole = model(tokens)
    for first in (1, 127, 128, 129, 399):
        assert relative(fed(model, tokens, [first, 1]), whole) < 1e-5, f"{first} tokens at once, then one by one"
    for size in (127, 128, 129):
        assert relative(fed(model, tokens, [size]), whole) < 1e-5, f"chunks of {size}"


def test_rows_of_different_lengths_equal_each_row_alone():
    """Prefill rows of different lengths, then take steps in which some rows add nothing."""
    rounds = [[5, 17, 1], [1, 1, 1], [0, 12, 3], [1, 0, 1], [9, 0, 20], [1, 1, 0], [0, 0, 1]]
    cache = MODEL.new_cache(3, 40)
    done = [0, 0, 0]
    for counts in rounds:
        width = max(counts)
        given = torch.zeros(3, width, dtype=torch.int64)
        for row, count in enumerate(counts):
            given[row, :count] = TOKENS[row, done[row] : done[row] + count]
        logits = MODEL(given, cache=cache, lengths=torch.tensor(counts))
        for row, count in enumerate(counts):
            expected = WHOLE[row, done[row] : done[row] + count]
            if count:
                assert relative(logits[row, :count], expected) < 1e-5, f"row {row} of {counts} after {done}"
            done[row] += count
        assert cache.lengths.tolist() == done


def test_padding_cannot_be_seen():
    lengths = torch.tensor([40, 3, 11])
    other = TOKENS.clone()
    other[1, 3:], other[2, 11:] = 0, 1
    a, b = MODEL(TOKENS, lengths=lengths), MODEL(other, lengths=lengths)
    for row, length in enumerate(lengths):
        assert relative(a[row, :length], b[row, :length]) < 1e-6
        assert relative(a[row, :length], WHOLE[row, :length]) < 1e-5
    caches = [MODEL.new_cache(3, 41) for _ in range(2)]
    for tokens, cache in zip((TOKENS, other), caches, strict=True):
        MODEL(tokens, cache=cache, lengths=lengths)
    steps = [MODEL(TOKENS[:, :1], cache=cache) for cache in caches]
    assert relative(*steps) < 1e-6, "what stood in the padding was stored"


def test_last_only_gives_the_last_counted_position():
    lengths = torch.tensor([40, 3, 11])
    last = MODEL(TOKENS, lengths=lengths, last_only=True)
    assert last.shape == (3, 1, SMALL.vocab_size)
    assert relative(last[:, 0], torch.stack([WHOLE[row, n - 1] for row, n in enumerate(lengths)])) < 1e-5
    pair = torch.tensor([1, 2])  # the shortest batch in which a row's last token is not the last column
    last = MODEL(TOKENS[:2, :2], lengths=pair, last_only=True)
    assert last.shape == (2, 1, SMALL.vocab_size)
    assert relative(last[:, 0], torch.stack([WHOLE[row, n - 1] for row, n in enumerate(pair)])) < 1e-5


def test_sliding_layers_keep_a_ring_of_the_window_and_no_more():
    cache = MODEL.new_cache(2, 1000)
    slots = [keys.shape[2] for keys in cache.keys]
    assert slots == [WINDOW, 1000, WINDOW, 1000]
    slot = 2 * 2 * SMALL.num_key_value_heads * SMALL.head_dim * 4  # k and v, two rows, float32
    assert cache.nbytes == slot * (2 * WINDOW + 2 * 1000)
    before = cache.nbytes
    fed(MODEL, TOKENS[:2], [13], cache)
    assert cache.nbytes == before
    assert [keys.shape[2] for keys in MODEL.new_cache(1, 5).keys] == [5] * 4, "a ring is not longer than the cache"


def test_the_ring_holds_the_last_window_of_keys():
    """After 40 tokens, slot p mod 8 holds position p's keys and values, as a model without a ring computes them."""
    seen = {}
    with MODEL.hooks({"block.0.attn.k_rotated": lambda value, name: seen.update(k=value.clone())}):
        MODEL(TOKENS)
    for chunks in ([40], [1], [5], [11]):
        cache = MODEL.new_cache(3, 40)
        fed(MODEL, TOKENS, chunks, cache)
        for position in range(40 - WINDOW, 40):
            held = cache.keys[0][:, :, position % WINDOW]
            torch.testing.assert_close(held, seen["k"][:, position], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chunks", [[40], [1], [7], [9, 1]], ids=str)
def test_bfloat16_chunked_equals_whole_but_for_rounding(chunks):
    low = strong_model(replace(SMALL, num_hidden_layers=2, experts_per_token=4), seed=1, dtype=torch.bfloat16)
    cache = low.new_cache(3, 40)
    assert cache.keys[0].dtype == torch.bfloat16
    found, whole = fed(low, TOKENS, chunks, cache), low(TOKENS)
    assert found.dtype == torch.bfloat16
    assert relative(found, whole) < 0.03  # all experts are chosen here, so that no router tie can flip


def test_select_keeps_rows_in_the_order_asked_for():
    cache = MODEL.new_cache(3, 40)
    MODEL(TOKENS[:, :20], cache=cache, lengths=torch.tensor([20, 5, 13]))
    cache.select([2, 0])
    assert cache.batch_size == 2 and cache.lengths.tolist() == [13, 20]
    step = torch.stack((TOKENS[2, 13:14], TOKENS[0, 20:21]))
    expected = torch.stack((WHOLE[2, 13], WHOLE[0, 20]))
    assert relative(MODEL(step, cache=cache)[:, 0], expected) < 1e-5


def test_the_cache_changes_no_gradient_and_the_model_trains_after_generating():
    """Tables made in inference mode must not be kept for training, which cannot use them."""
    model = strong_model(SMALL).requires_grad_(True)
    with torch.inference_mode():
        fed(model, TOKENS[:1, :12], [5])
    model(TOKENS[:1, :12]).square().mean().backward()
    assert model.embedding.weight.grad.abs().sum() > 0
    assert model.block[0].attn.sinks.grad.abs().sum() > 0


def test_errors_name_what_was_expected_and_found():
    with pytest.raises(GptOssError, match="at least one row and one token, found 0 and 4"):
        KVCache(SMALL, 0, 4)
    cache = MODEL.new_cache(3, 8)
    with pytest.raises(GptOssError, match="room for 8 tokens per row, found 9"):
        MODEL(TOKENS[:, :9], cache=cache)
    assert cache.lengths.tolist() == [0, 0, 0]
    with pytest.raises(GptOssError, match="the cache holds 3 rows, the tokens have 2"):
        MODEL(TOKENS[:2, :4], cache=cache)
    with pytest.raises(GptOssError, match="another model or dtype"):
        MODEL(TOKENS, cache=KVCache(SMALL, 3, 40, dtype=torch.bfloat16))
    with pytest.raises(GptOssError, match="another model or dtype"):
        MODEL(TOKENS, cache=KVCache(replace(SMALL, sliding_window=4), 3, 40))
    with pytest.raises(GptOssError, match=r"expected 3 lengths from 0 to 40, found \[41, 1, 1\]"):
        MODEL(TOKENS, lengths=torch.tensor([41, 1, 1]))
    with pytest.raises(GptOssError, match=r"expected tokens \(batch, time\) of int64, found \(40,\)"):
        MODEL(TOKENS[0])
    with pytest.raises(GptOssError, match="expected token ids from 0 to 210, found 0 to 211"):
        MODEL(torch.tensor([[0, 211]]))


def test_an_interrupted_pass_is_refused_where_it_has_cost_keys_and_harmless_elsewhere():
    """Two layers are written when the third fails: new tokens have overwritten keys in the rings still in use."""

    def fail(value, name):
        raise KeyboardInterrupt

    cache = MODEL.new_cache(1, 40)
    MODEL(TOKENS[:1, :20], cache=cache)
    with pytest.raises(KeyboardInterrupt), MODEL.hooks({"block.2.resid_pre": fail}):
        MODEL(TOKENS[:1, 20:21], cache=cache)
    assert relative(MODEL(TOKENS[:1, 20:21], cache=cache), WHOLE[:1, 20:21]) < 1e-5
    with pytest.raises(KeyboardInterrupt), MODEL.hooks({"block.2.resid_pre": fail}):
        MODEL(TOKENS[:1, 21:26], cache=cache)
    with pytest.raises(GptOssError, match=r"was interrupted.*prefill again"):
        MODEL(TOKENS[:1, 21:26], cache=cache)


def test_a_view_of_rows_is_the_cache_itself():
    """Rows 1 and 2 read tokens through a view; then all rows go on together as if there had been no view."""
    cache = MODEL.new_cache(3, 40)
    view = cache.rows(1, 3)
    MODEL(TOKENS[1:, :11], cache=view)
    assert cache.row_lengths == [0, 11, 11] and view.row_lengths == [11, 11]
    cache.rows(0, 1)  # another view changes nothing
    logits = MODEL(TOKENS[:, :12] * 0 + TOKENS[:, 11:23], cache=cache, lengths=torch.tensor([0, 12, 3]))
    assert relative(logits[1], WHOLE[1, 11:23]) < 1e-5 and relative(logits[2, :3], WHOLE[2, 11:14]) < 1e-5
    assert view.row_lengths == [23, 14] and view.rows(1, 2).row_lengths == [14]
    for first, last in ((0, 4), (2, 2), (-1, 1)):
        with pytest.raises(GptOssError, match=r"KVCache\.rows"):
            cache.rows(first, last)
    with pytest.raises(GptOssError, match="view"):
        view.select([0])


@pytest.mark.parametrize("length", [3, WINDOW, WINDOW + 1, 25])
def test_a_restored_row_goes_on_as_the_one_it_was_taken_from(length):
    cache = MODEL.new_cache(3, 40)
    MODEL(TOKENS[:1, :length], cache=cache.rows(1, 2))
    kept = cache.snapshot(1)
    MODEL(TOKENS[2:, :33], cache=cache.rows(2, 3))
    MODEL(TOKENS[2:, :7], cache=cache.rows(1, 2))  # the row that the snapshot was taken of gets other tokens
    cache.restore(2, kept)
    cache.copy_row(2, 0)
    cache.clear_row(1)
    assert cache.row_lengths == [length, 0, length] and kept.length == length
    step = TOKENS[[0, 0, 0], length : length + 5]
    logits = MODEL(step, cache=cache, lengths=torch.tensor([5, 0, 5]))
    for row in (0, 2):
        assert relative(logits[row], WHOLE[0, length : length + 5]) < 1e-5
    assert 0 < kept.nbytes <= cache.nbytes / 3
    with pytest.raises(GptOssError, match="with room for"):
        MODEL.new_cache(1, 2).restore(0, kept)


def test_a_torn_row_is_refused_until_it_is_cleared():
    """An interrupted pass over several tokens has overwritten keys of one row; the other rows are intact."""
    cache = MODEL.new_cache(2, 40)
    MODEL(TOKENS[:2, :20], cache=cache)

    def interrupt(value, name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), MODEL.hooks({"block.1.attn.out": interrupt}):
        MODEL(TOKENS[1:2, 20:25], cache=cache.rows(1, 2))
    for use in (lambda: cache.snapshot(1), lambda: cache.copy_row(1, 0), lambda: MODEL(TOKENS[:2, :1], cache=cache)):
        with pytest.raises(GptOssError, match=r"torn|interrupted"):
            use()
    assert relative(MODEL(TOKENS[:1, 20:21], cache=cache.rows(0, 1)), WHOLE[:1, 20:21]) < 1e-5
    cache.clear_row(1)
    assert relative(MODEL(TOKENS[1:2, :4], cache=cache.rows(1, 2)), WHOLE[1:2, :4]) < 1e-5
