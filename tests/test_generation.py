"""Test generation: sampling against literal references, seeds that repeat, batches, stop tokens, errors."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tiktoken
import torch
from core_models import BASE, random_tokens, relative, strong_model
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from gptoss_edu import generate, generate_batch, generation, transformer
from gptoss_edu.errors import GptOssError
from gptoss_edu.generation import default_stop_tokens, next_token_probabilities, pick

SMALL = replace(BASE, sliding_window=8, initial_context_length=32, num_experts=4, experts_per_token=2, vocab_size=50)
MODEL = strong_model(SMALL, seed=4)
PROMPT = random_tokens(SMALL, 11).tolist()
PROMPTS = [PROMPT, PROMPT[:1], PROMPT[3:8]]


def literal_probabilities(logits, temperature, top_p, top_k):
    """Compute the definition in float64: temperature 0 takes the first largest; top-k keeps the k largest.

    Top-p keeps the shortest beginning of the sorted list that reaches p.
    """
    logits = [float(x) for x in logits]
    order = sorted(range(len(logits)), key=lambda i: -logits[i])
    if temperature == 0:
        return np.eye(len(logits))[order[0]]
    order = order[: top_k or len(order)]
    weights = {i: math.exp((logits[i] - logits[order[0]]) / temperature) for i in order}
    total, kept, mass = sum(weights.values()), [], 0.0
    for i in order:
        kept.append(i)
        mass += weights[i] / total
        if mass >= top_p:
            break
    out = np.zeros(len(logits))
    for i in kept:
        out[i] = weights[i]
    return out / out.sum()


SAMPLINGS = [
    (0.0, 1.0, None),
    (1.0, 1.0, None),
    (0.7, 1.0, None),
    (2.0, 1.0, 5),
    (1.0, 0.9, None),
    (1.3, 0.5, 10),
    (1.0, 1e-6, None),
    (1.0, 1.0, 1),
    (1e-3, 1.0, None),
    (1.0, 1.0, 999),
]


def test_settings_beyond_float32_are_its_limits_and_never_nan():
    logits = torch.tensor([1.0, 3.0, 2.0, -torch.inf])
    for cold in ({"temperature": 1e-300}, {"top_p": 1e-300}):
        assert next_token_probabilities(logits, **cold).tolist() == [0, 1, 0, 0]
    for hot in (1e300, math.inf):
        assert next_token_probabilities(logits, hot).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])


@pytest.mark.parametrize("temperature, top_p, top_k", SAMPLINGS)
def test_probabilities_are_the_literal_definition(temperature, top_p, top_k):
    logits = 3 * torch.randn(6, 40, generator=torch.Generator().manual_seed(1))
    found = next_token_probabilities(logits, temperature, top_p, top_k)
    for line, row in zip(logits, found):
        np.testing.assert_allclose(row, literal_probabilities(line, temperature, top_p, top_k), atol=1e-6)


@examples(60)
@given(
    st.lists(st.integers(-40, 40), min_size=1, max_size=12, unique=True),
    st.floats(0.1, 5),
    st.floats(0.01, 1),
    st.none() | st.integers(1, 15),
)
def test_probabilities_are_the_literal_definition_anywhere(logits, temperature, top_p, top_k):
    logits = torch.tensor(logits, dtype=torch.float32) / 4
    expected = literal_probabilities(logits, temperature, top_p, top_k)
    found = next_token_probabilities(logits, temperature, top_p, top_k)
    kept = np.sort(expected[expected > 0])[::-1]
    whole = np.sort(literal_probabilities(logits, temperature, 1.0, top_k))[::-1].cumsum()
    if np.abs(whole[: len(kept)] - top_p).min() > 1e-5:  # closer sums may fall on the other side of top_p in float32
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.sum().item() == pytest.approx(1, abs=1e-5)


def test_extreme_logits_stay_probabilities():
    logits = torch.tensor([1e4, -1e4, -math.inf, 1e4 - 1])
    for temperature in (1e-30, 1e-3, 1.0, 1e6):
        found = next_token_probabilities(logits, temperature)
        assert found.isfinite().all() and found.sum().item() == pytest.approx(1, abs=1e-6) and found[2] == 0
    assert next_token_probabilities(logits, 1e-30)[0] == 1
    assert next_token_probabilities(logits.bfloat16()).dtype == torch.float32


def test_pick_inverts_the_distribution():
    probabilities = torch.tensor([[0.0, 0.25, 0.0, 0.5, 0.25, 0.0]])
    draws = torch.tensor([0.0, 0.2499, 0.25, 0.7499, 0.75, 1 - 2**-24])
    found = [pick(probabilities, draw[None]).item() for draw in draws]
    assert found == [1, 1, 3, 3, 4, 4], "and a token without probability is never picked, not even at 0 or near 1"
    many = torch.rand(40_000, generator=torch.Generator().manual_seed(0))
    counts = Counter(pick(probabilities.expand(len(many), -1), many).tolist())
    for token, share in ((1, 0.25), (3, 0.5), (4, 0.25)):
        assert counts[token] / len(many) == pytest.approx(share, abs=0.01)


# ---------------------------------------------------------------------------------------------------------- sequences


def reference(prompt, steps, temperature=0.0, top_p=1.0, top_k=None, seed=0):
    """Return tokens and log-probabilities without cache or batch: read the whole sequence again for each token."""
    draws = torch.rand(steps, generator=torch.Generator().manual_seed(seed)).tolist()
    tokens, logprobs = list(prompt), []
    for number in range(steps):
        logits = MODEL(torch.tensor([tokens]))[0, -1]
        chances = literal_probabilities(logits, temperature, top_p, top_k).cumsum()
        tokens.append(int(np.searchsorted(chances, draws[number] * chances[-1], side="right")))
        logprobs.append(logits.double().log_softmax(-1)[tokens[-1]].item())
    return tokens[len(prompt) :], logprobs


@pytest.mark.slow
@pytest.mark.parametrize("temperature, top_p, top_k", [(0.0, 1.0, None), (1.0, 1.0, None), (0.8, 0.9, 20)])
def test_generate_equals_the_literal_loop(temperature, top_p, top_k):
    options = dict(temperature=temperature, top_p=top_p, top_k=top_k, seed=5)
    found = list(generate(MODEL, PROMPT, max_new_tokens=20, stop_tokens=[], **options))
    assert found == reference(PROMPT, 20, **options)[0]


@pytest.mark.slow
def test_greedy_ignores_the_seed_and_sampling_follows_it():
    def run(**options):
        return list(generate(MODEL, PROMPT, max_new_tokens=12, stop_tokens=[], **options))

    assert run(seed=1) == run(seed=2)
    assert run(temperature=1.0, seed=1) == run(temperature=1.0, seed=1) != run(temperature=1.0, seed=2)
    torch.manual_seed(99)
    torch.rand(7)
    assert run(temperature=1.0, seed=1) == run(temperature=1.0, seed=1), "the global generator plays no part"


@pytest.mark.slow
def test_the_seed_gives_the_same_start_however_many_tokens_are_asked_for():
    runs = [
        list(generate(MODEL, PROMPT, max_new_tokens=n, temperature=1.0, seed=3, stop_tokens=[])) for n in (3, 16, 40)
    ]
    assert runs[2][:16] == runs[1] and runs[1][:3] == runs[0]


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_row_i_of_a_batch_is_the_single_sequence_with_seed_plus_i(temperature):
    options = dict(max_new_tokens=15, temperature=temperature, top_p=0.95, stop_tokens=[])
    steps = list(generate_batch(MODEL, PROMPTS, seed=7, **options))
    assert len(steps) == 15
    for row, prompt in enumerate(PROMPTS):
        alone = list(generate(MODEL, prompt, seed=7 + row, **options))
        assert [step.tokens[row] for step in steps] == alone


def test_logprobs_are_the_models_own_before_temperature_and_truncation():
    steps = list(generate_batch(MODEL, [PROMPT], 10, temperature=0.5, top_k=3, seed=2, stop_tokens=[]))
    tokens, logprobs = reference(PROMPT, 10, temperature=0.5, top_k=3, seed=2)
    assert [step.tokens[0] for step in steps] == tokens
    assert [step.logprobs[0] for step in steps] == pytest.approx(logprobs, abs=1e-4)


@pytest.mark.slow
def test_rows_end_at_their_stop_tokens_and_the_others_go_on_unchanged():
    """Finished rows leave the cache, without any effect on the rows that remain."""
    prompts = [PROMPT[:n] for n in range(1, 9)]
    free = list(generate_batch(MODEL, prompts, 16, temperature=1.0, seed=1, stop_tokens=[]))
    stops = {free[2].tokens[0], free[5].tokens[1], free[5].tokens[4], free[9].tokens[3], free[12].tokens[7]}
    steps = list(generate_batch(MODEL, prompts, 16, temperature=1.0, seed=1, stop_tokens=stops))
    for row in range(len(prompts)):
        whole = [step.tokens[row] for step in free]
        ends = [i for i, token in enumerate(whole) if token in stops]
        expected = whole[: ends[0] + 1] if ends else whole
        found = [step.tokens[row] for step in steps]
        assert [token for token in found if token is not None] == expected
        assert found[len(expected) :] == [None] * (len(found) - len(expected))
        assert [step.finished[row] for step in steps] == [bool(ends) and i >= ends[0] for i in range(len(steps))]
        assert all((step.logprobs[row] is None) == (step.tokens[row] is None) for step in steps)
    assert len({len([s for s in steps if s.tokens[row] is not None]) for row in range(len(prompts))}) > 2


def test_generation_stops_when_all_rows_have_ended():
    first = next(iter(generate(MODEL, PROMPT, max_new_tokens=1, stop_tokens=[])))
    assert list(generate(MODEL, PROMPT, max_new_tokens=50, stop_tokens=[first])) == [first], "the stop token is yielded"


def test_a_cache_carries_on_where_the_last_call_ended():
    whole = list(generate(MODEL, PROMPT, max_new_tokens=14, stop_tokens=[]))
    cache = MODEL.new_cache(1, 60)
    start = list(generate(MODEL, PROMPT, max_new_tokens=6, stop_tokens=[], cache=cache))
    assert cache.lengths.tolist() == [len(PROMPT) + 5], "the last token was yielded, not yet read"
    assert start + list(generate(MODEL, start[-1:], max_new_tokens=8, stop_tokens=[], cache=cache)) == whole


def test_a_cache_that_would_run_out_is_refused_before_the_first_token():
    need = len(PROMPT) + 6 - 1  # the last token is never fed
    cache = MODEL.new_cache(1, need - 1)
    stream = generate(MODEL, PROMPT, max_new_tokens=6, stop_tokens=[], cache=cache)
    with pytest.raises(
        GptOssError, match=r"room for 15 tokens per row, row 0 may need 16 \(0 held, 11 of the prompt, 6 new"
    ):
        next(stream)
    assert cache.lengths.tolist() == [0], "nothing was read"
    cache = MODEL.new_cache(1, need)
    assert len(list(generate(MODEL, PROMPT, max_new_tokens=6, stop_tokens=[], cache=cache))) == 6
    with pytest.raises(GptOssError, match=r"row 0 may need 17 \(16 held, 1 of the prompt, 1 new"):
        next(generate(MODEL, PROMPT[:1], max_new_tokens=1, cache=cache))
    rows = MODEL.new_cache(3, need)
    with pytest.raises(GptOssError, match=r"row 0 may need 17"):
        next(generate_batch(MODEL, PROMPTS, 7, stop_tokens=[], cache=rows))


def test_long_prompts_are_read_in_pieces(monkeypatch):
    whole = list(generate(MODEL, PROMPT, max_new_tokens=8, stop_tokens=[]))
    batch = [step.tokens for step in generate_batch(MODEL, PROMPTS, 8, stop_tokens=[])]
    monkeypatch.setattr(transformer, "PREFILL_TOKENS", 3)
    assert list(generate(MODEL, PROMPT, max_new_tokens=8, stop_tokens=[])) == whole
    assert [step.tokens for step in generate_batch(MODEL, PROMPTS, 8, stop_tokens=[])] == batch


def test_pieces_shrink_so_that_scores_stay_within_their_bytes():
    big = replace(BASE, num_attention_heads=64, num_key_value_heads=8)
    for rows, context in ((1, 512), (1, 4096), (8, 4096), (1, 131_072), (64, 131_072)):
        chunk = transformer.prefill_limit(big, rows, context)
        assert 1 <= chunk <= transformer.PREFILL_TOKENS
        assert chunk == 1 or 4 * rows * 64 * chunk * context <= transformer.SCORE_BYTES
    assert transformer.prefill_limit(big, 1, 512) == transformer.PREFILL_TOKENS


def test_keys_that_the_cache_holds_count_for_the_size_of_a_piece(monkeypatch):
    """After a long first prompt, the scores of a second one cover both."""
    largest = 4 * SMALL.num_attention_heads * 4 * 44  # bytes of 4 queries' scores against 44 keys
    monkeypatch.setattr(transformer, "SCORE_BYTES", largest)
    cache, sizes = MODEL.new_cache(1, 60), []
    MODEL(random_tokens(SMALL, 1, 32), cache=cache)
    with MODEL.hooks({"block.1.attn.scores": lambda scores, _: sizes.append(scores.nbytes)}):
        generation.prefill(MODEL, [random_tokens(SMALL, 12).tolist()], cache)
    assert len(sizes) == 3 and max(sizes) <= largest


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_logits_that_are_no_numbers_are_refused(value):
    """Otherwise the last id of the vocabulary would be drawn forever."""
    with MODEL.hooks({"logits": lambda logits, _: torch.full_like(logits, value)}):
        with pytest.raises(GptOssError, match=r"from which a token can be drawn.*row 0 after 0 new tokens"):
            list(generate(MODEL, PROMPT, max_new_tokens=2))


def test_a_logits_processor_sees_what_was_generated_and_decides():
    seen = []

    def only_even_then_seven(generated, logits):
        seen.append(list(generated))
        allowed = torch.arange(len(logits)) == 7 if len(generated) == 3 else torch.arange(len(logits)) % 2 == 0
        return logits.masked_fill(~allowed, -torch.inf)

    found = list(generate(MODEL, PROMPT, 6, temperature=1.0, stop_tokens=[], logits_processor=only_even_then_seven))
    assert found[3] == 7 and all(token % 2 == 0 for i, token in enumerate(found) if i != 3)
    assert seen == [found[:i] for i in range(6)]


def encoding_with(specials: list[str]) -> tiktoken.Encoding:
    ranks = {bytes([byte]): byte for byte in range(256)}
    return tiktoken.Encoding(
        "t", pat_str=".", mergeable_ranks=ranks, special_tokens={s: 256 + i for i, s in enumerate(specials)}
    )


def test_default_stops_are_harmonys_and_end_is_not_among_them():
    model = strong_model(SMALL)
    assert default_stop_tokens(model) == frozenset()
    model.tokenizer = encoding_with(["<|start|>", "<|end|>", "<|return|>", "<|call|>", "<|endoftext|>"])
    assert default_stop_tokens(model) == {258, 259, 260}
    model.tokenizer = encoding_with(["<|end|>", "<|return|>"])
    assert default_stop_tokens(model) == {257}


def test_generate_streams():
    """A token is yielded before the next is computed."""
    calls = []
    with MODEL.hooks({"logits": lambda value, name: calls.append(1)}):
        stream = generate(MODEL, PROMPT, max_new_tokens=5, stop_tokens=[])
        for number in range(1, 6):
            next(stream)
            assert len(calls) == number
        assert next(stream, None) is None and len(calls) == 5


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(temperature=-0.1), "temperature >= 0"),
        (dict(top_p=0.0), "0 < top_p <= 1"),
        (dict(top_p=1.1), "0 < top_p <= 1"),
        (dict(top_k=0), "top_k >= 1"),
        (dict(seed=2**64), "a seed of at most 64 bits"),
        (dict(max_new_tokens=0), "max_new_tokens >= 1, found 0"),
        (dict(max_new_tokens=10_000), "11 prompt tokens and 10000 new ones exceed this model's context of 1024"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(GptOssError, match=message):
        list(generate(MODEL, PROMPT, **options))


def test_the_largest_seed_of_64_bits_is_one():
    assert len(list(generate(MODEL, PROMPT, max_new_tokens=1, seed=2**64 - 1))) == 1
    with pytest.raises(GptOssError, match="a seed of at most 64 bits"):
        list(generate_batch(MODEL, [PROMPT, PROMPT], max_new_tokens=1, seed=2**64 - 1))


def test_bad_prompts_are_refused():
    with pytest.raises(GptOssError, match="at least one token per sequence, found an empty one"):
        list(generate(MODEL, []))
    with pytest.raises(GptOssError, match="at least one token per sequence"):
        list(generate_batch(MODEL, []))
    with pytest.raises(GptOssError, match="expected token ids from 0 to 49, found 0 to 50"):
        list(generate(MODEL, [0, 50]))


@pytest.mark.slow
def test_a_bfloat16_model_generates():
    low = strong_model(SMALL, seed=4, dtype=torch.bfloat16)
    assert len(list(generate(low, PROMPT, max_new_tokens=5, stop_tokens=[]))) == 5
    logits = low(torch.tensor([PROMPT]))
    assert logits.dtype == torch.bfloat16 and relative(logits, MODEL(torch.tensor([PROMPT]))) < 0.5
