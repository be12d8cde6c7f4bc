"""SETTLE: what a claim comes to, whatever is shown twice, late, out of order, by halves or by others."""

from __future__ import annotations

from collections.abc import Callable

from conformance.dcbor import Item
from conformance.judge.called import Gives
from conformance.judge.expect import All
from conformance.judge.series import LivesOn
from conformance.script.deals import RESERVE, TICK, Deal, Party, total
from conformance.script.faults import Fault
from conformance.script.networks import BOTH
from conformance.script.session import Session
from conformance.signing import Key

from .common import KEEPS, QUOTA, SETTLED, Available, Outcomes, case, office, party

_CEILING = 4000
_PAID = QUOTA - total(20)


async def _reserved(session: Session) -> tuple[Party, Party, Deal]:
    _, consumer, provider = await office(session)
    deal = Deal(consumer, provider, ceiling=_CEILING)
    await provider.calls(RESERVE, deal.reserve())
    return consumer, provider, deal


Shows = Callable[[Deal], list[dict[int, Item]]]


def _claims(
    slug: str,
    requirement: str,
    page: str,
    shows: Shows,
    *,
    outcomes: tuple[tuple[str, int], ...],
    available: int,
    fault: Fault | None = None,
) -> None:
    """What the provider shows, claim by claim, and what is left to the consumer afterwards."""

    async def script(session: Session) -> None:
        consumer, provider, deal = await _reserved(session)
        if fault is not None:
            provider.side.commits(fault)
        for claim in shows(deal):
            await provider.settle(claim)
        await consumer.balance()
        await provider.side.probe()

    script.__doc__ = page
    expected = All((Outcomes(requirement, outcomes), Available(requirement, (available,)), LivesOn()))
    case(slug, requirement, expect=expected, fault=fault, twin=SETTLED if fault else None)(script)


def _again(claim: dict[int, Item]) -> list[dict[int, Item]]:
    return [claim, claim, claim]


_claims(
    "book-a-receipt-once",
    "SET-014~1",
    "One receipt is shown three times: it is one debt, whoever shows it how often.",
    lambda deal: _again(deal.receipt(12, 20)),
    outcomes=(("BOOKED", total(20)), ("REPEATED", total(20)), ("REPEATED", total(20))),
    available=_PAID,
)
_claims(
    "book-a-claim-once",
    "SET-013~2",
    "One claim is shown three times, and nothing is added up.",
    lambda deal: _again(deal.claim(10)),
    outcomes=(("BOOKED", 10 * TICK), ("REPEATED", 10 * TICK), ("REPEATED", 10 * TICK)),
    available=QUOTA - _CEILING,
)
_claims(
    "book-claims-in-any-order",
    "SET-013~2",
    "A claim of twenty ticks, then one of ten that came late, then one of thirty: what is booked only rises.",
    lambda deal: [deal.claim(20), deal.claim(10), deal.claim(30)],
    outcomes=(("BOOKED", 20 * TICK), ("REPEATED", 20 * TICK), ("BOOKED", 30 * TICK)),
    available=QUOTA - _CEILING,
)
_claims(
    "book-a-receipt-below-its-claims",
    "SET-013~2",
    "Thirty ticks were claimed, and then comes the receipt of both, over less: it is the last word.",
    lambda deal: [deal.claim(30), deal.receipt(12, 20)],
    outcomes=(("BOOKED", 30 * TICK), ("BOOKED", total(20))),
    available=_PAID,
)
_claims(
    "change-nothing-after-a-receipt",
    "SET-014~1",
    "After the receipt come a larger claim, and a second receipt over more: nothing moves any more.",
    lambda deal: [deal.receipt(12, 20), deal.claim(100), deal.receipt(120, 200)],
    outcomes=(("BOOKED", total(20)), ("REPEATED", total(20)), ("REPEATED", total(20))),
    available=_PAID,
)
_claims(
    "book-nothing-for-no-tick",
    "SET-013~2",
    "A claim of no tick, and a receipt over nothing but the prompt.",
    lambda deal: [deal.claim(0), deal.receipt(0, 0)],
    outcomes=(("REPEATED", 0), ("BOOKED", total(0))),
    available=QUOTA - total(0),
)
_claims(
    "bound-a-claim-by-its-close",
    "SET-006~2",
    "Ticks for more than the close bills, which the consumer never countersigned: no more than the close.",
    lambda deal: [deal.closed(30, 20)],
    outcomes=(("BOOKED", total(20)),),
    available=QUOTA - _CEILING,
)

_claims(
    "free-what-the-provider-gives-back",
    "SET-013~2",
    "Ten ticks were claimed; then the provider shows a close over nothing: it wants nothing, and all is free again.",
    lambda deal: [deal.claim(10), deal.closed(0, 0, k4=0, k6=0), deal.claim(20)],
    outcomes=(("BOOKED", 10 * TICK), ("BOOKED", 0), ("REPEATED", 0)),
    available=QUOTA,
)

# What is refused


def _refuse(
    slug: str, fault: Fault, code: str, requirement: str, *, page: str, claim: Callable[[Deal], dict[int, Item]]
) -> None:
    _claims(
        f"refuse-{slug}",
        requirement,
        page,
        lambda deal: [claim(deal)],
        outcomes=((code, 0),),
        available=QUOTA - _CEILING,
        fault=fault,
    )


def _stranger(deal: Deal) -> Key:
    return Key(deal.entropy.take(32))


def _other(deal: Deal, **changes: Item) -> Deal:
    return Deal(deal.consumer, deal.provider, ceiling=_CEILING, **changes)


for _slug, _fault, _code, _requirement, _page, _claim in (
    ("a-tick-of-another-open", Fault.CLAIM_TICK_OF_ANOTHER, "BAD_TICK", "SET-005~1",
     "The link is of another open's chain.", lambda deal: deal.claim(10, k3=_other(deal).links[10])),
    ("a-tick-that-was-not-released", Fault.CLAIM_TICK_RAISED, "BAD_TICK", "SET-005~1",
     "The tenth link, and the claim says that it is the hundredth.", lambda deal: deal.claim(100, k3=deal.links[10])),
    ("more-ticks-than-there-are", Fault.CLAIM_TICKS_HUGE, "BAD_TICK", "SET-005~1",
     "65,536 ticks of an open that has five hundred.", lambda deal: deal.claim(65_536)),
    ("a-close-that-the-provider-did-not-sign", Fault.CLAIM_CLOSE_FORGED, "BAD_CLOSE", "SET-006~2",
     "A close in the provider's name, which somebody else has signed.",
     lambda deal: deal.closed(12, 20, signer=_stranger(deal))),
    ("a-receipt-that-the-consumer-did-not-sign", Fault.CLAIM_HALF_SIGNED, "BAD_CLOSE", "SET-006~2",
     "The countersignature is the provider's own.",
     lambda deal: deal.receipt(12, 20, by=deal.provider.key)),
    ("a-receipt-with-an-empty-countersignature", Fault.CLAIM_COUNTERSIGNATURE_EMPTY, "BAD_CLOSE", "SET-006~2",
     "64 zeros for a countersignature.", lambda deal: deal.closed(12, 20) | {5: bytes(64)}),
    ("a-receipt-of-a-million", Fault.CLAIM_A_MILLION, "BAD_CLOSE", "SET-006~2",
     "Both have signed a close over a million credits, of an open with a ceiling of 4000.",
     lambda deal: deal.receipt(12, 20, k6=1_000_000_000_000)),
    ("a-receipt-of-more-than-was-billed", Fault.CLAIM_TOTAL_RAISED, "BAD_CLOSE", "SET-006~2",
     "The total is one more than what its tokens cost.",
     lambda deal: deal.receipt(12, 20, k6=total(20) + 1)),
    ("a-receipt-of-another-open", Fault.CLAIM_CLOSE_OF_ANOTHER, "BAD_CLOSE", "SET-006~2",
     "A close that both have signed for another open.",
     lambda deal: deal.receipt(12, 20, k0=bytes(32))),
    ("an-open-that-nobody-signed", Fault.CLAIM_OPEN_UNSIGNED, "BAD_OPEN", "SET-003~1",
     "The open's signature is 64 zeros.", lambda deal: deal.claim(10, k1=[deal.open[0], bytes(64)])),
    ("an-open-in-another-network", Fault.CLAIM_FOREIGN, "NOT_MEMBER", "SET-003~1",
     "Quote and open are of a network whose accounts the target does not keep.",
     lambda deal: _other(deal, quote={1: bytes(32)}, k0=bytes(32)).claim(10)),
    ("a-claim-without-a-reservation", Fault.CLAIM_UNRESERVED, "NO_RESERVATION", "SET-015~1",
     "A good open, good ticks, a good receipt: and nothing was reserved for it.",
     lambda deal: _other(deal).receipt(12, 20)),
    ("a-claim-of-another-open-of-one-number", Fault.CLAIM_FORK, "SEQUENCE_USED", "SET-011~1",
     "A second open that the consumer signed with the number of the first.",
     lambda deal: _other(deal, sequence=deal.opened[3]).claim(10)),
):  # fmt: skip
    _refuse(_slug, _fault, _code, _requirement, page=_page, claim=_claim)


@case("refuse-claims-of-others", "SET-003~1", fault=Fault.CLAIM_BY_THIRD, twin=SETTLED, expect=All((
      Outcomes("SET-003~1", (("NOT_ALLOWED", 0),)), LivesOn())))  # fmt: skip
async def refuse_third(session: Session) -> None:
    """A member that is no party of the open shows a receipt of it."""
    registry, consumer, provider = await office(session)
    deal = Deal(consumer, provider, ceiling=_CEILING)
    await provider.calls(RESERVE, deal.reserve())
    third = await party(session, registry, BOTH)
    third.side.commits(session.fault)
    await third.settle(deal.receipt(12, 20))
    await third.side.probe()


@case("settle-for-the-consumer-too", "SET-012~1", expect=All((Gives(),
      Outcomes("SET-012~1", (("BOOKED", total(20)), ("REPEATED", total(20)))),
      Available("SET-012~1", (_PAID, total(20))), LivesOn())))  # fmt: skip
async def settle_for_consumer(session: Session) -> None:
    """The consumer shows the receipt, and the provider shows it again: either of them may, and it is one debt."""
    consumer, provider, deal = await _reserved(session)
    receipt = deal.receipt(12, 20)
    await consumer.settle(receipt)
    await provider.settle(receipt)
    await consumer.balance()
    await provider.balance()
    await provider.side.probe()


@case("settle-each-claim-by-itself", "SET-018~1", expect=All((Gives(), LivesOn(),
      Outcomes("SET-018~1", (("BOOKED", total(20)), ("NO_RESERVATION", 0), ("BAD_TICK", 0), ("BOOKED", 10 * TICK))),
      Available("SET-018~1", (_PAID - 1000,)))))  # fmt: skip
async def settle_each(session: Session) -> None:
    """A receipt, a claim without a reservation, one with a bad tick, and a good one, in one batch: two are booked."""
    consumer, provider, deal = await _reserved(session)
    second, never = (Deal(consumer, provider, ceiling=1000) for _ in range(2))
    await provider.calls(RESERVE, second.reserve())
    await provider.settle(deal.receipt(12, 20), never.claim(5), second.claim(20, k3=bytes(32)), second.claim(10))
    await consumer.balance()
    await provider.side.probe()


@case("keep-bookings-through-a-crash", "SET-017~1", needs=KEEPS | {"restart", "restart.kill"},
      expect=All((Outcomes("SET-017~1", (("BOOKED", total(20)), ("REPEATED", total(20)))),
      Available("SET-017~1", (_PAID, total(20))))))  # fmt: skip
async def keep_through_crash(session: Session) -> None:
    """The settlement node is killed as soon as it has said BOOKED: the booking is there when it starts again."""
    registry, consumer, provider = await office(session)
    deal = Deal(consumer, provider, ceiling=_CEILING)
    await provider.calls(RESERVE, deal.reserve())
    receipt = deal.receipt(12, 20)
    await provider.settle(receipt)
    await registry.target.restart(kill=True)
    consumer = await consumer.again()
    await consumer.balance()
    provider = await provider.again()
    await provider.balance()
    await provider.settle(receipt)
    await provider.side.probe()


@case("remember-opens-for-ever", "SET-014~1", "SET-011~1", needs=KEEPS | {"clock"}, expect=All((
      Outcomes("SET-014~1", (("BOOKED", total(20)), ("REPEATED", total(20)))), Available("SET-014~1", (_PAID,)),
      LivesOn())))  # fmt: skip
async def remember_for_ever(session: Session) -> None:
    """A day later the receipt is shown again: what was settled once stays settled, and not for an hour in memory."""
    consumer, provider, deal = await _reserved(session)
    receipt = deal.receipt(12, 20)
    await provider.settle(receipt)
    await session.call("clock", seconds=86_400)
    provider = await provider.again()
    await provider.settle(receipt)
    consumer = await consumer.again()
    await consumer.balance()
    await consumer.side.probe()
