"""What a link tells the protocol above."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .link import Link


class LinkHandler(Protocol):
    """What a link tells its owner. All calls come on the event loop's thread, never one inside another.

    A handler that raises loses its link (INTERNAL); the endpoint and the other links go on.
    """

    def link_ready(self, link: Link, binding: bytes) -> None:
        """TLS stands, with this 32-byte channel binding.

        The initiator hears it when TLS is complete; the responder when it has answered the ClientHello, so that what
        it writes now rides in its first flight, before it knows anything about the initiator.
        """

    def stream_data(self, stream_id: int, data: bytes, fin: bool) -> None:
        """The next bytes of a stream, in order; after ``fin`` there are no more."""

    def stream_reset(self, stream_id: int, code: int) -> None:
        """The peer abandoned the sending side of a stream."""

    def stop_sending(self, stream_id: int, code: int) -> None:
        """The peer no longer wants what this side sends on a stream; writes to it are dropped from here on."""

    def link_closed(self, code: int, by_peer: bool) -> None:
        """The link is over: the last call, exactly once.

        ``code`` is the application code of whoever closed; TIMEOUT after silence or an unfinished handshake; INTERNAL
        for any other end (failed TLS, refusal, broken QUIC).
        """
