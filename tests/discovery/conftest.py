"""Nodes in one process that look for each other quickly."""

from __future__ import annotations

import pytest

from reference_node.discovery import Discovery, Pace

from ..node.conftest import start_node

__all__ = ["start_node"]

QUICK = Pace(dial_s=0.005, redial_s=0.2, ask_s=0.05, settle_s=0.2)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what takes a minute on the wire."""
    monkeypatch.setattr(Discovery, "pace", QUICK)
