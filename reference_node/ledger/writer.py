"""One transaction: lock and load the rows of some operations, let the rules decide, write what they changed.

Rows are locked in the order of their names, settlements before accounts, so that two transactions seldom wait for each
other in a circle; where they do, one is tried again. Accounts are changed by differences, and events have the number
of their subject's next event: a booking that was decided on old rows would meet the event that it did not see, in
whatever database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from . import rows
from .errors import LedgerError
from .facts import Account, Claim, Finalise, Grant, Lapse, Reserve
from .rules import GRACE_S, Answer, Book
from .schema import accounts, conflicts, events, grants, settlements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import BindParameter, Connection, Engine, Insert, Table

    from .facts import Operation

Result: TypeAlias = Answer | LedgerError | ValueError

# Built once: building a statement costs more than running it.
_NAMES: BindParameter[bytes] = bindparam("names", expanding=True)
_LOCK_SETTLEMENTS = select(settlements).where(settlements.c.id.in_(_NAMES)).order_by(settlements.c.id).with_for_update()
_LOCK_GRANTS = select(grants).where(grants.c.id.in_(_NAMES)).order_by(grants.c.id).with_for_update()
_LOCK_ACCOUNTS = select(accounts).where(accounts.c.id.in_(_NAMES)).order_by(accounts.c.id).with_for_update()
_CHANGE_ACCOUNT = (
    update(accounts)
    .where(accounts.c.id == bindparam("account"))
    .values({column: accounts.c[column] + bindparam(f"more_{column}") for column in rows.POCKET_COLUMNS})
)
_CHANGE_SETTLEMENT = (
    update(settlements)
    .where(settlements.c.id == bindparam("name"))
    .values({column: bindparam(f"new_{column}") for column in rows.CHANGING})
)


def book(engine: Engine, operations: Sequence[Operation], *, now: float, grace: float = GRACE_S) -> list[Result]:
    """Book ``operations``, in their order and in one transaction; what was refused is among the results as its error.

    ``now`` is in seconds since 1970. Raises `SQLAlchemyError`; then nothing was booked, unless the commit's answer was
    lost. All of it may be repeated.
    """
    with engine.begin() as connection:
        ledger = Book(now=now, grace=grace)
        _load(connection, ledger, operations)
        results = [_apply(ledger, operation) for operation in operations]
        _write(connection, ledger)
    return results


def _apply(ledger: Book, operation: Operation) -> Result:
    try:
        return ledger.apply(operation)
    except (LedgerError, ValueError) as error:
        return error


def _load(connection: Connection, ledger: Book, operations: Sequence[Operation]) -> None:
    opens = {each.opened.key for each in operations if isinstance(each, Reserve | Claim | Finalise | Lapse)}
    serials = {each.key for each in operations if isinstance(each, Grant)}
    wanted = set(_accounts(operations))
    found = connection.execute(_LOCK_SETTLEMENTS, {"names": sorted(opens)}).mappings().all() if opens else []
    if serials:
        rows_of_grants = connection.execute(_LOCK_GRANTS, {"names": sorted(serials)}).mappings()
        ledger.grants |= {row["id"]: rows.grant(row) for row in rows_of_grants}
    held = {row["consumer_account"] for row in found} | {row["provider_account"] for row in found}
    names = held | {account.key for account in wanted}
    if not names:
        return
    by_name = {}
    for row in connection.execute(_LOCK_ACCOUNTS, {"names": sorted(names)}).mappings():
        account = by_name[row["id"]] = rows.account(row)
        ledger.available[account] = row["available"]
    for row in found:
        consumer, provider = by_name[row["consumer_account"]], by_name[row["provider_account"]]
        ledger.settlements[row["id"]] = rows.settlement(row, consumer, provider)
    ledger.known.update(by_name.values())


def _accounts(operations: Iterable[Operation]) -> Iterable[Account]:
    for each in operations:
        if isinstance(each, Grant):
            yield from (Account.issue(each.network), Account.of(each.network, each.member))
        elif isinstance(each, Reserve):
            network = each.opened.identity.network
            yield from (Account.of(network, each.member), Account.of(network, each.provider_member))


def _write(connection: Connection, ledger: Book) -> None:
    name = connection.dialect.name
    if missing := sorted(ledger.accounts() - ledger.known, key=lambda account: account.key):
        connection.execute(_unless_there(accounts, name), [rows.new_account(account) for account in missing])
    if ledger.new_grants:
        connection.execute(insert(grants), [rows.new_grant(each) for each in ledger.new_grants])
    fresh = [each for key, each in ledger.changed.items() if key in ledger.new]
    if fresh:
        connection.execute(insert(settlements), [rows.new_settlement(each) for each in fresh])
    older = sorted(key for key in ledger.changed if key not in ledger.new)
    if older:
        connection.execute(_CHANGE_SETTLEMENT, [rows.changed_settlement(ledger.changed[key]) for key in older])
    if ledger.events:
        connection.execute(insert(events), [rows.new_event(each) for each in ledger.events])
    deltas = [(account, more) for account, more in ledger.deltas.items() if any(more.values())]
    if deltas:
        changes = [rows.changed_account(account, more) for account, more in deltas]
        connection.execute(_CHANGE_ACCOUNT, sorted(changes, key=lambda change: change["account"]))
    if ledger.conflicts:
        pairs = [rows.new_conflict(key, each, ledger.now) for key, each in sorted(ledger.conflicts.items())]
        connection.execute(_unless_there(conflicts, name), pairs)


def _unless_there(table: Table, dialect: str) -> Insert:
    """An INSERT that leaves a row alone which another transaction has inserted before."""
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return mysql.insert(table).on_duplicate_key_update(id=table.c.id)
