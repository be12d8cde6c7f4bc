"""The version of this software: of the installed package, or of the checkout."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

PACKAGE = "mycellm-proto"


def version() -> str:
    """Such as ``0.1.0``."""
    checkout = Path(__file__).parents[2] / "pyproject.toml"
    if checkout.is_file():
        return str(tomllib.loads(checkout.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version(PACKAGE)
