"""One receipt as it is kept: how it is identified, in which state it is, and how evidence improves.

The identity of a receipt is its open: (network, consumer, provider, sequence). Evidence only ever improves: more
ticks, then a close, then a countersignature; a better state is never replaced by a lesser one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, NamedTuple

from mycellm_proto.economy import Evidence, Open, close_body, open_body, quote_body
from mycellm_proto.signed import Context

Role = Literal["consumer", "provider"]


class ReceiptState(StrEnum):
    """How an exchange stands, as this side knows it."""

    OPENED = "opened"
    """It runs, or a crash ended it."""
    REFUSED = "refused"
    """Nothing is owed."""
    UNACKNOWLEDGED = "unacknowledged"
    """Provider: ticks, perhaps a close, but no countersignature."""
    OWED = "owed"
    """Consumer: ticks were released, and no close came."""
    DISPUTED = "disputed"
    """Consumer: the close was not what was delivered."""
    SETTLED = "settled"
    """Both agreed."""


DUE = "due"
"""Of a record's ``settlement``: the settlement node has not judged it yet."""
BOOKED = "booked"
"""Of a record's ``settlement``: the settlement node has it in its accounts. Other words are the codes of refusals."""

_FINALITY = {
    ReceiptState.OPENED: 0,
    ReceiptState.REFUSED: 1,
    ReceiptState.UNACKNOWLEDGED: 2,
    ReceiptState.OWED: 2,
    ReceiptState.DISPUTED: 3,
    ReceiptState.SETTLED: 4,
}


class Identity(NamedTuple):
    """What settles, once: network (32 bytes), both node ids (32 bytes each), the consumer's number."""

    network: bytes
    consumer: bytes
    provider: bytes
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A receipt of one side. ``open_hash`` names its open.

    ``ceiling``, ``claim`` and ``covered`` are in micro-credits; ``expires`` (the quote's) and the other times in
    seconds since 1970. ``covered``: the part of the ceiling that a provider owed the consumer when it took the open.
    ``settlement``: empty in networks without a settlement node, else `DUE`, `BOOKED` or the code of its refusal, and
    ``booked`` is what the settlement node said is booked.
    """

    role: Role
    state: ReceiptState
    evidence: Evidence
    identity: Identity
    open_hash: bytes
    ceiling: int
    claim: int
    covered: int
    expires: int
    created: float
    updated: float
    settlement: str = ""
    booked: int = 0

    @classmethod
    def of(
        cls,
        role: Role,
        evidence: Evidence,
        state: ReceiptState,
        now: float,
        *,
        covered: int = 0,
        settlement: str = "",
    ) -> Record:
        """The record of ``evidence``, whose signatures the protocol has checked. Raises `RemoteProtocolError`."""
        opened = open_body(evidence.open)
        return cls(
            role=role,
            state=state,
            evidence=evidence,
            identity=identity_of(opened),
            open_hash=evidence.open.digest(Context.OPEN),
            ceiling=opened.ceiling,
            claim=claim_of(evidence, state, opened.ceiling),
            covered=covered,
            expires=quote_body(evidence.quote).expires,
            created=now,
            updated=now,
            settlement=settlement,
        )


def identity_of(opened: Open) -> Identity:
    """The identity of an open."""
    return Identity(opened.network, opened.consumer, opened.provider, opened.sequence)


def claim_of(evidence: Evidence, state: ReceiptState, ceiling: int) -> int:
    """Micro-credits that ``evidence`` proves (RCP-050): an agreed close's total, else what the released ticks pay.

    Those count within the ceiling, and within the total of a close that was not agreed to.
    """
    if state is ReceiptState.REFUSED:
        return 0
    released = min(evidence.ticks * quote_body(evidence.quote).tick_value, ceiling)
    if evidence.close is None:
        return released
    total = close_body(evidence.close).total
    return total if evidence.countersignature is not None else min(total, released)


def merge(old: Record, new: Record) -> Record:
    """The better of two records of one open, part by part. What covered it is as the older one says.

    What is better than before is due at the settlement node again.
    """
    paid = max(old.evidence, new.evidence, key=lambda evidence: evidence.ticks)
    ended = max(old.evidence, new.evidence, key=_completeness)  # the older one, where they are equal
    evidence = replace(
        old.evidence,
        ticks=paid.ticks,
        link=paid.link,
        close=ended.close,
        countersignature=ended.countersignature,
    )
    state = max(old.state, new.state, key=_FINALITY.__getitem__)
    if (evidence, state) == (old.evidence, old.state):
        return old
    claim = claim_of(evidence, state, old.ceiling)
    settlement = DUE if old.settlement or new.settlement else ""
    return replace(old, evidence=evidence, state=state, claim=claim, updated=new.updated, settlement=settlement)


def _completeness(evidence: Evidence) -> tuple[bool, bool]:
    return evidence.close is not None and evidence.countersignature is not None, evidence.close is not None
