"""Requests, and the default model in the cache that this machine's runs share."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from mycellm_proto.content import ChatRequest, Message, Role, Sampling
from reference_node.engine import EngineOptions, load_engine
from reference_node.generation import Delta, Event, Finished, Generator, Started
from reference_node.models import InstalledModel, ModelStore

GREEDY = Sampling(temperature=0)


def cache_folder() -> Path:
    """The cache that a node uses when it is told nothing, so that the default model is converted once per machine."""
    named = os.environ.get("MYCELLM_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else (Path(base) if base else Path.home() / ".cache") / "mycellm"


def default_model(home: Path, variant: str = "int4") -> InstalledModel:
    return ModelStore(cache_folder(), home).ensure_default(variant)


def request(
    text: str = "the cat",
    *,
    max_tokens: int = 8,
    deadline_ms: int = 60_000,
    stop: tuple[str, ...] = (),
    sampling: Sampling = GREEDY,
) -> ChatRequest:
    messages = (Message(role=Role.USER, content=text),)
    return ChatRequest(
        model="m", messages=messages, max_tokens=max_tokens, deadline_ms=deadline_ms, stop=stop, sampling=sampling
    )


async def ask(generator: Generator, wanted: ChatRequest) -> tuple[str, Finished]:
    """The whole answer; checks the order of events and that their tokens add up. What a cache saved is left out."""
    events = [event async for event in generator.generate(wanted)]
    return text_of(events), replace(check(events), cached_tokens=None)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def check(events: list[Event]) -> Finished:
    started, *deltas, finished = events
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert finished.input_tokens == started.input_tokens
    tokens = 0
    for delta in deltas:
        assert isinstance(delta, Delta)
        tokens += delta.tokens
    assert tokens == finished.output_tokens
    return finished


def prompts() -> list[str]:
    """The fixed prompts on which an export is compared with fp32, "What is the capital of France?" first."""
    return (Path(__file__).parent / "data" / "agreement_prompts.txt").read_text().splitlines()


AGREEMENT_TOKENS = 16


async def agreement(home: Path, variant: str, asked: list[str]) -> tuple[list[bool], list[str]]:
    """For each prompt, whether the default model's export begins with fp32's greedy text; and that text."""
    texts = {name: await _beginnings(home, name, asked) for name in ("fp32", variant)}
    same = [expected == got for expected, got in zip(texts["fp32"], texts[variant], strict=True)]
    return same, texts["fp32"]


async def _beginnings(home: Path, variant: str, asked: list[str]) -> list[str]:
    engine = await load_engine(default_model(home, variant), options=EngineOptions(slots=1, context_limit=512))
    try:
        return [(await ask(engine, request(text, max_tokens=AGREEMENT_TOKENS)))[0] for text in asked]
    finally:
        await engine.aclose()
