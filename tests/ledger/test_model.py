"""Any sequence of operations, against a model that knows no database: and the order of evidence does not matter."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from reference_node.ledger import (
    GRACE_S,
    AmountError,
    Claim,
    Finalise,
    Grant,
    IdentityConflictError,
    InsufficientCreditError,
    Ledger,
    LedgerError,
    NoReservationError,
    Outcome,
    Place,
    Reserve,
)
from reference_node.ledger.facts import POCKETS, Kind, Operation, Pocket
from reference_node.ledger.rules import Book

from ..proto.pair import NOW
from . import postgres
from .conftest import Clock
from .facts import EXPIRES, IDLE, LAB, NETWORK, STUDENT, opened, snapshot

MEMBERS = (STUDENT, LAB, IDLE)
AMOUNTS = st.integers(0, 120)
NUMBERS = st.integers(1, 5)


class Model:
    """What the ledger has to say, from what it was told: recomputed each time, with no pockets and no events."""

    def __init__(self) -> None:
        self.granted: dict[int, tuple[bytes, int]] = {}
        self.opens: dict[int, dict[str, Any]] = {}

    def balance(self, member: bytes) -> tuple[int, int, int]:
        balance = sum(amount for to, amount in self.granted.values() if to == member)
        reserved = pending = 0
        for each in self.opens.values():
            paid = each["claimed"] if each["total"] is None else each["total"]
            if each["member"] == member:
                balance -= paid
                reserved += each["ceiling"] - paid if each["total"] is None else 0
            if each["provider"] == member:
                balance += each["total"] or 0
                pending += paid if each["total"] is None else 0
        return balance, reserved, pending

    def expected(self, number: int, fork: bool, amount: int) -> type[LedgerError] | Outcome | None:
        """What a claim or a receipt of ``amount`` meets before it is looked at more closely."""
        held = self.opens.get(number)
        if held is None:
            return NoReservationError
        if fork:
            return IdentityConflictError
        return AmountError if amount > held["ceiling"] else None


class Machine(RuleBasedStateMachine):
    """Operations as they come. ``make`` makes an empty database."""

    make: Any

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.place = type(self).make()
        self.ledger = self.runner.run(Ledger.open(self.place, clock=self.clock))
        self.model = Model()

    def teardown(self) -> None:
        self.runner.run(self.ledger.aclose())
        self.runner.close()

    def book(self, operation: Operation) -> Any:
        before = snapshot(self.ledger)
        [answer] = self.runner.run(self.ledger.settle_many([operation]))
        if isinstance(answer, LedgerError):
            assert snapshot(self.ledger) == before
            return type(answer)
        assert (snapshot(self.ledger) == before) is (answer.outcome is Outcome.REPEATED)
        return answer.outcome

    @rule(number=NUMBERS, member=st.sampled_from(MEMBERS), amount=AMOUNTS)
    def grant(self, number: int, member: bytes, amount: int) -> None:
        held = self.model.granted.setdefault(number, (member, amount))
        found = self.book(Grant(network=NETWORK, member=member, amount=amount, serial=bytes([number]) * 16))
        assert (found is IdentityConflictError) is (held != (member, amount))

    @rule(
        number=NUMBERS,
        fork=st.booleans(),
        member=st.sampled_from(MEMBERS),
        provider=st.sampled_from(MEMBERS),
        ceiling=AMOUNTS,
    )
    def reserve(self, number: int, fork: bool, member: bytes, provider: bytes, ceiling: int) -> None:
        held = self.model.opens.get(number)
        expected: Any
        if held is not None:
            expected = (
                IdentityConflictError if fork else Outcome.REPEATED if ceiling == held["ceiling"] else LedgerError
            )
        elif self.over:
            expected = NoReservationError
        else:
            balance, reserved, _ = self.model.balance(member)
            expected = InsufficientCreditError if balance - reserved < ceiling else Outcome.BOOKED
        name = self.fork(number, fork)
        operation = Reserve(
            opened=opened(number, name), member=member, provider_member=provider, ceiling=ceiling, expires=EXPIRES
        )
        assert self.book(operation) == expected
        if expected is Outcome.BOOKED:
            self.model.opens[number] = {
                "member": member,
                "provider": provider,
                "ceiling": ceiling,
                "claimed": 0,
                "total": None,
                "lapsed": False,
                "fork": fork,
            }

    def fork(self, number: int, fork: bool) -> str:
        """Which of two opens: with one in the ledger, ``fork`` means the other one."""
        held = self.model.opens.get(number)
        return "'" if fork is not (held is not None and held["fork"]) else ""

    @property
    def over(self) -> bool:
        return self.clock.now >= EXPIRES + GRACE_S

    @rule(number=NUMBERS, fork=st.booleans(), amount=AMOUNTS)
    def claim(self, number: int, fork: bool, amount: int) -> None:
        expected: Any = self.model.expected(number, fork, amount)
        held = self.model.opens.get(number)
        if expected is None and held is not None:
            if amount <= held["claimed"] or (held["total"] is not None and not held["lapsed"]):
                expected = Outcome.REPEATED
            else:
                expected = NoReservationError if self.over else Outcome.BOOKED
        assert self.book(Claim(opened=opened(number, self.fork(number, fork)), amount=amount)) == expected
        if expected is Outcome.BOOKED and held is not None:
            held["claimed"] = amount

    @rule(number=NUMBERS, fork=st.booleans(), total=AMOUNTS)
    def finalise(self, number: int, fork: bool, total: int) -> None:
        expected: Any = self.model.expected(number, fork, total)
        held = self.model.opens.get(number)
        if expected is None and held is not None:
            if held["total"] is not None and (not held["lapsed"] or total == held["total"]):
                expected = Outcome.REPEATED
            else:
                expected = NoReservationError if self.over else Outcome.BOOKED
        assert self.book(Finalise(opened=opened(number, self.fork(number, fork)), total=total)) == expected
        if expected is Outcome.BOOKED and held is not None:
            held["total"] = total

    @precondition(lambda self: len(self.model.opens) > 3)
    @rule()
    def time_passes(self) -> None:
        self.clock.now = EXPIRES + GRACE_S

    @rule()
    def expire(self) -> None:
        due = [each for each in self.model.opens.values() if each["total"] is None and self.over]
        for each in due:
            each["total"], each["lapsed"] = each["claimed"], True
        assert self.runner.run(self.ledger.expire()) == len(due)

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.ledger.aclose())
        self.ledger = self.runner.run(Ledger.open(self.place, clock=self.clock))

    @invariant()
    def balances_are_the_models(self) -> None:
        for member in MEMBERS:
            assert self.runner.run(self.ledger.balance(NETWORK, member)) == self.model.balance(member)
        audit = self.runner.run(self.ledger.check())
        assert audit.sound, audit


def test_any_sequence_on_sqlite(empty: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        count = iter(range(1 << 30))

        def make() -> Place:
            path = Path(folder, f"{next(count)}.db")
            shutil.copy(empty, path)
            return Place.file(path)

        run_state_machine_as_test(
            type("OnSQLite", (Machine,), {"make": staticmethod(make)}),
            settings=settings(max_examples=30, stateful_step_count=25, deadline=None),
        )


def test_any_sequence_on_postgresql(postgresql: postgres.Server, template: str) -> None:
    run_state_machine_as_test(
        type("OnPostgreSQL", (Machine,), {"make": staticmethod(lambda: postgresql.place(template))}),
        settings=settings(max_examples=8, stateful_step_count=25, deadline=None),
    )


def booked(operations: list[Operation]) -> Book:
    book = Book(now=NOW)
    book.apply(Grant(network=NETWORK, member=STUDENT, amount=100, serial=bytes(16)))
    book.apply(Reserve(opened=opened(), member=STUDENT, provider_member=LAB, ceiling=100, expires=EXPIRES))
    for operation in operations:
        book.apply(operation)
    return book


evidence = st.lists(st.integers(0, 100).map(lambda amount: Claim(opened=opened(), amount=amount)), max_size=6)


@given(evidence, st.none() | st.integers(0, 100), st.randoms(use_true_random=False))
def test_claims_and_a_receipt_come_to_the_same_in_any_order_and_however_often(
    claims: list[Operation], total: int | None, chance: Any
) -> None:
    shown = [*claims] if total is None else [*claims, Finalise(opened=opened(), total=total)]
    first = booked(shown)
    again = [*shown, *shown]
    chance.shuffle(again)
    second = booked(again)
    assert {account: dict(more) for account, more in first.deltas.items()} == {
        account: dict(more) for account, more in second.deltas.items()
    }
    assert sum(amount for more in second.deltas.values() for amount in more.values()) == 0


def test_the_model_notices_a_wrong_ledger(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    shutil.copy(empty, path)
    running = type("Broken", (Machine,), {"make": staticmethod(lambda: Place.file(path))})()
    monkeypatch.setitem(POCKETS, Kind.CLAIM, (Pocket.RESERVED, Pocket.AVAILABLE))
    running.grant(number=1, member=STUDENT, amount=100)
    running.reserve(number=1, fork=False, member=STUDENT, provider=LAB, ceiling=100)
    running.balances_are_the_models()
    running.claim(number=1, fork=False, amount=50)
    with pytest.raises(AssertionError):
        running.balances_are_the_models()
    running.teardown()
