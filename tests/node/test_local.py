"""Several models on one machine: loading, unloading, and what happens to requests under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reference_node.config import resolve
from reference_node.engine import EngineError, EngineOptions
from reference_node.engine.loading import check_weights
from reference_node.engine.options import available_memory
from reference_node.engine.pool import choose_capacity
from reference_node.generation import Finished
from reference_node.models import ModelError, ModelStore
from reference_node.node.local import LocalModels, ModelState
from reference_node.scripted import SCRIPTED_MODEL
from tests.engine.asking import ask, request
from tests.models.tiny import write_tiny
from tests.node.scripted import Scripted

Make = Callable[..., LocalModels]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Local models of a home in which `one` and `two` are installed."""
    store = ModelStore(tmp_path / "cache", tmp_path / "home")
    for name in ("one", "two"):
        store.import_(write_tiny(tmp_path / f"{name}.gguf"), id=name)
    made: list[LocalModels] = []

    def local(*names: str, changed: Callable[[], None] = lambda: None) -> LocalModels:
        flags = {"home": (str(tmp_path / "home"),), "cache": (str(tmp_path / "cache"),), "context": ("256",)}
        settings = replace(resolve(flags, {}).settings, model=names, threads=1)
        made.append(LocalModels(settings, None, changed))
        return made[-1]

    yield local
    for each in made:
        await each.aclose()


def states(local: LocalModels) -> dict[str, ModelState]:
    return {status.name: status.state for status in local.status()}


async def test_several_models_answer_and_go_one_by_one(make: Make) -> None:
    changes: list[list[str]] = []
    local: LocalModels = make("one", "two", changed=lambda: changes.append([info.id for info in local.infos()]))
    assert not local.ready
    await local.start()
    assert local.ready
    assert [info.id for info in local.infos()] == ["one", "two"]
    first, second = local.find("one"), local.find("two")
    assert first is not None
    assert second is not None
    assert (await ask(first, request()))[1].output_tokens > 0
    await local.unload("one")
    assert states(local) == {"two": ModelState.READY}
    assert local.find("one") is None
    assert local.ready  # it is gone because its owner said so: nobody is told to wait for it
    assert (await ask(second, request()))[1].output_tokens > 0
    await local.load("one")
    assert changes == [["one"], ["one", "two"], ["two"], ["two", "one"]]
    assert all(status.memory > 0 for status in local.status())


async def test_a_model_that_is_unloaded_ends_what_it_answers(make: Make) -> None:
    local = make(SCRIPTED_MODEL)
    await local.start()
    found = local.find(SCRIPTED_MODEL)
    assert found is not None
    events = found.generate(request("REPEAT 3"))
    await anext(events)
    gone = asyncio.create_task(local.unload(SCRIPTED_MODEL))
    await asyncio.sleep(0)
    assert states(local) == {SCRIPTED_MODEL: ModelState.DRAINING}
    assert local.status()[0].active == 1
    assert local.find(SCRIPTED_MODEL) is None
    with pytest.raises(ModelError, match="being unloaded"):
        await local.load(SCRIPTED_MODEL)
    rest = [event async for event in events]
    assert isinstance(rest[-1], Finished)
    await asyncio.wait_for(gone, 5)
    assert local.status() == []


async def test_a_reader_who_goes_away_is_waited_for_no_more(make: Make) -> None:
    local = make(SCRIPTED_MODEL)
    await local.start()
    found = local.find(SCRIPTED_MODEL)
    assert found is not None
    events = found.generate(request("WAIT_MS 60000"))
    await anext(events)
    gone = asyncio.create_task(local.unload(SCRIPTED_MODEL))
    await asyncio.sleep(0)
    await events.aclose()
    await asyncio.wait_for(gone, 5)


async def test_what_cannot_be_loaded_is_told_and_keeps_nobody(make: Make) -> None:
    local = make("missing", "two")
    await local.start()
    assert states(local) == {"missing": ModelState.FAILED, "two": ModelState.READY}
    assert "No model missing is installed" in (local.failure or "")
    assert not local.ready
    with pytest.raises(ModelError, match="missing"):
        await local.load("missing")
    with pytest.raises(ModelError, match="not loaded"):
        await local.unload("three")
    await local.unload("missing")
    assert states(local) == {"two": ModelState.READY}


async def test_an_engine_that_is_given_takes_the_place_of_all(make: Make, tmp_path: Path) -> None:
    settings = resolve({"home": (str(tmp_path),)}, {}).settings
    given = Scripted()
    local = LocalModels(settings, given, lambda: None)
    await local.start()
    assert local.ready
    assert [info.id for info in local.infos()] == ["scripted"]
    local.withdraw()
    assert not local.infos()


async def test_memory_is_looked_at_before(make: Make, tmp_path: Path) -> None:
    model = ModelStore(tmp_path / "cache", tmp_path / "home").get("one")
    check_weights(model, EngineOptions(), model.size)
    with pytest.raises(EngineError, match="Unload another model"):
        check_weights(model, EngineOptions(), model.size - 1)
    with pytest.raises(EngineError, match="Unload another model"):
        check_weights(model, EngineOptions(reserved=1), model.size)
    with pytest.raises(EngineError, match="KV cache"):
        choose_capacity(EngineOptions(slots=1, context_limit=100, reserved=1), 100, 10, 1000)
    assert available_memory() > 0
