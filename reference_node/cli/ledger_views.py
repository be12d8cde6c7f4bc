"""What is in a ledger, for people and for programs: plain values, safe to print as JSON. Amounts in micro-credits."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mycellm_proto.nodeid import encode_node_id

from ..ledger.facts import POCKETS, AccountKind
from .receipt_views import cell, moment, short

if TYPE_CHECKING:
    from ..ledger import Event, Place
    from ..ledger.audit import Audit
    from ..ledger.facts import Account
    from ..ledger.queries import Holder

ACCOUNT_COLUMNS = ("network", "member", "balance", "reserved", "available", "pending")
EVENT_COLUMNS = ("time", "network", "event", "amount", "from", "to", "open")
_SHORT_ID = 12
AUTHORITY = "(authority)"
"""Stands for whoever issued the credit: what it has granted is its balance, below zero."""


def audit(place: Place, found: Audit) -> dict[str, Any]:
    """An audit; its first line is the verdict."""
    counts = asdict(found)
    counts["findings"] = [asdict(each) for each in found.findings]
    return {"sound": found.sound, "ledger": place.text, **counts}


def account(each: Holder) -> dict[str, Any]:
    """An account."""
    return {
        "network": each.account.network.hex(),
        "member": _member(each.account),
        "balance": each.balance.balance,
        "reserved": each.balance.reserved,
        "available": each.balance.available,
        "pending": each.balance.pending,
    }


def account_row(view: dict[str, Any]) -> list[str]:
    """An `account` in `ACCOUNT_COLUMNS`."""
    return [view["network"][:_SHORT_ID], *(cell(view[column]) for column in ACCOUNT_COLUMNS[1:])]


def event(each: Event) -> dict[str, Any]:
    """An event, and from which pocket of whose account into which of whose it moved its amount."""
    out, into = POCKETS[each.kind]
    return {
        "time": moment(each.created),
        "network": each.source.network.hex(),
        "event": each.kind.value,
        "amount": each.amount,
        "from": _member(each.source),
        "from_pocket": out.value,
        "to": _member(each.target),
        "to_pocket": into.value,
        "subject": each.subject.hex(),
    }


def event_row(view: dict[str, Any]) -> list[str]:
    """An `event` in `EVENT_COLUMNS`."""
    return [
        view["time"],
        view["network"][:_SHORT_ID],
        view["event"],
        cell(view["amount"]),
        f"{_called(view['from'])} {view['from_pocket']}",
        f"{_called(view['to'])} {view['to_pocket']}",
        view["subject"][:_SHORT_ID],
    ]


def _called(member: str) -> str:
    return member if member == AUTHORITY else short(member)


def _member(each: Account) -> str:
    return AUTHORITY if each.kind is AccountKind.ISSUE else encode_node_id(each.member)
