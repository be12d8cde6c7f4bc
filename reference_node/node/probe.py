"""What a responder proves to a stranger: its node id. A connection to an unpinned peer can do no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..config import Address
from .visit import visit

if TYPE_CHECKING:
    from ..identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """The node key (32 bytes) that was proved, and the wire version that was negotiated."""

    node_id: bytes
    version: int


async def probe(host: str, port: int, identity: Identity) -> ProbeResult:
    """The node id that the responder at ``host:port`` proves. Raises `OSError` or `ProtocolError`."""
    async with visit(Address(host=host, port=port), identity) as link:
        assert link.session is not None  # proved
        return ProbeResult(node_id=link.session.peer, version=link.session.version)
