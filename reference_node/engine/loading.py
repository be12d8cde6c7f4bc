"""Loads an installed model into an engine: which runner it needs, on which device, and what memory it takes."""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from reference_node.engine.decoder import DecoderRunner
from reference_node.engine.embedding import EmbeddingEngine
from reference_node.engine.engine import Engine
from reference_node.engine.options import Device, EngineError, EngineOptions, Memory, available_memory
from reference_node.engine.pool import DevicePool, HostPool, KvPool, KvShape, choose_capacity
from reference_node.engine.preparation import Preparation
from reference_node.engine.runner import ROW_BY_ROW, PooledRunner, Runner
from reference_node.engine.session import open_session, pick_device
from reference_node.generation import ModelInfo
from reference_node.models.errors import Progress, ProgressCallback, silent
from reference_node.models.manifest import GraphIo, Manifest
from reference_node.models.store import InstalledModel, verify_installed

CUDA_VARIANT = "fp16"
"""The only export of ours that CUDA's GroupQueryAttention takes."""

TOKENIZER_NAME = "tokenizer.json"


async def load_engine(
    model: InstalledModel, *, options: EngineOptions | None = None, progress: ProgressCallback = silent
) -> Engine | EmbeddingEngine:
    """Verifies the model's files, loads its graph and starts its engine.

    Raises `ModelError` for damaged files, `EngineError` for what this machine cannot do.
    """
    return await asyncio.to_thread(_load, model, options or EngineOptions(), progress)


def _load(model: InstalledModel, options: EngineOptions, progress: ProgressCallback) -> Engine | EmbeddingEngine:
    verify_installed(model, progress)
    progress(Progress(stage="load", done=0, total=0, detail=model.id))
    manifest = model.manifest
    check_weights(model, options)
    if manifest.io is GraphIo.ENCODER:
        return _load_encoder(model, options)
    device = _device_for(manifest, options)
    runner = _runner(model, options, device)
    cache = runner.slots * runner.capacity * _token_bytes(manifest)
    info = ModelInfo(
        id=model.id, digest=model.digest, context_length=runner.capacity, owner=manifest.owner, created=model.created
    )
    file = model.folder / TOKENIZER_NAME
    preparation = Preparation(manifest, Tokenizer.from_file(str(file)), file)
    return Engine(
        info, manifest, preparation, runner, device=device,
        queue_limit=options.queue_limit, prefix_cache=options.prefix_cache,
        memory=Memory(weights=model.size, cache=cache),
    )  # fmt: skip


def _load_encoder(model: InstalledModel, options: EngineOptions) -> EmbeddingEngine:
    manifest = model.manifest
    session = open_session(model.folder / manifest.graph, options, Device.CPU)
    info = ModelInfo(
        id=model.id, digest=model.digest, context_length=manifest.context_length, owner=manifest.owner,
        created=model.created,
    )  # fmt: skip

    def encode(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden: NDArray[np.float32] = session.run(["last_hidden_state"], inputs)[0]
        return hidden

    return EmbeddingEngine(
        info, Tokenizer.from_file(str(model.folder / TOKENIZER_NAME)), encode, device=Device.CPU,
        dimensions=manifest.kv_heads * manifest.head_size, queue_limit=options.queue_limit,
        memory=Memory(weights=model.size),
    )  # fmt: skip


def check_weights(model: InstalledModel, options: EngineOptions, memory: int | None = None) -> None:
    """Raises `EngineError` where the model's weights do not fit into memory. ``memory``: None to ask the system."""
    left = max(0, (available_memory() if memory is None else memory) - options.reserved)
    if model.size > left:
        raise EngineError(
            f"{model.id} takes {model.size >> 20} MiB, but {left >> 20} MiB are available. "
            "Unload another model, or take a smaller one."
        )


def _dtype(manifest: Manifest) -> type[np.float16 | np.float32]:
    return np.float16 if manifest.variant == CUDA_VARIANT else np.float32


def _token_bytes(manifest: Manifest) -> int:
    """What one token takes in the KV cache."""
    itemsize = np.dtype(_dtype(manifest)).itemsize
    return 2 * manifest.layers * manifest.kv_heads * manifest.head_size * itemsize


def _device_for(manifest: Manifest, options: EngineOptions) -> Device:
    runs_on_cuda = manifest.io is GraphIo.DECODER or manifest.variant == CUDA_VARIANT
    if options.device is Device.CUDA and not runs_on_cuda:
        raise EngineError(
            f"The {manifest.variant} export of {manifest.id} runs on the CPU only. "
            f"Use variant {CUDA_VARIANT} for device cuda."
        )
    return pick_device(options.device) if runs_on_cuda else Device.CPU


def _runner(model: InstalledModel, options: EngineOptions, device: Device) -> Runner:
    manifest = model.manifest
    session = open_session(model.folder / manifest.graph, options, device)
    if manifest.io is GraphIo.DECODER:
        return DecoderRunner(session, manifest, options, device)
    shape = KvShape(
        layers=range(manifest.layers),
        kv_heads=manifest.kv_heads,
        head_size=manifest.head_size,
        slots=options.slots,
        capacity=choose_capacity(options, manifest.context_length, _token_bytes(manifest)),
        dtype=_dtype(manifest),
    )
    pool: KvPool = HostPool(shape) if device is Device.CPU else DevicePool(shape, device)
    return PooledRunner(session, pool, manifest.vocabulary, batched=manifest.variant not in ROW_BY_ROW)
