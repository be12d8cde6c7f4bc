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


def desk(networks: Networks) -> Desk:
    async def reach(_: Contact) -> PeerLink:
        raise NetworkError("Nobody is reached from here.")

    return Desk(networks, now=time.time, reach=reach, card=lambda: None)


class Balances:
    """Of a member that has a thousand, some of it reserved."""

    async def show(self, name: str | None = None) -> dict[str, object]:
        if name == "nowhere":
            raise NetworkError("This node is in no network 'nowhere'.")
        row = {"id": "00" * 32, "name": "lab", "balance": 1000, "reserved": 300, "available": 700}
        return {"balances": [row]}


class Discovery:
    """Of a node that knows one other, and asked two."""

    async def find(self, network: bytes | None = None) -> int:
        return 2

    def view(self, network: bytes | None = None) -> dict[str, object]:
        record = {"network": "direct", "node_id": "myc1x", "addresses": ["192.0.2.7:7420"], "state": "reached"}
        seen = {"node_id": "myc1y", "addresses": ["192.168.1.9:7420"]}
        return {"direct": False, "mdns": True, "records": [record], "lan": [seen] if network is None else []}


class Node(FakeNode):
    """Listens nowhere, answers at once unless it is told to hang."""

    owner: Owner
    desk: Desk
    networks: Networks
    balances = Balances()
    discovery = Discovery()

    @classmethod
    async def start(cls, settings: Settings, identity: Identity) -> Node:
        if settings.quic.port == 1:
            raise PermissionError(13, "Permission denied")
        if os.environ.get("FAKE_NODE_CONVERTS"):
            threading.Thread(target=threading.Event().wait).start()  # never ends, as a conversion nearly does
        made = cls(generators=[Scripted(info=info(settings.first_model))], quic=f"{settings.quic.host}:7421")
        made.owner = Owner.open(settings)
        node = identity.node_id
        made.networks = Networks(NetworksFolder(settings.home), node, time.time)
        made.desk = desk(made.networks)
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
