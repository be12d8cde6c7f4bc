"""What ``doctor`` says of a backend."""

from __future__ import annotations

import asyncio
from pathlib import Path

from reference_node.backend import Trouble
from reference_node.config import Settings, resolve
from reference_node.doctor import Check, _backend

from .server import Server, whole


async def findings(settings: Settings) -> list[Check]:
    return await asyncio.to_thread(lambda: list(_backend(settings)))


def settings(home: Path, **flags: str) -> Settings:
    return resolve({name: (value,) for name, value in {"home": str(home), **flags}.items()}, {}).settings


async def test_a_backend_that_answers_and_one_that_does_not(server: Server, tmp_path: Path) -> None:
    [good] = await findings(settings(tmp_path, backend=server.url))
    assert (good.status, "big" in good.detail) == ("ok", True)
    server.models.append({"id": "vague"})
    statuses = [each.status for each in await findings(settings(tmp_path, backend=server.url))]
    assert statuses == ["warn", "ok"]
    server.listing = lambda _: whole({}, 401)
    [refused] = await findings(settings(tmp_path, backend=server.url))
    assert (refused.status, Trouble.KEY.value in refused.detail) == ("fail", True)
    await server.stop()
    [away] = await findings(settings(tmp_path, backend=server.url))
    assert (away.status, Trouble.UNREACHABLE.value in away.detail) == ("fail", True)
    assert await findings(settings(tmp_path)) == []
