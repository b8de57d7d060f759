"""Test the server with the Python agents SDK, through the Responses API and Chat Completions."""

import asyncio
import sys

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    handoff,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from pydantic import BaseModel

set_tracing_disabled(True)
CLIENT = AsyncOpenAI(base_url=f"{sys.argv[1]}/v1", api_key="unused", max_retries=0)
GIVEN = []


@function_tool
def add(a: int) -> str:
    """Adds."""
    GIVEN.append(a)
    return "two"


class Number(BaseModel):
    n: int


async def main() -> None:
    for api, kind in (("responses", OpenAIResponsesModel), ("chat", OpenAIChatCompletionsModel)):
        model = kind("scripted", openai_client=CLIENT)
        agent = Agent(name="Assistant", instructions="Use the tool.", model=model, tools=[add])

        def say(what: str, api=api) -> None:
            print(f"agents (Python), {api}: {what}", flush=True)

        GIVEN.clear()
        done = await Runner.run(agent, "use the tool")
        assert done.final_output == "It is two." and GIVEN == [1], (done.final_output, GIVEN)
        say("a tool")
        again = await Runner.run(agent, [*done.to_input_list(), {"role": "user", "content": "plain"}])
        assert again.final_output == "Hello there.", again.final_output
        say("a second turn")
        streamed = Runner.run_streamed(agent, "use the tool")
        async for _ in streamed.stream_events():
            pass
        assert streamed.final_output == "It is two.", streamed.final_output
        say("streamed")
        typed = Agent(name="Typed", model=model, output_type=Number)
        found = await Runner.run(typed, "plain")
        assert isinstance(found.final_output, Number), found.final_output
        say("a typed answer")
        other = Agent(name="Other", instructions="You are another.", model=model)
        first = Agent(name="First", model=model, handoffs=[handoff(other)])
        passed = await Runner.run(first, "hand over")
        assert passed.last_agent.name == "Other" and passed.final_output == "Hello there.", passed
        say("a handoff")


asyncio.run(main())
