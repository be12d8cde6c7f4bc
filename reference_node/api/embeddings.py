"""``POST /v1/embeddings``: one vector for each text, as numbers or as base64 of float32."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, StrictInt

from mycellm_proto.answer import FLOAT_SIZE
from mycellm_proto.content import EmbeddingRequest, Operation
from mycellm_proto.errors import ErrorCode
from mycellm_proto.limits import MAX_DIMENSIONS, MAX_INPUTS

from .checks import ModelId, Strict, check
from .completions import TokenIds, as_list
from .dialects import openai_error
from .errors import from_code
from .sse import KEEP_ALIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..generation import Delta
    from .asking import Asked
    from .errors import ApiError
    from .exchange import Exchange
    from .result import Result


class EmbeddingBody(Strict):
    """The body of a request for embeddings."""

    model: ModelId
    input: Annotated[
        list[Annotated[str, Field(min_length=1)] | TokenIds],
        Field(min_length=1, max_length=MAX_INPUTS),
        BeforeValidator(as_list),
    ]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[StrictInt, Field(ge=1, le=MAX_DIMENSIONS)] | None = None


def embed(asked: Asked) -> Exchange:
    """Answer one request. Raises `ApiError`."""
    body = check(EmbeddingBody, asked.body)
    generator = asked.find(body.model, Operation.EMBED)
    asked.account.reserve(1)
    request = EmbeddingRequest(
        model=generator.info.id,
        inputs=tuple(each if isinstance(each, str) else tuple(each) for each in body.input),
        deadline_ms=asked.deadline_ms,
        dimensions=body.dimensions,
    )
    answer = EmbeddingAnswer(
        model=generator.info.id, count=len(request.inputs), as_base64=body.encoding_format == "base64"
    )  # fmt: skip
    return asked.exchange(generator, [request], answer, stream=False)


class EmbeddingAnswer:
    """The object of one answer. It is never streamed."""

    keep_alive = KEEP_ALIVE

    def __init__(self, *, model: str, count: int, as_base64: bool) -> None:
        self._model, self._count, self._as_base64 = model, count, as_base64

    def whole(self, results: Sequence[Result]) -> dict[str, object]:
        """The list of embeddings. Raises `ApiError` 500 where vectors are missing."""
        vectors, tokens = results[0].vectors, results[0].end.input_tokens
        if len(vectors) != self._count:
            raise from_code(ErrorCode.INTERNAL)
        data = [
            {"object": "embedding", "index": index, "embedding": self._written(vector)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": self._model, "usage": usage}

    def opening(self, _results: Sequence[Result]) -> Iterable[str]:
        """Nothing."""
        return ()

    def piece(self, _index: int, _delta: Delta, _result: Result) -> Iterable[str]:
        """Nothing."""
        return ()

    def closing(self, _results: Sequence[Result]) -> Iterable[str]:
        """Nothing."""
        return ()

    def failing(self, _error: ApiError) -> Iterable[str]:
        """Nothing."""
        return ()

    def refusal(self, error: ApiError) -> dict[str, object]:
        """See `reference_node.api.exchange.Answer`."""
        return openai_error(error, "input")

    def _written(self, vector: bytes) -> str | list[float]:
        if self._as_base64:
            return base64.b64encode(vector).decode()
        return list(struct.unpack(f"<{len(vector) // FLOAT_SIZE}f", vector))
