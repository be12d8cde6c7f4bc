"""Responders whose QUIC or TLS is not as it has to be."""

from __future__ import annotations

from typing import Any

from conformance.honest.connection import Connection
from conformance.honest.node import Node

from .mutant import Mutant, connection_with, node_with

_FEW = 16


def _shows(**facts: Any) -> type[Node]:
    """A kind of node whose transport shows something else."""

    def transport(self: Node, alpn: str) -> dict[str, Any]:
        return Node.transport(self, alpn) | facts

    return node_with(transport=transport)


def _takes_all(_node: Node, _alpn: str) -> bool:
    return False


def _takes_none(_node: Node, _alpn: str) -> bool:
    return True


def _lets_few_streams_through(self: Connection, stream: int, data: bytes, fin: bool) -> None:
    if stream < 4 * _FEW:
        Connection.request_data(self, stream, data, fin)


def _never_pings(_: Connection) -> None:
    """Silence."""


MUTANTS = (
    Mutant(
        slug="takes-any-protocol",
        page="Does TLS with whatever ALPN protocol it is offered.",
        breaks=("TRN-001~1",),
        kills=("transport/refuse-other-protocol",),
        node=node_with(refuses=_takes_all),
    ),
    Mutant(
        slug="selects-no-protocol",
        page="Knows nothing of ALPN, and selects no protocol.",
        breaks=("TRN-001~1",),
        kills=("transport/select-protocol",),
        node=_shows(alpn=None),
    ),
    Mutant(
        slug="speaks-another-quic",
        page="Does not take part in a connection of QUIC version 1.",
        breaks=("TRN-002~1",),
        kills=("transport/accept-quic-version-1",),
        node=node_with(refuses=_takes_none),
    ),
    Mutant(
        slug="allows-few-streams",
        page="Lets its peer open sixteen request streams, where 64 are promised.",
        breaks=("TRN-005~2",),
        kills=("transport/allow-streams",),
        connection=connection_with(request_data=_lets_few_streams_through),
    ),
    Mutant(
        slug="hands-out-tickets",
        page="Sends a NewSessionTicket, so that a connection could begin without a handshake.",
        breaks=("TRN-012~1",),
        kills=("transport/send-no-session-ticket",),
        node=_shows(ticket=True),
    ),
    Mutant(
        slug="idles-for-ever",
        page="Announces an idle timeout of an hour.",
        breaks=("TRN-006~1",),
        kills=("transport/announce-idle-timeout",),
        node=_shows(max_idle_timeout=3_600_000),
    ),
    Mutant(
        slug="has-an-ed25519-certificate",
        page="Uses a certificate that some QUIC libraries cannot verify.",
        breaks=("TRN-013~1",),
        kills=("transport/use-p256-certificate",),
        node=_shows(certificate="Ed25519PublicKey"),
    ),
    Mutant(
        slug="never-pings",
        page="Says nothing where there is nothing to say, until a NAT on the way has forgotten it.",
        breaks=("TRN-007~1",),
        kills=("transport/keep-alive",),
        connection=connection_with(keep_alive=_never_pings),
    ),
)
