"""The form that an answer must have: from its beginning, or from where a model begins to call a tool."""

from __future__ import annotations

from collections.abc import Callable

from reference_node.engine.calls import CallParser
from reference_node.engine.grammar import Allowed, Constraint


class Form:
    """One answer's form. ``now`` holds from the first token on; ``in_calls`` is the form of each call that the model
    begins by itself: what follows the opener. ``tokens`` gives a text's tokens.
    """

    def __init__(
        self, *, now: Constraint | None = None, in_calls: Constraint | None = None,
        tokens: Callable[[str], list[int]],
    ) -> None:  # fmt: skip
        self._now, self._in_calls, self._tokens = now, in_calls, tokens
        self._opened = False

    def allowed(self) -> Allowed | None:
        """Which tokens may be next; None for all."""
        return None if self._now is None else self._now.allowed()

    def take(self, token: int, calls: CallParser | None) -> bool:
        """Goes on behind a token; ``calls`` has read its text. True if the answer has to end."""
        if self._now is not None:
            self._now.take(token)
            if not self._now.done:
                return False
            whole, self._now = self._now.whole, None
            self._opened = calls is not None and calls.opened is not None
            return whole
        if self._in_calls is not None and calls is not None:
            self._watch(self._in_calls, calls)
        return False

    def _watch(self, form: Constraint, calls: CallParser) -> None:
        behind = calls.opened
        if behind is not None and not self._opened:
            begun = form.fresh()
            if not behind or begun.feed(self._tokens(behind)):
                self._now = begun
                calls.guide()
        self._opened = behind is not None
