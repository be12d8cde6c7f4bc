"""Responders that refuse in other ways than the registry has, or that do not stop where they have failed."""

from __future__ import annotations

from conformance import dcbor, framing
from conformance.data import error_code
from conformance.dcbor import Item
from conformance.honest.connection import Connection
from conformance.honest.provider import IDLE, Provider
from conformance.honest.rules import FailError, RefuseError

from .mutant import Mutant, connection_with, provider_with


def _drops_first_frames(self: Provider, kind: int, body: bytes) -> None:
    if self.state != IDLE or kind == framing.REQUEST:
        Provider.received(self, kind, body)


def _fails_on_first_frames(self: Provider, kind: int, body: bytes) -> None:
    if self.state == IDLE and kind != framing.REQUEST:
        raise FailError("UNEXPECTED_FRAME")
    Provider.received(self, kind, body)


def _reads_first_bodies(self: Provider, kind: int, body: bytes) -> None:
    if self.state == IDLE and not framing.is_unknown(kind):
        try:
            dcbor.decode(body)
        except dcbor.NotDeterministicError:
            raise FailError("ENCODING") from None
    Provider.received(self, kind, body)


def _explains(self: Connection, code: int, reason: str = "") -> None:
    Connection.fail(self, code, reason or "what you sent is wrong at byte 17")


def _invents_codes(self: Connection, code: int, reason: str = "") -> None:
    Connection.fail(self, code + 4000, reason)


def _tells_more(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    more: dict[int, Item] = {2: 1, 3: 17} if kind == framing.ERROR and body[0] == error_code("UNKNOWN_REQUEST") else {}
    Provider.send(self, kind, body | more, fin=fin)


def _tells_in_words(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    more: dict[int, Item] = {5: "no such request"} if kind == framing.ERROR else {}
    Provider.send(self, kind, body | more, fin=fin)


def _answers_with_text(self: Provider, error: RefuseError) -> None:
    """Says in the words of an answer that there is none."""
    if self.state in (IDLE, "REQUESTED"):
        Provider.send(self, framing.ACCEPT, {0: 0})
        Provider.send(self, framing.CHUNK, {0: f"[error {error.code}]", 1: 0}, fin=True)
        self.ended_side = True
        self.finish()
    else:
        Provider.refuse(self, error)


def _reads_on(self: Connection, stream: int, data: bytes, fin: bool) -> None:
    """Fails the connection in the end, once every frame that was there has been answered."""
    failed: FailError | None = None
    while data:
        frame = next(framing.walk(data), None)
        size = len(data) if frame is None else frame[2]
        try:
            Connection.request_data(self, stream, data[:size], fin=fin and size == len(data))
        except FailError as error:
            failed = error
        data = data[size:]
    if failed is not None:
        raise failed


def _minds_late_bytes(_: Connection, size: int) -> None:
    if size:
        raise FailError("UNEXPECTED_FRAME")


MUTANTS = (
    Mutant(
        slug="drops-first-frames",
        page="Drops a first frame that is no REQUEST, and leaves its sender waiting.",
        breaks=("ERR-003~2",),
        kills=(
            "errors/refuse-hello-as-first-frame",
            "errors/refuse-tick-as-first-frame",
            "errors/refuse-unknown-even-as-first-frame",
            "errors/refuse-unknown-odd-as-first-frame",
        ),
        connection=provider_with(received=_drops_first_frames),
        row=11,
    ),
    Mutant(
        slug="fails-on-first-frames",
        page="Closes the connection for a first frame that is no REQUEST.",
        breaks=("ERR-003~2",),
        kills=("errors/refuse-cancel-as-first-frame", "errors/refuse-unknown-odd-as-first-frame"),
        connection=provider_with(received=_fails_on_first_frames),
    ),
    Mutant(
        slug="reads-first-bodies",
        page="Closes the connection for the body of a first frame that it does not answer anyway.",
        breaks=("ERR-003~2",),
        kills=("errors/refuse-unreadable-tick-as-first-frame",),
        connection=provider_with(received=_reads_first_bodies),
    ),
    Mutant(
        slug="explains-itself",
        page="Says in the reason phrase what was wrong, and with it which check came first.",
        breaks=("ERR-001~1",),
        kills=("errors/close-without-words",),
        connection=connection_with(fail=_explains),
    ),
    Mutant(
        slug="invents-codes",
        page="Closes with codes that no registry has.",
        breaks=("ERR-001~1",),
        kills=("errors/close-without-words",),
        connection=connection_with(fail=_invents_codes),
    ),
    Mutant(
        slug="tells-numbers-of-its-own",
        page="Adds numbers to an ERROR whose code names none.",
        breaks=("ERR-002~1",),
        kills=("errors/refuse-without-words",),
        connection=provider_with(send=_tells_more),
    ),
    Mutant(
        slug="tells-in-words",
        page="Adds a text to ERROR, under an odd key that nobody reads.",
        breaks=("ERR-002~1",),
        kills=("errors/refuse-without-words",),
        connection=provider_with(send=_tells_in_words),
    ),
    Mutant(
        slug="answers-with-the-error",
        page="Sends the text of an error as if it were a model's.",
        breaks=("ERR-003~2", "ERR-006~1"),
        kills=("errors/refuse-credit-as-first-frame", "encoding/reject-truncated-in-content"),
        connection=provider_with(refuse=_answers_with_text),
        row=14,
    ),
    Mutant(
        slug="reads-on-after-a-failure",
        page="Answers what comes behind a frame for which it fails the connection.",
        breaks=("ERR-007~1",),
        kills=("errors/ignore-what-follows-a-failure",),
        connection=connection_with(request_data=_reads_on),
    ),
    Mutant(
        slug="minds-late-bytes",
        page="Closes the connection for bytes that were on their way when it refused a request.",
        breaks=("STM-004~2",),
        kills=("errors/discard-behind-refusal", "errors/discard-behind-giving-up"),
        connection=connection_with(discard=_minds_late_bytes),
    ),
)
