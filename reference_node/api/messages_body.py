"""What a request in Anthropic's shape may say, and the same as a `ChatRequest`.

Unknown fields are ignored, at every level: its clients send beta fields by the dozen. What would be read but cannot be
(images, documents, results of tools that Anthropic runs) is refused by its type.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictFloat, StrictInt, ValidationInfo, model_validator

from mycellm_proto.content import (
    ChatRequest,
    Message,
    ReasoningEffort,
    ResponseFormat,
    Role,
    Sampling,
    Tool,
    ToolCall,
    ToolMode,
)
from mycellm_proto.limits import MAX_STOP_SEQUENCES, MAX_TOOLS

from .asking import consistent
from .chat_body import EFFORTS, Effort
from .checks import (
    IMAGE_PARTS,
    MAX_MESSAGES,
    MAX_PARTS,
    MAX_TOKENS,
    ModelId,
    Name,
    Stop,
    Strict,
    TopK,
    TopP,
    json_text,
    no_part,
    only,
    other_text,
    part_of,
    part_text,
    wrong,
)
from .sampling import millionths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..generation import ModelInfo

_BILLING = re.compile(r"x-anthropic-billing-header:", re.ASCII)
"""Claude Code's first system block; it differs in every request, so with it no prompt would begin like the last one."""
_DROPPED = ("thinking", "redacted_thinking")
"""Blocks of earlier turns that a model is not shown again."""
_THINKING_BUDGETS = ((2048, ReasoningEffort.LOW), (16_384, ReasoningEffort.MEDIUM))


def _block_texts(value: object, info: ValidationInfo) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        return
    if not isinstance(value, list):
        raise wrong("it is text or a list of blocks")
    if len(value) > MAX_PARTS:
        raise wrong(f"a message has at most {MAX_PARTS} blocks")
    for part in map(part_of, value):
        yield part_text(part) if part.get("type") == "text" else other_text(part, info)


def _joined(value: object, info: ValidationInfo) -> object:
    return None if value is None else "\n".join(_block_texts(value, info))


def _system(value: object, info: ValidationInfo) -> object:
    texts = [] if value is None else _block_texts(value, info)
    return "\n\n".join(text for text in texts if not _BILLING.match(text))


def _blocks(value: object, info: ValidationInfo) -> object:
    """The blocks of a message; text is one block, and a result's content is text."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if not isinstance(value, list):
        raise wrong("it is text or a list of blocks")
    if len(value) > MAX_PARTS:
        raise wrong(f"a message has at most {MAX_PARTS} blocks")
    blocks = (part for part in map(part_of, value) if part.get("type") not in _DROPPED)
    return [
        part if part.get("type") not in IMAGE_PARTS else {"type": "text", "text": other_text(part, info)}
        for part in blocks
    ]


class Block(Strict):
    """One block of a message."""

    type: str
    text: str | None = None
    id: Name | None = None
    name: Name | None = None
    input: dict[str, Any] | None = None
    tool_use_id: Name | None = None
    content: Annotated[str | None, BeforeValidator(_joined)] = None
    is_error: StrictBool | None = None

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        part = part_of(value)
        needed = {"text": ("text",), "tool_use": ("id", "name"), "tool_result": ("tool_use_id",)}
        if not isinstance(part.get("type"), str) or part["type"] not in needed:
            raise no_part(part)
        for name in needed[str(part["type"])]:
            if part.get(name) is None:
                raise wrong(f"a {part['type']} block has {name}")
        return value


class MessageBody(Strict):
    """One message. Some clients write instructions as messages of the system."""

    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Block], BeforeValidator(_blocks)]

    def messages(self) -> Iterator[Message]:
        """The message as it crosses: results of tools are messages of their own, before the text beside them."""
        calls, texts = [], []
        for block in self.content:
            if block.type == "tool_use":
                arguments = json_text(block.input or {}, "messages")
                calls.append(ToolCall(id=block.id or "", name=block.name or "", arguments=arguments))
            elif block.type == "tool_result":
                said = f"Error: {block.content or ''}" if block.is_error else block.content or ""
                yield Message(role=Role.TOOL, content=said, call_id=block.tool_use_id)
            elif not (self.role == "system" and _BILLING.match(block.text or "")):
                texts.append(block.text or "")
        role = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}[self.role]
        if texts or calls or not self.content:
            yield Message(role=role, content="\n".join(texts), calls=tuple(calls))


class ToolBody(Strict):
    """A tool; one without a schema is one that Anthropic or the client itself defines."""

    name: Name | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: StrictBool | None = None


class ToolChoice(Strict):
    """Which tools may be called."""

    type: Literal["auto", "any", "tool", "none"]
    name: Name | None = None
    disable_parallel_tool_use: StrictBool | None = None

    @model_validator(mode="after")
    def _whole(self) -> ToolChoice:
        if self.type == "tool" and self.name is None:
            raise wrong("a choice of type tool has a name")
        return self


class Thinking(Strict):
    """How long the model may think."""

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Annotated[StrictInt, Field(ge=0)] | None = None


class OutputFormat(Strict):
    """A schema that the answer obeys."""

    type: Literal["json_schema", "text"]
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class OutputConfig(Strict):
    """Form and effort of the answer."""

    effort: Effort | None = None
    format: OutputFormat | None = None


class CountBody(Strict):
    """The body of a count, and what it shares with a request for an answer."""

    model: ModelId
    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=MAX_MESSAGES)]
    system: Annotated[str, BeforeValidator(_system)] = ""
    tools: Annotated[list[ToolBody], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None

    def conversation(self) -> tuple[Message, ...]:
        """All messages, the instructions first."""
        first = [Message(role=Role.SYSTEM, content=self.system)] if self.system else []
        return (*first, *(each for message in self.messages for each in message.messages()))

    def offered(self) -> tuple[Tool, ...]:
        """The tools that a model here can call. Those without a schema are left out: nobody here runs them."""
        return tuple(
            Tool(
                name=tool.name,
                description=tool.description,
                parameters=json_text(tool.input_schema, f"tools[{index}]"),
                strict=tool.strict,
            )
            for index, tool in enumerate(self.tools or ())
            if tool.name is not None and tool.input_schema is not None
        )

    def choice(self) -> ToolMode | str | None:
        """The tool choice as it crosses."""
        if self.tool_choice is None:
            return None
        modes = {"auto": ToolMode.AUTO, "any": ToolMode.REQUIRED, "none": ToolMode.NONE}
        return self.tool_choice.name if self.tool_choice.type == "tool" else modes[self.tool_choice.type]

    def effort(self) -> ReasoningEffort | None:
        """How long the model thinks: what is said in words, else by the budget of tokens."""
        if self.thinking is not None and self.thinking.type == "disabled":
            return ReasoningEffort.NONE
        if self.output_config is not None and self.output_config.effort is not None:
            return EFFORTS[self.output_config.effort]
        if self.thinking is None:
            return None
        budget = self.thinking.budget_tokens
        if budget is None:
            return ReasoningEffort.MEDIUM
        return next((effort for most, effort in _THINKING_BUDGETS if budget <= most), ReasoningEffort.HIGH)

    def format(self) -> ResponseFormat | None:
        """The form of the answer as it crosses."""
        wanted = self.output_format or (self.output_config and self.output_config.format)
        if not wanted or wanted.type == "text" or wanted.json_schema is None:
            return None
        return ResponseFormat(schema=json_text(wanted.json_schema, "output_format"))


class MessagesBody(CountBody):
    """The body of a request for an answer."""

    max_tokens: Annotated[StrictInt, Field(ge=1)]
    stream: StrictBool | None = None
    stop_sequences: Annotated[list[Stop], Field(max_length=MAX_STOP_SEQUENCES)] | None = None
    temperature: Annotated[StrictFloat, Field(ge=0, le=1)] | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None
    mcp_servers: Annotated[object, only([])] = None

    @property
    def most_tokens(self) -> int:
        """Clamped and not refused: clients ask for what the largest models of their maker can do."""
        return min(self.max_tokens, MAX_TOKENS)

    def sampling(self) -> Sampling:
        """How tokens are drawn."""
        return Sampling(
            temperature=millionths(self.temperature),
            top_p=None if self.top_p is None else max(1, millionths(self.top_p) or 0),
            top_k=None if self.top_k is None else max(0, self.top_k),
        )


def request_of(
    body: CountBody, info: ModelInfo, *, max_tokens: int, deadline_ms: int, fields: Mapping[str, Any]
) -> ChatRequest:
    """What crosses to the engine or the peer. Raises `ApiError`."""
    tools = body.offered()
    parallel = None
    if tools and body.tool_choice is not None and body.tool_choice.disable_parallel_tool_use:
        parallel = False
    request = ChatRequest(
        model=info.id,
        messages=body.conversation(),
        max_tokens=max_tokens,
        deadline_ms=deadline_ms,
        tools=tools,
        tool_choice=body.choice() if tools else None,
        parallel_tool_calls=parallel,
        response_format=body.format(),
        reasoning_effort=body.effort(),
        **fields,
    )
    return consistent(request)
