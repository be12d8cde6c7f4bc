"""The command line with a scripted node in the place of the real one: ``python program.py ARGUMENTS``."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reference_node.cli import main
from reference_node.config import Address
from reference_node.networks import Desk, NetworkError, Networks, NetworksFolder
from reference_node.owner import Owner
from tests.api.fakes import FakeNode, Scripted, info

if TYPE_CHECKING:
    from mycellm_proto.invite import Contact
    from reference_node.config import Settings
    from reference_node.identity import Identity
    from reference_node.node.peer_link import PeerLink


def desk(settings: Settings, node: bytes) -> Desk:
    async def reach(_: Contact) -> PeerLink:
        raise NetworkError("Nobody is reached from here.")

    return Desk(Networks(NetworksFolder(settings.home, node), node, time.time), now=time.time, reach=reach)


class Node(FakeNode):
    """Listens nowhere, answers at once unless it is told to hang."""

    owner: Owner
    desk: Desk

    @classmethod
    async def start(cls, settings: Settings, identity: Identity) -> Node:
        if settings.quic.port == 1:
            raise PermissionError(13, "Permission denied")
        if os.environ.get("FAKE_NODE_CONVERTS"):
            threading.Thread(target=threading.Event().wait).start()  # never ends, as a conversion nearly does
        made = cls(generators=[Scripted(info=info(settings.first_model))], quic=f"{settings.quic.host}:7421")
        made.owner = Owner.open(settings)
        made.desk = desk(settings, identity.node_id)
        return made

    def where_reached(self) -> list[Address]:
        return [Address(host="127.0.0.1", port=7421)]

    running = 0

    @property
    def local(self) -> object:
        """No test of the command line loads a model."""
        return None

    def hold(self, held: bool) -> None:
        self.held = held

    async def idle(self) -> None:
        """Nothing runs for peers here."""

    async def end_answers(self) -> int:
        return 0

    async def aclose(self) -> None:
        if os.environ.get("FAKE_NODE_HANGS"):
            await asyncio.Event().wait()


@dataclass
class ProbeResult:
    node_id: bytes
    version: int


async def probe(host: str, port: int, identity: Identity) -> ProbeResult:
    if port == 2:
        raise ConnectionRefusedError
    return ProbeResult(node_id=bytes(range(32)), version=1)


def fake_node() -> types.ModuleType:
    module = types.ModuleType("reference_node.node")
    vars(module).update(Node=Node, probe=probe)
    return module


if __name__ == "__main__":
    sys.modules["reference_node.node"] = fake_node()
    raise SystemExit(main())
