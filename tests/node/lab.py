"""A network whose authority keeps the accounts, with a provider, and a consumer that has a quota."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mycellm_proto.membership import MemberRole
from reference_node.identity import Identity
from reference_node.ledger import Balance
from reference_node.networks import terms
from reference_node.node.remote import RemoteModel
from reference_node.store import Record
from reference_node.store.audit import open_archive

from .conftest import StartNode
from .scripted import Scripted
from .watched import PATIENCE_S, WatchedNode

QUOTA = 10_000
BILL = 5 + 3 * 4
"""What the scripted answer costs."""
PREPAID = 4 * 64
"""What an open must have for the prepaid ticks."""


@dataclass
class Lab:
    """A network ``lab`` whose authority keeps the accounts."""

    authority: WatchedNode
    provider: WatchedNode
    consumer: WatchedNode
    engine: Scripted
    network: bytes
    authority_id: Identity
    provider_id: Identity
    consumer_id: Identity

    async def model(self) -> RemoteModel:
        """The provider's, as the consumer may ask it in the network."""
        found = await self.consumer.found("scripted@lab")
        assert isinstance(found, RemoteModel)
        return found

    async def balance(self, who: Identity) -> Balance:
        ledger = await self.authority._accounting.accounts.ledger()
        return await ledger.balance(self.network, who.node_id)

    async def conserved(self) -> None:
        ledger = await self.authority._accounting.accounts.ledger()
        audit = await ledger.check()
        assert (audit.conservation_error, audit.overdrafts) == (0, 0)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what the nodes do in their own time."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110 - no event says it
            await asyncio.sleep(0.01)


def create(node: WatchedNode) -> bytes:
    words = {"kind": "private", "admission": None, "settlement": "self", "data_handling": "open"}
    node.desk.create(terms("lab", **words, models=None, node=node.networks.node))  # type: ignore[arg-type]
    return node.networks.find("lab").id


async def join(authority: WatchedNode, node: WatchedNode, role: MemberRole, quota: int = 0) -> None:
    answer = authority.desk.invite("lab", authority.where_reached(), roles=role, quota=quota)
    await node.desk.join(str(answer["invite"]))


async def make_lab(start_node: StartNode, engine: Scripted, quota: int = QUOTA, **flags: str) -> Lab:
    """The lab; ``flags`` are settings of the authority's node."""
    authority, authority_id = await start_node("authority", **flags)
    network = create(authority)
    provider, provider_id = await start_node("provider", engine)
    await join(authority, provider, MemberRole.PROVIDER)
    consumer, consumer_id = await start_node("consumer", peers=((provider, provider_id),), max_spend="1000000")
    await join(authority, consumer, MemberRole.CONSUMER, quota)
    return Lab(authority, provider, consumer, engine, network, authority_id, provider_id, consumer_id)


async def settled(lab: Lab, balance: int) -> None:
    """Wait until the consumer has so much, and nothing is reserved of it."""

    async def is_so() -> bool:
        return await lab.balance(lab.consumer_id) == Balance(balance, 0)

    await eventually(is_so)


async def judged(lab: Lab, *words: str) -> None:
    """Wait until the provider keeps these words about its receipts."""

    async def is_so() -> bool:
        return [each.settlement for each in stored(lab, "provider")] == list(words)

    await eventually(is_so)


def stored(lab: Lab, name: str) -> list[Record]:
    """What a node keeps; all of it verifies."""
    node = {"provider": lab.provider, "consumer": lab.consumer}[name]
    with open_archive(node._store._path, {lab.network}) as archive:
        assert archive is not None
        audited = list(archive.receipts())
    assert [each.findings for each in audited] == [() for _ in audited]
    return [each.record for each in audited if each.record is not None]
