"""What a provider answers: SPEC.md section "Inference exchange", *The answer*.

CHUNK frames are its pieces. `Reading` refuses what the request, or the pieces before, do not allow; `join` makes an
`Answer` of them, the value that both sides commit to: however an answer was cut, it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from . import codec, limits
from .content import ChatRequest, Content, EmbeddingRequest, FinishReason, ToolMode
from .errors import ErrorCode, RemoteProtocolError

FLOAT_SIZE = 4
"""Bytes of one number of a vector: IEEE 754 binary32, least significant byte first."""


class Part(IntEnum):
    """What a CHUNK is a piece of (registry: spec/registries/parts.toml)."""

    ANSWER = 0
    REASONING = 1
    CALL = 2
    ARGUMENTS = 3
    VECTOR = 4
    VALUES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A token that could be drawn: its text in bytes, and how improbable it was, in micro-nats below certainty."""

    text: bytes
    below: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Logprob:
    """The token that was drawn, and the likeliest ones in its place, the likeliest first."""

    token: Candidate
    top: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """CHUNK: a piece of the answer, and the ``tokens`` that it adds. An empty one without tokens is a heartbeat.

    ``text`` is of the ``part`` that it names, the name of the tool for `Part.CALL`; ``vector`` are numbers of
    `Part.VECTOR` or `Part.VALUES`, `FLOAT_SIZE` bytes each.
    """

    text: str
    tokens: int
    part: Part = Part.ANSWER
    logprobs: tuple[Logprob, ...] = ()
    vector: bytes = b""

    @property
    def is_empty(self) -> bool:
        """A heartbeat."""
        return not (self.text or self.tokens or self.logprobs or self.vector)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer: ``calls`` are (name, arguments), ``vectors`` numbers as `FLOAT_SIZE` bytes each."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    logprobs: tuple[Logprob, ...] = ()
    vectors: tuple[bytes, ...] = ()

    def to_value(self, finish: FinishReason, output_tokens: int) -> codec.Value:
        """What the commitment is over; a key of nothing is left out (RCP-007)."""
        value: dict[int, codec.Value] = {0: self.text, 1: int(finish), 2: output_tokens}
        if self.reasoning:
            value[3] = self.reasoning
        if self.calls:
            value[4] = [[name, arguments] for name, arguments in self.calls]
        if self.logprobs:
            value[5] = [logprob_value(each) for each in self.logprobs]
        if self.vectors:
            value[6] = list(self.vectors)
        return value


def logprob_value(logprob: Logprob) -> codec.Value:
    """``[token, below, [*[token, below]]]``."""
    top: list[codec.Value] = [[each.text, each.below] for each in logprob.top]
    return [logprob.token.text, logprob.token.below, top]


def logprob_of(value: object) -> Logprob:
    """The inverse of `logprob_value`. Raises ValueError for what the rule logprob does not allow."""
    if type(value) is not list or len(value) != 3 or type(value[2]) is not list:
        raise ValueError("not a token, its log-probability and its alternatives")
    if len(value[2]) > limits.MAX_TOP_LOGPROBS:
        raise ValueError(f"more than {limits.MAX_TOP_LOGPROBS} alternatives")
    return Logprob(token=_candidate(value[:2]), top=tuple(_candidate(each) for each in value[2]))


def _candidate(value: object) -> Candidate:
    if type(value) is not list or len(value) != 2:
        raise ValueError("not a token and its log-probability")
    token, below = value
    if type(token) is not bytes or len(token) > limits.MAX_TOKEN_BYTES:
        raise ValueError(f"a token is not at most {limits.MAX_TOKEN_BYTES} bytes")
    if type(below) is not int or not 0 <= below <= limits.MAX_LOGPROB:
        raise ValueError(f"a log-probability is not from 0 to {limits.MAX_LOGPROB} micro-nats below certainty")
    return Candidate(text=token, below=below)


def join(chunks: Iterable[Chunk]) -> Answer:
    """The answer that these CHUNK frames make, in this order. They have passed `Reading`, or are this node's own."""
    texts: list[str] = []
    reasoning: list[str] = []
    calls: list[tuple[str, list[str]]] = []
    logprobs: list[Logprob] = []
    vectors: list[list[bytes]] = []
    for chunk in chunks:
        logprobs += chunk.logprobs
        match chunk.part:
            case Part.ANSWER:
                texts.append(chunk.text)
            case Part.REASONING:
                reasoning.append(chunk.text)
            case Part.CALL:
                calls.append((chunk.text, []))
            case Part.ARGUMENTS:
                calls[-1][1].append(chunk.text)
            case Part.VECTOR:
                vectors.append([chunk.vector])
            case Part.VALUES:
                vectors[-1].append(chunk.vector)
    return Answer(
        text="".join(texts),
        reasoning="".join(reasoning),
        calls=tuple((name, "".join(arguments)) for name, arguments in calls),
        logprobs=tuple(logprobs),
        vectors=tuple(b"".join(values) for values in vectors),
    )


class Reading:
    """Checks the CHUNK frames of one answer, as they come, against what was asked: INF-035 to INF-039."""

    def __init__(self, request: Content) -> None:
        self._request = request
        self._callable = _callable(request)
        self._most_top = None if isinstance(request, EmbeddingRequest) else request.top_logprobs
        self._in_call = False
        self._calls = 0
        self._tokens = 0
        self._logprobs = 0
        self._sizes: list[int] = []  # bytes of each vector

    def take(self, chunk: Chunk) -> None:
        """One more CHUNK. Raises `RemoteProtocolError` (BAD_ANSWER); then it is not counted."""
        self._tokens += chunk.tokens
        if chunk.logprobs:
            self._take_logprobs(chunk)
        if isinstance(self._request, EmbeddingRequest):
            self._take_vector(self._request, chunk)
        elif chunk.part is Part.ANSWER and not chunk.vector:
            self._in_call = self._in_call and not chunk.text
        else:
            self._take_part(self._request, chunk)

    def _take_part(self, request: Content, chunk: Chunk) -> None:
        # INF-035: only a conversation has reasoning and calls, and only an embedding has vectors.
        if not isinstance(request, ChatRequest) or chunk.vector or chunk.part in (Part.VECTOR, Part.VALUES):
            raise _bad("a part that this operation does not have", "INF-035")
        if chunk.part is Part.REASONING:
            self._in_call = self._in_call and not chunk.text
        elif chunk.part is Part.CALL:
            self._take_call(request, chunk.text)
        elif not self._in_call:  # INF-036
            raise _bad("arguments of no call", "INF-036")

    def _take_call(self, request: ChatRequest, name: str) -> None:
        # INF-037: a tool that was offered and may be called, and no more calls than may be.
        if name not in self._callable:
            raise _bad("a call of a tool that may not be called", "INF-037")
        self._calls += 1
        if self._calls > (1 if request.parallel_tool_calls is False else limits.MAX_TOOL_CALLS):
            raise _bad("more calls than may be", "INF-037")
        self._in_call = True

    def _take_logprobs(self, chunk: Chunk) -> None:
        # INF-038: where they were asked for, one a token, and no more alternatives than were asked for.
        self._logprobs += len(chunk.logprobs)
        most = self._most_top
        if most is None or self._logprobs > self._tokens or any(len(each.top) > most for each in chunk.logprobs):
            raise _bad("log-probabilities that were not asked for", "INF-038")

    def _take_vector(self, request: EmbeddingRequest, chunk: Chunk) -> None:
        # INF-039: heartbeats and numbers; no more vectors than inputs, and none too long.
        if chunk.is_empty and chunk.part is Part.ANSWER:
            return
        if chunk.text or chunk.tokens or not chunk.vector or chunk.part not in (Part.VECTOR, Part.VALUES):
            raise _bad("not a vector", "INF-039")
        if chunk.part is Part.VECTOR:
            self._sizes.append(0)
        if not 1 <= len(self._sizes) <= len(request.inputs):
            raise _bad("numbers of no vector, or a vector of no input", "INF-039")
        self._sizes[-1] += len(chunk.vector)
        if self._sizes[-1] > FLOAT_SIZE * (request.dimensions or limits.MAX_DIMENSIONS):
            raise _bad("a vector of too many numbers", "INF-039")

    def end(self, finish: FinishReason) -> None:
        """INF-040: what END says is there. Raises `RemoteProtocolError` (BAD_ANSWER)."""
        if finish is FinishReason.TOOL_CALLS and not self._calls:
            raise _bad("ended by calls, and has none", "INF-040")
        if isinstance(self._request, EmbeddingRequest) and finish is FinishReason.STOP:
            self._check_vectors(self._request)

    def _check_vectors(self, request: EmbeddingRequest) -> None:
        if len(self._sizes) != len(request.inputs) or len(set(self._sizes)) != 1:
            raise _bad("not one vector of the same length for each input", "INF-040")
        size = self._sizes[0]
        if size % FLOAT_SIZE or (request.dimensions is not None and size != FLOAT_SIZE * request.dimensions):
            raise _bad("vectors of other dimensions", "INF-040")


def _callable(request: Content) -> frozenset[str]:
    """The tools that an answer may call."""
    if not isinstance(request, ChatRequest) or request.tool_choice is ToolMode.NONE:
        return frozenset()
    if isinstance(request.tool_choice, str):
        return frozenset((request.tool_choice,))
    return frozenset(tool.name for tool in request.tools)


def _bad(message: str, requirement: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=ErrorCode.BAD_ANSWER, requirement=requirement)
