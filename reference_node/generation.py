"""The one interface between what asks (HTTP API, QUIC provider) and what answers (engine, remote peer).

A `Generator` serves one model. `generate` yields exactly one `Started`, then `Delta`s, then exactly one `Finished`;
closing the iterator (``aclose``) cancels the work and frees its slot. It raises `GenerationError` and nothing else.
What a model does not apply it does not list in its `Abilities`; whoever takes a request for it calls `check_abilities`
first, so that nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mycellm_proto.answer import Logprob, Part
from mycellm_proto.content import Content, FinishReason, Operation
from mycellm_proto.errors import ErrorCode
from mycellm_proto.features import OPERATION_KEY, features

COMMON = frozenset(("stop", "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "seed"))
"""What a model applies that says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a model does: its operations, and by name every parameter that it applies.

    The names are `mycellm_proto.features.FEATURES`.
    """

    operations: frozenset[Operation] = frozenset((Operation.CHAT,))
    parameters: frozenset[str] = COMMON


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model as it is offered: ``digest`` is the SHA-256 of its manifest (32 bytes), ``context_length`` in tokens.

    ``proxied`` models are computed by another system than this node (`reference_node.backend`).
    """

    id: str
    digest: bytes
    context_length: int
    owner: str
    created: int
    abilities: Abilities = Abilities()
    proxied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The prompt was tokenised: ``input_tokens`` will be billed."""

    input_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of the answer, of ``tokens`` generated tokens.

    ``text`` is empty while a character or a stop sequence is incomplete. It is of the ``part`` that it names: the
    whole name of a tool for `Part.CALL`, its arguments (which may come in pieces) for `Part.ARGUMENTS`. ``logprobs``
    has an entry a token, where they were asked for. ``vector`` is one input's whole vector, `Part.VECTOR`: numbers as
    4 bytes each (IEEE 754 binary32, least significant byte first).
    """

    text: str
    tokens: int
    part: Part = Part.ANSWER
    logprobs: tuple[Logprob, ...] = ()
    vector: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The answer is whole. Tokens are counted as billed: every sampled token, the end-of-text token included.

    ``cached_tokens`` of the input were not computed again: for usage, never for a bill; None where nobody knows.
    """

    reason: FinishReason
    input_tokens: int
    output_tokens: int
    cached_tokens: int | None = None


Event = Started | Delta | Finished


class GenerationError(Exception):
    """A request that cannot be served, with a registered code and what a caller needs to mend it.

    ``limit`` and ``actual`` are counts in the unit of the code (tokens for CONTEXT_TOO_LONG, micro-credits for
    CEILING_TOO_LOW, a key of the content for UNSUPPORTED); ``retry_after`` is in seconds; ``parameter`` names what is
    wrong in the request, where it is known. Where nothing is ``owed``, what was delivered is not billed.
    """

    def __init__(
        self,
        code: ErrorCode,
        *,
        limit: int | None = None,
        actual: int | None = None,
        retry_after: float | None = None,
        parameter: str | None = None,
        owed: bool = True,
    ) -> None:
        super().__init__(code.name)
        self.code = code
        self.limit = limit
        self.actual = actual
        self.retry_after = retry_after
        self.parameter = parameter
        self.owed = owed


def check_abilities(info: ModelInfo, request: Content) -> None:
    """INF-006: refuse what this model does not apply. Raises `GenerationError` (UNSUPPORTED) that names it."""
    abilities = info.abilities
    if request.operation not in abilities.operations:
        raise GenerationError(ErrorCode.UNSUPPORTED, actual=OPERATION_KEY, parameter="operation")
    for name, key in features(request):
        if name not in abilities.parameters:
            raise GenerationError(ErrorCode.UNSUPPORTED, actual=key, parameter=name)


class Generator(Protocol):
    """What serves one model."""

    @property
    def info(self) -> ModelInfo:
        """The model."""
        ...

    def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """Answer one request, as the module says."""
        ...


class Catalog(Protocol):
    """The models that can be asked now, the default chat model first."""

    def models(self) -> Sequence[ModelInfo]:
        """Every model once."""
        ...

    def find(self, model_id: str, owner: bytes | None = None) -> Generator | None:
        """Who serves ``model_id`` now to ``owner`` (None: this node's own); None where nobody does."""
        ...
