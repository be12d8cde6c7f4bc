"""Providers whose bills are not what was delivered, or that do not know when an exchange is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from conformance import answers, dcbor, framing, signing
from conformance.data import error_code
from conformance.dcbor import Item
from conformance.finish import CEILING
from conformance.honest.connection import Connection
from conformance.honest.provider import ENDED, Provider
from conformance.honest.rules import FailError

from .mutant import Mutant, connection_with, provider_with, skipping

_STRANGER = signing.Key(bytes(32))
_HONEST = ("receipts/accept-countersignature",)


def _billing(change: Callable[[Provider, dict[int, Item]], dict[int, Item]]) -> type[Connection]:
    """Connections whose provider changes each close before it signs it."""

    def bill(self: Provider, finish: int, salt: bytes) -> dict[int, Item]:
        close = Provider.bill(self, finish, salt)
        return close | change(self, close)

    return provider_with(bill=bill)


def _unsalted(self: Provider, close: dict[int, Item]) -> dict[int, Item]:
    return {2: signing.name(signing.RESPONSE, dcbor.encode(answers.answer_of(self.pieces, close[7])))}


def _another_reason(self: Provider, finish: int, salt: bytes) -> dict[int, Item]:
    return Provider.bill(self, CEILING, salt)


def _sends_end(change: Callable[[Provider, dict[int, Item]], dict[int, Item]]) -> type[Connection]:
    """Connections whose provider changes the body of each END."""

    def send(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
        Provider.send(self, kind, body | change(self, body) if kind == framing.END else body, fin=fin)

    return provider_with(send=send)


def _signed_by_another(self: Provider, body: dict[int, Item]) -> dict[int, Item]:
    return {1: [body[1][0], _STRANGER.sign(signing.CLOSE, body[1][0])]}


def _signed_as_open(self: Provider, body: dict[int, Item]) -> dict[int, Item]:
    return {1: [body[1][0], self.node.key.sign(signing.OPEN, body[1][0])]}


def _salted_alike(self: Provider, finish: int) -> None:
    """Every answer with the salt of the first."""
    entropy = self.node.entropy
    self.node.entropy = _Constant()  # type: ignore[assignment]
    Provider.end(self, finish)
    self.node.entropy = entropy


class _Constant:
    """No entropy."""

    def take(self, size: int) -> bytes:
        """The same bytes each time."""
        return bytes(size)


def _fails_without_agreement(self: Provider) -> None:
    if self.state == ENDED:
        self.connection.fail(error_code("BAD_CLOSE"))
    Provider.gone(self)


def _fails_on_disputes(self: Provider, _: Mapping[int, Item]) -> None:
    raise FailError("UNEXPECTED_FRAME")


def _waits_for_ever(self: Provider, finish: int) -> None:
    Provider.end(self, finish)
    self.timers.stop("closing")


def _fails_on_crossings(self: Provider, kind: int, body: bytes) -> None:
    if self.state == ENDED and kind in (framing.TICK, framing.CREDIT, framing.CANCEL):
        raise FailError("UNEXPECTED_FRAME")
    Provider.received(self, kind, body)


def _remembers(self: Connection, stream: int) -> None:
    """Keeps a stream whose exchange is over, as if more could come on it."""


MUTANTS = (
    Mutant(
        slug="closes-another-open",
        page="Names another open in its close.",
        breaks=("RCP-007~1",),
        kills=_HONEST,
        connection=_billing(lambda *_: {0: bytes(32)}),
    ),
    Mutant(
        slug="closes-another-request",
        page="Names another request in its close than the one that was authorised.",
        breaks=("RCP-007~1",),
        kills=_HONEST,
        connection=_billing(lambda *_: {1: bytes(32)}),
    ),
    Mutant(
        slug="commits-without-salt",
        page="Commits to the answer without the salt: whoever guesses a short answer can prove it.",
        breaks=("RCP-007~1",),
        kills=_HONEST,
        connection=_billing(_unsalted),
    ),
    Mutant(
        slug="salts-every-answer-alike",
        page="Uses one salt for all answers.",
        breaks=("RCP-007~1",),
        kills=_HONEST,
        connection=provider_with(end=_salted_alike),
    ),
    Mutant(
        slug="bills-another-model",
        page="Names the digest of another model than the quoted one.",
        breaks=("RCP-007~1",),
        kills=_HONEST,
        connection=_billing(lambda *_: {3: bytes(32)}),
    ),
    Mutant(
        slug="counts-the-prompt-anew",
        page="Bills another number of input tokens than ACCEPT said.",
        breaks=("RCP-007~1",),
        kills=_HONEST,
        connection=_billing(lambda self, close: {4: close[4] + 1, 6: close[6] + self._terms().price_in}),
    ),
    Mutant(
        slug="counts-a-token-more",
        page="Bills a token that came in no CHUNK.",
        breaks=("RCP-007~1",),
        kills=_HONEST,
        connection=_billing(lambda self, close: {5: close[5] + 1, 6: close[6] + self._terms().price_out}),
    ),
    Mutant(
        slug="bills-one-more",
        page="Bills a micro-credit more than is owed.",
        breaks=("RCP-025~1",),
        kills=_HONEST,
        connection=_billing(lambda _, close: {6: close[6] + 1}),
    ),
    Mutant(
        slug="bills-a-million-credits",
        page="Bills a million credits for a few words.",
        breaks=("RCP-025~1", "RCP-034~1"),
        kills=_HONEST,
        connection=_billing(lambda *_: {6: 10**12}),
        row=6,
    ),
    Mutant(
        slug="bills-nothing",
        page="Reports that nothing was spent.",
        breaks=("RCP-025~1",),
        kills=_HONEST,
        connection=_billing(lambda *_: {6: 0}),
        row=13,
    ),
    Mutant(
        slug="calls-every-end-a-ceiling",
        page="Says CEILING, whatever ended the answer.",
        breaks=("INF-011~1",),
        kills=_HONEST,
        connection=provider_with(bill=_another_reason),
    ),
    Mutant(
        slug="adds-a-key-to-its-close",
        page="Signs a close with a key that this version does not have.",
        breaks=("RCP-007~1",),
        kills=_HONEST,
        connection=_billing(lambda *_: {65: None}),
    ),
    Mutant(
        slug="lets-another-sign-its-close",
        page="Sends a close that another key signed: nobody stands by it.",
        breaks=("RCP-007~1",),
        kills=_HONEST,
        connection=_sends_end(_signed_by_another),
    ),
    Mutant(
        slug="signs-its-close-as-an-open",
        page="Signs the close in another context.",
        breaks=("RCP-007~1",),
        kills=_HONEST,
        connection=_sends_end(_signed_as_open),
    ),
    Mutant(
        slug="takes-any-countersignature",
        page="Takes an exchange as agreed without a look at the countersignature.",
        breaks=("RCP-029~1",),
        kills=(
            "receipts/reject-bad-countersignature",
            "receipts/reject-countersignature-of-another-key",
            "receipts/reject-countersignature-as-close",
            "receipts/reject-countersignature-of-another-close",
        ),
        node=skipping("RCP-029"),
        row=17,
    ),
    Mutant(
        slug="fails-without-agreement",
        page="Closes the connection where a consumer ends its side and does not agree.",
        breaks=("INF-017~1",),
        kills=("receipts/accept-end-without-countersignature",),
        connection=provider_with(gone=_fails_without_agreement),
    ),
    Mutant(
        slug="fails-on-disputes",
        page="Closes the connection where a consumer disputes a bill.",
        breaks=("STM-001~1",),
        kills=("receipts/accept-disputed-close",),
        connection=provider_with(given_up=_fails_on_disputes),
    ),
    Mutant(
        slug="reads-on-behind-the-end",
        page="Judges what comes on a stream whose exchange is over.",
        breaks=("STM-004~2",),
        kills=("receipts/accept-second-countersignature-unread", "receipts/accept-late-countersignature-unread"),
        connection=connection_with(forget=_remembers, provider=type("MutantProvider", (Provider,), {"over": False})),
    ),
    Mutant(
        slug="waits-for-ever-for-agreement",
        page="Keeps an exchange open for as long as nobody agrees.",
        breaks=("STM-004~2",),
        kills=("receipts/accept-late-countersignature-unread",),
        connection=provider_with(end=_waits_for_ever),
        row=19,
    ),
    Mutant(
        slug="fails-on-crossings",
        page="Closes the connection where a frame of the consumer's crosses END.",
        breaks=("RCP-022~2", "STM-001~1"),
        kills=("receipts/accept-cancel-that-crosses-end", "receipts/accept-tick-and-credit-that-cross-end"),
        connection=provider_with(received=_fails_on_crossings),
    ),
)
