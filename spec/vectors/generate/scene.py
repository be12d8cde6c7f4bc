"""Two connections joined in memory, with fixed keys and entropy, and a record of what they write."""

from __future__ import annotations

from dataclasses import dataclass, field

from mycellm_proto.answer import Chunk
from mycellm_proto.connection import Connection
from mycellm_proto.content import ChatRequest, FinishReason
from mycellm_proto.economy import Quote, sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.events import CloseConnection, Event, ModelsChanged, WriteStream
from mycellm_proto.hello import ConnectionRole
from mycellm_proto.order import Order, place_order

from . import constants as c
from .family import DisagreementError, Json

BINDING = c.entropy("channel binding")
STREAM = 0
WORDS = (("Hello", 1), (",", 1), (" Alice", 1), (".", 1))


@dataclass
class Scene:
    """Alice and Bob on one connection, and a record of what they write; ``now`` is milliseconds since it began."""

    alice: Connection
    bob: Connection
    now: int = 0
    steps: list[Json] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    closed: int | None = None

    @classmethod
    def make(cls, *, pinned: bool = True, grease: bytes = b"") -> Scene:
        """Both ends, nothing written yet."""
        expected = c.BOB.public if pinned else None
        alice = Connection(
            role=ConnectionRole.INITIATOR,
            key=c.ALICE,
            binding=BINDING,
            expected_peer=expected,
            grease=grease,
            now=float(c.NOW),
        )
        bob = Connection(role=ConnectionRole.RESPONDER, key=c.BOB, binding=BINDING, grease=grease, now=float(c.NOW))
        return cls(alice, bob)

    @property
    def clock(self) -> float:
        """Seconds since 1970."""
        return c.NOW + self.now / 1000

    def settle(self) -> None:
        """Deliver, each write on its own and ten milliseconds late, until nobody has anything to say."""
        while self._deliver(self.bob, self.alice, "responder") + self._deliver(self.alice, self.bob, "initiator"):
            pass

    def _deliver(self, sender: Connection, receiver: Connection, name: str) -> int:
        actions = sender.actions()
        for action in actions:
            self.now += 10
            if isinstance(action, WriteStream):
                self.write(name, receiver, action.stream_id, action.data, fin=action.fin)
            else:
                self._close(name, receiver, action)
        self._collect()
        return len(actions)

    def write(self, name: str, receiver: Connection, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Record a write of the side ``name`` and hand it to the other."""
        self.steps.append(write_step(self.now, name, stream, data, fin=fin))
        receiver.receive_data(stream, data, fin, self.clock)
        self._collect()

    def answered(self) -> None:
        """Record what Bob does about bytes that Alice's connection knows nothing of."""
        for action in self.bob.actions():
            self.now += 10
            if isinstance(action, WriteStream):
                self.steps.append(write_step(self.now, "responder", action.stream_id, action.data, fin=action.fin))
            else:
                self._close("responder", self.alice, action)

    def greeted(self) -> None:
        """Bob's first flight, which Alice has not answered yet."""
        self._deliver(self.bob, self.alice, "responder")

    def _close(self, name: str, receiver: Connection, action: CloseConnection) -> None:
        self.steps.append({"at": self.now, "from": name, "close": ErrorCode(action.code).name})
        self.closed = action.code
        receiver.connection_lost(action.code)

    def _collect(self) -> None:
        for side in (self.alice, self.bob):
            while (event := side.next_event()) is not None:
                self.events.append(event)

    def last(self, kind: type[Event]) -> Event | None:
        """The newest event of a kind."""
        found = [event for event in self.events if isinstance(event, kind)]
        return found[-1] if found else None

    def offered(self, quote: Quote = c.QUOTE) -> None:
        """The handshake, and Bob's MODELS."""
        self.settle()
        self.bob.advertise([sign(c.BOB, quote)], self.clock)
        self.settle()

    def ask(self, request: ChatRequest = c.REQUEST, ceiling: int = c.CEILING) -> None:
        """Alice's REQUEST, up to Bob."""
        offer = self.last(ModelsChanged)
        if not isinstance(offer, ModelsChanged):
            raise DisagreementError("no MODELS came")
        self.alice.request(_order(offer, request, ceiling), self.clock)
        self.settle()

    def answer(self, words: tuple[tuple[str, int], ...]) -> None:
        """Bob's chunks, each paid before the next."""
        for text, tokens in words:
            self.bob.chunk(STREAM, Chunk(text=text, tokens=tokens), self.clock)
            self.settle()

    def end(self, finish: FinishReason) -> None:
        """Bob's close and Alice's agreement."""
        self.bob.end(STREAM, finish, c.ANSWER_SALT, self.clock)
        self.settle()
        self.alice.countersign(STREAM)
        self.settle()


def write_step(now: int, name: str, stream: int, data: bytes, *, fin: bool) -> Json:
    """A write of the side ``name``, as the vectors hold it."""
    return {"at": now, "from": name, "stream": stream, "hex": data.hex(), "fin": fin}


def _order(offer: ModelsChanged, request: ChatRequest, ceiling: int) -> Order:
    quote, signed = offer.quotes[0]
    return place_order(
        c.ALICE,
        request,
        quote=quote,
        signed_quote=signed,
        sequence=7,
        previous=None,
        ceiling=ceiling,
        salt=c.SALT,
        chain_seed=c.CHAIN_SEED,
    )
