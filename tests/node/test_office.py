"""The settlement node under somebody who asks too much."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.keys import SigningKey
from reference_node.ledger import Place
from reference_node.networks import Networks, NetworksFolder, terms
from reference_node.settlement import Accounts, Caller, Office, office

NODE = SigningKey(b"\x01" * 32).public


async def test_a_member_that_has_a_lot_judged_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(*_: object, **__: object) -> None:
        time.sleep(0.02)
        raise RemoteProtocolError("no tick", code=ErrorCode.BAD_TICK, requirement="SET-005")

    monkeypatch.setattr(office, "check_claim", judged)
    held = Networks(NetworksFolder(tmp_path), NODE, time.time)
    words = {"kind": "private", "admission": None, "data_handling": "open", "models": None}
    held.create(terms("lab", settlement="self", node=NODE, **words))  # type: ignore[arg-type]
    accounts = Accounts(Place.file(tmp_path / "ledger.db"), time.time)
    await accounts.ledger()
    asked_of = Office(held, accounts, time.time)
    asked: Any = SimpleNamespace(claims=(None,))
    ended: list[bytes] = []

    async def settle(node: bytes) -> None:
        await asked_of.settle(Caller(node, held.member), asked)
        ended.append(node)

    async with asyncio.TaskGroup() as group:
        for node in [b"mallory"] * 8 + [b"bob"]:
            group.create_task(settle(node))
    assert ended.index(b"bob") <= 2
    asked_of.close()
    await accounts.aclose()
