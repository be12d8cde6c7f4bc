"""Peers that implement nothing: whoever passes cases without having read SPEC.md shows a hole in the suite."""

from __future__ import annotations

from collections.abc import Mapping

from conformance import dcbor, framing
from conformance.honest.connection import Connection


class Silent(Connection):
    """Completes TLS, and says nothing more."""

    def opened(self) -> None:
        """Nothing."""

    def received(self, stream: int, data: bytes, fin: bool) -> None:
        """Nothing."""


class Echo(Silent):
    """Sends back what it gets, on the stream on which it came, or on its own control stream."""

    def received(self, stream: int, data: bytes, fin: bool) -> None:
        """The same bytes."""
        self.port.write(self.own_control if stream == self.peer_control else stream, data, fin)


class RejectAll(Connection):
    """Greets, and closes with HANDSHAKE_FAILED whatever comes."""

    def received(self, stream: int, data: bytes, fin: bool) -> None:
        """Close."""
        self.fail(33)


class AcceptAll(Connection):
    """Greets whoever comes, and answers everything that opens a stream; it never refuses."""

    def opened(self) -> None:
        """HELLO, and no thought of time."""
        self.greet()

    def control_data(self, data: bytes, fin: bool) -> None:
        """Whatever it is, it is welcome."""
        if not self.offered:
            signed = self.node.quotes(b"")
            self.offered = {body: [body, signature] for body, signature in signed}
            self.port.write(self.own_control, framing.write_frame(framing.MODELS, dcbor.encode({0: signed})))

    def request_data(self, stream: int, data: bytes, fin: bool) -> None:
        """An answer without a look at the question."""
        if stream in self._ended:
            return
        self._ended.add(stream)
        accept = framing.write_frame(framing.ACCEPT, dcbor.encode({0: 1}))
        chunk = framing.write_frame(framing.CHUNK, dcbor.encode({0: "yes", 1: 1}))
        end = framing.write_frame(framing.END, dcbor.encode({0: bytes(32), 1: [bytes(8), bytes(64)]}))
        self.port.write(stream, accept + chunk + end, fin=True)


NULL_PEERS: Mapping[str, type[Connection]] = {
    "silent": Silent,
    "echo": Echo,
    "reject-all": RejectAll,
    "accept-all": AcceptAll,
}
