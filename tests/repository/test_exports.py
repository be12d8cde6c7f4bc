"""The protocol's public names change on purpose only."""

from __future__ import annotations

from pathlib import Path

import mycellm_proto

EXPORTS = Path(__file__).with_name("exports.txt")
RENEW = "python3 -m tests.repository.test_exports"


def names() -> list[str]:
    """Return what ``from mycellm_proto import *`` gives."""
    return sorted(getattr(mycellm_proto, "__all__", []))


def test_public_names_are_the_listed_ones() -> None:
    assert names() == EXPORTS.read_text(encoding="utf-8").split(), f"if that is meant, run {RENEW}"


def test_public_names_exist() -> None:
    assert not [name for name in names() if not hasattr(mycellm_proto, name)]


if __name__ == "__main__":
    EXPORTS.write_text("".join(f"{name}\n" for name in names()), encoding="utf-8")
