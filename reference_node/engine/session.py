"""The one module that imports onnxruntime: sessions, providers, and arrays in device memory.

ONNX Runtime's Linux wheels send telemetry unless this variable is set before the import; the API call that should stop
it does not. So it is set here, whatever the environment says, and `tests/engine/test_telemetry.py` shows that it works.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any, TypeAlias

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from reference_node.engine.options import Device, EngineError, EngineOptions, default_threads

ORT_VERSION: str = ort.__version__
Session: TypeAlias = ort.InferenceSession
Binding: TypeAlias = ort.IOBinding
Value: TypeAlias = ort.OrtValue

CUDA_PROVIDER = "CUDAExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"


def pick_device(wanted: Device) -> Device:
    """The device to use. AUTO is CUDA if this ONNX Runtime has it and a GPU answers; an explicit CUDA that is not
    there raises `EngineError`.
    """
    if wanted is Device.CPU:
        return Device.CPU
    built = CUDA_PROVIDER in ort.get_available_providers()
    usable = built and _gpu_count() > 0
    if wanted is Device.CUDA and not usable:
        cause = "no GPU answers (is the NVIDIA driver loaded?)" if built else "this onnxruntime has no CUDA provider"
        raise EngineError(f"device cuda was asked for, but {cause}. Install onnxruntime-gpu, or use device cpu.")
    return Device.CUDA if usable else Device.CPU


def open_session(path: Path, options: EngineOptions, device: Device) -> Session:
    """Loads a graph. Raises `EngineError` if it does not load, or not on ``device``: a CUDA session that fell back to
    the CPU would be silently slow.
    """
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads or default_threads()
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spin else "0")
    if device is Device.CUDA:
        ort.preload_dlls()
    wanted = [CUDA_PROVIDER, CPU_PROVIDER] if device is Device.CUDA else [CPU_PROVIDER]
    try:
        session = ort.InferenceSession(str(path), settings, providers=wanted)
    except Exception as error:  # onnxruntime's exceptions have no common base but Exception
        raise EngineError(f"ONNX Runtime cannot load {path}: {error}") from error
    check_providers(session.get_providers(), device)
    return session


def check_providers(got: list[str], device: Device) -> None:
    """Raises `EngineError` unless a session for CUDA really has the CUDA provider."""
    if device is Device.CUDA and CUDA_PROVIDER not in got:
        raise EngineError(
            "ONNX Runtime could not start its CUDA provider and fell back to the CPU (its log says why; most often the "
            "CUDA or cuDNN libraries do not match). Mend that, or use device cpu."
        )


def device_zeros(shape: tuple[int, ...], dtype: type[np.generic], device: Device) -> Value:
    """An array of zeros in the device's memory."""
    return device_array(np.zeros(shape, dtype), device)


def device_array(array: NDArray[Any], device: Device) -> Value:
    """A copy of an array in the device's memory."""
    return ort.OrtValue.ortvalue_from_numpy(np.array(array, order="C"), device.value, 0)


def _gpu_count() -> int:
    """GPUs that the CUDA driver reports; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
