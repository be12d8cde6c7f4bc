"""One request stream of a recorded connection."""

from __future__ import annotations

from conformance import framing
from conformance.data import error_name
from conformance.dcbor import Item

from .outcome import MismatchError, Outcome, same
from .party import Party, ViolationError, is_unknown


class Request:
    """One request stream: what was asked, delivered, paid, billed and agreed."""

    def __init__(self, party: Party, terms: Item) -> None:
        self._party = party
        self._refusal = terms if isinstance(terms, str) else None
        self._error: str | None = None
        self._input: int | None = None
        self._chunks: list[tuple[str, int]] = []
        self._cancelled_after: int | None = None
        self._close: Item = None
        self._total: int | None = None
        self._agreed: bytes | None = None
        self._last: dict[str, int] = {}
        if not isinstance(terms, str):
            self._quote, self._open, self._request = terms
            self._terms = self._party.decode(self._quote[0])
            self._opened = self._party.decode(self._open[0])
            self._ticks, self._link = self._terms[8], self._request[3]

    def take(self, side: str, kind: int, body: bytes) -> None:
        """A frame after the first."""
        if is_unknown(kind):
            if kind % 2 == 0:
                raise ViolationError("UNKNOWN_FRAME")
            return
        self._last[side] = kind
        if self._refusal is not None:
            same("the frame after a refused request", (side, kind), ("responder", framing.ERROR))
        value = self._party.body(kind, body)
        handlers = {
            framing.ACCEPT: self._accept,
            framing.CHUNK: self._chunk,
            framing.TICK: self._tick,
            framing.CANCEL: self._cancel,
            framing.END: self._end,
            framing.COUNTERSIGN: self._countersign,
            framing.ERROR: self._failed,
        }
        if kind not in handlers:
            raise ViolationError("UNEXPECTED_FRAME")
        handlers[kind](value)

    def finished(self, side: str, *, fin: bool) -> None:
        """A side ends with END, ERROR or COUNTERSIGN, or once the exchange is over, and not before."""
        over = self._error is not None or self._agreed is not None
        same("the end of a side", fin, over or self._last.get(side) == framing.END)

    def _owed(self, tokens: int = 0) -> int:
        return self._party.owed(self._terms, self._input or 0, tokens + sum(count for _, count in self._chunks))

    def _accept(self, value: dict[int, Item]) -> None:
        self._input = value[0]
        self._within("ACCEPT")

    def _chunk(self, value: dict[int, Item]) -> None:
        self._chunks.append((value[0], value[1]))
        self._within("CHUNK")
        if self._owed() > (self._ticks + self._terms[9]) * self._terms[7]:
            raise MismatchError("CHUNK beyond the payment window")

    def _within(self, what: str) -> None:
        if self._owed() > self._opened[7]:
            raise MismatchError(f"{what} beyond the ceiling")

    def _tick(self, value: dict[int, Item]) -> None:
        """RCP-018, RCP-020: just the k that covers what is owed, and of the chain."""
        k = min(-(-self._owed() // self._terms[7]), self._party.most_ticks(self._terms, self._opened[7]))
        same("k", value[0], k)
        if k <= self._ticks or not self._party.leads_to(value[1], k - self._ticks, self._link):
            raise MismatchError("TICK does not pay")
        self._ticks, self._link = k, value[1]

    def _cancel(self, value: dict[int, Item]) -> None:
        same("CANCEL", value, {**value, 0: len(self._chunks), 1: self._ticks, 2: self._link})
        self._cancelled_after = len(self._chunks)

    def _end(self, value: dict[int, Item]) -> None:
        self._close = value[1]
        before_accept = 0 if self._input is None else self._input
        self._total = self._party.judge_close(
            *self._close,
            open_body=self._open[0],
            offer=self._terms,
            input_tokens=before_accept,
            chunks=self._chunks,
            cancelled_after=self._cancelled_after,
            ticks=self._ticks,
            salt=value[0],
        )
        if self._total is None:
            raise MismatchError("END is not what was delivered")

    def _countersign(self, value: dict[int, Item]) -> None:
        if self._close is None or not self._party.is_countersigned(self._close[0], value[0], self._opened[1]):
            raise ViolationError("BAD_CLOSE")
        self._agreed = value[0]

    def _failed(self, value: dict[int, Item]) -> None:
        self._error = error_name(value[0])
        if self._refusal is not None:
            same("the code of the refusal", self._error, self._refusal)

    def outcome(self) -> Outcome:
        """How the exchange ended."""
        if self._error is not None:
            due = 0 if self._input is None else min(self._ticks * self._terms[7], self._opened[7])
            return {"end": "refused", "code": self._error, "owed": due, "receipt": None}
        if self._agreed is None:
            raise MismatchError("the exchange has no end")
        receipt = self._party.encode([self._quote, self._open, self._close, self._agreed])
        return {"end": "settled", "code": None, "owed": self._total, "receipt": receipt.hex()}
