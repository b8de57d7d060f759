"""Test chapter 24: solutions agree with the package, figures show what they say, its six questions rate servers."""

import json
import random
from types import SimpleNamespace

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from core_models import BASE, strong_model
from serving import MODEL, final, make_world, thought

from gptoss_edu import ModelConfig, generate
from gptoss_edu.checks import finished
from gptoss_edu.checks.exercises.own import response_events as events_exercise
from gptoss_edu.engines.prefixes import reusable
from gptoss_edu.resources import notebooks_path
from gptoss_edu.serve import items, responses
from gptoss_edu.serve.by_hand import ask, listening, read_request
from gptoss_edu.serve.conformance import QUESTIONS, conformance
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.viz import batching_figures as batches
from gptoss_edu.viz import serving_figures as pictures
from gptoss_edu.viz import style


@pytest.fixture(scope="module")
def shown() -> dict:
    """Return the functions of the chapter's exercise cells, and its rows of a real cache."""
    notebook = nbformat.read(notebooks_path() / "24_serving.ipynb", as_version=4)
    names: dict = {"torch": torch, "encoding": load_tokenizer(), "model": None}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith(("import contextlib", "# PieceReader")):
            lines = [line for line in cell.source.splitlines() if line.startswith(("import", "from"))]
            exec("\n".join(lines), names)
        if "exercise" in cell.metadata.get("tags", []) or "class Batch:" in cell.source:
            exec(cell.source, names)
    return names


def some_items(chance: random.Random) -> list[dict]:
    """Draw a conversation with messages, thoughts, remarks, and calls whose results come in any order."""
    made: list[dict] = []
    for turn in range(chance.randint(1, 3)):
        made.append({"role": chance.choice(["user", "developer", "system"]), "content": f"text {turn}"})
        if chance.random() < 0.5:
            made.append({"type": "reasoning", "content": [{"type": "reasoning_text", "text": f"thought {turn}"}]})
        calls = [f"call_{turn}_{i}" for i in range(chance.randint(0, 3))]
        made += [
            {"type": "function_call", "call_id": c, "name": f"f{i}", "arguments": json.dumps({"of": c})}
            for i, c in enumerate(calls)
        ]
        results = [
            {
                "type": "function_call_output",
                "call_id": c,
                "output": chance.choice(
                    [f"got {c}", [{"type": "input_text", "text": "got "}, {"type": "input_text", "text": c}]]
                ),
            }
            for c in calls
        ]
        made += chance.sample(results, len(results))
        phase = chance.choice(["commentary", "final_answer"])
        made.append({"role": "assistant", "phase": phase, "content": [{"type": "output_text", "text": f"said {turn}"}]})
    return made


def test_messages_of_is_the_packages(shown):
    for seed in range(60):
        given = some_items(random.Random(seed))
        assert shown["messages_of"](given) == items.messages_of(given)


def test_response_events_are_the_packages(shown):
    encoding, chance = load_tokenizer(), random.Random(3)
    for _ in range(12):
        text = "".join(
            chance.choice([thought("Hm 🌡️."), "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant"])
            for _ in range(chance.randint(0, 3))
        )
        tokens = encoding.encode(text + final("It is 12 °C in 北京."), allowed_special="all")
        tokens = tokens[: chance.randint(3, len(tokens))]
        mine, theirs = (list(f(tokens, encoding)) for f in (shown["response_events"], responses.response_events))
        assert events_exercise.canonical(mine) == events_exercise.canonical(theirs)
        assert [event["sequence_number"] for event in mine] == list(range(len(mine)))


def test_reusable_is_the_packages(shown):
    for seed in range(300):
        chance = random.Random(seed)
        prompt = [chance.randint(0, 2) for _ in range(chance.randint(1, 6))]
        held = [[chance.randint(0, 2) for _ in range(chance.randint(1, 6))] for _ in range(5)]
        held += [prompt[: chance.randint(1, len(prompt))]]
        mine, theirs = shown["reusable"](held, prompt), reusable(held, prompt)
        assert mine == theirs, (held, prompt)


@pytest.mark.slow
def test_rounds_with_the_chapters_rows_answer_as_each_alone(shown):
    model = strong_model(BASE)
    shown["model"], shown["STOPS"] = model, {5}
    chance = random.Random(1)
    prompts = [[chance.randrange(BASE.vocab_size) for _ in range(chance.randint(2, 30))] for _ in range(7)]
    asked = [shown["Asked"](str(i), prompt, chance.randint(1, 12)) for i, prompt in enumerate(prompts)]
    waiting, active, ended, batch = list(asked), [], [], shown["Batch"](3, 64)
    for _ in range(60):
        ended += shown["step"](active, waiting, batch)
        if not active and not waiting:
            break
    assert len(ended) == 7
    for request in asked:
        assert request.sampled == list(generate(model, request.prompt, request.limit, stop_tokens={5}))


@pytest.mark.slow
@pytest.mark.parametrize("theme", style.THEMES)
def test_figures(theme):
    encoding = load_tokenizer()
    tokens = encoding.encode(thought("Hm.") + final("Hi $you$!"), allowed_special="all")
    feed = pictures.Counted(tokens)
    timed = [(len(feed.taken), event) for event in responses.response_events(feed, encoding)]
    given = some_items(random.Random(5))
    with style.themed(theme):
        drawn = [
            pictures.figure_lanes(["client", "server"], [("client", "server", "asks"), ("server", "client", "says")]),
            pictures.figure_threads(given, items.messages_of(given)),
            pictures.figure_events(tokens, encoding, timed),
            batches.figure_gantt({"one": [("A", 0.0, 1.0, 2.0), ("B", 0.0, 2.0, 3.0)]}),
            batches.figure_hands({"a": ["C"] * 5, "b": ["C", "D", "C"]}),
            batches.figure_rounds({"r": [["A", None], ["A", "B"], [f"A {batches.GONE}", "B"]]}),
            batches.figure_experts({"20b": ModelConfig.gpt_oss_20b()}, {1: 10.0, 2: 9.0, 8: 40.0}, "x"),
            batches.figure_read({"a": [(0, 10), (8, 4)]}),
            pictures.figure_board({"a": {"x": True, "y": False}, "b": {"x": None, "y": True}}),
        ]
        for figure in drawn:
            figure.canvas.draw()
    numbers = {text.get_text() for text in drawn[2].axes[0].texts} & {str(i) for i in range(len(timed))}
    assert len(numbers) == len(timed), "every event has its number in the picture"
    assert {label.get_text() for label in drawn[8].axes[0].get_yticklabels()} == {"x", "y"}
    plt.close("all")


def test_the_ring_names_what_is_lost():
    figure = batches.figure_ring(8, 11, 8)
    dashed = [
        t.get_text() for t in figure.axes[1].texts if t.get_bbox_patch() and t.get_bbox_patch().get_linestyle() == "--"
    ]
    assert sorted(map(int, dashed)) == [0, 1, 2], "tokens 8, 9 and 10 have taken the places of 0, 1 and 2"
    plt.close("all")


def test_a_request_runs_until_the_door_that_refuses_it():
    figure = pictures.figure_doors(
        {"good": 200, "Origin of x": 403, "kind y": 415}, {"Host": 403, "Origin": 403, "kind": 415}
    )
    ends = [round(a.xy[0], 1) for a in figure.axes[0].texts if hasattr(a, "arrow_patch") and a.arrow_patch is not None]
    assert ends == [3.6, 1.9, 2.9]
    plt.close("all")


def test_experts_hit_is_an_average_of_draws():
    config = SimpleNamespace(num_experts=16, experts_per_token=4)
    chance = random.Random(0)
    draws = [len({e for _ in range(8) for e in chance.sample(range(16), 4)}) for _ in range(4000)]
    assert batches.experts_hit(config, 8) == pytest.approx(sum(draws) / len(draws), abs=0.1)


def test_plain_http_serves_several_clients():
    def echo(connection):
        with connection:
            said = json.dumps(read_request(connection)).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said)

    with listening(echo) as address:
        for text in ("one", "zwei 🌡️"):
            assert json.loads(ask(address, {"input": text}).partition("\r\n\r\n")[2]) == {"input": text}
    with pytest.raises(OSError):
        ask(address, {"input": "gone"})


@pytest.mark.slow
def test_six_questions_pass_on_the_server_and_know_its_faults(monkeypatch):
    answers = {"What is one?": "It is one.", "What is two?": "It is two.", "What is three?": "It is three."}

    def scripted(prompt: str) -> str:
        last = max(answers, key=lambda text: prompt.rfind(text))
        return thought("I know.") + final(answers[last])

    with make_world() as world:
        world.model.answer = scripted
        asked = f"{world.url}/v1", MODEL, answers
        assert conformance(*asked) == dict.fromkeys(QUESTIONS, True)
        with monkeypatch.context() as spoiled:
            spoiled.setattr(responses.ResponseEvents, "begin", lambda self: [])
            found = conformance(*asked)
            assert found["a stream, numbered from 0"] and not found["the client's state machine"]
        with monkeypatch.context() as spoiled:
            whole = responses.ResponseEvents.finish
            spoiled.setattr(responses.ResponseEvents, "finish", lambda self, status, *a: whole(self, "completed", *a))
            assert [name for name, passed in conformance(*asked).items() if not passed] == ["an answer cut off says so"]


def test_finished_step_is_handed_out():
    assert finished("step").__name__ == "step"
