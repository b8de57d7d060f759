"""Test developer functions: descriptions from signatures, checked calls, errors that a model can act on."""

import enum
import functools
import json
from typing import Annotated, Literal

import jsonschema
import pydantic
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from gptoss_edu.errors import GptOssError
from gptoss_edu.tools import FunctionTool, Toolbox, ToolError, from_callable, from_schema


class Unit(enum.Enum):
    celsius = "celsius"
    fahrenheit = "fahrenheit"


class Place(pydantic.BaseModel):
    city: str
    title: str = "none"


class Tree(pydantic.BaseModel):
    value: int
    children: list["Tree"] = []


def weather(place: Place, days: Annotated[int, pydantic.Field(ge=1, le=14)] = 3, unit: Unit = Unit.celsius):
    """Get the weather.

    Only for cities.

    Parameters
    ----------
    place : Place
        Where to look.
    days : int
        How many days,
        at most 14.
    unit
        The scale.

    Returns
    -------
    dict
    """
    return {"city": place.city, "days": days, "unit": unit}


@pytest.fixture
def tool():
    def divide(a: float, b: float) -> float:
        """Divide a by b."""
        return a / b

    lookup = from_schema(
        "lookup",
        "Look up.",
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
        lambda n: n * 2,
    )
    return FunctionTool([weather, divide, lookup])


def test_schema_from_signature_and_docstring():
    function = from_callable(weather)
    assert function.description == "Get the weather.\n\nOnly for cities."
    properties = function.parameters["properties"]
    assert function.parameters["required"] == ["place"]
    assert properties["days"] == {
        "type": "integer", "default": 3, "minimum": 1, "maximum": 14, "description": "How many days, at most 14.",
    }  # fmt: skip
    assert properties["unit"] == {
        "type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius", "description": "The scale.",
    }  # fmt: skip
    # References are resolved, generated titles are removed, and a property named "title" stays.
    assert properties["place"]["properties"] == {
        "city": {"type": "string"},
        "title": {"type": "string", "default": "none"},
    }
    assert "$" not in json.dumps(function.parameters)


def test_docstring_styles():
    def google(a: int, b: str = "x"):
        """Do it.

        Args:
            a (int): the first
                goes on
            b: the second: with a colon

        Returns:
            nothing
        """

    def fields(a: int, b: str = "x"):
        """Do it.

        :param int a: the first
            goes on
        :param b: the second: with a colon
        :returns: nothing
        """

    for function in (google, fields):
        described = from_callable(function)
        assert described.description == "Do it."
        texts = {name: schema["description"] for name, schema in described.parameters["properties"].items()}
        assert texts == {"a": "the first goes on", "b": "the second: with a colon"}


def test_recursive_types_keep_their_reference():
    def depth(tree: Tree) -> int:
        return 1 + max(map(depth, tree.children), default=0)

    tool = FunctionTool([depth])
    parameters = tool.functions["depth"].parameters
    jsonschema.Draft202012Validator.check_schema(parameters)
    nested = {"tree": {"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]}}
    jsonschema.validate(nested, parameters)
    assert tool.call("functions.depth", json.dumps(nested)).text == "3"


def test_reserved_words_as_parameters():
    def odd(schema: str, model_config: int = 1, copy: bool = False):
        return [schema, model_config, copy]

    tool = FunctionTool([odd])
    assert tool.call("functions.odd", '{"schema": "s", "copy": true}').text == '["s",1,true]'


def test_good_calls(tool):
    assert json.loads(tool.call("functions.weather", '{"place": {"city": "Rome"}}').text) == {
        "city": "Rome", "days": 3, "unit": "celsius",
    }  # fmt: skip
    assert tool.call("functions.divide", '{"a": 1, "b": 4}').text == "0.25"
    assert tool.call("functions.lookup", json.dumps('{"n": 4}')).text == "8", "arguments encoded twice are accepted"


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        (
            "weather",
            '{"place": {"cit": "Rome"}, "days": 20, "sky": 1}',
            ["`place.city`: required", "14; found 20", "`sky`: there is no", "place, days, unit"],
        ),
        ("weather", '{"place": ', ["not JSON", "character"]),
        ("weather", "[1]", ["JSON object", "an array"]),
        ("weather", '{"place": {"city": "Rome"}, "unit": "kelvin"}', ["`unit`", "celsius", "kelvin"]),
        ("lookup", '{"n": "four"}', ["`n`", "integer", "four"]),
        ("lookup", "{}", ["n", "required"]),
        ("divide", '{"a": 1, "b": 0}', ["divide failed", "ZeroDivisionError"]),
        ("nothing", "{}", ["no function 'nothing'", "weather, divide, lookup"]),
    ],
)  # fmt: skip
def test_mistakes_are_explained(tool, call, arguments, expected):
    result = tool.call(f"functions.{call}", arguments)
    assert result.error
    for part in expected:
        assert part in result.text
    assert "Traceback" not in result.text and len(result.text) < 1000


def test_a_function_that_would_end_the_program_only_fails():
    def leave():
        raise SystemExit(3)

    result = FunctionTool([leave]).call("functions.leave", "{}")
    assert result.error and result.text == "leave failed: SystemExit: 3"


@examples(100)
@given(st.text(max_size=60))
def test_any_argument_text_gets_an_answer(text):
    def f(a: int, b: Literal["x", "y"] = "x"):
        return a

    assert FunctionTool([f]).call("functions.f", text).author == "functions.f"


def test_definitions_that_cannot_work_are_refused():
    def untyped(a):
        pass

    def star(*a: int):
        pass

    async def later(a: int):
        pass

    def strange(a: slice):
        pass

    def misspelt(a: "int |"):  # noqa: F722
        pass

    def nowhere(a: "functools.nothing"):
        pass

    for function, word in (
        (nowhere, "nowhere: its parameters or their annotations"),
        (strange, "strange: expected parameters that JSON can hold"),
        (misspelt, "misspelt: its parameters or their annotations"),
        (functools.partial(star), "function name"),
        (untyped, "annotate"),
        (star, "named parameters"),
        (later, "coroutine"),
        (lambda: 1, "name"),
    ):
        with pytest.raises(GptOssError, match=word):
            from_callable(function)
    with pytest.raises(GptOssError, match="JSON Schema"):
        from_schema("f", "", {"type": "strin"}, print)
    with pytest.raises(GptOssError, match="two called"):
        FunctionTool([weather, weather])


def test_toolbox_finds_tools_and_names_those_there_are(tool):
    box = Toolbox([tool])
    assert box.recipients() == ["functions.weather", "functions.divide", "functions.lookup"]
    assert box.call("lookup", '{"n": 1}').text == "2", "a name without its namespace, where it is the only one"
    wrong = box.call("functions_lookup", "{}")
    assert wrong.error and "functions.lookup" in wrong.text
    with pytest.raises(ToolError):
        box.find("browser.search")


def test_long_results_are_shortened():
    result = FunctionTool([from_schema("f", "", None, lambda: "x" * 10**6)]).call("functions.f", "")
    assert len(result.text) < 21_000 and "left out" in result.text
