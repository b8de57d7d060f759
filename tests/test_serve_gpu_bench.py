"""Test `bench serve --gpu` as far as that needs no GPU, and what lets the server keep up with one."""

import asyncio
import json
import threading

import pytest
import torch

from gptoss_edu import load_tokenizer
from gptoss_edu.benchmarks import serve_gpu
from gptoss_edu.benchmarks.serve_gpu_clients import TEMPERATURE, Stream, read, steady
from gptoss_edu.benchmarks.serve_gpu_server import open_thoughts
from gptoss_edu.benchmarks.sleeping_card import step_seconds
from gptoss_edu.cli import main
from gptoss_edu.config import ModelConfig
from gptoss_edu.generation import generate
from gptoss_edu.harmony import Message, PieceReader, render
from gptoss_edu.resources import data_path
from gptoss_edu.serve.wakes import wakes
from gptoss_edu.serve.web import Stream as Events
from gptoss_edu.transformer import Transformer


def test_random_weights_open_a_thought_of_ordinary_tokens():
    encoding = load_tokenizer(data_path("gpt-oss-tiny"))
    config = ModelConfig.from_json(data_path("gpt-oss-tiny", "config.json"))
    torch.manual_seed(0)
    model = Transformer(config)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            tensor.normal_(std=0.1 if tensor.dim() == 1 else tensor.shape[-1] ** -0.5)
            tensor += name.endswith("scale")
        open_thoughts(dict(model.state_dict()), encoding)
    prompt = render([Message("user", "What is 2 plus 3?")], encoding=encoding)
    said = list(generate(model, prompt, 100, TEMPERATURE, stop_tokens=[]))
    assert encoding.decode(said[:3]) == "<|channel|>analysis<|message|>"
    assert not set(said[3:]) & set(encoding._special_tokens.values())
    pieces = list(PieceReader(encoding).read(said))
    assert pieces[0].channel == "analysis" and len(pieces) > 50


def test_a_trial_measures_every_api_against_the_steps(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(serve_gpu, "BARS", {1: 0.0, 3: 0.0})
    monkeypatch.setattr(serve_gpu, "PROMPT", 100)
    path = tmp_path / "out.json"
    assert main(["bench", "serve", "--gpu", "--trial", "--tokens", "24", "--repeat", "1", "--json", str(path)]) == 0
    out = json.loads(path.read_text())
    assert "failed" not in out and "of raw" in capsys.readouterr().out
    assert set(out["about"]) >= {"command", "device", "versions", "date", "trial"}
    assert out["raw steps"]["1 client"]["milliseconds"] == pytest.approx(1e3 * step_seconds(1))
    shares = out["shares of the raw rate"]
    assert set(shares) == {"1 client", "3 clients"}
    for rows, clients in (shares["1 client"], 1), (shares["3 clients"], 3):
        assert set(rows) == {"completions", "responses", "chat"}
        for row in rows.values():
            raw = out["raw steps"][serve_gpu.named(clients)]["tokens_per_s"]
            assert row["of_raw"] == pytest.approx(row["tokens_per_s"] / raw) and 0 < row["parts_per_token"] <= 1


def test_the_server_that_does_not_start_says_why(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(serve_gpu, "HEAD", -(10**6))
    assert main(["bench", "serve", "--gpu", "--trial", "--json", str(tmp_path / "out.json")]) == 2
    assert "did not start" in capsys.readouterr().err


def test_without_a_card_the_trial_is_named(capsys):
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    assert main(["bench", "serve", "--gpu"]) == 2
    assert "--trial" in capsys.readouterr().err


def test_the_rate_is_that_of_the_time_in_which_all_receive():
    early = Stream([float(t) for t in range(10)], [2] * 10, tokens=20, ids=[0] * 20)  # parts of two tokens
    late = Stream([4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5], [1] * 7, tokens=7, ids=[0] * 7)
    rate, seconds = steady([early, late], warm=2)
    assert seconds == 9 - 5.5, "from the late client's second token to the early client's last"
    assert rate == (4 * 2 + 3) / 3.5  # at 6, 7, 8, 9; at 6.5, 7.5, 8.5
    assert steady([early, Stream([20.0, 21.0], [1, 1], tokens=2, ids=[0, 0])], warm=1) == (0.0, 0.0)


def test_each_apis_stream_is_read():
    def lines(*events: dict) -> list[tuple[float, bytes]]:
        whole = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
        return [(1.0, b"HTTP/1.1 200 OK\r\n\r\n" + whole[:30]), (2.0, whole[30:])]

    found = read(
        "completions", lines({"choices": [{"token_ids": [5, 6]}]}, {"choices": [], "usage": {"completion_tokens": 2}})
    )
    assert (found.ids, found.tokens, found.times, found.counts()) == ([5, 6], 2, [2.0], [2.0])
    delta = {"reasoning": "ab", "reasoning_content": "ab"}
    found = read("chat", lines({"choices": [{"delta": delta}]}, {"choices": [], "usage": {"completion_tokens": 4}}))
    assert (found.sizes, found.tokens, found.counts()) == ([2], 4, [1.0]), "without the header"
    done = {"type": "response.incomplete", "response": {"usage": {"output_tokens": 3}}}
    found = read("responses", lines({"type": "response.reasoning_text.delta", "delta": "abc"}, done))
    assert (found.sizes, found.tokens) == ([3], 3)
    with pytest.raises(RuntimeError, match=r"no text.*HTTP/1\.1 200"):
        read("chat", lines({"choices": []}))


# ------------------------------------------------------------------------------------------------- the server keeps up


def test_a_rounds_wakes_are_one_call_into_the_loop():
    async def work() -> int:
        loop, events, calls = asyncio.get_running_loop(), [asyncio.Event() for _ in range(64)], []
        whole, own = loop.call_soon_threadsafe, wakes()
        loop.call_soon_threadsafe = lambda *args: calls.append(1) or whole(*args)

        def round_of_the_pool() -> None:
            for event in events:
                own.wake(event)

        await loop.run_in_executor(None, lambda: None)  # starts the thread, which calls the loop as well
        calls.clear()
        round_of_the_pool()
        await asyncio.gather(*(event.wait() for event in events))
        assert own is wakes()
        return len(calls)

    assert asyncio.run(work()) == 1


def test_no_wake_is_lost_between_two_threads():
    async def work() -> int:
        news, seen, count, own = asyncio.Event(), 0, [0], wakes()

        def pool() -> None:
            for _ in range(20_000):
                count[0] += 1
                own.wake(news)

        thread = threading.Thread(target=pool)
        thread.start()
        while seen < 20_000:
            await asyncio.wait_for(news.wait(), 60)
            news.clear()
            seen = count[0]
        thread.join()
        return seen

    assert asyncio.run(work()) == 20_000


def test_a_loop_that_has_ended_is_no_error_and_is_not_kept():
    import gc
    import weakref

    async def work():
        return wakes(), weakref.ref(asyncio.get_running_loop())

    own, loop = asyncio.run(work())
    own.wake(asyncio.Event())
    gc.collect()
    assert loop() is None
    own.wake(asyncio.Event())


def test_events_that_come_together_are_sent_together():
    async def events():
        yield [{"type": "a"}, {"type": "b"}]
        yield []
        yield [{"type": "c"}]

    async def receive():
        await asyncio.sleep(60)

    async def work() -> list[bytes]:
        sent = []

        async def send(message) -> None:
            sent.append(message.get("body", b""))

        await Events(events(), lambda: None, named=True)({"type": "http"}, receive, send)
        return sent

    sent = asyncio.run(work())
    assert sent[1:] == [b'event: a\ndata: {"type":"a"}\n\nevent: b\ndata: {"type":"b"}\n\n',
                        b'event: c\ndata: {"type":"c"}\n\n', b""]  # fmt: skip
