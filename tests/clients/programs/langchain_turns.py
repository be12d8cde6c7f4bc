"""LangChain, told of the node by ``OPENAI_BASE_URL`` (and ``ANTHROPIC_BASE_URL``) and keys alone."""

from __future__ import annotations

import os
from typing import Any

from checks import answered, calling, check, main
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel

REAL = not os.environ.get("CHECK_EXPECTED")
SAY = "Say hello."
SEEN: list[str] = []


class City(BaseModel):
    """A city."""

    name: str
    population: int


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    SEEN.append(city)
    return "sunny"


def openai(**options: Any) -> Any:
    return ChatOpenAI(model="gpt-4o", max_retries=0, max_tokens=32, **options)


def claude() -> Any:
    return ChatAnthropic(model_name="claude-sonnet-4-5", max_tokens_to_sample=64, max_retries=0)  # type: ignore[call-arg,unused-ignore]


@check
def invoke() -> None:
    answer = openai().invoke(SAY)
    answered(answer.content)
    assert answer.usage_metadata["total_tokens"] > 0


@check
def stream() -> None:
    answered("".join(chunk.content for chunk in openai(stream_usage=True).stream(SAY)))


@check
async def astream() -> None:
    answered("".join([chunk.content async for chunk in openai().astream(SAY)]))


@check
def responses_api() -> None:
    answered(openai(use_responses_api=True).invoke(SAY).text)


@check
def responses_api_stream() -> None:
    answered("".join(chunk.text for chunk in openai(use_responses_api=True).stream(SAY)))


@check
def completions() -> None:
    answered(OpenAI(max_retries=0, max_tokens=32).invoke(SAY))


@check
def embeddings() -> None:
    # As texts; by default this class sends the ids of OpenAI's tokens, and fetches their vocabulary for that.
    model = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False)
    assert len(model.embed_documents(["a", "b"])) == 2


@check
def anthropic_invoke() -> None:
    answered(claude().invoke(SAY).content)


@check
def anthropic_stream() -> None:
    answered("".join(chunk.text for chunk in claude().stream(SAY)))


def structured_output() -> None:
    for method in ("json_schema", "function_calling"):
        assert isinstance(openai().with_structured_output(City, method=method).invoke(SAY), City), method
    assert isinstance(openai().with_structured_output(None, method="json_mode").invoke(SAY), dict)


def required_tool() -> None:
    assert openai().bind_tools([get_weather], tool_choice="any").invoke(SAY).tool_calls[0]["name"] == "get_weather"


def agent() -> None:
    for model in (openai(), claude()):
        SEEN.clear()
        told: Any = {"messages": [("user", calling("get_weather", {"city": "Oslo"}))]}
        answered(create_agent(model, [get_weather]).invoke(told)["messages"][-1].text)
        assert SEEN == ["Oslo"]


def embeddings_of_tokens() -> None:
    assert len(OpenAIEmbeddings(model="text-embedding-3-small").embed_documents(["a", "b"])) == 2


if not REAL:
    for each in (structured_output, required_tool, agent):
        check(each)
    if os.environ.get("TIKTOKEN_CACHE_DIR"):
        check(embeddings_of_tokens)

if __name__ == "__main__":
    main()
