"""Calls: SPEC.md section "Calls". One question, one answer, and nothing owed for either.

`Caller` and `Callee` are the two ends of one call; `CallGate` bounds all calls of a connection, both ways. What a
procedure takes and gives is bytes here: who serves it decodes them.
"""

from __future__ import annotations

from enum import IntEnum

from . import limits
from .errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from .events import CallAnswered, CallFailed, CallWithdrawn, Event
from .frames import TYPES, Call, Error, Frame, FrameType, Result
from .hello import Capability, Session
from .rate import Bucket
from .states import Direction, Role, State, step


class Procedure(IntEnum):
    """What a call asks for (registry: spec/registries/procedures.toml)."""

    PROVE = 1
    SHOW = 2
    JOIN = 3
    REVOKE = 4
    RESERVE = 5
    SETTLE = 6
    BALANCE = 7
    FIND = 8
    ANNOUNCE = 9
    REPORT = 10


OPEN_TO_STRANGERS = frozenset({Procedure.FIND, Procedure.ANNOUNCE})
"""What a connection that is not pinned is good for (CAL-010)."""


class Caller:
    """One call, seen from the node that asked. Every method returns the frames to send."""

    def __init__(self, stream_id: int, now: float) -> None:
        self.stream_id = stream_id
        self.events: list[Event] = []
        self.state = State.IDLE
        self.deadline: float | None = now + limits.CALL_TIMEOUT + limits.DEADLINE_GRACE

    def ask(self, procedure: int, arguments: bytes) -> list[Frame]:
        """The CALL: the first frame of the stream."""
        return [self._send(Call(procedure=procedure, arguments=arguments))]

    def receive(self, frame: Frame) -> list[Frame]:
        """Take the answer. Raises `RemoteProtocolError`, fatal to the connection."""
        self.state = step(Role.CALLER, self.state, Direction.RECEIVE, TYPES[type(frame)], RemoteProtocolError)
        if isinstance(frame, Result):
            self.events.append(CallAnswered(stream_id=self.stream_id, result=frame.result))
        elif isinstance(frame, Error):
            self._failed(frame.code, frame)
        return []

    def expire(self, now: float) -> list[Frame]:
        """CAL-003: the callee owes an answer for too long."""
        frames = [self._send(Error(code=ErrorCode.TIMEOUT))]
        self._failed(ErrorCode.TIMEOUT)
        return frames

    def lost(self, code: int) -> None:
        """CAL-004: the callee or the connection is gone."""
        self.state = State.DONE
        self._failed(code)

    def _failed(self, code: int, error: Error | None = None) -> None:
        self.events.append(
            CallFailed(
                stream_id=self.stream_id,
                code=code,
                by_peer=error is not None,
                retry_after_ms=error.retry_after_ms if error else None,
                limit=error.limit if error else None,
                actual=error.actual if error else None,
            )
        )

    def _send(self, frame: Frame) -> Frame:
        self.state = step(Role.CALLER, self.state, Direction.SEND, TYPES[type(frame)], LocalProtocolError)
        return frame


class Callee:
    """One call, seen from the node that answers. Every method returns the frames to send."""

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        self.events: list[Event] = []
        self.state = State.IDLE
        self.deadline: float | None = None

    def begin(self, now: float) -> None:
        """Take a CALL that `CallGate.admit` let in; its owner has `limits.CALL_TIMEOUT` for it (CAL-006)."""
        self.state = step(Role.CALLEE, self.state, Direction.RECEIVE, FrameType.CALL, RemoteProtocolError)
        self.deadline = now + limits.CALL_TIMEOUT

    def receive(self, frame: Frame) -> list[Frame]:
        """Take what follows the CALL: nothing but ERROR. Raises `RemoteProtocolError`, fatal to the connection."""
        self.state = step(Role.CALLEE, self.state, Direction.RECEIVE, TYPES[type(frame)], RemoteProtocolError)
        self._withdrawn()
        return []

    def answer(self, result: bytes) -> list[Frame]:
        """Give the result."""
        return [self._send(Result(result=result))]

    def refuse(
        self,
        code: ErrorCode,
        *,
        retry_after_ms: int | None = None,
        limit: int | None = None,
        actual: int | None = None,
    ) -> list[Frame]:
        """Give no result."""
        return [self._send(Error(code=code, retry_after_ms=retry_after_ms, limit=limit, actual=actual))]

    def expire(self, now: float) -> list[Frame]:
        """CAL-006: the owner took too long."""
        self._withdrawn()
        return self.refuse(ErrorCode.TIMEOUT)

    def lost(self) -> None:
        """CAL-014: the caller or the connection is gone."""
        self.state = State.DONE
        self._withdrawn()

    def _withdrawn(self) -> None:
        self.events.append(CallWithdrawn(stream_id=self.stream_id))

    def _send(self, frame: Frame) -> Frame:
        self.state = step(Role.CALLEE, self.state, Direction.SEND, TYPES[type(frame)], LocalProtocolError)
        return frame


class CallGate:
    """What bounds the calls of one connection, in each direction."""

    def __init__(self, now: float) -> None:
        self._received = Bucket(limits.CALL_BURST, limits.CALL_RATE, now)
        self._sent = Bucket(limits.CALL_BURST, limits.CALL_RATE, now)

    def admit(self, call: Call, session: Session, others: int, now: float) -> None:
        """Checks e to h of a CALL that came while ``others`` are open. Raises `RemoteProtocolError`."""
        if Capability.CALLS not in session.capabilities:
            raise _refusal("capability not negotiated", ErrorCode.UNSUPPORTED, "CAL-007")
        if others >= limits.MAX_CALLS:
            raise _refusal(f"{others} calls are open", ErrorCode.BUSY, "CAL-011")
        if not self._received.take(now):
            raise _refusal("too many calls", ErrorCode.BUSY, "CAL-012")
        if not session.pinned and call.procedure not in OPEN_TO_STRANGERS:
            raise _refusal("the peer did not pin this node", ErrorCode.UNPINNED, "CAL-010")

    def ask(self, procedure: int, session: Session | None, others: int, now: float) -> None:
        """Whether this side may call, while ``others`` of its calls are open. Raises `LocalProtocolError`."""
        if session is None or not (session.pinned or procedure in OPEN_TO_STRANGERS):
            raise _mistake("no such call before authentication or to an unpinned peer", ErrorCode.UNPINNED, "CAL-001")
        if Capability.CALLS not in session.capabilities:
            raise _mistake("the peer takes no calls", ErrorCode.UNSUPPORTED, "CAL-001")
        if others >= limits.MAX_CALLS or not self._sent.take(now):
            raise _mistake(f"{others} calls are open, or there were too many", ErrorCode.BUSY, "CAL-002")


def _refusal(message: str, code: ErrorCode, requirement: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=code, requirement=requirement)


def _mistake(message: str, code: ErrorCode, requirement: str) -> LocalProtocolError:
    return LocalProtocolError(message, code=code, requirement=requirement)
