"""The inference engine: ONNX Runtime on CUDA or CPU, with a decode loop and a KV pool of our own."""

from __future__ import annotations

from reference_node.engine.embedding import EmbeddingEngine
from reference_node.engine.engine import Engine
from reference_node.engine.loading import CUDA_VARIANT, load_engine
from reference_node.engine.options import Device, EngineError, EngineOptions
from reference_node.engine.owners import LOCAL_OWNER, Answering, InFlight, OwnedGenerator
from reference_node.engine.session import pick_device

__all__ = [
    "CUDA_VARIANT", "LOCAL_OWNER", "Answering", "Device", "EmbeddingEngine", "Engine", "EngineError", "EngineOptions",
    "InFlight", "OwnedGenerator", "load_engine", "pick_device",
]  # fmt: skip
