"""What one connection's frames tell: whether it was closed, and how much stream data it holds back.

aioquic 1.7 reports a close only after QUIC's draining period, and bounds no reassembly buffer: it doubles a stream's
window as soon as *any* byte beyond half of it arrives, and fills the gap with zeros, so that a dozen one-byte frames
made it hold gigabytes before the peer had said who it is. Its public event logger sees every frame before it is
acted upon; this logger keeps no event, only these few facts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aioquic.quic.logger import QuicLogger, QuicLoggerTrace
from aioquic.quic.packet import QuicStreamFrame

from .reassembly import Reassembly

_NOTHING: dict[str, Any] = {}


class FrameWatch(QuicLoggerTrace):
    """The facts of one connection. `receiving` is set by the link around what it feeds to aioquic."""

    def __init__(self, *, is_initiator: bool) -> None:
        super().__init__(is_client=is_initiator, odcid=b"")
        self.receiving = False
        self.authentic = False
        """A packet was decrypted: the datagram was QUIC of this version and not noise."""
        self.confirmed = False
        """HANDSHAKE_DONE was sent or received: from here on a close is one packet that the peer can read."""
        self.close: tuple[int, bool] | None = None
        """Error code of the first CONNECTION_CLOSE in either direction, and whether it is the application's."""
        self.held = Reassembly(is_initiator=is_initiator)

    def log_event(self, *, category: str, event: str, data: dict[str, Any]) -> None:
        """Nothing is kept."""

    def encode_ack_frame(self, ranges: Iterable[range], delay: float) -> dict[str, Any]:
        """Nothing to note, at less than the inherited cost."""
        return _NOTHING

    def encode_crypto_frame(self, frame: QuicStreamFrame) -> dict[str, Any]:
        """A part of the TLS handshake: the first packet of any connection has one."""
        self.authentic = True
        return _NOTHING

    def encode_handshake_done_frame(self) -> dict[str, Any]:
        """The responder confirms the handshake."""
        self.confirmed = True
        return _NOTHING

    def encode_stream_frame(self, frame: QuicStreamFrame, stream_id: int) -> dict[str, Any]:
        """Raises `ReassemblyError`, before aioquic has made room for the frame."""
        if self.receiving:
            self.held.arrived(stream_id, frame.offset, len(frame.data))
        return _NOTHING

    def encode_connection_close_frame(
        self, error_code: int, frame_type: int | None, reason_phrase: str
    ) -> dict[str, Any]:
        """The connection ends."""
        if self.close is None:
            self.close = (error_code, frame_type is None)
        return _NOTHING


class WatchLogger(QuicLogger):
    """Hands one `FrameWatch` to the one connection that it is configured for."""

    def __init__(self, watch: FrameWatch) -> None:
        super().__init__()
        self._watch = watch

    def start_trace(self, is_client: bool, odcid: bytes) -> FrameWatch:
        """The trace of the connection that is being made."""
        return self._watch

    def end_trace(self, trace: QuicLoggerTrace) -> None:
        """Nothing to store."""
