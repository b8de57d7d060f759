"""Test evaluation runs (resumed, parallel, with a pool, with a server), their figures, reports and commands."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gptoss_edu import load_model
from gptoss_edu.cli import main
from gptoss_edu.errors import GptOssError
from gptoss_edu.evals.backends import PoolBackend, ScriptBackend, Turn, ask_one
from gptoss_edu.evals.benchmark import Question, verdict
from gptoss_edu.evals.endpoint_backend import EndpointBackend, chat_messages, chat_tools, read_choice
from gptoss_edu.evals.grading.numbers import grade_number
from gptoss_edu.evals.inspect_logs import read_samples
from gptoss_edu.evals.named import named, read_questions
from gptoss_edu.evals.published.tools_and_users import played_user
from gptoss_edu.evals.report_html import page
from gptoss_edu.evals.report_markdown import report
from gptoss_edu.evals.run_benchmark import run_benchmark
from gptoss_edu.evals.sample_log import SampleLog, new_header, read_log
from gptoss_edu.evals.summarise import compare, summarise
from gptoss_edu.tasks.example import call, developer, final, message, thought

AIME = named("aime-toy")
QUESTIONS = [
    Question(f"q{i}", [message("user", f"What is {i} + 1?")], str(i + 1), plain=f"What is {i} + 1?") for i in range(12)
]


def clever(turn: Turn) -> list[dict]:
    """Answer correctly at high effort, at medium effort for even numbers, and never at low."""
    asked = int(re.search(r"\d+", turn.messages[-1]["content"][0]["text"])[0])
    right = turn.effort == "high" or (turn.effort == "medium" and asked % 2 == 0)
    steps = {"low": [], "medium": [thought("a step")], "high": [thought("a step and another step")]}[turn.effort]
    return [*steps, final(f"The answer is {asked + 1 if right else asked}.")]


def header(temperature: float = 0.0) -> dict:
    return new_header(
        AIME, QUESTIONS, "script", temperature=temperature, max_new_tokens=64, seed=0, version="v", date="d"
    )


def run(log: SampleLog, backend=None, **how) -> list[dict]:
    return run_benchmark(AIME, QUESTIONS, backend or ScriptBackend(clever), log, ("low", "medium", "high"), **how)


def test_every_question_is_asked_at_every_effort_and_graded():
    found = summarise(run(SampleLog(header())))
    assert {e: row["accuracy"]["mean"] for e, row in found["efforts"].items()} == {"low": 0, "medium": 0.5, "high": 1}
    assert found["efforts"]["low"]["failures"] == {"another number": 12}
    difference = found["differences"]["medium − low"]
    assert difference["difference"] == 0.5 and difference["only_second"] == 6 and difference["low"] > 0
    assert found["efforts"]["high"]["tokens"] > found["efforts"]["low"]["tokens"]


def test_a_run_that_was_interrupted_goes_on_where_it_was(tmp_path):
    path, asked = tmp_path / "s.jsonl", []

    def until_ten(turn):
        asked.append(turn.key)
        if len(asked) > 10:
            raise KeyboardInterrupt
        return clever(turn)

    with pytest.raises(KeyboardInterrupt):
        run(SampleLog(header(), path), ScriptBackend(until_ten))
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"question": "q11", "eff')  # the file was cut off while it was written
    again = []
    samples = run(SampleLog(header(), path), ScriptBackend(lambda turn: again.append(turn.key) or clever(turn)))
    assert len(samples) == 36 and len(again) == 26 and not set(again) & set(asked[:10])
    assert read_log(path)[1] == samples and all(json.loads(line) for line in path.read_text().splitlines())
    assert run(SampleLog(header(), path), ScriptBackend(lambda turn: 1 / 0)) == samples, "nothing is asked twice"


def test_samples_of_another_run_are_not_mixed_in(tmp_path):
    path = tmp_path / "s.jsonl"
    run(SampleLog(header(), path))
    with pytest.raises(GptOssError, match="another temperature"):
        SampleLog(header(1.0), path)
    with pytest.raises(GptOssError, match="another questions"):
        SampleLog(header() | {"questions": "0"}, path)
    (tmp_path / "x.jsonl").write_text("[1]\n")
    with pytest.raises(GptOssError, match="expected the samples"):
        SampleLog(header(), tmp_path / "x.jsonl")


def test_an_engines_error_is_no_wrong_answer_and_is_asked_again(tmp_path):
    class Failing(ScriptBackend):
        def finished(self):
            for turn in super().finished():
                turn.ended, turn.written = "error", []
                yield turn

    path = tmp_path / "s.jsonl"
    found = summarise(run(SampleLog(header(), path), Failing(clever)))
    assert found["errors"] == 36 and not found["efforts"]
    assert summarise(run(SampleLog(header(), path)))["errors"] == 0
    assert len(read_log(path)[1]) == 36


def test_attempts_draw_with_seeds_of_their_own_and_are_summed_up():
    seeds = {}

    def lucky(turn: Turn):
        seeds[turn.key] = turn.seed
        asked = int(re.search(r"\d+", turn.messages[-1]["content"][0]["text"])[0])
        return f"{asked + 1 if turn.key[2] != 1 else 999}"  # the second of four attempts is wrong

    samples = run_benchmark(AIME, QUESTIONS, ScriptBackend(lucky), SampleLog(header(1.0)), ("high",), None, 1.0)
    row = summarise(samples)["efforts"]["high"]
    assert row["samples"] == 48 and row["questions"] == 12 and len(set(seeds.values())) == 48
    assert (
        row["pass@k"][1] == 0.75 and row["pass@k"][2] == 1 and row["pass^k"][4] == 0 and row["majority"]["right"] == 12
    )
    assert row["accuracy"]["clusters"] == 12
    assert len(run_benchmark(AIME, QUESTIONS, ScriptBackend(lucky), SampleLog(header()), ("high",))) == 12, (
        "greedy: once"
    )


def test_time_that_is_over_begins_nothing_new(tmp_path):
    log = SampleLog(header(), tmp_path / "s.jsonl")
    assert len(run(log, seconds=1e-9)) == 1
    assert len(run(SampleLog(header(), tmp_path / "s.jsonl"))) == 36


def test_two_runs_are_compared_question_by_question():
    first = run(SampleLog(header()))
    second = run(
        SampleLog(header()),
        ScriptBackend(lambda turn: str(int(re.search(r"\d+", turn.messages[-1]["content"][0]["text"])[0]) + 1)),
    )
    found = compare(first, second)
    assert (
        found["low"]["only_second"] == 12 and found["medium"]["only_second"] == 6 and found["high"]["difference"] == 0
    )


DESK = Question(
    "d",
    [
        developer("Be exact.", [{"name": "get", "description": "", "parameters": {}}]),
        message("user", "Seat 2B for b1, please."),
    ],
    {"after": {"b1": {"seat": "2B"}}, "said": ["2B"]},
    environment={
        "desk": {"key": "id", "get": "get", "actions": {"set": {"sets": "seat", "to": "argument"}}},
        "before": {"b1": {"seat": "1A"}},
        "user": ["Thanks."],
    },
)


@pytest.mark.parametrize(
    ("turns", "kind"),
    [
        (
            [call("functions.set", '{"id": "b1", "seat": "2B"}'), final("You have 2B."), final("You are welcome.")],
            "right",
        ),
        ([call("functions.set", '{"id": "b1", "seat": "2B"}'), final("Done."), final("You are welcome.")], "not told"),
        ([final("You have 2B."), final("You are welcome.")], "nothing was done"),
        (
            [call("functions.set", "2B"), call("functions.set", '{"id": "b1", "seat": "3C"}'), final("2B"), final(".")],
            "another state",
        ),
        ([call("functions.get", '{"id": "b1"}')] * 40, "turns"),
    ],
)
def test_a_dialogue_is_played_with_the_environment_and_the_user(turns, kind):
    script, seen = list(turns), []

    def say(turn):
        seen.append(turn.messages[-1])
        return [script.pop(0)]

    (sample,) = run_benchmark(named("tau-bench-toy"), [DESK], ScriptBackend(say), SampleLog(header()))
    assert sample["kind"] == kind and sample["right"] is (kind == "right")
    if kind == "right":
        assert json.loads(seen[1]["content"][0]["text"]) == {"ok": True} and seen[2]["content"][0]["text"] == "Thanks."


def test_a_model_may_play_the_user():
    prompts = []
    user = played_user(lambda prompt: prompts.append(prompt) or ("It is b1." if len(prompts) == 1 else "END"))
    question = Question(
        "u",
        [message("user", "Hello.")],
        {"after": {}, "said": []},
        environment={"before": {}, "instruction": "You want seat 2B."},
    )
    samples = run_benchmark(
        named("tau-bench-toy"),
        [question],
        ScriptBackend(lambda turn: f"Turn {len(turn.messages)}"),
        SampleLog(header()),
        user=user,
    )
    assert len(prompts) == 2 and "seat 2B" in prompts[0] and "Turn 1" in prompts[1] and samples[0]["text"] == "Turn 3"


# ------------------------------------------------------------------------------------------------------------- engines


@pytest.mark.slow
def test_the_pool_answers_as_eval_tiny_does():
    """The harness and answering.py get the same final messages for the same held-out questions."""
    from gptoss_edu.evals.answering import answer
    from gptoss_edu.tasks.example import Example, system

    model = load_model()
    questions = read_questions(AIME, None)[20:60:8]
    backend = PoolBackend(model, 4)
    samples = run_benchmark(AIME, questions, backend, SampleLog(header()), ("medium",), max_new_tokens=400)
    examples = [
        Example("x", "", "medium", "medium", 0, q.target, "number", 2, [system("medium"), *q.prompt]) for q in questions
    ]
    texts = {s["question"]: s["text"] for s in samples}
    assert [texts[q.id] for q in questions] == [o.text for o in answer(model, examples, 4, 400)]
    assert all(s["tokens"] > s["thought_tokens"] > 0 and s["seconds"] > 0 for s in samples)
    with pytest.raises(GptOssError, match="room"):
        PoolBackend(model, 1, 32).submit(Turn("k", questions[0].prompt))


@pytest.mark.slow
def test_a_turn_that_is_cut_off_says_so():
    backend = PoolBackend(load_model(), 2)
    backend.submit(Turn("k", [message("user", "Compute 12 * 34.")], "high", max_new_tokens=5))
    (turn,) = backend.finished()
    assert turn.ended == "length" and turn.tokens == 5 and not turn.written
    assert ask_one(backend, "What is 46 times 73?", max_new_tokens=200) == "46 × 73 = 3358"


@pytest.mark.slow
def test_a_call_of_the_python_tool_is_a_program():
    questions = read_questions(named("codeforces-toy"), None)[:2]
    log = SampleLog(header())
    samples = run_benchmark(named("codeforces-toy"), questions, PoolBackend(load_model(), 2), log, max_new_tokens=200)
    assert all(s["calls"] and s["calls"][0][0] == "python" for s in samples)


class Stub(BaseHTTPRequestHandler):
    """Serve Chat Completions, but be busy at first."""

    busy = 2
    bodies: list = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if Stub.busy:
            Stub.busy -= 1
            self.send_response(503)
            self.end_headers()
            return
        Stub.bodies.append(body)
        asked = int(re.search(r"\d+", body["messages"][-1]["content"])[0])
        said = {"role": "assistant", "content": f"The answer is {asked + 1}.", "reasoning_content": "one more"}
        usage = {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 2}}
        self.answer({"choices": [{"message": said, "finish_reason": "stop"}], "usage": usage})

    def do_GET(self):
        self.answer({"data": [{"id": "served"}]})

    def answer(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *rest):
        pass


@pytest.fixture
def stub():
    server = HTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_server_answers_many_at_a_time_and_a_busy_one_is_asked_again(stub):
    Stub.busy, Stub.bodies = 2, []
    samples = run(SampleLog(header()), EndpointBackend(stub, workers=4))
    assert len(samples) == 36 and all(
        s["right"] and s["thought"] == "one more" and s["thought_tokens"] == 2 for s in samples
    )
    assert {b["reasoning_effort"] for b in Stub.bodies} == {"low", "medium", "high"} and Stub.bodies[0][
        "model"
    ] == "served"


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(GptOssError, match="no answer in 1 tries"):
        EndpointBackend("http://127.0.0.1:9/v1", tries=1)
    backend = EndpointBackend("http://127.0.0.1:9/v1", "m", tries=1)
    backend.submit(Turn("k", [message("user", "?")]))
    (turn,) = backend.finished()
    assert turn.ended == "error" and "127.0.0.1:9" in turn.note


def test_calls_and_results_keep_their_places_in_chat_completions():
    schema = {"name": "get", "description": "d", "parameters": {"type": "object", "properties": {}}}
    messages = [
        developer("Rule.", [schema]),
        message("user", "Hi"),
        thought("I look."),
        call("functions.get", "{}"),
        message("tool", "7", name="functions.get", recipient="assistant", channel="commentary"),
        final("Seven."),
        message("user", "Why?"),
    ]
    sent = chat_messages(messages)
    assert [m["role"] for m in sent] == ["developer", "user", "assistant", "tool", "assistant", "user"]
    assert sent[2]["tool_calls"][0]["id"] == sent[3]["tool_call_id"] and sent[2]["reasoning_content"] == "I look."
    assert chat_tools(messages) == [{"type": "function", "function": schema}]
    turn = Turn("k", messages)
    made = {"id": "c", "function": {"name": "get", "arguments": "{}"}}
    read_choice(
        {"choices": [{"message": {"content": None, "tool_calls": [made]}, "finish_reason": "tool_calls"}]}, turn
    )
    assert turn.written == [call("functions.get", "{}")]
    with pytest.raises(GptOssError, match="choice"):
        read_choice({"error": "x"}, turn)


@pytest.mark.slow
def test_the_projects_own_server_gives_the_same_figures_as_the_pool():
    web = pytest.importorskip("gptoss_edu.serve.web", reason="the server's packages are needed for this comparison")
    running = pytest.importorskip(
        "gptoss_edu.serve.running", reason="the server's packages are needed for this comparison"
    )
    from gptoss_edu.engines.pool import Pool

    model = load_model()
    with running.in_background(web.Server(Pool(model, 4), "gpt-oss-tiny")) as url:
        samples = run_benchmark(
            AIME,
            QUESTIONS[:4],
            EndpointBackend(f"{url}/v1", workers=4),
            SampleLog(header()),
            ("low", "medium"),
            max_new_tokens=200,
        )
    assert len(samples) == 8 and not any(s["ended"] == "error" for s in samples), [s["note"] for s in samples]
    assert any(s["right"] for s in samples) and all(s["tokens"] for s in samples)


# ------------------------------------------------------------------------------------------------------------- reports


def some_samples() -> list[dict]:
    def odd(turn):
        return "<b>&\"' | 7" if turn.key[0] == "q3" else clever(turn)

    return run(SampleLog(header()), ScriptBackend(odd))


def test_the_report_names_its_figures_with_intervals_and_its_failures():
    samples = some_samples()
    text = report(
        header(),
        samples,
        contaminated={"touched": ["q0"], "checked": 12, "length": 13, "too_short": [], "canaries": ["canary GUID 1"]},
    )
    assert "| right | 0.0 % [0.0, 24.2] | 50.0 % [25.4, 74.6] | 91.7 %" in text
    assert "another number" in text and "medium − low: +50.0 points" in text and "canary GUID 1" in text
    assert "Without them, medium: 45.5 %" in text and "temperature 0" in text


def test_the_page_needs_no_network_and_escapes_what_models_say():
    html = page([(header(), some_samples())])
    assert "<b>&" not in html and "&lt;b&gt;&amp;" in html
    assert not re.search(r"(?:src|href)=|https?://(?!www\.w3)|@import|url\(", html)
    assert html.count('<details class="sample') == 36 and "<svg" in html and "aria-label" in html


def test_simpleqa_counts_what_was_declined():
    questions = [q for q in read_questions(named("simpleqa-toy"), None) if q.target][:6]
    unknown = [q for q in read_questions(named("simpleqa-toy"), None) if not q.target][:3]
    said = {
        q.id: text
        for q, text in zip(
            [*questions, *unknown],
            [
                questions[0].target,
                questions[1].target,
                "Atlantis",
                "I don't know.",
                "I don't know.",
                "?",
                "I don't know.",
                "Morn",
                "Morn",
            ],
            strict=True,
        )
    }
    samples = run_benchmark(
        named("simpleqa-toy"), [*questions, *unknown], ScriptBackend(lambda t: said[t.key[0]]), SampleLog(header())
    )
    found = summarise(samples)["efforts"]["medium"]["declines"]
    assert (found["correct"]["right"], found["correct"]["of"]) == (2, 6) and found["attempted"]["right"] == 4
    assert found["correct_given_attempted"]["share"] == 0.5 and found["declined_what_nobody_knows"]["right"] == 1
    assert found["f_score"] == pytest.approx(2 * (1 / 3) * 0.5 / (1 / 3 + 0.5), abs=1e-3)


@pytest.mark.slow
def test_the_command_runs_resumes_and_reports(tmp_path, capsys):
    out, html, md = (str(tmp_path / name) for name in ("s.jsonl", "r.html", "r.md"))
    command = ["eval", "aime-toy", "--device", "cpu", "--limit", "2", "--effort", "low", "--out", out, "--html", html]
    assert main(command) == 0 and main([*command[:-1], str(tmp_path / "r2.html")]) == 0
    assert len(read_log(tmp_path / "s.jsonl")[1]) == 2 and "AIME (toy)" in capsys.readouterr().out
    assert main(["eval", "report", out, out, "--markdown", md, "--html", html]) == 0
    assert (tmp_path / "r.md").read_text().count("# AIME (toy)") == 2
    assert main(["eval", "list"]) == 0 and "healthbench-toy" in capsys.readouterr().out
    for wrong in (
        ["aim"],
        ["aime"],
        ["report"],
        ["export", "aime-toy"],
        ["aime-toy", "x"],
        ["aime-toy", "--engine", "vllm"],
        ["healthbench"],
    ):
        assert main(["eval", *wrong]) == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said and len(said.strip().splitlines()) == 1, said


def test_a_run_of_errors_only_says_what_they_were(tmp_path, capsys, stub, monkeypatch):
    monkeypatch.setattr(Stub, "do_POST", lambda self: (self.send_response(400), self.end_headers()))
    command = ["eval", "aime-toy", "--engine", stub, "--limit", "2", "--out", str(tmp_path / "s.jsonl")]
    assert main(command) == 2 and "status 400" in capsys.readouterr().err


def test_a_log_that_is_none_is_refused(tmp_path):
    for name, text in (("a.json", "{}"), ("b.json", "["), ("c.eval", "x"), ("d.jsonl", "{}\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(GptOssError):
            read_samples(tmp_path / name)
    assert grade_number(QUESTIONS[0], type("R", (), {"text": "1"})()).right and not verdict(False, "x").right
