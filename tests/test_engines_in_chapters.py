"""Run chapters with another engine: one line of one cell changes, and all other cells run as they are."""

import contextlib
import io
import json
import re
from pathlib import Path
from random import Random
from unittest.mock import patch

import nbformat
import pytest
from test_notebooks import code_cells, needed

from gptoss_edu import generate, generate_batch, load_model, trace
from gptoss_edu.agent.chat import Chat
from gptoss_edu.engines import open_engine
from gptoss_edu.engines.pool import Pool
from gptoss_edu.engines.sampler import ModelSampler
from gptoss_edu.errors import GptOssError
from gptoss_edu.evals.answering import answer, complete
from gptoss_edu.evals.formats import ask_all
from gptoss_edu.harmony import parse
from gptoss_edu.harmony.constrain import Constraint, json_schema
from gptoss_edu.harmony.question import question_tokens
from gptoss_edu.serve.running import in_background
from gptoss_edu.serve.web import Server
from gptoss_edu.tasks.mix import make_example

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
CHOICE = re.compile(r"^(model|tiny|engine) = (gptoss_edu\.load_model|load_model|model)\(?\)?( .*)?$", re.M)
CHOOSE = {"12": "12-11", "13": "c13-58", "14": "14-39", "15": "15-10", "20": "20-35", "22": "22-02"}


def notebook(number: str):
    return nbformat.read(next(NOTEBOOKS.glob(f"{number}_*.ipynb")), as_version=4)


def run(number: str, engine, last: str) -> str:
    """Return what the cell `last` prints after the cells it needs; the engine goes where the chapter chooses one."""
    names, cells = {"ENGINE": engine, "__name__": "__main__"}, code_cells(notebook(number))
    at = {cell.id: position for position, cell in enumerate(cells)}
    chosen = needed(cells, {at[last]})
    assert at[CHOOSE[number]] in chosen, "what is asked for depends on the engine"
    for cell in (cells[position] for position in chosen if position <= at[last]):
        source, here = CHOICE.subn(r"\1 = ENGINE", cell.source) if cell.id == CHOOSE[number] else (cell.source, 0)
        assert here == (cell.id == CHOOSE[number]), "the chapter chooses in one line"
        said = io.StringIO()
        with contextlib.redirect_stdout(said), patch("IPython.display.display"):
            exec(compile(source, f"chapter {number}, cell {cell.id}", "exec"), names)
    return said.getvalue()


def stored(number: str, cell: str) -> str:
    cell = next(one for one in notebook(number).cells if one.get("id") == cell)
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.fixture(scope="module")
def transformers():
    pytest.importorskip("transformers")
    with contextlib.closing(open_engine("transformers", temperature=0.0)) as engine:
        yield engine


@pytest.fixture(scope="module")
def served():
    """Start this package's own server, which is asked by token ids."""
    with in_background(Server(Pool(load_model(), rows=4), "gpt-oss-tiny")) as url:
        engine = open_engine("endpoint", url=f"{url}/v1", temperature=0.0)
        assert engine.by_ids
        yield engine


@pytest.mark.parametrize("number", CHOOSE)
def test_each_of_these_chapters_chooses_its_engine_in_one_line(number):
    cells = [cell for cell in notebook(number).cells if cell.cell_type == "code" and "open_engine" in cell.source]
    assert [cell.id for cell in cells] == [CHOOSE[number]]
    assert len(CHOICE.findall(cells[0].source)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transformers", "served"])
def test_chapter_12_prints_the_same_whoever_computes(name, request):
    """Greedily, and by token ids, the model answers what is stored."""
    assert run("12", request.getfixturevalue(name), "12-52") == stored("12", "12-52") != ""


@pytest.mark.slow
def test_chapter_13_ends_in_the_same_conversation_with_a_server(served):
    assert run("13", served, "c13-58") == stored("13", "c13-58") != ""


@pytest.mark.slow
def test_another_implementation_is_constrained_to_a_schema(transformers):
    """As in chapter 14, a rule changes the logits that transformers computed."""
    schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 9}}, "required": ["city"]}
    encoding = transformers.encoding
    prompt = question_tokens("What is the capital of Norway?", "low", encoding)
    rule = Constraint(encoding, final=json_schema(schema))
    tokens = list(generate(transformers, prompt, 60, temperature=1.0, seed=1, logits_processor=rule))
    (said,) = [m for m in parse(tokens, strict=True, encoding=encoding, role="assistant") if m.channel == "final"]
    assert json.loads(said.text).keys() == {"city"}


@pytest.mark.slow
def test_whatever_samples_takes_an_engine(served):
    """Each way in which the chapters sample gives the same greedy text as with the model."""
    model = load_model()
    asked = [question_tokens(f"What is {a} plus 30?", "low", model.tokenizer) for a in (12, 41)]
    assert list(generate(served, asked[0], 60)) == list(generate(model, asked[0], 60))
    assert [s.tokens for s in generate_batch(served, asked, 60)] == [s.tokens for s in generate_batch(model, asked, 60)]
    assert complete(served, asked, 60) == complete(model, asked, 60)
    examples = [make_example(Random(i), "addition", effort="low", split="test") for i in range(2)]
    assert [o.text for o in answer(served, examples)] == [o.text for o in answer(model, examples)]
    assert ask_all(served, ["What is 12 plus 30?"]) == ask_all(model, ["What is 12 plus 30?"])
    chats = (Chat(ModelSampler(one, temperature=0.0), (), model.tokenizer) for one in (served, model))
    said = [list(chat.say("What is 2 + 3?")) for chat in chats]
    assert str(said[0][-1]) == str(said[1][-1])


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (
            lambda e: trace.record(e, [1, 2]),
            "endpoint: expected a model with .* only continues prompts .traces: no",
        ),
        (lambda e: e([1, 2]), "expected a model with logits of every position"),
        (lambda e: list(generate(e, [1, 2], 3, logits_processor=lambda g, x: x)), "supports structured"),
        (lambda e: list(generate(e, [1, 2], 3, top_k=3)), "expected no top_k"),
        (lambda e: e.new_cache(1, 9), "'new_cache'"),
    ],
)
def test_what_an_engine_lacks_is_said_by_name(served, use, words):
    with pytest.raises(GptOssError, match=words):
        use(served)
    assert not hasattr(served, "new_cache") and served.temperature == 0.0
