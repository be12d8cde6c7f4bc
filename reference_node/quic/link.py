"""One QUIC connection between two nodes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec

from aioquic.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    HandshakeCompleted,
    ProtocolNegotiated,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from mycellm_proto.errors import ErrorCode

from . import limits
from .addresses import SocketAddress, readable
from .faults import log_fault
from .handler import LinkHandler
from .session import ALPN, Session
from .timers import LazyTimer
from .wire import Wire

if TYPE_CHECKING:
    from .endpoint import Endpoint

logger = logging.getLogger("mycellm.quic")
P = ParamSpec("P")


class Link:
    """One connection. Writes are gathered and leave after the loop's turn in which they were made.

    Made by `Endpoint`. The protocol uses the methods of the first group; they never raise for what the peer did
    meanwhile: on a closed link or a finished stream they do nothing.
    """

    def __init__(self, endpoint: Endpoint, session: Session, address: SocketAddress, *, is_initiator: bool) -> None:
        self.is_initiator = is_initiator
        self.first_address = address
        """Where the peer was at first."""
        self.routes: set[bytes] = set()
        """Connection ids by which the endpoint finds this link."""
        self._log_extra = {"link": session.connection.original_destination_connection_id.hex()[:16]}
        self._endpoint = endpoint
        self._wire = Wire(session, endpoint.send, self._log_extra)
        self._handler: LinkHandler | None = None
        self._is_established = False
        self._is_ready = False
        self._is_over = False
        self._heard = endpoint.loop.time()
        self._timer = LazyTimer(endpoint.loop, self._expire)
        self._deadline: asyncio.TimerHandle | None = None
        self._keep_alive: asyncio.TimerHandle | None = None

    # For the protocol

    @property
    def peer_address(self) -> tuple[str, int]:
        """Address and port to which datagrams go now; it changes when an initiator migrates."""
        return readable(self._wire.connection.get_peer_address() or self.first_address)

    def write(self, stream_id: int, data: bytes, fin: bool) -> None:
        """Send ``data`` on a stream, and end it with ``fin``.

        The first write opens a local stream. Raises `ValueError` where this side may not send on ``stream_id`` or
        leaves out the stream before it.
        """
        if self._wire.is_ending:
            return
        self._check_sendable(stream_id)
        try:
            self._wire.connection.send_stream_data(stream_id, data, fin)
        except (RuntimeError, ValueError):
            # Stopped, reset or finished: the event that says so may still wait behind the one being handled.
            logger.debug("write to an ended stream", extra={**self._log_extra, "stream": stream_id})
        else:
            self._endpoint.mark(self)

    def reset(self, stream_id: int, code: int) -> None:
        """Abandon the sending side of a stream (RESET_STREAM). Raises `ValueError` as `write` does."""
        if not self._wire.is_ending:
            self._check_sendable(stream_id)
            self._end_stream(self._wire.connection.reset_stream, stream_id, code)

    def stop(self, stream_id: int, code: int) -> None:
        """Ask the peer to send no more on a stream (STOP_SENDING)."""
        if not self._wire.is_ending:
            self._end_stream(self._wire.connection.stop_stream, stream_id, code)

    def close(self, code: int) -> None:
        """End the link with an application code and no words; what was written before is sent first."""
        if self._wire.is_ending:
            return
        self._wire.close_code = code
        if self.is_initiator and self._is_established:
            # Until the responder confirms TLS, QUIC would hide the code behind APPLICATION_ERROR (RFC 9000 10.2.3).
            self._wire.hold_close = True
            self._set_deadline(limits.CLOSE_HOLD, self._stop_holding)
        self._endpoint.mark(self)

    def mark_authenticated(self) -> None:
        """The peer has proved who it is: the link is kept alive from here on, and may hold back more data."""
        if not self._is_over and self._keep_alive is None:
            self._wire.watch.held.authenticated()
            self._keep_alive = self._endpoint.loop.call_later(limits.KEEP_ALIVE, self._ping)

    # For the endpoint

    @property
    def is_authentic(self) -> bool:
        """Whether any packet of this connection could be decrypted."""
        return self._wire.watch.authentic

    def begin(self, handler: LinkHandler) -> None:
        """Take the handler, start the handshake's deadline, and dial where this side initiates."""
        self._handler = handler
        self._set_deadline(limits.HANDSHAKE_DEADLINE, self._handshake_overdue)
        if self.is_initiator:
            self._wire.connection.connect(self.first_address, now=self._endpoint.loop.time())

    def feed(self, datagram: bytes, address: SocketAddress, now: float) -> None:
        """Take a datagram in; `pump` delivers what it brought."""
        self._heard = now
        self._wire.feed(datagram, address, now)

    def receive(self, datagram: bytes, address: SocketAddress, now: float) -> None:
        """A datagram for this link arrived."""
        if self._is_over:
            self._wire.repeat_close(address)
            return
        self.feed(datagram, address, now)
        self.pump(ErrorCode.INTERNAL)

    def pump(self, cause: ErrorCode) -> None:
        """Deliver the events that wait. ``cause`` is what a connection died of that ends without a close."""
        silent_end = None
        while (event := self._wire.connection.next_event()) is not None:
            if isinstance(event, StreamDataReceived):
                self._on_stream_data(event)
            elif isinstance(event, ConnectionTerminated):
                silent_end = cause
            else:
                self._on_rare_event(event)
        self._wire.settle(silent_end)
        self._endpoint.mark(self)

    def transmit(self, now: float) -> None:
        """Send what is due, end what has ended, and re-arm the timer. Called outside of every handler."""
        wire = self._wire
        if not self._is_over:
            if wire.outcome is None:
                wire.flush(now)
            if wire.outcome is not None:
                self._finish(*wire.outcome)
        due = None if wire.broken else wire.connection.get_timer()
        if due is not None:
            self._timer.arm(due)
        elif self._is_over:
            self._endpoint.forget(self)

    def refuse(self, now: float) -> None:
        """Say CONNECTION_REFUSED instead of taking the connection."""
        self._wire.refuse(now)

    def shut(self, code: int) -> None:
        """Close at once, without waiting until the peer can read the code."""
        self.close(code)
        self._wire.hold_close = False

    def abandon(self) -> None:
        """The socket is gone."""
        self._wire.abandon()
        self._endpoint.mark(self)

    def stop_timers(self) -> None:
        """Nothing calls this link any more."""
        self._timer.stop()
        self._cancel_deadline()
        if self._keep_alive is not None:
            self._keep_alive.cancel()

    # Events

    def _on_stream_data(self, event: StreamDataReceived) -> None:
        held = self._wire.watch.held
        held.delivered(event.stream_id, len(event.data))
        if event.end_stream:
            held.finished(event.stream_id)
        if self._is_ready and self._handler is not None and not self._wire.is_ending:
            self._call(self._handler.stream_data, event.stream_id, event.data, event.end_stream)

    def _on_rare_event(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionIdIssued):
            self._endpoint.route(event.connection_id, self)
        elif isinstance(event, ConnectionIdRetired):
            self._endpoint.unroute(event.connection_id, self)
        elif self._handler is not None and not self._wire.is_ending:
            self._on_event_for_handler(event, self._handler)

    def _on_event_for_handler(self, event: QuicEvent, handler: LinkHandler) -> None:
        if isinstance(event, StreamReset):
            self._wire.watch.held.finished(event.stream_id)
            self._call(handler.stream_reset, event.stream_id, event.error_code)
        elif isinstance(event, StopSendingReceived):
            self._call(handler.stop_sending, event.stream_id, event.error_code)
        elif isinstance(event, ProtocolNegotiated) and not self.is_initiator:
            self._become_ready(handler)
        elif isinstance(event, HandshakeCompleted):
            self._on_handshake_completed(event, handler)

    def _on_handshake_completed(self, event: HandshakeCompleted, handler: LinkHandler) -> None:
        self._is_established = True
        self._cancel_deadline()
        self._endpoint.established(self)
        if event.alpn_protocol != ALPN or event.session_resumed or event.early_data_accepted:
            self.close(ErrorCode.HANDSHAKE_FAILED)
        elif self.is_initiator:
            self._become_ready(handler)

    def _become_ready(self, handler: LinkHandler) -> None:
        binding = self._wire.sink.binding
        if binding is None:
            logger.error("no channel binding", extra=self._log_extra)
            self.close(ErrorCode.NO_CHANNEL_BINDING)
            return
        self._is_ready = True
        self._call(handler.link_ready, self, binding)

    def _call(self, method: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a handler's bug costs its own link and no other
            log_fault("link handler failed", error, self._log_extra)
            self.close(ErrorCode.INTERNAL)

    def _finish(self, code: int, by_peer: bool) -> None:
        if self._wire.close_code is not None:
            code, by_peer = self._wire.close_code, False
        self._is_over = True
        self.stop_timers()
        self._endpoint.ended(self)
        logger.debug("link closed", extra={**self._log_extra, "code": int(code), "by_peer": by_peer})
        handler, self._handler = self._handler, None
        if handler is not None:
            self._call(handler.link_closed, int(code), by_peer)

    # Streams

    def _check_sendable(self, stream_id: int) -> None:
        is_local = bool(stream_id & 1) != self.is_initiator
        is_unidirectional = bool(stream_id & 2)
        if is_unidirectional and not is_local:
            raise ValueError(f"stream {stream_id} is the peer's to send on")
        if not is_local:
            return
        unused = self._wire.connection.get_next_available_stream_id(is_unidirectional)
        if stream_id > unused:
            raise ValueError(f"stream {stream_id} is opened before stream {unused}")
        if stream_id == unused and not is_unidirectional:
            self._wire.watch.held.opened(stream_id)

    def _end_stream(self, act: Callable[[int, int], None], stream_id: int, code: int) -> None:
        try:
            act(stream_id, code)
        except (RuntimeError, ValueError):
            return  # finished already, or never opened
        self._endpoint.mark(self)

    # Time

    def _expire(self, now: float) -> None:
        self._wire.expire(now)
        self.pump(ErrorCode.TIMEOUT)

    def _set_deadline(self, seconds: float, action: Callable[[], None]) -> None:
        self._cancel_deadline()
        self._deadline = self._endpoint.loop.call_later(seconds, action)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _handshake_overdue(self) -> None:
        self.close(ErrorCode.TIMEOUT)

    def _stop_holding(self) -> None:
        self._wire.hold_close = False
        self._endpoint.mark(self)

    def _ping(self) -> None:
        loop = self._endpoint.loop
        due = self._heard + limits.KEEP_ALIVE
        if due <= loop.time() + limits.TIMER_SLACK:
            due = loop.time() + limits.KEEP_ALIVE
            self._wire.connection.send_ping(0)
            self._endpoint.mark(self)
        self._keep_alive = loop.call_at(due, self._ping)
