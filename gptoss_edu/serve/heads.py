"""The preamble of a conversation, and the grammar of the answer."""

from __future__ import annotations

from gptoss_edu.harmony import (
    DeveloperContent,
    Message,
    SystemContent,
    ToolNamespace,
    function_tools,
    response_format,
)
from gptoss_edu.harmony.constrain import Constraint
from gptoss_edu.harmony.messages import Content
from gptoss_edu.tools import Toolbox

from .ask import Ask


def head_of(ask: Ask, toolbox: Toolbox, date: str | None) -> list[Message]:
    """Return the system message with built-in tools, and the developer message: instructions, functions, format."""
    namespaces = {name: ToolNamespace.from_dict(tool.config()) for name, tool in toolbox.tools.items()}
    system = SystemContent(reasoning_effort=ask.effort, conversation_start_date=date, tools=namespaces or None)
    functions = function_tools(ask.functions) if ask.functions else None
    contents: list[Content] = []
    if ask.instructions or functions:
        contents.append(DeveloperContent(ask.instructions or None, functions))
    if ask.format is not None:
        contents.append(response_format(ask.format.name, ask.format.schema, ask.format.description))
    return [Message("system", system)] + ([Message("developer", contents)] if contents else [])


def constraint_of(ask: Ask, demanded: bool) -> Constraint | None:
    """Return the grammar of the next sampling run; None if it is unconstrained.

    demanded : `tool_choice` requires a call that has not come yet; after a built-in one the turn may end
    """
    must = ask.choice == "required" and demanded
    headers = ask.recipients() if must or ask.callable is not None else [] if ask.choice == "none" else False
    if headers is False and ask.format is None and not ask.strict:
        return None
    final = None if ask.format is None else ask.format.grammar
    return Constraint(ask.encoding, final=final, calls=ask.strict, headers=headers, must_call=must)
