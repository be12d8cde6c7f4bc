"""The families that this driver has: all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from . import bytes_, discovery, exchange, keys, networks, payment, settlement, settling
from .notation import Inputs, Outcome

FAMILIES: Mapping[str, Callable[[Inputs], Outcome]] = {
    "exporter": keys.exporter,
    "encoding": bytes_.encoding,
    "writing": bytes_.writing,
    "accumulated": bytes_.accumulated,
    "framing": bytes_.framing,
    "frames": bytes_.frames,
    "signatures": keys.signatures,
    "signing": keys.signing,
    "nodeid": keys.nodeid,
    "hello": keys.hello,
    "content": payment.content,
    "quote": payment.quote,
    "open": payment.opened,
    "commitments": payment.commitments,
    "answer": payment.answer,
    "ticks": payment.ticks,
    "billing": settlement.billing,
    "close": settlement.close,
    "countersign": settlement.countersign,
    "receipts": settlement.receipts,
    "fraud": settlement.fraud,
    "descriptor": networks.descriptor,
    "roll": networks.roll,
    "membership": networks.membership,
    "invite": networks.invite,
    "revocation": networks.revocation,
    "arguments": networks.arguments,
    "reserve": settling.reserve,
    "claim": settling.claim,
    "record": discovery.record,
    "address": discovery.address,
    "exchange": exchange.exchange,
}
