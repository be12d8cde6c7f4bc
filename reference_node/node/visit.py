"""Connections of a command, where no node runs: dialed with this node's key, used once, closed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from mycellm_proto.errors import ErrorCode

from ..networks import NetworkError
from ..quic import Endpoint
from .peer_link import PeerLink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mycellm_proto import events as proto

    from ..config import Address
    from ..identity import Identity

REACH_S = 10.0
"""How long a handshake may take."""


class Visitor:
    """Owner of the one link of a visit."""

    def __init__(self) -> None:
        self.arrived: asyncio.Future[PeerLink] = asyncio.get_running_loop().create_future()

    def authenticated(self, link: PeerLink) -> None:
        """The node there is the one that was meant."""
        if not self.arrived.done():
            self.arrived.set_result(link)

    def models_changed(self, link: PeerLink) -> None:
        """Nothing that a visit waits for."""

    def request_received(self, link: PeerLink, event: proto.RequestReceived) -> None:
        """A visitor serves nothing."""
        link.protocol.refuse(event.stream_id, ErrorCode.NOT_ALLOWED)

    def over(self, link: PeerLink) -> None:
        """Nobody is there, or somebody else."""
        if not self.arrived.done():
            code = link.failure or ErrorCode.INTERNAL
            self.arrived.set_exception(NetworkError(f"The node cannot be reached ({code.name}).", code))


@contextlib.asynccontextmanager
async def visit(address: Address, node_id: bytes, identity: Identity) -> AsyncIterator[PeerLink]:
    """A link to the node with that id. Raises `NetworkError`."""
    wildcard = "::" if ":" in address.host else "0.0.0.0"  # noqa: S104 - a visitor dials and accepts nothing
    endpoint = await Endpoint.open(wildcard, 0, lambda: None)
    visitor = Visitor()
    try:
        host, port = await endpoint.resolve(address.host, address.port)
        endpoint.dial(host, port, PeerLink(visitor, identity.key, node_id))
        async with asyncio.timeout(REACH_S):
            link = await visitor.arrived
        yield link
    except (OSError, TimeoutError) as error:
        raise NetworkError(f"The node at {address} (UDP) cannot be reached.", ErrorCode.TIMEOUT) from error
    finally:
        await endpoint.aclose()
