"""The family exchange: a recorded connection, judged from both sides."""

from __future__ import annotations

from typing import Any

from conformance import framing
from conformance.dcbor import Item, NotDeterministicError
from conformance.framing import FrameError

from .keys import public_of
from .outcome import Case, MismatchError, Outcome, same
from .party import Party, ViolationError, is_unknown
from .request import Request

_SIDES = ("initiator", "responder")
_CONTROL = {2: "initiator", 3: "responder"}
_OFFER = {"version_min": 1, "version_max": 1, "capabilities": [1]}


class Replay:
    """One connection with at most one request, of the initiator."""

    def __init__(self, party: Party, case: Case) -> None:
        self._party = party
        self._steps = case["steps"]
        self._binding = bytes.fromhex(case["binding"])
        self._pinned = case["pinned"]
        self._began = case["began"]
        self._seeds = {side: bytes.fromhex(case["secrets"][f"{side}_seed"]) for side in _SIDES}
        self._keys = {side: public_of(seed) for side, seed in self._seeds.items()}
        self._hellos: dict[str, tuple[bytes, dict[str, Any]]] = {}
        self._offered: list[Item] = []
        self._buffers: dict[tuple[str, int], bytes] = {}
        self._request: Request | None = None
        self._must_close: tuple[str, str] | None = None
        self._closed: str | None = None

    def play(self) -> Outcome:
        """Take all steps; how it ended. Raises `MismatchError` where a side says what does not follow."""
        for number, step in enumerate(self._steps):
            try:
                self.take(step)
            except MismatchError as error:
                raise MismatchError(f"step {number}: {error}") from None
        return self.outcome()

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
            frames, pending = self._party.read_frames(data)
            self._buffers[place] = data[len(data) - pending :]
            for kind, body in frames:
                self._frame(side, step["stream"], kind, body, self._began + step["at"] / 1000)
        except ViolationError as violation:
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
            raise ViolationError("HANDSHAKE_FAILED")
        if self._request is None:
            self._request = Request(self._party, self._admitted(kind, body, now))
        else:
            self._request.take(side, kind, body)

    def _greet(self, side: str, kind: int, body: bytes) -> None:
        """The first frame of a control stream."""
        if kind != framing.HELLO:
            raise ViolationError("UNKNOWN_FRAME" if is_unknown(kind) else "UNEXPECTED_FRAME")
        reader = _SIDES[side == "initiator"]
        signed = self._party.decode(body)
        outcome = self._party.judge_hello(
            *signed,
            verifier=reader,
            binding=self._binding,
            own_key=self._keys[reader],
            expected_peer=self._keys[side] if self._pinned else None,
            own_hello=self._hellos[reader][0] if reader in self._hellos else b"",
            offer=_OFFER,
        )
        if outcome["verdict"] == "reject":
            raise ViolationError(outcome["code"])
        signature = self._party.sign(self._seeds[side], self._party.preimage("mycellm/hello/v1", signed[0]))
        same("the signature made again", signature, signed[1])
        self._hellos[side] = (self._party.name("mycellm/hello/v1", signed[0]), outcome)

    def _control(self, side: str, kind: int, body: bytes) -> None:
        """Any later frame of a control stream."""
        if is_unknown(kind):
            if kind % 2 == 0:
                raise ViolationError("UNKNOWN_FRAME")
            return
        if kind != framing.MODELS:
            raise ViolationError("UNEXPECTED_FRAME")
        models = self._party.body(kind, body)
        provider = self._keys[side]
        if any(self._party.judge_quote(*signed, provider=provider) is None for signed in models[0]):
            raise ViolationError("ENCODING")
        self._offered = models[0]

    def _admitted(self, kind: int, body: bytes, now: float) -> Item:
        """What the first frame of the request stream comes to: the code of its refusal, or its terms."""
        if kind != framing.REQUEST:
            return "UNKNOWN_REQUEST"
        try:
            request = self._party.decode(body)
        except NotDeterministicError:
            return "MALFORMED"
        consumer, provider = (self._keys[side] for side in _SIDES)
        code, opened, _ = self._party.judge_request(
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
        quote = next(each for each in self._offered if self._party.name("mycellm/quote/v1", each[0]) == opened[5])
        return quote, request[2], request

    def outcome(self) -> Outcome:
        """How the connection ended."""
        same("what must still be closed", self._must_close is not None, self._closed is not None)
        if self._closed is not None:
            return {"end": "closed", "code": self._closed, "owed": 0, "receipt": None}
        if self._request is None:
            raise MismatchError("nothing was asked, and nothing closed")
        return self._request.outcome()
