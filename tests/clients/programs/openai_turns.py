"""OpenAI's Python SDK, told of the node by its two variables alone, with OpenAI's own names of models."""

from __future__ import annotations

import json
import os
from typing import Any

import openai
from checks import CITY_SCHEMA, answered, calling, check, main, refused
from pydantic import BaseModel

MODEL, EMBEDDING = "gpt-4o", "text-embedding-3-small"
REAL = not os.environ.get("CHECK_EXPECTED")
ASKED: Any = [{"role": "user", "content": "Say hello."}]
TOOL: Any = {"type": "function", "function": {"name": "get_weather", "description": "w", "parameters": CITY_SCHEMA}}
client = openai.OpenAI(max_retries=0)


class City(BaseModel):
    name: str
    population: int


@check
def chat() -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ASKED, max_tokens=32)
    answered(answer.choices[0].message.content)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model != MODEL, "the answer does not say which model gave it"


@check
def chat_streamed() -> None:
    options: Any = {"include_usage": True}
    text, ends, usages = "", [], []
    for chunk in client.chat.completions.create(
        model=MODEL, messages=ASKED, max_tokens=32, stream=True, stream_options=options
    ):
        usages += [chunk.usage] if chunk.usage else []
        for choice in chunk.choices:
            text += choice.delta.content or ""
            ends += [choice.finish_reason] if choice.finish_reason else []
    answered(text)
    assert len(ends) == len(usages) == 1, (ends, usages)


@check
def responses() -> None:
    answer = client.responses.create(model=MODEL, input="Say hello.", max_output_tokens=32)
    answered(answer.output_text)


@check
def responses_streamed() -> None:
    with client.responses.stream(model=MODEL, input="Say hello.", max_output_tokens=32) as stream:
        kinds = [event.type for event in stream]
        answered(stream.get_final_response().output_text)
    assert kinds[0] == "response.created"
    assert kinds[-1] in ("response.completed", "response.incomplete")


@check
def completions() -> None:
    answered(client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once", max_tokens=32).choices[0].text)


@check
def embeddings() -> None:
    found = client.embeddings.create(model=EMBEDDING, input=["a", "b"])
    assert [each.index for each in found.data] == [0, 1]
    assert isinstance(found.data[0].embedding[0], float)


@check
def models() -> None:
    listed = [model.id for model in client.models.list()]
    assert listed
    assert client.models.retrieve(listed[0]).id == listed[0]


@check
def unknown_model() -> None:
    error = refused(openai.NotFoundError, lambda: client.models.retrieve("no-such-model"))
    assert error.body["message"]


@check
def wrong_request() -> None:
    wrong: Any = "no list"
    error = refused(openai.BadRequestError, lambda: client.chat.completions.create(model=MODEL, messages=wrong))
    assert error.body["message"]
    assert error.type == "invalid_request_error"


def every_parameter() -> None:
    told: Any = [{"role": "developer", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    more: Any = {"tools": [TOOL], "tool_choice": "none", "logit_bias": {"7": -100}, "reasoning_effort": "low"}
    answer = client.chat.completions.create(
        model=MODEL, messages=told, temperature=0, top_p=0.9, seed=1, stop=["\n\n"], max_completion_tokens=64,
        presence_penalty=0.1, frequency_penalty=0.1, user="u", metadata={"a": "b"}, store=False, n=2, logprobs=True,
        top_logprobs=1, parallel_tool_calls=False, extra_body={"top_k": 5, "min_p": 0.1}, **more,
    )  # fmt: skip
    assert [choice.index for choice in answer.choices] == [0, 1]
    for choice in answer.choices:
        answered(choice.message.content)
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        assert choice.logprobs.content[0].logprob <= 0


def tools() -> None:
    talk = list(ASKED)
    first = client.chat.completions.create(model=MODEL, messages=talk, tools=[TOOL], tool_choice="required").choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.tool_calls
    call: Any = first.message.tool_calls[0]
    assert "city" in json.loads(call.function.arguments)
    talk += [first.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    answered(client.chat.completions.create(model=MODEL, messages=talk, tools=[TOOL]).choices[0].message.content)


def tools_streamed() -> None:
    told: Any = [{"role": "user", "content": calling("get_weather", {"city": "Oslo"})}]
    with client.chat.completions.stream(model=MODEL, messages=told, tools=[TOOL]) as stream:
        for _ in stream:
            pass
        call: Any = (stream.get_final_completion().choices[0].message.tool_calls or [None])[0]
    assert json.loads(call.function.arguments) == {"city": "Oslo"}


def json_schema() -> None:
    answer = client.chat.completions.parse(model=MODEL, messages=ASKED, response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)
    assert isinstance(client.responses.parse(model=MODEL, input="x", text_format=City).output_parsed, City)


def json_object() -> None:
    wanted: Any = {"type": "json_object"}
    answer = client.chat.completions.create(model=MODEL, messages=ASKED, response_format=wanted)
    json.loads(answer.choices[0].message.content or "")


def response_tools() -> None:
    tool: Any = {"type": "function", "name": "get_weather", "parameters": CITY_SCHEMA, "strict": True}
    called: Any = client.responses.create(model=MODEL, input=ASKED, tools=[tool], tool_choice="required").output[-1]
    assert called.type == "function_call"
    result = {"type": "function_call_output", "call_id": called.call_id, "output": "sunny"}
    answer = client.responses.create(model=MODEL, input=[*ASKED, called.to_dict(), result], tools=[tool])
    answered(answer.output_text)


def response_goes_on() -> None:
    kept = client.responses.create(model=MODEL, input="Say hello.", store=True)
    answered(client.responses.create(model=MODEL, input="Again.", previous_response_id=kept.id).output_text)


def embeddings_of_tokens() -> None:
    found = client.embeddings.create(model=EMBEDDING, input=[[1, 2], [3]], encoding_format="float", dimensions=4)
    assert [len(each.embedding) for each in found.data] == [4, 4]


async def hang_up() -> None:
    async with openai.AsyncOpenAI(max_retries=0) as asking:
        told: Any = [{"role": "user", "content": "REPEAT 2000 PACE_MS 5"}]
        stream = await asking.chat.completions.create(model=MODEL, messages=told, stream=True)
        async for _ in stream:
            break
        await stream.close()


if not REAL:
    for each in (
        every_parameter, tools, tools_streamed, json_schema, json_object, response_tools, response_goes_on,
        embeddings_of_tokens, hang_up,
    ):  # fmt: skip
        check(each)

if __name__ == "__main__":
    main()
