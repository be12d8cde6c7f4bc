"""What the scripted engine answers, rule by rule (`reference_node.scripted`)."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto.answer import Part
from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    FinishReason,
    Message,
    ReasoningEffort,
    ResponseFormat,
    Role,
    Tool,
    ToolCall,
    ToolMode,
)
from mycellm_proto.errors import ErrorCode
from reference_node.generation import Delta, Event, Finished, GenerationError, Started
from reference_node.scripted import ScriptedEngine, tokens
from reference_node.scripted.instance import instance
from reference_node.scripted.rules import TEXT

WEATHER = Tool(
    name="get_weather",
    parameters='{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}',
)
BASH = Tool(name="Bash", parameters='{"type":"object","properties":{"command":{"type":"string"}}}')


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def chat(text: str = "ping", **more: Any) -> ChatRequest:
    messages = more.pop("messages", (Message(role=Role.USER, content=text),))
    return ChatRequest(model="scripted", messages=messages, **{"max_tokens": 10_000, "deadline_ms": 60_000, **more})


async def play(request: Content) -> list[Event]:
    return [event async for event in ScriptedEngine().generate(request)]


def deltas(events: list[Event]) -> list[Delta]:
    return [event for event in events if isinstance(event, Delta)]


async def answer(request: Content) -> tuple[str, list[tuple[str, str]], Finished]:
    """Text, calls and end; checks that the counts add up."""
    events = await play(request)
    started, finished = events[0], events[-1]
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert started.input_tokens == finished.input_tokens == ScriptedEngine().count_tokens(request)
    assert sum(delta.tokens for delta in deltas(events)) == finished.output_tokens
    calls: list[tuple[str, str]] = []
    for delta in deltas(events):
        if delta.part is Part.CALL:
            calls.append((delta.text, ""))
        elif delta.part is Part.ARGUMENTS:
            calls[-1] = (calls[-1][0], calls[-1][1] + delta.text)
    return "".join(d.text for d in deltas(events) if d.part is Part.ANSWER), calls, finished


async def test_the_fixed_text_comes_in_tokens() -> None:
    text, calls, finished = await answer(chat())
    assert (text, calls, finished.reason) == (TEXT, [], FinishReason.STOP)
    assert finished.output_tokens == tokens.count(TEXT)


async def test_the_same_request_gets_the_same_events() -> None:
    asked = chat(f"THINK_B64 {b64('hm')} SAY_B64 {b64('hé')}", top_logprobs=2)
    assert await play(asked) == await play(asked)


async def test_markers_say_text_and_reasoning() -> None:
    events = await play(chat(f"x THINK_B64 {b64('because')} SAY_B64 {b64('naïve 🙂')} y"))
    parts = [
        (part, "".join(d.text for d in deltas(events) if d.part is part)) for part in (Part.REASONING, Part.ANSWER)
    ]
    assert parts == [(Part.REASONING, "because"), (Part.ANSWER, "naïve 🙂")]
    assert deltas(events)[0].part is Part.REASONING


async def test_an_effort_is_answered_with_reasoning() -> None:
    def reasons(events: list[Event]) -> bool:
        return any(delta.part is Part.REASONING for delta in deltas(events))

    assert reasons(await play(chat(reasoning_effort=ReasoningEffort.LOW)))
    assert not reasons(await play(chat(reasoning_effort=ReasoningEffort.NONE)))


@pytest.mark.parametrize(
    ("text", "more", "expected"),
    [
        ("CALL_TOOL_B64 get_weather " + b64('{"city":"Oslo"}'), {}, [("get_weather", '{"city":"Oslo"}')]),
        (f"CALL_TOOL_B64 bash {b64('{}')}", {}, [("Bash", "{}")]),
        ('CALL_TOOL Bash {"command": "ls {}"} END_CALL please', {}, [("Bash", '{"command": "ls {}"}')]),
        ("CALL_TOOL Bash {}\nCALL_TOOL get_weather {}", {}, [("Bash", "{}"), ("get_weather", "{}")]),
        ("CALL_TOOL Bash {}\nCALL_TOOL get_weather {}", {"parallel_tool_calls": False}, [("Bash", "{}")]),
        ("CALL_TOOL Bash {}", {"tool_choice": ToolMode.NONE}, []),
        ("CALL_TOOL nothing {}", {}, []),
        ("CALL_TOOL_B64 Bash !!!!", {}, []),
        ("hi", {"tool_choice": ToolMode.REQUIRED}, [("get_weather", json.dumps({"city": TEXT}))]),
        ("hi", {"tool_choice": "Bash"}, [("Bash", json.dumps({"command": TEXT}))]),
        ("hi", {"tool_choice": ToolMode.AUTO}, []),
        ("How is the weather?", {"tools": (WEATHER,)}, [("get_weather", json.dumps({"city": TEXT}))]),
        ("How is the weather?", {}, []),
    ],
)
async def test_tools_are_called_by_the_rules(text: str, more: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    _, calls, finished = await answer(chat(text, **{"tools": (WEATHER, BASH), **more}))
    assert calls == expected
    assert finished.reason is (FinishReason.TOOL_CALLS if expected else FinishReason.STOP)


async def test_a_result_is_answered_with_text_even_where_a_reminder_follows_it() -> None:
    call = ToolCall(id="c", name="Bash", arguments="{}")
    messages = (
        Message(role=Role.USER, content="CALL_TOOL Bash {}"),
        Message(role=Role.ASSISTANT, content="", calls=(call,)),
        Message(role=Role.TOOL, content="sunny", call_id="c"),
        Message(role=Role.USER, content="a reminder of the client"),
    )
    text, calls, _ = await answer(chat(messages=messages, tools=(BASH,), tool_choice=ToolMode.REQUIRED))
    assert (text, calls) == (f"{TEXT} TOOL_RESULT_SEEN: sunny", [])
    later = (
        *messages,
        Message(role=Role.ASSISTANT, content="ok"),
        Message(role=Role.USER, content="CALL_TOOL Bash {}"),
    )
    assert (await answer(chat(messages=later, tools=(BASH,))))[1] == [("Bash", "{}")]


CITY = {"type": "object", "properties": {"x": {"enum": ["a", "b"]}}, "required": ["x"]}
NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 2}
FLAG = {"type": "object", "properties": {"b": {"type": ["null", "boolean"]}}}
BOUNDED = {
    "s": {"type": "string", "maxLength": 3},
    "t": {"type": "string", "minLength": 60},
    "d": {"type": "string", "format": "date"},
    "x": {"type": "number", "exclusiveMinimum": 3, "maximum": 9},
}
SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer", "minimum": 9}}},
    {"$defs": {"c": CITY}, "type": "object", "properties": {"c": {"$ref": "#/$defs/c"}, "l": NUMBERS}},
    {"anyOf": [{"type": "null"}, {"type": "string"}]},
    {"allOf": [{"type": "object", "properties": {"a": {"const": 1}}}, FLAG]},
    {"type": "object", "properties": BOUNDED},
]


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_a_schema_is_answered_with_an_instance(schema: dict[str, Any]) -> None:
    text, _, _ = await answer(chat(response_format=ResponseFormat(schema=json.dumps(schema))))
    jsonschema.validate(json.loads(text), schema)


async def test_a_json_object_is_one() -> None:
    assert json.loads((await answer(chat(response_format=ResponseFormat())))[0]) == {"answer": TEXT}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["type", "properties", "items", "required", "$ref", "anyOf", "allOf", "enum", "minItems", "minimum", "a", "#"]
    ) | st.text(max_size=3), inner, max_size=5),
)  # fmt: skip


@given(JSON)
def test_whatever_calls_itself_a_schema_has_an_instance(schema: object) -> None:
    json.dumps(instance(schema, "x"))


def test_a_schema_that_refers_to_itself_has_an_end() -> None:
    json.dumps(instance({"$ref": "#"}, "x"))
    json.dumps(instance({"type": "object", "properties": {"a": {"$ref": "#"}}}, "x"))


async def test_stop_sequences_never_leak() -> None:
    text, _, finished = await answer(chat(f"SAY_B64 {b64('one two three')}", stop=("two",)))
    assert (text, finished.reason) == ("one ", FinishReason.STOP)


async def test_the_token_limit_ends_text_and_arguments() -> None:
    text, _, finished = await answer(chat("REPEAT 50", max_tokens=7))
    assert (text, finished.reason, finished.output_tokens) == ("abc " * 7, FinishReason.LENGTH, 7)
    _, calls, finished = await answer(chat('CALL_TOOL Bash {"command": "long"}', tools=(BASH,), max_tokens=3))
    assert (calls, finished.reason) == ([("Bash", '{"command"'[:8])], FinishReason.LENGTH)


async def test_errors_come_when_they_are_asked_for() -> None:
    with pytest.raises(GenerationError) as refused:
        await play(chat("FAIL_WITH BUSY"))
    assert (refused.value.code, refused.value.retry_after) == (ErrorCode.BUSY, 1.0)
    seen: list[Event] = []

    async def collect() -> None:
        async for event in ScriptedEngine().generate(chat("FAIL_AFTER 3 REPEAT 9")):
            seen.append(event)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(GenerationError, match="INTERNAL"):
        await collect()
    assert len(deltas(seen)) == 3
    assert (await answer(chat("FAIL_WITH NOTHING_KNOWN")))[0] == TEXT


async def test_an_answer_ends_at_its_deadline() -> None:
    for text in ("WAIT_MS 60000", "PACE_MS 60000"):
        _, _, finished = await answer(chat(text, deadline_ms=20))
        assert (finished.reason, finished.output_tokens) == (FinishReason.DEADLINE, 0)


async def test_a_long_answer_leaves_the_loop_to_others() -> None:
    long = asyncio.create_task(play(chat("REPEAT 100000", max_tokens=100_000)))
    await asyncio.wait_for(play(chat()), 5)
    assert not long.done()
    long.cancel()


async def test_the_context_is_a_limit() -> None:
    with pytest.raises(GenerationError) as refused:
        await play(chat("x" * 4 * 131_072))
    assert (refused.value.code, refused.value.limit) == (ErrorCode.CONTEXT_TOO_LONG, 131_071)


async def test_the_request_is_shown_as_it_arrived() -> None:
    shown = json.loads((await answer(chat("SHOW_REQUEST", stop=("\n",))))[0])
    assert (shown["stop"], shown["max_tokens"], shown["sampling"]["seed"]) == (["\n"], 10_000, None)


async def test_every_token_has_its_logprobs() -> None:
    found = deltas(await play(chat(top_logprobs=3)))
    assert all(len(delta.logprobs) == 1 and len(delta.logprobs[0].top) == 3 for delta in found)
    assert b"".join(delta.logprobs[0].token.text for delta in found).decode() == TEXT
    assert not any(delta.logprobs for delta in deltas(await play(chat())))
    assert all(not delta.logprobs[0].top for delta in deltas(await play(chat(top_logprobs=0))))


async def test_a_completion_goes_on_from_text_or_tokens() -> None:
    for prompt in (f"SAY_B64 {b64('yes')}", tuple(tokens.encode(f"SAY_B64 {b64('yes')}"))):
        asked = CompletionRequest(model="scripted", prompt=prompt, max_tokens=9, deadline_ms=1000)
        assert (await answer(asked))[0] == "yes"


async def test_vectors_lie_as_their_words_do() -> None:
    asked = EmbeddingRequest(
        model="scripted", inputs=("a red car", "the red car", "stock prices", (1, 2)), deadline_ms=1000
    )
    vectors = [np.frombuffer(d.vector, "<f4") for d in deltas(await play(asked))]
    assert [len(each) for each in vectors] == [384] * 4
    assert np.allclose([np.linalg.norm(each) for each in vectors], 1)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]
    (short,) = deltas(await play(EmbeddingRequest(model="scripted", inputs=("x",), deadline_ms=1000, dimensions=4)))
    assert len(short.vector) == 16


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_tokens_give_their_text_back(text: str) -> None:
    ids = tokens.encode(text)
    assert tokens.decode(ids) == text
    assert len(ids) == tokens.count(text)
    assert all(0 < token < 1 << 32 for token in ids)


@given(st.lists(st.integers(0, (1 << 32) - 1)))
def test_any_ids_read_as_some_text(ids: list[int]) -> None:
    tokens.decode(ids).encode()
