"""The connection that an honest node dialed: it speaks second, and asks."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from conformance import dcbor, signing
from conformance.answers import CAPABILITIES, CHAT
from conformance.data import error_code, limit
from conformance.dcbor import Item
from conformance.members import CONSUMER, PROVIDER, Proof
from conformance.offer import Quote

from . import hello
from .caller import Caller, Then
from .connection import Connection
from .consumer import Consumer
from .networks import PROVE, SHOW
from .node import CALLS, Node
from .port import Port
from .reserving import claim_all
from .rules import NotAskedError


class Initiator(Connection):
    """A connection that this node dialed; ``expected`` is the node id that it knows, or None."""

    initiates = True
    own_control = 2
    peer_control = 3
    peer_streams = 1
    consumer: ClassVar[type[Consumer]] = Consumer
    caller: ClassVar[type[Caller]] = Caller

    def __init__(self, node: Node, port: Port, binding: bytes, expected: bytes | None = None) -> None:
        super().__init__(node, port, binding, expected)
        self.quotes: list[tuple[Quote, list[bytes]]] = []
        """What the peer offers now."""
        self.asked: dict[int, Consumer | Caller] = {}
        self.shown: set[bytes] = set()
        """The networks in which the peer knows this node."""
        self._next = 0
        self._unmet: list[bytes] = []
        """Networks for which the peer will still be asked."""

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
        if self.timers.running("models"):
            self.timers.stop("models")
            self.meet(*self.node.store.networks)
        self.quotes = [(Quote.read(body), [body, signature]) for body, signature in models[0]]

    # Calling

    def call(self, procedure: int, rule: str, arguments: dict[int, Item], then: Then) -> None:
        """Call; ``rule`` is that of the result."""
        stream, self._next = self._next, self._next + 4
        self.asked[stream] = self.caller(self, stream, procedure=procedure, rule=rule, arguments=arguments, then=then)

    def may_call(self) -> bool:
        """CAL-001."""
        agreed = self.session is not None and self.session.pinned and CALLS in self.session.capabilities
        return agreed or (self.session is not None and self.rules.skips("CAL-001"))

    def meet(self, *networks: bytes) -> None:
        """Ask the peer for this node's networks, one after the other, and show it this node where it is of one."""
        self._unmet += networks
        if len(self._unmet) == len(networks):
            self.meet_next()

    def meet_next(self) -> None:
        """The next network."""
        if not self._unmet or self.over or not self.may_call():
            return
        network = self._unmet[0]
        if self.node.own(network) is None:
            self.met()
            return
        blinded = signing.blind(network, self.binding, self.node.key.public)
        self.call(PROVE, "proved", {0: blinded}, partial(self.proved_membership, network))

    def met(self, _: object = None) -> None:
        """Done with a network."""
        self._unmet.pop(0)
        self.meet_next()

    def proved_membership(self, network: bytes, proved: dict[int, Item] | None, _: object = None) -> None:
        """What the peer shows of itself; NET-031: only to its like this node shows itself."""
        if proved:
            self.node.learn(network, descriptor=proved[0], roll=proved[3])
            self.proofs[network] = Proof(membership=proved[1], certificate=proved.get(2))
            if self.member(network) is None:
                del self.proofs[network]
        if self.member(network) is None and not self.shows_itself_anyway(proved):
            self.met()
            return
        shown = {0: network, **self.node.store.networks[network].shown()}
        self.call(SHOW, "empty", shown, partial(self.showed, network))

    def shows_itself_anyway(self, proved: dict[int, Item] | None) -> bool:
        """Whether this node shows itself to somebody who is no member, or did not say what it had to."""
        careless = proved is not None and (self.rules.skips("CAL-004") or self.rules.skips("CAL-005"))
        return self.rules.skips("NET-031") or careless

    def showed(self, network: bytes, result: dict[int, Item] | None, _: object = None) -> None:
        """The peer knows this node."""
        if result is not None:
            self.shown.add(network)
            claim_all(self, network)
        self.met()

    # Asking

    def ask(self, content: dict[int, Item], network: bytes = signing.DIRECT) -> Consumer:
        """Ask for an answer. Raises `NotAskedError`."""
        quote, signed = self.chosen(content[1], network)
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

    def chosen(self, model: str, network: bytes) -> tuple[Quote, list[bytes]]:
        """A quote that can be taken (HSK-020, NET-002, RCP-052). Raises `NotAskedError`."""
        usable = self.session is not None and self.session.pinned and CAPABILITIES[CHAT] in self.session.capabilities
        if not usable and not self.rules.skips("HSK-020"):
            raise NotAskedError("UNPINNED" if self.session and not self.session.pinned else "UNSUPPORTED")
        if self.over:
            raise NotAskedError("PEER_GONE")
        for quote, signed in self.quotes:
            known = self.is_of(quote, network)
            fresh = self.node.clock() < quote.expires or self.rules.skips("RCP-052")
            if quote.model == model and known and fresh:
                return quote, signed
        raise NotAskedError("UNKNOWN_MODEL")

    def is_of(self, quote: Quote, network: bytes) -> bool:
        """Whether a quote is of the network that was asked for, and may be taken (NET-002, NET-035, NET-039)."""
        if quote.network != network or network == signing.DIRECT:
            return quote.network == network or self.rules.skips("NET-002")
        peers = self.plays(network, PROVIDER) and network in self.shown
        allowed = self.node.plays(network, CONSUMER, quote.model_digest)
        skips = self.rules.skips
        return (peers or skips("NET-035")) and (allowed or skips("NET-039"))

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
