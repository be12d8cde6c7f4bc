"""State machines as tables: SPEC.md section "States".

Three machines: one per control stream pair, and per request stream one for a request or one for a call. `step` is the
only transition function; a frame that a row does not list is refused by name. Diagrams and tests are made from these
tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from .errors import ErrorCode, ProtocolError
from .frames import FrameType


class Role(StrEnum):
    """Who keeps the state: the sides of a connection, of an exchange, and of a call."""

    INITIATOR = "initiator"
    RESPONDER = "responder"
    CONSUMER = "consumer"
    PROVIDER = "provider"
    CALLER = "caller"
    CALLEE = "callee"


class State(StrEnum):
    """Where a machine stands."""

    START = "start"
    HELLO_VERIFIED = "hello-verified"
    HELLO_SENT = "hello-sent"
    OPEN = "open"
    IDLE = "idle"
    REQUESTED = "requested"
    STREAMING = "streaming"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"
    ENDED = "ended"
    CALLED = "called"
    DONE = "done"


class Direction(StrEnum):
    """Which way a frame goes, seen from who keeps the state."""

    SEND = "send"
    RECEIVE = "receive"


Event = tuple[Direction, FrameType]
_S, _R = Direction.SEND, Direction.RECEIVE
_LATE = ((_R, FrameType.TICK), (_R, FrameType.CREDIT), (_R, FrameType.CANCEL))
"""What may cross an END on its way: received, and without effect."""

TABLE: Mapping[tuple[Role, State], Mapping[Event, State]] = {
    (Role.RESPONDER, State.START): {(_S, FrameType.HELLO): State.HELLO_SENT},
    (Role.RESPONDER, State.HELLO_SENT): {(_R, FrameType.HELLO): State.OPEN},
    (Role.RESPONDER, State.OPEN): {(_S, FrameType.MODELS): State.OPEN, (_R, FrameType.MODELS): State.OPEN},
    (Role.INITIATOR, State.START): {(_R, FrameType.HELLO): State.HELLO_VERIFIED},
    (Role.INITIATOR, State.HELLO_VERIFIED): {(_S, FrameType.HELLO): State.OPEN},
    (Role.INITIATOR, State.OPEN): {(_S, FrameType.MODELS): State.OPEN, (_R, FrameType.MODELS): State.OPEN},
    (Role.CONSUMER, State.IDLE): {(_S, FrameType.REQUEST): State.REQUESTED},
    (Role.CONSUMER, State.REQUESTED): {
        (_R, FrameType.ACCEPT): State.STREAMING,
        (_R, FrameType.ERROR): State.DONE,
        (_S, FrameType.CANCEL): State.WITHDRAWN,
    },
    (Role.CONSUMER, State.STREAMING): {
        (_R, FrameType.CHUNK): State.STREAMING,
        (_R, FrameType.END): State.ENDED,
        (_R, FrameType.ERROR): State.DONE,
        (_S, FrameType.TICK): State.STREAMING,
        (_S, FrameType.CREDIT): State.STREAMING,
        (_S, FrameType.CANCEL): State.CANCELLED,
        (_S, FrameType.ERROR): State.DONE,
    },
    (Role.CONSUMER, State.WITHDRAWN): {
        (_R, FrameType.ACCEPT): State.CANCELLED,
        (_R, FrameType.END): State.ENDED,
        (_R, FrameType.ERROR): State.DONE,
        (_S, FrameType.ERROR): State.DONE,
    },
    (Role.CONSUMER, State.CANCELLED): {
        (_R, FrameType.CHUNK): State.CANCELLED,
        (_R, FrameType.END): State.ENDED,
        (_R, FrameType.ERROR): State.DONE,
        (_S, FrameType.ERROR): State.DONE,
    },
    (Role.CONSUMER, State.ENDED): {(_S, FrameType.COUNTERSIGN): State.DONE, (_S, FrameType.ERROR): State.DONE},
    (Role.CONSUMER, State.DONE): {},
    (Role.PROVIDER, State.IDLE): {(_R, FrameType.REQUEST): State.REQUESTED, (_S, FrameType.ERROR): State.DONE},
    (Role.PROVIDER, State.REQUESTED): {
        (_S, FrameType.ACCEPT): State.STREAMING,
        (_S, FrameType.ERROR): State.DONE,
        (_R, FrameType.CANCEL): State.CANCELLED,
    },
    (Role.PROVIDER, State.STREAMING): {
        (_S, FrameType.CHUNK): State.STREAMING,
        (_S, FrameType.END): State.ENDED,
        (_S, FrameType.ERROR): State.DONE,
        (_R, FrameType.TICK): State.STREAMING,
        (_R, FrameType.CREDIT): State.STREAMING,
        (_R, FrameType.CANCEL): State.CANCELLED,
        (_R, FrameType.ERROR): State.DONE,
    },
    (Role.PROVIDER, State.CANCELLED): {
        (_S, FrameType.END): State.ENDED,
        (_S, FrameType.ERROR): State.DONE,
        (_R, FrameType.ERROR): State.DONE,
    },
    (Role.PROVIDER, State.ENDED): {
        (_R, FrameType.COUNTERSIGN): State.DONE,
        (_R, FrameType.ERROR): State.DONE,
        **dict.fromkeys(_LATE, State.ENDED),
    },
    (Role.PROVIDER, State.DONE): {},
    (Role.CALLER, State.IDLE): {(_S, FrameType.CALL): State.CALLED},
    (Role.CALLER, State.CALLED): {
        (_R, FrameType.RESULT): State.DONE,
        (_R, FrameType.ERROR): State.DONE,
        (_S, FrameType.ERROR): State.DONE,
    },
    (Role.CALLER, State.DONE): {},
    (Role.CALLEE, State.IDLE): {(_R, FrameType.CALL): State.CALLED, (_S, FrameType.ERROR): State.DONE},
    (Role.CALLEE, State.CALLED): {
        (_S, FrameType.RESULT): State.DONE,
        (_S, FrameType.ERROR): State.DONE,
        (_R, FrameType.ERROR): State.DONE,
    },
    (Role.CALLEE, State.DONE): {},
}


def step(role: Role, state: State, direction: Direction, frame: FrameType, error: type[ProtocolError]) -> State:
    """The next state. Raises ``error`` (UNEXPECTED_FRAME) where the table has no row for the frame."""
    after = TABLE[role, state].get((direction, frame))
    if after is None:
        message = f"{role.value} in {state.value} does not {direction.value} {frame.name}"
        raise error(message, code=ErrorCode.UNEXPECTED_FRAME, requirement="STM-001")
    return after
