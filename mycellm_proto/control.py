"""The pair of control streams: SPEC.md sections "Handshake" and "Control streams".

Each side's first unidirectional stream begins with its HELLO and then carries MODELS. `Control` proves the peer before
anything else is looked at, and keeps both sides' quotes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from . import limits
from .economy import Quote, read_quote
from .errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from .events import Authenticated, Event, ModelsChanged
from .frames import TYPES, Frame, HelloFrame, Models, UnknownFrame
from .grease import Grease
from .hello import (
    Capability,
    ConnectionRole,
    Hello,
    Session,
    check_initiator,
    check_responder,
    negotiate,
    read_hello,
)
from .keys import SigningKey
from .rate import Bucket
from .signed import Context, Signed
from .states import Direction, Role, State, step


class Control:
    """The handshake and the advertisements of one connection. Methods return the frames to send."""

    def __init__(
        self,
        *,
        role: ConnectionRole,
        key: SigningKey,
        binding: bytes,
        expected_peer: bytes | None,
        grease: Grease,
        now: float,
    ) -> None:
        self.state = State.START
        self.session: Session | None = None
        self.events: list[Event] = []
        self.offered: dict[bytes, tuple[Quote, Signed]] = {}
        self.peer_quotes: dict[bytes, tuple[Quote, Signed]] = {}
        self.deadline: float | None = now + limits.HANDSHAKE_TIMEOUT
        self._role = role
        self._table_role = Role.INITIATOR if role is ConnectionRole.INITIATOR else Role.RESPONDER
        self._key = key
        self._binding = binding
        self._expected = expected_peer
        self._grease = grease
        self._received = Bucket(limits.CONTROL_BURST, limits.CONTROL_RATE, now)
        self._sent = Bucket(limits.CONTROL_BURST, limits.CONTROL_RATE, now)
        self._own: tuple[Hello, Signed] | None = None

    def start(self) -> list[Frame]:
        """What goes out at once: the responder's HELLO, in its first flight."""
        if self._role is ConnectionRole.INITIATOR:
            return []
        return [self._hello(self._offer())]

    def receive(self, frame: Frame, now: float) -> list[Frame]:
        """Take one frame. Raises `RemoteProtocolError`, fatal to the connection."""
        if isinstance(frame, UnknownFrame):
            self._ignore(frame, now)
            return []
        after = step(self._table_role, self.state, Direction.RECEIVE, TYPES[type(frame)], RemoteProtocolError)
        frames: list[Frame] = []
        if isinstance(frame, HelloFrame):
            frames = self._authenticate(frame.hello, after)
        elif isinstance(frame, Models):
            self._spend(now)
            self._advertised(frame)
        return frames

    def advertise(self, quotes: Iterable[Signed], now: float) -> list[Frame]:
        """Offer these quotes of this node, in place of the ones before. Raises `LocalProtocolError`."""
        signed = tuple(quotes)
        if len(signed) > limits.MAX_QUOTES:
            message = f"{len(signed)} quotes; at most {limits.MAX_QUOTES} fit one frame"
            raise LocalProtocolError(message, code=ErrorCode.FRAME_TOO_LARGE, requirement="FRM-004")
        offered = {
            quote.digest(Context.QUOTE): (read_quote(quote, provider=self._key.public), quote) for quote in signed
        }
        frames = [self._send(Models(quotes=signed))]
        if not self._sent.take(now):
            message = "more changes than the peer takes"
            raise LocalProtocolError(message, code=ErrorCode.RATE_EXCEEDED, requirement="CTL-005")
        self.offered |= offered
        if (reserved := self._grease.draw()) is not None and self._sent.take(now):
            frames.append(UnknownFrame(type=reserved, body=b""))
        return frames

    def forget_quotes(self, now: float) -> None:
        """Drop offered quotes that no open can name any more (RCP-005)."""
        self.offered = {
            name: (quote, signed)
            for name, (quote, signed) in self.offered.items()
            if now < quote.expires + limits.CLOCK_SKEW
        }

    def _offer(self) -> Hello:
        """What this side offers, whoever the peer is."""
        reserved = self._grease.draw()
        capabilities = {int(each) for each in Capability} | ({reserved} if reserved is not None else set())
        return Hello(
            role=self._role,
            node_key=self._key.public,
            binding=self._binding,
            capabilities=tuple(sorted(capabilities)),
        )

    def _hello(self, hello: Hello) -> Frame:
        signed = hello.sign(self._key)
        self._own = (hello, signed)
        return self._send(HelloFrame(hello=signed))

    def _send(self, frame: Frame) -> Frame:
        self.state = step(self._table_role, self.state, Direction.SEND, TYPES[type(frame)], LocalProtocolError)
        return frame

    def _authenticate(self, signed: Signed, after: State) -> list[Frame]:
        """Numbers are the steps of SPEC.md, "Handshake": 2 the initiator verifies, 3 it answers, 4 the responder."""
        if self._role is ConnectionRole.INITIATOR:
            peer = read_hello(signed, sender=ConnectionRole.RESPONDER, binding=self._binding)  # 2
            check_responder(peer, own=self._key.public, expected=self._expected)
            self.state = after
            own = replace(
                self._offer(),
                peer_key=peer.node_key,
                peer_hello=signed.digest(Context.HELLO),
                pinned=self._expected is not None,
            )
            self._prove(own, peer, pinned=self._expected is not None)
            return [self._hello(own)]  # 3
        assert self._own is not None  # the table lets HELLO in after ours went out
        hello, own_signed = self._own
        peer = read_hello(signed, sender=ConnectionRole.INITIATOR, binding=self._binding)  # 4
        check_initiator(peer, own=self._key.public, own_hello=own_signed.digest(Context.HELLO))
        self._prove(hello, peer, pinned=bool(peer.pinned))
        self.state = after
        return []

    def _prove(self, own: Hello, peer: Hello, *, pinned: bool) -> None:
        version, capabilities = negotiate(own, peer)
        self.session = Session(peer=peer.node_key, pinned=pinned, version=version, capabilities=capabilities)
        if self._role is ConnectionRole.RESPONDER:
            self.deadline = None  # the initiator goes on waiting, for MODELS
        self.events.append(Authenticated(session=self.session))

    def overdue(self) -> RemoteProtocolError:
        """What the peer failed to send in time: its HELLO, or its first MODELS."""
        requirement = "HSK-014" if self.session is None else "CTL-009"
        return RemoteProtocolError("no handshake in time", code=ErrorCode.TIMEOUT, requirement=requirement)

    def _advertised(self, frame: Models) -> None:
        assert self.session is not None  # the table lets MODELS in after HELLO alone
        quotes = [(read_quote(quote, provider=self.session.peer), quote) for quote in frame.quotes]
        self.deadline = None
        self.peer_quotes = {quote.digest(Context.QUOTE): (body, quote) for body, quote in quotes}
        self.events.append(ModelsChanged(quotes=tuple(quotes)))

    def _ignore(self, frame: UnknownFrame, now: float) -> None:
        # EXT-002, EXT-009: it's OK to be odd, but not before HELLO.
        if frame.type % 2 == 0 or self.session is None:
            message = f"unknown frame type {frame.type}"
            requirement = "EXT-009" if self.session is None else "EXT-002"
            raise RemoteProtocolError(message, code=ErrorCode.UNKNOWN_FRAME, requirement=requirement)
        self._spend(now)

    def _spend(self, now: float) -> None:
        """CTL-004: one frame of the control stream's allowance."""
        if not self._received.take(now):
            message = "too many frames on the control stream"
            raise RemoteProtocolError(message, code=ErrorCode.RATE_EXCEEDED, requirement="CTL-004")
