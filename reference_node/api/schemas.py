"""What a chat request may say: bounds, and the names of what is refused.

Every parameter that OpenAI documents is served, or refused by its name (`REFUSED`), or listed in `WITHOUT_EFFECT`;
fields that nobody documents are a client's own business and are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, ValidationError
from pydantic_core import PydanticCustomError

from .errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MESSAGES = 4096
"""A longer conversation has lost its beginning in any context length that is served."""
MAX_PARTS = 4096
"""Text parts of one message."""
MAX_STOPS, MAX_STOP_CHARS = 4, 256
"""OpenAI's number of stop sequences; the length bounds the text that an engine holds back."""
MAX_TOKENS = 1_000_000
"""More than any context length that is served."""
MAX_TOP_K = 1_000_000
"""More than any vocabulary has."""
MAX_MODEL_CHARS = 256
"""Of a model's id."""
_SHOWN_CHARS = 60
"""How much of a wrong value an error message repeats."""

_ONE: tuple[object, ...] = (1, 1.0)
_ZERO: tuple[object, ...] = (0, 0.0)

REFUSED: Mapping[str, tuple[object, ...]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "web_search_options": (),
    "best_of": (1,),
    "min_tokens": (0,),
    "repetition_penalty": _ONE,
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
    "parallel_tool_calls",
)
"""OpenAI's parameters about its own service: accepted, and without effect on a node of one's own."""


def _asks(value: object, neutral: tuple[object, ...]) -> bool:
    """Whether ``value`` asks for something. ``true`` is not 1 here."""
    return value is not None and not any(type(value) is type(item) and value == item for item in neutral)


def refuse(body: Mapping[str, object]) -> None:
    """Raises `ApiError` 400 for the first parameter that this node knows and does not serve."""
    for name, neutral in REFUSED.items():
        if name in body and _asks(body[name], neutral):
            raise unsupported(name)


def unsupported(param: str, reason: str = "it is not supported") -> ApiError:
    """The refusal of a parameter by its name."""
    message = f"'{param}' cannot be honoured: {reason}. Leave it out."
    return ApiError(400, message, code="unsupported_parameter", param=param)


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("mycellm", "{why}", {"why": message})


def _text(part: object) -> str:
    if not isinstance(part, dict):
        raise _wrong('a content part is an object such as {"type": "text", "text": "…"}')
    if part.get("type") not in ("text", "input_text"):
        raise _wrong(f"a part of type {str(part.get('type'))[:_SHOWN_CHARS]!r} is not supported, only text")
    if not isinstance(part.get("text"), str):
        raise _wrong("the text of a text part must be a string")
    return str(part["text"])


def _content(value: object) -> object:
    if not isinstance(value, list):
        return value
    if len(value) > MAX_PARTS:
        raise _wrong(f"a message has at most {MAX_PARTS} parts")
    return "".join(map(_text, value))


def _only(*neutral: object) -> BeforeValidator:
    """For a field of a message that no model here would see."""

    def check(value: object) -> object:
        if _asks(value, neutral):
            raise _wrong("it is not supported. Leave it out")
        return value

    return BeforeValidator(check)


def _stops(value: object) -> object:
    return [value] if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class MessageBody(_Strict):
    """One message. A developer message is a system message under its newer name."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_content)]
    name: Annotated[object, _only()] = None
    tool_calls: Annotated[object, _only([])] = None
    tool_call_id: Annotated[object, _only()] = None
    function_call: Annotated[object, _only()] = None
    audio: Annotated[object, _only()] = None
    refusal: Annotated[object, _only()] = None


class StreamOptions(_Strict):
    """Options of a stream."""

    include_usage: StrictBool | None = None
    include_obfuscation: Literal[False] | None = None


Penalty = Annotated[StrictFloat, Field(ge=-2, le=2)]
TokenCount = Annotated[StrictInt, Field(ge=1, le=MAX_TOKENS)]
Stop = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]


class ChatBody(_Strict):
    """The body of a chat completion. Null stands for absent everywhere."""

    model: Annotated[str, Field(min_length=1, max_length=MAX_MODEL_CHARS)]
    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=MAX_MESSAGES)]
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: TokenCount | None = None
    max_completion_tokens: TokenCount | None = None
    temperature: Annotated[StrictFloat, Field(ge=0, le=2)] | None = None
    top_p: Annotated[StrictFloat, Field(gt=0, le=1)] | None = None
    top_k: Annotated[StrictInt, Field(ge=-1, le=MAX_TOP_K)] | None = None
    min_p: Annotated[StrictFloat, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[StrictInt, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    stop: Annotated[list[Stop], Field(max_length=MAX_STOPS), BeforeValidator(_stops)] | None = None


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _shown(value: object) -> str:
    return f" (got {value!r:.{_SHOWN_CHARS}})" if isinstance(value, str | int | float) else ""


def parse_chat(body: Mapping[str, object]) -> ChatBody:
    """A checked chat request. Raises `ApiError` 400 that names the parameter."""
    refuse(body)
    try:
        return ChatBody.model_validate(body)
    except ValidationError as failed:
        first = failed.errors(include_url=False)[0]
    param = _path(first["loc"])
    if first["type"] == "missing":
        raise ApiError(400, f"'{param}' is required.", code="missing_parameter", param=param)
    shown = "" if first["type"] == "mycellm" else _shown(first["input"])
    raise ApiError(400, f"'{param}': {first['msg']}{shown}.", code="invalid_value", param=param)
