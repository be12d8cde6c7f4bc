"""Row 21: every parameter crosses or is refused by its name; row 20: errors are errors, in OpenAI's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reference_node.api import body as body_module
from reference_node.api.chat_body import REFUSED, WITHOUT_EFFECT

if TYPE_CHECKING:
    from .conftest import Served

USER = [{"role": "user", "content": "Hi"}]
CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
F = {"type": "function", "function": {"name": "f"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s"}}
ASKING: dict[str, Any] = {
    "functions": [{"name": "f"}],
    "function_call": {"name": "f"},
    "modalities": ["text", "audio"],
    "mirostat": 2,
    "best_of": 1_000_000_000,
}
"""Values that ask for something, where a plain string would not be the natural one."""


def check_shape(error: dict[str, Any]) -> None:
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["type"]


async def test_what_is_not_supported_is_refused_by_name(api: Served) -> None:
    for name in REFUSED:
        reply = await api.chat(**{name: ASKING.get(name, "something")})
        assert reply.status == 400
        check_shape(reply.error)
        assert (reply.error["param"], reply.error["code"]) == (name, "unsupported_parameter")
    assert not api.model.requests


async def test_neutral_values_are_taken(api: Served) -> None:
    for name, neutral in REFUSED.items():
        for value in (None, *neutral):
            assert (await api.chat(**{name: value})).status == 200, (name, value)


async def test_what_has_no_effect_is_taken(api: Served) -> None:
    values: dict[str, Any] = {"metadata": {"a": "b"}, "store": True, "parallel_tool_calls": True}
    assert (await api.chat(**{name: values.get(name, "x") for name in WITHOUT_EFFECT})).status == 200


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": USER * 4097}, "messages"),
    ({"messages": ["Hi"]}, "messages[0]"),
    ({"messages": [{"role": "user"}]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
    ({"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}, "messages"),
    ({"messages": [{"role": "user", "tool_call_id": "c", "content": "x"}]}, "messages[0]"),
    ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": "x", "tool_calls": CALLS}]}, "messages[0]"),
    ({"messages": [{"role": "assistant", "tool_calls": CALLS * 2}]}, "messages"),
    ({"messages": [{"role": "assistant", "tool_calls": CALLS * 65}]}, "messages[0].tool_calls"),
    ({"messages": [*USER, {"role": "god", "content": "x"}]}, "messages[1].role"),
    ({"messages": [{"role": "user", "content": "x", "name": "n" * 129}]}, "messages[0].name"),
    ({"messages": [{"role": "assistant", "content": "x", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].id"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}] * 4097}]}, "messages[0].content"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"stream_options": {"include_obfuscation": 1}}, "stream_options.include_obfuscation"),
    ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters"),
    ({"tools": [F, F]}, "tools"),
    ({"tools": [F] * 513}, "tools"),
    ({"tools": [F], "tool_choice": "any"}, "tool_choice"),
    ({"tools": [F], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
    ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": SCHEMA}, "response_format"),
    ({"logit_bias": {"x": 1}}, "logit_bias"),
    ({"logit_bias": {"1": 101}}, "logit_bias.1"),
    ({"logit_bias": {"4294967296": 1}}, "logit_bias"),
    ({"logit_bias": {str(token): 1 for token in range(1025)}}, "logit_bias"),
    ({"logprobs": 1}, "logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"top_logprobs": 1}, "top_logprobs"),
    ({"repetition_penalty": 0}, "repetition_penalty"),
    ({"reasoning_effort": "hard"}, "reasoning_effort"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 1_000_001}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"max_tokens": "5"}, "max_tokens"),
    ({"max_completion_tokens": -1}, "max_completion_tokens"),
    ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_p": 1.01}, "top_p"),
    ({"top_k": -2}, "top_k"),
    ({"top_k": 1_000_001}, "top_k"),
    ({"min_p": 1.1}, "min_p"),
    ({"presence_penalty": 2.1}, "presence_penalty"),
    ({"frequency_penalty": -2.1}, "frequency_penalty"),
    ({"seed": 1 << 63}, "seed"),
    ({"seed": -(1 << 63) - 1}, "seed"),
    ({"seed": 1.0}, "seed"),
    ({"stop": ""}, "stop[0]"),
    ({"stop": "x" * 257}, "stop[0]"),
    ({"stop": ["a"] * 5}, "stop"),
    ({"stop": [1]}, "stop[0]"),
    ({"n": True}, "n"),
    ({"n": 0}, "n"),
    ({"n": 17}, "n"),
    ({"n": 1_000_000_000}, "n"),
    ({"n": 1.0}, "n"),
]


async def test_what_is_wrong_is_named(api: Served) -> None:
    for fields, param in WRONG:
        reply = await api.chat(**fields)
        assert (reply.status, reply.error["param"]) == (400, param), fields
        check_shape(reply.error)
    assert not api.model.requests


async def test_the_bounds_themselves_are_taken(api: Served) -> None:
    bounds: list[dict[str, Any]] = [
        {"seed": -(1 << 63)}, {"seed": (1 << 63) - 1}, {"temperature": 0}, {"temperature": 2}, {"top_p": 1e-9},
        {"top_k": -1}, {"max_tokens": 1_000_000}, {"stop": []}, {"stop": ["x" * 256] * 4}, {"min_p": 0},
        {"stream_options": {"include_usage": True}}, {"max_tokens": 3, "max_completion_tokens": 3},
    ]  # fmt: skip
    for fields in bounds:
        assert (await api.chat(**fields)).status == 200, fields
    asked = [request.sampling for request in api.model.requests]
    assert (asked[0].seed, asked[1].seed) == (1 << 63, (1 << 63) - 1)
    assert asked[4].top_p == 1
    assert asked[5].top_k == 0


BROKEN = [
    b"", b"{", b"null", b"[]", b'"x"', b"7", b"{} {}", b"{'a': 1}", b"\xff", b'{"a": "\xff"}', b'{"a": "\\ud800"}',
    b'{"temperature": NaN}', b'{"temperature": Infinity}', b'{"temperature": -Infinity}', b'{"temperature": 1e999}',
    b'{"seed": ' + b"9" * 5000 + b"}", b'{"a": ' * 100_000, b"[" * 100_000, b'\xef\xbb\xbf{"model": "x"}',
]  # fmt: skip


async def test_what_is_no_json_object_is_refused(api: Served) -> None:
    for raw in BROKEN:
        reply = await api.ask("POST", "/v1/chat/completions", raw)
        assert (reply.status, reply.error["code"]) == (400, "invalid_json"), raw[:40]
        check_shape(reply.error)


async def test_a_declared_body_over_the_limit_is_refused_before_it_comes(api: Served) -> None:
    limit = body_module.MAX_BODY_BYTES
    reader, writer = await api.connect()
    head = f"POST /chat/completions HTTP/1.1\r\nhost: {api.where}\r\ncontent-length: {limit + 1}\r\n\r\n"
    writer.write(head.encode())
    assert b" 413 " in await reader.readline()
    writer.close()


async def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(
    api: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "MAX_BODY_BYTES", 1000)
    reader, writer = await api.connect()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {api.where}\r\ntransfer-encoding: chunked\r\n\r\n"
    writer.write(head.encode() + b"1f4\r\n" + b" " * 500 + b"\r\n1f5\r\n" + b" " * 501 + b"\r\n")  # and no end
    assert b" 413 " in await reader.readline()
    writer.close()


async def test_a_body_that_does_not_come_is_given_up(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "BODY_TIMEOUT_S", 0.05)
    reader, writer = await api.connect()
    writer.write(f"POST /chat/completions HTTP/1.1\r\nhost: {api.where}\r\ncontent-length: 100\r\n\r\n{{".encode())
    assert b" 408 " in await reader.readline()
    assert (await reader.read())[-1:] == b"}"  # an error in JSON, then the end of the connection
    writer.close()


async def test_a_compressed_body_is_refused(api: Served) -> None:
    reply = await api.ask("POST", "/v1/chat/completions", b"\x1f\x8b", content_encoding="gzip")
    assert (reply.status, reply.error["code"]) == (415, "unsupported_encoding")


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/nothing", 404),
    ("GET", "/v1/chat/completions", 405),
    ("DELETE", "/v1/models", 405),
    ("GET", "/v1/models/", 404),
    ("GET", "/v1/models/none", 404),
    ("GET", "/docs", 404),
    ("GET", "/redoc", 404),
])  # fmt: skip
async def test_the_router_refuses_in_the_same_shape(api: Served, method: str, path: str, status: int) -> None:
    reply = await api.ask(method, path)
    assert reply.status == status
    check_shape(reply.error)
