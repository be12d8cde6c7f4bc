"""What a consumer asks: SPEC.md section "Inference exchange". What comes back is `mycellm_proto.answer`.

The content of a request is a frozen value that the HTTP API, the wire and the engine share, so that a parameter
cannot be dropped on the hop between two nodes: `mycellm_proto.content_codec` writes all of it, commits to it and gives
the same value back. There are three, one for each operation. Sampling parameters are integers in millionths, because
no float exists on the wire; ``None`` and ``()`` stand for "not set": the model's own default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar

MILLION = 1_000_000
"""Sampling parameters are counted in millionths: a temperature of 0.7 is 700_000."""


class Role(IntEnum):
    """Who speaks a message (registry: spec/registries/roles.toml)."""

    SYSTEM = 1
    USER = 2
    ASSISTANT = 3
    TOOL = 4


class Operation(IntEnum):
    """What is asked for (registry: spec/registries/operations.toml)."""

    CHAT = 1
    COMPLETE = 2
    EMBED = 3


class FinishReason(IntEnum):
    """Why a provider stopped (registry: spec/registries/finish-reasons.toml)."""

    STOP = 1
    LENGTH = 2
    CEILING = 3
    CANCELLED = 4
    DEADLINE = 5
    SHUTDOWN = 6
    FAILED = 7
    TOOL_CALLS = 8


class ToolMode(IntEnum):
    """Whether a model calls tools (registry: spec/registries/tool-modes.toml)."""

    NONE = 0
    AUTO = 1
    REQUIRED = 2


class ReasoningEffort(IntEnum):
    """How long a model thinks before it answers (registry: spec/registries/reasoning-efforts.toml)."""

    NONE = 0
    MINIMAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    EXTRA_HIGH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A model's call of a tool: ``arguments`` is text as the model wrote it, meant to be a JSON object."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation. ``calls`` and ``reasoning`` are the assistant's, ``call_id`` a tool's result's."""

    role: Role
    content: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    name: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call. ``parameters`` is a JSON Schema as text; ``strict``: arguments obey it."""

    name: str
    description: str | None = None
    parameters: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFormat:
    """The answer is one JSON object; one that obeys ``schema``, a JSON Schema as text, where there is one."""

    schema: str | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn: integers in millionths, but ``top_k`` (tokens) and ``seed``; None is the default.

    ``logit_bias`` has (token id, bias in millionths), ascending by id.
    """

    temperature: int | None = None
    top_p: int | None = None
    top_k: int | None = None
    min_p: int | None = None
    presence_penalty: int | None = None
    frequency_penalty: int | None = None
    seed: int | None = None
    repetition_penalty: int | None = None
    logit_bias: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """The content of a chat request: the model's id, the conversation, and every bound on the answer.

    ``max_tokens`` bounds the answer in tokens, ``deadline_ms`` its time in milliseconds from the provider's receipt.
    ``top_logprobs``, where it is set, asks for the log-probability of each token and of so many alternatives.
    ``tool_choice`` is a mode, or the name of the one tool that the model must call.
    """

    operation: ClassVar[Operation] = Operation.CHAT
    prompts: ClassVar[int] = 1
    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    deadline_ms: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    top_logprobs: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolMode | str | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: ReasoningEffort | None = None


Prompt = str | tuple[int, ...]
"""Text, or the ids of its tokens in the model's own vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """The content of a request to continue ``prompt`` as it is, without any template."""

    operation: ClassVar[Operation] = Operation.COMPLETE
    prompts: ClassVar[int] = 1
    model: str
    prompt: Prompt
    max_tokens: int
    deadline_ms: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """The content of a request for one vector for each of ``inputs``, of ``dimensions`` numbers where it is set."""

    operation: ClassVar[Operation] = Operation.EMBED
    max_tokens: ClassVar[int] = 0
    """A vector has no output tokens: what is billed is the input."""
    model: str
    inputs: tuple[Prompt, ...]
    deadline_ms: int
    dimensions: int | None = None

    @property
    def prompts(self) -> int:
        """What the model reads, one after the other: its context bounds each."""
        return len(self.inputs)


Content = ChatRequest | CompletionRequest | EmbeddingRequest
"""What a REQUEST can ask for."""
