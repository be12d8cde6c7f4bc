"""Chooses between the CPU and the GPU build of ONNX Runtime; they cannot be installed together."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Mapping

from bootstrap.problems import SetupError

__all__ = ["OVERRIDE", "choose", "missing_for_gpu"]

OVERRIDE = "MYCELLM_ACCEL"
# The pinned onnxruntime-gpu is built for CUDA 13; the driver writes 13.0 as 13000.
DRIVER = 13000


def choose(environ: Mapping[str, str]) -> str:
    """Return ``cpu`` or ``gpu``: what ``MYCELLM_ACCEL`` says, or else what this machine has.

    Raises:
        SetupError: the variable has another value than auto, cpu and gpu, or asks for a build that does not exist.
    """
    wish = environ.get(OVERRIDE) or "auto"
    if wish == "auto":
        return "cpu" if missing_for_gpu() else "gpu"
    if wish not in {"cpu", "gpu"}:
        raise SetupError(f"{OVERRIDE} is {wish!r}", "set it to auto, cpu or gpu")
    if wish == "gpu" and sys.platform != "linux":
        raise SetupError(f"{OVERRIDE} is 'gpu', and the GPU build exists for Linux only", f"set {OVERRIDE}=cpu")
    return wish


def missing_for_gpu() -> str:
    """Return what this machine lacks for the GPU build, or an empty string."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "Linux on x86-64"
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "an NVIDIA driver"
    count, version = ctypes.c_int(0), ctypes.c_int(0)
    if cuda.cuInit(0) != 0 or cuda.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value < 1:
        return "an NVIDIA GPU"
    if cuda.cuDriverGetVersion(ctypes.byref(version)) != 0 or version.value < DRIVER:
        return f"an NVIDIA driver for CUDA {DRIVER // 1000}"
    return ""
