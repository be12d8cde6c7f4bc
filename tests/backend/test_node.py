"""A node behind a node: the scripted engine's API as the backend of another, asked locally and over QUIC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import openai
import pytest

from mycellm_proto.nodeid import encode_node_id
from reference_node.api import ApiServer
from reference_node.config import resolve
from reference_node.identity import load_or_create
from reference_node.scripted import ScriptedEngine
from tests.node.watched import WatchedNode

KEY = "the-key-of-the-inner-node"
Client = Callable[[str], Awaitable[openai.AsyncOpenAI]]


async def _node(
    stack: AsyncExitStack, home: Path, engine: ScriptedEngine | None, **flags: str
) -> tuple[WatchedNode, str]:
    home.mkdir(mode=0o700)  # noqa: ASYNC240 - a test's own folder
    given = {"home": str(home), "quic": "127.0.0.1:0", "api": "127.0.0.1:0", "no_model": "true"} | flags
    key = {"MYCELLM_BACKEND_KEY": KEY} if "backend" in flags else {}
    settings = resolve({name: (value,) for name, value in given.items()}, key).settings
    identity = load_or_create(home)
    node = await WatchedNode.start(settings, identity, engine)
    stack.push_async_callback(node.aclose)
    api = await ApiServer.start(node, settings, KEY)
    stack.push_async_callback(api.aclose, 0)
    return node, str(api.address)


@pytest.fixture(params=["local", "remote"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[openai.AsyncOpenAI]:
    async with AsyncExitStack() as stack:
        _, inner = await _node(stack, tmp_path / "inner", ScriptedEngine())
        front, address = await _node(
            stack, tmp_path / "front", None, backend=f"http://{inner}/v1", backend_model="scripted=cluster"
        )
        if request.param == "remote":
            peer = f"{encode_node_id(front._identity.node_id)}@{front.health()['quic']}"
            front, address = await _node(stack, tmp_path / "consumer", None, peer=peer)
            await front.found("cluster")
        await front.until(lambda: bool(front.catalog.models()))
        client = openai.AsyncOpenAI(base_url=f"http://{address}/v1", api_key=KEY, max_retries=0)
        stack.push_async_callback(client.close)
        yield client


async def test_a_conversation(client: openai.AsyncOpenAI) -> None:
    listed = [model async for model in client.models.list()]
    assert [model.id for model in listed] == ["cluster"]
    answer = await client.chat.completions.create(
        model="cluster", messages=[{"role": "user", "content": "Say hello"}], temperature=0.5, seed=3,
        extra_body={"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1},
    )  # fmt: skip
    assert answer.choices[0].message.content
    assert answer.model == "cluster"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 1
    assert answer.usage.completion_tokens > 1


async def test_a_stream_ends_with_its_usage(client: openai.AsyncOpenAI) -> None:
    asked = {"model": "cluster", "messages": [{"role": "user", "content": "Say hello"}]}
    whole = await client.chat.completions.create(**asked)  # type: ignore[call-overload]
    stream = await client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})  # type: ignore[call-overload]
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


async def test_tools_logprobs_and_schemas(client: openai.AsyncOpenAI) -> None:
    tool: Any = {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    called = await client.chat.completions.create(
        model="cluster",
        messages=[{"role": "user", "content": "weather?"}],
        tools=[tool],
        tool_choice="required",
    )
    assert called.choices[0].finish_reason == "tool_calls"
    calls = called.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"
    likely = await client.chat.completions.create(
        model="cluster", messages=[{"role": "user", "content": "Say hello"}], logprobs=True, top_logprobs=2
    )
    assert likely.choices[0].logprobs is not None
    assert likely.choices[0].logprobs.content
    assert len(likely.choices[0].logprobs.content[0].top_logprobs) == 2


async def test_completions_and_vectors(client: openai.AsyncOpenAI) -> None:
    completion = await client.completions.create(model="cluster", prompt="Once", max_tokens=4)
    assert completion.choices[0].text
    assert completion.usage is not None
    assert completion.usage.completion_tokens <= 4
    made = await client.embeddings.create(model="cluster", input=["a", "b"], dimensions=8)
    assert [len(each.embedding) for each in made.data] == [8, 8]


async def test_a_model_of_another_name_is_not_there(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "Hi"}])
