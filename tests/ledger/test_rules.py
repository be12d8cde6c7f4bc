"""What is booked, what is refused, and that a refusal changes nothing: on every database."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

import pytest

from reference_node.ledger import (
    GRACE_S,
    AmountError,
    Balance,
    Claim,
    Finalise,
    Grant,
    IdentityConflictError,
    InsufficientCreditError,
    Kind,
    Ledger,
    LedgerError,
    NoReservationError,
    Outcome,
    Place,
    Reserve,
    State,
)
from reference_node.ledger.facts import MAX_ISSUE, Operation

from ..proto.pair import NOW
from .conftest import Clock, Opener
from .facts import (
    EXPIRES,
    IDLE,
    LAB,
    NETWORK,
    OTHER,
    QUOTA,
    STUDENT,
    forks,
    granted,
    opened,
    reserved,
    serial,
    snapshot,
    sound,
)

AFTER = EXPIRES + GRACE_S


async def refused(ledger: Ledger, error: type[LedgerError], call: Callable[[], Awaitable[object]]) -> LedgerError:
    """Assert that a call is refused and has changed nothing."""
    before = snapshot(ledger)
    with pytest.raises(error) as caught:
        await call()
    assert snapshot(ledger) == before
    await sound(ledger)
    return caught.value


async def test_a_quota_is_granted_once(ledger: Ledger) -> None:
    assert await ledger.balance(NETWORK, STUDENT) == Balance(0, 0, 0)
    assert await ledger.grant(NETWORK, STUDENT, QUOTA, serial(STUDENT)) is Outcome.BOOKED
    assert await ledger.grant(NETWORK, STUDENT, QUOTA, serial(STUDENT)) is Outcome.REPEATED
    assert await ledger.balance(NETWORK, STUDENT) == Balance(QUOTA, 0, 0)
    await sound(ledger)


@pytest.mark.parametrize(("member", "amount"), [(STUDENT, QUOTA + 1), (LAB, QUOTA), (STUDENT, 0)])
async def test_a_serial_number_is_good_for_one_grant(ledger: Ledger, member: bytes, amount: int) -> None:
    await granted(ledger)
    await refused(ledger, IdentityConflictError, lambda: ledger.grant(NETWORK, member, amount, serial(STUDENT)))


async def test_a_network_cannot_issue_more_than_fits(ledger: Ledger) -> None:
    await granted(ledger, MAX_ISSUE - 1)
    error = await refused(ledger, AmountError, lambda: ledger.grant(NETWORK, LAB, 2, serial(LAB)))
    assert isinstance(error, AmountError)
    assert (error.limit, error.actual) == (MAX_ISSUE, MAX_ISSUE + 1)
    await ledger.grant(NETWORK, LAB, 1, serial(LAB))
    await ledger.grant(OTHER, LAB, MAX_ISSUE, serial(LAB))
    await sound(ledger)


@pytest.mark.parametrize("amount", [MAX_ISSUE + 1, 1 << 63, 1 << 80])
async def test_huge_amounts_are_refused_by_name(ledger: Ledger, amount: int) -> None:
    await granted(ledger)
    made = await reserved(ledger)
    for call in (
        lambda: ledger.grant(NETWORK, LAB, amount, serial(LAB)),
        lambda: ledger.reserve(opened(2), member=STUDENT, provider_member=LAB, ceiling=amount, expires=EXPIRES),
        lambda: ledger.claim(made, amount),
        lambda: ledger.finalise(made, amount),
    ):
        await refused(ledger, AmountError, call)


async def test_what_is_below_zero_is_a_mistake_of_the_caller(ledger: Ledger) -> None:
    await granted(ledger)
    made = await reserved(ledger)
    before = snapshot(ledger)
    with pytest.raises(ValueError, match="-1"):
        await ledger.grant(NETWORK, LAB, -1, serial(LAB))
    with pytest.raises(ValueError, match="-1"):
        await ledger.reserve(opened(2), member=STUDENT, provider_member=LAB, ceiling=-1, expires=EXPIRES)
    with pytest.raises(ValueError, match="-1"):
        await ledger.claim(made, -1)
    with pytest.raises(ValueError, match="-1"):
        await ledger.finalise(made, -1)
    assert snapshot(ledger) == before


async def test_nothing_can_be_reserved_that_is_not_there(ledger: Ledger) -> None:
    await granted(ledger)
    await reserved(ledger, 600)
    error = await refused(ledger, InsufficientCreditError, lambda: reserved(ledger, 401, 2))
    assert isinstance(error, InsufficientCreditError)
    assert (error.available, error.needed) == (400, 401)
    await reserved(ledger, 400, 2)
    assert await ledger.balance(NETWORK, STUDENT) == Balance(QUOTA, QUOTA, 0)
    await refused(ledger, InsufficientCreditError, lambda: reserved(ledger, 1, 3))
    await refused(ledger, InsufficientCreditError, lambda: reserved(ledger, 1, 1, member=IDLE))
    await reserved(ledger, 0, 4)
    await sound(ledger)


async def test_credit_of_one_network_is_none_in_another(ledger: Ledger) -> None:
    await granted(ledger, network=OTHER)
    error = await refused(ledger, InsufficientCreditError, lambda: reserved(ledger, 1))
    assert isinstance(error, InsufficientCreditError)
    assert (error.available, error.needed) == (0, 1)


async def test_an_open_is_reserved_for_once(ledger: Ledger) -> None:
    await granted(ledger)
    made = opened()
    first = await ledger.reserve(made, member=STUDENT, provider_member=LAB, ceiling=400, expires=EXPIRES)
    again = await ledger.reserve(made, member=STUDENT, provider_member=LAB, ceiling=400, expires=EXPIRES + 9)
    assert (first.outcome, again.outcome) == (Outcome.BOOKED, Outcome.REPEATED)
    assert first.settlement == again.settlement == await ledger.settlement(made.identity)
    assert await ledger.balance(NETWORK, STUDENT) == Balance(QUOTA, 400, 0)
    await refused(
        ledger,
        LedgerError,
        lambda: ledger.reserve(made, member=STUDENT, provider_member=LAB, ceiling=401, expires=EXPIRES),
    )


async def test_of_two_opens_under_one_identity_the_first_counts_and_both_are_kept(ledger: Ledger) -> None:
    await granted(ledger)
    first = await reserved(ledger)
    for number, fork in enumerate(("'", "''", "'")):
        other = opened(fork=fork)
        for call in (
            lambda other=other: ledger.reserve(other, member=STUDENT, provider_member=LAB, ceiling=1, expires=EXPIRES),
            lambda other=other: ledger.claim(other, 1),
            lambda other=other: ledger.finalise(other, 1),
        ):
            await refused(ledger, IdentityConflictError, call)
            assert forks(ledger) == 1, number
    [conflict] = await ledger.conflicts(NETWORK)
    assert (conflict.first, conflict.second) == (first, opened(fork="'"))
    assert await ledger.conflicts(OTHER) == []
    await ledger.finalise(first, 10)
    await refused(ledger, IdentityConflictError, lambda: ledger.finalise(opened(fork="'"), 10))


async def test_the_same_number_elsewhere_is_another_debt(ledger: Ledger) -> None:
    for network in (NETWORK, OTHER):
        for member in (STUDENT, IDLE):
            await granted(ledger, member=member, network=network)
            await ledger.reserve(
                opened(network=network, consumer=member), member=member, provider_member=LAB, ceiling=9, expires=EXPIRES
            )
    assert forks(ledger) == 0
    await sound(ledger)


async def test_a_receipt_pays_and_releases(ledger: Ledger) -> None:
    await granted(ledger)
    made = await reserved(ledger)
    answer = await ledger.finalise(made, 150, b"receipt")
    assert (answer.outcome, answer.settlement) == (Outcome.BOOKED, await ledger.settlement(made.identity))
    assert answer.settlement is not None
    assert (answer.settlement.state, answer.settlement.total) == (State.FINAL, 150)
    assert await ledger.balance(NETWORK, STUDENT) == Balance(850, 0, 0)
    assert await ledger.balance(NETWORK, LAB) == Balance(150, 0, 0)
    before = snapshot(ledger)
    for total in (150, 0, 400):
        assert (await ledger.finalise(made, total)).outcome is Outcome.REPEATED
        assert (await ledger.claim(made, total)).outcome is Outcome.REPEATED
    answer = await ledger.reserve(made, member=STUDENT, provider_member=LAB, ceiling=400, expires=EXPIRES)
    assert answer.outcome is Outcome.REPEATED
    assert answer.settlement is not None
    assert answer.settlement.state is State.FINAL
    assert snapshot(ledger) == before
    assert [event.evidence for event in await ledger.history(NETWORK, LAB)] == [b"receipt"]
    await sound(ledger)


async def test_what_was_earned_can_be_spent(ledger: Ledger) -> None:
    await granted(ledger)
    await ledger.finalise(await reserved(ledger), 150)
    made = opened(9)
    await ledger.reserve(made, member=LAB, provider_member=STUDENT, ceiling=150, expires=EXPIRES)
    await ledger.finalise(made, 150)
    assert await ledger.balance(NETWORK, STUDENT) == Balance(QUOTA, 0, 0)
    await sound(ledger)


async def test_a_member_may_pay_itself(ledger: Ledger) -> None:
    await granted(ledger)
    made = opened()
    await ledger.reserve(made, member=STUDENT, provider_member=STUDENT, ceiling=400, expires=EXPIRES)
    await ledger.claim(made, 300)
    assert await ledger.balance(NETWORK, STUDENT) == Balance(700, 100, 300)
    await ledger.finalise(made, 200)
    assert await ledger.balance(NETWORK, STUDENT) == Balance(QUOTA, 0, 0)
    await sound(ledger)


async def test_a_claim_is_provisional_and_only_rises(ledger: Ledger) -> None:
    await granted(ledger)
    made = await reserved(ledger)
    assert (await ledger.claim(made, 100)).outcome is Outcome.BOOKED
    for amount in (100, 99, 0):
        assert (await ledger.claim(made, amount)).outcome is Outcome.REPEATED
    assert (await ledger.claim(made, 300)).outcome is Outcome.BOOKED
    assert await ledger.balance(NETWORK, STUDENT) == Balance(700, 100, 0)
    assert await ledger.balance(NETWORK, LAB) == Balance(0, 0, 300)
    await refused(ledger, AmountError, lambda: ledger.claim(made, 401))
    await sound(ledger)


async def test_what_is_provisional_cannot_be_spent(ledger: Ledger) -> None:
    await granted(ledger)
    await ledger.claim(await reserved(ledger), 300)
    await refused(
        ledger,
        InsufficientCreditError,
        lambda: ledger.reserve(opened(5), member=LAB, provider_member=IDLE, ceiling=1, expires=EXPIRES),
    )


@pytest.mark.parametrize(("claimed", "total", "kinds"), [
    (300, 200, [Kind.CLAIM, Kind.REVERSAL, Kind.CONFIRM, Kind.FINALISE, Kind.RELEASE]),
    (200, 300, [Kind.CLAIM, Kind.CONFIRM, Kind.FINALISE, Kind.RELEASE]),
    (400, 400, [Kind.CLAIM, Kind.CONFIRM, Kind.FINALISE]),
    (400, 0, [Kind.CLAIM, Kind.REVERSAL, Kind.FINALISE, Kind.RELEASE]),
    (0, 400, [Kind.FINALISE]),
    (0, 0, [Kind.FINALISE, Kind.RELEASE]),
])  # fmt: skip
async def test_a_receipt_decides_whatever_was_claimed(
    ledger: Ledger, claimed: int, total: int, kinds: list[Kind]
) -> None:
    await granted(ledger)
    made = await reserved(ledger)
    await ledger.claim(made, claimed)
    await ledger.finalise(made, total)
    assert await ledger.balance(NETWORK, STUDENT) == Balance(QUOTA - total, 0, 0)
    assert await ledger.balance(NETWORK, LAB) == Balance(total, 0, 0)
    _, (events, _, _) = snapshot(ledger)
    found = [Kind(event.kind) for event in events if event.subject == made.key]
    assert found == [Kind.RESERVE, *kinds]
    await sound(ledger)


async def test_nothing_is_booked_without_a_reservation(ledger: Ledger) -> None:
    await granted(ledger)
    await reserved(ledger)
    await refused(ledger, NoReservationError, lambda: ledger.claim(opened(2), 1))
    await refused(ledger, NoReservationError, lambda: ledger.finalise(opened(2), 0))
    assert await ledger.settlement(opened(2).identity) is None


async def test_a_receipt_beyond_the_ceiling_is_refused(ledger: Ledger) -> None:
    await granted(ledger)
    made = await reserved(ledger)
    error = await refused(ledger, AmountError, lambda: ledger.finalise(made, 401))
    assert isinstance(error, AmountError)
    assert (error.limit, error.actual) == (400, 401)


async def test_after_expiry_and_grace_claims_are_final_and_the_rest_is_released(ledger: Ledger, clock: Clock) -> None:
    await granted(ledger)
    claimed, untouched, later = [await reserved(ledger, 100, n, expires=EXPIRES + (n == 3)) for n in (1, 2, 3)]
    clock.now = AFTER - 0.5
    assert await ledger.expire() == 0
    assert (await ledger.claim(claimed, 60)).outcome is Outcome.BOOKED
    clock.now = AFTER
    for made in (claimed, untouched):
        await refused(ledger, NoReservationError, functools.partial(ledger.claim, made, 61))
        await refused(ledger, NoReservationError, functools.partial(ledger.finalise, made, 61))
    assert (await ledger.check()).overdue == 2
    assert await ledger.expire() == 2
    assert await ledger.expire() == 0
    assert await ledger.balance(NETWORK, STUDENT) == Balance(QUOTA - 60, 100, 0)
    assert await ledger.balance(NETWORK, LAB) == Balance(60, 0, 0)
    for made, total in ((claimed, 60), (untouched, 0)):
        settlement = await ledger.settlement(made.identity)
        assert settlement is not None
        assert (settlement.state, settlement.total) == (State.LAPSED, total)
        assert (await ledger.claim(made, total)).outcome is Outcome.REPEATED
        assert (await ledger.finalise(made, total)).outcome is Outcome.REPEATED
        await refused(ledger, NoReservationError, functools.partial(ledger.claim, made, 61))
        await refused(ledger, NoReservationError, functools.partial(ledger.finalise, made, 61))
    assert (await ledger.finalise(later, 1)).outcome is Outcome.BOOKED
    await sound(ledger)


async def test_nothing_is_reserved_for_an_open_whose_time_is_over(ledger: Ledger, clock: Clock) -> None:
    await granted(ledger)
    clock.now = AFTER
    await refused(ledger, NoReservationError, lambda: reserved(ledger))


async def test_a_batch_books_what_it_can_and_says_what_it_cannot(ledger: Ledger) -> None:
    made = [opened(n) for n in range(1, 4)]
    ceilings = (600, 600, 400)
    operations: list[Operation] = [
        Grant(network=NETWORK, member=STUDENT, amount=QUOTA, serial=serial(STUDENT)),
        *(
            Reserve(opened=each, member=STUDENT, provider_member=LAB, ceiling=ceiling, expires=EXPIRES)
            for each, ceiling in zip(made, ceilings, strict=True)
        ),
        Claim(opened=made[0], amount=500),
        Finalise(opened=made[0], total=400),
        Finalise(opened=made[1], total=400),
        Finalise(opened=opened(3, fork="'"), total=400),
    ]
    for expected in ([Outcome.BOOKED], [Outcome.REPEATED]):
        answers = await ledger.settle_many(operations)
        errors = {n: type(answer) for n, answer in enumerate(answers) if isinstance(answer, LedgerError)}
        assert errors.pop(2) is InsufficientCreditError
        assert errors == {6: NoReservationError, 7: IdentityConflictError}
        assert {answer.outcome for answer in answers if not isinstance(answer, LedgerError)} == set(expected)
        assert await ledger.balance(NETWORK, STUDENT) == Balance(600, 400, 0)
    assert forks(ledger) == 1
    await sound(ledger)


async def test_what_was_booked_is_there_for_the_next_process(ledger: Ledger, opener: Opener, place: Place) -> None:
    await granted(ledger)
    made = await reserved(ledger)
    other = await opener(place)
    assert await other.balance(NETWORK, STUDENT) == Balance(QUOTA, 400, 0)
    assert (await other.finalise(made, 7)).outcome is Outcome.BOOKED
    assert (await ledger.finalise(made, 7)).outcome is Outcome.REPEATED
    before = snapshot(ledger)
    await ledger.aclose()
    third = await opener(place)
    assert snapshot(third) == before
    await sound(third)


async def test_history_tells_where_credit_went(ledger: Ledger, clock: Clock) -> None:
    await granted(ledger)
    clock.now += 1
    made = await reserved(ledger)
    clock.now += 1
    await ledger.finalise(made, 10)
    found = await ledger.history(NETWORK, STUDENT)
    assert [(event.kind, event.amount, event.created - NOW) for event in found] == [
        (Kind.RELEASE, 390, 2), (Kind.FINALISE, 10, 2), (Kind.RESERVE, 400, 1), (Kind.GRANT, QUOTA, 0),
    ]  # fmt: skip
    assert await ledger.history(NETWORK, STUDENT, most=1) == found[:1]
    assert await ledger.history(OTHER, STUDENT) == []
