"""Everything that a model can be asked and can answer crosses between two nodes as it is, or is refused by name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from mycellm_proto import limits
from mycellm_proto.answer import Candidate, Logprob, Part
from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    FinishReason,
    Message,
    Operation,
    ReasoningEffort,
    ResponseFormat,
    Role,
    Sampling,
    Tool,
    ToolCall,
)
from mycellm_proto.errors import ErrorCode
from mycellm_proto.features import FEATURES
from reference_node.generation import (
    Abilities,
    Delta,
    Event,
    Finished,
    GenerationError,
    ModelInfo,
    Started,
    check_abilities,
)
from reference_node.node.pieces import chunks_of

from .conftest import StartNode
from .scripted import Scripted
from .test_remote import ask, collect

ALL = Abilities(operations=frozenset(Operation), parameters=FEATURES)


class Able(Scripted):
    """Answers with ``said``, whatever it is asked."""

    def __init__(self, said: Sequence[Delta] = (), reason: FinishReason = FinishReason.STOP) -> None:
        super().__init__()
        self._said, self._reason = said, reason
        self.abilities = ALL

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, abilities=self.abilities)

    async def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        yield Started(input_tokens=5)
        for delta in self._said:
            yield delta
        yield Finished(reason=self._reason, input_tokens=5, output_tokens=sum(each.tokens for each in self._said))


WISHES: ChatRequest = ask(
    messages=(
        Message(role=Role.USER, content="What is 2 and 2?", name="Alice"),
        Message(
            role=Role.ASSISTANT, content="", calls=(ToolCall(id="1", name="add", arguments="{"),), reasoning="I add."
        ),
        Message(role=Role.TOOL, content="4", call_id="1"),
    ),
    sampling=Sampling(repetition_penalty=1_100_000, logit_bias=((3, -1_000_000), (9, 5))),
    top_logprobs=2,
    tools=(Tool(name="add", description="Adds.", parameters='{"type":"object"}', strict=True), Tool(name="clock")),
    tool_choice="add",
    parallel_tool_calls=False,
    response_format=ResponseFormat(schema="{}", name="n", description="d", strict=True),
    reasoning_effort=ReasoningEffort.HIGH,
)
COMPLETION = CompletionRequest(model="scripted", prompt=(1, 2, 3), max_tokens=64, deadline_ms=10_000, top_logprobs=1)
EMBEDDING = EmbeddingRequest(model="scripted", inputs=("red", (7, 8)), deadline_ms=10_000)
ONE = Logprob(
    token=Candidate(text=b"Hi", below=5), top=(Candidate(text=b"Hi", below=5), Candidate(text=b"Ho", below=9))
)


@pytest.mark.parametrize(
    ("request_", "said", "reason"),
    [
        (
            WISHES,
            [
                Delta(text="Let me see.", tokens=3, part=Part.REASONING),
                Delta(text="add", tokens=2, part=Part.CALL),
                Delta(text='{"a": 2', tokens=1, part=Part.ARGUMENTS),
                Delta(text="}", tokens=1, part=Part.ARGUMENTS),
            ],
            FinishReason.TOOL_CALLS,
        ),
        (WISHES, [Delta(text="Hi", tokens=1, logprobs=(ONE,))], FinishReason.STOP),
        (COMPLETION, [Delta(text=" upon a time", tokens=3)], FinishReason.STOP),
        (EMBEDDING, [Delta(text="", tokens=0, part=Part.VECTOR, vector=bytes(range(8)))] * 2, FinishReason.STOP),
        (
            replace(EMBEDDING, inputs=("red",)),
            [Delta(text="", tokens=0, part=Part.VECTOR, vector=bytes(4 * limits.MAX_DIMENSIONS))],
            FinishReason.STOP,
        ),
    ],
    ids=["calls", "logprobs", "completion", "vectors", "longest-vector"],
)
async def test_requests_and_answers_cross_unchanged(
    start_node: StartNode, request_: Content, said: list[Delta], reason: FinishReason
) -> None:
    engine = Able(said, reason)
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    events = await collect(await consumer.found(), request_)
    assert engine.requests == [request_]
    assert [event for event in events if isinstance(event, Delta)] == said
    tokens = sum(delta.tokens for delta in said)
    assert events[-1] == Finished(reason=reason, input_tokens=5, output_tokens=tokens)


@pytest.mark.parametrize("lacking", ["tools", "response_format.schema", "top_logprobs", "messages.calls"])
async def test_what_a_peer_does_not_apply_is_refused_by_its_name(start_node: StartNode, lacking: str) -> None:
    """Seen in the field: tools, stop sequences and seeds were lost between two nodes."""
    engine = Able()
    engine.abilities = Abilities(parameters=FEATURES - {lacking})
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    with pytest.raises(GenerationError) as caught:
        await collect(await consumer.found(), WISHES)
    assert (caught.value.code, caught.value.parameter) == (ErrorCode.UNSUPPORTED, lacking.split(".", maxsplit=1)[0])
    assert engine.requests == [], "nothing was computed"


async def test_what_a_model_says_nothing_of_it_does_not_do(start_node: StartNode) -> None:
    engine = Scripted()
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    for request in (WISHES, COMPLETION, EMBEDDING):
        with pytest.raises(GenerationError) as local:
            check_abilities(engine.info, request)
        with pytest.raises(GenerationError) as remote:
            await collect(await consumer.found(), request)
        assert local.value.code == remote.value.code == ErrorCode.UNSUPPORTED
        assert local.value.parameter is not None
        assert remote.value.parameter == local.value.parameter.split(".", maxsplit=1)[0]
    assert engine.requests == []


async def test_a_request_that_contradicts_itself_is_refused_before_it_is_signed(start_node: StartNode) -> None:
    engine = Able()
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    with pytest.raises(GenerationError) as caught:
        await collect(await consumer.found(), replace(WISHES, tool_choice="nothing"))
    assert (caught.value.code, caught.value.parameter) == (ErrorCode.MALFORMED, "tool_choice")
    assert engine.requests == []


async def test_an_engine_that_says_what_nobody_asked_for_fails(start_node: StartNode) -> None:
    engine = Able([Delta(text="Hi", tokens=1), Delta(text="add", tokens=1, part=Part.CALL)])
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    events = await collect(await consumer.found(), ask())
    assert events[-1] == Finished(reason=FinishReason.FAILED, input_tokens=5, output_tokens=1)


def test_every_piece_fits_a_chunk_and_nothing_is_lost() -> None:
    wide = Logprob(token=Candidate(text=b"x" * 512, below=1), top=(Candidate(text=b"y" * 512, below=2),) * 20)
    delta = Delta(text="é" * 9000, tokens=12, logprobs=(wide,) * 12)
    chunks = list(chunks_of(delta))
    assert "".join(chunk.text for chunk in chunks) == delta.text
    assert sum(chunk.tokens for chunk in chunks) == chunks[0].tokens == 12
    assert sum((chunk.logprobs for chunk in chunks), ()) == delta.logprobs
    assert [chunk.part for chunk in chunks_of(Delta(text="", tokens=1, part=Part.ARGUMENTS))] == [Part.ANSWER]
