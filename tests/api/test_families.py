"""Every API family with the scripted engine, on this node and on a peer over QUIC: same requests, same answers."""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Reply, Served

TEXT = "ACCEPT-OK from the scripted engine."
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "w", "parameters": SCHEMA}}


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def call(name: str, arguments: str) -> str:
    return f"CALL_TOOL_B64 {name} {base64.b64encode(arguments.encode()).decode()}"


async def post(api: Served, path: str, **body: Any) -> Reply:
    return await api.ask("POST", path, {"model": "scripted"} | body)


def named(reply: Reply) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream that have names."""
    found = []
    for block in reply.body.decode().split("\n\n"):
        if block and not block.startswith(":"):
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def chunks(reply: Reply) -> list[dict[str, Any]]:
    assert reply.events[-1] == "[DONE]"
    return [json.loads(event) for event in reply.events[:-1]]


async def shown(api: Served, **body: Any) -> dict[str, Any]:
    """The request as the engine got it, behind the hop."""
    reply = await post(api, "/v1/chat/completions", messages=user("SHOW_REQUEST"), **body)
    assert reply.status == 200, reply.body
    return dict(json.loads(reply.json["choices"][0]["message"]["content"]))


async def test_every_parameter_of_a_chat_crosses_unchanged(scripted: Served) -> None:
    found = await shown(
        scripted, temperature=0.7, top_p=0.9, top_k=40, min_p=0.05, presence_penalty=-1.5, frequency_penalty=2,
        repetition_penalty=1.1, logit_bias={"50256": -100, "7": 1.5}, seed=-3, max_completion_tokens=5000,
        logprobs=True, top_logprobs=2, tools=[WEATHER], tool_choice="none", parallel_tool_calls=False,
        reasoning_effort="low",
    )  # fmt: skip
    assert found["sampling"] == {
        "temperature": 700_000, "top_p": 900_000, "top_k": 40, "min_p": 50_000, "presence_penalty": -1_500_000,
        "frequency_penalty": 2_000_000, "repetition_penalty": 1_100_000, "seed": (1 << 64) - 3,
        "logit_bias": [[7, 1_500_000], [50256, -100_000_000]],
    }  # fmt: skip
    assert (found["max_tokens"], found["top_logprobs"]) == (5000, 2)
    assert (found["tool_choice"], found["parallel_tool_calls"], found["reasoning_effort"]) == (0, False, 2)
    assert found["tools"][0]["name"] == "get_weather"
    assert json.loads(found["tools"][0]["parameters"]) == SCHEMA


async def test_a_stop_sequence_ends_the_answer_and_is_not_in_it(scripted: Served) -> None:
    body: dict[str, Any] = {"messages": user("hi"), "stop": ["scripted", "never"]}
    whole = await post(scripted, "/v1/chat/completions", **body)
    assert whole.json["choices"][0]["message"]["content"] == "ACCEPT-OK from the "
    streamed = chunks(await post(scripted, "/v1/chat/completions", stream=True, **body))
    said = [choice["delta"].get("content") or "" for chunk in streamed for choice in chunk["choices"]]
    assert "".join(said) == "ACCEPT-OK from the "


async def test_a_tool_is_called_and_its_result_is_seen(scripted: Served) -> None:
    asked = user(call("get_weather", '{"city":"Oslo"}'))
    first = (await post(scripted, "/v1/chat/completions", messages=asked, tools=[WEATHER])).json["choices"][0]
    assert first["finish_reason"] == "tool_calls"
    assert first["message"]["content"] is None
    [made] = first["message"]["tool_calls"]
    assert made["function"] == {"name": "get_weather", "arguments": '{"city":"Oslo"}'}
    turn = [*asked, first["message"], {"role": "tool", "tool_call_id": made["id"], "content": "sunny"}]
    second = await post(scripted, "/v1/chat/completions", messages=turn, tools=[WEATHER])
    assert "TOOL_RESULT_SEEN: sunny" in second.json["choices"][0]["message"]["content"]


async def test_tool_calls_stream_as_deltas(scripted: Served) -> None:
    asked = user(f"{call('get_weather', json.dumps({'city': 'a' * 99}))} {call('get_weather', '{}')}")
    reply = await post(scripted, "/v1/chat/completions", messages=asked, tools=[WEATHER], stream=True)
    deltas = [choice for chunk in chunks(reply) for choice in chunk["choices"]]
    parts = [part for choice in deltas for part in choice["delta"].get("tool_calls", [])]
    begins = [part for part in parts if "id" in part]
    assert [part["index"] for part in begins] == [0, 1]
    assert len({part["id"] for part in begins}) == 2
    assert {part["type"] for part in begins} == {"function"}
    for index, arguments in enumerate(('{"city": "' + "a" * 99 + '"}', "{}")):
        pieces = [part["function"]["arguments"] for part in parts if part["index"] == index]
        assert "".join(pieces) == arguments
    assert [choice["finish_reason"] for choice in deltas if choice["finish_reason"]] == ["tool_calls"]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
async def test_a_forced_tool_is_called(scripted: Served, choice: Any) -> None:
    other = {"type": "function", "function": {"name": "other"}}
    tools = [WEATHER, other]
    reply = await post(scripted, "/chat/completions", messages=user("x"), tools=tools, tool_choice=choice)
    assert reply.json["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "get_weather"


async def test_forms_of_answers(scripted: Served) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "c", "schema": SCHEMA, "strict": True}}
    for form, keys in ((wanted, {"city"}), ({"type": "json_object"}, {"answer"})):
        reply = await post(scripted, "/v1/chat/completions", messages=user("x"), response_format=form)
        assert set(json.loads(reply.json["choices"][0]["message"]["content"])) == keys


@pytest.mark.parametrize("stream", [False, True])
async def test_reasoning_stands_beside_the_answer(scripted: Served, stream: bool) -> None:
    reply = await post(
        scripted, "/v1/chat/completions", messages=user("hi"), reasoning_effort="high", stream=stream,
        stream_options={"include_usage": True} if stream else None,
    )  # fmt: skip
    if stream:
        deltas = [choice["delta"] for chunk in chunks(reply) for choice in chunk["choices"]]
        thought = "".join(delta.get("reasoning_content", "") for delta in deltas)
        said = "".join(delta.get("content", "") for delta in deltas)
        usage = chunks(reply)[-1]["usage"]
    else:
        message = reply.json["choices"][0]["message"]
        thought, said, usage = message["reasoning_content"], message["content"], reply.json["usage"]
    assert thought
    assert said == TEXT
    assert 0 < usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"]


async def test_choices_share_a_prompt_and_not_a_seed(scripted: Served) -> None:
    one = (await post(scripted, "/v1/chat/completions", messages=user("hi"))).json["usage"]
    reply = await post(scripted, "/v1/chat/completions", messages=user("hi"), n=3)
    assert [choice["index"] for choice in reply.json["choices"]] == [0, 1, 2]
    assert reply.json["usage"]["prompt_tokens"] == one["prompt_tokens"]
    assert reply.json["usage"]["completion_tokens"] == 3 * one["completion_tokens"]
    seeds = await post(scripted, "/v1/chat/completions", messages=user("SHOW_REQUEST"), n=2, seed=7)
    got = [json.loads(choice["message"]["content"])["sampling"]["seed"] for choice in seeds.json["choices"]]
    assert got == [7, 8]
    streamed = chunks(await post(scripted, "/v1/chat/completions", messages=user("hi"), n=2, stream=True))
    for index in (0, 1):
        own = [choice for chunk in streamed for choice in chunk["choices"] if choice["index"] == index]
        assert own[0]["delta"]["role"] == "assistant"
        assert "".join(choice["delta"].get("content") or "" for choice in own) == TEXT
        assert [choice["finish_reason"] for choice in own if choice["finish_reason"]] == ["stop"]


async def test_log_probabilities(scripted: Served) -> None:
    body: dict[str, Any] = {"messages": user("hi"), "logprobs": True, "top_logprobs": 2}
    whole = (await post(scripted, "/v1/chat/completions", **body)).json["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in whole) == TEXT
    assert all(token["logprob"] < 0 and len(token["top_logprobs"]) == 2 for token in whole)
    streamed = chunks(await post(scripted, "/v1/chat/completions", stream=True, **body))
    parts = [c["logprobs"]["content"] for chunk in streamed for c in chunk["choices"] if c["logprobs"]]
    assert [token for part in parts for token in part] == whole


async def test_text_completions(scripted: Served) -> None:
    reply = await post(scripted, "/v1/completions", prompt="ping", max_tokens=99)
    assert reply.json["object"] == "text_completion"
    assert reply.json["choices"][0]["text"] == TEXT
    two = await post(scripted, "/v1/completions", prompt=["a", "b"], n=2, echo=True, max_tokens=99)
    assert [choice["text"] for choice in two.json["choices"]] == [f"a{TEXT}", f"a{TEXT}", f"b{TEXT}", f"b{TEXT}"]
    ids = await post(scripted, "/v1/completions", prompt=[1, 2, 3], logprobs=1, max_tokens=99)
    found = ids.json["choices"][0]["logprobs"]
    assert "".join(found["tokens"]) == TEXT
    assert found["text_offset"][:2] == [0, len(found["tokens"][0])]
    streamed = chunks(await post(scripted, "/v1/completions", prompt="ping", stream=True, max_tokens=99))
    assert "".join(chunk["choices"][0]["text"] for chunk in streamed) == TEXT
    short = await post(scripted, "/v1/completions", prompt="REPEAT 100")
    assert (short.json["choices"][0]["finish_reason"], short.json["usage"]["completion_tokens"]) == ("length", 16)


async def test_embeddings(scripted: Served) -> None:
    reply = await post(scripted, "/v1/embeddings", input=["a", "b"], dimensions=8)
    floats = [entry["embedding"] for entry in reply.json["data"]]
    assert [len(vector) for vector in floats] == [8, 8]
    coded = await post(scripted, "/v1/embeddings", input=["a", "b"], dimensions=8, encoding_format="base64")
    assert [
        list(struct.unpack("<8f", base64.b64decode(entry["embedding"]))) for entry in coded.json["data"]
    ] == floats  # fmt: skip
    assert reply.json["usage"]["prompt_tokens"] == reply.json["usage"]["total_tokens"] > 0
    assert len((await post(scripted, "/v1/embeddings", input=[[1, 2], [3]])).json["data"]) == 2
    assert len((await post(scripted, "/v1/embeddings", input=[1, 2])).json["data"]) == 1


async def test_names_that_clients_bring_along_are_answered_by_the_default(scripted: Served) -> None:
    for name in ("gpt-4o", "claude-sonnet-4-5", "o3-mini", "openai/gpt-5", "codex-mini-latest"):
        reply = await post(scripted, "/v1/chat/completions", model=name, messages=user("hi"))
        assert reply.json["model"] == "scripted"
    embedded = await post(scripted, "/v1/embeddings", model="text-embedding-3-small", input="a")
    assert embedded.json["model"] == "scripted"
    for name in ("llama-3", "notgpt-4", "o", "oh-1"):
        assert (await post(scripted, "/v1/chat/completions", model=name, messages=user("hi"))).status == 404


@pytest.mark.parametrize(("path", "kind", "words"), [
    ("/v1/chat/completions", "context_length_exceeded", "maximum context length"),
    ("/v1/responses", "context_length_exceeded", "maximum context length"),
    ("/v1/messages", "invalid_request_error", "prompt is too long"),
])  # fmt: skip
async def test_a_prompt_beyond_the_context_is_said_in_the_familys_words(
    scripted: Served, path: str, kind: str, words: str
) -> None:
    body: dict[str, Any] = {"max_tokens": 9} if path == "/v1/messages" else {}
    long = "word " * 150_000
    body |= {"input": long} if path == "/v1/responses" else {"messages": user(long)}
    for stream in (False, True):
        reply = await post(scripted, path, stream=stream, **body)
        assert reply.status == 400
        assert kind in (reply.error.get("code"), reply.error["type"])
        assert words in reply.error["message"]
        assert "models import" in reply.error["message"]


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/chat/completions", "messages"),
        ("/v1/completions", "prompt"),
        ("/completions", "prompt"),
        ("/v1/responses", "input"),
        ("/v1/embeddings", "input"),
    ],
)
async def test_an_overflow_names_a_parameter_of_its_own_route(scripted: Served, path: str, param: str) -> None:
    long = "word " * 140_000
    error = (await post(scripted, path, **{param: user(long) if param == "messages" else long})).json["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", param)


async def test_a_failure_amid_a_stream_is_the_familys_error_event(scripted: Served) -> None:
    asked = user("REPEAT 9 FAIL_AFTER 3")
    chat = await post(scripted, "/v1/chat/completions", messages=asked, stream=True)
    assert set(json.loads(chat.events[-1])) == {"error"}
    anthropic = named(await post(scripted, "/v1/messages", messages=asked, stream=True, max_tokens=99))
    assert anthropic[-1][0] == "error"
    assert anthropic[-1][1]["error"]["type"] == "api_error"
    responses = named(await post(scripted, "/v1/responses", input="REPEAT 9 FAIL_AFTER 3", stream=True))
    assert [name for name, _ in responses[-2:]] == ["error", "response.failed"]
    assert responses[-1][1]["response"]["status"] == "failed"


async def test_busy_is_said_in_each_family(scripted: Served) -> None:
    for path, body, kind in (
        ("/v1/chat/completions", {"messages": user("FAIL_WITH BUSY")}, "rate_limit_error"),
        ("/v1/messages", {"messages": user("FAIL_WITH BUSY"), "max_tokens": 9}, "rate_limit_error"),
    ):
        reply = await post(scripted, path, **body)
        assert (reply.status, reply.error["type"]) == (429, kind)
        assert int(reply.headers["retry-after"]) >= 1
