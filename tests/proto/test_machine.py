"""Two honest connections in any interleaving: owners act, bytes arrive in slices, time passes, streams break.

Nothing that two honest sides do, in any order, makes either break the protocol; money is conserved throughout.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mycellm_proto import limits
from mycellm_proto.answer import Chunk
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import Evidence, check_countersignature, read_close, sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.events import (
    CancelReceived,
    ChunkReceived,
    ConnectionFailed,
    Ended,
    Failed,
    ModelsChanged,
    RequestReceived,
    Settled,
    WriteStream,
)
from mycellm_proto.frames import LIMITS, Credit, Tick, decode_frame, encode
from mycellm_proto.framing import FrameReader
from mycellm_proto.order import Order
from mycellm_proto.provider import ProviderExchange
from mycellm_proto.states import State

from .pair import ALICE, BOB, INPUT, Pair, Side, frames_in, order, quote, seed
from .watch import assert_dead, footprint

OFFER = quote(window=2)
ENDINGS = st.sampled_from([each for each in FinishReason if each is not FinishReason.CANCELLED])
TIMES = st.integers(1, 6)


@dataclass
class Ledger:
    """What one exchange looks like from the wire."""

    order: Order
    reader: FrameReader = field(default_factory=lambda: FrameReader(LIMITS, limits.MAX_SMALL))
    credit: int = limits.INITIAL_CREDIT
    ticks: int = OFFER.prepaid_ticks
    sent: int = 0
    tokens: int = 0
    ended: Evidence | None = None
    failed: Evidence | None = None
    settled: Evidence | None = None


class Machine(RuleBasedStateMachine):
    """Alice asks, Bob answers, and Hypothesis carries their bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair.make(grease=b"machine")
        self.alice, self.bob = self.pair.initiator, self.pair.responder
        self.queues: dict[tuple[str, int], deque[tuple[bytes, bool]]] = {}
        self.exchanges: dict[int, Ledger] = {}
        self.broken: set[tuple[str, int]] = set()
        self.unread: list[tuple[int, int]] = []
        self.sequence = 0

    @initialize(ready=st.sampled_from([True, True, True, False]))
    def begin(self, ready: bool) -> None:
        """Most runs begin where requests are possible."""
        self.gather()
        if ready:
            self.carry_all()
            self.bob.connection.advertise([sign(BOB, OFFER)], self.pair.now)
            self.gather()
            self.carry_all()

    def side(self, name: str) -> Side:
        return self.alice if name == "alice" else self.bob

    # Carriage

    def gather(self) -> None:
        """Queue what was written, in order per stream, and look at what happened."""
        for name in ("alice", "bob"):
            side = self.side(name)
            seen = len(side.events)
            for action in side.collect():
                if isinstance(action, WriteStream) and (name, action.stream_id) not in self.broken:
                    self.queues.setdefault((name, action.stream_id), deque()).append((action.data, action.fin))
                    self.watch(name, action)
            for event in side.events[seen:]:
                self.happened(event)

    def watch(self, name: str, action: WriteStream) -> None:
        ledger = self.exchanges.get(action.stream_id)
        if name == "bob" and ledger is not None:
            for frame in frames_in(action.data):
                if isinstance(frame, Chunk):
                    ledger.sent += len(encode(frame))
                    ledger.tokens += frame.tokens
                    owed = OFFER.owed(INPUT, ledger.tokens)
                    assert ledger.sent <= ledger.credit
                    assert owed <= ledger.order.open.ceiling
                    assert owed <= (ledger.ticks + OFFER.window) * OFFER.tick_value
                    assert ledger.tokens <= ledger.order.request.max_tokens

    def happened(self, event: object) -> None:
        match event:
            case ConnectionFailed():
                raise AssertionError(f"an honest peer was accused: {event.error}")
            case ChunkReceived():
                self.unread.append((event.stream_id, event.size))
            case Ended():
                ledger = self.exchanges[event.stream_id]
                assert ledger.ended is ledger.failed is None
                ledger.ended = event.evidence
                close = event.close
                assert close.total == OFFER.total(
                    close.finish, close.input_tokens, close.output_tokens, event.evidence.ticks
                )
                assert close.total <= ledger.order.open.ceiling
            case Failed():
                ledger = self.exchanges[event.stream_id]
                assert ledger.ended is ledger.failed is None
                ledger.failed = event.evidence
            case Settled():
                ledger = self.exchanges[event.stream_id]
                assert ledger.settled is None
                ledger.settled = event.evidence
                self.settled(ledger)

    def settled(self, ledger: Ledger) -> None:
        evidence, released = ledger.settled, ledger.ended or ledger.failed
        assert evidence is not None
        assert evidence.open == ledger.order.signed_open
        assert evidence.link == ledger.order.chain.link(evidence.ticks)
        if evidence.countersignature is not None:
            assert evidence == ledger.ended
            assert evidence.close is not None
            check_countersignature(evidence.close, evidence.countersignature, consumer=ALICE.public)
            read_close(evidence.close, provider=BOB.public)
        elif released is not None:
            assert evidence.ticks <= released.ticks

    # What owners do

    @precondition(lambda self: self.alice.all(ModelsChanged) and len(self.exchanges) < 4)
    @rule(ceiling=st.sampled_from([2000, 100_000, 200, 64]), most=st.sampled_from([5000, 9, 1]))
    def ask(self, ceiling: int, most: int) -> None:
        self.sequence += 1
        offer = self.alice.last(ModelsChanged).quotes[0]
        placed = order(offer, sequence=self.sequence, ceiling=ceiling, max_tokens=most)
        stream = self.alice.connection.request(placed, self.pair.now)
        self.exchanges[stream] = Ledger(placed)
        self.gather()

    def provided(self, *states: State) -> list[ProviderExchange]:
        """Bob's exchanges in these states."""
        found = [self.bob.connection.provider(event.stream_id) for event in self.bob.all(RequestReceived)]
        return [exchange for exchange in found if exchange is not None and exchange.state in states]

    @precondition(lambda self: self.provided(State.REQUESTED))
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        exchange = data.draw(st.sampled_from(self.provided(State.REQUESTED)))
        self.bob.connection.accept(exchange.stream_id, INPUT)
        self.gather()

    @precondition(lambda self: self.provided(State.STREAMING))
    @rule(
        data=st.data(), size=st.sampled_from([1, 16_000, 2000, 0]), tokens=st.sampled_from([1, 0, 20, 40]), times=TIMES
    )
    def say(self, data: st.DataObject, size: int, tokens: int, times: int) -> None:
        exchange = data.draw(st.sampled_from(self.provided(State.STREAMING)))
        for _ in range(times):
            text = "x" * size
            if exchange.bound(Chunk(text=text, tokens=tokens)) is None and exchange.ready(
                Chunk(text=text, tokens=tokens), self.pair.now
            ):
                self.bob.connection.chunk(exchange.stream_id, Chunk(text="x" * size, tokens=tokens), self.pair.now)
            self.gather()

    @precondition(lambda self: self.provided(State.STREAMING, State.CANCELLED))
    @rule(data=st.data(), finish=ENDINGS)
    def end(self, data: st.DataObject, finish: FinishReason) -> None:
        exchange = data.draw(st.sampled_from(self.provided(State.STREAMING, State.CANCELLED)))
        self.bob.connection.end(exchange.stream_id, finish, seed("answer"), self.pair.now)
        self.gather()

    @precondition(lambda self: self.unread or any(ledger.ended for ledger in self.exchanges.values()))
    @rule()
    def read_and_countersign(self) -> None:
        for stream, size in self.unread:
            self.alice.connection.consumed(stream, size, self.pair.now)
        self.unread.clear()
        for stream, ledger in self.exchanges.items():
            if ledger.ended:
                self.alice.connection.countersign(stream)
        self.gather()

    # What the network does

    @precondition(lambda self: self.full())
    @rule(data=st.data(), size=st.sampled_from([1 << 20, 300, 1]), times=TIMES)
    def carry(self, data: st.DataObject, size: int, times: int) -> None:
        key = data.draw(st.sampled_from(self.full()))
        for _ in range(times):
            if self.queues[key]:
                self.move(key, size)

    def full(self) -> list[tuple[str, int]]:
        """The streams on which something is on its way."""
        return sorted(key for key, queue in self.queues.items() if queue)

    @rule()
    def carry_all(self) -> None:
        while full := self.full():
            for key in full:
                self.move(key, 1 << 20)

    def move(self, key: tuple[str, int], size: int) -> None:
        sender, stream = key
        body, fin = self.queues[key].popleft()
        part, rest = body[:size], body[size:]
        if rest:
            self.queues[key].appendleft((rest, fin))
        ledger = self.exchanges.get(stream)
        if sender == "alice" and ledger is not None:
            for raw in ledger.reader.feed(part):
                frame = decode_frame(raw)
                ledger.credit = frame.limit if isinstance(frame, Credit) else ledger.credit
                ledger.ticks = frame.k if isinstance(frame, Tick) else ledger.ticks
        receiver = self.bob if sender == "alice" else self.alice
        receiver.connection.receive_data(stream, part, fin and not rest, self.pair.now)
        self.gather()

    @precondition(lambda self: self.exchanges)
    @rule(data=st.data(), what=st.sampled_from(["cancel", "cancel", "wait", "give up", "break", "advertise"]))
    def mishap(self, data: st.DataObject, what: str) -> None:
        stream = data.draw(st.sampled_from(sorted(self.exchanges)))
        match what:
            case "cancel":
                self.alice.connection.cancel(stream, self.pair.now)
            case "wait":
                self.pair.now += data.draw(st.sampled_from([0.1, 9.0, 21.0]))
                for side in (self.alice, self.bob):
                    side.connection.handle_timeout(self.pair.now)
            case "give up":
                self.bob.connection.refuse(stream, ErrorCode.INTERNAL)
            case "break":
                # A RESET_STREAM overtakes whatever was still on its way.
                victim = data.draw(st.sampled_from(["alice", "bob"]))
                key = ("bob" if victim == "alice" else "alice", stream)
                self.queues.pop(key, None)
                self.broken.add(key)
                self.side(victim).connection.receive_reset(stream, self.pair.now)
            case "advertise":
                self.bob.connection.advertise([sign(BOB, OFFER)], self.pair.now)
        self.gather()

    def teardown(self) -> None:
        """Everything is over at last: each exchange has one ending on each side that knew of it."""
        self.gather()
        self.carry_all()
        self.bob.connection.advertise([sign(BOB, OFFER)], self.pair.now)
        self.gather()
        self.carry_all()
        for _ in range(200):
            dues = [side.connection.next_timeout() for side in (self.alice, self.bob)]
            for event in self.bob.all(CancelReceived):
                self.bob.connection.end(event.stream_id, FinishReason.CANCELLED, seed("answer"), self.pair.now)
            for stream in self.exchanges:
                self.alice.connection.countersign(stream)
            if all(due is None for due in dues):
                break
            self.pair.now = min(due for due in dues if due is not None)
            for side in (self.alice, self.bob):
                side.connection.handle_timeout(self.pair.now)
            self.gather()
            self.carry_all()
        else:
            raise AssertionError("an exchange never ends")
        for ledger in self.exchanges.values():
            assert (ledger.ended is None) is not (ledger.failed is None)
        for side in (self.alice, self.bob):
            assert footprint(side.connection) < 10_000
            side.connection.close(ErrorCode.NO_ERROR)
            self.gather()
            assert_dead(side)
        received = {event.stream_id for event in self.bob.all(RequestReceived)}
        assert {stream for stream, ledger in self.exchanges.items() if ledger.settled} <= received


TestMachine = Machine.TestCase
TestMachine.settings = settings(stateful_step_count=60)
