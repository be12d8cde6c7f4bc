"""``receipts balance``: who owes whom, summed up anew from every receipt that verifies."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.nodeid import encode_node_id

if TYPE_CHECKING:
    from ..store.audit import Archive

COLUMNS = ("peer", "network", "served you", "you served", "can spend here")


def balances(archive: Archive | None, allowance: int) -> dict[str, Any]:
    """Per network and peer, in micro-credits: what either side was served, and what the peer can spend here.

    Networks whose accounts a settlement node keeps are left out: `network balance` asks that one.
    """
    from ..store import ReceiptState
    from ..store.credit import Credit

    credit, unverified = Credit(), 0
    accounted: set[bytes] = set()
    sums: defaultdict[tuple[bytes, bytes], dict[str, int]] = defaultdict(lambda: {"consumer": 0, "provider": 0})
    for audited in archive.receipts() if archive else ():
        record = audited.record
        if record is None or audited.findings:
            unverified += 1
            continue
        if record.settlement:
            accounted.add(record.identity.network)
        credit.settle(record, 0)
        if record.state is not ReceiptState.OPENED:
            peer = record.identity.provider if record.role == "consumer" else record.identity.consumer
            sums[record.identity.network, peer][record.role] += record.claim
    used = credit.used(DIRECT_NETWORK, time.time())
    peers = [
        {
            "peer": encode_node_id(peer),
            "network": "direct" if network == DIRECT_NETWORK else network.hex(),
            "served_you": each["consumer"],
            "you_served": each["provider"],
            "can_spend_here": max(0, credit.balance(network, peer)),
        }
        for (network, peer), each in sums.items()
        if network not in accounted
    ]
    pool = {"allowance": allowance, "used": used, "left": max(0, allowance - used)}
    return {"peers": peers, "pool": pool, "unverified": unverified}


def row(view: dict[str, Any]) -> list[str]:
    """A row of the table."""
    return [
        view["peer"],
        view["network"],
        *(str(view[name]) for name in ("served_you", "you_served", "can_spend_here")),
    ]
