"""RESERVE, BALANCE and REPORT: what is taken from whom, and on whose word."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance import signing
from conformance.data import error_code, limit
from conformance.dcbor import Item
from conformance.judge.called import RESERVE as RESERVES
from conformance.judge.called import Gives
from conformance.judge.expect import All, Refuses, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.judge.series import LivesOn
from conformance.script.deals import BALANCE, REPORT, RESERVE, SETTLE, Deal, Party, total
from conformance.script.faults import Fault
from conformance.script.networks import BOTH, CONSUMER, JOIN, PROVIDER
from conformance.script.session import Session
from conformance.script.side import readable
from conformance.signing import Key

from .common import (
    KEEPS,
    QUOTA,
    SETTLED,
    Available,
    Outcomes,
    case,
    fails,
    made,
    numbers,
    office,
    party,
    refuse,
    stranger,
)

_CEILING = 4000


@case(SETTLED, "SET-007~1", "SET-012~1", "SET-016~2", tier="smoke", expect=All((LivesOn(), Gives(),
      Outcomes("SET-012~1", (("BOOKED", 80), ("BOOKED", total(20)))),
      Available("SET-007~1", (QUOTA, QUOTA - _CEILING, QUOTA - total(20), total(20))))))  # fmt: skip
async def reserve_and_settle(session: Session) -> None:
    """A ceiling is reserved, ten ticks are claimed, and then a receipt: its total moves, and the rest is free again."""
    _, consumer, provider = await office(session)
    deal = Deal(consumer, provider, ceiling=_CEILING)
    await consumer.balance()
    await provider.calls(RESERVE, deal.reserve())
    await consumer.balance()
    await provider.settle(deal.claim(10))
    await provider.settle(deal.receipt(12, 20))
    await consumer.balance()
    await provider.balance()
    await provider.side.probe()


# Who asks


def _unknown(slug: str, fault: Fault, page: str, procedure: int, *, arguments: Callable[[Deal], Item]) -> None:
    async def script(session: Session) -> None:
        registry, consumer, _ = await office(session)
        quiet = await stranger(session, registry, BOTH)
        deal = Deal(consumer, quiet, ceiling=_CEILING)
        await fails(quiet, procedure, arguments(deal))

    script.__doc__ = page
    refuse(f"refuse-{slug}-of-a-stranger", fault, "NOT_MEMBER", "SET-001~1")(script)


_PAGE = "The caller is a member, and has not shown it on this connection."
_unknown("a-reservation", Fault.RESERVE_UNSHOWN, _PAGE, RESERVE, arguments=lambda deal: deal.reserve())
_unknown("claims", Fault.SETTLE_UNSHOWN, _PAGE, SETTLE, arguments=lambda deal: {0: [deal.claim(1)]})
_unknown("a-balance", Fault.BALANCE_UNSHOWN, _PAGE, BALANCE, arguments=lambda deal: {0: deal.consumer.network})

# What is asked


Edit = Callable[[Deal], dict[int, Item]]


def _refuse(slug: str, fault: Fault, code: str, requirement: str, *, page: str, edit: Edit) -> None:
    """A reservation that is wrong in one way."""

    async def script(session: Session) -> None:
        _, consumer, provider = await office(session)
        await fails(provider, RESERVE, edit(Deal(consumer, provider, ceiling=_CEILING)))

    script.__doc__ = page
    refuse(f"refuse-a-reservation-{slug}", fault, code, requirement)(script)


def _key(deal: Deal) -> Key:
    return Key(deal.entropy.take(32))


def _deal(deal: Deal, **changes: Item) -> Deal:
    return Deal(deal.consumer, deal.provider, ceiling=_CEILING, **changes)


for _slug, _fault, _code, _requirement, _page, _edit in (
    ("without-signature", Fault.RESERVE_OPEN_UNSIGNED, "BAD_OPEN", "SET-003~1",
     "The open's signature is 64 zeros.", lambda deal: deal.reserve(k1=[deal.open[0], bytes(64)])),
    ("signed-by-the-provider", Fault.RESERVE_OPEN_FORGED, "BAD_OPEN", "SET-003~1",
     "The provider has written an open in the consumer's name, and signed it itself.",
     lambda deal: deal.reserve(k1=deal.provider.key.signed(signing.OPEN, deal.opened))),
    ("of-a-forged-quote", Fault.RESERVE_QUOTE_FORGED, "BAD_OPEN", "SET-003~1",
     "The quote is signed by somebody else than the provider that it names.",
     lambda deal: deal.reserve(k0=[deal.quote[0], _key(deal).sign(signing.QUOTE, deal.quote[0])])),
    ("of-another-quote", Fault.RESERVE_OTHER_QUOTE, "UNKNOWN_QUOTE", "SET-003~1",
     "The open names another quote of the provider's than the one that is shown.",
     lambda deal: deal.reserve(k0=_deal(deal, quote={6: 5}).quote)),
    ("beyond-all-ticks", Fault.RESERVE_CEILING_HUGE, "BAD_OPEN", "SET-003~1",
     "A ceiling above what 65,536 ticks can pay.",
     lambda deal: Deal(deal.consumer, deal.provider, ceiling=8 * 65_536 + 1).reserve()),
    ("in-another-network", Fault.RESERVE_FOREIGN, "NOT_MEMBER", "SET-003~1",
     "Quote and open are of a network whose accounts the target does not keep.",
     lambda deal: _deal(deal, quote={1: bytes(32)}, k0=bytes(32)).reserve()),
    ("of-an-expired-quote", Fault.RESERVE_QUOTE_EXPIRED, "QUOTE_EXPIRED", "SET-004~1",
     "The quote expired an hour ago.",
     lambda deal: _deal(deal, quote={10: int(deal.consumer.session.environment.clock()) - 3600}).reserve()),
    ("with-the-membership-of-another", Fault.RESERVE_OTHER_MEMBER, "NOT_MEMBER", "SET-004~1",
     "The membership that is shown for the consumer is the provider's.",
     lambda deal: deal.reserve(k2=deal.provider.membership)),
):  # fmt: skip
    _refuse(_slug, _fault, _code, _requirement, page=_page, edit=_edit)


@refuse("refuse-a-reservation-by-the-consumer", Fault.RESERVE_BY_CONSUMER, "NOT_ALLOWED", "SET-004~1")
async def refuse_by_consumer(session: Session) -> None:
    """The consumer asks for the reservation itself: it could bind its credit to providers that never saw the open."""
    _, consumer, provider = await office(session)
    await fails(consumer, RESERVE, Deal(consumer, provider, ceiling=_CEILING).reserve())


@refuse("refuse-a-reservation-of-others", Fault.RESERVE_BY_THIRD, "NOT_ALLOWED", "SET-003~1")
async def refuse_by_third(session: Session) -> None:
    """A member that is no party of the open asks for its reservation."""
    registry, consumer, provider = await office(session)
    third = await party(session, registry, BOTH)
    await fails(third, RESERVE, Deal(consumer, provider, ceiling=_CEILING).reserve())


@refuse("refuse-a-reservation-for-a-revoked-consumer", Fault.RESERVE_REVOKED, "NOT_MEMBER", "SET-004~1",
        needs=KEEPS | {"revoke"})  # fmt: skip
async def refuse_revoked(session: Session) -> None:
    """The authority has put the consumer out a moment ago: at the settlement node it is out at once."""
    registry, consumer, provider = await office(session)
    await registry.tell("revoke", member=consumer.key.public.hex())
    await fails(provider, RESERVE, Deal(consumer, provider, ceiling=_CEILING).reserve())


@refuse("refuse-a-reservation-for-a-provider-alone", Fault.RESERVE_NO_CONSUMER, "NOT_MEMBER", "SET-004~1")
async def refuse_no_consumer(session: Session) -> None:
    """The consumer's membership lets it answer, and not ask."""
    registry, _, provider = await office(session)
    other = await party(session, registry, PROVIDER, QUOTA)
    await fails(provider, RESERVE, Deal(other, provider, ceiling=_CEILING).reserve())


# How much


@case("refuse-more-than-is-available", "SET-008~1", fault=Fault.RESERVE_BEYOND_BALANCE, twin=SETTLED, expect=All((
      Refuses("INSUFFICIENT_CREDIT", numbers=True, permitted=True), Available("SET-008~1", (QUOTA - _CEILING,)),
      Shows("it says what there is and what is needed", numbers(QUOTA - _CEILING, QUOTA, "SET-008~1")))))  # fmt: skip
async def refuse_more_than_available(session: Session) -> None:
    """A part of the balance is reserved, and a ceiling comes as high as all of it was: it is told what is there."""
    _, consumer, provider = await office(session)
    await provider.calls(RESERVE, Deal(consumer, provider, ceiling=_CEILING).reserve())
    side = provider.side
    side.commits(session.fault)
    await provider.calls(RESERVE, Deal(consumer, provider, ceiling=QUOTA).reserve())
    await side.probe()
    await consumer.balance()


def _fits(count: int) -> Shows:
    """So many of the reservations are given, and the others are told that there is no credit."""

    def predicate(record: Record) -> Iterator[Finding]:
        asked = made(record, RESERVES)
        gave = sum(call.gave for call in asked)
        if gave != count:
            yield broken(f"{gave} of {len(asked)} reservations were given, where {count} fit", "SET-009~1")
        for call in asked:
            refused = call.answer is not None and call.answer.get(0) == error_code("INSUFFICIENT_CREDIT")
            if not call.gave and not refused:
                yield broken(
                    "a reservation has neither a result nor INSUFFICIENT_CREDIT", "SET-009~1", call.frame.event
                )

    return Shows(f"{count} reservations are given", predicate)


@case("reserve-for-many-at-once", "SET-009~1", "SET-007~1", expect=All((_fits(2), Available("SET-009~1", (2000,)))))
async def reserve_at_once(session: Session) -> None:
    """Two providers ask for twelve reservations at the same moment, of which the balance pays two."""
    registry, consumer, provider = await office(session)
    other = await party(session, registry, PROVIDER)
    deals = [Deal(consumer, each, ceiling=_CEILING) for _ in range(6) for each in (provider, other)]
    streams = [(deal.provider.side, deal.provider.side.call(RESERVE, deal.reserve())) for deal in deals]
    for side, stream in streams:
        await side.answered(stream)
    await consumer.balance()


def _same_expiry(record: Record) -> Iterator[Finding]:
    asked = made(record, RESERVES)
    if not asked:
        yield Finding(verdict=Verdict.INCONCLUSIVE, message="nothing was reserved")
    elif len({call.result.get(0) for call in asked}) != 1 or not all(call.result for call in asked):
        yield broken("a reservation that is asked for again has another end", "SET-010~1", asked[-1].frame.event)


@case("reserve-one-open-once", "SET-010~1", expect=All((Gives(), Shows("the reservation is the same", _same_expiry),
      Available("SET-010~1", (QUOTA - _CEILING,)), LivesOn())))  # fmt: skip
async def reserve_once(session: Session) -> None:
    """A provider whose answer was lost asks again, with another time: it has what it had, and nothing more is taken."""
    _, consumer, provider = await office(session)
    deal = Deal(consumer, provider, ceiling=_CEILING)
    for seconds in (600, 1200, 60):
        await provider.calls(RESERVE, deal.reserve(seconds))
    await consumer.balance()
    await provider.side.probe()


@case("grant-a-quota-once", "SET-020~1", expect=All((Gives(), Available("SET-020~1", (QUOTA, QUOTA, QUOTA, 0)),
      LivesOn())))  # fmt: skip
async def grant_once(session: Session) -> None:
    """A member renews its membership and shows it again and again; its quota was granted. One without gets nothing."""
    registry, consumer, provider = await office(session)
    await consumer.balance()
    for _ in range(2):
        answer = await consumer.calls(JOIN, registry.asks(consumer.key.public, None))
        renewed = readable(answer.value[0])
        consumer = Party(
            session=session,
            network=consumer.network,
            key=consumer.key,
            side=consumer.side,
            membership=renewed[1] if isinstance(renewed, dict) and 1 in renewed else consumer.membership,
        )
        consumer = await consumer.again()
        await consumer.balance()
    await provider.balance()
    await consumer.side.probe()


# Forks


@refuse("refuse-another-open-of-one-number", Fault.RESERVE_FORK, "SEQUENCE_USED", "SET-011~1")
async def refuse_fork(session: Session) -> None:
    """The consumer has signed two opens with one number: the first that was shown has it for ever."""
    _, consumer, provider = await office(session)
    number = session.sequence()
    await provider.calls(RESERVE, Deal(consumer, provider, ceiling=_CEILING, sequence=number).reserve())
    await fails(provider, RESERVE, Deal(consumer, provider, ceiling=_CEILING, sequence=number).reserve())


@refuse("refuse-who-has-signed-two-opens-of-one-number", Fault.RESERVE_AFTER_FORK, "NOT_ALLOWED", "SET-019~1",
        "SET-011~1")  # fmt: skip
async def refuse_after_fork(session: Session) -> None:
    """Two opens of one number have come in two calls: that is evidence, and nobody reserves for their consumer."""
    _, consumer, provider = await office(session)
    number = session.sequence()
    for _ in range(2):
        await provider.calls(RESERVE, Deal(consumer, provider, ceiling=1000, sequence=number).reserve())
    await fails(provider, RESERVE, Deal(consumer, provider, ceiling=1000).reserve())


@refuse("refuse-who-was-reported", Fault.RESERVE_AFTER_REPORT, "NOT_ALLOWED", "SET-019~1")
async def refuse_after_report(session: Session) -> None:
    """Somebody shows two opens of one number with REPORT: their signatures say enough, whoever brings them."""
    registry, consumer, provider = await office(session)
    number = session.sequence()
    first, second = (Deal(consumer, provider, ceiling=1000, sequence=number) for _ in range(2))
    witness = await party(session, registry, CONSUMER)
    await witness.calls(REPORT, {0: first.open, 1: second.open})
    await fails(provider, RESERVE, Deal(consumer, provider, ceiling=1000).reserve())


@case("reserve-for-who-was-slandered", "SET-019~1", fault=Fault.REPORT_NO_FORK, twin=SETTLED, expect=All((
      Refuses("BAD_OPEN"), Available("SET-007~1", (QUOTA - 1000,)))))  # fmt: skip
async def reserve_for_slandered(session: Session) -> None:
    """REPORT with the same open twice, and with one that the reporter has made up: that proves nothing of anybody."""
    _, consumer, provider = await office(session)
    deal = Deal(consumer, provider, ceiling=1000)
    provider.side.commits(session.fault)
    await provider.calls(REPORT, {0: deal.open, 1: deal.open})
    forged = provider.key.signed(signing.OPEN, deal.opened | {7: 999})
    await provider.calls(REPORT, {0: deal.open, 1: forged})
    await provider.side.probe()
    await provider.calls(RESERVE, deal.reserve())
    await consumer.balance()


# Ends


@case("free-what-nobody-claims", "SET-016~2", "SET-015~1", tier="full", seconds=75, needs=KEEPS | {"clock"},
      expect=All((Outcomes("SET-015~1", (("NO_RESERVATION", 0),)),
      Available("SET-016~2", (QUOTA - 1000, QUOTA)))))  # fmt: skip
async def free_unclaimed(session: Session) -> None:
    """A reservation of a minute, of which nobody claims anything: an hour after its end all of it is free again."""
    _, consumer, provider = await office(session)
    deal = Deal(consumer, provider, ceiling=1000)
    await provider.calls(RESERVE, deal.reserve(60))
    await consumer.balance()
    await session.call("clock", seconds=60 + limit("SETTLEMENT_GRACE") + 5)
    await consumer.side.rest(within=65)
    consumer = await consumer.again()
    await consumer.balance()
    provider = await provider.again()
    await provider.settle(deal.claim(10))
