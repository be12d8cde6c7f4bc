"""Settlement between real nodes: an authority that keeps the accounts, a provider and a consumer with a quota."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from mycellm_proto.errors import ErrorCode
from mycellm_proto.membership import MemberRole
from reference_node.generation import GenerationError
from reference_node.identity import Identity
from reference_node.ledger import Balance
from reference_node.networks import terms
from reference_node.node.remote import RemoteModel
from reference_node.store import BOOKED
from reference_node.store.audit import open_archive

from .conftest import StartNode
from .scripted import Scripted
from .test_remote import ask, collect
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
    provider_id: Identity
    consumer_id: Identity

    async def model(self) -> RemoteModel:
        found = await found_in(self.consumer)
        assert isinstance(found, RemoteModel)
        return found

    async def balance(self, who: Identity) -> Balance:
        ledger = await self.authority._accounting.accounts.ledger()
        return await ledger.balance(self.network, who.node_id)

    async def conserved(self) -> None:
        ledger = await self.authority._accounting.accounts.ledger()
        audit = await ledger.check()
        assert (audit.conservation_error, audit.overdrafts) == (0, 0)


async def found_in(node: WatchedNode, model: str = "scripted@lab") -> RemoteModel:
    found = await node.found(model)
    assert isinstance(found, RemoteModel)
    return found


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


@pytest.fixture
async def lab(start_node: StartNode) -> Lab:
    return await make_lab(start_node, Scripted())


async def make_lab(start_node: StartNode, engine: Scripted, quota: int = QUOTA) -> Lab:
    authority, _ = await start_node("authority")
    network = create(authority)
    provider, provider_id = await start_node("provider", engine)
    await join(authority, provider, MemberRole.PROVIDER)
    consumer, consumer_id = await start_node("consumer", peers=((provider, provider_id),), max_spend="1000000")
    await join(authority, consumer, MemberRole.CONSUMER, quota)
    return Lab(authority, provider, consumer, engine, network, provider_id, consumer_id)


async def test_an_answer_moves_credit_from_the_consumer_to_the_provider(lab: Lab) -> None:
    await collect(await lab.model(), ask())
    await settled(lab, QUOTA - BILL)
    assert await lab.balance(lab.consumer_id) == Balance(QUOTA - BILL, 0)
    assert await lab.balance(lab.provider_id) == Balance(BILL, 0)
    await lab.conserved()
    await judged(lab, BOOKED)
    assert [each.booked for each in stored(lab, "provider")] == [BILL]


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


def stored(lab: Lab, name: str) -> list:  # type: ignore[type-arg]
    node = {"provider": lab.provider, "consumer": lab.consumer}[name]
    with open_archive(node._store._path, {lab.network}) as archive:
        assert archive is not None
        audited = list(archive.receipts())
    assert [each.findings for each in audited] == [() for _ in audited]
    return [each.record for each in audited]


async def test_an_exhausted_quota_refuses_with_what_is_needed_and_what_there_is(start_node: StartNode) -> None:
    """The ceiling shrinks with what is available, until that does not pay for the prepaid ticks."""
    lab = await make_lab(start_node, Scripted(), quota=PREPAID + 2 * BILL)
    model = await lab.model()
    for left in (PREPAID + BILL, PREPAID, PREPAID - BILL):
        await collect(model, ask())
        await settled(lab, left)
    with pytest.raises(GenerationError) as refused:
        await collect(model, ask())
    assert (refused.value.code, refused.value.limit) == (ErrorCode.INSUFFICIENT_CREDIT, PREPAID - BILL)
    assert (refused.value.actual or 0) > PREPAID
    assert len(lab.engine.requests) == 3
    assert await lab.balance(lab.consumer_id) == Balance(PREPAID - BILL, 0)
    assert await lab.balance(lab.provider_id) == Balance(3 * BILL, 0)
    await lab.conserved()
