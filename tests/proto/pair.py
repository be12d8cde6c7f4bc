"""Two sans-IO connections joined in memory, with fixed keys and entropy: the same bytes at every run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from mycellm_proto.answer import Chunk
from mycellm_proto.calls import Procedure
from mycellm_proto.connection import Connection
from mycellm_proto.content import ChatRequest, FinishReason, Message, Role, Sampling
from mycellm_proto.economy import DIRECT_NETWORK, Quote, sign
from mycellm_proto.events import Action, CloseConnection, Event, ModelsChanged, WriteStream
from mycellm_proto.frames import LIMITS, Frame, decode_frame, encode
from mycellm_proto.framing import FrameReader
from mycellm_proto.hello import ConnectionRole
from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import MAX_SMALL
from mycellm_proto.order import Order, place_order
from mycellm_proto.signed import Signed

NOW = 1_790_000_000.0
BINDING = hashlib.sha256(b"binding").digest()
MODEL = "tiny"
INPUT = 10
"""Tokens of the prompt that `chat` makes, as Bob counts them."""

E = TypeVar("E")


def seed(name: str) -> bytes:
    """32 bytes that stand for fresh entropy."""
    return hashlib.sha256(name.encode()).digest()


ALICE = SigningKey(seed("alice"))
BOB = SigningKey(seed("bob"))
MALLORY = SigningKey(seed("mallory"))


def quote(key: SigningKey = BOB, **changes: object) -> Quote:
    """An offer of the model `MODEL`."""
    values: dict[str, object] = {
        "provider": key.public,
        "network": DIRECT_NETWORK,
        "model": MODEL,
        "model_digest": seed("model"),
        "context_length": 8192,
        "price_in": 1,
        "price_out": 4,
        "tick_value": 64,
        "prepaid_ticks": 1,
        "window": 2,
        "expires": int(NOW) + 3600,
    }
    return Quote(**(values | changes))  # type: ignore[arg-type]


def chat(**changes: object) -> ChatRequest:
    """A small request."""
    values: dict[str, object] = {
        "model": MODEL,
        "messages": (Message(role=Role.USER, content="Hello?"),),
        "max_tokens": 64,
        "deadline_ms": 60_000,
        "sampling": Sampling(temperature=0),
    }
    return ChatRequest(**(values | changes))  # type: ignore[arg-type]


def order(
    offer: tuple[Quote, Signed],
    *,
    key: SigningKey = ALICE,
    sequence: int = 1,
    ceiling: int = 1000,
    **changes: object,
) -> Order:
    """An order of Alice's, with entropy of its own per sequence number."""
    return place_order(
        key,
        chat(**changes),
        quote=offer[0],
        signed_quote=offer[1],
        sequence=sequence,
        previous=None,
        ceiling=ceiling,
        salt=seed(f"salt {sequence}"),
        chain_seed=seed(f"chain {sequence}"),
    )


def frames_in(data: bytes) -> list[Frame]:
    """The frames of a stream's bytes."""
    return [decode_frame(raw) for raw in FrameReader(LIMITS, MAX_SMALL).feed(data)]


@dataclass
class Side:
    """One end: its connection, the events that it gave, and the closing code that it asked for."""

    connection: Connection
    events: list[Event] = field(default_factory=list)
    closed: int | None = None
    wire: list[Action] = field(default_factory=list)

    def collect(self) -> list[Action]:
        """Drain actions and events."""
        actions = self.connection.actions()
        self.wire += actions
        for action in actions:
            if isinstance(action, CloseConnection):
                self.closed = action.code
        while (event := self.connection.next_event()) is not None:
            self.events.append(event)
        return actions

    def all(self, kind: type[E]) -> list[E]:
        """The events of a kind, oldest first."""
        return [event for event in self.events if isinstance(event, kind)]

    def last(self, kind: type[E]) -> E:
        """The newest event of a kind."""
        return self.all(kind)[-1]

    def sent(self, stream: int) -> list[Frame]:
        """The frames that this side has written to a stream."""
        return frames_in(b"".join(a.data for a in self.wire if isinstance(a, WriteStream) and a.stream_id == stream))

    def ended(self, stream: int) -> bool:
        """Whether this side has ended a stream."""
        return any(isinstance(a, WriteStream) and a.stream_id == stream and a.fin for a in self.wire)

    def feed(self, stream: int, *frames: Frame | bytes, fin: bool = False, now: float = NOW) -> list[Action]:
        """Hand this side forged frames; what it wants to do about them, undelivered."""
        data = b"".join(frame if isinstance(frame, bytes) else encode(frame) for frame in frames)
        self.connection.receive_data(stream, data, fin, now)
        return self.collect()


def whole(data: bytes) -> list[bytes]:
    """Deliver a write as it is."""
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    """Deliver a write in single bytes."""
    return [data[i : i + 1] for i in range(len(data))]


@dataclass
class Pair:
    """An initiator (Alice, the consumer) and a responder (Bob, the provider), ``now`` being their clock."""

    initiator: Side
    responder: Side
    now: float = NOW
    slices: Callable[[bytes], list[bytes]] = whole

    @classmethod
    def make(
        cls,
        *,
        expected: bytes | None = BOB.public,
        bindings: tuple[bytes, bytes] = (BINDING, BINDING),
        grease: bytes = b"grease",
        slices: Callable[[bytes], list[bytes]] = whole,
    ) -> Pair:
        """Both ends, nothing exchanged yet."""
        first = Connection(
            role=ConnectionRole.INITIATOR,
            key=ALICE,
            binding=bindings[0],
            expected_peer=expected,
            grease=grease,
            now=NOW,
        )
        second = Connection(role=ConnectionRole.RESPONDER, key=BOB, binding=bindings[1], grease=grease, now=NOW)
        return cls(Side(first), Side(second), slices=slices)

    def exchange(self) -> None:
        """Deliver until neither side has anything to say."""
        while self.passed_on():
            pass

    def passed_on(self) -> bool:
        """Deliver what both sides have to say now; whether that was anything."""
        first, second = self.initiator.collect(), self.responder.collect()
        self.deliver(self.initiator, self.responder, first)
        self.deliver(self.responder, self.initiator, second)
        return bool(first or second)

    def deliver(self, sender: Side, receiver: Side, actions: list[Action]) -> None:
        """Hand what ``sender`` wrote to ``receiver``."""
        for action in actions:
            if isinstance(action, CloseConnection):
                receiver.connection.connection_lost(action.code)
            elif isinstance(action, WriteStream):
                parts = self.slices(action.data) or [b""]
                for index, part in enumerate(parts):
                    last = action.fin and index == len(parts) - 1
                    receiver.connection.receive_data(action.stream_id, part, last, self.now)

    def advertised(self, *quotes: Quote) -> tuple[Quote, Signed]:
        """Finish the handshake and let Bob offer ``quotes``; what Alice holds of the first."""
        self.exchange()
        self.responder.connection.advertise([sign(BOB, each) for each in quotes or (quote(),)], self.now)
        self.exchange()
        return self.initiator.last(ModelsChanged).quotes[0]

    def requested(self, *quotes: Quote, **changes: object) -> int:
        """A request that Bob has received; its stream."""
        placed = order(self.advertised(*quotes), **changes)  # type: ignore[arg-type]
        stream = self.initiator.connection.request(placed, self.now)
        self.exchange()
        return stream

    def called(self, procedure: int = Procedure.BALANCE, arguments: bytes = b"\xa0") -> int:
        """Bring a call of Alice's to Bob's owner; its stream."""
        if self.initiator.connection.session is None:
            self.advertised()
        stream = self.initiator.connection.call(procedure, arguments, self.now)
        self.exchange()
        return stream

    def streaming(self, *quotes: Quote, **changes: object) -> int:
        """A request that Bob has accepted; its stream."""
        stream = self.requested(*quotes, **changes)
        assert self.responder.connection.accept(stream, INPUT)
        self.exchange()
        return stream

    def say(self, stream: int, *words: str, tokens: int = 1) -> None:
        """Bob delivers ``words``, and Alice pays."""
        for word in words:
            self.responder.connection.chunk(stream, Chunk(text=word, tokens=tokens), self.now)
            self.exchange()

    def finish(self, stream: int, finish: FinishReason = FinishReason.STOP) -> None:
        """Bob ends the answer."""
        self.responder.connection.end(stream, finish, seed("answer"), self.now)
        self.exchange()

    def tick(self, side: Side, seconds: float | None = None) -> None:
        """Let time pass: ``seconds``, or until the next timeout of ``side``, which is then handled."""
        due = side.connection.next_timeout()
        if seconds is None:
            assert due is not None
            self.now = due
        else:
            self.now += seconds
        side.connection.handle_timeout(self.now)
        self.exchange()
