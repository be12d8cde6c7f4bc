"""All that one side of a connection can judge, for the recorded ones."""

from __future__ import annotations

from conformance import framing, shapes
from conformance.dcbor import Item, NotDeterministicError
from conformance.framing import NAMES

from .keys import Keys
from .settlement import Settlement


class ViolationError(Exception):
    """The writer of a step broke a rule; its reader closes the connection with ``code``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Party(Keys, Settlement):
    """Handshake, requests and money in one."""

    def body(self, kind: int, body: bytes) -> Item:
        """The body of a registered frame without what is ignored. Raises `ViolationError` where it is none."""
        rule = NAMES[kind // 2].lower()
        try:
            value = self.decode(body)
        except NotDeterministicError:
            raise ViolationError("ENCODING") from None
        if self.broken(rule, value) is not None:
            raise ViolationError("ENCODING")
        return shapes.known(rule, value)


def is_unknown(kind: int) -> bool:
    """Whether no frame type has this number."""
    return kind % 2 == 1 or kind > framing.RESULT
