"""What a model answers is the same here and behind a QUIC hop: every operation, part and parameter, on the scripted
engine, which shows what it was asked.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from mycellm_proto.answer import Part
from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
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
from reference_node.generation import Delta, Finished, GenerationError, Generator
from reference_node.scripted import ScriptedEngine

from .conftest import StartNode

SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
TOOLS = (Tool(name="get_weather", description="w", parameters=SCHEMA, strict=True), Tool(name="ls"))
SAMPLING = Sampling(
    temperature=700_000, top_p=900_000, top_k=40, min_p=50_000, presence_penalty=-2_000_000,
    frequency_penalty=2_000_000, seed=2**64 - 1, repetition_penalty=1_200_000, logit_bias=((1, -5), (7, 100_000_000)),
)  # fmt: skip


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def chat(text: str, **more: Any) -> ChatRequest:
    messages = more.pop("messages", (Message(role=Role.USER, content=text),))
    return ChatRequest(model="scripted", messages=messages, max_tokens=2000, deadline_ms=20_000, **more)


CALL = ToolCall(id="c1", name="ls", arguments="{}")
HISTORY = (
    Message(role=Role.SYSTEM, content="Be brief."),
    Message(role=Role.USER, content="SHOW_REQUEST", name="Ann"),
    Message(role=Role.ASSISTANT, content="", calls=(CALL,), reasoning="hm"),
    Message(role=Role.TOOL, content="a file", call_id="c1"),
    Message(role=Role.ASSISTANT, content="There is one."),
    Message(role=Role.USER, content="SHOW_REQUEST"),
)
REQUESTS: dict[str, Content] = {
    "plain": chat("ping"),
    "shown": chat(
        "", messages=HISTORY, sampling=SAMPLING, stop=("\n",), tools=TOOLS, tool_choice=ToolMode.NONE,
        parallel_tool_calls=False, top_logprobs=0, reasoning_effort=ReasoningEffort.HIGH,
    ),
    "calls": chat("CALL_TOOL ls {}\nCALL_TOOL_B64 get_weather " + b64('{"city": "Ås"}'), tools=TOOLS),
    "required": chat("x", tools=TOOLS, tool_choice=ToolMode.REQUIRED),
    "named": chat("x", tools=TOOLS, tool_choice="ls", parallel_tool_calls=False),
    "reasoned": chat(f"THINK_B64 {b64('because')} SAY_B64 {b64('so 🙂')}"),
    "schema": chat("x", response_format=ResponseFormat(schema=SCHEMA, name="city", strict=True)),
    "logprobs": chat("x", top_logprobs=20),
    "completion": CompletionRequest(
        model="scripted", prompt="SHOW_REQUEST", max_tokens=500, deadline_ms=20_000, sampling=SAMPLING, stop=("\n",)
    ),
    "tokens": CompletionRequest(model="scripted", prompt=(1, 2, 1 << 31), max_tokens=50, deadline_ms=20_000),
    "vectors": EmbeddingRequest(model="scripted", inputs=("a", "b", (1, 2)), deadline_ms=20_000, dimensions=6000),
}  # fmt: skip


async def whole(generator: Generator, request: Content) -> tuple[list[tuple[Part, str]], list[object], Finished]:
    """Parts (joined, but for calls), log-probabilities and vectors, and the end."""
    parts: list[tuple[Part, str]] = []
    rest: list[object] = []
    *events, finished = [event async for event in generator.generate(request)]
    for event in events:
        if isinstance(event, Delta):
            rest += [*event.logprobs, *([event.vector] if event.vector else [])]
            if parts and parts[-1][0] is event.part is not Part.CALL:
                parts[-1] = (event.part, parts[-1][1] + event.text)
            elif event.text:
                parts.append((event.part, event.text))
    assert isinstance(finished, Finished)
    return parts, rest, finished


async def test_a_hop_changes_nothing(start_node: StartNode) -> None:
    provider = await start_node("provider", no_model="false", model="scripted", allowance="900000000")
    consumer, _ = await start_node("consumer", peers=(provider,))
    remote = await consumer.found()
    for name, request in REQUESTS.items():
        assert await whole(remote, request) == await whole(ScriptedEngine(), request), name
    for code in (ErrorCode.BUSY, ErrorCode.CONTEXT_TOO_LONG, ErrorCode.UNSUPPORTED):
        with pytest.raises(GenerationError, match=code.name):
            await whole(remote, chat(f"FAIL_WITH {code.name}"))


async def test_what_is_shown_is_all_of_the_request() -> None:
    parts, _, _ = await whole(ScriptedEngine(), REQUESTS["shown"])
    shown = json.loads(dict(parts)[Part.ANSWER])
    assert shown["sampling"]["logit_bias"] == [[1, -5], [7, 100_000_000]]
    assert shown["messages"][2]["calls"][0]["name"] == "ls"
    assert shown["tools"][0]["strict"] is True
