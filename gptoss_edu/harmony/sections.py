"""The text of system and developer messages, and the two tools that the models were trained with.

Source: OpenAI, "OpenAI harmony response format", sections System message format and Developer message format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .messages import DeveloperContent, SystemContent, Text, ToolDescription, ToolNamespace
from .typescript import compact_json, typescript

FUNCTIONS = "functions"


def system_text(content: SystemContent, has_functions: bool = False) -> str:
    """Write the system text: identity, cutoff and date; effort; built-in tools; channels.

    Parameters
    ----------
    has_functions : the developer message offers functions, which the channel line then mentions.
    """
    head = [content.model_identity]
    if content.knowledge_cutoff is not None:
        head.append(f"Knowledge cutoff: {content.knowledge_cutoff}")
    if content.conversation_start_date is not None:
        head.append(f"Current date: {content.conversation_start_date}")
    head = [line for line in head if line is not None]
    sections = ["\n".join(head)] if head else []
    if content.reasoning_effort is not None:
        sections.append(f"Reasoning: {content.reasoning_effort}")
    if content.tools:
        sections.append(tools_text(content.tools))
    channels = content.channel_config
    if channels is not None and channels.valid_channels:
        line = f"# Valid channels: {', '.join(channels.valid_channels)}."
        if channels.channel_required:
            line += " Channel must be included for every message."
        if has_functions:
            line += f"\nCalls to these tools must go to the commentary channel: '{FUNCTIONS}'."
        sections.append(line)
    return "\n\n".join(sections)


def developer_text(content: DeveloperContent) -> str:
    """Write the developer text: instructions, then functions."""
    sections = [] if content.instructions is None else ["# Instructions", content.instructions]
    if content.tools:
        sections.append(tools_text(content.tools))
    return "\n\n".join(sections)


def tools_text(tools: Mapping[str, ToolNamespace]) -> str:
    """Return the `# Tools` section, namespaces in the order of their keys."""
    return "\n\n".join(["# Tools", *(_namespace_text(tools[key]) for key in sorted(tools))])


def response_format(name: str, schema: Any, description: str | None = None) -> Text:
    """Return the `# Response Formats` section, which asks for an answer that fits a schema.

    It is a separate content that belongs after the developer content:
    `Message("developer", [DeveloperContent(instructions), response_format("city", schema)])`. A schema in the prompt
    only asks; `gptoss_edu.harmony.constrain` enforces it.
    """
    about = "" if description is None else f"// {description}\n"
    return Text(f"\n\n# Response Formats\n\n## {name}\n\n{about}{compact_json(schema)}")


def function_tools(tools: list[ToolDescription] | tuple[ToolDescription, ...]) -> dict[str, ToolNamespace]:
    """Return a developer's functions in the form that DeveloperContent expects."""
    return {FUNCTIONS: ToolNamespace(FUNCTIONS, None, tuple(tools))}


def has_functions(messages) -> bool:
    """Return whether any developer message offers functions."""
    for message in messages:
        for content in message.content:
            if isinstance(content, DeveloperContent) and content.tools:
                namespace = content.tools.get(FUNCTIONS)
                if namespace is not None and namespace.tools:
                    return True
    return False


def _lines(text: str) -> list[str]:
    """Split at line feeds, which are removed; no empty last line."""
    lines = text.split("\n")
    last = lines.pop()
    return [line.removesuffix("\r") for line in lines] + ([last] if last else [])


def _namespace_text(namespace: ToolNamespace) -> str:
    comment = "// " if namespace.tools else ""
    lines = [f"## {namespace.name}\n"]
    lines += [comment + line for line in _lines(namespace.description or "")]
    if namespace.tools:
        lines.append(f"namespace {namespace.name} {{\n")
        for tool in namespace.tools:
            lines += [f"// {line}" for line in _lines(tool.description)]
            arguments = "" if tool.parameters is None else f"_: {typescript(tool.parameters)}"
            lines.append(f"type {tool.name} = ({arguments}) => any;\n")
        lines.append(f"}} // namespace {namespace.name}")
    return "\n".join(lines)


def browser_tools(source: str = "web") -> ToolNamespace:
    """Return the browser that the models were trained with: search, open, find. `source`: where its pages come from."""
    number = {"type": "number", "default": -1}
    text: dict = {"type": "string"}
    search = {"query": text, "topn": {"type": "number", "default": 10}, "source": text}
    target = {"id": {"type": ["number", "string"], "default": -1}, "cursor": number, "loc": number, "num_lines": number}
    target |= {"view_source": {"type": "boolean", "default": False}, "source": text}
    find = {"pattern": text, "cursor": number}
    return ToolNamespace(
        "browser",
        _BROWSER.replace("SOURCE", source),
        (
            ToolDescription("search", _SEARCH, {"type": "object", "properties": search, "required": ["query"]}),
            ToolDescription("open", _OPEN, {"type": "object", "properties": target}),
            ToolDescription("find", _FIND, {"type": "object", "properties": find, "required": ["pattern"]}),
        ),
    )


def python_tool(seconds: float = 120.0, folder: str = "/mnt/data") -> ToolNamespace:
    """Return the Python tool that the models were trained with; it takes code, not JSON, so it lists no functions.

    seconds : after which a call times out; folder : where the code can keep files
    """
    return ToolNamespace("python", _PYTHON.format(seconds=seconds, folder=folder))


# The wording below is part of the format: the models were trained on exactly these sentences.
_BROWSER = """Tool for browsing.
The `cursor` appears in brackets before each browsing display: `[{cursor}]`.
Cite information from the tool using the following format:
`【{cursor}†L{line_start}(-L{line_end})?】`, for example: `【6†L9-L11】` or `【8†L3】`.
Do not quote more than 10 words directly from the tool output.
sources=SOURCE (default: SOURCE)"""
_SEARCH = "Searches for information related to `query` and displays `topn` results."
_OPEN = """Opens the link `id` from the page indicated by `cursor` starting at line number `loc`, showing `num_lines` \
lines.
Valid link ids are displayed with the formatting: `【{id}†.*】`.
If `cursor` is not provided, the most recent page is implied.
If `id` is a string, it is treated as a fully qualified URL associated with `source`.
If `loc` is not provided, the viewport will be positioned at the beginning of the document or centered on the most \
relevant passage, if available.
Use this function without `id` to scroll to a new location of an opened page."""
_FIND = "Finds exact matches of `pattern` in the current page, or the page given by `cursor`."
_PYTHON = """Use this tool to execute Python code in your chain of thought. The code will not be shown to the user. \
This tool should be used for internal reasoning, but not for code that is intended to be visible to the user \
(e.g. when creating plots, tables, or files).

When you send a message containing Python code to python, it will be executed in a stateful Jupyter notebook \
environment. python will respond with the output of the execution or time out after {seconds:.1f} seconds. The drive \
at \
'{folder}' can be used to save and persist user files. Internet access for this session is UNKNOWN. \
Depends on the cluster."""
