"""Test the harness of the checks: results, exceptions, time, pictures, predictions (exercises: test_exercises.py)."""

import importlib
import json
import signal
import subprocess
import sys
import threading
import time

import matplotlib
import pytest
import torch
from torch import Tensor

from gptoss_edu import attention, bpe, checks, generation, harmony, load_tokenizer, moe, mxfp4, norm, rope
from gptoss_edu.checks import bank, confusion, reference, store
from gptoss_edu.checks.calling import Call
from gptoss_edu.checks.guard import TookTooLong, time_limit
from gptoss_edu.course import predictions, questions
from gptoss_edu.resources import notebooks_path

matplotlib.use("Agg")

PACKAGE = {
    "bpe_encode": bpe.encode_bytes,
    "rms_norm": norm.rms_norm,
    "sliding_window_mask": attention.sliding_window_mask,
    "attention": attention.attention,
    "apply_rope": rope.apply_rope,
    "yarn_inv_freq": rope.yarn_inv_freq,
    "swiglu": moe.swiglu,
    "route": moe.route,
    "moe": moe.moe,
    "unpack_mxfp4": mxfp4.unpack,
    "pack_mxfp4": mxfp4.pack,
    "next_token_probabilities": generation.next_token_probabilities,
}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """Use no workshop folder and no locked predictions."""
    monkeypatch.delenv(store.FOLDER_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    predictions.forget()


@pytest.mark.parametrize("name", PACKAGE)
def test_the_package_passes_its_own_checks(name):
    assert getattr(checks, name)(PACKAGE[name], allow_package=True).message.startswith(f"{name}: passed")


@pytest.mark.parametrize("name", PACKAGE)
def test_calling_the_package_is_noticed(name):
    function = PACKAGE[name]

    def wrapped(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except Exception:
            return None

    for learners in (function, wrapped):
        result = getattr(checks, name)(learners)
        assert result.status == "package" and "finished one" in result.message


def test_the_packages_renderer_is_out_of_reach_and_agrees_with_the_reference():
    def rendered(role, content, channel=None, recipient=None, content_type=None):
        name = None if role in harmony.messages.ROLES else role
        message = {"role": "tool" if name else role, "name": name, "content": content}
        optional = {"channel": channel, "recipient": recipient, "content_type": content_type}
        message |= {key: value for key, value in optional.items() if value is not None}
        conversation = harmony.Conversation.from_dict(
            {"messages": [{key: value for key, value in message.items() if value is not None}]}
        )
        return load_tokenizer().decode(harmony.render(conversation, next_role=None))

    assert checks.render_message(rendered).status == "package"
    for message in (
        ("user", "Hi"),
        ("assistant", "{}", "commentary", "functions.f", "<|constrain|>json"),
        ("functions.f", "4", "commentary", "assistant"),
        ("assistant", "4", "final", None, "json"),
        ("assistant", "x", "analysis"),
    ):
        assert rendered(*message) == reference.render_message(*message)


def test_a_certain_cause_says_that_the_results_agree_and_a_rule_says_that_it_is_one():
    def rms_norm(x, scale, eps):
        centred = x.float() - x.float().mean(-1, keepdim=True)
        return (centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * scale.float()).to(x.dtype)

    result = checks.rms_norm(rms_norm)
    assert result.cause_id and result.why().startswith("Your results are those of a known mistake: ")
    stage = checks.custom("twice", lambda x: x, [checks.Case("two", (2,), 4, "Double it.")])
    assert stage.why() == "The rule of this stage: Double it."


def test_an_exception_is_shown_as_theirs_with_shapes():
    def rms_norm(x, scale, eps):
        middle = x.float()
        return middle @ x.float()

    result = checks.rms_norm(rms_norm)
    assert result.status == "error"
    for part in (
        "your function raised RuntimeError",
        "line 3 of rms_norm: return middle @ x.float()",
        "x: float32 (1, 4)",
        "eps: 1e-09",
    ):
        assert part in result.symptom
    assert checks.rms_norm(rms_norm(torch.ones(2, 2), 1, 1)).status == "error"


def scaled_by(x, factor):
    return [factor * int(part) for part in (x, None)]


def test_an_exception_behind_a_chapters_wrapper_is_located_in_the_learners_code():
    def wrapper(x, scale):
        return sum(scaled_by(x, scale))

    result = checks.custom("scaled_by", wrapper, [checks.Case("two", (2, len), 4, "why")])
    assert "line 2 of scaled_by: return [factor * int(part)" in result.symptom
    assert "called with x: 2, scale: len" in result.symptom
    assert "signature" not in result.why(), "int() takes None badly; the parameters are not at fault"
    assert result.why().endswith("\nThe rule of this stage: why")
    fewer = checks.custom("scaled_by", lambda x: x, [checks.Case("two", (2, 3), 4, "why")])
    assert "yours takes (x)" in fewer.why()
    assert checks.custom("scaled_by", len, [checks.Case("two", (2, 3), 4, "why")]).status == "error"


halved = lambda x: x[0] / 2  # noqa: E731 — a learner may define it outside the function that calls it


def test_an_exception_in_a_lambda_is_located_where_the_function_calls_it():
    def half(x):
        return halved(x)

    def half_within(x):
        take = lambda y: y[0]  # noqa: E731
        return take(x) / 2

    for function, line in ((half, "line 2 of half: return halved(x)"), (half_within, "line 2 of half_within: take = ")):
        result = checks.custom("half", function, [checks.Case("four", (4,), 2, "why")])
        assert line in result.symptom and "not subscriptable" in result.symptom
        assert "axes" not in result.why()


def test_a_chapters_own_exercise_is_not_watched_call_by_call():
    """There is nothing to forbid there, and watching makes a loop of calls twenty times slower."""
    cases = [checks.Case("watched", (), False, "a profiler is set")]
    assert checks.custom("quick", lambda: sys.getprofile() is not None, cases).passed


def test_bytes_as_an_index_and_a_model_as_an_argument_are_said_in_words():
    table, codes = torch.arange(16.0), torch.zeros(1, 2, dtype=torch.uint8)
    result = checks.custom("look_up", lambda codes: table[codes], [checks.Case("two", (codes,), 0, "why")])
    assert "too many indices" in result.symptom and "`.long()`" in result.why()
    model = torch.nn.TransformerEncoderLayer(4, 2)
    result = checks.custom("run", lambda model: 1, [checks.Case("one", (model,), 2, "why")])
    assert "model: TransformerEncoderLayer( (self_attn)" in result.symptom


def endless(*args):
    while True:
        pass


def swallowing(*args):
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            continue


def swallowing_twice(*args):
    while True:
        try:
            swallowing()
        except BaseException:
            print(end="")


@pytest.mark.parametrize("function", [endless, swallowing, swallowing_twice])
def test_a_function_that_does_not_return_is_stopped(function):
    result = checks.swiglu(function, seconds=0.2)
    assert result.status == "error" and "did not return" in result.symptom


def test_a_function_is_stopped_in_another_thread_too():
    found = []
    thread = threading.Thread(target=lambda: found.append(checks.swiglu(endless, seconds=0.2)), daemon=True)
    thread.start()
    thread.join(60)
    assert found and "did not return" in found[0].symptom


def test_the_time_limit_leaves_no_alarm_behind():
    before = signal.getsignal(signal.SIGALRM)
    for _ in range(20):
        with pytest.raises(TookTooLong), time_limit(0.01):
            swallowing()
    assert signal.getsignal(signal.SIGALRM) == before and signal.getitimer(signal.ITIMER_REAL) == (0, 0)


RINGING = """
import sys, time
from gptoss_edu.checks.guard import TookTooLong, time_limit
def busy(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
for number in range(int(sys.argv[1])):
    try:
        with time_limit(0.0005):
            busy(0.0005 + number % 50 * 2e-6)
    except TookTooLong:
        pass
    busy(0.0015)
"""


@pytest.mark.slow
def test_an_alarm_that_rings_as_the_limit_ends_does_not_end_the_process():
    """The alarm rings just as the call ends: a timer that was set again then rang with no handler in place.

    By default this signal ends the process: a learner's kernel, or a test's worker.
    """
    done = subprocess.run([sys.executable, "-c", RINGING, "600"], capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_an_interrupt_is_the_users():
    def interrupted(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checks.swiglu(interrupted)


def test_symptom_first_then_the_cause():
    result = checks.sliding_window_mask(
        next(s.function for s in bank.wrong("sliding_window_mask") if s.cause == "window_plus_one")
    )
    assert result.symptom.startswith("query 3 sees 4 keys, right are 3")
    assert "sees 4 keys: 6, 7, 8 and 9. It should see 3" in result.why()
    assert result.message.index(result.symptom) < result.message.index(result.cause)
    assert "sees 4 keys: 6, 7, 8 and 9" in result._repr_html_()


def test_arguments_are_copies():
    x = torch.ones(1, 2, 1, 4)

    def in_place(x, cos, sin):
        x.zero_()
        return x

    checks.apply_rope(in_place)
    Call(in_place)(x, None, None)
    assert x.sum() == 8


def test_overwriting_an_input_is_refused_and_ones_own_intermediates_are_free():
    def scaled(x, weights):
        x *= 2
        return x

    def own(x, weights):
        return x.clone().mul_(2)

    one, nan = torch.ones(2, 2), torch.full((2, 2), float("nan"))
    cases = [checks.Case("ones", (one, nan), 2 * one, "It is doubled.")]
    assert checks.custom("double", own, cases).passed
    result = checks.custom("double", scaled, cases)
    assert result.status == "failed" and result.cause_id == "input_changed"
    assert result.symptom == "your function changed its input x: x[0, 0] was 1, and is 2 after the call"
    assert "clone()" in result.why() and "without the underscore" in result.why()
    reshaped = checks.custom("double", lambda x, weights: 2 * x.unsqueeze_(0)[0], cases)
    assert "float32 (2, 2) before the call, float32 (1, 2, 2) after" in reshaped.symptom


def test_arguments_are_described_one_by_one():
    result = checks.custom(
        "pair", lambda *a, **k: None, [checks.Case("one", (torch.ones(2), 3, (torch.ones(1),)), 0, "")]
    )
    assert "a[0]: float32 (2,), a[1]: 3, a[2]: tuple of (float32 (1,))" in result.symptom


def test_custom_checks():
    cases = [
        checks.Case("a number", (2,), 4.0, "It is doubled."),
        checks.Case("a tensor", (torch.ones(3),), lambda x: x * 2, "Every entry is doubled."),
        checks.Case("text", ("ab",), "abab", "Text is repeated."),
    ]
    assert checks.custom("double", lambda x: x * 2, cases).passed
    result = checks.custom("double", lambda x: x * 2 if not hasattr(x, "shape") else x, cases)
    assert (
        result.stage == "a tensor"
        and result.why() == "The rule of this stage: Every entry is doubled."
        and len(result.stages) == 1
    )
    assert checks.custom("double", lambda x: [x], cases).status == "failed"
    last = torch.tensor([[1.0, 1.0], [1.0, 5.0]])
    case = checks.Case("two tokens", (last,), torch.ones(2, 2), "why")
    result = checks.custom("ones", lambda x: x.clone(), [case])
    assert result.symptom == "at [1, 1]: yours is 5, right is 1; 1 of 4 values differ\ncalled with x: float32 (2, 2)"
    assert repr(result).count("two tokens") == 1 and "refused at: two tokens" in repr(result)
    mean = checks.custom(
        "mean", lambda x: x.mean(-1), [checks.Case("one row", (torch.ones(1, 4),), 1.0, "the mean of all")]
    )
    assert mean.symptom.startswith("the result has shape (1,), expected one number\n")


def test_einsum_of_axes_that_do_not_fit_is_told_so():
    case = checks.Case("groups", (torch.ones(6, 4), torch.ones(2, 4)), torch.ones(6), "why")
    result = checks.custom("scores", lambda q, k: torch.einsum("hd,hd->h", q, k), [case])
    assert result.status == "error" and "Two axes do not fit" in result.cause


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (
            [200006, 17, 200007],
            "yours is [200006, 17, 200007], right is [200006, 1428, 17, 200007]; first difference at [1]",
        ),
        ([200006, 1428, 17], "first difference at [3]"),
        ([200006, [1428], 17, 200007], "[1] of the result is a list, a whole number was expected"),
        ("<|start|>user", "the result is a str, a list was expected"),
    ],
)
def test_a_list_of_ids_is_compared_and_shown_as_one(made, says):
    case = checks.Case("a message", (0,), [200006, 1428, 17, 200007], "why")
    assert says in checks.custom("ids", lambda x: made, [case]).symptom
    for same in (
        [200006, 1428, 17, 200007],
        torch.tensor([200006, 1428, 17, 200007]),
        list(torch.tensor([200006, 1428, 17, 200007])),
        (200006, 1428, 17.0, 200007),
    ):
        assert checks.custom("ids", lambda x, same=same: same, [case]).passed


HELPER = 2
ODD = object()


def plain_rms_norm(x, scale, eps):
    t = x.float()
    return (t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + eps) * scale).to(x.dtype)


def unstorable_rms_norm(x, scale, eps):
    return plain_rms_norm(x, scale, eps if ODD else 0)


gate = up = torch.ones(3)  # names that the function below binds itself


def helper(x: Tensor) -> Tensor:
    return x[..., ::HELPER]


def test_a_passed_check_is_stored_with_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path))

    def learners_swiglu(x, alpha=1.702, limit=7.0):
        gate, up = helper(x).clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
        return gate * torch.sigmoid(alpha * gate) * (up + 1)

    result = checks.swiglu(learners_swiglu)
    assert result.passed and result.stored.endswith("my_gptoss.py") and "stored" in repr(result)
    text = (tmp_path / "my_gptoss.py").read_text()
    assert "HELPER = 2" in text and "import torch" in text and "swiglu = learners_swiglu" in text
    assert "import Tensor" in text and "gate = torch" not in text
    assert not checks.swiglu(lambda x, alpha=1.702, limit=7.0: x).passed
    loaded = store.load_functions(tmp_path)
    assert list(loaded) == ["swiglu"] and checks.swiglu(loaded["swiglu"]).passed
    assert checks.rms_norm(plain_rms_norm).passed
    assert list(store.load_functions(tmp_path)) == ["swiglu", "rms_norm"]


def test_nothing_is_stored_without_a_workshop_folder(tmp_path):
    assert checks.rms_norm(plain_rms_norm).stored is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "my_gptoss.py").write_text("")
    assert checks.rms_norm(plain_rms_norm).stored == "my_gptoss.py"
    result = checks.rms_norm(unstorable_rms_norm)
    assert result.passed and result.stored is None and "uses ODD, a object" in repr(result)


def test_predictions_lock(monkeypatch, tmp_path):
    asked = {"question": "Which?", "options": {"a": "one", "b": "two"}}
    assert "Set a choice" in repr(checks.predict("99.x", None, None, **asked))
    assert "one of a, b" in repr(checks.predict("99.x", "c", 0.7, **asked))
    assert "0.5" in repr(checks.predict("99.x", "a", 3, **asked))
    assert "Locked: a" in repr(checks.predict("99.x", "a", 0.7, **asked))
    assert "Your first choice stands" in repr(checks.predict("99.x", "b", 0.9, **asked))
    shown = checks.reveal("99.x", answer="b", because="two it is")
    assert "you said a" in repr(shown) and "two it is" in shown._repr_html_()
    assert "No prediction was locked" in repr(checks.reveal("99.y", answer="a"))
    assert "no such question" in repr(checks.reveal("99.z"))
    for shown in (checks.predict("03.9", "a", 0.7), checks.predict("03.9"), checks.reveal("03.9")):
        assert "03.9: no such question; chapter 03 has 03.1, 03.2, 03.3" in repr(shown)
    assert "no chapter 77" in repr(checks.predict("77.1", "a", 0.7)) and "03.9" not in predictions.outcome()
    assert "Locked: b" in repr(checks.predict("99.capital", " B", 0.7, **asked))
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path))
    checks.predict("99.w", "b", 0.6, **asked)
    predictions.forget()
    assert json.loads((tmp_path / "predictions.json").read_text())["99.w"]["choice"] == "b"
    assert "Your first choice stands" in repr(checks.predict("99.w", "a", 0.9, **asked))
    (tmp_path / "predictions.json").write_text("{")
    assert "In this kernel only, not in predictions.json" in repr(checks.predict("99.v", "b", 0.6, **asked))


def test_pictures_survive_a_stub_and_an_error(capsys):
    def stub(x):
        raise NotImplementedError

    checks.show(stub, torch.ones(2, 2), right=lambda x: x)
    assert "not written yet" in capsys.readouterr().out
    checks.show(lambda x: x[5], torch.ones(2, 2), right=lambda x: x)
    assert "IndexError" in capsys.readouterr().out
    checks.show(lambda x: x[0], torch.ones(2, 2), right=lambda x: x)
    assert "shape" in capsys.readouterr().out
    checks.show(lambda x: x * 2, torch.ones(2, 2), right=lambda x: x)

    @checks.picture
    def draw(f):
        import matplotlib.pyplot as plt

        plt.figure()
        return f(torch.ones(1))

    assert draw(stub) is None and "not written yet" in capsys.readouterr().out
    assert draw(lambda x: x).item() == 1
    matplotlib.pyplot.close("all")

    @checks.picture
    def bars(f):
        matplotlib.pyplot.figure()
        matplotlib.pyplot.bar([0, 1], f(torch.ones(1)))

    assert bars(lambda x: [1, 2, 3]) is None and "cannot be drawn (ValueError" in capsys.readouterr().out
    assert not matplotlib.pyplot.get_fignums()


def test_rows_of_a_result_with_three_axes_are_marked_with_their_places(monkeypatch):
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    for shape, marked in (((2, 3, 4), True), ((6, 4), False), ((5, 7, 4), False)):
        checks.show(lambda x: x, torch.rand(shape), right=lambda x: x)
        marks = [label.get_text() for label in matplotlib.pyplot.gcf().axes[0].get_yticklabels()]
        assert (marks == ["0, 0", "0, 1", "0, 2", "1, 0", "1, 1", "1, 2"]) == marked
        matplotlib.pyplot.close("all")


def test_what_rounding_leaves_is_not_drawn_as_a_difference(monkeypatch):
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    x = torch.linspace(-1, 1, 13).view(1, 13)

    def strongest(f) -> float:
        checks.show(f, x, right=lambda x: x)
        image = matplotlib.pyplot.gcf().axes[2].images[0]
        matplotlib.pyplot.close("all")
        return float(abs(image.get_array()).max() / image.get_clim()[1])

    assert strongest(lambda x: x * (1 + 1e-7)) < 0.05 and strongest(lambda x: x * 1.001) == 1


def test_the_reference_stands_alone():
    source = importlib.import_module("gptoss_edu.checks.reference").__file__
    text = open(source, encoding="utf-8").read()
    assert "torch" not in text and "from .." not in text and "gptoss_edu" not in text


WITH_QUESTIONS = sorted(path.stem.removeprefix("chapter_") for path in questions.FOLDER.glob("chapter_*.toml"))


def test_every_chapter_has_questions():
    assert {path.stem[:2] for path in notebooks_path().glob("[0-9][0-9]_*.ipynb")} <= set(WITH_QUESTIONS)


@pytest.mark.parametrize("chapter", WITH_QUESTIONS)
def test_questions(chapter):
    found = questions.load(chapter)
    assert [question.id for question in found] == [f"{chapter}.{i}" for i in range(1, 7)]
    assert [question.transfer for question in found] == [False] * 5 + [True]
    for question in found:
        assert len(question.options) >= 3 and question.answer in question.options
        assert set(question.wrong) == set(question.options) - {question.answer}
        assert question.because and all(question.wrong.values())
        assert len(set(question.options.values())) == len(question.options)
    answers = [question.answer for question in found]
    assert len(set(answers)) >= 2, "the answer is always the same letter"


def test_opening_questions_come_from_the_right_chapters():
    assert "begins" in checks.opening_questions("00").html
    shown = checks.opening_questions("07").text
    assert [identifier in shown for identifier in ("06.3", "04.4", "01.5")] == [True] * 3
    shown = checks.opening_questions("24").text
    assert [identifier in shown for identifier in questions.OPENING["24"]] == [True] * 3
    assert "no question" in repr(questions.ask("06.9"))
    assert "<details" in questions.ask("06.1").html


@pytest.mark.slow
def test_confusion_command(tmp_path, capsys):
    assert confusion.main(["swiglu", "--markdown", str(tmp_path / "table.md")]) == 0
    assert "| `swiglu` | 8 | 4 of 4 |" in capsys.readouterr().out
    assert (tmp_path / "table.md").read_text().startswith("| exercise |")
    assert confusion.main(["nothing"]) == 2


def test_a_guess_that_no_solution_bears_out_is_told_as_a_guess():
    """Float32 throughout but for one factor: no mistake of the bank gives these bits, so none is said to be it."""

    def rounded_factor(x, scale, eps):
        factor = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + eps) * scale.float()
        return (x.float() * factor.to(x.dtype)).to(x.dtype)

    result = checks.rms_norm(rounded_factor, keep=False)
    assert result.cause_id == "" and "(.why() gives a hint)" in repr(result)
    assert str(result.why()).startswith("No known mistake gives exactly this result. Check this first: ")
    unsearched = checks.rms_norm(rounded_factor, keep=False, diagnose=False)
    assert str(unsearched.why()).startswith("Check this first: ")
