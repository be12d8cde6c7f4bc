"""Two nodes that serve each other: what one has earned it spends with the other, and no more."""

from __future__ import annotations

import asyncio

import pytest

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode
from reference_node.config import Address, PeerAddress
from reference_node.generation import GenerationError
from reference_node.node import Node

from .conftest import StartNode
from .scripted import Scripted
from .test_remote import ask, collect
from .watched import PATIENCE_S

TOKENS = 5 + 3
"""What every answer here bills, in and out."""


async def owes(node: Node, peer: bytes, amount: int) -> None:
    """Wait until ``node`` owes ``peer`` so much: both sides have stored how their exchange ended."""
    async with asyncio.timeout(PATIENCE_S):
        while node._store._files.credit.balance(DIRECT_NETWORK, peer) != amount:  # noqa: ASYNC110 - no event says it
            await asyncio.sleep(0)


async def test_what_a_node_earns_from_a_peer_it_spends_there(start_node: StartNode) -> None:
    """Without an allowance a peer is a stranger, until it has served: then it gets as much, once."""
    dear, cheap = {"price_in": "100", "price_out": "100"}, {"price_in": "1", "price_out": "1"}
    earner, who = await start_node("earner", Scripted(model="dear"), **dear)
    owner, owner_id = await start_node("owner", Scripted(model="cheap"), peers=((earner, who),), allowance="0", **cheap)
    host, _, port = str(owner.health()["quic"]).rpartition(":")
    earner.use(PeerAddress(node_id=owner_id.node_id, address=Address(host=host, port=int(port))))
    model = await earner.found("cheap")
    with pytest.raises(GenerationError) as stranger:
        await collect(model, ask(model="cheap"))
    assert (stranger.value.code, stranger.value.limit) == (ErrorCode.INSUFFICIENT_CREDIT, 0)
    ceiling = stranger.value.actual
    assert ceiling is not None

    await collect(await owner.found("dear"), ask(model="dear"))
    left = 100 * TOKENS
    await owes(owner, who.node_id, left)
    while left >= ceiling:
        await collect(model, ask(model="cheap"))
        left -= TOKENS
        await owes(owner, who.node_id, left)
    assert 0 < left < 100 * TOKENS
    with pytest.raises(GenerationError) as spent:
        await collect(model, ask(model="cheap"))
    assert (spent.value.code, spent.value.limit) == (ErrorCode.INSUFFICIENT_CREDIT, left)
    assert spent.value.actual == ceiling
