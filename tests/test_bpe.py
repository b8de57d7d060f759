"""Compare bpe.py with tiktoken on o200k's own ranks, and the trainer with a slow one that recounts everything."""

import random
from collections import Counter
from itertools import pairwise

import pytest
import regex
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st

from gptoss_edu import bpe
from gptoss_edu.errors import TokenizerError
from gptoss_edu.resources import PACKAGE
from gptoss_edu.tokenizer import load_tokenizer, make_encoding

O200K = load_tokenizer()
RANKS = O200K._mergeable_ranks
BYTES = {bytes([b]): b for b in range(256)}
SOURCE = "".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.glob("*.py")))

CODE = st.lists(
    st.sampled_from(
        [
            "def ",
            "    ",
            "\t",
            "\n",
            "\r\n",
            "self.",
            "x_1",
            " = ",
            "{",
            "}",
            "//",
            "'re",
            "'S",
            "0x1F",
            "\\n",
            '"',
            "…",
        ]
    )
).map("".join)
WHITESPACE = st.text(st.sampled_from(" \t\n\r\x0b\x0c\u00a0\u2003\u3000\u2028a/.,"), max_size=60)
SCRIPTS = st.text(st.sampled_from("aZéßǅ日本語한국कर्मמשעربไทย👩🏽\u200d🚀'’12٣½ \n"), max_size=60)


def test_the_pattern_is_tiktokens():
    tiktoken_ext = pytest.importorskip("tiktoken_ext.openai_public", reason="needs tiktoken's own table of encodings")
    import inspect

    source = inspect.getsource(tiktoken_ext.o200k_base)
    assert "|".join(regex.findall(r'r"""(.*?)"""', source)) == bpe.O200K_PATTERN


@pytest.mark.slow
@examples(150)
@given(st.one_of(st.text(max_size=80), CODE, WHITESPACE, SCRIPTS))
@example("I've SEEN it'LL; don'T")
@example("a\ud800b\udc00")
@example("<|start|>user<|message|>hi<|end|>")
@example("")
def test_encodes_like_tiktoken_and_decodes_back(text):
    ids = bpe.encode(text, RANKS)
    assert ids == O200K.encode_ordinary(text)
    assert bpe.decode(ids, RANKS) == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@pytest.mark.parametrize(
    "unit", ["a", "ab", " ", "\n", " \n", "^", "=-", "日", "é", "ा", "👩🏽‍🚀", "7", "\u00a0", "AbC'"]
)
def test_long_runs_encode_like_tiktoken_and_fast(unit):
    text = unit * (20_000 // len(unit))
    assert bpe.encode(text, RANKS) == O200K.encode_ordinary(text)


@pytest.mark.slow
@examples(60)
@given(st.binary(max_size=150), st.integers(256, 2000))
def test_heap_and_loop_agree_on_any_bytes_and_vocabulary(piece, size):
    ranks = dict(list(RANKS.items())[:size])
    assert bpe._merge_long(piece, ranks) == bpe._merge([piece[i : i + 1] for i in range(len(piece))], ranks)
    assert bpe.decode_bytes(bpe.encode_bytes(piece, ranks), ranks) == piece


@pytest.mark.parametrize("piece", [b"", b"x", b" strawberry", " größer".encode(), b"aaaaaaa", b"\xff\xfe\x00"])
def test_the_trace_ends_where_encoding_ends(piece):
    steps = list(bpe.merge_trace(piece, RANKS))
    parts = tuple(piece[i : i + 1] for i in range(len(piece)))
    for step in steps:
        assert step.parts == parts
        assert step.rank == step.pair_ranks[step.position] == RANKS[step.token]
        assert step.rank == min(rank for rank in step.pair_ranks if rank is not None)
        parts = step.after
    assert [RANKS[part] for part in parts] == bpe.encode_bytes(piece, RANKS)


def test_a_whole_token_is_taken_even_where_merging_does_not_reach_it():
    ranks = BYTES | {b"bc": 256, b"abcd": 257}  # no pair of tokens forms abcd: merging gives a|bc|d
    encoding = make_encoding("toy", ranks, [], r"\w+|\s|[^\w\s]+")
    assert bpe.encode("abcd abcde", ranks, r"\w+|\s|[^\w\s]+") == encoding.encode_ordinary("abcd abcde")
    assert bpe.encode_bytes(b"abcd", ranks) == [97, 256, 100]


def slow_train(text, vocab_size, pat_str):
    """Count every pair again at each step and encode every piece from scratch; only `encode_bytes` is shared."""
    pieces = Counter(match.group().encode() for match in regex.finditer(pat_str, text))
    ranks = dict(BYTES)
    while len(ranks) < vocab_size:
        token_of = {rank: token for token, rank in ranks.items()}
        counts = Counter()
        for piece, times in pieces.items():
            parts = [token_of[i] for i in bpe.encode_bytes(piece, ranks)]
            for pair in pairwise(parts):
                counts[pair] += times
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        ranks[b"".join(best)] = len(ranks)
    return ranks


@examples(60)
@given(st.text(st.sampled_from("abc "), max_size=300), st.sampled_from([r"\w+|\s+", r"(?s).+", bpe.O200K_PATTERN]))
def test_trainer_equals_counting_anew_at_every_step(text, pat_str):
    assert list(bpe.train(text, 320, pat_str).items()) == list(slow_train(text, 320, pat_str).items())


@pytest.mark.slow
def test_trainer_on_real_text_equals_counting_anew():
    text = SOURCE[:12_000]
    assert list(bpe.train(text, 380).items()) == list(slow_train(text, 380, bpe.O200K_PATTERN).items())


@pytest.mark.slow
def test_training_is_one_to_one_repeats_and_ignores_the_order_of_texts():
    texts = SOURCE.split("\n\n")
    ranks = bpe.train(texts, 600)
    random.Random(0).shuffle(texts)
    assert list(bpe.train(texts, 600).items()) == list(ranks.items())
    assert sorted(ranks.values()) == list(range(600))
    encoding = make_encoding("own", ranks, ["<|end|>"])
    assert encoding.encode_ordinary(SOURCE) == bpe.encode(SOURCE, ranks)
    assert len(bpe.encode(SOURCE, ranks)) < 0.6 * len(SOURCE.encode())


def test_training_decides_ties_for_the_smaller_pair_and_counts_positions():
    steps = list(bpe.training_steps("yz ab yz ab", r"\w+|\s"))
    assert [(step.pair, step.count) for step in steps] == [((b"a", b"b"), 2), ((b"y", b"z"), 2)]
    first = next(bpe.training_steps("aaa", r"\w+"))
    assert (first.token, first.count, first.rank) == (b"aa", 2, 256)


def test_single_digits_stay_single():
    ranks = bpe.train("1234 1234 12 12 12 " * 50, 300, bpe.SINGLE_DIGIT_PATTERN)
    assert not [token for token in ranks if sum(48 <= byte < 58 for byte in token) > 1]
    assert any(b"12" in token for token in bpe.train("1234 1234 12 12 12 " * 50, 300))


def test_a_small_corpus_gives_fewer_tokens():
    assert len(bpe.train("abc", 1000)) == 256
    assert len(bpe.train("abab", 1000)) == 257


@pytest.mark.slow
def test_a_megabyte_trains_1024_tokens():
    words = [w for w in regex.split(r"(?<=\s)", SOURCE) if w]
    chooser = random.Random(1)
    text = "".join(chooser.choice(words) + chooser.choice("abcdefgh") for _ in range(180_000))[:1_000_000]
    ranks = bpe.train(text, 1024)
    assert len(ranks) == 1024
    assert bpe.decode(bpe.encode(text, ranks), ranks) == text


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: bpe.split("a-b", r"\w"), "'-b' at character 1"),
        (lambda: bpe.split("ab!", r"\w"), "'!' at character 2"),
        (lambda: bpe.encode_bytes(b"ab", {b"a": 0}), "b'b' is missing"),
        (lambda: bpe.encode_bytes(b"ab" * 100, {b"a": 0}), "b'b' is missing"),
        (lambda: bpe.decode([999_999], BYTES), "token id 999999"),
        (lambda: bpe.train("text", 100), "at least 256"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(TokenizerError, match=regex.escape(says, special_only=True)):
        call()
