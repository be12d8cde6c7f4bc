"""What a backend says, as this node's events: text, counts, calls, ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from mycellm_proto.answer import Part
from mycellm_proto.content import (
    CompletionRequest,
    EmbeddingRequest,
    FinishReason,
    Message,
    ReasoningEffort,
    ResponseFormat,
    Role,
    Sampling,
    Tool,
    ToolCall,
    ToolMode,
)
from mycellm_proto.errors import ErrorCode
from reference_node.backend import Trouble
from reference_node.generation import Delta, Event, Finished, GenerationError, Started

from .conftest import Watch, ask, collect
from .server import DONE, READ, WORDS, Answer, Asked, Server, counts, event, piece, plain, streamed, usage, whole

TOOLS = (Tool(name="weather", description="now", parameters='{"type": "object"}', strict=True), Tool(name="time"))


def text_of(events: list[Event], part: Part = Part.ANSWER) -> str:
    return "".join(each.text for each in events if isinstance(each, Delta) and each.part is part)


def tokens_of(events: list[Event]) -> int:
    return sum(each.tokens for each in events if isinstance(each, Delta))


def talk(*pieces: bytes, read: int = READ) -> object:
    """An answer of these pieces; the question for its count is answered as ever."""

    def answer(asked: Asked) -> Answer:
        return plain(asked) if counts(asked) else streamed(*pieces)

    return answer


async def test_text_comes_with_the_backends_own_counts(server: Server, watch: Watch) -> None:
    model = await (await watch()).model()
    events = await collect(model, ask())
    assert events[0] == Started(input_tokens=READ)
    assert text_of(events) == "".join(WORDS)
    assert events[-1] == Finished(reason=FinishReason.STOP, input_tokens=READ, output_tokens=4)
    assert tokens_of(events) == 4
    counted, answered = server.posts
    assert (counted.body["max_tokens"], answered.body["max_tokens"]) == (1, 64)
    same = {"max_tokens": 0}
    assert counted.body | same == answered.body | same  # the very same input is counted
    assert answered.body["stream_options"] == {"include_usage": True}


async def test_an_engine_that_counts_as_it_goes_is_asked_once(server: Server, watch: Watch) -> None:
    def answer(asked: Asked) -> Answer:
        def so_far(written: int) -> dict[str, int]:
            return {"prompt_tokens": 9, "completion_tokens": written}

        return streamed(
            piece(role="assistant", content="", usage=so_far(0)),
            piece(content="Hel", usage=so_far(2)),
            piece(content="lo", usage=so_far(5)),
            piece(finish="stop", usage=so_far(6)),
            usage(9, 6),
            DONE,
        )

    server.models[0]["owned_by"] = "vllm"
    server.answer = answer
    model = await (await watch()).model(owner=b"key:a")
    events = await collect(model, ask())
    assert events[0] == Started(input_tokens=9)
    assert [each.tokens for each in events if isinstance(each, Delta)] == [2, 3, 1]
    assert isinstance(events[-1], Finished)
    assert events[-1].output_tokens == 6
    assert len(server.posts) == 1
    assert server.posts[0].body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
    assert server.posts[0].body["cache_salt"]


async def test_an_engine_that_ceases_to_count_is_asked_for_the_count(server: Server, watch: Watch) -> None:
    server.models[0]["owned_by"] = "vllm"
    model = await (await watch()).model()
    for _ in range(2):
        events = await collect(model, ask())
        assert events[0] == Started(input_tokens=READ)
        assert tokens_of(events) == 4
    assert [each.body["max_tokens"] for each in server.posts] == [64, 1, 1, 64]


@pytest.mark.parametrize("engine", ["x", "vllm"])
async def test_an_answer_longer_than_the_context_leaves_is_not_asked_for(
    server: Server, watch: Watch, engine: str
) -> None:
    """Engines refuse it, and clients ask for it as a matter of course."""
    server.models[0]["owned_by"] = engine
    await collect(await (await watch()).model(), ask(max_tokens=4096))
    assert [each.body["max_tokens"] for each in server.posts] == [1, 4096 - READ]


async def test_owners_share_no_prefix_cache_where_it_can_be_kept_apart(server: Server, watch: Watch) -> None:
    server.models[0]["owned_by"] = "vllm"
    watched = await watch()
    for owner in (b"key:a", b"key:b", b"key:a"):
        await collect(await watched.model(owner=owner), ask())
    salts = [each.body["cache_salt"] for each in server.posts if each.body["max_tokens"] == 64]
    assert salts[0] == salts[2] != salts[1]


async def test_every_parameter_is_passed_on(server: Server, watch: Watch) -> None:
    server.models[0]["owned_by"] = "llamacpp"
    call = ToolCall(id="c1", name="weather", arguments="{}")
    request = ask(
        messages=(
            Message(role=Role.SYSTEM, content="Be brief."),
            Message(role=Role.USER, content="Hi", name="ann"),
            Message(role=Role.ASSISTANT, content="", calls=(call,), reasoning="hm"),
            Message(role=Role.TOOL, content="sunny", call_id="c1"),
        ),
        stop=("END",),
        sampling=Sampling(
            temperature=700_000, top_p=900_000, top_k=40, min_p=50_000, presence_penalty=100_000,
            frequency_penalty=-100_000, seed=7, repetition_penalty=1_100_000, logit_bias=((5, -1_000_000),),
        ),
        top_logprobs=2,
        tools=TOOLS,
        tool_choice="weather",
        parallel_tool_calls=False,
        response_format=ResponseFormat(schema='{"type": "object"}', name="n", strict=True),
        reasoning_effort=ReasoningEffort.LOW,
    )  # fmt: skip
    await collect(await (await watch()).model(), request)
    assert server.posts[-1].body == {
        "model": "big",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 64,
        "stop": ["END"],
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "presence_penalty": 0.1,
        "frequency_penalty": -0.1,
        "seed": 7,
        "repeat_penalty": 1.1,
        "logit_bias": {"5": -1.0},
        "logprobs": True,
        "top_logprobs": 2,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi", "name": "ann"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
                "reasoning_content": "hm",
            },
            {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "description": "now",
                    "parameters": {"type": "object"},
                    "strict": True,
                },
            },
            {"type": "function", "function": {"name": "time"}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
        "reasoning_effort": "low",
    }


async def test_reasoning_calls_and_their_end(server: Server, watch: Watch) -> None:
    def called(index: int, **function: str) -> bytes:
        return piece(tool_calls=[{"index": index, "id": "x", "type": "function", "function": function}])

    server.answer = talk(  # type: ignore[assignment]
        piece(reasoning_content="hm"),
        piece(content="Look: "),
        called(0, name="weather", arguments=""),
        called(0, arguments='{"city":'),
        called(0, arguments=' "Rome"}'),
        called(1, name="time", arguments="{}"),
        piece(finish="stop"),
        usage(written=9),
        DONE,
    )
    events = await collect(await (await watch()).model(), ask(tools=TOOLS))
    assert [(each.part, each.text) for each in events if isinstance(each, Delta) and each.text] == [
        (Part.REASONING, "hm"),
        (Part.ANSWER, "Look: "),
        (Part.CALL, "weather"),
        (Part.ARGUMENTS, '{"city":'),
        (Part.ARGUMENTS, ' "Rome"}'),
        (Part.CALL, "time"),
        (Part.ARGUMENTS, "{}"),
    ]
    assert events[-1] == Finished(reason=FinishReason.TOOL_CALLS, input_tokens=READ, output_tokens=9)


@pytest.mark.parametrize("choice", [None, ToolMode.NONE, "time"])
async def test_a_call_that_may_not_be_made_ends_as_text(
    server: Server, watch: Watch, choice: ToolMode | str | None
) -> None:
    name = "weather" if choice is not None else "unknown"
    call = {"index": 0, "function": {"name": name, "arguments": '{"a": 1}'}}
    server.answer = talk(piece(tool_calls=[call]), piece(finish="tool_calls"), usage(), DONE)  # type: ignore[assignment]
    events = await collect(await (await watch()).model(), ask(tools=TOOLS, tool_choice=choice))
    assert text_of(events) == f'{{"name": "{name}", "arguments": {{"a": 1}}}}'
    assert isinstance(events[-1], Finished)
    assert events[-1].reason is FinishReason.STOP


async def test_a_stop_sequence_that_the_backend_lets_through_never_leaves(server: Server, watch: Watch) -> None:
    server.answer = talk(piece(content="one EN"), piece(content="D two"), piece(finish="stop"), usage(), DONE)  # type: ignore[assignment]
    events = await collect(await (await watch()).model(), ask(stop=("END",)))
    assert text_of(events) == "one "
    assert isinstance(events[-1], Finished)
    assert events[-1].reason is FinishReason.STOP


async def test_log_probabilities_are_read_and_never_tell_of_a_stop_sequence(server: Server, watch: Watch) -> None:
    def with_logprobs(text: str) -> bytes:
        entry = {"token": text, "logprob": -0.5, "bytes": list(text.encode())}
        top = [{**entry, "top_logprobs": [entry, {"token": "z", "logprob": -2, "bytes": None}, entry]}]
        return event({"choices": [{"index": 0, "delta": {"content": text}, "logprobs": {"content": top}}]})

    pieces = (with_logprobs("one "), with_logprobs("EN"), with_logprobs("D"), piece(finish="stop"), usage(), DONE)
    server.answer = talk(*pieces)  # type: ignore[assignment]
    events = await collect(await (await watch()).model(), ask(stop=("END",), top_logprobs=2))
    entries = [entry for each in events if isinstance(each, Delta) for entry in each.logprobs]
    assert [(entry.token.text, entry.token.below) for entry in entries] == [(b"one ", 500_000)]
    assert [candidate.below for candidate in entries[0].top] == [500_000, 2_000_000]


async def test_an_answer_never_passes_max_tokens(server: Server, watch: Watch) -> None:
    server.answer = talk(*(piece(content="x") for _ in range(50)), usage(written=50), DONE)  # type: ignore[assignment]
    events = await collect(await (await watch()).model(), ask(max_tokens=5))
    assert text_of(events) == "xxxxx"
    assert events[-1] == Finished(reason=FinishReason.LENGTH, input_tokens=READ, output_tokens=5)


async def test_a_completion_of_ids(server: Server, watch: Watch) -> None:
    def answer(asked: Asked) -> Answer:
        logprobs = {"tokens": ["a", "b"], "token_logprobs": [-1, None], "top_logprobs": [{"a": -1, "q": -3}, None]}
        logprobs["token_logprobs"] = [-1, -2]
        return streamed(
            event({"choices": [{"index": 0, "text": "ab", "logprobs": logprobs, "finish_reason": "length"}]}),
            usage(3, 2),
            DONE,
        )

    server.answer = answer
    request = CompletionRequest(model="big", prompt=(1, 2, 3), max_tokens=2, deadline_ms=20_000, top_logprobs=1)
    events = await collect(await (await watch()).model(), request)
    assert server.posts[-1].path == "/v1/completions"
    assert (server.posts[-1].body["prompt"], server.posts[-1].body["logprobs"]) == ([1, 2, 3], 1)
    assert text_of(events) == "ab"
    entries = [entry for each in events if isinstance(each, Delta) for entry in each.logprobs]
    assert [(entry.token.text, len(entry.top)) for entry in entries] == [(b"a", 1), (b"b", 0)]
    assert events[-1] == Finished(reason=FinishReason.LENGTH, input_tokens=3, output_tokens=2)


def _vectors(*vectors: list[float], read: int = 5) -> Answer:
    data = [{"index": index, "embedding": vector} for index, vector in reversed(list(enumerate(vectors)))]
    return whole({"object": "list", "data": data, "usage": {"prompt_tokens": read, "total_tokens": read}})


async def test_vectors(server: Server, watch: Watch) -> None:
    server.answer = lambda _: _vectors([1.0, -2.5], [0.25, 0])
    model = await (await watch(backend_embedding="big")).model()
    assert {each.name for each in model.info.abilities.operations} == {"EMBED"}
    events = await collect(model, EmbeddingRequest(model="big", inputs=("a", "b"), deadline_ms=20_000))
    assert events[0] == Started(input_tokens=5)
    assert [each.vector.hex() for each in events if isinstance(each, Delta)] == ["0000803f000020c0", "0000803e00000000"]
    assert server.posts[0].body == {"model": "big", "input": ["a", "b"], "encoding_format": "float"}


@pytest.mark.parametrize(
    "vectors", [[[1.0]], [[1.0], [1.0, 2.0]], [[float("nan")], [1.0]], [["x"], ["y"]], [[1e300], [1.0]], [[], []]]
)
async def test_vectors_that_are_none(server: Server, watch: Watch, vectors: list[list[float]]) -> None:
    server.answer = lambda _: _vectors(*vectors)
    model = await (await watch(backend_embedding="big")).model()
    with pytest.raises(GenerationError) as caught:
        await collect(model, EmbeddingRequest(model="big", inputs=("a", "b"), deadline_ms=20_000))
    assert caught.value.code is ErrorCode.INTERNAL


async def test_more_pieces_than_tokens_owe_nothing_and_are_counted_at_the_end_from_then_on(
    server: Server, watch: Watch
) -> None:
    server.answer = talk(*(piece(content="x") for _ in range(8)), piece(finish="stop"), usage(written=2), DONE)  # type: ignore[assignment]
    model = await (await watch()).model()
    with pytest.raises(GenerationError) as caught:
        await collect(model, ask())
    assert not caught.value.owed
    events = await collect(model, ask())
    assert tokens_of(events) == 2
    assert text_of(events) == "x" * 8


async def test_a_backend_that_does_not_count_is_served_no_more(server: Server, watch: Watch) -> None:
    server.answer = lambda _: streamed(piece(content="x"), piece(finish="stop"), DONE)
    watched = await watch()
    with pytest.raises(GenerationError) as caught:
        await collect(await watched.model(), ask())
    assert caught.value.code is ErrorCode.INTERNAL
    assert watched.backend.infos() == []
    assert watched.backend.status().refused == {"big": Trouble.UNCOUNTED.value}


async def test_a_prompt_beyond_the_offered_context_is_refused_with_both_numbers(server: Server, watch: Watch) -> None:
    model = await (await watch(backend_context="7")).model()
    with pytest.raises(GenerationError) as caught:
        await collect(model, ask())
    assert (caught.value.code, caught.value.limit, caught.value.actual) == (ErrorCode.CONTEXT_TOO_LONG, 6, READ)


async def test_leaving_ends_the_request_at_the_backend(server: Server, watch: Watch) -> None:
    async def endless() -> Answer:
        async for each in streamed(piece(content="x")):
            yield each
        await server.left.wait()

    server.answer = lambda asked: plain(asked) if counts(asked) else endless()
    watched = await watch()
    model = await watched.model()
    events = model.generate(ask())
    assert isinstance(await anext(events), Started)
    assert isinstance(await anext(events), Delta)
    assert watched.backend.status().active == 1
    await events.aclose()
    async with asyncio.timeout(10):
        await server.left.wait()
    assert watched.backend.status().active == 0


async def test_the_deadline_ends_an_answer_with_what_was_counted(server: Server, watch: Watch) -> None:
    async def endless() -> Answer:
        async for each in streamed(piece(content="x")):
            yield each
        await server.left.wait()

    server.answer = lambda asked: plain(asked) if counts(asked) else endless()
    events = await collect(await (await watch()).model(), ask(deadline_ms=500))
    assert events[-1] == Finished(reason=FinishReason.DEADLINE, input_tokens=READ, output_tokens=1)


async def test_no_more_requests_than_slots(server: Server, watch: Watch) -> None:
    model = await (await watch(backend_slots="1")).model()
    first = model.generate(ask())
    await anext(first)
    with pytest.raises(GenerationError) as caught:
        await collect(model, ask())
    assert (caught.value.code, caught.value.retry_after) == (ErrorCode.BUSY, 1.0)
    await first.aclose()
    assert isinstance((await collect(model, ask()))[-1], Finished)


async def test_a_schema_that_is_no_json_is_refused_by_name(server: Server, watch: Watch) -> None:
    model = await (await watch()).model()
    broken = replace(TOOLS[0], parameters="{")
    for request, name in (
        (ask(tools=(broken,)), "tools"),
        (ask(response_format=ResponseFormat(schema="[" * 100_000)), "response_format"),
    ):
        with pytest.raises(GenerationError) as caught:
            await collect(model, request)
        assert (caught.value.code, caught.value.parameter) == (ErrorCode.UNSUPPORTED, name)
    assert server.posts == []
