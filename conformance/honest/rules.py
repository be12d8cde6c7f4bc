"""How a node refuses: SPEC.md, "Three ways to refuse"."""

from __future__ import annotations

from conformance.data import error_code


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
