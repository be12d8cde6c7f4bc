"""What a consumer that breaks the rules can do to a provider: nothing to its receipts, and nothing that stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mycellm_proto import events as proto
from mycellm_proto.content import ChatRequest, Message, Role
from mycellm_proto.errors import ErrorCode
from mycellm_proto.keys import SigningKey
from mycellm_proto.order import Order, place_order
from mycellm_proto.signed import Context
from reference_node.config import parse_address
from reference_node.identity import Identity
from reference_node.node import clock
from reference_node.node.peer_link import Call, PeerLink
from reference_node.quic import Endpoint
from reference_node.store import RECEIPTS_FILE, ReceiptState
from reference_node.store.audit import open_archive

from .conftest import StartNode
from .scripted import Scripted
from .watched import PATIENCE_S, WatchedNode

KEY = SigningKey(bytes([9]) * 32)


class Rogue:
    """A consumer that speaks the protocol through a `PeerLink`, and orders as it likes."""

    def __init__(self) -> None:
        self.link = PeerLink(self, KEY)
        self.offered = asyncio.Event()
        self.previous: bytes | None = None

    def authenticated(self, link: PeerLink) -> None:
        link.advertise([])

    def models_changed(self, link: PeerLink) -> None:
        if link.quotes:
            self.offered.set()

    def request_received(self, link: PeerLink, event: proto.RequestReceived) -> None:
        raise AssertionError("nobody asks the rogue")

    def over(self, link: PeerLink) -> None:
        pass

    def order(self, sequence: int, *, ceiling: int = 2000, text: str = "Hi") -> Order:
        quote, signed = self.link.quotes[0]
        request = ChatRequest(
            model="scripted",
            messages=(Message(role=Role.USER, content=text),),
            max_tokens=300,
            deadline_ms=10_000,
        )
        made = place_order(
            KEY, request, quote=quote, signed_quote=signed, sequence=sequence, previous=self.previous,
            ceiling=ceiling, salt=bytes(32), chain_seed=sequence.to_bytes(32, "big"),
        )  # fmt: skip
        self.previous = made.signed_open.digest(Context.OPEN)
        return made

    async def end(self, call: Call) -> proto.Ended | proto.Failed:
        async with asyncio.timeout(PATIENCE_S):
            while not isinstance(event := await call.events.get(), proto.Ended | proto.Failed):
                pass
        return event


@asynccontextmanager
async def rogue(node: WatchedNode, identity: Identity) -> AsyncIterator[Rogue]:
    """A rogue, connected to ``node`` and offered its model."""
    found = Rogue()
    found.link = PeerLink(found, KEY, identity.node_id)
    endpoint = await Endpoint.open("127.0.0.1", 0, lambda: None)
    address = parse_address(str(node.health()["quic"]))
    endpoint.dial(address.host, address.port, found.link)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await found.offered.wait()
        yield found
    finally:
        await endpoint.aclose()


def kept(identity: Identity) -> list[tuple[ReceiptState, int]]:
    """The provider's receipts: state and released ticks of each."""
    with open_archive(identity.path.parent / RECEIPTS_FILE) as archive:
        assert archive is not None
        records = [audited.record for audited in archive.receipts()]
    return [(record.state, record.evidence.ticks) for record in records if record is not None]


async def test_an_open_that_is_sent_again_with_a_cancel_takes_no_claim_back(start_node: StartNode) -> None:
    node, identity = await start_node("provider", Scripted(words=("word ",) * 50))
    async with rogue(node, identity) as consumer:
        order = consumer.order(1)
        first = consumer.link.ask(order)
        assert isinstance(await consumer.end(first), proto.Ended)
        # Not countersigned; instead the same open again, with a CANCEL in the same flight.
        again = consumer.link.protocol.request(order, clock.now())
        consumer.link.calls[again] = call = Call(again)
        consumer.link.protocol.cancel(again, clock.now())
        consumer.link.work()
        refused = await consumer.end(call)
        assert isinstance(refused, proto.Failed)
        assert refused.owed == 0
    await node.aclose()
    [(state, ticks)] = kept(identity)
    assert (state, ticks > 0) == (ReceiptState.UNACKNOWLEDGED, True)


async def test_requests_that_leave_at_once_are_no_claims(start_node: StartNode) -> None:
    node, identity = await start_node("provider", Scripted(), allowance="3000")
    async with rogue(node, identity) as consumer:
        for sequence in range(1, 20):
            consumer.link.ask(consumer.order(sequence))
        consumer.link.close(ErrorCode.NO_ERROR)
        await node.until(lambda: not node.peers())
    await node.aclose()
    owed = [state for state, _ in kept(identity) if state is not ReceiptState.REFUSED]
    assert len(owed) <= 1  # the allowance holds one such ceiling at a time


async def test_refused_requests_leave_nothing_behind(start_node: StartNode) -> None:
    node, identity = await start_node("provider", Scripted(input_tokens=1900))
    async with rogue(node, identity) as consumer:
        for sequence in range(1, 10):
            failed = await consumer.end(consumer.link.ask(consumer.order(sequence, ceiling=600, text="x" * 3000)))
            assert isinstance(failed, proto.Failed)
            assert failed.code == ErrorCode.CEILING_TOO_LOW
        [link] = node._peers.links
        assert not link.jobs
        assert not node._service._jobs


@pytest.mark.parametrize("sequence", [1, 7])
async def test_a_number_is_taken_once(start_node: StartNode, sequence: int) -> None:
    node, identity = await start_node("provider", Scripted())
    async with rogue(node, identity) as consumer:
        order = consumer.order(sequence)
        first = consumer.link.ask(order)
        assert isinstance(await consumer.end(first), proto.Ended)
        consumer.link.protocol.countersign(first.stream_id)
        consumer.link.work()
        second = await consumer.end(consumer.link.ask(order))
        assert isinstance(second, proto.Failed)
        assert second.code == ErrorCode.SEQUENCE_USED
    await node.aclose()
    assert [state for state, _ in kept(identity)] == [ReceiptState.SETTLED]
