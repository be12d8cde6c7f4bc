"""The family exchange: a recorded connection, played again by two `Connection` objects that write every byte anew."""

from __future__ import annotations

from typing import Any

from mycellm_proto.answer import Chunk
from mycellm_proto.connection import Connection
from mycellm_proto.content_codec import decode_content
from mycellm_proto.economy import Open, close_body, open_body
from mycellm_proto.errors import ErrorCode, ProtocolError
from mycellm_proto.events import CloseConnection, Event, Failed, ModelsChanged, RequestRefused, Settled, WriteStream
from mycellm_proto.frames import (
    LIMITS,
    Accept,
    Cancel,
    Countersign,
    End,
    Error,
    Frame,
    FrameType,
    Models,
    Request,
    decode_frame,
)
from mycellm_proto.framing import FrameReader
from mycellm_proto.hello import ConnectionRole
from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import MAX_SMALL
from mycellm_proto.order import Order, place_order
from mycellm_proto.receipt import encode_receipt, receipt_of

from .notation import Inputs, Outcome

_OTHER = {"initiator": "responder", "responder": "initiator"}


def exchange(inputs: Inputs) -> Outcome:
    """Play all steps; how it ended. Raises `ValueError` where a side would have written something else."""
    play = _Play(inputs)
    for number, step in enumerate(inputs["steps"]):
        play.take(number, step)
    return play.outcome()


class _Play:
    """Both sides, and what they told their owners."""

    def __init__(self, inputs: Inputs) -> None:
        self._secrets = {name: bytes.fromhex(value) for name, value in inputs["secrets"].items()}
        self._began = inputs["began"]
        self._keys = {side: SigningKey(self._secrets[f"{side}_seed"]) for side in _OTHER}
        self._sides = {side: self._connection(side, inputs) for side in _OTHER}
        self._pending: dict[str, list[Any]] = {side: [] for side in _OTHER}
        self._events: list[Event] = []
        self._closed: str | None = None
        self._rogue = inputs["rogue"]

    def _connection(self, side: str, inputs: Inputs) -> Connection:
        expected = self._keys["responder"].public if inputs["pinned"] and side == "initiator" else None
        return Connection(
            role=ConnectionRole[side.upper()],
            key=self._keys[side],
            binding=bytes.fromhex(inputs["binding"]),
            expected_peer=expected,
            grease=self._secrets["grease"],
            now=float(self._began),
        )

    def take(self, number: int, step: dict[str, Any]) -> None:
        """One step: its writer writes it, or is said to have written it, and its reader reads it."""
        side, now = step["from"], self._began + step["at"] / 1000
        if "close" in step:
            self._closed = step["close"]
            self._write(number, side, CloseConnection(code=ErrorCode[step["close"]]))
            self._sides[_OTHER[side]].connection_lost(ErrorCode[step["close"]])
        else:
            data = bytes.fromhex(step["hex"])
            if not self._collected(side):
                for frame in _frames(data):
                    self._act(side, step["stream"], frame, now)
            self._write(number, side, WriteStream(stream_id=step["stream"], data=data, fin=step["fin"]))
            self._sides[_OTHER[side]].receive_data(step["stream"], data, step["fin"], now)
        for connection in self._sides.values():
            while (event := connection.next_event()) is not None:
                self._events.append(event)

    def _collected(self, side: str) -> list[Any]:
        self._pending[side] += self._sides[side].actions()
        return self._pending[side]

    def _write(self, number: int, side: str, wanted: WriteStream | CloseConnection) -> None:
        """What this side does next is what is wanted, unless it is the one that breaks the rules."""
        pending = self._collected(side)
        if pending and pending[0] == wanted:
            del pending[0]
        elif side != self._rogue:
            raise ValueError(f"step {number}: {side} would rather do {pending[:1]}")

    def _act(self, side: str, stream: int, frame: Frame, now: float) -> None:
        """Do as the owner of ``side`` that this frame comes from."""
        connection = self._sides[side]
        match frame:
            case Models(quotes=quotes):
                connection.advertise(quotes, now)
            case Request() if connection.session is not None:
                connection.request(self._order(frame), now)
            case Accept(input_tokens=tokens):
                connection.accept(stream, tokens)
            case Chunk():
                connection.chunk(stream, frame, now)
            case Cancel():
                connection.cancel(stream, now)
            case End(close=close):
                connection.end(stream, close_body(close).finish, self._secrets["answer_salt"], now)
            case Countersign():
                connection.countersign(stream)
            case Error(code=code, retry_after_ms=retry, limit=limit, actual=actual):
                connection.refuse(stream, ErrorCode(code), retry_after_ms=retry, limit=limit, actual=actual)

    def _order(self, frame: Request) -> Order:
        opened: Open = open_body(frame.open)
        quotes = next(event.quotes for event in reversed(self._events) if isinstance(event, ModelsChanged))
        quote, signed_quote = quotes[0]
        return place_order(
            self._keys["initiator"],
            decode_content(frame.content),
            quote=quote,
            signed_quote=signed_quote,
            sequence=opened.sequence,
            previous=opened.previous,
            ceiling=opened.ceiling,
            salt=self._secrets["request_salt"],
            chain_seed=self._secrets["chain_seed"],
        )

    def outcome(self) -> Outcome:
        """How it ended."""
        unsaid = [self._collected(side) for side in _OTHER if side != self._rogue]
        if any(unsaid):
            raise ValueError(f"an honest side would go on: {unsaid}")
        if self._closed is not None:
            return {"end": "closed", "code": self._closed, "owed": 0, "receipt": None}
        for event in self._events:
            match event:
                case Failed(code=code, owed=owed):
                    return {"end": "refused", "code": ErrorCode(code).name, "owed": owed, "receipt": None}
                case Settled(evidence=evidence) if evidence.close is not None and evidence.countersignature:
                    receipt = encode_receipt(receipt_of(evidence)).hex()
                    return {
                        "end": "settled",
                        "code": None,
                        "owed": close_body(evidence.close).total,
                        "receipt": receipt,
                    }
        refusal = next(event.error for event in self._events if isinstance(event, RequestRefused))
        code = ErrorCode.MALFORMED if refusal.code == ErrorCode.ENCODING else ErrorCode(refusal.code)  # ERR-006
        return {"end": "refused", "code": code.name, "owed": 0, "receipt": None}


def _frames(data: bytes) -> list[Frame]:
    """The frames of a write that have a meaning; none where they are not whole or not right."""
    try:
        raws = list(FrameReader(LIMITS, MAX_SMALL).feed(data))
        return [decode_frame(raw) for raw in raws if raw.type in frozenset(FrameType)]
    except ProtocolError:
        return []
