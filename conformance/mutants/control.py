"""Responders that misuse control streams, or let others do so."""

from __future__ import annotations

from conformance import dcbor, framing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.honest.connection import Connection
from conformance.honest.node import Node
from conformance.honest.rules import FailError

from .mutant import Mutant, connection_with, node_with, skipping

_TWIN = ("control/accept-models-of-initiator",)


def _ends(self: Connection) -> None:
    Connection.advertise(self)
    self.port.write(self.own_control, b"", fin=True)


def _resets(self: Connection) -> None:
    Connection.advertise(self)
    self.port.reset(self.own_control)


def _stops(self: Connection) -> None:
    Connection.advertise(self)
    self.port.stop(self.peer_control)


def _floods(self: Connection) -> None:
    Connection.advertise(self)
    for _ in range(2 * limit("CONTROL_BURST")):
        self.port.write(self.own_control, framing.write_frame(framing.MODELS, dcbor.encode({0: []})))


def _never_renews(self: Connection) -> None:
    Connection.advertise(self)
    self.timers.stop("renewal")


def _counts_models_alone(self: Connection, kind: int, body: bytes) -> None:
    """Frames of unknown types cost nothing."""
    if framing.is_unknown(kind) and kind % 2:
        return
    Connection.control_frame(self, kind, body)


def _takes_one_models(self: Connection, models: dict[int, Item]) -> None:
    """Fails on a second list."""
    if self.timers.running("second list"):
        raise FailError("UNEXPECTED_FRAME")
    self.timers.start("second list", 60, lambda: None)
    Connection.took_models(self, models)


def _quote_with_reserved_key(self: Node) -> dict[int, Item]:
    return {**_QUOTE(self), 65: None}


def _quote_with_keys_anyhow(self: Node, _: bytes) -> list[list[bytes]]:
    """A signed body whose last two keys descend."""
    body = self.quote()
    head = dcbor.encode({key: value for key, value in body.items() if key < 9})
    encoded = bytes((0xAB,)) + head[1:] + b"".join(dcbor.encode(key) + dcbor.encode(body[key]) for key in (10, 9))
    return [[encoded, self.key.sign("mycellm/quote/v1", encoded)]]


_QUOTE = Node.quote
MUTANTS = (
    Mutant(
        slug="ends-its-control-stream",
        page="Ends its control stream once it has said what it offers.",
        breaks=("CTL-002~1",),
        kills=("control/keep-control-streams",),
        connection=connection_with(advertise=_ends),
    ),
    Mutant(
        slug="resets-its-control-stream",
        page="Resets its control stream once it has said what it offers.",
        breaks=("CTL-002~1",),
        kills=("control/keep-control-streams",),
        connection=connection_with(advertise=_resets),
    ),
    Mutant(
        slug="stops-the-control-stream",
        page="Asks the initiator to say nothing more on its control stream.",
        breaks=("CTL-002~1",),
        kills=("control/keep-control-streams",),
        connection=connection_with(advertise=_stops),
    ),
    Mutant(
        slug="floods-its-control-stream",
        page="Sends MODELS sixty times over.",
        breaks=("CTL-005~1",),
        kills=("control/keep-control-streams",),
        connection=connection_with(advertise=_floods),
    ),
    Mutant(
        slug="never-renews-quotes",
        page="Lets its quotes expire, and sends no others.",
        breaks=("CTL-008~1",),
        kills=("control/renew-quotes",),
        connection=connection_with(advertise=_never_renews),
    ),
    Mutant(
        slug="lives-without-a-control-stream",
        page="Keeps a connection whose initiator has ended its control stream, or reads the other no more.",
        breaks=("CTL-001~1",),
        kills=(
            "control/reject-end-of-control",
            "control/reject-reset-of-control",
            "control/reject-stop-of-control",
            "errors/close-without-words",
        ),
        node=skipping("CTL-001"),
    ),
    Mutant(
        slug="passes-over-strange-streams",
        page="Drops what comes on a stream that nobody opens.",
        breaks=("CTL-003~1",),
        kills=("control/reject-second-unidirectional-stream",),
        node=skipping("CTL-003"),
    ),
    Mutant(
        slug="takes-any-number-of-control-frames",
        page="Reads whatever comes on the control stream, as fast as it comes.",
        breaks=("CTL-004~1",),
        kills=("control/reject-flood",),
        node=skipping("CTL-004"),
    ),
    Mutant(
        slug="counts-models-alone",
        page="Does not count frames of unknown types on the control stream.",
        breaks=("CTL-004~1",),
        kills=("control/reject-flood",),
        connection=connection_with(control_frame=_counts_models_alone),
    ),
    Mutant(
        slug="takes-one-models-only",
        page="Fails where the initiator sends another list of its quotes.",
        breaks=("RCP-001~1", "RCP-002~1"),
        kills=_TWIN,
        connection=connection_with(took_models=_takes_one_models),
    ),
    Mutant(
        slug="signs-quotes-with-reserved-keys",
        page="Puts a reserved key into a quote, which is a signed map.",
        breaks=("EXT-011~1",),
        kills=("extension/send-what-was-agreed",),
        node=node_with(quote=_quote_with_reserved_key),
    ),
    Mutant(
        slug="signs-quotes-anyhow",
        page="Signs a quote whose keys do not ascend.",
        breaks=("ENC-002~1",),
        kills=("framing/send-honest-frames",),
        node=node_with(quotes=_quote_with_keys_anyhow),
    ),
)
