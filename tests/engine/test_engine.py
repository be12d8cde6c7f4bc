"""The engine over the tiny model: both graph forms, every variant, devices and limits."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from pathlib import Path

import pytest

from mycellm_proto.content import FinishReason, Sampling
from reference_node.engine import Device, EngineError, EngineOptions, load_engine
from reference_node.engine import session as session_module
from reference_node.engine.session import check_providers, open_session, pick_device
from reference_node.models import InstalledModel, ModelError, ModelStore, Progress
from reference_node.models.manifest import MANIFEST_NAME
from tests.engine.asking import ask, request

OPTIONS = EngineOptions(threads=1, spin=False, slots=3)


async def answer(model: InstalledModel, options: EngineOptions = OPTIONS, **wanted: object) -> str:
    engine = await load_engine(model, options=options)
    try:
        text, finished = await ask(engine, request(max_tokens=24, **wanted))  # type: ignore[arg-type]
        assert finished.reason in (FinishReason.LENGTH, FinishReason.STOP)
        return text
    finally:
        await engine.aclose()


async def test_both_graph_forms_give_the_same_text(
    tiny_store: ModelStore, tiny_gguf: Path, tiny_decoder: InstalledModel
) -> None:
    fp32 = tiny_store.import_(tiny_gguf, id="tiny-fp32", variant="fp32")
    assert await answer(tiny_decoder) == await answer(fp32) != ""
    seeded = Sampling(temperature=900_000, seed=5)
    assert await answer(tiny_decoder, sampling=seeded) == await answer(fp32, sampling=seeded)


@pytest.mark.parametrize("variant", ["fp16", "q8", "int4"])
async def test_every_variant_runs_on_the_cpu(tiny_store: ModelStore, tiny_gguf: Path, variant: str) -> None:
    assert await answer(tiny_store.import_(tiny_gguf, id=f"tiny-{variant}", variant=variant)) != ""


async def test_what_is_known_of_a_model(tiny_model: InstalledModel) -> None:
    stages: list[Progress] = []
    engine = await load_engine(tiny_model, options=OPTIONS, progress=stages.append)
    try:
        info = engine.info
        assert (info.id, info.digest, info.context_length) == (tiny_model.id, tiny_model.digest, 256)
        assert (info.created, engine.device) == (tiny_model.created, Device.CPU)
        assert stages[-1].stage == "load"
        _, finished = await ask(engine, request("the cat"))
        assert engine.count_tokens(request("the cat")) == finished.input_tokens
        assert engine.decode(engine.encode("the cat")) == "the cat"
    finally:
        await engine.aclose()


async def test_a_file_with_other_bytes_is_not_served(tiny_store: ModelStore, tiny_gguf: Path, tmp_path: Path) -> None:
    model = ModelStore(tmp_path / "cache", tmp_path / "home").import_(tiny_gguf)
    weights = model.folder / "model.onnx.data"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx\.data has a wrong SHA-256.*import it again"):
        await load_engine(model, options=OPTIONS)


async def test_a_template_that_does_not_work_is_said_at_start(tiny_model: InstalledModel, tmp_path: Path) -> None:
    manifest = dataclasses.replace(tiny_model.manifest, chat_template="{% if %}")
    folder = tmp_path / "models" / manifest.digest.hex()
    shutil.copytree(tiny_model.folder, folder)
    (folder / MANIFEST_NAME).write_bytes(manifest.canonical())
    model = dataclasses.replace(tiny_model, manifest=manifest, folder=folder, digest=manifest.digest)
    with pytest.raises(EngineError, match="chat template does not work"):
        await load_engine(model, options=OPTIONS)


async def test_a_graph_that_does_not_load_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nonsense")
    with pytest.raises(EngineError, match=r"cannot load .*model\.onnx"):
        open_session(path, OPTIONS, Device.CPU)


def test_cuda_without_a_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithCuda:
        @staticmethod
        def get_available_providers() -> list[str]:
            return [session_module.CUDA_PROVIDER]

    monkeypatch.setattr(session_module, "_gpu_count", lambda: 0)
    assert pick_device(Device.AUTO) is Device.CPU
    monkeypatch.setattr(session_module, "ort", WithCuda)
    with pytest.raises(EngineError, match="no GPU answers"):
        pick_device(Device.CUDA)
    monkeypatch.setattr(session_module, "_gpu_count", lambda: 1)
    assert pick_device(Device.AUTO) is Device.CUDA
    assert pick_device(Device.CPU) is Device.CPU
    monkeypatch.setattr(WithCuda, "get_available_providers", list)
    with pytest.raises(EngineError, match="no CUDA provider"):
        pick_device(Device.CUDA)


def test_a_session_that_fell_back_to_the_cpu_is_refused() -> None:
    with pytest.raises(EngineError, match="fell back to the CPU"):
        check_providers(["CPUExecutionProvider"], Device.CUDA)
    check_providers(["CUDAExecutionProvider", "CPUExecutionProvider"], Device.CUDA)
    check_providers(["CPUExecutionProvider"], Device.CPU)


async def test_an_export_for_the_cpu_is_not_tried_on_a_gpu(tiny_model: InstalledModel) -> None:
    with pytest.raises(EngineError, match="Use variant fp16"):
        await load_engine(tiny_model, options=dataclasses.replace(OPTIONS, device=Device.CUDA))


async def test_cancelled_requests_leave_the_engine_whole(tiny_model: InstalledModel) -> None:
    engine = await load_engine(tiny_model, options=OPTIONS)
    try:
        asking = [asyncio.create_task(ask(engine, request("the", max_tokens=200))) for _ in range(6)]
        await asyncio.sleep(0)
        for task in asking[::2]:
            task.cancel()
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 3
        text, _ = await ask(engine, request("the", max_tokens=200))
        assert [result[0] for result in results[1::2] if isinstance(result, tuple)] == [text] * 3
    finally:
        await engine.aclose()
