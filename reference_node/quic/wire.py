"""aioquic's side of a link: datagrams in and out, and how a connection ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from aioquic.quic.packet import QuicErrorCode

from mycellm_proto.errors import ErrorCode

from .addresses import SocketAddress
from .faults import log_fault
from .reassembly import ReassemblyError
from .session import Session

logger = logging.getLogger("mycellm.quic")


class Wire:
    """One aioquic connection. Whatever it raises ends this connection and no other."""

    def __init__(
        self, session: Session, send: Callable[[bytes, SocketAddress], None], log_extra: Mapping[str, object]
    ) -> None:
        self.connection, self.sink, self.watch = session
        self.outcome: tuple[int, bool] | None = None
        """How the connection ended: the application's code, and whether the peer ended it."""
        self.close_code: int | None = None
        """The code with which this side wants to close."""
        self.hold_close = False
        """Whether that waits until the peer can read the code."""
        self.broken = False
        """aioquic raised: its state is not to be trusted, not even to say goodbye."""
        self._send = send
        self._farewell: list[bytes] = []
        self._late_packets = 0
        self._log_extra = log_extra

    @property
    def is_ending(self) -> bool:
        """Whether the protocol should neither send nor hear more."""
        return self.close_code is not None or self.outcome is not None

    def feed(self, datagram: bytes, address: SocketAddress, now: float) -> None:
        """Let QUIC read a datagram; its events then wait in the connection."""
        self.watch.receiving = True
        try:
            self.connection.receive_datagram(datagram, address, now)
        except ReassemblyError:
            logger.info("peer exceeds the reassembly bound", extra=self._log_extra)
            self.close_code = ErrorCode.FLOW_CONTROL
        except Exception as error:  # noqa: BLE001 - see the class
            self._break(error)
        finally:
            self.watch.receiving = False

    def expire(self, now: float) -> None:
        """Tell QUIC that the time of its timer has come."""
        try:
            self.connection.handle_timer(now)
        except Exception as error:  # noqa: BLE001 - see the class
            self._break(error)

    def settle(self, silent_end: ErrorCode | None) -> None:
        """After the events of a datagram: note a close by the peer, or that the connection died of ``silent_end``."""
        if self.outcome is None and self.watch.close is not None:
            code, by_application = self.watch.close
            self.outcome = (code if by_application else ErrorCode.INTERNAL, True)
        elif self.outcome is None and silent_end is not None:
            self.outcome = (silent_end, False)

    def flush(self, now: float) -> None:
        """Send what is due, and then the close that is wanted."""
        try:
            datagrams = self.connection.datagrams_to_send(now)
            wants_close = self.close_code is not None and not (self.hold_close and not self.watch.confirmed)
            if wants_close and self.watch.close is None:
                datagrams += self._close(now)
        except Exception as error:  # noqa: BLE001 - see the class
            self._break(error)
            return
        for datagram, address in datagrams:
            self._send(datagram, address)
        if self.watch.close is not None and self.outcome is None:
            # aioquic found the peer at fault, or TLS failed, and this was its CONNECTION_CLOSE.
            self._farewell = [datagram for datagram, _ in datagrams]
            self.outcome = (ErrorCode.INTERNAL, False)

    def refuse(self, now: float) -> None:
        """Say CONNECTION_REFUSED instead of taking the connection."""
        self.connection.close(error_code=QuicErrorCode.CONNECTION_REFUSED, frame_type=0)
        for datagram, address in self.connection.datagrams_to_send(now):
            self._send(datagram, address)

    def repeat_close(self, address: SocketAddress) -> None:
        """Answer the 1st, 2nd, 4th, 8th … late packet with the close: it may have been lost (RFC 9000 10.2.1)."""
        self._late_packets += 1
        is_power_of_two = self._late_packets & (self._late_packets - 1) == 0
        if is_power_of_two and address == self.connection.get_peer_address():
            for datagram in self._farewell:
                self._send(datagram, address)

    def abandon(self) -> None:
        """The socket is gone: no more datagrams."""
        self.broken = True
        self.outcome = self.outcome or (ErrorCode.INTERNAL, False)

    def _close(self, now: float) -> list[tuple[bytes, SocketAddress]]:
        code = ErrorCode.INTERNAL if self.close_code is None else self.close_code
        self.connection.close(error_code=code)
        datagrams = self.connection.datagrams_to_send(now)
        self._farewell = [datagram for datagram, _ in datagrams]
        self.outcome = (code, False)
        return datagrams

    def _break(self, error: Exception) -> None:
        log_fault("connection failed", error, self._log_extra)
        self.abandon()
