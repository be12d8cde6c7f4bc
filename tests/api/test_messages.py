"""Anthropic's family."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from .test_families import SCHEMA, TEXT, call, named, post, user

if TYPE_CHECKING:
    from .conftest import Served

TOOL = {"name": "get_weather", "input_schema": SCHEMA}
PATH = "/v1/messages?beta=true"


async def test_a_message_is_whole(scripted: Served) -> None:
    reply = (await post(scripted, PATH, max_tokens=99, messages=user("hi"))).json
    assert (reply["type"], reply["role"], reply["model"], reply["stop_reason"]) == (
        "message", "assistant", "scripted", "end_turn",
    )  # fmt: skip
    assert reply["content"] == [{"type": "text", "text": TEXT, "citations": []}]
    assert {"input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"} <= set(
        reply["usage"]
    )


async def test_a_stream_has_its_events_in_order(scripted: Served) -> None:
    reply = await post(scripted, PATH, max_tokens=99, messages=user("hi"), stream=True, thinking={"type": "adaptive"})
    events = named(reply)
    assert all(name == data["type"] for name, data in events)
    names = [name for name, _ in events if name != "content_block_delta"]
    block = ["content_block_start", "content_block_stop"]
    assert names == ["message_start", "ping", *block, *block, "message_delta", "message_stop"]
    kinds = [data["content_block"]["type"] for name, data in events if name == "content_block_start"]
    assert kinds == ["thinking", "text"]
    said = [data["delta"] for name, data in events if name == "content_block_delta" and data["index"] == 1]
    assert "".join(delta["text"] for delta in said) == TEXT
    assert events[0][1]["message"]["usage"]["input_tokens"] > 0
    assert events[-2][1]["usage"]["output_tokens"] > 0


async def test_a_tool_is_used_and_its_result_is_seen(scripted: Served) -> None:
    asked = user(call("get_weather", '{"city":"Oslo"}'))
    first = (await post(scripted, PATH, max_tokens=99, messages=asked, tools=[TOOL])).json
    assert first["stop_reason"] == "tool_use"
    [used] = first["content"]
    assert (used["type"], used["name"], used["input"]) == ("tool_use", "get_weather", {"city": "Oslo"})
    for content in ("sunny", [{"type": "text", "text": "sunny"}]):
        result = {"type": "tool_result", "tool_use_id": used["id"], "content": content}
        turn = [*asked, {"role": "assistant", "content": first["content"]}, {"role": "user", "content": [result]}]
        second = (await post(scripted, PATH, max_tokens=99, messages=turn, tools=[TOOL])).json
        assert "TOOL_RESULT_SEEN: sunny" in second["content"][0]["text"]
    streamed = named(
        await post(
            scripted, PATH, max_tokens=99, messages=user("x"), tools=[TOOL], tool_choice={"type": "any"}, stream=True
        )
    )
    begun = [data["content_block"] for name, data in streamed if name == "content_block_start"]
    assert [(block["type"], block["input"]) for block in begun] == [("tool_use", {})]
    partial = "".join(data["delta"]["partial_json"] for name, data in streamed if name == "content_block_delta")
    assert set(json.loads(partial)) == {"city"}


async def test_what_claude_code_sends_is_taken(scripted: Served) -> None:
    """Fields of clients are tolerated, and what changes with every request is left out of the prompt."""
    blocks = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=1; cch=abc;"},
        {"type": "text", "text": "You help.", "cache_control": {"type": "ephemeral"}},
    ]
    messages = [{"role": "system", "content": "Be brief."}, *user("SHOW_REQUEST")]
    reply = await post(
        scripted, PATH, max_tokens=32_000, messages=messages, system=blocks,
        thinking={"type": "enabled", "budget_tokens": 1024},
        context_management={"edits": []}, output_config={"effort": "high"}, metadata={"user_id": "u"}, betas=["x"],
        tools=[TOOL, {"type": "web_search_20250305", "name": "web_search"}],
    )  # fmt: skip
    assert reply.status == 200, reply.body
    found = json.loads(reply.json["content"][-1]["text"])
    assert [message["content"] for message in found["messages"]] == ["You help.", "Be brief.", "SHOW_REQUEST"]
    assert [tool["name"] for tool in found["tools"]] == ["get_weather"]


async def test_more_tokens_than_there_are_are_clamped(scripted: Served) -> None:
    assert (await post(scripted, PATH, max_tokens=10**9, messages=user("hi"))).status == 200


WRONG: list[dict[str, Any]] = [
    {"messages": user("hi")},
    {"max_tokens": 0, "messages": user("hi")},
    {"max_tokens": 9, "messages": "nope"},
    {"max_tokens": 9, "messages": []},
    {"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
    {"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
    {"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
    {"max_tokens": 9, "messages": [{"role": "tool", "content": "x"}]},
    {"max_tokens": 9, "messages": user("hi"), "temperature": 1.5},
    {"max_tokens": 9, "messages": user("hi"), "tools": [TOOL], "tool_choice": {"type": "tool"}},
    {"max_tokens": 9, "messages": user("hi"), "mcp_servers": [{"url": "x"}]},
]


async def test_what_is_wrong_is_said_in_anthropics_shape(api: Served) -> None:
    for body in WRONG:
        reply = await api.ask("POST", "/v1/messages", {"model": "fake-chat"} | body)
        assert reply.status == 400, body
        assert reply.json["type"] == "error"
        assert reply.error["type"] == "invalid_request_error"
        assert reply.json["request_id"] == reply.headers["request-id"] == reply.headers["x-request-id"]
    assert not api.model.requests
    assert (await api.ask("GET", "/v1/messages")).json["type"] == "error"
    unknown = await api.ask("POST", "/messages", {"model": "none", "max_tokens": 9, "messages": user("hi")})
    assert (unknown.status, unknown.error["type"]) == (404, "not_found_error")


async def test_tokens_are_counted(scripted: Served) -> None:
    path = "/v1/messages/count_tokens"
    short = (await post(scripted, path, messages=user("hi"))).json["input_tokens"]
    long = (await post(scripted, path, messages=user("hi " * 400), system="x", tools=[TOOL])).json["input_tokens"]
    assert 0 < short < long


@pytest.mark.parametrize("images", ["refuse", "placeholder"])
async def test_images_are_refused_by_name_or_have_a_placeholder(start: Any, images: str) -> None:
    api = await start(images=images)
    pictures: dict[str, dict[str, Any]] = {
        "/v1/messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
        "/v1/chat/completions": {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        "/v1/responses": {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
    }
    for path, picture in pictures.items():
        turn = [{"role": "user", "content": [picture]}]
        body: dict[str, Any] = {"input": turn} if path == "/v1/responses" else {"messages": turn, "max_tokens": 9}
        reply = await api.ask("POST", path, {"model": "fake-chat"} | body)
        assert reply.status == (200 if images == "placeholder" else 400)
        if images == "refuse":
            assert picture["type"] in reply.error["message"]
        else:
            assert "image stood here" in api.model.requests[-1].messages[0].content
