"""One link to a peer: joins the sans-IO `Connection` to a QUIC link, and its events to who waits for them.

The protocol decides, this module moves: bytes in, actions out, a timer, and each event to the consumer's call or the
provider's job of its stream.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Protocol

from mycellm_proto import events as proto
from mycellm_proto.connection import Connection
from mycellm_proto.errors import ErrorCode
from mycellm_proto.hello import ConnectionRole
from mycellm_proto.nodeid import encode_node_id

from .. import log
from ..config import Address
from ..procedures import Procedures
from ..quic import LazyTimer
from . import clock
from .link_calls import LinkCalls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mycellm_proto.economy import Quote
    from mycellm_proto.hello import Session
    from mycellm_proto.keys import SigningKey
    from mycellm_proto.order import Order
    from mycellm_proto.signed import Signed

    from ..quic import Link

GREASE_SIZE = 16

_log = logging.getLogger(__name__)


class LinkOwner(Protocol):
    """What a link tells the node."""

    def authenticated(self, link: PeerLink) -> None:
        """Both sides are proved; ``link.session`` says who the peer is."""

    def models_changed(self, link: PeerLink) -> None:
        """``link.quotes`` is new."""

    def request_received(self, link: PeerLink, event: proto.RequestReceived) -> None:
        """The peer asks for an answer."""

    def over(self, link: PeerLink) -> None:
        """The link is closed: the last call."""


class Call:
    """The consumer's end of one request: the events of its stream, in order. ``overdue`` is its owner's timer."""

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        self.overdue: asyncio.TimerHandle | None = None
        self.events: asyncio.Queue[proto.Event] = asyncio.Queue()


class Job(Protocol):
    """The provider's end of one request."""

    def unblocked(self) -> None:
        """Payment or credit came."""

    def cancelled(self) -> None:
        """The consumer wants no more."""

    def settled(self, event: proto.Settled) -> None:
        """The exchange is over."""


class PeerLink:
    """A link of this node, dialed (``expected`` is the node id asked for, or None to learn it) or accepted."""

    def __init__(
        self,
        owner: LinkOwner,
        key: SigningKey,
        expected: bytes | None = None,
        procedures: Procedures | None = None,
    ) -> None:
        self.session: Session | None = None
        self.quotes: tuple[tuple[Quote, Signed], ...] = ()
        self.failure: ErrorCode | None = None
        self.address = ""
        self.is_initiator = False
        self.calls: dict[int, Call] = {}
        self.jobs: dict[int, Job] = {}
        self._answers = LinkCalls(self, procedures or Procedures())
        self._owner = owner
        self._key = key
        self._expected = expected
        self._link: Link | None = None
        self._connection: Connection | None = None
        self._timer = LazyTimer(asyncio.get_running_loop(), self._expired)
        self._due: float | None = None
        self._working = False

    @property
    def protocol(self) -> Connection:
        """The protocol's connection, once the link is ready."""
        if self._connection is None:
            raise RuntimeError("the link is not ready")
        return self._connection

    @property
    def usable(self) -> bool:
        """Whether requests may be sent."""
        return self.session is not None and self._link is not None

    # From the QUIC link

    def link_ready(self, link: Link, binding: bytes) -> None:
        """The channel stands: begin the handshake."""
        self._link = link
        host, port = link.peer_address
        self.address = str(Address(host=host, port=port))
        self.is_initiator = link.is_initiator
        self._connection = Connection(
            role=ConnectionRole.INITIATOR if link.is_initiator else ConnectionRole.RESPONDER,
            key=self._key,
            binding=binding,
            expected_peer=self._expected,
            grease=os.urandom(GREASE_SIZE),
            now=clock.now(),
        )
        self.work()

    def stream_data(self, stream_id: int, data: bytes, fin: bool) -> None:
        """Bytes of a stream."""
        self.protocol.receive_data(stream_id, data, fin, clock.now())
        self.work()

    def stream_reset(self, stream_id: int, code: int) -> None:
        """The peer gave the stream up."""
        self.protocol.receive_reset(stream_id, clock.now())
        self.work()

    def stop_sending(self, stream_id: int, code: int) -> None:
        """The peer does not read the stream any more."""
        self.stream_reset(stream_id, code)

    def link_closed(self, code: int, by_peer: bool) -> None:
        """The link is gone."""
        self._link = None
        self._timer.stop()
        if self.failure is None:
            self.failure = error_code(code)
        if self._connection is not None:
            self._connection.connection_lost(code)
            self._dispatch()
        log.event(_log, logging.INFO, "link.closed", peer=self.peer_name, code=self.failure.name, by_peer=by_peer)
        self._owner.over(self)

    # From the node

    @property
    def peer_name(self) -> str:
        """The peer's id as people read it, or its address before it is proved."""
        return encode_node_id(self.session.peer) if self.session else self.address

    def advertise(self, quotes: Iterable[Signed]) -> None:
        """Offer these models to the peer."""
        self.protocol.advertise(quotes, clock.now())
        self.work()

    def ask(self, order: Order) -> Call:
        """Send a request. Raises `LocalProtocolError`."""
        call = Call(self.protocol.request(order, clock.now()))
        self.calls[call.stream_id] = call
        self.work()
        return call

    async def call(self, procedure: int, arguments: bytes) -> bytes:
        """Ask the peer for a procedure; its encoded result. Raises `CallError`."""
        return await self._answers.call(procedure, arguments)

    def cancel(self, call: Call) -> None:
        """Want no more of an answer; its `Ended` or `Failed` follows."""
        self.protocol.cancel(call.stream_id, clock.now())
        self.work()

    def close(self, code: ErrorCode) -> None:
        """Close the link; `LinkOwner.over` follows."""
        if self._connection is not None:
            self._connection.close(code)
            self.work()
        elif self._link is not None:
            self._link.close(code)

    def work(self) -> None:
        """Carry out what the protocol wants, hand out its events, and set the timer; call after every use of it."""
        if self._working:
            return  # the outer call goes on until nothing is left
        self._working = True
        try:
            while self._act() or self._dispatch():
                pass
        finally:
            self._working = False
        self._arm()

    # Inside

    def _act(self) -> bool:
        actions = self.protocol.actions()
        for action in actions:
            if self._link is None:
                break
            if isinstance(action, proto.WriteStream):
                self._link.write(action.stream_id, action.data, action.fin)
            else:
                self.failure = error_code(action.code)
                self._link.close(action.code)
        return bool(actions)

    def _dispatch(self) -> bool:
        handled = False
        while (event := self.protocol.next_event()) is not None:
            handled = True
            self._handle(event)
        return handled

    def _handle(self, event: proto.Event) -> None:
        match event:
            case proto.Authenticated(session=session):
                self.session = session
                if self._link is not None:
                    self._link.mark_authenticated()
                self._owner.authenticated(self)
            case proto.ModelsChanged(quotes=quotes):
                self.quotes = quotes
                self._owner.models_changed(self)
            case proto.RequestReceived():
                self._owner.request_received(self, event)
            case proto.RequestRefused(error=error):
                log.event(_log, logging.INFO, "request.refused", peer=self.peer_name, broken=error.requirement)
            case proto.ConnectionFailed(error=error):
                self.failure = error.code
                log.event(
                    _log,
                    logging.WARNING,
                    "link.failed",
                    peer=self.peer_name,
                    code=error.code.name,
                    broken=error.requirement,
                )
            case proto.CallReceived() | proto.CallWithdrawn() | proto.CallAnswered():
                self._answers.handle(event)
            case proto.CallFailed():
                self._answers.failed(event, error_code(event.code))
            case proto.Unblocked() | proto.CancelReceived() | proto.Settled():
                self._tell_job(event)
            case _:
                self.calls[event.stream_id].events.put_nowait(event)

    def _tell_job(self, event: proto.Unblocked | proto.CancelReceived | proto.Settled) -> None:
        job = self.jobs.get(event.stream_id)
        if job is None:
            return
        if isinstance(event, proto.Unblocked):
            job.unblocked()
        elif isinstance(event, proto.CancelReceived):
            job.cancelled()
        else:
            del self.jobs[event.stream_id]
            job.settled(event)

    def _arm(self) -> None:
        due = self.protocol.next_timeout() if self._link is not None else None
        if due == self._due:
            return
        self._due = due
        if due is None:
            self._timer.rest()
        else:
            self._timer.arm(clock.loop_time(due))

    def _expired(self, _: float) -> None:
        self._due = None
        self.protocol.handle_timeout(clock.now())
        self.work()


def error_code(code: int) -> ErrorCode:
    """The registered code, or INTERNAL for one that this version does not know (ERR-005)."""
    try:
        return ErrorCode(code)
    except ValueError:
        return ErrorCode.INTERNAL
