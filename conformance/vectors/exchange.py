"""The family exchange: a recorded connection, judged from both sides."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conformance import dcbor, framing, shapes
from conformance.data import error_name
from conformance.dcbor import Item
from conformance.framing import NAMES, FrameError

from .keys import judge_hello
from .outcome import Case, MismatchError, Outcome, name, preimage, same
from .payment import judge_quote, judge_request, leads_to, most_ticks
from .settlement import is_countersigned, judge_close, owed

_SIDES = ("initiator", "responder")
_CONTROL = {2: "initiator", 3: "responder"}
_OFFER = {"version_min": 1, "version_max": 1, "capabilities": [1]}


def exchange(case: Case) -> Outcome:
    """Play all steps; how it ended."""
    replay = _Replay(case)
    for number, step in enumerate(case["steps"]):
        try:
            replay.take(step)
        except MismatchError as error:
            raise MismatchError(f"step {number}: {error}") from None
    return replay.outcome()


class _ViolationError(Exception):
    """The writer of a step broke a rule; its reader closes the connection with ``code``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Replay:
    """One connection with at most one request, of the initiator."""

    def __init__(self, case: Case) -> None:
        self._binding = bytes.fromhex(case["binding"])
        self._pinned = case["pinned"]
        self._began = case["began"]
        self._keys = {side: _key(case["secrets"][f"{side}_seed"]) for side in _SIDES}
        self._hellos: dict[str, tuple[bytes, dict[str, Any]]] = {}
        self._offered: list[Item] = []
        self._buffers: dict[tuple[str, int], bytes] = {}
        self._request: _Request | None = None
        self._must_close: tuple[str, str] | None = None
        self._closed: str | None = None

    def take(self, step: dict[str, Any]) -> None:
        """One step, by what its reader has to make of it."""
        side = step["from"]
        if "close" in step:
            same("the close", (side, step["close"]), self._must_close)
            self._closed = step["close"]
            return
        same("what must be closed", self._must_close, None)
        place = (side, step["stream"])
        try:
            data = self._buffers.get(place, b"") + bytes.fromhex(step["hex"])
            frames, pending = framing.read_frames(data)
            self._buffers[place] = data[len(data) - pending :]
            for kind, body in frames:
                self._frame(side, step["stream"], kind, body, self._began + step["at"] / 1000)
        except _ViolationError as violation:
            self._must_close = (_SIDES[side == "initiator"], violation.code)
        except FrameError as error:
            self._must_close = (_SIDES[side == "initiator"], error.code)
        if self._request is not None and step["stream"] not in _CONTROL:
            self._request.finished(side, fin=step["fin"])

    def _frame(self, side: str, stream: int, kind: int, body: bytes, now: float) -> None:
        if stream in _CONTROL:
            same("the side of a control stream", side, _CONTROL[stream])
            if side in self._hellos:
                self._control(side, kind, body)
            else:
                self._greet(side, kind, body)
            return
        if side not in self._hellos:
            raise _ViolationError("HANDSHAKE_FAILED")
        if self._request is None:
            self._request = _Request(self._admitted(kind, body, now))
        else:
            self._request.take(side, kind, body)

    def _greet(self, side: str, kind: int, body: bytes) -> None:
        """The first frame of a control stream."""
        if kind != framing.HELLO:
            raise _ViolationError("UNKNOWN_FRAME" if _is_unknown(kind) else "UNEXPECTED_FRAME")
        reader = _SIDES[side == "initiator"]
        signed = dcbor.decode(body)
        outcome = judge_hello(
            *signed,
            verifier=reader,
            binding=self._binding,
            own_key=self._keys[reader].public_key().public_bytes_raw(),
            expected_peer=self._keys[side].public_key().public_bytes_raw() if self._pinned else None,
            own_hello=self._hellos[reader][0] if reader in self._hellos else b"",
            offer=_OFFER,
        )
        if outcome["verdict"] == "reject":
            raise _ViolationError(outcome["code"])
        signature = self._keys[side].sign(preimage("mycellm/hello/v1", signed[0]))
        same("the signature made again", signature, signed[1])
        self._hellos[side] = (name("mycellm/hello/v1", signed[0]), outcome)

    def _control(self, side: str, kind: int, body: bytes) -> None:
        """Any later frame of a control stream."""
        if _is_unknown(kind):
            if kind % 2 == 0:
                raise _ViolationError("UNKNOWN_FRAME")
            return
        if kind != framing.MODELS:
            raise _ViolationError("UNEXPECTED_FRAME")
        models = _body(kind, body)
        provider = self._keys[side].public_key().public_bytes_raw()
        if any(judge_quote(*signed, provider=provider) is None for signed in models[0]):
            raise _ViolationError("ENCODING")
        self._offered = models[0]

    def _admitted(self, kind: int, body: bytes, now: float) -> Item:
        """What the first frame of the request stream comes to: the code of its refusal, or its terms."""
        if kind != framing.REQUEST:
            return "UNKNOWN_REQUEST"
        try:
            request = dcbor.decode(body)
        except dcbor.NotDeterministicError:
            return "MALFORMED"
        consumer, provider = (self._keys[side].public_key().public_bytes_raw() for side in _SIDES)
        code, opened, _ = judge_request(
            request,
            offered=self._offered,
            consumer=consumer,
            provider=provider,
            pinned=self._hellos["initiator"][1]["pinned"],
            capabilities=self._hellos["initiator"][1]["capabilities"],
            now=now,
        )
        if code is not None:
            return code
        quote = next(each for each in self._offered if name("mycellm/quote/v1", each[0]) == opened[5])
        return quote, request[2], request

    def outcome(self) -> Outcome:
        """How the connection ended."""
        same("what must still be closed", self._must_close is not None, self._closed is not None)
        if self._closed is not None:
            return {"end": "closed", "code": self._closed, "owed": 0, "receipt": None}
        if self._request is None:
            raise MismatchError("nothing was asked, and nothing closed")
        return self._request.outcome()


class _Request:
    """One request stream: what was asked, delivered, paid, billed and agreed."""

    def __init__(self, terms: Item) -> None:
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
            self._terms = dcbor.decode(self._quote[0])
            self._opened = dcbor.decode(self._open[0])
            self._ticks, self._link = self._terms[8], self._request[3]

    def take(self, side: str, kind: int, body: bytes) -> None:
        """A frame after the first."""
        if _is_unknown(kind):
            if kind % 2 == 0:
                raise _ViolationError("UNKNOWN_FRAME")
            return
        self._last[side] = kind
        if self._refusal is not None:
            same("the frame after a refused request", (side, kind), ("responder", framing.ERROR))
        value = _body(kind, body)
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
            raise _ViolationError("UNEXPECTED_FRAME")
        handlers[kind](value)

    def finished(self, side: str, *, fin: bool) -> None:
        """A side ends with END, ERROR or COUNTERSIGN, or once the exchange is over, and not before."""
        over = self._error is not None or self._agreed is not None
        same("the end of a side", fin, over or self._last.get(side) == framing.END)

    def _owed(self, tokens: int = 0) -> int:
        return owed(self._terms, self._input or 0, tokens + sum(count for _, count in self._chunks))

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
        k = min(-(-self._owed() // self._terms[7]), most_ticks(self._terms, self._opened[7]))
        same("k", value[0], k)
        if k <= self._ticks or not leads_to(value[1], k - self._ticks, self._link):
            raise MismatchError("TICK does not pay")
        self._ticks, self._link = k, value[1]

    def _cancel(self, value: dict[int, Item]) -> None:
        same("CANCEL", value, {**value, 0: len(self._chunks), 1: self._ticks, 2: self._link})
        self._cancelled_after = len(self._chunks)

    def _end(self, value: dict[int, Item]) -> None:
        self._close = value[1]
        before_accept = 0 if self._input is None else self._input
        self._total = judge_close(
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
        if self._close is None or not is_countersigned(self._close[0], value[0], self._opened[1]):
            raise _ViolationError("BAD_CLOSE")
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
        receipt = dcbor.encode([self._quote, self._open, self._close, self._agreed])
        return {"end": "settled", "code": None, "owed": self._total, "receipt": receipt.hex()}


def _key(seed: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))


def _is_unknown(kind: int) -> bool:
    return kind % 2 == 1 or kind > framing.COUNTERSIGN


def _body(kind: int, body: bytes) -> dict[int, Item]:
    """The body of a registered frame without what is ignored; a violation where it is none."""
    rule = NAMES[kind // 2].lower()
    try:
        value = dcbor.decode(body)
    except dcbor.NotDeterministicError:
        raise _ViolationError("ENCODING") from None
    if shapes.broken(rule, value) is not None:
        raise _ViolationError("ENCODING")
    return shapes.known(rule, value)
