"""What nodes ask of each other beside answers: the interface between a feature and the links that carry its calls.

A feature serves a procedure with one line, ``procedures.serve(Procedure.X, handler)``. What nobody serves is refused
at once, so that no caller waits for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mycellm_proto.errors import ErrorCode

    from .node.peer_link import PeerLink

    Handler = Callable[[PeerLink, bytes], Awaitable[bytes]]
    """Takes the link of the caller, who is proved, and the arguments as they came; gives the encoded result."""


class Refusal(Exception):  # noqa: N818 - it is an answer, no fault of this node's
    """What a handler raises to give no result. ``limit`` and ``actual`` are in the unit of the code."""

    def __init__(
        self,
        code: ErrorCode,
        *,
        retry_after_ms: int | None = None,
        limit: int | None = None,
        actual: int | None = None,
    ) -> None:
        super().__init__(code.name)
        self.code = code
        self.retry_after_ms = retry_after_ms
        self.limit = limit
        self.actual = actual


class CallError(Refusal):
    """A call of this node's has no result. ``by_peer`` says that the callee refused it."""

    def __init__(self, code: ErrorCode, *, by_peer: bool, **numbers: int | None) -> None:
        super().__init__(code, **numbers)
        self.by_peer = by_peer


class Procedures:
    """What this node serves."""

    def __init__(self) -> None:
        self._handlers: dict[int, Handler] = {}

    def serve(self, procedure: int, handler: Handler) -> None:
        """Answer ``procedure`` with ``handler``. It is cancelled once the caller does not wait any more."""
        self._handlers[procedure] = handler

    def find(self, procedure: int) -> Handler | None:
        """What answers ``procedure``, if anything does."""
        return self._handlers.get(procedure)
