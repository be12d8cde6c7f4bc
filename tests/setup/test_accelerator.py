"""The choice between the CPU and the GPU build."""

from __future__ import annotations

import ctypes
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bootstrap import accelerator
from bootstrap.problems import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Driver:
    """Stands in for libcuda.so.1: each call writes its number through the pointer and returns its status."""

    status: int = 0
    devices: int = 1
    version: int = 13000

    def cuInit(self, flags: int) -> int:
        assert flags == 0
        return self.status

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self.devices
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = self.version
        return 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Driver | None], None]:
    """Make this process believe in a Linux machine with the driver that it is given, or with none."""

    def pretend(driver: Driver | None) -> None:
        def load(name: str) -> Driver:
            if driver is None:
                raise OSError(f"{name}: cannot open shared object file")
            return driver

        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(platform, "machine", lambda: "x86_64")
        monkeypatch.setattr(ctypes, "CDLL", load)

    return pretend


@pytest.mark.parametrize(
    ("driver", "choice"),
    [
        (Driver(), "gpu"),
        (Driver(version=14010), "gpu"),
        (Driver(version=12090), "cpu"),
        (Driver(devices=0), "cpu"),
        (Driver(status=100), "cpu"),
        (None, "cpu"),
    ],
)
@pytest.mark.parametrize("environ", [{}, {"MYCELLM_ACCEL": ""}, {"MYCELLM_ACCEL": "auto"}])
def test_auto_takes_the_gpu_only_where_the_build_runs(
    machine: Callable[[Driver | None], None], driver: Driver | None, choice: str, environ: dict[str, str]
) -> None:
    machine(driver)
    assert accelerator.choose(environ) == choice


@pytest.mark.parametrize("wish", ["cpu", "gpu"])
def test_the_user_decides(machine: Callable[[Driver | None], None], wish: str) -> None:
    machine(Driver(devices=1 if wish == "cpu" else 0))
    assert accelerator.choose({"MYCELLM_ACCEL": wish}) == wish


def test_an_unknown_wish_is_refused() -> None:
    with pytest.raises(SetupError, match="MYCELLM_ACCEL is 'cuda': set it to auto, cpu or gpu"):
        accelerator.choose({"MYCELLM_ACCEL": "cuda"})


def test_the_gpu_build_is_for_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert accelerator.choose({}) == "cpu"
    with pytest.raises(SetupError, match="set MYCELLM_ACCEL=cpu"):
        accelerator.choose({"MYCELLM_ACCEL": "gpu"})
