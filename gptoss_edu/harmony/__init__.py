"""Harmony, the format that gpt-oss speaks: messages, rendering, parsing, streaming, constrained decoding.

    conversation = Conversation([Message("user", "What is 2 + 2?")])
    tokens = render(conversation)                                     # … <|start|>assistant
    messages = parse(sampled, role="assistant")                       # what the model answered

Source: OpenAI, "OpenAI harmony response format".
"""

from gptoss_edu.errors import HarmonyError

from .control import CONSTRAIN, ControlTokens, control_tokens, stop_tokens
from .messages import (
    CHANNELS,
    EFFORTS,
    ROLES,
    ChannelConfig,
    Conversation,
    DeveloperContent,
    Message,
    SystemContent,
    Text,
    ToolDescription,
    ToolNamespace,
)
from .parse import ParseReport, parse, parse_report
from .pieces import Begins, Ends, Piece, PieceReader, Repaired
from .render import SECTIONS, LabelledToken, render, render_labelled
from .sections import browser_tools, function_tools, python_tool, response_format
from .stream import Repair, StreamParser
from .template import as_chat_template
from .thoughts import kept_messages
from .typescript import typescript

__all__ = [
    "CHANNELS",
    "CONSTRAIN",
    "EFFORTS",
    "ROLES",
    "SECTIONS",
    "Begins",
    "ChannelConfig",
    "ControlTokens",
    "Conversation",
    "DeveloperContent",
    "Ends",
    "HarmonyError",
    "LabelledToken",
    "Message",
    "ParseReport",
    "Piece",
    "PieceReader",
    "Repair",
    "Repaired",
    "StreamParser",
    "SystemContent",
    "Text",
    "ToolDescription",
    "ToolNamespace",
    "as_chat_template",
    "browser_tools",
    "control_tokens",
    "function_tools",
    "kept_messages",
    "parse",
    "parse_report",
    "python_tool",
    "render",
    "render_labelled",
    "response_format",
    "stop_tokens",
    "typescript",
]
