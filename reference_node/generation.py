"""The one interface between what asks for text (HTTP API, QUIC provider) and what makes it (engine, remote peer).

A `Generator` serves one model. `generate` yields exactly one `Started`, then `Delta`s, then exactly one `Finished`;
closing the iterator (``aclose``) cancels the work and frees its slot. It raises `GenerationError` and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mycellm_proto.content import ChatRequest, FinishReason
from mycellm_proto.errors import ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model as it is offered: ``digest`` is the SHA-256 of its manifest (32 bytes), ``context_length`` in tokens."""

    id: str
    digest: bytes
    context_length: int
    owner: str
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The prompt was tokenised: ``input_tokens`` will be billed."""

    input_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """Text of ``tokens`` generated tokens. Text is empty while a character or a stop sequence is incomplete."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The answer is whole. Tokens are counted as billed: every sampled token, the end-of-text token included."""

    reason: FinishReason
    input_tokens: int
    output_tokens: int


Event = Started | Delta | Finished


class GenerationError(Exception):
    """A request that cannot be served, with a registered code and what a caller needs to mend it.

    ``limit`` and ``actual`` are counts in the unit of the code (tokens for CONTEXT_TOO_LONG, micro-credits for
    CEILING_TOO_LOW); ``retry_after`` is in seconds.
    """

    def __init__(
        self, code: ErrorCode, *, limit: int | None = None, actual: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(code.name)
        self.code = code
        self.limit = limit
        self.actual = actual
        self.retry_after = retry_after


class Generator(Protocol):
    """What serves one model."""

    @property
    def info(self) -> ModelInfo:
        """The model."""
        ...

    def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answer one request, as the module says."""
        ...


class Catalog(Protocol):
    """The models that can be asked now, the default chat model first."""

    def models(self) -> Sequence[ModelInfo]:
        """Every model once."""
        ...

    def find(self, model_id: str) -> Generator | None:
        """Who serves ``model_id`` now; None where nobody does."""
        ...
