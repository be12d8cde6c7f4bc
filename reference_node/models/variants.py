"""The forms in which a model is exported. Light to import: a later start needs no more of the exporter."""

from __future__ import annotations

from enum import StrEnum

from reference_node.models.errors import ModelError

EXPORTER_VERSION = 1
"""Raised with every change of an exported byte, so that old exports are not taken for new ones."""

PRODUCER = f"mycellm-exporter-{EXPORTER_VERSION}"


class Variant(StrEnum):
    """The forms in which a GGUF file is exported (`reference_node.models.linear` says what each of them is)."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT4 = "int4"
    Q8 = "q8"


def check_variant(variant: str | None) -> None:
    """Raises `ModelError` for a variant that does not exist."""
    if variant is not None and variant not in list(Variant):
        raise ModelError(f"No variant {variant!r}; there are {', '.join(Variant)}.")
