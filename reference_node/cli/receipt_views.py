"""What a stored receipt looks like to people and to programs: plain values, safe to print as JSON."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from mycellm_proto.economy import DIRECT_NETWORK, open_body
from mycellm_proto.errors import ProtocolError
from mycellm_proto.keys import KEY_SIZE
from mycellm_proto.nodeid import encode_node_id
from mycellm_proto.receipt import encode_receipt, receipt_of

from . import output

if TYPE_CHECKING:
    from mycellm_proto.economy import Close

    from ..store.audit import Audited, AuditedFraud
    from ..store.records import Record

COLUMNS = ("id", "time", "role", "peer", "model", "in", "out", "micro-credits", "state", "verified")
SHORT_ID = 12
"""Digits of an id in the table: two of a million receipts share them once in 500 such tables."""


def summary(audited: Audited) -> dict[str, Any]:
    """The row of the list."""
    record, close = audited.record, audited.close
    return {
        "id": audited.id,
        "time": moment(record.created) if record else None,
        "role": record.role if record else None,
        "peer": _peer(record) if record else None,
        "model": audited.quote.model if audited.quote else None,
        "input_tokens": close.input_tokens if close else None,
        "output_tokens": close.output_tokens if close else None,
        "micro_credits": record.claim if record else None,
        "state": record.state.value if record else None,
        "settlement": record.settlement or None if record else None,
        "verified": not audited.findings,
        "findings": [str(finding) for finding in audited.findings],
    }


def row(view: dict[str, Any]) -> list[str]:
    """A `summary` in the `COLUMNS` of the table."""
    values = [
        view["id"][:SHORT_ID],
        view["time"],
        view["role"],
        short(view["peer"]) if view["peer"] else None,
        view["model"],
        view["input_tokens"],
        view["output_tokens"],
        view["micro_credits"],
        f"{view['state']}, {view['settlement']}" if view["settlement"] else view["state"],
        "ok" if view["verified"] else "FAIL",
    ]
    return [cell(value) for value in values]


def details(audited: Audited) -> dict[str, Any]:
    """Everything that a receipt says."""
    record, quote, close = audited.record, audited.quote, audited.close
    view = summary(audited)
    if record is None or quote is None:
        return view
    identity = record.identity
    return view | {
        "network": "direct" if identity.network == DIRECT_NETWORK else identity.network.hex(),
        "consumer": _node(identity.consumer),
        "provider": _node(identity.provider),
        "sequence": identity.sequence,
        "model_digest": quote.model_digest.hex(),
        "price_in": quote.price_in,
        "price_out": quote.price_out,
        "tick_value": quote.tick_value,
        "quote_expires": moment(quote.expires),
        "ceiling": record.ceiling,
        "booked": record.booked if record.settlement else None,
        "ticks": record.evidence.ticks,
        **(_bill(close) if close else {}),
        "updated": moment(record.updated),
        "receipt": _portable(record),
    }


def _bill(close: Close) -> dict[str, Any]:
    return {
        "finish": close.finish.name.lower(),
        "assurance": close.assurance.name.lower().replace("_", "-"),
        "request": close.request.hex(),
        "response": close.response.hex(),
    }


def _portable(record: Record) -> str | None:
    evidence = record.evidence
    if evidence.close is None or evidence.countersignature is None:
        return None
    return encode_receipt(receipt_of(evidence)).hex()


def fraud(audited: AuditedFraud) -> dict[str, Any]:
    """A proof of fraud: both opens as they were signed, in hexadecimal digits."""
    first, second = audited.first, audited.second
    try:
        opened = open_body(first)
        who = {"consumer": _node(opened.consumer), "provider": _node(opened.provider), "sequence": opened.sequence}
    except ProtocolError:
        who = {"consumer": None, "provider": None, "sequence": None}
    return {
        "id": "fraud",
        "time": moment(audited.seen),
        **who,
        "first": [first.body.hex(), first.signature.hex()],
        "second": [second.body.hex(), second.signature.hex()],
        "verified": not audited.findings,
        "findings": [str(finding) for finding in audited.findings],
    }


def cell(value: object) -> str:
    """A value on one line of a terminal."""
    if value is None:
        return "-"
    return output.printable(value if isinstance(value, str) else json.dumps(value))


def moment(seconds: float) -> str:
    """UTC, to the second."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "?"


def short(node_id: str) -> str:
    """A node id that people can tell from others in a table."""
    return f"{node_id[:12]}…{node_id[-4:]}" if len(node_id) > 20 else node_id


def _peer(record: Record) -> str:
    identity = record.identity
    return _node(identity.provider if record.role == "consumer" else identity.consumer)


def _node(key: bytes) -> str:
    return encode_node_id(key) if len(key) == KEY_SIZE else key.hex()
