"""What a chat completion may say: bounds, and the names of what is refused.

Every parameter that OpenAI documents is served, or refused by its name (`REFUSED`), or listed in `WITHOUT_EFFECT`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, model_validator

from mycellm_proto.content import (
    Message,
    ReasoningEffort,
    ResponseFormat,
    Role,
    Tool,
    ToolCall,
    ToolMode,
)
from mycellm_proto.limits import MAX_CALLS, MAX_TOOLS, MAX_TOP_LOGPROBS

from .checks import MAX_MESSAGES, ModelId, Name, Strict, Text, TokenCount, invalid, json_text, only, wrong
from .sampling import SamplingBody

if TYPE_CHECKING:
    from collections.abc import Mapping

_ONE: tuple[object, ...] = (1, 1.0)
_ZERO: tuple[object, ...] = (0, 0.0)

REFUSED: Mapping[str, tuple[object, ...]] = {
    "functions": ([],),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "best_of": (1,),
    "min_tokens": (0,),
    "typical_p": _ONE,
    "mirostat": _ZERO,
    "ignore_eos": (False,),
    "guided_json": (),
    "guided_regex": (),
    "guided_choice": (),
    "guided_grammar": (),
    "grammar": ("",),
}
"""Parameters that are not served, each with the values that ask for nothing (null always does)."""

WITHOUT_EFFECT = (
    "metadata",
    "user",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "verbosity",
)
"""OpenAI's parameters about its own service, and a hint: accepted, and without effect on a node of one's own."""

EFFORTS = {
    "none": ReasoningEffort.NONE,
    "minimal": ReasoningEffort.MINIMAL,
    "low": ReasoningEffort.LOW,
    "medium": ReasoningEffort.MEDIUM,
    "high": ReasoningEffort.HIGH,
    "xhigh": ReasoningEffort.EXTRA_HIGH,
    "max": ReasoningEffort.EXTRA_HIGH,
}
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
MODES = {"none": ToolMode.NONE, "auto": ToolMode.AUTO, "required": ToolMode.REQUIRED}
_ROLES = {
    "system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT, "tool": Role.TOOL,
}  # fmt: skip


class FunctionCall(Strict):
    """A call as the model wrote it."""

    name: Name
    arguments: str


class CallBody(Strict):
    """A tool call of an earlier answer."""

    id: Name
    type: Literal["function"] = "function"
    function: FunctionCall


class MessageBody(Strict):
    """One message. A developer message is a system message under its newer name."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | None = None
    name: Name | None = None
    tool_calls: Annotated[list[CallBody], Field(max_length=MAX_CALLS)] | None = None
    tool_call_id: Name | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    function_call: Annotated[object, only()] = None
    audio: Annotated[object, only()] = None

    @model_validator(mode="after")
    def _whole(self) -> MessageBody:
        if self.content is None and not self.tool_calls and self.refusal is None:
            raise wrong("it has no content")
        if self.tool_calls and self.role != "assistant":
            raise wrong("only an assistant's message has tool_calls")
        if (self.tool_call_id is not None) != (self.role == "tool"):
            raise wrong("a tool's message, and no other, has a tool_call_id")
        return self

    def message(self) -> Message:
        """The message as it crosses. What the model thought in earlier turns is not shown to it again."""
        calls = tuple(
            ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)
            for call in self.tool_calls or ()
        )
        return Message(
            role=_ROLES[self.role], content=self.content or self.refusal or "", calls=calls, call_id=self.tool_call_id,
            name=self.name,
        )  # fmt: skip


class FunctionBody(Strict):
    """A function that the model may call."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: StrictBool | None = None


class ToolBody(Strict):
    """A tool."""

    type: Literal["function"]
    function: FunctionBody


class NamedFunction(Strict):
    """A function by its name."""

    name: Name


class NamedTool(Strict):
    """The one tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


class SchemaBody(Strict):
    """A schema that the answer obeys."""

    name: Name | None = None
    description: str | None = None
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: StrictBool | None = None


class FormatBody(Strict):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaBody | None = None

    @model_validator(mode="after")
    def _whole(self) -> FormatBody:
        if self.type == "json_schema" and (self.json_schema is None or self.json_schema.json_schema is None):
            raise wrong("a format of type json_schema has a json_schema with a schema")
        return self


def _mode_or_tool(value: object) -> object:
    if isinstance(value, str) and value not in MODES:
        raise wrong('it is "none", "auto", "required", or an object that names a function')
    return value


class ChatBody(SamplingBody):
    """The body of a chat completion."""

    model: ModelId
    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: TokenCount | None = None
    tools: Annotated[list[ToolBody], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Annotated[NamedTool | str, BeforeValidator(_mode_or_tool)] | None = None
    parallel_tool_calls: StrictBool | None = None
    response_format: FormatBody | None = None
    reasoning_effort: Effort | None = None
    logprobs: StrictBool | None = None
    top_logprobs: Annotated[StrictInt, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None

    def most_tokens(self) -> int | None:
        """The bound on the answer under either of its names. Raises `ApiError` 400 where they differ."""
        old, new = self.max_tokens, self.max_completion_tokens
        if old is not None and new is not None and old != new:
            raise invalid("max_tokens", "it differs from 'max_completion_tokens'. Send one of them")
        return new if new is not None else old

    def wanted_logprobs(self) -> int | None:
        """Alternatives of each token; None where no log-probabilities are wanted. Raises `ApiError` 400."""
        if self.logprobs:
            return self.top_logprobs or 0
        if self.top_logprobs:
            raise invalid("top_logprobs", "it needs 'logprobs': true")
        return None

    def offered(self) -> tuple[Tool, ...]:
        """The tools as they cross. Raises `ApiError` 400."""
        return tuple(tool_of(tool.function, f"tools[{index}]") for index, tool in enumerate(self.tools or ()))

    def choice(self) -> ToolMode | str | None:
        """The tool choice as it crosses."""
        if isinstance(self.tool_choice, NamedTool):
            return self.tool_choice.function.name
        return None if self.tool_choice is None else MODES[self.tool_choice]

    def format(self) -> ResponseFormat | None:
        """The form of the answer as it crosses. Raises `ApiError` 400."""
        if self.response_format is None or self.response_format.type == "text":
            return None
        named = self.response_format.json_schema
        if self.response_format.type == "json_object" or named is None:
            return ResponseFormat()
        return ResponseFormat(
            schema=json_text(named.json_schema, "response_format.json_schema"),
            name=named.name,
            description=named.description,
            strict=named.strict,
        )


def tool_of(function: FunctionBody, param: str) -> Tool:
    """A tool as it crosses. Raises `ApiError` 400."""
    schema = None if function.parameters is None else json_text(function.parameters, param)
    return Tool(name=function.name, description=function.description, parameters=schema, strict=function.strict)
