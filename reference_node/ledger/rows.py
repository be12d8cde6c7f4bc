"""Between facts and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..store.records import Identity
from .facts import Account, AccountKind, Event, Grant, Kind, Opened, Pocket, Settlement, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import RowMapping

    from .facts import Conflict

POCKET_COLUMNS = tuple(pocket.value for pocket in Pocket)
CHANGING = ("state", "claimed", "total", "events")
"""The columns of a settlement that change once it is there."""


def account(row: RowMapping) -> Account:
    """The account in ``row``."""
    return Account(row["network"], AccountKind(row["kind"]), row["member"])


def new_account(each: Account) -> dict[str, Any]:
    """The columns of an account with nothing in it."""
    return {
        "id": each.key,
        "network": each.network,
        "kind": each.kind.value,
        "member": each.member,
        **dict.fromkeys(POCKET_COLUMNS, 0),
    }


def changed_account(each: Account, more: Mapping[Pocket, int]) -> dict[str, Any]:
    """The parameters of a change of an account by differences."""
    return {"account": each.key, **{f"more_{pocket.value}": amount for pocket, amount in more.items()}}


def grant(row: RowMapping) -> Grant:
    """The grant in ``row``."""
    return Grant(network=row["network"], member=row["member"], amount=row["amount"], serial=row["serial"])


def new_grant(each: Grant) -> dict[str, Any]:
    """The columns of a grant."""
    return {
        "id": each.key,
        "network": each.network,
        "serial": each.serial,
        "member": each.member,
        "amount": each.amount,
    }


def opened(row: RowMapping) -> Opened:
    """The open that holds the identity in a settlement's ``row``."""
    identity = Identity(row["network"], row["consumer"], row["provider"], row["sequence"])
    return Opened(identity=identity, open_hash=row["open_hash"], proof=row["proof"])


def settlement(row: RowMapping, consumer: Account, provider: Account) -> Settlement:
    """The settlement in ``row``, whose accounts are ``consumer`` and ``provider``."""
    return Settlement(
        opened=opened(row),
        consumer=consumer,
        provider=provider,
        ceiling=row["ceiling"],
        expires=row["expires"],
        state=State(row["state"]),
        claimed=row["claimed"],
        total=row["total"],
        events=row["events"],
    )


def new_settlement(each: Settlement) -> dict[str, Any]:
    """The columns of a settlement."""
    return {
        "id": each.opened.key,
        **each.opened.identity._asdict(),
        "open_hash": each.opened.open_hash,
        "proof": each.opened.proof,
        "consumer_account": each.consumer.key,
        "provider_account": each.provider.key,
        "ceiling": each.ceiling,
        "expires": each.expires,
        **_changing(each),
    }


def changed_settlement(each: Settlement) -> dict[str, Any]:
    """The parameters of a change of a settlement."""
    return {"name": each.opened.key, **{f"new_{column}": value for column, value in _changing(each).items()}}


def _changing(each: Settlement) -> dict[str, Any]:
    return {"state": each.state.value, "claimed": each.claimed, "total": each.total, "events": each.events}


def event(row: RowMapping, source: Account, target: Account) -> Event:
    """The event in ``row``, between those accounts."""
    return Event(
        subject=row["subject"],
        number=row["number"],
        kind=Kind(row["kind"]),
        source=source,
        target=target,
        amount=row["amount"],
        created=row["created"] / 1000,
        evidence=row["evidence"] or b"",
    )


def new_event(each: Event) -> dict[str, Any]:
    """The columns of an event."""
    return {
        "subject": each.subject,
        "number": each.number,
        "kind": each.kind.value,
        "source": each.source.key,
        "target": each.target.key,
        "amount": each.amount,
        "created": int(each.created * 1000),
        "evidence": each.evidence or None,
    }


def new_conflict(key: bytes, each: Conflict, now: float) -> dict[str, Any]:
    """The columns of a conflict: the open that did not get the identity."""
    return {"id": key, "open_hash": each.second.open_hash, "proof": each.second.proof, "created": int(now * 1000)}
