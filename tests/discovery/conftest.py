"""Nodes in one process that look for each other quickly, and what happens among them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from reference_node.discovery import Discovery, Pace
from reference_node.discovery.dialer import Dialer

from ..node.conftest import start_node

__all__ = ["Watch", "start_node", "watch"]

QUICK = Pace(dial_s=0.005, redial_s=0.2, ask_s=0.05, settle_s=0.2)
PATIENCE_S = 20.0


class Watch:
    """Waits for what any of the nodes learns."""

    def __init__(self) -> None:
        self.happened = asyncio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self.happened.clear()
                await self.happened.wait()


@pytest.fixture(autouse=True)
async def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Nobody waits for what takes a minute on the wire, and nobody looks at a clock."""
    made = Watch()

    def tells(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def told(*args: Any, **named: Any) -> Any:
            made.happened.set()
            return original(*args, **named)

        monkeypatch.setattr(owner, name, told)

    monkeypatch.setattr(Discovery, "pace", QUICK)
    for owner, name in ((Dialer, "wake"), (Discovery, "proved"), (Discovery, "over"), (Discovery, "met")):
        tells(owner, name)
    return made
