"""One connection of an honest node: control streams, request streams, and what bounds them."""

from __future__ import annotations

from typing import ClassVar

from conformance import dcbor, framing, shapes, signing
from conformance.data import error_code, limit
from conformance.dcbor import Item
from conformance.members import CONSUMER, Member, Proof

from . import hello
from .callee import Callee
from .hello import Session
from .node import Node
from .port import Allowance, Port, Timers
from .provider import IDLE, Provider
from .rules import FailError, RefuseError

_KEEP_ALIVE = 20.0
_RENEWED_BEFORE = 20.0
"""Seconds before its expiry at which a quote is replaced (CTL-008)."""


class Connection:
    """A connection that the peer dialed: this node is the responder. `Initiator` is the other role."""

    initiates: ClassVar[bool] = False
    own_control: ClassVar[int] = 3
    peer_control: ClassVar[int] = 2
    peer_streams: ClassVar[int] = 0
    """Request streams of the peer have this id modulo 4."""
    provider: ClassVar[type[Provider]] = Provider
    callee: ClassVar[type[Callee]] = Callee

    def __init__(self, node: Node, port: Port, binding: bytes, expected: bytes | None = None) -> None:
        self.node = node
        self.rules = node.rules
        self.port = port
        self.binding = binding
        self.expected = expected
        self.session: Session | None = None
        self.own_hello = b""
        self.offered: dict[bytes, list[bytes]] = {}
        self.over = False
        self.timers = Timers()
        self.streams: dict[int, Provider | Callee] = {}
        self.calls = Allowance("CALL_BURST", "CALL_RATE")
        self.proofs: dict[bytes, Proof] = {}
        """What the peer has shown of itself, by network."""
        self.given: set[bytes] = set()
        """The networks that this node has proved here."""
        self._buffers: dict[int, bytes] = {}
        self._ended: set[int] = set()
        self._newest = -1
        self._discarded = 0
        self._control = Allowance("CONTROL_BURST", "CONTROL_RATE")

    # What the transport tells

    def opened(self) -> None:
        """The channel binding is there."""
        self.timers.start("handshake", limit("HANDSHAKE_TIMEOUT"), self._handshake_overdue)
        self.greet()

    def received(self, stream: int, data: bytes, fin: bool) -> None:
        """Bytes of a stream, in order."""
        if self.over:
            return
        try:
            if stream == self.peer_control:
                self.control_data(data, fin)
            else:
                self.request_data(stream, data, fin)
        except FailError as error:
            self.fail(error.code)
        except framing.FrameError as error:
            self.fail(error_code(error.code))

    def was_reset(self, stream: int) -> None:
        """The peer reset a stream, or stops reading it."""
        if self.over:
            return
        if stream in (2, 3):
            self.enforce("CTL-001", broken=True, code="STREAM_MISUSE")
        elif stream in self.streams and stream not in self._ended:
            self.streams[stream].gone()
        elif stream not in self.streams:
            self._seen(stream)
            self._ended.add(stream)

    def lost(self) -> None:
        """The connection is gone."""
        self.over = True
        self.timers.stop_all()
        for exchange in self.streams.values():
            exchange.gone()

    # Who the peer is

    @property
    def peer(self) -> bytes:
        """The peer's key."""
        assert self.session is not None  # only after the handshake
        return self.session.peer

    def member(self, network: bytes) -> Member | None:
        """Whom the peer has shown itself to be, by what is known now (NET-037, NET-038)."""
        proof = self.proofs.get(network)
        return None if proof is None else self.node.verified(network, proof, self.peer)

    def plays(self, network: bytes, role: int) -> bool:
        """Whether the peer may ask or answer in a network."""
        member = self.member(network)
        return member is not None and bool(member.roles & role)

    def introduced(self) -> None:
        """NET-051: the peer has shown itself, and may be offered more."""
        if not self.over and not self.rules.skips("NET-051"):
            self.advertise()

    # What it does

    def greet(self) -> None:
        """Send HELLO in the first flight."""
        self.say_hello(hello.responder_hello(self.node, self.binding))

    def say_hello(self, body: dict[int, Item]) -> None:
        """Sign a HELLO and send it."""
        signed = self.node.key.signed(signing.HELLO, body)
        self.own_hello = signing.name(signing.HELLO, signed[0])
        self.port.write(self.own_control, framing.write_frame(framing.HELLO, dcbor.encode(signed)))

    def advertise(self) -> None:
        """Send MODELS: everything that is offered to this peer now."""
        assert self.session is not None  # only after the handshake
        asks = [each for each in self.node.store.networks if self.plays(each, CONSUMER) or self.rules.skips("NET-048")]
        quotes = [*self.node.quotes(self.peer), *self.node.network_quotes(self.peer, asks)]
        self.offered |= {signing.name(signing.QUOTE, body): [body, signature] for body, signature in quotes}
        self.port.write(self.own_control, framing.write_frame(framing.MODELS, dcbor.encode(self.models(quotes))))
        self.send_reserved_frame(self.own_control)
        self.timers.start("renewal", self.node.lifetime - _RENEWED_BEFORE, self.advertise)

    def models(self, quotes: list[list[bytes]]) -> dict[int, Item]:
        """The body of MODELS, with a key that means nothing (EXT-005)."""
        return {0: quotes, self.node.entropy.reserved(): None}

    def send_reserved_frame(self, stream: int) -> None:
        """A frame that means nothing, now and then (EXT-004)."""
        if self.node.entropy.below(2):
            self.port.write(stream, framing.write_frame(self.node.entropy.reserved(), self.node.entropy.take(5)))

    def fail(self, code: int, reason: str = "") -> None:
        """Close the connection."""
        if not self.over:
            self.port.close(code, reason)
            self.lost()

    def enforce(self, requirement: str, *, broken: bool, code: str) -> None:
        """Fail with ``code`` where a requirement is broken, outside of `received`."""
        try:
            self.rules.forbid(requirement, broken, FailError(code))
        except FailError as error:
            self.fail(error.code)

    # Control streams

    def control_data(self, data: bytes, fin: bool) -> None:
        """Bytes of the peer's control stream."""
        self.rules.forbid("CTL-001", fin, FailError("STREAM_MISUSE"))
        limits = {framing.HELLO: limit("MAX_HELLO")} if self.session is None else None
        if self.rules.skips("FRM-009"):
            limits = None
        for kind, body in self._frames(2, data, limits):
            if self.over:
                return
            if self.session is None:
                self.first_control_frame(kind, body)
            else:
                self.control_frame(kind, body)

    def first_control_frame(self, kind: int, body: bytes) -> None:
        """The peer's HELLO."""
        self.rules.forbid("EXT-009", framing.is_unknown(kind), FailError("UNKNOWN_FRAME"))
        self.rules.forbid("STM-001", kind != framing.HELLO, FailError("UNEXPECTED_FRAME"))
        if kind != framing.HELLO:
            return
        self.session = hello.judge(
            self.node,
            body,
            initiates=self.initiates,
            binding=self.binding,
            own_hello=self.own_hello,
            expected=self.expected,
        )
        self.timers.stop("handshake")
        self.keep_alive()
        self.proved()

    def proved(self) -> None:
        """The peer has proved who it is: a responder answers with what it offers."""
        self.advertise()

    def control_frame(self, kind: int, body: bytes) -> None:
        """Any later frame of a control stream."""
        self._take_allowance()
        if framing.is_unknown(kind):
            self.rules.forbid("EXT-002", kind % 2 == 0, FailError("UNKNOWN_FRAME"))
            return
        self.rules.forbid("STM-001", kind != framing.MODELS, FailError("UNEXPECTED_FRAME"))
        if kind == framing.MODELS:
            self.took_models(self.value(kind, body))

    def took_models(self, models: dict[int, Item]) -> None:
        """The peer's whole list of quotes."""
        assert self.session is not None  # MODELS comes after HELLO
        for body, signature in models[0]:
            self.judge_quote(body, signature, self.session.peer)

    def judge_quote(self, body: bytes, signature: bytes, peer: bytes) -> dict[int, Item]:
        """A quote of the peer's. Raises `FailError`."""
        try:
            quote: dict[int, Item] = self.rules.decode(body)
        except dcbor.NotDeterministicError:
            raise FailError("ENCODING") from None
        self.rules.forbid("RCP-001", shapes.broken("quote-body", quote) is not None, FailError("ENCODING"))
        proved = signing.is_signed_by(peer, signing.QUOTE, body, signature)
        self.rules.forbid("RCP-002", quote[0] != peer or not proved, FailError("ENCODING"))
        return quote

    def value(self, kind: int, body: bytes) -> dict[int, Item]:
        """The body of a registered frame, without what a reader ignores. Raises `FailError`."""
        rule = framing.NAMES[kind // 2].lower()
        try:
            value = self.rules.decode(body)
        except dcbor.NotDeterministicError:
            raise FailError("ENCODING") from None
        self.rules.forbid("FRM-008", shapes.broken(rule, value) is not None, FailError("ENCODING"))
        return shapes.known(rule, value)

    # Request streams

    def request_data(self, stream: int, data: bytes, fin: bool) -> None:
        """Bytes of any other stream."""
        self.rules.forbid("HSK-013", self.session is None, FailError("HANDSHAKE_FAILED"))
        if self.session is None:
            return
        self.rules.forbid("CTL-003", stream % 4 != self.peer_streams, FailError("STREAM_MISUSE"))
        if stream % 4 != self.peer_streams:
            return
        if stream in self._ended:
            self.discard(len(data))
            return
        exchange = self.streams.get(stream) or self._begin(stream)
        if exchange is None:
            return
        for kind, body in self._frames(stream, data, None):
            if kind == framing.CALL and isinstance(exchange, Provider) and exchange.state == IDLE:
                exchange = self.streams[stream] = self.callee(self, stream, exchange)
            exchange.received(kind, body)
            if self.over or exchange.over:
                return
        buffered = sum(len(self._buffers.get(each, b"")) for each in self.streams)
        self.rules.forbid("FRM-006", buffered > limit("MAX_BUFFERED"), FailError("RATE_EXCEEDED"))
        if fin:
            exchange.gone()

    def forget(self, stream: int) -> None:
        """An exchange is over."""
        self._ended.add(stream)
        self._buffers.pop(stream, None)

    def admitted(self) -> None:
        """A REQUEST passed its checks: what was discarded before is forgiven (FLW-007)."""
        self._discarded = 0

    def open_calls(self) -> int:
        """Calls of the peer's that are open: from the head of CALL on."""
        running = ((stream, each) for stream, each in self.streams.items() if not each.over)
        return sum(isinstance(each, Callee) or self.begins_a_call(stream, each) for stream, each in running)

    def begins_a_call(self, stream: int, exchange: Provider) -> bool:
        """Whether the head of a CALL has come on a stream, and no more."""
        return exchange.state == IDLE and framing.begun(self._buffers.get(stream, b"")) == framing.CALL

    def _begin(self, stream: int) -> Provider | None:
        self._seen(stream)
        exchange = self.provider(self, stream)
        self.streams[stream] = exchange
        running = sum(not each.over for each in self.streams.values())
        try:
            self.rules.forbid("FLW-006", running > limit("MAX_STREAMS"), RefuseError("BUSY"))
        except RefuseError as error:
            exchange.refuse(error)
            return None
        return exchange

    def _seen(self, stream: int) -> None:
        """FLW-008: streams below the newest one that have shown nothing yet."""
        self._newest = max(self._newest, stream)
        known = len(self.streams) + sum(each not in self.streams for each in self._ended)
        skipped = self._newest // 4 + 1 - known - (stream not in self.streams and stream not in self._ended)
        self.rules.forbid("FLW-008", skipped > limit("MAX_SKIPPED"), FailError("STREAM_MISUSE"))

    def discard(self, size: int) -> None:
        """Count bytes of a stream whose exchange is over."""
        self._discarded += size
        self.rules.forbid("FLW-007", self._discarded > limit("MAX_DISCARDED"), FailError("RATE_EXCEEDED"))

    # Bytes and times

    def _frames(self, stream: int, data: bytes, limits: dict[int, int] | None) -> list[tuple[int, bytes]]:
        whole = self._buffers.get(stream, b"") + data
        frames, left = framing.read_frames(whole, limits)
        self._buffers[stream] = whole[len(whole) - left :]
        return frames

    def _take_allowance(self) -> None:
        """CTL-004: the allowance of frames on a control stream."""
        self.rules.forbid("CTL-004", not self._control.take(), FailError("RATE_EXCEEDED"))

    def keep_alive(self) -> None:
        """PING, now and whenever the keep-alive time has passed (TRN-007)."""
        if not self.over:
            self.port.ping()
            self.timers.start("keep-alive", _KEEP_ALIVE, self.keep_alive)

    def _handshake_overdue(self) -> None:
        self.enforce("HSK-014", broken=self.session is None, code="TIMEOUT")
