"""The connection that an honest node dialed: it speaks second, and asks."""

from __future__ import annotations

from typing import ClassVar

from conformance import dcbor, signing
from conformance.answers import CAPABILITIES, CHAT
from conformance.data import error_code, limit
from conformance.dcbor import Item
from conformance.offer import Quote

from . import hello
from .connection import Connection
from .consumer import Consumer
from .node import Node
from .port import Port
from .rules import NotAskedError


class Initiator(Connection):
    """A connection that this node dialed; ``expected`` is the node id that it knows, or None."""

    initiates = True
    own_control = 2
    peer_control = 3
    peer_streams = 1
    consumer: ClassVar[type[Consumer]] = Consumer

    def __init__(self, node: Node, port: Port, binding: bytes, expected: bytes | None = None) -> None:
        super().__init__(node, port, binding, expected)
        self.quotes: list[tuple[Quote, list[bytes]]] = []
        """What the peer offers now."""
        self.asked: dict[int, Consumer] = {}
        self._next = 0

    def greet(self) -> None:
        """HSK-002: the responder speaks first."""

    def first_control_frame(self, kind: int, body: bytes) -> None:
        """The responder's HELLO, which this node's own names."""
        super().first_control_frame(kind, body)
        if self.session is not None:
            self.answer_hello(signing.name(signing.HELLO, dcbor.decode(body)[0]))

    def proved(self) -> None:
        """The responder has proved who it is, and waits for this node's proof."""

    def answer_hello(self, peer_hello: bytes) -> None:
        """Send HELLO, and wait for MODELS (CTL-009)."""
        assert self.session is not None  # the caller looked
        self.say_hello(
            hello.initiator_hello(self.node, self.binding, self.session.peer, peer_hello, self.expected is not None)
        )
        self.timers.start("models", limit("HANDSHAKE_TIMEOUT"), self._models_overdue)

    def took_models(self, models: dict[int, Item]) -> None:
        """CTL-007: the whole list of what the peer offers."""
        super().took_models(models)
        self.timers.stop("models")
        self.quotes = [(Quote.read(body), [body, signature]) for body, signature in models[0]]

    # Asking

    def ask(self, content: dict[int, Item]) -> Consumer:
        """Ask for an answer. Raises `NotAskedError`."""
        quote, signed = self.chosen(content[1])
        running = sum(not each.over for each in self.asked.values())
        if running >= limit("MAX_STREAMS") and not self.rules.skips("FLW-009"):
            raise NotAskedError("BUSY")
        request = self.consumer(self, self._next, content, quote, signed)
        request.check()
        unanswered = sum(each.unanswered for each in self.asked.values())
        if unanswered + request.size > limit("MAX_BUFFERED") and not self.rules.skips("FLW-015"):
            raise NotAskedError("BUSY")
        self.asked[self._next] = request
        self._next += 4
        request.ask()
        return request

    def chosen(self, model: str) -> tuple[Quote, list[bytes]]:
        """A quote that can be taken (HSK-020, NET-002, RCP-052). Raises `NotAskedError`."""
        usable = self.session is not None and self.session.pinned and CAPABILITIES[CHAT] in self.session.capabilities
        if not usable and not self.rules.skips("HSK-020"):
            raise NotAskedError("UNPINNED" if self.session and not self.session.pinned else "UNSUPPORTED")
        if self.over:
            raise NotAskedError("PEER_GONE")
        for quote, signed in self.quotes:
            known = quote.network == signing.DIRECT or self.rules.skips("NET-002")
            fresh = self.node.clock() < quote.expires or self.rules.skips("RCP-052")
            if quote.model == model and known and fresh:
                return quote, signed
        raise NotAskedError("UNKNOWN_MODEL")

    def request_data(self, stream: int, data: bytes, fin: bool) -> None:
        """Bytes of an answer, or of a request of the peer's."""
        request = self.asked.get(stream)
        if request is None:
            super().request_data(stream, data, fin)
            return
        if request.over:
            self.discard(len(data))
            return
        for kind, body in self._frames(stream, data, None):
            request.received(kind, body)
            if self.over or request.over:
                return
        if fin:
            request.ended()

    def was_reset(self, stream: int) -> None:
        """INF-031: a stream that the provider gives up is a provider that is gone."""
        if stream in self.asked and not self.over:
            self.asked[stream].gone()
        else:
            super().was_reset(stream)

    def lost(self) -> None:
        """ERR-009: every exchange is over with its connection."""
        super().lost()
        if not self.rules.skips("ERR-009"):
            for request in self.asked.values():
                request.gone()

    def _models_overdue(self) -> None:
        if not self.rules.skips("CTL-009"):
            self.fail(error_code("TIMEOUT"))
