"""How a node refuses: SPEC.md, "Three ways to refuse"."""

from __future__ import annotations

from functools import cache

import cbor2

from conformance import dcbor
from conformance.data import error_code, registry
from conformance.dcbor import Item

_MISSING = bytes(64)
"""What a reader finds behind the end of bytes that it does not look for."""


class FailError(Exception):
    """Fail with a code: the connection is closed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = error_code(code)


class RefuseError(Exception):
    """Refuse a request, or give it up, with a code: ERROR on its stream."""

    def __init__(self, code: str, *, limit: int | None = None, actual: int | None = None) -> None:
        super().__init__(code)
        self.code = error_code(code)
        self.limit = limit
        self.actual = actual


class NotAskedError(Exception):
    """This node does not ask, and nothing was sent: the name of an error code says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class RefusedError(Exception):
    """The node does not do what its owner asks: the name of an error code."""


class Rules:
    """The requirements that a node enforces: all but ``skips`` (ids without revision)."""

    def __init__(self, skips: frozenset[str] = frozenset()) -> None:
        self._skips = skips

    def forbid(self, requirement: str, broken: bool, error: Exception) -> None:
        """Raises ``error`` if ``requirement`` is ``broken``, unless this node does not enforce it."""
        if broken and requirement not in self._skips:
            raise error

    def skips(self, requirement: str) -> bool:
        """Whether this node does not care for ``requirement``."""
        return requirement in self._skips

    def decode(self, data: bytes) -> Item:
        """The item in ``data``, or what a careless reader takes it for where this node does not enforce the rule.

        Raises `dcbor.NotDeterministicError`.
        """
        try:
            return dcbor.decode(data)
        except dcbor.NotDeterministicError as error:
            if not self.skips(_requirements()[error.reason]):
                raise
            try:
                return cbor2.loads(data + _MISSING, str_errors="replace")
            except (cbor2.CBORDecodeError, TypeError):
                raise error from None


@cache
def _requirements() -> dict[str, str]:
    """The requirement of each reason why bytes are no item."""
    return {each["name"]: each["requirement"] for each in registry("encoding-reasons")}
