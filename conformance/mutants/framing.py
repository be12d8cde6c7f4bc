"""Responders that read or write frames wrongly, or in the wrong state."""

from __future__ import annotations

from conformance import dcbor, framing, signing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.honest.connection import Connection
from conformance.honest.provider import IDLE, Provider
from conformance.honest.rules import RefuseError
from conformance.script.frames import longer_varint

from .mutant import Mutant, connection_with, provider_with, skipping

_ANSWERED = ("encoding/accept-every-type",)


def _loose_varint(data: bytes, position: int) -> tuple[int, int] | None:
    """A varint of any form, and where it ends."""
    if position == len(data):
        return None
    exponent = data[position] >> 6
    end = position + (1 << exponent)
    return (int.from_bytes(data[position:end], "big") & ~(3 << (8 << exponent) - 2), end) if end <= len(data) else None


def _normalised(data: bytes) -> bytes:
    """The same frames with heads in their shortest form."""
    length = _loose_varint(data, 0)
    kind = _loose_varint(data, length[1]) if length else None
    if length is None or kind is None:
        return data
    return framing.write_varint(length[0]) + framing.write_varint(kind[0]) + data[kind[1] :]


def _takes_long_heads(self: Connection, stream: int, data: bytes, fin: bool) -> None:
    Connection.received(self, stream, _normalised(data), fin)


def _never_looks_at_lengths(self: Connection, stream: int, data: bytes, fin: bool) -> None:
    """Waits for as many bytes as it is told."""
    length = _loose_varint(data, 0)
    if length is None or length[0] <= limit("MAX_REQUEST"):
        Connection.received(self, stream, data, fin)


def _answers_on_the_head(self: Connection, stream: int, data: bytes, fin: bool) -> None:
    """Refuses a first frame as soon as its type is there."""
    length = _loose_varint(data, 0)
    kind = _loose_varint(data, length[1]) if length else None
    if kind is not None and stream not in self.streams and kind[0] != framing.REQUEST:
        self.streams[stream] = exchange = self.provider(self, stream)
        exchange.refuse(RefuseError("UNKNOWN_REQUEST"))
    else:
        Connection.request_data(self, stream, data, fin)


def _takes_what_is_there(self: Connection, stream: int, data: bytes, fin: bool) -> None:
    """Reads a frame that was cut as if the rest were zeros."""
    Connection.request_data(self, stream, data + bytes(40) if fin and data else data, fin=False)


def _does_not_wait_for_hello(self: Connection, data: bytes, fin: bool) -> None:
    if self.session is None:
        self.port.write(self.own_control, framing.write_frame(framing.MODELS, dcbor.encode({0: []})))
    Connection.control_data(self, data, fin)


def _writes_long_heads(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    encoded = dcbor.encode(body)
    frame = longer_varint(len(encoded)) + framing.write_varint(kind) + encoded
    self.connection.port.write(self.stream, frame, fin)


def _writes_large_frames(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    padded = {**body, 15_875: bytes(2000)} if kind == framing.ACCEPT else body
    Provider.send(self, kind, padded, fin=fin)


def _accepts_twice(self: Provider, tokens: int) -> None:
    self.send(framing.ACCEPT, {0: tokens})
    Provider.accept(self, tokens)


def _says_a_word_more(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    if kind == framing.END:
        Provider.send(self, kind, body)
        Provider.send(self, framing.CHUNK, {0: "", 1: 0}, fin=fin)
    else:
        Provider.send(self, kind, body, fin=fin)


def _ends_its_side_at_once(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    Provider.send(self, kind, body, fin=fin or kind == framing.ACCEPT)


def _never_ends_its_side(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    Provider.send(self, kind, body, fin=False)


def _announces_to_strangers(self: Connection) -> None:
    """HELLO, and at once what is offered to anybody."""
    Connection.greet(self)
    quotes = [self.node.key.signed(signing.QUOTE, self.node.quote())]
    self.port.write(self.own_control, framing.write_frame(framing.MODELS, dcbor.encode({0: quotes})))


def _error(self: Provider, kind: int, body: bytes) -> None:
    """Gives up a request where the connection has to fail."""
    if self.state != IDLE and kind in (framing.REQUEST, framing.ACCEPT, framing.CHUNK):
        self.refuse(RefuseError("MALFORMED"))
    else:
        Provider.received(self, kind, body)


_STATES = (
    *(
        f"framing/reject-{name}-in-answer"
        for name in ("hello", "models", "request", "accept", "chunk", "end", "countersign")
    ),
    *(f"framing/reject-{name}-in-closing" for name in ("hello", "models", "request", "accept", "chunk", "end")),
    *(f"framing/reject-{name}-in-control" for name in ("hello", "request", "error", "accept", "tick", "countersign")),
)
MUTANTS = (
    Mutant(
        slug="takes-long-heads",
        page="Takes lengths and types in any number of bytes.",
        breaks=("FRM-003~1",),
        kills=tuple(
            f"framing/reject-{what}-not-shortest-in-{place}"
            for what in ("length", "type")
            for place in ("hello", "control", "request", "answer")
        ),
        connection=connection_with(received=_takes_long_heads),
    ),
    Mutant(
        slug="waits-for-any-length",
        page="Waits for as many bytes as the head of a frame tells it, and would keep them all.",
        breaks=("FRM-005~1",),
        kills=tuple(
            f"framing/reject-length-enormous-in-{place}" for place in ("hello", "control", "request", "answer")
        ),
        connection=connection_with(received=_never_looks_at_lengths),
        row=18,
    ),
    Mutant(
        slug="answers-on-the-head",
        page="Refuses a first frame once its type is there, and before its body is.",
        breaks=("FRM-007~1",),
        kills=("framing/wait-for-whole-first-frame",),
        connection=connection_with(request_data=_answers_on_the_head),
    ),
    Mutant(
        slug="answers-a-cut-request",
        page="Takes a REQUEST for whole that ended before its last byte.",
        breaks=("FRM-007~1",),
        kills=("framing/ignore-frame-cut-by-fin",),
        connection=connection_with(request_data=_takes_what_is_there),
    ),
    Mutant(
        slug="answers-half-a-hello",
        page="Sends MODELS when the first bytes of a HELLO are there.",
        breaks=("FRM-007~1",),
        kills=("framing/wait-for-whole-hello",),
        connection=connection_with(control_data=_does_not_wait_for_hello),
    ),
    Mutant(
        slug="writes-long-heads",
        page="Writes each length in twice the bytes that it needs.",
        breaks=("FRM-002~1",),
        kills=("framing/send-honest-frames",),
        connection=provider_with(send=_writes_long_heads),
    ),
    Mutant(
        slug="writes-large-frames",
        page="Sends an ACCEPT of 2000 bytes.",
        breaks=("FRM-004~1",),
        kills=("framing/send-honest-frames",),
        connection=provider_with(send=_writes_large_frames),
    ),
    Mutant(
        slug="takes-frames-in-any-state",
        page="Passes over registered frames that its state does not list.",
        breaks=("STM-001~1",),
        kills=_STATES,
        node=skipping("STM-001"),
    ),
    Mutant(
        slug="gives-up-where-it-has-to-fail",
        page="Ends the request, and not the connection, where a frame is out of place.",
        breaks=("STM-001~1",),
        kills=("framing/reject-request-in-answer", "framing/reject-accept-in-answer", "framing/reject-chunk-in-answer"),
        connection=provider_with(received=_error),
    ),
    Mutant(
        slug="accepts-twice",
        page="Sends ACCEPT a second time, in a state that does not list it.",
        breaks=("STM-002~1",),
        kills=("framing/keep-to-states",),
        connection=provider_with(accept=_accepts_twice),
    ),
    Mutant(
        slug="talks-behind-end",
        page="Sends a CHUNK behind END.",
        breaks=("STM-002~1",),
        kills=("framing/keep-to-states",),
        connection=provider_with(send=_says_a_word_more),
    ),
    Mutant(
        slug="announces-to-strangers",
        page="Sends MODELS before the initiator has shown who it is.",
        breaks=("STM-002~1",),
        kills=("framing/keep-to-states",),
        connection=connection_with(greet=_announces_to_strangers),
        row=1,
    ),
    Mutant(
        slug="ends-its-side-early",
        page="Ends its side of the stream with ACCEPT.",
        breaks=("STM-003~2",),
        kills=_ANSWERED,
        connection=provider_with(send=_ends_its_side_at_once),
    ),
    Mutant(
        slug="never-ends-its-side",
        page="Leaves its side of every stream open for ever.",
        breaks=("STM-003~2",),
        kills=("errors/end-side-with-error", "errors/end-side-with-end"),
        connection=provider_with(send=_never_ends_its_side),
    ),
)
