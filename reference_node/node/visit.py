"""A connection of a command: dialed once, used for one thing, closed. It serves nothing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from mycellm_proto.errors import ErrorCode, RemoteProtocolError

from ..quic import Endpoint
from .peer_link import PeerLink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mycellm_proto import events as proto

    from ..config import Address
    from ..identity import Identity


class _Visitor:
    """Owner of the one link of a visit."""

    def __init__(self) -> None:
        self.arrived: asyncio.Future[PeerLink] = asyncio.get_running_loop().create_future()

    def authenticated(self, link: PeerLink) -> None:
        if not self.arrived.done():
            self.arrived.set_result(link)

    def models_changed(self, link: PeerLink) -> None:
        """Nothing that a visit waits for."""

    def request_received(self, link: PeerLink, event: proto.RequestReceived) -> None:
        link.protocol.refuse(event.stream_id, ErrorCode.NOT_ALLOWED)

    def over(self, link: PeerLink) -> None:
        if not self.arrived.done():
            code = link.failure or ErrorCode.INTERNAL
            error = RemoteProtocolError("no proof of a node id", code=code, requirement="HSK-014")
            self.arrived.set_exception(error)


@contextlib.asynccontextmanager
async def visit(address: Address, identity: Identity, expected: bytes | None = None) -> AsyncIterator[PeerLink]:
    """A link to the node there, once it is proved: the one with the id ``expected``, or whichever it is.

    Raises `OSError` or `ProtocolError`.
    """
    wildcard = "::" if ":" in address.host else "0.0.0.0"  # noqa: S104 - a visitor dials and accepts nothing
    endpoint = await Endpoint.open(wildcard, 0, lambda: None)
    visitor = _Visitor()
    try:
        host, port = await endpoint.resolve(address.host, address.port)
        endpoint.dial(host, port, PeerLink(visitor, identity.key, expected))
        yield await visitor.arrived
    finally:
        await endpoint.aclose()
