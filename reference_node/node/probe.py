"""What a responder proves to a stranger: its node id. A connection to an unpinned peer can do no more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mycellm_proto.errors import ErrorCode, RemoteProtocolError

from ..quic import Endpoint
from .peer_link import PeerLink

if TYPE_CHECKING:
    from mycellm_proto import events as proto

    from ..identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """The node key (32 bytes) that was proved, and the wire version that was negotiated."""

    node_id: bytes
    version: int


class _Prober:
    """Owner of the one link of a probe."""

    def __init__(self) -> None:
        self.found: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()

    def authenticated(self, link: PeerLink) -> None:
        if link.session is not None and not self.found.done():
            self.found.set_result(ProbeResult(node_id=link.session.peer, version=link.session.version))

    def models_changed(self, link: PeerLink) -> None:
        """Nothing that a probe waits for."""

    def request_received(self, link: PeerLink, event: proto.RequestReceived) -> None:
        link.protocol.refuse(event.stream_id, ErrorCode.NOT_ALLOWED)

    def over(self, link: PeerLink) -> None:
        if not self.found.done():
            code = link.failure or ErrorCode.INTERNAL
            error = RemoteProtocolError("no proof of a node id", code=code, requirement="HSK-014")
            self.found.set_exception(error)


async def probe(host: str, port: int, identity: Identity) -> ProbeResult:
    """The node id that the responder at ``host:port`` proves. Raises `OSError` or `ProtocolError`."""
    wildcard = "::" if ":" in host else "0.0.0.0"  # noqa: S104 - a probe dials and accepts nothing
    endpoint = await Endpoint.open(wildcard, 0, lambda: None)
    prober = _Prober()
    try:
        address, port = await endpoint.resolve(host, port)
        endpoint.dial(address, port, PeerLink(prober, identity.key))
        return await prober.found
    finally:
        await endpoint.aclose()
