"""OpenAI's Responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from reference_node.api import stored as stored_module
from reference_node.api.errors import ApiError
from reference_node.api.stored import Stored

from .test_families import SCHEMA, TEXT, call, named, post, user

if TYPE_CHECKING:
    import pytest

    from .conftest import Served

TOOL = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}
PATH = "/v1/responses"
KEYS = {
    "id", "object", "created_at", "completed_at", "status", "background", "error", "incomplete_details", "instructions",
    "max_output_tokens", "max_tool_calls", "model", "output", "parallel_tool_calls", "previous_response_id",
    "prompt_cache_key", "reasoning", "safety_identifier", "service_tier", "store", "temperature", "text", "tool_choice",
    "tools", "top_logprobs", "top_p", "presence_penalty", "frequency_penalty", "truncation", "usage", "user",
    "metadata",
}  # fmt: skip


async def test_a_response_is_whole(scripted: Served) -> None:
    reply = (await post(scripted, PATH, input="ping", instructions="x", max_output_tokens=64)).json
    assert set(reply) == KEYS
    assert (reply["status"], reply["model"], reply["store"]) == ("completed", "scripted", False)
    [item] = reply["output"]
    assert item["content"] == [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}]
    assert reply["usage"]["total_tokens"] == reply["usage"]["input_tokens"] + reply["usage"]["output_tokens"]


async def test_a_stream_has_its_events_in_order(scripted: Served) -> None:
    events = named(await post(scripted, PATH, input=user("hi"), reasoning={"effort": "low"}, stream=True))
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert all(name == data["type"] for name, data in events)
    names = [name.removeprefix("response.") for name, _ in events if not name.endswith(".delta")]
    begin, end = ["output_item.added", "content_part.added"], ["content_part.done", "output_item.done"]
    assert names == [
        "created", "in_progress", *begin, "reasoning_text.done", *end, *begin, "output_text.done", *end, "completed",
    ]  # fmt: skip
    last = events[-1][1]["response"]
    assert set(last) == KEYS
    assert [item["type"] for item in last["output"]] == ["reasoning", "message"]
    assert [data["output_index"] for name, data in events if name.endswith("item.done")] == [0, 1]
    assert "".join(data["delta"] for name, data in events if name == "response.output_text.delta") == TEXT


async def test_a_function_is_called_and_its_output_is_seen(scripted: Served) -> None:
    asked = user(call("get_weather", '{"city":"Oslo"}'))
    first = (await post(scripted, PATH, input=asked, tools=[TOOL])).json
    [made] = first["output"]
    assert (made["type"], made["arguments"]) == ("function_call", '{"city":"Oslo"}')
    turn = [*asked, made, {"type": "function_call_output", "call_id": made["call_id"], "output": "sunny"}]
    second = (await post(scripted, PATH, input=turn, tools=[TOOL])).json
    assert "TOOL_RESULT_SEEN: sunny" in second["output"][0]["content"][0]["text"]
    streamed = named(await post(scripted, PATH, input="x", tools=[TOOL], tool_choice="required", stream=True))
    done = next(data for name, data in streamed if name == "response.function_call_arguments.done")
    pieces = [data["delta"] for name, data in streamed if name == "response.function_call_arguments.delta"]
    assert "".join(pieces) == done["arguments"]
    assert set(json.loads(done["arguments"])) == {"city"}


async def test_a_custom_tool_takes_free_text(scripted: Served) -> None:
    tools = [{"type": "custom", "name": "patch", "format": {"type": "text"}}, {"type": "web_search"}]
    asked = call("patch", json.dumps({"input": "free text"}))
    made: dict[str, Any] = {}
    for stream in (False, True):
        reply = await post(scripted, PATH, input=asked, tools=tools, stream=stream)
        whole = named(reply)[-1][1]["response"] if stream else reply.json
        [made] = whole["output"]
        assert (made["type"], made["input"]) == ("custom_tool_call", "free text")
        assert [tool["type"] for tool in whole["tools"]] == ["custom"]  # what nobody here runs is not offered
    turn = [*user("go"), made, {"type": "custom_tool_call_output", "call_id": made["call_id"], "output": "done"}]
    assert (await post(scripted, PATH, input=turn, tools=tools)).status == 200


async def test_tools_of_namespaces_keep_them(scripted: Served) -> None:
    def space(name: str, *tools: str) -> dict[str, Any]:
        inner = [{"type": "function", "name": tool, "parameters": SCHEMA} for tool in tools]
        return {"type": "namespace", "name": name, "description": "", "tools": inner}

    offered = {"type": "additional_tools", "role": "developer", "tools": [space("a", "go", "stay"), space("b", "go")]}
    for told, name, namespace in (("stay", "stay", "a"), ("b.go", "go", "b")):
        asked = [offered, *user(call(told, '{"city":"Oslo"}'))]
        reply = await post(scripted, PATH, input=asked)
        [made] = reply.json["output"]
        assert (made["name"], made["namespace"]) == (name, namespace)
        assert [(tool["namespace"], tool["name"]) for tool in reply.json["tools"]] == [
            ("a", "go"), ("a", "stay"), ("b", "go"),
        ]  # fmt: skip
        result = {"type": "function_call_output", "call_id": made["call_id"], "output": "sunny"}
        said = [{"role": "assistant", "content": "Sunny."}]
        shown = await post(scripted, PATH, input=[*asked, made, result, *said, *user("SHOW_REQUEST")])
        text = json.loads(shown.json["output"][0]["content"][0]["text"])
        assert text["messages"][1]["calls"][0]["name"] == told
    refused = await post(scripted, PATH, input=[{"type": "additional_tools", "tools": 7}, *user("hi")])
    assert refused.status == 400


async def test_a_cut_response_is_incomplete(scripted: Served) -> None:
    body = {"input": "REPEAT 50", "max_output_tokens": 3}
    whole = (await post(scripted, PATH, **body)).json
    assert (whole["status"], whole["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    streamed = named(await post(scripted, PATH, stream=True, **body))
    assert streamed[-1][0] == "response.incomplete"


async def test_nothing_is_kept_unless_it_is_asked_for(scripted: Served) -> None:
    lost = (await post(scripted, PATH, input="first")).json["id"]
    reply = await post(scripted, PATH, input="second", previous_response_id=lost)
    assert (reply.status, reply.error["param"]) == (404, "previous_response_id")
    kept = (await post(scripted, PATH, input="first", store=True)).json["id"]
    reply = await post(scripted, PATH, input="SHOW_REQUEST", previous_response_id=kept)
    found = json.loads(reply.json["output"][0]["content"][0]["text"])
    assert [message["content"] for message in found["messages"]] == ["first", TEXT, "SHOW_REQUEST"]


def test_what_is_kept_is_bounded_in_number_bytes_time_and_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    from mycellm_proto.content import Message, Role

    now = [0.0]
    kept = Stored(clock=lambda: now[0])
    said = [Message(role=Role.USER, content="x" * 100)]

    def found(name: str, owner: bytes | None = None) -> bool:
        try:
            return bool(kept.find(name, owner))
        except ApiError:
            return False

    monkeypatch.setattr(stored_module, "MAX_KEPT", 2)
    for name in ("a", "b", "c"):
        kept.keep(name, None, said)
    assert [found(name) for name in ("a", "b", "c")] == [False, True, True]
    assert not found("c", b"key:other")
    monkeypatch.setattr(stored_module, "MAX_KEPT_BYTES", 400)
    kept.keep("d", None, said)
    assert [found(name) for name in ("c", "d")] == [False, True]
    kept.keep("e", None, [Message(role=Role.USER, content="x" * 1000)])
    assert not found("e")
    now[0] = stored_module.KEEP_S + 1
    assert not found("d")


async def test_a_get_is_told_to_post(api: Served) -> None:
    reply = await api.ask("GET", PATH)
    assert (reply.status, reply.error["code"]) == (426, "upgrade_required")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "input"),
    ({"input": []}, "input"),
    ({"input": 7}, "input"),
    ({"input": "x", "background": True}, "background"),
    ({"input": "x", "truncation": "auto"}, "truncation"),
    ({"input": "x", "conversation": "c"}, "conversation"),
    ({"input": "x", "prompt": {"id": "p"}}, "prompt"),
    ({"input": "x", "tool_choice": {"type": "web_search"}}, "tool_choice"),
    ({"input": "x", "tool_choice": "some"}, "tool_choice"),
    ({"input": "x", "max_output_tokens": 0}, "max_output_tokens"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input"),
    ({"input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format"),
    ({"input": "x", "metadata": {"a": 1}}, "metadata.a"),
]


async def test_what_is_wrong_is_named(api: Served) -> None:
    for body, param in WRONG:
        reply = await api.ask("POST", PATH, {"model": "fake-chat"} | body)
        assert (reply.status, reply.error["param"]) == (400, param), body
    assert not api.model.requests
