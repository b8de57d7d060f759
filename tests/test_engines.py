"""Test the engines behind one protocol: this package's own, transformers, one real and two recorded servers."""

import contextlib
import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch

from gptoss_edu import generate, load_model, load_tokenizer
from gptoss_edu.agent.chat import Chat, Settings
from gptoss_edu.cli import main
from gptoss_edu.commands.engines import compared, own_server
from gptoss_edu.engines import NAMES, open_engine
from gptoss_edu.engines.endpoint import EndpointEngine
from gptoss_edu.engines.local import LocalEngine
from gptoss_edu.engines.sampler import Drawn, Engine
from gptoss_edu.errors import GptOssError
from gptoss_edu.evals.backends import EngineBackend, Turn
from gptoss_edu.harmony import Conversation, DeveloperContent, Message, SystemContent, ToolDescription, parse, render
from gptoss_edu.harmony.question import question_tokens
from gptoss_edu.harmony.sections import function_tools
from gptoss_edu.tasks.example import message

RECORDED = json.loads((Path(__file__).parent / "fixtures" / "recorded_servers.json").read_text(encoding="utf-8"))
QUESTION = "What is 12 plus 30?"


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def served(model):
    with own_server(model) as url:
        yield f"{url}/v1"


# ---- the protocol


@pytest.mark.slow
def test_the_local_engine_draws_what_generate_draws_with_the_models_log_probabilities(model):
    engine = LocalEngine(model, temperature=0.0)
    prompt = question_tokens(QUESTION, "low", model.tokenizer)
    drawn = list(engine.draw(prompt, 40))
    assert [d.token for d in drawn] == list(generate(model, prompt, 40)) == list(engine(prompt, 40))
    logprobs = model(torch.tensor([prompt + [d.token for d in drawn]]))[0].log_softmax(-1)
    for i, d in enumerate(drawn):
        assert abs(float(logprobs[len(prompt) - 1 + i, d.token]) - d.logprob) < 1e-4


@pytest.mark.slow
def test_several_prompts_are_answered_together_and_told_apart(model):
    engine = LocalEngine(model, temperature=0.0, rows=3)
    prompts = [question_tokens(f"What is {n} plus 30?", "low", model.tokenizer) for n in (2, 13, 24, 35)]
    drawn = {number: [] for number in range(4)}
    for number, d in engine.draw_many(prompts, 40):
        drawn[number].append(d.token)
    assert all(drawn[i] == list(generate(model, prompt, 40)) for i, prompt in enumerate(prompts))


def test_closing_an_iterator_cancels_the_answer(model):
    engine = LocalEngine(model, temperature=0.0)
    prompt = question_tokens(QUESTION, "high", model.tokenizer)
    stream = engine(prompt, 60)
    assert next(stream) is not None and engine.pool.active
    stream.close()
    list(engine(prompt, 1))  # the pool sees it at its next step
    assert not engine.pool.active and not engine.pool.waiting


def test_the_agent_loop_runs_on_any_engine(model, served):
    for engine in (LocalEngine(model, temperature=0.0), open_engine("endpoint", url=served, temperature=0.0)):
        chat = Chat(engine, encoding=engine.encoding, settings=Settings(effort="low"))
        list(chat.say(QUESTION))
        assert "42" in chat.history[-1].text and chat.history[-1].channel == "final"


def test_evaluation_asks_any_engine(model):
    backend = EngineBackend(LocalEngine(model))
    backend.submit(Turn("a", [message("user", QUESTION)], "low", max_new_tokens=40))
    backend.submit(Turn("b", [message("user", QUESTION)], "high", max_new_tokens=2))
    first, second = backend.finished()
    assert first.ended == "stop" and "42" in first.written[-1]["content"][0]["text"] and first.tokens > 5
    assert second.ended == "length" and not second.written


@pytest.mark.slow
def test_transformers_draws_the_same_tokens(model):
    with contextlib.closing(open_engine("transformers", temperature=0.0)) as engine:
        prompts = [question_tokens(f"What is {n} times 7?", "high", engine.encoding) for n in (3, 12, 19)]
        for prompt in prompts:
            ours, theirs = list(LocalEngine(model, temperature=0.0).draw(prompt, 50)), list(engine.draw(prompt, 50))
            assert [d.token for d in ours] == [d.token for d in theirs]
            assert max(abs(a.logprob - b.logprob) for a, b in zip(ours, theirs, strict=True)) < 1e-4
        assert (engine.logits(prompts[0]) - model(torch.tensor([prompts[0]]))[0]).abs().max() < 1e-3
        stream = engine(prompts[0], 50)
        next(stream)
        with pytest.raises(GptOssError, match="expected one answer at a time"):
            next(engine(prompts[1], 50))
        stream.close()
        assert next(engine(prompts[1], 50)) is not None


# ---- servers


@pytest.mark.slow
def test_this_packages_own_server_gives_the_same_ids_and_log_probabilities(model, served):
    engine = open_engine("endpoint", url=served, temperature=0.0)
    assert engine.by_ids and engine.encoding.name == "gpt-oss-tiny" and engine.model == "gpt-oss-tiny"
    prompt = question_tokens(QUESTION, "high", engine.encoding)
    assert compared([list(engine.draw(prompt, 60))], [list(LocalEngine(model, temperature=0.0).draw(prompt, 60))])[
        :20
    ].startswith("tried now: 1 of 1")
    stream = engine(prompt, 60)
    next(stream)
    stream.close()
    assert list(engine(prompt, 3)) == list(engine(prompt, 3))


class Replay(BaseHTTPRequestHandler):
    """Give the recorded answers in order, and note what a request lacks."""

    def log_message(self, *words):
        pass

    def do_GET(self):
        self.reply({})

    def do_POST(self):
        self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def reply(self, body: dict) -> None:
        pair = self.server.pairs.pop(0)
        lacking = {k: (v, body.get(k)) for k, v in pair.get("needs", {}).items() if body.get(k) != v}
        if self.path != pair["path"] or lacking:
            self.server.faults.append((self.path, pair["path"], lacking))
        events = pair.get("stream")
        text = (
            "".join(f"data: {json.dumps(e)}\n\n" for e in events) + "data: [DONE]\n\n"
            if events
            else json.dumps(pair["answer"])
        )
        self.send_response(pair.get("status", 200))
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


@contextlib.contextmanager
def replayed(name: str):
    server = HTTPServer(("127.0.0.1", 0), Replay)
    server.pairs, server.faults = [dict(pair) for pair in RECORDED[name]["pairs"]], []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
    assert not server.faults and not server.pairs


def test_vllm_as_recorded_takes_and_gives_ids(encoding):
    with replayed("vllm") as (_, url):
        engine = EndpointEngine(url, temperature=0.0)
        assert engine.by_ids and engine.model == "openai/gpt-oss-20b"
        drawn = list(engine.draw(question_tokens("Hi", "low", encoding), 50))
    assert encoding.decode([d.token for d in drawn]) == "<|channel|>final<|message|>Hi<|return|>"
    assert [d.logprob for d in drawn] == [-0.01, -0.02, -0.03, -0.4, -0.5]
    engine.require("logprobs")


def test_ollama_as_recorded_is_asked_by_messages_and_says_what_is_lost(encoding):
    conversation = Conversation(
        [
            Message("system", SystemContent(reasoning_effort="high")),
            Message("developer", DeveloperContent("Be brief.")),
            Message("user", "Hi"),
        ]
    )
    with replayed("ollama") as (_, url):
        engine = EndpointEngine(url)
        assert not engine.by_ids
        drawn = list(engine.draw(render(conversation, encoding=encoding), 50))
        offered = Conversation(
            [
                Message("developer", DeveloperContent(None, function_tools([ToolDescription("f", "F.")]))),
                Message("user", "Hi"),
            ]
        )
        with pytest.raises(
            GptOssError, match="engine endpoint: expected one that supports tools, but no: the prompt holds types"
        ):
            list(engine.draw(render(offered, encoding=encoding), 50))
        with pytest.raises(GptOssError, match="takes no token ids, so expected a prompt that ends in"):
            list(engine.draw(encoding.encode_ordinary("Once"), 50))
    thought, final = parse([d.token for d in drawn], encoding=encoding, role="assistant")
    assert (thought.channel, thought.text, final.channel, final.text) == ("analysis", "A greeting.", "final", "Hello.")
    assert encoding.decode([drawn[-1].token]) == "<|return|>" and drawn[0] == Drawn(drawn[0].token, None)
    for lost in ("ids", "logprobs", "tools", "traces"):
        with pytest.raises(GptOssError, match=rf"engine endpoint: expected one that supports {lost}, but no"):
            engine.require(lost)


def test_a_server_that_is_not_there_is_one_sentence():
    with pytest.raises(GptOssError, match="expected a server, found none"):
        open_engine("endpoint", url="http://127.0.0.1:9/v1")


# ---- names, packages, options


@pytest.mark.parametrize(
    ("name", "package"), [("transformers", "transformers"), ("llama_cpp", "llama_cpp"), ("vllm", "vllm")]
)
def test_a_missing_engine_is_named_with_the_command_that_installs_it(monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(GptOssError, match=rf"engine {name}: {package} cannot be imported .*; run pip install"):
        open_engine(name)


def test_what_an_engine_cannot_give_is_said_by_name():
    for name in NAMES:
        assert name in ("local", "transformers", "llama_cpp", "vllm", "endpoint")
    with pytest.raises(GptOssError, match="engine 'mlx': expected one of local, transformers"):
        open_engine("mlx")
    with pytest.raises(NotImplementedError):
        Engine().draw([1], 1)


WRONG = {
    "an endpoint without its address": (["generate", "Hi", "--engine", "endpoint"], "name its server with --url"),
    "an address without an endpoint": (["generate", "Hi", "--url", "http://127.0.0.1:9/v1"], "leave out --url"),
    "a model for an endpoint": (["chat", "--message", "Hi", "--engine", "endpoint", "--url", "http://x/v1", "--model", "m"], "--served-model"),
    "an endpoint that is not there": (["chat", "--message", "Hi", "--engine", "endpoint", "--url", "http://127.0.0.1:9/v1"], "expected a server"),
    "an engine of eval": (["eval", "aime-toy", "--engine", "mlx"], "expected one of local"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_options_that_do_not_fit_are_one_line(capsys, tmp_path, monkeypatch, what):
    arguments, said = WRONG[what]
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1


@pytest.mark.slow
def test_the_commands_answer_through_a_server(served, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["generate", QUESTION, "--effort", "low", "--engine", "endpoint", "--url", served]) == 0
    assert "42" in capsys.readouterr().out
    assert main(["chat", "--message", QUESTION, "--temperature", "0", "--engine", "endpoint", "--url", served]) == 0
    assert "42" in capsys.readouterr().out
    assert main(["generate", QUESTION, "--top-k", "3", "--engine", "endpoint", "--url", served]) == 2
    assert "has no such setting" in capsys.readouterr().err


@pytest.mark.slow
def test_the_table_of_engines_is_tried(capsys):
    assert main(["engines"]) == 0
    out = capsys.readouterr().out
    rows = {line[:28].strip(): line for line in out.splitlines()}
    assert "tried now: 3 prompts" in rows["local"]
    for name in ("transformers", "endpoint: gptoss-edu serve"):
        line = next(line for row, line in rows.items() if row.startswith(name))
        assert "tried now: 3 of 3 answers token for token as local" in line
    assert "pip install" in out
    assert "not tried here" in rows["endpoint: Ollama"] and "not tried here" in rows["endpoint: vLLM"]
    assert load_tokenizer() is not None
