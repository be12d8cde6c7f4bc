"""The callee's side of one call: SPEC.md, "Calls"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance import dcbor, framing, shapes
from conformance.data import error_code, limit
from conformance.dcbor import Item

from .node import CALLS
from .port import Timers
from .rules import FailError, RefuseError

if TYPE_CHECKING:
    from .connection import Connection
    from .provider import Provider

IDLE, CALLED, DONE = "IDLE", "CALLED", "DONE"
_STRANGERS = frozenset({8, 9})
"""FIND and ANNOUNCE: what a connection that is not pinned is good for."""


class Callee:
    """One call of the peer's; ``before`` is what its stream was until the type of its first frame was known."""

    def __init__(self, connection: Connection, stream: int, before: Provider) -> None:
        before.timers.stop_all()
        self.connection = connection
        self.node = connection.node
        self.rules = connection.rules
        self.stream = stream
        self.state = IDLE
        self.timers = Timers()
        self._ignored = 0

    @property
    def over(self) -> bool:
        """Whether the call is over."""
        return self.state == DONE

    def received(self, kind: int, body: bytes) -> None:
        """One frame of the caller's. Raises `FailError`."""
        if self.state == IDLE:
            try:
                self.called(body)
            except RefuseError as error:
                self.refuse(error)
        elif framing.is_unknown(kind):
            self.rules.forbid("EXT-002", kind % 2 == 0, FailError("UNKNOWN_FRAME"))
            self._ignored += 1
            self.rules.forbid("EXT-008", self._ignored > limit("MAX_IGNORED"), FailError("UNKNOWN_FRAME"))
        else:
            self.rules.forbid("STM-001", kind != framing.ERROR, FailError("UNEXPECTED_FRAME"))
            self.finish()

    def called(self, body: bytes) -> None:
        """Checks d to k. Raises `RefuseError`."""
        call = self.body(body)
        session = self.connection.session
        assert session is not None  # no call before the handshake
        forbid = self.rules.forbid
        forbid("CAL-007", CALLS not in session.capabilities, RefuseError("UNSUPPORTED"))
        forbid("CAL-011", self.connection.open_calls() > limit("MAX_CALLS"), RefuseError("BUSY"))
        forbid("CAL-012", not self.connection.calls.take(), RefuseError("BUSY"))
        forbid("CAL-010", not session.pinned and call[0] not in _STRANGERS, RefuseError("UNPINNED"))
        self.state = CALLED
        self.serve(call)

    def serve(self, call: dict[int, Item]) -> None:
        """Checks i to k, and RESULT."""
        procedure = self.node.procedures.get(call[0])
        if procedure is None:
            raise RefuseError("UNSUPPORTED")
        self.answer(procedure(self.connection, call[1]))

    def body(self, encoded: bytes) -> dict[int, Item]:
        """Check d."""
        try:
            call = self.rules.decode(encoded)
        except dcbor.NotDeterministicError:
            raise self.malformed() from None
        if shapes.broken("call", call) is not None:
            raise self.malformed()
        return shapes.known("call", call)

    def malformed(self) -> Exception:
        """CAL-009: what is wrong with a call ends the call, and not the connection."""
        return FailError("ENCODING") if self.rules.skips("CAL-009") else RefuseError("MALFORMED")

    def answer(self, result: dict[int, Item]) -> None:
        """RESULT."""
        self.send(framing.RESULT, {0: dcbor.encode(result)})
        self.finish(ended=True)

    def refuse(self, error: RefuseError) -> None:
        """ERROR."""
        if self.over:
            return
        body: dict[int, Item] = {0: error.code}
        if error.code == error_code("BUSY"):
            body[1] = 1000
        if error.limit is not None:
            body |= {2: error.limit, 3: error.actual}
        self.send(framing.ERROR, body)
        self.finish(ended=True)

    def send(self, kind: int, body: dict[int, Item]) -> None:
        """The last frame."""
        self.connection.port.write(self.stream, framing.write_frame(kind, dcbor.encode(body)), fin=True)

    def gone(self) -> None:
        """CAL-014: nobody waits any more."""
        self.finish()

    def finish(self, *, ended: bool = False) -> None:
        """The call is over."""
        if self.over:
            return
        self.state = DONE
        self.timers.stop_all()
        if not ended and not self.connection.over:
            self.connection.port.write(self.stream, b"", fin=True)
        self.connection.forget(self.stream)
