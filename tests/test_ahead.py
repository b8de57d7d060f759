"""Test decoding one step ahead of the host: nothing may differ from step by step, except when the work is done."""

import math
import random
from dataclasses import replace
from functools import partial

import pytest
import torch
from core_models import BASE, RunsAhead, random_tokens, strong_model

from gptoss_edu import generate, generate_batch
from gptoss_edu.engines.pool import Pool
from gptoss_edu.engines.request import Request
from gptoss_edu.engines.rounds import _lines
from gptoss_edu.errors import GptOssError
from gptoss_edu.generation import draw, next_token_probabilities, pick

CONFIG = replace(BASE, sliding_window=8, initial_context_length=64, num_experts=4, experts_per_token=2, vocab_size=50)
MODEL = strong_model(CONFIG, seed=4)
PROMPTS = [random_tokens(CONFIG, n, seed=n).tolist() for n in (11, 1, 6, 9, 3, 14)]
SAMPLINGS = [
    {},
    {"temperature": 1.0, "seed": 3},
    {"temperature": 0.8, "top_p": 0.9, "seed": 5},
    {"temperature": 1.5, "top_k": 7},
]
CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
gpu = pytest.mark.gpu
needs_gpu = pytest.mark.skipif(not CUDA, reason="needs an NVIDIA GPU (torch.cuda.is_available() is False)")


def stops_for(model, **terms):
    """Return tokens that end some of the rows early, at different steps."""
    free = list(generate_batch(model, PROMPTS, 16, stop_tokens=[], **terms))
    return [free[2].tokens[0], free[5].tokens[1], free[9].tokens[3], free[12].tokens[4]]


def same_steps(found, right):
    assert [step.tokens for step in found] == [step.tokens for step in right]
    assert [step.finished for step in found] == [step.finished for step in right]
    for mine, theirs in zip(found, right, strict=True):
        # a row may be computed beside more rows, or fewer; kernels that draw have an exponential of their own
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4 if CUDA else 1e-5)


@pytest.mark.parametrize("terms", SAMPLINGS, ids=str)
def test_rows_with_different_stops_give_the_same_steps_ahead_of_the_host(terms):
    stops = stops_for(MODEL, **terms)
    for own in (True, False):
        caches = [None, None] if own else [MODEL.new_cache(len(PROMPTS), 40) for _ in range(2)]
        ahead = RunsAhead(MODEL)
        found, right = (
            list(generate_batch(model, PROMPTS, 16, stop_tokens=stops, cache=cache, **terms))
            for model, cache in zip((ahead, MODEL), caches, strict=True)
        )
        same_steps(found, right)
        if not own:
            assert caches[0].row_lengths == caches[1].row_lengths
            assert len(set(caches[0].row_lengths)) > 3, "rows ended at different steps"


def test_a_step_begins_before_the_host_has_its_token_and_the_first_one_does_not():
    """The first step records a GPU's graph, which the first token must not wait for."""
    model = RunsAhead(MODEL)
    stream = generate(model, PROMPTS[0], 6, stop_tokens=[])
    passes = [len(model.calls) for _ in stream]
    assert passes == [1, 3, 4, 5, 6, 6], "the prompt; then always one step more than tokens; none after the last token"
    assert model.calls[0] == (1, len(PROMPTS[0])) and set(model.calls[1:]) == {(1, 1)}


@pytest.mark.parametrize("after", [1, 2, 5, 12, 13])
@pytest.mark.parametrize("how", ["closed", "stopped", "suspended", "used up"])
def test_a_callers_cache_is_as_if_nothing_had_run_ahead(how, after):
    """The ring has wrapped round; a second call continues with a prompt of one or several tokens."""
    whole = list(generate(MODEL, PROMPTS[0], 13, stop_tokens=[], temperature=1.0, seed=1))
    last = whole.index(whole[after - 1]) + 1  # a stop token ends the sequence where it first appears
    for follow in ([7], [7, 8, 9], PROMPTS[5]):
        results = []
        for model in (MODEL, RunsAhead(MODEL)):
            cache = model.new_cache(1, 60)
            stops = [whole[after - 1]] if how == "stopped" else []
            limit = after if how == "used up" else 30
            stream = generate(model, PROMPTS[0], limit, stop_tokens=stops, temperature=1.0, seed=1, cache=cache)
            said = [next(stream) for _ in range(last if how == "stopped" else after)]
            assert said == whole[: len(said)]
            if how == "closed":
                stream.close()
            if how == "stopped":
                assert next(stream, None) is None
            lengths = cache.row_lengths
            assert lengths == [len(PROMPTS[0]) + len(said) - 1], "all but the newest token is read"
            again = list(generate_batch(model, [[said[-1], *follow]], 8, stop_tokens=[], cache=cache))
            results.append((lengths, again, cache.row_lengths))
        assert results[0][0] == results[1][0] and results[0][2] == results[1][2]
        same_steps(results[1][1], results[0][1])


def test_who_looks_inside_between_two_tokens_sees_every_step_from_then_on():
    model, seen = RunsAhead(MODEL), []

    class StandIn:
        def __call__(self, tokens, **rest):
            seen.append(tokens[0, -1].item())
            return MODEL(tokens, **rest)

    right = list(generate(MODEL, PROMPTS[0], 10, stop_tokens=[]))
    stream = generate(model, PROMPTS[0], 10, stop_tokens=[])
    found = [next(stream) for _ in range(4)]
    model.stand_in = StandIn()
    found += [next(stream) for _ in range(3)]
    assert seen == found[3:6], "the step that had begun is computed again by the one that looks inside"
    model.stand_in = None
    assert found + list(stream) == right and len(seen) == 3


def test_a_cache_that_was_changed_between_two_tokens_counts():
    results = []
    for model in (MODEL, RunsAhead(MODEL)):
        cache = model.new_cache(1, 60)
        stream = generate(model, PROMPTS[0], 10, stop_tokens=[], cache=cache)
        found = [next(stream) for _ in range(4)]
        MODEL(torch.tensor([[3, 4]]), cache=cache)  # something else is read into the same row
        results.append(found + list(stream))
    assert results[0] == results[1] != list(generate(MODEL, PROMPTS[0], 10, stop_tokens=[]))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_are_refused_with_the_row_and_the_token(value, temperature):
    for model in (MODEL, RunsAhead(MODEL)):
        stream = generate_batch(model, PROMPTS[:2], 8, temperature=temperature, stop_tokens=[])
        given = [next(stream), next(stream)]
        assert len(given) == 2

        def spoil(logits, _):
            logits = logits.clone()
            logits[1, ..., 5 if value == math.inf else slice(None)] = value
            return logits

        with MODEL.hooks({"logits": spoil}), pytest.raises(GptOssError, match=r"row 1 after (3|2) new tokens"):
            list(stream)


def test_a_processor_decides_ahead_of_the_host_too():
    def climbs(generated, logits):
        least = generated[-1] + 1 if generated else 0
        return logits.masked_fill(torch.arange(len(logits)) < least, -torch.inf)

    found, right = (
        list(generate(m, PROMPTS[0], 5, temperature=2.0, stop_tokens=[], logits_processor=climbs))
        for m in (RunsAhead(MODEL), MODEL)
    )
    assert found == right and sorted(found) == found


@pytest.mark.parametrize(
    "temperature, top_p, top_k", [(0.0, 1.0, None), (1.0, 1.0, None), (0.7, 0.8, None), (2.0, 1.0, 5)]
)
def test_a_draw_is_the_definition(temperature, top_p, top_k):
    generator = torch.Generator().manual_seed(2)
    logits, draws = 3 * torch.randn(40, 50, generator=generator), torch.rand(40, generator=generator)
    tokens, logprobs = draw(logits, draws, temperature, top_p, top_k)
    assert torch.equal(tokens, pick(next_token_probabilities(logits, temperature, top_p, top_k), draws))
    right = logits.double().log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
    assert (logprobs - right).abs().max() < 1e-5


# ----------------------------------------------------------------------------------------------------------- the pool


def asked(**terms):
    return [Request(prompt, 4 + 3 * i, **{"seed": i, **terms}) for i, prompt in enumerate(PROMPTS)]


def answered(model, requests, **options):
    list(Pool(model, room=60, **options).run(requests))
    return [(request.sampled, request.reason) for request in requests]


@pytest.mark.parametrize("streaming", [True, False])
def test_a_pool_that_runs_ahead_answers_the_same(streaming):
    terms = {"stop_tokens": stops_for(MODEL)[:3], "logprobs": 2}
    options = {"rows": 3, "streaming": streaming, "prefix_bytes": 10**7}
    mixed = [{}, {"temperature": 1.0, "logprobs": 5}, {"temperature": 0.5, "top_p": 0.9, "logprobs": None}]
    two = [[Request(p, 4 + 3 * i, seed=i, **terms | mixed[i % 3]) for i, p in enumerate(PROMPTS)] for _ in range(2)]
    found, right = (answered(m, r, **options) for m, r in zip((RunsAhead(MODEL), MODEL), two, strict=True))
    assert found == right and {reason for _, reason in found} == {"stop", "length"}
    for mine, theirs in zip(*two, strict=True):
        assert [list(likeliest) for _, likeliest in mine.noted] == [list(likeliest) for _, likeliest in theirs.noted]
        assert [p for p, _ in mine.noted] == pytest.approx([p for p, _ in theirs.noted], abs=1e-6)
        assert len(mine.noted) == (0 if mine.logprobs is None else len(mine.sampled))
        assert all(len(likeliest) == mine.logprobs for _, likeliest in mine.noted)


def test_a_pools_step_begins_before_its_tokens_are_told():
    model, told = RunsAhead(MODEL), []
    request = Request(PROMPTS[0], 6, stop_tokens=[], listener=lambda: told.append(len(model.calls)))
    list(Pool(model, rows=2, room=60).run([request]))
    # width 11, then single tokens; the listener is called once more at the end
    assert told == [1, 4, 5, 6, 6, 6], "the first waits for no graph; the others are told once another step has begun"


def test_the_next_turn_continues_from_a_row_that_had_run_ahead():
    """The kept row has a key that does not count, in a ring that has wrapped round."""
    answers = []
    for model in (MODEL, RunsAhead(MODEL)):
        pool = Pool(model, rows=2, room=80, prefix_bytes=10**8)
        whole = list(generate(MODEL, PROMPTS[0], 12, stop_tokens=[], temperature=1.0, seed=2))
        stop = next(token for i, token in enumerate(whole) if i > 3 and whole.index(token) == i)
        first = Request(PROMPTS[0], 12, temperature=1.0, seed=2, stop_tokens=[stop])
        list(pool.run([first]))
        assert first.reason == "stop" and len(first.sampled) > 3
        second = Request([*first.prompt, *first.sampled, 8, 9], 8, stop_tokens=[])
        list(pool.run([second]))
        assert second.reused == len(first.prompt) + len(first.sampled) - 1
        answers.append(second.sampled)
    right = list(generate(MODEL, second.prompt, 8, stop_tokens=[]))
    assert answers == [right, right]


def test_rows_draw_from_their_own_lines_of_the_logits():
    one, two = torch.arange(12.0).view(4, 3), torch.arange(20.0, 32).view(4, 3)
    for lines in ([(one, 0), (one, 1)], [(one, 0), (two, 1)], [(one, 1), (one, 0)], [(one, 1), (one, 2)], [(two, 0)]):
        requests = [Request([1], 2) for _ in lines]
        for request, line in zip(requests, lines, strict=True):
            request.logits = line
        assert _lines(requests).tolist() == [logits[i].tolist() for logits, i in lines]


def test_a_step_that_was_begun_for_rows_which_ended_answers_nobody():
    """Waves of requests end in all orders, so that views change between a step's beginning and its end."""
    chance, pool, stops = random.Random(0), Pool(RunsAhead(MODEL), rows=8, room=60), range(5)
    draw_seed = partial(chance.randrange, 10**6)
    for _ in range(24):
        prompts = [random_tokens(MODEL.config, 4, seed=draw_seed()).tolist() for _ in range(5)]
        wave = [Request(prompt, 25, 1.0, seed=draw_seed(), stop_tokens=stops) for prompt in prompts]
        list(pool.run(wave))
        for one in wave:
            assert one.sampled == list(generate(MODEL, one.prompt, 25, 1.0, seed=one.seed, stop_tokens=stops))


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("call", [2, 4, 7])
def test_a_pool_goes_on_after_an_interruption_where_it_was(ahead, call):
    class Interrupted(RunsAhead):
        def __call__(self, tokens, **rest):
            if len(self.calls) == call:
                self.calls.append(())
                raise KeyboardInterrupt
            return super().__call__(tokens, **rest)

    model = Interrupted(MODEL)
    if not ahead:
        model.ahead = lambda cache: None
    prompts = [random_tokens(MODEL.config, n, seed=n).tolist() for n in (5, 9)]
    pool, wave = Pool(model, rows=2, room=60), [Request(prompt, 12, 1.0, seed=3, stop_tokens=[]) for prompt in prompts]
    with pytest.raises(KeyboardInterrupt):
        list(pool.run(wave))
    list(pool.run())
    for one in wave:
        assert one.sampled == list(generate(MODEL, one.prompt, 12, 1.0, seed=3, stop_tokens=[]))


def test_ended_requests_keep_no_logits():
    """A request that the caller still has would hold the logits of all rows that decoded beside it."""
    requests = asked()
    answered(MODEL, requests, rows=4)
    assert all(request.logits is None for request in requests)


@pytest.mark.parametrize("terms", SAMPLINGS, ids=str)
def test_generate_and_the_pool_draw_with_the_kernels_where_there_are_some(monkeypatch, terms):
    kernel_draws = pytest.importorskip("gptoss_edu.fast.draws", reason="Triton is needed for the kernels that draw")
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return kernel_draws.draw_rows(*arguments)

    model = strong_model(CONFIG, seed=4).to(DEVICE)
    right = list(generate_batch(model, PROMPTS, 8, stop_tokens=[], **terms))
    requests = [Request(prompt, 4, stop_tokens=[], **own) for prompt in PROMPTS[:2] for own in (terms, {})]
    alone = [list(generate(model, r.prompt, 4, r.temperature, r.top_p, r.top_k, r.seed, [])) for r in requests]
    for module in ("gptoss_edu.fast.ahead", "gptoss_edu.engines.request"):
        monkeypatch.setattr(f"{module}.fused_draw", lambda device: counted)
    same_steps(list(generate_batch(RunsAhead(model), PROMPTS, 8, stop_tokens=[], **terms)), right)
    assert len(calls) == (0 if "top_p" in terms or "top_k" in terms else 8)
    answered(RunsAhead(model), requests, rows=4)
    assert [request.sampled for request in requests] == alone


# ------------------------------------------------------------------------------------- the fast path, and a real device


def fast_pair(device):
    """Return a reference model and the fast model with its weights, in float32."""
    kernels = pytest.importorskip("test_kernels", reason="Triton is needed for the fast path")
    small = dict(hidden_size=64, intermediate_size=64, num_attention_heads=2, num_key_value_heads=1)
    reference = kernels.random_packed(kernels.small_config(num_experts=4, experts_per_token=2, **small), 5)
    return reference, kernels.FastTransformer.from_reference(reference, device, kernels.LARGE)


@pytest.mark.slow
def test_the_fast_path_runs_ahead_in_tritons_interpreter():
    """Its step holds positions and counts on the device, which must follow a row that has ended."""
    reference, fast = fast_pair("cuda" if CUDA else "cpu")
    prompts = [[5, 6, 9, 3, 2, 4, 4], [9] * 9, [3]]
    free = list(generate_batch(reference, prompts, 6, stop_tokens=[]))
    stops = [free[1].tokens[0], free[3].tokens[1]]
    right = list(generate_batch(reference, prompts, 6, stop_tokens=stops, cache=reference.new_cache(3, 20)))
    assert right[-1].finished != right[0].finished
    found = list(generate_batch(RunsAhead(fast), prompts, 6, stop_tokens=stops, cache=fast.new_cache(3, 20)))
    assert [s.tokens for s in found] == [s.tokens for s in right]
    for mine, theirs in zip(found, right, strict=True):
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-3)


@pytest.fixture(scope="module")
def on_card():
    """Return a fast model on the card, and the same in which the host draws and waits, step by step."""
    kernels = pytest.importorskip("test_kernels", reason="Triton is needed for the fast path")
    config = kernels.small_config(hidden_size=512, intermediate_size=512, head_dim=64)
    packed = kernels.random_packed(config, 8, "cuda").bfloat16()
    fast, plain = (kernels.FastTransformer.from_reference(packed) for _ in range(2))
    plain.ahead = lambda cache: None
    for model in (fast, plain):  # a prompt's first readings and its graph may differ in the last bits
        model.tuning = replace(model.tuning, prompt_graphs=())
    return fast, plain


@gpu
@needs_gpu
@pytest.mark.parametrize("terms", SAMPLINGS, ids=str)
@pytest.mark.parametrize("rows", [1, 2, 6])
def test_on_a_card_the_steps_are_those_without_running_ahead(on_card, terms, rows):
    """With a cache of one's own no row leaves the batch, which would change its kernels and thus the last bits."""
    prompts = PROMPTS[:rows]
    free = list(generate_batch(on_card[1], prompts, 40, stop_tokens=[], **terms))
    stops = [free[12 + 5 * i].tokens[i] for i in range(max(1, rows - 1))]
    caches = [model.new_cache(rows, 60) for model in on_card]
    found, right = (
        list(generate_batch(model, prompts, 40, stop_tokens=stops, cache=cache, **terms))
        for model, cache in zip(on_card, caches, strict=True)
    )
    same_steps(found, right)
    assert caches[0].row_lengths == caches[1].row_lengths
    same_steps(list(generate_batch(on_card[0], prompts, 40, stop_tokens=[], **terms)), free)


@gpu
@needs_gpu
def test_on_a_card_a_callers_cache_continues_as_without_running_ahead(on_card):
    results = []
    for model in on_card:
        cache = model.new_cache(1, 120)
        stream = generate(model, PROMPTS[0], 40, stop_tokens=[], cache=cache)
        said = [next(stream) for _ in range(20)]
        stream.close()
        lengths = cache.row_lengths
        results.append((said, lengths, list(generate(model, [said[-1], 4, 5], 30, stop_tokens=[], cache=cache))))
    assert results[0] == results[1] and results[0][1] == [len(PROMPTS[0]) + 19]


@gpu
@needs_gpu
def test_on_a_card_the_pool_answers_as_without_running_ahead(on_card):
    terms = {"stop_tokens": stops_for(on_card[1])[:2]}
    answers = []
    for model in on_card:
        requests = asked(**terms) + asked(temperature=1.0, **terms) + asked(temperature=0.8, top_p=0.9, **terms)
        answers.append(answered(model, requests, rows=4, prefix_bytes=10**7))
    assert answers[0] == answers[1]


@gpu
@needs_gpu
def test_on_a_card_the_host_waits_for_one_copy_a_token(on_card):
    """Anything else that waits, an index list or a number that travels, is an error in this mode."""
    for rows, terms in ((1, {}), (3, {}), (3, {"temperature": 1.0})):
        stream = generate_batch(on_card[0], PROMPTS[:rows], 30, stop_tokens=[], **terms)
        for _ in range(4):  # the prompt, and recording the graph
            next(stream)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(20):
                next(stream)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@gpu
@needs_gpu
def test_on_a_card_a_round_of_the_pool_waits_for_one_copy(on_card):
    mixed = [
        {},
        {"temperature": 1.0},
        {"temperature": 0.8, "top_p": 0.9, "logprobs": 3},
        {"top_k": 5, "temperature": 2.0},
    ]
    pool = Pool(on_card[0], rows=8, room=60)
    requests = [pool.submit(Request(PROMPTS[0], 40, stop_tokens=[], **terms)) for terms in mixed]
    for _ in range(4):
        pool.step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            pool.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert [len(request.sampled) for request in requests] == [24] * 4 and not any(r.error for r in requests)
