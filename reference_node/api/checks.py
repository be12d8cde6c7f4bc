"""What every API family checks alike: strict types, bounds, names of what is wrong. Null stands for absent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from mycellm_proto.limits import MAX_NAME, MAX_STOP_SEQUENCE, MAX_STOP_SEQUENCES

from .errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MESSAGES = 1024
"""A longer conversation has lost its beginning in any context length that is served; and so says the protocol."""
MAX_PARTS = 4096
"""Text parts of one message."""
MAX_TOKENS = 1_000_000
"""More than any context length that is served."""
MAX_TOP_K = 1_000_000
"""More than any vocabulary has."""
MAX_MODEL_CHARS = 256
"""Of a model's id as clients write it; none that is served has more than the protocol's."""
_SHOWN_CHARS = 60
"""How much of a wrong value an error message repeats."""

Body = TypeVar("Body", bound=BaseModel)


class Strict(BaseModel):
    """A part of a body. Fields that nobody here knows are a client's own business and are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def asks(value: object, neutral: tuple[object, ...]) -> bool:
    """Whether ``value`` asks for something. ``true`` is not 1 here."""
    return value is not None and not any(type(value) is type(item) and value == item for item in neutral)


def refuse(body: Mapping[str, object], refused: Mapping[str, tuple[object, ...]]) -> None:
    """Raises `ApiError` 400 for the first parameter of ``refused`` that asks for something."""
    for name, neutral in refused.items():
        if name in body and asks(body[name], neutral):
            raise unsupported(name)


def unsupported(param: str, reason: str = "it is not supported") -> ApiError:
    """The refusal of a parameter by its name."""
    message = f"'{param}' cannot be honoured: {reason}. Leave it out."
    return ApiError(400, message, code="unsupported_parameter", param=param)


def invalid(param: str, reason: str) -> ApiError:
    """The refusal of a value."""
    return ApiError(400, f"'{param}': {reason}.", code="invalid_value", param=param)


def wrong(message: str) -> PydanticCustomError:
    """For validators: the sentence that is shown."""
    return PydanticCustomError("mycellm", "{why}", {"why": message})


def check(model: type[Body], body: Mapping[str, object], *, without_images: bool = False) -> Body:
    """A checked body. Raises `ApiError` 400 that names the parameter; ``without_images``: not for images."""
    try:
        return model.model_validate(body, context={"without_images": without_images})
    except ValidationError as failed:
        first = failed.errors(include_url=False)[0]
    param = _path(first["loc"])
    if first["type"] == "missing":
        raise ApiError(400, f"'{param}' is required.", code="missing_parameter", param=param)
    shown = "" if first["type"] == "mycellm" else _shown(first["input"])
    raise invalid(param, f"{first['msg']}{shown}")


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _shown(value: object) -> str:
    return f" (got {value!r:.{_SHOWN_CHARS}})" if isinstance(value, str | int | float) else ""


def part_of(value: object) -> dict[str, object]:
    """A content part. Raises for what is none."""
    if not isinstance(value, dict):
        raise wrong('a content part is an object such as {"type": "text", "text": "…"}')
    return value


def part_text(part: Mapping[str, object], key: str = "text") -> str:
    """The text of a content part. Raises for what is no text."""
    if not isinstance(part.get(key), str):
        raise wrong(f"the {key} of a {str(part.get('type'))[:_SHOWN_CHARS]} part must be a string")
    return str(part[key])


def no_part(part: Mapping[str, object]) -> PydanticCustomError:
    """The refusal of a content part by its name."""
    return wrong(f"a part of type {str(part.get('type'))[:_SHOWN_CHARS]!r} is not supported, only text")


TEXT_PARTS = ("text", "input_text", "output_text")


IMAGE_PARTS = ("image_url", "input_image", "image")
IMAGE_PLACEHOLDER = "[An image stood here, which is not shown: this model reads text only.]"


def other_text(part: Mapping[str, object], info: ValidationInfo) -> str:
    """What stands for a part that is no text: for an image its placeholder, where that is wanted. Raises else."""
    if part.get("type") in IMAGE_PARTS and info.context and info.context["without_images"]:
        return IMAGE_PLACEHOLDER
    raise no_part(part)


def joined_text(value: object, info: ValidationInfo) -> object:
    """Text, or its parts as one text. Anything else is left to the field's own type."""
    if not isinstance(value, list):
        return value
    if len(value) > MAX_PARTS:
        raise wrong(f"a message has at most {MAX_PARTS} parts")
    texts = []
    for part in map(part_of, value):
        if part.get("type") == "refusal":
            texts.append(part_text(part, "refusal"))
        elif part.get("type") in TEXT_PARTS:
            texts.append(part_text(part))
        else:
            texts.append(other_text(part, info))
    return "".join(texts)


def _one_or_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _bytes_within(limit: int) -> AfterValidator:
    def within(text: str) -> str:
        if len(text.encode()) > limit:
            raise wrong(f"it has more than {limit} bytes")
        return text

    return AfterValidator(within)


def only(*neutral: object) -> BeforeValidator:
    """For a field of a message that nothing here could honour."""

    def neutral_alone(value: object) -> object:
        if asks(value, neutral):
            raise wrong("it is not supported. Leave it out")
        return value

    return BeforeValidator(neutral_alone)


def json_text(value: object, param: str) -> str:
    """A part of a body as JSON text. Raises `ApiError` 400."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise invalid(param, "it is nested too deeply") from None


ModelId = Annotated[str, Field(min_length=1, max_length=MAX_MODEL_CHARS)]
Name = Annotated[str, Field(min_length=1), _bytes_within(MAX_NAME)]
Text = Annotated[str, BeforeValidator(joined_text)]
Penalty = Annotated[StrictFloat, Field(ge=-2, le=2)]
TokenCount = Annotated[StrictInt, Field(ge=1, le=MAX_TOKENS)]
TokenId = Annotated[StrictInt, Field(ge=0, le=(1 << 32) - 1)]
Temperature = Annotated[StrictFloat, Field(ge=0, le=2)]
TopP = Annotated[StrictFloat, Field(gt=0, le=1)]
TopK = Annotated[StrictInt, Field(ge=-1, le=MAX_TOP_K)]
Seed = Annotated[StrictInt, Field(ge=-(1 << 63), lt=1 << 63)]
Stop = Annotated[str, Field(min_length=1), _bytes_within(MAX_STOP_SEQUENCE)]
Stops = Annotated[list[Stop], Field(max_length=MAX_STOP_SEQUENCES), BeforeValidator(_one_or_list)]
