"""Chat completions through the real stack, asked by the official SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mycellm_proto.content import FinishReason, Message, Role, Sampling

from .fakes import ends

if TYPE_CHECKING:
    from .conftest import Served


async def test_an_answer_is_whole(api: Served) -> None:
    answer = await api.sdk().chat.completions.create(model="fake-chat", messages=[{"role": "user", "content": "Hi"}])
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == "Hello, world"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (5, 4, 9)
    assert isinstance(answer.created, int)
    assert answer.model == "fake-chat"


@pytest.mark.parametrize("include_usage", [True, False])
async def test_a_stream_has_its_parts_in_order(api: Served, include_usage: bool) -> None:
    stream = await api.sdk().chat.completions.create(
        model="fake-chat",
        messages=[{"role": "user", "content": "Hi"}],
        stream=True,
        stream_options={"include_usage": include_usage},
    )
    chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert [delta.role for delta in deltas[1:]] == [None] * (len(deltas) - 1)
    assert "".join(delta.content or "" for delta in deltas) == "Hello, world"
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert reasons == [None] * (len(reasons) - 1) + ["stop"]
    usages = [chunk.usage for chunk in chunks]
    assert usages[:-1] == [None] * (len(chunks) - 1)
    assert (usages[-1] is not None) == include_usage
    assert bool(chunks[-1].choices) != include_usage
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}


async def test_the_stream_is_written_as_clients_read_it(api: Served) -> None:
    reply = await api.chat(stream=True)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert b"\r" not in reply.body
    assert reply.events[-1] == "[DONE]"
    assert all(block.startswith(b"data: ") for block in reply.body.split(b"\n\n") if block)


async def test_every_parameter_crosses(api: Served) -> None:
    messages = [
        {"role": "system", "content": "s"},
        {"role": "developer", "content": "d"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": ""},
    ]
    await api.sdk().chat.completions.create(
        model="fake-chat",
        messages=messages,  # type: ignore[arg-type]
        max_completion_tokens=7,
        temperature=0.7,
        top_p=0.9,
        presence_penalty=-1.5,
        frequency_penalty=2,
        seed=-3,
        stop=["x", "yz"],
        user="ignored",
        metadata={"ignored": "yes"},
        extra_body={"top_k": 40, "min_p": 0.05, "a_client_field": {"of": ["its", "own"]}},
    )
    [request] = api.model.requests
    assert request.messages == (
        Message(role=Role.SYSTEM, content="s"),
        Message(role=Role.SYSTEM, content="d"),
        Message(role=Role.USER, content="ab"),
        Message(role=Role.ASSISTANT, content="c"),
        Message(role=Role.USER, content=""),
    )
    assert request.max_tokens == 7
    assert request.stop == ("x", "yz")
    assert request.deadline_ms == 600_000
    assert request.sampling == Sampling(
        temperature=700_000,
        top_p=900_000,
        top_k=40,
        min_p=50_000,
        presence_penalty=-1_500_000,
        frequency_penalty=2_000_000,
        seed=(1 << 64) - 3,
    )


async def test_what_is_left_out_is_the_models_own(api: Served) -> None:
    await api.chat(temperature=None, stop=None, n=1, tools=[], tool_choice="auto", response_format={"type": "text"})
    [request] = api.model.requests
    assert request.sampling == Sampling()
    assert request.stop == ()
    assert request.max_tokens == 2048  # the context's length


async def test_the_deadline_may_come_with_the_request(api: Served) -> None:
    body = {"model": "fake-chat", "messages": [{"role": "user", "content": "Hi"}]}
    await api.ask("POST", "/v1/chat/completions", body, x_request_timeout_ms="1500")
    assert api.model.requests[0].deadline_ms == 1500
    for wrong in ("0", "-1", "1e3", "3600001", "٣"):
        reply = await api.ask("POST", "/v1/chat/completions", body, x_request_timeout_ms=wrong)
        assert (reply.status, reply.error["param"]) == (400, "x-request-timeout-ms")


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.CEILING])
async def test_a_cut_answer_says_length(api: Served, reason: FinishReason) -> None:
    api.play(ends(reason, "half"))
    assert (await api.chat()).json["choices"][0]["finish_reason"] == "length"


async def test_an_empty_answer_still_has_a_role_and_a_reason(api: Served) -> None:
    api.play(ends(FinishReason.STOP))
    reply = await api.chat(stream=True)
    assert '"role":"assistant"' in reply.events[0]
    assert '"finish_reason":"stop"' in reply.events[1]
    assert reply.events[2:] == ["[DONE]"]
