"""Test every exercise of the registry.

Right solutions pass, wrong ones are refused with their cause, and stubs count as unwritten.
"""

import random
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
import torch

from gptoss_edu import bpe, checks, mxfp4
from gptoss_edu.checks import bank, confusion, diagnosis, registry
from gptoss_edu.checks.exercises.own.train import join
from gptoss_edu.checks.mutants import equivalents, mutants
from gptoss_edu.resources import data_path
from gptoss_edu.tokenizer import load_tokenizer

EXERCISES = tuple(registry.EXERCISES)
each = pytest.mark.parametrize("name", EXERCISES)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """Use no workshop folder, and allow all the time that a busy machine needs."""
    monkeypatch.setattr(diagnosis, "SECONDS", 600.0)
    monkeypatch.setattr(diagnosis, "CALL_SECONDS", 60.0)
    monkeypatch.delenv(checks.store.FOLDER_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


# ----------------------------------------------------------------------------------------------------- the bank


@cache
def bank_row(name: str) -> confusion.Row:
    """Run the bank and the strangers of one exercise; cached, because several tests count the results."""
    return confusion.row(name, left_out=True)


@cache
def mutant_row(name: str) -> confusion.Row:
    """Run the mutants of one stored exercise."""
    return confusion.add_mutants(confusion.Row(name))


@pytest.mark.slow
@each
def test_right_solutions_pass_and_wrong_ones_are_refused_with_their_cause(name):
    row = bank_row(name)
    assert row.faults == []
    assert row.right >= (3 if registry.EXERCISES[name].stored else 1) and row.wrong >= 5


def test_the_bank_has_not_shrunk():
    found = [solution for name in EXERCISES for solution in bank.wrong(name)]
    assert len(EXERCISES) >= 61 and sum(not solution.unseen for solution in found) >= 868
    assert sum(solution.unseen for solution in found) >= 114


@pytest.mark.slow
def test_a_stranger_is_hardly_ever_told_a_false_cause():
    total = confusion.totals([bank_row(name) for name in EXERCISES])
    refused, written = (sum(getattr(row, n) for row in total) for n in ("unseen_refused", "unseen"))
    assert refused == written >= 114
    assert sum(row.unseen_named for row in total) >= 0.5 * written
    assert sum(row.unseen_named + row.unseen_ruled for row in total) >= 0.75 * written
    assert sum(row.unseen_false for row in total) <= 0.02 * written
    assert f"**all** | {written} of {written}" in confusion.markdown_of_strangers(total)


@pytest.mark.slow
def test_a_question_made_of_the_bank_uses_no_stranger():
    strangers = {solution.title for solution in bank.wrong("sliding_window_mask") if solution.unseen}
    shown = [checks.which_fails("sliding_window_mask", seed).text for seed in range(40)]
    assert len(strangers) >= 4 and not [title for title in strangers for text in shown if f"({title})" in text]


@pytest.mark.slow
@each
def test_a_bank_is_written_for_its_exercise(name):
    check, solutions = getattr(checks, name), bank.solutions(name)
    assert check.name == name and {solution.check for solution in solutions} == {name}
    titles = [(solution.title, solution.exchanges) for solution in solutions]
    assert len(set(titles)) == len(titles), "two solutions are the same"
    labels = [stage.name for stage in check.stages]
    assert len(set(labels)) == len(labels), "a refusal is counted by the name of its stage"
    causes = check.causes
    assert {solution.cause for solution in bank.wrong(name)} <= {*causes, "input_changed"}
    assert all((len(text) >= 5 and not text.startswith("No ")) or len(text) >= 15 for text in causes.values())
    never = set(causes) - {solution.cause for solution in bank.wrong(name)} - {"general", "full"}
    assert registry.EXERCISES[name].stored <= (never == set()), f"causes that no solution of the bank has: {never}"
    allowed = {"keep": False, "allow_package": not registry.EXERCISES[name].stored}
    for base in {solution.base for solution in solutions if solution.exchanges}:
        assert check(base, **allowed).passed, f"exchanges are made in {base.__name__}, which is not right"


def test_an_exchange_that_names_no_place_or_several_is_refused():
    made = bank.Bank("f")

    @made.right("twice")
    def f(x):
        return x + x

    made.wrong("cause", "several places", ("x", "y"))
    made.wrong("cause", "no place", ("z", "y"))
    for solution in made.solutions[1:]:
        with pytest.raises(ValueError, match=r"occurs \d times in f"):
            _ = solution.source
    with pytest.raises(ValueError, match="no right solution"):
        bank.Bank("g").wrong("cause", "too early", ("x", "y"))


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.STORED)
def test_every_mutant_is_refused_or_equivalent(name):
    row = mutant_row(name)
    assert row.faults == [] and row.mutants >= 10


@pytest.mark.slow
def test_there_are_enough_mutants_and_no_stale_reason():
    keys = {mutant.key for name in registry.STORED for mutant in mutants(name)}
    assert len(keys) >= 200
    assert set(equivalents()) <= keys


@pytest.mark.slow
def test_the_readmes_tables_are_the_commands():
    readme = data_path().parent / "README.md"
    if not readme.is_file():
        pytest.skip("the README is part of a checkout, and this is an installed package")
    rows = [confusion.Row(name) for name in EXERCISES]
    for row in rows:
        row.add(bank_row(row.name))
        if registry.EXERCISES[row.name].stored:
            row.add(mutant_row(row.name))
    total, text = confusion.totals(rows), readme.read_text(encoding="utf-8")
    assert confusion.markdown(total) in text
    assert confusion.markdown_of_strangers(total) in text
    counts = (sum(getattr(row, f"unseen{n}") for row in total) for n in ("", "_named", "_ruled", "_possible"))
    written, *told_them = counts
    named, ruled, possible = (f"{100 * count / written:.0f} %" for count in told_them)
    assert f"So {named} of the strangers' mistakes are named, {ruled} get the rule that they break, and for" in text
    assert f"and for {possible} cause or rule is one among several." in text
    assert all(row.unseen_false == 0 for row in total) == ("None is told anything else as certain." in text)


# ----------------------------------------------------------------------------------------------------- the registry


def test_the_registry_says_where_an_exercise_stands():
    chapters = [exercise.chapter for exercise in registry.EXERCISES.values()]
    assert chapters == sorted(chapters), "in the order of the course"
    assert set(registry.STORED) <= set(EXERCISES) and checks.CHECKS == registry.STORED
    for exercise in registry.EXERCISES.values():
        assert (
            1 <= exercise.difficulty <= 3 and 1 <= exercise.minutes <= 30 and exercise.points == 2 * exercise.difficulty
        )
    both = [*registry.by_chapter(stored=True).values(), *registry.by_chapter(stored=False).values()]
    assert sorted(name for names in both for name in names) == sorted(EXERCISES)
    assert registry.by_chapter()["06"] == ("sink_gate", "attention")


@each
def test_a_check_tells_its_signature(name):
    check = getattr(checks, name)
    assert check.__doc__.startswith(f"Check your {name}(") and repr(check).startswith(f"<check {name}: ")


# ----------------------------------------------------------------------------------------------------- odd functions


@each
def test_a_stub_is_called_not_written(name):
    def stub(*args, **kwargs):
        raise NotImplementedError("write it")

    result = getattr(checks, name)(stub)
    assert result.status == "not written yet" and not result.passed
    assert "not written yet" in repr(result) and "not written yet" in result._repr_html_() and result.why()


ODD = [
    "1 / 0", "None", "'words'", "(1, 2, 3)", "torch.zeros(0)", "torch.zeros(3, 1, 4)", "args[0]", "exit(3)", "missing",
    "{}", "object()", "float('nan')", "[[1, 2], [3]]", "torch.ones(2, dtype=torch.complex64)", "len",
]  # fmt: skip


@pytest.mark.slow
@each
def test_nothing_is_ever_raised_at_the_learner(name):
    for body in ODD:
        result = getattr(checks, name)(eval(f"lambda *args, **kwargs: {body}", {"torch": torch}))
        assert not result.passed and result.status in ("failed", "error"), body
        assert result.symptom and result.cause and "Traceback" not in result.message, body
        assert result._repr_html_() and repr(result)


@each
def test_an_exception_of_any_kind_is_theirs(name):
    class Odd(BaseException):
        pass

    def raising(*args, **kwargs):
        raise Odd("odd")

    result = getattr(checks, name)(raising)
    assert result.status == "error" and "your function raised Odd: odd" in result.symptom


# ----------------------------------------------------------------------------------------------------- strangers


def told(name: str, function) -> tuple[str, tuple[str, ...]]:
    """Return the certain cause ("" if there is none) and the possible ones."""
    result = getattr(checks, name)(function, keep=False)
    assert not result.passed
    return result.cause_id, result.suspects


def heads(q, k, v, window, seen=None):
    """Compute the masked scores and the values for a stranger's attention."""
    n, t, s = q.shape[2] // k.shape[2], q.shape[1], k.shape[1]
    k, v = (x[:, :, [h // n for h in range(q.shape[2])]].transpose(1, 2) for x in (k, v))
    i, j = torch.arange(s - t, s).unsqueeze(1), torch.arange(s)
    hidden = (j > i) | (j <= i - (window or 10**6))
    return (q.transpose(1, 2) @ k.mT) * q.shape[3] ** -0.5, hidden, v


@pytest.mark.parametrize(
    ("factor", "cause"),
    [
        (lambda scores, s: torch.sigmoid(-s), "sink_lse"),
        (lambda scores, s: 1 / (1 + s.exp()), "sink_lse"),
        (lambda scores, s: torch.sigmoid(scores.max(-1, keepdim=True).values - s), "sink_lse"),
        (lambda scores, s: 1 - torch.sigmoid(torch.logsumexp(scores, -1, keepdim=True) - s), "sink_sign"),
    ],
)
def test_a_strangers_gate_is_named_rightly(factor, cause):
    def attention(q, k, v, sinks, window=None):
        scores, hidden, v = heads(q, k, v, window)
        scores = torch.where(hidden, -torch.inf, scores)
        out = (torch.softmax(scores, -1) @ v) * factor(scores, sinks.reshape(1, -1, 1, 1))
        return out.transpose(1, 2)

    assert told("attention", attention)[0] == cause


def test_a_mask_of_minus_100_is_refused():
    def attention(q, k, v, sinks, window=None):
        scores, hidden, v = heads(q, k, v, window)
        scores = scores + torch.where(hidden, -100.0, 0.0)
        row = torch.cat([scores, sinks.reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)], -1)
        return (row.softmax(-1)[..., :-1] @ v).transpose(1, 2)

    assert told("attention", attention)[0] == "mask_finite"


def probabilities_and_bias(x, weight, bias, k):
    p = torch.softmax(x @ weight.T, dim=-1) + bias
    values, indices = torch.topk(p, k)
    return values / values.sum(-1, keepdim=True), indices


def unsorted(x, weight, bias, k):
    values, indices = torch.topk(x @ weight.T + bias, k, sorted=False)
    return torch.softmax(values, -1), indices


def by_magnitude(x, weight, bias, k):
    values, indices = torch.topk(torch.abs(torch.einsum("...c,ec->...e", x, weight) + bias), k)
    return values.softmax(-1), indices


@pytest.mark.parametrize(
    ("function", "cause"),
    [(probabilities_and_bias, "bias_on_probabilities"), (unsorted, "sorted_false"), (by_magnitude, "absolute")],
)
def test_a_strangers_router_is_named_rightly_or_not_at_all(function, cause):
    certain, possible = told("route", function)
    assert certain in ("", cause) and (certain or cause in possible)


def test_two_mistakes_at_once_are_not_named_as_one():
    def attention(q, k, v, sinks, window=None):
        scores, hidden, v = heads(q, k, v, window)
        scores = torch.where(hidden, -100.0, scores * q.shape[3] ** 0.5)
        return (scores.softmax(-1) @ v).transpose(1, 2)

    certain, possible = told("attention", attention)
    assert certain == "" and "unscaled" in possible


def test_several_causes_are_told_as_several():
    x = torch.ones(1, 4)
    result = checks.rms_norm(lambda x, scale, eps: x * 3.3)
    assert result.cause_id == "" and result.why().startswith(("The rule of this exercise: ", "Several mistakes"))
    assert x.sum() == 4


def attention_with(share=lambda x, n: x.repeat_interleave(n, 2), scores="bthd,bshd->bhts", root=lambda q: q.shape[3]):
    def grouped_attention(q, k, v, mask):
        n = q.shape[2] // k.shape[2]
        weights = torch.einsum(scores, q, share(k, n)) / root(q) ** 0.5
        return torch.einsum("bhts,bshd->bthd", weights.masked_fill(~mask, -torch.inf).softmax(-1), share(v, n))

    return grouped_attention


def test_a_stages_rule_is_shown_as_a_rule_and_never_as_a_cause():
    for root in (lambda q: q.shape[2], lambda q: 4):  # one without a known cause, and one whose cause is a stage
        assert checks.grouped_attention(attention_with(root=root)).why().startswith("The rule of this stage: ")
    for name, exercise in registry.EXERCISES.items():
        check = registry.load_check(name)
        for cause in check.rules & set(check.causes):
            assert check.in_words(cause, cause).startswith(("The rule of this stage: ", "The rule of this exercise: "))
            assert exercise and "The rule of th" not in check.causes[cause]


def test_an_exception_is_told_a_stages_rule_only_if_breaking_the_rule_raises_there():
    wrong_size = checks.grouped_attention(attention_with(share=lambda x, n: x))
    assert wrong_size.status == "error" and wrong_size.why().startswith("Two axes do not fit")
    assert "\n" not in wrong_size.why(), "no wrong solution of this stage raises"
    diagnosis = registry.load_check("grouped_attention").diagnosis
    assert not diagnosis.raises("six heads share two", "six heads share two")


def test_a_tensor_may_be_a_token_but_is_in_no_set_of_stop_tokens():
    def decode(read, prompt, max_new_tokens, stops, found=lambda token, stops: token in stops):
        generated, logits = [], read(prompt)
        while len(generated) < max_new_tokens:
            generated.append(logits.argmax())
            if found(generated[-1], stops):
                break
            logits = read(generated[-1:])
        return generated

    told = checks.decode(decode)
    assert told.cause_id == "tensor_in_stops" and "tensor(7)" in told.symptom and "int(" in told.why()
    assert checks.decode(lambda *given: decode(*given, found=lambda token, stops: int(token) in stops)).passed


def test_a_long_loop_is_told_in_few_words():
    def decode(read, prompt, max_new_tokens, stops):
        said, logits = [], read(prompt)
        for _ in range(1000):
            said.append(int(logits.argmax()))
            logits = read(said[-1:])
        return said[:max_new_tokens]

    told = checks.decode(decode)
    assert "(1,001 in all)" in told.symptom and len(told.message) < 500


def test_an_empty_slot_of_none_is_told_the_rule_and_not_that_lists_are_nested():
    told = checks.ring(lambda n, slots: [n - 1 - (n - 1 - s) % slots if s < n else None for s in range(slots)])
    assert told.symptom.startswith("[0] of the result is None") and "-1" in told.why() and "star" not in told.why()


NOTEBOOK_STYLE = """
def user_message(content):
    return [{start}, *o200k.encode_ordinary("user"), {message}, *o200k.encode_ordinary(content), {end}]
"""


def test_the_tie_of_max_and_most_common_is_named():
    def train(text, vocab_size):
        ranks = {bytes([byte]): byte for byte in range(256)}
        rows = [[bytes([byte]) for byte in piece.encode()] for piece in bpe.split(text)]
        while len(ranks) < vocab_size:
            counts = Counter(pair for row in rows for pair in pairwise(row))
            if not counts or counts.most_common(1)[0][1] < 2:
                break
            pair = counts.most_common(1)[0][0]
            ranks[b"".join(pair)] = len(ranks)
            rows = [join(row, pair) for row in rows]
        return ranks

    result = checks.train(train)
    assert result.stage == "a tie" and result.cause_id == "first_seen"


def test_a_message_is_checked_with_another_vocabulary_which_is_gone_afterwards():
    def written(**markers):
        names = {"o200k": o200k, "other": 1}
        exec(NOTEBOOK_STYLE.format(**markers), names)
        return names["user_message"]

    o200k = load_tokenizer()
    by_name = {name: f"o200k.encode_single_token('<|{name}|>')" for name in ("start", "message", "end")}
    passes, numbers = written(**by_name), written(start=200006, message=200008, end=200007)
    assert checks.user_message(passes).passed
    result = checks.user_message(numbers)
    assert result.cause_id == "numbers" and "encode_single_token" in result.why()
    for function in (passes, numbers):
        assert function.__globals__["o200k"] is o200k and function.__globals__["other"] == 1
    assert load_tokenizer() is o200k


def test_the_first_pair_from_the_left_and_the_longest_join_are_the_same_rule():
    """Their cause is one sentence that names both, since no input tells them apart."""
    found = {solution.title: solution.function for solution in bank.wrong("bpe_encode")}
    generator = random.Random(0)
    for _ in range(500):
        text = bytes(generator.choices(b"abc", k=generator.randint(2, 12)))
        ranks = {bytes([byte]): rank for rank, byte in enumerate(b"abc")}
        for _ in range(generator.randint(1, 8)):
            ranks.setdefault(bytes(generator.choices(b"abc", k=generator.randint(2, 5))), len(ranks))
        first, last = (found[f"the {which} pair that can be joined"](text, ranks) for which in ("first", "last"))
        assert first == found["the longest join, the first of equals"](text, ranks)
        assert last == found["the longest join, the last of equals"](text, ranks)


def test_a_mask_whose_result_is_dropped_is_named():
    def one_head(q, k, v, allowed):
        scores = q @ k.T / q.shape[-1] ** 0.5
        scores.masked_fill(~allowed, -torch.inf)
        return scores.softmax(-1) @ v

    assert told("one_head", one_head)[0] == "unmasked"


def test_a_windows_cause_counts_keys_and_gives_no_formula():
    for name in ("sliding_window_mask", "attention"):
        causes = registry.load_check(name).causes
        assert not [text for text in causes.values() if "query - window" in text]
        assert "sees 4 keys" in causes["window_plus_one"] and "sees 2 keys" in causes["window_minus_one"]


def test_what_is_right_for_distinct_experts_is_accepted():
    def swiglu(h):
        gate, up = h[..., 0::2].clamp(max=7), h[..., 1::2].clamp(-7, 7)
        return gate * torch.sigmoid(1.702 * gate) * (up + 1)

    def plus_equals(x, weights, indices, w1, b1, w2, b2):
        out = torch.zeros_like(x)
        for e in indices.unique():
            token, slot = torch.where(indices == e)
            out[token] += weights[token, slot, None] * (swiglu(x[token] @ w1[e].T + b1[e]) @ w2[e].T + b2[e])
        return out

    def scattered(x, weights, indices, w1, b1, w2, b2):
        share = torch.zeros(len(x), len(w1)).scatter(1, indices, weights)
        hidden = swiglu(torch.einsum("nc,efc->enf", x, w1) + b1[:, None])
        return torch.einsum("enc,ne->nc", hidden @ w2.mT + b2[:, None], share)

    for function in (plus_equals, scattered):
        assert checks.moe(function).passed


@pytest.mark.parametrize(
    ("name", "source", "cause"),
    [
        ("cross_entropy", "lambda x, y: (x.logsumexp(-1) - x[y]).mean()", "rows_by_target"),
        ("mistakes", "lambda s, a: {'missing': [], 'unknown': [], 'wrong': []}", "lists"),
        (
            "agent",
            "lambda model, call, messages, n: (m := list(messages), m.append(model(m)), m)[2]",
            "nested",
        ),
    ],
)
def test_a_known_exception_or_kind_has_its_cause(name, source, cause):
    certain, possible = told(name, eval(source, {"torch": torch}))
    assert certain == cause or cause in possible or registry.load_check(name).causes[cause]


def test_a_view_and_the_letters_of_an_einsum_have_words_of_their_own():
    def viewed(q, k):
        return (q.permute(1, 0, 2).view(-1, q.shape[-1]) @ k.permute(1, 0, 2).view(-1, k.shape[-1]).T)[None]

    for function, words in (
        (viewed, "so `view` cannot join these axes"),
        (lambda q, k: torch.einsum("tc,sc->ts", q, k), "The letters of this einsum do not fit."),
        (lambda q, k: torch.einsum("thd,thd->ht", q, k), "Two axes do not fit."),
    ):
        assert words in checks.all_scores(function).why()


def packing(scale=lambda m: torch.frexp(m).exponent + 124, code=None, late=lambda s: s):
    """Return a stranger's pack_mxfp4; scale and code are free, late changes the byte after the division."""
    order = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])

    def to_even(x):
        return order[(x.abs()[..., None] - E2M1[order]).abs().argmin(-1)] + 8 * (x < 0)

    def pack_mxfp4(weight):
        groups = weight.double().unflatten(-1, (-1, 32))
        scales = scale(groups.abs().amax(-1))
        codes = (code or to_even)(groups / torch.exp2(scales.double() - 127)[..., None])
        return (codes[..., 0::2] + 16 * codes[..., 1::2]).byte(), late(scales).byte()

    return pack_mxfp4


E2M1 = torch.tensor([0.0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=torch.float64)
CLAMPED = {"scale": lambda m: (torch.frexp(m).exponent + 124).clamp(0, 252)}  # a block of zeros gets 124
IN_ORDER = {"code": lambda x: (x[..., None] - E2M1).abs().argmin(-1)}


@pytest.mark.parametrize(
    ("how", "cause", "words"),
    [
        ({"scale": lambda m: (torch.log2(m / 6).floor() + 127).clamp(0, 252)}, "max_over_6_down", "more saturates"),
        ({"scale": lambda m: (torch.frexp(m).exponent + 123).clamp(0, 252)}, "one_small", "3 is subtracted"),
        ({"scale": lambda m: (m.log2().floor() + 126).clamp(0, 252)}, "one_large", "the bias is 128"),
        ({}, "range", "0 to 254"),
        ({"late": lambda s: s.clamp(0, 252)}, "clamped_late", "before that"),
        (CLAMPED | IN_ORDER, "ties_down", "argmin"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_strangers_packing_is_named_whatever_scale_it_gives_a_block_of_zeros(how, cause, words):
    result = checks.pack_mxfp4(packing(**how), keep=False)
    assert result.cause_id == cause and words in result.why()


def test_a_packing_that_differs_in_what_is_left_open_is_right_and_a_refusal_names_the_weight():
    assert checks.pack_mxfp4(packing(**CLAMPED), keep=False).passed
    result = checks.pack_mxfp4(packing(**CLAMPED, **IN_ORDER), keep=False)
    assert "weight 6 is 3.5: yours is 3, right is 4" in result.symptom


def next_token(of=lambda t: t, keep=lambda p, top_p: p.cumsum(-1) - p < top_p, shown=lambda p: p):
    """Return a next_token_probabilities whose temperature, kept tokens and result at 0 may be wrong."""

    def next_token_probabilities(logits, temperature, top_p):
        if of(temperature) == 0:
            return shown(torch.zeros_like(logits).scatter(0, logits.argmax(), 1.0))
        p, order = (logits / of(temperature)).softmax(-1).sort(descending=True)
        p = p * keep(p, top_p)
        return torch.zeros_like(p).scatter(0, order, p / p.sum())

    return next_token_probabilities


def tied(probabilities):
    """Return a next_token_probabilities that is greedy by where the largest logit stands, in one place or several."""

    def next_token_probabilities(logits, temperature, top_p):
        if temperature == 0:
            return probabilities(logits == logits.max())
        return next_token()(logits, temperature, top_p)

    return next_token_probabilities


def decoding(rounds=range, stop=lambda said, stops: said[-1] in stops, start=list):
    """Return a decode whose rounds, stop and list of tokens may be wrong."""

    def decode(read, prompt, max_new_tokens, stops):
        said, logits, before = start(prompt), read(prompt), len(prompt)
        for _ in rounds(max_new_tokens):
            said.append(int(logits.argmax()))
            if stop(said[before:], stops):
                break
            logits = read(said[-1:])
        return said[before:]

    return decode


@pytest.mark.parametrize(
    ("name", "function", "cause"),
    [
        (
            "log_sum_exp",
            lambda x: (x - x.mean(-1, keepdim=True)).exp().sum(-1).log() + x.mean(-1),
            "not_the_maximum",
        ),
        ("log_sum_exp", lambda x: (x - (m := x.amax(-1).relu())[..., None]).exp().sum(-1).log() + m, "from_zero"),
        ("log_sum_exp", lambda x: (x.T - x.amax(-1)).exp().sum(0).log() + x.amax(-1), "two_axes_only"),
        ("log_sum_exp", lambda x: torch.where((r := x.exp().sum(-1).log()).isinf(), x.amax(-1), r), "for_infinite"),
        ("log_sum_exp", lambda x: (m := x.amax(-1, True)).squeeze() + (x - m).exp().sum(-1).log(), "squeezed"),
        ("cross_entropy", lambda x, y: (x.exp().sum(-1).log() - x[range(len(y)), y]).mean(), "overflow"),
        ("cross_entropy", lambda x, y: x.logsumexp(-1).mean(), "target_ignored"),
        ("rotate", lambda x, a: x @ torch.stack([(c := a.cos()), (s := (1 - c * c).sqrt()), -s, c]).view(2, 2), "root"),
        ("all_scores", lambda q, k: torch.einsum("thd,shd->hts", q, k) / q.shape[1] ** 0.5, "scaled_by_heads"),
        ("all_scores", lambda q, k: torch.einsum("thd,shd->hts", q, k) / k.shape[1], "scaled_by_heads"),
        ("all_scores", lambda q, k: torch.einsum("thd,shd->hts", q, k) / k.shape[2], "scaled"),
        ("all_scores", lambda q, k: torch.einsum("thd,shd->hts", q, k).softmax(-1), "softmax"),
        (
            "unpack_mxfp4",
            lambda blocks, scales: mxfp4.unpack(blocks, scales) * (torch.nan if (scales == 255).any() else 1),
            "nan_everywhere",
        ),
        ("next_token_probabilities", next_token(shown=lambda p: p.max()), "one_number"),
        ("next_token_probabilities", next_token(of=lambda t: max(t, 0.01)), "floor"),
        ("next_token_probabilities", tied(lambda best: best.float()), "greedy_ties"),
        ("next_token_probabilities", tied(lambda best: best / best.sum()), "greedy_ties"),
        ("next_token_probabilities", next_token(of=lambda t: t if t >= 0.01 else 0), "greedy_early"),
        ("next_token_probabilities", next_token(keep=lambda p, top_p: p.cumsum(-1) - p <= top_p), "one_too_many"),
        ("decode", decoding(stop=lambda said, stops: {said[-1]} == stops), "one_stop"),
        ("decode", decoding(stop=lambda said, stops: said[-1] == next(iter(stops))), "one_stop"),
        ("decode", decoding(stop=lambda said, stops: said[-1] == min(stops)), "one_stop"),
        ("decode", decoding(stop=lambda said, stops: stops <= set(said)), "all_stops"),
        ("decode", decoding(rounds=lambda n: range(1, n - 1)), "too_few"),
        ("decode", decoding(start=lambda prompt: prompt), "prompt_changed"),
        ("bits_per_weight", lambda code_bits, block, scale_bits: code_bits + scale_bits, "whole_scale"),
    ],
)
def test_a_mistake_of_chapters_01_09_and_11_is_named_as_one(name, function, cause):
    result = registry.load_check(name)(function, keep=False, allow_package=True)
    assert result.cause_id == cause and not result.why().startswith("The rule of")


@pytest.mark.slow
def test_the_table_counts_causes_and_rules_apart():
    """`named` counts the refusals that show a cause, `ruled` those that show a stage's rule."""
    for name, ruled in (("log_sum_exp", False), ("grouped_attention", True)):
        check, row = registry.load_check(name), bank_row(name)
        results = [check(s.function, keep=False, allow_package=True) for s in bank.wrong(name) if not s.unseen]
        certain = [result.why().startswith("The rule of") for result in results if result.cause_id]
        assert (row.ruled, row.named) == (sum(certain), len(certain) - sum(certain))
        assert bool(row.ruled) == ruled


def test_the_diagnosis_prints_nothing_and_changes_nothing(capsys):
    calls = []

    def shouting(x, alpha=1.702, limit=7.0):
        calls.append(x.shape)
        print("here")
        return x[..., ::2]

    assert not checks.swiglu(shouting).passed
    assert capsys.readouterr().out.count("here") == 1 < len(calls), "it is tried on further inputs, silently"
