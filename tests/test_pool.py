"""Test continuous batching: requests join, stream, leave and are cancelled between steps.

Each is answered as if it were alone.
"""

import itertools
import threading
import time
from dataclasses import replace
from functools import cache

import pytest
import torch
from core_models import BASE, RunsAhead, strong_model
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from gptoss_edu import generate
from gptoss_edu.cache import KVCache, Snapshot
from gptoss_edu.engines.pool import Pool
from gptoss_edu.engines.prefixes import Prefixes, reusable
from gptoss_edu.engines.request import PoolFull, Request
from gptoss_edu.engines.rows import CACHE_BYTES, Rows, default_room
from gptoss_edu.engines.sampler import ModelSampler, PoolSampler
from gptoss_edu.errors import GptOssError

CONFIG = replace(BASE, sliding_window=8, initial_context_length=64, num_experts=4, experts_per_token=2)
MODEL = strong_model(CONFIG, seed=1)
PROMPTS = [[5 + i, *range(20, 20 + 9 * i)] for i in range(8)]


@cache
def said_alone(prompt, limit, terms):
    return list(generate(MODEL, list(prompt), limit, **dict(terms)))


def alone(prompt, limit, **terms):
    """Return what `generate` gives for this prompt; computed once."""
    known = not {"stop_tokens", "logits_processor"} & terms.keys()
    return (said_alone if known else said_alone.__wrapped__)(tuple(prompt), limit, tuple(terms.items()))


def requests(**terms):
    return [Request(prompt, 3 + 3 * i, seed=i, key=i, **terms) for i, prompt in enumerate(PROMPTS)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("terms", "streaming"),
    [({}, True), ({}, False), ({"temperature": 0.7, "top_p": 0.9}, False), ({"temperature": 2.0, "top_k": 5}, True)],
    ids=str,
)
def test_each_answers_as_if_it_were_alone(terms, streaming):
    pool = Pool(MODEL, rows=3, room=120, streaming=streaming)
    pool.pieces = (5, 2)
    ended = {request.key: request for request in pool.run(requests(**terms))}
    assert sorted(ended) == list(range(8)) and not pool.active and not pool.waiting
    for i, prompt in enumerate(PROMPTS):
        assert ended[i].sampled == alone(prompt, 3 + 3 * i, seed=i, **terms), i
        assert ended[i].reason == "length"


@pytest.mark.slow
def test_terms_of_one_request_are_not_those_of_its_neighbours():
    terms = [
        {},
        {"temperature": 1.0, "seed": 3},
        {"temperature": 0.3, "top_p": 0.5, "seed": 4},
        {"stop_tokens": [alone(PROMPTS[3], 9)[4]]},
    ]
    asked = [Request(PROMPTS[3], 9, key=i, **t) for i, t in enumerate(terms)]
    list(Pool(MODEL, rows=4, room=60).run(asked))
    assert [r.sampled for r in asked] == [alone(PROMPTS[3], 9, **t) for t in terms]
    assert [r.reason for r in asked] == ["length"] * 3 + ["stop"]


@pytest.mark.slow
@examples(25)
@given(st.data())
def test_whatever_comes_and_goes_the_others_are_not_disturbed(data):
    """Requests arrive and are cancelled in any round; prefixes are kept; prefill pieces have any size.

    Steps run ahead of the host, or not.
    """
    pool = Pool(
        RunsAhead(MODEL) if data.draw(st.booleans()) else MODEL,
        rows=data.draw(st.integers(1, 4)),
        room=110,
        prefix_bytes=data.draw(st.sampled_from([0, 60_000, 10**7])),
    )
    pool.pieces = (data.draw(st.integers(1, 30)), data.draw(st.integers(0, 4)))
    asked, cancelled = [], set()
    for number in range(data.draw(st.integers(1, 8))):
        prompt = data.draw(st.sampled_from(PROMPTS))
        if asked and data.draw(st.booleans()):  # the next turn of another request
            before = data.draw(st.sampled_from(asked))
            prompt = [*before.prompt, *before.sampled, 7][:80]
        asked.append(pool.submit(Request(prompt, data.draw(st.integers(1, 12)), key=number)))
        for _ in range(data.draw(st.integers(0, 6))):
            pool.step()
        if data.draw(st.integers(0, 3)) == 0:
            victim = data.draw(st.sampled_from(asked))
            if victim.reason is None:
                cancelled.add(victim.key)
                victim.cancel()
    list(pool.run())
    for request in asked:
        whole = alone(request.prompt, request.max_new_tokens)
        if request.key in cancelled:
            assert request.reason == "cancelled" and request.sampled == whole[: len(request.sampled)]
        else:
            assert request.reason == "length" and request.sampled == whole


def test_a_cancelled_request_frees_its_row_within_one_step():
    pool = Pool(MODEL, rows=2, room=100)
    asked = [pool.submit(Request(PROMPTS[i], 60)) for i in range(3)]
    for _ in range(4):
        pool.step()
    assert len(pool.active) == 2 and len(pool.waiting) == 1
    asked[0].cancel()
    assert pool.step() == [asked[0]] and asked[0].reason == "cancelled"
    assert pool.active == [asked[1], asked[2]] and asked[2].sampled, (
        "the one that waited has its row and its first token"
    )
    asked[1].cancel(), asked[2].cancel()
    assert set(pool.step()) == {asked[1], asked[2]} and not pool.active


@pytest.mark.slow
def test_streams_of_many_threads_are_not_mixed():
    found = {}

    def client(i):
        found[i] = list(pool.stream(Request(PROMPTS[i], 20)))

    with Pool(MODEL, rows=3, room=120).started() as pool:
        threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
        [t.start() for t in threads], [t.join() for t in threads]
    assert found == {i: alone(PROMPTS[i], 20) for i in range(8)}


def test_a_stream_that_is_closed_cancels():
    with Pool(MODEL, rows=1, room=200).started() as pool:
        request = Request(PROMPTS[2], 150)
        stream = pool.stream(request)
        first = [next(stream) for _ in range(3)]
        stream.close()
        assert list(pool.stream(Request(PROMPTS[1], 4))) == alone(PROMPTS[1], 4), "the row is free again"
        assert request.reason == "cancelled" and first == alone(PROMPTS[2], 3)


def test_who_waits_is_told_when_the_wait_is_over():
    """If a request is cancelled or the pool closed while it waits for a row, its stream ends at once."""
    told = []
    with Pool(MODEL, rows=1, room=900).started() as pool:
        first = pool.submit(Request(PROMPTS[0], 800))
        waiting = [Request(PROMPTS[1], 4, key=i, listener=lambda i=i: told.append(i)) for i in range(2)]
        for request in waiting:
            pool.submit(request)
        waiting[0].cancel()
        while not told:
            time.sleep(0.001)
        assert told == [0] and first.reason is None
    assert told == [0, 1] and [r.reason for r in waiting] == ["cancelled", "closed"]


def test_without_a_thread_a_stream_does_the_work():
    pool = Pool(MODEL, rows=2, room=100)
    one, two = pool.stream(Request(PROMPTS[3], 6)), pool.stream(Request(PROMPTS[4], 9))
    mixed = [next(one), next(two), next(two), next(one)]
    assert mixed[::3] + list(one) == alone(PROMPTS[3], 6) and mixed[1:3] + list(two) == alone(PROMPTS[4], 9)


def test_the_queue_is_bounded():
    pool = Pool(MODEL, rows=1, room=100, waiting=2)
    [pool.submit(Request(PROMPTS[0], 5)) for _ in range(2)]
    with pytest.raises(PoolFull, match="2 requests are already waiting"):
        pool.submit(Request(PROMPTS[0], 5))
    pool.step()
    pool.submit(Request(PROMPTS[0], 5))
    assert len(list(pool.run())) == 3


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request([], 5), "expected a prompt"),
        (Request([9999], 5), "from 0 to 210"),
        (Request([1, 2], 0), "1 to 99 new tokens"),
        (Request([1, 2], 100), "1 to 99 new tokens"),
        (Request([1, 2], 5, temperature=-1.0), "temperature"),
        (Request([1, 2], 5, temperature=float("nan")), "temperature"),
        (Request([1, 2], 5, top_p=0.0), "top_p"),
        (Request([1, 2], 5, sampled=[3]), "already been answered"),
    ],
)
def test_what_cannot_be_computed_is_refused_at_once(request_, words):
    pool = Pool(MODEL, rows=1, room=100)
    with pytest.raises(GptOssError, match=words):
        pool.submit(request_)
    assert not pool.waiting


def test_a_row_can_be_filled_to_its_last_place():
    pool = Pool(MODEL, rows=2, room=30)
    asked = [Request(list(range(29)), 2), Request(list(range(30)), 1), Request([3], 30)]
    list(pool.run(asked))
    assert [r.sampled for r in asked] == [alone(r.prompt, r.max_new_tokens) for r in asked]


def test_a_fault_is_one_requests_own():
    """A processor raises, another forbids everything; the other request in the pool goes on."""

    def raises(generated, logits):
        if len(generated) == 2:
            raise ZeroDivisionError("in the grammar")
        return logits

    asked = [
        Request(PROMPTS[1], 6, logits_processor=raises),
        Request(PROMPTS[2], 6),
        Request(PROMPTS[3], 6, logits_processor=lambda generated, logits: logits * 0 - torch.inf),
    ]
    pool = Pool(MODEL, rows=3, room=100)
    list(pool.run(asked))
    assert [r.reason for r in asked] == ["error", "length", "error"]
    assert isinstance(asked[0].error, ZeroDivisionError) and asked[0].sampled == alone(PROMPTS[1], 2)
    assert "finite" in str(asked[2].error) and not asked[2].sampled
    assert asked[1].sampled == alone(PROMPTS[2], 6)
    with pytest.raises(ZeroDivisionError):
        list(Pool(MODEL, rows=1, room=100).stream(Request(PROMPTS[1], 6, logits_processor=raises)))


def test_a_model_that_fails_ends_its_batch_and_not_the_pool():
    pool = Pool(MODEL, rows=2, room=100)
    asked = [Request(PROMPTS[4], 8), Request(PROMPTS[5], 8)]
    pool.submit(asked[0])
    pool.step(), pool.step()

    def interrupt(value, name):
        raise RuntimeError("out of memory")

    with MODEL.hooks({"block.1.attn.out": interrupt}):
        assert pool.step() == [asked[0]] and asked[0].reason == "error"
    assert next(iter(pool.run([asked[1]]))).sampled == alone(PROMPTS[5], 8)


def test_a_fault_of_the_pool_itself_ends_what_runs_and_not_its_thread(monkeypatch):
    with Pool(MODEL, rows=2, room=100, prefix_bytes=10**7).started() as pool:
        monkeypatch.setattr(pool.prefixes, "find", lambda prompt: 1 / 0)
        told = threading.Event()
        # this one is already taken from the queue when the fault occurs
        lost = pool.submit(Request(PROMPTS[1], 90, listener=told.set))
        while pool.waiting:
            time.sleep(0.001)
        monkeypatch.undo()
        assert list(pool.stream(Request(PROMPTS[2], 4))) == alone(PROMPTS[2], 4)
        assert told.is_set() and lost.reason == "error" and isinstance(lost.error, ZeroDivisionError)


def test_a_processor_of_its_own_and_log_probabilities():
    def no_even(generated, logits):
        return logits.masked_fill(torch.arange(len(logits)) % 2 == 0, -torch.inf)

    asked = [Request(PROMPTS[2], 7, logits_processor=no_even), Request(PROMPTS[2], 7, logprobs=3)]
    list(Pool(MODEL, rows=2, room=60).run(asked))
    assert asked[0].sampled == alone(PROMPTS[2], 7, logits_processor=no_even)
    assert all(token % 2 for token in asked[0].sampled) and not asked[0].noted
    whole = MODEL(torch.tensor([PROMPTS[2] + asked[1].sampled]))[0].log_softmax(-1)
    for i, (logprob, likeliest) in enumerate(asked[1].noted):
        line = whole[len(PROMPTS[2]) - 1 + i]
        assert abs(logprob - line[asked[1].sampled[i]].item()) < 1e-4
        assert list(likeliest) == line.topk(3).indices.tolist() and next(iter(likeliest)) == asked[1].sampled[i]


# ----------------------------------------------------------------------------------------------------- kept prefixes


def test_a_next_turn_reads_only_what_is_new():
    pool = Pool(MODEL, rows=2, room=200, prefix_bytes=10**8)
    first = Request(PROMPTS[6], 6, stop_tokens=[alone(PROMPTS[6], 6)[5]])
    list(pool.run([first]))
    assert first.reason == "stop" and first.reused == 0
    loop = Request([*first.prompt, *first.sampled, 8, 9], 4)  # continues from the end of the turn
    again = Request([*first.prompt, 11, 12], 4)  # continues from the end of the prompt: thoughts are dropped
    before = pool.read_tokens
    list(pool.run([loop, again]))
    assert loop.reused == len(first.prompt) + len(first.sampled) - 1 and again.reused == len(first.prompt)
    assert pool.read_tokens - before == 3 + 2
    assert loop.sampled == alone(loop.prompt, 4) and again.sampled == alone(again.prompt, 4)


def test_a_beginning_that_prompts_share_is_read_once():
    watched = Watched(MODEL)
    pool = Pool(watched, rows=4, room=200, prefix_bytes=10**8)
    head = PROMPTS[7]
    first = Request([*head, 3, 4, 5], 4, marks=[len(head)])
    list(pool.run([first]))
    assert [s for s in watched.shapes if s[1] > 1] == [(1, len(head)), (1, 3)]
    others = [Request([*head, 9, i], 4, marks=[len(head)]) for i in range(3)]
    before = pool.read_tokens
    list(pool.run(others))
    assert [r.reused for r in others] == [len(head)] * 3 and pool.read_tokens - before == 6
    for request in [first, *others]:
        assert request.sampled == alone(request.prompt, 4)
    plain = Watched(MODEL)
    list(Pool(plain, rows=1, room=200).run([Request([*head, 3], 1, marks=[len(head)])]))
    assert plain.shapes == [(1, len(head) + 1)], "where nothing is kept, a mark costs nothing"


def test_only_a_whole_prefix_that_is_shorter_is_reusable():
    held = [(1, 2), (1, 2, 3), (1, 2, 9), (1, 2, 3, 4, 5), ()]
    assert reusable(held, [1, 2, 3, 4]) == (1, 2, 3)
    assert reusable(held, [1, 2, 3]) == (1, 2), "a token must be left to read"
    assert reusable(held, [1, 2, 9, 3]) == (1, 2, 9)
    assert reusable(held, [2, 1]) is None and reusable(held, [1]) is None and reusable([], [1, 2]) is None


def test_a_prefix_that_nearly_fits_would_be_wrong():
    """The longest common prefix is not enough: the ring has lost the keys that a rewound row would need."""
    cache = MODEL.new_cache(1, 60)
    MODEL(torch.tensor([PROMPTS[4]]), cache=cache)
    shared = PROMPTS[4][:-6]
    cache.declare([len(shared)])  # rewind the row, which only a cache without a ring can do
    other = torch.tensor([[100, 101, 102]])
    right = MODEL(torch.tensor([[*shared, 100, 101, 102]]))[0, -1]
    assert (MODEL(other, cache=cache)[0, -1] - right).abs().max() > 0.01 * right.abs().max()


def test_kept_prefixes_are_bounded_in_bytes_and_the_oldest_goes():
    def snapshot(size):
        return Snapshot(1, (torch.zeros(size),), ())

    kept = Prefixes(100)
    kept.keep([1], snapshot(10)), kept.keep([2], snapshot(10))  # 40 bytes each
    assert kept.find([1, 5]) is not None  # used again: now [2] is the oldest
    kept.keep([3], snapshot(10))
    assert [kept.find([n, 5]) is not None for n in (1, 2, 3)] == [True, False, True] and kept.nbytes == 80
    kept.keep([3], snapshot(5))
    assert kept.nbytes == 60 and len(kept) == 2
    kept.keep([4], snapshot(50))
    assert kept.find([4, 5]) is None and kept.nbytes == 60, "one that is too large drops nothing else"
    assert (kept.hits, kept.misses) == (3, 2)


# ------------------------------------------------------------------------------------------------- order of the work


class Watched:
    """Wrap a model and record the shape of every pass."""

    def __init__(self, model):
        self.model, self.shapes = model, []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def __call__(self, tokens, **rest):
        self.shapes.append(tuple(tokens.shape))
        return self.model(tokens, **rest)


def test_arriving_together_they_read_together():
    watched = Watched(MODEL)
    asked = [Request(PROMPTS[3], 4) for _ in range(5)]
    list(Pool(watched, rows=5, room=60).run(asked))
    assert watched.shapes == [(5, 28), (5, 1), (5, 1), (5, 1)]


@pytest.mark.slow
def test_a_long_prompt_is_read_in_pieces_beside_rows_that_decode():
    watched = Watched(MODEL)
    pool = Pool(watched, rows=4, room=150)
    pool.pieces = (10, 6)
    running = [pool.submit(Request(PROMPTS[1], 90)) for _ in range(3)]
    pool.step()
    pool.submit(Request(list(range(60)), 5))
    watched.shapes.clear()
    while running[0].reason is None:
        pool.step()
    pieces = [i for i, (rows, t) in enumerate(watched.shapes) if t > 1]
    assert [watched.shapes[i] for i in pieces] == [(1, 10)] * 6
    assert all(b - a == 5 for a, b in itertools.pairwise(pieces)), (
        "four decoding rounds of 3 rows lie between two pieces"
    )
    patient = Watched(MODEL)
    pool = Pool(patient, rows=4, room=150, streaming=False)
    list(pool.run([*(Request(PROMPTS[1], 90) for _ in range(3)), Request(list(range(60)), 5)]))
    assert patient.shapes[0] == (4, 60)


def test_room_that_nobody_has_named_fits_into_its_bound():
    model = Watched(MODEL)
    assert default_room(model, 8) == CONFIG.max_context
    model.config = replace(
        CONFIG,
        num_hidden_layers=24,
        num_key_value_heads=8,
        num_attention_heads=8,
        head_dim=64,
        initial_context_length=4096,
    )
    room = default_room(model, 8)
    per_row = KVCache(model.config, 1, room, device="meta").nbytes
    assert 0.9 * CACHE_BYTES < 8 * per_row < 1.1 * CACHE_BYTES and room < model.config.max_context


def test_views_end_where_few_graphs_are_needed():
    rows = Rows(Watched(MODEL), 20, 10)
    rows.model.device = torch.device("cuda")
    assert [rows.span(0, n)[1] for n in (1, 2, 3, 5, 8, 9, 16, 17, 20)] == [1, 2, 3, 5, 8, 16, 16, 20, 20]
    assert rows.span(3, 5) == (0, 5) and Rows(Watched(MODEL), 20, 10).span(3, 5) == (3, 5)


def test_closing_ends_what_runs_and_what_waits():
    with Pool(MODEL, rows=1, room=900).started() as pool:
        asked = [pool.submit(Request(PROMPTS[0], 700)) for _ in range(3)]
        while not asked[0].sampled:
            time.sleep(0.001)
    assert [r.reason for r in asked] == ["closed"] * 3 and not pool._thread.is_alive()
    with pytest.raises(GptOssError, match="is closed"):
        pool.submit(Request(PROMPTS[0], 5))


# -------------------------------------------------------------------------------------------------- mutants of a step


def wrong_move(rows, source, target):
    rows.cache.clear_row(source)


def no_move_of_keys(rows, source, target):
    length = rows.cache.row_lengths[source]
    rows.cache.declare([length if i == target else n for i, n in enumerate(rows.cache.row_lengths)])
    rows.cache.clear_row(source)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [wrong_move, no_move_of_keys])
def test_a_row_moved_without_its_cache_is_caught(monkeypatch, mutant):
    monkeypatch.setattr(Rows, "move", mutant)
    with pytest.raises((AssertionError, KeyError)):
        test_each_answers_as_if_it_were_alone({}, True)


# ------------------------------------------------------------------------------------------ the fast path, and samplers


@pytest.mark.slow
def test_the_fast_path_in_the_pool():
    """Use views of one cache, rows that come and go, and kept prefixes, in Triton's interpreter.

    Each answer equals that of the reference path for the request alone.
    """
    kernels = pytest.importorskip("test_kernels", reason="Triton is needed for the fast path")
    small = dict(hidden_size=64, intermediate_size=64, num_attention_heads=2, num_key_value_heads=1)
    config = kernels.small_config(num_experts=4, experts_per_token=2, **small)
    reference = kernels.random_packed(config, 5)
    fast = kernels.FastTransformer.from_reference(reference, kernels.DEVICE, kernels.LARGE)
    prompts = [[5, 6], [9] * 11, [3, 4, 5]]
    pool = Pool(fast, rows=2, room=40, prefix_bytes=10**8)
    pool.pieces = (6, 3)
    asked = [Request(prompt, 2 + i % 2, stop_tokens=[]) for i, prompt in enumerate(prompts)]
    list(pool.run(asked))
    asked.append(Request([*prompts[1], 1, 2], 2, stop_tokens=[]))
    list(pool.run(asked[3:]))
    assert asked[3].reused == 11
    for request in asked:
        assert request.sampled == list(generate(reference, request.prompt, request.max_new_tokens, stop_tokens=[]))


def test_work_between_rounds_has_the_model_for_itself():
    pool = Pool(MODEL, rows=2)
    with pytest.raises(GptOssError, match="runs in its thread"):
        pool.between(lambda: None)
    with pool.started():
        request = pool.submit(Request(PROMPTS[1], 40, stop_tokens=[]))
        inside = [pool.between(lambda: (threading.current_thread().name, pool.steps, pool.steps)) for _ in range(3)]
        assert all(future.result(30)[0] == "pool" for future in inside)
        with pytest.raises(ZeroDivisionError):
            pool.between(lambda: 1 / 0).result(30)
        while request.reason is None:
            time.sleep(0.01)
        assert request.sampled == alone(PROMPTS[1], 40, stop_tokens=[])
        held = threading.Event()
        first, second = pool.between(held.wait), pool.between(lambda: None)
        threading.Timer(0.2, held.set).start()
    assert first.done() and second.done(), "who waits when the pool is closed is told so"


def test_two_clients_on_one_sampler_are_an_error():
    """One client would continue the other's tokens: a wrong answer that nobody notices."""
    sample = ModelSampler(MODEL, temperature=0.0)
    first, second = sample(PROMPTS[2], 6), sample(PROMPTS[3], 6)
    begun = next(first)
    with pytest.raises(GptOssError, match="one conversation at a time"):
        next(second)
    assert [begun, *first] == alone(PROMPTS[2], 6), "the first one is not disturbed"
    assert list(sample(PROMPTS[3], 6)) == alone(PROMPTS[3], 6)
    given_up = sample(PROMPTS[2], 6)
    next(given_up)
    given_up.close()
    assert list(sample(PROMPTS[3], 6)) == alone(PROMPTS[3], 6), "one that was closed is over"


def test_many_clients_share_a_pool_by_a_sampler_each():
    pool = Pool(MODEL, rows=2, room=150, prefix_bytes=10**7)
    one, two = PoolSampler(pool, temperature=0.0), PoolSampler(pool, temperature=0.0)
    mixed = [list(pair) for pair in zip(one(PROMPTS[2], 6), two(PROMPTS[3], 6), strict=True)]
    assert [a for a, _ in mixed] == alone(PROMPTS[2], 6) and [b for _, b in mixed] == alone(PROMPTS[3], 6)
    hot = PoolSampler(pool, temperature=1.0, seed=5)
    assert [list(hot(PROMPTS[4], 5)) for _ in range(2)] == [
        alone(PROMPTS[4], 5, temperature=1.0, seed=5 + i) for i in range(2)
    ]
    assert one.max_context == 150
