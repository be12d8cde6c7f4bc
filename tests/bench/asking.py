"""Requests to an engine, and how long their first tokens and their streams take."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing

from mycellm_proto.content import ChatRequest, Message, ResponseFormat, Role, Sampling
from reference_node.engine import Engine
from reference_node.generation import Delta, Finished, Generator

STORY = "Write a long story about the sea."
SENTENCE = "The sea is deep and the day is long. "
PATIENCE_MS = 600_000


WORDS = {"type": "array", "items": {"type": "string", "maxLength": 12}, "minItems": 60}
SCHEMA = {"type": "object", "properties": {"words": WORDS}, "required": ["words"], "additionalProperties": False}
"""Of an answer that is longer than what is measured of it."""


def chat(*turns: str, max_tokens: int = 1, schema: object = None) -> ChatRequest:
    """A greedy request; the user speaks first, then turns alternate."""
    roles = (Role.USER, Role.ASSISTANT)
    messages = tuple(Message(role=roles[i % 2], content=text) for i, text in enumerate(turns))
    return ChatRequest(
        model="m", messages=messages, max_tokens=max_tokens, deadline_ms=PATIENCE_MS, sampling=Sampling(temperature=0),
        response_format=None if schema is None else ResponseFormat(schema=json.dumps(schema)),
    )  # fmt: skip


def story_of(engine: Engine, tokens: int) -> str:
    """A text whose prompt has at least that many tokens, and hardly more."""
    empty = engine.count_tokens(chat(""))
    each = engine.count_tokens(chat(SENTENCE * 11)) - engine.count_tokens(chat(SENTENCE))
    return SENTENCE * -(-(tokens - empty) * 10 // each)


async def first_token(generator: Generator, request: ChatRequest) -> float:
    """Seconds until the first token."""
    began = time.perf_counter()
    async with aclosing(generator.generate(request)) as events:
        async for event in events:
            if isinstance(event, Delta):
                return time.perf_counter() - began
    raise AssertionError("an answer without a token")


async def decode_together(engine: Generator, streams: int, steps: int, schema: object = None) -> float:
    """Tokens per second of all streams together, while all of them decode: after the last one's first token, until
    the first one ends. Their answers obey ``schema``, if there is one.
    """
    times: list[list[float]] = [[] for _ in range(streams)]

    async def ask(seen: list[float]) -> None:
        async for event in engine.generate(chat(STORY, max_tokens=steps + 2 * streams, schema=schema)):
            if isinstance(event, Delta):
                seen.append(time.perf_counter())
            assert not isinstance(event, Finished) or len(seen) >= steps, "the answer is too short to be measured"

    await asyncio.gather(*map(ask, times))
    began, ended = max(seen[0] for seen in times), min(seen[-1] for seen in times)
    return sum(began < moment <= ended for seen in times for moment in seen) / (ended - began)
