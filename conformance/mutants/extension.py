"""Responders that mind what they do not know, do not mind what they have to, or never send anything unknown."""

from __future__ import annotations

from conformance import dcbor, framing
from conformance.dcbor import Item
from conformance.honest.connection import Connection
from conformance.honest.provider import IDLE, Provider
from conformance.honest.rules import FailError

from .mutant import Mutant, connection_with, provider_with, skipping


def _minds_unknown_frames(self: Provider, kind: int, body: bytes) -> None:
    if self.state != IDLE and framing.is_unknown(kind):
        raise FailError("UNKNOWN_FRAME")
    Provider.received(self, kind, body)


def _minds_unknown_control_frames(self: Connection, kind: int, body: bytes) -> None:
    if framing.is_unknown(kind):
        raise FailError("UNKNOWN_FRAME")
    Connection.control_frame(self, kind, body)


def _reads_unknown_bodies(self: Provider, kind: int, body: bytes) -> None:
    """Wants an item in every frame."""
    if self.state != IDLE:
        try:
            dcbor.decode(body)
        except dcbor.NotDeterministicError:
            raise FailError("ENCODING") from None
    Provider.received(self, kind, body)


def _ignores_few(self: Provider, kind: int, body: bytes) -> None:
    seen = self.content.setdefault(-1, []) if framing.is_unknown(kind) else []
    seen.append(kind)
    if len(seen) > 32:
        raise FailError("UNKNOWN_FRAME")
    Provider.received(self, kind, body)


def _passes_over_unknown_first(self: Connection, kind: int, body: bytes) -> None:
    if not framing.is_unknown(kind):
        Connection.first_control_frame(self, kind, body)


def _sends_unknown_even(self: Connection) -> None:
    Connection.advertise(self)
    self.port.write(self.own_control, framing.write_frame(1000, b""))


def _begins_with_reserved(self: Connection) -> None:
    self.port.write(self.own_control, framing.write_frame(65, b""))
    Connection.greet(self)


def _hides_an_even_key(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    Provider.send(self, kind, {**body, 22: None} if kind == framing.ACCEPT else body, fin=fin)


def _sends_nothing_reserved(_self: Connection, _stream: int) -> None:
    """Nothing."""


def _writes_no_reserved_keys(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    Provider.send(self, kind, {key: value for key, value in body.items() if key < 65}, fin=fin)


def _minds_wider_versions(self: Connection, kind: int, body: bytes) -> None:
    hello = dcbor.decode(dcbor.decode(body)[0])
    if (hello[3], hello[4]) != self.node.version_range:
        raise FailError("VERSION_UNSUPPORTED")
    Connection.first_control_frame(self, kind, body)


class _Plain(Connection):
    """A connection whose every map has registered keys alone."""

    provider = type("PlainProvider", (Provider,), {"send": _writes_no_reserved_keys})

    def models(self, quotes: list[list[bytes]]) -> dict[int, Item]:
        """Nothing but the quotes."""
        return {0: quotes}


MUTANTS = (
    Mutant(
        slug="minds-unknown-frames",
        page="Closes the connection for any frame on a request stream that it does not know.",
        breaks=("EXT-007~1",),
        kills=("extension/ignore-unknown-odd-frames", "extension/ignore-64-unknown-frames"),
        connection=provider_with(received=_minds_unknown_frames),
    ),
    Mutant(
        slug="minds-unknown-control-frames",
        page="Closes the connection for any frame on the control stream that it does not know.",
        breaks=("EXT-007~1",),
        kills=("extension/ignore-unknown-odd-frames", "control/accept-burst"),
        connection=connection_with(control_frame=_minds_unknown_control_frames),
    ),
    Mutant(
        slug="reads-unknown-bodies",
        page="Wants an item in the body of a frame that means nothing to it.",
        breaks=("EXT-007~1",),
        kills=("extension/ignore-unknown-odd-frames",),
        connection=provider_with(received=_reads_unknown_bodies),
    ),
    Mutant(
        slug="passes-over-even-types",
        page="Ignores every frame that it does not know, even those that were meant to be understood.",
        breaks=("EXT-002~1",),
        kills=(
            "extension/reject-next-even-type-in-control",
            "extension/reject-high-even-type-in-control",
            "extension/reject-next-even-type-in-answer",
            "extension/reject-high-even-type-in-answer",
            "extension/reject-high-even-type-in-closing",
        ),
        node=skipping("EXT-002"),
        row=11,
    ),
    Mutant(
        slug="ignores-without-end",
        page="Ignores as many frames as anybody sends.",
        breaks=("EXT-008~1",),
        kills=("extension/reject-65-unknown-frames",),
        node=skipping("EXT-008"),
    ),
    Mutant(
        slug="ignores-few",
        page="Loses patience after half of the unknown frames that it has to ignore.",
        breaks=("EXT-008~1", "EXT-007~1"),
        kills=("extension/ignore-64-unknown-frames",),
        connection=provider_with(received=_ignores_few),
    ),
    Mutant(
        slug="waits-for-hello-behind-anything",
        page="Passes over frames of unknown types that come before HELLO.",
        breaks=("EXT-009~1",),
        kills=("extension/reject-unknown-odd-first-frame", "extension/reject-unknown-even-first-frame"),
        connection=connection_with(first_control_frame=_passes_over_unknown_first),
    ),
    Mutant(
        slug="begins-with-a-reserved-frame",
        page="Sends a frame of a reserved type before HELLO.",
        breaks=("EXT-010~2",),
        kills=("extension/send-what-was-agreed",),
        connection=connection_with(greet=_begins_with_reserved),
    ),
    Mutant(
        slug="sends-an-unknown-type",
        page="Sends a frame of an even type that nobody has agreed on.",
        breaks=("VER-007~1",),
        kills=("extension/send-what-was-agreed",),
        connection=connection_with(advertise=_sends_unknown_even),
    ),
    Mutant(
        slug="hides-an-even-key",
        page="Puts a key into ACCEPT that nobody has agreed on, and which has to be understood.",
        breaks=("VER-007~1",),
        kills=("extension/send-what-was-agreed",),
        connection=provider_with(send=_hides_an_even_key),
    ),
    Mutant(
        slug="serves-without-the-capability",
        page="Answers a chat of an initiator that never offered it.",
        breaks=("VER-004~1",),
        kills=("extension/refuse-capability-not-agreed",),
        node=skipping("VER-004"),
    ),
    Mutant(
        slug="minds-wider-versions",
        page="Takes a HELLO for version 1 alone, and none that offers more.",
        breaks=("VER-001~1",),
        kills=("extension/accept-wider-versions",),
        connection=connection_with(first_control_frame=_minds_wider_versions),
    ),
    Mutant(
        slug="sends-no-reserved-frames",
        page="Never sends a frame of a reserved type.",
        breaks=("EXT-004~1",),
        kills=("extension/send-reserved-frames",),
        connection=connection_with(send_reserved_frame=_sends_nothing_reserved),
    ),
    Mutant(
        slug="sends-no-reserved-keys",
        page="Never puts a reserved key into a map.",
        breaks=("EXT-005~1",),
        kills=("extension/send-reserved-keys",),
        connection=_Plain,
    ),
)
