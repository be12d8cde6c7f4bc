"""What a request wants of a model, by name, for whoever has to refuse what it does not apply: INF-006, INF-041."""

from __future__ import annotations

from collections.abc import Iterator

from .content import ChatRequest, CompletionRequest, Content, EmbeddingRequest, Message, Role, ToolMode
from .content_codec import FIELDS, SAMPLING, SHAPES
from .fields import write_fields

OPERATION_KEY = 0
"""The key of the operation itself."""
_FINE = frozenset(
    (
        "messages.calls",
        "messages.name",
        "messages.reasoning",
        "prompt.tokens",
        "inputs.tokens",
        "tools.strict",
        "response_format.schema",
    )
)
FEATURES = _FINE | {field.name for shape in SHAPES.values() for field in shape.fields if field.optional}
"""Every name that `features` can give: the optional parameters, and parts of parameters that not every model does."""


def features(content: Content) -> Iterator[tuple[str, int]]:
    """What this request wants of a model, beyond text for text: (a name of `FEATURES`, its key in the content).

    What every model does by doing nothing is not among them: ``tool_choice`` AUTO or NONE, ``parallel_tool_calls``
    true, ``strict`` false.
    """
    match content:
        case ChatRequest():
            yield from ((name, 2) for name in _in_messages(content.messages))
            yield from ((name, 20) for name in _in_tools(content))
            if content.response_format is not None and content.response_format.schema is not None:
                yield "response_format.schema", 26
        case CompletionRequest(prompt=tuple()):
            yield "prompt.tokens", 2
        case EmbeddingRequest() if not all(isinstance(each, str) for each in content.inputs):
            yield "inputs.tokens", 2
    sampling = () if isinstance(content, EmbeddingRequest) else write_fields(SAMPLING, content.sampling)
    written = {*write_fields(FIELDS[content.operation], content), *sampling}
    for field in SHAPES[content.operation].fields:
        if field.optional and field.key in written and not _is_nothing(content, field.name):
            yield field.name, field.key


def _in_messages(messages: tuple[Message, ...]) -> Iterator[str]:
    if any(message.calls or message.role is Role.TOOL for message in messages):
        yield "messages.calls"
    if any(message.name is not None for message in messages):
        yield "messages.name"
    if any(message.reasoning is not None for message in messages):
        yield "messages.reasoning"


def _in_tools(request: ChatRequest) -> Iterator[str]:
    if any(tool.strict for tool in request.tools):
        yield "tools.strict"


def _is_nothing(content: Content, name: str) -> bool:
    """Whether the parameter asks for what happens anyway."""
    if name == "tool_choice":
        return getattr(content, name) in (ToolMode.AUTO, ToolMode.NONE)
    return name == "parallel_tool_calls" and getattr(content, name)
