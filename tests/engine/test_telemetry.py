"""ONNX Runtime's wheels collect telemetry by default. With our session module no file and no look-up appears.

Each test runs beside its control: the same work without our module, in which telemetry is seen. So a version that hides
it elsewhere fails the control rather than passing unseen. Controls leave no packet: they end before anything is sent,
or run in a network namespace without a way out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.tiny import write_tiny

ROOT = Path(__file__).resolve().parents[2]

OURS = """
import asyncio, sys
from pathlib import Path
from reference_node.engine import Device, EngineOptions
from reference_node.engine.session import open_session
session = open_session(Path(sys.argv[1]), EngineOptions(threads=1), Device.CPU)
"""
BARE = """
import os, sys
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
"""
LEAVE_AT_ONCE = "os._exit(0)\n"
# The library first sends after ten seconds, on a timer of its own.
STAY = "import time\ntime.sleep(12)\n"

ISOLATED = ("unshare", "--map-root-user", "--net", "--")
TRACED = ("strace", "-f", "-qq", "-e", "trace=socket", "-o")


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    from reference_node.models.gguf_file import GgufFile
    from reference_node.models.llama_graph import export_llama
    from reference_node.models.variants import Variant

    export_llama(GgufFile(write_tiny(tmp_path / "t.gguf")), tmp_path, Variant.FP32)
    return tmp_path / "model.onnx"


def start(program: str, graph: Path, home: Path, *wrapper: str) -> subprocess.Popen[bytes]:
    """Starts a program with a fresh home, and without the variables that stop telemetry by themselves."""
    home.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TMPDIR": str(home),
    }
    command = [*wrapper, sys.executable, "-B", "-c", program, str(graph)]
    return subprocess.Popen(command, cwd=ROOT, env=environment)


def files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.skipif(sys.platform != "linux", reason="only the Linux wheels collect telemetry into files")
def test_no_file_appears(graph: Path, tmp_path: Path) -> None:
    assert start(BARE + LEAVE_AT_ONCE, graph, tmp_path / "control").wait(60) == 0
    assert files(tmp_path / "control"), (
        "telemetry is not seen where it should be: this test needs another way to see it"
    )
    assert start(OURS, graph, tmp_path / "ours").wait(60) == 0
    assert files(tmp_path / "ours") == []


def can_isolate() -> bool:
    if shutil.which("strace") is None or shutil.which("unshare") is None:
        return False
    command = [*ISOLATED, *TRACED, "/dev/null", "true"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not can_isolate(), reason="needs strace and network namespaces")
def test_no_look_up_is_tried(graph: Path, tmp_path: Path) -> None:
    traces = {name: tmp_path / f"{name}.trace" for name in ("control", "ours")}
    programs = {"control": BARE + STAY, "ours": OURS + STAY}
    running = [
        start(programs[name], graph, tmp_path / name, *ISOLATED, *TRACED, str(trace)) for name, trace in traces.items()
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert "AF_INET" in traces["control"].read_text(), (
        "telemetry is not seen where it should be: find out where it went"
    )
    assert "AF_INET" not in traces["ours"].read_text()
