"""Anthropic's Python SDK, told of the node by its two variables alone, with Anthropic's own names of models."""

from __future__ import annotations

import os
from typing import Any

import anthropic
from checks import CITY_SCHEMA, answered, calling, check, main, refused

MODEL = "claude-sonnet-4-5"
REAL = not os.environ.get("CHECK_EXPECTED")
ASKED: Any = [{"role": "user", "content": "Say hello."}]
TOOL: Any = {"name": "get_weather", "input_schema": CITY_SCHEMA}
client = anthropic.Anthropic(max_retries=0)


@check
def message() -> None:
    more: Any = {"temperature": 0, "top_k": 5}
    answer = client.messages.create(
        model=MODEL, max_tokens=32, system="Be brief.", messages=ASKED, stop_sequences=["zz"],
        metadata={"user_id": "u"}, extra_body=more,
    )  # fmt: skip
    block: Any = answer.content[0]
    answered(block.text)
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0
    assert answer.model != MODEL, "the answer does not say which model gave it"


@check
def message_streamed() -> None:
    with client.messages.stream(model=MODEL, max_tokens=32, messages=ASKED) as stream:
        answered("".join(stream.text_stream))
        final = stream.get_final_message()
    assert final.stop_reason in ("end_turn", "max_tokens")
    assert final.usage.output_tokens > 0


@check
def models() -> None:
    assert [model.id for model in client.models.list()]


@check
def count_tokens() -> None:
    assert client.messages.count_tokens(model=MODEL, messages=ASKED).input_tokens > 0


@check
def wrong_request() -> None:
    wrong: Any = "no list"
    ask: Any = client.messages.create
    error = refused(anthropic.BadRequestError, lambda: ask(model=MODEL, max_tokens=5, messages=wrong))
    assert error.body["type"] == "error"
    assert error.body["error"]["type"] == "invalid_request_error"


def tools() -> None:
    any_tool: Any = {"type": "any"}
    first = client.messages.create(model=MODEL, max_tokens=64, messages=ASKED, tools=[TOOL], tool_choice=any_tool)
    use: Any = first.content[-1]
    assert first.stop_reason == "tool_use"
    assert use.input["city"]
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    said = [block.model_dump(exclude_none=True) for block in first.content]
    talk: Any = [*ASKED, {"role": "assistant", "content": said}, {"role": "user", "content": [result]}]
    answer: Any = client.messages.create(model=MODEL, max_tokens=64, tools=[TOOL], messages=talk)
    answered(answer.content[0].text)


def tools_streamed() -> None:
    told: Any = [{"role": "user", "content": calling("get_weather", {"city": "Oslo"})}]
    with client.messages.stream(model=MODEL, max_tokens=64, messages=told, tools=[TOOL]) as stream:
        use: Any = stream.get_final_message().content[-1]
    assert use.input == {"city": "Oslo"}


if not REAL:
    check(tools)
    check(tools_streamed)

if __name__ == "__main__":
    main()
