"""Messages and conversations, which harmony renders and parsing returns.

A message has an author (a role and sometimes a name), a channel, a recipient, a content type and a list of contents.
Everything here is immutable, so a message can keep the token ids that it was parsed from. Changing a message creates a
new one without ids, so ids never go stale.

Source: OpenAI, "OpenAI harmony response format", sections Roles, Channels and Receiving tool calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gptoss_edu.errors import HarmonyError

ROLES = ("system", "developer", "user", "assistant", "tool")  # in order of authority
CHANNELS = ("analysis", "commentary", "final")
EFFORTS = ("low", "medium", "high")
DEFAULT_IDENTITY = "You are ChatGPT, a large language model trained by OpenAI."
DEFAULT_CUTOFF = "2024-06"


@dataclass(frozen=True)
class Text:
    """Ordinary text: never a control token, whatever it spells."""

    text: str

    def to_dict(self) -> dict[str, Any]:
        return {"type": "text", "text": self.text}


@dataclass(frozen=True)
class ToolDescription:
    """A tool as the model sees it: a name, a description, and a JSON Schema of its arguments (None: no arguments)."""

    name: str
    description: str
    parameters: Any = None

    def to_dict(self) -> dict[str, Any]:
        return _without_none(name=self.name, description=self.description, parameters=self.parameters)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ToolDescription:
        _expect_mapping(raw, "a tool")
        return cls(_need(raw, "name", str, "a tool"), _need(raw, "description", str, "a tool"), raw.get("parameters"))


@dataclass(frozen=True)
class ToolNamespace:
    """Tools in one namespace, such as `functions`, `browser` or `python`."""

    name: str
    description: str | None = None
    tools: tuple[ToolDescription, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "tools", tuple(self.tools))

    def to_dict(self) -> dict[str, Any]:
        tools = [tool.to_dict() for tool in self.tools]
        return _without_none(name=self.name, description=self.description, tools=tools)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ToolNamespace:
        _expect_mapping(raw, "a tool namespace")
        tools = _need(raw, "tools", list, "a tool namespace")
        name = _need(raw, "name", str, "a tool namespace")
        return cls(name, _optional(raw, "description"), tuple(map(ToolDescription.from_dict, tools)))


@dataclass(frozen=True)
class ChannelConfig:
    """The channels that the system message lists, and whether every message must name one."""

    valid_channels: tuple[str, ...] = CHANNELS
    channel_required: bool = True

    def __post_init__(self):
        object.__setattr__(self, "valid_channels", tuple(self.valid_channels))

    def to_dict(self) -> dict[str, Any]:
        return {"valid_channels": list(self.valid_channels), "channel_required": self.channel_required}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ChannelConfig:
        _expect_mapping(raw, "channel_config")
        channels = _need(raw, "valid_channels", list, "channel_config")
        return cls(tuple(channels), _need(raw, "channel_required", bool, "channel_config"))


@dataclass(frozen=True)
class SystemContent:
    """The content of the system message. Parts that are None are left out.

    The date is an argument and never defaults to today: a conversation must render the same tomorrow.
    `reasoning_effort` is "low", "medium" or "high"; it has an effect only here, in the system message.
    """

    model_identity: str | None = DEFAULT_IDENTITY
    reasoning_effort: str | None = "medium"
    conversation_start_date: str | None = None
    knowledge_cutoff: str | None = DEFAULT_CUTOFF
    channel_config: ChannelConfig | None = ChannelConfig()
    tools: Mapping[str, ToolNamespace] | None = None

    def __post_init__(self):
        object.__setattr__(self, "tools", _namespaces(self.tools))
        if self.reasoning_effort is not None:
            effort = str(getattr(self.reasoning_effort, "value", self.reasoning_effort)).lower()
            if effort not in EFFORTS:
                raise HarmonyError(f"reasoning effort {effort!r}: expected one of {', '.join(EFFORTS)}, or None.")
            object.__setattr__(self, "reasoning_effort", effort)

    def to_dict(self) -> dict[str, Any]:
        effort = None if self.reasoning_effort is None else self.reasoning_effort.capitalize()
        return _without_none(
            model_identity=self.model_identity,
            reasoning_effort=effort,
            conversation_start_date=self.conversation_start_date,
            knowledge_cutoff=self.knowledge_cutoff,
            channel_config=None if self.channel_config is None else self.channel_config.to_dict(),
            tools=_namespaces_to_dict(self.tools),
            type="system_content",
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> SystemContent:
        """Read openai-harmony's JSON: a missing key means None, since its to_dict() leaves None out."""
        channels = raw.get("channel_config")
        return cls(
            _optional(raw, "model_identity"),
            _optional(raw, "reasoning_effort"),
            _optional(raw, "conversation_start_date"),
            _optional(raw, "knowledge_cutoff"),
            None if channels is None else ChannelConfig.from_dict(channels),
            _namespaces_from_dict(raw.get("tools")),
        )


@dataclass(frozen=True)
class DeveloperContent:
    """Instructions, and the tools that the developer offers."""

    instructions: str | None = None
    tools: Mapping[str, ToolNamespace] | None = None

    def __post_init__(self):
        object.__setattr__(self, "tools", _namespaces(self.tools))

    def to_dict(self) -> dict[str, Any]:
        return _without_none(
            instructions=self.instructions, tools=_namespaces_to_dict(self.tools), type="developer_content"
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> DeveloperContent:
        return cls(_optional(raw, "instructions"), _namespaces_from_dict(raw.get("tools")))


Content = Text | SystemContent | DeveloperContent
_CONTENT_TYPES: dict[str, Any] = {"text": None, "system_content": SystemContent, "developer_content": DeveloperContent}


@dataclass(frozen=True)
class Message:
    """One message.

    Parameters
    ----------
    role : one of ROLES.
    content : a string, one content, or a list of them; kept as a tuple of contents.
    channel : "analysis", "commentary", "final", or whatever the system message allows.
    recipient : the tool to call ("functions.get_weather"), or the author to answer ("assistant").
    content_type : "json", "<|constrain|>json", "code" …; a leading "<|constrain|>" is rendered as that control token.
    name : a tool's name, if the role is "tool"; otherwise the author's name, rendered "user:name".

    `source` holds (encoding's name, token ids) if the message was parsed from tokens, else None. It is ignored
    in comparisons, and dataclasses.replace() drops it.
    """

    role: str
    content: tuple[Content, ...] = ()
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None
    name: str | None = None
    source: tuple[str, tuple[int, ...]] | None = field(default=None, init=False, compare=False, repr=False)

    if TYPE_CHECKING:  # what __post_init__ accepts

        def __init__(
            self,
            role: str,
            content: str | Content | Sequence[str | Content] = (),
            channel: str | None = None,
            recipient: str | None = None,
            content_type: str | None = None,
            name: str | None = None,
        ): ...

    def __post_init__(self):
        role = getattr(self.role, "value", self.role)
        if role not in ROLES:
            raise HarmonyError(f"role {role!r}: expected one of {', '.join(ROLES)}.")
        object.__setattr__(self, "role", role)
        content = self.content
        if isinstance(content, str):
            content = (Text(content),)
        elif isinstance(content, Content):
            content = (content,)
        elif not isinstance(content, list | tuple):
            raise HarmonyError(
                f"content of a message is {type(content).__name__}: expected text or contents; arguments are JSON text,"
                " written once with json.dumps."
            )
        object.__setattr__(self, "content", tuple(Text(c) if isinstance(c, str) else c for c in content))

    @property
    def text(self) -> str:
        """The message's plain text (system and developer contents are left out; the renderer writes those)."""
        return "".join(content.text for content in self.content if isinstance(content, Text))

    def to_dict(self) -> dict[str, Any]:
        out = {"role": self.role, "name": self.name, "content": [content.to_dict() for content in self.content]}
        out |= _without_none(channel=self.channel, recipient=self.recipient, content_type=self.content_type)
        return out

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Message:
        """Read one message of openai-harmony's JSON; content may be a string.

        Raises
        ------
        HarmonyError : names the key, what was expected and what was found.
        """
        _expect_mapping(raw, "a message")
        role = getattr(raw.get("role"), "value", raw.get("role"))
        if "content" not in raw:
            raise HarmonyError("a message has no 'content': expected a string or a list of contents.")
        content = raw["content"]
        if not isinstance(content, str):
            if not isinstance(content, list | tuple):
                raise HarmonyError(f"'content' of a message: expected a string or a list, found {content!r:.60}.")
            content = tuple(map(_content_from_dict, content))
        fields = {key: _optional(raw, key) for key in ("channel", "recipient", "content_type", "name")}
        return cls(role, content, **fields)


@dataclass(frozen=True)
class Conversation:
    """Messages in order."""

    messages: tuple[Message, ...] = ()

    if TYPE_CHECKING:

        def __init__(self, messages: Iterable[Message] = ()): ...

    def __post_init__(self):
        object.__setattr__(self, "messages", tuple(self.messages))

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    def __len__(self) -> int:
        return len(self.messages)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON that openai-harmony's Conversation.to_dict() writes."""
        return {"messages": [message.to_dict() for message in self.messages]}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Conversation:
        _expect_mapping(raw, "a conversation")
        return cls(tuple(map(Message.from_dict, _need(raw, "messages", list, "a conversation"))))


def as_messages(conversation: Conversation | Iterable[Message]) -> tuple[Message, ...]:
    """Return the messages of a conversation, or of a plain iterable of messages."""
    messages = conversation.messages if isinstance(conversation, Conversation) else tuple(conversation)
    for message in messages:
        if not isinstance(message, Message):
            raise HarmonyError(
                f"a conversation holds {type(message).__name__}: expected Message; dictionaries are read by "
                "Conversation.from_dict."
            )
    return messages


def _without_none(**items: Any) -> dict[str, Any]:
    return {key: value for key, value in items.items() if value is not None}


def _expect_mapping(raw: Any, what: str) -> None:
    if not isinstance(raw, Mapping):
        raise HarmonyError(f"{what}: expected a JSON object, found {type(raw).__name__}: {raw!r:.60}.")


def _need(raw: Mapping[str, Any], key: str, kind: type, what: str) -> Any:
    value = raw.get(key)
    if not isinstance(value, kind):
        found = f"found {value!r:.60}" if key in raw else "it is missing"
        raise HarmonyError(f"{key!r} of {what}: expected {kind.__name__}, {found}.")
    return value


def _optional(raw: Mapping[str, Any], key: str) -> str | None:
    value = raw.get(key)
    if value is not None and not isinstance(value, str):
        raise HarmonyError(f"{key!r}: expected a string or nothing, found {value!r:.60}.")
    return value


def _content_from_dict(raw: Any) -> Content:
    _expect_mapping(raw, "a content")
    kind = raw.get("type")
    if kind not in _CONTENT_TYPES:
        raise HarmonyError(f"content of type {kind!r}: expected one of {', '.join(_CONTENT_TYPES)}.")
    if kind == "text":
        return Text(_need(raw, "text", str, "a text content"))
    return _CONTENT_TYPES[kind].from_dict(raw)


def _namespaces(tools: Any) -> dict[str, ToolNamespace] | None:
    """Return tools as name → namespace, from a dictionary or a list of namespaces."""
    if tools is None or isinstance(tools, Mapping):
        return None if tools is None else dict(tools)
    return {namespace.name: namespace for namespace in tools}


def _namespaces_to_dict(tools: Mapping[str, ToolNamespace] | None) -> dict[str, Any] | None:
    return None if tools is None else {name: namespace.to_dict() for name, namespace in tools.items()}


def _namespaces_from_dict(raw: Any) -> dict[str, ToolNamespace] | None:
    if raw is None:
        return None
    _expect_mapping(raw, "'tools'")
    return {name: ToolNamespace.from_dict(namespace) for name, namespace in raw.items()}
