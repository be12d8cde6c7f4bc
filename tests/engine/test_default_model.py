"""The embedded default model, served as it is by default: its text is fp32's. It is converted once per machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from mycellm_proto.content import FinishReason, Sampling
from reference_node.engine import EngineOptions, load_engine
from tests.engine.asking import agreement, ask, default_model, prompts, request

PARIS = "The capital of France is Paris."
QUESTION = "What is the capital of France?"

# Of the fixed prompts, the share whose first 16 greedy tokens must be those of the fp32 export.
LEAST_AGREEMENT = 0.95


async def test_it_answers(tmp_path: Path) -> None:
    engine = await load_engine(default_model(tmp_path), options=EngineOptions(slots=2))
    try:
        assert engine.info.context_length == 8192
        text, finished = await ask(engine, request(QUESTION, max_tokens=40))
        assert (text, finished.reason) == (PARIS, FinishReason.STOP)
        text, finished = await ask(engine, request(QUESTION, max_tokens=40, stop=(" Paris",)))
        assert (text, finished.reason) == ("The capital of France is", FinishReason.STOP)
        seeded = request("Write a sentence about the sea.", max_tokens=12, sampling=Sampling(seed=4))
        assert await ask(engine, seeded) == await ask(engine, seeded)
    finally:
        await engine.aclose()


@pytest.mark.parametrize("share", [pytest.param(6, id="sample"), pytest.param(50, id="all", marks=pytest.mark.slow)])
async def test_the_served_export_gives_fp32s_text(tmp_path: Path, share: int) -> None:
    asked = prompts()[:share]
    assert asked[0] == QUESTION
    agreed, texts = await agreement(tmp_path, "int4", asked)
    assert texts[0] == PARIS
    assert sum(agreed) >= LEAST_AGREEMENT * len(asked), [
        text for text, same in zip(asked, agreed, strict=True) if not same
    ]


def test_the_prompts_are_fifty() -> None:
    assert len(set(prompts())) == 50
