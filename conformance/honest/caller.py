"""The caller's side of one call: SPEC.md, "Calls"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from conformance import dcbor, framing, shapes
from conformance.data import error_code, limit
from conformance.dcbor import Item

from .port import Timers
from .rules import FailError

if TYPE_CHECKING:
    from .initiator import Initiator

Then: TypeAlias = Callable[[dict[int, Item] | None, dict[int, Item] | None], None]
"""What gets the result, or the body of ERROR; neither where the callee is gone."""
CALLED, DONE = "CALLED", "DONE"


class Caller:
    """One call of this node's: ``then`` is told how it ended."""

    def __init__(
        self,
        connection: Initiator,
        stream: int,
        *,
        procedure: int,
        rule: str,
        arguments: dict[int, Item],
        then: Then,
    ) -> None:
        self.connection = connection
        self.rules = connection.rules
        self.stream = stream
        self.rule = rule
        self.state = CALLED
        self.timers = Timers()
        self.encoded = dcbor.encode({0: procedure, 1: dcbor.encode(arguments)})
        self._then = then
        connection.port.write(stream, framing.write_frame(framing.CALL, self.encoded))
        self.timers.start("result", limit("CALL_TIMEOUT") + limit("DEADLINE_GRACE"), self.overdue)

    @property
    def over(self) -> bool:
        """Whether the call is over."""
        return self.state == DONE

    @property
    def unanswered(self) -> int:
        """Bytes that wait for an answer."""
        return 0 if self.over else len(self.encoded)

    def received(self, kind: int, body: bytes) -> None:
        """One frame of the callee's. Raises `FailError`."""
        if framing.is_unknown(kind):
            self.rules.forbid("EXT-002", kind % 2 == 0, FailError("UNKNOWN_FRAME"))
            return
        self.rules.forbid("STM-001", kind not in (framing.RESULT, framing.ERROR), FailError("UNEXPECTED_FRAME"))
        value = self.connection.value(kind, body)
        if kind == framing.RESULT:
            self.finish(self.result(value[0]))
        else:
            self.finish(None, value)

    def result(self, encoded: bytes) -> dict[int, Item] | None:
        """What came back, where it is an item of the procedure's rule (CAL-005)."""
        try:
            value = self.rules.decode(encoded)
        except dcbor.NotDeterministicError:
            value = None
        if shapes.broken(self.rule, value) is None:
            return shapes.known(self.rule, value)
        return {} if self.rules.skips("CAL-005") else None

    def ended(self) -> None:
        """CAL-004: the callee's side is over, and nothing has come."""
        if not self.over:
            self.gone()

    def gone(self) -> None:
        """The callee is gone."""
        if not self.over:
            self.finish({} if self.rules.skips("CAL-004") else None)

    def overdue(self) -> None:
        """CAL-003: nobody answers."""
        if not self.rules.skips("CAL-003"):
            body = dcbor.encode({0: error_code("TIMEOUT")})
            self.connection.port.write(self.stream, framing.write_frame(framing.ERROR, body))
            self.finish(None)

    def finish(self, result: dict[int, Item] | None, error: dict[int, Item] | None = None) -> None:
        """The call is over."""
        if self.over:
            return
        self.state = DONE
        self.timers.stop_all()
        if not self.connection.over:
            self.connection.port.write(self.stream, b"", fin=True)
        self._then(result, error)
