"""The inference engine: ONNX Runtime on CUDA or CPU, with a decode loop and a KV pool of our own."""

from __future__ import annotations

from reference_node.engine.engine import Engine, load_engine
from reference_node.engine.options import Device, EngineError, EngineOptions

__all__ = ["Device", "Engine", "EngineError", "EngineOptions", "load_engine"]
