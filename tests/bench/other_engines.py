"""Other engines on the same weights, for `bench_engine`, each in an environment of its own: none is locked or shipped.

An environment is only looked for, never made: building llama.cpp takes minutes, and a benchmark should not install.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reference_node.engine.options import default_threads
from reference_node.models.embedded import embedded_gguf

ROOT = Path(__file__).resolve().parents[2]
LLAMA = Path(".venvs") / "bench-llama"
LIMIT_S = 900


def run(streams: Sequence[int], prompts: Sequence[int], rounds: int) -> dict[str, Any]:
    """Figures of each engine, or why there are none."""
    return {
        "onnxruntime_genai": "not measured: it cannot load this model's graphs, and its model builder needs PyTorch "
        "and weights from a model hub",
        "llama_cpp": _llama(streams, prompts, rounds),
    }


def _llama(streams: Sequence[int], prompts: Sequence[int], rounds: int) -> Any:
    python = ROOT / LLAMA / "bin" / "python"
    if not python.exists():
        return f"not measured: run `python3 -m venv {LLAMA} && {LLAMA}/bin/pip install llama-cpp-python` first"
    asked = {
        "model": str(embedded_gguf()), "threads": default_threads(), "streams": list(streams), "prompts": list(prompts),
        "rounds": rounds,
    }  # fmt: skip
    script = Path(__file__).with_name("llama_side.py")
    try:
        done = subprocess.run(
            [str(python), str(script), json.dumps(asked)], capture_output=True, text=True, timeout=LIMIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"not measured: {LLAMA} failed ({error})"
    return json.loads(done.stdout.splitlines()[-1])
