"""Reads of the ledger: synchronous, each in one transaction that sees one moment of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import or_, select

from . import rows
from .facts import Account, AccountKind, Balance, Conflict, Opened
from .schema import accounts, conflicts, events, settlements

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ..store.records import Identity
    from .facts import Event, Settlement


class Holder(NamedTuple):
    """An account and what is in it."""

    account: Account
    balance: Balance


def balance(engine: Engine, account: Account) -> Balance:
    """What is in ``account``; nothing where there is none."""
    with engine.connect() as connection:
        row = connection.execute(select(accounts).where(accounts.c.id == account.key)).mappings().one_or_none()
    return Balance(0, 0) if row is None else _balance(row["available"], row["reserved"], row["pending"])


def holders(engine: Engine, network: bytes | None = None) -> list[Holder]:
    """Every account, of ``network`` or of all, those of the authorities first."""
    wanted = select(accounts).order_by(accounts.c.network, accounts.c.kind, accounts.c.member)
    if network is not None:
        wanted = wanted.where(accounts.c.network == network)
    with engine.connect() as connection:
        return [
            Holder(rows.account(row), _balance(row["available"], row["reserved"], row["pending"]))
            for row in connection.execute(wanted).mappings()
        ]


def settlement(engine: Engine, identity: Identity) -> Settlement | None:
    """How the open that holds ``identity`` stands."""
    key = Opened(identity=identity, open_hash=bytes(32)).key
    with engine.connect() as connection:
        row = connection.execute(select(settlements).where(settlements.c.id == key)).mappings().one_or_none()
        if row is None:
            return None
        known = _known(connection, {row["consumer_account"], row["provider_account"]})
    return rows.settlement(row, known[row["consumer_account"]], known[row["provider_account"]])


def due(engine: Engine, before: float, most: int) -> list[Opened]:
    """Opens whose time was over ``before``, at most so many, the oldest first."""
    wanted = (
        select(settlements)
        .where(settlements.c.state == "reserved", settlements.c.expires <= int(before))
        .order_by(settlements.c.expires)
        .limit(most)
    )
    with engine.connect() as connection:
        return [rows.opened(row) for row in connection.execute(wanted).mappings()]


def history(engine: Engine, account: Account, most: int) -> list[Event]:
    """The newest events of ``account``, at most so many, the newest first."""
    with engine.connect() as connection:
        return _history(connection, [account.key], most)


def histories(engine: Engine, member: bytes, network: bytes | None, most: int) -> list[Event]:
    """The newest events of a member, in ``network`` or in all."""
    wanted = select(accounts.c.id).where(accounts.c.member == member, accounts.c.kind == AccountKind.MEMBER.value)
    if network is not None:
        wanted = wanted.where(accounts.c.network == network)
    with engine.connect() as connection:
        return _history(connection, list(connection.execute(wanted).scalars()), most)


def _history(connection: Connection, names: list[bytes], most: int) -> list[Event]:
    wanted = (
        select(events)
        .where(or_(events.c.source.in_(names), events.c.target.in_(names)))
        .order_by(events.c.created.desc(), events.c.subject, events.c.number.desc())
        .limit(most)
    )
    found = connection.execute(wanted).mappings().all()
    known = _known(connection, {row[column] for row in found for column in ("source", "target")})
    return [rows.event(row, known[row["source"]], known[row["target"]]) for row in found]


def fork_evidence(engine: Engine, network: bytes | None = None) -> list[Conflict]:
    """Every pair of opens that one consumer made under one identity, in ``network`` or in all."""
    wanted = select(settlements, conflicts.c.open_hash.label("other_hash"), conflicts.c.proof.label("other_proof"))
    wanted = wanted.join(conflicts, conflicts.c.id == settlements.c.id).order_by(conflicts.c.created)
    if network is not None:
        wanted = wanted.where(settlements.c.network == network)
    with engine.connect() as connection:
        found = connection.execute(wanted).mappings().all()
    pairs = []
    for row in found:
        first = rows.opened(row)
        second = replace(first, open_hash=row["other_hash"], proof=row["other_proof"])
        pairs.append(Conflict(first=first, second=second))
    return pairs


def _known(connection: Connection, names: set[bytes]) -> dict[bytes, Account]:
    wanted = select(accounts).where(accounts.c.id.in_(sorted(names)))
    return {row["id"]: rows.account(row) for row in connection.execute(wanted).mappings()}


def _balance(available: int, reserved: int, pending: int) -> Balance:
    return Balance(available + reserved, reserved, pending)
